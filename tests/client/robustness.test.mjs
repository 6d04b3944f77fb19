// What the client does with answers that are odd, and with its programmers' mistakes: it waits as the server says, ends
// with a typed error where no repetition helps, and never throws because of what arrives.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import * as client from '../../client/src/index.js';
import { assertDelivered, connected, Recorder } from './lib/channels.mjs';
import { rejection } from './lib/network.mjs';
import { Browser } from './lib/page.mjs';
import { server } from './lib/sessions.mjs';

const { AddressError, AuthError, EventChannel, HttpError, NetworkError, PgeventsError, register } = client;

// Milliseconds until the next request after a poll with this header.
async function pauseAfter(header) {
  const { network, clock } = await connected({ transports: ['poll'] });
  const headers = { 'Content-Type': 'application/json', 'Last-Event-ID': '0', ...(header !== undefined && { 'X-PS-Reconnect-In': header }) };
  network.answer = () => new Response('[]', { headers });
  const { length } = network.requests;
  await clock.until(() => network.requests.length > length + 1);
  return network.requests[length + 1].at - network.requests[length].at;
}

describe('X-PS-Reconnect-In', () => {
  const kSeconds = {
    5: 5, '5, 5': 5, ' 7': 7, '2.9': 2, '3s': 3, '+4': 4, '08': 8,
    x: 10, '': 10, '-1': 10, '-5, 5': 10, NaN: 10, ', 5': 10,
  };
  for (const [header, seconds] of Object.entries(kSeconds)) {
    test(`'${header}' means ${seconds} s`, async () => assert.equal(await pauseAfter(header), seconds * 1000));
  }

  test('is ten seconds if it is missing', async () => assert.equal(await pauseAfter(undefined), 10_000));

  test('of zero means at once', async () => {
    const { network, clock } = await connected({ transports: ['long-poll'] });
    const { length } = network.requests;
    network.publish('a');
    await clock.advance(0);
    assert.equal(network.requests.length, length + 1);
  });
});

describe('after an error', () => {
  const kPauses = [[504, 0, 0], [12002, 0, 0], [500, 5000, 15_000], [502, 5000, 15_000], [429, 5000, 15_000]];
  for (const [status, least, most] of kPauses) {
    test(`${status} the next request follows ${most ? 'in about ten seconds' : 'at once'}`, async () => {
      for (const share of [0, 0.999]) {
        const browser = new Browser();
        const { network, clock } = browser;
        new Recorder(browser.page({ random: () => share }), ['a'], { lastEventId: '0' });
        await clock.advance(0);
        const status_of = { status, ok: false, headers: new Headers(), json: async () => ({}) };
        network.answer = () => status_of; // a Response cannot have status 12002
        network.close();
        await clock.until(() => network.requests.length > 1);
        await clock.until(() => network.requests.length > 2);
        const pause = network.requests[2].at - network.requests[1].at;
        assert.ok(pause >= least && pause <= most, `${pause} ms`);
      }
    });
  }

  test('a request without an answer is repeated at once', async () => {
    const { network, clock } = await connected({ transports: ['long-poll'] });
    network.mode = 'dead';
    network.publish('a');
    await clock.advance(0);
    const { length } = network.requests;
    await clock.advance(30_000);
    assert.equal(network.requests.length, length + 1);
    assert.equal(network.requests[length].at - network.requests[length - 1].at, 30_000);
  });
});

test('no request may be answered from a cache', async () => {
  const browser = new Browser();
  const seen = [];
  const page = browser.page();
  const { fetch } = page.environment;
  page.environment.fetch = (url, init) => (seen.push([init.method ?? 'GET', init.cache]), fetch(url, init));
  browser.network.calls['/rt/settings'] = () => ({});
  const channel = new EventChannel('/rt', 'a', { environment: page.environment });
  await browser.clock.advance(0);
  await channel.call('PATCH', 'settings', {});
  assert.deepEqual(new Set(seen.map(([, cache]) => cache)), new Set(['no-store']));
  assert.ok(seen.length >= 3);
});

