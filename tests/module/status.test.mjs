// The status (pgevents_status): its forms, and that each metric moves with what it counts, over several workers, a
// killed one, a reload, and while the database is away.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, describe, test } from 'node:test';

import { startCluster } from '../lib/cluster.mjs';
import { range, waitFor } from '../lib/conditions.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { request } from '../lib/http.mjs';
import { readMetrics, waitForMetrics } from '../lib/metrics.mjs';
import { startModuleServer } from '../lib/module_server.mjs';
import { kKilledWorker } from '../lib/nginx.mjs';
import { run } from '../lib/processes.mjs';
import { tempDir } from '../lib/scratch.mjs';
import { inSeconds, secretKey, signToken, unsignedToken } from '../lib/tokens.mjs';

const key = secretKey();
const keyFile = path.join(tempDir('key'), 'jwt.key');
fs.writeFileSync(keyFile, key.text);

const cluster = await startCluster();
const database = await cluster.createDatabase();
const other = await cluster.createDatabase();
const server = await startModuleServer({
  database, workers: 3, ring: '64k', parameters: 'sweep=1s prune=500ms', allow: [kKilledWorker],
  http: `pgevents_database other "${other.conninfo()}" ring=64k;`,
  server: `
    client_body_timeout 1s;
    location = /status { pgevents_status main channels=on; }
    location = /all { pgevents_status; }
    location = /json { pgevents_status other format=json; }
    location = /html { pgevents_status format=html; }
    location = /plain { pgevents_status main format=prometheus; }
    location /released/ { pgevents main; pgevents_subscribe "*"; pgevents_release_request on; }
    location /tokens/ {
      pgevents main; pgevents_subscribe "own.{user}"; pgevents_jwt_key ${keyFile} kid=one alg=HS256;
      pgevents_jwt_audience "here"; pgevents_jwt_issuer "me"; pgevents_realm here;
    }
    location /server/ { pgevents main; pgevents_user $http_x_user; pgevents_publish "*"; }
    location /both/ { pgevents $arg_database; pgevents_subscribe "*"; fastcgi_pass 127.0.0.1:1; }`,
});
const { nginx, port } = server;
await nginx.waitListening('other');

const where = { port, path: '/status' };
const get = (target, options) => request({ port, path: target, ...options });
const read = () => readMetrics(where);
const reaches = (predicate, what) => waitForMetrics(where, predicate, what);
const status = async () => JSON.parse((await get('/all', { headers: { Accept: 'application/json' } })).body);
const workersOf = async (name = 'main') => (await status()).databases.find((each) => each.name === name).workers;
const publish = (channel, count = 1) => Promise.all(range(1, count).map((n) => database.publish(channel, 'made', { n })));

// Runs `body` and waits until each metric has grown by as much as `deltas` says: [name, labels, by].
async function moves(deltas, body) {
  const before = await read();
  const result = await body();
  for (const [name, labels, by] of deltas) {
    const wanted = before.value(name, labels) + by;
    const text = `${name} ${JSON.stringify(labels)} = ${wanted}`;
    await reaches((now) => now.value(name, labels) >= wanted, text);
    assert.equal((await read()).value(name, labels), wanted, text);
  }
  return result;
}

async function opened(streams) {
  await Promise.all(streams.map((stream) => stream.opened()));
  return streams;
}

const releasedStream = (channel) => new EventStream({ port, path: `/released/events/${channel}` });

