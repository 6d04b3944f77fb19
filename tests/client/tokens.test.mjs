// Tokens: sent, swapped, asked for anew when they are over, waited for; and nothing lost meanwhile.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { AuthError, EventChannel, PgeventsError } from '../../client/src/index.js';
import { assertDelivered, Recorder } from './lib/channels.mjs';
import { settle } from './lib/clock.mjs';
import { refusal } from './lib/network.mjs';
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

// Gives t1, t2, t3 … and makes the server take them.
function tokenOffice() {
  const asked = [];
  const office = { asked, network: undefined };
  office.token = (refused) => {
    asked.push(refused?.code);
    const token = `t${asked.length}`;
    if (asked.length > 1) office.network.tokens = new Set([token]);
    return token;
  };
  return office;
}

const transports = [['stream', 'long-poll'], ['long-poll']];

describe('a token', () => {
  test('goes in the header, with streams and polls', async () => {
    const { network, clock, sent } = await page({ token: 't1' });
    network.buffering = true;
    await clock.advance(60_000);
    assert.ok(new Set(network.kinds()).size > 1);
    assert.deepEqual(new Set(sent()), new Set(['t1']));
  });

  test('is swapped by setToken() at the same cursor, without losing an event or a word to the application', async () => {
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

  test('that is swapped in the middle of an array loses nothing of it', async () => {
    const { network, clock, recorder, channel } = await page({ token: 't1', transports: ['long-poll'] });
    network.tokens = new Set(['t1', 't2']);
    channel.addEventListener('made', ({ lastEventId }) => lastEventId === '2' && channel.setToken('t2'));
    network.cut();
    for (let n = 0; n < 5; n++) network.publish('a');
    await clock.advance(1000);
    assertDelivered(recorder, network);
  });

  test('that expires is asked for anew, and it goes on at once and unnoticed', async () => {
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

  test('that is refused is asked for anew, and the request is made again', async () => {
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

  test('may come later: nothing is sent before, and waiting for it is no silence of the server', async () => {
    let give;
    const { network, clock, recorder } = await page({ token: () => new Promise((resolve) => (give = resolve)) });
    await clock.advance(600_000);
    assert.deepEqual(network.requests, []);
    assert.deepEqual(recorder.errors, []);
    give('t1');
    await clock.advance(0);
    assert.equal(recorder.opened, 1);
  });

  test('that never gets good is asked for with growing pauses', async () => {
    let asked = 0;
    const { clock, recorder } = await page({ token: () => `bad${asked++}` });
    await clock.advance(600_000);
    assert.ok(asked > 10 && asked < 120, `${asked} times in ten minutes`);
    assert.ok(recorder.errors.every((error) => error instanceof AuthError));
  });

  test('whose callback fails is asked for again, with growing pauses', async () => {
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

  test('nothing from the callback means at the start that there is none', async () => {
    for (const nothing of [undefined, null, '']) {
      const browser = new Browser();
      const recorder = new Recorder(browser.page(), ['a'], { lastEventId: '0', token: async () => nothing });
      await browser.clock.advance(0);
      assert.equal(browser.network.requests[0].headers.Authorization, undefined);
      assert.equal(recorder.opened, 1);
    }
  });

  test('and later that setToken() will give it', async () => {
    const { network, clock, recorder, channel } = await page({ token: (refused) => (refused ? undefined : 't1') });
    network.expire();
    network.publish('a');
    await clock.advance(600_000);
    assert.equal(network.requests.length, 1);
    network.tokens = new Set(['t9']);
    channel.setToken('t9');
    await clock.advance(0);
    assertDelivered(recorder, network);
  });

  test('setToken() is quicker than a callback that takes its time', async () => {
    let give;
    const token = (refused) => (refused ? new Promise((resolve) => (give = resolve)) : 't1');
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
  test('that is over is told as an AuthError, and waits for setToken()', async () => {
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

  test('setToken() in the handler of that error is in time', async () => {
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

  test('coming online or being seen does not send the dead one', async () => {
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

  test('a cookie that is over: the next request may have another, and if not it waits for setToken()', async () => {
    const browser = new Browser();
    const { clock, network } = browser;
    const recorder = new Recorder(browser.page(), ['a'], { lastEventId: '0' });
    await clock.advance(0);
    network.expire();
    network.tokens = undefined; // the page has a new cookie already
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

  test('what is not granted is asked for again by setToken() alone', async () => {
    const { network, clock, recorder, channel } = await page({ token: 't1' });
    network.answer = () => refusal(403, 'FORBIDDEN');
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

  test('a 403 of something else in between is a failure like others', async () => {
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
