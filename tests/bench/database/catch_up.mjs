// The cost of a restart of nginx for the database: all clients reconnect at once, with cursors that the new ring does
// not cover.
import { waitFor } from '../../lib/conditions.mjs';
import { load, withInstances } from './servers.mjs';
import { createDatabase } from './ways.mjs';

const kClients = { quick: 1000, full: 10000 };

// `missed`: events of each channel; `cursors`: how many different cursors the clients have.
const kCases = {
  '1 channel': { channels: 1, missed: 100 },
  '100 channels': { channels: 100, missed: 100 },
  '1 channel, 1,000 events': { channels: 1, missed: 1000 },
  '1 channel, each its own cursor': { channels: 1, missed: 100, cursors: true },
  '1 channel, ring filled': { channels: 1, missed: 100, options: '' },
};

const kFigures = [
  { title: 'seconds until all have all', digits: 2 },
  { title: 'queries', digits: 0 },
  { title: 'ms in a query', digits: 2 },
  { title: 'PostgreSQL CPU s', digits: 2 },
  { title: 'nginx CPU s', digits: 2 },
];

// Publishes events on another channel, so that there are enough cursors, and then the missed events. Gives the first
// cursor.
async function publishMissed(database, { channels, missed }, cursors) {
  const head = await database.head();
  await database.query(`INSERT INTO pgevents.events (channel_id, data)
    SELECT 'other', '{"type":"other"}' FROM generate_series(1, $1::int)`, [cursors]);
  await database.query(`INSERT INTO pgevents.events (channel_id, data)
    SELECT 'bench' || c, format('{"type":"bench","data":{"n":%s,"t":0,"x":"%s"}}', n, repeat('a', 180))::json
      FROM generate_series(1, $1::int) n, generate_series(0, $2::int - 1) c ORDER BY n, c`, [missed, channels]);
  return head;
}

// PostgreSQL counts the calls; a connection's counts are visible when it has ended.
async function queries(database) {
  const connected = `
    SELECT count(*)::int FROM pg_stat_activity
     WHERE datname = current_database() AND application_name IN ('pgevents listener', 'pgevents pool')`;
  await waitFor(async () => (await database.value(connected)) === 0, { what: 'the end of nginx\'s connections' });
  const [row] = await database.query(`SELECT calls, total_time FROM pg_stat_user_functions WHERE funcname = 'fetch'`);
  return row ?? { calls: 0, total_time: 0 };
}

async function measure(where, clients, { options = ' preload=0', ...missed }) {
  const database = await createDatabase(...where);
  await database.query(`ALTER DATABASE ${database.name} SET track_functions = 'pl'`);
  const cursors = missed.cursors ? clients : 1;
  const first = await publishMissed(database, missed, cursors);
  const result = await withInstances(database, 1, options, ([nginx]) => load(database, nginx, {
    subscribers: clients, channels: missed.channels, missed: missed.missed, 'last-event-id': first, cursors,
    rate: 0, warmup: 0, seconds: 0.2, drain: 1,
  }));
  const { calls, total_time } = await queries(database);
  await database.drop();
  return {
    'seconds until all have all': result.caught_up_s,
    'queries': calls,
    'ms in a query': calls > 0 ? total_time / calls : undefined,
    'PostgreSQL CPU s': result.watched.postgresql.open_cpu_s,
    'nginx CPU s': result.watched.nginx.open_cpu_s,
  };
}

const thousands = (number) => number.toLocaleString('en-US');

export const catchUp = {
  sections: (mode) => [{
    title: `${thousands(kClients[mode])} event streams come back to an nginx that has just started`,
    figures: kFigures,
    columns: Object.fromEntries(
      Object.entries(kCases).map(([name, one]) => [name, (...where) => measure(where, kClients[mode], one)])),
  }],
  notes: [
    'catch-up: each client has missed 100 events (or 1,000) of its one channel, and they connect as fast as they are answered, ' +
      '256 at once; all with the same cursor, or each with another one, as heartbeats give them on a quiet channel. The ring is ' +
      'empty (preload=0), or filled as by default. Queries: calls of pgevents.fetch()',
  ],
};
