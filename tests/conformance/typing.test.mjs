// Typing: what is refused and in which order, who hears what, and that nothing is left of it when its time is over.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertError, forEach } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { range, waitFor } from '../lib/conditions.mjs';
import { assertSuccess, kEncodings, kNobody, newRealm, setTimings, startWithPeople } from '../lib/people.mjs';

const database = await (await sharedCluster()).createDatabase();
const backends = await startWithPeople({ database });

let stream_count = 0;

// Users 8 to 12, of whom 12 sends nothing and hears nothing; one who was deactivated; a bot; three streams.
async function newParty() {
  const realm = await newRealm(database, '8', '9', '10', '11',
    { user_id: '12', send_private_typing_notifications: false, send_stream_typing_notifications: false, receives_typing_notifications: false },
    { user_id: 'gone', is_active: false }, { user_id: 'robot', is_bot: true });
  const [open, closed, archived] = range(1, 3).map(() => String(++stream_count));
  await realm.addStream(open, { name: 'Käse & Wein', members: ['10', '12'] });
  await realm.addStream(closed, { name: 'Geheimes', members: ['11'] });
  await realm.addStream(archived, { members: ['10'], is_archived: true });
  return { realm, open, closed, archived };
}

const bad = (msg) => [400, 'BAD_REQUEST', msg];
const people = (ids) => `[${ids.map((id) => `{"user_id":"${id}"}`).join(',')}]`;
const direct = (op, sender, ids) => `{"op":"${op}","message_type":"direct","sender":{"user_id":"${sender}"},"recipients":${people(ids)}}`;
const inStream = (op, sender, stream_id, topic) =>
  `{"op":"${op}","message_type":"stream","sender":{"user_id":"${sender}"},"stream_id":"${stream_id}","topic":${JSON.stringify(topic)}}`;

// What is told of typing behind `cursor`: rows of the log, and [channel, data] of each.
const typingRows = async (cursor) => (await database.log({ after: cursor })).filter(({ type }) => type === 'typing');
const told = async (cursor) => (await typingRows(cursor)).map((row) => [row.channel_id, row.data]);

function assertRefused(answer, complaint) {
  if (!Array.isArray(complaint)) return assertError(answer, ...bad(complaint));
  const [name] = complaint;
  return assert.deepEqual([answer.status, answer.body], [400,
    `{"result":"error","code":"REQUEST_VARIABLE_MISSING","msg":"Missing '${name}' argument","var_name":"${name}"}`]);
}

