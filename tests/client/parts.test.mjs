// A channel in parts: it polls; with each part it can do one thing more; a bundler leaves out what a page does not
// name.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { buildSync } from 'esbuild';
import { WebSocket } from 'ws';

import { BaseChannel, eventSource, EventChannel, joining, page as pagePart, sharing, streams, webSocket } from '../../client/src/index.js';
import { waitFor } from '../lib/conditions.mjs';
import { kRoot } from '../lib/scratch.mjs';
import { rejection } from './lib/network.mjs';
import { Browser } from './lib/page.mjs';
import { SocketServer } from './lib/socket_server.mjs';

const types = ['message'];

function channelIn(page, options) {
  const received = [];
  const channel = new BaseChannel('/rt', 'a', { environment: page.environment, lastEventId: '0', types, ...options });
  channel.onevent = ({ data }) => received.push(data);
  return { channel, received };
}

describe('a channel in parts receives', () => {
  const kCases = {
    'by long polls without a part': [undefined, 'long-poll'],
    'by a stream': [[streams], 'stream'],
    'by the EventSource': [[eventSource], 'event-source'],
    'by the first of several': [[streams, eventSource], 'stream'],
    'by the first of several, in another order': [[eventSource, streams], 'event-source'],
  };
  for (const [name, [parts, transport]] of Object.entries(kCases)) {
    test(name, async () => {
      const browser = new Browser();
      const { network, clock } = browser;
      const { channel, received } = channelIn(browser.page(), { parts });
      for (const n of [1, 2]) {
        await clock.advance(12_000);
        network.publish('a', n, 'message');
      }
      await clock.advance(12_000);
      assert.deepEqual([received, channel.transport, channel.leading], [[1, 2], transport, true]);
      assert.ok(channel instanceof BaseChannel && !(channel instanceof EventChannel));
      channel.close();
    });
  }

  describe('over a WebSocket', () => {
    let server;
    before(async () => (server = await new SocketServer().start()));
    after(() => server.stop());

    test('as the application publishes', async () => {
      const page = { environment: { WebSocket } };
      const channel = new BaseChannel(server.base, 'a', { ...page, parts: [webSocket] });
      const received = [];
      channel.onevent = ({ data }) => received.push(data);
      await waitFor(() => server.peers.size === 1, { what: 'a WebSocket' });
      server.publish('a', 1);
      await waitFor(() => received.length === 1, { what: 'the event' });
      assert.equal(channel.transport, 'websocket');
      channel.close();
      await waitFor(() => server.peers.size === 0, { what: 'no WebSocket' });
    });
  });
});

for (const [name, parts, requests] of [['share one stream', [streams, sharing], 1], ['have one each without the part', [streams], 2]]) {
  test(`two tabs ${name}`, async () => {
    const browser = new Browser();
    const { network, clock } = browser;
    const tabs = [];
    for (const page of [browser.page(), browser.page()]) {
      tabs.push(channelIn(page, { parts }));
      await clock.advance(2000);
    }
    network.publish('a', 1, 'message');
    await clock.advance(0);
    assert.deepEqual([tabs.map(({ received }) => received), network.streams.size], [[[1], [1]], requests]);
    for (const { channel } of tabs) channel.close();
  });
}

describe('a channel with the part for its page', () => {
  for (const [name, parts, requests] of [['pauses while it is hidden', [streams, pagePart], 0], ['does not without the part', [streams], 1]]) {
    test(name, async () => {
      const browser = new Browser();
      const { network, clock } = browser;
      const page = browser.page();
      const { channel } = channelIn(page, { parts, pauseHidden: 1000 });
      await clock.advance(0);
      page.hide();
      await clock.advance(2000);
      assert.equal(network.streams.size, requests);
      page.hide(false);
      await clock.advance(0);
      assert.deepEqual([network.streams.size, channel.state], [1, 'live']);
      channel.close();
    });
  }

  for (const [name, parts, requests] of [['reconnects at once when it is online again', [streams, pagePart], 1], ['does not without the part', [streams], 0]]) {
    test(name, async () => {
      const browser = new Browser();
      const { network, clock } = browser;
      const page = browser.page();
      network.mode = 'down';
      const { channel } = channelIn(page, { parts });
      await clock.advance(60_000);
      const { length } = network.requests;
      network.mode = 'module';
      page.online();
      await clock.advance(0);
      assert.equal(network.requests.length - length, requests);
      channel.close();
    });
  }
});

