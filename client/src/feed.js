// What stands behind an EventChannel: the cursor, the order of events, and whether this page asks the server itself,
// follows another tab, or pauses.
import { eventOf, Timer } from './environment.js';
import { Line } from './line.js';
import { Tabs } from './tabs.js';
import { kReset } from './transports.js';

/** @typedef {import('./types.js').EventObject} EventObject */
/** @typedef {import('./errors.js').PgeventsError} PgeventsError */
/** @typedef {import('./line.js').Transport} Transport */

/**
 * @typedef {object} FeedOptions
 * @property {string} [lastEventId]  the cursor to begin behind: an id, 0 (all that is kept) or rt-<seconds>; absent:
 *   from now on
 * @property {boolean | string} [share]  one request for all tabs of the origin that ask for the same channels; a text
 *   (the user's id, say) where tabs of several users must not share
 * @property {number} [pauseHidden]  milliseconds for which a page may be hidden before it pauses; absent: for ever
 */

const kDefaults = {
  transports: /** @type {Transport[]} */ (['stream', 'long-poll']),
  heartbeatTimeout: 25_000,
};

// Types of the library's own events. An application's event of such a type reaches `onevent` only.
const kOwn = new Set(['open', 'error']);

const kConnecting = 0;
const kOpen = 1;
const kClosed = 2;

export class Feed {
  /** @type {string | undefined} everything up to here has been delivered */
  cursor;
  state = kConnecting;
  /** @type {Transport | undefined} */
  transport;
  line;
  /** @type {Tabs | undefined} */
  tabs;
  #server;
  #channel;
  #paused = true;
  #closing = new AbortController();

  /**
   * @param {import('./event_channel.js').EventChannel} channel
   * @param {import('./server.js').Server} server
   * @param {string[]} names
   * @param {FeedOptions & Partial<import('./line.js').LineOptions>} options
   */
  constructor(channel, server, names, { lastEventId, share, pauseHidden, ...own }) {
    this.#channel = channel;
    this.#server = server;
    this.cursor = lastEventId;
    const options = { ...kDefaults, ...own };
    const { types, notTypes, transports, heartbeatTimeout } = options;
    const { locks, BroadcastChannel } = server.world;
    // Of an EventSource nobody hears that it is alive.
    if (share && locks && BroadcastChannel && !transports.includes('event-source')) {
      const name = `${[server.base, names, types, notTypes, share]}`;
      this.tabs = new Tabs(this, server.world, name, heartbeatTimeout);
    }
    this.line = new Line(server, names, options, this);
    this.#watch(pauseHidden);
    this.#resume();
  }

  // --- events ---

  /**
   * From the line, or from the leading tab; a promise while the application reloads its state.
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
      this.#emit(type, event, this.#channel.onevent, kOwn.has(type) ? new EventTarget() : this.#channel);
    }
    this.#advance(to);
  }

  // Only ever forward: whatever comes twice is delivered once. A cursor that is a time, or none, comes before every id.
  /** @param {string | number} [id] */
  #advance(id) {
    if (!id || this.state === kClosed || Number(id) <= Number(this.cursor)) return false;
    this.cursor = `${id}`;
    return true;
  }

  // The cursor moves only when the application has its new state; otherwise the server says the same again.
  /** @param {EventObject} event */
  async #reset({ id, data: { type, data } }) {
    this.tabs?.post({ gap: true });
    this.#emit(type, { data, lastEventId: `${id}` }, this.#channel.onevent);
    this.cursor = (await this.#channel.onreset?.(data)) || `${id}`;
  }

  // The handler is one more listener, for this time: the browser calls it, and reports what it throws.
  /**
   * @param {string} type
   * @param {object} [fields]
   * @param {((event: any) => void) | null} [handler]
   * @param {Pick<EventTarget, 'addEventListener' | 'dispatchEvent'>} [target]
   */
  #emit(type, fields, handler, target = this.#channel) {
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
    const { state: before } = this;
    if (before === kClosed || (!error && state === before && transport === this.transport)) return;
    this.state = state;
    this.transport = transport;
    this.tabs?.post({ problem: error?.message });
    if (error) this.#emit('error', { error }, this.#channel.onerror);
    if (state === kOpen && before !== kOpen) this.#emit('open', {}, this.#channel.onopen);
    this.#emit('pgevents.state');
  }

  /** @param {PgeventsError} [error]  why, if it is not wished */
  close(error) {
    this.#closing.abort();
    this.#pause();
    this.show(kClosed, undefined, error);
  }

  /** @param {string} [token] */
  setToken(token) {
    this.#server.setToken(token);
    this.line.restart();
  }

  #resume() {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.tabs) this.tabs.join();
    else this.line.live();
  }

  #pause() {
    this.#paused = true;
    this.tabs?.leave();
    this.line.off();
  }

  // The page is hidden and seen again, or is online again.
  /** @param {number} [patience] */
  #watch(patience) {
    const { world } = this.#server;
    const { document } = world;
    const { signal } = this.#closing;
    const timer = new Timer(world, () => {
      this.#pause();
      this.show(kConnecting);
    });
    world.window?.addEventListener?.('online', () => this.line.restart(), { signal });
    document?.addEventListener('visibilitychange', () => {
      timer.set(document.hidden ? patience : undefined);
      if (!document.hidden) this.#resume();
    }, { signal });
  }
}
