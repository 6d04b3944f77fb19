// `./run bench crowd [STREAMS…]` (10000 50000 100000 250000): waiting event streams in numbers that need many workers.
// For each number: memory of a stream in nginx and in the kernel, the time to connect, one event to all, the CPU of
// heartbeats, and the ends of nginx with all of them: a reload, SIGQUIT, SIGTERM, each with an event meanwhile that
// every stream must have once. A process may have 20,000 descriptors here: so there is one worker, and one process of
// the crowd, for so many streams. PGEVENTS_BENCH_WRITE=crowd also writes docs/benchmarks/crowd.md.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import { parseArgs } from 'node:util';

import { range, sleep, waitFor } from '../lib/conditions.mjs';
import { request } from '../lib/http.mjs';
import { childrenOf, cpuSecondsOfServer, memoryOf, waitGone } from '../lib/processes.mjs';
import { benchCluster, kBuild, nginxHttp, startNginx } from './peers/common.mjs';
import { buildLoad, runProgram } from './program.mjs';
import { asMarkdown, asText, kPages, machine } from './report.mjs';

const kNumbers = [10_000, 50_000, 100_000, 250_000];
const kPerWorker = 15_000;
const kPerPart = 15_000;
const kSources = 3; // addresses of one part of the crowd
const kLimit = 300; // seconds
const kEvents = 5;
const kHeartbeat = 15;
const kHeartbeats = 2; // so many of them are measured
const kRetry = 10;
const kChannel = 'crowd';

// Processes that hold the streams together.
class Crowd {
  constructor(port, count) {
    const parts = Math.ceil(count / kPerPart);
    const sizes = range(0, parts - 1).map((n) => Math.floor(count / parts) + (n < count % parts ? 1 : 0));
    this.parts = sizes.map((size, n) => startPart(port, size, n));
    this.sizes = sizes;
    this.sequence = 0;
    this.ends = 0;
  }

  pids() {
    return this.parts.map(({ pid }) => pid);
  }

  // The answers of all parts to a command; `of(n)`: the command for the n-th.
  async ask(of) {
    const answers = await Promise.all(this.parts.map((part, n) => part.ask(of(n))));
    const late = answers.filter(({ done }) => !done).map((answer) => JSON.stringify({ ...answer, delays: undefined }));
    if (late.length > 0) throw new Error(`not within ${kLimit} s: ${late.join(', ')}`);
    return answers;
  }

  async open() {
    return longest(await this.ask(() => `open ${kLimit}`));
  }

  // Waits until all have the next event. Gives its delays.
  async await() {
    this.sequence += 1;
    const answers = await this.ask(() => `await ${this.sequence} ${kLimit}`);
    for (const name of ['missing', 'duplicates', 'reordered']) {
      const sum = answers.reduce((total, answer) => total + answer[name], 0);
      if (sum > 0) throw new Error(`${name}: ${sum}`);
    }
    return percentiles(answers.flatMap(({ delays }) => delays));
  }

  // Waits until the server has ended each stream once more and all have come back: the seconds from the first end.
  async reopened() {
    this.ends += 1;
    return longest(await this.ask((n) => `reopened ${this.ends * this.sizes[n]} ${kLimit}`));
  }

  async end() {
    await Promise.all(this.parts.map((part) => part.end()));
  }
}

const longest = (answers) => Math.max(...answers.map(({ seconds }) => seconds));

// Of [µs, samples] pairs, in seconds.
function percentiles(pairs) {
  const sorted = pairs.toSorted(([a], [b]) => a - b);
  const count = sorted.reduce((sum, [, samples]) => sum + samples, 0);
  const at = (share) => {
    let seen = 0;
    return sorted.find(([, samples]) => (seen += samples) >= share * count)[0] / 1e6;
  };
  return { p50: at(0.5), p99: at(0.99), last: at(1) };
}

