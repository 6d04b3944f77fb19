// A clock that stands until a test moves it, and timers that go by it.

// Promises, streams and messages that are on their way arrive.
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

  // How many timers are set.
  get pending() {
    return this.#timers.size;
  }

  #due(until) {
    const due = [...this.#timers].filter(([, { at }]) => at <= until);
    return due.sort(([a_id, a], [b_id, b]) => a.at - b.at || a_id - b_id)[0];
  }

  // Time passes; every timer is called at its own time, and what follows from it happens before the next.
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

  // The machine sleeps: time passes, and the timers are called when it is over.
  async sleep(ms) {
    this.#now += ms;
    await this.advance(0);
  }

  // Moves on in small steps until `condition` holds.
  async until(condition, { limit = 600_000, step = 100 } = {}) {
    await settle();
    for (let passed = 0; !condition(); passed += step) {
      if (passed > limit) throw new Error(`not within ${limit} ms: ${condition}`);
      await this.advance(step);
    }
  }
}
