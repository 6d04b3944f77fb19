// The parts of `./run bench database` on which its figures depend. Run by: node --test tests/bench/database.test.mjs
// (as root or not; PostgreSQL must be installed).
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, test } from 'node:test';

import { sleep } from '../lib/conditions.mjs';
import { columnsFor, installationIn, kHere } from './database/installations.mjs';
import { kMeasurements, sectionsOf } from './database/measurements.mjs';
import { look, whileCommitting } from './database/pgbench.mjs';
import { createDatabase, kInsertEvents, kWays } from './database/ways.mjs';
import { benchCluster } from './peers/common.mjs';
import { figureTable } from './report.mjs';

const kModes = ['quick', 'full'];
const allSections = (installations) => kModes.flatMap((mode) =>
  Object.keys(kMeasurements).flatMap((name) => sectionsOf(name, mode, installations).map((section) => ({ mode, ...section }))));

describe('the measurements of the database', () => {
  test('compare with columns that exist', () => {
    for (const { title, mode, figures, columns } of allSections([kHere])) {
      for (const name of figures.flatMap(({ ratio }) => ratio ?? [])) {
        assert.ok(name in columns, `${mode}, ${title}: no column '${name}'`);
      }
    }
  });

  test('have titles that differ, in the page and in each table', () => {
    for (const mode of kModes) {
      const sections = allSections([kHere]).filter((section) => section.mode === mode);
      const titles = sections.map(({ title }) => title);
      assert.deepEqual(titles, [...new Set(titles)]);
      for (const { title, figures } of sections) {
        const names = figures.map((figure) => figure.title);
        assert.deepEqual(names, [...new Set(names)], title);
      }
    }
  });

  test('take each column that has something of pgevents from every installation', async () => {
    const installations = [kHere, installationIn('/tmp/other')];
    const section = { columns: { plain: (_, one) => one, pgevents: (_, one) => one }, alone: ['plain'] };
    const columns = columnsFor(section, installations);
    assert.deepEqual(Object.keys(columns), ['plain', 'pgevents', 'pgevents (other)']);
    assert.equal(await columns.pgevents('a cluster'), kHere);
    assert.equal((await columns['pgevents (other)']('a cluster')).install, '/tmp/other/sql/install.sql');
    for (const { title, alone = [], columns: all } of allSections(installations)) {
      for (const name of alone) assert.ok(name in all && !(`${name} (other)` in all), `${title}, ${name}`);
      assert.ok(Object.keys(all).some((name) => name.endsWith(' (other)')), title);
    }
  });

  test('give the median of the ratios within a round', () => {
    const figures = [{ title: 'commits/s', digits: 0, ratio: ['plain'], of: (run) => run.per_s }];
    const runs = (...values) => values.map((per_s) => ({ per_s }));
    const rows = figureTable(figures, { plain: runs(100, 1000, 10), pgevents: runs(50, 900, 1) });
    assert.deepEqual(rows[2], ['… to plain', '1', '0.50×']);
  });
});

describe('pgbench beside a database', () => {
  const of = async (flush, way, clients) => {
    const database = await createDatabase(await benchCluster(flush));
    return whileCommitting(database, way, { clients }, () => sleep(500));
  };

  test('counts the events of either way, and the time of PostgreSQL', async () => {
    for (const way of Object.values(kWays)) {
      const { events, cpu_us } = await of(undefined, way, 2);
      assert.ok(events > 0, 'events');
      assert.ok(cpu_us > 0, 'CPU');
    }
  });

  test('commits once in a flush that takes 3 ms longer, with one client', async () => {
    const { per_s } = await of(3, kWays['plain INSERT'], 1);
    assert.ok(per_s > 0 && per_s < 1000 / 3, `${per_s} a second`);
    const maps = (cluster) => fs.readFileSync(`/proc/${cluster.pid}/maps`, 'utf8');
    assert.match(maps(await benchCluster(3)), /slow_flush/); // on a busy machine the disk alone may be as slow
    assert.doesNotMatch(maps(await benchCluster()), /slow_flush/);
  });

  test('counts the events that have no ids yet', async () => {
    const database = await createDatabase(await benchCluster());
    const [sequencer, publisher] = await Promise.all([database.connect('postgres'), database.connect()]);
    const insert = `INSERT INTO pgevents.events (channel_id, data) VALUES ('cheese', '{"type":"x","data":1}')`;
    await publisher.query(insert);
    assert.equal((await sequencer.query('SELECT pgevents.sequencer_begin() AS begun')).rows[0].begun, true);
    await sequencer.query('BEGIN');
    await sequencer.query('SELECT pg_advisory_xact_lock(1885824374, 1)'); // as a transaction that gives ids
    const before = await look(database, kInsertEvents);
    await publisher.query(insert);
    const left = await look(database, kInsertEvents);
    await sequencer.query('COMMIT');
    await sequencer.query('SELECT pgevents.sequence()');
    const after = await look(database, kInsertEvents);
    await Promise.all([sequencer.end(), publisher.end()]);
    assert.deepEqual([before.left, left.left, after.left], [0, 1, 0]);
    assert.deepEqual([left.events - before.events, after.events - left.events], [0, 1]);
  });
});
