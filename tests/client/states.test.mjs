// The states that a page can show, and publish() and call() with their repetitions.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { EventChannel, HttpError, NetworkError } from '../../client/src/index.js';
import { connected } from './lib/channels.mjs';
import { rejection } from './lib/network.mjs';

// A connected channel, and its states from then on: "polling 5000".
async function watched(options) {
  const its = await connected(options);
  const states = [];
  its.channel.onstate = ({ state, interval, target }) => {
    assert.equal(target.state, state);
    states.push(interval ? `${state} ${interval}` : state);
  };
  const both = [];
  its.channel.addEventListener('pgevents.state', ({ state }) => both.push(state));
  its.seen = () => {
    assert.equal(both.length, states.length);
    return states.filter((state, n) => state !== states[n - 1]);
  };
  return its;
}

describe('the state', () => {
  for (const transport of ['stream', 'long-poll']) {
    test(`shows that the fallback is polled, and the module again, over ${transport}`, async () => {
      const { network, clock, channel, seen } = await watched({ transports: [transport] });
      assert.equal(channel.state, 'live');
      network.mode = 'fallback';
      network.close();
      await clock.advance(30_000);
      assert.deepEqual(seen(), ['polling 5000']);
      assert.deepEqual([channel.interval, channel.readyState], [5000, EventChannel.OPEN]);
      network.mode = 'module';
      await clock.advance(10_000);
      assert.deepEqual(seen(), ['polling 5000', 'live']);
      assert.equal(channel.interval, undefined);
    });
  }

  test('stays live when the server is reloaded', async () => {
    const { network, clock, seen } = await watched();
    await clock.advance(20_000);
    network.close();
    await clock.advance(20_000);
    assert.deepEqual(seen(), []);
  });

  test('shows a break, an outage, and the end of both', async () => {
    const { network, clock, channel, page, seen } = await watched();
    network.cut();
    await clock.advance(2000);
    assert.deepEqual(seen(), ['connecting', 'live']);
    network.mode = 'down';
    network.cut();
    await clock.advance(5000);
    assert.deepEqual(seen().slice(2), ['connecting', 'offline']);
    assert.equal(channel.readyState, EventChannel.CONNECTING);
    network.mode = 'module';
    page.online();
    await clock.advance(0);
    page.window.dispatchEvent(new Event('offline'));
    assert.deepEqual(seen().slice(4), ['live', 'offline']);
    channel.close();
    assert.deepEqual(seen().slice(6), ['closed']);
  });

  test('of a subscription is its own', async () => {
    const { network, clock, channel } = await watched();
    const subscription = channel.subscribe('b');
    const states = [];
    subscription.addEventListener('pgevents.state', ({ state }) => states.push(state));
    await clock.advance(0);
    network.mode = 'down';
    network.cut();
    await clock.advance(0);
    subscription.unsubscribe();
    assert.deepEqual(states, ['live', 'connecting', 'closed']);
    assert.equal(channel.state, 'connecting');
  });
});

describe('publish()', () => {
  const kPath = '/rt/events/a';

  test('returns the event\'s id, and repeats a request without an answer with the same key', async () => {
    const { network, clock, channel } = await connected();
    network.calls[kPath] = (event) => ({ result: 'success', id: network.publish('a', event.data, event.type) });
    let lost = 3;
    network.answer = ({ method }) => {
      if (method !== 'POST' || !lost) return undefined;
      return --lost ? Promise.reject(new TypeError('fetch failed')) : rejection(503, 'SERVICE_UNAVAILABLE', { 'Retry-After': '2' });
    };
    const [id] = await Promise.all([channel.publish('a', 'made', { n: 1 }, { ttl: 9 }), clock.advance(60_000)]);
    assert.equal(id, '1');
    const posts = network.requests.filter(({ method }) => method === 'POST');
    assert.equal(posts.length, 4);
    assert.deepEqual(new Set(posts.map(({ headers }) => headers['Idempotency-Key'])).size, 1);
    assert.deepEqual(JSON.parse(posts[0].body), { type: 'made', data: { n: 1 }, ttl: 9 });
    const keys = await Promise.all([1, 2].map(async () => {
      await channel.publish('a', 'made');
      return network.requests.findLast(({ method }) => method === 'POST').headers['Idempotency-Key'];
    }));
    assert.ok(keys.every((key) => /^[0-9-]{20,}$/.test(key)), String(keys));
  });

  test('rejects what the server rejects, at once', async () => {
    for (const [status, code] of [[400, 'BAD_REQUEST'], [403, 'FORBIDDEN'], [422, 'UNPROCESSABLE']]) {
      const { network, channel } = await connected();
      network.answer = ({ method }) => (method === 'POST' ? rejection(status, code) : undefined);
      await assert.rejects(channel.publish('a', 'made'), (error) => error instanceof HttpError && error.code === code);
      assert.equal(network.requests.filter(({ method }) => method === 'POST').length, 1);
    }
  });

  test('gives up after half a minute or so', async () => {
    const { network, clock, channel } = await connected();
    network.mode = 'down';
    const from = clock.now();
    let ended_at;
    const done = assert.rejects(channel.publish('a', 'made'), NetworkError).then(() => (ended_at = clock.now()));
    await clock.advance(120_000);
    await done;
    assert.ok(ended_at - from > 5000 && ended_at - from < 60_000, `${ended_at - from} ms`);
  });
});
