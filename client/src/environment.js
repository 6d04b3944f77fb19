// What the library needs of the world around it. Browsers and Node have it; tests, and hosts that lack something,
// give their own.

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
 * @property {Pick<Console, 'warn'>} [console]  for warnings about what was ignored
 * @property {Document} [document]  tells whether the page is hidden, and of input
 * @property {Partial<EventTarget>} [window]  tells of coming back online
 */

/**
 * Inherits from the global object. Functions of it are to be called without an object: browsers insist on that.
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

// Longer ones would fire at once.
const kLongest = 2 ** 31 - 1;

/** One timer, set anew again and again. */
export class Timer {
  #world;
  #ring;
  /** @type {any} */
  #id;

  /**
   * @param {Environment} world
   * @param {(late: number) => void} ring  gets by how many milliseconds it is late
   */
  constructor(world, ring) {
    this.#world = world;
    this.#ring = ring;
  }

  /** @param {number} [ms]  from now; absent or infinite: not at all */
  set(ms = Infinity) {
    const { now, setTimeout, clearTimeout } = this.#world;
    clearTimeout(this.#id);
    const due = now() + ms;
    if (ms < Infinity) this.#id = setTimeout(() => this.#ring(now() - due), Math.min(ms, kLongest));
  }
}

/**
 * Resolves after `ms`, and when `signal` aborts.
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
 * An event of this library: `fields` are what it has besides its type.
 * @param {string} type
 * @param {object} [fields]
 */
export const eventOf = (type, fields) => Object.assign(new Event(type), fields);

/**
 * Rejects when `signal` aborts, or has been, with its reason.
 * @param {AbortSignal} signal
 * @returns {Promise<never>}
 */
export const aborted = (signal) => new Promise((_, reject) => {
  signal.throwIfAborted();
  signal.addEventListener('abort', () => reject(signal.reason));
});
