// Revoked tokens are rejected in every place and transport, until a newer token comes or the revocation is lifted.
import { test } from 'node:test';
import assert from 'node:assert/strict';

import { AccessTable, kCookie, kExpired, kGood, kInvalid, kRevoked, requestOf, seed } from '../lib/access_table.mjs';
import { forEach, startBackends } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { inSeconds, secretKey, signToken } from '../lib/tokens.mjs';

const database = await (await sharedCluster()).createDatabase();
const key = secretKey();
const access = { keys: [{ text: key.text }], cookie: kCookie, query: true, anonymous: 'public' };

const kHour = 3600;
const grants = { subscribe: ['cheese', 'user:*'], publish: ['orders'] };
const token = (sub, iat) => signToken({ sub, iat, exp: inSeconds(kHour), pgevents: grants }, { key });
const revoke = (user, before) =>
  database.query('SELECT pgevents.revoke(user_id => $1, before => $2::timestamptz)', [user, before]);
const hoursAgo = (hours) => new Date(Date.now() - hours * kHour * 1000).toISOString();

// The module learns of a revocation through the log, within milliseconds; this waits until it has.
async function until(backend, row) {
  const [path, options] = requestOf(row);
  const msg = () => `${backend.name}: ${row.status}`;
  await waitFor(async () => (await backend.send(path, options)).status === row.status, { what: msg });
}

// One revocation before the servers start, which they read at the start; then two that they learn of while they run:
// one forever, and one of a user whose name contains special characters of SQL and JSON.
const kOdd = 'o\'neil "x" \\ ü';
await revoke('10', hoursAgo(1));
const backends = await startBackends({ database, subscribe: 'wine', publish: '', access });
await seed(database, ['cheese', 'public', 'wine']);
await revoke('11', 'infinity');
await revoke(kOdd, hoursAgo(1));
for (const backend of backends) await until(backend, { token: token(kOdd, inSeconds(-2 * kHour)), ...kRevoked });

const old = token('10', inSeconds(-2 * kHour));
const fresh = token('10', inSeconds(-kHour / 2));
const rows = [
  ...['poll', 'long-poll', 'stream', 'publish'].flatMap((transport) => [
    { what: `an old token: ${transport}`, token: old, transport, ...kRevoked },
  ]),
  { what: 'an old token: HEAD', token: old, method: 'HEAD', ...kRevoked },
  { what: 'an old token in the cookie', token: old, where: 'cookie', ...kRevoked },
  { what: 'an old token in the query', token: old, where: 'query', ...kRevoked },
  { what: 'an old token on an anonymous channel', token: old, channel: 'public', ...kRevoked },
  { what: 'an old token where the web server grants', token: old, channel: 'wine', ...kRevoked },
  { what: 'a token without iat', token: token('10', undefined), ...kRevoked },
  { what: 'a token of 1970', token: token('10', 0), ...kRevoked },
  { what: 'a token from before 1970', token: token('10', -5), ...kRevoked },
  { what: 'the user as a number', token: token(10, inSeconds(-2 * kHour)), ...kRevoked },
  { what: 'a token issued later', token: fresh, ...kGood },
  { what: 'a token issued later: an event stream', token: fresh, transport: 'stream', ...kGood },
  { what: 'a token issued later: publish', token: fresh, transport: 'publish', channel: 'orders', status: 201 },
  { what: 'a new token of a user who is revoked forever', token: token('11', inSeconds(0)), ...kRevoked },
  { what: 'an old token of another user', token: token('100', inSeconds(-2 * kHour)), ...kGood },
  { what: 'an old token of a user with a shorter name', token: token('1', inSeconds(-2 * kHour)), ...kGood },
  { what: 'an old token without a user', token: token(undefined, inSeconds(-2 * kHour)), ...kGood },
  { what: 'an old token of a user with special characters', token: token(kOdd, inSeconds(-2 * kHour)), ...kRevoked },
  { what: 'a new token of a user with special characters', token: token(kOdd, inSeconds(-kHour / 2)), ...kGood },
  { what: 'no token', channel: 'public', ...kGood },
  { what: 'an old token that has expired as well', token: signToken({ sub: '10', iat: 1, exp: 2 }, { key }),
    ...kExpired },
  { what: 'an old token by another key', ...kInvalid,
    token: signToken({ sub: '10', iat: 1, exp: inSeconds(kHour) }, { key: secretKey() }) },
];

const table = new AccessTable({ database, secrets: [key.secret] });
table.define(backends, rows);

forEach(backends, (backend) => {
  test('a revocation takes effect soon, and lasts until it is lifted', async () => {
    const user = `user of ${backend.name}`;
    const row = { token: token(user, inSeconds(-60)) };
    await table.check(backend, { ...row, ...kGood });
    await revoke(user, 'now');
    await until(backend, { ...row, ...kRevoked });
    await table.check(backend, { ...row, ...kRevoked });
    await table.check(backend, { token: token(user, Date.now() / 1000), ...kGood });
    await revoke(user, '-infinity');
    await until(backend, { ...row, ...kGood });
    await table.check(backend, { ...row, ...kGood });
  });

  test('the last revocation of a user replaces earlier ones, even a stricter one', async () => {
    const user = `second user of ${backend.name}`;
    const row = { token: token(user, inSeconds(-kHour)) };
    await revoke(user, 'infinity');
    await until(backend, { ...row, ...kRevoked });
    await revoke(user, hoursAgo(2));
    await until(backend, { ...row, ...kGood });
    await revoke(user, hoursAgo(0.5));
    await until(backend, { ...row, ...kRevoked });
  });

  test('a disconnected user may connect again', async () => {
    await database.query('SELECT pgevents.disconnect($1)', ['12']);
    await table.check(backend, { token: token('12', inSeconds(-60)), ...kGood });
  });

  test('rejects a subscription to the control channel', async () => {
    const answer = await backend.send('/events/pgevents.control', { query: { last_event_id: '0', flavor: 'poll' } });
    assert.equal(answer.status, 403);
  });
});
