// ./run clients [NAME…]: tests every event-stream client of docs/clients.md with every kind of reconnection, and prints
// a table. Each client runs three times: from now on, with a cursor in its address, and over the fallback.
import { createRequire } from 'node:module';
import fs from 'node:fs';
import path from 'node:path';

import { kFallbackBase, startService } from '../faults/service.mjs';
import { startBrowser } from '../lib/browser.mjs';
import {
  azure, browserLike, curl, eventSourceClient, fetchEventStream, microsoft, page, program, renewed,
} from '../lib/foreign_clients.mjs';
import { endAll } from '../lib/lifetime.mjs';
import { kAllowed, reconnects } from '../lib/reconnects.mjs';

const require = createRequire(import.meta.url);
const here = import.meta.dirname;
const version = (name) => JSON.parse(fs.readFileSync(path.join(here, 'node_modules', name, 'package.json'))).version;
const script = (file) => ({ path: path.join(here, 'node_modules', file) });

const kForms = {
  'From now on': {},
  'With a cursor in the address': { query: (head) => `&last_event_id=${head}` },
  'Over the fallback alone': { base: kFallbackBase },
};

/* global EventSource, EventSourcePolyfill, ReconnectingEventSource, SSE, htmx, report, document */
const inPage = {
  native: ({ url, types }) => {
    const source = new EventSource(url);
    source.onopen = () => report('open');
    for (const type of [...types, 'message']) {
      source.addEventListener(type, ({ data, lastEventId: id }) => report('event', { type, data, id }));
    }
  },
  polyfill: ({ url, types }) => {
    const source = new EventSourcePolyfill(url);
    source.onopen = () => report('open');
    for (const type of [...types, 'message']) {
      source.addEventListener(type, ({ data, lastEventId: id }) => report('event', { type, data, id }));
    }
  },
  reconnecting: ({ url, types }) => {
    const source = new ReconnectingEventSource(url);
    source.onopen = () => report('open');
    for (const type of [...types, 'message']) {
      source.addEventListener(type, ({ data, lastEventId: id }) => report('event', { type, data, id }));
    }
    source.addEventListener('pgevents.cursor', () => {});
  },
  sse: ({ url, types }) => {
    const source = new SSE(url, { autoReconnect: true, headers: { Accept: 'text/event-stream' } });
    source.addEventListener('open', ({ responseCode }) => responseCode === 200 && report('open'));
    for (const type of [...types, 'message']) {
      source.addEventListener(type, ({ data, lastEventId: id }) => report('event', { type, data, id }));
    }
  },
  htmx: ({ url, types }) => {
    const element = document.createElement('div');
    element.setAttribute('hx-ext', 'sse');
    element.setAttribute('sse-connect', url);
    element.setAttribute('sse-swap', [...types, 'message'].join());
    document.body.addEventListener('htmx:sseOpen', () => report('open'));
    document.body.addEventListener('htmx:sseBeforeMessage', ({ detail: { type, data, lastEventId: id } }) => {
      report('event', { type, data, id });
    });
    document.body.append(element);
    htmx.process(element);
  },
};

