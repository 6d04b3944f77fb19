// Channels that are added and removed at runtime, over every transport: nothing is lost, nothing arrives twice, and
// each channel has its own listeners, state and errors.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { AuthError, EventChannel, HttpError } from '../../client/src/index.js';
import { randomSource } from '../lib/publishers.mjs';
import { connected, Recorder } from './lib/channels.mjs';
import { rejection } from './lib/network.mjs';
import { Browser } from './lib/page.mjs';

const kTransports = ['stream', 'long-poll', 'poll', 'event-source'];

for (const transport of kTransports) {
  const options = { transports: [transport], types: ['made'] };

  describe(`over ${transport}`, () => {
    test('a channel added at runtime has its events from then on, and the others lose none', async () => {
      const { network, clock, recorder, channel } = await connected(options);
      network.publish('b', 'before');
      network.publish('a', 1);
      const subscription = channel.subscribe('b');
      const own = [];
      subscription.addEventListener('made', ({ data }) => own.push(data));
      network.publish('a', 2);
      assert.equal(subscription.state, 'connecting');
      await Promise.all([subscription.ready, clock.advance(20_000)]);
      network.publish('b', 3);
      network.publish('a', 4);
      await clock.advance(20_000);
      assert.deepEqual(recorder.events.map(({ data }) => data), [1, 2, 3, 4]);
      assert.deepEqual(own, [3]);
      assert.equal(subscription.state, channel.state);
      assert.equal(subscription.lastEventId, '5');
      channel.close();
    });

    test('a channel added behind a cursor first has its older events, in order', async () => {
      const { network, clock, recorder, channel } = await connected(options);
      for (let n = 1; n < 6; n++) network.publish(n % 2 ? 'b' : 'a', n);
      await clock.advance(10_000);
      channel.subscribe('b', { lastEventId: 1 });
      network.publish('a', 6);
      network.publish('b', 7);
      await clock.advance(20_000);
      const of = (name) => recorder.events.filter((event) => event.channel === name).map(({ data }) => data);
      assert.deepEqual([of('a'), of('b')], [[2, 4, 6], [3, 5, 7]]);
      channel.close();
    });

    test('a channel that is removed delivers nothing more, and the others go on', async () => {
      const { network, clock, recorder, channel } = await connected(options);
      const subscription = channel.subscribe('b');
      await clock.advance(10_000);
      subscription.unsubscribe();
      network.publish('b', 'late');
      network.publish('a', 1);
      await clock.advance(20_000);
      assert.deepEqual(recorder.events.map(({ data }) => data), [1]);
      assert.equal(subscription.state, 'closed');
      assert.deepEqual(network.requests.at(-1).channels, ['a']);
      channel.unsubscribe('a');
      await clock.advance(40_000);
      const { length } = network.requests;
      await clock.advance(100_000);
      assert.equal(network.requests.length, length, 'without channels it asks nothing');
      channel.subscribe('a');
      await clock.advance(10_000);
      network.publish('a', 2);
      await clock.advance(10_000);
      assert.equal(recorder.events.at(-1).data, 2);
      channel.close();
    });

    for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
      test(`whatever is added and removed while events are published, none is lost or repeated (seed ${seed})`, async () => {
        const random = randomSource(seed);
        const { network, clock, channel } = await connected(options);
        const wanted = new Map(); // channel → ids that must arrive
        const got = new Map();
        const subscriptions = new Map();
        channel.onevent = ({ channel: name, lastEventId }) => got.set(name, [...(got.get(name) ?? []), Number(lastEventId)]);
        const publish = (name) => {
          const id = network.publish(name);
          if (name === 'a' || subscriptions.has(name)) wanted.set(name, [...(wanted.get(name) ?? []), id]);
        };
        for (let step = 0; step < 120; step++) {
          const name = ['b', 'c', 'd'][Math.floor(random() * 3)];
          const what = random();
          if (what < 0.1 && !subscriptions.has(name)) {
            // Behind its last event: each time a new subscription, so that all of its own must arrive.
            subscriptions.set(name, channel.subscribe(name, { lastEventId: network.head }));
          } else if (what < 0.14 && subscriptions.has(name)) {
            await clock.advance(30_000);
            subscriptions.get(name).unsubscribe();
            subscriptions.delete(name);
          } else if (what < 0.17) {
            network.cut();
          } else if (what < 0.19) {
            network.mode = network.mode === 'module' ? 'fallback' : 'module';
            network.close();
          } else {
            publish(random() < 0.4 ? 'a' : name);
          }
          if (random() < 0.6) await clock.advance([0, 1, 50, 700][Math.floor(random() * 4)]);
        }
        network.mode = 'module';
        await clock.advance(60_000);
        for (const [name, ids] of wanted) assert.deepEqual(got.get(name), ids, name);
        channel.close();
      });
    }
  });
}

