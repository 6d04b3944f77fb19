// Four ways of an application's commit that differ in nothing else: one statement of one or more rows, each with 200
// bytes of data. pgbench runs them.
import { range } from '../../lib/conditions.mjs';
import { kPublisherUser } from '../../lib/database.mjs';

const kBytes = 200;
const data = (n) => `{"n":${n},"x":"`.padEnd(kBytes - 2, 'a') + '"}';
const whole = (n) => `{"type":"bench","data":${data(n)}}`;
const rows = (count, of) => `FROM (VALUES ${range(1, count).map((n) => `('${of(n)}'::json)`).join(', ')}) new (data)`;

const kChannel = `'bench' || :channel::text`;
const insert = (count) => `INSERT INTO bench.log (channel_id, type, data) SELECT ${kChannel}, 'bench', data ${rows(count, data)}`;
const kPayload = `json_build_object('id', id, 'channel', channel_id, 'data', data)::text`;

const kPlain = { table: 'bench.log', sequence: 'bench.log_id_seq' };
const kPgevents = { table: 'pgevents.log', sequence: 'pgevents.log_id_seq', staging: 'pgevents.staging' };

// `statement` publishes this many events; `sequence` gives the ids of `table`, and so their number.
export const kWays = {
  'plain INSERT': { ...kPlain, statement: insert },
  'INSERT and NOTIFY': {
    ...kPlain,
    statement: (count) =>
      `WITH event AS (${insert(count)} RETURNING id, channel_id, data) SELECT pg_notify('bench', ${kPayload}) FROM event`,
  },
  'pgevents, INSERT': {
    ...kPgevents,
    statement: (count) => `INSERT INTO pgevents.events (channel_id, data) SELECT ${kChannel}, data ${rows(count,
      whole)}`,
  },
  'pgevents, publish()': {
    ...kPgevents,
    statement: (count) => `SELECT pgevents.publish(${kChannel}, 'bench', data) ${rows(count, data)}`,
  },
};

export const kInsertEvents = kWays['pgevents, INSERT'];

// Transactions of one statement each, on one of 100 channels.
export const scriptOf = (way, events) => `\\set channel random(1, 100)\n${way.statement(events)};\n`;

// A new database with the schema and the plain table: the same columns and indexes, with ids at insertion.
export async function createDatabase(cluster) {
  const database = await cluster.createDatabase();
  await database.psql([], `
    CREATE SCHEMA bench;
    CREATE SEQUENCE bench.log_id_seq;
    CREATE TABLE bench.log (LIKE pgevents.log INCLUDING ALL);
    ALTER TABLE bench.log ALTER id SET DEFAULT nextval('bench.log_id_seq'), ALTER ts SET DEFAULT clock_timestamp();
    GRANT USAGE ON SCHEMA bench TO ${kPublisherUser};
    GRANT ALL ON bench.log, bench.log_id_seq TO ${kPublisherUser};
    CHECKPOINT;`);
  return database;
}
