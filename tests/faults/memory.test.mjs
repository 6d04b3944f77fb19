// Memory that is refused to nginx's workers and to the fallback, at each site in turn and altogether, while everything is in
// use: somebody gets an error or a closed connection and a line is in the log, and that is all. No process dies, nothing that
// was committed is lost or comes twice, and all works again without help. The pools of nginx are as small as they can be, so
// that nearly all that is taken from them is taken from the C library.
//
// What happens when tables in shared memory are full is in the unit tests (shared_state_test, revocations_test).
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';

import { judgeLog, summarise } from '../lib/checker.mjs';
import { range, sleep, waitFor } from '../lib/conditions.mjs';
import { request } from '../lib/http.mjs';
import { kModule } from '../lib/nginx.mjs';
import { kKey, keyFile, newRealm, serverAt } from '../lib/people.mjs';
import { inSeconds, signToken } from '../lib/tokens.mjs';
import { Crowd, describeFigures, kChannels, startFlow } from './crowd.mjs';
import { Refusal } from './refusal.mjs';
import { kFallbackBase, kModuleBase, startService } from './service.mjs';

const kProcesses = 5; // of the fallback: each waits for a second when it could not connect
const kMoreListeners = 8; // so does each of these, and longer
const kResumes = 20_000; // ms

// nginx's own words when it has no memory, and the module's.
const kNoMemory = [
  /(malloc|posix_memalign)\([0-9, ]+\) failed \(12: Cannot allocate memory\)/,
  /pgevents: out of memory/,
  /pgevents: no memory to start/,
  /dlclose\(\) failed \(out of memory\)/, // a worker leaves
];