describe('a cursor', () => {
  test('of 0 may be a number', async () => {
    for (const lastEventId of [0, '0']) {
      const browser = new Browser();
      browser.network.publish('a');
      const recorder = new Recorder(browser.page(), ['a'], { lastEventId });
      await browser.clock.advance(0);
      assertDelivered(recorder, browser.network);
      assert.equal(browser.network.requests[0].query.last_event_id, '0');
    }
  });

  test('that is empty means from now on', async () => {
    for (const lastEventId of ['', null, undefined]) {
      const browser = new Browser();
      browser.network.publish('a');
      const recorder = new Recorder(browser.page(), ['a'], { lastEventId });
      await browser.clock.advance(0);
      assert.deepEqual(recorder.ids, []);
      assert.equal(recorder.channel.lastEventId, '1');
    }
  });
});

// Mistakes of programmers: the server's answer to the first request, and the error.
const kHtml = { headers: { 'Content-Type': 'text/html' } };
const kMistakes = {
  'a channel that does not exist by the rules': [() => rejection(400, 'BAD_REQUEST'), HttpError, 400],
  'a channel that is not granted': [() => rejection(403, 'FORBIDDEN'), AuthError, 403],
  'a wrong path below the base': [() => rejection(404, 'NOT_FOUND'), HttpError, 404],
  'a method that is not allowed': [() => rejection(405, 'METHOD_NOT_ALLOWED'), HttpError, 405],
  'a base that nginx does not know': [() => new Response('<h1>404</h1>', { status: 404, ...kHtml }), AddressError, 404],
  'a base that the web server forbids': [() => new Response('<h1>403</h1>', { status: 403, ...kHtml }), AuthError, 403],
  'a port that speaks TLS': [() => new Response('<h1>400</h1>', { status: 400, ...kHtml }), HttpError, 400],
  'a base that an application answers with its page': [() => new Response('<div id="app">', kHtml), AddressError, undefined],
};

describe('a mistake ends with a typed error, and without further requests', () => {
  for (const [mistake, [answer, Kind, status]] of Object.entries(kMistakes)) {
    for (const lastEventId of [undefined, '0']) {
      test(`${mistake}${lastEventId ? ', behind a cursor' : ''}`, async () => {
        const browser = new Browser();
        browser.network.answer = answer;
        const recorder = new Recorder(browser.page(), ['a'], { lastEventId });
        const { channel } = recorder;
        await Promise.all([
          assert.rejects(channel.ready, (error) => error instanceof Kind && error.status === status),
          assert.rejects(channel.start(async () => assert.fail('not loaded')), Kind),
          browser.clock.advance(600_000),
        ]);
        assert.equal(browser.network.requests.length, 1);
        assert.equal(recorder.errors.length, 1);
        assert.ok(recorder.errors[0] instanceof Kind);
        assert.deepEqual([channel.state, channel.readyState], ['closed', EventChannel.CLOSED]);
      });
    }
  }

  test('a relative address in Node', () => {
    for (const base of ['/rt', 'rt', '']) {
      assert.throws(() => new EventChannel(base, 'a'), (error) => error instanceof AddressError && /absolute/.test(error.message));
    }
    return assert.rejects(register('/rt'), AddressError);
  });

  test('register() at a wrong address', async () => {
    const { network, start } = server();
    network.answer = () => new Response('<h1>404</h1>', { status: 404, ...kHtml });
    await assert.rejects(start(), (error) => error instanceof AddressError && /base address/.test(error.message));
  });

  test('register() of a user who is not in the directory says what to do', async () => {
    const { network, start } = server();
    const body = JSON.stringify({ result: 'error', code: 'BAD_REQUEST', msg: 'No such user' });
    network.answer = () => new Response(body, { status: 400 });
    await assert.rejects(start(), /No such user; add the user to pgevents\.users/);
  });
});

