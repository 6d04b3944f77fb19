// One event-stream client of each kind goes through every kind of reconnection: none loses an event or receives one
// twice. ./run clients tests all clients of docs/clients.md.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import polyfill from 'event-source-polyfill';
import { EventSource } from 'eventsource';
import * as fetchEventSource from '@microsoft/fetch-event-source';

import { startService } from '../faults/service.mjs';
import { browserLike, curl, microsoft } from '../lib/foreign_clients.mjs';
import { kKilledWorker } from '../lib/nginx.mjs';
import { reconnects } from '../lib/reconnects.mjs';

console.error = () => {}; // the polyfill reports every end of a connection there

const service = await startService({ workers: 2, allow: [kKilledWorker] });

test('each client has every event once after killed workers, a reload, and the module off and on', async (t) => {
  const results = await reconnects(service, {
    'eventsource, which keeps the ids of events only': browserLike(EventSource),
    'event-source-polyfill, which has its cursor in the query': browserLike(polyfill.EventSourcePolyfill),
    'fetch-event-source, which passes every event to one function': microsoft(fetchEventSource),
    curl,
  }, { note: (text) => t.diagnostic(text) });
  for (const { name, verdict, events, opened } of results) assert.equal(verdict, '',
    `${name}: ${events} events, ${opened} connections`);
  await service.nginx.terminate();
});
