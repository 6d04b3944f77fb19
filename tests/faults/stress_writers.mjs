// Writers for the stress test: transactions that depend on each other by row locks, advisory locks, unique tickets and
// the clock, of all isolation levels, with savepoints, SET CONSTRAINTS IMMEDIATE, events of deferred triggers,
// rollbacks and publications over HTTP. Each event says what must have come before it.
import pg from 'pg';

import { sleep } from '../lib/conditions.mjs';
import { atEnd } from '../lib/lifetime.mjs';
import { randomSource } from '../lib/publishers.mjs';

export const kChannels = ['cheese', 'wine', 'bread'];
export const kWriters = Number(process.env.PGEVENTS_STRESS_WRITERS ?? 20);
const kRows = Math.ceil(kWriters / 3.5); // few enough that transactions wait for each other
const kLevels = [[0.84, 'READ COMMITTED'], [0.93, 'REPEATABLE READ'], [1, 'SERIALIZABLE']];

// counters: a counter's value is the place of its event among those of the counter. locks: the sequence gives tickets
// to transactions that hold the lock. late: events of a deferred trigger, which takes a row lock at COMMIT.
export const kTables = `
  CREATE TABLE counters (r int PRIMARY KEY, v int NOT NULL DEFAULT 0);
  INSERT INTO counters SELECT generate_series(1, ${kRows});
  CREATE TABLE locks (r int PRIMARY KEY);
  INSERT INTO locks SELECT generate_series(1, ${kRows});
  CREATE SEQUENCE ticket;
  CREATE TABLE late (tx text, r int);
  CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$
  DECLARE
    now int;
  BEGIN
    UPDATE counters SET v = v + 1 WHERE r = NEW.r RETURNING v INTO now;
    PERFORM pgevents.publish('cheese', 't', json_build_object('tx', NEW.tx, 'late', true, 'r', NEW.r, 'v', now));
    RETURN NULL;
  END
  $$;
  CREATE CONSTRAINT TRIGGER late AFTER INSERT ON late DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION late();`;

const kPublish = 'SELECT pgevents.publish($1, $2, $3::json)';
const kInsert = 'INSERT INTO pgevents.events (channel_id, data) VALUES ($1, $2::json)';

const kLocks = [
  ['row', 'SELECT FROM locks WHERE r = $1 FOR UPDATE'],
  ['advisory', 'SELECT pg_advisory_xact_lock(7, $1)'],
];

class Transaction {
  constructor(writer, number, random) {
    Object.assign(this, { writer, tx: `${writer}.${number}`, random_: random, events: 0, late: 0, turns: 1 });
  }

  pick_(list) {
    return list[Math.floor(this.random_() * list.length)];
  }

  row_() {
    return 1 + Math.floor(this.random_() * kRows);
  }

  async begin(client) {
    this.client_ = client;
    const at = this.random_();
    this.level = kLevels.find(([limit]) => at < limit)[1];
    await client.query(`BEGIN ISOLATION LEVEL ${this.level}`);
  }

  async publish_(data) {
    const channel = this.pick_(kChannels);
    if (this.random_() < 0.5) await this.client_.query(kPublish, [channel, 't', JSON.stringify(data)]);
    else await this.client_.query(kInsert, [channel, JSON.stringify({ type: 't', data })]);
  }

  event_(data = {}) {
    return this.publish_({ tx: this.tx, i: this.events++, ...data });
  }

  async count_() {
    const r = this.row_();
    const { rows } = await this.client_.query('UPDATE counters SET v = v + 1 WHERE r = $1 RETURNING v', [r]);
    await this.event_({ r, v: rows[0].v });
  }

  // A lock that changes no row, so that no isolation level fails.
  async ticket_() {
    const l = this.row_();
    const [kind, lock] = this.pick_(kLocks);
    await this.client_.query(lock, [l]);
    const { rows } = await this.client_.query(`SELECT nextval('ticket') AS t`);
    await this.event_({ l: `${kind} ${l}`, t: rows[0].t });
  }

  async savepoint_() {
    await this.client_.query('SAVEPOINT s');
    if (this.random_() < 0.5) {
      await this.event_();
      await this.client_.query('RELEASE s');
      return;
    }
    await this.publish_({ bad: true });
    await this.client_.query('UPDATE counters SET v = v + 1 WHERE r = $1', [this.row_()]);
    if (this.random_() < 0.3) await this.client_.query('SET CONSTRAINTS ALL IMMEDIATE');
    await this.client_.query('ROLLBACK TO s');
  }

  async late_() {
    await this.client_.query('INSERT INTO late VALUES ($1, $2)', [this.tx, this.row_()]);
    this.late++;
  }