describe('a server that has answered before', () => {
  test('may answer with pages of other programs for a while', async () => {
    for (const status of [400, 403, 404]) {
      const { network, clock, recorder } = await connected();
      network.answer = () => new Response('<h1>Deploying</h1>', { status, ...kHtml });
      network.cut();
      network.publish('a');
      await clock.advance(60_000);
      network.answer = () => undefined;
      await clock.advance(20_000);
      assertDelivered(recorder, network);
      assert.equal(recorder.channel.state, 'live');
    }
  });
});

describe('a signal', () => {
  test('closes a channel', async () => {
    const abort = new AbortController();
    const { channel, network, clock } = await connected({ signal: abort.signal });
    abort.abort();
    await clock.advance(60_000);
    assert.deepEqual([channel.state, network.streams.size, clock.pending], ['closed', 0, 0]);
  });

  test('that has aborted before closes it at the start', async () => {
    const browser = new Browser();
    const { channel } = new Recorder(browser.page(), ['a'], { signal: AbortSignal.abort() });
    await browser.clock.advance(60_000);
    assert.equal(channel.state, 'closed');
    assert.deepEqual(browser.network.requests, []);
  });

  test('ends a subscription, a call, a publication and register()', async () => {
    const { channel, network, clock } = await connected();
    const abort = new AbortController();
    const { signal } = abort;
    const subscription = channel.subscribe('b', { signal });
    await clock.advance(0);
    assert.equal(subscription.state, 'live');
    network.mode = 'dead';
    const its = server();
    its.network.mode = 'down';
    const reason = new Error('enough');
    const all = Promise.all([
      assert.rejects(channel.call('PATCH', 'settings', {}, { signal }), reason),
      assert.rejects(channel.publish('a', 'x', 1, { signal }), reason),
      assert.rejects(its.start({ signal }), reason),
    ]);
    await its.clock.advance(1000);
    abort.abort(reason);
    await all;
    assert.equal(subscription.state, 'closed');
  });

  test('ends a session of register()', async () => {
    const abort = new AbortController();
    const { start, clock, network } = server();
    const session = await start({ signal: abort.signal });
    await clock.advance(0);
    abort.abort();
    await clock.advance(600_000);
    assert.deepEqual([session.channel.state, network.streams.size, clock.pending], ['closed', 0, 0]);
  });
});

test('the library exports its interface and nothing else', () => {
  assert.deepEqual(Object.keys(client).sort(), ['AddressError', 'AuthError', 'BaseChannel', 'EventChannel', 'HttpError', 'NetworkError',
    'PgeventsError', 'Presence', 'SilenceError', 'TypingSender', 'TypingTracker', 'conversationOf', 'eventSource', 'joining', 'page',
    'register', 'sharing', 'streams', 'webSocket']);
  for (const Kind of [AddressError, AuthError, HttpError, NetworkError, client.SilenceError]) {
    assert.ok(new Kind('x') instanceof PgeventsError);
  }
});

describe('an EventSource without types', () => {
  test('delivers the types that listeners want, as they are attached', async () => {
    const browser = new Browser();
    const { network, clock } = browser;
    const page = browser.page();
    const channel = new EventChannel('/rt', 'a', { environment: page.environment, lastEventId: '0', transports: ['event-source'] });
    const received = [];
    channel.addEventListener('made', ({ data }) => received.push(data));
    await clock.advance(0);
    assert.equal(channel.transport, 'event-source');
    network.publish('a', 1, 'made');
    network.publish('a', 2, 'sold');
    await clock.advance(0);
    channel.addEventListener('sold', ({ data }) => received.push(data));
    network.publish('a', 3, 'sold');
    network.publish('a', 4, 'made');
    await clock.advance(0);
    assert.deepEqual(received, [1, 3, 4]);
    assert.equal(network.requests.filter(({ kind }) => kind === 'stream').length, 1);
  });

  test('is not used for a handler of every type', async () => {
    const { channel, network, clock, recorder } = await connected({ transports: ['event-source'] });
    network.publish('a');
    await clock.advance(0);
    assert.equal(channel.transport, 'long-poll');
    assertDelivered(recorder, network);
  });
});
