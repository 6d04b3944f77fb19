// Makes requests to one base address with the caller's token; answers other than success become errors. The token is a
// string, or a function of the application returns it, which is called at the start and whenever the server rejects the
// last token.
import { environment } from './environment.js';
import { AuthError, HttpError, noAnswer } from './errors.js';

/**
 * Returns a token. Called without an argument at the start, where no result means that requests carry no token. Later
 * called with the error that rejected the last token, where no result means: wait for setToken().
 * @callback TokenCallback
 * @param {AuthError} [rejection]  its code is TOKEN_EXPIRED, TOKEN_REVOKED or UNAUTHORIZED
 * @returns {string | null | void | Promise<string | null | void>}
 */

/**
 * @typedef {object} ServerOptions
 * @property {string | TokenCallback} [token]
 * @property {RequestCredentials} [credentials]  include: send cookies to other origins, too
 * @property {Partial<import('./environment.js').Environment>} [environment]  your own timers, clock, fetch …
 */

export class Server {
  /** @type {TokenCallback | undefined} */
  ask;
  /**
   * The token of requests; empty: no token; undefined: a new one is needed.
   * @type {string | Promise<string> | undefined}
   */
  #token;
  /** @type {AuthError | undefined} */
  #rejection;
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
   * @param {AuthError} rejection
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
      const token = await this.ask?.(this.#rejection);
      return token || (this.ask && !this.#rejection ? '' : set);
    } catch (error) {
      if (this.#wake) this.#token = undefined; // the next request calls the function again
      throw error;
    }
  }

  // --- requests ---

  /**
   * Makes a request. If the token is rejected and the application has a new one, makes the request again.
   * @param {string} url
   * @param {RequestInit & { headers?: Record<string, string> }} [init]
   * @param {boolean} [again]
   * @returns {Promise<Response>} a successful one
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
      this.reject(error, held);
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
    const ErrorClass = status === 401 || code === 'FORBIDDEN' ? AuthError : HttpError;
    return new ErrorClass(msg, { status, code, retryAfter: Math.max(0, wait) });
  }

  /**
   * Makes one call of the HTTP interface, with parameters and answer in JSON.
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
      keepalive: path === 'typing', // sends "stop" even while the page is being left
    });
    return response.json();
  }
}
