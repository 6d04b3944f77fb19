// The fallback's own counters, which it reports at a location with the FastCGI parameter PGEVENTS_STATUS: sums over all
// its processes, past and present, also while the database is away.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';

import { newChannel } from '../lib/backends.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { range, waitFor } from '../lib/conditions.mjs';
import { startCgiServer, startFallback } from '../lib/fallback.mjs';
import { request } from '../lib/http.mjs';
import { startNginx } from '../lib/nginx.mjs';
import { run } from '../lib/processes.mjs';
import { kRoot, tempDir } from '../lib/scratch.mjs';
import { inSeconds, secretKey, signToken } from '../lib/tokens.mjs';

const kProcesses = 3;
const cluster = await startCluster();
const database = await cluster.createDatabase();
const key = secretKey();
const keyFile = path.join(tempDir('key'), 'key');
fs.writeFileSync(keyFile, key.text);

async function startService() {
  const fallback = await startFallback({
    conninfo: database.conninfo(), processes: kProcesses, args: ['--jwt-key', keyFile, '--allow-origin', 'https://partner.example'],
  });
  const location = (base, params) => `location ${base} { ${fallback.nginxLines({ base: '/rt', params })} }`;
  const nginx = await startNginx({
    loadModule: false,
    http: (n) => `server {
      listen ${n.listen()};
      ${location('/rt/', {})}
      ${location('= /metrics', { PGEVENTS_STATUS: 'prometheus' })}
      ${location('= /status', { PGEVENTS_STATUS: 'json' })}
      ${location('= /wrong', { PGEVENTS_STATUS: 'html' })}
      location /empty/ { ${fallback.nginxLines({ base: '/empty', params: { PGEVENTS_STATUS: '$arg_status' } })} }
    }`,
  });
  return { fallback, get: (where, options = {}) => request({ port: nginx.port, path: where, ...options }) };
}

const { fallback, get } = await startService();
const status = async () => (await get('/status')).json();
const of = (list, endpoint, code) =>
  list.find((one) => one.endpoint === endpoint && one.status === String(code))?.value ?? 0;
const published = { method: 'POST', body: '{"type":"made"}', headers: { 'Content-Type': 'application/json' } };

describe('the counters', () => {
  test('begin with nothing but the processes', async () => {
    await waitFor(async () => (await status()).processes === kProcesses, { what: 'all processes' });
    const { requests_total: requests, events_sent_total: events, query_duration_seconds: queries } = await status();
    assert.deepEqual([requests, events, queries], [[], 0, {}], 'questions about the counters do not count');
  });

  test('are those of all processes together', async () => {
    const channel = newChannel();
    for (const n of range(1, 7)) assert.equal((await get(`/rt/events/${channel}`, published)).status, 201, `${n}`);
    const polls = range(1, 12).map(() => get(`/rt/events/${channel}?flavor=poll&last_event_id=0`));
    for (const answer of await Promise.all(polls)) assert.equal(answer.json().length, 7);
    const stream = await get(`/rt/events/${channel}?flavor=eventsource&last_event_id=0`);
    assert.equal(stream.body.match(/^event: made$/gm).length, 7);
    await get(`/rt/events/${channel}?last_event_id=0`, { method: 'HEAD' });
    assert.equal((await get('/rt/nothing')).status, 404);
    assert.equal((await get('/rt/realm/presence', { method: 'OPTIONS' })).status, 204);

    const now = await status();
    const { requests_total: requests, query_duration_seconds: queries } = now;
    assert.equal(of(requests, 'publish', 201), 7);
    assert.equal(of(requests, 'poll', 200), 12 + 1);
    assert.equal(of(requests, 'stream', 200), 1);
    assert.equal(of(requests, 'unknown', 404), 1);
    assert.equal(of(requests, 'preflight', 204), 1);
    assert.equal(now.events_sent_total, 7 * (12 + 1), 'HEAD sends none');
    assert.equal(queries.publish.count, 7);
    assert.ok(queries.fetch.count >= 14 && queries.fetch.sum > 0, JSON.stringify(queries.fetch));
    assert.ok(now.database_connects_total >= 1 && now.database_connects_total <= kProcesses);
    assert.equal(queries.other, undefined, 'every statement has its name');
  });

  test('name why a request was rejected', async () => {
    const before = (await status()).auth_failures_total;
    const signed = (claims, by = key) => signToken({ sub: '10', exp: inSeconds(60), ...claims }, { key: by });
    const tokens = { expired: signed({ exp: 1 }), signature: signed({}, secretKey()), malformed: 'x.y.z' };
    for (const token of Object.values(tokens)) {
      const answer = await get('/rt/events/x?flavor=poll', { headers: { Authorization: `Bearer ${token}` } });
      assert.equal(answer.status, 401);
    }
    const after = (await status()).auth_failures_total;
    for (const reason of Object.keys(tokens)) assert.equal(after[reason] - before[reason], 1, reason);
    assert.ok(of((await status()).requests_total, 'unknown', 401) >= 3);
  });

  test('count on when a process is replaced', async () => {
    const before = await status();
    const old = fallback.processes();
    process.kill(old[0], 'SIGKILL');
    process.kill(fallback.pid, 'SIGHUP');
    await waitFor(() => fallback.processes().length === kProcesses && !fallback.processes().some((pid) => old.includes(pid)),
      { what: 'new processes' });
    await waitFor(async () => (await status()).processes === kProcesses, { what: 'all processes' });
    const after = await status();
    assert.deepEqual(after.requests_total, before.requests_total);
    assert.equal(after.events_sent_total, before.events_sent_total);
  });
});

