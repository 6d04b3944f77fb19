// Tracks which users are typing where, from events of type "typing". Each typist has a timer: without another "start"
// the typist is removed when it ends.
import { environment, eventOf, Timer } from './environment.js';
import { kForms, Warnings } from './payloads.js';
import { conversationOf } from './typing_sender.js';

/**
 * Dispatched as "change": a user started or stopped typing in this conversation (named by conversationOf()).
 * @typedef {Event & { conversation: string }} TypingChange
 */

export class TypingTracker extends EventTarget {
  #world;
  #expiry;
  #user;
  #warnings;
  /** @type {Map<string, { conversation: string, user: string, timer: Timer }>} */
  #typists = new Map();

  /**
   * @param {object} [options]  as in the answer to register
   * @param {string} [options.user]  this user is never listed
   * @param {number} [options.server_typing_started_expiry_period_milliseconds]  how long a "start" is valid
   * @param {Partial<import('./environment.js').Environment>} [options.environment]
   */
  constructor(options = {}) {
    super();
    this.#world = environment(options.environment);
    this.#warnings = new Warnings(this.#world);
    this.#expiry = options.server_typing_started_expiry_period_milliseconds ?? 45_000;
    this.#user = options.user;
  }

  /**
   * @param {import('./types.js').TypingData} data  of an event; malformed data is ignored
   * @param {number} [age]  milliseconds since it was sent
   */
  apply(data, age = 0) {
    if (!kForms.stream(data) && !kForms.direct(data)) return this.#warnings.ignored('malformed typing data');
    const user = data.sender.user_id;
    if (user === this.#user) return;
    const conversation = conversationOf(data.message_type === 'stream'
      ? { streamId: data.stream_id, topic: data.topic }
      : { to: data.recipients.map(({ user_id }) => user_id) });
    const key = conversation + user;
    const left = Math.min(this.#expiry, this.#expiry - age);
    if (data.op !== 'start' || left <= 0) return this.#end(key);
    if (!this.#typists.has(key)) {
      this.#typists.set(key, { conversation, user, timer: new Timer(this.#world, () => this.#end(key)) });
      this.#changed(conversation);
    }
    this.#typists.get(key)?.timer.set(left);
  }

  /**
   * Users who are typing in a conversation, in the order in which they started.
   * @param {import('./typing_sender.js').Recipient} where  as for TypingSender: people without this user, or a topic
   */
  typists(where) {
    const name = conversationOf('to' in where && this.#user ? { to: [...where.to, this.#user] } : where);
    return [...this.#typists.values()].filter(({ conversation }) => conversation === name).map(({ user }) => user);
  }

  /** Removes all typists: after a gap, or when the page is left. */
  clear() {
    for (const key of this.#typists.keys()) this.#end(key);
  }

  /** @param {string} key */
  #end(key) {
    const typist = this.#typists.get(key);
    if (!typist) return;
    typist.timer.set();
    this.#typists.delete(key);
    this.#changed(typist.conversation);
  }

  /** @param {string} conversation */
  #changed(conversation) {
    this.dispatchEvent(eventOf('change', { conversation }));
  }
}