describe('the forms of the status', () => {
  test('the Accept header chooses among three, and no cache keeps any', async () => {
    const types = {
      'text/html,application/xhtml+xml,*/*;q=0.8': 'text/html; charset=utf-8',
      'application/json': 'application/json',
      'application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1':
        'text/plain; version=0.0.4; charset=utf-8',
      '*/*': 'text/plain; version=0.0.4; charset=utf-8',
    };
    for (const [accept, type] of Object.entries(types)) {
      const answer = await get('/all', { headers: { Accept: accept } });
      assert.deepEqual([answer.status, answer.headers['content-type']], [200, type]);
      const { 'cache-control': cache, 'x-content-type-options': sniff, vary } = answer.headers;
      assert.deepEqual([cache, sniff, vary], ['no-store', 'nosniff', 'Accept']);
    }
  });

  test('format= chooses one for all, and a page has a policy', async () => {
    const html = await get('/html', { headers: { Accept: 'application/json' } });
    assert.match(html.headers['content-security-policy'], /default-src 'none'/);
    assert.match(html.body, /^<!DOCTYPE html>/);
    assert.equal(html.headers.vary, undefined);
    const json = (await get('/json')).json();
    assert.deepEqual(json.databases.map(({ name, ready }) => [name, ready]), [['other', true]]);
    assert.equal((await get('/plain')).body.includes('database="other"'), false);
    assert.deepEqual((await status()).databases.map(({ name }) => name), ['main', 'other']);
  });

  test('only GET and HEAD are allowed', async () => {
    const head = await get('/status', { method: 'HEAD' });
    assert.deepEqual([head.status, head.body], [200, '']);
    const post = await get('/status', { method: 'POST', body: 'x' });
    assert.deepEqual([post.status, post.headers.allow], [405, 'GET, HEAD']);
  });

  test('promtool finds nothing to improve', async () => {
    const { stdout, stderr } = await run('promtool', ['check', 'metrics'], { input: (await get('/all')).body });
    assert.equal(stdout + stderr, '');
  });
});

