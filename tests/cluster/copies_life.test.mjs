// A copy's life by the commands of docs/cluster.md, "Adding and removing a copy under load", while events flow and
// clients wait; and a copy that is far away.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { before, test } from 'node:test';

import { startCluster } from '../lib/cluster.mjs';
import { sleep, waitFor } from '../lib/conditions.mjs';
import { kCopyCluster, Pair } from '../lib/copies.mjs';
import { arrived } from '../lib/copy.mjs';
import { request } from '../lib/http.mjs';
import { startModuleServer } from '../lib/module_server.mjs';
import { run } from '../lib/processes.mjs';
import { inSeconds, secretKey, signToken } from '../lib/tokens.mjs';
import { kRoot, tempDir } from '../lib/scratch.mjs';

const kLineDelay = 150; // ms in each direction
const kSoon = 1000; // ms: within which a revocation holds where it has arrived

const pair = new Pair();
before(() => pair.start());

// The commands below a heading of docs/cluster.md: [{ where, script }], by the comment that begins each part.
function documented(heading) {
  const page = fs.readFileSync(path.join(kRoot, 'docs/cluster.md'), 'utf8');
  const section = page.split(`\n### ${heading}\n`)[1].split(/\n##+ /)[0];
  return [...section.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, text]) => text.split(/^# on (?=the )/m).filter(Boolean)
    .map((part) => ({ where: part.split('\n')[0], script: part.slice(part.indexOf('\n')) })));
}

// Runs a block of them: `clusters` by the words behind "# on".
async function follow(block, clusters, slot) {
  let output = '';
  for (const { where, script } of block) {
    const cluster = clusters[where];
    assert.ok(cluster, `no such machine: ${where}`);
    const { primary } = pair;
    const version = await primary.value('SELECT version FROM pgevents.schema_version()');
    const text = script.replace(/, [0-9]+\) \\gexec/, `, ${version}) \\gexec`).replaceAll('host=db1 ', `host=${primary.cluster.dir} port=${primary.cluster.port} `)
      .replaceAll('user=copier password=…', 'user=postgres').replace("create_publication('copier')", 'create_publication()')
      .replaceAll('sql/install.sql', path.join(kRoot, 'sql/install.sql')).replace("'pgevents_…'", `'${slot}'`);
    const env = { ...process.env, PGHOST: cluster.dir, PGPORT: String(cluster.port), PGUSER: 'postgres',
      PATH: `${cluster.program('')}:${process.env.PATH}` };
    output = (await run('bash', ['-euo', 'pipefail', '-c', text], { env })).stdout;
  }
  return output;
}

const idsOf = ({ events }) => events.map(({ id }) => Number(id));
const reads = (server, database) => server.nginx.reload((n) => `
  pgevents_database main "${database.conninfo()}" ring=4m;
  server { listen ${n.listen()} reuseport; location /rt/ { pgevents main; pgevents_subscribe "*"; pgevents_retry 50ms; } }`);

test('a copy is added and removed under load by the documented commands, and clients miss nothing', async (t) => {
  const { primary } = pair;
  const cluster = await startCluster({ ...kCopyCluster, dir: tempDir('copy') });
  const clusters = { 'the primary': primary.cluster, 'the copy': cluster };
  const [adding, reading, removing, lost] = documented('Adding and removing a copy under load');
  const server = await startModuleServer({ database: primary, location: 'pgevents_retry 50ms;' });
  const stream = await server.stream('load', { reconnect: true, maxDelay: 200 }).opened();
  const flow = pair.publish('load');
  const slots = () => primary.value('SELECT count(*) FROM pg_replication_slots');

  await follow(adding, clusters);
  const copy = cluster.database('app');
  await copy.query(`CREATE ROLE test_server LOGIN IN ROLE pgevents_server`).catch(() => {});
  await waitFor(async () => (await follow(reading, clusters)).includes('copy|[]'), { what: 'a complete copy' });
  assert.equal(await slots(), 1);
  await reads(server, copy);
  const turned = (await flow.stop(), await primary.head());
  await waitFor(() => idsOf(stream).at(-1) >= turned, { what: 'everything, from the copy' });

  const more = pair.publish('load');
  await sleep(300);
  await reads(server, primary);
  await follow(removing, clusters);
  assert.equal(await slots(), 0);
  const count = await more.stop();
  const ids = (await primary.log({ channels: ['load'] })).map(({ id }) => id);
  await waitFor(() => idsOf(stream).at(-1) >= ids.at(-1), { what: 'everything, from the primary' });
  await stream.close();
  assert.deepEqual(idsOf(stream), ids);
  assert.ok(stream.events.every(({ type }) => type === 'made'));
  assert.ok(stream.connections.length >= 3, 'it was at the copy');
  t.diagnostic(`${ids.length} events, ${count} of them after it read the copy`);

  // A copy that cannot be reached any more leaves its slot.
  await primary.query(`SELECT pg_create_logical_replication_slot('left', 'pgoutput')`);
  await follow(lost, clusters, 'left');
  assert.equal(await slots(), 0);
  await server.nginx.stop();
});

test('far away, a publication returns, its event arrives, and a revocation holds within a second of its arrival', async (t) => {
  const { primary, copy, line } = pair;
  await pair.subscribe();
  const key = secretKey();
  const file = path.join(tempDir('key'), 'jwt.key');
  fs.writeFileSync(file, key.text);
  const far = `host=127.0.0.1 port=${line.port} dbname=${primary.name} user=test_server`;
  const server = await startModuleServer({ database: copy, parameters: `"primary=${far}"`,
    location: `pgevents_jwt_key ${file} alg=HS256;` });
  const token = signToken({ sub: '10', iat: inSeconds(-5), exp: inSeconds(600) }, { key });
  const headers = { Authorization: `Bearer ${token}` };
  await waitFor(async () => (await post(server)).status === 201, { what: 'a connection to the primary' });
  line.delay(kLineDelay);
  const stream = await server.stream('c,user:10', { headers }).opened();
  await arrived(primary, copy);

  const from = performance.now();
  const { status, body } = await post(server);
  const answered = performance.now() - from;
  assert.equal(status, 201, body);
  const { id } = JSON.parse(body);
  await waitFor(() => idsOf(stream).includes(id), { what: `event ${id}` });
  const delivered = performance.now() - from;
  assert.ok(answered >= 2 * kLineDelay, `answered after ${answered} ms`);
  assert.ok(delivered >= 2 * kLineDelay, `delivered after ${delivered} ms`);

  const revoked = performance.now();
  await primary.query(`SELECT pgevents.revoke('10')`);
  const has = () => copy.value('SELECT count(*) = 1 FROM pgevents.revocations');
  await waitFor(has, { what: 'the revocation', interval: 5 });
  const there = performance.now();
  await stream.ended();
  const over = performance.now();
  assert.equal((await server.get('c', { query: { flavor: 'poll' }, headers })).status, 401);
  assert.ok(there - revoked >= kLineDelay, 'it came over the line');
  assert.ok(over - there < kSoon, `the stream ended ${over - there} ms after that`);
  t.diagnostic(`answered after ${answered.toFixed(0)} ms, delivered after ${delivered.toFixed(0)} ms, revoked after ` +
    `${(over - revoked).toFixed(0)} ms`);
  line.mend();
  await server.nginx.stop();
});

const post = ({ port }) => request({ port, path: '/rt/events/c', method: 'POST', body: '{"type":"made"}',
  headers: { 'Content-Type': 'application/json' } });
