// ./run cluster demo: the chat on PostgreSQL with Patroni (three hosts), a copy of the log, and two nginx hosts behind
// HAProxy, one of which reads the copy; each host in a network namespace of this machine. Hosts die by commands; the
// chat's pages go on.
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import pg from 'pg';

import { binDirectory, startCluster } from '../lib/cluster.mjs';
import { kServerUser } from '../lib/database.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { complete } from '../lib/copy.mjs';
import { request } from '../lib/http.mjs';
import { endAll } from '../lib/lifetime.mjs';
import { startNetwork, whyNoNetwork } from '../lib/network.mjs';
import { startProxy } from '../lib/proxy.mjs';
import { kRoot } from '../lib/scratch.mjs';
import { inSeconds, secretKey, signToken } from '../lib/tokens.mjs';
import { example } from './lib/examples.mjs';
import { startHaproxy } from './lib/haproxy.mjs';
import { PatroniCluster } from './lib/patroni.mjs';
import { startWeb } from './lib/web.mjs';

const kPort = Number(process.env.PGEVENTS_PORT ?? 8080);
const kPeople = ['Anna Graf', 'Beat Keller', 'Chantal Rochat', 'Dino Bernasconi', 'Elin Caduff', 'Flurin Arpagaus'];
const kTokenSeconds = 600;
const kMachines = ['db1', 'db2', 'db3', 'copy', 'web1', 'web2'];
const kSlot = 'copy';
// Patroni keeps the copy's replication slot on whichever host is the primary.
const kForCopies = [['    synchronous_mode: true\n', `    synchronous_mode: true
    slots: {${kSlot}: {type: logical, database: app, plugin: pgoutput}}\n`],
  ["        wal_log_hints: 'on'\n", "        wal_log_hints: 'on'\n        wal_level: logical\n"]];
const kPrimary = 'host=db1,db2,db3 dbname=app target_session_attrs=read-write connect_timeout=2 tcp_user_timeout=5000 ' +
  'keepalives_idle=5 keepalives_interval=2 keepalives_count=3';
const kHelp = `  kill HOST   end every program of the host      boot HOST   start them again
  cut HOST    drop all of its packets silently   heal HOST   let them through again
  status      show which host does what          quit        end everything (also Ctrl-C)
HOST is one of ${kMachines.join(', ')}.`;

// The people of demo/chat.sql, with their tokens, as tools/people.sh writes them.
function writePeople(file, key) {
  const people = kPeople.map((name, n) => {
    const id = String(10 + n);
    const grants = { subscribe: ['presence:{realm}', 'stream:*'], publish: ['chat.in:{user}'] };
    return { id, name, token: signToken({ sub: id, iat: inSeconds(0), exp: inSeconds(kTokenSeconds), pgevents: grants },
      { key }) };
  });
  fs.writeFileSync(`${file}.new`, JSON.stringify(people));
  fs.renameSync(`${file}.new`, file);
}

function signPeople(dir) {
  const key = secretKey();
  const files = { key: path.join(dir, 'jwt.key'), people: path.join(dir, 'people.json') };
  fs.writeFileSync(files.key, key.text);
  writePeople(files.people, key);
  setInterval(writePeople, kTokenSeconds * 500, files.people, key).unref();
  return files;
}

const pages = (people) => `
  include /etc/nginx/mime.types;
  root ${kRoot}/demo;
  location /client/ { alias ${kRoot}/client/src/; }
  location = /demo/people.json { alias ${people}; add_header Cache-Control no-store; }
  location = /demo/clock { default_type text/plain; add_header Cache-Control no-store; return 200 $msec; }
  location = /demo/module { default_type text/plain; return 200 on; }`;

async function hasSlot(node) {
  const client = new pg.Client({ host: node.dir, port: 5432, user: 'postgres', database: 'app' });
  client.on('error', () => {});
  try {
    await client.connect();
    const { rows } = await client.query('SELECT FROM pg_replication_slots WHERE slot_name = $1', [kSlot]);
    return rows.length === 1;
  } catch {
    return false; // Patroni restarts a standby to give it the slot
  } finally {
    await client.end().catch(() => {});
  }
}

const haveSlot = (nodes) => waitFor(async () => (await Promise.all(nodes.map(hasSlot))).every(Boolean),
  { what: `the replication slot on ${nodes.map(({ name }) => name)}`, timeout: 120_000, interval: 500 });

// The host with the copy of the log.
class Copy {
  constructor(host) {
    Object.assign(this, { host, name: host.name });
  }

  // `nodes`: those of Patroni. Before the standbys have the slot, none of them can take over without a gap in the copy:
  // Patroni would make a new slot there, at the end of its log.
  async start(primary, nodes) {
    const settings = { wal_receiver_timeout: '10s', wal_retrieve_retry_interval: '1s' };
    this.cluster_ = await startCluster({ host: this.host, settings });
    this.database = await this.cluster_.createDatabase({ name: 'app' });
    await primary.query('SELECT pgevents.create_publication()');
    const [{ version }] = await primary.query('SELECT version FROM pgevents.schema_version()');
    await haveSlot([await primary.cluster.primary()]);
    await this.database.query('SELECT pgevents.become_copy($1, $2, $3)', [`${kPrimary} user=postgres`, version, kSlot]);
    await complete(this.database);
    await haveSlot(nodes);
  }

