// Trouble below the database: a full disk, for the log alone and for the whole server, and a changed clock. Events flow
// all the time; afterwards every client has every committed event once.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { startCluster } from '../lib/cluster.mjs';
import { sleep, waitFor } from '../lib/conditions.mjs';
import { mountSmallDisk } from '../lib/disk.mjs';
import { run } from '../lib/processes.mjs';
import { tempDir } from '../lib/scratch.mjs';
import { scenariosOn } from './scenario.mjs';
import { startService } from './service.mjs';

const kTrouble = 2000; // ms
const location = 'pgevents_retry 300ms; pgevents_poll_interval 1s;';
const mayMount = await mountSmallDisk(1) !== undefined;

// A directory for the server on a small disk, or undefined if this process may not mount one.
async function smallDiskFor(megabytes) {
  const disk = await mountSmallDisk(megabytes);
  disk.home = path.join(disk.dir, 'home');
  fs.mkdirSync(disk.home);
  await run('chown', ['postgres:', disk.home]);
  return disk;
}

if (mayMount) {
  const disk = await smallDiskFor(48);
  const service = await startService({ workers: 2, location, behind: false });
  await service.database.query(`CREATE TABLESPACE small LOCATION '${disk.home}'`);
  await service.database.query('ALTER TABLE pgevents.log SET TABLESPACE small');

  // The front-ends do not notice: there is nothing new to deliver.
  scenariosOn(service)('the disk of the log is full, and has room again', async ({ flow }) => {
    const before = flow.failures.length;
    disk.fill();
    await waitFor(() => flow.failures.length > before, { what: 'a failing publisher', timeout: 60_000 });
    assert.match(flow.failures.at(-1).message, /could not extend file|No space left/);
    await sleep(kTrouble);
    disk.clear();
  });

  test('the log is clean after the full disk', () => service.nginx.stop());
}

if (mayMount) {
  const disk = await smallDiskFor(300);
  const settings = { min_wal_size: '32MB', max_wal_size: '48MB', wal_recycle: 'off', shared_buffers: '16MB' };
  const cluster = await startCluster({ dir: disk.home, settings });
  const service = await startService({ cluster, workers: 2, location, behind: false });

  // PostgreSQL shuts down when it cannot write its write-ahead log (manual, "Disk Full Failure").
  scenariosOn(service)('the whole disk of the database is full, and PostgreSQL goes down', async () => {
    disk.fill();
    const client = await service.database.connect('postgres');
    const switchUntilDown = async () => {
      for (;;) {
        await client.query(`SELECT pg_logical_emit_message(false, 'fill', repeat('x', 1000000))`);
      }
    };
    await assert.rejects(switchUntilDown);
    await cluster.waitEnded();
    disk.clear();
    await cluster.start();
  });

  test('the log is clean after the shutdown', () => service.nginx.stop());
} else {
  test('full disks', { skip: 'this process may not mount a small disk' }, () => {});
}

const clock = path.join(tempDir('clock'), 'now');
const setClock = (offset) => fs.writeFileSync(clock, offset);
setClock('+0');
fs.chmodSync(clock, 0o644);
const faketime = {
  LD_PRELOAD: '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1', FAKETIME_TIMESTAMP_FILE: clock, FAKETIME_NO_CACHE: '1',
  FAKETIME_DONT_FAKE_MONOTONIC: '1', NO_FAKE_STAT: '1',
};
const service = await startService({ cluster: { env: faketime }, workers: 2, location, behind: false });

scenariosOn(service)('the clock of the database is set, an hour ahead, two hours back, and right again', async () => {
  for (const offset of ['+1h', '-1h', '+0']) {
    setClock(offset);
    await waitFor(async () => {
      const ahead = Date.parse(await service.database.value('SELECT clock_timestamp()')) - Date.now();
      return Math.abs(ahead - (Number.parseInt(offset, 10) * 3600_000)) < 60_000;
    }, { what: `a clock that is ${offset}` });
    await sleep(kTrouble);
  }
});

test('at the end the log is clean', () => service.nginx.stop());
