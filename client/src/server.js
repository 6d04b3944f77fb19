// Requests to one base address with the caller's token; answers that are no success become errors. The token is a
// text, or comes from a function of the application that is asked at the start and whenever the server refuses the
// last one.
import { environment } from './environment.js';
import { AuthError, HttpError, noAnswer } from './errors.js';

/**
 * Gives a token. Asked with the server's refusal of the last one, and without one at the start, where nothing means
 * that there is none. Nothing later means: wait for setToken().
 * @callback TokenCallback
 * @param {AuthError} [refusal]  its code is TOKEN_EXPIRED, TOKEN_REVOKED or UNAUTHORIZED
 * @returns {string | null | void | Promise<string | null | void>}
 */

/**
 * @typedef {object} ServerOptions
 * @property {string | TokenCallback} [token]
 * @property {RequestCredentials} [credentials]  include: cookies go to another origin as well
 * @property {Partial<import('./environment.js').Environment>} [environment]  timers, clock, fetch … of one's own
 */

export class Server {
  /** @type {TokenCallback | undefined} */
  ask;
  /** What requests carry; empty: nothing; undefined: one is needed. @type {string | Promise<string> | undefined} */
  #token;
  /** @type {AuthError | undefined} */
  #refusal;
  /** @type {((token: string) => void) | undefined} */
  #wake;

  /** @param {string} base @param {ServerOptions} [options] */
  constructor(base, { token = '', credentials, environment: own } = {}) {
    this.base = base;
    this.world = environment(own);
    this.credentials = credentials;
    if (typeof token === 'function') this.ask = token;
    else this.#token = token;
  }

  // --- the token ---

  /** The token, as soon as there is a good one. */
  token() {
    return (this.#token ??= this.#renew());
  }

  setToken(token = '') {
    this.#token = token;
    this.#wake?.(token);
    this.#wake = undefined;
  }

  /**
   * A token that was refused is not sent again, unless there is another one meanwhile. (Cookies may be others by then.)
   * @param {AuthError} refusal
   * @param {string | Promise<string>} [token]
   */
  refuse(refusal, token = this.#token || 'none') {
    if (token !== this.#token) return;
    this.#refusal = refusal;
    this.#token = undefined;
  }

  async #renew() {
    /** @type {Promise<string>} */
    const set = new Promise((resolve) => (this.#wake = resolve));
    try {
      const token = await this.ask?.(this.#refusal);
      return token || (this.ask && !this.#refusal ? '' : set);
    } catch (error) {
      if (this.#wake) this.#token = undefined; // to be asked for again
      throw error;
    }
  }

  // --- requests ---

  /**
   * When the token is refused and there is a new one, the request is made again.
   * @param {string} url
   * @param {RequestInit & { headers?: Record<string, string> }} [init]
   * @param {boolean} [again]
   * @returns {Promise<Response>} one that is ok
   */
  async request(url, init, again) {
    const { fetch } = this.world;
    const held = this.token();
    const token = await held;
    const headers = { ...init?.headers, ...(token && { Authorization: `Bearer ${token}` }) };
    const response = await fetch(url, { credentials: this.credentials, ...init, headers }).catch(noAnswer);
    if (response.ok) return response;
    const error = await this.#errorOf(response);
    if (error.status === 401) {
      this.refuse(error, held);
      if (this.ask && !again) return this.request(url, init, true);
    }
    throw error;
  }

  /** @param {Response} response */
  async #errorOf(response) {
    const { status } = response;
    const { code, msg = `HTTP status ${status}` } = (await response.json().catch(() => {})) ?? {};
    // Seconds, or a date (RFC 9110, section 10.2.3).
    const after = response.headers.get('Retry-After') ?? '';
    const wait = Number(after) * 1000 || Date.parse(after) - this.world.now() || 0;
    const Refusal = status === 401 || code === 'FORBIDDEN' ? AuthError : HttpError;
    return new Refusal(msg, { status, code, retryAfter: Math.max(0, wait) });
  }

  /**
   * One call of the interface, parameters and answer in JSON.
   * @param {string} method
   * @param {string} path  below the base
   * @param {object} [params]
   * @returns {Promise<any>}
   */
  async call(method, path, params) {
    const response = await this.request(`${this.base}/${path}`, {
      method,
      body: JSON.stringify(params),
      headers: { 'Content-Type': 'application/json' },
      keepalive: path === 'typing', // who leaves the page is no longer typing
    });
    return response.json();
  }
}
