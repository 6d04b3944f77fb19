// One connection for all tabs: which tab leads, what the others receive, and that no event is lost or duplicated when
// the leader ends.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { EventChannel, NetworkError } from '../../client/src/index.js';
import { assertDelivered, Recorder } from './lib/channels.mjs';
import { Browser } from './lib/page.mjs';

// Opens tabs of a browser; the first leads.
async function tabs(count, options = {}) {
  const browser = new Browser();
  const { clock, network } = browser;
  const pages = [];
  const recorders = [];
  const open = async (own = {}) => {
    const page = browser.page();
    pages.push(page);
    const recorder = new Recorder(page, ['a'], { lastEventId: String(network.head), share: true, ...options, ...own });
    recorder.after = Number(own.lastEventId ?? network.head);
    recorders.push(recorder);
    await clock.advance(1000);
    return recorder;
  };
  for (let n = 0; n < count; n++) await open();
  const check = () => {
    recorders.forEach((recorder, n) => {
      if (!pages[n].closed.signal.aborted) assertDelivered(recorder, network, { after: recorder.after });
    });
  };
  return { browser, clock, network, pages, recorders, open, check };
}

describe('tabs that share a connection', () => {
  test('have one stream, and each receives every event', async () => {
    const { network, clock, recorders, check } = await tabs(6);
    for (let n = 0; n < 5; n++) network.publish('a', n);
    await clock.advance(0);
    check();
    assert.equal(network.streams.size, 1);
    assert.deepEqual(recorders.map(({ channel }) => channel.leading), [true, false, false, false, false, false]);
    for (const { channel, opened } of recorders) {
      assert.deepEqual([channel.readyState, channel.transport, opened], [EventChannel.OPEN, 'stream', 1]);
    }
    const { length } = network.requests;
    await clock.advance(600_000);
    assert.equal(network.requests.length, length, 'and the others ask nothing');
  });

  test('give a new tab with an older cursor the events that it missed', async () => {
    const { network, clock, open, check } = await tabs(1);
    for (let n = 0; n < 5; n++) network.publish('a', n);
    await clock.advance(0);
    const late = await open({ lastEventId: '2' });
    network.publish('a');
    await clock.advance(0);
    check();
    assert.deepEqual(late.ids, [3, 4, 5, 6]);
    assert.equal(network.streams.size, 1);
  });

  test('start a tab without a cursor at the newest event', async () => {
    const { network, clock, open } = await tabs(1);
    network.publish('a');
    await clock.advance(0);
    const late = await open({ lastEventId: undefined });
    network.publish('a');
    await clock.advance(0);
    assert.deepEqual(late.ids, [2]);
  });

  test('receive every event once while tabs open and leaders close', async () => {
    const { network, clock, pages, recorders, open, check } = await tabs(2);
    for (let round = 0; round < 12; round++) {
      for (let n = 0; n < 7; n++) {
        network.publish('a', [round, n]);
        await clock.advance(n * 9);
      }
      if (round % 3 === 2) {
        const leader = recorders.findIndex(({ channel }, n) => channel.leading && !pages[n].closed.signal.aborted);
        pages[leader].close();
        await open();
      }
      if (round % 4 === 1) await open({ lastEventId: String(network.head - 3) });
      if (round % 5 === 1) network.cut();
    }
    await clock.advance(60_000);
    check();
    assert.equal(network.streams.size, 1);
  });

  test('get a new leader immediately when the leader is closed', async () => {
    const { network, clock, recorders, check } = await tabs(3);
    network.publish('a');
    await clock.advance(0);
    recorders[0].channel.close();
    network.publish('a');
    await clock.advance(0);
    assert.deepEqual(recorders.map(({ channel }) => channel.leading), [false, true, false]);
    assert.deepEqual(recorders[1].ids, recorders[2].ids);
    assert.equal(recorders[1].ids.length, 2);
    assert.equal(network.streams.size, 1);
    recorders[0].after = Infinity;
    recorders[0].events.length = 0;
    check();
  });

  test('do not lose events that only the leader had received', async () => {
    const { network, clock, pages, recorders } = await tabs(2);
    // The follower is frozen, so the leader's messages wait. Then the leader ends before they are delivered.
    pages[1].frozen = true;
    network.publish('a');
    network.publish('a');
    await clock.advance(0);
    pages[0].close();
    pages[1].waiting.length = 0;
    pages[1].thaw();
    network.publish('a');
    await clock.advance(0);
    assertDelivered(recorders[1], network);
  });

  test('request the missing events after a lost message', async () => {
    const { network, clock, pages, recorders } = await tabs(2);
    pages[1].frozen = true;
    network.publish('a');
    await clock.advance(0);
    pages[1].waiting.length = 0;
    pages[1].thaw();
    assert.deepEqual(recorders[1].ids, []);
    network.publish('elsewhere');
    await clock.advance(16_000); // a heartbeat
    assertDelivered(recorders[1], network);
  });

  test('replace a frozen leader, which becomes a follower when it is thawed', async () => {
    const { network, clock, pages, recorders, check } = await tabs(3);
    pages[0].frozen = true;
    network.publish('a');
    await clock.advance(36_000);
    network.publish('a');
    await clock.advance(0);
    assert.equal(recorders[1].ids.length, 2);
    assert.equal(recorders[2].ids.length, 2);
    pages[0].thaw();
    await clock.advance(1000);
    network.publish('a');
    await clock.advance(60_000);
    check();
    assert.equal(recorders.filter(({ channel }) => channel.leading).length, 1);
    assert.equal(network.streams.size, 1);
  });

  test('share a new token, and the leader reconnects its stream', async () => {
    const { network, clock, recorders, check } = await tabs(3, { token: 't1' });
    network.tokens = new Set(['t2']);
    recorders[2].channel.setToken('t2');
    await clock.advance(0);
    assert.equal([...network.streams].at(-1).request.headers.Authorization, 'Bearer t2');
    network.publish('a');
    await clock.advance(0);
    check();
    assert.equal(network.streams.size, 1);
  });

  test('replace a leader with an expired token by a tab with a valid one', async () => {
    const { network, clock, open, recorders, pages } = await tabs(1, { token: 't1' });
    network.tokens = new Set(['t1', 't2']);
    const second = await open({ token: 't2' });
    network.expire();
    network.tokens = new Set(['t2']);
    network.publish('a');
    await clock.advance(40_000);
    assert.deepEqual(second.ids, [1]);
    assert.equal(second.channel.leading, true);
    assert.equal(pages.length, recorders.length);
  });

  test('report failures of the leader in all tabs', async () => {
    const { network, clock, recorders } = await tabs(2);
    network.mode = 'down';
    network.cut();
    await clock.advance(0);
    assert.equal(recorders[1].channel.readyState, EventChannel.CONNECTING);
    assert.ok(recorders[1].errors[0] instanceof NetworkError);
    network.mode = 'module';
    await clock.advance(2000);
    assert.deepEqual([recorders[1].channel.readyState, recorders[1].opened], [EventChannel.OPEN, 2]);
  });

  test('each ask the server themselves after a gap in the leader\'s history', async () => {
    const { network, clock, recorders } = await tabs(3);
    for (let n = 0; n < 9; n++) network.publish('a', 'before');
    await clock.advance(0);
    const reasons = [];
    recorders.forEach(({ channel }) => (channel.onreset = ({ reason }) => void reasons.push(reason)));
    network.restore(3);
    await clock.advance(5000);
    assert.deepEqual(reasons, ['ahead', 'ahead', 'ahead']);
    recorders.forEach(({ events }) => (events.length = 0));
    network.publish('a', 'after');
    await clock.advance(5000);
    recorders.forEach(({ events }) => assert.deepEqual(events.filter(({ data }) => data === 'after').map(({ lastEventId }) => lastEventId), ['4']));
  });

  test('repeat a follower\'s failed request until it is answered', async () => {
    const { network, clock, open } = await tabs(1);
    for (let n = 0; n < 5; n++) network.publish('a');
    await clock.advance(0);
    network.answer = ({ kind }) => {
      if (kind === 'poll') throw new TypeError('fetch failed');
      return undefined;
    };
    const late = await open({ lastEventId: '0' });
    network.publish('a');
    await clock.advance(3000);
    assert.deepEqual(late.ids, []);
    network.answer = () => undefined;
    await clock.advance(60_000);
    assertDelivered(late, network);
  });

  test('hand over from a hidden, paused leader to a visible tab; the former rejoins', async () => {
    const { network, clock, pages, recorders, check } = await tabs(2, { pauseHidden: 10_000 });
    pages[0].hide();
    await clock.advance(10_000);
    assert.deepEqual(recorders.map(({ channel }) => channel.leading), [false, true]);
    network.publish('a');
    await clock.advance(60_000);
    assert.deepEqual(recorders.map(({ ids }) => ids), [[], [1]]);
    pages[0].hide(false);
    await clock.advance(1000);
    network.publish('a');
    await clock.advance(0);
    check();
    assert.equal(network.streams.size, 1);
  });

  test('use polls of one tab with the fallback', async () => {
    const { network, clock, recorders, check } = await tabs(4);
    network.mode = 'fallback';
    network.close();
    const { length } = network.requests;
    for (let n = 0; n < 12; n++) {
      network.publish('a');
      await clock.advance(5000);
    }
    check();
    assert.equal(network.requests.length - length, 12);
    assert.ok(recorders.every(({ errors }) => errors.length === 0));
  });

  test('use long polls of one tab', async () => {
    const { network, clock, check } = await tabs(4, { transports: ['long-poll'] });
    for (let n = 0; n < 12; n++) {
      network.publish('a');
      await clock.advance(13_000);
    }
    check();
    assert.equal(network.polls.size, 1);
  });
});

describe('tabs do not share', () => {
  test('filters or names', async () => {
    const { network, open } = await tabs(1);
    await open({ types: ['made'] });
    await open({ share: 'user 10' });
    await open({ share: 'user 11' });
    assert.equal(network.streams.size, 4);
    await open({ share: 'user 11' });
    assert.equal(network.streams.size, 4);
  });

  test('without locks, or if the page may not use them', async () => {
    for (const locks of [undefined, { request: async () => { throw new DOMException('opaque origin', 'SecurityError'); } }]) {
      const browser = new Browser();
      const page = browser.page();
      page.environment.locks = locks;
      const recorder = new Recorder(page, ['a'], { lastEventId: '0', share: true });
      await browser.clock.advance(1000);
      browser.network.publish('a');
      await browser.clock.advance(0);
      assertDelivered(recorder, browser.network);
      assert.equal(recorder.channel.leading, true);
    }
  });

  test('an EventSource, which shows no heartbeats', async () => {
    const { network } = await tabs(2, { transports: ['event-source'], types: ['made'] });
    assert.equal(network.streams.size, 2);
  });
});
