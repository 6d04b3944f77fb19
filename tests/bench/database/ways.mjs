// Four ways of an application's commit that differ in nothing else: one statement of one or more rows, each with 200
// bytes of data. pgbench runs them.
import { range } from '../../lib/conditions.mjs';
import { kPublisherUser } from '../../lib/database.mjs';
import { kHere } from './installations.mjs';

const kBytes = 200;
const data = (n) => `{"n":${n},"x":"`.padEnd(kBytes - 2, 'a') + '"}';
const whole = (n) => `{"type":"bench","data":${data(n)}}`;
const rows = (count, of) => `FROM (VALUES ${range(1, count).map((n) => `('${of(n)}'::json)`).join(', ')}) new (data)`;

const kChannel = `'bench' || :channel::text`;
const insert = (count) => `INSERT INTO bench.log (channel_id, type, data) SELECT ${kChannel}, 'bench', data ${rows(count, data)}`;
const kPayload = `json_build_object('id', id, 'channel', channel_id, 'data', data)::text`;

const kPlain = { table: 'bench.log', sequence: 'bench.log_id_seq' };
const kPgevents = { table: 'pgevents.log', sequence: 'pgevents.log_id_seq', stages: true };

// The tables, and the bytes of those, that hold events until their transaction commits, and afterwards until prune().
const kStagingTables = `FROM pg_class WHERE relnamespace = 'pgevents'::regnamespace AND relname IN ('staging', 'staging_rest', 'turns')`;
export const kStagingBytes = `(SELECT sum(pg_total_relation_size(oid))::float8 ${kStagingTables})`;
export const stagingTables = async (database) =>
  (await database.query(`SELECT oid::regclass::text AS name ${kStagingTables}`)).map(({ name }) => name);

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

// A new database with the schema of an installation and the plain table: the same columns and indexes, with ids at
// insertion. `leaves`: its transactions can leave events without ids.
export async function createDatabase(cluster, installation = kHere) {
  const database = await cluster.createDatabase({ install: installation.install });
  database.module = installation.module;
  database.leaves = await database.value(`SELECT to_regclass('pgevents.ready') IS NOT NULL`);
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
