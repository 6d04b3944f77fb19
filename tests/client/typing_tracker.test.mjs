// TypingTracker on a fake clock: which users are typing where, until they stop or their time ends.
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

describe('a typist', () => {
  test('is listed from "start" to "stop", in the order of the starts', () => {
    const { typists, changes } = reader();
    typists.apply(stream('start', '8', '7', 'Lunch'));
    typists.apply(stream('start', '9', '7', 'lunch'));
    assert.deepEqual(typists.typists(kTopic), ['8', '9']);
    typists.apply(stream('stop', '8', '7', 'LUNCH'));
    assert.deepEqual(typists.typists(kTopic), ['9']);
    assert.deepEqual(changes, Array(3).fill(conversationOf(kTopic)));
  });

  test('is removed 45 seconds after the last "start"', async () => {
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

  test('has a timer of their own', async () => {
    const { clock, typists } = reader();
    typists.apply(stream('start', '8', '7', 'lunch'));
    await clock.advance(40_000);
    typists.apply(stream('start', '9', '7', 'lunch'));
    await clock.advance(5000);
    assert.deepEqual(typists.typists(kTopic), ['9']);
  });

  test('is listed for the time of the server', async () => {
    const { clock, typists } = reader({ server_typing_started_expiry_period_milliseconds: 1000 });
    typists.apply(stream('start', '8', '7', 'lunch'));
    await clock.advance(1000);
    assert.deepEqual(typists.typists(kTopic), []);
  });

  test('is listed from the time at which a delayed "start" was sent', async () => {
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

  test('is listed for each conversation separately', () => {
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

  test('is never this user, whose other devices receive the event', () => {
    const { typists, changes } = reader();
    typists.apply(direct('start', '10', ['8']));
    assert.deepEqual(typists.typists({ to: ['8'] }), []);
    assert.deepEqual(changes, []);
  });

  test('who was not typing causes no event by a "stop"', () => {
    const { typists, changes } = reader();
    typists.apply(stream('stop', '8', '7', 'lunch'));
    assert.deepEqual(changes, []);
  });

  test('is removed by clear()', () => {
    const { clock, typists, changes } = reader();
    for (const user of ['1', '2', '3', '4']) typists.apply(stream('start', user, '7', 'lunch'));
    assert.equal(typists.typists(kTopic).length, 4, 'more than three: several people');
    changes.length = 0;
    typists.clear();
    assert.deepEqual([typists.typists(kTopic), changes.length, clock.pending], [[], 4, 0]);
  });
});

describe('a message', () => {
  test('removes its author there, and nobody else', () => {
    const tracker = new TypingTracker({ user: '10', environment: { ...new Clock() } });
    const inTopic = (user_id, topic) => ({ op: 'start', message_type: 'stream', sender: { user_id }, stream_id: '7', topic });
    const one = { op: 'start', message_type: 'direct', sender: { user_id: '8' }, recipients: [{ user_id: '8' }, { user_id: '10' }] };
    for (const [user, topic] of [['8', 'x'], ['9', 'x'], ['8', 'y']]) tracker.apply(inTopic(user, topic));
    tracker.apply(one);
    const changes = [];
    tracker.addEventListener('change', ({ conversation }) => changes.push(conversation));
    tracker.remove({ streamId: '7', topic: 'X' }, '8');
    assert.deepEqual(tracker.typists({ streamId: '7', topic: 'x' }), ['9']);
    assert.deepEqual(tracker.typists({ streamId: '7', topic: 'y' }), ['8']);
    tracker.remove({ to: ['8'] }, '8');
    assert.deepEqual(tracker.typists({ to: ['8'] }), []);
    tracker.remove({ to: ['8'] }, '8');
    assert.equal(changes.length, 2);
    tracker.clear();
  });
});

test('directTypists() lists all direct conversations with a typist', () => {
  const tracker = new TypingTracker({ user: '10', environment: { ...new Clock() } });
  const start = (user_id, ...others) => ({
    op: 'start', message_type: 'direct', sender: { user_id }, recipients: [user_id, '10', ...others].map((id) => ({ user_id: id })),
  });
  tracker.apply(start('8'));
  tracker.apply(start('9', '8'));
  tracker.apply({ op: 'start', message_type: 'stream', sender: { user_id: '8' }, stream_id: '7', topic: 'x' });
  assert.deepEqual(tracker.directTypists(), [{ user: '8', to: ['8'] }, { user: '9', to: ['9', '8'] }]);
  for (const { to, user } of tracker.directTypists()) assert.ok(tracker.typists({ to }).includes(user));
  tracker.clear();
  assert.deepEqual(tracker.directTypists(), []);
});
