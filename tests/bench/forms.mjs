// `./run bench forms [quick|full] [--only FORM,…] [--rounds N] [--subscribers N]`: what one delivery costs a worker in
// each form of subscriber. All forms wait in the same worker at the same time, each on a channel of its own, and the
// events go to one after the other, so that a disturbance of the machine meets all of them. The next event comes when
// all have the last one: so each delivery is one write of one event. PGEVENTS_BENCH_WRITE=forms also writes
// docs/benchmarks/forms.md.
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';

import { range, waitFor, within } from '../lib/conditions.mjs';
import { cpuTimesOf, processState } from '../lib/processes.mjs';
import { request } from '../lib/http.mjs';
import { handshake } from '../lib/web_socket.mjs';
import { benchCluster, kLoadCore, nginxHttp, pin, startNginx } from './peers/common.mjs';
import { runProgram, wantedOf } from './program.mjs';
import { asMarkdown, asText, figureTable, kPages, machine } from './report.mjs';

const kEvents = { quick: 30, full: 150 };
const kAtOnce = 100; // connections that are opened together
const kPatience = 60_000;
const kData = JSON.stringify({ text: 'x'.repeat(180) });

// `path`: behind /events/, of a form's channel; `protocol`: of a WebSocket, null: it names none.
const several = (channel) => `${channel}.a,${channel},${channel}.b`;
const kForms = {
  stream: { path: (channel) => channel },
  WebSocket: { path: (channel) => channel, protocol: 'pgevents.v1' },
  'stream with envelope': { path: (channel) => `${channel}?envelope=1` },
  'bare WebSocket': { path: (channel) => `${channel}?envelope=0`, protocol: null },
  'stream of 3 channels': { path: several },
  'WebSocket of 3 channels': { path: several, protocol: 'pgevents.v1' },
  'stream of 2 types': { path: (channel) => `${channel}?types=bench,other` },
  'WebSocket of 2 types': { path: (channel) => `${channel}?types=bench,other`, protocol: 'pgevents.v1' },
};
const kReference = 'stream';

const kFigures = [
  { title: 'CPU µs/delivery', of: (one) => one.cpu, digits: 2, ratio: [kReference] },
  { title: 'outside the kernel, about', of: (one) => one.user, digits: 2 },
  { title: 'bytes of an event', of: (one) => one.bytes, digits: 0 },
];
const kNotes = [
  'one worker, with pgevents_release_request; all forms wait in it at the same time',
  'CPU: what the scheduler counts for the worker (se.sum_exec_runtime), from before the event until all have it and the ' +
    'worker sleeps; the part outside the kernel is estimated from utime and stime',
];

const requestOf = ({ path: of, protocol }, channel) =>
  protocol === undefined
    ? `GET /events/${of(channel)} HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\n\r\n`
    : handshake(`/events/${of(channel)}`, { 'Sec-WebSocket-Protocol': protocol });

// Connections of one form that wait for events.
class Crowd {
  constructor(name, channel) {
    this.name = name;
    this.channel = channel;
    this.sockets = [];
    this.received = 0;
    this.bytes = 0;
    this.sums = { ns: 0, user: 0, system: 0, deliveries: 0 };
  }

  async open(port, count) {
    const text = requestOf(kForms[this.name], this.channel);
    this.count = count;
    for (let left = count; left > 0; left -= kAtOnce) {
      await Promise.all(range(1, Math.min(left, kAtOnce)).map(() => this.openOne_(port, text)));
    }
  }

  openOne_(port, text) {
    return new Promise((resolve, reject) => {
      const socket = net.connect(port, '127.0.0.1', () => socket.write(text));
      this.sockets.push(socket);
      let whole = '';
      const head = (chunk) => {
        whole += chunk.toString('latin1');
        if (!whole.includes('\r\n\r\n')) return;
        if (!/^HTTP\/1.1 (200|101) /.test(whole)) reject(new Error(`${this.name}: ${whole.split('\r\n')[0]}`));
        socket.off('data', head);
        socket.on('data', (bytes) => this.take_(bytes));
        resolve();
      };
      socket.on('data', head);
      socket.on('error', reject);
      socket.on('close', () => reject(new Error(`${this.name}: closed`)));
    });
  }

  take_(bytes) {
    if (!bytes.includes('"text":')) return; // a heartbeat, or the opening
    this.received += 1;
    this.bytes = bytes.length;
    if (this.received === this.wanted) this.all();
  }

