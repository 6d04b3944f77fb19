// Five event-stream clients from npm, each with a parser of its own, behind one call: read `url` until `count` events have
// come, and tell them as { type, data, id }.
import { EventSource as ReferenceEventSource } from 'eventsource';
import { events as fetchEvents } from 'fetch-event-stream';
import LaunchDarklyModule from 'launchdarkly-eventsource';
import { fetchEventSource } from '@microsoft/fetch-event-source';
import { Agent, EventSource as UndiciEventSource, fetch as undiciFetch } from 'undici';

import { within } from './conditions.mjs';

const kLimit = 60_000;

// fetch() with connections of its own, which end with `use`; otherwise idle ones would keep nginx from ending.
async function withFetch(use) {
  const dispatcher = new Agent();
  try {
    return await use((url, options) => undiciFetch(url, { ...options, dispatcher }), dispatcher);
  } finally {
    await dispatcher.destroy();
  }
}

// For the three that have the interface of browsers: a listener for each type.
function browserLike(EventSource) {
  return (url, types, count) => withFetch(async (fetch, dispatcher) => {
    const source = new EventSource(url, { fetch, dispatcher });
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
  });
}

async function fetchEventStream(fetch, url, types, count) {
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

async function microsoft(fetch, url, types, count) {
  // All that it needs of a browser.
  globalThis.window ??= globalThis;
  globalThis.document ??= { hidden: false, addEventListener: () => {}, removeEventListener: () => {} };
  const abort = new AbortController();
  const events = [];
  const finished = fetchEventSource(url, {
    openWhenHidden: true,
    signal: abort.signal,
    fetch,
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
  'fetch-event-stream': (...args) => withFetch((fetch) => fetchEventStream(fetch, ...args)),
  '@microsoft/fetch-event-source': (...args) => withFetch((fetch) => microsoft(fetch, ...args)),
};
