// A gap in the history: reported by an event, with a hook that reloads the application's state before further events.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { EventChannel } from '../../client/src/index.js';
import { connected, Recorder } from './lib/channels.mjs';
import { Browser } from './lib/page.mjs';

// A page that was offline while its history was pruned: the log had events 1 to 6, of which 1 to 4 are gone.
async function behind(options) {
  const state = await connected(options);
  const { network, clock } = state;
  network.publish('a');
  await clock.advance(0);
  network.mode = 'down';
  network.cut();
  for (let n = 0; n < 5; n++) network.publish('a');
  network.oldest = 5;
  network.mode = 'module';
  return state;
}

for (const transports of [['stream', 'long-poll'], ['long-poll'], ['event-source', 'long-poll']]) {
  const options = { transports, types: ['made'] };

  describe(`a gap, by ${transports[0]}`, () => {
    test('is an event, followed by the events that the log still has', async () => {
      const { clock, recorder, channel } = await behind(options);
      const received = [];
      channel.addEventListener('pgevents.reset', ({ data }) => received.push(data));
      await clock.advance(5000);
      assert.deepEqual(received, [{ reason: 'pruned', oldest: 5, head: 6 }]);
      assert.deepEqual(recorder.events.map(({ type }) => type), ['made', 'pgevents.reset', 'made', 'made']);
      assert.deepEqual(recorder.ids, [1, 5, 6]);
    });

    test('waits for the hook, however long it takes, without a SilenceError', async () => {
      let done;
      const seen = [];
      const { clock, network, recorder, channel } = await behind(options);
      channel.onreset = (data) => {
        seen.push(data.reason, recorder.ids.length);
        return new Promise((resolve) => (done = resolve));
      };
      await clock.advance(100_000);
      network.publish('a');
      await clock.advance(100_000);
      assert.deepEqual(seen, ['pruned', 1]);
      assert.deepEqual(recorder.ids, [1]);
      assert.equal(channel.lastEventId, '1');
      done();
      await clock.advance(5000);
      assert.deepEqual(recorder.ids, [1, 5, 6, 7]);
      assert.ok(recorder.errors.length <= 1, 'the cut alone, which an EventSource mends by itself');
    });

    test('the hook may return the cursor of its state', async () => {
      const { clock, network, recorder } = await behind({ ...options, onreset: async () => '6' });
      await clock.advance(5000);
      assert.deepEqual(recorder.ids, [1]);
      network.publish('a');
      await clock.advance(0);
      assert.deepEqual(recorder.ids, [1, 7]);
    });

    test('calls a failed hook again, and delivers nothing until the hook succeeds', async () => {
      let called = 0;
      const problem = new Error('no state');
      const { clock, recorder, channel } = await behind({
        ...options,
        onreset: async () => {
          if (++called < 3) throw problem;
        },
      });
      await clock.advance(20_000);
      assert.equal(called, 3);
      assert.deepEqual(recorder.ids, [1, 5, 6]);
      assert.equal(recorder.errors.at(-1).cause, problem);
      assert.equal(channel.readyState, EventChannel.OPEN);
    });

    test('moves the cursor back if the log was restored to an earlier state', async () => {
      const reasons = [];
      const onreset = ({ reason }) => void reasons.push(reason);
      const { clock, network, recorder, channel } = await connected({ ...options, onreset });
      for (let n = 0; n < 9; n++) network.publish('a', 'before');
      await clock.advance(0);
      network.restore(3);
      await clock.advance(30_000);
      assert.deepEqual(reasons, ['ahead']);
      recorder.events.length = 0;
      network.publish('a', 'after');
      await clock.advance(5000);
      assert.ok(recorder.events.some(({ data }) => data === 'after'));
      assert.equal(channel.lastEventId, '4');
    });
  });
}

describe('while the hook reloads', () => {
  test('a new token waits for the hook, which is not called twice', async () => {
    let done;
    let called = 0;
    const { clock, recorder, channel } = await behind();
    channel.onreset = () => new Promise((resolve) => {
      called++;
      done = resolve;
    });
    await clock.advance(2000);
    channel.setToken('t2');
    await clock.advance(2000);
    done();
    await clock.advance(5000);
    assert.equal(called, 1);
    assert.deepEqual(recorder.ids, [1, 5, 6]);
  });

  test('a closed channel delivers nothing', async () => {
    let done;
    const { clock, recorder, channel } = await behind();
    channel.onreset = () => new Promise((resolve) => (done = resolve));
    await clock.advance(2000);
    channel.close();
    done();
    await clock.advance(60_000);
    assert.deepEqual(recorder.ids, [1]);
  });
});

test('a cursor older than the log gets a reset at the start', async () => {
  const browser = new Browser();
  for (let n = 0; n < 6; n++) browser.network.publish('a');
  browser.network.oldest = 5;
  const recorder = new Recorder(browser.page(), ['a'], { lastEventId: '2' });
  await browser.clock.advance(0);
  assert.deepEqual(recorder.events.map(({ type }) => type), ['pgevents.reset', 'made', 'made']);
});
