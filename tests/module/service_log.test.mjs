// What an operator reads about the listener in nginx's error log at Debian's default level, `error`.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { before, test } from 'node:test';

import { startCluster } from '../lib/cluster.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { startModuleServer } from '../lib/module_server.mjs';
import { kKilledWorker } from '../lib/nginx.mjs';
import { tempDir } from '../lib/scratch.mjs';

const errors = path.join(tempDir('log'), 'errors.log');
let cluster;
let database;
let server;
let nginx;
let seen = 0;

// The lines since the last call, without time and process.
const fresh = () => fs.readFileSync(errors, 'utf8').slice(seen).split('\n').filter((line) => line.includes('pgevents: '));
const texts = () => fresh().map((line) => line.replace(/^.*pgevents: /, 'pgevents: '));

// Waits for a line that matches each pattern, in this order, and gives the matches. Lines before are forgotten.
async function logged(...patterns) {
  const found = () => {
    let at = 0;
    return patterns.map((pattern) => {
      const lines = texts().slice(at);
      const index = lines.findIndex((line) => pattern.test(line));
      at += index + 1;
      return index < 0 ? undefined : pattern.exec(lines[index]);
    });
  };
  await waitFor(() => found().every(Boolean), { what: () => `${patterns.join('\n')} in\n${texts().join('\n')}` });
  const matches = found();
  seen = fs.readFileSync(errors, 'utf8').length;
  return matches;
}

// The process that listens: it has written this when it took the lease over, or when it connected first.
const kListener = / pgevents: process ([0-9]+) is the listener of "main" now|([0-9]+)#[0-9]+: pgevents: listening to "main"/g;
const listener = () => {
  const [, taken, first] = [...nginx.logText().matchAll(kListener)].at(-1);
  return Number(taken ?? first);
};

before(async () => {
  cluster = await startCluster();
  database = await cluster.createDatabase();
  server = await startModuleServer({ database, ring: '64k', parameters: 'prune=100ms', main: `error_log ${errors} error;`, allow: [kKilledWorker] });
  nginx = server.nginx;
});

const answers = async () => (await server.get('probe', { query: { flavor: 'poll' } })).status === 200;

test('a start without trouble has no line', () => assert.deepEqual(texts(), []));

test('a lost connection has a line, and its end', async () => {
  const from = performance.now();
  await cluster.stop('fast');
  await waitFor(() => texts().length > 0, { what: 'a line' });
  await cluster.start();
  const [, back] = await logged(
    /^pgevents: database "main" is not served: lost the connection: PostgreSQL reports FATAL: termin.*; connecting again$/,
    /^pgevents: database "main" is served again after ([0-9.]+) s$/);
  const seconds = (performance.now() - from) / 1000;
  assert.ok(back[1] > 0 && back[1] <= seconds + 0.05, `${back[1]}, rounded, of ${seconds} s`);
});

test('a reload is no trouble: the next listener has a line of the level notice', async () => {
  const old = listener();
  await nginx.waitGone(await nginx.reload());
  await waitFor(() => listener() !== old && answers(), { what: 'another listener' });
  const line = new RegExp(`\\[notice\\].*pgevents: process ${listener()} is the listener of "main" now: the one before has left`);
  assert.match(nginx.logText(), line);
  assert.deepEqual(texts(), []);
});

test('a listener that dies is named by the process that takes over', async () => {
  const dead = listener();
  nginx.kill(dead);
  const [taken] = await logged(/^pgevents: process ([0-9]+) is the listener of "main" now: process ([0-9]+) has died; see/);
  await waitFor(() => listener() !== dead, { what: 'another listener' });
  assert.deepEqual([Number(taken[1]), Number(taken[2])], [listener(), dead]);
});

test('a listener that stands still is named by the process that takes over, and says so itself afterwards', async () => {
  const stuck = listener();
  nginx.kill(stuck, 'SIGSTOP');
  try {
    const [taken] = await logged(/^pgevents: process [0-9]+ is the listener of "main" now: process ([0-9]+) has been stuck/);
    assert.equal(Number(taken[1]), stuck);
  } finally {
    nginx.kill(stuck, 'SIGCONT');
  }
  await logged(new RegExp(`^pgevents: process ${stuck} was stuck, and another one is the listener of "main" by now`));
});

test('a ring that has overtaken a worker has one line for each', async () => {
  const burst = () => database.query(`SELECT count(pgevents.publish('c', 'made', to_json(repeat('x', 300))))
    FROM generate_series(1, 3000)`);
  // Whether a worker reads a burst in time depends on the processors.
  const isOvertaken = async () => {
    await burst();
    return texts().some((text) => text.includes('has overtaken'));
  };
  await waitFor(isOvertaken, { what: 'a worker that is overtaken' });
  await logged(/^pgevents: the ring of "main" has overtaken process [0-9]+, .*raise ring= of pgevents_database/);
  for (let n = 0; n < 5; n++) await burst();
  await database.settled();
  const stream = server.stream('c', { cursor: await database.head() - 1 });
  await stream.waitForEvents(1);
  await stream.close();
  assert.ok(texts().length < nginx.workers().length, texts().join('\n'));
  seen = fs.readFileSync(errors, 'utf8').length;
});

test('a log that cannot be pruned has one line, and not one for each attempt', async () => {
  const prune = 'FUNCTION pgevents.prune(int) TO pgevents_server';
  await database.query(`REVOKE EXECUTE ON ${prune.replace(' TO ', ' FROM ')}`);
  await logged(/^pgevents: cannot prune the log of "main": permission denied for function prune/);
  const attempts = () => cluster.logText().split('permission denied for function prune').length - 1;
  await waitFor(() => attempts() > 3, { what: 'more attempts' });
  assert.deepEqual(texts(), []);
  await database.query(`GRANT EXECUTE ON ${prune}`);
});

test('a log that was restored has a line', async () => {
  const id = await database.publish('c', 'made', 1);
  const stream = server.stream('c', { cursor: id - 1 });
  await stream.waitForEvents(1);
  await stream.close();
  await database.query('TRUNCATE pgevents.log');
  await database.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ~ ' listener$'`);
  await logged(
    new RegExp(`^pgevents: the log of "main" does not continue event ${id}: the database was restored, .* get a reset`));
});
