// Five event-stream clients from npm, each with a parser of its own, behind one call: read `url` until `count` events have
// come, and tell them as { type, data, id }.
import { EventSource as ReferenceEventSource } from 'eventsource';
import { events as fetchEvents } from 'fetch-event-stream';
import LaunchDarklyModule from 'launchdarkly-eventsource';
import { fetchEventSource } from '@microsoft/fetch-event-source';
import { EventSource as UndiciEventSource } from 'undici';

import { within } from './conditions.mjs';

const kLimit = 60_000;

// For the three that have the interface of browsers: a listener for each type.
function browserLike(EventSource) {
  return async (url, types, count) => {
    const source = new EventSource(url);
    const events = [];
    try {
      const all = new Promise((resolve, reject) => {
        source.onerror = (error) => reject(new Error(`client error: ${error.message ?? error.type}`));
        for (const type of types) {
          source.addEventListener(type, (event) => {
            events.push({ type: event.type, data: event.data, id: event.lastEventId });
            if (events.length === count) resolve();
          });
        }
      });
      await within(all, kLimit, `${count} events, ${events.length} so far`);
    } finally {
      source.close();
    }
    return events;
  };
}

async function fetchEventStream(url, types, count) {
  const abort = new AbortController();
  const response = await fetch(url, { headers: { Accept: 'text/event-stream' }, signal: abort.signal });
  const events = [];
  // The first block has no event, only the cursor; this client hands it out all the same.
  for await (const { event, data, id } of fetchEvents(response, abort.signal)) {
    if (data !== undefined) events.push({ type: event, data, id: String(id) });
    if (events.length === count) break;
  }
  abort.abort();
  return events;
}

async function microsoft(url, types, count) {
  // All that it needs of a browser.
  globalThis.window ??= globalThis;
  globalThis.document ??= { hidden: false, addEventListener: () => {}, removeEventListener: () => {} };
  const abort = new AbortController();
  const events = [];
  const finished = fetchEventSource(url, {
    openWhenHidden: true,
    signal: abort.signal,
    fetch: globalThis.fetch,
    onmessage: ({ event, data, id }) => {
      if (event === '' && data === '') return; // the block with the cursor, which browsers do not dispatch
      events.push({ type: event, data, id });
      if (events.length === count) abort.abort();
    },
    onerror: (error) => {
      throw error;
    },
  });
  await within(finished, kLimit, `${count} events, ${events.length} so far`);
  return events;
}

// Where a client departs from the standard, what it makes of a field's value.
export const kQuirks = {
  'fetch-event-stream': (value) => value.trimStart(),
  '@microsoft/fetch-event-source': (value) => value.replace(/^\ufeff/, ''),
};

export const kClients = {
  eventsource: browserLike(ReferenceEventSource),
  'launchdarkly-eventsource': browserLike(LaunchDarklyModule.EventSource ?? LaunchDarklyModule),
  undici: browserLike(UndiciEventSource),
  'fetch-event-stream': fetchEventStream,
  '@microsoft/fetch-event-source': microsoft,
};
