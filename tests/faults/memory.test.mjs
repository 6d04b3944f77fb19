// Memory is refused to nginx's workers and to the fallback, at each site in turn and altogether, while everything is in
// use. The only permitted effects are an error or a closed connection for a client, and a line in the log: no process
// exits, no committed event is lost or arrives twice, and everything works again without help. nginx's pools are as
// small as possible, so that nearly all their memory comes from the C library.
//
// The unit tests (lease_test, wait_ids_test, revocations_test) cover full tables in shared memory.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';

import { judgeLog, summarise } from '../lib/checker.mjs';
import { range, sleep, waitFor, within } from '../lib/conditions.mjs';
import { request } from '../lib/http.mjs';
import { behindName } from '../lib/names.mjs';
import { kModule } from '../lib/nginx.mjs';
import { kKey, keyFile, newRealm, serverAt } from '../lib/realm.mjs';
import { inSeconds, signToken } from '../lib/tokens.mjs';
import { Socket } from '../lib/web_socket.mjs';
import { Crowd, describeFigures, kChannels, startFlow } from './crowd.mjs';
import { Refusal } from './refusal.mjs';
import { kFallbackBase, kModuleBase, startService } from './service.mjs';

const kProcesses = 5; // of the fallback: each waits for a second after a failed connection
const kMoreListeners = 8; // each of these waits too, and longer
const kResumes = 20_000; // ms

// Lines of nginx and of the module about missing memory.
const kNoMemory = [
  /(malloc|posix_memalign)\([0-9, ]+\) failed \(12: Cannot allocate memory\)/,
  /pgevents: out of memory/,
  /pgevents: out of memory at the start/,
  /dlclose\(\) failed \(out of memory\)/, // a worker leaves
];

