// One event-stream client of each kind through every kind of reconnection: none loses an event, none gets one twice. All that
// docs/clients.md names are tried by ./run clients.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import polyfill from 'event-source-polyfill';
import { EventSource } from 'eventsource';
import * as fetchEventSource from '@microsoft/fetch-event-source';

import { startService } from '../faults/service.mjs';
import { browserLike, curl, microsoft } from '../lib/foreign_clients.mjs';
import { kKilledWorker } from '../lib/nginx.mjs';
import { reconnects } from '../lib/reconnects.mjs';

console.error = () => {}; // the polyfill writes every end of a connection there

const service = await startService({ workers: 2, allow: [kKilledWorker] });

test('workers are killed before the first event and later, a reload, the module off and on: each client has every event once', async (t) => {
  const results = await reconnects(service, {
    'eventsource, which keeps the ids of events only': browserLike(EventSource),
    'event-source-polyfill, which has its cursor in the query': browserLike(polyfill.EventSourcePolyfill),
    'fetch-event-source, which shows everything to one function': microsoft(fetchEventSource),
    curl,
  }, { note: (text) => t.diagnostic(text) });
  for (const { name, verdict, events, opened } of results) assert.equal(verdict, '', `${name}: ${events} events, ${opened} connections`);
  await service.nginx.terminate();
});
