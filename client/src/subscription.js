// One subscribed channel, as the application and the library have it: its listeners, its cursor and its state.
import { deferred } from './environment.js';
import { Target } from './target.js';

/**
 * new: no request has named it; joining: a request of its own is under way; joined: the server has accepted it;
 * refused: the server has rejected it, and a new token may help; closed: for good.
 * @typedef {'new' | 'joining' | 'joined' | 'refused' | 'closed'} Phase
 */

export class Subscription extends Target {
  /** Until when it is wanted: without limit by this page, for a time by another tab. */
  wanted_until = Infinity;
  /** @type {Phase} */
  phase = 'new';
  #delivery;
  #answer = deferred();

  /** @param {import('./delivery.js').Delivery} delivery @param {string} channel @param {string} [cursor] */
  constructor(delivery, channel, cursor) {
    super();
    this.#delivery = delivery;
    this.channel = channel;
    /** The channel's cursor: its events up to this position have been delivered. */
    this.lastEventId = cursor;
  }

  /** @param {string} [type] */
  listened(type) {
    this.#delivery.listened(type);
  }

  /** Resolves when the server has accepted the channel; rejects with the error if it does not. */
  get ready() {
    return this.#answer.promise;
  }

  /** @returns {import('./delivery.js').State} */
  get state() {
    const { phase } = this;
    return phase === 'joined' ? this.#delivery.state : phase === 'new' || phase === 'joining' ? 'connecting' : 'closed';
  }

  unsubscribe() {
    this.#delivery.remove(this);
  }

  /**
   * Returns whether the phase has changed.
   * @param {Phase} phase
   * @param {import('./errors.js').PgeventsError} [error]  why the server has rejected it
   */
  enter(phase, error) {
    if (phase === 'new') this.#answer = deferred();
    if (phase === 'joined') this.#answer.resolve();
    if (error) this.#answer.reject(error);
    if (this.phase === phase || this.phase === 'closed') return false;
    this.phase = phase;
    return true;
  }

  // The cursor only moves forward, so an event that arrives twice is delivered once. Every id is behind a cursor that
  // is a time, and behind an absent one.
  /** @param {string | number} [id] */
  advance(id) {
    if (!id || this.phase === 'closed' || Number(id) <= Number(this.lastEventId)) return false;
    this.lastEventId = `${id}`;
    return true;
  }
}
