// Makes requests to one base address with the caller's token; answers other than success become errors. The token is a
// string, or a function of the application returns it, which is called at the start and whenever the server rejects the
// last token.
import { environment, pause, until } from './environment.js';
import { AddressError, errorOf, NetworkError, noAnswer } from './errors.js';

/** @typedef {import('./errors.js').PgeventsError} PgeventsError */

/**
 * Returns a token. Called without an argument at the start, where no result means that requests carry no token. Later
 * called with the error that rejected the last token, where no result means: wait for setToken().
 * @callback TokenCallback
 * @param {import('./errors.js').AuthError} [rejection]  its code is TOKEN_EXPIRED, TOKEN_REVOKED or UNAUTHORIZED
 * @returns {string | null | void | Promise<string | null | void>}
 */

/**
 * @typedef {object} ServerOptions
 * @property {string | TokenCallback} [token]
 * @property {'omit' | 'same-origin' | 'include'} [credentials]  include: send cookies to other origins, too
 * @property {Partial<import('./environment.js').Environment>} [environment]  your own timers, clock, fetch …
 */

const kFirstDelay = 1000;
const kLongestDelay = 20_000;
const kErrorDelay = 10_000;

/**
 * Milliseconds to wait after this many failures in a row. After an answer with an error: the server's Retry-After, or
 * about ten seconds. After no answer, or a rejected token: random from 0 to a limit that doubles ("full jitter"), so
 * that clients that failed together do not reconnect together.
 * @param {import('./environment.js').Environment} world
 * @param {number} failures
 * @param {any} error
 */
export const backoff = ({ random }, failures, { retryAfter, status }) => retryAfter || (status && status !== 401
  ? kErrorDelay * (0.5 + random())
  : random() * Math.min(kLongestDelay, kFirstDelay * 2 ** (failures - 1)));

/**
 * Makes a request, again and again while that may help.
 * @template T
 * @param {import('./environment.js').Environment} world
 * @param {() => Promise<T>} request
 * @param {AbortSignal} [signal]
 * @param {number} [attempts]
 * @returns {Promise<T>}
 */
export async function persist(world, request, signal, attempts) {
  for (let failures = 1; ; failures++) {
    try {
      return await request();
    } catch (/** @type {any} */ error) {
      const is_temporary = error instanceof NetworkError || error.status > 499 || error.status === 425;
      if (signal?.aborted || failures === attempts || !is_temporary) throw error;
      await until(pause(world, backoff(world, failures, error), signal), signal);
    }
  }
}

export class Server {
  /** @type {TokenCallback | undefined} */
  ask;
  /** The open WebSocket. @type {import('./socket.js').Subscriber | undefined} */
  socket;
  /**
   * The token of requests; empty: no token; undefined: a new one is needed.
   * @type {string | Promise<string> | undefined}
   */
  #token;
  /** @type {PgeventsError | undefined} */
  #rejection;
  /** @type {((token: string) => void) | undefined} */
  #wake;

  /** @param {string} base @param {ServerOptions} [options] */
  constructor(base, { token = '', credentials, environment: own } = {}) {
    this.world = environment(own);
    this.credentials = credentials;
    /** The absolute address, with a slash at its end. */
    this.base = `${base}`.replace(/\/*$/, '/');
    const { document, location } = this.world;
    try {
      this.base = new URL(this.base, document?.baseURI ?? location?.href).href;
    } catch {
      if (!own?.fetch) throw new AddressError(`Invalid base address '${base}': it must be absolute here`);
    }
    if (typeof token === 'function') this.ask = token;
    else this.#token = token;
  }

  // --- the token ---

  /** The token, as soon as a valid one is available. */
  token() {
    return (this.#token ??= this.#renew());
  }

  setToken(token = '') {
    this.#token = token;
    this.#wake?.(token);
    this.#wake = undefined;
  }

  /**
   * Stops using a rejected token, unless it has been replaced meanwhile. (Cookies are sent again: they may have
   * changed.)
   * @param {PgeventsError} rejection
   * @param {string | Promise<string>} [token]
   */
  reject(rejection, token = this.#token || 'none') {
    if (token !== this.#token) return;
    this.#rejection = rejection;
    this.#token = undefined;
  }

  async #renew() {
    /** @type {Promise<string>} */
    const set = new Promise((resolve) => (this.#wake = resolve));
    try {
      const token = await this.ask?.(/** @type {any} */ (this.#rejection));
      return token || (this.ask && !this.#rejection ? '' : set);
    } catch (error) {
      if (this.#wake) this.#token = undefined; // the next request calls the function again
      throw error;
    }
  }

  /**
   * Whether the server wants a login where the page has none. Then only this request fails: others, and the channels
   * that need no login, go on.
   * @param {any} error
   */
  lacksToken({ code }) {
    return code === 'UNAUTHORIZED' && this.#token === '';
  }

  // --- requests ---

  /**
   * Makes a request. If the token is rejected and the application has a new one, makes the request again.
   * @param {string} url
   * @param {{ method?: string, body?: string, signal?: any, keepalive?: boolean,
   *   headers?: Record<string, string> }} [init]
   * @param {() => void} [sent]  called when the request has been sent
   * @param {boolean} [again]
   * @returns {Promise<Response>} a successful one
   */
  async request(url, init, sent, again) {
    const { world: { fetch, now }, credentials } = this;
    const held = this.token();
    const token = await until(held, init?.signal);
    const headers = { ...init?.headers, ...(token && { Authorization: `Bearer ${token}` }) };
    const answer = fetch(url, { credentials, cache: 'no-store', ...init, headers });
    sent?.();
    const response = await until(answer.catch(noAnswer), init?.signal);
    if (response.ok) return response;
    const { status } = response;
    // Seconds, or a date (RFC 9110, section 10.2.3).
    const after = response.headers.get('Retry-After') ?? '';
    const retryAfter = Math.max(0, Number(after) * 1000 || Date.parse(after) - now() || 0);
    const error = errorOf(status, await response.json().catch(() => {}), { retryAfter });
    if (status === 401 && !this.lacksToken(error)) {
      this.reject(error, held);
      if (this.ask && !again) return this.request(url, init, sent, true);
    }
    throw error;
  }
}
