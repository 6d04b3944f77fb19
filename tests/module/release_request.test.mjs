// `pgevents_release_request on`: a stream releases its request to nginx and continues; its client must not see a
// difference. The access log proves the release: the request is logged while the stream is open.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { newChannel } from '../lib/backends.mjs';
import { assertDelivered } from '../lib/checker.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { range, waitFor } from '../lib/conditions.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { rawExchange, request } from '../lib/http.mjs';
import { startNginx } from '../lib/nginx.mjs';
import { selfSignedCertificate } from '../lib/tls.mjs';
import { inSeconds, secretKey, signToken } from '../lib/tokens.mjs';

const database = await (await sharedCluster()).createDatabase();
const { cert, key: certKey } = await selfSignedCertificate();
const key = secretKey();

function configuration(nginx) {
  fs.writeFileSync(path.join(nginx.dir, 'key'), key.text);
  return `
    pgevents_database main "${database.conninfo()}" ring=1m;
    log_format short "$uri $status $request_time";
    limit_conn_zone $server_port zone=all:1m;
    pgevents_release_request on;
    pgevents_heartbeat 1s;
    pgevents_retry 300ms;
    large_client_header_buffers 4 8k;
    server {
      listen ${nginx.listen(0)};
      listen ${nginx.listen(1)} ssl;
      ssl_certificate ${cert};
      ssl_certificate_key ${certKey};
      access_log ${path.join(nginx.dir, 'access.log')} short;
      location /rt/ { pgevents main; pgevents_subscribe "*"; }
      location /kept/ { pgevents main; pgevents_subscribe "*"; pgevents_release_request off; }
      location /limited/ { pgevents main; pgevents_subscribe "*"; limit_conn all 1; }
      location /slow/ { pgevents main; pgevents_subscribe "*"; send_timeout 1s; }
      location /users/ { pgevents main; pgevents_jwt_key ${path.join(nginx.dir, 'key')}; pgevents_subscribe "*"; }
      location = /status { stub_status; }
    }`;
}

const nginx = await startNginx({ workers: 2, main: 'worker_shutdown_timeout 20s;', http: configuration });
await nginx.waitListening();

const [kPlain, kTls] = [0, 1];
const open = (where, { listen = kPlain, ...options } = {}) =>
  new EventStream({ port: nginx.ports[listen], path: where, tls: listen === kTls, ...options }).opened();
const logged = (where) => fs.readFileSync(path.join(nginx.dir, 'access.log'),
  'utf8').split('\n').find((line) => line.startsWith(`${where} `));
const released = (where) => waitFor(() => logged(where), { what: `${where} in the access log` });
const active = async () => {
  const { body } = await request({ port: nginx.port, path: '/status' });
  return Number(body.match(/Active connections: ([0-9]+)/)[1]);
};

async function assertLive(streams, channel, count = 5) {
  const before = streams[0].events.length;
  for (const n of range(1, count)) await database.publish(channel, 'made', { n });
  await Promise.all(streams.map((stream) => stream.waitForEvents(before + count)));
  for (const stream of streams) assertDelivered(stream, await database.log({ channels: [channel] }));
}

for (const [title, options] of [
  ['plain', {}],
  ['with TLS', { listen: kTls }],
  ['with headers larger than the first buffer', { headers: { 'X-Large': 'x'.repeat(5000) } }],
]) {
  test(`${title}: events and heartbeats continue without the request`, async () => {
    const channel = newChannel();
    const where = `/rt/events/${channel}`;
    const stream = await open(where, options);
    await assertLive([stream], channel);
    assert.match(await released(where), /^\S+ 200 [0-9.]+$/);
    await assertLive([stream], channel);
    const seen = stream.blocks.length;
    await waitFor(() => stream.blocks.slice(seen).some((block) => block.kind === 'heartbeat'), { what: 'a heartbeat' });
    await stream.close();
    stream.assertStrict();
  });
}

test('an HTTP/1.0 stream, whose body has no chunks, continues as well', async () => {
  const channel = newChannel();
  const where = `/rt/events/${channel}`;
  const text = `GET ${where} HTTP/1.0\r\nAccept: text/event-stream\r\n\r\n`;
  let published;
  const until = (bytes) => {
    if (logged(where)) published ??= database.publish(channel, 'made', { n: 1 });
    return bytes.includes('"n":1');
  };
  const bytes = (await rawExchange({ port: nginx.port }, text, { until })).toString();
  assert.ok(bytes.endsWith(`event: made\ndata: {"n":1}\nid: ${await published}\n\n`), bytes);
});

