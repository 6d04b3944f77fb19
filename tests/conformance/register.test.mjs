// Registration gives what a page needs to start, and no event is lost between its state and its cursor.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertError, forEach } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import {
  assertSuccess, kEncodings, kNoUser, newRealm, Realm, setTimings, startWithUsers, withoutTimes,
} from '../lib/realm.mjs';

const database = await (await sharedCluster()).createDatabase();
const backends = await startWithUsers({ database });
const main = new Realm(database, 'main');
await main.add('10');

const kAlways = [
  'result', 'msg', 'last_event_id', 'channels', 'user_channel', 'presence_channel', 'stream_channel',
  'server_timestamp', 'server_typing_started_expiry_period_milliseconds', 'server_typing_started_wait_period_milliseconds',
  'server_typing_stopped_wait_period_milliseconds', 'server_presence_ping_interval_seconds',
  'server_presence_offline_threshold_seconds',
].sort();
const kPresence = ['presence_last_update_id', 'presences', 'presence_connected'];
const kSettings = ['user_settings'];

const bad = (msg) => [400, 'BAD_REQUEST', msg];

forEach(backends, (backend) => {
  test('gives all that a page needs', async () => {
    const realm = await newRealm(database, { user_id: '10', send_stream_typing_notifications: false }, '11');
    await realm.user(backend, '11').report({ status: 'active' });
    const { update_id, active } = await realm.row('11');
    const head = await database.head();
    const answer = await realm.user(backend, '10').register();
    const page = assertSuccess(answer);
    assert.ok(Math.abs(page.server_timestamp - Date.now() / 1000) < 10);
    assert.match(answer.body, /"server_timestamp":[0-9]{10}\.[0-9]+,/);
    delete page.server_timestamp;
    assert.deepEqual(page, {
      result: 'success',
      msg: '',
      last_event_id: String(head),
      channels: [realm.userChannel('10'), realm.channel],
      user_channel: realm.userChannel('10'),
      presence_channel: realm.channel,
      stream_channel: 'stream:{stream_id}',
      presence_last_update_id: update_id,
      presences: { 11: { active_timestamp: Math.floor(active), idle_timestamp: Math.floor(active) } },
      presence_connected: [],
      user_settings: {
        presence_enabled: true,
        send_private_typing_notifications: true,
        send_stream_typing_notifications: false,
        receives_typing_notifications: true,
      },
      server_typing_started_expiry_period_milliseconds: 45000,
      server_typing_started_wait_period_milliseconds: 30000,
      server_typing_stopped_wait_period_milliseconds: 12000,
      server_presence_ping_interval_seconds: 60,
      server_presence_offline_threshold_seconds: 200,
    });
    const beginning = `{"result":"success","msg":"","last_event_id":"${head}","channels":[`;
    assert.ok(withoutTimes(answer.body).startsWith(beginning));
  });

  test('in an empty realm the presences are {} and the update id is -1', async () => {
    const realm = await newRealm(database, '10');
    const page = assertSuccess(await realm.user(backend, '10').register());
    assert.deepEqual([page.presences, page.presence_last_update_id, page.presence_connected], [{}, -1, []]);
  });

  test('registering is not a report of presence', async () => {
    const realm = await newRealm(database, '10');
    await realm.user(backend, '10').register();
    assert.equal(await realm.row('10'), undefined);
  });

  test('in the realm main the user\'s own channel has no realm in its name', async () => {
    assert.deepEqual(assertSuccess(await main.user(backend, '10').register()).channels, ['user:10', 'presence:main']);
  });

  test('the channels are granted', async () => {
    for (const realm of [main, await newRealm(database, '10')]) {
      const { channels, last_event_id } = assertSuccess(await realm.user(backend, '10').register());
      const answer = await backend.poll(channels.join(','), { cursor: last_event_id, headers: realm.headersOf('10') });
      assert.equal(answer.status, 200);
    }
  });

  test('later events are behind the cursor, earlier ones are not', async () => {
    const realm = await newRealm(database, '10', '11');
    const channel = realm.userChannel('10');
    await database.publish(channel, 'before', 1);
    const { last_event_id } = assertSuccess(await realm.user(backend, '10').register());
    const after = await database.publish(channel, 'after', 2);
    const { events } = await backend.poll(channel, { cursor: last_event_id, headers: kNoUser });
    assert.deepEqual(events.map(({ id, type }) => [id, type]), [[after, 'after']]);
  });

  for (const encoding of kEncodings) {
    test(`as ${encoding}: fetch_event_types selects the parts of the answer`, async () => {
      const realm = await newRealm(database, '10');
      const keysFor = async (types) => {
        const answer = await realm.user(backend, '10').register({ fetch_event_types: types }, { encoding });
        return Object.keys(assertSuccess(answer)).sort();
      };
      assert.deepEqual(await keysFor([]), kAlways);
      assert.deepEqual(await keysFor(['typing', 'message']), kAlways);
      assert.deepEqual(await keysFor(['presence']), [...kAlways, ...kPresence].sort());
      assert.deepEqual(await keysFor(['user_settings']), [...kAlways, ...kSettings].sort());
      const all = [...kAlways, ...kPresence, ...kSettings].sort();
      assert.deepEqual(await keysFor(['user_settings', 'typing', 'presence']), all);
    });

    test(`as ${encoding}: rejects invalid parameters with these messages`, async () => {
      const realm = await newRealm(database, '10');
      const rejected = [
        ['presence', 'fetch_event_types is not valid JSON'],
        ['', 'fetch_event_types is not valid JSON'],
        [{ presence: true }, 'fetch_event_types is not a list'],
        [1, 'fetch_event_types is not a list'],
        ['"presence"', 'fetch_event_types is not a list'],
        [[1], 'fetch_event_types[0] is not a string'],
        [['presence', null], 'fetch_event_types[1] is not a string'],
        [['presence', ['typing']], 'fetch_event_types[1] is not a string'],
      ];
      for (const [types, msg] of rejected) {
        assertError(await realm.user(backend, '10').register({ fetch_event_types: types }, { encoding }), ...bad(msg));
      }
    });

    test(`as ${encoding}: ignores unknown parameters, and names them`, async () => {
      const realm = await newRealm(database, '10');
      const unknown = { queue_lifespan_secs: 5, apply_markdown: true };
      const page = assertSuccess(await realm.user(backend, '10').register(unknown, { encoding }));
      assert.deepEqual(page.ignored_parameters_unsupported, ['apply_markdown', 'queue_lifespan_secs']);
    });
  }

  test('accepts a request without a body', async () => {
    const realm = await newRealm(database, '10');
    const answer = await backend.send('/register', { method: 'POST', headers: realm.headersOf('10'), body: '' });
    assert.deepEqual(Object.keys(assertSuccess(answer)).sort(), [...kAlways, ...kPresence, ...kSettings].sort());
  });

  test('the timings are those of the settings', async () => {
    const realm = await newRealm(database, '10');
    const usual = {
      typing_started_expiry: '45 seconds', typing_started_wait: '30 seconds', typing_stopped_wait: '12 seconds',
      presence_ping_interval: '60 seconds', presence_offline_threshold: '200 seconds',
    };
    const changed = {
      typing_started_expiry: '1500 milliseconds', typing_started_wait: '1 minute', typing_stopped_wait: '2 seconds',
      presence_ping_interval: '90 seconds', presence_offline_threshold: '00:05:00',
    };
    await setTimings(database, changed);
    try {
      const page = assertSuccess(await realm.user(backend, '10').register({ fetch_event_types: [] }));
      const names = Object.keys(page).filter((name) => /period|interval|threshold/.test(name));
      assert.deepEqual(names.map((name) => page[name]), [1500, 60000, 2000, 90, 300]);
    } finally {
      await setTimings(database, usual);
    }
  });
});
