// Trouble on the way to the database: a cut network, a slow one, one that drops everything; an expired certificate, a
// changed password. Events flow all the time; afterwards every client has every event once.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { startCluster } from '../lib/cluster.mjs';
import { sleep } from '../lib/conditions.mjs';
import { kServerUser } from '../lib/database.mjs';
import { run } from '../lib/processes.mjs';
import { startProxy } from '../lib/proxy.mjs';
import { tempDir } from '../lib/scratch.mjs';
import { selfSignedCertificate } from '../lib/tls.mjs';
import { isTrial, scenariosOn } from './scenario.mjs';
import { startService } from './service.mjs';

const kTrouble = isTrial ? 3000 : 1500; // ms
const location = 'pgevents_retry 300ms; pgevents_poll_interval 1s; pgevents_timeout 60s; pgevents_heartbeat 2s;';
// OpenSSL has no frame pointers: without this option tests/lsan.supp could not name a leak within it.
if (process.env.ASAN_OPTIONS) process.env.ASAN_OPTIONS += ':fast_unwind_on_malloc=0';
const cluster = await startCluster({ tcp: true });
const proxy = await startProxy(cluster.port);

// A certificate that is valid now, and one that expired long ago.
const good = await selfSignedCertificate();
const expired = await selfSignedCertificate({ at: '2020-01-01' });
const server = { cert: path.join(cluster.data, 'server.crt'), key: path.join(cluster.data, 'server.key') };
const authorities = path.join(good.dir, 'authorities.pem');
fs.writeFileSync(authorities, [good, expired].map(({ cert }) => fs.readFileSync(cert)).join(''));

async function showCertificate({ cert, key }) {
  fs.copyFileSync(cert, server.cert);
  fs.copyFileSync(key, server.key);
  fs.chmodSync(server.key, 0o600);
  if (process.getuid() === 0) await run('chown', ['postgres:', server.cert, server.key]);
  await cluster.database('postgres').query('SELECT pg_reload_conf()');
}

const passwords = path.join(tempDir('pass'), 'pgpass');
const knowPassword = (password) => fs.writeFileSync(passwords, `*:*:*:*:${password}\n`, { mode: 0o600 });

// Only the front-ends connect through the proxy, with TLS and a password.
async function createDatabase() {
  const made = await cluster.createDatabase();
  const secure = `sslmode=verify-ca sslrootcert=${authorities} passfile=${passwords}`;
  made.conninfo = () => `host=127.0.0.1 port=${proxy.port} dbname=${made.name} user=${kServerUser} ${secure}`;
  await made.query(`ALTER ROLE ${kServerUser} PASSWORD 'first'`);
  return made;
}

await showCertificate(good);
await cluster.database('postgres').query('ALTER SYSTEM SET ssl = on');
await cluster.allowFirst(`host all ${kServerUser} 127.0.0.1/32 scram-sha-256`);
knowPassword('first');
const service = await startService({ cluster: { createDatabase }, workers: 2, location, tcp: true, behind: false });
const scenario = scenariosOn(service);

scenario('the network to the database is cut for some seconds', async () => {
  proxy.cut();
  await sleep(kTrouble);
  proxy.mend();
}, { rounds: 2 });

scenario('the network to the database takes a tenth of a second more, each way', async () => {
  proxy.delay(100);
  await sleep(kTrouble);
  proxy.mend();
});

scenario('the network drops everything on the existing connections', () => {
  assert.ok(proxy.freeze() > 0);
}, { rounds: 2, serves: 60_000, resumes: 60_000 });

scenario('the database shows a certificate that has expired', async () => {
  await showCertificate(expired);
  await service.cutFrontEnds();
  await sleep(kTrouble);
  assert.notEqual(await service.whoAnswers(), 'module');
  await showCertificate(good);
});

scenario('the password is changed, first in the database, then in the front-ends', async ({ round }) => {
  const password = `changed-${round}`;
  await service.database.query(`ALTER ROLE ${kServerUser} PASSWORD '${password}'`);
  await service.cutFrontEnds();
  await sleep(kTrouble);
  assert.notEqual(await service.whoAnswers(), 'module');
  knowPassword(password);
});

test('at the end the log is clean', () => service.nginx.stop());