test('nginx keeps the request if configured so, or if another module needs it', async () => {
  const channel = newChannel();
  const streams = await Promise.all(['kept', 'limited', 'rt'].map((base) => open(`/${base}/events/${channel}`)));
  await released(`/rt/events/${channel}`);
  assert.equal(logged(`/kept/events/${channel}`), undefined);
  assert.equal(logged(`/limited/events/${channel}`), undefined);
  const rejected = await request({ port: nginx.port, path: `/limited/events/${channel}?flavor=poll` });
  assert.equal(rejected.status, 503, 'the limit counts the stream');
  await assertLive(streams, channel);
  await Promise.all(streams.map((stream) => stream.close()));
  await released(`/kept/events/${channel}`);
});

test('nginx closes the connections of clients that leave', async () => {
  const before = await active();
  const channels = range(1, 20).map(newChannel);
  const streams = await Promise.all(channels.map((channel) => open(`/rt/events/${channel}`)));
  await Promise.all(channels.map((channel) => released(`/rt/events/${channel}`)));
  assert.equal(await active(), before + 20);
  await Promise.all(streams.map((stream) => stream.close()));
  await waitFor(async () => (await active()) <= before, { what: 'all connections closed' });
});

const kLot = `INSERT INTO pgevents.events (channel_id, data)
  SELECT $1, json_build_object('type', 'made', 'data', repeat(md5(n::text), 2000)) FROM generate_series(1, 20) n`;

test('a reader that pauses while the ring is overwritten receives all events afterwards', async () => {
  const channel = newChannel();
  const stream = await open(`/rt/events/${channel}`);
  await released(`/rt/events/${channel}`);
  stream.pause();
  for (let i = 0; i < 10; i++) await database.query(kLot, [channel]);
  stream.resume();
  await stream.waitForEvents(200, 60_000);
  await stream.close();
  assertDelivered(stream, await database.log({ channels: [channel] }));
});

test('a reader that pauses for longer than send_timeout is disconnected, and misses nothing', async () => {
  const channel = newChannel();
  const where = `/slow/events/${channel}`;
  const before = await active();
  const stream = await open(where, { reconnect: true, maxDelay: 300 });
  await released(where);
  stream.pause();
  for (let i = 0; i < 10; i++) await database.query(kLot, [channel]);
  await waitFor(async () => (await active()) <= before, { what: 'the connection closed', timeout: 60_000 });
  stream.resume();
  await stream.waitForEvents(200, 60_000);
  await stream.close();
  assertDelivered(stream, await database.log({ channels: [channel] }));
});

test('data that the client sends into the stream is not read, and has no effect', async () => {
  const channel = newChannel();
  const where = `/rt/events/${channel}`;
  const text = `GET ${where} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n`;
  let published;
  const until = (bytes, socket) => {
    if (logged(where) && !published) {
      socket.write('GET /rt/events/other HTTP/1.1\r\nHost: x\r\n\r\n');
      published = database.publish(channel, 'made', { n: 1 });
    }
    return bytes.includes('"n":1');
  };
  const bytes = (await rawExchange({ port: nginx.port }, text, { until })).toString();
  assert.equal(bytes.match(/HTTP\/1\.1 200/g).length, 1, bytes);
});

test('a stream ends when its token expires, with the expired event', async () => {
  const channel = newChannel();
  const where = `/users/events/${channel}`;
  const headers = { Authorization: `Bearer ${signToken({ sub: '1', exp: inSeconds(4) }, { key })}` };
  const stream = await open(where, { headers });
  await released(where);
  assert.equal(stream.connection.how, undefined, 'the stream was open until then');
  assert.equal((await stream.ended(60_000)).how, 'end');
  assert.equal(stream.events.at(-1).type, 'pgevents.expired');
  stream.assertStrict();
});

test('a reload ends streams with a retry, and their clients lose nothing', async () => {
  const channel = newChannel();
  const streams = await Promise.all(range(1,
    20).map((n) => open(`/rt/events/${channel}`, { reconnect: true, maxDelay: 300, listen: n % 2 })));
  await released(`/rt/events/${channel}`);
  await assertLive(streams, channel);
  await waitFor(async () => {
    const lines = fs.readFileSync(path.join(nginx.dir, 'access.log'), 'utf8').split('\n');
    return lines.filter((line) => line.startsWith(`/rt/events/${channel} `)).length === 20;
  }, { what: 'all requests released' });
  const old = await nginx.reload();
  await nginx.waitGone(old, 15_000);
  await assertLive(streams, channel);
  await Promise.all(streams.map((stream) => stream.close()));
  for (const stream of streams) {
    assert.equal(stream.connections[0].how, 'end');
    assert.ok(stream.blocks.some((block) => block.kind === 'closing'));
  }
});
