// Delivers the events of some channels as they are committed, each once and in order. Its interface resembles
// EventSource; unlike an EventSource it reconnects after any error, sends tokens, and subscribes to further channels.
// It polls; the other transports and the sharing of connections are parts that it is given, so that a bundler leaves
// out those that a page does not name.
import { Connection } from './connection.js';
import { whenAborted } from './environment.js';
import { Server } from './server.js';

export class BaseChannel extends Connection {
  static CONNECTING = 0;
  static OPEN = 1;
  static CLOSED = 2;

  /**
   * @param {string | Server} base  the address of pgevents, such as /rt
   * @param {string | string[]} [channels]
   * @param {any} [options]
   */
  constructor(base, channels = [], options = {}) {
    super(base instanceof Server ? base : new Server(base, options), options);
    for (const name of [channels].flat()) this.add(name, options.lastEventId);
    this.parts.watch?.(this);
    this.resume();
    whenAborted(options.signal, () => this.close());
  }

  get readyState() {
    return this.state === 'closed' ? 2 : Number(this.isOpen);
  }

  /** Whether this page makes the requests itself. */
  get leading() {
    return this.tabs?.leading ?? true;
  }

  /**
   * @param {string} channel
   * @param {{ lastEventId?: string | number, signal?: any, onevent?: (event: any) => void }} [options]
   */
  subscribe(channel, { lastEventId, signal, onevent } = {}) {
    const subscription = this.add(channel, lastEventId);
    if (onevent) subscription.onevent = onevent;
    whenAborted(signal, () => subscription.unsubscribe());
    return subscription;
  }

  /** @param {string} channel */
  unsubscribe(channel) {
    this.own.find((subscription) => subscription.channel === channel)?.unsubscribe();
  }

  /**
   * Sets a new token for all tabs that share. Without a token: the cookie has been renewed.
   * @param {string} [token]
   */
  setToken(token) {
    this.tabs?.renew(token);
    this.takeToken(token);
  }

  /** A new token, of this tab or another. @param {string} [token] */
  takeToken(token) {
    this.server.setToken(token);
    for (const subscription of this.own) {
      if (subscription.phase !== 'refused') continue;
      subscription.enter('new');
      this.ended = false;
    }
    if (this.state === 'closed') this.show('connecting');
    this.renew(token);
    this.changed();
  }

  /** @param {import('./errors.js').PgeventsError} [error]  the reason, if the application did not close it */
  close(error) {
    this.pause();
    super.close(error);
  }

  resume() {
    (this.tabs ?? this).live();
  }

  pause() {
    this.tabs?.off();
    this.off();
  }
}
