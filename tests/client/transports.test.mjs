// The choice of transports and the time of requests: buffering proxies, silence, sleep, polls, failures and their
// delays.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { EventChannel, HttpError, NetworkError, SilenceError } from '../../client/src/index.js';
import { assertDelivered, connected, Recorder } from './lib/channels.mjs';
import { rejection } from './lib/network.mjs';
import { Browser } from './lib/page.mjs';

describe('behind a proxy that buffers', () => {
  test('replaces a stream that does not begin by long polls', async () => {
    const browser = new Browser();
    browser.network.buffering = true;
    const recorder = new Recorder(browser.page(), ['a'], {});
    await browser.clock.advance(4000);
    browser.network.publish('a');
    await browser.clock.advance(1000);
    assert.deepEqual(browser.network.kinds(), ['poll', 'stream', 'poll', 'long-poll']);
    assertDelivered(recorder, browser.network);
    browser.network.publish('a');
    await browser.clock.advance(0);
    assertDelivered(recorder, browser.network);
    assert.deepEqual([recorder.channel.transport, recorder.channel.readyState], ['long-poll', EventChannel.OPEN]);
    assert.deepEqual(recorder.errors, []);
  });

  test('replaces a stream that misses heartbeats for the time in the options', async () => {
    for (const heartbeatTimeout of [25_000, 20_000]) {
      const { network, clock, recorder } = await connected({ heartbeatTimeout });
      network.buffering = true;
      network.publish('a');
      await clock.advance(heartbeatTimeout - 1);
      assert.deepEqual(network.kinds(), ['stream']);
      await clock.advance(1);
      assert.deepEqual(network.kinds(), ['stream', 'poll', 'long-poll']);
      assertDelivered(recorder, network);
      assert.deepEqual(recorder.errors, []);
    }
  });

  test('tries streams again after five minutes, and keeps them if they work', async () => {
    const { network, clock, recorder, channel } = await connected();
    network.buffering = true;
    await clock.advance(60_000);
    assert.equal(channel.transport, 'long-poll');
    network.buffering = false;
    await clock.advance(300_000);
    assert.equal(channel.transport, 'stream');
    network.publish('a');
    await clock.advance(0);
    assertDelivered(recorder, network);
  });

  test('returns to long polls if they do not work, and delays no event for longer than a stream\'s start', async () => {
    const { network, clock, recorder, channel } = await connected();
    network.buffering = true;
    await clock.until(() => channel.transport === 'long-poll');
    for (let n = 0; n < 400; n++) {
      network.publish('a');
      await clock.advance(5001);
      assertDelivered(recorder, network);
    }
    assert.ok(network.kinds().filter((kind) => kind === 'stream').length > 4);
  });

  test('keeps a silent stream with heartbeats for hours', async () => {
    const { network, clock, recorder } = await connected();
    await clock.advance(3 * 3_600_000);
    assert.deepEqual(network.kinds(), ['stream']);
    assert.deepEqual(recorder.errors, []);
  });
});

describe('a dead network', () => {
  test('is not mistaken for a proxy: streams work again with the network', async () => {
    const { network, clock, recorder, channel } = await connected();
    network.mode = 'dead';
    network.cut();
    network.publish('a');
    await clock.until(() => recorder.errors.some((error) => error instanceof SilenceError));
    network.mode = 'module';
    await clock.until(() => network.streams.size === 1);
    assert.equal(channel.transport, 'stream');
    assertDelivered(recorder, network);
  });

  test('is not mistaken for a proxy after the machine slept, and reconnects immediately', async () => {
    const { network, clock, recorder, channel } = await connected();
    await clock.advance(10_000);
    network.lose();
    network.publish('a');
    await clock.sleep(3_600_000);
    assert.equal(channel.transport, 'stream');
    assertDelivered(recorder, network);
    assert.deepEqual(recorder.errors, []);
  });

  test('reconnects immediately at the cursor when the browser is online again', async () => {
    const { network, clock, page, recorder } = await connected();
    network.publish('a');
    await clock.advance(0);
    network.mode = 'down';
    network.cut();
    await clock.advance(120_000);
    network.mode = 'module';
    network.publish('a');
    const { length } = network.requests;
    page.online();
    await clock.advance(0);
    assert.equal(network.requests.length, length + 1);
    assertDelivered(recorder, network);
  });

  test('reconnects an open stream when the browser is online again, because it may be dead', async () => {
    const { network, clock, page, recorder } = await connected();
    page.online();
    network.publish('a');
    await clock.advance(0);
    assert.equal(network.streams.size, 1);
    assert.equal(network.requests.length, 2);
    assertDelivered(recorder, network);
    assert.deepEqual([recorder.opened, recorder.errors.length], [1, 0]);
  });
});

