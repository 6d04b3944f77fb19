// Waiting for conditions instead of sleeping for luck, and other small things that every test needs.
// Limits are generous: they bound a failure, they are never what a passing test waits for.
import { setTimeout as delay } from 'node:timers/promises';

export const kDefaultTimeout = 30_000;

export const sleep = (ms) => delay(ms);

// Says that waiting on is useless: waitFor() passes it on at once.
export class Hopeless extends Error {}

// Calls `predicate` (may be async, may throw) until it gives something truthy, and returns that.
export async function waitFor(predicate, { what = 'condition', timeout = kDefaultTimeout, interval = 10 } = {}) {
  const deadline = Date.now() + timeout;
  let last_error;
  for (;;) {
    try {
      const value = await predicate();
      if (value) return value;
      last_error = undefined;
    } catch (error) {
      if (error instanceof Hopeless) throw error;
      last_error = error;
    }
    if (Date.now() >= deadline) {
      const text = typeof what === 'function' ? what() : what;
      throw new Error(`not within ${timeout} ms: ${text}`, { cause: last_error });
    }
    await delay(interval);
  }
}

// Gives `promise` at most `timeout` ms.
export async function within(promise, timeout, what) {
  const abort = new AbortController();
  const limit = delay(timeout, undefined, { signal: abort.signal }).then(() => {
    throw new Error(`not within ${timeout} ms: ${what}`);
  });
  limit.catch(() => {});
  try {
    return await Promise.race([promise, limit]);
  } finally {
    abort.abort();
  }
}

// Numbers from `from` to `to`, both included.
export const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
