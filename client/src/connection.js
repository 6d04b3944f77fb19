// The connection to the server: one request after another, each from the current cursor, by the first transport that
// works, with delays after failures. It stores no events: events that the channel did not take are requested again.
import { aborted, pause, Timer } from './environment.js';
import { AuthError, PgeventsError, SilenceError } from './errors.js';
import { eventSource, poll, stream } from './transports.js';

/** @typedef {import('./types.js').EventObject} EventObject */
/** @typedef {'stream' | 'event-source' | 'long-poll' | 'poll'} Transport */
/** @typedef {Record<string, string | number>} Query */

/**
 * @typedef {object} ConnectionOptions
 * @property {Transport[]} transports  in order of preference; long-poll is the last resort
 * @property {number} heartbeatTimeout  milliseconds: a stream that is silent for longer is dead or held back by a
 *   proxy, and so is one that does not begin within a fifth of this time
 * @property {string[]} [types]  receive only events of these types
 * @property {string[]} [notTypes]  receive no events of these types
 */

// The reason of an attempt that ends without a failure.
const kRestart = 'restart';
/** @type {Record<string, typeof stream | undefined>} */
const kStreams = { stream, 'event-source': eventSource };
// If a timer is this late (ms), the page or the machine was asleep.
const kSleep = 5000;
// A connection that lasted longer (ms) resets the failures. A 504 that comes later than this is a gateway's timeout.
const kShort = 1000;
// Milliseconds until streams are tried again after a proxy held one back.
const kStreamRetry = 300_000;
const kFirstDelay = 1000;
const kLongestDelay = 30_000;

/**
 * Milliseconds to wait after this many failures in a row. The delay is random from 0 to a limit that doubles ("full
 * jitter"), so that clients that failed together do not reconnect together; it is never shorter than the server's
 * Retry-After.
 * @param {import('./environment.js').Environment} world
 * @param {number} failures
 * @param {any} error
 */
export const backoff = ({ random }, failures, { retryAfter = 0 }) =>
  Math.max(retryAfter, random() * Math.min(kLongestDelay, kFirstDelay * 2 ** (failures - 1)));

export class Connection {
  options;
  world;
  /** Ends the attempt if no sign of life arrives in time. */
  watchdog;
  #server;
  #url;
  #channel;
  #live = false;
  #behind = false;
  /** @type {Promise<void> | undefined} */
  #loop;
  #attempt = new AbortController();
  /** @type {typeof stream | undefined} the streaming transport in use; undefined with polls */
  #streams;
  #asked_at = 0;
  #failures = 0;
  #streams_blocked_until = 0;

  /**
   * @param {import('./server.js').Server} server
   * @param {string[]} channels
   * @param {ConnectionOptions} options
   * @param {import('./channel_state.js').ChannelState} channel
   */
  constructor(server, channels, options, channel) {
    this.#server = server;
    this.#url = `${server.base}/events/${channels.map(encodeURIComponent)}?`;
    this.#channel = channel;
    this.world = server.world;
    this.options = options;
    this.watchdog = new Timer(this.world, (late) => {
      this.#attempt.abort(late > kSleep ? kRestart : new SilenceError('No answer'));
    });
  }

  // --- for ChannelState ---

  /** Keeps a request open until off(). */
  live() {
    this.#live = true;
    this.#go();
  }

  /** Requests the events behind the cursor, until an answer arrives or off() is called. */
  catchUp() {
    this.#behind = true;
    return this.#go();
  }

  off() {
    this.#live = this.#behind = false;
    this.restart();
  }

  /** Aborts the current request or delay and starts again from the cursor. */
  restart() {
    this.#attempt.abort(kRestart);
  }

  // --- for the transports ---

