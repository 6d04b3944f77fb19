// A clock that stops until a test advances it, and timers that use it.

// Lets pending promises, streams and messages arrive.
export async function settle() {
  for (let n = 0; n < 6; n++) await new Promise(setImmediate);
}

export class Clock {
  #now;
  #timers = new Map();
  #last_id = 0;

  constructor(now = 1_700_000_000_000) {
    this.#now = now;
    this.now = () => this.#now;
    this.setTimeout = (callback, ms) => {
      this.#timers.set(++this.#last_id, { at: this.#now + Math.max(0, ms), callback });
      return this.#last_id;
    };
    this.clearTimeout = (id) => this.#timers.delete(id);
  }

  // The number of timers that are set.
  get pending() {
    return this.#timers.size;
  }

  #due(until) {
    const due = [...this.#timers].filter(([, { at }]) => at <= until);
    return due.sort(([a_id, a], [b_id, b]) => a.at - b.at || a_id - b_id)[0];
  }

  // Advances time. Calls every timer at its time; its consequences happen before the next timer.
  async advance(ms) {
    const until = this.#now + ms;
    await settle();
    for (let next; (next = this.#due(until));) {
      const [id, { at, callback }] = next;
      this.#timers.delete(id);
      this.#now = Math.max(this.#now, at);
      callback();
      await settle();
    }
    this.#now = until;
    await settle();
  }

  // The machine sleeps: time passes, and the timers are called afterwards.
  async sleep(ms) {
    this.#now += ms;
    await this.advance(0);
  }

  // Advances in small steps until `condition` holds.
  async until(condition, { limit = 600_000, step = 100 } = {}) {
    await settle();
    for (let passed = 0; !condition(); passed += step) {
      if (passed > limit) throw new Error(`not within ${limit} ms: ${condition}`);
      await this.advance(step);
    }
  }
}
