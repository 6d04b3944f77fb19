// Delivers the events of some channels as they are committed, each once and in order. Its interface resembles
// EventSource; unlike an EventSource it reconnects after any error, sends tokens and shares connections.
import { ChannelState } from './channel_state.js';
import { Server } from './server.js';

/** @typedef {import('./types.js').EventMap} EventMap */

/**
 * An event of a channel. `data` is parsed; `ts` is the time of commit, in seconds since 1970.
 * @template [T=any]
 * @typedef {Event & { data: T, lastEventId: string, channel: string, ts: number }} ChannelEvent
 */

/**
 * Something failed; unless the channel is CLOSED now, it reconnects by itself.
 * @typedef {Event & { error: import('./errors.js').PgeventsError }} ChannelErrorEvent
 */

/**
 * Reloads the application's state after a gap in the history. Events wait until it has finished; it is called again if
 * it fails. It may return the cursor that belongs to the new state.
 * @callback ReloadHook
 * @param {import('./types.js').ResetData} data
 * @returns {string | void | Promise<string | void>}
 */

/**
 * @typedef {import('./channel_state.js').ChannelStateOptions & Partial<import('./connection.js').ConnectionOptions> &
 *   import('./server.js').ServerOptions & { onreset?: ReloadHook }} ChannelOptions
 */

/**
 * @template {string} K
 * @typedef {K extends keyof EventMap ? ChannelEvent<EventMap[K]>
 *   : K extends 'error' ? ChannelErrorEvent : ChannelEvent} EventOf
 */

/**
 * An EventTarget whose listeners know the type of their event's data.
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

  /** @type {((event: Event) => void) | null | undefined} connected, or reconnected */
  onopen;
  /** @type {((event: ChannelErrorEvent) => void) | null | undefined} */
  onerror;
  /** @type {((event: ChannelEvent) => void) | null | undefined} every event, of any type */
  onevent;
  /** @type {ReloadHook | null | undefined} */
  onreset;
  #state;

  /**
   * @param {string | Server} base  the address of pgevents, such as /rt
   * @param {string | string[]} channels
   * @param {ChannelOptions} [options]
   */
  constructor(base, channels, options = {}) {
    super();
    this.onreset = options.onreset;
    const server = base instanceof Server ? base : new Server(base, options);
    this.#state = new ChannelState(this, server, [channels].flat(), options);
  }

  get readyState() {
    return this.#state.readyState;
  }

  /** The cursor: everything up to this position has been delivered. */
  get lastEventId() {
    return this.#state.cursor;
  }

  /** The transport in use; for a tab that follows another, the transport of that tab. */
  get transport() {
    return this.#state.transport;
  }

  /** Whether this page makes the requests itself. */
  get leading() {
    return this.#state.tabs?.leading ?? true;
  }

  /**
   * Sets a new token for all tabs that share, and reconnects at the cursor. Without a token: the cookie has been
   * renewed.
   * @param {string} [token]
   */
  setToken(token) {
    this.#state.tabs?.renew(token);
    this.#state.setToken(token);
  }

  close() {
    this.#state.close();
  }
}
