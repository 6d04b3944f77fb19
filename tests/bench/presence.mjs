// `./run bench presence|typing`: the cost of presence in realms of several sizes, and the delay of typing events. Users
// report every minute, and one report in ten makes a user active after a long time; all of them subscribe to the
// realm's presence channel. PGEVENTS_BENCH_WRITE=NAME also writes docs/benchmarks/NAME.md.
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { parseArgs } from 'node:util';

import { range, sleep, waitFor } from '../lib/conditions.mjs';
import { kServerUser } from '../lib/database.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { request } from '../lib/http.mjs';
import { run } from '../lib/processes.mjs';
import { kRoot } from '../lib/scratch.mjs';
import { benchCluster, kBuild, kLoadCore, kServerCore, nginxHttp, pin, startNginx } from './peers/common.mjs';
import { makeTokens } from './peers/pgevents.mjs';
import { buildLoad, runProgram } from './program.mjs';
import { asMarkdown, asText, machine } from './report.mjs';

const kInterval = 60_000; // between the reports of a user
const kWarmup = 15; // seconds: until all users are reported as connected

// How reports reach the database, and how changes reach the other users.
const kWays = {
  'as it is': { send: byHttp({ ping_only: 'true' }) },
  'answers with news': { send: byHttp({ last_update_id: '1' }), follows: true },
  'a transaction for each report': { send: bySql },
  'and an event for each change': { send: bySql, window: '1 millisecond' },
};

const bearer = (token) => ({ Authorization: `Bearer ${token}` });
const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0;
const ascending = (values) => values.sort((a, b) => a - b);

function byHttp(params) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
  return async ({ port, tokens, known }, user, status) => {
    const asked = { ...params, ...(params.last_update_id && { last_update_id: known.get(user) ?? known.get('all') }) };
    const body = new URLSearchParams({ status, ...asked }).toString();
    const headers = { ...bearer(tokens[user]), 'Content-Type': 'application/x-www-form-urlencoded' };
    const answer = await request({ port, agent, method: 'POST', path: '/users/me/presence', headers, body });
    if (answer.status !== 200) throw new Error(`a report was answered ${answer.status}: ${answer.body}`);
    if (params.last_update_id) known.set(user, answer.json().presence_last_update_id);
    return answer.raw.length;
  };
}

async function bySql({ database }, user, status) {
  const params = [JSON.stringify({ user: String(user), realm: 'main' }), JSON.stringify({ status, ping_only: true })];
  await database.query('SELECT pgevents.http_report_presence($1, $2)', params, { user: kServerUser });
  return 0;
}

async function startServer(cluster, users) {
  const database = await cluster.createDatabase();
  await database.query('INSERT INTO pgevents.users (user_id) SELECT n::text FROM generate_series(0, $1) n',
    [users - 1]);
  // All users were present before, and active an hour ago.
  await database.query(`INSERT INTO pgevents.presence (realm, user_id, active_at, active_told_at, idle_at, update_id)
    SELECT realm, user_id, now() - interval '1 hour', now() - interval '1 hour', now() - random() * interval '1 minute',
           nextval('pgevents.presence_update_seq') FROM pgevents.users`);
  await database.query('VACUUM ANALYZE pgevents.presence, pgevents.users');
  const { key, file, tokens } = makeTokens('HS256', users, ['presence:main']);
  const access = `        location / {\n            pgevents main;\n            pgevents_jwt_key ${key};\n        }\n`;
  const before = `    pgevents_database main "${database.conninfo()}" ring=32m;\n`;
  const text = (listen) => nginxHttp(listen, 'default', before, access);
  const nginx = await startNginx({ modules: [], loadModule: true, http: text });
  const live = async () => (await request({ port: nginx.port, path: '/events/live' })).status === 401;
  await waitFor(live, { what: 'an answer of pgevents' });
  return { database, nginx, port: nginx.port, tokens, file, known: new Map() };
}

// Sends the reports of all users, evenly over the minute, until `stop()`.
function startReports(server, users, send) {
  const seen = { delays: [], bytes: 0, failures: [] };
  const started = performance.now();
  let sent = 0;
  const timer = setInterval(() => {
    for (; sent < ((performance.now() - started) * users) / kInterval; sent++) {
      const [user, round] = [sent % users, Math.floor(sent / users)];
      const from = performance.now();
      send(server, user, (user + round) % 10 === 0 ? 'active' : 'idle').then((bytes) => {
        seen.delays.push(performance.now() - from);
        seen.bytes += bytes;
      }, (error) => seen.failures.push(error.message));
    }
  }, 10);
  return {
    take: () => {
      const taken = { delays: seen.delays.splice(0), failures: seen.failures.splice(0), bytes: seen.bytes };
      seen.bytes = 0;
      return taken;
    },
    stop: () => clearInterval(timer),
  };
}