describe('a channel that is added at runtime', () => {
  // What a channel receives: b is added after an event, and removed before another.
  async function received(parts) {
    const browser = new Browser();
    const { network, clock } = browser;
    const { channel } = channelIn(browser.page(), { parts, lastEventId: undefined });
    const events = [];
    channel.onevent = ({ channel: name, data }) => events.push(`${name}${data}`);
    await clock.advance(0);
    network.publish('a', 1, 'message');
    await clock.advance(0);
    const subscription = channel.subscribe('b');
    await clock.advance(0);
    for (const name of ['a', 'b']) network.publish(name, 2, 'message');
    await clock.advance(0);
    channel.unsubscribe('b');
    network.publish('b', 3, 'message');
    await clock.advance(0);
    network.publish('a', 3, 'message');
    await clock.advance(0);
    channel.close();
    return { events, state: subscription.state, streams: network.streams.size };
  }

  for (const [name, parts] of Object.entries({
    'without a part': [], 'over a stream': [streams], 'with the part joining': [joining], 'over a stream with it': [streams, joining],
  })) {
    test(`${name}: receives its events once, and the others go on`, async () => {
      const { events, state, streams: left } = await received(parts);
      assert.deepEqual([events, state, left], [['a1', 'a2', 'b2', 'a3'], 'closed', 0]);
    });

    test(`${name}: starts at its cursor; events do not arrive twice`, async () => {
      const browser = new Browser();
      const { network, clock } = browser;
      network.publish('b', 1, 'message');
      network.publish('a', 1, 'message');
      const { channel } = channelIn(browser.page(), { parts });
      const events = [];
      channel.onevent = ({ channel: its, data }) => events.push(`${its}${data}`);
      await clock.advance(0);
      channel.subscribe('b', { lastEventId: 0 });
      await clock.advance(0);
      network.publish('b', 2, 'message');
      await clock.advance(0);
      channel.close();
      assert.deepEqual(events, ['a1', 'b1', 'b2']);
    });
  }

  for (const [name, parts, states] of [
    ['is rejected alone', [streams, joining], ['live', 'closed', 'live']],
    ['ends the others without the part', [streams], ['closed', 'closed', 'closed']],
  ]) {
    test(`${name}, if the server does not grant it`, async () => {
      const browser = new Browser();
      const { network, clock } = browser;
      network.answer = ({ path }) => (path.includes('b') ? rejection(403, 'FORBIDDEN') : undefined);
      const { channel } = channelIn(browser.page(), { parts });
      const [a] = channel.own;
      await clock.advance(0);
      const b = channel.subscribe('b', { lastEventId: 0 });
      await clock.advance(0);
      assert.deepEqual([a.state, b.state, channel.state], states);
      await assert.rejects(b.ready, { name: 'AuthError', status: 403 });
      channel.close();
    });
  }
});

// The modules of which a page's bundle has code.
function modulesOf(names) {
  const contents = `export { ${names} } from './client/src/index.js'`;
  const { metafile } = buildSync({
    stdin: { contents, resolveDir: kRoot }, bundle: true, format: 'esm', write: false, metafile: true, outfile: 'out.js', absWorkingDir: kRoot,
  });
  const [{ inputs }] = Object.values(metafile.outputs);
  return Object.entries(inputs).filter(([, { bytesInOutput }]) => bytesInOutput).map(([file]) => file.replace('client/src/', ''));
}

describe('a bundler leaves out', () => {
  const kParts = { webSocket: 'socket.js', sharing: 'tabs.js', streams: 'stream_parser.js', joining: 'joining.js', page: 'page.js' };
  const kPresence = ['presence.js', 'typing_sender.js', 'typing_tracker.js', 'register.js', 'payloads.js'];

  test('presence and typing of a page with channels', () => {
    const modules = modulesOf(['EventChannel']);
    for (const file of kPresence) assert.ok(!modules.includes(file), file);
    for (const file of Object.values(kParts)) assert.ok(modules.includes(file), file);
  });

  for (const [part, file] of Object.entries(kParts)) {
    test(`all parts but ${part}`, () => {
      const modules = modulesOf(['BaseChannel', part]);
      const includes = part === 'sharing' ? ['joining.js'] : [];
      const others = Object.values(kParts).filter((other) => other !== file && !includes.includes(other));
      for (const other of [...others, ...kPresence, 'caller.js', 'event_channel.js']) assert.ok(!modules.includes(other), other);
      assert.ok(modules.includes(file));
    });
  }
});
