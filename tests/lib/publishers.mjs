// Publishing applications: concurrent transactions that publish, sleep, sometimes roll back, and record what they
// committed, so that the log itself can be judged. They survive a database that goes away.
import { sleep } from './conditions.mjs';
import { atEnd } from './lifetime.mjs';

// A small seeded generator (mulberry32), so that a failing run can be repeated.
export function randomSource(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const kInsert = 'INSERT INTO pgevents.events (channel_id, data) VALUES ($1, $2::json)';
const kPublish = 'SELECT pgevents.publish($1, $2, $3::json)';

const kLate = 1000; // ms; a longer delay, for example while the database is away, is not made up for

export class Publishers {
  // sleepMs: between the statements of a transaction; pauseMs: between transactions; rollbacks: share of transactions.
  // With a rate (events a second, of all together) they keep to a timetable instead of pausing, and take the channels
  // in turn.
  constructor(database, {
    count = 4, channels = ['cheese'], types = ['cheese_created', 'cheese_sold'], perTransaction = [1, 5],
    sleepMs = [0, 50], pauseMs = [0, 5], rate, rollbacks = 0.1, padding = 0, seed = Date.now() % 1e9,
  } = {}) {
    this.database_ = database;
    const events = ((perTransaction[0] + perTransaction[1]) / 2) * (1 - rollbacks);
    const interval = rate && (1000 * events * count) / rate;
    this.options_ = { channels, types, perTransaction, sleepMs, pauseMs, interval, rollbacks, padding };
    this.seed = seed;
    this.random_ = randomSource(seed);
    this.stopping_ = false;
    this.turn_ = 0;
    this.record = { committed: [], rolledBack: [], unsure: [] };
    this.failures = [];
    this.running_ = Array.from({ length: count }, (_, publisher) => this.run_(publisher));
    atEnd(() => this.stop());
  }

  get committedEvents() {
    return this.record.committed.reduce((sum, { events }) => sum + events.length, 0);
  }

  // Lets every transaction end. Gives the record.
  async stop() {
    this.stopping_ = true;
    await Promise.all(this.running_);
    return this.record;
  }

  between_([from, to]) {
    return from + this.random_() * (to - from);
  }

  pick_(list) {
    return list[Math.floor(this.random_() * list.length)];
  }

  channel_() {
    const { channels, interval } = this.options_;
    return interval ? channels[this.turn_++ % channels.length] : this.pick_(channels);
  }

  async run_(publisher) {
    const { interval, pauseMs } = this.options_;
    let due = performance.now() + this.random_() * (interval ?? 0);
    let client;
    for (let number = 0; !this.stopping_; number++) {
      try {
        client ??= await this.database_.connect();
        await this.transaction_(client, publisher, number);
      } catch (error) {
        this.failures.push(error);
        await client?.end().catch(() => {});
        client = undefined;
        await sleep(100);
      }
      due = interval ? Math.max(due + interval, performance.now() - kLate) : performance.now() + this.between_(pauseMs);
      await sleep(Math.max(0, due - performance.now()));
    }
    await client?.end().catch(() => {});
  }

  async transaction_(client, publisher, number) {
    const transaction = { publisher, number, events: [] };
    const count = Math.floor(this.between_([this.options_.perTransaction[0], this.options_.perTransaction[1] + 1]));
    await client.query('BEGIN');
    for (let n = 0; n < count; n++) {
      await this.publishOne_(client, transaction, n);
      if (this.options_.sleepMs[1] > 0) await sleep(this.between_(this.options_.sleepMs));
    }
    if (this.random_() < this.options_.rollbacks) {
      this.record.rolledBack.push(transaction);
      await client.query('ROLLBACK');
      return;
    }
    await this.commit_(client, transaction);
  }

  // If the connection is lost during COMMIT, only the log shows whether the transaction was committed.
  async commit_(client, transaction) {
    try {
      await client.query('COMMIT');
    } catch (error) {
      this.record.unsure.push(transaction);
      throw error;
    }
    this.record.committed.push(transaction);
  }

  async publishOne_(client, transaction, n) {
    const token = `${transaction.publisher}-${transaction.number}-${n}`;
    const event = { token, channel: this.channel_(), type: this.pick_(this.options_.types) };
    const data = { token, padding: 'x'.repeat(this.options_.padding) };
    if (this.random_() < 0.5) {
      await client.query(kInsert, [event.channel, JSON.stringify({ type: event.type, data })]);
    } else {
      await client.query(kPublish, [event.channel, event.type, JSON.stringify(data)]);
    }
    transaction.events.push(event);
  }
}
