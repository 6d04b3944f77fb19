// TypingSender on a fake clock: sends "start" from time to time, and "stop" at the end.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { conversationOf, TypingSender } from '../../client/src/index.js';
import { Clock } from './lib/clock.mjs';

const kAnna = { to: ['8'] };
const kTopic = { streamId: '7', topic: 'Lunch' };

function writer({ answer = () => {}, ...options } = {}) {
  const clock = new Clock();
  const from = clock.now();
  const sent = [];
  const typing = new TypingSender(async (params) => {
    sent.push([(clock.now() - from) / 1000, params.op, params.to?.join() ?? `${params.stream_id} ${params.topic}`]);
    return answer(params);
  }, { environment: { ...clock }, ...options });
  return { clock, typing, sent };
}

describe('typing', () => {
  test('is reported at the first keystroke, and ends twelve seconds after the last', async () => {
    const { clock, typing, sent } = writer();
    typing.update(kAnna);
    await clock.advance(8000);
    typing.update(kAnna);
    await clock.advance(60_000);
    assert.deepEqual(sent, [[0, 'start', '8'], [20, 'stop', '8']]);
  });

  test('is reported again after thirty seconds, and not before', async () => {
    const { clock, typing, sent } = writer();
    for (let n = 0; n < 66; n++) {
      typing.update(kAnna);
      await clock.advance(1000);
    }
    assert.deepEqual(sent, [[0, 'start', '8'], [31, 'start', '8'], [62, 'start', '8']]);
  });

  test('uses the timings of the server', async () => {
    const { clock, typing, sent } = writer({
      server_typing_started_wait_period_milliseconds: 2000, server_typing_stopped_wait_period_milliseconds: 1500,
    });
    for (let n = 0; n < 4; n++) {
      typing.update(kAnna);
      await clock.advance(1001);
    }
    await clock.advance(10_000);
    assert.deepEqual(sent.map(([at, op]) => [Math.round(at), op]), [[0, 'start'], [2, 'start'], [5, 'stop']]);
  });

  test('ends immediately when the text is sent, emptied or closed; without a start, nothing is sent', async () => {
    const { clock, typing, sent } = writer();
    typing.update(null);
    typing.stop();
    typing.update(kAnna);
    typing.update(null);
    typing.update(undefined);
    await clock.advance(60_000);
    assert.deepEqual(sent, [[0, 'start', '8'], [0, 'stop', '8']]);
    assert.equal(clock.pending, 0);
  });

  test('for another recipient sends "stop" for the old one and "start" for the new one', async () => {
    const { clock, typing, sent } = writer();
    typing.update(kAnna);
    typing.update(kTopic);
    typing.update({ to: ['8', '9'] });
    await clock.advance(12_000);
    assert.deepEqual(sent.map(([, ...what]) => what), [
      ['start', '8'], ['stop', '8'], ['start', '7 Lunch'], ['stop', '7 Lunch'], ['start', '8,9'], ['stop', '8,9'],
    ]);
  });

  test('treats the same people in another order, and a topic in another case, as the same recipient', async () => {
    const { clock, typing, sent } = writer();
    typing.update({ to: ['8', '9'] });
    typing.update({ to: [9, 8] });
    typing.update({ to: ['9', '8', '9'] });
    await clock.advance(0);
    assert.equal(sent.length, 1);
    typing.update(kTopic);
    typing.update({ streamId: 7, topic: 'LUNCH' });
    await clock.advance(0);
    assert.equal(sent.length, 3);
    typing.update({ streamId: 7, topic: 'dinner' });
    await clock.advance(0);
    assert.equal(sent.length, 5);
  });

  test('sends the parameters of the protocol', async () => {
    const params = [];
    const typing = new TypingSender(async (its) => void params.push(its), { environment: { ...new Clock() } });
    typing.update({ to: ['8', 9] });
    typing.update(kTopic);
    await new Promise(setImmediate);
    assert.deepEqual(params, [
      { op: 'start', type: 'direct', to: ['8', 9] },
      { op: 'stop', type: 'direct', to: ['8', 9] },
      { op: 'start', type: 'stream', stream_id: '7', topic: 'Lunch' },
    ]);
  });

  test('sends one report at a time, however slow the network is', async () => {
    const waiting = [];
    const { clock, typing, sent } = writer({ answer: () => new Promise((resolve) => waiting.push(resolve)) });
    typing.update(kAnna);
    typing.update(null);
    typing.update(kAnna);
    for (const ops of [['start'], ['start', 'stop'], ['start', 'stop', 'start']]) {
      await clock.advance(0);
      assert.deepEqual(sent.map(([, op]) => op), ops);
      waiting.pop()();
    }
  });

  test('continues after failed reports', async () => {
    const { clock, typing, sent } = writer({
      answer: () => {
        throw new Error('User has disabled typing notifications for direct messages');
      },
    });
    typing.update(kAnna);
    typing.update(null);
    typing.update(kTopic);
    await clock.advance(0);
    assert.deepEqual(sent.map(([, op]) => op), ['start', 'stop', 'start']);
  });
});

