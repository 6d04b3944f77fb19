// The cost of each listening nginx instance for PostgreSQL and for publishers; and the delay to a subscriber of one of
// them.
import { sleep } from '../../lib/conditions.mjs';
import { cpuSecondsOfServer } from '../../lib/processes.mjs';
import { whileCommitting } from './pgbench.mjs';
import { kProbeRate, nginxText, probeDelays, withInstances } from './servers.mjs';
import { createDatabase, kInsertEvents } from './ways.mjs';

const kClients = 8;
const kFastest = undefined;
const kCells = {
  quick: { instances: [0, 4], rates: [kFastest], seconds: 1 },
  full: { instances: [0, 1, 4, 16], rates: [200, 1000, kFastest], seconds: 3 },
};

const kFigures = [
  { title: 'events/s', digits: 0 },
  { title: 'PostgreSQL CPU µs/event', digits: 0, ratio: ['none'] },
  { title: 'nginx CPU µs/event and instance', digits: 0 },
  { title: 'delay p50 ms', digits: 2 },
  { title: 'delay p99 ms', digits: 2 },
];

async function observe(database, instances, seconds) {
  const used = () => instances.reduce((sum, nginx) => sum + cpuSecondsOfServer(nginx.master()), 0);
  const from = used();
  const delays = instances.length > 0 ? await probeDelays(database, instances[0],
    seconds) : await sleep(seconds * 1000);
  return { ...delays, nginx_s: used() - from };
}

// The rate includes the subscriber's events.
async function measure(where, count, rate, seconds) {
  const database = await createDatabase(...where);
  const others = rate && (count > 0 ? rate - kProbeRate : rate);
  const { per_s, events, cpu_us, nginx_s, ...delays } = await withInstances(database, count, '', (instances) =>
    whileCommitting(database, kInsertEvents, { clients: kClients, rate: others }, () => observe(database, instances, seconds)));
  await database.drop();
  return {
    'events/s': per_s,
    'PostgreSQL CPU µs/event': cpu_us,
    'nginx CPU µs/event and instance': count > 0 ? (nginx_s * 1e6) / events / count : undefined,
    ...delays,
  };
}

const kNames = { 0: 'none', 1: '1 instance' };

const section = (rate, { instances, seconds }) => ({
  title: `nginx instances that listen, ${kClients} clients, ` +
    (rate === kFastest ? 'one event a transaction as fast as they go' : `${rate} events/s, each a transaction`),
  figures: kFigures.map((figure, i) => (i === 0 && rate === kFastest ? { ...figure, ratio: ['none'] } : figure)),
  columns: Object.fromEntries(instances.map((count) =>
    [kNames[count] ?? `${count} instances`, (...where) => measure(where, count, rate, seconds)])),
});

export const listeners = {
  sections: (mode) => kCells[mode].rates.map((rate) => section(rate, kCells[mode])),
  notes: [
    'instances: nginx with one worker each, without subscribers except for one at the first; all of them and the publishers are ' +
      `on the core that PostgreSQL does not use. That subscriber gets ${kProbeRate} of the events a second; delay: from just ` +
      'before its publisher sends the INSERT to its read',
  ],
  configs: { 'each instance': nginxText('127.0.0.1:…', 'host=… dbname=… user=…') },
};
