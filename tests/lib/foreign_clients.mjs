// Event-stream clients of other projects behind one call, each used as its own documentation says:
//
//   const client = start(url, { types, onOpen, onEvent });   // onEvent({ type, data, id })
//   await client.stop();
//
// `onEvent` gets what the client dispatches to listeners of `types`, and what it passes to a handler of all events, if
// it has one. The library itself reconnects; where it does not, a loop stands here, as a page would contain it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';

import { sleep } from './conditions.mjs';
import { kRoot } from './scratch.mjs';

// The interface of browsers: a listener for each type, and onmessage. `also`: further types that a page must listen to.
export function browserLike(EventSource, { also = [], ...options } = {}) {
  return (url, { types, onOpen, onEvent }) => {
    const source = new EventSource(url, options);
    const take = ({ type, data, lastEventId }) => onEvent({ type, data, id: lastEventId });
    source.onopen = () => onOpen();
    source.onerror = () => {};
    source.onmessage = take;
    for (const type of types) source.addEventListener(type, take);
    for (const type of also) source.addEventListener(type, () => {});
    return { stop: () => source.close() };
  };
}

// The same for a client that gives up for good when a connection ends before its answer's head, as undici's does: the
// page creates a new one at the last id (docs/clients.md).
export function renewed(EventSource) {
  return (url, { types, onOpen, onEvent }) => {
    const address = new URL(url);
    let source;
    let timer;
    const start = () => {
      source = new EventSource(address.href);
      source.onopen = () => onOpen();
      source.onerror = () => {
        clearTimeout(timer);
        timer = setTimeout(() => source.readyState === EventSource.CLOSED && start(), 1000);
      };
      for (const type of ['pgevents.cursor', 'message', ...types]) {
        source.addEventListener(type, ({ data, lastEventId: id }) => {
          address.searchParams.set('last_event_id', id);
          if (type !== 'pgevents.cursor') onEvent({ type, data, id });
        });
      }
    };
    start();
    return { stop: () => (clearTimeout(timer), source.close()) };
  };
}

// A client that calls one function with every event.
export function eventSourceClient({ createEventSource }) {
  return (url, { onOpen, onEvent }) => {
    const onMessage = ({ event, data, id }) => onEvent({ type: event ?? 'message', data, id });
    const source = createEventSource({ url, onMessage, onConnect: onOpen });
    return { stop: () => source.close() };
  };
}

// The client stops at the end of a stream unless onclose() throws.
export function microsoft({ fetchEventSource }) {
  return (url, { onOpen, onEvent }) => {
    // The parts of a browser that the client needs.
    globalThis.window ??= globalThis;
    globalThis.document ??= { hidden: false, addEventListener: () => {}, removeEventListener: () => {} };
    const abort = new AbortController();
    const finished = fetchEventSource(url, {
      openWhenHidden: true,
      fetch,
      signal: abort.signal,
      onopen: async ({ status }) => {
        if (status !== 200) throw new Error(`status ${status}`);
        onOpen();
      },
      onmessage: ({ event, data, id }) => onEvent({ type: event, data, id }),
      onclose: () => {
        throw new Error('the stream has ended');
      },
      onerror: () => {}, // reconnect after the server's retry time
    });
    return { stop: () => (abort.abort(), finished) };
  };
}

// Libraries that read one response; `read` gives its messages. The loop around them keeps the cursor.
function readerLoop(read) {
  return (url, { onOpen, onEvent }) => {
    const abort = new AbortController();
    const { signal } = abort;
    let cursor;
    let retry = 1000;
    const loop = async () => {
      while (!signal.aborted) {
        try {
          const headers = { Accept: 'text/event-stream', ...(cursor && { 'Last-Event-ID': cursor }) };
          const response = await fetch(url, { headers, signal });
          if (!response.ok) throw new Error(`status ${response.status}`);
          onOpen();
          for await (const message of read(response, signal)) {
            if (message.id) cursor = `${message.id}`;
            retry = message.retry ?? retry;
            onEvent({ type: message.event, data: message.data, id: `${message.id}` });
          }
        } catch {
          // treated like an end
        }
        await sleep(signal.aborted ? 0 : retry);
      }
    };
    const finished = loop();
    return { stop: () => (abort.abort(), finished) };
  };
}

export const azure = ({ createSseStream }) => readerLoop((response) => createSseStream(response.body));

export const fetchEventStream = ({ events }) => readerLoop((response, signal) => events(response, signal));

// curl, in the loop that docs/clients.md describes.
export function curl(url, { onOpen, onEvent }) {
  const child = spawn('bash', ['-c', curlLoop(url)], { detached: true, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.on('close', resolve));
  readline.createInterface({ input: child.stdout }).on('line', (line) => {
    if (line === 'opened') return onOpen();
    const { id, data } = JSON.parse(line);
    onEvent({ type: data.type, data: JSON.stringify(data.data), id });
  });
  return { stop: () => (process.kill(-child.pid), ended) };
}

// The document's script with the address of the test; it reports each connection.
function curlLoop(url) {
  const document = fs.readFileSync(path.join(kRoot, 'docs', 'clients.md'), 'utf8');
  const [, text] = /^## curl\n[^]*?\n((?: {4}.*\n)+)/m.exec(document);
  const edit = (before, after, script) => {
    assert.ok(script.includes(before), `docs/clients.md, curl: ${before} not found`);
    return script.replace(before, () => after);
  };
  const reporting = edit('case $line in', `case $line in 'event: pgevents.cursor') echo opened ;;`, text);
  return edit('http://localhost:8080/rt/events/cheese', `'${url}&envelope=1'`, reporting);
}

// A program that writes one line per connection ({ open }) and per event.
export function program(command, args) {
  return (url, { types, onOpen, onEvent }) => {
    const child = spawn(command, [...args, url, ...types], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = new Promise((resolve) => child.on('close', resolve));
    readline.createInterface({ input: child.stdout }).on('line', (line) => {
      const message = JSON.parse(line);
      if (message.open) onOpen();
      else onEvent(message);
    });
    return { stop: () => (child.kill(), ended) };
  };
}

// A page in Chromium. `scripts`: files that it loads; `run`: a function that runs there, with `report(name, value)`.
export function page(browser, { scripts = [], html = '', run }) {
  return (url, { types, onOpen, onEvent }) => {
    const context = browser.newContext(); // with its own socket pool: a browser opens six connections per host
    const ready = context.then(async (its) => {
      const tab = await its.newPage();
      await tab.exposeFunction('report', (name, value) => (name === 'open' ? onOpen() : onEvent(value)));
      await tab.goto(new URL('/blank', url).href);
      if (html) await tab.setContent(html);
      for (const script of scripts) await tab.addScriptTag(script);
      await tab.evaluate(run, { url, types });
    });
    ready.catch((error) => onEvent({ type: 'failure', data: error.message, id: '' }));
    return { stop: async () => (await context).close() };
  };
}
