// A database that is there and gives trouble: timeouts, no connection left, no login, read-only sessions, locked tables, a
// network that swallows everything. Events flow all the time; afterwards everybody has everything once.
import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';

import { startCluster } from '../lib/cluster.mjs';
import { sleep } from '../lib/conditions.mjs';
import { kServerUser } from '../lib/database.mjs';
import { atEnd } from '../lib/lifetime.mjs';
import { startService } from './service.mjs';
import { strikeUnderFlow } from './strike.mjs';

const kTrouble = 3000; // ms
const location = 'pgevents_retry 300ms; pgevents_poll_interval 1s; pgevents_timeout 60s; pgevents_heartbeat 2s;';
const service = await startService({ workers: 2, location, behind: false });
const { database } = service;

// The front-ends' sessions get new settings by beginning anew.
const cut = () => database.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '${kServerUser}'`);

// The front-ends' role is `changed` for a while.
async function whileRole(t, changed, restored) {
  await strikeUnderFlow(service, t, async () => {
    await database.query(`ALTER ROLE ${kServerUser} ${changed}`);
    try {
      await cut();
      await sleep(kTrouble);
    } finally {
      await database.query(`ALTER ROLE ${kServerUser} ${restored}`);
    }
    await cut();
  });
}

test('sessions that are idle for half a second are ended', (t) =>
  whileRole(t, "SET idle_session_timeout = '500ms'", 'RESET idle_session_timeout'));

test('statements that take more than five milliseconds are cancelled', (t) =>
  whileRole(t, "SET statement_timeout = '5ms'", 'RESET statement_timeout'));

test('no connection is left for the front-ends', (t) => whileRole(t, 'CONNECTION LIMIT 0', 'CONNECTION LIMIT -1'));

test('the front-ends may not log in', (t) => whileRole(t, 'NOLOGIN', 'LOGIN'));

test('their sessions are read-only', (t) =>
  whileRole(t, 'SET default_transaction_read_only = on', 'RESET default_transaction_read_only'));

for (const table of ['log', 'staging', 'presence', 'revocations', 'settings']) {
  test(`the table ${table} is locked`, async (t) => {
    await strikeUnderFlow(service, t, async () => {
      const client = await database.connect('postgres');
      await client.query('BEGIN');
      await client.query(`LOCK TABLE pgevents.${table} IN ACCESS EXCLUSIVE MODE`);
      await sleep(kTrouble);
      await client.query('COMMIT');
      await client.end();
    });
  });
}

test('the end: a clean log', () => service.nginx.stop());

// A way to the database that can be held up: `freeze()` keeps every connection of now open and lets nothing pass any more, in
// either direction; those that come later are not concerned.
async function startProxy(port) {
  const pairs = new Set();
  const server = net.createServer((inner) => {
    const outer = net.connect(port, '127.0.0.1');
    const pair = [inner, outer];
    pairs.add(pair);
    for (const [from, to] of [[inner, outer], [outer, inner]]) {
      from.on('error', () => {});
      from.on('data', (bytes) => pair.isFrozen || to.write(bytes));
      from.on('close', () => {
        if (!pair.isFrozen) to.destroy();
      });
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(() => {
    for (const socket of [...pairs].flat()) socket.destroy();
    server.close();
  });
  return {
    port: server.address().port,
    freeze() {
      for (const pair of pairs) pair.isFrozen = true;
      return pairs.size;
    },
  };
}

test('the network swallows everything on the connections that there are', async (t) => {
  const cluster = await startCluster({ tcp: true });
  const proxy = await startProxy(cluster.port);
  // Only the front-ends go by the proxy.
  const through = {
    createDatabase: async () => {
      const made = await cluster.createDatabase();
      made.conninfo = (options) => cluster.conninfo({ user: kServerUser, database: made.name, tcp: true, ...options })
        .replace(`port=${cluster.port}`, `port=${proxy.port}`);
      return made;
    },
  };
  const own = await startService({ cluster: through, workers: 2, location, fallback: false, tcp: true });
  // Each connection of a pool is given up by itself, when its answer is ten seconds late.
  const patience = { serves: 60_000, resumes: 60_000 };
  await strikeUnderFlow(own, t, () => assert.ok(proxy.freeze() > 0), { rounds: 2, ...patience });
  await own.nginx.stop();
});