// The library with its version, and a function that starts it.
function candidates(browser) {
  const extended = require('extended-eventsource').EventSource;
  const launchdarkly = require('launchdarkly-eventsource').EventSource;
  const polyfill = require('event-source-polyfill').EventSourcePolyfill;
  const reconnecting = require('reconnecting-eventsource').default;
  const Four = require('eventsource-4').EventSource;
  const also = ['pgevents.cursor'];
  const ofNode = (name) => `${name} ${version(name)}`;
  const ofPages = (name) => `${name} ${version(name)}, Chromium`;
  return {
    [`eventsource ${version('eventsource-2')}`]: browserLike(require('eventsource-2')),
    [`eventsource ${version('eventsource-3')}`]: browserLike(require('eventsource-3').EventSource),
    [`eventsource ${version('eventsource-4')}`]: browserLike(Four),
    [ofNode('eventsource-client')]: eventSourceClient(require('eventsource-client')),
    [ofNode('launchdarkly-eventsource')]: browserLike(launchdarkly),
    [ofNode('@azure/core-sse')]: azure(require('@azure/core-sse')),
    [ofNode('@microsoft/fetch-event-source')]: microsoft(require('@microsoft/fetch-event-source')),
    [ofNode('fetch-event-stream')]: fetchEventStream(require('fetch-event-stream')),
    [`${ofNode('reconnecting-eventsource')} on eventsource 4`]:
      browserLike(reconnecting, { also, eventSourceClass: Four }),
    [ofNode('extended-eventsource')]: browserLike(extended),
    [`${ofNode('event-source-polyfill')}`]: browserLike(polyfill),
    [`${ofNode('@sanity/eventsource')}`]: browserLike(require('@sanity/eventsource')),
    [ofNode('undici')]: renewed(require('undici').EventSource),
    [`EventSource, Node ${process.versions.node}`]:
      program(process.execPath, ['--experimental-eventsource', path.join(here, 'node_event_source.mjs')]),
    curl,
    [`EventSource, Chromium ${browser.version().split('.')[0]}`]: page(browser, { run: inPage.native }),
    [ofPages('event-source-polyfill')]: page(browser, {
      scripts: [script('event-source-polyfill/src/eventsource.js')], run: inPage.polyfill,
    }),
    [ofPages('reconnecting-eventsource')]: page(browser, {
      scripts: [script('reconnecting-eventsource/dist/ReconnectingEventSource.min.js')], run: inPage.reconnecting,
    }),
    [ofPages('sse.js')]: page(browser, { scripts: [sseScript()], run: inPage.sse }),
    [`htmx ${version('htmx.org')} with htmx-ext-sse ${version('htmx-ext-sse')}, Chromium`]: page(browser, {
      html: '<body></body>', scripts: [script('htmx.org/dist/htmx.js'),
        script('htmx-ext-sse/sse.js')], run: inPage.htmx,
    }),
  };
}

// sse.js is a module; its export becomes a global variable.
function sseScript() {
  const text = fs.readFileSync(path.join(here, 'node_modules/sse.js/lib/sse.js'), 'utf8');
  return { content: text.replace('export { SSE };', 'globalThis.SSE = SSE;') };
}

async function main(names) {
  const service = await startService({
    workers: 2, allow: kAllowed,
    server: 'location = /blank { default_type text/html; return 200 "<!doctype html><title>blank</title>"; }',
  });
  const browser = await startBrowser();
  const all = Object.entries(candidates(browser));
  const isChosen = ([name]) => names.length === 0 || names.some((part) => name.includes(part));
  const chosen = Object.fromEntries(all.filter(isChosen));
  let wrong = 0;
  for (const [n, [form, options]] of Object.entries(kForms).entries()) {
    console.log(`\n## ${form}\n`);
    const note = (text) => console.log(`- ${text}`);
    const results = await reconnects(service, chosen, { ...options, channel: `channel-${n}`, note });
    console.log('\n| client | connections | events | wrong | also shown |\n|---|---|---|---|---|');
    for (const { name, opened, events, verdict, others } of results) {
      const shown = others.map(([type, count]) => `${count} × ${type || '(no type)'}`).join(', ');
      console.log(`| ${name} | ${opened} | ${events} | ${verdict} | ${shown} |`);
      if (verdict) wrong++;
    }
  }
  await service.nginx.terminate();
  return wrong;
}

// Some clients report each end of a connection there.
console.warn = console.error = () => {};
const wrong = await main(process.argv.slice(2));
await endAll();
console.log(`\n${wrong === 0 ? 'every client has every event once' : `${wrong} clients have lost or repeated events`}`);
process.exit(wrong === 0 ? 0 : 1);