async function counters({ database }) {
  const [row] = await database.query(`SELECT xact_commit::float8 AS commits, pgevents.head()::float8 AS head
    FROM pg_stat_database WHERE datname = current_database()`);
  return { ...row, at: performance.now() };
}

async function measurePresence(cluster, users, way, seconds) {
  const { send, window, follows } = kWays[way];
  const server = await startServer(cluster, users);
  const { database, nginx, known } = server;
  if (follows) known.set('all', await database.value('SELECT max(update_id)::text FROM pgevents.presence'));
  if (window) await database.query("UPDATE pgevents.settings SET value = $1 WHERE name = 'presence_flush_window'",
    [window]);
  const reports = startReports(server, users, send);
  try {
    const load = run(path.join(kBuild, 'load'), ['--server', nginx.listen(), '--flavor', 'sse', '--subscribers', users, '--rate', 0,
      '--path', '/events/presence:main', '--tokens', server.file, '--watch', `nginx=${nginx.master()}`,
      '--watch', `postgresql=${cluster.pid}`, '--warmup', kWarmup, '--seconds', seconds, '--drain', 1,
      ...(kLoadCore === undefined ? [] : ['--cpu', kLoadCore])].map(String), { timeout: 600_000 });
    const middle = async () => {
      const connected = 'SELECT count(*)::int FROM pgevents.presence WHERE is_connected';
      const all = async () => (await database.value(connected)) === users;
      await waitFor(all, { what: 'all users connected', timeout: 120_000, interval: 500 });
      await sleep((kWarmup + 1) * 1000);
      reports.take();
      const from = await counters(server);
      await sleep((seconds - 4) * 1000);
      const [to, seen] = [await counters(server), reports.take()];
      return { from, to, seen };
    };
    const [{ stdout }, { from, to, seen }] = await Promise.all([load, middle()]);
    if (seen.failures.length > 0) console.error(`  ${seen.failures.length} reports failed, such as: ${seen.failures[0]}`);
    return figuresOf({ users, from, to, seen, load: JSON.parse(stdout) });
  } finally {
    reports.stop();
    await nginx.stop({ signal: 'SIGTERM' });
    await database.disconnect();
  }
}

function figuresOf({ users, from, to, seen, load }) {
  const seconds = (to.at - from.at) / 1000;
  const delays = ascending(seen.delays);
  const answered = delays.length;
  const share = (name) => (100 * load.watched[name].cpu_s) / (load.window_s + load.drain_s);
  const perUser = load.window_bytes / users / (load.window_s / 60);
  return {
    'reports/s': answered / seconds,
    'commits/s': (to.commits - from.commits) / seconds,
    'events/s': (to.head - from.head) / seconds,
    'nginx CPU %': share('nginx'),
    'PostgreSQL CPU %': share('postgresql'),
    'KB by events, per user and minute': perUser / 1000,
    'bytes of an answer': answered > 0 ? seen.bytes / answered : 0,
    'report p50 ms': quantile(delays, 0.5),
    'report p99 ms': quantile(delays, 0.99),
    'reports failed': seen.failures.length,
  };
}

function presenceRows(results) {
  const [[, first]] = results;
  const titles = Object.keys(first);
  const cell = (value) => value.toLocaleString('en-US', { maximumFractionDigits: value < 100 ? 1 : 0 });
  return [['', ...results.map(([name]) => name)],
    ...titles.map((title) => [title, ...results.map(([, one]) => cell(one[title]))])];
}

async function presence({ users, seconds, ways }) {
  const sections = [];
  const cluster = await benchCluster();
  for (const way of ways) {
    const results = [];
    for (const count of users) {
      const result = await measurePresence(cluster, count, way, seconds);
      console.error(`  ${way}, ${count} users: ${JSON.stringify(result)}`);
      results.push([`${count.toLocaleString('en-US')} users`, result]);
    }
    sections.push([way, presenceRows(results)]);
  }
  return sections;
}

