// Five event-stream clients from npm, each with a parser of its own, behind one call: read `url` until `count` events have
// come, and give them as { type, data, id }.
import { EventSource } from 'eventsource';
import * as fetchEventStreamModule from 'fetch-event-stream';
import * as launchdarkly from 'launchdarkly-eventsource';
import * as fetchEventSource from '@microsoft/fetch-event-source';
import { EventSource as UndiciEventSource } from 'undici';

import { within } from './conditions.mjs';
import { browserLike, fetchEventStream, microsoft } from './foreign_clients.mjs';

const kLimit = 60_000;

function reader(start) {
  return async (url, types, count) => {
    const events = [];
    let client;
    const all = new Promise((resolve) => {
      const onEvent = (event) => {
        if (event.type === 'pgevents.cursor' || !event.data) return; // a handler of everything gets these too
        if (events.length < count) events.push(event);
        if (events.length === count) resolve();
      };
      client = start(url, { types: [...new Set(types)].filter((type) => type !== 'message'), onOpen: () => {}, onEvent });
    });
    try {
      await within(all, kLimit, `${count} events, ${events.length} so far`);
    } finally {
      await client.stop();
    }
    return events;
  };
}

// Where a client departs from the standard, what it makes of a field's value.
export const kQuirks = {
  'fetch-event-stream': (value) => value.trimStart(),
  '@microsoft/fetch-event-source': (value) => value.replace(/^\ufeff/, ''),
};

export const kClients = {
  eventsource: reader(browserLike(EventSource)),
  'launchdarkly-eventsource': reader(browserLike(launchdarkly.EventSource)),
  undici: reader(browserLike(UndiciEventSource)),
  'fetch-event-stream': reader(fetchEventStream(fetchEventStreamModule)),
  '@microsoft/fetch-event-source': reader(microsoft(fetchEventSource)),
};
