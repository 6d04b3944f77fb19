// The writing side of typing, on a fake clock: "start" now and then, "stop" when it is over.
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

describe('who types', () => {
  test('is told with the first keystroke, and ends twelve seconds after the last', async () => {
    const { clock, typing, sent } = writer();
    typing.update(kAnna);
    await clock.advance(8000);
    typing.update(kAnna);
    await clock.advance(60_000);
    assert.deepEqual(sent, [[0, 'start', '8'], [20, 'stop', '8']]);
  });

  test('is told again when thirty seconds have passed, and not before', async () => {
    const { clock, typing, sent } = writer();
    for (let n = 0; n < 66; n++) {
      typing.update(kAnna);
      await clock.advance(1000);
    }
    assert.deepEqual(sent, [[0, 'start', '8'], [31, 'start', '8'], [62, 'start', '8']]);
  });

  test('goes by the times that the server tells', async () => {
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

  test('ends at once when he has sent, emptied or closed what he wrote; with nothing to end, nothing is sent', async () => {
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

  test('turns to others: "stop" there, "start" here', async () => {
    const { clock, typing, sent } = writer();
    typing.update(kAnna);
    typing.update(kTopic);
    typing.update({ to: ['8', '9'] });
    await clock.advance(12_000);
    assert.deepEqual(sent.map(([, ...what]) => what), [
      ['start', '8'], ['stop', '8'], ['start', '7 Lunch'], ['stop', '7 Lunch'], ['start', '8,9'], ['stop', '8,9'],
    ]);
  });

  test('writes to the same people in another order, and to the same topic in other letters', async () => {
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

  test('sends what the server wants to read', async () => {
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

  test('one notice after the other, however long the network takes', async () => {
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

  test('goes on after notices that failed', async () => {
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

test('conversations have names that differ when they do', () => {
  const all = [{ to: ['1', '2'] }, { to: ['12'] }, { to: ['1,2'] }, { to: [] }, { streamId: '1', topic: '2' },
    { streamId: '1', topic: '' }, { streamId: '1","topic":"2', topic: '' }];
  assert.equal(new Set(all.map(conversationOf)).size, all.length);
  assert.equal(conversationOf({ streamId: 7, topic: 'Straße ÄÖ' }), conversationOf({ streamId: '7', topic: 'straße äö' }));
});
