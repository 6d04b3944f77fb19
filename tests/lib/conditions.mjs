// Waiting for conditions instead of sleeping, and other small things that every test needs. Limits are generous: they
// bound a failing test, and a passing test never waits for them.
import { setTimeout as delay } from 'node:timers/promises';

export const kDefaultTimeout = 30_000;

export const sleep = (ms) => delay(ms);

// A failure that waiting cannot cure: waitFor() throws it on at once.
export class PermanentError extends Error {}

// Calls `predicate` (may be async, may throw) until it gives a truthy value, and returns that value.
export async function waitFor(predicate, { what = 'condition', timeout = kDefaultTimeout, interval = 10 } = {}) {
  const deadline = Date.now() + timeout;
  let last_error;
  for (;;) {
    try {
      const value = await predicate();
      if (value) return value;
      last_error = undefined;
    } catch (error) {
      if (error instanceof PermanentError) throw error;
      last_error = error;
    }
    if (Date.now() >= deadline) {
      const text = typeof what === 'function' ? what() : what;
      throw new Error(`not within ${timeout} ms: ${text}`, { cause: last_error });
    }
    await delay(interval);
  }
}

// Fails if `promise` does not settle within `timeout` ms.
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
