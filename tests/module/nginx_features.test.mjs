// The module among nginx's own features: access control, variables in its rules, compression and proxies around its
// streams, every kind of location.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { createGunzip, gunzipSync } from 'node:zlib';

import { assertError, newChannel } from '../lib/backends.mjs';
import { assertDelivered } from '../lib/checker.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { range, waitFor } from '../lib/conditions.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { request } from '../lib/http.mjs';
import { startNginx } from '../lib/nginx.mjs';
import { StreamParser } from '../lib/stream_parser.mjs';
import { pollBody } from '../lib/wire.mjs';

const database = await (await sharedCluster()).createDatabase();
const other = await (await sharedCluster()).createDatabase();
const rules = 'pgevents_subscribe "*"; pgevents_publish "*";';
const nginx = await startNginx({
  http: (n) => `
    pgevents_database main "${database.conninfo()}" ring=4m;
    pgevents_database second "${other.conninfo()}" ring=4m;
    log_format short '$request_method $uri $status $body_bytes_sent';
    map $http_x_user $own { default ""; "~^[0-9]+$" "user:$http_x_user public.*"; }
    server {
      listen ${n.listen(0)};
      location /rt/ { pgevents main; ${rules} access_log ${path.join(n.dir, 'access.log')} short; }
      location /second/ { pgevents second; ${rules} }
      location /denied/ { deny all; pgevents main; ${rules} }
      location /asked/ { auth_request /who; pgevents main; ${rules} }
      location = /who { return 401; }
      location /own/ { pgevents main; pgevents_subscribe $own; }
      location /small/ { client_max_body_size 100; pgevents main; ${rules} }
      location /packed/ { gzip on; gzip_min_length 1; gzip_proxied any; gzip_types text/event-stream application/json;
        pgevents main; ${rules} }
      location /slow/ { limit_rate 200k; pgevents main; ${rules} }
      location ~ ^/regex/v[0-9]/events/ { pgevents main; ${rules} }
      location /deep/er/ { pgevents main; ${rules} }
      location /rt2 { pgevents main; ${rules} }
      location /events/ { pgevents main; ${rules} }
      location /rewritten/ { rewrite ^/rewritten/(.*)$ /rt/events/$1 last; }
      location /pages/ { root ${n.dir}; ssi on; ssi_types *; }
      location /plain { return 200 "plain"; }
    }
    server { listen ${n.listen(1)};
      location / { proxy_pass http://${n.listen(0)}; proxy_http_version 1.1; proxy_set_header Connection ""; } }`,
});
await nginx.waitListening('main', 'second');

const get = (where, options = {}) => request({ port: nginx.port, path: where, ...options });
const kPoll = 'flavor=poll&last_event_id=0';

async function oneEvent() {
  const channel = newChannel();
  await database.publish(channel, 'made', { n: 1 });
  const rows = await database.log({ channels: [channel] });
  return { channel, rows, body: pollBody(rows) };
}

test('access rules of nginx apply before the module', async () => {
  for (const method of ['GET', 'POST', 'OPTIONS']) {
    assert.equal((await get('/denied/events/cheese?flavor=poll', { method })).status, 403);
    assert.equal((await get('/asked/events/cheese?flavor=poll', { method })).status, 401);
  }
});

test('the granted channels may come from a variable', async () => {
  const ask = (channel, user) => get(`/own/events/${channel}?flavor=poll`, { headers: user ? { 'X-User': user } : {} });
  assert.equal((await ask('user:7,public.news', '7')).status, 200);
  assertError(await ask('user:8', '7'), 403, 'FORBIDDEN', "Not authorized for channel 'user:8'");
  assertError(await ask('user:7'), 403, 'FORBIDDEN', "Not authorized for channel 'user:7'");
  const post = await get('/own/events/user:7', { method: 'POST', body: '{"type":"made"}', headers: { 'X-User': '7' } });
  assertError(post, 403, 'FORBIDDEN', "Not authorized for channel 'user:7'");
});

test('every kind of location has the right base', async () => {
  const { channel, body } = await oneEvent();
  for (const base of ['/rt', '/regex/v2', '/deep/er', '/rt2', '']) {
    assert.equal((await get(`${base}/events/${channel}?${kPoll}`)).body, body, `base '${base}'`);
  }
  assertError(await get(`/deep/er/x/events/${channel}?${kPoll}`), 404, 'NOT_FOUND', 'Not found');
});

