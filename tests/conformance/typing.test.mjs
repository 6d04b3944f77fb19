// Typing: which requests are rejected and in which order of checks, who receives which event, and that expired events
// are deleted.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertError, forEach } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { range, waitFor } from '../lib/conditions.mjs';
import { assertSuccess, kEncodings, kNoUser, newRealm, setTimings, startWithUsers } from '../lib/realm.mjs';

const database = await (await sharedCluster()).createDatabase();
const backends = await startWithUsers({ database });

let stream_count = 0;

// A realm with users 8 to 12, of whom 12 neither sends nor receives typing events; an inactive user; a bot; three
// streams.
async function newParty() {
  const silent = {
    user_id: '12', send_private_typing_notifications: false, send_stream_typing_notifications: false,
    receives_typing_notifications: false,
  };
  const realm = await newRealm(database, '8', '9', '10', '11', silent,
    { user_id: 'gone', is_active: false }, { user_id: 'robot', is_bot: true });
  const [open, closed, archived] = range(1, 3).map(() => String(++stream_count));
  await realm.addStream(open, { name: 'Käse & Wein', members: ['10', '12'] });
  await realm.addStream(closed, { name: 'Geheimes', members: ['11'] });
  await realm.addStream(archived, { members: ['10'], is_archived: true });
  return { realm, open, closed, archived };
}

const bad = (msg) => [400, 'BAD_REQUEST', msg];
const userList = (ids) => `[${ids.map((id) => `{"user_id":"${id}"}`).join(',')}]`;
const direct = (op, sender, ids) =>
  `{"op":"${op}","message_type":"direct","sender":{"user_id":"${sender}"},"recipients":${userList(ids)}}`;
const inStream = (op, sender, stream_id, topic) =>
  `{"op":"${op}","message_type":"stream","sender":{"user_id":"${sender}"},"stream_id":"${stream_id}",` +
    `"topic":${JSON.stringify(topic)}}`;

// The typing events after `cursor`: rows of the log, and [channel, data] of each.
const typingRows = async (cursor) => (await database.log({ after: cursor })).filter(({ type }) => type === 'typing');
const typingEvents = async (cursor) => (await typingRows(cursor)).map((row) => [row.channel_id, row.data]);

function assertRejected(answer, error) {
  if (!Array.isArray(error)) return assertError(answer, ...bad(error));
  const [name] = error;
  return assert.deepEqual([answer.status, answer.body], [400,
    `{"result":"error","code":"REQUEST_VARIABLE_MISSING","msg":"Missing '${name}' argument","var_name":"${name}"}`]);
}

