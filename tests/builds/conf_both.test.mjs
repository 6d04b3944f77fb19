// The examples of conf/ with a fallback give it the same access as the module: an outage turns no right into a
// rejection, which would end a browser's EventSource, and no rejection into a right. The same requests go to both.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { before, describe, test } from 'node:test';

import { environmentOf, kConf, kListen80, readExample, startExample } from '../lib/conf_examples.mjs';
import { startFallback } from '../lib/fallback.mjs';
import { atEnd } from '../lib/lifetime.mjs';
import { tempDir } from '../lib/scratch.mjs';
import { selfSignedCertificate } from '../lib/tls.mjs';
import { inSeconds, secretKey, signToken } from '../lib/tokens.mjs';
import { basic, bearer, Client, passwordFile, servers, start, startServers, writeFile } from './conf_client.mjs';

startServers();

const dir = tempDir('both');
const key = secretKey();
const keyFile = writeFile(dir, 'jwt.key', key.text);
const passwords = passwordFile(dir, { alice: 'secret' });
const claims = { sub: '10', iat: inSeconds(-1), exp: inSeconds(3600) };
const token = (signer, kid) => signToken(claims, { key: signer, kid });
const both = (keys, kid) => ({ user: bearer(token(keys, kid)), wrong: bearer(token(secretKey(), kid)) });
const kPasswords = { user: basic('alice', 'secret'), wrong: basic('alice', 'wrong') };
const kSessions = { user: { Cookie: 'session=anna' }, wrong: { Cookie: 'session=other' } };
const kJwt = { places: { '/etc/pgevents/jwt.key': keyFile }, clients: both(key), environment: true };
let application, authority;

before(async () => {
  const grants = { 'X-Pgevents-User': '10', 'X-Pgevents-Subscribe': 'news' };
  const redirect = { 'X-Accel-Redirect': '/rt/events/news?flavor=poll' };
  const server = http.createServer(({ url, headers }, response) => {
    const answer = [200, { ...grants, ...(url === '/my-events' && redirect) }];
    response.writeHead(...headers.cookie === 'session=anna' ? answer : [401, {}]).end();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(() => new Promise((resolve) => server.closeAllConnections() ?? server.close(resolve)));
  application = { 'http://127.0.0.1:3000': `http://127.0.0.1:${server.address().port}` };
  authority = { '/etc/ssl/certs/machines-ca.pem': (await selfSignedCertificate()).cert };
});

// What each example needs, and who asks; without `clients` all clients have the same rights.
const kExamples = {
  'auth-request.conf': { places: () => application, clients: kSessions },
  'basic-auth.conf': { places: { '/etc/nginx/pgevents.htpasswd': passwords }, clients: kPasswords },
  'client-certificate.conf': { places: () => authority },
  'copy.conf': {
    plain: true, off: { 'pgevents main;': 'pgevents off;' },
    places: () => ({ 'host=db1.example.com,db2.example.com dbname=app user=www-data': servers.database.conninfo() }),
  },
  'cross-origin.conf': { ...kJwt, host: 'events.example.com' },
  'fallback.conf': { plain: true, off: { 'set $pgevents main;': 'set $pgevents off;' } },
  'internal.conf': { places: () => application, clients: kSessions, target: '/my-events' },
  'jwt.conf': { places: { '/etc/pgevents/2026-07.key': keyFile }, clients: both(key, '2026-07'), environment: true },
  'limits.conf': { plain: true, off: { 'pgevents main;': 'pgevents off;' } },
  'presence.conf': kJwt,
  'query-token.conf': { ...kJwt, places: { ...kJwt.places, '/var/log/nginx/access.log': path.join(dir, 'access.log') } },
  'satisfy-any.conf': { places: { '/etc/nginx/pgevents.htpasswd': passwords }, clients: kPasswords },
  'user-limits.conf': { ...kJwt, places: { ...kJwt.places, '/var/log/nginx/events.log': path.join(dir, 'events.log') } },
};

const kChannels = ['news', 'team.a', 'house.a', 'stream:7', 'user:10', 'user:alice', 'user:11', 'presence:main', 'secret'];
const kPass = 'fastcgi_pass unix:/run/pgevents/fcgi.sock;';

const placesOf = ({ places = {} }) => typeof places === 'function' ? places() : places;

async function startOne(name, module) {
  const example = kExamples[name];
  const places = placesOf(example);
  const fallback = !module && example.environment
    ? await startFallback({ conninfo: servers.database.conninfo(), env: environmentOf(name, places) }) : servers.fallback;
  if (!example.plain) return start(name, { module, fallback, host: example.host, places: () => places });
  const front = module ? { [kPass]: '' } : { ...example.off, [kPass]: `fastcgi_pass unix:${fallback.socket};` };
  return startExample(name, {
    database: servers.database, places: (_, port) => ({ [kListen80]: `listen 127.0.0.1:${port};`, ...front, ...places }),
  });
}

// { 'user news': 200, … }
async function statusesOf(name, module) {
  const { clients, plain, target } = kExamples[name];
  const client = new Client(await startOne(name, module), { tls: !plain });
  await client.poll('news'); // until the module has found its database
  const statuses = {};
  for (const [who, headers] of Object.entries({ anonymous: {}, ...clients })) {
    for (const channel of kChannels) {
      const answer = await client.send({ path: target ?? `/rt/events/${channel}?flavor=poll`, headers });
      statuses[`${who} ${channel}`] = answer.status;
    }
  }
  return statuses;
}

describe('conf/ with a fallback', () => {
  test('has every example here', () => {
    const names = fs.readdirSync(kConf).filter((name) => name.endsWith('.conf'));
    assert.deepEqual(names.filter((name) => readExample(name).includes('fastcgi_pass')), Object.keys(kExamples));
  });

  for (const name of Object.keys(kExamples)) {
    test(`${name}: module and fallback admit the same requests`, async () => {
      const expected = await statusesOf(name, true);
      assert.ok(Object.values(expected).some((status) => status >= 400), JSON.stringify(expected));
      assert.ok(Object.values(expected).includes(200), JSON.stringify(expected));
      assert.deepEqual(await statusesOf(name, false), expected);
    });
  }
});
