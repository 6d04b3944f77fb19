// The WebSocket transport, in the dialect pgevents.v1 (docs/protocol.md): events and cursors arrive in text frames;
// requests subscribe, unsubscribe, publish and call. The object that makes requests exists while the socket is open.
import { deferred, until } from './environment.js';
import { errorOf, NetworkError, SilenceError } from './errors.js';
import { failed } from './stream_part.js';
import { kExpired, kReset } from './transports.js';

/** @typedef {import('./attempt.js').Attempt} Attempt */
/** @typedef {import('./subscription.js').Subscription} Subscription */

const kProtocol = 'pgevents.v1';
const kClosing = 1012; // the server is being reloaded
const kUnauthorized = 4401;
const kJitter = 1000;

export class Subscriber {
  #attempt;
  #channel;
  #last_request = 0;
  /** @type {Map<number, ReturnType<typeof deferred>>} */
  #waiting = new Map();
  /** Channels whose subscription has not been answered. @type {Subscription[]} */
  #joining = [];
  /** @type {Promise<any>} */
  #last = Promise.resolve();

  /** @param {Attempt} attempt @param {WebSocket} channel */
  constructor(attempt, channel) {
    this.#attempt = attempt;
    this.#channel = channel;
  }

  /**
   * Makes a request; resolves with the body of its answer. Rejects when the connection ends.
   * @param {object} request
   * @returns {Promise<any>}
   */
  ask(request) {
    const reply = deferred();
    this.#waiting.set(++this.#last_request, reply);
    this.#channel.send(JSON.stringify({ request: this.#last_request, ...request }));
    return until(reply.promise, this.#attempt.signal);
  }

  // The server may still send events of a channel that it has not yet left. So a new subscription waits for that.
  /** @param {Subscription[]} group */
  async subscribe(group) {
    await this.#last;
    this.#joining.push(...group);
    try {
      const subscribe = group.map(({ channel }) => channel);
      const { last_event_id } = await this.ask({ subscribe, last_event_id: group[0].lastEventId });
      await this.#attempt.receive([], last_event_id, group);
      this.#attempt.subscriptions.push(...group);
    } finally {
      this.#joining = this.#joining.filter((its) => !group.includes(its));
    }
  }

  /** @param {Subscription} subscription */
  unsubscribe(subscription) {
    const attempt = this.#attempt;
    attempt.subscriptions = attempt.subscriptions.filter((other) => other !== subscription);
    this.#last = this.ask({ unsubscribe: [subscription.channel] }).catch(() => {});
  }

  /** @param {any} frame */
  take(frame) {
    const attempt = this.#attempt;
    if (attempt.signal.aborted) throw attempt.reason;
    if ('reply' in frame) return this.#answer(frame);
    if (frame.cursor) return attempt.receive([], frame.cursor);
    const { channel_id: name, data: { type, data } } = frame;
    if (type === kExpired) throw attempt.over(data.reason);
    const joining = this.#joining.filter(({ channel }) => channel === name);
    return attempt.receive([frame], type === kReset ? frame.id : undefined, joining.length ? joining : undefined);
  }

  /** @param {{ reply: number, status: number, body: any }} frame */
  #answer({ reply, status, body }) {
    const waiting = this.#waiting.get(reply);
    this.#waiting.delete(reply);
    if (status < 400) waiting?.resolve(body);
    else waiting?.reject(errorOf(status, body));
  }
}

/**
 * @param {Attempt} attempt
 * @returns {Promise<number>}
 */
async function socket(attempt) {
  const { world, connection: { server }, options: { heartbeatTimeout } } = attempt;
  const token = await attempt.begin(heartbeatTimeout / 5);
  const url = attempt.url({}).replace(/^http/, 'ws');
  const Socket = /** @type {typeof WebSocket} */ (world.WebSocket);
  const channel = new Socket(url, token ? [kProtocol, `pgevents.token.${token}`] : [kProtocol]);
  attempt.sent();
  const subscriber = new Subscriber(attempt, channel);
  const ended = new Promise((resolve, reject) => {
    /** @type {Promise<any>} */
    let last = Promise.resolve();
    channel.onopen = () => {
      server.socket = subscriber;
    };
    channel.onerror = () => {}; // onclose follows
    channel.onmessage = ({ data }) => {
      attempt.watch(heartbeatTimeout);
      last = last.then(() => subscriber.take(JSON.parse(data))); // after a failure no later frame is taken
      last.catch(reject);
    };
    channel.onclose = ({ code, reason }) => last.then(() => {
      if (code === kClosing) resolve(world.random() * kJitter);
      else if (code === kUnauthorized) reject(attempt.over(reason));
      else reject(attempt.met ? new NetworkError('The connection broke') : new SilenceError('No WebSocket'));
    }).catch(() => {}); // its reason has been given
  });
  return until(ended, attempt.signal).finally(() => {
    if (server.socket === subscriber) server.socket = undefined;
    channel.close();
  });
}

/** @type {{ websocket: import('./connection.js').Stream }} */
export const webSocket = {
  websocket: {
    run: socket,
    isUsable: ({ world, server }) => world.WebSocket && /^http/.test(server.base),
    failed,
  },
};
