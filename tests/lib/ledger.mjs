// The judge of a run without end. It copies the log as it grows, before the pruning, holds every subscriber against the copy as
// events come in, and forgets what everybody has passed: its memory depends on how long the log is kept, not on the run.
import { judge, judgeLog, summarise } from './checker.mjs';

const kLate = 90_000; // ms after which an event that somebody lacks is lost
const kKept = 20; // problems that are told
const kSettled = 5000; // ms until what was committed must be in the copy

// One subscriber's place in the log. `took(event)` is called with what came, in order; nothing is expected before `begin()`.
export class Reader {
  // since_us, types: as in expectedRows(); resets: may it be told of a gap?
  constructor({ who, channels, types, resets = false }) {
    Object.assign(this, { who, channels: new Set(channels), types, resets });
    this.queue = [];
    this.at = undefined;
  }

  // Behind the id `after`, or behind a time.
  begin({ after = 0, since_us = 0 }) {
    Object.assign(this, { after, since_us, begun: true });
  }

  took({ id, type, data, channel_id, ts }) {
    if (type === 'pgevents.expired') return; // not of the log
    this.queue.push({ id, type, data, channel_id, ts });
  }

  wants({ id, ts_us, channel_id, type }) {
    const is_wanted = this.channels.has(channel_id) && (!this.types || this.types.includes(type));
    return is_wanted && id > this.after && ts_us > this.since_us;
  }
}

export class Ledger {
  // keep: seconds of the log that stay, for readers that begin in the past.
  constructor(database, { keep }) {
    Object.assign(this, { database_: database, keep_: keep, rows_: [], dropped_: 0, last_id: 0 });
    this.readers_ = new Set();
    this.records_ = []; // { since, record }: what publishers say they did
    this.totals = { events: 0, delivered: 0, resets: 0, lost: 0, twice: 0, other: 0, misjudged: 0 };
    this.problems = [];
    this.untold_ = 0;
  }

  async start() {
    this.last_id = await this.database_.head();
  }

  add(reader) {
    this.readers_.add(reader);
    return reader;
  }

  // It need not get what it has not got yet.
  remove(reader) {
    this.pass_(reader);
    this.readers_.delete(reader);
  }

  get size() {
    return this.rows_.length;
  }

  // An id or a time (µs) in the past, at `share` (0: the oldest kept, 1: now).
  past(share) {
    const row = this.rows_[Math.floor(share * (this.rows_.length - 1))];
    return row ? { id: row.id, ts_us: row.ts_us } : { id: this.last_id, ts_us: Date.now() * 1000 };
  }

  // To be judged when it must have come into the copy.
  addRecord(record, since = Date.now()) {
    this.records_.push({ since, record });
  }

  // To be called again and again: reads on, judges, forgets.
  async tick() {
    const rows = await this.database_.log({ after: this.last_id });
    this.rows_.push(...rows);
    this.last_id = rows.at(-1)?.id ?? this.last_id;
    this.totals.events += rows.length;
    for (const reader of this.readers_) this.pass_(reader);
    this.judgeRecords_();
    this.forget_();
  }

  end_() {
    return this.dropped_ + this.rows_.length;
  }

  // The place of the first row behind an id.
  placeAfter_(id) {
    let [low, high] = [0, this.rows_.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.rows_[middle].id > id) high = middle;
      else low = middle + 1;
    }
    return this.dropped_ + low;
  }

  // As far as what came and the copy go.
  pass_(reader) {
    if (!reader.begun) return;
    reader.at ??= this.placeAfter_(reader.after);
    while (reader.at < this.end_()) {
      const row = this.rows_[reader.at - this.dropped_];
      const [next] = reader.queue;
      if (next?.type === 'pgevents.reset') this.jump_(reader, next);
      else if (next && next.id < row.id) this.superfluous_(reader, next);
      else if (!this.step_(reader, row, next)) return;
    }
  }

  // False: the row has still to come.
  step_(reader, row, next) {
    if (!reader.wants(row)) {
      if (next?.id === row.id) this.superfluous_(reader, next);
      else reader.at++;
      return true;
    }
    if (!next && row.ts_us > (Date.now() - kLate) * 1000) return false;
    reader.at++;
    if (next?.id !== row.id) {
      this.blame_('lost', reader, `event ${row.id}${next ? `, ${next.id} came` : ', nothing came'}`);
      return true;
    }
    reader.queue.shift();
    this.totals.delivered++;
    const problems = judge([next], [row]);
    if (problems.length > 0) this.blame_('other', reader, summarise(problems));
    return true;
  }

  jump_(reader, { id, data }) {
    reader.queue.shift();
    this.totals.resets++;
    if (!reader.resets) this.blame_('other', reader, `a reset: ${data}`);
    reader.after = id;
    reader.since_us = 0;
    reader.at = this.placeAfter_(id);
  }

  superfluous_(reader, event) {
    reader.queue.shift();
    const was_there = this.rows_[this.placeAfter_(event.id - 1) - this.dropped_];
    const kind = was_there?.id === event.id && reader.wants(was_there) ? 'twice' : 'other';
    this.blame_(kind, reader, `event ${event.id} of ${was_there?.channel_id}, again or not its own`);
  }

  blame_(kind, reader, text) {
    this.totals[kind]++;
    this.note(`${kind}, ${reader.who}: ${text}`);
  }

  // Anything that is wrong; the first ones are told.
  note(text) {
    if (this.problems.length < kKept) this.problems.push(`${new Date().toISOString()} ${text}`);
    else this.untold_++;
  }

  allProblems() {
    return this.untold_ > 0 ? [...this.problems, `and ${this.untold_} more`] : this.problems;
  }

  judgeRecords_() {
    while (this.records_.length > 0 && this.records_[0].since < Date.now() - kSettled) {
      const problems = judgeLog(this.rows_.filter(({ data }) => data.startsWith('{"token"')), this.records_.shift().record);
      this.totals.misjudged += problems.length;
      if (problems.length > 0) this.note(`the log is not what was committed: ${summarise(problems)}`);
    }
  }

  forget_() {
    const old = (Date.now() - this.keep_ * 1000) * 1000;
    let place = this.end_();
    for (const { at = place } of this.readers_) place = Math.min(place, at);
    let count = 0;
    while (count < place - this.dropped_ && this.rows_[count].ts_us < old) count++;
    this.rows_.splice(0, count);
    this.dropped_ += count;
  }

  // Readers that lack something of the copy, or have something that it lacks.
  behind() {
    return [...this.readers_].filter((reader) => {
      this.pass_(reader);
      return reader.begun && (reader.at < this.end_() || reader.queue.length > 0);
    });
  }
}