test('the final location serves a rewritten request', async () => {
  const { channel, body } = await oneEvent();
  assert.equal((await get(`/rewritten/${channel}?${kPoll}`)).body, body);
});

test('two databases stay separate', async () => {
  const { channel, body } = await oneEvent();
  assert.equal((await get(`/second/events/${channel}?${kPoll}`)).body, '[]');
  const stream = await new EventStream({ port: nginx.port, path: `/second/events/${channel}` }).opened();
  await database.publish(channel, 'made', 'first');
  await other.publish(channel, 'made', 'second');
  await stream.waitForEvents(1);
  await stream.close();
  assertDelivered(stream, await other.log({ channels: [channel] }));
  assert.ok((await get(`/rt/events/${channel}?${kPoll}`)).body.startsWith(body.slice(0, -1)));
});

test('nginx limits bodies before the module does', async () => {
  const body = `{"type":"made","data":"${'x'.repeat(200)}"}`;
  assert.equal((await get('/small/events/cheese', { method: 'POST', body })).status, 413);
});

test('the module declines subrequests, so that a waiting poll cannot delay a page', async () => {
  fs.mkdirSync(path.join(nginx.dir, 'pages'));
  fs.writeFileSync(path.join(nginx.dir, 'pages', 'a.html'), 'before<!--#include virtual="/rt/events/cheese" -->after');
  const answer = await get('/pages/a.html', { timeout: 10_000 });
  assert.match(answer.body, /^before.*after$/s);
});

test('a compressed poll and a compressed stream arrive, the stream without delay', async () => {
  const { channel, body } = await oneEvent();
  const headers = { 'Accept-Encoding': 'gzip' };
  const poll = await get(`/packed/events/${channel}?${kPoll}`, { headers });
  assert.equal(poll.headers['content-encoding'], 'gzip');
  assert.equal(gunzipSync(poll.raw).toString(), body);

  const gunzip = createGunzip();
  const events = [];
  const parser = new StreamParser({ onBlock: (block) => block.kind === 'event' && events.push(block) });
  gunzip.on('data', (chunk) => parser.push(chunk));
  gunzip.on('error', () => {}); // cut at the end of the test
  const stream = new EventStream({ port: nginx.port, path: `/packed/events/${channel}?last_event_id=0`, headers,
    through: (chunk) => gunzip.write(chunk) });
  for (const n of range(1, 5)) {
    await waitFor(() => events.length === n, { what: `${n} events` });
    await database.publish(channel, 'made', { n });
  }
  assert.equal(stream.connection.headers['content-encoding'], 'gzip');
  await stream.close();
  assert.deepEqual(parser.violations, []);
});

test('a proxy with buffers in front passes events on at once', async () => {
  const channel = newChannel();
  const stream = await new EventStream({ port: nginx.ports[1], path: `/rt/events/${channel}` }).opened();
  for (const n of range(1, 5)) {
    await database.publish(channel, 'made', { n });
    await stream.waitForEvents(n);
  }
  await stream.close();
  assertDelivered(stream, await database.log({ channels: [channel] }));
});

test('limit_rate slows a stream down without loss', async () => {
  const channel = newChannel();
  for (const n of range(1, 6)) await database.publish(channel, 'made', `${n}${'x'.repeat(50_000)}`);
  const started = performance.now();
  const stream = new EventStream({ port: nginx.port, path: `/slow/events/${channel}`, cursor: 0 });
  await stream.waitForEvents(6);
  await database.publish(channel, 'made', 'more');
  await stream.waitForEvents(7);
  await stream.close();
  assertDelivered(stream, await database.log({ channels: [channel] }));
  assert.ok(performance.now() - started > 500, 'limit_rate had no effect');
});

test('the access log has the status and the bytes of each answer', async () => {
  const { channel, body } = await oneEvent();
  await get(`/rt/events/${channel}?${kPoll}`);
  await get('/rt/events/a%20b');
  const stream = await new EventStream({ port: nginx.port, path: `/rt/events/${channel}` }).opened();
  await stream.close();
  const lines = [`GET /rt/events/${channel} 200 ${body.length}`, 'GET /rt/events/a b 400 '];
  const log = () => fs.readFileSync(path.join(nginx.dir, 'access.log'), 'utf8');
  for (const line of lines) await waitFor(() => log().includes(line), { what: () => `${line} in ${log()}` });
});

test('other locations are not affected', async () => {
  assert.equal((await get('/plain')).body, 'plain');
});