// [who, parameters, complaint, or [name of the missing parameter]]
function refusals({ open, closed, archived }) {
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
    test(`by ${encoding}: what is wrong is refused in these words, and nobody hears of it`, async () => {
      const party = await newParty();
      const cursor = await database.head();
      await Promise.all(refusals(party).map(async ([who, params, complaint]) =>
        assertRefused(await party.realm.person(backend, who).type(params, { encoding }), complaint)));
      assert.deepEqual(await told(cursor), []);
    });

    test(`by ${encoding}: start and stop to one, several, oneself`, async () => {
      const { realm } = await newParty();
      const anna = realm.person(backend, '10');
      const lists = [[['8'], ['8', '10']], [['8', '9'], ['8', '9', '10']], [['10'], ['10']], [['9', '10', '8'], ['9', '10', '8']]];
      for (const [to, recipients] of lists) {
        for (const op of ['start', 'stop']) {
          const cursor = await database.head();
          const answer = await anna.type({ op, to }, { encoding });
          assert.deepEqual([answer.status, answer.body], [200, '{"result":"success","msg":""}']);
          const wanted = recipients.map((id) => [realm.userChannel(id), direct(op, '10', recipients)]);
          assert.deepEqual((await told(cursor)).sort(), wanted.sort());
        }
      }
    });

    test(`by ${encoding}: start and stop in a stream, which may be called a channel`, async () => {
      const { realm, open } = await newParty();
      const anna = realm.person(backend, '10');
      for (const type of ['stream', 'channel']) {
        for (const op of ['start', 'stop']) {
          for (const topic of ['x', '', 'Gruyère "92"\n\\']) {
            const cursor = await database.head();
            const answer = await anna.type({ op, type, stream_id: open, topic }, { encoding });
            assert.deepEqual([answer.status, answer.body], [200, '{"result":"success","msg":""}']);
            assert.deepEqual(await told(cursor), [[`stream:${open}`, inStream(op, '10', open, topic)]]);
          }
        }
      }
    });
  }

  test('ids may be numbers in JSON, and a list names nobody twice', async () => {
    const { realm, open } = await newParty();
    const cursor = await database.head();
    assertSuccess(await realm.person(backend, '10').type({ op: 'start', to: [8, '8', 10, 8] }));
    assert.deepEqual((await told(cursor)).map(([, data]) => data), [direct('start', '10', ['8', '10']), direct('start', '10', ['8', '10'])]);
    const before = await database.head();
    assertSuccess(await realm.person(backend, '10').type({ op: 'start', type: 'stream', stream_id: Number(open), topic: 'x' }));
    assert.deepEqual(await told(before), [[`stream:${open}`, inStream('start', '10', open, 'x')]]);
  });

  test('who does not want to hear of typing is named, and hears nothing: also not of his own', async () => {
    const { realm } = await newParty();
    const cursor = await database.head();
    assertSuccess(await realm.person(backend, '10').type({ op: 'start', to: ['12', '8'] }));
    assert.deepEqual((await told(cursor)).map(([channel]) => channel).sort(), [realm.userChannel('10'), realm.userChannel('8')].sort());
    assert.equal((await told(cursor))[0][1], direct('start', '10', ['12', '8', '10']));
    await database.query(`UPDATE pgevents.users SET receives_typing_notifications = user_id <> '10' WHERE realm = $1`, [realm.name]);
    const later = await database.head();
    assertSuccess(await realm.person(backend, '10').type({ op: 'stop', to: ['8'] }));
    assert.deepEqual(await told(later), [[realm.userChannel('8'), direct('stop', '10', ['8', '10'])]]);
  });

  test('who was deactivated remains one of a conversation, and hears nothing; a bot may be one', async () => {
    const { realm } = await newParty();
    const cursor = await database.head();
    assertSuccess(await realm.person(backend, '10').type({ op: 'start', to: ['gone', 'robot'] }));
    const data = direct('start', '10', ['gone', 'robot', '10']);
    assert.deepEqual((await told(cursor)).sort(), [[realm.userChannel('10'), data], [realm.userChannel('robot'), data]].sort());
  });

  test('each flag stops only what it is for', async () => {
    const { realm, open } = await newParty();
    const set = (text) => database.query(`UPDATE pgevents.users SET ${text} WHERE realm = $1 AND user_id = '10'`, [realm.name]);
    const anna = realm.person(backend, '10');
    await set('send_private_typing_notifications = false');
    assertSuccess(await anna.type({ op: 'start', type: 'stream', stream_id: open, topic: 'x' }));
    await set('send_private_typing_notifications = true, send_stream_typing_notifications = false');
    assertSuccess(await anna.type({ op: 'start', to: ['8'] }));
    await set('send_stream_typing_notifications = true, receives_typing_notifications = false, presence_enabled = false');
    assertSuccess(await anna.type({ op: 'start', type: 'stream', stream_id: open, topic: 'x' }));
    assertSuccess(await anna.type({ op: 'start', to: ['8'] }));
  });

  test('a conversation of many is told in one transaction, to each once', async () => {
    const ids = range(1, 50).map((n) => `u${n}`);
    const realm = await newRealm(database, ...ids);
    const cursor = await database.head();
    assertSuccess(await realm.person(backend, 'u1').type({ op: 'start', to: ids }));
    const rows = await typingRows(cursor);
    assert.deepEqual(rows.map((row) => row.channel_id).sort(), ids.map((id) => realm.userChannel(id)).sort());
    assert.deepEqual(rows.map((row) => row.id), range(rows[0].id, rows[0].id + 49));
    const commits = 'SELECT count(DISTINCT xmin::text) FROM pgevents.log WHERE id = ANY ($1)';
    assert.equal(await database.value(commits, [rows.map((row) => row.id)]), 1);
  });

  test('what there is no parameter for is ignored, and named', async () => {
    const { realm } = await newParty();
    assert.equal((await realm.person(backend, '10').type({ op: 'start', to: ['8'], zoo: '1', sender: '9' })).body,
      '{"result":"success","msg":"","ignored_parameters_unsupported":["sender","zoo"]}');
  });

  test('the recipient hears it on his own channel, whoever may hear a stream on its', async () => {
    const { realm, open } = await newParty();
    const cursor = await database.head();
    await realm.person(backend, '10').type({ op: 'start', to: ['8'] });
    await realm.person(backend, '10').type({ op: 'start', type: 'stream', stream_id: open, topic: 'x' });
    const channels = `${realm.userChannel('8')},stream:${open}`;
    const { events } = await backend.poll(channels, { cursor, headers: realm.headersOf('8') });
    assert.deepEqual(events.map(({ type, channel_id, data }) => [type, channel_id, data]), [
      ['typing', realm.userChannel('8'), direct('start', '10', ['8', '10'])],
      ['typing', `stream:${open}`, inStream('start', '10', open, 'x')],
    ]);
    const refused = await backend.send(`/events/${realm.userChannel('8')}`, { headers: realm.headersOf('9') });
    assertError(refused, 403, 'FORBIDDEN', `Not authorized for channel '${realm.userChannel('8')}'`);
  });

  test('once it has expired it is not replayed, which is no gap; what is there beside it is', async () => {
    const { realm, open } = await newParty();
    const anna = realm.person(backend, '10');
    await setTimings(database, { typing_started_expiry: '300 milliseconds' });
    try {
      const cursor = await database.head();
      assertSuccess(await anna.type({ op: 'start', to: ['8'] }));
      const [first] = await told(cursor);
      assert.ok(first);
      const kept = await database.publish(realm.userChannel('10'), 'made', 1);
      assertSuccess(await anna.type({ op: 'stop', type: 'stream', stream_id: open, topic: 'x' }));
      const last = await database.head();
      await waitFor(async () => (await typingRows(cursor)).every(({ ttl_ms }) => ttl_ms <= 0), { what: 'the expiry' });
      const channels = `${realm.userChannel('10')},stream:${open}`;
      for (const flavor of ['poll', 'long-poll']) {
        const { events, cursor: next } = await backend.poll(channels, { cursor, headers: kNobody, query: { flavor } });
        assert.deepEqual(events.map(({ id, type }) => [id, type]), [[kept, 'made']], flavor);
        assert.ok(Number(next) >= last, `${flavor}: ${next}, ${last}`); // the presence of others may have come on top
      }
      const stream = await backend.stream(channels, { cursor, count: 1, headers: kNobody });
      assert.deepEqual(stream.events.map(({ type }) => type), ['made']);
    } finally {
      await setTimings(database, { typing_started_expiry: '45 seconds' });
    }
  });

  test('beyond the operator\'s rate a user gets 429, and when to come back', async () => {
    const { realm } = await newParty();
    await setTimings(database, { typing_rate: '3' });
    try {
      const anna = realm.person(backend, '10');
      assertSuccess(await anna.type({ op: 'start', to: ['8'] }));
      const answer = await anna.type({ op: 'start', to: ['8'] });
      const seconds = Number(answer.headers['retry-after']);
      assert.ok(seconds > 30 && seconds <= 60, `${seconds}`);
      assert.deepEqual([answer.status, JSON.parse(answer.body)],
        [429, { result: 'error', code: 'RATE_LIMIT_HIT', msg: 'Too many typing notifications', 'retry-after': seconds }]);
      assertSuccess(await realm.person(backend, '8').type({ op: 'start', to: ['10'] }));
    } finally {
      await setTimings(database, { typing_rate: 'off' });
    }
  });

  test('until then it is replayed, and it lasts 45 s', async () => {
    const { realm } = await newParty();
    const cursor = await database.head();
    assertSuccess(await realm.person(backend, '10').type({ op: 'start', to: ['8'] }));
    for (const { ttl_ms } of await typingRows(cursor)) assert.ok(ttl_ms > 30_000 && ttl_ms <= 45_000, `${ttl_ms}`);
    const { events } = await backend.poll(realm.userChannel('8'), { cursor, headers: kNobody });
    assert.equal(events.length, 1);
  });
});
