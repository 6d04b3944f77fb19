// Tokens: sent, replaced, requested again when they expire, awaited; and no event lost meanwhile.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { AuthError, EventChannel, PgeventsError } from '../../client/src/index.js';
import { assertDelivered, Recorder } from './lib/channels.mjs';
import { settle } from './lib/clock.mjs';
import { rejection } from './lib/network.mjs';
import { Browser } from './lib/page.mjs';

async function page(options, tokens = ['t1']) {
  const browser = new Browser();
  const { clock, network } = browser;
  network.tokens = new Set(tokens);
  const recorder = new Recorder(browser.page(), ['a'], { lastEventId: '0', ...options });
  await clock.advance(0);
  const sent = () => network.requests.map(({ headers }) => headers.Authorization?.slice(7));
  return { browser, clock, network, recorder, channel: recorder.channel, sent };
}

// Returns t1, t2, t3 … and makes the server accept them.
function tokenOffice() {
  const asked = [];
  const office = { asked, network: undefined };
  office.token = (rejected) => {
    asked.push(rejected?.code);
    const token = `t${asked.length}`;
    if (asked.length > 1) office.network.tokens = new Set([token]);
    return token;
  };
  return office;
}

const transports = [['stream', 'long-poll'], ['long-poll']];

describe('a token', () => {
  test('is sent in the header of streams and polls', async () => {
    const { network, clock, sent } = await page({ token: 't1' });
    network.buffering = true;
    await clock.advance(60_000);
    assert.ok(new Set(network.kinds()).size > 1);
    assert.deepEqual(new Set(sent()), new Set(['t1']));
  });

  test('is replaced by setToken() at the same cursor, without a lost event or an error', async () => {
    for (const list of transports) {
      const { network, clock, recorder, channel, sent } = await page({ token: 't1', transports: list });
      network.publish('a');
      await clock.advance(0);
      network.tokens = new Set(['t1', 't2']);
      channel.setToken('t2');
      network.publish('a');
      await settle();
      network.publish('a');
      await clock.advance(0);
      assert.equal(sent().at(-1), 't2');
      assert.equal(network.streams.size + network.polls.size, 1);
      assertDelivered(recorder, network);
      assert.deepEqual([recorder.opened, recorder.errors.length], [1, 0]);
    }
  });

  test('that is replaced in the middle of an array loses no event', async () => {
    const { network, clock, recorder, channel } = await page({ token: 't1', transports: ['long-poll'] });
    network.tokens = new Set(['t1', 't2']);
    channel.addEventListener('made', ({ lastEventId }) => lastEventId === '2' && channel.setToken('t2'));
    network.cut();
    for (let n = 0; n < 5; n++) network.publish('a');
    await clock.advance(1000);
    assertDelivered(recorder, network);
  });

  test('that expires is requested again, and the channel reconnects immediately without an error', async () => {
    for (const list of transports) {
      for (const reason of ['expired', 'revoked']) {
        const office = tokenOffice();
        const { network, clock, recorder, channel, sent } = await page({ token: office.token, transports: list });
        office.network = network;
        network.publish('a');
        await clock.advance(0);
        network.expire(reason);
        network.publish('a');
        await clock.advance(0);
        assert.equal(sent().at(-1), 't2');
        assertDelivered(recorder, network);
        assert.deepEqual([channel.readyState, recorder.opened, recorder.errors.length], [EventChannel.OPEN, 1, 0]);
        const polls = list.length === 1;
        assert.deepEqual(office.asked, [undefined, polls ? 'TOKEN_EXPIRED' : `TOKEN_${reason.toUpperCase()}`]);
      }
    }
  });

  test('that is rejected is requested again, and the request is repeated', async () => {
    const office = tokenOffice();
    const { network, clock, recorder } = await page({ token: office.token });
    office.network = network;
    network.tokens = new Set();
    network.cut();
    network.publish('a');
    await clock.advance(500);
    assert.deepEqual(office.asked, [undefined, 'TOKEN_EXPIRED']);
    assertDelivered(recorder, network);
    assert.equal(recorder.errors.length, 1, 'the cut alone');
  });

  test('may arrive later: nothing is sent before, and waiting does not cause a SilenceError', async () => {
    let give;
    const { network, clock, recorder } = await page({ token: () => new Promise((resolve) => (give = resolve)) });
    await clock.advance(600_000);
    assert.deepEqual(network.requests, []);
    assert.deepEqual(recorder.errors, []);
    give('t1');
    await clock.advance(0);
    assert.equal(recorder.opened, 1);
  });

  test('that stays invalid is requested with growing delays', async () => {
    let asked = 0;
    const { clock, recorder } = await page({ token: () => `bad${asked++}` });
    await clock.advance(600_000);
    assert.ok(asked > 10 && asked < 150, `${asked} times in ten minutes`);
    assert.ok(recorder.errors.every((error) => error instanceof AuthError));
  });

  test('whose callback fails is requested again, with growing delays', async () => {
    let asked = 0;
    const problem = new Error('the application is down');
    const token = async () => {
      if (++asked < 4) throw problem;
      return 't1';
    };
    const { network, clock, recorder } = await page({ token });
    network.publish('a');
    await clock.advance(10_000);
    assert.equal(asked, 4);
    assert.equal(recorder.errors.length, 3);
    assert.ok(recorder.errors[0] instanceof PgeventsError);
    assert.equal(recorder.errors[0].cause, problem);
    assertDelivered(recorder, network);
  });

  test('is not sent if the callback returns none at the start', async () => {
    for (const nothing of [undefined, null, '']) {
      const browser = new Browser();
      const recorder = new Recorder(browser.page(), ['a'], { lastEventId: '0', token: async () => nothing });
      await browser.clock.advance(0);
      assert.equal(browser.network.requests[0].headers.Authorization, undefined);
      assert.equal(recorder.opened, 1);
    }
  });

  test('waits for setToken() if the callback returns none later', async () => {
    const { network, clock, recorder, channel } = await page({ token: (rejected) => (rejected ? undefined : 't1') });
    network.expire();
    network.publish('a');
    await clock.advance(600_000);
    assert.equal(network.requests.length, 1);
    network.tokens = new Set(['t9']);
    channel.setToken('t9');
    await clock.advance(0);
    assertDelivered(recorder, network);
  });

  test('is taken from setToken() while a slow callback is running', async () => {
    let give;
    const token = (rejected) => (rejected ? new Promise((resolve) => (give = resolve)) : 't1');
    const { network, clock, recorder, channel, sent } = await page({ token });
    network.expire();
    await clock.advance(1000);
    network.tokens = new Set(['t9']);
    channel.setToken('t9');
    await clock.advance(0);
    give('t2');
    network.publish('a');
    await clock.advance(0);
    assert.equal(sent().at(-1), 't9');
    assertDelivered(recorder, network);
    network.cut();
    await clock.advance(1000);
    assert.equal(sent().at(-1), 't9', 'and its late answer changes nothing');
  });
});

