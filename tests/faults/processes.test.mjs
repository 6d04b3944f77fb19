// Processes of nginx that are killed, replaced or ended in order while events flow: no event is lost or delivered
// twice, and delivery continues within seconds.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';

import { PermanentError, sleep, waitFor } from '../lib/conditions.mjs';
import { kKilledWorker } from '../lib/nginx.mjs';
import { isAlive } from '../lib/processes.mjs';
import { isTrial, scenariosOn } from './scenario.mjs';
import { startService } from './service.mjs';

// On a quiet machine it takes less than a second. The publishers do not depend on nginx.
const kPatience = { resumes: 10_000, untouched: true };

// TCP, because then the kernel shows which worker has which connection.
const service = await startService({ tcp: true, allow: [kKilledWorker] });
const { nginx, database } = service;
const scenario = scenariosOn(service, kPatience);

async function listenerBackend() {
  const backends = await database.query(`SELECT pid, client_port FROM pg_stat_activity
    WHERE application_name = 'pgevents listener'`);
  return backends.length === 1 ? backends[0] : undefined;
}

// The inode of the socket whose local port is `port`.
function socketInode(port) {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const lines = fs.readFileSync('/proc/net/tcp', 'latin1').split('\n').map((line) => line.trim().split(/\s+/));
  return lines.find((fields) => fields[1]?.endsWith(`:${hex}`) && fields[9] !== '0')?.[9];
}

function holds(pid, inode) {
  try {
    return fs.readdirSync(`/proc/${pid}/fd`).some((fd) => fs.readlinkSync(`/proc/${pid}/fd/${fd}`) === `socket:[${inode}]`);
  } catch {
    return false;
  }
}

// The worker that has the listener's connection.
async function listenersWorker() {
  return waitFor(async () => {
    const backend = await listenerBackend();
    const inode = backend && socketInode(backend.client_port);
    return inode && nginx.workers().find((pid) => holds(pid, inode));
  }, { what: 'a listener' });
}

async function killAndWait(pid) {
  nginx.kill(pid);
  await waitFor(() => !nginx.workers().includes(pid) && nginx.workers().length === 4, { what: 'a new worker' });
}

scenario('each of the four workers is killed in turn', () => killAndWait(nginx.workers()[0]), { rounds: 4 });

const times = [];
scenario('the listening worker is killed: another one follows the log within seconds', async () => {
  const victim = await listenersWorker();
  const started = performance.now();
  await killAndWait(victim);
  await waitFor(async () => (await listenersWorker()) !== victim, { what: 'another listener' });
  times.push(Math.round(performance.now() - started));
}, { rounds: 5 });

// The median, because the machine may be busy from time to time.
test('another listener takes over within five seconds', (t) => {
  t.diagnostic(`after ${times.join(', ')} ms`);
  const median = [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)];
  assert.ok(median < 5000, `${times}`);
});

// Calls `during` while a process is stopped.
async function whileStopped(pid, during) {
  process.kill(pid, 'SIGSTOP');
  try {
    await during();
  } finally {
    process.kill(pid, 'SIGCONT');
  }
}

scenario('a listening worker that hangs loses its lease, and does no harm when it continues', async () => {
  const stopped = await listenersWorker();
  await whileStopped(stopped, async () => {
    const others = nginx.workers().filter((pid) => pid !== stopped);
    // PostgreSQL keeps its connection open as long as it is stopped, so there are two.
    await waitFor(async () => (await database.value(`SELECT count(*) FROM pg_stat_activity
      WHERE application_name = 'pgevents listener'`)) === 2, { what: 'a second listener' });
    await sleep(1000);
    assert.ok(others.every(isAlive));
  });
  await listenersWorker();
});

const kStopped = isTrial ? 10 : 2; // seconds
scenario(`a worker hangs for ${kStopped} s`, async ({ round }) => {
  const workers = nginx.workers();
  await whileStopped(workers[round % workers.length], () => sleep(kStopped * 1000));
});

scenario('ten reloads in a row', async () => {
  const old = new Set();
  for (let n = 0; n < 10; n++) for (const pid of await nginx.reload()) old.add(pid);
  await nginx.waitGone([...old], 10_000);
}, { rounds: 2 });

const kReloading = isTrial ? 60 : 4; // seconds
scenario(`a reload every second for ${kReloading} s`, async () => {
  for (const until = performance.now() + kReloading * 1000; performance.now() < until;) {
    const next = performance.now() + 1000;
    await nginx.reload();
    await sleep(Math.max(0, next - performance.now()));
  }
  await waitFor(() => nginx.workers().length === 4, { what: 'the old workers gone' });
});

scenario('nginx is quit, stays away for two seconds, and is started', async () => {
  await nginx.quit(10_000);
  await sleep(2000);
  await nginx.start();
});

scenario('nginx is terminated at once (SIGTERM) and started', async () => {
  await nginx.terminate(10_000);
  await nginx.start();
});

scenario('the binary is replaced (USR2, WINCH, QUIT)', async () => {
  const old_master = nginx.master();
  const old_workers = nginx.workers();
  nginx.signal('SIGUSR2');
  const new_master = await waitFor(() => {
    if (!isAlive(old_master)) throw new PermanentError('the old master is gone');
    return fs.existsSync(`${nginx.pidFile}.oldbin`) && nginx.master() !== old_master && nginx.master();
  }, { what: () => `a new master; ${nginx.logText().slice(-500)}` });
  await nginx.waitWorkers();
  process.kill(old_master, 'SIGWINCH');
  await nginx.waitGone(old_workers, 10_000);
  await service.waitAnsweredBy('module');
  process.kill(old_master, 'SIGQUIT');
  await nginx.waitGone([old_master], 10_000);
  assert.ok(isAlive(new_master));
});

test('afterwards one listener is there and the log is clean', async () => {
  await waitFor(listenerBackend, { what: 'exactly one listener' });
  await nginx.stop({ allow: [kKilledWorker] });
});
