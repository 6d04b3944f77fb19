// An attacker may record early data and send it again (RFC 8470): requests that would change anything are rejected with
// 425, except for a publication with an Idempotency-Key. A proxy that ends TLS adds `Early-Data`; every value means the
// same.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertError, forEach, newChannel } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { kKey, newRealm, startWithUsers } from '../lib/realm.mjs';

const database = await (await sharedCluster()).createDatabase();
const access = { keys: [{ text: kKey.text }], anonymous: '*' };
const backends = await startWithUsers({ database, publish: '*', access });

const early = { 'Early-Data': '1' };

const kCalls = [
  ['POST', '/events/other', { type: 'made' }],
  ['POST', '/events/other', '{'],
  ['POST', '/typing', { op: 'start', to: ['11'] }],
  ['POST', '/users/me/presence', { status: 'active' }],
  ['POST', '/register', {}],
  ['PATCH', '/settings', { presence_enabled: false }],
];

const assertTooEarly = (answer) => assertError(answer, 425, 'TOO_EARLY',
  'Not accepted as early data; send it again after the TLS handshake');

forEach(backends, (backend) => {
  const send = (realm, method, path, body, headers) => {
    const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
    return backend.send(path, { method, body: text, headers: { ...realm.headersOf('10'), ...headers } });
  };
  const newUsers = () => newRealm(database, '10', '11');

  test('rejects requests that would change anything, before it checks the token, and changes nothing', async () => {
    const realm = await newUsers();
    const channels = ['other', realm.channel, realm.userChannel('10'), realm.userChannel('11')];
    for (const [method, path, body] of kCalls) {
      assertTooEarly(await send(realm, method, path, body, early));
      assertTooEarly(await send(realm, method, path, body, { ...early, Authorization: 'Bearer x' }));
    }
    assertTooEarly(await send(realm, 'POST', '/typing', {}, { ...early, 'Idempotency-Key': 'k' }));
    assert.deepEqual(await database.log({ channels }), []);
    assert.equal(await realm.row('10'), undefined);
  });

  test('treats any other value as 1', async () => {
    const realm = await newUsers();
    for (const value of ['0', '?1', '1, 1', 'x']) {
      assertTooEarly(await send(realm, 'POST', '/events/other', { type: 'made' }, { 'Early-Data': value }));
    }
  });

  test('stores a publication with an Idempotency-Key once', async () => {
    const [realm, channel] = [await newUsers(), newChannel()];
    const headers = { ...early, 'Idempotency-Key': `key of ${channel}` };
    const answers = [];
    for (let n = 0; n < 3; n++) {
      answers.push(await send(realm, 'POST', `/events/${channel}`, { type: 'made' }, headers));
    }
    assert.deepEqual(answers.map(({ status, body }) => [status, body]), Array(3).fill([201, answers[0].body]));
    assert.equal((await database.log({ channels: [channel] })).length, 1);
  });

  test('answers requests that only read, and reports unknown paths and methods', async () => {
    const [realm, channel] = [await newUsers(), newChannel()];
    const statuses = [];
    const requests = [
      ['GET', `/events/${channel}?flavor=poll`], ['HEAD', `/events/${channel}`], ['OPTIONS', '/typing'],
      ['GET', '/realm/presence'], ['POST', '/nothing'], ['PUT', '/typing'],
    ];
    for (const [method, path] of requests) {
      statuses.push((await send(realm, method, path, undefined, early)).status);
    }
    assert.deepEqual(statuses, [200, 200, 204, 200, 404, 405]);
  });
});