describe('failures', () => {
  test('are followed by random delays below 1, 2, 4 … 20 seconds', async () => {
    for (const share of [0.25, 0.999]) {
      const browser = new Browser();
      browser.network.mode = 'down';
      new Recorder(browser.page({ random: () => share }), ['a'], { lastEventId: '0' });
      await browser.clock.advance(200_000);
      const { requests } = browser.network;
      const pauses = requests.slice(1).map(({ at }, n) => at - requests[n].at).slice(0, 8);
      const limits = [1, 2, 4, 8, 16, 20, 20, 20];
      pauses.forEach((ms, n) => assert.ok(Math.abs(ms - share * limits[n] * 1000) <= 1, `${n}: ${ms}`));
      assert.ok(pauses.length >= 8);
    }
  });

  test('are followed by short delays again after a good connection', async () => {
    const { network, clock } = await connected();
    network.mode = 'down';
    network.cut();
    await clock.advance(60_000);
    network.mode = 'module';
    await clock.until(() => network.streams.size === 1);
    await clock.advance(20_000);
    network.cut();
    const { length } = network.requests;
    await clock.advance(500);
    assert.equal(network.requests.length, length + 1);
  });

  test('of streams that break immediately are followed by delays, too', async () => {
    const { network, clock } = await connected();
    const { length } = network.requests;
    for (let n = 0; n < 600; n++) {
      network.cut();
      await clock.advance(100);
    }
    assert.ok(network.requests.length - length < 20, `${network.requests.length - length} requests in a minute`);
  });

  test('honour Retry-After, in seconds and as a date', async () => {
    for (const after of [() => '7', (clock) => new Date(clock.now() + 7000).toUTCString()]) {
      const { network, clock, recorder } = await connected();
      network.answer = () => rejection(503, 'SERVICE_UNAVAILABLE', { 'Retry-After': after(clock) });
      network.cut();
      await clock.advance(500); // the delay after the cut
      network.answer = () => undefined;
      await clock.advance(5900);
      assert.equal(network.requests.length, 2);
      await clock.advance(1200);
      assert.equal(network.requests.length, 3);
      const error = recorder.errors.at(-1);
      assert.ok(error instanceof HttpError);
      assert.ok(error.retryAfter > 6000 && error.retryAfter <= 7000);
    }
  });

  test('with an invalid Retry-After do not cause an immediate request', async () => {
    const { network, clock } = await connected();
    network.answer = () => rejection(503, 'SERVICE_UNAVAILABLE', { 'Retry-After': '99999999999' });
    network.cut();
    await clock.advance(100_000);
    assert.equal(network.requests.length, 2);
  });

  test('with status 504 are retried immediately', async () => {
    const { network, clock, recorder } = await connected();
    network.answer = () => rejection(504);
    network.close();
    await clock.advance(2000);
    assert.equal(network.requests.length, 3, 'the first, that after the end, and one more at once');
    assert.equal(recorder.errors.length, 1, 'a second 504 is a failure like others');
    network.answer = () => undefined;
    await clock.advance(10_000);
    assert.equal(network.requests.length, 4);
  });

  test('of a gateway with a shorter timeout than long polls cause no error', async () => {
    const { network, clock, recorder } = await connected({ transports: ['long-poll'] });
    const impatient = new Set();
    network.answer = (request) => {
      if (request.kind !== 'long-poll') return undefined;
      return new Promise((resolve) => {
        impatient.add(clock.setTimeout(() => resolve(rejection(504)), 10_000));
      });
    };
    network.cut();
    await clock.advance(60_000);
    network.publish('a');
    await clock.advance(21_000);
    const gaps = network.requests.slice(4).map(({ at }, n) => at - network.requests[n + 3].at);
    assert.ok(gaps.every((ms) => ms === 10_000), String(gaps));
    assert.equal(recorder.errors.length, 1, 'the cut alone');
  });

  test('to connect are reported as a NetworkError', async () => {
    const browser = new Browser();
    browser.network.mode = 'down';
    const recorder = new Recorder(browser.page(), ['a'], { lastEventId: '0' });
    await browser.clock.advance(0);
    assert.ok(recorder.errors[0] instanceof NetworkError);
    assert.equal(recorder.channel.readyState, EventChannel.CONNECTING);
  });
});

