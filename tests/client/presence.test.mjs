// Presence on a fake clock: the reports of this page, and the status of other users by the server's time.
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
    // The reports since the last call: [seconds since the start, status, …].
    reports: () => sent.splice(0).map(({ at, status, ping_only }) => [(at - from) / 1000, status, ...(ping_only ? ['ping'] : [])]),
    // Current data of one user, whose times are this many seconds ago.
    news: (user, active, idle, more = {}) => ({
      presences: { [user]: { active_timestamp: seconds(active), idle_timestamp: seconds(idle) } },
      server_timestamp: clock.now() / 1000 + ahead,
      ...more,
    }),
  };
}

describe('a page reports', () => {
  test('active at the start, and at every ping interval', async () => {
    const { clock, reports } = started();
    await clock.advance(150_000);
    assert.deepEqual(reports(), [[0, 'active'], [60, 'active'], [120, 'active']]);
  });

  test('as often as the server demands', async () => {
    const { clock, reports } = started({ server_presence_ping_interval_seconds: 10 });
    await clock.advance(25_000);
    assert.deepEqual(reports(), [[0, 'active'], [10, 'active'], [20, 'active']]);
  });

  test('idle after five minutes without input, with the next regular report', async () => {
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

  test('becoming active immediately, with ping_only, and once', async () => {
    const { clock, document, reports } = started();
    await clock.advance(7.5 * kMinute);
    reports();
    for (let n = 0; n < 5; n++) document.dispatchEvent(new Event('keydown'));
    await clock.advance(kMinute);
    assert.deepEqual(reports(), [[450, 'active', 'ping'], [480, 'active']]);
  });

  test('input by input(), if it has no document', async () => {
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

  test('with the last update id that it received', async () => {
    let last = 1000;
    const answer = () => ({ presences: {}, server_timestamp: 1, presence_last_update_id: last++ });
    const { clock, sent } = started({ answer });
    await clock.advance(2 * kMinute);
    assert.deepEqual(sent.map(({ last_update_id }) => last_update_id), [-1, 1000, 1001]);
  });

  test('at the usual time after a failure', async () => {
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

  test('one at a time while a report is still waiting', async () => {
    let give;
    const { clock, reports } = started({ answer: () => new Promise((resolve) => (give = resolve)) });
    await clock.advance(5 * kMinute);
    assert.deepEqual(reports(), [[0, 'active']]);
    give();
    await clock.advance(kMinute);
    assert.equal(reports().length, 1);
  });

  test('nothing after stop(), and leaves no timer', async () => {
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

describe('the status of a user', () => {
  test('is active below the threshold, then idle, then offline; last seen at the later of the two times', async () => {
    for (const [active, idle, status] of [
      [0, 0, 'active'], [199, 199, 'active'], [199, 0, 'active'], [200, 0, 'idle'], [5000, 199, 'idle'], [5000, 200, 'offline'],
      [201, 5000, 'offline'],
    ]) {
      const { presence, news, seconds } = started();
      presence.apply(news('8', active, idle));
      assert.deepEqual(presence.of('8'), { status, lastSeen: seconds(Math.min(active, idle)), connected: false }, `${active}, ${idle}`);
    }
  });

  test('is offline if the user was never seen', () => {
    const { presence } = started();
    assert.deepEqual(presence.of('77'), { status: 'offline', lastSeen: 0, connected: false });
    assert.deepEqual(presence.users, []);
  });

  test('uses the server\'s clock, however wrong the local one is', () => {
    for (const ahead of [-86_400, 0, 3600]) {
      const { presence, news, clock } = started({ ahead });
      presence.replace(news('8', 10, 10, { presence_last_update_id: 1 }));
      assert.equal(presence.of('8').status, 'active');
      presence.replace(news('8', 300, 100, { presence_last_update_id: 1 }));
      assert.equal(presence.of('8').status, 'idle');
      assert.equal(presence.serverTime, clock.now() / 1000 + ahead);
    }
  });

  test('uses the threshold of the server', () => {
    const { presence, news } = started({ server_presence_offline_threshold_seconds: 5 });
    presence.apply(news('8', 6, 4));
    assert.equal(presence.of('8').status, 'idle');
  });

  test('changes as time passes, to the second, with an event', async () => {
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

  test('causes no event if new data does not change it', () => {
    const { presence, news, changes } = started();
    presence.apply(news('8', 10, 10));
    presence.apply(news('8', 5, 5));
    assert.deepEqual(changes, ['8']);
  });

  test('is not changed by older data, from whatever source', async () => {
    const { presence, news, clock } = started();
    const old = news('8', 0, 0);
    await clock.advance(1000);
    presence.apply(news('8', 1000, 1000)); // the user switched presence off: the times went back
    presence.apply(old);
    assert.equal(presence.of('8').status, 'offline');
  });

  test('does not use late events to set the clock', async () => {
    const { presence, news, clock } = started();
    presence.replace(news('8', 0, 0, { presence_last_update_id: 1 }));
    const late = news('9', 0, 0);
    await clock.advance(300_000);
    presence.apply(late);
    assert.equal(presence.of('9').status, 'offline');
    assert.equal(presence.serverTime, clock.now() / 1000);
  });

  test('uses data from the answer to a report', async () => {
    const { clock, presence, seconds } = started({
      answer: () => ({ presences: { 8: { active_timestamp: seconds(), idle_timestamp: seconds() } },
        server_timestamp: clock.now() / 1000, presence_last_update_id: 7 }),
    });
    await clock.advance(0);
    assert.equal(presence.of('8').status, 'active');
  });

  test('is removed if a new state does not contain the user', () => {
    const { presence, news, changes } = started();
    presence.apply(news('8', 0, 0));
    changes.length = 0;
    presence.replace(news('9', 0, 0, { presence_last_update_id: 5, presence_connected: ['9', '10'] }));
    assert.deepEqual(presence.users, ['9']);
    assert.deepEqual(presence.of('8').status, 'offline');
    assert.deepEqual(new Set(changes), new Set(['8', '9', '10']));
    assert.equal(presence.of('10').connected, true);
  });

  test('changes with connections', () => {
    const { clock, presence, changes } = started();
    const connect = (users, connected) => presence.connect({ users, server_timestamp: clock.now() / 1000 }, connected);
    connect(['8', '9'], true);
    assert.deepEqual([presence.of('8').connected, presence.of('9').connected], [true, true]);
    connect(['8'], false);
    assert.deepEqual([presence.of('8').connected, presence.of('9').connected], [false, true]);
    assert.deepEqual(changes, ['8', '9', '8']);
  });

  test('is at least idle while connected; after a disconnection last seen is the time of that', async () => {
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
  test('needs no data in answers if the page follows the events', async () => {
    const { clock, sent } = started({ follows: true });
    await clock.advance(61_000);
    const asked = sent.map(({ status, ping_only, last_update_id }) => [status, ping_only, last_update_id]);
    assert.deepEqual(asked, [kPing, kPing]);
  });

  test('is computed quickly for ten thousand users', () => {
    const { presence, seconds, clock } = started();
    const presences = Object.fromEntries(Array.from({ length: 10_000 }, (_, n) =>
      [`u${n}`, { active_timestamp: seconds(n % 300), idle_timestamp: seconds() }]));
    const from = performance.now();
    for (let n = 0; n < 3; n++) presence.apply({ presences, server_timestamp: clock.now() / 1000 });
    assert.ok(performance.now() - from < 10_000, 'not with their square');
  });
});
