// Reports that this user is typing. The page calls update() at each keystroke. While the user types, it sends "start"
// from time to time; it sends "stop" when the user pauses, changes the conversation or finishes. Zulip's state machine,
// with topics in addition to people.
import { environment, Timer } from './environment.js';

/**
 * The recipient of a message: people, or a topic of a stream.
 * @typedef {{ to: (string | number)[] } | { streamId: string | number, topic: string }} Recipient
 */

/**
 * @typedef {object} TypingOptions  as in the answer to register
 * @property {number} [server_typing_started_wait_period_milliseconds]  between two "start" for the same recipient
 * @property {number} [server_typing_stopped_wait_period_milliseconds]  without a keystroke before "stop"
 * @property {Partial<import('./environment.js').Environment>} [environment]
 */

/**
 * Names a conversation. The name does not depend on the order of people or on the case of a topic.
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
   * @param {(params: object) => Promise<any>} send  POST typing; failures are ignored
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
   * @param {Recipient | null} [recipient]  none: the text was sent, emptied or closed
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

  // Sends one report at a time: a "start" that overtook its "stop" would be shown until it expires.
  /** @param {'start' | 'stop'} op @param {any} recipient */
  #notify(op, { to, streamId, topic }) {
    const params = to ? { op, type: 'direct', to } : { op, type: 'stream', stream_id: streamId, topic };
    this.#last = this.#last.then(() => this.#send(params)).catch(() => {});
  }
}