  async step_() {
    const at = this.random_();
    if (at < 0.15) await this.savepoint_();
    else if (at < 0.45) await this.count_();
    else if (at < 0.75) await this.ticket_();
    else if (at < 0.85) await this.late_();
    else await this.event_();
  }

  // Up to COMMIT. Gives false if it has rolled back.
  async run() {
    await this.event_();
    if (this.random_() < 0.01) await this.stayOpen_();
    for (let n = this.pick_([0, 1, 1, 2, 3]); n > 0; n--) {
      await this.step_();
      if (this.random_() < 0.3) await sleep(this.random_() * 10);
    }
    if (this.random_() < 0.1) {
      await this.client_.query('ROLLBACK');
      return false;
    }
    if (this.late === 0 && this.random_() < 0.06) await this.endTurn_();
    return true;
  }

  // While hundreds of turns are left behind its own; but not if it gave ids, and so keeps others from publishing.
  async stayOpen_() {
    await this.client_.query('SET CONSTRAINTS ALL IMMEDIATE');
    const { rows } = await this.client_.query(`SELECT current_setting('pgevents.turn', true) AS turn`);
    if (rows[0].turn === '') await sleep(2000 + this.random_() * 2000);
    await this.client_.query('SET CONSTRAINTS ALL DEFERRED');
    this.turns = 2;
  }

  // What follows depends on transactions that commit meanwhile.
  async endTurn_() {
    this.turns = 2;
    await this.client_.query('SET CONSTRAINTS ALL IMMEDIATE');
    if (this.random_() < 0.5) await this.client_.query('SET CONSTRAINTS ALL DEFERRED');
    await sleep(this.random_() * 5);
    if (this.random_() < 0.6) await this.step_();
  }
}

export class Writers {
  // publishOverHttp(channel, data): the id, or undefined if that is not known.
  constructor(database, { seed, publishOverHttp }) {
    Object.assign(this, { database_: database, seed_: seed, publishOverHttp_: publishOverHttp });
    this.record = { committed: [], rolledBack: [], unsure: [] };
    this.errors = new Map();
    this.busy_ = 0;
    this.stopping_ = false;
    this.paused_ = false;
    this.running_ = Array.from({ length: kWriters }, (_, writer) => this.run_(writer, randomSource(seed + 7919 * writer)));
    atEnd(() => this.stop());
  }

  async stop() {
    this.stopping_ = true;
    await Promise.all(this.running_);
  }

  // No transaction is open when it returns.
  async pause() {
    this.paused_ = true;
    while (this.busy_ > 0) await sleep(1);
  }

  resume() {
    this.paused_ = false;
  }

  async run_(writer, random) {
    let client;
    for (let number = 1; !this.stopping_; number++) {
      while (this.paused_ && !this.stopping_) await sleep(5);
      this.busy_++;
      try {
        client ??= await this.database_.connect('postgres');
        const transaction = new Transaction(writer, number, random);
        if (random() < 0.05) await this.overHttp_(transaction);
        else await this.transaction_(client, transaction);
      } catch (error) {
        client = await this.failed_(client, error);
      }
      this.busy_--;
      if (random() < 0.2) await sleep(random() * 20);
    }
    await client?.end().catch(() => {});
  }

  async failed_(client, error) {
    const what = error.code ?? error.message;
    this.errors.set(what, (this.errors.get(what) ?? 0) + 1);
    if (error instanceof pg.DatabaseError && !error.code.startsWith('57')) {
      const is_alive = await client.query('ROLLBACK').then(() => true, () => false);
      if (is_alive) return client;
    }
    await client?.end().catch(() => {});
    await sleep(100);
    return undefined;
  }

  async transaction_(client, transaction) {
    transaction.from = performance.now();
    let list = this.record.rolledBack;
    try {
      await transaction.begin(client);
      if (!(await transaction.run())) return;
      list = this.record.unsure;
      const from = performance.now();
      try {
        await client.query('COMMIT');
        list = this.record.committed;
        transaction.commit = Math.round(performance.now() - from);
      } catch (error) {
        // Serialization failures and deadlocks are certain; a lost connection is not.
        if (/^(40|55|23)/.test(error.code)) list = this.record.rolledBack;
        throw error;
      }
    } finally {
      transaction.to = performance.now();
      list.push(transaction);
    }
  }

  async overHttp_(transaction) {
    transaction.from = performance.now();
    transaction.events = 1;
    const channel = kChannels[transaction.writer % kChannels.length];
    transaction.id = await this.publishOverHttp_(channel, { tx: transaction.tx, i: 0 });
    transaction.to = performance.now();
    this.record[transaction.id === undefined ? 'unsure' : 'committed'].push(transaction);
  }
}
