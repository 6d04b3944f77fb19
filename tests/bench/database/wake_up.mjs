// The time from COMMIT to the notification at a listening connection, without nginx.
import { sleep, waitFor } from '../../lib/conditions.mjs';
import { whileCommitting } from './pgbench.mjs';
import { createDatabase, kInsertEvents } from './ways.mjs';

const kCommits = { quick: 50, full: 300 };
const kPause = 5; // ms between two commits
const kClients = 8;

const quantile = (values, q) => values.sort((a, b) => a - b)[Math.min(values.length - 1,
  Math.floor(values.length * q))];

// A notification's payload identifies its transaction. This connection also listens to those of pgevents.
async function listen(database) {
  const client = await database.connect('postgres');
  const arrivals = new Map();
  client.on('notification', ({ channel, payload }) => channel === 'probe' && arrivals.set(payload, performance.now()));
  await client.query('LISTEN pgevents; LISTEN probe');
  return { client, arrivals };
}

async function probe(database, count) {
  const [publisher, { client, arrivals }] = [await database.connect(), await listen(database)];
  const [took, late] = [[], []];
  for (let n = 0; n < count; n++) {
    await publisher.query('BEGIN');
    await publisher.query(`INSERT INTO pgevents.events (channel_id, data) VALUES ('probe', '{"type":"probe"}')`);
    await publisher.query(`SELECT pg_notify('probe', '${n}')`);
    const sent = performance.now();
    await publisher.query('COMMIT');
    const committed = performance.now();
    await waitFor(() => arrivals.has(String(n)), { what: 'the notification', interval: 1 });
    took.push(committed - sent);
    late.push(arrivals.get(String(n)) - committed);
    await sleep(kPause);
  }
  await Promise.all([publisher.end(), client.end()]);
  return {
    'COMMIT p50 ms': quantile(took, 0.5), 'COMMIT p99 ms': quantile(took, 0.99),
    'wake-up p50 ms': quantile(late, 0.5), 'wake-up p99 ms': quantile(late, 0.99),
  };
}

async function measure(where, count, clients) {
  const database = await createDatabase(...where);
  const during = () => probe(database, count);
  const { per_s, ...result } = await (clients > 0 ? whileCommitting(database, kInsertEvents, { clients },
    during) : during());
  await database.drop();
  return { ...result, 'commits/s of others': per_s };
}

export const wakeUp = {
  sections: (mode) => [{
    title: 'From the return of COMMIT to the notification at a connection that listens',
    figures: [
      { title: 'COMMIT p50 ms', digits: 2 }, { title: 'COMMIT p99 ms', digits: 2 },
      { title: 'wake-up p50 ms', digits: 2 }, { title: 'wake-up p99 ms', digits: 2 },
      { title: 'commits/s of others', digits: 0 },
    ],
    columns: {
      alone: (...where) => measure(where, kCommits[mode], 0),
      [`while ${kClients} clients commit`]: (...where) => measure(where, kCommits[mode], kClients),
    },
  }],
  notes: [
    'wake-up: without nginx; below 0 the notification arrived before COMMIT returned, because two processes of PostgreSQL send ' +
      'them at about the same time',
  ],
};
