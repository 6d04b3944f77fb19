// Adds and removes channels while a request is open: asks for new channels by themselves, so that an error or a gap is
// theirs alone, and starts the next request before the current one ends.
import { Attempt } from './attempt.js';
import { pause } from './environment.js';
import { backoff } from './server.js';
import { poll } from './transports.js';

/** @typedef {import('./connection.js').Connection} Connection */
/** @typedef {import('./subscription.js').Subscription} Subscription */

/** @param {Connection} connection @param {import('./subscription.js').Phase} wanted */
const inPhase = ({ subscriptions }, wanted) => [...subscriptions.values()].filter(({ phase }) => phase === wanted);

/**
 * The channels of the next request: those that the server has accepted; at first, those with the same cursor as the
 * first.
 * @param {Connection} connection
 */
function choose(connection) {
  const joined = inPhase(connection, 'joined');
  const fresh = inPhase(connection, 'new');
  return joined.length ? joined : fresh.filter(({ lastEventId }) => lastEventId === fresh[0].lastEventId);
}

/** Channels were added or removed in this task. @param {Connection} connection */
async function changed(connection) {
  await undefined;
  const { subscriptions, current, is_live, tabs, server: { socket } } = connection;
  const gone = current?.subscriptions.filter(({ phase }) => phase === 'closed') ?? [];
  if (socket) gone.forEach((subscription) => socket.unsubscribe(subscription));
  else if (gone.length) replace(connection);
  const fresh = inPhase(connection, 'new');
  if (is_live && fresh.length === subscriptions.size) {
    if (!current) connection.restart(); // the connection itself asks for the first channels
  } else if (is_live || tabs?.following) {
    join(connection, fresh);
  }
}

/** @param {Connection} connection */
function replace(connection) {
  const { current, previous } = connection;
  if (!current) return connection.restart();
  if (previous !== current) previous?.end();
  connection.previous = current;
  current.replaced.resolve();
}

/**
 * Requests what is behind the cursors of these channels; resolves when it has been received.
 * @param {Connection} connection
 * @param {Subscription[]} subscriptions
 */
export function join(connection, subscriptions) {
  /** @type {Record<string, Subscription[]>} */
  const groups = {};
  for (const subscription of subscriptions) (groups[`${subscription.lastEventId}`] ??= []).push(subscription);
  return Promise.all(Object.values(groups).map((group) => joinGroup(connection, group)));
}

/** @param {Connection} connection @param {Subscription[]} group */
async function joinGroup(connection, group) {
  const { world, server } = connection;
  for (const subscription of group) subscription.enter('joining');
  for (let failures = 1; (group = group.filter(({ phase }) => phase === 'joining')).length; failures++) {
    try {
      const attempt = new Attempt(connection, group, 'poll');
      await (server.socket?.subscribe(group) ?? poll(attempt, true).finally(() => attempt.end()));
    } catch (error) {
      if (connection.isFinal(error)) return connection.reject(group, error);
      await pause(world, backoff(world, failures, error));
    }
  }
  if (!server.socket) replace(connection);
}

export const joining = { join, choose, changed };
