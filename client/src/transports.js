// The transports: a stream read by fetch, a long or short poll, the browser's own EventSource. Each makes one request.
// It resolves with the milliseconds to wait before the next request, and rejects with an error.
import { aborted } from './environment.js';
import { noAnswer, PgeventsError, SilenceError } from './errors.js';
import { StreamParser } from './stream_parser.js';

/** @typedef {import('./connection.js').Connection} Connection */

export const kReset = 'pgevents.reset';
const kExpired = 'pgevents.expired';
const kCursor = 'pgevents.cursor';

// Defaults where the server sends no value, equal to the server's: in milliseconds, and in seconds.
const kRetry = 2000;
const kPollInterval = 5;

/**
 * Takes a block of a stream. An event's data is the whole event object; a block that only moves the cursor has no data.
 * @param {Connection} connection
 * @param {AbortSignal} signal
 * @param {import('./stream_parser.js').Block} block
 */
function take(connection, signal, { type, data, id }) {
  signal.throwIfAborted();
  const events = data ? [JSON.parse(data)] : [];
  if (type === kExpired) throw connection.over(events[0]?.data?.data?.reason);
  return connection.receive(events, id);
}

/**
 * @param {Connection} connection
 * @param {AbortSignal} signal
 */
export async function stream(connection, signal) {
  const { heartbeatTimeout } = connection.options;
  const response = await connection.ask({ envelope: 1 }, heartbeatTimeout / 5, signal, { Accept: 'text/event-stream' });
  if (!/event-stream/.test(`${response.headers.get('Content-Type')}`)) throw new PgeventsError('Not an event stream');
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  const parser = new StreamParser();
  for (;;) {
    const { value, done } = await reader.read().catch(noAnswer);
    // The server ended the stream: this is not an error. It is exiting, or it is the fallback, whose streams are short.
    if (done) return parser.retry ?? kRetry;
    connection.watchdog.set(heartbeatTimeout);
    for (const block of parser.push(value)) await take(connection, signal, block);
  }
}

/**
 * @param {Connection} connection
 * @param {AbortSignal} signal
 * @param {boolean} at_once  do not wait for events
 */
export async function poll(connection, signal, at_once) {
  const { heartbeatTimeout } = connection.options;
  /** @type {import('./connection.js').Query} */
  const query = at_once ? { flavor: 'poll' } : { flavor: 'long-poll', timeout: heartbeatTimeout / 1000 };
  const response = await connection.ask(query, heartbeatTimeout * 1.2, signal);
  const { headers } = response;
  connection.watchdog.set(heartbeatTimeout * 10); // allow for a megabyte over a slow network
  const events = await response.json();
  await connection.receive(events, headers.get('Last-Event-ID') ?? events.at(-1)?.id);
  if (headers.get('X-Shortpoll-Info') === 'expired') throw connection.over('expired');
  return Number(headers.get('X-PS-Reconnect-In') ?? kPollInterval) * 1000;
}

/**
 * The browser's EventSource: sends cookies but no token, receives only the types in the options, shows no heartbeats.
 * @param {Connection} connection
 * @param {AbortSignal} signal
 * @returns {Promise<number>}
 */
export function eventSource(connection, signal) {
  const { world, options: { types = [], heartbeatTimeout } } = connection;
  const source = new /** @type {typeof EventSource} */ (world.EventSource)(connection.url({ envelope: 1 }));
  connection.watchdog.set(heartbeatTimeout / 5);
  return new Promise((_, reject) => {
    let last = Promise.resolve();
    for (const type of new Set([kExpired, kReset, kCursor, ...types])) {
      source.addEventListener(type, ({ data, lastEventId: id }) => {
        if (data === undefined) return; // an event of the EventSource itself: "open" or "error"
        last = last.then(() => take(connection, signal, { type, data, id })); // after a failure no later block is taken
        last.catch(reject);
      });
    }
    let is_open = true; // the watchdog is set already
    source.onopen = () => {
      is_open = true;
      connection.watchdog.set();
    };
    // The browser reconnects by itself when a stream ends, after the server's `retry:` time; but not after an HTTP
    // error.
    source.onerror = (event) => {
      if ('data' in event) return; // an application's event of type "error"
      if (is_open) connection.watchdog.set(heartbeatTimeout); // only once, however often the browser retries
      is_open = false;
      if (source.readyState === 2) reject(new SilenceError('No answer'));
    };
    aborted(signal).catch(reject);
  }).finally(() => source.close());
}
