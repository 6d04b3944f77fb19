// Access while the database is away: the front-end cannot know whether a token was revoked, so it rejects requests that
// depend on it, and streams wait. Errors that it can find without the database are reported as usual.
import { test } from 'node:test';

import {
  AccessTable, kExpired, kInvalid, kRevoked, needsToken, readableBy, rejectsChannel, requestOf, seed,
} from '../lib/access_table.mjs';
import { forEach, startBackends } from '../lib/backends.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { inSeconds, secretKey, signToken } from '../lib/tokens.mjs';

const kOrigin = 'https://app.example';
const cluster = await startCluster();
const database = await cluster.createDatabase();
const key = secretKey();
const access = { keys: [{ text: key.text }], query: true, anonymous: 'public', origins: [kOrigin] };
await seed(database, ['cheese', 'public']);
await database.query("SELECT pgevents.revoke('11', 'infinity')");

const grants = { subscribe: ['cheese'], publish: ['orders'] };
const token = (claims = {}) =>
  signToken({ sub: '10', iat: inSeconds(-60), exp: inSeconds(3600), pgevents: grants, ...claims }, { key });
const forged = signToken({ sub: '10', exp: inSeconds(60) }, { key: secretKey() });
const good = token();
const revoked = token({ sub: '11' });

const kAway = { status: 503, code: 'SERVICE_UNAVAILABLE', msg: 'The database is not available' };
const kWaits = { transport: 'stream', status: 200, waits: true };
const readable = (row) => ({ ...row, headers: { Origin: kOrigin }, answerHeaders: readableBy(kOrigin) });

const rows = [
  ...['poll', 'long-poll'].map((transport) => ({ what: `a good token: ${transport}`, token: good, transport, ...kAway })),
  { what: 'a good token: publish', token: good, transport: 'publish', channel: 'orders', ...kAway },
  { what: 'a good token in the query', token: good, where: 'query', ...kAway },
  { what: 'a good token: HEAD', token: good, method: 'HEAD', ...kAway },
  { what: 'a revoked token is treated like others', token: revoked, ...kAway },
  { what: 'no token, an anonymous channel', channel: 'public', ...kAway },
  { what: 'a good token: stream', token: good, ...kWaits },
  { what: 'a good token in the query: stream', token: good, where: 'query', ...kWaits },
  { what: 'a revoked token is treated like others: stream', token: revoked, ...kWaits },
  { what: 'no token, an anonymous channel: stream', channel: 'public', ...kWaits },
  { what: 'a good token for another channel: stream', token: good, channel: 'wine', transport: 'stream',
    ...rejectsChannel('wine') },
  { what: 'no token: stream', transport: 'stream', ...needsToken('cheese') },
  { what: 'no token', ...needsToken('cheese') },
  { what: 'a forged token', token: forged, ...kInvalid },
  { what: 'an expired token in the query', token: token({ exp: 1 }), where: 'query', ...kExpired },
  { what: 'a forged token: stream', token: forged, transport: 'stream', ...kInvalid },
  { what: 'OPTIONS', method: 'OPTIONS', status: 204 },
].map(readable);

// The back-ends start without a database, so that the module has no earlier list of revocations.
await cluster.stop();
const backends = await startBackends({ database, subscribe: '', publish: '', access, away: true });
const table = new AccessTable({ database: undefined, secrets: [key.secret, good, revoked] });
table.define(backends, rows);

forEach(backends, (backend) => {
  test('rejects a revoked token once the database is back', async () => {
    if (!cluster.pid) await cluster.start();
    const row = readable({ token: revoked, ...kRevoked });
    const [path, options] = requestOf(row);
    const served = await waitFor(async () => {
      const answer = await backend.send(path, options);
      return answer.status !== kAway.status && answer;
    }, { what: 'service' });
    await table.assertAnswer(served, row, options.method);
  });
});