function startPart(port, size, n) {
  const args = ['--server', `127.0.0.1:${port}`, '--rate', '0', '--path', `/events/${kChannel}`, '--subscribers', String(size),
    '--source', String(kSources * n + 1), '--sources', String(kSources), '--opening', '64'];
  const child = spawn(path.join(kBuild, 'crowd'), args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const gone = new Promise((resolve) => child.once('exit', resolve));
  const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    pid: child.pid,
    ask: async (command) => {
      child.stdin.write(`${command}\n`);
      const { value, done } = await lines.next();
      if (done) throw new Error(`a part of the crowd ended at '${command}'`);
      return JSON.parse(value);
    },
    end: async () => {
      child.stdin.end();
      await gone;
    },
  };
}

// Bytes in the slab caches of the kernel, both ends of the connections.
const slab = () => 1024 * Number(/^Slab: +([0-9]+) kB/m.exec(fs.readFileSync('/proc/meminfo', 'latin1'))[1]);

const memoryOfServer = (master) =>
  1024 * [master, ...childrenOf(master)].reduce((sum, pid) => sum + memoryOf(pid, 'Pss'), 0);

async function startServer(database, workers) {
  const access = '        location / {\n            pgevents main;\n            pgevents_subscribe "*";\n' +
    `            pgevents_release_request on;\n            pgevents_heartbeat ${kHeartbeat}s;\n` +
    `            pgevents_retry ${kRetry}s;\n        }\n`;
  const before = `    pgevents_database main "${database.conninfo()}" ring=8m;\n`;
  const http = (listen) => nginxHttp(`${listen} reuseport`, 'small', before, access);
  const nginx = await startNginx({ modules: [], loadModule: true, workers, http });
  await waitLive(nginx);
  return nginx;
}

const waitLive = (nginx) =>
  waitFor(async () => (await request({ port: nginx.port, path: '/events/live?flavor=poll' })).status === 200,
    { what: 'an answer of pgevents' });

async function secondsOf(action) {
  const start = Date.now();
  await action();
  return (Date.now() - start) / 1000;
}

async function measure(count) {
  const workers = Math.max(2, Math.ceil(count / kPerWorker));
  const database = await (await benchCluster()).createDatabase();
  const nginx = await startServer(database, workers);
  const client = await database.connect();
  let number = 0;
  const publish = () => {
    const data = JSON.stringify({ type: 'bench', data: { n: ++number, t: Date.now() * 1000, text: 'x'.repeat(150) } });
    return client.query('INSERT INTO pgevents.events (channel_id, data) VALUES ($1, $2)', [kChannel, data]);
  };
  const crowd = new Crowd(nginx.port, count);
  try {
    return await measureWith({ nginx, crowd, publish, count, workers });
  } finally {
    await crowd.end();
    await client.end();
  }
}

async function measureWith({ nginx, crowd, publish, count, workers }) {
  const result = { count, workers };
  const say = (name, value) => {
    Object.assign(result, value);
    console.error(`  ${count}: ${name}: ${JSON.stringify(value)}`);
  };
  const before = { slab: slab(), memory: memoryOfServer(nginx.master()) };
  say('connect', { connect: await crowd.open() });
  await sleep(2000);
  say('memory', {
    memory: (memoryOfServer(nginx.master()) - before.memory) / count, slab: (slab() - before.slab) / count,
  });
  const cpu = cpuSecondsOfServer(nginx.master());
  const seconds = kHeartbeat * kHeartbeats;
  await sleep(seconds * 1000);
  say('heartbeats', { heartbeats: (cpuSecondsOfServer(nginx.master()) - cpu) / seconds });
  const delays = [];
  for (let n = 0; n < kEvents; n++) {
    await publish();
    delays.push(await crowd.await());
  }
  const median = (name) => delays.map((one) => one[name]).sort((a, b) => a - b)[kEvents >> 1];
  say('one event', { p50: median('p50'), p99: median('p99'), last: Math.max(...delays.map(({ last }) => last)) });
  say('reload', { reload: await reload(nginx, crowd, publish) });
  for (const signal of ['SIGQUIT', 'SIGTERM']) say(signal, { [signal]: await end(nginx, crowd, publish, signal) });
  await crowd.end();
  return result;
}

