// ./run cluster demo as its text tells: kill an nginx host, the copy, the primary; the chat goes on for those who were
// there. Only ./run cluster plays it (./run cluster chat): three database hosts take half a minute to start.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';

import { waitFor } from '../lib/conditions.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { request } from '../lib/http.mjs';
import { atEnd } from '../lib/lifetime.mjs';
import { whyNoNetwork } from '../lib/network.mjs';
import { freePort } from '../lib/ports.mjs';
import { kRoot } from '../lib/scratch.mjs';
import { playsAll } from './lib/play.mjs';

const kPatience = 180_000;
const kStreams = 6; // so that each nginx host has some

class Demo {
  async start() {
    this.port = await freePort();
    this.text = '';
    const env = { ...process.env, PGEVENTS_PORT: String(this.port) };
    this.child_ = spawn('node', [path.join(kRoot, 'tests/cluster/demo.mjs')], { env, stdio: ['pipe', 'pipe', 'pipe'] });
    for (const output of [this.child_.stdout, this.child_.stderr]) output.on('data', (chunk) => (this.text += chunk));
    this.ended = new Promise((resolve) => this.child_.once('exit', resolve));
    atEnd(() => this.quit());
    await this.shows(/web2: ready[^]*> $/);
    this.people = (await request({ port: this.port, path: '/demo/people.json' })).json();
  }

  shows(pattern) {
    return waitFor(() => pattern.test(this.text), { what: () => `${pattern} in ${this.text}`, timeout: kPatience });
  }

  // Types a command, and waits for the next prompt.
  async type(command) {
    this.text = '';
    this.child_.stdin.write(`${command}\n`);
    await this.shows(/> $/);
    assert.doesNotMatch(this.text, new RegExp(`${command}:`), this.text);
    return this.text;
  }

  async status(pattern) {
    await waitFor(async () => pattern.test(await this.type('status')), { what: () => `${pattern} in ${this.text}`,
      timeout: kPatience, interval: 500 });
  }

  async quit() {
    if (this.child_.exitCode === null) this.child_.stdin.write('quit\n');
    await this.ended;
  }

  headers(n) {
    return { Authorization: `Bearer ${this.people[n].token}` };
  }

  follow() {
    return new EventStream({ port: this.port, path: '/rt/events/stream:dairy', headers: this.headers(1), reconnect: true,
      maxDelay: 500 });
  }

  // Says it as a page does, again and again until it is accepted.
  async say(body) {
    const options = { port: this.port, path: `/rt/events/chat.in:${this.people[0].id}`, method: 'POST', timeout: 5000,
      headers: { ...this.headers(0), 'Content-Type': 'application/json', 'Idempotency-Key': body },
      body: JSON.stringify({ type: 'message', data: { room: 'dairy', body } }) };
    const accepted = async () => (await request(options).catch(() => ({}))).status === 201;
    await waitFor(accepted, { what: `an answer to '${body}'`, timeout: kPatience, interval: 300 });
  }
}

// A host, and what is to be seen when it is back.
const kVictims = [
  ['web1', /web1: ready/], ['web2', /web2: ready/], ['copy', /copy: copy, follows[^]*web2: ready/],
];

test('the chat of the demo goes on while what the demo tells to kill is killed', { skip: whyNoNetwork || !playsAll }, async (t) => {
  const demo = new Demo();
  await demo.start();
  const streams = Array.from({ length: kStreams }, () => demo.follow());
  await Promise.all(streams.map((stream) => stream.opened()));
  const said = [];
  const say = async (body) => {
    const from = performance.now();
    await demo.say(body);
    said.push(body);
    const bodies = ({ events }) => events.map(({ data }) => JSON.parse(data).body);
    const has = () => streams.every((stream) => bodies(stream).at(-1) === body);
    await waitFor(has, { what: () => JSON.stringify(streams.map(bodies)), timeout: kPatience });
    for (const stream of streams) assert.deepEqual(bodies(stream), said);
    t.diagnostic(`${body}: everyone had it after ${((performance.now() - from) / 1000).toFixed(1)} s`);
  };
  await say('before');
  for (const [name, isBack] of kVictims) {
    await demo.type(`kill ${name}`);
    await say(`without ${name}`);
    await demo.type(`boot ${name}`);
    await demo.status(isBack);
    await say(`with ${name} again`);
  }
  const [, primary] = /(db\d): (?:master|primary), running/.exec(await demo.type('status'));
  await demo.type(`kill ${primary}`);
  await say(`without ${primary}`);
  await demo.status(/copy: copy, follows[^]*web2: ready/);
  await say('at the end');
  await Promise.all(streams.map((stream) => stream.close()));
  await demo.quit();
});
