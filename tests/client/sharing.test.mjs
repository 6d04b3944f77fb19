// Which tabs share a connection by default, tabs with different channels, and tabs on insecure origins, which have no
// Web Locks.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { randomSource } from '../lib/publishers.mjs';
import { assertDelivered, Recorder } from './lib/channels.mjs';
import { rejection } from './lib/network.mjs';
import { Browser, insecure } from './lib/page.mjs';

const kOrigins = { 'with Web Locks': (page) => page, 'on an insecure origin': insecure };

const jwt = (claims) => `x.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.x`;

function browserWith(prepare) {
  const browser = new Browser();
  const tabs = [];
  const open = async (channels, options = {}, { wait = 2000, random } = {}) => {
    const page = prepare(browser.page(random && { random }));
    const recorder = new Recorder(page, channels, { lastEventId: browser.network.head, ...options });
    tabs.push({ page, recorder, channels, after: browser.network.head });
    await browser.clock.advance(wait);
    return recorder;
  };
  const check = () => {
    for (const { page, recorder, channels, after } of tabs) {
      if (!page.closed.signal.aborted) assertDelivered(recorder, browser.network, { channels, after });
    }
  };
  const leaders = () => tabs.filter(({ page, recorder }) => !page.closed.signal.aborted && recorder.channel.leading).length;
  return { ...browser, browser, tabs, open, check, leaders };
}

for (const [origin, prepare] of Object.entries(kOrigins)) {
  describe(origin, () => {
    test('seven tabs share one stream without an option', async () => {
      const { network, clock, open, check, leaders } = browserWith(prepare);
      for (let n = 0; n < 7; n++) await open(['a']);
      network.publish('a');
      await clock.advance(0);
      check();
      assert.deepEqual([network.streams.size, leaders()], [1, 1]);
      const { length } = network.requests;
      network.publish('a');
      await clock.advance(600_000);
      check();
      assert.equal(network.requests.length, length);
    });

    test('a tab that is alone connects at once', async () => {
      const { network, open } = browserWith(prepare);
      await open(['a'], {}, { wait: 0 });
      assert.equal(network.streams.size, 1);
    });

    test('seven tabs that open at the same time agree', async () => {
      for (const seed of [1, 2, 3, 4, 5]) {
        const random = randomSource(seed);
        const { network, clock, open, check, leaders } = browserWith(prepare);
        for (let n = 0; n < 7; n++) await open(['a'], {}, { wait: random() < 0.5 ? 0 : random() * 50, random });
        network.publish('a');
        await clock.advance(20_000);
        network.publish('a');
        await clock.advance(20_000);
        check();
        assert.deepEqual([network.streams.size, leaders()], [1, 1]);
      }
    });

    test('another tab leads soon after the leader is closed or has crashed', async () => {
      for (const leave of [({ recorder }) => recorder.channel.close(), ({ page }) => page.window.dispatchEvent(new Event('pagehide')), () => {}]) {
        const { network, clock, tabs, open, check, leaders } = browserWith(prepare);
        for (let n = 0; n < 4; n++) await open(['a']);
        leave(tabs[0]);
        tabs[0].page.close();
        network.publish('a');
        await clock.advance(8000);
        network.publish('a');
        await clock.advance(0);
        check();
        assert.deepEqual([network.streams.size, leaders()], [1, 1]);
      }
    });

    test('a frozen leader is replaced, and follows when it is thawed', async () => {
      const { network, clock, tabs, open, check, leaders } = browserWith(prepare);
      for (let n = 0; n < 3; n++) await open(['a']);
      tabs[0].page.frozen = true;
      network.publish('a');
      await clock.advance(40_000);
      network.publish('a');
      tabs[0].page.thaw();
      await clock.advance(40_000);
      network.publish('a');
      await clock.advance(1000);
      check();
      assert.deepEqual([network.streams.size, leaders()], [1, 1]);
    });

    test('tabs with different channels share one stream of all', async () => {
      const { network, clock, tabs, open, check } = browserWith(prepare);
      await open(['a', 'b']);
      await open(['b', 'c']);
      await open(['d']);
      for (const name of ['a', 'b', 'c', 'd', 'e']) network.publish(name);
      await clock.advance(20_000);
      check();
      assert.equal(network.streams.size, 1);
      assert.deepEqual([...network.streams][0].request.channels.sort(), ['a', 'b', 'c', 'd']);
      const { length } = network.requests;
      for (const name of ['a', 'b', 'c', 'd', 'e']) network.publish(name);
      await clock.advance(100_000);
      check();
      assert.equal(network.requests.length, length, 'and the others ask nothing');
      tabs[0].page.close();
      await clock.advance(10_000);
      for (const name of ['a', 'b', 'c', 'd', 'e']) network.publish(name);
      await clock.advance(20_000);
      check();
      tabs[1].page.close();
      await clock.advance(300_000);
      assert.deepEqual([...network.streams].map(({ request: { channels } }) => channels), [['d']]);
    });

    test('a tab that follows subscribes at runtime', async () => {
      const { network, clock, tabs, open } = browserWith(prepare);
      await open(['a']);
      const follower = await open(['a']);
      network.publish('b');
      const subscription = follower.channel.subscribe('b', { lastEventId: 0 });
      await Promise.all([subscription.ready, clock.advance(5000)]);
      network.publish('b');
      network.publish('a');
      await clock.advance(20_000);
      assert.deepEqual([follower.ids, tabs[0].recorder.ids, network.streams.size], [[1, 2, 3], [3], 1]);
      subscription.unsubscribe();
      network.publish('b');
      network.publish('a');
      await clock.advance(20_000);
      assert.deepEqual(follower.ids, [1, 2, 3, 5]);
    });

    test('a tab works alone if the leader may not subscribe to its channel', async () => {
      const { network, clock, open, check } = browserWith(prepare);
      network.answer = ({ path, headers }) => (path.includes('secret') && headers.Authorization === 'Bearer t1'
        ? rejection(403, 'FORBIDDEN') : undefined);
      await open(['a'], { token: 't1', share: true });
      await open(['secret'], { token: 't2', share: true });
      await clock.advance(20_000);
      network.publish('secret');
      network.publish('a');
      await clock.advance(20_000);
      check();
      assert.equal(network.streams.size, 2);
    });
  });
}