async function reload(nginx, crowd, publish) {
  const old = await nginx.reload();
  const exits = secondsOf(() => waitGone(old, 'old workers', kLimit * 1000));
  await publish();
  const [back] = await Promise.all([crowd.reopened(), exits]);
  await crowd.await();
  return { back, workers: await exits };
}

// Ends nginx and starts it again; an event comes meanwhile.
async function end(nginx, crowd, publish, signal) {
  const log = nginx.logText().length;
  const exits = await secondsOf(() => nginx[signal === 'SIGQUIT' ? 'quit' : 'terminate'](kLimit * 1000));
  const killed = nginx.logText().slice(log).match(/exited on signal 9/g)?.length ?? 0;
  await publish();
  await nginx.start();
  const back = await crowd.reopened();
  await crowd.await();
  return { workers: exits, killed, back };
}

const kRows = [
  ['streams', (one) => one.count.toLocaleString('en-US')],
  ['workers', (one) => String(one.workers)],
  ['memory of a stream in nginx', (one) => `${(one.memory / 1000).toFixed(2)} KB`],
  ['in the kernel (slab), both ends', (one) => `${(one.slab / 1000).toFixed(1)} KB`],
  ['all connected after', (one) => `${one.connect.toFixed(1)} s`],
  ['one event to all: p50', (one) => `${one.p50.toFixed(2)} s`],
  ['p99', (one) => `${one.p99.toFixed(2)} s`],
  ['last', (one) => `${one.last.toFixed(2)} s`],
  [`heartbeats every ${kHeartbeat} s: cores`, (one) => one.heartbeats.toFixed(2)],
  ['reload: old workers gone after', (one) => `${one.reload.workers.toFixed(1)} s`],
  [`reload: all back after (pgevents_retry ${kRetry}s)`, (one) => `${one.reload.back.toFixed(1)} s`],
  ...['SIGQUIT', 'SIGTERM'].flatMap((signal) => [
    [`${signal}: workers gone after`, (one) => `${one[signal].workers.toFixed(1)} s`],
    [`${signal}: of them killed by the master`, (one) => String(one[signal].killed)],
  ]),
  ['events lost, twice, disordered', () => 'none'], // otherwise the measurement ends with an error
];

async function main() {
  const { positionals } = parseArgs({ allowPositionals: true });
  const numbers = positionals.length > 0 ? positionals.map(Number) : kNumbers;
  if (!numbers.every((number) => Number.isInteger(number) && number > 0)) throw new Error('bench crowd: give numbers of streams');
  await buildLoad();
  console.log(machine().join('\n'));
  const results = [];
  for (const number of numbers) results.push(await measure(number));
  const rows = kRows.map(([title, of]) => [title, ...results.map(of)]);
  console.log(`\n${asText(rows)}`);
  if (!process.env.PGEVENTS_BENCH_WRITE) return;
  const command = ['./run bench crowd', ...positionals].join(' ');
  const lines = [
    '# Benchmark: a crowd of streams', '', `Made by \`PGEVENTS_BENCH_WRITE=crowd ${command}\`, one round.`, '',
    ...machine().map((line) => `- ${line}`),
    '- nginx, the clients and PostgreSQL share the two cores; `pgevents_release_request on`, HTTP/1.1 without TLS',
    `- one event to all: median of ${kEvents} events, their longest delay; both ends of the connections are on this machine`,
    '', asMarkdown(rows), '',
  ];
  fs.writeFileSync(path.join(kPages, 'crowd.md'), lines.join('\n'));
}

await runProgram(main);
