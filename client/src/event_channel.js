// Events of some channels as they are committed, each once and in order: feels like an EventSource, and goes on where
// that ends.
import { Feed } from './feed.js';
import { Server } from './server.js';

/** @typedef {import('./types.js').EventMap} EventMap */

/**
 * An event of a channel. `data` is parsed; `ts` is the time of commit, in seconds since 1970.
 * @template [T=any]
 * @typedef {Event & { data: T, lastEventId: string, channel: string, ts: number }} ChannelEvent
 */

/**
 * Something failed; unless the channel is CLOSED now, it goes on by itself.
 * @typedef {Event & { error: import('./errors.js').PgeventsError }} ChannelErrorEvent
 */

/**
 * Reloads the application's state after a gap in the history. Events wait until it is done, and it is called again if
 * it fails. May give the cursor that belongs to the new state.
 * @callback ReloadHook
 * @param {import('./types.js').ResetData} data
 * @returns {string | void | Promise<string | void>}
 */

/**
 * @typedef {import('./feed.js').FeedOptions & Partial<import('./line.js').LineOptions> &
 *   import('./server.js').ServerOptions & { onreset?: ReloadHook }} ChannelOptions
 */

/**
 * @template {string} K
 * @typedef {K extends keyof EventMap ? ChannelEvent<EventMap[K]>
 *   : K extends 'error' ? ChannelErrorEvent : ChannelEvent} EventOf
 */

/**
 * An EventTarget that knows what its events hold.
 * @typedef {Omit<EventTarget, 'addEventListener'> & {
 *   addEventListener<K extends string>(
 *     type: K,
 *     listener: ((event: EventOf<K>) => void) | EventListenerObject | null,
 *     options?: boolean | AddEventListenerOptions,
 *   ): void,
 * }} ChannelTarget
 */

const Target = /** @type {new () => ChannelTarget} */ (EventTarget);

export class EventChannel extends Target {
  static CONNECTING = 0;
  static OPEN = 1;
  static CLOSED = 2;

  /** @type {((event: Event) => void) | null | undefined} it is connected, or is again */
  onopen;
  /** @type {((event: ChannelErrorEvent) => void) | null | undefined} */
  onerror;
  /** @type {((event: ChannelEvent) => void) | null | undefined} every event, whatever its type */
  onevent;
  /** @type {ReloadHook | null | undefined} */
  onreset;
  #feed;

  /**
   * @param {string | Server} base  the address of pgevents, such as /rt
   * @param {string | string[]} channels
   * @param {ChannelOptions} [options]
   */
  constructor(base, channels, options = {}) {
    super();
    this.onreset = options.onreset;
    this.#feed = new Feed(this, base instanceof Server ? base : new Server(base, options), [channels].flat(), options);
  }

  get readyState() {
    return this.#feed.state;
  }

  /** The cursor: everything up to here has been delivered. */
  get lastEventId() {
    return this.#feed.cursor;
  }

  /** How events come at present; of a tab that follows another, how they come there. */
  get transport() {
    return this.#feed.transport;
  }

  /** Whether this page holds the request itself. */
  get leading() {
    return this.#feed.tabs?.leading ?? true;
  }

  /**
   * A new token, for all tabs that share; without one: the cookie is new. What waits for it goes on, at its cursor.
   * @param {string} [token]
   */
  setToken(token) {
    this.#feed.tabs?.renew(token);
    this.#feed.setToken(token);
  }

  close() {
    this.#feed.close();
  }
}
