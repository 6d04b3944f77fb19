// Tells others that this user is typing: update() at each keystroke. It sends "start" now and then while he types,
// and "stop" when he pauses, turns to others or is done. Zulip's state machine, with topics beside people.
import { environment, Timer } from './environment.js';

/**
 * To whom somebody writes: people, or a topic of a stream.
 * @typedef {{ to: (string | number)[] } | { streamId: string | number, topic: string }} Recipient
 */

/**
 * @typedef {object} TypingOptions  as in the answer to register
 * @property {number} [server_typing_started_wait_period_milliseconds]  between two "start" to the same recipient
 * @property {number} [server_typing_stopped_wait_period_milliseconds]  without a keystroke before "stop"
 * @property {Partial<import('./environment.js').Environment>} [environment]
 */

/**
 * A conversation's name: the same for the same people in any order, and for a topic in upper or lower case.
 * @param {Recipient} recipient
 */
export const conversationOf = (recipient) => JSON.stringify('to' in recipient
  ? [...new Set(recipient.to.map(String))].sort()
  : { stream: `${recipient.streamId}`, topic: recipient.topic.toLowerCase() });

export class TypingSender {
  #world;
  #send;
  #options;
  /** @type {Recipient | undefined} */
  #recipient;
  #next_start_at = 0;
  #idle;
  /** @type {Promise<any>} */
  #last = Promise.resolve();

  /**
   * @param {(params: object) => Promise<any>} send  POST typing; failures do no harm
   * @param {TypingOptions} [options]
   */
  constructor(send, options = {}) {
    this.#world = environment(options.environment);
    this.#send = send;
    this.#options = options;
    this.#idle = new Timer(this.#world, () => this.stop());
  }

  /**
   * The user has typed something for this recipient.
   * @param {Recipient | null} [recipient]  none: he has sent, emptied or closed what he wrote
   */
  update(recipient) {
    if (!recipient) return this.stop();
    if (this.#recipient && conversationOf(recipient) !== conversationOf(this.#recipient)) this.stop();
    const now = this.#world.now();
    if (!this.#recipient || now > this.#next_start_at) {
      this.#recipient ??= recipient;
      this.#next_start_at = now + (this.#options.server_typing_started_wait_period_milliseconds ?? 30_000);
      this.#notify('start', recipient);
    }
    this.#idle.set(this.#options.server_typing_stopped_wait_period_milliseconds ?? 12_000);
  }

  stop() {
    this.#idle.set();
    if (this.#recipient) this.#notify('stop', this.#recipient);
    this.#recipient = undefined;
  }

  // One after the other: a "start" that overtook its "stop" would be believed until it expires.
  /** @param {'start' | 'stop'} op @param {any} recipient */
  #notify(op, { to, streamId, topic }) {
    const params = to ? { op, type: 'direct', to } : { op, type: 'stream', stream_id: streamId, topic };
    this.#last = this.#last.then(() => this.#send(params)).catch(() => {});
  }
}
