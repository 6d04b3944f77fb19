// What the tests of the examples about access share: a client over TLS, the servers, and files that the examples name.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { before, describe } from 'node:test';

import { startCluster } from '../lib/cluster.mjs';
import { firstAnswer, startSecured } from '../lib/conf_examples.mjs';
import { startFallback } from '../lib/fallback.mjs';
import { request } from '../lib/http.mjs';

export const servers = {}; // { database, fallback }, once the tests run

// Starts a database and a fallback before the tests of the calling file.
export function startServers() {
  before(async () => {
    const cluster = await startCluster();
    servers.database = await cluster.createDatabase();
    servers.fallback = await startFallback({ conninfo: servers.database.conninfo() });
  });
}

// Defines the tests of an example for both front-ends.
export function forBoth(define) {
  describe('[module]', () => define(true));
  describe('[fallback]', () => define(false));
}

export const start = (name, options) => startSecured(name, { ...servers, ...options });

// Sends short polls and publications over TLS. The tests compare the status and, of an error, the message.
export class Client {
  constructor({ port }, { headers = {}, agent, tls = true } = {}) {
    Object.assign(this, { port, headers, agent, tls });
  }

  with(headers, agent) {
    return new Client(this, { headers: { ...this.headers, ...headers }, agent: agent ?? this.agent, tls: this.tls });
  }

  send(options) {
    const headers = { ...this.headers, ...options.headers };
    return request({ port: this.port, tls: this.tls, agent: this.agent, ...options, headers });
  }

  poll(channels, query = '') {
    const { tls, headers, agent } = this;
    return firstAnswer(this.port, `/rt/events/${channels}?flavor=poll${query}`, { tls, headers, agent });
  }

  publish(channel, headers = {}) {
    return this.send({
      path: `/rt/events/${channel}`, method: 'POST', body: '{"type":"made"}',
      headers: { 'Content-Type': 'application/json', ...headers },
    });
  }

  async assertSubscribes(...channels) {
    for (const channel of channels) assert.equal((await this.poll(channel)).status, 200, channel);
  }

  async assertRejected(status, ...channels) {
    for (const channel of channels) assert.equal((await this.poll(channel)).status, status, channel);
  }
}

export const basic = (user, password) =>
  ({ Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` });
export const bearer = (token) => ({ Authorization: `Bearer ${token}` });

export function writeFile(dir, name, text) {
  const file = path.join(dir, name);
  fs.writeFileSync(file, text);
  return file;
}

export function passwordFile(dir, users) {
  const lines = Object.entries(users).map(([user, password]) =>
    `${user}:${execFileSync('openssl', ['passwd', '-apr1', '-stdin'], { input: password }).toString()}`);
  return writeFile(dir, 'htpasswd', lines.join(''));
}
