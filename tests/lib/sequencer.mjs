// Readers of the log, as simple as a front-end's listener may be, each with a session of its own. A reader checks that
// ids only rise. One that sequences also gives ids to what publishers have left, becomes the sequencer and ceases to be
// it at random, and looks until everything is accounted for: on its first connection, on a notification, after
// sequencer_end(), and every 50 ms while another session is the sequencer.
import { sleep } from './conditions.mjs';
import { kServerUser } from './database.mjs';
import { atEnd } from './lifetime.mjs';

const kWatch = 50; // ms
const kPause = 2;
const kBegins = 0.2; // chance, of each look after a notification
const kEnds = 0.02; // chance, of each round
const kPages = [1, 7, 5000];

const kSequence = 'SELECT * FROM pgevents.sequence($1)';

export class Reader {
  // sequences: gives ids, too; after: the last id that it knows.
  constructor(database, { sequences = false, random = Math.random, after = 1 } = {}) {
    Object.assign(this, { database_: database, sequences_: sequences, random_: random, last: after });
    this.ids = [];
    this.violations = [];
    this.reconnects = -1;
    this.frozen_ = Promise.resolve();
    this.stopping_ = false;
    this.running_ = this.run_();
    atEnd(() => this.stop());
  }

  async stop() {
    this.stopping_ = true;
    this.wake_?.();
    await this.running_;
  }

  // Does nothing for so long, and keeps what it has, like a process that was stopped.
  freeze(ms) {
    this.frozen_ = sleep(ms);
    return this.frozen_;
  }

  async run_() {
    while (!this.stopping_) {
      let client;
      try {
        client = await this.database_.connect(kServerUser);
        await this.listen_(client);
      } catch {
        await sleep(50);
      }
      await client?.end().catch(() => {});
    }
  }

  async listen_(client) {
    this.reconnects++;
    this.notified_ = false;
    client.on('notification', () => this.notice_());
    client.on('end', () => this.notice_());
    await client.query('LISTEN pgevents');
    let is_open = true;
    client.on('end', () => (is_open = false));
    let looks = this.sequences_;
    let loops = false;
    while (!this.stopping_ && is_open) {
      await this.frozen_;
      if (loops && this.random_() < kEnds) {
        await client.query('SELECT pgevents.sequencer_end()');
        loops = false;
        looks = true;
      }
      const notified = this.notified_;
      this.notified_ = false;
      looks ||= notified && this.sequences_;
      const found = looks || loops ? await this.sequence_(client) : undefined;
      if (found?.is_settled && !loops) looks = false;
      if (notified && found && !loops && this.random_() < kBegins) loops = await this.begin_(client);
      await this.read_(client);
      if (looks || loops) await sleep(kPause);
      else looks = await this.wait_();
    }
  }

  async sequence_(client) {
    const max_rows = kPages[Math.floor(this.random_() * kPages.length)];
    const [row] = (await client.query(kSequence, [max_rows])).rows;
    this.watches_ = row.is_sequenced;
    return row;
  }

  async begin_(client) {
    return (await client.query('SELECT pgevents.sequencer_begin() AS is_mine')).rows[0].is_mine;
  }

  notice_() {
    this.notified_ = true;
    this.wake_?.();
  }

  // Gives whether to look again because the time is up.
  async wait_() {
    if (this.notified_ || this.stopping_) return false;
    let timer;
    const woken = new Promise((resolve) => {
      this.wake_ = () => resolve(false);
      if (this.watches_) timer = setTimeout(() => resolve(true), kWatch);
    });
    const is_due = await woken;
    clearTimeout(timer);
    this.wake_ = undefined;
    return is_due;
  }

  async read_(client) {
    for (;;) {
      const { rows } = await client.query('SELECT id FROM pgevents.log_after($1, 1000)', [this.last]);
      for (const { id } of rows) {
        if (id <= this.last) this.violations.push(`id ${id} after ${this.last}`);
        this.last = id;
        this.ids.push(id);
      }
      if (rows.length < 1000) return;
    }
  }
}
