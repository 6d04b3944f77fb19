// The delay from a publisher to a subscriber, under loads from one event at a time to as many as PostgreSQL takes.
import { kPublisherUser } from '../../lib/database.mjs';
import { kServerCore } from '../peers/common.mjs';
import { flushesFor } from './flushes.mjs';
import { whileCommitting } from './pgbench.mjs';
import { kProbeRate, load, withInstances } from './servers.mjs';
import { createDatabase, kInsertEvents } from './ways.mjs';

const kClients = 8;
const kRate = 200;
const kCells = {
  quick: { channels: 1000, fastest: [32], warmup: 0.5, seconds: 1 },
  full: { channels: 10000, fastest: [8, 32], warmup: 1, seconds: 5 },
};

const thousands = (number) => number.toLocaleString('en-US');
const kProbe = { channel: 'probe', path: '/events/probe?envelope=1', publishers: 8, rate: kProbeRate };

// `load`: of the load generator, with subscribers; `others`: of pgbench at the same time, on other channels.
const cases = ({ channels, fastest }) => ({
  '1 publisher, 100/s': { load: { ...kProbe, publishers: 1, rate: 100 } },
  [`${kClients} clients, ${kRate}/s`]: { load: kProbe, others: { clients: kClients, rate: kRate - kProbeRate } },
  [`${thousands(channels)} channels, 1,000/s`]: {
    load: { subscribers: channels, channels, path: '/events/bench{c}?envelope=1', publishers: 4, batch: 100, rate: 1000 },
  },
  ...Object.fromEntries(fastest.map((clients) =>
    [`${clients} clients, as fast as they go`, { load: kProbe, others: { clients } }])),
});

// Figures: a histogram of the load generator, and what is taken from it.
const kHistograms = {
  'until COMMIT': 'publish_delay_us',
  'sent to read': 'delay_us',
  'from ts': 'commit_delay_us',
  'after COMMIT': 'confirmed_delay_us',
};
const kShares = ['p50', 'p99'];
const kOthers = 'events/s of the others';

async function measure(where, { load: options, others }, { warmup, seconds }) {
  const database = await createDatabase(...where);
  const conninfo = database.conninfo({ user: kPublisherUser });
  const deliver = (nginx) => load(database, nginx, { ...options, conninfo, warmup, seconds });
  const result = await withInstances(database, 1, '', ([nginx]) => (others
    ? whileCommitting(database, kInsertEvents, others, () => deliver(nginx))
    : deliver(nginx)), kServerCore);
  await database.drop();
  const delays = Object.entries(kHistograms).flatMap(([title, name]) =>
    kShares.map((share) => [`${title} ${share} ms`, result[name][share] / 1000]));
  return { ...Object.fromEntries(delays), [kOthers]: others && result.per_s - options.rate };
}

export const delays = {
  sections: (mode) => flushesFor(mode).map((flush) => ({
    title: `Delays, one nginx listens, ${flush.title}`,
    figures: [
      ...Object.keys(kHistograms).flatMap((title) => kShares.map((share) => ({ title: `${title} ${share} ms`, digits: 2 }))),
      { title: kOthers, digits: 0 },
    ],
    columns: Object.fromEntries(Object.entries(cases(kCells[mode])).map(([name, one]) =>
      [name, (...where) => measure(where, one, kCells[mode])])),
    flush: flush.ms,
  })),
  notes: [
    `delays: one subscriber gets ${kProbeRate} events a second (or 100), pgbench publishes the rest on other channels at ` +
      'random moments; with several channels each has a subscriber. until COMMIT: from when the event is due, over ' +
      'a free connection of 8 (4, 1), to the confirmation of INSERT and COMMIT; sent to read: from the same moment to the ' +
      'subscriber\'s read; from ts: from the event\'s time, which it gets with its id; after COMMIT: from the publisher\'s ' +
      'read of the confirmation. nginx is on the core of PostgreSQL, as in ./run bench',
  ],
};
