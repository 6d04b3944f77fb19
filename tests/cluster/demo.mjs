// ./run cluster demo: the chat on PostgreSQL with Patroni (three hosts) and two nginx hosts behind HAProxy, each host
// in a network namespace of this machine. Hosts die by commands; the chat's pages go on.
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';

import { binDirectory } from '../lib/cluster.mjs';
import { kServerUser } from '../lib/database.mjs';
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
const kMachines = ['db1', 'db2', 'db3', 'web1', 'web2'];
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

async function startWebs(hosts, files) {
  const conninfo = `host=db1,db2,db3 dbname=app user=${kServerUser} target_session_attrs=read-write connect_timeout=2 ` +
    'tcp_user_timeout=5000 keepalives_idle=5 keepalives_interval=2 keepalives_count=3';
  const env = { PGEVENTS_JWT_KEY: `${files.key} alg=HS256`, PGEVENTS_JWT_COOKIE: 'pgevents_token' };
  const location = `pgevents_jwt_key ${files.key} alg=HS256; pgevents_jwt_cookie pgevents_token;`;
  const options = { grants: 'cheese', location, server: pages(files.people), env };
  return Promise.all(hosts.map((host) => startWeb(host, conninfo, options)));
}

async function start() {
  const network = await startNetwork();
  const hosts = Object.fromEntries([...kMachines, 'balancer'].map((name) => [name, network.host(name)]));
  network.shareNames();
  console.log('Starting etcd, Patroni and PostgreSQL on db1, db2, db3 …');
  const cluster = new PatroniCluster([hosts.db1, hosts.db2, hosts.db3], binDirectory());
  await cluster.start();
  const database = await cluster.createDatabase();
  await database.psql(['-f', path.join(kRoot, 'demo/chat.sql')]);
  console.log('Starting nginx and the fallback on web1, web2, and HAProxy on balancer …');
  const webs = await startWebs([hosts.web1, hosts.web2], signPeople(network.dir));
  await startHaproxy(hosts.balancer, example('haproxy-web.cfg', [['    server web3 web3:80 check\n', '']]), 80);
  await startProxy(80, { host: hosts.balancer.address, at: { port: kPort } });
  return { cluster, webs, hosts };
}

// What can be done to the hosts, by name.
function commandsFor({ cluster, webs, hosts }) {
  const machine = (name) => [...webs, ...cluster.nodes].find((each) => each.name === name);
  const runs = (name) => hosts[name].pids().length > 0;
  return {
    kill: (name) => (runs(name) ? machine(name).kill() : console.log(`  ${name} has no program that runs.`)),
    boot: (name) => (runs(name) ? console.log(`  ${name} runs already; "kill ${name}" first.`) : machine(name).boot()),
    cut: (name) => hosts[name].cutOff(),
    heal: (name) => hosts[name].heal(),
    status: () => showStatus(cluster, webs),
  };
}

async function showStatus({ nodes }, webs) {
  for (const node of nodes) {
    const state = (await node.ask('/patroni'))?.json();
    console.log(`  ${node.name}: ${state ? `${state.role}, ${state.state}` : 'no answer'}`);
  }
  for (const { entrance } of webs) {
    const answer = await request({ ...entrance, path: '/alive', timeout: 2000 }).catch(() => undefined);
    console.log(`  ${entrance.name}: ${answer ? 'nginx answers' : 'no answer'}`);
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
Kill what you like; the pages go on. A database host takes about 20 s (Patroni's ttl), an nginx host one.
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
