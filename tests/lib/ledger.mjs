// The judge of a run of any length. It copies the log as it grows (before pruning), compares every subscriber's events
// with the copy as they arrive, and drops rows that every reader has passed: its memory depends on how long the log is
// kept, not on the length of the run.
import { judge, judgeLog, summarise } from './checker.mjs';

const kLate = 90_000; // ms after which a missing event counts as lost
const kKept = 20; // problems that are reported in full
const kSettled = 5000; // ms until a committed event must be in the copy

// One subscriber's position in the log. `took(event)` is called with each received event, in order; before `begin()` no
// event is expected.
export class Reader {
  // types: as in expectedRows(); resets: is it allowed to receive a reset?
  constructor({ name, channels, types, resets = false }) {
    Object.assign(this, { name, channels: new Set(channels), types, resets });
    this.queue = [];
    this.at = undefined;
  }

  // Starts behind the id `after`, or behind a time.
  begin({ after = 0, since_us = 0 }) {
    Object.assign(this, { after, since_us, begun: true });
  }

  took({ id, type, data, channel_id, ts }) {
    if (type === 'pgevents.expired') return; // not in the log
    this.queue.push({ id, type, data, channel_id, ts });
  }

  wants({ id, ts_us, channel_id, type }) {
    const is_wanted = this.channels.has(channel_id) && (!this.types || this.types.includes(type));
    return is_wanted && id > this.after && ts_us > this.since_us;
  }
}

export class Ledger {
  // keep: seconds for which rows stay in the copy, for readers that begin in the past.
  constructor(database, { keep }) {
    Object.assign(this, { database_: database, keep_: keep, rows_: [], dropped_: 0, last_id: 0 });
    this.readers_ = new Set();
    this.records_ = []; // { since, record }: what publishers recorded
    this.totals = { events: 0, delivered: 0, resets: 0, lost: 0, twice: 0, other: 0, misjudged: 0 };
    this.problems = [];
    this.more_ = 0; // problems that are only counted
  }

  async start() {
    this.last_id = await this.database_.head();
  }

  add(reader) {
    this.readers_.add(reader);
    return reader;
  }

  // The reader need not receive anything that it does not have yet.
  remove(reader) {
    this.pass_(reader);
    this.readers_.delete(reader);
  }

  get size() {
    return this.rows_.length;
  }

  // An id and a time (µs) in the past, at `share` (0: the oldest kept, 1: now).
  past(share) {
    const row = this.rows_[Math.floor(share * (this.rows_.length - 1))];
    return row ? { id: row.id, ts_us: row.ts_us } : { id: this.last_id, ts_us: Date.now() * 1000 };
  }

  // Adds a publishers' record, to be judged when its events must be in the copy.
  addRecord(record, since = Date.now()) {
    this.records_.push({ since, record });
  }

  // Called repeatedly: reads on, judges, drops old rows.
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

  // The index of the first row behind an id.
  indexAfter_(id) {
    let [low, high] = [0, this.rows_.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.rows_[middle].id > id) high = middle;
      else low = middle + 1;
    }
    return this.dropped_ + low;
  }

  // Advances a reader as far as both its events and the copy go.
  pass_(reader) {
    if (!reader.begun) return;
    reader.at ??= this.indexAfter_(reader.after);
    while (reader.at < this.end_()) {
      const row = this.rows_[reader.at - this.dropped_];
      const [next] = reader.queue;
      if (next?.type === 'pgevents.reset') this.jump_(reader, next);
      else if (next && next.id < row.id) this.superfluous_(reader, next);
      else if (!this.step_(reader, row, next)) return;
    }
  }

  // False: the row's event may still arrive.
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
    reader.at = this.indexAfter_(id);
  }

  superfluous_(reader, event) {
    reader.queue.shift();
    const was_there = this.rows_[this.indexAfter_(event.id - 1) - this.dropped_];
    const kind = was_there?.id === event.id && reader.wants(was_there) ? 'twice' : 'other';
    this.blame_(kind, reader, `event ${event.id} of ${was_there?.channel_id}, a repetition or not its own`);
  }

  blame_(kind, reader, text) {
    this.totals[kind]++;
    this.note(`${kind}, ${reader.name}: ${text}`);
  }

  // Records a problem; the first ones are kept in full.
  note(text) {
    if (this.problems.length < kKept) this.problems.push(`${new Date().toISOString()} ${text}`);
    else this.more_++;
  }

  allProblems() {
    return this.more_ > 0 ? [...this.problems, `and ${this.more_} more`] : this.problems;
  }

  judgeRecords_() {
    while (this.records_.length > 0 && this.records_[0].since < Date.now() - kSettled) {
      const rows = this.rows_.filter(({ data }) => data.startsWith('{"token"'));
      const problems = judgeLog(rows, this.records_.shift().record);
      this.totals.misjudged += problems.length;
      if (problems.length > 0) this.note(`the log differs from what was committed: ${summarise(problems)}`);
    }
  }

  forget_() {
    const old = (Date.now() - this.keep_ * 1000) * 1000;
    let first = this.end_();
    for (const { at = first } of this.readers_) first = Math.min(first, at);
    let count = 0;
    while (count < first - this.dropped_ && this.rows_[count].ts_us < old) count++;
    this.rows_.splice(0, count);
    this.dropped_ += count;
  }

  // Readers that lack events of the copy, or have events that the copy lacks.
  behind() {
    return [...this.readers_].filter((reader) => {
      this.pass_(reader);
      return reader.begun && (reader.at < this.end_() || reader.queue.length > 0);
    });
  }
}