describe('the answer', () => {
  test('is valid for Prometheus: promtool', async () => {
    const answer = await get('/metrics');
    assert.equal(answer.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
    assert.equal(answer.headers['cache-control'], 'no-store');
    assert.match(answer.body, /^pgevents_fallback_requests_total\{endpoint="publish",status="201"\} [0-9]+$/m);
    assert.match(answer.body, /^pgevents_fallback_query_duration_seconds_bucket\{statement="publish",le="\+Inf"\} [0-9]+$/m);
    assert.match(answer.body, /^pgevents_fallback_processes 3$/m);
    const { stdout, stderr } = await run('promtool', ['check', 'metrics'], { input: answer.body });
    assert.equal(stdout + stderr, '');
  });

  test('is for GET and HEAD, and for the web server\'s parameter alone', async () => {
    assert.equal((await get('/metrics', { method: 'HEAD' })).body, '');
    const posted = await get('/metrics', published);
    assert.deepEqual([posted.status, posted.headers.allow], [405, 'GET, HEAD, OPTIONS']);
    const headers = { 'PGEVENTS-STATUS': 'json', PGEVENTS_STATUS: 'json' };
    assert.equal((await get('/rt/events/x?flavor=poll&PGEVENTS_STATUS=json', { headers })).body, '[]');
    assert.equal((await get('/empty/events/x?flavor=poll')).body, '[]', 'an empty parameter has no effect');
    assert.equal((await get('/wrong')).status, 500);
    assert.match(fallback.logText(), /FastCGI parameter PGEVENTS_STATUS must be prometheus or json/);
    assert.doesNotMatch(fallback.logText(), /PGEVENTS_STATUS does not exist/);
  });

  test('is not for the pages of other origins, which may read the events', async () => {
    const headers = { Origin: 'https://partner.example' };
    const cors = async (where, method) => Object.keys((await get(where, { headers, method })).headers)
      .filter((name) => name.startsWith('access-control'));
    assert.notDeepEqual(await cors('/rt/events/x?flavor=poll'), []);
    for (const where of ['/status', '/metrics', '/wrong']) {
      for (const method of ['GET', 'HEAD', 'POST']) assert.deepEqual(await cors(where, method), [], `${method} ${where}`);
    }
  });

  test('of a CGI program is that it counts nothing', async () => {
    const { port } = await startCgiServer({ conninfo: database.conninfo(), env: { PGEVENTS_STATUS: 'json' } });
    const answer = await request({ port, path: '/rt/events/x' });
    assert.deepEqual([answer.status, answer.json().msg], [404, 'A CGI program counts nothing']);
  });

  test('needs no database', async () => {
    await cluster.stop();
    const before = of((await status()).requests_total, 'poll', 503);
    await waitFor(async () => (await get('/rt/events/x?flavor=poll')).status === 503, { what: 'the database away' });
    assert.ok(of((await status()).requests_total, 'poll', 503) > before);
    assert.equal((await get('/metrics')).status, 200);
    await cluster.start();
    await waitFor(async () => (await get('/rt/events/x?flavor=poll')).status === 200, { what: 'the database back' });
  });
});

test('docs/fallback.md describes every metric, and no other', async () => {
  const page = fs.readFileSync(path.join(kRoot, 'docs/fallback.md'), 'utf8');
  const described = [...page.matchAll(/^\| `(pgevents_fallback_[a-z_]+)/gm)].map(([, name]) => name).sort();
  const shown = [...(await get('/metrics')).body.matchAll(/^# TYPE ([a-z_]+) /gm)].map(([, name]) => name).sort();
  assert.deepEqual(described, shown);
});
