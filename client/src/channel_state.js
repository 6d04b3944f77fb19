// The state of an EventChannel: its cursor, the order of events, and whether this page makes requests itself, follows
// another tab, or pauses.
import { eventOf, Timer } from './environment.js';
import { Connection } from './connection.js';
import { Tabs } from './tabs.js';
import { kReset } from './transports.js';

/** @typedef {import('./types.js').EventObject} EventObject */
/** @typedef {import('./errors.js').PgeventsError} PgeventsError */
/** @typedef {import('./connection.js').Transport} Transport */

/**
 * @typedef {object} ChannelStateOptions
 * @property {string} [lastEventId]  the cursor to start behind: an id, 0 (all events in the log) or rt-<seconds>;
 *   absent: from now on
 * @property {boolean | string} [share]  one request for all tabs of the origin with the same channels and types; a
 *   string (such as the user's id) if tabs of different users must not share
 * @property {number} [pauseHidden]  milliseconds that a page may be hidden before it pauses; absent: it never pauses
 */

const kDefaults = {
  transports: /** @type {Transport[]} */ (['stream', 'long-poll']),
  heartbeatTimeout: 25_000,
};

// Types of the library's own events. An application's event of such a type goes only to `onevent`.
const kOwn = new Set(['open', 'error']);

const kConnecting = 0;
const kOpen = 1;
const kClosed = 2;

export class ChannelState {
  /** @type {string | undefined} everything up to this position has been delivered */
  cursor;
  readyState = kConnecting;
  /** @type {Transport | undefined} */
  transport;
  connection;
  /** @type {Tabs | undefined} */
  tabs;
  #server;
  #target;
  #paused = true;
  #closing = new AbortController();

  /**
   * @param {import('./event_channel.js').EventChannel} channel
   * @param {import('./server.js').Server} server
   * @param {string[]} names
   * @param {ChannelStateOptions & Partial<import('./connection.js').ConnectionOptions>} options
   */
  constructor(channel, server, names, { lastEventId, share, pauseHidden, ...own }) {
    this.#target = channel;
    this.#server = server;
    this.cursor = lastEventId;
    const options = { ...kDefaults, ...own };
    const { types, notTypes, transports, heartbeatTimeout } = options;
    const { locks, BroadcastChannel } = server.world;
    // An EventSource shows no heartbeats, so other tabs could not see whether the leader is alive.
    if (share && locks && BroadcastChannel && !transports.includes('event-source')) {
      const name = `${[server.base, names, types, notTypes, share]}`;
      this.tabs = new Tabs(this, server.world, name, heartbeatTimeout);
    }
    this.connection = new Connection(server, names, options, this);
    this.#watch(pauseHidden);
    this.#resume();
  }

  // --- events ---

  /**
   * Takes events from the connection or the leading tab. Returns a promise while the application reloads its state.
   * @param {EventObject[]} events
   * @param {string | number} [to]  the cursor behind them
   * @returns {void | Promise<void>}
   */
  receive(events, to) {
    if (events[0]?.data.type === kReset) {
      return this.#reset(events[0]).then(() => this.receive(events.slice(1), to));
    }
    this.tabs?.post({ from: this.cursor, to, events });
    for (const { id, channel_id: channel, ts, data: { type, data } } of events) {
      if (!this.#advance(id)) continue;
      const event = { data, lastEventId: `${id}`, channel, ts };
      this.#emit(type, event, this.#target.onevent, kOwn.has(type) ? new EventTarget() : this.#target);
    }
    this.#advance(to);
  }

  // The cursor only moves forward, so an event that arrives twice is delivered once. Every id is behind a cursor that
  // is a time, and behind an absent one.
  /** @param {string | number} [id] */
  #advance(id) {
    if (!id || this.readyState === kClosed || Number(id) <= Number(this.cursor)) return false;
    this.cursor = `${id}`;
    return true;
  }

  // The cursor moves only after the application has reloaded its state. If that fails, the server sends the reset
  // again.
  /** @param {EventObject} event */
  async #reset({ id, data: { type, data } }) {
    this.tabs?.post({ gap: true });
    this.#emit(type, { data, lastEventId: `${id}` }, this.#target.onevent);
    this.cursor = (await this.#target.onreset?.(data)) || `${id}`;
  }

  // Adds the handler as a listener for this event only: the browser then calls it, and reports exceptions.
  /**
   * @param {string} type
   * @param {object} [fields]
   * @param {((event: any) => void) | null} [handler]
   * @param {Pick<EventTarget, 'addEventListener' | 'dispatchEvent'>} [target]
   */
  #emit(type, fields, handler, target = this.#target) {
    if (handler) target.addEventListener(type, handler, { once: true });
    target.dispatchEvent(eventOf(type, fields));
  }

  // --- state ---

  /**
   * @param {number} state
   * @param {Transport} [transport]
   * @param {PgeventsError} [error]  what failed
   */
  show(state, transport = this.transport, error) {
    const { readyState: before } = this;
    if (before === kClosed || (!error && state === before && transport === this.transport)) return;
    this.readyState = state;
    this.transport = transport;
    this.tabs?.post({ problem: error?.message });
    if (error) this.#emit('error', { error }, this.#target.onerror);
    if (state === kOpen && before !== kOpen) this.#emit('open', {}, this.#target.onopen);
    this.#emit('pgevents.state');
  }

  /** @param {PgeventsError} [error]  the reason, if the application did not close it */
  close(error) {
    this.#closing.abort();
    this.#pause();
    this.show(kClosed, undefined, error);
  }

  /** @param {string} [token] */
  setToken(token) {
    this.#server.setToken(token);
    this.connection.restart();
  }

  #resume() {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.tabs) this.tabs.join();
    else this.connection.live();
  }

  #pause() {
    this.#paused = true;
    this.tabs?.leave();
    this.connection.off();
  }

  // Pauses when the page has been hidden for `patience` ms, resumes when it is visible; reconnects when it is online
  // again.
  /** @param {number} [patience] */
  #watch(patience) {
    const { world } = this.#server;
    const { document } = world;
    const { signal } = this.#closing;
    const timer = new Timer(world, () => {
      this.#pause();
      this.show(kConnecting);
    });
    world.window?.addEventListener?.('online', () => this.connection.restart(), { signal });
    document?.addEventListener('visibilitychange', () => {
      timer.set(document.hidden ? patience : undefined);
      if (!document.hidden) this.#resume();
    }, { signal });
  }
}
