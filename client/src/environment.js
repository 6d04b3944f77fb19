// The functions and objects of the platform that the library uses. Browsers and Node have them; tests, and platforms
// that lack one, supply their own.

/** @typedef {AbortSignal} Signal */

/**
 * @typedef {object} Environment
 * @property {() => number} now  milliseconds since 1970
 * @property {() => number} random  from 0 up to 1
 * @property {(callback: () => void, ms: number) => any} setTimeout
 * @property {(timer: any) => void} clearTimeout
 * @property {typeof fetch} fetch
 * @property {typeof ReadableStream} [ReadableStream]  absent where fetch gives no streams, as in React Native
 * @property {typeof EventSource} [EventSource]
 * @property {typeof WebSocket} [WebSocket]
 * @property {typeof BroadcastChannel} [BroadcastChannel]
 * @property {LockManager} [locks]
 * @property {Pick<Console, 'warn'>} [console]  for warnings about ignored data
 * @property {Document} [document]  for the visibility of the page and the user's input
 * @property {Crypto} [crypto]
 * @property {{ onLine?: boolean }} [navigator]
 * @property {{ href: string }} [location]
 * @property {Storage} [localStorage]
 * @property {Partial<EventTarget>} [window]  for the event `online`
 */

/**
 * The global object with these members instead of its own. Call its functions without an object (`fetch()`, not
 * `world.fetch()`): browsers require it.
 * @param {Partial<Environment>} [own]
 * @returns {Environment}
 */
export const environment = (own) => new Proxy(/** @type {any} */ ({
  now: Date.now,
  random: Math.random,
  locks: globalThis.navigator?.locks,
  window: globalThis,
  ...own,
}), { get: (known, name) => (name in known ? known : /** @type {any} */ (globalThis))[name] });

// A longer timer would fire immediately (HTML standard: the delay is a signed 32-bit number).
const kLongest = 2 ** 31 - 1;

/**
 * Makes a timer: a function that sets it to so many milliseconds from now, or stops it if they are absent or infinite.
 * @param {Environment} world
 * @param {(late: number) => void} callback  gets the milliseconds by which it is late
 */
export function timerOf(world, callback) {
  /** @type {any} */
  let id;
  return (ms = Infinity) => {
    const { now, setTimeout, clearTimeout } = world;
    clearTimeout(id);
    const due = now() + ms;
    if (ms < Infinity) id = setTimeout(() => callback(now() - due), Math.min(ms, kLongest));
  };
}

/**
 * Calls a function when `signal` aborts, or now if it has.
 * @param {AbortSignal | undefined} signal
 * @param {() => void} callback
 */
export const whenAborted = (signal, callback) =>
  signal?.aborted ? callback() : signal?.addEventListener('abort', callback);

/**
 * Resolves after `ms`, or earlier when `signal` aborts.
 * @param {Environment} world
 * @param {number} ms
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
export const pause = (world, ms, signal) => new Promise((resolve) => {
  const setTimer = timerOf(world, () => resolve());
  setTimer(ms);
  whenAborted(signal, () => {
    setTimer();
    resolve();
  });
});

/**
 * A promise and the functions that settle it. Its rejection may remain without a handler.
 * @returns {{ promise: Promise<any>, resolve: (value?: any) => void, reject: (error: any) => void }}
 */
export function deferred() {
  const its = /** @type {any} */ ({});
  its.promise = new Promise((resolve, reject) => Object.assign(its, { resolve, reject }));
  its.promise.catch(() => {});
  return its;
}

/**
 * Waits for a promise until `signal` aborts; then rejects with its reason. (In React Native it keeps none.)
 * @template T
 * @param {T | Promise<T>} promise
 * @param {AbortSignal} [signal]
 * @returns {Promise<T>}
 */
export const until = (promise, signal) => new Promise((resolve, reject) => {
  const stop = () => reject(signal?.reason ?? new Error('Aborted'));
  whenAborted(signal, stop);
  Promise.resolve(promise).then(resolve, reject).finally(() => signal?.removeEventListener('abort', stop));
});
