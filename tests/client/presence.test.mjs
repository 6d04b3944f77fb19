// Presence on a fake clock: what this page reports and when, and how the others are, by the server's time.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { Presence } from '../../client/src/index.js';
import { Clock } from './lib/clock.mjs';

const kMinute = 60_000;

function started({ answer = () => ({ result: 'success', msg: '' }), ahead = 0, ...options } = {}) {
  const clock = new Clock();
  const document = new EventTarget();
  const sent = [];
  const changes = [];
  const send = async (params) => {
    sent.push({ at: clock.now(), ...params });
    return answer(params);
  };
  const presence = new Presence(send, { environment: { ...clock, document }, ...options });
  presence.addEventListener('change', ({ users }) => changes.push(...users));
  const seconds = (ago = 0) => Math.floor(clock.now() / 1000) + ahead - ago;
  const from = clock.now();
  return {
    clock, document, sent, changes, presence, seconds,
    // What was reported since the last look: [seconds since the start, status, …].
    reports: () => sent.splice(0).map(({ at, status, ping_only }) => [(at - from) / 1000, status, ...(ping_only ? ['ping'] : [])]),
    // News as of now of one user, whose times are so many seconds ago.
    news: (user, active, idle, more = {}) => ({
      presences: { [user]: { active_timestamp: seconds(active), idle_timestamp: seconds(idle) } },
      server_timestamp: clock.now() / 1000 + ahead,
      ...more,
    }),
  };
}

describe('what a page reports', () => {
  test('active at the start, and every ping interval', async () => {
    const { clock, reports } = started();
    await clock.advance(150_000);
    assert.deepEqual(reports(), [[0, 'active'], [60, 'active'], [120, 'active']]);
  });

  test('as often as the server says', async () => {
    const { clock, reports } = started({ server_presence_ping_interval_seconds: 10 });
    await clock.advance(25_000);
    assert.deepEqual(reports(), [[0, 'active'], [10, 'active'], [20, 'active']]);
  });

  test('idle when there was no input for five minutes, and no report for that alone', async () => {
    const { clock, reports } = started();
    await clock.advance(6 * kMinute);
    assert.deepEqual(reports().slice(-3), [[240, 'active'], [300, 'idle'], [360, 'idle']]);
  });

  for (const type of ['pointerdown', 'pointermove', 'keydown', 'wheel']) {
    test(`${type} is input: idle five minutes later`, async () => {
      const { clock, document, reports } = started();
      await clock.advance(2.5 * kMinute);
      document.dispatchEvent(new Event(type));
      await clock.advance(5.5 * kMinute);
      assert.deepEqual(reports().filter(([, status]) => status === 'idle'), [[480, 'idle']]);
    });
  }

  test('becoming active is told at once, by a ping alone, and once', async () => {
    const { clock, document, reports } = started();
    await clock.advance(7.5 * kMinute);
    reports();
    for (let n = 0; n < 5; n++) document.dispatchEvent(new Event('keydown'));
    await clock.advance(kMinute);
    assert.deepEqual(reports(), [[450, 'active', 'ping'], [480, 'active']]);
  });

  test('input without a document, by input()', async () => {
    const clock = new Clock();
    const sent = [];
    const presence = new Presence(async (params) => void sent.push(params.status), {
      environment: { ...clock, document: undefined }, idleAfter: 90_000,
    });
    await clock.advance(2 * kMinute);
    presence.input();
    await clock.advance(0);
    assert.deepEqual(sent, ['active', 'active', 'idle', 'active']);
  });

  test('with the last update id that it was told', async () => {
    let last = 1000;
    const answer = () => ({ presences: {}, server_timestamp: 1, presence_last_update_id: last++ });
    const { clock, sent } = started({ answer });
    await clock.advance(2 * kMinute);
    assert.deepEqual(sent.map(({ last_update_id }) => last_update_id), [-1, 1000, 1001]);
  });

  test('after a failure again at its time', async () => {
    let fails = true;
    const answer = () => {
      if (fails) throw new Error('away');
    };
    const { clock, reports } = started({ answer });
    await clock.advance(kMinute);
    fails = false;
    await clock.advance(kMinute);
    assert.deepEqual(reports(), [[0, 'active'], [60, 'active'], [120, 'active']]);
  });

  test('one at a time, while the last still waits', async () => {
    let give;
    const { clock, reports } = started({ answer: () => new Promise((resolve) => (give = resolve)) });
    await clock.advance(5 * kMinute);
    assert.deepEqual(reports(), [[0, 'active']]);
    give();
    await clock.advance(kMinute);
    assert.equal(reports().length, 1);
  });

  test('nothing after stop(), and no timer stays', async () => {
    const { clock, document, presence, news, sent } = started();
    presence.apply(news('8', 0, 0));
    await clock.advance(kMinute);
    presence.stop();
    const { length } = sent;
    document.dispatchEvent(new Event('keydown'));
    await clock.advance(20 * kMinute);
    assert.deepEqual([sent.length, clock.pending], [length, 0]);
  });
});

