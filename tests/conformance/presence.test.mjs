// Presence: what reports store, and their answers. Times lie in the past because the test moves them there in the
// table.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { forEach } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { range } from '../lib/conditions.mjs';
import { assertSuccess, newRealm, startWithUsers, withoutTimes } from '../lib/realm.mjs';

const kMinute = 60;
const kHour = 60 * kMinute;
const kDay = 24 * kHour;

const database = await (await sharedCluster()).createDatabase();
const backends = await startWithUsers({ database });

const now = () => Date.now() / 1000;
// For times in whole seconds that were taken a moment ago.
const assertRecent = (seconds, ago = 0) =>
  assert.ok(Math.abs(now() - ago - seconds) < 10, `${seconds}, now ${now()}, expected ${ago} s ago`);

const reported = async (user, params) => assertSuccess(await user.report({ status: 'active', ...params }));
const slim = (user, params) => reported(user, { slim_presence: true, ...params });
const idsIn = ({ presences }) => Object.keys(presences).sort();

forEach(backends, (backend) => {
  const realmOf = async (...users) => {
    const realm = await newRealm(database, ...users);
    return [realm, ...users.map((user) => realm.user(backend, user.user_id ?? user))];
  };

  test('in an empty realm no user is present, and the last update id is -1', async () => {
    const [, anna] = await realmOf('10');
    const empty = '{"result":"success","msg":"","server_timestamp":T,"presence_last_update_id":-1,"presences":{}}';
    assert.equal(withoutTimes((await anna.realmPresence()).body), empty);
    assert.equal(withoutTimes((await anna.report({ status: 'idle', history_limit_days: 0 })).body), empty);
  });

  test('the first report makes a user active in all answers', async () => {
    const [realm, anna, otto] = await realmOf('10', '11');
    const { presences } = await slim(anna);
    assertRecent(presences['10'].active_timestamp);
    assert.equal(presences['10'].idle_timestamp, presences['10'].active_timestamp);
    assert.deepEqual((await slim(otto)).presences['10'], presences['10']);
    assert.equal(assertSuccess(await otto.realmPresence()).presences['10'].website.status, 'active');
    const { active, idle } = await realm.row('10');
    assert.equal(active, idle);
  });

  test('the answer has the form that Zulip\'s clients expect', async () => {
    const [realm, anna] = await realmOf('10');
    const answer = await anna.report({ status: 'active' });
    const { update_id } = await realm.row('10');
    const website = '"client":"website","status":"active","timestamp":T';
    assert.equal(withoutTimes(answer.body),
      `{"result":"success","msg":"","server_timestamp":T,"presence_last_update_id":${update_id},` +
      `"presences":{"10":{"aggregated":{${website}},"website":{${website},"pushable":false}}}}`);
    assert.equal(withoutTimes((await anna.realmPresence()).body), withoutTimes(answer.body));
  });

  test('with slim_presence, and with last_update_id, presence is a pair of times', async () => {
    const [realm, anna] = await realmOf('10');
    for (const wish of [{ slim_presence: true }, { last_update_id: -1 }, { last_update_id: 0, slim_presence: false }]) {
      const answer = await anna.report({ status: 'active', ...wish });
      const { update_id } = await realm.row('10');
      assert.equal(withoutTimes(answer.body),
        `{"result":"success","msg":"","server_timestamp":T,"presence_last_update_id":${update_id},` +
        '"presences":{"10":{"active_timestamp":T,"idle_timestamp":T}}}');
    }
  });

  test('times are whole seconds, except for the server\'s, which has a fraction', async () => {
    const [, anna] = await realmOf('10');
    const { body } = await anna.report({ status: 'active', slim_presence: true });
    assert.match(body, /"10":\{"active_timestamp":[0-9]{10},"idle_timestamp":[0-9]{10}\}/);
    assert.match(body, /"server_timestamp":[0-9]{10}\.[0-9]+,/);
    assertRecent(JSON.parse(body).server_timestamp);
    const legacy = (await anna.report({ status: 'active' })).body;
    assert.match(legacy, /"aggregated":\{"client":"website","status":"active","timestamp":[0-9]{10}\}/);
  });

  test('a ping gets only the result, and counts as a report', async () => {
    const [realm, anna] = await realmOf('10');
    const answer = await anna.report({ status: 'active', ping_only: true });
    assert.deepEqual([answer.status, answer.body], [200, '{"result":"success","msg":""}']);
    assertRecent((await realm.row('10')).active);
    assert.ok(idsIn(await slim(anna, { ping_only: false })).includes('10'));
  });

  test('a user who was only idle has no active time until an active report', async () => {
    const [realm, anna, otto] = await realmOf('10', '11');
    const first = await slim(anna, { status: 'idle' });
    const stored = await realm.row('10');
    assert.equal(stored.active, null);
    assertRecent(stored.idle);
    const { active_timestamp, idle_timestamp } = first.presences['10'];
    assertRecent(idle_timestamp);
    assert.ok(Number.isInteger(active_timestamp) && active_timestamp <= idle_timestamp - 200,
      'the user does not appear active');
    assert.equal(assertSuccess(await otto.presenceOf('10')).presence.website.status, 'idle');
    const second = await slim(anna);
    assertRecent(second.presences['10'].active_timestamp);
    assertRecent((await realm.row('10')).active);
    assert.equal(assertSuccess(await otto.presenceOf('10')).presence.website.status, 'active');
  });

  test('concurrent first reports all succeed', async () => {
    const [realm, anna] = await realmOf('10');
    const answers = await Promise.all(range(1, 8).map((n) => slim(anna, { status: n % 2 ? 'active' : 'idle' })));
    for (const { presences } of answers) assert.ok(presences['10']);
    assert.notEqual((await realm.row('10')).active, null);
  });

  // --- what is stored ---

  test('a repeated report stores nothing, and gives no new update id', async () => {
    const [realm, anna] = await realmOf('10');
    for (const status of ['idle', 'active']) {
      const first = await slim(anna, { status });
      const stored = await realm.row('10');
      for (const again of [status, 'idle']) {
        assert.equal((await slim(anna, { status: again })).presence_last_update_id, first.presence_last_update_id);
      }
      assert.deepEqual(await realm.row('10'), stored);
    }
  });

  // [reported status, times before (seconds ago; null: never), times after: 'same' or 'now']
  const writes = [
    ['idle', { active: 54, idle: 54 }, { active: 'same', idle: 'same' }],
    ['idle', { active: 57, idle: 57 }, { active: 'same', idle: 'now' }],
    ['idle', { active: 57, idle: 10 }, { active: 'same', idle: 'same' }],
    ['idle', { active: null, idle: 10 }, { active: null, idle: 'same' }],
    ['idle', { active: null, idle: 57 }, { active: null, idle: 'now' }],
    ['active', { active: 54, idle: 54 }, { active: 'same', idle: 'same' }],
    ['active', { active: 57, idle: 57 }, { active: 'now', idle: 'now' }],
    ['active', { active: 57, idle: 10 }, { active: 'now', idle: 'now' }],
    ['active', { active: 54, idle: 10 }, { active: 'same', idle: 'same' }],
    ['active', { active: null, idle: 10 }, { active: 'now', idle: 'now' }],
    ['active', { active: 3 * kHour, idle: 3 * kHour }, { active: 'now', idle: 'now' }],
  ];
  for (const [status, before, after] of writes) {
    const times = `active ${before.active} s and in contact ${before.idle} s ago`;
    test(`a report of ${status} by a user who was ${times}: active ${after.active}, idle ${after.idle}`, async () => {
      const [realm, anna] = await realmOf('10');
      await slim(anna);
      await realm.setTimes('10', before);
      const earlier = await realm.row('10');
      await slim(anna, { status });
      const later = await realm.row('10');
      for (const name of ['active', 'idle']) {
        if (after[name] === 'now') assertRecent(later[name]);
        else assert.equal(later[name], earlier[name], name);
      }
      assert.ok(later.active === null || later.idle >= later.active);
      const nothing = !Object.values(after).includes('now');
      assert.equal(later.version === earlier.version, nothing);
      assert.equal(later.update_id > earlier.update_id, !nothing);
    });
  }

  test('a report does not move a time back', async () => {
    const [realm, anna] = await realmOf('10');
    await slim(anna);
    await realm.setTimes('10', { active: -kHour });
    const earlier = await realm.row('10');
    for (const status of ['active', 'idle']) {
      assertRecent((await slim(anna, { status })).presences['10'].active_timestamp, -kHour);
      assert.deepEqual(await realm.row('10'), earlier);
    }
  });

  test('the contact of a user is never older than the activity', async () => {
    const [realm, anna] = await realmOf('10');
    await slim(anna);
    await realm.setTimes('10', { active: 100, idle: 20 });
    await slim(anna);
    const { active, idle } = await realm.row('10');
    assertRecent(active);
    assert.ok(idle >= active);
  });

  // --- which rows an answer contains ---

  test('an answer contains a presence of a week ago, but not of three weeks ago', async () => {
    const [realm, anna, otto] = await realmOf('10', '11');
    await slim(anna);
    const shown = async () =>
      [await slim(otto), assertSuccess(await otto.realmPresence()), assertSuccess(await otto.register())]
        .map(({ presences }) => presences['10'] !== undefined);
    await realm.setTimes('10', { active: 7 * kDay });
    assert.deepEqual(await shown(), [true, true, true]);
    await realm.setTimes('10', { active: 21 * kDay });
    assert.deepEqual(await shown(), [false, false, false]);
  });

  test('history_limit_days limits the age: a presence of 100 days ago is in the answer for 101 days only', async () => {
    const [realm, anna, otto] = await realmOf('10', '11');
    await slim(anna);
    await realm.setTimes('10', { active: 100 * kDay });
    for (const wish of [{ slim_presence: true }, { last_update_id: -1 }, { last_update_id: 0 }]) {
      const seen = async (days) => idsIn(await reported(otto, { ...wish, history_limit_days: days }));
      assert.deepEqual(await seen(50), ['11']);
      assert.deepEqual(await seen(101), ['10', '11']);
      assert.deepEqual(await seen(0), []);
    }
  });

  test('with an update id the age of a presence has no effect', async () => {
    const [realm, anna, otto] = await realmOf('10', '11');
    const { presence_last_update_id: id } = await slim(otto);
    await slim(anna);
    await realm.setTimes('10', { active: 100 * kDay });
    assert.deepEqual(idsIn(await reported(otto, { last_update_id: id })), ['10']);
    assert.deepEqual(idsIn(await reported(otto, { last_update_id: id, history_limit_days: 50 })), ['10']);
    assert.deepEqual(idsIn(await reported(otto, { last_update_id: id, history_limit_days: 0 })), []);
  });

  test('an incremental report gets the newer presences, and their greatest id', async () => {
    const [realm, anna, otto] = await realmOf('10', '11');
    const since = async (user, last_update_id) => {
      const answer = await reported(user, { last_update_id });
      return [idsIn(answer).join(), answer.presence_last_update_id];
    };
    const idOf = async (user) => (await realm.row(user)).update_id;
    const first = await since(anna, -1);
    assert.deepEqual(first, ['10', await idOf('10')]);
    const second = await since(otto, -1);
    assert.deepEqual(second, ['10,11', await idOf('11')]);
    assert.deepEqual(await since(otto, second[1]), ['', second[1]], 'if nothing is newer, the client\'s own id');
    assert.deepEqual(await since(anna, first[1]), ['11', second[1]]);
    await realm.setTimes('10', { active: kMinute });
    const third = await since(anna, second[1]);
    assert.deepEqual(third, ['10', await idOf('10')], 'the user\'s own row is included');
    assert.ok(third[1] > second[1] && second[1] > first[1]);
    assert.deepEqual(await since(otto, second[1]), third);
  });

  test('the id is that of the presences in the answer, in the older form as well', async () => {
    const [realm, anna, otto] = await realmOf('10', '11');
    await slim(anna);
    const { update_id } = await realm.row('10');
    assert.equal(assertSuccess(await otto.realmPresence()).presence_last_update_id, update_id);
    assert.equal((await reported(otto)).presence_last_update_id, (await realm.row('11')).update_id);
    assert.equal((await reported(otto, { history_limit_days: 0 })).presence_last_update_id, -1);
    const { presence_last_update_id: id } = await reported(otto, { history_limit_days: 0, last_update_id: update_id });
    assert.equal(id, update_id);
  });

  test('answers omit bots and inactive users', async () => {
    const [realm, anna, otto, robot] = await realmOf('10', '11', '12');
    for (const user of [anna, otto, robot]) await slim(user);
    const change = `UPDATE pgevents.users SET is_active = user_id <> '11', is_bot = user_id = '12' WHERE realm = $1`;
    await database.query(change, [realm.name]);
    const { update_id } = await realm.row('10');
    for (const wish of [{ slim_presence: true }, { last_update_id: -1 }, { last_update_id: 0 }]) {
      assert.deepEqual(idsIn(await reported(anna, wish)), ['10']);
    }
    assert.deepEqual(idsIn(await reported(anna, { last_update_id: update_id })), []);
    assert.deepEqual(idsIn(assertSuccess(await anna.realmPresence())), ['10']);
    assert.deepEqual(idsIn(assertSuccess(await anna.register())), ['10']);
  });

  // --- the status in the older form ---

  const statuses = [
    ['a user who is active now is active', { active: 0 }, 'active', 0],
    ['a user who was active 50 s ago and is in contact is active since then', { active: 50, idle: 0 }, 'active', 50],
    ['a user who was active 3 min ago and is in contact is idle since the contact',
      { active: 3 * kMinute, idle: 0 }, 'idle', 0],
    ['a user who was active 65 s before the last contact is active', { active: 100, idle: 35 }, 'active', 100],
    ['a user who was active 75 s before the last contact is idle', { active: 100, idle: 25 }, 'idle', 25],
    ['a user who was never active is idle', { active: null, idle: 20 }, 'idle', 20],
  ];
  for (const [what, times, status, ago] of statuses) {
    test(`in the older form, ${what}`, async () => {
      const [realm, anna, otto] = await realmOf('10', '11');
      await slim(anna);
      await realm.setTimes('10', times);
      const { aggregated, website } = assertSuccess(await otto.realmPresence()).presences['10'];
      assert.equal(aggregated.status, status);
      assertRecent(aggregated.timestamp, ago);
      assert.deepEqual(website, { ...aggregated, pushable: false });
      const single = assertSuccess(await otto.presenceOf('10')).presence;
      const { timestamp } = aggregated;
      assert.deepEqual(single, { aggregated: { status, timestamp }, website: { status, timestamp } });
    });
  }
}, { atOnce: 4 });