describe('a new request', () => {
  test('starts before the old one ends', async () => {
    const { network, clock, channel } = await connected();
    const [{ signal }] = network.requests;
    channel.subscribe('b');
    let ended_at;
    signal.addEventListener('abort', () => (ended_at = network.requests.length));
    await clock.advance(0);
    assert.deepEqual(network.kinds(), ['stream', 'poll', 'stream']);
    assert.equal(ended_at, 3);
    assert.deepEqual(network.requests.map(({ channels }) => channels), [['a'], ['b'], ['a', 'b']]);
    assert.equal(network.streams.size, 1);
  });

  test('is one for all channels that are added in one task, with the same cursor', async () => {
    const { network, clock, channel } = await connected();
    for (const name of ['b', 'c', 'd']) channel.subscribe(name);
    await clock.advance(0);
    assert.deepEqual(network.requests.slice(1).map(({ channels }) => channels.join()), ['b,c,d', 'a,b,c,d']);
  });

  test('is the first, for channels that are added before it', async () => {
    const browser = new Browser();
    const channel = new EventChannel('/rt', [], { environment: browser.page().environment });
    const [b, c] = [channel.subscribe('b'), channel.subscribe('c')];
    await Promise.all([b.ready, c.ready, browser.clock.advance(0)]);
    assert.deepEqual(browser.network.requests.map(({ channels }) => channels.join()), ['b,c', 'b,c']);
  });
});

describe('a channel that the server rejects', () => {
  const forbidB = (network, status = 403, code = 'FORBIDDEN') => {
    network.answer = ({ path }) => (path.endsWith('/b') || path.includes(',b') || path.includes('b,') ? rejection(status, code) : undefined);
  };

  test('fails alone, at runtime', async () => {
    for (const [status, code, Kind] of [[403, 'FORBIDDEN', AuthError], [400, 'BAD_REQUEST', HttpError]]) {
      const { network, clock, recorder, channel } = await connected();
      forbidB(network, status, code);
      const subscription = channel.subscribe('b');
      const seen = [];
      subscription.addEventListener('error', ({ error }) => seen.push(error));
      await Promise.all([assert.rejects(subscription.ready, Kind), clock.advance(60_000)]);
      assert.deepEqual([subscription.state, channel.state, seen.length, recorder.errors.length], ['closed', 'live', 1, 1]);
      network.publish('a');
      await clock.advance(0);
      assert.deepEqual(recorder.ids, [1]);
      assert.deepEqual(network.kinds(), ['stream', 'poll'], 'the others have kept their stream');
    }
  });

  test('fails alone, at the start', async () => {
    const browser = new Browser();
    const { network, clock } = browser;
    forbidB(network);
    const recorder = new Recorder(browser.page(), []);
    const [a, b] = ['a', 'b'].map((name) => recorder.channel.subscribe(name));
    await Promise.all([a.ready, assert.rejects(b.ready, AuthError), clock.advance(1000)]);
    network.publish('a');
    await clock.advance(1000);
    assert.deepEqual(recorder.ids, [1]);
    assert.deepEqual([a.state, b.state, recorder.channel.state], ['live', 'closed', 'live']);
  });

  test('can be subscribed to again, or is with a new token', async () => {
    const { network, clock, channel } = await connected();
    forbidB(network);
    const first = channel.subscribe('b');
    await Promise.all([assert.rejects(first.ready), clock.advance(0)]);
    network.answer = () => undefined;
    channel.setToken('t2');
    await Promise.all([first.ready, clock.advance(1000)]);
    assert.equal(first.state, 'live');
    assert.deepEqual(network.requests.at(-1).channels, ['a', 'b']);
  });

  test('is asked for again while the server is away', async () => {
    const { network, clock, channel } = await connected();
    network.answer = ({ kind }) => (kind === 'poll' ? rejection(503, 'SERVICE_UNAVAILABLE') : undefined);
    const subscription = channel.subscribe('b');
    await clock.advance(60_000);
    assert.equal(subscription.state, 'connecting');
    network.answer = () => undefined;
    await Promise.all([subscription.ready, clock.advance(20_000)]);
    assert.equal(subscription.state, 'live');
  });
});

test('the same channel has one subscription, until it is removed', async () => {
  const { channel } = await connected();
  const first = channel.subscribe('b');
  assert.equal(channel.subscribe('b'), first);
  first.unsubscribe();
  assert.notEqual(channel.subscribe('b'), first);
});

test('a gap of a channel that is added is its own', async () => {
  const { network, clock, channel } = await connected();
  for (let n = 0; n < 9; n++) network.publish('b', n);
  await clock.advance(0);
  network.oldest = 5;
  const gaps = [];
  channel.onreset = ({ reason, channels }) => void gaps.push([reason, channels]);
  channel.subscribe('b', { lastEventId: 1 });
  await clock.advance(1000);
  assert.deepEqual(gaps, [['pruned', ['b']]]);
});
