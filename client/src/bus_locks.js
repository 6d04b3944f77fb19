// Stands in for Web Locks, which exist on secure origins only: tabs agree by messages on which of them holds a lock.
// Two tabs may hold it for a moment; then the one with the lower term loses it. A mark in localStorage shows that there
// may be a holder, so that a tab that is alone need not wait.
import { pause } from './environment.js';

// Milliseconds in which a holder answers, and after which a waiting tab asks again.
const kAnswer = 300;
const kCheck = 5000;

/**
 * The part of LockManager that the library uses.
 * @typedef {object} Locks
 * @property {(name: string, options: { ifAvailable?: boolean, steal?: boolean, signal?: AbortSignal },
 *   callback: (lock: any) => any) => Promise<any>} request
 */

/**
 * @param {import('./environment.js').Environment} world
 * @returns {Locks}
 */
export const busLocks = (world) => ({
  async request(name, { ifAvailable, steal, signal }, callback) {
    const bus = new Bus(world, name, signal);
    try {
      while (!steal && !await bus.isFree()) {
        if (ifAvailable) return callback(null);
        await bus.reports('free', kCheck);
        signal?.throwIfAborted();
      }
      signal?.throwIfAborted();
      return await Promise.race([bus.hold(), callback({ name })]);
    } finally {
      bus.close();
    }
  },
});

class Bus {
  #world;
  #signal;
  #mark;
  #channel;
  #term = 0;
  #seen = 0;
  #holds = false;
  /** @type {(message: any) => void} */
  #take = () => {};
  /** @type {(error: Error) => void} */
  #lose = () => {};
  #free = () => {
    if (!this.#holds) return;
    this.#holds = false;
    if (this.#seen < this.#term) this.#storage('removeItem');
    this.#channel.postMessage({ free: true });
  };

  /** @param {any} world @param {string} name @param {AbortSignal} [signal] */
  constructor(world, name, signal) {
    this.#world = world;
    this.#signal = signal;
    this.#mark = `${name} is held`;
    this.#channel = new world.BroadcastChannel(`${name} lock`);
    this.#channel.onmessage = (/** @type {MessageEvent} */ { data }) => {
      const { ask, term = 0 } = data;
      if (ask && this.#holds) this.#channel.postMessage({ term: this.#term });
      this.#take(data);
      this.#seen = Math.max(this.#seen, term);
      if (this.#term && term > this.#term) this.#lose(new Error('Stolen'));
    };
  }

  /**
   * Whether a message with this field arrives in time.
   * @param {string} field
   * @param {number} ms
   * @returns {Promise<boolean>}
   */
  reports(field, ms) {
    return new Promise((resolve) => {
      this.#take = (message) => message[field] && resolve(true);
      pause(this.#world, ms, this.#signal).then(() => resolve(false));
    });
  }

  /** Whether no tab says within a moment that it holds the lock. */
  async isFree() {
    if (!this.#storage('getItem')) return true;
    this.#channel.postMessage({ ask: true });
    return !await this.reports('term', kAnswer * (1 + this.#world.random()));
  }

  /** Holds the lock until close(); rejects if another tab takes it. @returns {Promise<never>} */
  hold() {
    this.#term = this.#seen + 1 + this.#world.random();
    this.#holds = true;
    this.#storage('setItem', '1');
    this.#channel.postMessage({ term: this.#term });
    this.#world.window?.addEventListener?.('pagehide', this.#free);
    return new Promise((_, reject) => (this.#lose = reject));
  }

  close() {
    this.#free();
    this.#world.window?.removeEventListener?.('pagehide', this.#free);
    this.#channel.close();
  }

  // Without storage there may always be a holder.
  /** @param {string} method @param {string} [value] */
  #storage(method, value) {
    try {
      return this.#world.localStorage[method](this.#mark, value);
    } catch {
      return true;
    }
  }
}