  async kill() {
    await this.host.kill();
    await this.cluster_.waitEnded();
  }

  async boot() {
    this.host.heal();
    await this.cluster_.start();
  }

  // What it says of itself, in a line.
  async state() {
    const [{ is_copy, is_running }] = await this.database.query('SELECT is_copy, is_running FROM pgevents.copy_state()');
    if (!is_copy) return 'no copy';
    return is_running ? 'copy, follows the primary' : 'copy, does not follow the primary';
  }
}

// web1 reads the primary, web2 the copy.
async function startWebs(hosts, copy, files) {
  const primary = `${kPrimary} user=${kServerUser}`;
  const env = { PGEVENTS_JWT_KEY: `${files.key} alg=HS256`, PGEVENTS_JWT_COOKIE: 'pgevents_token' };
  const location = `pgevents_jwt_key ${files.key} alg=HS256; pgevents_jwt_cookie pgevents_token;`;
  const server = `location = /ready { pgevents_ready main; } ${pages(files.people)}`;
  const options = { grants: 'cheese', location, server, env };
  return Promise.all([
    startWeb(hosts.web1, primary, options),
    startWeb(hosts.web2, copy.database.conninfo(), { ...options, primary }),
  ]);
}

async function start() {
  const network = await startNetwork();
  const hosts = Object.fromEntries([...kMachines, 'balancer'].map((name) => [name, network.host(name)]));
  network.shareNames();
  console.log('Starting etcd, Patroni and PostgreSQL on db1, db2, db3 …');
  const cluster = new PatroniCluster([hosts.db1, hosts.db2, hosts.db3], binDirectory(), kForCopies);
  await cluster.start();
  const database = await cluster.createDatabase();
  await database.psql(['-f', path.join(kRoot, 'demo/chat.sql')]);
  console.log('Making a copy of the log on copy …');
  const copy = new Copy(hosts.copy);
  await copy.start(database, cluster.nodes);
  console.log('Starting nginx and the fallback on web1, web2, and HAProxy on balancer …');
  const webs = await startWebs(hosts, copy, signPeople(network.dir));
  await startHaproxy(hosts.balancer, example('haproxy-copies.cfg'), 80);
  await startProxy(80, { host: hosts.balancer.address, at: { port: kPort } });
  return { cluster, copy, webs, hosts };
}

// What can be done to the hosts, by name.
function commandsFor({ cluster, copy, webs, hosts }) {
  const machine = (name) => [...webs, copy, ...cluster.nodes].find((each) => each.name === name);
  const runs = (name) => hosts[name].pids().length > 0;
  return {
    kill: (name) => (runs(name) ? machine(name).kill() : console.log(`  ${name} has no program that runs.`)),
    boot: (name) => (runs(name) ? console.log(`  ${name} runs already; "kill ${name}" first.`) : machine(name).boot()),
    cut: (name) => hosts[name].cutOff(),
    heal: (name) => hosts[name].heal(),
    status: () => showStatus(cluster, copy, webs),
  };
}

async function showStatus({ nodes }, copy, webs) {
  for (const node of nodes) {
    const state = (await node.ask('/patroni'))?.json();
    console.log(`  ${node.name}: ${state ? `${state.role}, ${state.state}` : 'no answer'}`);
  }
  console.log(`  ${copy.name}: ${await copy.state().catch(() => 'no answer')}`);
  for (const web of webs) {
    const asked = request({ host: web.host.address, port: 80, path: '/ready', timeout: 2000 });
    const answer = await asked.catch(() => undefined);
    console.log(`  ${web.name}: ${answer ? `${answer.status === 200 ? 'ready' : 'not ready'}` : 'no answer'}`);
  }
}

async function obey(commands, line) {
  const [word, name] = line.trim().split(/\s+/);
  if (!word) return;
  if (!commands[word] || (word !== 'status' && !kMachines.includes(name))) return void console.log(kHelp);
  try {
    await commands[word](name);
  } catch (error) {
    console.log(`  ${word} ${name ?? ''}: ${error.message}`);
  }
}

if (whyNoNetwork) throw new Error(whyNoNetwork);
const started = await start();
const commands = commandsFor(started);
console.log(`
The chat: http://127.0.0.1:${kPort}/chat.html   Open it twice, as two people.
web1 reads the primary, web2 a copy of its log. Kill what you like; the pages go on:
  kill web1, boot web1   its clients go to web2, within a second
  kill copy, boot copy   web2 is not ready: its clients go to web1, within three seconds
  kill DATABASE HOST     of the primary (see below): messages wait for about 20 s, Patroni's ttl
${kHelp}`);
await commands.status();
const input = readline.createInterface({ input: process.stdin, output: process.stdout, prompt: '> ' });
input.on('SIGINT', () => input.close());
input.prompt();
for await (const line of input) {
  if (line.trim() === 'quit') break;
  await obey(commands, line);
  input.prompt();
}
console.log('\nEnding …');
await endAll().catch(() => {}); // the logs of killed hosts have lines that a test would not accept
process.exit(0);
