// Five event-stream clients from npm, each with its own parser, behind one call: it reads `url` until `count` events
// have arrived, and gives them as { type, data, id }.
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
        if (event.type === 'pgevents.cursor' || !event.data) return; // a handler of all events gets these too
        if (events.length < count) events.push(event);
        if (events.length === count) resolve();
      };
      const listened = [...new Set(types)].filter((type) => type !== 'message');
      client = start(url, { types: listened, onOpen: () => {}, onEvent });
    });
    try {
      await within(all, kLimit, `${count} events, ${events.length} so far`);
    } finally {
      await client.stop();
    }
    return events;
  };
}

// How a client changes a field's value where it deviates from the standard.
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
