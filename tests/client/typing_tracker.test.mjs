// The reading side of typing, on a fake clock: who types where, until he stops or his time is over.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { conversationOf, TypingTracker } from '../../client/src/index.js';
import { Clock } from './lib/clock.mjs';

const direct = (op, user, others) => ({
  op, message_type: 'direct', sender: { user_id: user }, recipients: [user, ...others].map((user_id) => ({ user_id })),
});
const stream = (op, user, stream_id, topic) => ({ op, message_type: 'stream', sender: { user_id: user }, stream_id, topic });

const kTopic = { streamId: '7', topic: 'lunch' };

function reader(options = {}) {
  const clock = new Clock();
  const changes = [];
  const typists = new TypingTracker({ user: '10', environment: { ...clock }, ...options });
  typists.addEventListener('change', ({ conversation }) => changes.push(conversation));
  return { clock, typists, changes };
}

describe('who is typing', () => {
  test('is shown from "start" to "stop", in the order in which they began', () => {
    const { typists, changes } = reader();
    typists.apply(stream('start', '8', '7', 'Lunch'));
    typists.apply(stream('start', '9', '7', 'lunch'));
    assert.deepEqual(typists.typists(kTopic), ['8', '9']);
    typists.apply(stream('stop', '8', '7', 'LUNCH'));
    assert.deepEqual(typists.typists(kTopic), ['9']);
    assert.deepEqual(changes, Array(3).fill(conversationOf(kTopic)));
  });

  test('is gone 45 seconds after the last "start"', async () => {
    const { clock, typists, changes } = reader();
    typists.apply(stream('start', '8', '7', 'lunch'));
    await clock.advance(30_000);
    typists.apply(stream('start', '8', '7', 'lunch'));
    await clock.advance(44_999);
    assert.deepEqual(typists.typists(kTopic), ['8']);
    await clock.advance(1);
    assert.deepEqual(typists.typists(kTopic), []);
    assert.equal(changes.length, 2, 'a "start" of one who types already is no change');
    assert.equal(clock.pending, 0);
  });

  test('each has a time of his own', async () => {
    const { clock, typists } = reader();
    typists.apply(stream('start', '8', '7', 'lunch'));
    await clock.advance(40_000);
    typists.apply(stream('start', '9', '7', 'lunch'));
    await clock.advance(5000);
    assert.deepEqual(typists.typists(kTopic), ['9']);
  });

  test('as long as the server says', async () => {
    const { clock, typists } = reader({ server_typing_started_expiry_period_milliseconds: 1000 });
    typists.apply(stream('start', '8', '7', 'lunch'));
    await clock.advance(1000);
    assert.deepEqual(typists.typists(kTopic), []);
  });

  test('a "start" that was long on its way counts from when it was sent', async () => {
    const { clock, typists } = reader();
    typists.apply(stream('start', '8', '7', 'lunch'), 40_000);
    typists.apply(stream('start', '9', '7', 'lunch'), 46_000);
    typists.apply(stream('start', '11', '7', 'lunch'), -5000);
    assert.deepEqual(typists.typists(kTopic), ['8', '11']);
    await clock.advance(5000);
    assert.deepEqual(typists.typists(kTopic), ['11']);
    await clock.advance(40_000);
    assert.deepEqual(typists.typists(kTopic), []);
  });

  test('in each conversation by itself', () => {
    const { typists } = reader();
    typists.apply(direct('start', '8', ['10']));
    typists.apply(direct('start', '8', ['10', '9']));
    typists.apply(stream('start', '8', '7', 'lunch'));
    typists.apply(stream('start', '9', '7', 'dinner'));
    typists.apply(direct('stop', '8', ['10']));
    assert.deepEqual(typists.typists({ to: ['8'] }), []);
    assert.deepEqual(typists.typists({ to: ['9', '8'] }), ['8']);
    assert.deepEqual(typists.typists({ to: [8, 9, 10] }), ['8'], 'with this user named or not');
    assert.deepEqual(typists.typists(kTopic), ['8']);
  });

  test('never this user himself, whose other devices hear of it', () => {
    const { typists, changes } = reader();
    typists.apply(direct('start', '10', ['8']));
    assert.deepEqual(typists.typists({ to: ['8'] }), []);
    assert.deepEqual(changes, []);
  });

  test('a "stop" of one who did not type is no change', () => {
    const { typists, changes } = reader();
    typists.apply(stream('stop', '8', '7', 'lunch'));
    assert.deepEqual(changes, []);
  });

  test('nobody after clear()', () => {
    const { clock, typists, changes } = reader();
    for (const user of ['1', '2', '3', '4']) typists.apply(stream('start', user, '7', 'lunch'));
    assert.equal(typists.typists(kTopic).length, 4, 'more than three: several people');
    changes.length = 0;
    typists.clear();
    assert.deepEqual([typists.typists(kTopic), changes.length, clock.pending], [[], 4, 0]);
  });
});
