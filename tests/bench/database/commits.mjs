// The transactions per second and the cost of an event for PostgreSQL, compared with inserting the same rows into a
// plain table.
import { sleep } from '../../lib/conditions.mjs';
import { whileCommitting } from './pgbench.mjs';
import { createDatabase, kWays } from './ways.mjs';

const kPlain = ['plain INSERT'];
const kCells = {
  quick: { events: [1, 100], clients: [8], seconds: 1 },
  full: { events: [1, 10, 100], clients: [1, 8, 32], seconds: 2 },
};

const counted = (number, thing) => `${number} ${thing}${number === 1 ? '' : 's'}`;
const titles = (clients) =>
  ['commits/s', 'events/s', 'PostgreSQL CPU µs/event'].map((what) => `${counted(clients, 'client')}, ${what}`);

async function measure(cluster, way, events, { clients, seconds }) {
  const database = await createDatabase(cluster);
  const result = {};
  for (const count of clients) {
    const { per_s, cpu_us } = await whileCommitting(database, way, { clients: count, events },
      () => sleep(seconds * 1000));
    [per_s / events, per_s, cpu_us].forEach((value, i) => (result[titles(count)[i]] = value));
  }
  await database.drop();
  return result;
}

const figures = (events, clients) => clients.map(titles).flatMap(([commits_per_s, events_per_s, cpu]) => [
  { title: commits_per_s, digits: 0, ratio: kPlain },
  ...(events > 1 ? [{ title: events_per_s, digits: 0 }] : []),
  { title: cpu, digits: 0, ratio: kPlain },
]);

const section = (events, cells) => ({
  title: `Commits of ${counted(events, 'event')} each`,
  figures: figures(events, cells.clients),
  columns: Object.fromEntries(
    Object.entries(kWays).map(([name, way]) => [name, (cluster) => measure(cluster, way, events, cells)])),
});

export const commits = {
  sections: (mode) => kCells[mode].events.map((events) => section(events, kCells[mode])),
  notes: [
    'commits: pgbench, prepared statements, one statement a transaction, 200 bytes of data, 100 channels, no listeners; ' +
      'plain INSERT: into a table with the columns and indexes of the log, with ids from a sequence at insertion; ' +
      'NOTIFY: the same statement, which also notifies with each row as payload',
  ],
};