test('different conversations have different names', () => {
  const all = [{ to: ['1', '2'] }, { to: ['12'] }, { to: ['1,2'] }, { to: [] }, { streamId: '1', topic: '2' },
    { streamId: '1', topic: '' }, { streamId: '1","topic":"2', topic: '' }];
  assert.equal(new Set(all.map(conversationOf)).size, all.length);
  assert.equal(conversationOf({ streamId: 7, topic: 'Straße ÄÖ' }), conversationOf({ streamId: '7', topic: 'straße äö' }));
});

describe('the user\'s own settings', () => {
  const kOff = {
    'direct messages': [{ send_private_typing_notifications: false }, kAnna, kTopic],
    topics: [{ send_stream_typing_notifications: false }, kTopic, kAnna],
  };
  for (const [what, [user_settings, hidden, shown]] of Object.entries(kOff)) {
    test(`that switch typing in ${what} off: nothing is sent there`, async () => {
      const { clock, typing, sent } = writer({ user_settings });
      typing.update(hidden);
      await clock.advance(60_000);
      assert.deepEqual(sent, []);
      typing.update(shown);
      await clock.advance(60_000);
      assert.deepEqual(sent.map(([, op]) => op), ['start', 'stop']);
    });

    test(`that switch typing in ${what} off while the user types: "stop" is sent, and then nothing`, async () => {
      const { clock, typing, sent } = writer();
      typing.update(hidden);
      await clock.advance(1000);
      typing.follow(user_settings);
      typing.update(hidden);
      await clock.advance(60_000);
      assert.deepEqual(sent.map(([at, op]) => [at, op]), [[0, 'start'], [1, 'stop']]);
      typing.follow({});
      typing.update(hidden);
      await clock.advance(0);
      assert.equal(sent.at(-1)[1], 'start');
    });
  }

  test('that switch one kind off do not end typing of the other', async () => {
    const { clock, typing, sent } = writer();
    typing.update(kAnna);
    typing.follow({ send_stream_typing_notifications: false });
    await clock.advance(1000);
    assert.deepEqual(sent.map(([, op]) => op), ['start']);
  });
});

test('"stop" is sent when the page is left, and when the signal aborts', async () => {
  const window = new EventTarget();
  const abort = new AbortController();
  for (const leave of [() => window.dispatchEvent(new Event('pagehide')), () => abort.abort()]) {
    const clock = new Clock();
    const sent = [];
    const typing = new TypingSender(async ({ op }) => sent.push(op), { environment: { ...clock, window }, signal: abort.signal });
    typing.update(kAnna);
    leave();
    await clock.advance(0);
    assert.deepEqual(sent, ['start', 'stop']);
  }
});
