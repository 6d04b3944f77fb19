// EventChannel: its interface, its requests, and that it delivers events once and in order.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { AuthError, EventChannel, HttpError, NetworkError, PgeventsError } from '../../client/src/index.js';
import { assertDelivered, connected, Recorder } from './lib/channels.mjs';
import { rejection } from './lib/network.mjs';
import { Browser } from './lib/page.mjs';

describe('an EventChannel', () => {
  test('has the interface of an EventSource', async () => {
    const { channel, network, clock, recorder } = await connected();
    assert.equal(channel.readyState, EventChannel.OPEN);
    assert.equal(recorder.opened, 1);
    const received = [];
    channel.addEventListener('cheese', (event) => received.push(event));
    network.publish('a', { pieces: 92 }, 'cheese');
    network.publish('a', null, 'wine');
    await clock.advance(0);
    const [event] = received;
    assert.equal(received.length, 1);
    assert.deepEqual([event.type, event.data, event.lastEventId, event.channel], ['cheese', { pieces: 92 }, '1', 'a']);
    assert.equal(event.ts, clock.now() / 1000);
    assert.equal(event.target, channel);
    assert.equal(channel.lastEventId, '2');
    channel.close();
    assert.equal(channel.readyState, EventChannel.CLOSED);
    assert.deepEqual([EventChannel.CONNECTING, EventChannel.OPEN, EventChannel.CLOSED], [0, 1, 2]);
  });

  test('requests its channels from its cursor, with whole events in frames', async () => {
    const { network } = await connected({ lastEventId: '7', types: ['x', 'y'], notTypes: ['z'] });
    const [{ path, query, headers, kind }] = network.requests;
    assert.equal(kind, 'stream');
    assert.equal(path, '/rt/events/a');
    assert.deepEqual(query, { envelope: '1', types: 'x,y', not_types: 'z', last_event_id: '7' });
    assert.equal(headers.Authorization, undefined);
    const page = new Browser().page();
    const { channel } = new Recorder(page, ['user:10', 'straße'], { lastEventId: '1' });
    await page.browser.clock.advance(0);
    assert.equal(page.browser.network.requests[0].path, '/rt/events/user%3A10,stra%C3%9Fe');
    channel.close();
  });

  test('accepts a single channel without a list', async () => {
    const page = new Browser().page();
    new EventChannel('/rt', 'a', { environment: page.environment, lastEventId: '0' });
    await page.browser.clock.advance(0);
    assert.equal(page.browser.network.requests[0].path, '/rt/events/a');
  });

  test('resolves its base address by the page, once', async () => {
    const kBases = {
      '/rt': 'http://test/rt', '/rt//': 'http://test/rt', rt: 'http://test/app/rt', '../rt/': 'http://test/rt', '': 'http://test',
      '/': 'http://test', 'https://other:8443/a/rt/': 'https://other:8443/a/rt',
    };
    for (const [base, wanted] of Object.entries(kBases)) {
      const page = new Browser().page();
      page.document.baseURI = 'http://test/app/list?page=2#top';
      const channel = new EventChannel(base, 'a', { environment: page.environment, lastEventId: '0' });
      page.document.baseURI = 'http://test/app/items/7/edit';
      await page.browser.clock.advance(0);
      const [{ url }] = page.browser.network.requests;
      assert.equal(url.split('/events/a?')[0], wanted, base);
      channel.close();
    }
  });

  test('delivers older events, and then new ones, in order', async () => {
    const browser = new Browser();
    for (let n = 0; n < 3; n++) browser.network.publish(n === 1 ? 'b' : 'a', n);
    const recorder = new Recorder(browser.page(), ['a'], { lastEventId: '0' });
    await browser.clock.advance(0);
    for (let n = 0; n < 3; n++) browser.network.publish('a', n);
    await browser.clock.advance(0);
    assertDelivered(recorder, browser.network);
    assert.deepEqual(recorder.ids, [1, 3, 4, 5, 6]);
  });

  test('starts at the newest event without a cursor, and loses nothing if the first stream fails', async () => {
    const browser = new Browser();
    browser.network.publish('a');
    browser.network.answer = ({ kind }) => (kind === 'stream' ? rejection(502) : undefined);
    const recorder = new Recorder(browser.page(), ['a'], {});
    await browser.clock.advance(0);
    assert.deepEqual(browser.network.kinds(), ['poll', 'stream']);
    assert.equal(recorder.channel.lastEventId, '1');
    browser.network.publish('a');
    browser.network.answer = () => undefined;
    await browser.clock.advance(10_000);
    assert.deepEqual(recorder.ids, [2]);
  });

  test('delivers no event twice, whatever a server repeats', async () => {
    const { network, clock, recorder } = await connected();
    network.publish('a');
    network.publish('a');
    await clock.advance(0);
    const [stream] = network.streams;
    const again = JSON.stringify(network.log[0]);
    stream.write(`event: made\ndata: ${again}\nid: 1\n\n`);
    network.publish('a');
    await clock.advance(0);
    assert.deepEqual(recorder.ids, [1, 2, 3]);
    assert.equal(recorder.channel.lastEventId, '3');
  });

  test('stores the cursor of heartbeats', async () => {
    const { network, clock, channel } = await connected();
    network.publish('elsewhere');
    await clock.advance(16_000);
    assert.equal(channel.lastEventId, '1');
    network.cut();
    await clock.advance(1000);
    assert.equal(network.requests.at(-1).query.last_event_id, '1');
  });

  test('reconnects with its cursor when the stream breaks, and reports it', async () => {
    const { network, clock, recorder, channel } = await connected();
    network.publish('a');
    await clock.advance(0);
    network.cut();
    await clock.advance(0);
    assert.equal(channel.readyState, EventChannel.CONNECTING);
    assert.ok(recorder.errors[0] instanceof NetworkError);
    assert.ok(recorder.errors[0].cause instanceof TypeError);
    network.publish('a');
    await clock.advance(1000);
    assert.equal(channel.readyState, EventChannel.OPEN);
    assert.deepEqual([recorder.opened, recorder.errors.length], [2, 1]);
    assertDelivered(recorder, network);
  });

  test('does not report an error when the server ends the stream', async () => {
    const { network, clock, recorder, channel } = await connected();
    network.close();
    network.publish('a');
    await clock.advance(1999);
    assert.equal(network.requests.length, 1);
    await clock.advance(1);
    assert.equal(network.requests.length, 2);
    assertDelivered(recorder, network);
    assert.deepEqual([channel.readyState, recorder.opened, recorder.errors.length], [EventChannel.OPEN, 1, 0]);
  });

  test('delivers nothing after close(), not even the rest of the current chunk', async () => {
    const { network, clock, recorder, channel } = await connected({ transports: ['long-poll'] });
    channel.addEventListener('made', ({ lastEventId }) => lastEventId === '2' && channel.close());
    network.cut();
    for (let n = 0; n < 4; n++) network.publish('a');
    await clock.advance(5000);
    assert.deepEqual(recorder.ids, [1, 2]);
    assert.equal(channel.lastEventId, '2');
    const { length } = network.requests;
    network.publish('a');
    await clock.advance(600_000);
    assert.equal(network.requests.length, length);
    assert.equal(recorder.errors.length, 1);
  });

  test('leaves no timer, stream or listener behind', async () => {
    const { browser, page, network, clock, channel } = await connected({ pauseHidden: 1000, share: true });
    await clock.advance(60_000);
    page.hide();
    channel.close();
    await clock.advance(0);
    page.hide(false);
    page.online();
    await clock.advance(0);
    assert.deepEqual([network.streams.size, browser.buses.size], [0, 0]);
    await clock.advance(60_000);
    assert.equal(clock.pending, 0);
  });

  test('can be closed from a listener of each event, and twice', async () => {
    for (const type of ['open', 'error', 'pgevents.state', 'made']) {
      const { clock, network, channel } = await connected();
      channel.addEventListener(type, () => channel.close());
      network.publish('a');
      network.cut();
      await clock.advance(10_000);
      channel.close();
      await clock.advance(100_000);
      assert.equal(channel.readyState, EventChannel.CLOSED, type);
      assert.equal(network.streams.size, 0, type);
    }
  });

  test('continues after a listener has thrown', async (t) => {
    const { network, clock, recorder, channel } = await connected();
    const thrown = [];
    const report = (error) => thrown.push(error.message);
    process.removeAllListeners('uncaughtException');
    process.on('uncaughtException', report);
    t.after(() => process.off('uncaughtException', report));
    channel.addEventListener('made', () => {
      throw new Error('from a listener');
    });
    channel.onevent = (event) => {
      recorder.events.push(event);
      throw new Error('from onevent');
    };
    network.publish('a');
    network.publish('a');
    await clock.advance(0);
    assert.deepEqual(recorder.ids, [1, 2]);
    assert.deepEqual(thrown.sort(), ['from a listener', 'from a listener', 'from onevent', 'from onevent']);
    assert.equal(network.requests.length, 1);
  });

  test('closes after a request that the server rejects as bad', async () => {
    const { clock, network, recorder, channel } = await connected();
    network.answer = () => rejection(400, 'BAD_REQUEST');
    network.cut();
    await clock.advance(100_000);
    assert.equal(network.requests.length, 2);
    assert.equal(channel.readyState, EventChannel.CLOSED);
    const error = recorder.errors.at(-1);
    assert.ok(error instanceof HttpError && !(error instanceof AuthError));
    assert.deepEqual([error.status, error.code, error.message, error.name], [400, 'BAD_REQUEST', 'BAD_REQUEST it is', 'HttpError']);
  });

  test('reconnects after answers that violate the protocol', async () => {
    const { clock, network, recorder } = await connected();
    const odd = [
      () => new Response('<h1>Welcome to this hotel</h1>', { headers: { 'Content-Type': 'text/html' } }),
      () => new Response('event: made\ndata: {\nid: 5\n\n', { headers: { 'Content-Type': 'text/event-stream' } }),
      () => new Response('event: made\ndata: 1\nid: 5\n\n', { headers: { 'Content-Type': 'text/event-stream' } }),
      () => new Response('', { headers: { 'Content-Type': 'text/event-stream' } }),
      () => new Response(null, { status: 204 }),
      () => new Response('<h1>Bad Gateway</h1>', { status: 502 }),
      () => new Response('null', { status: 500 }),
    ];
    for (const answer of odd) {
      network.answer = answer;
      network.cut();
      await clock.advance(3000);
      network.answer = () => undefined;
      network.publish('a');
      await clock.until(() => network.streams.size === 1);
      assertDelivered(recorder, network);
    }
    assert.ok(recorder.errors.every((error) => error instanceof PgeventsError));
  });

  test('reports changes of its transport and state', async () => {
    const { clock, network, channel } = await connected();
    const states = [];
    channel.addEventListener('pgevents.state', () => states.push([channel.readyState, channel.transport]));
    assert.deepEqual([channel.transport, channel.leading], ['stream', true]);
    network.buffering = true;
    network.cut();
    await clock.advance(10_000);
    assert.deepEqual(states, [[0, 'stream'], [0, 'long-poll'], [1, 'long-poll']]);
    channel.close();
    assert.deepEqual(states.at(-1)[0], EventChannel.CLOSED);
  });
});
