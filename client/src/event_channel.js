// The channel with all of its parts: it chooses the transport, shares connections, publishes and makes calls.
import { BaseChannel } from './base_channel.js';
import { Caller } from './caller.js';
import { page } from './page.js';
import { webSocket } from './socket.js';
import { sharing } from './tabs.js';
import { eventSource, streams } from './transports.js';

export class EventChannel extends BaseChannel {
  /**
   * @param {string | Caller} base  the address of pgevents, such as /rt
   * @param {string | string[]} [channels]
   * @param {any} [options]
   */
  constructor(base, channels, options = {}) {
    const server = base instanceof Caller ? base : new Caller(base, options);
    super(server, channels, { parts: [webSocket, streams, eventSource, sharing, page], ...options });
  }

  /**
   * @param {string} channel
   * @param {string} type
   * @param {any} [data]
   * @param {import('./caller.js').PublishOptions} [options]
   */
  publish(channel, type, data, options) {
    return /** @type {Caller} */ (this.server).publish(channel, type, data, { signal: this.options.signal, ...options });
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {object} [params]
   * @param {{ signal?: any }} [options]
   */
  call(method, path, params, options) {
    return /** @type {Caller} */ (this.server).call(method, path, params, { signal: this.options.signal, ...options });
  }
}