describe('what is counted', () => {
  test('deliveries, subscribers and channels over all workers', async () => {
    const before = await read();
    const held = await opened(range(1, 12).map((n) => server.stream(`cheese${n % 3}`)));
    const released = await opened(range(1, 4).map(() => releasedStream('cheese0')));
    const poll = server.pending('cheese0', { query: { flavor: 'long-poll' } });
    await reaches((now) => now.value('subscribers', { transport: 'stream' }) === 12
      && now.value('subscribers', { transport: 'released' }) === 4
      && now.value('subscribers', { transport: 'longpoll' }) === 1, 'subscribers');
    const channels = (await read()).value('channels');
    assert.ok(channels >= 3 && channels <= 9, `${channels} channels`);
    await publish('cheese0', 1);
    assert.equal((await poll.answer).status, 200);
    await publish('cheese0', 5);
    await Promise.all([...held.filter((_, i) => (i + 1) % 3 === 0), ...released].map((s) => s.waitForEvents(6)));
    const grownTo = await reaches((now) => now.value('deliveries_total') >= before.value('deliveries_total') + 49, 'deliveries');
    const grown = (name, labels) => grownTo.value(name, labels) - before.value(name, labels);
    assert.equal(grown('deliveries_total'), 6 * 8 + 1);
    assert.equal(grown('events_read_total'), 6);
    assert.equal(grown('delivery_lag_seconds_count', { to: 'ring' }), 6);
    const written = grown('delivery_lag_seconds_count', { to: 'socket' });
    assert.ok(written >= 9 && written <= 49, `${written} blocks`);
    assert.ok(grownTo.value('delivery_lag_seconds_sum', { to: 'socket' }) < 60, 'an absurd lag');
    assert.ok(grown('sent_bytes_total') > 49 * 20);
    await Promise.all([...held, ...released].map((stream) => stream.close()));
    await reaches((now) => now.value('subscribers') === 0 && now.value('channels') === 0, 'no subscribers');
    const end = await read();
    assert.equal(end.value('stream_ends_total', { reason: 'client_left' })
      - before.value('stream_ends_total', { reason: 'client_left' }), 16);
  });

  test('requests by endpoint and status, each once', async () => {
    await moves([
      ['requests_total', { endpoint: 'stream', status: '200' }, 2],
      ['requests_total', { endpoint: 'longpoll', status: '499' }, 1],
      ['requests_total', { endpoint: 'poll', status: '200' }, 1],
      ['requests_total', { endpoint: 'publish', status: '201' }, 1],
      ['requests_total', { endpoint: 'publish', status: '408' }, 1],
      ['requests_total', { endpoint: 'publish', status: '413' }, 1],
      ['requests_total', { endpoint: 'preflight', status: '204' }, 1],
      ['requests_total', { endpoint: 'user_presence' }, 1],
      ['requests_total', { endpoint: 'unknown', status: '404' }, 1],
      ['requests_total', {}, 10],
    ], async () => {
      for (const stream of await opened([server.stream('once'), releasedStream('once')])) await stream.close();
      await leave('GET /rt/events/once?flavor=long-poll HTTP/1.1\r\nHost: x\r\n\r\n', 'longpoll');
      await server.get('once', { query: { flavor: 'poll' } });
      const send = (body) => get('/rt/events/once', { method: 'POST', body, headers: { 'Content-Type': 'application/json' } });
      await send('{"type":"made"}');
      await send(`{"type":"made","data":"${'x'.repeat(2 * 1024 * 1024)}"}`);
      await stall('POST /rt/events/once HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{');
      await get('/rt/events/once', { method: 'OPTIONS' });
      await get('/server/users/me/presence', { headers: { 'X-User': '10' } });
      await get('/rt/nothing');
    });
  });

  test('declined requests, which count as nothing else', async () => {
    await moves([
      ['declined_total', { reason: 'off' }, 2], ['declined_total', { reason: 'unknown_database' }, 1],
      ['requests_total', {}, 0],
    ], async () => {
      for (const name of ['', 'off', 'nowhere']) {
        await get(`/both/events/cheese?database=${name}`);
      }
    });
  });

  test('failures of tokens, users, rights and origins', async () => {
    const claims = { sub: '10', realm: 'here', aud: 'here', iss: 'me', exp: inSeconds(60) };
    const token = (more, options) => signToken({ ...claims, ...more }, { key, kid: 'one', ...options });
    const cases = {
      malformed: 'x', algorithm: token({}, { alg: 'HS384' }), unknown_key: token({}, { kid: 'two' }),
      signature: `${token().slice(0, -4)}AAAA`, no_expiry: token({ exp: undefined }), expired: token({ exp: 1 }),
      not_yet_valid: token({ nbf: inSeconds(600) }), audience: token({ aud: 'there' }), issuer: token({ iss: 'you' }),
      realm: token({ realm: 'there' }), forbidden: token(), missing: undefined,
    };
    await moves(Object.keys(cases).map((reason) => ['auth_failures_total', { reason }, 1]), async () => {
      for (const [reason, text] of Object.entries(cases)) {
        const answer = await get('/tokens/events/own.11?flavor=poll', { headers: text ? { Authorization: `Bearer ${text}` } : {} });
        assert.equal(answer.status, reason === 'forbidden' ? 403 : 401, reason);
      }
    });
    await moves([['auth_failures_total', { reason: 'user' }, 1], ['auth_failures_total', { reason: 'origin' }, 1]], async () => {
      assert.equal((await get('/server/events/x', { headers: { 'X-User': '\xff' } })).status, 401);
      const headers = { 'X-User': '10', Origin: 'https://foreign.example' };
      assert.equal((await get('/server/events/x', { method: 'POST', body: '{"type":"a"}', headers })).status, 403);
    });
    assert.equal((await get('/tokens/events/x', { headers: { Authorization: `Bearer ${unsignedToken(claims)}` } })).status, 401);
  });

  test('revoked tokens and users, and tokens that are known', async () => {
    const headers = { Authorization: `Bearer ${signToken(
      { sub: '20', iat: inSeconds(-60), realm: 'here', aud: 'here', iss: 'me', exp: inSeconds(60) }, { key, kid: 'one' })}` };
    const send = () => get('/tokens/events/own.20?flavor=poll', { headers });
    const agents = range(1, 12).map(send);
    await Promise.all(agents);
    await reaches((now) => now.value('token_cache_hits_total') > 0, 'a token from the cache');
    await database.query("SELECT pgevents.revoke('20')");
    await reaches((now) => now.value('revocations', { state: 'used' }) === 1, 'a revoked user');
    await moves([['auth_failures_total', { reason: 'revoked' }, 1]], async () => assert.equal((await send()).status, 401));
    assert.equal((await read()).value('revocations', { state: 'size' }), 16384);
  });

  test('resets by their reason', async () => {
    const poll = async (cursor) => {
      const answer = await server.get('cheese0', { query: { flavor: 'poll', last_event_id: String(cursor) } });
      assert.match(answer.body, /pgevents.reset/);
    };
    await moves([['resets_total', { reason: 'ahead' }, 1]], () => poll(999_999));
    const retain = (time) => database.query("UPDATE pgevents.settings SET value = $1 WHERE name = 'retention'", [time]);
    await publish('cheese0', 3);
    await retain('1 millisecond');
    await waitFor(() => database.value('SELECT pgevents.prune() = 0 AND NOT EXISTS (SELECT FROM pgevents.log)'),
      { what: 'an empty log' });
    await retain('7 days');
    await moves([['resets_total', { reason: 'pruned' }, 1]], () => poll(1));
  });

  test('queries, catch-up and the pool', async () => {
    const before = await read();
    await server.get('cheese0', { query: { flavor: 'poll', last_event_id: '0' } });
    const now = await reaches((metrics) =>
      metrics.value('catchup_queries_total') > before.value('catchup_queries_total')
      && metrics.value('query_duration_seconds_count', { statement: 'fetch' })
        > before.value('query_duration_seconds_count', { statement: 'fetch' })
      && metrics.value('pool_connections', { state: 'idle' }) > 0, 'a catch-up query');
    assert.ok(now.value('query_duration_seconds_count', { statement: 'log_after' }) > 0);
    assert.equal(now.value('pool_queue'), 0);
  });

  test('the listener: what it has read, and when', async () => {
    await publish('cheese0');
    const head = Number(await database.head());
    const now = await reaches((metrics) => metrics.value('ring_head_id') === head, 'the ring at the head of the log');
    assert.equal(now.value('log_head_id'), head);
    assert.equal(now.value('listener_connected'), 1);
    assert.ok(now.value('listener_connects_total') >= 1);
    assert.ok(now.value('ring_oldest_id') <= head);
    assert.ok(now.value('ring_bytes', { state: 'used' }) > 0);
    assert.ok(now.value('ring_bytes', { state: 'used' }) <= now.value('ring_bytes', { state: 'size' }));
    assert.ok(Math.abs(now.value('listener_last_read_timestamp_seconds') - Date.now() / 1000) < 30);
    assert.equal(now.value('workers'), 3);
    assert.equal((await workersOf()).filter(({ listens }) => listens).length, 1);
  });

  test('events that only the sweep has found', async () => {
    await moves([['sweep_found_events_total', {}, 2]], async () => {
      for (const n of range(1, 2)) await database.appendSilently('cheese0', 'made', n);
    });
  });

  test('a prune, and when it was', async () => {
    await database.publish('short', 'made', {}, { ttl: '0.1s' });
    await reaches((now) => now.value('prune_removed_total') > 0
      && Math.abs(now.value('prune_last_success_timestamp_seconds') - Date.now() / 1000) < 30, 'a prune');
  });

  test('a worker that the ring has overtaken', async () => {
    const stopped = (await workersOf()).find(({ listens }) => !listens).pid;
    const before = await read();
    nginx.kill(stopped, 'SIGSTOP');
    await Promise.all(range(1, 20).map(() => database.publish('big', 'made', { text: 'x'.repeat(8_000) })));
    const head = Number(await database.head());
    nginx.kill(stopped, 'SIGCONT');
    await reaches((now) => now.value('ring_head_id') >= head
      && now.value('ring_overruns_total') > before.value('ring_overruns_total'), 'an overrun');
  });
});

