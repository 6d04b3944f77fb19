// The functions and objects of the platform that the library uses. Browsers and Node have them; tests, and platforms
// that lack one, supply their own.

/**
 * @typedef {object} Environment
 * @property {() => number} now  milliseconds since 1970
 * @property {() => number} random  from 0 up to 1
 * @property {(callback: () => void, ms: number) => any} setTimeout
 * @property {(timer: any) => void} clearTimeout
 * @property {typeof fetch} fetch
 * @property {typeof EventSource} [EventSource]
 * @property {typeof BroadcastChannel} [BroadcastChannel]
 * @property {LockManager} [locks]
 * @property {Pick<Console, 'warn'>} [console]  for warnings about ignored data
 * @property {Document} [document]  for the visibility of the page and the user's input
 * @property {Partial<EventTarget>} [window]  for the event `online`
 */

/**
 * Inherits from the global object. Call its functions without an object (`fetch()`, not `world.fetch()`): browsers
 * require it.
 * @param {Partial<Environment>} [own]
 * @returns {Environment}
 */
export const environment = (own) => /** @type {any} */ ({
  __proto__: globalThis,
  now: Date.now,
  random: Math.random,
  document: globalThis.document,
  locks: globalThis.navigator?.locks,
  window: globalThis,
  ...own,
});

// A longer timer would fire immediately (HTML standard: the delay is a signed 32-bit number).
const kLongest = 2 ** 31 - 1;

/** A timer that can be set again and again. */
export class Timer {
  #world;
  #callback;
  /** @type {any} */
  #id;

  /**
   * @param {Environment} world
   * @param {(late: number) => void} callback  gets the milliseconds by which it is late
   */
  constructor(world, callback) {
    this.#world = world;
    this.#callback = callback;
  }

  /** @param {number} [ms]  from now; absent or infinite: stops the timer */
  set(ms = Infinity) {
    const { now, setTimeout, clearTimeout } = this.#world;
    clearTimeout(this.#id);
    const due = now() + ms;
    if (ms < Infinity) this.#id = setTimeout(() => this.#callback(now() - due), Math.min(ms, kLongest));
  }
}

/**
 * Resolves after `ms`, or earlier when `signal` aborts.
 * @param {Environment} world
 * @param {number} ms
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
export const pause = (world, ms, signal) => new Promise((resolve) => {
  const timer = new Timer(world, () => resolve());
  timer.set(ms);
  signal?.addEventListener('abort', () => {
    timer.set();
    resolve();
  });
});

/**
 * Makes an event of this library with these fields.
 * @param {string} type
 * @param {object} [fields]
 */
export const eventOf = (type, fields) => Object.assign(new Event(type), fields);

/**
 * Rejects with the reason of `signal` when it aborts, or has aborted already.
 * @param {AbortSignal} signal
 * @returns {Promise<never>}
 */
export const aborted = (signal) => new Promise((_, reject) => {
  signal.throwIfAborted();
  signal.addEventListener('abort', () => reject(signal.reason));
});
