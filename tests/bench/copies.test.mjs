// The parts of `./run bench copies` on which its figures depend. Run by: node --test tests/bench/copies.test.mjs (as
// root or not; PostgreSQL must be installed). `./run bench copies quick` also has nginx.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';

import { arrived } from '../lib/copy.mjs';
import { sectionsFor } from './copies/measurements.mjs';
import { BenchPair, behind, kPlaces } from './copies/pair.mjs';

test('the measurements of copies compare with columns that exist, and their titles differ', () => {
  for (const sections of Object.values(sectionsFor).map((of) => of())) {
    const titles = sections.map(({ title }) => title);
    assert.deepEqual(titles, [...new Set(titles)]);
    for (const { title, figures, columns } of sections) {
      for (const { ratio } of figures) assert.ok(!ratio || ratio.some((name) => name in columns), title);
    }
  }
});

const affinity = (pid) => /^Cpus_allowed_list:\s*(.*)$/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'latin1'))[1];

test('each database is on its core, and the copy gets what is published', async () => {
  const pair = await BenchPair.start(0, { fsync: false });
  await pair.place(kPlaces.pinned);
  await pair.withDatabases(true, async (primary, copy) => {
    await primary.publish('c', 'made', 1);
    await arrived(primary, copy);
    assert.equal(await behind(primary, copy), 0);
    for (const [database, core] of [[primary, kPlaces.pinned.primary], [copy, kPlaces.pinned.copy]]) {
      const pid = await database.value('SELECT pg_backend_pid()');
      if (core !== undefined) assert.equal(affinity(pid), String(core));
    }
  });
  await pair.place(kPlaces.free);
});
