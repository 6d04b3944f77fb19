// Tracks which users are typing where, from events of type "typing". Each typist has a timer: without another "start"
// the typist is removed when it ends.
import { environment, timerOf } from './environment.js';
import { kForms, warningsIn } from './payloads.js';
import { Target } from './target.js';
import { conversationOf } from './typing_sender.js';

/** @typedef {import('./typing_sender.js').Recipient} Recipient */

/**
 * Dispatched as "change": a user started or stopped typing in this conversation (named by conversationOf()).
 * @typedef {Event & { conversation: string }} TypingChange
 */

export class TypingTracker extends Target {
  #world;
  #expiry;
  #user;
  #ignored;
  /** @type {Map<string, { where: Recipient, conversation: string, user: string, setTimer: (ms?: number) => void }>} */
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
    this.#ignored = warningsIn(this.#world);
    this.#expiry = options.server_typing_started_expiry_period_milliseconds ?? 45_000;
    this.#user = options.user;
  }

  /**
   * @param {import('./types.js').TypingData} data  of an event; malformed data is ignored
   * @param {number} [age]  milliseconds since it was sent
   */
  apply(data, age = 0) {
    if (!kForms.stream(data) && !kForms.direct(data)) return this.#ignored('malformed typing data');
    const user = data.sender.user_id;
    if (user === this.#user) return;
    const where = data.message_type === 'stream'
      ? { streamId: data.stream_id, topic: data.topic }
      : { to: data.recipients.map(({ user_id }) => user_id) };
    const conversation = conversationOf(where);
    const key = conversation + user;
    const left = Math.min(this.#expiry, this.#expiry - age);
    if (data.op !== 'start' || left <= 0) return this.#end(key);
    if (!this.#typists.has(key)) {
      this.#typists.set(key, { where, conversation, user, setTimer: timerOf(this.#world, () => this.#end(key)) });
      this.emit('change', { conversation });
    }
    this.#typists.get(key)?.setTimer(left);
  }

  /**
   * Users who are typing in a conversation, in the order in which they started.
   * @param {import('./typing_sender.js').Recipient} where  as for TypingSender: people without this user, or a topic
   */
  typists(where) {
    const name = this.#nameOf(where);
    return [...this.#typists.values()].filter(({ conversation }) => conversation === name).map(({ user }) => user);
  }

  /**
   * Users who are typing in any direct conversation, in the order in which they started, each with the people of the
   * conversation without this user (as for typists()).
   * @returns {{ user: string, to: string[] }[]}
   */
  directTypists() {
    return [...this.#typists.values()].flatMap(({ where, user }) => ('to' in where
      ? [{ user, to: [...new Set(where.to.map(String))].filter((other) => other !== this.#user) }]
      : []));
  }

  /**
   * Removes a typist: a message of this user has arrived there.
   * @param {Recipient} where  as for typists()
   * @param {string} user
   */
  remove(where, user) {
    this.#end(this.#nameOf(where) + user);
  }

  /** Removes all typists: after a gap, or when the page is left. */
  clear() {
    for (const key of this.#typists.keys()) this.#end(key);
  }

  // The recipients of an event include this user.
  /** @param {Recipient} where */
  #nameOf(where) {
    return conversationOf('to' in where && this.#user ? { to: [...where.to, this.#user] } : where);
  }

  /** @param {string} key */
  #end(key) {
    const typist = this.#typists.get(key);
    if (!typist) return;
    typist.setTimer();
    this.#typists.delete(key);
    this.emit('change', { conversation: typist.conversation });
  }
}