  // Publishes one event, waits for it everywhere, and counts what it cost `worker`.
  async measure(publish, worker) {
    const before = await atRest(worker);
    this.received = 0;
    this.wanted = this.count;
    const all = new Promise((resolve) => (this.all = resolve));
    await publish(this.channel);
    await within(all, kPatience, `an event for all ${this.count}: ${this.name}`);
    const after = await atRest(worker);
    for (const part of ['ns', 'user', 'system']) this.sums[part] += after[part] - before[part];
    this.sums.deliveries += this.count;
  }

  // Of the round, whose sums begin anew.
  take() {
    const { ns, user, system, deliveries } = this.sums;
    this.sums = { ns: 0, user: 0, system: 0, deliveries: 0 };
    const cpu = ns / 1000 / deliveries;
    return { cpu, user: (cpu * user) / (user + system), bytes: this.bytes };
  }
}

// What the worker has used, once it waits for events again: only then is the count exact.
async function atRest(pid) {
  await waitFor(() => processState(pid).state === 'S', { what: 'a worker at rest', interval: 1 });
  const [ns] = fs.readFileSync(`/proc/${pid}/schedstat`, 'latin1').split(' ');
  const [user, system] = cpuTimesOf(pid);
  return { ns: Number(ns), user, system };
}

async function startServer() {
  const database = await (await benchCluster()).createDatabase();
  const access = '        location / {\n            pgevents main;\n            pgevents_subscribe "*";\n' +
    '            pgevents_release_request on;\n            pgevents_heartbeat 1h;\n        }\n';
  const before = `    pgevents_database main "${database.conninfo()}" ring=32m;\n`;
  const http = (listen) => nginxHttp(listen, 'small', before, access);
  const nginx = await startNginx({ modules: [], loadModule: true, http });
  const live = async () => (await request({ port: nginx.port, path: '/events/live?flavor=poll' })).status === 200;
  await waitFor(live, { what: 'an answer of pgevents' });
  const client = await database.connect();
  const publish = (channel) =>
    client.query('INSERT INTO pgevents.events (channel_id, data) VALUES ($1, $2)', [channel, `{"type":"bench","data":${kData}}`]);
  return { nginx, client, publish };
}

async function measureAll({ mode, names, rounds, subscribers }) {
  const { nginx, client, publish } = await startServer();
  const [worker] = nginx.workers();
  const crowds = names.map((name, n) => new Crowd(name, `bench${n}`));
  for (const crowd of crowds) await crowd.open(nginx.port, subscribers);
  const results = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (let event = 0; event < kEvents[mode]; event++) {
      for (const crowd of crowds) await crowd.measure(publish, worker);
    }
    for (const crowd of crowds) results[crowd.name].push(crowd.take());
    console.error(`  round ${round + 1}: ${names.map((name) => `${name} ${results[name].at(-1).cpu.toFixed(2)}`).join(', ')}`);
  }
  for (const socket of crowds.flatMap((crowd) => crowd.sockets)) socket.destroy();
  await client.end();
  return results;
}

async function main() {
  const { subscribers = '1500', ...wanted } = wantedOf(Object.keys(kForms), { subscribers: { type: 'string' } });
  await pin(kLoadCore, [process.pid]);
  console.log(machine().join('\n'));
  const results = await measureAll({ ...wanted, subscribers: Number(subscribers) });
  const rows = figureTable(kFigures, results);
  const turned = rows[0].map((_, column) => rows.map((row) => row[column]));
  console.log(`\n${asText(turned)}`);
  if (!process.env.PGEVENTS_BENCH_WRITE) return;
  const command = ['./run bench forms', ...process.argv.slice(2)].join(' ');
  const lines = [
    '# Benchmark: forms of subscribers', '',
    `Made by \`PGEVENTS_BENCH_WRITE=forms ${command}\`. Median (lowest–highest) of ${wanted.rounds} rounds of`,
    `${kEvents[wanted.mode]} events for ${subscribers} subscribers of each form.`, '',
    ...[...machine(), ...kNotes].map((line) => `- ${line}`), '', asMarkdown(turned), '',
  ];
  fs.writeFileSync(path.join(kPages, 'forms.md'), lines.join('\n'));
}

await runProgram(main);