// [user, parameters, message, or [name of the missing parameter]]
function rejections({ open, closed, archived }) {
  const start = { op: 'start' };
  const at = (stream_id, topic = 'x') => ({ op: 'start', type: 'stream', stream_id, topic });
  return [
    ['10', {}, ['op']],
    ['10', { to: ['8'] }, ['op']],
    ['10', { type: 'foo', to: ['8'] }, ['op']],
    ['10', { op: 'foo', to: ['8'] }, 'Invalid op'],
    ['10', { op: '', to: ['8'] }, 'Invalid op'],
    ['10', { op: 'foo', type: 'bar' }, 'Invalid op'],
    ['10', { ...start, type: 'foo', to: ['8'] }, 'Invalid type'],
    ['10', { ...start, type: '', to: ['8'] }, 'Invalid type'],
    ['10', { ...start, type: 'private', to: ['8'] }, 'Invalid type'],
    ['10', start, ['to']],
    ['10', { ...start, type: 'direct' }, ['to']],
    ['12', { ...start, type: 'direct' }, ['to']],
    ['10', { ...start, to: [] }, 'Empty \'to\' list'],
    ['12', { ...start, to: [] }, 'Empty \'to\' list'],
    ['10', { ...start, to: 8 }, 'to is not a list'],
    ['10', { ...start, to: { 8: 9 } }, 'to is not a list'],
    ['10', { ...start, to: '8,9' }, 'to is not valid JSON'],
    ['10', { ...start, to: '' }, 'to is not valid JSON'],
    ['12', { ...start, to: ['8'] }, 'User has disabled typing notifications for direct messages'],
    ['12', { ...start, to: ['nobody'] }, 'User has disabled typing notifications for direct messages'],
    ['10', { ...start, to: ['nobody'] }, 'Invalid user ID nobody'],
    ['10', { ...start, to: ['8', 'nobody', 'else'] }, 'Invalid user ID nobody'],
    ['10', { ...start, to: ['8', 7] }, 'Invalid user ID 7'],
    ['10', { ...start, to: [''] }, 'Invalid user ID '],
    ['10', { ...start, to: ['8', true] }, 'Invalid user ID true'],
    ['10', { ...start, to: ['8', null] }, 'Invalid user ID null'],
    ['10', { ...start, type: 'stream' }, ['stream_id']],
    ['10', { ...start, type: 'channel' }, ['stream_id']],
    ['10', { ...start, type: 'stream', topic: 'x' }, ['stream_id']],
    ['10', { ...start, type: 'stream', to: ['8'] }, ['stream_id']],
    ['12', { ...start, type: 'stream' }, ['stream_id']],
    ['10', { ...start, type: 'stream', stream_id: open }, 'Missing topic'],
    ['12', { ...start, type: 'channel', stream_id: open }, 'Missing topic'],
    ['12', at(open), 'User has disabled typing notifications for channel messages'],
    ['12', at('nowhere'), 'User has disabled typing notifications for channel messages'],
    ['10', at('nowhere'), 'Invalid channel ID'],
    ['10', at(''), 'Invalid channel ID'],
    ['10', at(archived), 'Invalid channel ID'],
    ['9', at(archived), 'Invalid channel ID'],
    ['10', at(closed), 'Invalid channel ID'],
    ['9', at(open), 'Invalid channel ID'],
  ];
}

