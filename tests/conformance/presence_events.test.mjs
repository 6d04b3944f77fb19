// What is told of presence on presence:<realm>, and when nothing is; what becomes of it when a user turns it off and on.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { forEach } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { range } from '../lib/conditions.mjs';
import { assertSuccess, newRealm, setTimings, startWithPeople, withoutTimes } from '../lib/people.mjs';

const kHour = 3600;
const kHidden = 265; // s: threshold, and a report's distance

const database = await (await sharedCluster()).createDatabase();
const backends = await startWithPeople({ database });
// Each change is told by itself, so that a test sees all of them.
await setTimings(database, { presence_flush_window: '1 millisecond' });

// A second database where changes are told together, as usual.
const together = await (await sharedCluster()).createDatabase();
const windowed = await startWithPeople({ database: together });

const now = () => Date.now() / 1000;
const assertAgo = (seconds, ago) =>
  assert.ok(Math.abs(now() - ago - seconds) < 10, `${now() - seconds} s ago, wanted ${ago}`);

forEach(backends, (backend) => {
  // A realm of 10 and 11, the first of whom has reported, and what is told from now on.
  async function reported(times, status = 'active') {
    const realm = await newRealm(database, '10', '11');
    const anna = realm.person(backend, '10');
    assertSuccess(await anna.report({ status }));
    if (times) await realm.setTimes('10', times);
    return { realm, anna, otto: realm.person(backend, '11'), news: await realm.news(backend) };
  }

  test('a first report is told to all of the realm, with both times', async () => {
    const realm = await newRealm(database, '10');
    const news = await realm.news(backend);
    await realm.person(backend, '10').report({ status: 'active', ping_only: true });
    const [event, ...more] = await news.about('10', 'presence');
    assert.deepEqual(more, []);
    assert.equal(event.channel_id, realm.channel);
    const [{ data }] = await realm.log();
    assert.equal(withoutTimes(data), '{"presences":{"10":{"active_timestamp":T,"idle_timestamp":T}},"server_timestamp":T}');
    assert.match(data, /"active_timestamp":[0-9]{10},"idle_timestamp":[0-9]{10}\}\},"server_timestamp":[0-9]{10}\.[0-9]+\}/);
    const { active, idle } = await realm.row('10');
    assert.deepEqual(event.data.presences['10'], { active_timestamp: Math.floor(active), idle_timestamp: Math.floor(idle) });
    assertAgo(event.data.server_timestamp, 0);
  });

  test('a first idle report is told as well', async () => {
    const realm = await newRealm(database, '10');
    const news = await realm.news(backend);
    await realm.person(backend, '10').report({ status: 'idle' });
    const [{ data }] = await news.about('10', 'presence');
    assertAgo(data.presences['10'].idle_timestamp, 0);
    assert.ok(data.presences['10'].active_timestamp <= data.presences['10'].idle_timestamp - 200);
  });

  // [what was reported, times before, whether it is told]
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
  for (const [status, times, told] of reports) {
    test(`${status}, having been active ${times.active} s and in contact ${times.idle ?? times.active} s ago, ` +
      `is ${told ? '' : 'not '}told`, async () => {
      const { anna, news } = await reported(times);
      await anna.report({ status });
      assert.deepEqual(await news.all(), told ? [['presence', ['10']]] : []);
    });
  }

  test('a page that is answered incrementally gets what no event tells: it is written all the same', async () => {
    const { realm, anna, otto, news } = await reported({ active: 60 });
    const { presence_last_update_id: id } = assertSuccess(await otto.report({ status: 'active', last_update_id: -1 }));
    await news.about('11', 'presence');
    await anna.report({ status: 'active' });
    const answer = assertSuccess(await otto.report({ status: 'active', last_update_id: id }));
    assert.deepEqual(Object.keys(answer.presences), ['10']);
    assert.equal(answer.presence_last_update_id, (await realm.row('10')).update_id);
    assert.deepEqual(await news.all(), []);
  });

  test('first contacts of one user at once are told once', async () => {
    const realm = await newRealm(database, '10');
    const news = await realm.news(backend);
    const anna = realm.person(backend, '10');
    await Promise.all(range(1, 8).map(() => anna.report({ status: 'active', ping_only: true })));
    assert.deepEqual(await news.all(), [['presence', ['10']]]);
  });

  // --- those who do not take part ---

  test('whoever has turned presence off is not written, and hears of the others', async () => {
    const { realm, anna, otto, news } = await reported({ active: kHour });
    assertSuccess(await otto.report({ status: 'active' }));
    await news.about('11', 'presence');
    await database.query(`UPDATE pgevents.users SET presence_enabled = false WHERE realm = $1 AND user_id = '10'`, [realm.name]);
    const stored = await realm.row('10');
    for (const status of ['active', 'idle']) {
      const answer = assertSuccess(await anna.report({ status, slim_presence: true }));
      assertAgo(answer.presences['11'].active_timestamp, 0);
    }
    assert.deepEqual(await realm.row('10'), stored);
    assert.deepEqual(await news.all(), []);
  });

  test('whoever has turned presence off before his first report has no row', async () => {
    const realm = await newRealm(database, { user_id: '10', presence_enabled: false });
    const news = await realm.news(backend);
    const answer = assertSuccess(await realm.person(backend, '10').report({ status: 'active' }));
    assert.deepEqual([answer.presences, answer.presence_last_update_id], [{}, -1]);
    assert.equal(await realm.row('10'), undefined);
    assert.deepEqual(await news.all(), []);
  });

  test('turning it off moves present times back to where everybody takes the user for offline, and tells it', async () => {
    const { realm, anna, news } = await reported({ active: 100, idle: 20 });
    assertSuccess(await anna.choose({ presence_enabled: false }));
    const { active, idle } = await realm.row('10');
    assertAgo(active, kHidden);
    assert.equal(idle, active);
    const [event] = await news.about('10', 'presence');
    assert.deepEqual(event.data.presences['10'], { active_timestamp: Math.floor(active), idle_timestamp: Math.floor(idle) });
    assert.equal(assertSuccess(await realm.person(backend, '11').presenceOf('10')).presence.aggregated.status, 'offline');
  });

  test('turning it off never moves a time forward', async () => {
    const { realm, anna, news } = await reported({ active: kHour, idle: 20 });
    const before = await realm.row('10');
    assertSuccess(await anna.choose({ presence_enabled: false }));
    const after = await realm.row('10');
    assert.equal(after.active, before.active);
    assertAgo(after.idle, kHidden);
    assert.ok(after.update_id > before.update_id);
    assert.deepEqual(await news.all(), [['presence', ['10']]]);
  });

  test('turning it off leaves old times alone, and does not make a row', async () => {
    const { realm, anna, otto, news } = await reported({ active: kHour });
    const before = await realm.row('10');
    assertSuccess(await anna.choose({ presence_enabled: false }));
    const { active, idle } = await realm.row('10');
    assert.deepEqual([active, idle], [before.active, before.idle]);
    assertSuccess(await otto.choose({ presence_enabled: false }));
    assert.equal(await realm.row('11'), undefined);
    assert.ok((await news.all()).every(([type, names]) => type === 'presence' && names.join() === '10'));
  });

  test('turning it on gives a current, active row, and tells it', async () => {
    const { realm, anna, otto, news } = await reported({ active: 100, idle: 20 });
    for (const [person, id] of [[anna, '10'], [otto, '11']]) {
      assertSuccess(await person.choose({ presence_enabled: false }));
      assertSuccess(await person.choose({ presence_enabled: true }));
      const { active, idle } = await realm.row(id);
      assertAgo(active, 0);
      assert.equal(idle, active);
      const events = await news.about(id, 'presence');
      const pair = { active_timestamp: Math.floor(active), idle_timestamp: Math.floor(idle) };
      assert.deepEqual(events.at(-1).data.presences[id], pair);
    }
  });

  test('a page that is answered incrementally learns of both', async () => {
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
  test('what changes within a second is told together, with what each had last', async () => {
    const ids = range(1, 25).map(String);
    const realm = await newRealm(together, 'first', ...ids);
    const news = await realm.news(backend);
    await realm.person(backend, 'first').report({ status: 'active', ping_only: true });
    await news.about('first', 'presence');
    const started = performance.now();
    await Promise.all(ids.map((id) =>
      realm.person(backend, id).report({ status: Number(id) % 2 ? 'active' : 'idle', ping_only: true })));
    await realm.person(backend, '2').report({ status: 'active', ping_only: true });
    const took = performance.now() - started;
    const heard = new Map();
    const events = await news.until((all) => {
      for (const { data } of all) for (const [id, times] of Object.entries(data.presences)) heard.set(id, times);
      return heard.size === ids.length && heard.get('2').active_timestamp > now() - 100;
    });
    assert.ok(events.length <= 2 + Math.ceil(took / 1000), `${events.length} events, ${took} ms`);
    for (const id of ids) {
      const { active, idle } = await realm.row(id);
      assert.equal(heard.get(id).idle_timestamp, Math.floor(idle));
      if (active !== null) assert.equal(heard.get(id).active_timestamp, Math.floor(active));
    }
  });

  test('a change is told within a second or so', async () => {
    const realm = await newRealm(together, '10', '11');
    const news = await realm.news(backend);
    await realm.person(backend, '10').report({ status: 'active', ping_only: true });
    await realm.person(backend, '11').report({ status: 'active', ping_only: true });
    const events = [...(await news.about('11', 'presence'))];
    const { idle } = await realm.row('11');
    const told = Number(events.find(({ data }) => data.presences['11']).ts);
    assert.ok(told - idle < 10, `${told - idle} s`);
  });
});
