// The side of a channel that the server sees: one attempt after another, each from the current cursors, by the first
// transport that works, with delays after failures. It stores no events: events that the channel did not take are
// requested again.
import { Attempt, kRestart, kShort, lowest } from './attempt.js';
import { Delivery } from './delivery.js';
import { pause } from './environment.js';
import { AddressError, PgeventsError } from './errors.js';
import { backoff } from './server.js';
import { poll } from './transports.js';

/** @typedef {import('./subscription.js').Subscription} Subscription */
/** @typedef {'websocket' | 'stream' | 'event-source' | 'long-poll' | 'poll'} Transport */

/**
 * A transport that stays open: makes one request, and resolves with the milliseconds to wait before the next one.
 * @typedef {object} Stream
 * @property {(attempt: Attempt) => Promise<number>} run
 * @property {(connection: Connection) => any} isUsable  here, with these options
 * @property {typeof import('./stream_part.js').failed} failed
 */

/**
 * @typedef {object} ConnectionOptions
 * @property {Transport[]} transports  in order of preference; absent: in the order of the parts; long-poll is the last
 *   resort
 * @property {number} heartbeatTimeout  milliseconds: a stream that is silent for longer is dead or held back by a
 *   proxy, and so is one that does not begin within a fifth of this time
 * @property {string[]} [types]  receive only events of these types
 * @property {string[]} [notTypes]  receive no events of these types
 * @property {string | number} [lastEventId]  the cursor to start behind: an id, 0 (all events in the log) or
 *   rt-<seconds>; absent: from now on
 * @property {boolean | string} [share]  one connection for all tabs of the origin; a string (such as the user's id) if
 *   tabs of different users must not share; absent: with the tabs of the same user, as far as their tokens show it
 * @property {number} [pauseHidden]  milliseconds that a page may be hidden before it pauses; absent: it never pauses
 * @property {import('./environment.js').Signal} [signal]  closes the channel
 * @property {((data: any, cursor: string) => any) | null} [onreset]  reloads the application's state after a gap
 * @property {object[]} [parts]  what the channel can do besides polling
 */

// An answer that no repetition mends: neither a rejected token nor a server that is busy.
const kFinal = /^4(?!01|08|25|29)/;
const kTimeouts = [504, 12002]; // 12002: WinInet's code for a timeout, which old browsers give as a status

export class Connection extends Delivery {
  /** Whether the server has answered at least once. */
  met = false;
  /** @type {Attempt | undefined} */
  current;
  /** @type {Attempt | undefined} the one that ends when the current one has sent its request */
  previous;
  is_live = false;
  #is_running = false;
  #wake = new AbortController();
  /** Attempts that have failed in a row. */
  failures = 0;
  /** Until when a transport is not used. @type {Record<string, number>} */
  blocked = {};

  /**
   * @param {import('./server.js').Server} server
   * @param {any} options
   */
  constructor(server, options) {
    super();
    this.server = server;
    this.world = server.world;
    this.parts = Object.assign({}, ...options.parts ?? []);
    /** @type {ConnectionOptions} */
    this.options = { transports: Object.keys(this.parts), heartbeatTimeout: 25_000, ...options };
    this.onreset = options.onreset;
    /** @type {import('./tabs.js').Tabs | undefined} */
    this.tabs = this.parts.tabsOf?.(this);
  }