  /** @param {Query} query */
  url(query) {
    const { types, notTypes } = this.options;
    const parameters = { ...query, types, not_types: notTypes, last_event_id: this.#channel.cursor };
    const given = Object.entries(parameters).filter(([, value]) => value);
    return this.#url + new URLSearchParams(/** @type {any} */ (given));
  }

  /**
   * Makes one request from the cursor; its answer must begin within `patience` ms.
   * @param {Query} query
   * @param {number} patience
   * @param {AbortSignal} signal
   * @param {Record<string, string>} [headers]
   */
  async ask(query, patience, signal, headers) {
    // Waiting for a token does not count as silence of the server.
    await Promise.race([this.#server.token(), aborted(signal)]);
    this.watchdog.set(patience);
    this.#asked_at = this.world.now();
    return this.#server.request(this.url(query), { headers, signal });
  }

  /**
   * @param {EventObject[]} events
   * @param {string | number} [to]  the cursor behind them
   */
  receive(events, to) {
    if (this.world.now() - this.#asked_at > kShort) this.#failures = 0;
    this.#channel.show(1);
    const busy = this.#channel.receive(events, to);
    if (!busy) return;
    this.watchdog.set();
    return busy.then(() => this.watchdog.set(this.options.heartbeatTimeout));
  }

  /**
   * The token has become invalid since the request was made.
   * @param {string} reason  from the server
   */
  over(reason) {
    const error = new AuthError(`Token ${reason}`, { status: 401, code: `TOKEN_${reason}`.toUpperCase() });
    this.#server.reject(error);
    return error;
  }

  // --- the loop ---

  #go() {
    return (this.#loop ??= this.#run());
  }

  async #run() {
    while (this.#live || this.#behind) {
      const attempt = (this.#attempt = new AbortController());
      const { signal } = attempt;
      let wait;
      try {
        wait = await this.#connect(signal);
      } catch (error) {
        wait = this.#failed(signal.aborted ? signal.reason : error);
      }
      if (signal.aborted) wait = 0;
      attempt.abort(); // cancels an answer that was not read completely
      this.watchdog.set();
      this.#attempt = new AbortController();
      if (wait > 0) await pause(this.world, wait, this.#attempt.signal);
    }
    this.#loop = undefined;
  }

  /** @param {AbortSignal} signal */
  async #connect(signal) {
    const transport = this.#choose();
    // Start with a short poll: without a cursor the client could not resume if its first stream failed, and a long poll
    // or an EventSource does not show soon whether the server answers.
    const at_once = this.#behind || !this.#channel.cursor || (transport !== 'stream' && this.#channel.readyState !== 1);
    this.#streams = at_once ? undefined : kStreams[transport];
    const wait = await (this.#streams ?? poll)(this, signal, at_once || transport === 'poll');
    this.#behind = false;
    this.#failures = 0;
    return at_once ? 0 : wait;
  }

  #choose() {
    const streams = this.world.now() >= this.#streams_blocked_until;
    const chosen = this.options.transports.find((name) => streams || name.endsWith('poll')) ?? 'long-poll';
    if (this.#live) this.#channel.show(this.#channel.readyState, chosen);
    return chosen;
  }

  /**
   * Handles a failure; returns the milliseconds to wait.
   * @param {any} reason
   */
  #failed(reason) {
    const { now } = this.world;
    const error = reason instanceof PgeventsError ? reason : new PgeventsError(`${reason}`, { cause: reason });
    const { status, code } = error;
    // A gateway timed out before the server answered: repeat without a delay.
    if (reason === kRestart || (status === 504 && now() - this.#asked_at > kShort)) return 0;
    if (!this.#failures++ && (status === 504 || (status === 401 && this.#server.ask))) return 0;
    if (this.#streams && error instanceof SilenceError) {
      this.#streams_blocked_until = now() + kStreamRetry;
      this.#channel.show(0);
      return 0;
    }
    if (!this.#streams && !status) this.#streams_blocked_until = 0; // polls fail as well, so streams were not the cause
    if (code === 'BAD_REQUEST') this.#channel.close(error);
    else this.#channel.show(0, this.#channel.transport, error);
    // A forbidden request is not repeated before setToken().
    return code === 'FORBIDDEN' ? Infinity : backoff(this.world, this.#failures, error);
  }
}
