// `./run soak`: the servers under a steady load for a long time. The first half has a reload every half minute, the
// second none, so that growth shows from one generation of workers to the next as well as within one life of a worker.
// A line is fitted to each series that must stay flat, and every delivery is judged as it arrives.
//
//   node tests/soak/soak.mjs [plain|asan|valgrind] [SECONDS]
import fs from 'node:fs';
import path from 'node:path';

import { sleep, waitFor } from '../lib/conditions.mjs';
import { endAll } from '../lib/lifetime.mjs';
import { isAlive } from '../lib/processes.mjs';
import { randomSource } from '../lib/publishers.mjs';
import { kRoot } from '../lib/scratch.mjs';
import { Clients } from './clients.mjs';
import { Workload } from './workload.mjs';
import { Ledger } from '../lib/ledger.mjs';
import { kSeries, Probe } from './probe.mjs';
import { areEnough, judgeAll, print, writePage } from './outcome.mjs';
import { kPool, kWorkers, startAll } from './setup.mjs';
import { sleepWhile } from './subscriber.mjs';
import { counts, noteReload } from './transport.mjs';

// rate: events a second. Under valgrind everything takes about thirty times as long.
const kVariants = {
  plain: { seconds: 3600, rate: 100, staying: 96, coming: 140 },
  asan: { seconds: 1800, rate: 60, staying: 48, coming: 80 },
  valgrind: { seconds: 600, rate: 10, staying: 12, coming: 12, slow: true, allow: [/setrlimit\(RLIMIT_NOFILE/] },
};

const kReport = 3000; // characters shown of a report

const clamp = (low, value, high) => Math.min(high, Math.max(low, value));

function plan(variant, seconds) {
  return {
    ...kVariants[variant], variant, seconds,
    tick: 0.5,
    sample: clamp(0.5, seconds / 240, 5),
    reload: variant === 'valgrind' ? 15 : clamp(5, seconds / 24, 30),
    strike: clamp(5, seconds / 16, 45), // seconds between ends of the listener's connection
    retention: clamp(20, seconds / 20, 30), // seconds, longer than a client may be delayed on a busy machine
    patience: variant === 'valgrind' ? 120_000 : 60_000,
  };
}

class Soak {
  constructor(planned, all, directory) {
    Object.assign(this, { plan: planned, all, probe: new Probe(all) });
    this.ledger = new Ledger(all.database, { keep: planned.retention + 20 });
    this.samples = [];
    this.reloads = 0;
    this.strikes = 0;
    this.csv_ = fs.createWriteStream(path.join(directory, `${planned.variant}.csv`));
    this.goes_ = true;
  }

  // The time since the start, in hours.
  hours_() {
    return (performance.now() - this.started_) / 3_600_000;
  }

  async run() {
    const { rate, staying, coming, seconds } = this.plan;
    const random = randomSource(Date.now() % 1e9);
    this.rest_ = await this.probe.sample();
    await this.ledger.start();
    this.started_ = performance.now();
    this.clients = new Clients(this.all.ports, this.ledger, random);
    this.clients.startStaying(staying);
    this.clients.startComing(coming);
    this.workload = new Workload(this.all, this.ledger, random, rate);
    const repeated = [
      this.repeat_(this.plan.tick, () => this.ledger.tick()),
      this.repeat_(this.plan.sample, () => this.sample_()),
      this.repeat_(this.plan.strike, () => this.strike_()),
    ];
    await this.halves_(seconds * 1000).catch((error) => this.ledger.note(error.stack));
    await this.end_(repeated);
  }

  // A busy machine takes fewer samples in a short time: the second half lasts until there are enough.
  async halves_(ms) {
    await this.reloadUntil_(ms / 2);
    await this.until_(ms);
    await waitFor(() => areEnough(this.samples), {
      what: () => `enough of ${this.samples.length} samples`, timeout: this.plan.patience, interval: 100,
    });
  }

  until_(ms) {
    return sleep(Math.max(0, this.started_ + ms - performance.now()));
  }

  async repeat_(pause, act) {
    for (let next = performance.now(); this.goes_; next = Math.max(next + pause * 1000, performance.now())) {
      await sleepWhile(() => this.goes_, next - performance.now());
      if (this.goes_) await act().catch((error) => this.ledger.note(error.stack));
    }
  }

  async sample_(is_aged = false) {
    const at = this.hours_();
    const half = this.second_half_ ? 'one life' : 'reloads';
    try {
      const seen = await this.probe.sample();
      const sample = { at, half, is_aged, ...seen, ledger: this.ledger.size };
      if (this.samples.length === 0) this.csv_.write(`${Object.keys(sample).join(',')}\n`);
      const cells = Object.values(sample).map((value) => (typeof value === 'number' ? +value.toFixed(6) : value));
      this.csv_.write(`${cells.join(',')}\n`);
      const is_of_now = half === (this.second_half_ ? 'one life' : 'reloads') && !this.is_over_;
      if (is_of_now && seen.workers === kWorkers) this.samples.push(sample);
    } catch (error) {
      if (!/ESRCH|ENOENT/.test(error.code ?? '')) throw error; // a worker has just exited
    }
  }

  // The last reload begins the second half.
  async reloadUntil_(ms) {
    const { reload } = this.plan;
    for (let next = reload * 1000; ; next += reload * 1000) {
      const is_last = next + reload * 500 >= ms;
      await this.until_(is_last ? ms : next);
      await this.sample_(true);
      const old = this.probe.workers();
      for (const pid of old) this.probe.leaving.add(pid);
      noteReload(this.watchLeaving_(old));
      await this.all.nginx.reload();
      this.reloads++;
      if (is_last) break;
    }
    this.second_half_ = true;
  }

  watchLeaving_(pids) {
    const gone = () => pids.every((pid) => !isAlive(pid));
    return waitFor(gone, { what: `old workers ${pids} gone`, timeout: this.plan.patience, interval: 100 })
      .catch((error) => this.ledger.note(error.message));
  }

  // Ends the listener's connection, and every third time all connections of the module.
  async strike_() {
    await sleep(Math.random() * 1000);
    if (this.hours_() * 3600 < this.plan.strike / 2) return;
    const which = ++this.strikes % 3 === 0 ? '' : `AND application_name = 'pgevents listener'`;
    await this.all.database.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND application_name IN ('pgevents listener', 'pgevents pool') ${which}`);
  }

  // Waits until all staying subscribers have every committed event. Then all clients leave, and the servers must have
  // released what they held for them.
  async end_(repeated) {
    this.is_over_ = true;
    await this.workload.stop();
    await this.clients.stop();
    const head = await this.all.database.head();
    await waitFor(() => this.ledger.last_id >= head && this.ledger.behind().length === 0, {
      what: () => `${this.ledger.behind().length} clients caught up, e.g. ${this.ledger.behind()[0]?.name}`,
      timeout: this.plan.patience,
    }).catch((error) => this.ledger.note(error.message));
    this.goes_ = false;
    await Promise.all(repeated);
    this.seconds = (performance.now() - this.started_) / 1000;
    await this.clients.close();
    await this.drained_();
    this.csv_.end();
  }

  // Waits for the descriptors at rest. The workers are new, but hold the same; connections of the pool may stay until
  // they are idle.
  async drained_() {
    let now;
    const excess = async () => {
      now = await this.probe.sample();
      const workers = now.workers_fds - this.rest_.workers_fds;
      return workers > kWorkers * kPool || now.fallback_fds > this.rest_.fallback_fds + kWorkers;
    };
    const note = ({ message }) =>
      this.ledger.note(`${message}; at rest ${JSON.stringify(this.rest_)}, now ${JSON.stringify(now)}`);
    await waitFor(async () => !(await excess()), { what: 'descriptors as at rest', timeout: 20_000, interval: 200 })
      .catch(note);
    this.drained = now;
  }

  totals() {
    const { events, delivered, resets, lost, twice, other, misjudged } = this.ledger.totals;
    return {
      seconds: Math.round(this.seconds ?? 0), events, deliveries: delivered, 'connections made': counts.made,
      'subscribers that came and went': this.clients.came, reloads: this.reloads, 'listeners cut off': this.strikes,
      'requests repeated at a reload': counts.again,
      'answers 503': this.workload.unavailable, 'resets for old cursors': resets, lost, twice,
      'wrong otherwise': other + misjudged,
    };
  }
}

// memcheck's report about each process (tools/suites.sh writes it there).
function valgrindReports(directory) {
  const where = path.join(directory, 'valgrind');
  const names = fs.readdirSync(where).filter((name) => name.endsWith('.log'));
  if (names.length === 0) return ['no process ran under valgrind'];
  const texts = names.map((name) => [name, fs.readFileSync(path.join(where, name), 'utf8')]);
  return texts.filter(([, text]) => text !== '').map(([name, text]) => `${name}:\n${text.slice(0, kReport)}`);
}

// Memory limits mean nothing if the allocator keeps freed memory.
const isOrdinary = (pid) => !/libasan|valgrind/.test(fs.readFileSync(`/proc/${pid}/maps`, 'latin1'));

async function main() {
  const [variant = 'plain', given] = process.argv.slice(2);
  if (!(variant in kVariants)) {
    throw new Error(`soak: unknown variant '${variant}'; use one of: ${Object.keys(kVariants).join(', ')}`);
  }
  const seconds = Number(given ?? kVariants[variant].seconds);
  if (!(seconds >= 15)) throw new Error(`soak: invalid number of seconds '${given}'; use at least 15`);
  const planned = plan(variant, seconds);
  const directory = path.join(process.env.PGEVENTS_RUN_DIR ?? path.join(kRoot, '.run'), 'soak');
  fs.mkdirSync(directory, { recursive: true });
  const all = await startAll(planned);
  const soak = new Soak(planned, all, directory);
  const with_memory = isOrdinary(all.nginx.master());
  await soak.run().catch((error) => soak.ledger.note(error.stack));
  await endAll().catch((error) => soak.ledger.note(error.message));
  if (variant === 'valgrind') for (const report of valgrindReports(directory)) soak.ledger.note(report);
  const rows = judgeAll(kSeries.filter(({ memory }) => with_memory || !memory), soak.samples);
  const outcome = { plan: planned, rows, totals: soak.totals(), problems: soak.ledger.allProblems() };
  print(outcome);
  writePage(path.join(directory, `${variant}.md`), outcome);
  process.exitCode = rows.every(({ good }) => good) && outcome.problems.length === 0 ? 0 : 1;
}

try {
  await main();
} catch (error) {
  console.error(error.stack);
  process.exitCode = 1;
} finally {
  await endAll();
}
process.exit(); // ends anything that a failure has left running