// Measures the time from the request to the event at the other user, and to the answer, which follows the commit.
async function measureTyping(server, typists, each) {
  const { port, tokens } = server;
  const one = async (n) => {
    const [me, other] = [2 * n, 2 * n + 1];
    const stream = new EventStream({ port, path: `/events/user:${other}`, headers: bearer(tokens[other]) });
    await stream.opened();
    const agent = new http.Agent({ keepAlive: true });
    const delays = { seen: [], answered: [] };
    for (const round of range(1, each)) {
      const headers = { ...bearer(tokens[me]), 'Content-Type': 'application/json' };
      const body = JSON.stringify({ op: round % 2 === 1 ? 'start' : 'stop', to: [String(other)] });
      const from = performance.now();
      const answer = await request({ port, agent, method: 'POST', path: '/typing', headers, body });
      delays.answered.push(performance.now() - from);
      if (answer.status !== 200) throw new Error(`typing was answered ${answer.status}: ${answer.body}`);
      await waitFor(() => stream.events.length >= round, { what: 'the event', interval: 1 });
      delays.seen.push(stream.events[round - 1].at - from);
      await sleep(20 * typists);
    }
    await stream.close();
    agent.destroy();
    return delays;
  };
  const all = await Promise.all(range(0, typists - 1).map(one));
  const times = (name) => ascending(all.flatMap((delays) => delays[name]));
  const row = (name) => [0.5, 0.9, 0.99, 1].map((q) => quantile(times(name), q).toFixed(2));
  return [[`${typists} at once, seen`, ...row('seen')], [`${typists} at once, answered`, ...row('answered')]];
}

async function typing() {
  const server = await startServer(await benchCluster(), 100);
  const [one, many] = [await measureTyping(server, 1, 500), await measureTyping(server, 50, 20)];
  const rows = [['ms', 'p50', 'p90', 'p99', 'longest'], ...one, ...many];
  await server.nginx.stop({ signal: 'SIGTERM' });
  return [['from the request to the event at the other side, and to the answer', rows]];
}

const kBenches = { presence, typing };
const kNotes = [
  kServerCore === undefined ? 'one core for everything'
    : `nginx and PostgreSQL on core ${kServerCore}, subscribers and reports on core ${kLoadCore}`,
  'nginx: one worker; PostgreSQL: fsync and synchronous_commit on',
  'CPU: utime + stime in percent of one core, including the kernel\'s work for the processes',
];
const kWayNotes = [
  '"as it is": over HTTP with `ping_only=true`, as a page that follows the channel; the module writes waiting reports together ' +
    'in one transaction',
  '"answers with news": over HTTP with `last_update_id`, each asking for the changes since its own last report, as Zulip\'s ' +
    'clients do',
  '"a transaction for each report": `http_report_presence()` by itself, over four connections, without HTTP',
  '"and an event for each change": the same with a flush window of 1 ms instead of a second',
];

function writePage(name, what, args, sections) {
  const lines = [`# Benchmark: ${what}`, '', `Made by \`PGEVENTS_BENCH_WRITE=${name} ./run bench ${[what, ...args].join(' ')}\`.`, '',
    ...[...machine(), ...kNotes, ...(what === 'presence' ? kWayNotes : [])].map((line) => `- ${line}`), '',
    ...sections.flatMap(([title, rows]) => [`## ${title}`, '', asMarkdown(rows), ''])];
  fs.writeFileSync(path.join(kRoot, 'docs', 'benchmarks', `${name}.md`), lines.join('\n'));
}

async function main() {
  const [what, ...args] = process.argv.slice(2);
  const { values } = parseArgs({ args, options: { users: { type: 'string' }, seconds: { type: 'string' }, ways: { type: 'string' } } });
  const ways = values.ways?.split(',') ?? Object.keys(kWays);
  const unknown = ways.find((way) => !(way in kWays));
  if (unknown !== undefined) throw new Error(`bench: unknown way '${unknown}'; use one of: ${Object.keys(kWays).join(', ')}`);
  await buildLoad();
  await pin(kLoadCore, [process.pid]);
  const users = (values.users ?? '1000,5000,10000').split(',').map(Number);
  const sections = await kBenches[what]({ users, seconds: Number(values.seconds ?? 60), ways });
  console.log(machine().join('\n'));
  for (const [title, rows] of sections) console.log(`\n${title}\n${asText(rows)}`);
  const name = process.env.PGEVENTS_BENCH_WRITE;
  if (name) writePage(name, what, args, sections);
}

await runProgram(main);