describe('processes that come and go', () => {
  test('sums only grow over a killed worker and a reload, and takeovers are counted', async () => {
    const before = await read();
    const { pid } = (await workersOf()).find(({ listens }) => listens);
    nginx.kill(pid);
    const killed = await reaches((now) => now.value('workers') === 3 && now.value('listener_connected') === 1
      && now.value('listener_takeovers_total') > before.value('listener_takeovers_total'), 'another listener');
    killed.assertNotBefore(before);
    const old = await nginx.reload();
    await nginx.waitGone(old);
    const reloaded = await reaches((now) => now.value('workers') === 3 && now.value('subscribers') === 0
      && now.value('listener_takeovers_total') > killed.value('listener_takeovers_total'), 'new workers');
    reloaded.assertNotBefore(killed);
    assert.ok(reloaded.value('deliveries_total') >= before.value('deliveries_total'));
  });

  // Otherwise its gauges would count again when another process gets its pid. `kill` kills the worker.
  const forgets = (kill) => async (t) => {
    const before = (await read()).value('subscribers');
    const streams = await opened(range(1, 9).map((n) => server.stream(`pid${n}`)));
    await reaches((now) => now.value('subscribers') === before + 9, 'subscribers');
    const { pid } = (await workersOf()).find(({ listens, metrics }) => !listens && metrics.subscribers.stream > 0);
    await kill(pid);
    const allGone = () => Promise.all(streams.map((stream) => stream.close()));
    if (!canChoosePids()) {
      await allGone();
      return t.skip('the pids of this system cannot be chosen');
    }
    const forgotten = await waitFor(async () => {
      const heir = await processWithPid(pid).catch(() => null);
      // While that process lives, nobody can see that the worker does not.
      if (heir === null) return { by: 'nobody' };
      const { workers, metrics } = (await status()).databases.find(({ name }) => name === 'main');
      heir.kill();
      await new Promise((resolve) => heir.on('close', resolve));
      const streamsOf = (counts) => counts.subscribers?.stream ?? 0;
      return !workers.some((worker) => worker.pid === pid)
        && streamsOf(metrics) === workers.reduce((sum, worker) => sum + streamsOf(worker.metrics), 0) && { by: 'all' };
    }, { what: `worker ${pid} forgotten`, interval: 1_500 });  // the pid is free when the listener's worker looks
    await allGone();
    if (forgotten.by === 'nobody') return t.skip('another process has got the pid');
    return reaches((now) => now.value('subscribers') === before, 'no subscribers');
  };

  test('a killed worker is forgotten', forgets((pid) => nginx.kill(pid)));

  test('a worker that is killed after a reload, and so not replaced, is forgotten', forgets(async (pid) => {
    nginx.kill(pid, 'SIGSTOP');
    await nginx.reload();
    nginx.kill(pid);
  }));

  test('while the database is away the status is answered all the same', async () => {
    await cluster.stop('fast');
    const away = await reaches((now) => now.value('listener_connected') === 0, 'the database away');
    assert.ok(away.value('ring_head_id') > 0);
    const isAway = ({ name, ready, why }) => name === 'main' && !ready && why.endsWith(': it cannot connect to the database');
    await waitFor(async () => (await status()).databases.some(isAway), { what: 'why it is not ready' });
    await moves([['declined_total', { reason: 'database_away' }, 1]], () => get('/both/events/cheese?database=main'));
    await cluster.start();
    await reaches((now) => now.value('listener_connected') === 1
      && now.value('listener_connects_total') > away.value('listener_connects_total'), 'the database back');
  });
});