const kRefusedRings = [/pgevents: invalid parameter "ring=63k"/, /mmap\(.*\) failed \(12: /];

// libfcgi 2.4.2 aborts its process where malloc() gives nothing (an assertion in Malloc, fcgiapp.c). The master starts another
// one, see below.
const kCrashes = ['libfcgi.so'];

const skip = fs.readFileSync(kModule).includes('__asan_init') && 'AddressSanitizer has an allocator of its own';
const refused = { nginx: new Refusal(), fallback: new Refusal() };

async function start() {
  const keys = keyFile();
  return startService({
    workers: 2,
    ring: '64k', // old cursors are soon below it, and served from the log
    parameters: 'sweep=1s',
    http: (conninfo) => range(1, kMoreListeners).map((n) =>
      `pgevents_database more${n} "${conninfo}" ring=64k prune=off presence=off sweep=1s;`).join('\n'),
    location: `pgevents_jwt_key ${keys}; pgevents_retry 50ms; pgevents_poll_interval 1s; pgevents_heartbeat 1s;`,
    args: ['--jwt-key', keys],
    processes: kProcesses,
    server: 'request_pool_size 128; connection_pool_size 128;',
    env: { nginx: refused.nginx.environment, fallback: refused.fallback.environment },
    allow: [...kNoMemory, ...kRefusedRings],
  });
}

const service = skip ? undefined : await start();
if (!skip) for (let n = 0; n < 20; n++) await service.database.publish('rare', 'old', { n });
const realm = skip ? undefined : await newRealm(service.database, 'anna', 'bert');

function arm(mode, { nginx = {}, fallback = {} } = {}) {
  refused.nginx.arm(mode, { master: service.nginx.master(), ...nginx });
  refused.fallback.arm(mode, { master: service.fallback.pid, spared: kCrashes, ...fallback });
}

function disarm() {
  refused.nginx.disarm();
  refused.fallback.disarm();
}

const siteCount = () => refused.nginx.sites().length + refused.fallback.sites().length;

// A new token each time, so that none is known already.
let serial = 0;
const somebody = {
  get Authorization() {
    return `Bearer ${signToken({ sub: `user${++serial % 20}`, exp: inSeconds(600), n: serial }, { key: kKey })}`;
  },
};

// --- what goes on meanwhile ---

// Requests of every other kind than waiting ones, again and again. `answers` counts what came of them.
class Traffic {
  constructor() {
    this.answers = new Map();
    this.published = []; // ids of what was said to be
    this.stopping_ = false;
    this.running_ = [kModuleBase, kFallbackBase].flatMap((base) => this.kinds_(base).map((act) => this.repeat_(act)));
  }

  kinds_(base) {
    const anna = realm.person(serverAt(service.port, base), 'anna');
    const old = () => service.poll('rare', { cursor: 1, base, headers: { ...somebody } });
    return [
      () => this.publish_(base),
      () => anna.report({ status: 'active' }),
      () => anna.type({ op: 'start', to: ['bert'] }, { encoding: 'form' }),
      () => anna.choose({ presence_enabled: true }),
      () => anna.realmPresence(),
      old, old, old,
    ];
  }

  async publish_(base) {
    const body = JSON.stringify({ type: 'posted', data: { serial: ++serial } });
    const headers = { 'Content-Type': 'application/json', ...somebody };
    const answer = await request({ port: service.port, path: `${base}/events/wine`, method: 'POST', body, headers });
    if (answer.status === 201) this.published.push(answer.json().id);
    return answer;
  }

  async repeat_(act) {
    while (!this.stopping_) {
      const what = await act().then(({ status }) => status, (error) => error.code ?? error.message);
      this.answers.set(what, (this.answers.get(what) ?? 0) + 1);
      await sleep(10);
    }
  }

  async stop() {
    this.stopping_ = true;
    await Promise.all(this.running_);
  }
}

// Answers that somebody may get whose request, or part in one, had no memory. (A token that cannot be verified is refused.)
const kMayCome = new Set([200, 201, 401, 500, 502, 503, 'ECONNRESET', 'EPIPE']);

function oneOfEach(crowd, cursor) {
  for (const base of [kModuleBase, kFallbackBase]) {
    for (const list of [['cheese'], ['wine', 'bread'], kChannels]) {
      const options = { base, cursor, headers: somebody, maxDelay: 100 };
      crowd.stream(list, options);
      crowd.poller(list, { ...options, flavor: base === kModuleBase ? 'long-poll' : 'poll' });
    }
  }
}

// Everything goes on while `strike` refuses memory; afterwards everybody has got everything once, and all works.
async function strikeUnderLoad(t, strike) {
  const { database } = service;
  const crowd = new Crowd(service);
  const before = await database.head();
  oneOfEach(crowd, before);
  await crowd.opened();
  const flow = startFlow(database, { count: 3 });
  const traffic = new Traffic();
  try {
    await strike();
    disarm();
    const started = performance.now();
    await service.waitAnsweredBy('module', kResumes);
    await crowd.caughtUp({ timeout: kResumes });
    t.diagnostic(`everybody caught up ${Math.round(performance.now() - started)} ms after there was memory again`);
    await assertAnswered(traffic);
  } finally {
    disarm();
    await traffic.stop();
    await flow.stop();
  }
  t.diagnostic(`answers: ${[...traffic.answers].map(([what, count]) => `${count} × ${what}`).join(', ')}`);
  const log = await database.log({ after: before });
  assert.equal(summarise(judgeLog(log.filter(({ type }) => type.startsWith('cheese')), flow.record)), '');
  assert.deepEqual(traffic.published.filter((id) => !log.some((row) => row.id === id)), [], 'published, but not in the log');
  t.diagnostic(describeFigures(await crowd.judge()));
  assert.deepEqual([...traffic.answers.keys()].filter((what) => !kMayCome.has(what)), []);
}

// All kinds of requests are answered as ever.
async function assertAnswered(traffic) {
  const good = () => (traffic.answers.get(200) ?? 0) + (traffic.answers.get(201) ?? 0);
  const all = () => [...traffic.answers.values()].reduce((sum, count) => sum + count, 0);
  let [good_before, all_before] = [good(), all()];
  await waitFor(() => {
    const done = all() - all_before >= 100 && good() - good_before === all() - all_before;
    if (!done && good() - good_before < all() - all_before) [good_before, all_before] = [good(), all()];
    return done;
  }, { what: () => `good answers only; ${JSON.stringify([...traffic.answers])}`, timeout: kResumes });
}

const disconnect = (condition) => service.database.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE application_name LIKE 'pgevents%' AND ${condition}`);
const kListens = "(query LIKE '%pgevents.log_after%' OR query LIKE 'LISTEN%')";

// Loses connections, until that has found no new site four times, or the time is up.
async function loseConnections(condition, limit) {
  const deadline = Date.now() + limit;
  const counts = [-1];
  while (counts.at(-1) !== counts.at(-4) && Date.now() < deadline) {
    counts.push(siteCount());
    await disconnect(condition);
    await sleep(250);
  }
}

// Runs `strike` and asserts that the processes are the same afterwards. going: workers that may end.
async function assertSurvived(strike, going = []) {
  const pids = () => [service.nginx.workers().filter((pid) => !going.includes(pid)), service.fallback.processes()];
  const before = pids();
  await strike();
  assert.deepEqual(pids(), before);
}

// nginx names its workers when they have started.
const hasStarted = (pid) => fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('worker process');

// --- the tests ---

// Each site once, while connections to the database are lost that meet `condition`. With new workers for each round, which know
// of no failure and connect sooner than old ones. (While they start they get memory: see the next test but one.)
async function refuseEachSite(t, { rounds, condition, spared }) {
  const { nginx } = service;
  const old = [];
  await strikeUnderLoad(t, async () => {
    for (let round = 0; round < rounds; round++) {
      disarm();
      old.push(...await nginx.reload());
      await waitFor(() => nginx.workers().every(hasStarted), { what: 'workers that have started' });
      arm('eachSite', { nginx: { spared } });
      await assertSurvived(() => loseConnections(condition, 2500), old);
    }
  });
  await nginx.waitGone(old, 30_000);
  t.diagnostic(`nginx: ${refused.nginx.describe()}`);
  t.diagnostic(`fallback: ${refused.fallback.describe()}`);
}

test('each site is refused memory once, but for libpq in the module: there a listener is lost at each', { skip }, async (t) => {
  await refuseEachSite(t, { rounds: 5, condition: `NOT ${kListens}`, spared: ['libpq.so'] });
  assert.ok(refused.nginx.sites().length > 300 && refused.fallback.sites().length > 300);
});

test('each site is refused memory once, with all connections to the database lost again and again', { skip }, async (t) => {
  await refuseEachSite(t, { rounds: 4, condition: 'true' });
});

// For want of memory of its own nginx ends a starting worker for good, and says so: that is left out.
test('the module\'s part in the start of workers', { skip }, async (t) => {
  const { nginx } = service;
  const before = refused.nginx.sites().length;
  await strikeUnderLoad(t, async () => {
    arm('eachSite', { nginx: { within: 'ngx_http_pgevents_module' } });
    for (let round = 0; round < 3; round++) await nginx.waitGone(await nginx.reload(), 30_000);
    disarm();
    await nginx.waitWorkers();
  });
  t.diagnostic(`${refused.nginx.sites().length - before} more sites`);
});

test('no memory at all for 300 ms, five times', { skip }, async (t) => {
  await assertSurvived(() => strikeUnderLoad(t, async () => {
    for (let round = 0; round < 5; round++) {
      arm('all');
      await sleep(300);
      disarm();
      await sleep(300);
    }
  }));
});

test('a process of the fallback that libfcgi crashes is replaced, and nothing is lost', { skip }, async (t) => {
  const { fallback } = service;
  const before = fallback.processes();
  await strikeUnderLoad(t, async () => {
    arm('eachSite', { nginx: { within: 'nothing' }, fallback: { within: 'libfcgi.so', spared: [] } });
    await waitFor(() => fallback.processes().some((pid) => !before.includes(pid)), { what: 'a new process' });
  });
  assert.match(fallback.logText(), /killed by signal Aborted; the next one starts/);
});

test('a ring that is too small, or too large for the machine, is refused before anything starts', { skip }, async () => {
  const { nginx } = service;
  for (const [ring, words] of [['63k', kRefusedRings[0]], ['99999999m', kRefusedRings[1]]]) {
    const text = fs.readFileSync(nginx.conf, 'utf8');
    fs.writeFileSync(nginx.conf, text.replace('ring=64k', `ring=${ring}`));
    const [good, output] = await nginx.test();
    fs.writeFileSync(nginx.conf, text);
    assert.equal(good, false);
    assert.match(output, words);
  }
});

test('the end: connections to the database are as few as ever, and the logs are clean', { skip }, async () => {
  const { nginx, database } = service;
  const kMost = 2 * 2 + 1 + kMoreListeners; // two of each worker, and the listeners
  await waitFor(async () => (await database.value(`SELECT count(*) FROM pg_stat_activity
    WHERE application_name = 'pgevents'`)) <= kMost, { what: `at most ${kMost} connections` });
  await nginx.stop({ allow: [...kNoMemory, ...kRefusedRings] });
});
