// What `./run bench copies` measures: how fast transactions publish on the primary while nginx instances listen, on a
// copy or on the primary itself; what that costs either database; and the delay to a subscriber on either side.
import { sleep } from '../../lib/conditions.mjs';
import { cpuSecondsOfServer } from '../../lib/processes.mjs';
import { whileCommitting } from '../database/pgbench.mjs';
import { nginxText, probeDelays, withInstances } from '../database/servers.mjs';
import { kInsertEvents } from '../database/ways.mjs';
import { behind, kPlaces, secondsToArrive } from './pair.mjs';

const kSlowFlush = 3; // ms
const kFastest = undefined;

const instances = (count) => (count === 0 ? 'no nginx' : `${count} nginx`);

// The columns: how many nginx instances listen where. `is_copied`: there is a copy.
const kNoCopy = { 'no copy, no nginx': { on_copy: 0, on_primary: 0, is_copied: false } };
const onCopy = (count) => ({ [`copy, ${instances(count)}`]: { on_copy: count, on_primary: 0, is_copied: true } });
const onPrimary = (count) => ({ [`no copy, ${instances(count)} on the primary`]:
  { on_copy: 0, on_primary: count, is_copied: false } });
const onBoth = (count) => ({ [`copy, ${instances(count)}, and 1 on the primary`]:
  { on_copy: count, on_primary: 1, is_copied: true } });
const columnsOf = (...parts) => Object.assign({}, ...parts);

const kColumns = {
  quick: columnsOf(onCopy(0), onCopy(4), onPrimary(1), ...[0, 4].map(onBoth)),
  full: columnsOf(kNoCopy, ...[0, 1, 4, 16].map(onCopy), ...[1, 4, 16].map(onPrimary), ...[0, 16].map(onBoth)),
  delays: columnsOf(onBoth(1), onBoth(16), onPrimary(1), onPrimary(16)),
};

const kReferences = ['copy, no nginx', 'copy, no nginx, and 1 on the primary', 'no copy, no nginx',
  'no copy, 1 nginx on the primary'];
const kRate = [
  { title: 'events/s', digits: 0, ratio: kReferences },
  { title: 'CPU of the primary µs/event', digits: 0, ratio: kReferences },
  { title: 'CPU of the copy µs/event', digits: 0 },
  { title: 'the copy is behind by events', digits: 0 },
  { title: 'seconds until it has all', digits: 2 },
];
const kDelays = [
  { title: 'events/s', digits: 0 },
  { title: 'CPU of the primary µs/event', digits: 0 },
  { title: 'delay p50 ms', digits: 2 },
  { title: 'delay p99 ms', digits: 2 },
];

async function during(copy, seconds, probe) {
  const used = () => (copy ? cpuSecondsOfServer(copy.cluster.pid) : 0);
  const from = used();
  const delays = probe ? await probe(seconds) : await sleep(seconds * 1000);
  return { ...delays, copy_s: used() - from };
}

async function publishWhileListening(primary, copy, { on_copy, on_primary, clients, rate, seconds, place, probes }) {
  const load = { clients, rate, core: place.primary };
  const commit = async (probe) => {
    const result = await whileCommitting(primary, kInsertEvents, load, async () => {
      const seen = await during(copy, seconds, probe);
      return { ...seen, behind: copy && (await behind(primary, copy)) };
    });
    return { ...result, arrived_s: copy && (await secondsToArrive(primary, copy)) };
  };
  const parameters = '';
  return withInstances(primary, on_primary, parameters, (here) => {
    if (!copy) return commit(probes && ((time) => probeDelays(primary, here[0], time)));
    const there = (nginx) => commit(probes && ((time) => probeDelays(primary, nginx[0], time)));
    return withInstances(copy, on_copy, parameters, there, place.copy);
  }, place.copy);
}

// One measurement: { figure title: value }.
async function measure(pair, options) {
  await pair.place(options.place);
  return pair.withDatabases(options.is_copied, async (primary, copy) => {
    const { per_s, events, cpu_us, copy_s, behind: late, arrived_s, ...delays } =
      await publishWhileListening(primary, copy, options);
    return {
      'events/s': per_s,
      'CPU of the primary µs/event': cpu_us,
      'CPU of the copy µs/event': copy && (copy_s * 1e6) / events,
      'the copy is behind by events': late,
      'seconds until it has all': arrived_s,
      ...delays,
    };
  });
}

const withFigures = (figures) => figures.map((figure) => ({ ...figure, of: (result) => result[figure.title] }));

function section(title, figures, columns, options) {
  const all = Object.entries(columns).map(([name, column]) => [name, (pair) => measure(pair, { ...options, ...column })]);
  return { title, flush: options.flush, figures: withFigures(figures), columns: Object.fromEntries(all), results: {} };
}

const clientsText = (clients, rate) => `${clients} clients, ` +
  (rate === kFastest ? 'one event a transaction as fast as they go' : `${rate} events/s, each a transaction`);

function rates(columns, name, { clients, rate = kFastest, seconds, flush = 0 }) {
  const place = kPlaces[name];
  const title = `${clientsText(clients, rate)}; ${place.title}${flush ? `; each flush of the primary ${flush} ms longer` : ''}`;
  return section(title, kRate, columns, { clients, rate, seconds, flush, place });
}

const delaysAt = (rate, seconds) => section(`Delays to a subscriber: ${clientsText(8, rate)}; ${kPlaces.pinned.title}`,
  kDelays, kColumns.delays, { clients: 8, rate, seconds, flush: 0, place: kPlaces.pinned, probes: true });

export const sectionsFor = {
  quick: () => [rates(kColumns.quick, 'pinned', { clients: 8, seconds: 1 })],
  full: () => [
    rates(kColumns.full, 'pinned', { clients: 8, seconds: 3 }),
    rates(kColumns.full, 'pinned', { clients: 8, seconds: 3, rate: 1000 }),
    rates(kColumns.full, 'pinned', { clients: 32, seconds: 3, flush: kSlowFlush }),
    rates(kColumns.full, 'free', { clients: 8, seconds: 3 }),
    delaysAt(200, 3),
    delaysAt(1000, 3),
  ],
};

export const kNotes = [
  'both databases, every nginx and the publishers are on this machine. A core for each database: the primary and the ' +
    'publishers (pgbench) on core 0, the copy and every nginx on core 1, also those that listen to the primary. Nothing ' +
    'bound: all of them compete for both cores, so that what the copy and nginx use is missing at the primary',
  'PostgreSQL: fsync and synchronous_commit on, wal_level = logical, shared_buffers 256 MB, else its defaults; the copy ' +
    'is made as docs/sql.md says, over a Unix socket',
  'nginx: instances with one worker each, without subscribers, except for one where delays are measured: that gets 50 ' +
    'events a second more; delay: from just before their publisher sends the INSERT to its read',
  'no nginx on the primary: then no session gives ids to events that transactions leave; each transaction gives its ' +
    'own under a lock that it holds until its flush has ended. So compare columns that both have one there, or none',
  'CPU: utime + stime, including the kernel\'s work for the processes; of the primary: with the process that sends to the copy',
  'behind: when the measurement ends; seconds: from the end of publishing until the copy has every event',
];
export const kConfigs = { 'each instance': nginxText('127.0.0.1:…', 'host=… dbname=… user=…') };
