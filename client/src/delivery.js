// The side of a channel that the application sees: its subscriptions, the order of events, the cursors, what must wait
// until the application has its listeners and its state; and the state that is shown. Connection extends it.
import { lowest } from './attempt.js';
import { deferred } from './environment.js';
import { AuthError } from './errors.js';
import { Subscription } from './subscription.js';
import { Target } from './target.js';
import { kReset } from './transports.js';

/** @typedef {import('./types.js').EventObject} EventObject */
/** @typedef {import('./errors.js').PgeventsError} PgeventsError */
/** @typedef {import('./connection.js').Transport} Transport */

/**
 * `live`: events arrive as they are committed. `polling`: the page asks every few seconds. `offline`: no server
 * answers; the page tries again. `closed`: by close(), or by an error that no repetition mends.
 * @typedef {'connecting' | 'live' | 'polling' | 'offline' | 'closed'} State
 */

// Types of the library's own events. An application's event of such a type goes only to `onevent`.
const kOwn = /^(open|error|pgevents\.state)$/;

export class Delivery extends Target {
  /** @type {((event: any) => void) | null | undefined} connected, or reconnected */
  onopen;
  /** @type {((event: any) => void) | null | undefined} */
  onerror;
  /** @type {((event: any) => void) | null | undefined} the state, the transport or the interval has changed */
  onstate;
  /** @type {((data: any, cursor: string) => any) | null | undefined} */
  onreset;
  /** @type {State} */
  state = 'connecting';
  /** The transport in use; for a tab that follows another, the transport of that tab. @type {Transport | undefined} */
  transport;
  /** Milliseconds between requests while the state is "polling". @type {number | undefined} */
  interval;
  /** @type {Map<string, Subscription>} */
  subscriptions = new Map();
  /** Types that listeners want; undefined: every type. @type {Set<string | undefined>} */
  types = new Set();
  /** Of the EventSource in use. @type {((type?: string) => void) | undefined} */
  ontype;
  /** @type {import('./tabs.js').Tabs | undefined} */
  tabs;
  ended = false;
  closing = new AbortController();
  /** @type {Promise<void> | undefined} while events wait: for listeners, for start(), for the hook after a gap */
  #hold;
  #opening = deferred();
  #started = false;
  #closed = deferred();

  constructor() {
    super();
    this.#wait(this.#opening.promise);
  }

  /** Channels were added or removed. */
  changed() {}

  /** The channels to which this page has subscribed, without those that it only receives for other tabs. */
  get own() {
    return [...this.subscriptions.values()].filter(({ wanted_until }) => wanted_until === Infinity);
  }

  /** The cursor: everything up to this position has been delivered. */
  get lastEventId() {
    return lowest(this.own);
  }

  get isOpen() {
    return this.state === 'live' || this.state === 'polling';
  }

  // --- subscriptions ---

  /**
   * @param {string} name
   * @param {string | number} [cursor]
   * @param {number} [wanted_until]  for another tab
   */
  add(name, cursor, wanted_until = Infinity) {
    let its = this.subscriptions.get(name);
    if (!its || its.phase === 'refused' || (its.wanted_until < Infinity && cursor !== undefined)) {
      its?.enter('closed');
      its = new Subscription(this, name, `${cursor ?? ''}` || undefined);
      its.wanted_until = wanted_until;
      this.subscriptions.set(name, its);
      this.changed();
    }
    its.wanted_until = Math.max(its.wanted_until, wanted_until);
    if (wanted_until === Infinity) this.tabs?.announce();
    return its;
  }

  /** @param {Subscription} subscription */
  remove(subscription) {
    if (!subscription.enter('closed')) return;
    if (this.subscriptions.get(subscription.channel) === subscription) this.subscriptions.delete(subscription.channel);
    this.changed();
    this.tabs?.announce();
    this.#showIn(subscription);
  }

  /**
   * The server rejects this channel, until there is a new token.
   * @param {Subscription} subscription
   * @param {PgeventsError} error
   */
  refuse(subscription, error) {
    const { channel, wanted_until } = subscription;
    subscription.enter('refused', error);
    this.tabs?.post({ refused: channel });
    if (wanted_until < Infinity) return void this.subscriptions.delete(channel);
    this.#showIn(subscription, error);
    if (!this.own.every(({ phase }) => phase === 'refused')) return this.#fail(error);
    if (!(error instanceof AuthError)) return this.close(error);
    this.show('closed', { error });
    this.ended = true;
  }

  // --- listeners and the start ---

  /** @param {any} [type]  without one: every type */
  listened(type) {
    if (kOwn.test(type)) return;
    this.types.add(type);
    this.ontype?.(type);
    // The application attaches further listeners, or calls start(), in the same task.
    queueMicrotask(() => this.#started || this.#open());
  }

  #open() {
    this.#started = true;
    this.#opening.resolve();
  }

