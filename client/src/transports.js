// The transports over HTTP: a stream read by fetch, a long or short poll, the browser's own EventSource. Each makes one
// request. It resolves with the milliseconds to wait before the next request, and rejects with an error.
import { kShort } from './attempt.js';
import { until } from './environment.js';
import { AddressError, noAnswer, SilenceError } from './errors.js';
import { failed } from './stream_part.js';
import { StreamParser } from './stream_parser.js';

/** @typedef {import('./attempt.js').Attempt} Attempt */

export const kReset = 'pgevents.reset';
export const kExpired = 'pgevents.expired';
const kCursor = 'pgevents.cursor';

// Where the server sends no value, in milliseconds.
const kRetry = 2000;
const kReconnect = 10_000;

/**
 * The milliseconds that `X-PS-Reconnect-In` gives: an integer, whatever follows it.
 * @param {string | null} text
 */
function reconnectIn(text) {
  const seconds = parseInt(/** @type {string} */ (text), 10);
  return seconds >= 0 ? seconds * 1000 : kReconnect;
}

/**
 * Takes a block of a stream. An event's data is the whole event object; a block that only moves the cursor has no data.
 * @param {Attempt} attempt
 * @param {import('./stream_parser.js').Block} block
 */
function take(attempt, { type, data, id }) {
  if (attempt.signal.aborted) throw attempt.reason;
  const events = data ? [JSON.parse(data)] : [];
  if (type === kExpired) throw attempt.over(events[0]?.data?.data?.reason);
  return attempt.receive(events, id);
}

/** @param {Response} response @param {RegExp} wanted */
function check({ headers }, wanted) {
  const type = /** @type {string} */ (headers.get('Content-Type'));
  if (!wanted.test(type)) throw new AddressError(`The answer is not from pgevents (${type}); check the base address`);
}

/** @param {Attempt} attempt */
async function stream(attempt) {
  const { heartbeatTimeout } = attempt.options;
  const response = await attempt.ask({ envelope: 1 }, heartbeatTimeout / 5, { Accept: 'text/event-stream' });
  check(response, /event-stream/);
  const reader = response.body?.getReader?.();
  if (!reader) throw new SilenceError('No stream');
  const parser = new StreamParser();
  for (;;) {
    const { value, done } = await reader.read().catch(noAnswer);
    // The server ended the stream: this is not an error. It is exiting, or it is the fallback, whose streams are short.
    if (done) {
      const { retry = kRetry } = parser;
      if (attempt.isCurrent && attempt.age < kShort) attempt.connection.show('polling', { interval: retry });
      return retry;
    }
    attempt.watch(heartbeatTimeout);
    for (const block of parser.push(value)) await take(attempt, block);
  }
}

/**
 * @param {Attempt} attempt
 * @param {boolean} at_once  do not wait for events
 */
export async function poll(attempt, at_once) {
  const { options: { heartbeatTimeout }, transport, connection } = attempt;
  /** @type {import('./attempt.js').Query} */
  const query = at_once ? { flavor: 'poll' } : { flavor: 'long-poll', timeout: heartbeatTimeout / 1000 };
  if (!at_once && connection.state === 'polling') attempt.settle(kShort);
  const response = await attempt.ask(query, heartbeatTimeout * 1.2);
  const { headers } = response;
  check(response, /json/);
  attempt.watch(heartbeatTimeout * 10); // allow for a megabyte over a slow network
  const events = await response.json();
  const wait = reconnectIn(headers.get('X-PS-Reconnect-In'));
  if (!at_once || transport === 'poll') attempt.interval = wait;
  await attempt.receive(events, headers.get('Last-Event-ID') ?? events.at(-1)?.id);
  if (headers.get('X-Shortpoll-Info') === 'expired') throw attempt.over('expired');
  return wait;
}

/**
 * The browser's EventSource: sends cookies but no token, receives only the types in the options, or for which there are
 * listeners; shows no heartbeats.
 * @param {Attempt} attempt
 * @returns {Promise<number>}
 */
async function source(attempt) {
  const { world, connection, watch, options: { types, heartbeatTimeout } } = attempt;
  await attempt.begin(heartbeatTimeout / 5);
  const Source = /** @type {typeof EventSource} */ (world.EventSource);
  const channel = new Source(attempt.url({ envelope: 1 }), { withCredentials: connection.server.credentials === 'include' });
  attempt.sent();
  /** @type {Promise<never>} */
  const broken = new Promise((_, reject) => {
    let last = Promise.resolve();
    const known = new Set();
    connection.ontype = (type) => {
      if (!type || known.has(type)) return;
      known.add(type);
      channel.addEventListener(type, ({ data, lastEventId: id }) => {
        if (data === undefined) return; // an event of the EventSource itself: "open" or "error"
        last = last.then(() => take(attempt, { type, data, id })); // after a failure no later block is taken
        last.catch(reject);
      });
    };
    for (const type of [kExpired, kReset, kCursor, ...(types ?? connection.types)]) connection.ontype(type);
    let is_open = true; // the timer is set already
    channel.onopen = () => {
      is_open = true;
      watch();
    };
    // The browser reconnects by itself when a stream ends, after the server's `retry:` time; but not after an HTTP
    // error.
    channel.onerror = (event) => {
      if ('data' in event) return; // an application's event of type "error"
      if (is_open) watch(heartbeatTimeout); // only once, however often the browser retries
      is_open = false;
      if (channel.readyState === 2) reject(new SilenceError('No answer'));
    };
  });
  return until(broken, attempt.signal).finally(() => {
    connection.ontype = undefined;
    channel.close();
  });
}

/** @typedef {import('./connection.js').Stream} Stream */

/** @type {{ stream: Stream }} */
export const streams = { stream: { run: stream, isUsable: ({ world }) => world.ReadableStream, failed } };
/** @type {{ 'event-source': Stream }} */
export const eventSource = {
  'event-source': {
    run: source,
    isUsable: ({ world, server, options, tabs, types }) => world.EventSource && server.token() === '' && !tabs &&
      (options.types || !types.has(undefined)),
    failed,
  },
};
