// One request each, from the question to its end: a stream read by fetch, a long or short poll, the browser's own
// EventSource. A transport resolves with the time to wait before the next request, in milliseconds, and rejects with
// what went wrong.
import { aborted } from './environment.js';
import { noAnswer, PgeventsError, SilenceError } from './errors.js';
import { StreamParser } from './stream_parser.js';

/** @typedef {import('./line.js').Line} Line */

export const kReset = 'pgevents.reset';
const kExpired = 'pgevents.expired';
const kCursor = 'pgevents.cursor';

// As the server's, where it does not tell them: milliseconds, and seconds.
const kRetry = 2000;
const kPollInterval = 5;

/**
 * A block of a stream. The data of an event holds the whole of it; a block that only moves the cursor has none.
 * @param {Line} line
 * @param {AbortSignal} signal
 * @param {import('./stream_parser.js').Block} block
 */
function take(line, signal, { type, data, id }) {
  signal.throwIfAborted();
  const events = data ? [JSON.parse(data)] : [];
  if (type === kExpired) throw line.over(events[0]?.data?.data?.reason);
  return line.receive(events, id);
}

/**
 * @param {Line} line
 * @param {AbortSignal} signal
 */
export async function stream(line, signal) {
  const { heartbeatTimeout } = line.options;
  const response = await line.ask({ envelope: 1 }, heartbeatTimeout / 5, signal, { Accept: 'text/event-stream' });
  if (!/event-stream/.test(`${response.headers.get('Content-Type')}`)) throw new PgeventsError('Not an event stream');
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  const parser = new StreamParser();
  for (;;) {
    const { value, done } = await reader.read().catch(noAnswer);
    // An end that the server has made is no fault: it is going away, or it is the fallback, and polls are the way.
    if (done) return parser.retry ?? kRetry;
    line.watchdog.set(heartbeatTimeout);
    for (const block of parser.push(value)) await take(line, signal, block);
  }
}

/**
 * @param {Line} line
 * @param {AbortSignal} signal
 * @param {boolean} at_once  do not wait for events
 */
export async function poll(line, signal, at_once) {
  const { heartbeatTimeout } = line.options;
  /** @type {import('./line.js').Query} */
  const query = at_once ? { flavor: 'poll' } : { flavor: 'long-poll', timeout: heartbeatTimeout / 1000 };
  const response = await line.ask(query, heartbeatTimeout * 1.2, signal);
  const { headers } = response;
  line.watchdog.set(heartbeatTimeout * 10); // a megabyte may come in, over a slow line
  const events = await response.json();
  await line.receive(events, headers.get('Last-Event-ID') ?? events.at(-1)?.id);
  if (headers.get('X-Shortpoll-Info') === 'expired') throw line.over('expired');
  return Number(headers.get('X-PS-Reconnect-In') ?? kPollInterval) * 1000;
}

/**
 * Sends cookies but no token, hears only of the types in the options, and does not tell of heartbeats.
 * @param {Line} line
 * @param {AbortSignal} signal
 * @returns {Promise<number>}
 */
export function eventSource(line, signal) {
  const { world, options: { types = [], heartbeatTimeout } } = line;
  const source = new /** @type {typeof EventSource} */ (world.EventSource)(line.url({ envelope: 1 }));
  line.watchdog.set(heartbeatTimeout / 5);
  return new Promise((_, reject) => {
    let last = Promise.resolve();
    for (const type of new Set([kExpired, kReset, kCursor, ...types])) {
      source.addEventListener(type, ({ data, lastEventId: id }) => {
        if (data === undefined) return; // the connection's own "open" or "error"
        last = last.then(() => take(line, signal, { type, data, id })); // nothing behind one that was not taken
        last.catch(reject);
      });
    }
    let is_open = true; // as far as the watchdog knows, which is set already
    source.onopen = () => {
      is_open = true;
      line.watchdog.set();
    };
    // The browser comes back by itself when a stream ends, as often as the server says; but not after an error of HTTP.
    source.onerror = (event) => {
      if ('data' in event) return; // an application's event that is called so
      if (is_open) line.watchdog.set(heartbeatTimeout); // once, however often the browser tries
      is_open = false;
      if (source.readyState === 2) reject(new SilenceError('No answer'));
    };
    aborted(signal).catch(reject);
  }).finally(() => source.close());
}
