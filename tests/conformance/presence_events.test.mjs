// Which changes of presence are published on presence:<realm>, and what happens when a user turns presence off and on.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { forEach } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { range } from '../lib/conditions.mjs';
import { assertSuccess, newRealm, setTimings, startWithUsers, withoutTimes } from '../lib/realm.mjs';

const kHour = 3600;
const kHidden = 265; // s: the offline threshold plus a report's interval

const database = await (await sharedCluster()).createDatabase();
const backends = await startWithUsers({ database });
// Each change is published by itself, so that a test sees all of them.
await setTimings(database, { presence_flush_window: '1 millisecond' });

// A second database with the default setting: changes are published together.
const together = await (await sharedCluster()).createDatabase();
const windowed = await startWithUsers({ database: together });

const now = () => Date.now() / 1000;
const assertAgo = (seconds, ago) =>
  assert.ok(Math.abs(now() - ago - seconds) < 10, `${now() - seconds} s ago, expected ${ago}`);

forEach(backends, (backend) => {
  // A realm of users 10 and 11, of whom 10 has reported, and an observer of later events.
  async function reported(times, status = 'active') {
    const realm = await newRealm(database, '10', '11');
    const anna = realm.user(backend, '10');
    assertSuccess(await anna.report({ status }));
    if (times) await realm.setTimes('10', times);
    return { realm, anna, otto: realm.user(backend, '11'), observer: await realm.observer(backend) };
  }

  test('a first report is published to the realm, with both times', async () => {
    const realm = await newRealm(database, '10');
    const observer = await realm.observer(backend);
    await realm.user(backend, '10').report({ status: 'active', ping_only: true });
    const [event, ...more] = await observer.about('10', 'presence');
    assert.deepEqual(more, []);
    assert.equal(event.channel_id, realm.channel);
    const [{ data }] = await realm.log();
    const expected = '{"presences":{"10":{"active_timestamp":T,"idle_timestamp":T}},"server_timestamp":T}';
    assert.equal(withoutTimes(data), expected);
    const times = /"active_timestamp":[0-9]{10},"idle_timestamp":[0-9]{10}\}\},"server_timestamp":[0-9]{10}\.[0-9]+\}/;
    assert.match(data, times);
    const { active, idle } = await realm.row('10');
    const pair = { active_timestamp: Math.floor(active), idle_timestamp: Math.floor(idle) };
    assert.deepEqual(event.data.presences['10'], pair);
    assertAgo(event.data.server_timestamp, 0);
  });

  test('a first idle report is published as well', async () => {
    const realm = await newRealm(database, '10');
    const observer = await realm.observer(backend);
    await realm.user(backend, '10').report({ status: 'idle' });
    const [{ data }] = await observer.about('10', 'presence');
    assertAgo(data.presences['10'].idle_timestamp, 0);
    assert.ok(data.presences['10'].active_timestamp <= data.presences['10'].idle_timestamp - 200);
  });

  // [reported status, times before, whether the report is published]
  const reports = [
    ['idle', { active: 10 }, false],
    ['idle', { active: 100 }, false],
    ['idle', { active: 24 * kHour }, false],
    ['active', { active: 10 }, false],
    ['active', { active: 60 }, false],
    ['active', { active: 125, idle: 0 }, false],
    ['active', { active: 125 }, false],
    ['active', { active: 135, idle: 0 }, true],
    ['active', { active: 135 }, true],
    ['active', { active: 24 * kHour }, true],
    ['active', { active: null, idle: 10 }, true],
  ];
  for (const [status, times, published] of reports) {
    const times_text = `active ${times.active} s and in contact ${times.idle ?? times.active} s ago`;
    test(`a report of ${status} by a user who was ${times_text} is ${published ? '' : 'not '}published`, async () => {
      const { anna, observer } = await reported(times);
      await anna.report({ status });
      assert.deepEqual(await observer.all(), published ? [['presence', ['10']]] : []);
    });
  }

  test('an incremental answer contains a change that no event reports', async () => {
    const { realm, anna, otto, observer } = await reported({ active: 60 });
    const { presence_last_update_id: id } = assertSuccess(await otto.report({ status: 'active', last_update_id: -1 }));
    await observer.about('11', 'presence');
    await anna.report({ status: 'active' });
    const answer = assertSuccess(await otto.report({ status: 'active', last_update_id: id }));
    assert.deepEqual(Object.keys(answer.presences), ['10']);
    assert.equal(answer.presence_last_update_id, (await realm.row('10')).update_id);
    assert.deepEqual(await observer.all(), []);
  });

  test('concurrent first reports of one user are published once', async () => {
    const realm = await newRealm(database, '10');
    const observer = await realm.observer(backend);
    const anna = realm.user(backend, '10');
    await Promise.all(range(1, 8).map(() => anna.report({ status: 'active', ping_only: true })));
    assert.deepEqual(await observer.all(), [['presence', ['10']]]);
  });

  // --- users who do not take part ---

  test('a report of a user without presence stores nothing, and its answer contains the other users', async () => {
    const { realm, anna, otto, observer } = await reported({ active: kHour });
    assertSuccess(await otto.report({ status: 'active' }));
    await observer.about('11', 'presence');
    const disable = `UPDATE pgevents.users SET presence_enabled = false WHERE realm = $1 AND user_id = '10'`;
    await database.query(disable, [realm.name]);
    const stored = await realm.row('10');
    for (const status of ['active', 'idle']) {
      const answer = assertSuccess(await anna.report({ status, slim_presence: true }));
      assertAgo(answer.presences['11'].active_timestamp, 0);
    }
    assert.deepEqual(await realm.row('10'), stored);
    assert.deepEqual(await observer.all(), []);
  });

  test('a user who has turned presence off before the first report has no row', async () => {
    const realm = await newRealm(database, { user_id: '10', presence_enabled: false });
    const observer = await realm.observer(backend);
    const answer = assertSuccess(await realm.user(backend, '10').report({ status: 'active' }));
    assert.deepEqual([answer.presences, answer.presence_last_update_id], [{}, -1]);
    assert.equal(await realm.row('10'), undefined);
    assert.deepEqual(await observer.all(), []);
  });

  test('turning presence off moves recent times back so that the user is offline, and publishes it', async () => {
    const { realm, anna, observer } = await reported({ active: 100, idle: 20 });
    assertSuccess(await anna.choose({ presence_enabled: false }));
    const { active, idle } = await realm.row('10');
    assertAgo(active, kHidden);
    assert.equal(idle, active);
    const [event] = await observer.about('10', 'presence');
    const pair = { active_timestamp: Math.floor(active), idle_timestamp: Math.floor(idle) };
    assert.deepEqual(event.data.presences['10'], pair);
    assert.equal(assertSuccess(await realm.user(backend, '11').presenceOf('10')).presence.aggregated.status, 'offline');
  });

  test('turning presence off never moves a time forward', async () => {
    const { realm, anna, observer } = await reported({ active: kHour, idle: 20 });
    const before = await realm.row('10');
    assertSuccess(await anna.choose({ presence_enabled: false }));
    const after = await realm.row('10');
    assert.equal(after.active, before.active);
    assertAgo(after.idle, kHidden);
    assert.ok(after.update_id > before.update_id);
    assert.deepEqual(await observer.all(), [['presence', ['10']]]);
  });

  test('turning presence off keeps old times, and creates no row', async () => {
    const { realm, anna, otto, observer } = await reported({ active: kHour });
    const before = await realm.row('10');
    assertSuccess(await anna.choose({ presence_enabled: false }));
    const { active, idle } = await realm.row('10');
    assert.deepEqual([active, idle], [before.active, before.idle]);
    assertSuccess(await otto.choose({ presence_enabled: false }));
    assert.equal(await realm.row('11'), undefined);
    assert.ok((await observer.all()).every(([type, names]) => type === 'presence' && names.join() === '10'));
  });

  test('turning presence on gives a current, active row, and publishes it', async () => {
    const { realm, anna, otto, observer } = await reported({ active: 100, idle: 20 });
    for (const [user, id] of [[anna, '10'], [otto, '11']]) {
      assertSuccess(await user.choose({ presence_enabled: false }));
      assertSuccess(await user.choose({ presence_enabled: true }));
      const { active, idle } = await realm.row(id);
      assertAgo(active, 0);
      assert.equal(idle, active);
      const events = await observer.about(id, 'presence');
      const pair = { active_timestamp: Math.floor(active), idle_timestamp: Math.floor(idle) };
      assert.deepEqual(events.at(-1).data.presences[id], pair);
    }
  });

  test('incremental answers contain both changes', async () => {
    const { realm, anna, otto } = await reported();
    let { presence_last_update_id: id } = assertSuccess(await otto.report({ status: 'active', last_update_id: -1 }));
    for (const enabled of [false, true]) {
      await anna.choose({ presence_enabled: enabled });
      const answer = assertSuccess(await otto.report({ status: 'active', last_update_id: id }));
      assert.deepEqual(Object.keys(answer.presences), ['10']);
      assertAgo(answer.presences['10'].active_timestamp, enabled ? 0 : kHidden);
      assert.ok(answer.presence_last_update_id > id);
      id = answer.presence_last_update_id;
    }
    assert.equal((await realm.row('10')).update_id, id);
  });
}, { atOnce: 4 });