describe('polls', () => {
  test('poll the fallback at the interval of retry, and return to the module', async () => {
    const { network, clock, recorder } = await connected();
    network.mode = 'fallback';
    network.close();
    network.publish('a');
    await clock.advance(20_000);
    assert.deepEqual(network.requests.slice(2).map(({ at }, n) => at - network.requests[n + 1].at), [5000, 5000, 5000]);
    network.publish('a');
    network.mode = 'module';
    await clock.advance(5000);
    assert.equal(network.streams.size, 1);
    assertDelivered(recorder, network);
    assert.deepEqual([recorder.opened, recorder.errors.length], [1, 0], 'no error was reported');
  });

  test('wait for the time of X-PS-Reconnect-In', async () => {
    const { network, clock, recorder } = await connected({ transports: ['long-poll'] });
    assert.deepEqual(network.kinds(), ['poll', 'long-poll']);
    assert.equal(recorder.opened, 1);
    assert.equal(network.requests[1].query.timeout, '25');
    network.publish('a');
    await clock.advance(0);
    assert.equal(network.requests.length, 3, 'after a real one, at once');
    network.mode = 'fallback';
    network.publish('a');
    await clock.advance(12_000);
    assert.deepEqual(network.requests.slice(4).map(({ at }, n) => at - network.requests[n + 3].at), [5000, 5000]);
    network.mode = 'module';
    network.publish('a');
    await clock.advance(5000);
    assertDelivered(recorder, network);
  });

  test('are repeated after an empty answer', async () => {
    const { network, clock } = await connected({ transports: ['long-poll'] });
    await clock.advance(100_000);
    assert.deepEqual(network.kinds(), ['poll', ...Array(5).fill('long-poll')]);
  });

  test('are aborted if no answer arrives', async () => {
    const { network, clock, recorder } = await connected({ transports: ['long-poll'] });
    network.mode = 'dead';
    network.publish('a');
    await clock.advance(31_000);
    assert.ok(recorder.errors[0] instanceof SilenceError);
    network.mode = 'module';
    network.publish('a');
    await clock.until(() => recorder.channel.readyState === EventChannel.OPEN);
    assertDelivered(recorder, network);
  });

  test('are short polls only, if the options say so', async () => {
    const { network, clock, recorder } = await connected({ transports: ['poll'] });
    for (let n = 0; n < 4; n++) {
      network.publish('a');
      await clock.advance(5000);
    }
    assert.deepEqual(new Set(network.kinds()), new Set(['poll']));
    assert.ok(network.requests.length <= 6);
    assertDelivered(recorder, network);
    assert.equal(recorder.channel.transport, 'poll');
  });
});

describe('the browser\'s EventSource', () => {
  const options = { transports: ['event-source', 'long-poll'], types: ['made'] };

  test('delivers events, after a poll that checks the server', async () => {
    const { network, clock, recorder, channel } = await connected(options);
    assert.deepEqual(network.kinds(), ['poll', 'stream']);
    for (let n = 0; n < 3; n++) network.publish('a', n);
    await clock.advance(0);
    assertDelivered(recorder, network);
    assert.deepEqual([channel.transport, recorder.opened], ['event-source', 1]);
    assert.equal(recorder.events[0].data, 0);
  });

  test('reconnects by itself, also from short answers, without an error', async () => {
    const { network, clock, recorder } = await connected(options);
    network.mode = 'fallback';
    network.close();
    for (let n = 0; n < 6; n++) {
      network.publish('a');
      await clock.advance(5000);
    }
    network.mode = 'module';
    await clock.advance(5000);
    network.publish('a');
    await clock.advance(0);
    assertDelivered(recorder, network);
    assert.equal(recorder.errors.length, 0);
  });

  test('is replaced by long polls if a proxy holds it back', async () => {
    const browser = new Browser();
    browser.network.buffering = true;
    const recorder = new Recorder(browser.page(), ['a'], { lastEventId: '0', ...options });
    browser.network.publish('a');
    await browser.clock.advance(6000);
    assert.equal(recorder.channel.transport, 'long-poll');
    browser.network.publish('a');
    await browser.clock.advance(0);
    assertDelivered(recorder, browser.network);
  });

  test('is replaced by polls if it stops, and these report the error', async () => {
    const { network, clock, recorder } = await connected(options);
    network.answer = () => rejection(503, 'SERVICE_UNAVAILABLE');
    network.cut();
    network.publish('a');
    await clock.advance(4000);
    assert.ok(recorder.errors[0] instanceof HttpError);
    network.answer = () => undefined;
    await clock.until(() => recorder.ids.length === 1);
    assertDelivered(recorder, network);
  });

  test('delivers an application\'s event of type error', async () => {
    const { network, clock, recorder } = await connected({ ...options, types: ['error', 'made'] });
    network.publish('a', 'mine', 'error');
    network.publish('a');
    await clock.advance(0);
    assert.deepEqual(recorder.ids, [1, 2]);
  });
});

describe('a hidden page', () => {
  test('stays connected by default', async () => {
    const { network, clock, page, recorder } = await connected();
    page.hide();
    await clock.advance(3_600_000);
    network.publish('a');
    await clock.advance(0);
    assertDelivered(recorder, network);
    assert.equal(network.requests.length, 1);
  });

  test('pauses after the time in the options, and resumes at its cursor when it is visible', async () => {
    const { network, clock, page, recorder, channel } = await connected({ pauseHidden: 60_000 });
    network.publish('a');
    await clock.advance(0);
    page.hide();
    await clock.advance(59_000);
    assert.equal(network.streams.size, 1);
    await clock.advance(1000);
    assert.equal(network.streams.size, 0);
    assert.equal(channel.readyState, EventChannel.CONNECTING);
    network.publish('a');
    await clock.advance(3_600_000);
    assert.equal(network.requests.length, 1);
    page.hide(false);
    await clock.advance(0);
    assertDelivered(recorder, network);
    assert.deepEqual([channel.readyState, recorder.opened, recorder.errors.length], [EventChannel.OPEN, 2, 0]);
  });

  test('does not pause if it is visible again in time', async () => {
    const { network, clock, page } = await connected({ pauseHidden: 60_000 });
    page.hide();
    await clock.advance(30_000);
    page.hide(false);
    await clock.advance(120_000);
    assert.equal(network.requests.length, 1);
  });
});
