// The transactions per second and the cost of an event for PostgreSQL, compared with inserting the same rows into a
// plain table: without a front-end, and with one nginx, so that commits can share a flush, as plain inserts do.
import { sleep } from '../../lib/conditions.mjs';
import { flushesFor } from './flushes.mjs';
import { whileCommitting } from './pgbench.mjs';
import { withInstances } from './servers.mjs';
import { createDatabase, kWays } from './ways.mjs';

const kPlain = 'plain INSERT';
const kCells = {
  quick: { events: [100], clients: [8], seconds: 1 },
  full: { events: [1, 10, 100], clients: [1, 8, 32], seconds: 2 },
};
const kGroupCells = {
  quick: [{ events: [1], clients: [32], seconds: 1 }],
  full: [{ events: [1], clients: [1, 8, 32], seconds: 3 }, { events: [100], clients: [8], seconds: 3 }],
};

// Columns: a way, and how many instances of nginx listen.
const kColumns = Object.fromEntries(Object.entries(kWays).map(([name, way]) => [name, { way, instances: 0 }]));
const kGroupColumns = {
  [kPlain]: { way: kWays[kPlain], instances: 0 },
  'pgevents, INSERT, no nginx': { way: kWays['pgevents, INSERT'], instances: 0 },
  'pgevents, INSERT': { way: kWays['pgevents, INSERT'], instances: 1 },
  'pgevents, publish()': { way: kWays['pgevents, publish()'], instances: 1 },
};

const counted = (number, thing) => `${number} ${thing}${number === 1 ? '' : 's'}`;
const titles = (clients) =>
  ['commits/s', 'events/s', 'PostgreSQL CPU µs/event', 'without ids at the end']
    .map((what) => `${counted(clients, 'client')}, ${what}`);

async function measure(where, { way, instances }, events, { clients, seconds }) {
  const database = await createDatabase(...where);
  const result = {};
  await withInstances(database, instances, '', async () => {
    for (const count of clients) {
      const { per_s, cpu_us, left } = await whileCommitting(database, way, { clients: count, events },
        () => sleep(seconds * 1000));
      [per_s / events, per_s, cpu_us, left].forEach((value, i) => (result[titles(count)[i]] = value));
    }
  });
  await database.drop();
  return result;
}

const figures = (events, clients) => clients.map(titles).flatMap(([commits_per_s, events_per_s, cpu, left]) => [
  { title: commits_per_s, digits: 0, ratio: [kPlain] },
  ...(events > 1 ? [{ title: events_per_s, digits: 0 }] : []),
  { title: cpu, digits: 0, ratio: [kPlain] },
  { title: left, digits: 0 },
]);

const section = (events, cells, columns) => ({
  title: `Commits of ${counted(events, 'event')} each`,
  figures: figures(events, cells.clients),
  columns: Object.fromEntries(
    Object.entries(columns).map(([name, column]) => [name, (...where) => measure(where, column, events, cells)])),
  alone: Object.keys(columns).filter((name) => !columns[name].way.stages),
});

export const commits = {
  sections: (mode) => kCells[mode].events.map((events) => section(events, kCells[mode], kColumns)),
  notes: [
    'commits: pgbench, prepared statements, one statement a transaction, 200 bytes of data, 100 channels, no listeners; ' +
      'plain INSERT: into a table with the columns and indexes of the log, with ids from a sequence at insertion; ' +
      'NOTIFY: the same statement, which also notifies with each row as payload',
  ],
};

export const groupCommit = {
  sections: (mode) => flushesFor(mode).flatMap((flush) => kGroupCells[mode].map((cells) => {
    const one = section(cells.events[0], cells, kGroupColumns);
    return { ...one, title: `${one.title}, one nginx listens, ${flush.title}`, flush: flush.ms };
  })),
  notes: [
    'one nginx listens: the same; the column "no nginx" shows what remains if no session gives ids to events that ' +
      'transactions leave. Events count when they have their ids; without ids at the end: those that do not have theirs yet',
  ],
};