  // Lets events wait until this promise is settled.
  /** @param {Promise<void>} promise */
  #wait(promise) {
    return (this.#hold = promise.finally(() => (this.#hold = undefined)));
  }

  /**
   * Resolves with the cursor when the server has accepted the channels; rejects with the error if it does not.
   * @returns {Promise<string | undefined>}
   */
  get ready() {
    return Promise.all(this.own.map(({ ready }) => ready)).then(() => this.lastEventId);
  }

  /**
   * Calls `load` with the cursor, and delivers what was committed behind it when `load` is done. Calls it again after a
   * gap. Without it: delivers from now on, as the first listener does.
   * @param {(cursor: string, reset?: import('./types.js').ResetData) => any} [load]
   */
  async start(load) {
    this.#started = true;
    this.onreset ??= load && ((data, cursor) => load(cursor, data));
    await Promise.race([this.#closed.promise, this.ready]);
    if (this.closing.signal.aborted) return;
    const to = cursorIn(await load?.(/** @type {string} */ (this.lastEventId)));
    for (const subscription of this.own) subscription.advance(to);
    this.#open();
  }

  // --- events ---

  /**
   * Takes events from the connection or the leading tab. Returns a promise while they wait for the application.
   * @param {EventObject[]} events
   * @param {string | number | undefined} to  the cursor behind them
   * @param {Subscription[]} subscriptions  the channels of the request
   * @returns {void | Promise<void>}
   */
  receive(events, to, subscriptions) {
    const [first] = events;
    for (const its of subscriptions) {
      if (!its.lastEventId && !first) its.advance(to); // known before anything is delivered
      if (its.enter('joined')) this.#showIn(its);
    }
    if (first && this.#hold) return this.#hold.then(() => this.receive(events, to, subscriptions));
    this.tabs?.post({ from: subscriptions.map(({ channel, lastEventId }) => [channel, lastEventId]), to, events });
    if (first?.data.type === kReset) {
      return this.#wait(this.#reset(first, subscriptions)).then(() => this.receive(events.slice(1), to, subscriptions));
    }
    for (const { id, channel_id: channel, ts, data: { type, data } } of events) {
      const its = subscriptions.find((subscription) => subscription.channel === channel && subscription.advance(id));
      if (its?.wanted_until === Infinity) this.#dispatch([its], type, { data, lastEventId: `${id}`, channel, ts });
    }
    for (const subscription of subscriptions) subscription.advance(to);
  }

  /** @param {Subscription[]} subscriptions @param {string} type @param {object} fields */
  #dispatch(subscriptions, type, fields) {
    for (const target of [...subscriptions, this]) {
      (kOwn.test(type) ? new Target() : target).emit(type, fields, target.onevent);
    }
  }

  // The cursors move only after the application has reloaded its state. If that fails, the server sends the reset
  // again.
  /** @param {EventObject} event @param {Subscription[]} subscriptions */
  async #reset({ id, data: { type, data } }, subscriptions) {
    const channels = subscriptions.map(({ channel }) => channel);
    this.#dispatch(subscriptions, type, { data, lastEventId: `${id}`, channels });
    const to = cursorIn(await this.onreset?.({ ...data, channels }, `${id}`)) ?? `${id}`;
    for (const its of subscriptions) if (its.phase !== 'closed') its.lastEventId = to;
  }

  // --- state ---

  /**
   * @param {State} state
   * @param {{ transport?: Transport, interval?: number, error?: PgeventsError }} [more]  error: what failed
   */
  show(state, { transport = this.transport, interval, error } = {}) {
    if (this.ended) return;
    if (!error && state === this.state && transport === this.transport && interval === this.interval) return;
    const { isOpen } = this;
    const shown = { state, transport, interval };
    Object.assign(this, shown);
    this.tabs?.post({ problem: error?.message });
    if (error) this.#fail(error);
    if (this.isOpen && !isOpen) this.emit('open', {}, this.onopen);
    this.emit('pgevents.state', shown, this.onstate);
    for (const subscription of this.own) this.#showIn(subscription);
  }

  /** @param {PgeventsError} error */
  #fail(error) {
    this.emit('error', { error }, this.onerror);
  }

  /** @param {Subscription} subscription @param {PgeventsError} [error] */
  #showIn(subscription, error) {
    if (error) subscription.emit('error', { error });
    subscription.emit('pgevents.state', { state: subscription.state, interval: this.interval });
  }

  /** @param {PgeventsError} [error]  the reason, if the application did not close it */
  close(error) {
    this.show('closed', { error });
    this.ended = true;
    this.closing.abort();
    for (const subscription of this.subscriptions.values()) subscription.enter('closed');
    if (error) this.#closed.reject(error);
    this.#closed.resolve();
    this.#open();
  }
}

// What a hook returns, if it is a cursor. (A number may be the result of its last function, such as push().)
/** @param {any} value */
const cursorIn = (value) => (typeof value === 'string' && /^(rt-)?[0-9.]+$/.test(value) ? value : undefined);
