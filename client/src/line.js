// The way to the server: one request after the other, each at the cursor, by the transport that works here, with
// pauses after failures. It keeps no events: what the feed did not take is asked for again.
import { aborted, pause, Timer } from './environment.js';
import { AuthError, PgeventsError, SilenceError } from './errors.js';
import { eventSource, poll, stream } from './transports.js';

/** @typedef {import('./types.js').EventObject} EventObject */
/** @typedef {'stream' | 'event-source' | 'long-poll' | 'poll'} Transport */
/** @typedef {Record<string, string | number>} Query */

/**
 * @typedef {object} LineOptions
 * @property {Transport[]} transports  in the order of preference; long-poll is the last resort of all
 * @property {number} heartbeatTimeout  milliseconds: a stream that is silent for longer is dead, or held back by a
 *   proxy; and so is one that does not begin in a fifth of it
 * @property {string[]} [types]  only events of these types
 * @property {string[]} [notTypes]  all but events of these types
 */

// Why an attempt ends that has not failed.
const kRestart = 'restart';
/** @type {Record<string, typeof stream | undefined>} */
const kStreams = { stream, 'event-source': eventSource };
// A timer that is so late was not late: the page or the machine slept.
const kSleep = 5000;
// A connection that lived for longer was a good one, a gateway that gave up later has waited.
const kShort = 1000;
// Until streams are tried again after one was held back.
const kStreamRetry = 300_000;
const kFirstDelay = 1000;
const kLongestDelay = 30_000;

/**
 * How long to wait after so many failures in a row: at random over the whole time, so that clients that failed together
 * do not come back together ("full jitter"); but at least as long as the server said with the last one.
 * @param {import('./environment.js').Environment} world
 * @param {number} failures
 * @param {any} error
 */
export const backoff = ({ random }, failures, { retryAfter = 0 }) =>
  Math.max(retryAfter, random() * Math.min(kLongestDelay, kFirstDelay * 2 ** (failures - 1)));

export class Line {
  options;
  world;
  /** Without a sign of life in its time the attempt ends. */
  watchdog;
  #server;
  #url;
  #feed;
  #live = false;
  #behind = false;
  /** @type {Promise<void> | undefined} */
  #loop;
  #attempt = new AbortController();
  /** @type {typeof stream | undefined} the one that is at work; not with polls */
  #streams;
  #asked_at = 0;
  #failures = 0;
  #blamed_until = 0;

  /**
   * @param {import('./server.js').Server} server
   * @param {string[]} channels
   * @param {LineOptions} options
   * @param {import('./feed.js').Feed} feed
   */
  constructor(server, channels, options, feed) {
    this.#server = server;
    this.#url = `${server.base}/events/${channels.map(encodeURIComponent)}?`;
    this.#feed = feed;
    this.world = server.world;
    this.options = options;
    this.watchdog = new Timer(this.world, (late) => {
      this.#attempt.abort(late > kSleep ? kRestart : new SilenceError('No answer'));
    });
  }

  // --- for the feed ---

  /** Keeps a request open from now on. */
  live() {
    this.#live = true;
    this.#go();
  }

  /** Asks for what there is behind the cursor; until there was an answer, or off(). */
  catchUp() {
    this.#behind = true;
    return this.#go();
  }

  off() {
    this.#live = this.#behind = false;
    this.restart();
  }

  /** Ends whatever is going on, a pause too, and begins anew at the cursor. */
  restart() {
    this.#attempt.abort(kRestart);
  }

  // --- for the transports ---

  /** @param {Query} query */
  url(query) {
    const { types, notTypes } = this.options;
    const parameters = { ...query, types, not_types: notTypes, last_event_id: this.#feed.cursor };
    const given = Object.entries(parameters).filter(([, value]) => value);
    return this.#url + new URLSearchParams(/** @type {any} */ (given));
  }

  /**
   * One request at the cursor, whose answer must begin within `patience` ms.
   * @param {Query} query
   * @param {number} patience
   * @param {AbortSignal} signal
   * @param {Record<string, string>} [headers]
   */
  async ask(query, patience, signal, headers) {
    // Waiting for a token is no silence of the server.
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
    this.#feed.show(1);
    const busy = this.#feed.receive(events, to);
    if (!busy) return;
    this.watchdog.set();
    return busy.then(() => this.watchdog.set(this.options.heartbeatTimeout));
  }

  /**
   * The token that was good when the request was made is over, in the server's words.
   * @param {string} reason
   */
  over(reason) {
    const error = new AuthError(`Token ${reason}`, { status: 401, code: `TOKEN_${reason}`.toUpperCase() });
    this.#server.refuse(error);
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
      attempt.abort(); // an answer that was not read to its end
      this.watchdog.set();
      this.#attempt = new AbortController();
      if (wait > 0) await pause(this.world, wait, this.#attempt.signal);
    }
    this.#loop = undefined;
  }

  /** @param {AbortSignal} signal */
  async #connect(signal) {
    const transport = this.#choose();
    // Without a cursor there is nothing to come back to should the first request fail. And who has just come wants to
    // know soon whether the server answers, which a long poll or an EventSource would not say.
    const at_once = this.#behind || !this.#feed.cursor || (transport !== 'stream' && this.#feed.state !== 1);
    this.#streams = at_once ? undefined : kStreams[transport];
    const wait = await (this.#streams ?? poll)(this, signal, at_once || transport === 'poll');
    this.#behind = false;
    this.#failures = 0;
    return at_once ? 0 : wait;
  }

  #choose() {
    const streams = this.world.now() >= this.#blamed_until;
    const chosen = this.options.transports.find((name) => streams || name.endsWith('poll')) ?? 'long-poll';
    if (this.#live) this.#feed.show(this.#feed.state, chosen);
    return chosen;
  }

  /**
   * What follows from a failure: how long to wait.
   * @param {any} reason
   */
  #failed(reason) {
    const { now } = this.world;
    const error = reason instanceof PgeventsError ? reason : new PgeventsError(`${reason}`, { cause: reason });
    const { status, code } = error;
    // A gateway was less patient than the server.
    if (reason === kRestart || (status === 504 && now() - this.#asked_at > kShort)) return 0;
    if (!this.#failures++ && (status === 504 || (status === 401 && this.#server.ask))) return 0;
    if (this.#streams && error instanceof SilenceError) {
      this.#blamed_until = now() + kStreamRetry;
      this.#feed.show(0);
      return 0;
    }
    if (!this.#streams && !status) this.#blamed_until = 0; // it was not the streams' fault: polls fail as well
    if (code === 'BAD_REQUEST') this.#feed.close(error);
    else this.#feed.show(0, this.#feed.transport, error);
    // What is not granted is not worth asking for again, before setToken().
    return code === 'FORBIDDEN' ? Infinity : backoff(this.world, this.#failures, error);
  }
}
