// Reports that this user is typing. The page calls update() at each keystroke. While the user types, it sends "start"
// from time to time; it sends "stop" when the user pauses, changes the conversation or finishes. Zulip's state machine,
// with topics in addition to people.
import { environment, timerOf, whenAborted } from './environment.js';

/**
 * The recipient of a message: people, or a topic of a stream.
 * @typedef {{ to: (string | number)[] } | { streamId: string | number, topic: string }} Recipient
 */

/**
 * @typedef {object} TypingOptions  as in the answer to register
 * @property {number} [server_typing_started_wait_period_milliseconds]  between two "start" for the same recipient
 * @property {number} [server_typing_stopped_wait_period_milliseconds]  without a keystroke before "stop"
 * @property {Partial<import('./types.js').UserSettings>} [user_settings]  the user's own: nothing is sent that they
 *   switch off
 * @property {import('./environment.js').Signal} [signal]  ends typing
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
  #settings;
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
    this.#settings = options.user_settings ?? {};
    this.#idle = timerOf(this.#world, () => this.stop());
    const { signal } = options;
    this.#world.window?.addEventListener?.('pagehide', () => this.stop(), { signal });
    whenAborted(signal, () => this.stop());
  }

  /** Resolves when everything so far has been sent. */
  get sent() {
    return this.#last;
  }

  /**
   * The user has changed their settings. Ends typing that they no longer want to show.
   * @param {Partial<import('./types.js').UserSettings>} settings
   */
  follow(settings) {
    this.#settings = settings;
    if (this.#recipient && !this.#maySend(this.#recipient)) this.stop();
  }

  /**
   * The user has typed something for this recipient.
   * @param {Recipient | null} [recipient]  none: the text was sent, emptied or closed
   */
  update(recipient) {
    if (!recipient || !this.#maySend(recipient)) return this.stop();
    if (this.#recipient && conversationOf(recipient) !== conversationOf(this.#recipient)) this.stop();
    const now = this.#world.now();
    if (!this.#recipient || now > this.#next_start_at) {
      this.#recipient ??= recipient;
      this.#next_start_at = now + (this.#options.server_typing_started_wait_period_milliseconds ?? 30_000);
      this.#notify('start', recipient);
    }
    this.#idle(this.#options.server_typing_stopped_wait_period_milliseconds ?? 12_000);
  }

  /** @param {Recipient} recipient */
  #maySend(recipient) {
    const { send_private_typing_notifications: direct, send_stream_typing_notifications: stream } = this.#settings;
    return ('to' in recipient ? direct : stream) !== false;
  }

  stop() {
    this.#idle();
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
