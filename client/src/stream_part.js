// What the transports that stay open have in common: one that fails, or that a proxy holds back, is not used for a
// time.
import { SilenceError } from './errors.js';

// Milliseconds until a transport is tried again.
const kBlocked = 300_000;
// So many times in a row may a transport break before another is tried.
const kBreaks = 3;

/**
 * Takes the failure of an attempt: if the transport may be its cause, another one is used for a time. Returns whether
 * it is tried at once.
 * @param {import('./attempt.js').Attempt} attempt
 * @param {any} error
 */
export function failed({ connection, met, transport, world }, error) {
  const is_silent = error instanceof SilenceError;
  if (!is_silent && (error.status || !met || connection.failures < kBreaks)) return false;
  const until = world.now() + kBlocked;
  connection.blocked[transport] = until;
  if (transport === 'stream') connection.blocked['event-source'] = until; // the same to a proxy
  connection.show('connecting');
  return is_silent;
}
