// The page of 2014: the requests of its polling loop and of its EventSource. The loop uses only Last-Event-ID (as a
// parameter), X-PS-Reconnect-In and the array; it has no wait id at first, and jQuery adds `_` to each request.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { EventSource } from 'eventsource';

import { forEach, newChannel, startBackends } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { Agent, fetch } from 'undici';

const database = await (await sharedCluster()).createDatabase();
const backends = await startBackends({ database, limits: { pollInterval: 1 } });
const agent = new Agent({ keepAliveTimeout: 10 });
const fetchAlone = (url, options) => fetch(url, { ...options, dispatcher: agent });

// The page's own code with other names.
class ForwarderPage {
  constructor(base, channel, { cursor = '', waitId = '', flavor = '' }) {
    Object.assign(this, { base, channel, waitId, flavor, last_event_id: cursor, events: [], requests: 0,
      running: true });
    this.done = this.poll();
  }

  async poll() {
    while (this.running) {
      const flavor = this.flavor && `&flavor=${this.flavor}`;
      const query = `last_event_id=${this.last_event_id}${flavor}&_=${this.requests++}`;
      const url = `${this.base}/events/${this.channel}/${this.waitId}?${query}`;
      const response = await fetchAlone(url);
      assert.equal(response.status, 200, `${url}: ${await response.clone().text()}`);
      for (const event of await response.json()) {
        this.last_event_id = event.id;
        this.events.push(event.data);
      }
      // An empty answer moves the cursor too.
      this.last_event_id = response.headers.get('Last-Event-ID') ?? this.last_event_id;
      const seconds = Number(response.headers.get('X-PS-Reconnect-In'));
      if (this.running) await new Promise((resume) => setTimeout(resume, seconds * 1000));
    }
  }
}

const kPages = [
  ['without a wait id and a cursor', {}],
  ['with all kept events', { cursor: '0' }],
  ['with a time', { cursor: 'rt-1406125522.481' }],
  ['with a wait id', { waitId: 'ab12.34' }],
  ['that asks for long-poll', { flavor: 'long-poll' }],
  ['that polls', { flavor: 'poll' }],
];

forEach(backends, (backend) => {
  const base = `http://127.0.0.1:${backend.port}/rt`;

  for (const [what, options] of kPages) {
    test(`the page ${what} gets every event once`, async () => {
      const channel = newChannel('cheese');
      const page = new ForwarderPage(base, channel, options);
      // A page without a cursor misses nothing from its first answer on; a waiting long poll has no answer yet.
      await waitFor(() => page.requests > 0);
      const pieces = [];
      await waitFor(async () => {
        pieces.push(pieces.length);
        await database.publish(channel, 'cheese_created', { pieces: pieces.length - 1 });
        return page.events.length > 0;
      }, { what: 'a first event' });
      for (let n = 0; n < 3; ++n) {
        pieces.push(pieces.length);
        await database.publish(channel, 'cheese_created', { pieces: pieces.length - 1 });
      }
      await waitFor(() => page.events.at(-1)?.data.pieces === pieces.length - 1, { what: 'the last event' });
      page.running = false;
      await database.publish(channel, 'cheese_eaten', null); // ends a long poll that waits
      await page.done;
      const got = page.events.filter(({ type }) => type === 'cheese_created').map(({ data }) => data.pieces);
      assert.deepEqual(got, pieces.slice(got[0]));
    });
  }

  test('the page\'s EventSource gets the event from the same address', async () => {
    const channel = newChannel('cheese');
    const id = await database.publish(channel, 'cheese_created', { pieces: 92, cheese_type: 'Gruyère' });
    const source = new EventSource(`${base}/events/${channel}/?last_event_id=0`, { fetch: fetchAlone });
    const events = [];
    const take = (event) => events.push([JSON.parse(event.data).cheese_type, event.lastEventId]);
    source.addEventListener('cheese_created', take);
    await waitFor(() => events.length > 0, { what: 'the event' });
    source.close();
    assert.deepEqual(events, [['Gruyère', String(id)]]);
  });
}, { atOnce: 7 });

test('the connections of the pages close', () => agent.close());