const kRejectedRings = [/pgevents: invalid parameter "ring=63k"/, /mmap\(.*\) failed \(12: /];

// libfcgi 2.4.2 aborts its process if malloc() gives nothing (an assertion in Malloc, fcgiapp.c). The master starts
// another one, see below.
const kCrashes = ['libfcgi.so'];

const skip = fs.readFileSync(kModule).includes('__asan_init') && 'AddressSanitizer has its own allocator';
const refusal = { nginx: new Refusal(), fallback: new Refusal() };

async function start() {
  const keys = keyFile();
  return startService({
    workers: 2,
    ring: '64k', // old cursors are soon below it, and served from the log
    parameters: 'sweep=1s',
    http: (conninfo) => range(1, kMoreListeners).map((n) =>
      `pgevents_database more${n} "${behindName(conninfo)}" ring=64k prune=off presence=off sweep=1s;`).join('\n'),
    location: `pgevents_jwt_key ${keys}; pgevents_retry 50ms; pgevents_poll_interval 1s; pgevents_heartbeat 1s;`,
    args: ['--jwt-key', keys],
    processes: kProcesses,
    server: 'request_pool_size 128; connection_pool_size 128;',
    env: { nginx: refusal.nginx.environment, fallback: refusal.fallback.environment },
    allow: [...kNoMemory, ...kRejectedRings],
  });
}

const service = skip ? undefined : await start();
if (!skip) for (let n = 0; n < 20; n++) await service.database.publish('rare', 'old', { n });
const realm = skip ? undefined : await newRealm(service.database, 'anna', 'bert');

function arm(mode, { nginx = {}, fallback = {} } = {}) {
  refusal.nginx.arm(mode, { master: service.nginx.master(), ...nginx });
  refusal.fallback.arm(mode, { master: service.fallback.pid, spared: kCrashes, ...fallback });
}

function disarm() {
  refusal.nginx.disarm();
  refusal.fallback.disarm();
}

const siteCount = () => refusal.nginx.sites().length + refusal.fallback.sites().length;

// A new token each time, so that none is in the cache.
let serial = 0;
const newToken = (user = `user${++serial % 20}`) =>
  signToken({ sub: user, exp: inSeconds(600), n: ++serial }, { key: kKey });
const credentials = {
  get Authorization() {
    return `Bearer ${newToken()}`;
  },
};

// --- other requests meanwhile ---

// Repeats requests of every kind that does not wait. `answers` counts their results.
class Traffic {
  constructor() {
    this.answers = new Map();
    this.published = []; // ids from the answers
    this.stopping_ = false;
    this.running_ = [kModuleBase, kFallbackBase].flatMap((base) => this.kinds_(base).map((act) => this.repeat_(act)));
  }

  kinds_(base) {
    const anna = realm.user(serverAt(service.port, base), 'anna');
    const old = () => service.poll('rare', { cursor: 1, base, headers: { ...credentials } });
    return [
      () => this.publish_(base),
      () => this.publish_(base),
      () => this.publish_(base, { 'Idempotency-Key': `${++serial}` }), // always by way of http_publish_many()
      ...(base === kModuleBase ? [() => this.askOverSocket_()] : []),
      () => anna.report({ status: 'active' }),
      () => anna.type({ op: 'start', to: ['bert'] }, { encoding: 'form' }),
      () => anna.choose({ presence_enabled: true }),
      () => anna.realmPresence(),
      old, old, old,
    ];
  }

  async publish_(base, more = {}) {
    const body = JSON.stringify({ type: 'posted', data: { serial: ++serial } });
    const headers = { 'Content-Type': 'application/json', ...more, ...credentials };
    const answer = await request({ port: service.port, path: `${base}/events/wine`, method: 'POST', body, headers });
    if (answer.status === 201) this.published.push(answer.json().id);
    return answer;
  }

  // A WebSocket that publishes, joins a channel that is in the log only, and renews its token.
  async askOverSocket_() {
    const headers = { Authorization: `Bearer ${newToken('socket')}` };
    const socket = new Socket({ port: service.port, path: `${kModuleBase}/events/wine`, headers });
    try {
      await within(socket.ready, kResumes, 'a WebSocket');
      const published = await socket.ask({ publish: 'wine', type: 'posted', data: { serial: ++serial } });
      if (published.status === 201) this.published.push(published.body.id);
      const joined = await socket.ask({ subscribe: ['rare'], last_event_id: '1' });
      const renewed = await socket.ask({ token: newToken('socket') });
      return [published, joined, renewed].find(({ status }) => status >= 300) ?? published;
    } catch (error) {
      const rejected = /^Unexpected server response: ([0-9]+)$/.exec(error.message);
      if (rejected) return { status: Number(rejected[1]) };
      if (socket.over) return { status: 'closed' };
      throw error;
    } finally {
      socket.socket.terminate();
    }
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

// Answers that are permitted if there was no memory for a request or for a part of it. (A token that cannot be verified
// is rejected.) 426 is the fallback's answer to a handshake that the module declines.
const kMayCome = new Set([200, 201, 401, 426, 500, 502, 503, 'ECONNRESET', 'EPIPE', 'closed']);

function oneOfEach(crowd, cursor) {
  for (const base of [kModuleBase, kFallbackBase]) {
    for (const list of [['cheese'], ['wine', 'bread'], kChannels]) {
      const options = { base, cursor, headers: credentials, maxDelay: 100 };
      crowd.stream(list, options);
      crowd.poller(list, { ...options, flavor: base === kModuleBase ? 'long-poll' : 'poll' });
      if (base === kModuleBase) crowd.webSocket(list, options);
    }
  }
}

// Calls `strike`, which refuses memory, under load. Afterwards every client must have every event once, and all
// requests work.
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
    t.diagnostic(`all clients caught up ${Math.round(performance.now() - started)} ms after there was memory again`);
    await assertAnswered(traffic);
  } finally {
    disarm();
    await traffic.stop();
    await flow.stop();
  }
  t.diagnostic(`answers: ${[...traffic.answers].map(([what, count]) => `${count} × ${what}`).join(', ')}`);
  const log = await database.log({ after: before });
  assert.equal(summarise(judgeLog(log.filter(({ type }) => type.startsWith('cheese')), flow.record)), '');
  assert.deepEqual(traffic.published.filter((id) => !log.some((row) => row.id === id)), [],
    'published, but not in the log');
  t.diagnostic(describeFigures(await crowd.judge()));
  assert.deepEqual([...traffic.answers.keys()].filter((what) => !kMayCome.has(what)), []);
}

// Waits until all kinds of requests succeed again.
async function assertAnswered(traffic) {
  const good = () => (traffic.answers.get(200) ?? 0) + (traffic.answers.get(201) ?? 0);
  const all = () => [...traffic.answers.values()].reduce((sum, count) => sum + count, 0);
  let [good_before, all_before] = [good(), all()];
  await waitFor(() => {
    const done = all() - all_before >= 100 && good() - good_before === all() - all_before;
    if (!done && good() - good_before < all() - all_before) [good_before, all_before] = [good(), all()];
    return done;
  }, { what: () => `only successful answers; ${JSON.stringify([...traffic.answers])}`, timeout: kResumes });
}

const disconnect = (condition) => service.database.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE application_name LIKE 'pgevents%' AND ${condition}`);
const kListens = "application_name = 'pgevents listener'";

// Ends connections until that has found no new site four times, or the time is up.
async function loseConnections(condition, limit) {
  const deadline = Date.now() + limit;
  const counts = [-1];
  while (counts.at(-1) !== counts.at(-4) && Date.now() < deadline) {
    counts.push(siteCount());
    await disconnect(condition);
    await sleep(250);
  }
}

// Runs `strike` and asserts that the same processes run afterwards. going: workers that may exit.
async function assertSurvived(strike, going = []) {
  const pids = () => [service.nginx.workers().filter((pid) => !going.includes(pid)), service.fallback.processes()];
  const before = pids();
  await strike();
  assert.deepEqual(pids(), before);
}

// nginx renames its workers when they have started.
const hasStarted = (pid) => fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('worker process');

// --- the tests ---

// Refuses each site once, while connections to the database that meet `condition` are ended. Each round has new
// workers, which know of no failure and connect sooner than old ones. (They get memory while they start: see the test
// of their start below.)
async function refuseEachSite(t, { rounds, condition, spared }) {
  const { nginx } = service;
  const old = [];
  await strikeUnderLoad(t, async () => {
    for (let round = 0; round < rounds; round++) {
      disarm();
      old.push(...await nginx.reload());
      await waitFor(() => nginx.workers().every(hasStarted), { what: 'started workers' });
      arm('eachSite', { nginx: { spared } });
      await assertSurvived(() => loseConnections(condition, 2500), old);
    }
  });
  await nginx.waitGone(old, 30_000);
  t.diagnostic(`nginx: ${refusal.nginx.describe()}`);
  t.diagnostic(`fallback: ${refusal.fallback.describe()}`);
}

test('each site is refused memory once, except libpq in the module, where a listener is lost at each site', { skip }, async (t) => {
  await refuseEachSite(t, { rounds: 5, condition: `NOT ${kListens}`, spared: ['libpq.so'] });
  assert.ok(refusal.nginx.sites().length > 300 && refusal.fallback.sites().length > 300);
});

test('each site is refused memory once, while all connections to the database are ended repeatedly', { skip }, async (t) => {
  await refuseEachSite(t, { rounds: 4, condition: 'true' });
});

// Without memory for itself nginx ends a starting worker for good, and logs that: those sites are left out.
test('each site of the module in the start of workers is refused memory once', { skip }, async (t) => {
  const { nginx } = service;
  const before = refusal.nginx.sites().length;
  await strikeUnderLoad(t, async () => {
    arm('eachSite', { nginx: { within: 'ngx_http_pgevents_module' } });
    for (let round = 0; round < 3; round++) await nginx.waitGone(await nginx.reload(), 30_000);
    disarm();
    await waitFor(() => nginx.workers().length >= 2 && nginx.workers().every(hasStarted), { what: 'started workers' });
  });
  t.diagnostic(`${refusal.nginx.sites().length - before} more sites`);
});

test('processes survive five times 300 ms without any memory', { skip }, async (t) => {
  await assertSurvived(() => strikeUnderLoad(t, async () => {
    for (let round = 0; round < 5; round++) {
      arm('all');
      await sleep(300);
      disarm();
      await sleep(300);
    }
  }));
});

test('a fallback process that libfcgi aborts is replaced, and nothing is lost', { skip }, async (t) => {
  const { fallback } = service;
  const before = fallback.processes();
  await strikeUnderLoad(t, async () => {
    arm('eachSite', { nginx: { within: 'nothing' }, fallback: { within: 'libfcgi.so', spared: [] } });
    await waitFor(() => fallback.processes().some((pid) => !before.includes(pid)), { what: 'a new process' });
  });
  assert.match(fallback.logText(), /killed by signal Aborted; the next one starts/);
});

test('a ring that is too small, or too large for the machine, is rejected before anything starts', { skip }, async () => {
  const { nginx } = service;
  for (const [ring, pattern] of [['63k', kRejectedRings[0]], ['1048576m', kRejectedRings[1]]]) {
    const text = fs.readFileSync(nginx.conf, 'utf8');
    fs.writeFileSync(nginx.conf, text.replace('ring=64k', `ring=${ring}`));
    const [good, output] = await nginx.test();
    fs.writeFileSync(nginx.conf, text);
    assert.equal(good, false);
    assert.match(output, pattern);
  }
});

test('at the end there are as few connections to the database as before, and the logs are clean', { skip }, async () => {
  const { nginx, database } = service;
  const kMost = 2 * 2 + 1 + kMoreListeners; // two per worker, and the listeners
  await waitFor(async () => (await database.value(`SELECT count(*) FROM pg_stat_activity
    WHERE application_name IN ('pgevents listener', 'pgevents pool')`)) <= kMost, { what: `at most ${kMost} connections` });
  await nginx.stop({ allow: [...kNoMemory, ...kRejectedRings] });
});
