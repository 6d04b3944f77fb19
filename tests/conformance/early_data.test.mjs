// Early data may have been recorded and sent again by somebody else (RFC 8470): what would change anything is refused
// with 425, but for a publication with an Idempotency-Key. `Early-Data` is what a proxy with TLS adds; any value means
// the same.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertError, forEach, newChannel } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { kKey, newRealm, startWithPeople } from '../lib/people.mjs';

const database = await (await sharedCluster()).createDatabase();
const access = { keys: [{ text: kKey.text }], anonymous: '*' };
const backends = await startWithPeople({ database, publish: '*', access });

const early = { 'Early-Data': '1' };

const kCalls = [
  ['POST', '/events/other', { type: 'made' }],
  ['POST', '/events/other', '{'],
  ['POST', '/typing', { op: 'start', to: ['11'] }],
  ['POST', '/users/me/presence', { status: 'active' }],
  ['POST', '/register', {}],
  ['PATCH', '/settings', { presence_enabled: false }],
];

const assertRefused = (answer) => assertError(answer, 425, 'TOO_EARLY',
  'Not accepted as early data; send it again after the TLS handshake');

forEach(backends, (backend) => {
  const send = (realm, method, path, body, headers) => {
    const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
    return backend.send(path, { method, body: text, headers: { ...realm.headersOf('10'), ...headers } });
  };
  const newUsers = () => newRealm(database, '10', '11');

  test('what changes anything is refused, whoever asks, and changes nothing', async () => {
    const realm = await newUsers();
    const channels = ['other', realm.channel, realm.userChannel('10'), realm.userChannel('11')];
    for (const [method, path, body] of kCalls) {
      assertRefused(await send(realm, method, path, body, early));
      assertRefused(await send(realm, method, path, body, { ...early, Authorization: 'Bearer x' }));
    }
    assertRefused(await send(realm, 'POST', '/typing', {}, { ...early, 'Idempotency-Key': 'k' }));
    assert.deepEqual(await database.log({ channels }), []);
    assert.equal(await realm.row('10'), undefined);
  });

  test('a value that is none counts as 1', async () => {
    const realm = await newUsers();
    for (const value of ['0', '?1', '1, 1', 'x']) {
      assertRefused(await send(realm, 'POST', '/events/other', { type: 'made' }, { 'Early-Data': value }));
    }
  });

  test('a publication with an Idempotency-Key is stored, once', async () => {
    const [realm, channel] = [await newUsers(), newChannel()];
    const headers = { ...early, 'Idempotency-Key': `key of ${channel}` };
    const answers = [];
    for (let n = 0; n < 3; n++) {
      answers.push(await send(realm, 'POST', `/events/${channel}`, { type: 'made' }, headers));
    }
    assert.deepEqual(answers.map(({ status, body }) => [status, body]), Array(3).fill([201, answers[0].body]));
    assert.equal((await database.log({ channels: [channel] })).length, 1);
  });

  test('what reads is answered, and wrong requests are told what is wrong', async () => {
    const [realm, channel] = [await newUsers(), newChannel()];
    const statuses = [];
    const requests = [['GET', `/events/${channel}?flavor=poll`], ['HEAD', `/events/${channel}`], ['OPTIONS', '/typing'],
      ['GET', '/realm/presence'], ['POST', '/nothing'], ['PUT', '/typing']];
    for (const [method, path] of requests) {
      statuses.push((await send(realm, method, path, undefined, early)).status);
    }
    assert.deepEqual(statuses, [200, 200, 204, 200, 404, 405]);
  });
});
