// docs/development.md: the development servers of the page, as they stand there, with plain CGI and nothing else
// running but PostgreSQL.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { before, describe, test } from 'node:test';

import { EventChannel } from '../../client/src/index.js';
import { startCluster } from '../lib/cluster.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { writeFiles } from '../lib/documents.mjs';
import { kFallbackProgram } from '../lib/fallback.mjs';
import { request } from '../lib/http.mjs';
import { atEnd } from '../lib/lifetime.mjs';
import { freePort } from '../lib/ports.mjs';
import { signalIfAlive, waitGone } from '../lib/processes.mjs';
import { tempDir } from '../lib/scratch.mjs';
import { inSeconds, secretKey, signToken } from '../lib/tokens.mjs';

const kPage = 'docs/development.md';
const kServers = {
  Node: { command: [process.execPath, 'server.mjs'], settings: ["'1',\n}", (name, value) => `'1',\n  ${name}: '${value}',\n}`] },
  Apache: {
    command: ['/usr/sbin/apache2', '-f', 'apache.conf', '-DFOREGROUND'],
    settings: ['INTERVAL "1"', (name, value) => `INTERVAL "1"\nSetEnv ${name} "${value}"`],
  },
};
const key = secretKey();
const cluster = await startCluster();

// Starts one of the page's servers in a directory of its own. Returns its port.
async function start({ command: [program, ...args], settings: [place, add] }, database) {
  const [dir, port] = [tempDir('development'), await freePort()];
  fs.mkdirSync(path.join(dir, 'public'));
  fs.chmodSync(dir, 0o755);
  fs.writeFileSync(path.join(dir, 'jwt.key'), key.text, { mode: 0o644 });
  const user = process.getuid() === 0 ? '\nUser www-data\nGroup www-data' : '';
  writeFiles(kPage, dir, {
    '/usr/bin/pgevents-fcgi': kFallbackProgram,
    'host=/run/postgresql dbname=app': database.conninfo(),
    [place]: add('PGEVENTS_JWT_KEY', path.join(dir, 'jwt.key')),
    'listen(3000, ': `listen(${port}, `,
    'Listen 127.0.0.1:3000': `Listen 127.0.0.1:${port}${user}`,
  });
  // At its end Apache signals its whole process group.
  const options = { cwd: dir, env: { ...process.env, PWD: dir }, stdio: 'inherit', detached: true };
  const child = spawn(program, args.map((arg) => (arg === 'apache.conf' ? path.join(dir, arg) : arg)), options);
  atEnd(async () => {
    signalIfAlive(child.pid, 'SIGTERM');
    await waitGone([child.pid], program, 15_000);
  });
  const path_of_news = '/rt/events/news?flavor=poll';
  const answers = async () => (await request({ port, path: path_of_news }).catch(() => ({ status: 0 }))).status === 200;
  await waitFor(answers, { what: `${program} answers`, interval: 100 });
  return port;
}

for (const [name, how] of Object.entries(kServers)) {
  describe(`the development server ${name}`, () => {
    let port, database;
    before(async () => {
      database = await cluster.createDatabase();
      port = await start(how, database);
    });
    const get = (location, headers = {}) => request({ port, path: location, headers });

    test('delivers events to the client library, each once and in order', async () => {
      const channel = new EventChannel(`http://127.0.0.1:${port}/rt`, 'news', { lastEventId: '0' });
      const seen = [];
      channel.addEventListener('made', ({ data }) => seen.push(data));
      for (let n = 1; n <= 20; n++) await database.publish('news', 'made', n);
      await waitFor(() => seen.length >= 20, { what: () => `20 events, not ${seen}` });
      for (let n = 21; n <= 25; n++) await database.publish('news', 'made', n);
      await waitFor(() => seen.length >= 25, { what: () => `25 events, not ${seen}` });
      channel.close();
      assert.deepEqual(seen, Array.from({ length: 25 }, (_, i) => i + 1));
    });

    test('passes cursors on: an EventSource continues behind its last event', async () => {
      await database.publish('stream:7', 'made', 1);
      await database.publish('stream:7', 'made', 2);
      const stream = { Accept: 'text/event-stream' };
      const first = await get('/rt/events/stream:7?last_event_id=0', stream);
      assert.match(first.headers['content-type'], /^text\/event-stream/);
      assert.match(first.body, /^retry: 1000$/m);
      const [one, two] = [...first.body.matchAll(/^id: ([0-9]+)$/gm)].map(([, id]) => id).slice(-2);
      const again = await get('/rt/events/stream:7', { ...stream, 'Last-Event-ID': one });
      assert.deepEqual([...again.body.matchAll(/^data: ([0-9]+)$/gm)].map(([, n]) => n), ['2'], `${one} ${two}`);
    });

    test('publishes, and rejects what is not granted', async () => {
      const post = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{"type":"sent","data":"Grüezi, 世界"}' };
      const answer = await request({ port, path: '/rt/events/news', ...post });
      assert.equal(answer.status, 201, answer.body);
      const read = await get(`/rt/events/news?flavor=poll&last_event_id=${answer.json().id - 1}`);
      assert.equal(read.json()[0].data.data, 'Grüezi, 世界');
      assert.equal((await request({ port, path: '/rt/events/stream:7', ...post })).status, 401);
      assert.equal((await get('/rt/events/other')).status, 401);
      assert.equal((await get('/rt/events/%')).status, 400);
    });

    test('passes tokens on', async () => {
      const token = signToken({ sub: '10', exp: inSeconds(60) }, { key });
      assert.equal((await get('/rt/events/user:10?flavor=poll', { Authorization: `Bearer ${token}` })).status, 200);
    });
  });
}
