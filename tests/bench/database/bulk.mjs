// Single events while other transactions publish very many each: their COMMIT, and their delivery.
import { kPublisherUser } from '../../lib/database.mjs';
import { load, withInstances } from './servers.mjs';
import { createDatabase } from './ways.mjs';

const kRate = 200; // single events a second
const kCells = { quick: { events: 10_000, seconds: 1 }, full: { events: 100_000, seconds: 10 } };

const kShares = { 'p50': 'p50', 'p99': 'p99', 'at most': 'max' };
const kHistograms = { 'until COMMIT': 'publish_delay_us', 'sent to read': 'delay_us' };
const kTitles = Object.keys(kHistograms).flatMap((what) => Object.keys(kShares).map((share) => `${what} ${share} ms`));
const kBulkTitles = ['bulk transactions', 'seconds for one'];

const kBulk = `INSERT INTO pgevents.events (channel_id, data)
  SELECT 'bulk' || n % 100, format('{"type":"bulk","data":{"n":%s,"x":"%s"}}', n, repeat('a', 180))::json
    FROM generate_series(1, $1::int) n`;

// One transaction after the other until `done`. Gives how long each took, in s.
async function publishInBulk(database, events, done) {
  const client = await database.connect();
  const took = [];
  let ended = false;
  done.finally(() => (ended = true)).catch(() => {});
  while (!ended) {
    const from = performance.now();
    await client.query(kBulk, [events]);
    took.push((performance.now() - from) / 1000);
  }
  await client.end();
  return took;
}

async function measure(where, events, seconds) {
  const database = await createDatabase(...where);
  const conninfo = database.conninfo({ user: kPublisherUser });
  const probe = { channel: 'probe', path: '/events/probe', conninfo, publishers: 8, rate: kRate, warmup: 1, drain: 60 };
  const [result, took] = await withInstances(database, 1, '', ([nginx]) => {
    const running = load(database, nginx, { ...probe, seconds });
    return Promise.all([running, events ? publishInBulk(database, events, running) : []]);
  });
  await database.drop();
  const delays = Object.values(kHistograms).flatMap((name) =>
    Object.values(kShares).map((share) => result[name][share] / 1000));
  return {
    ...Object.fromEntries(kTitles.map((title, i) => [title, delays[i]])),
    [kBulkTitles[0]]: events && took.length,
    [kBulkTitles[1]]: events && took.reduce((sum, one) => sum + one, 0) / took.length,
  };
}

export const bulk = {
  sections: (mode) => {
    const { events, seconds } = kCells[mode];
    const number = events.toLocaleString('en-US');
    return [{
      title: `${kRate} single events/s while other transactions publish ${number} events each`,
      figures: [...kTitles.map((title) => ({ title, digits: 2 })), { title: kBulkTitles[0], digits: 0 },
        { title: kBulkTitles[1], digits: 2 }],
      columns: {
        'no others': (...where) => measure(where, undefined, seconds),
        [`${number} events each`]: (...where) => measure(where, events, seconds),
      },
    }];
  },
  notes: [
    'bulk: one session publishes them, one transaction after the other, on 100 other channels than the single events\'. Until ' +
      'COMMIT: from when an event is due, over a free connection of 8, to the confirmation of INSERT and COMMIT',
  ],
};