after(() => nginx.stop({ allow: [kKilledWorker] }));

// --- clients ---

// Sends a request and leaves when it waits.
async function leave(text, transport) {
  const before = transport && (await read()).value('subscribers', { transport });
  const socket = net.connect(port, '127.0.0.1').on('error', () => {});
  socket.write(text);
  if (transport) await reaches((now) => now.value('subscribers', { transport }) > before, 'a waiting request');
  socket.destroy();
}

// The kernel gives the next process the pid behind the one in this file, if that is free.
const kLastPid = '/proc/sys/kernel/ns_last_pid';

function canChoosePids() {
  try {
    fs.writeFileSync(kLastPid, fs.readFileSync(kLastPid));
    return true;
  } catch {
    return false;
  }
}

// A process with this pid. Another process of the system may be quicker, and get it for a moment.
async function processWithPid(pid) {
  return waitFor(() => {
    if (fs.existsSync(`/proc/${pid}`)) return false;
    fs.writeFileSync(kLastPid, String(pid - 1));
    const child = spawn('sleep', ['60'], { stdio: 'ignore' });
    return child.pid === pid ? child : child.kill() && false;
  }, { what: `a process with pid ${pid}`, timeout: 5_000 });
}

// Sends a part of a request and waits until nginx gives up.
async function stall(text) {
  const socket = net.connect(port, '127.0.0.1').resume();
  socket.write(text);
  await new Promise((resolve) => socket.on('close', resolve));
}