  /** Keeps a request open until off(). */
  live() {
    this.is_live = true;
    if (!this.#is_running) this.#run();
  }

  off() {
    this.is_live = false;
    this.restart();
  }

  /** Aborts the current request or delay and starts again from the cursors. */
  restart() {
    this.previous?.end();
    this.current?.end();
    this.#wake.abort();
  }

  /** There is a new token: an open WebSocket takes it; other transports reconnect. @param {string} [token] */
  renew(token) {
    const { socket } = this.server;
    if (token && socket) socket.ask({ token }).catch(() => this.restart());
    else this.restart();
  }

  /** Channels were added or removed. */
  changed() {
    if (this.parts.changed) this.parts.changed(this);
    else this.restart();
  }

  /**
   * The server rejects these channels. One may be the cause: asks for each by itself, if the part for this is there.
   * @param {Subscription[]} subscriptions
   * @param {any} error
   */
  reject(subscriptions, error) {
    const { join } = this.parts;
    for (const subscription of subscriptions) {
      if (join && subscriptions.length > 1) join(this, [subscription]);
      else this.refuse(subscription, error);
    }
  }

  // --- the loop ---

  async #run() {
    this.#is_running = true;
    await undefined; // further channels are added in this task
    while (this.is_live) {
      const attempt = (this.current = this.#next());
      let wait = Infinity;
      this.#wake = new AbortController();
      if (attempt) {
        try {
          wait = await Promise.race([this.#connect(attempt), attempt.replaced.promise]);
        } catch (error) {
          wait = this.#failed(attempt, attempt.reason ?? error);
        }
        if (attempt === this.previous) continue;
        if (attempt.signal.aborted) wait = 0;
        attempt.end(); // cancels an answer that was not read completely
        this.current = undefined;
      }
      if (wait > 0) await pause(this.world, wait, this.#wake.signal);
    }
    this.#is_running = false;
  }

  // Channels without a cursor get theirs first.
  #next() {
    const wanted = [...this.subscriptions.values()].filter(({ phase }) => phase !== 'refused');
    const fresh = wanted.filter(({ lastEventId }) => !lastEventId);
    const chosen = this.parts.choose?.(this) ?? (fresh.length ? fresh : wanted);
    return chosen.length ? new Attempt(this, chosen, this.#choose()) : undefined;
  }

  /** @param {Attempt} attempt */
  async #connect(attempt) {
    const { transport } = attempt;
    // Start with a short poll: without a cursor the client could not resume if its first stream failed, and a long
    // poll, a WebSocket or an EventSource does not show soon why the server rejects it.
    const at_once = !lowest(attempt.subscriptions) || (transport !== 'stream' && !this.isOpen);
    const stream = at_once ? undefined : this.parts[transport];
    attempt.stream = stream;
    const wait = await (stream?.run(attempt) ?? poll(attempt, at_once || transport === 'poll'));
    if (at_once) return 0;
    this.failures = 0;
    return wait;
  }

  #choose() {
    const transport = this.options.transports.find((name) => name.endsWith('poll') ||
      (!(this.world.now() < this.blocked[name]) && this.parts[name]?.isUsable?.(this))) ?? 'long-poll';
    this.show(this.state, { transport, interval: this.interval });
    return transport;
  }

  /** @param {any} error */
  isFinal(error) {
    const { status, code } = error;
    if (this.server.lacksToken(error)) return true;
    return (error instanceof AddressError || kFinal.test(status)) && (code || !this.met);
  }

  /**
   * Handles a failure; returns the milliseconds to wait.
   * @param {Attempt} attempt
   * @param {any} reason
   */
  #failed(attempt, reason) {
    const { world } = this;
    const { met, age } = attempt;
    const error = reason instanceof PgeventsError ? reason : new PgeventsError(`${reason}`, { cause: reason });
    const { status } = error;
    const is_timeout = kTimeouts.includes(/** @type {number} */ (status));
    if (met && age > kShort) this.failures = 0;
    // A gateway timed out before the server answered: repeat without a delay.
    if (reason === kRestart || (is_timeout && age > kShort)) return 0;
    if (this.isFinal(error)) {
      this.reject(attempt.subscriptions, error);
      return Infinity;
    }
    const failures = ++this.failures;
    if (failures === 1 && (is_timeout || (status === 401 && this.server.ask))) return 0;
    if (attempt.stream?.failed(attempt, error)) return 0;
    if (!met) this.blocked = {}; // others fail as well: the transport was not the cause
    this.show(failures > 1 || world.navigator?.onLine === false ? 'offline' : 'connecting', { error });
    return backoff(world, failures, error);
  }
}