forEach(backends, (backend) => {
  for (const encoding of kEncodings) {
    test(`as ${encoding}: rejects invalid parameters with these messages, and publishes nothing`, async () => {
      const party = await newParty();
      const cursor = await database.head();
      await Promise.all(rejections(party).map(async ([id, params, error]) =>
        assertRejected(await party.realm.user(backend, id).type(params, { encoding }), error)));
      assert.deepEqual(await typingEvents(cursor), []);
    });

    test(`as ${encoding}: publishes start and stop to one user, to several, and to the typist`, async () => {
      const { realm } = await newParty();
      const anna = realm.user(backend, '10');
      const lists = [
        [['8'], ['8', '10']], [['8', '9'], ['8', '9', '10']], [['10'], ['10']], [['9', '10', '8'], ['9', '10', '8']],
      ];
      for (const [to, recipients] of lists) {
        for (const op of ['start', 'stop']) {
          const cursor = await database.head();
          const answer = await anna.type({ op, to }, { encoding });
          assert.deepEqual([answer.status, answer.body], [200, '{"result":"success","msg":""}']);
          const wanted = recipients.map((id) => [realm.userChannel(id), direct(op, '10', recipients)]);
          assert.deepEqual((await typingEvents(cursor)).sort(), wanted.sort());
        }
      }
    });

    test(`as ${encoding}: publishes start and stop in a stream, also named channel`, async () => {
      const { realm, open } = await newParty();
      const anna = realm.user(backend, '10');
      for (const type of ['stream', 'channel']) {
        for (const op of ['start', 'stop']) {
          for (const topic of ['x', '', 'Gruyère "92"\n\\']) {
            const cursor = await database.head();
            const answer = await anna.type({ op, type, stream_id: open, topic }, { encoding });
            assert.deepEqual([answer.status, answer.body], [200, '{"result":"success","msg":""}']);
            assert.deepEqual(await typingEvents(cursor), [[`stream:${open}`, inStream(op, '10', open, topic)]]);
          }
        }
      }
    });
  }

  test('accepts numbers as ids in JSON, and lists each user once', async () => {
    const { realm, open } = await newParty();
    const cursor = await database.head();
    assertSuccess(await realm.user(backend, '10').type({ op: 'start', to: [8, '8', 10, 8] }));
    const data = direct('start', '10', ['8', '10']);
    assert.deepEqual((await typingEvents(cursor)).map((event) => event[1]), [data, data]);
    const before = await database.head();
    const inOpen = { op: 'start', type: 'stream', stream_id: Number(open), topic: 'x' };
    assertSuccess(await realm.user(backend, '10').type(inOpen));
    assert.deepEqual(await typingEvents(before), [[`stream:${open}`, inStream('start', '10', open, 'x')]]);
  });

  test('a user who wants no typing events is listed and receives none, not even of the own typing', async () => {
    const { realm } = await newParty();
    const cursor = await database.head();
    assertSuccess(await realm.user(backend, '10').type({ op: 'start', to: ['12', '8'] }));
    const channels = (await typingEvents(cursor)).map(([channel]) => channel);
    assert.deepEqual(channels.sort(), [realm.userChannel('10'), realm.userChannel('8')].sort());
    assert.equal((await typingEvents(cursor))[0][1], direct('start', '10', ['12', '8', '10']));
    const exclude = `UPDATE pgevents.users SET receives_typing_notifications = user_id <> '10' WHERE realm = $1`;
    await database.query(exclude, [realm.name]);
    const later = await database.head();
    assertSuccess(await realm.user(backend, '10').type({ op: 'stop', to: ['8'] }));
    assert.deepEqual(await typingEvents(later), [[realm.userChannel('8'), direct('stop', '10', ['8', '10'])]]);
  });

  test('an inactive user stays in a conversation and receives nothing; a bot may take part', async () => {
    const { realm } = await newParty();
    const cursor = await database.head();
    assertSuccess(await realm.user(backend, '10').type({ op: 'start', to: ['gone', 'robot'] }));
    const data = direct('start', '10', ['gone', 'robot', '10']);
    const wanted = [[realm.userChannel('10'), data], [realm.userChannel('robot'), data]];
    assert.deepEqual((await typingEvents(cursor)).sort(), wanted.sort());
  });

  test('each setting stops only its own kind of events', async () => {
    const { realm, open } = await newParty();
    const set = (text) =>
      database.query(`UPDATE pgevents.users SET ${text} WHERE realm = $1 AND user_id = '10'`, [realm.name]);
    const anna = realm.user(backend, '10');
    await set('send_private_typing_notifications = false');
    assertSuccess(await anna.type({ op: 'start', type: 'stream', stream_id: open, topic: 'x' }));
    await set('send_private_typing_notifications = true, send_stream_typing_notifications = false');
    assertSuccess(await anna.type({ op: 'start', to: ['8'] }));
    await set('send_stream_typing_notifications = true, receives_typing_notifications = false, presence_enabled = false');
    assertSuccess(await anna.type({ op: 'start', type: 'stream', stream_id: open, topic: 'x' }));
    assertSuccess(await anna.type({ op: 'start', to: ['8'] }));
  });

  test('typing in a large conversation is published in one transaction, to each user once', async () => {
    const ids = range(1, 50).map((n) => `u${n}`);
    const realm = await newRealm(database, ...ids);
    const cursor = await database.head();
    assertSuccess(await realm.user(backend, 'u1').type({ op: 'start', to: ids }));
    const rows = await typingRows(cursor);
    assert.deepEqual(rows.map((row) => row.channel_id).sort(), ids.map((id) => realm.userChannel(id)).sort());
    assert.deepEqual(rows.map((row) => row.id), range(rows[0].id, rows[0].id + 49));
    const commits = 'SELECT count(DISTINCT xmin::text) FROM pgevents.log WHERE id = ANY ($1)';
    assert.equal(await database.value(commits, [rows.map((row) => row.id)]), 1);
  });

  test('ignores unknown parameters, and names them', async () => {
    const { realm } = await newParty();
    assert.equal((await realm.user(backend, '10').type({ op: 'start', to: ['8'], zoo: '1', sender: '9' })).body,
      '{"result":"success","msg":"","ignored_parameters_unsupported":["sender","zoo"]}');
  });

  test('a recipient receives it on the own channel, and subscribers of a stream on its channel', async () => {
    const { realm, open } = await newParty();
    const cursor = await database.head();
    await realm.user(backend, '10').type({ op: 'start', to: ['8'] });
    await realm.user(backend, '10').type({ op: 'start', type: 'stream', stream_id: open, topic: 'x' });
    const channels = `${realm.userChannel('8')},stream:${open}`;
    const { events } = await backend.poll(channels, { cursor, headers: realm.headersOf('8') });
    assert.deepEqual(events.map(({ type, channel_id, data }) => [type, channel_id, data]), [
      ['typing', realm.userChannel('8'), direct('start', '10', ['8', '10'])],
      ['typing', `stream:${open}`, inStream('start', '10', open, 'x')],
    ]);
    const rejected = await backend.send(`/events/${realm.userChannel('8')}`, { headers: realm.headersOf('9') });
    assertError(rejected, 403, 'FORBIDDEN', `Not authorized for channel '${realm.userChannel('8')}'`);
  });

  test('an expired event is not replayed and is not a gap; other events are replayed', async () => {
    const { realm, open } = await newParty();
    const anna = realm.user(backend, '10');
    await setTimings(database, { typing_started_expiry: '300 milliseconds' });
    try {
      const cursor = await database.head();
      assertSuccess(await anna.type({ op: 'start', to: ['8'] }));
      const [first] = await typingEvents(cursor);
      assert.ok(first);
      const kept = await database.publish(realm.userChannel('10'), 'made', 1);
      assertSuccess(await anna.type({ op: 'stop', type: 'stream', stream_id: open, topic: 'x' }));
      const last = await database.head();
      await waitFor(async () => (await typingRows(cursor)).every(({ ttl_ms }) => ttl_ms <= 0), { what: 'the expiry' });
      const channels = `${realm.userChannel('10')},stream:${open}`;
      for (const flavor of ['poll', 'long-poll']) {
        const { events, cursor: next } = await backend.poll(channels, { cursor, headers: kNoUser, query: { flavor } });
        assert.deepEqual(events.map(({ id, type }) => [id, type]), [[kept, 'made']], flavor);
        assert.ok(Number(next) >= last, `${flavor}: ${next}, ${last}`); // presence events of other tests may follow
      }
      const stream = await backend.stream(channels, { cursor, count: 1, headers: kNoUser });
      assert.deepEqual(stream.events.map(({ type }) => type), ['made']);
    } finally {
      await setTimings(database, { typing_started_expiry: '45 seconds' });
    }
  });

  test('beyond the operator\'s rate a user gets 429 with Retry-After', async () => {
    const { realm } = await newParty();
    await setTimings(database, { typing_rate: '3' });
    try {
      const anna = realm.user(backend, '10');
      assertSuccess(await anna.type({ op: 'start', to: ['8'] }));
      const answer = await anna.type({ op: 'start', to: ['8'] });
      const seconds = Number(answer.headers['retry-after']);
      assert.ok(seconds > 30 && seconds <= 60, `${seconds}`);
      assert.deepEqual([answer.status, JSON.parse(answer.body)],
        [429, { result: 'error', code: 'RATE_LIMIT_HIT', msg: 'Too many typing notifications', 'retry-after': seconds }]);
      assertSuccess(await realm.user(backend, '8').type({ op: 'start', to: ['10'] }));
    } finally {
      await setTimings(database, { typing_rate: 'off' });
    }
  });

  test('an event that has not expired is replayed, and expires after 45 s', async () => {
    const { realm } = await newParty();
    const cursor = await database.head();
    assertSuccess(await realm.user(backend, '10').type({ op: 'start', to: ['8'] }));
    for (const { ttl_ms } of await typingRows(cursor)) assert.ok(ttl_ms > 30_000 && ttl_ms <= 45_000, `${ttl_ms}`);
    const { events } = await backend.poll(realm.userChannel('8'), { cursor, headers: kNoUser });
    assert.equal(events.length, 1);
  });
});
