// The start without a race: nothing is delivered before the application has its listeners and its state, and everything
// after its cursor is.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { EventChannel, register } from '../../client/src/index.js';
import { Browser } from './lib/page.mjs';
import { server } from './lib/sessions.mjs';

// A page whose state is the sum of what was published; `load` reads it from the "database".
function application(options = {}) {
  const browser = new Browser();
  const { network, clock } = browser;
  const channel = new EventChannel('/rt', 'a', { environment: browser.page().environment, ...options });
  const its = { browser, network, clock, channel, loads: [], received: [] };
  its.load = async (cursor, reset) => {
    its.loads.push([cursor, reset?.reason]);
    for (let n = 0; n < 3; n++) {
      network.publish('a', 'while it loads');
      await new Promise(setImmediate);
    }
    its.received.length = 0;
    its.loaded = true;
  };
  channel.addEventListener('made', ({ lastEventId }) => {
    assert.ok(its.loaded, 'delivered before the state was loaded');
    its.received.push(Number(lastEventId));
  });
  return its;
}

describe('start(load)', () => {
  test('calls load with the cursor, and delivers everything behind it afterwards', async () => {
    for (const lastEventId of [undefined, '2']) {
      const its = application({ lastEventId });
      for (let n = 0; n < 4; n++) its.network.publish('a', 'before');
      await Promise.all([its.channel.start(its.load), its.clock.advance(0)]);
      await its.clock.advance(5000);
      assert.deepEqual(its.loads, [[lastEventId ?? '4', undefined]]);
      assert.deepEqual(its.received, lastEventId ? [3, 4, 5, 6, 7] : [5, 6, 7]);
      its.network.publish('a');
      await its.clock.advance(0);
      assert.equal(its.received.at(-1), 8);
    }
  });

  test('may be called long after the channel was made', async () => {
    const browser = new Browser();
    const channel = new EventChannel('/rt', 'a', { environment: browser.page().environment });
    const { network, clock } = browser;
    await clock.advance(0);
    network.publish('a', 1);
    await clock.advance(100_000);
    network.publish('a', 2);
    const received = [];
    const started = channel.start(async (cursor) => {
      assert.equal(cursor, '0');
      channel.addEventListener('made', ({ data }) => received.push(data));
    });
    await Promise.all([started, clock.advance(0)]);
    assert.deepEqual(received, [1, 2]);
  });

  test('skips what a returned cursor includes', async () => {
    const its = application();
    await Promise.all([
      its.channel.start(async (cursor) => {
        await its.load(cursor);
        return '2';
      }),
      its.clock.advance(5000),
    ]);
    await its.clock.advance(0);
    assert.deepEqual(its.received, [3]);
  });

  test('loads again after a gap, before anything else is delivered', async () => {
    const its = application();
    const { network, clock } = its;
    await Promise.all([its.channel.start(its.load), clock.advance(1000)]);
    network.mode = 'down';
    network.cut();
    for (let n = 0; n < 9; n++) network.publish('a');
    network.oldest = 8;
    network.mode = 'module';
    its.loaded = false;
    await clock.advance(60_000);
    assert.deepEqual(its.loads.map(([, reason]) => reason), [undefined, 'pruned']);
    assert.deepEqual(its.received, [8, 9, 10, 11, 12, 13, 14, 15]);
  });

  test('rejects with the error of load, stays connected, delivers nothing, and may be called again', async () => {
    const its = application();
    const problem = new Error('the application is down');
    await Promise.all([
      assert.rejects(its.channel.start(async () => {
        throw problem;
      }), problem),
      its.clock.advance(0),
    ]);
    its.network.publish('a');
    await its.clock.advance(5000);
    assert.deepEqual(its.received, []);
    assert.equal(its.channel.state, 'live');
    await Promise.all([its.channel.start(its.load), its.clock.advance(0)]);
    await its.clock.advance(5000);
    assert.deepEqual(its.received, [1, 2, 3, 4]);
  });

  test('of a channel that is closed meanwhile does not load, and is no error', async () => {
    const its = application();
    const started = its.channel.start(its.load);
    its.channel.close();
    await its.clock.advance(0);
    await started;
    assert.deepEqual(its.loads, []);
  });
});