describe('how a user is', () => {
  test('active below the threshold, then idle below it, then offline; last seen at the later of the two times', async () => {
    for (const [active, idle, status] of [
      [0, 0, 'active'], [199, 199, 'active'], [199, 0, 'active'], [200, 0, 'idle'], [5000, 199, 'idle'], [5000, 200, 'offline'],
      [201, 5000, 'offline'],
    ]) {
      const { presence, news, seconds } = started();
      presence.apply(news('8', active, idle));
      assert.deepEqual(presence.of('8'), { status, lastSeen: seconds(Math.min(active, idle)), connected: false }, `${active}, ${idle}`);
    }
  });

  test('never seen: offline', () => {
    const { presence } = started();
    assert.deepEqual(presence.of('nobody'), { status: 'offline', lastSeen: 0, connected: false });
    assert.deepEqual(presence.users, []);
  });

  test('goes by the server\'s clock, however wrong the one here is', () => {
    for (const ahead of [-86_400, 0, 3600]) {
      const { presence, news, clock } = started({ ahead });
      presence.replace(news('8', 10, 10, { presence_last_update_id: 1 }));
      assert.equal(presence.of('8').status, 'active');
      presence.replace(news('8', 300, 100, { presence_last_update_id: 1 }));
      assert.equal(presence.of('8').status, 'idle');
      assert.equal(presence.serverTime, clock.now() / 1000 + ahead);
    }
  });

  test('by another threshold, if the server has one', () => {
    const { presence, news } = started({ server_presence_offline_threshold_seconds: 5 });
    presence.apply(news('8', 6, 4));
    assert.equal(presence.of('8').status, 'idle');
  });

  test('changes as time passes, to the second, and is told', async () => {
    const { presence, news, clock, changes } = started();
    presence.apply(news('8', 150, 100));
    presence.apply(news('9', 0, 0));
    assert.deepEqual(changes.splice(0), ['8', '9']);
    await clock.advance(49_999);
    assert.deepEqual(changes, []);
    await clock.advance(2);
    assert.deepEqual([changes.splice(0), presence.of('8').status], [['8'], 'idle']);
    await clock.advance(50_000);
    assert.deepEqual([changes.splice(0), presence.of('8').status], [['8'], 'offline']);
    await clock.advance(100_000);
    assert.deepEqual([changes.splice(0), presence.of('9').status], [['9'], 'offline']);
    await clock.advance(3_600_000);
    assert.deepEqual(changes, []);
  });

  test('news that change nothing are not told', () => {
    const { presence, news, changes } = started();
    presence.apply(news('8', 10, 10));
    presence.apply(news('8', 5, 5));
    assert.deepEqual(changes, ['8']);
  });

  test('older news than what is known change nothing, whichever way they came', async () => {
    const { presence, news, clock } = started();
    const old = news('8', 0, 0);
    await clock.advance(1000);
    presence.apply(news('8', 1000, 1000)); // he has turned his presence off: times that went back
    presence.apply(old);
    assert.equal(presence.of('8').status, 'offline');
  });

  test('an event that comes late does not set the clock', async () => {
    const { presence, news, clock } = started();
    presence.replace(news('8', 0, 0, { presence_last_update_id: 1 }));
    const late = news('9', 0, 0);
    await clock.advance(300_000);
    presence.apply(late);
    assert.equal(presence.of('9').status, 'offline');
    assert.equal(presence.serverTime, clock.now() / 1000);
  });

  test('the answer to a report brings news', async () => {
    const { clock, presence, seconds } = started({
      answer: () => ({ presences: { 8: { active_timestamp: seconds(), idle_timestamp: seconds() } },
        server_timestamp: clock.now() / 1000, presence_last_update_id: 7 }),
    });
    await clock.advance(0);
    assert.equal(presence.of('8').status, 'active');
  });

  test('a new state forgets whom it does not name', () => {
    const { presence, news, changes } = started();
    presence.apply(news('8', 0, 0));
    changes.length = 0;
    presence.replace(news('9', 0, 0, { presence_last_update_id: 5, presence_connected: ['9', '10'] }));
    assert.deepEqual(presence.users, ['9']);
    assert.deepEqual(presence.of('8').status, 'offline');
    assert.deepEqual(new Set(changes), new Set(['8', '9', '10']));
    assert.equal(presence.of('10').connected, true);
  });

  test('connections come and go', () => {
    const { clock, presence, changes } = started();
    const connect = (users, connected) => presence.connect({ users, server_timestamp: clock.now() / 1000 }, connected);
    connect(['8', '9'], true);
    assert.deepEqual([presence.of('8').connected, presence.of('9').connected], [true, true]);
    connect(['8'], false);
    assert.deepEqual([presence.of('8').connected, presence.of('9').connected], [false, true]);
    assert.deepEqual(changes, ['8', '9', '8']);
  });

  test('who is connected is in contact; who is gone was last seen when he went', async () => {
    const { clock, presence, changes, news, seconds } = started();
    presence.apply(news('8', 0, 0));
    presence.connect({ users: ['8'], server_timestamp: clock.now() / 1000 }, true);
    await clock.advance(20 * kMinute);
    assert.equal(presence.of('8').status, 'idle');
    changes.length = 0;
    presence.connect({ users: ['8'], ...news('8', 1200, 30) }, false);
    assert.deepEqual(presence.of('8'), { status: 'idle', lastSeen: seconds(30), connected: false });
    await clock.advance(200_000);
    assert.equal(presence.of('8').status, 'offline');
    assert.deepEqual(changes, ['8', '8']);
  });

  const kPing = ['active', true, undefined];
  test('whoever follows the events asks for nothing', async () => {
    const { clock, sent } = started({ follows: true });
    await clock.advance(61_000);
    const asked = sent.map(({ status, ping_only, last_update_id }) => [status, ping_only, last_update_id]);
    assert.deepEqual(asked, [kPing, kPing]);
  });

  test('ten thousand users cost no time to speak of', () => {
    const { presence, seconds, clock } = started();
    const presences = Object.fromEntries(Array.from({ length: 10_000 }, (_, n) =>
      [`u${n}`, { active_timestamp: seconds(n % 300), idle_timestamp: seconds() }]));
    const from = performance.now();
    for (let n = 0; n < 3; n++) presence.apply({ presences, server_timestamp: clock.now() / 1000 });
    assert.ok(performance.now() - from < 10_000, 'not with their square');
  });
});