forEach(windowed, (backend) => {
  test('changes within a second are published together, with the last state of each user', async () => {
    const ids = range(1, 25).map(String);
    const realm = await newRealm(together, 'first', ...ids);
    const observer = await realm.observer(backend);
    await realm.user(backend, 'first').report({ status: 'active', ping_only: true });
    await observer.about('first', 'presence');
    const started = performance.now();
    await Promise.all(ids.map((id) =>
      realm.user(backend, id).report({ status: Number(id) % 2 ? 'active' : 'idle', ping_only: true })));
    await realm.user(backend, '2').report({ status: 'active', ping_only: true });
    const took = performance.now() - started;
    const seen = new Map();
    const events = await observer.until((all) => {
      for (const { data } of all) for (const [id, times] of Object.entries(data.presences)) seen.set(id, times);
      return seen.size === ids.length && seen.get('2').active_timestamp > now() - 100;
    });
    assert.ok(events.length <= 2 + Math.ceil(took / 1000), `${events.length} events, ${took} ms`);
    for (const id of ids) {
      const { active, idle } = await realm.row(id);
      assert.equal(seen.get(id).idle_timestamp, Math.floor(idle));
      if (active !== null) assert.equal(seen.get(id).active_timestamp, Math.floor(active));
    }
  });

  test('a change is published within ten seconds', async () => {
    const realm = await newRealm(together, '10', '11');
    const observer = await realm.observer(backend);
    await realm.user(backend, '10').report({ status: 'active', ping_only: true });
    await realm.user(backend, '11').report({ status: 'active', ping_only: true });
    const events = [...(await observer.about('11', 'presence'))];
    const { idle } = await realm.row('11');
    const published = Number(events.find(({ data }) => data.presences['11']).ts);
    assert.ok(published - idle < 10, `${published - idle} s`);
  });
});