describe('without start()', () => {
  test('nothing is delivered until a listener is attached, however late', async () => {
    for (const attach of [
      (channel, take) => channel.addEventListener('made', take),
      (channel, take) => (channel.onevent = take),
      (channel, take) => channel.subscribe('a').addEventListener('made', take),
    ]) {
      const browser = new Browser();
      const { network, clock } = browser;
      const channel = new EventChannel('/rt', 'a', { environment: browser.page().environment, lastEventId: 0 });
      channel.addEventListener('open', () => {});
      channel.addEventListener('pgevents.state', () => {});
      for (let n = 1; n < 4; n++) {
        network.publish('a', n);
        await clock.advance(60_000);
      }
      assert.equal(channel.lastEventId, '0');
      const received = [];
      attach(channel, ({ data }) => received.push(data));
      await clock.advance(0);
      assert.deepEqual(received, [1, 2, 3]);
      channel.close();
    }
  });

  test('all listeners that are attached in one task get the first event', async () => {
    const browser = new Browser();
    browser.network.publish('a', 1);
    const channel = new EventChannel('/rt', 'a', { environment: browser.page().environment, lastEventId: 0 });
    await browser.clock.advance(1000);
    const received = [];
    for (let n = 0; n < 3; n++) channel.addEventListener('made', () => received.push(n));
    await browser.clock.advance(0);
    assert.deepEqual(received, [0, 1, 2]);
  });

  test('a token may be replaced meanwhile', async () => {
    const browser = new Browser();
    const { network, clock } = browser;
    const channel = new EventChannel('/rt', 'a', { environment: browser.page().environment, lastEventId: 0 });
    network.publish('a');
    await clock.advance(1000);
    channel.setToken('t2');
    await clock.advance(1000);
    const recorder = [];
    channel.onevent = ({ lastEventId }) => recorder.push(lastEventId);
    network.publish('a');
    await clock.advance(5000);
    assert.deepEqual(recorder, ['1', '2']);
  });
});

describe('register()', () => {
  // A session without the helper's start().
  async function registered(options) {
    const its = server();
    for (let n = 1; n < 4; n++) its.network.publish('stream:7', n);
    its.session = await register('/rt', { environment: its.page.environment, user: '10', channels: ['stream:7'], ...options });
    return its;
  }

  test('starts at the cursor of its state, or at that of the page', async () => {
    for (const [lastEventId, wanted] of [[undefined, [4]], ['1', [2, 3, 4]], [0, [1, 2, 3, 4]]]) {
      const { network, clock, session } = await registered({ lastEventId });
      network.publish('stream:7', 4);
      const received = [];
      session.channel.addEventListener('made', ({ data }) => received.push(data));
      await clock.advance(0);
      assert.deepEqual(received, wanted);
      session.close();
    }
  });

  test('delivers nothing before the application listens, to the channel, to presence or to typing', async () => {
    for (const listen of [
      ({ channel }, take) => channel.addEventListener('typing', take),
      ({ presence }, take) => presence.addEventListener('change', take),
      ({ typists }, take) => typists.addEventListener('change', take),
    ]) {
      const { network, clock, session } = await registered();
      const typing = { op: 'start', message_type: 'stream', sender: { user_id: '8' }, stream_id: '7', topic: 'x' };
      network.publish('stream:7', typing, 'typing');
      network.publish('presence:main', { users: ['9'], server_timestamp: clock.now() / 1000 }, 'pgevents.connected');
      await clock.advance(20_000);
      assert.deepEqual(session.typists.typists({ streamId: '7', topic: 'x' }), []);
      let called = 0;
      listen(session, () => called++);
      await clock.advance(0);
      assert.equal(called, 1);
      session.close();
    }
  });

  test('start(load) of a session loads after a gap, too, when the session has renewed its own state', async () => {
    const { network, clock, session } = await registered();
    const loads = [];
    const load = async (cursor, reset) => void loads.push([cursor, reset?.reason, session.presence.users.length]);
    await Promise.all([session.start(load), clock.advance(0)]);
    network.mode = 'down';
    network.cut();
    for (let n = 0; n < 9; n++) network.publish('stream:7', n);
    network.oldest = 8;
    network.mode = 'module';
    await clock.advance(10_000);
    assert.deepEqual(loads, [['3', undefined, 1], ['12', 'pruned', 1]]);
    session.close();
  });
});