describe('a token without a callback', () => {
  test('that has expired is reported as an AuthError, and the channel waits for setToken()', async () => {
    for (const list of transports) {
      const { network, clock, recorder, channel } = await page({ token: 't1', transports: list });
      const { length } = network.requests;
      network.expire();
      network.publish('a');
      await clock.advance(600_000);
      assert.equal(network.requests.length, length, 'a dead token is not sent');
      assert.equal(channel.readyState, EventChannel.CONNECTING);
      assert.ok(recorder.errors[0] instanceof AuthError);
      assert.deepEqual([recorder.errors[0].status, recorder.errors[0].code], [401, 'TOKEN_EXPIRED']);
      network.tokens = new Set(['t2']);
      channel.setToken('t2');
      await clock.advance(0);
      assertDelivered(recorder, network);
    }
  });

  test('can be replaced by setToken() in the handler of that error', async () => {
    const { network, clock, recorder, channel } = await page({ token: 't1' });
    channel.onerror = ({ error }) => {
      if (!(error instanceof AuthError)) return;
      network.tokens = new Set(['t2']);
      channel.setToken('t2');
    };
    network.expire();
    network.publish('a');
    await clock.advance(0);
    assertDelivered(recorder, network);
  });

  test('is not sent again after expiry when the page comes online or becomes visible', async () => {
    const browser = new Browser();
    const { clock, network } = browser;
    network.tokens = new Set(['t1']);
    const its_page = browser.page();
    new Recorder(its_page, ['a'], { lastEventId: '0', token: 't1' });
    await clock.advance(0);
    network.expire();
    await clock.advance(60_000);
    its_page.online();
    its_page.hide();
    its_page.hide(false);
    await clock.advance(60_000);
    assert.equal(network.requests.length, 1);
  });

  test('in an expired cookie is sent once more, because it may have changed; then waits for setToken()', async () => {
    const browser = new Browser();
    const { clock, network } = browser;
    const recorder = new Recorder(browser.page(), ['a'], { lastEventId: '0' });
    await clock.advance(0);
    network.expire();
    network.tokens = undefined; // the page already has a new cookie
    network.publish('a');
    await clock.advance(1000);
    assertDelivered(recorder, network);
    network.expire();
    network.publish('a');
    await clock.advance(600_000);
    assert.equal(network.requests.length, 3);
    network.tokens = undefined;
    recorder.channel.setToken();
    await clock.advance(0);
    assertDelivered(recorder, network);
  });

  test('that does not grant a channel is used again only after setToken()', async () => {
    const { network, clock, recorder, channel } = await page({ token: 't1' });
    network.answer = () => rejection(403, 'FORBIDDEN');
    network.cut();
    await clock.advance(3_600_000);
    assert.equal(network.requests.length, 2);
    assert.ok(recorder.errors.at(-1) instanceof AuthError);
    network.answer = () => undefined;
    network.tokens.add('t2');
    network.publish('a');
    channel.setToken('t2');
    await clock.advance(0);
    assertDelivered(recorder, network);
  });

  test('a 403 from another server is handled as a temporary failure', async () => {
    const { network, clock, recorder } = await page({ token: 't1' });
    network.answer = () => new Response('<h1>Forbidden</h1>', { status: 403 });
    network.cut();
    await clock.advance(3000);
    network.answer = () => undefined;
    network.publish('a');
    await clock.advance(10_000);
    assertDelivered(recorder, network);
  });
});

