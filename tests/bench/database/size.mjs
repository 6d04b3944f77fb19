// The size of an event on disk and in the WAL, compared with the same row in a plain table.
import { change, look, startPgbench } from './pgbench.mjs';
import { createDatabase, kStagingBytes, kWays, stagingTables } from './ways.mjs';

const kCells = { quick: { events: 5000, batches: [1] }, full: { events: 100_000, batches: [1, 100] } };
const kClients = 2;

const kParts = {
  'table': (way) => `pg_table_size('${way.table}')`,
  'index on id': (way) => `pg_relation_size('${way.table}_pkey')`,
  'index on channel and id': (way) => `pg_relation_size('${way.table}_channel_id_id_idx')`,
  'index on time and id': (way) => `pg_relation_size('${way.table}_ts_id_idx')`,
  'staging': (way) => (way.stages ? kStagingBytes : '0'),
};

async function sizes(database, way, events) {
  const parts = await Promise.all(Object.entries(kParts).map(async ([name, sql]) =>
    [name, (await database.value(`SELECT ${sql(way)}`)) / events]));
  return Object.fromEntries(parts);
}

const total = (parts) => Object.values(parts).reduce((sum, bytes) => sum + bytes, 0);

async function pruneAndVacuum(database, way) {
  while ((await database.value('SELECT pgevents.prune()')) > 0);
  const staging = way.stages ? await stagingTables(database) : [];
  for (const table of [way.table, ...staging]) await database.query(`VACUUM ${table}`);
}

async function measure(where, way, events, batch) {
  const database = await createDatabase(...where);
  // The WAL is the same, and the test need not wait for it.
  await database.query(`ALTER DATABASE ${database.name} SET synchronous_commit = off`);
  const from = await look(database, way);
  await startPgbench(database, way, { clients: kClients, events: batch,
    transactions: events / batch / kClients }).ended();
  const { wal } = change(from, await look(database, way));
  const before = await sizes(database, way, events);
  await pruneAndVacuum(database, way);
  const { staging, ...parts } = await sizes(database, way, events);
  await database.drop();
  return {
    ...parts,
    'staging, before prune()': before.staging,
    'staging, after prune() and VACUUM': staging,
    'all, before': total(before),
    'all, after': total(parts) + staging,
    'WAL': wal / events,
  };
}

const kTitles = [...Object.keys(kParts).filter((name) => name !== 'staging'), 'staging, before prune()',
  'staging, after prune() and VACUUM', 'all, before', 'all, after', 'WAL'];

const kColumns = ['plain INSERT', 'pgevents, INSERT'];

const section = (events, batch) => ({
  title: `Bytes for each event of ${events.toLocaleString('en-US')}, ${batch} in a transaction`,
  figures: kTitles.map((title) => ({ title, digits: 0, ...(/^(all|WAL)/.test(title) && { ratio: [kColumns[0]] }) })),
  columns: Object.fromEntries(kColumns.map((name) => [name, (...where) => measure(where, kWays[name], events, batch)])),
  alone: kColumns.slice(0, 1),
  rounds: 1,
});

export const size = {
  sections: (mode) => kCells[mode].batches.map((batch) => section(kCells[mode].events, batch)),
  notes: ['size: 200 bytes of data, 100 channels, one round'],
};
