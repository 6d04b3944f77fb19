// Makes calls of the HTTP interface and publishes: over the open WebSocket, if there is one, otherwise by requests.
import { until } from './environment.js';
import { persist, Server } from './server.js';

/**
 * @typedef {object} PublishOptions
 * @property {number} [ttl]  seconds until the event expires
 * @property {string} [idempotencyKey]  the same key publishes once only; absent: a random one for this call
 * @property {import('./environment.js').Signal} [signal]  gives up
 */

// How often a publication is attempted; with the delays of backoff() this takes about half a minute.
const kAttempts = 6;

export class Caller extends Server {
  /**
   * Makes one call of the HTTP interface, with parameters and answer in JSON: over the open WebSocket if there is one.
   * @param {string} method
   * @param {string} path  below the base
   * @param {object} [params]
   * @param {{ signal?: any, headers?: Record<string, string>, frame?: object }} [options]
   * @returns {Promise<any>}
   */
  async call(method, path, params, { signal, headers, frame } = {}) {
    const given = frame ?? { call: { method, path: `/${path}`, body: params } };
    const keepalive = path === 'typing'; // sends "stop" even while the page is being left
    if (this.socket && !keepalive) {
      try {
        return await until(this.socket.ask(given), signal);
      } catch (/** @type {any} */ error) {
        // The connection ended, or its token expired: the request is made once more.
        if (error.status && error.status !== 401) throw error;
      }
    }
    const response = await this.request(this.base + path, {
      method,
      body: JSON.stringify(params),
      headers: { 'Content-Type': 'application/json', ...headers },
      keepalive,
      signal,
    });
    return response.json();
  }

  /**
   * Publishes an event; repeats the request with the same idempotency key if no answer arrives.
   * @param {string} channel
   * @param {string} type
   * @param {any} data
   * @param {PublishOptions} options
   * @returns {Promise<string>} the event's id
   */
  async publish(channel, type, data = null, { ttl, idempotencyKey = randomKey(this.world), signal } = {}) {
    const path = `events/${encodeURIComponent(channel)}`;
    const options = {
      signal,
      headers: { 'Idempotency-Key': idempotencyKey },
      frame: { publish: channel, type, data, ttl, idempotency_key: idempotencyKey },
    };
    const publish = async () => `${(await this.call('POST', path, { type, data, ttl }, options)).id}`;
    return persist(this.world, publish, signal, kAttempts);
  }
}

// 128 random bits. (crypto.randomUUID() exists on secure origins only.)
/** @param {import('./environment.js').Environment} world */
const randomKey = ({ crypto, random }) =>
  String(crypto?.getRandomValues(new Uint32Array(4)) ?? [random(), random(), random()]).replaceAll(',', '-');