// "secret" needs a login; nothing else does.
describe('a page without a token, where a channel needs a login', () => {
  async function anonymous(channels, options) {
    const browser = new Browser();
    const { network, clock } = browser;
    network.answer = ({ path, headers }) =>
      (path.includes('secret') && !headers.Authorization ? rejection(401, 'UNAUTHORIZED') : undefined);
    network.calls['/rt/events/a'] = ({ data, type }) => ({ id: network.publish('a', data, type) });
    const recorder = new Recorder(browser.page(), channels, { lastEventId: '0', ...options });
    await clock.advance(0);
    return { network, clock, recorder, channel: recorder.channel };
  }

  async function goesOn({ network, clock, recorder, channel }) {
    network.cut();
    await clock.advance(10_000);
    await channel.publish('a', 'made', 'published');
    await clock.advance(0);
    assert.equal(channel.state, 'live');
    assertDelivered(recorder, network);
  }

  for (const list of transports) {
    test(`that channel is rejected, the others go on (${list})`, async () => {
      const its = await anonymous(['a'], { transports: list });
      const { clock, recorder, channel } = its;
      const secret = channel.subscribe('secret');
      await Promise.all([assert.rejects(secret.ready, AuthError), clock.advance(0)]);
      assert.equal(secret.state, 'closed');
      assert.deepEqual(recorder.errors.map(({ status }) => status), [401]);
      await goesOn(its);
    });

    test(`that channel is rejected beside others at the start (${list})`, async () => {
      const its = await anonymous(['a', 'secret'], { transports: list });
      await its.clock.advance(20_000);
      assert.ok(its.recorder.errors.every((error) => error instanceof AuthError));
      await goesOn(its);
    });
  }

  test('a publication or call there is rejected, and stops nothing else', async () => {
    const its = await anonymous(['a']);
    await assert.rejects(its.channel.publish('secret', 'made'), AuthError);
    await assert.rejects(its.channel.call('POST', 'secret'), AuthError);
    await goesOn(its);
  });

  test('start() rejects, and setToken() revives the channel', async () => {
    const { network, clock, recorder, channel } = await anonymous(['secret']);
    await assert.rejects(channel.start(), AuthError);
    await clock.advance(600_000);
    assert.deepEqual([channel.state, network.requests.length], ['closed', 1]);
    network.publish('secret');
    channel.setToken('t1');
    await clock.advance(0);
    assert.equal(channel.state, 'live');
    assertDelivered(recorder, network, { channels: ['secret'] });
  });
});