describe('by default', () => {
  const kCases = {
    'tabs with the cookie share': [[undefined, undefined], 1],
    'tabs of one user share': [[jwt({ sub: '10', iat: 1 }), jwt({ sub: '10', iat: 2 })], 1],
    'tabs of two users do not': [[jwt({ sub: '10' }), jwt({ sub: '11' })], 2],
    'tabs of one name in two realms do not': [[jwt({ sub: '10', realm: 'x' }), jwt({ sub: '10', realm: 'y' })], 2],
    'a tab with a token and one with the cookie do not': [[jwt({ sub: '10' }), undefined], 2],
    'tabs whose tokens do not show a user do not': [['t1', 't1'], 2],
  };
  for (const [name, [tokens, streams]] of Object.entries(kCases)) {
    test(name, async () => {
      for (const as of [(token) => token, (token) => token && (async () => token)]) {
        const { network, clock, open, check } = browserWith((page) => page);
        for (const token of tokens) await open(['a'], { token: as(token) });
        network.publish('a');
        await clock.advance(1000);
        check();
        assert.equal(network.streams.size, streams);
      }
    });
  }

  test('a page that says so does not share', async () => {
    const { network, open } = browserWith((page) => page);
    for (let n = 0; n < 2; n++) await open(['a'], { share: false });
    assert.equal(network.streams.size, 2);
  });

  test('programs without a page do not share', async () => {
    const { network, open } = browserWith((page) => {
      page.environment.document = undefined;
      page.environment.location = { href: 'http://test/' };
      return page;
    });
    for (let n = 0; n < 2; n++) await open(['a']);
    assert.equal(network.streams.size, 2);
  });
});
