// A model of a browser for the library: pages of one origin with timers, network, locks and channels between tabs.
import { setMaxListeners } from 'node:events';

import { StreamParser } from '../../../client/src/stream_parser.js';
import { Clock } from './clock.mjs';
import { Network } from './network.mjs';

// Web Locks: one owner at a time, in the order of requests.
export class Locks {
  #held = new Map(); // name → { reject }
  #queues = new Map();

  request(name, options, callback) {
    if (options.steal) {
      const held = this.#held.get(name);
      this.#held.delete(name);
      held?.reject(new DOMException('stolen', 'AbortError'));
      return this.#grant(name, callback);
    }
    if (options.ifAvailable && (this.#held.has(name) || this.#queues.get(name)?.length)) return Promise.resolve(callback(null));
    return new Promise((resolve, reject) => {
      const queue = this.#queues.get(name) ?? [];
      this.#queues.set(name, queue);
      const entry = { run: () => this.#grant(name, callback).then(resolve, reject) };
      queue.push(entry);
      options.signal?.addEventListener('abort', () => {
        const place = queue.indexOf(entry);
        if (place >= 0) queue.splice(place, 1);
        reject(options.signal.reason);
      });
      setImmediate(() => this.#next(name));
    });
  }

  #next(name) {
    if (!this.#held.has(name)) this.#queues.get(name)?.shift()?.run();
  }

  #grant(name, callback) {
    return new Promise((resolve, reject) => {
      const holder = { reject };
      this.#held.set(name, holder);
      Promise.resolve(callback({ name })).then(resolve, reject).finally(() => {
        if (this.#held.get(name) !== holder) return;
        this.#held.delete(name);
        this.#next(name);
      });
    });
  }
}

export class Browser {
  constructor() {
    this.clock = new Clock();
    this.network = new Network(this.clock);
    this.locks = new Locks();
    this.buses = new Set();
    this.stored = new Map();
  }

  page(options) {
    return new Page(this, options);
  }
}

// What a page has over plain HTTP: no Web Locks.
export const insecure = (page) => {
  const { stored } = page.browser;
  page.environment.locks = undefined;
  page.environment.localStorage = {
    getItem: (key) => stored.get(key) ?? null,
    setItem: (key, value) => stored.set(key, value),
    removeItem: (key) => stored.delete(key),
  };
  return page;
};

// A document, a window, and the rest of an environment; `random` is 0.5 unless a test sets another.
export class Page {
  frozen = false;

  constructor(browser, { random = () => 0.5 } = {}) {
    const page = this;
    const { clock, network } = browser;
    this.document = Object.assign(new EventTarget(), { hidden: false, baseURI: 'http://test/' });
    this.window = new EventTarget();
    this.closed = new AbortController();
    setMaxListeners(0, this.closed.signal);
    this.environment = {
      now: clock.now, setTimeout: this.#timer(clock), clearTimeout: clock.clearTimeout, random,
      fetch: (url, init) => {
        if (this.closed.signal.aborted) return new Promise(() => {});
        const signals = [this.closed.signal, init?.signal].filter(Boolean);
        return network.fetch(url, { ...init, signal: AbortSignal.any(signals) });
      },
      document: this.document, window: this.window,
      locks: {
        request: (name, options, callback) => browser.locks.request(name, options, (lock) => Promise.race([
          callback(lock), new Promise((resolve) => this.closed.signal.addEventListener('abort', resolve)),
        ])),
      },
      BroadcastChannel: class {
        constructor(name) {
          Object.assign(this, { name, page });
          browser.buses.add(this);
        }

        postMessage(message) {
          if (page.closed.signal.aborted) return;
          if (!browser.buses.has(this)) throw new DOMException('closed', 'InvalidStateError');
          for (const other of browser.buses) {
            if (other === this || other.name !== this.name) continue;
            const copy = structuredClone(message);
            setImmediate(() => other.page.#deliver(() => browser.buses.has(other) && other.onmessage?.({ data: copy })));
          }
        }

        close() {
          browser.buses.delete(this);
        }
      },
      EventSource: eventSourceOn(clock, network),
      WebSocket: undefined,
      localStorage: undefined,
    };
    this.browser = browser;
    this.waiting = [];
  }

  // Timers and messages of a frozen page are delivered after it is thawed.
  #timer(clock) {
    return (callback, ms) => clock.setTimeout(() => this.#deliver(callback), ms);
  }

  #deliver(task) {
    if (this.closed.signal.aborted) return;
    if (this.frozen) this.waiting.push(task);
    else task();
  }

  thaw() {
    this.frozen = false;
    for (const task of this.waiting.splice(0)) task();
  }

  hide(hidden = true) {
    this.document.hidden = hidden;
    this.document.dispatchEvent(new Event('visibilitychange'));
  }

  online() {
    this.window.dispatchEvent(new Event('online'));
  }

  // The tab crashes: timers, network and locks end without an event.
  close() {
    this.closed.abort();
    for (const bus of this.browser.buses) if (bus.page === this) this.browser.buses.delete(bus);
  }
}

// The browser's own EventSource: reconnects after the server's `retry:` time, stops after an HTTP error.
function eventSourceOn(clock, network) {
  return class extends EventTarget {
    readyState = 0;
    #url;
    #id = '';
    #abort = new AbortController();

    constructor(url) {
      super();
      this.#url = url;
      setMaxListeners(0, this.#abort.signal);
      this.#connect();
    }

    close() {
      this.readyState = 2;
      this.#abort.abort();
    }

    #dispatch(event) {
      this[`on${event.type}`]?.(event);
      this.dispatchEvent(event);
    }

    async #connect() {
      const parser = new StreamParser();
      const url = new URL(this.#url, 'http://test');
      if (this.#id) url.searchParams.set('last_event_id', this.#id); // stands for the header
      const { signal } = this.#abort;
      try {
        const response = await network.fetch(url.href, { headers: { Accept: 'text/event-stream' }, signal });
        if (!response.ok) return this.#giveUp();
        this.readyState = 1;
        this.#dispatch(new Event('open'));
        for await (const chunk of response.body) this.#read(parser.push(chunk));
      } catch {
        // reconnect, as after the end of a stream
      }
      if (signal.aborted) return;
      this.readyState = 0;
      this.#dispatch(new Event('error'));
      clock.setTimeout(() => signal.aborted || this.#connect(), parser.retry ?? 3000);
    }

    #read(blocks) {
      for (const { type, data, id } of blocks) {
        this.#id = id;
        if (data !== undefined && this.readyState === 1) this.#dispatch(new MessageEvent(type, { data, lastEventId: id }));
      }
    }

    #giveUp() {
      this.readyState = 2;
      this.#dispatch(new Event('error'));
    }
  };
}
