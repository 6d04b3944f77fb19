// The user of requests for presence, typing and settings: requests without a user, tokens, and cookies.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { needsToken } from '../lib/access_table.mjs';
import { assertError, forEach, startBackends } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { assertSuccess } from '../lib/realm.mjs';
import { inSeconds, secretKey, signToken } from '../lib/tokens.mjs';
import { kCalls } from './calls.mjs';

const database = await (await sharedCluster()).createDatabase();
await database.query("INSERT INTO pgevents.users (realm, user_id) VALUES ('main', '10'), ('main', '11'), ('dairy', '12')");

const key = secretKey();
const start = (access) => startBackends({ database, subscribe: '', publish: '', access });
const noUser = await start({});
const tokens = await start({ keys: [{ text: key.text }], query: true, cookie: 'pgevents_token' });

const send = (backend, method, path, options = {}) => backend.send(path, { method, ...options });

forEach(noUser, (backend) => {
  test('rejects every call without a user', async () => {
    for (const [method, path] of [...kCalls, ['HEAD', '/realm/presence']]) {
      const answer = await send(backend, method, path);
      assert.equal(answer.headers['www-authenticate'], undefined);
      if (method === 'HEAD') assert.deepEqual([answer.status, answer.body], [401, '']);
      else assertError(answer, 401, 'UNAUTHORIZED', 'Authentication required');
    }
  });
});

forEach(tokens, (backend) => {
  const token = (claims) => signToken({ exp: inSeconds(3600), ...claims }, { key });
  const bearer = (text) => ({ Authorization: `Bearer ${text}` });

  test('asks for a token if the request has no user', async () => {
    const { challenge } = needsToken('x');
    for (const headers of [{}, bearer(token({}))]) {
      const answer = await send(backend, 'POST', '/register', { headers });
      assertError(answer, 401, 'UNAUTHORIZED', 'Authentication required');
      assert.equal(answer.headers['www-authenticate'], challenge);
    }
    const expired = await send(backend, 'POST', '/register', { headers: bearer(token({ exp: 1 })) });
    assertError(expired, 401, 'TOKEN_EXPIRED', 'The token has expired');
  });

  test('takes user and realm from the token', async () => {
    for (const claims of [{ sub: '10', realm: 'main' }, { sub: '12', realm: 'dairy' }]) {
      const headers = bearer(token(claims));
      const { channels } = assertSuccess(await send(backend, 'POST', '/register', { headers }));
      assert.ok(channels.includes(`presence:${claims.realm}`));
      assertSuccess(await send(backend, 'POST', '/users/me/presence', { headers, body: '{"status":"idle"}' }));
      assertSuccess(await send(backend, 'GET', `/users/${claims.sub}/presence`, { headers }));
    }
  });

  test('does not treat a token in the query as a parameter', async () => {
    const query = { access_token: token({ sub: '10' }) };
    for (const [method, path] of [['GET', '/realm/presence'], ['POST', '/register']]) {
      assert.equal(assertSuccess(await send(backend, method, path, { query })).ignored_parameters_unsupported, undefined);
    }
  });

  test('rejects a revoked token', async () => {
    const user = `käse of ${backend.name}`;
    await database.query('INSERT INTO pgevents.users (user_id) VALUES ($1)', [user]);
    const headers = bearer(token({ sub: user, iat: inSeconds(-60) }));
    assertSuccess(await send(backend, 'POST', '/register', { headers }));
    await database.query("SELECT pgevents.revoke($1, now() - interval '30 seconds')", [user]);
    let answer;
    const isRejected = async () => (answer = await send(backend, 'POST', '/register', { headers })).status !== 200;
    await waitFor(isRejected, { what: 'the revocation is known' });
    assertError(answer, 401, 'TOKEN_REVOKED', 'The token was revoked');
  });

  test('accepts a cookie for changes only from pages of this site', async () => {
    const headers = { Cookie: `pgevents_token=${token({ sub: '10' })}` };
    const patch = (more) => send(backend, 'PATCH', '/settings', { headers: { ...headers, ...more } });
    assertSuccess(await patch({ 'Sec-Fetch-Site': 'same-origin' }));
    const answer = await patch({ Origin: 'https://other.example' });
    assertError(answer, 403, 'FORBIDDEN', 'Not authorized from this origin');
    assertSuccess(await send(backend, 'GET', '/realm/presence',
      { headers: { ...headers, Origin: 'https://other.example' } }));
  });
});
