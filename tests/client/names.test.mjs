// Events of the library and of the application: events that an application publishes with the types "open", "error" or
// any other are not confused with those of the channel itself, over any transport.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { Recorder } from './lib/channels.mjs';
import { Browser } from './lib/page.mjs';

// Names with a meaning for the channel, for EventSource, or for JavaScript objects.
const kTypes = ['open', 'error', 'message', 'close', 'abort', 'event', 'state', 'reset', '__proto__', 'constructor', 'toString', 'on', 'once'];
const kOwn = ['open', 'error'];

for (const transport of ['stream', 'long-poll', 'poll', 'event-source']) {
  describe(`over ${transport}`, () => {
    async function connected() {
      const browser = new Browser();
      const recorder = new Recorder(browser.page(), ['a'], { lastEventId: '0', transports: [transport], types: kTypes });
      await browser.clock.advance(0);
      return { recorder, channel: recorder.channel, ...browser };
    }

    test('every event reaches onevent once, and listeners of its type unless the channel uses that type', async () => {
      const { recorder, channel, network, clock } = await connected();
      const received = [];
      for (const type of kTypes) channel.addEventListener(type, ({ data }) => received.push([type, data]));
      for (const [n, type] of kTypes.entries()) network.publish('a', n, type);
      await clock.advance(11_000);
      assert.deepEqual(recorder.events.map(({ type, data, channel: name }) => [type, data, name]), kTypes.map((type, n) => [type, n, 'a']));
      const wanted = kTypes.map((type, n) => [type, n]).filter(([type]) => !kOwn.includes(type));
      assert.deepEqual(received.filter(([, data]) => data !== undefined), wanted);
      channel.close();
    });

    test('"open" and "error" mean the connection, whatever is published', async () => {
      const { recorder, channel, network, clock } = await connected();
      const own = [];
      for (const type of kOwn) channel.addEventListener(type, (event) => own.push([type, event.data, event.error?.name]));
      const opened = recorder.opened;
      for (const type of kOwn) network.publish('a', { status: 500 }, type);
      await clock.advance(11_000);
      assert.deepEqual([own, recorder.opened, recorder.errors], [[], opened, []]);
      assert.equal(channel.readyState, 1);
      assert.deepEqual(recorder.events.map(({ type }) => type), kOwn);
      network.mode = 'down';
      network.cut();
      await clock.until(() => recorder.errors.length > 0);
      assert.equal(recorder.errors[0].name, 'NetworkError');
      assert.ok(own.every(([, data]) => data === undefined));
      assert.equal(own[0][0], 'error');
      channel.close();
    });
  });
}
