// One attempt to receive: a request by one transport for some channels from their cursor, what arrives on it, and the
// watchdog that ends it.
import { deferred, timerOf, until } from './environment.js';
import { AuthError, SilenceError } from './errors.js';

/** @typedef {import('./types.js').EventObject} EventObject */
/** @typedef {import('./subscription.js').Subscription} Subscription */
/** @typedef {Record<string, string | number>} Query */

/** The reason of an attempt that ends without a failure. */
export const kRestart = 'restart';
// If a timer is this late (ms), the page or the machine was asleep.
const kSleep = 5000;
/** A connection that lasted longer (ms) was a good one; a stream that ends earlier is a poll in disguise. */
export const kShort = 1000;

/**
 * The position behind which the server must send events, so that each of these channels gets all of its own.
 * @param {Subscription[]} subscriptions
 */
export function lowest(subscriptions) {
  return subscriptions.map(({ lastEventId }) => lastEventId).sort((one, other) => Number(one) - Number(other))[0];
}

export class Attempt {
  asked_at = 0;
  /** Whether the server has answered. */
  met = false;
  /** Its transport, if that stays open. @type {import('./connection.js').Stream | undefined} */
  stream;
  /** @type {number | undefined} milliseconds until the next poll, of a server that answers polls only */
  interval;
  /** Resolved when the next attempt may begin; this one goes on until that has sent its request. */
  replaced = deferred();
  /** @type {any} why it has ended; in React Native its signal does not keep this */
  reason;
  #abort = new AbortController();

  /**
   * @param {import('./connection.js').Connection} connection
   * @param {Subscription[]} subscriptions
   * @param {import('./connection.js').Transport} transport
   */
  constructor(connection, subscriptions, transport) {
    const { world, options } = (this.connection = connection);
    this.options = options;
    this.world = world;
    this.subscriptions = subscriptions;
    this.transport = transport;
    this.signal = this.#abort.signal;
    /** Sets the timer that ends the attempt if no sign of life arrives in time. */
    this.watch = timerOf(world, (late) => this.end(late > kSleep ? kRestart : new SilenceError('No answer')));
    /** Sets the timer that shows "live", if this attempt still lasts then. */
    this.settle = timerOf(world, () => connection.show('live', { transport }));
  }

  /** @param {any} [reason] */
  end(reason = kRestart) {
    this.watch();
    this.settle();
    this.reason ??= reason;
    this.#abort.abort(reason);
  }

  /** @param {Query} query */
  url(query) {
    const { types, notTypes } = this.options;
    const parameters = { ...query, types, not_types: notTypes, last_event_id: lowest(this.subscriptions) };
    const given = Object.entries(parameters).filter(([, value]) => `${value ?? ''}`);
    const names = this.subscriptions.map(({ channel }) => encodeURIComponent(channel));
    return `${this.connection.server.base}events/${names}?${new URLSearchParams(/** @type {any} */ (given))}`;
  }

  /**
   * Makes one request from the cursor; its answer must begin within `patience` ms.
   * @param {Query} query
   * @param {number} patience
   * @param {Record<string, string>} [headers]
   */
  async ask(query, patience, headers) {
    await this.begin(patience);
    return this.connection.server.request(this.url(query), { headers, signal: this.signal }, () => this.sent());
  }

  /** Waits for a token, which does not count as silence of the server. @param {number} patience */
  async begin(patience) {
    const token = await until(this.connection.server.token(), this.signal);
    this.watch(patience);
    this.asked_at = this.world.now();
    return token;
  }

  get isCurrent() {
    return this === this.connection.current;
  }

  sent() {
    if (this.isCurrent) this.connection.previous?.end();
  }

  get age() {
    return this.world.now() - this.asked_at;
  }

  /**
   * @param {EventObject[]} events
   * @param {string | number} [to]  the cursor behind them
   * @param {Subscription[]} [subscriptions]  the channels for which this cursor counts
   */
  receive(events, to, subscriptions = this.subscriptions) {
    const { connection, met } = this;
    this.met = connection.met = true;
    if (this.isCurrent) this.#show(met);
    const busy = connection.receive(events, to, subscriptions);
    if (!met) connection.parts.changed?.(connection);
    if (!busy) return;
    this.watch();
    return busy.then(() => {
      if (!this.signal.aborted) this.watch(this.options.heartbeatTimeout);
    });
  }

  // While the page polls, a stream counts only after a moment: the fallback ends it at once.
  /** @param {boolean} met  before */
  #show(met) {
    const { interval, transport, connection } = this;
    if (interval) connection.show('polling', { transport, interval });
    else if (connection.state !== 'polling' || !this.stream) connection.show('live', { transport });
    else if (!met) this.settle(kShort);
  }

  /**
   * The token has become invalid since the request was made.
   * @param {string} reason  from the server
   */
  over(reason) {
    const error = new AuthError(`Token ${reason}`, { status: 401, code: `TOKEN_${reason}`.toUpperCase() });
    this.connection.server.reject(error);
    return error;
  }
}
