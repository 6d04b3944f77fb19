// Streams, WebSockets, polls and publishing under each of nginx's body filters and output settings, by the module and
// by the fallback: every event arrives as it was published, and at once (heartbeats are off, so that only an event's
// own bytes can flush it).
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { constants, gunzipSync } from 'node:zlib';

import { newChannel } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { range, waitFor } from '../lib/conditions.mjs';
import { startFallback } from '../lib/fallback.mjs';
import { Http1, Http2 } from '../lib/kept_connection.mjs';
import { startNginx } from '../lib/nginx.mjs';
import { selfSignedCertificate } from '../lib/tls.mjs';
import { Socket } from '../lib/web_socket.mjs';
import { pollBody, streamFrame, streamOpening } from '../lib/wire.mjs';

const kExtra = ': extra\n\n';

// Lines of a location. `before` and `after`: text around a body; `replaced`: the replacement of `cheese`.
const kSettings = {
  'nothing': { lines: '' },
  'add_before_body': { lines: 'add_before_body /extra.txt; addition_types *;', before: kExtra },
  'add_after_body': { lines: 'add_after_body /extra.txt; addition_types *;', after: kExtra },
  'add_before_body through a proxy': { lines: 'add_before_body /proxied/extra.txt; addition_types *;', before: kExtra },
  'sub_filter without a match': { lines: 'sub_filter nowhere x; sub_filter_types *;' },
  'sub_filter': { lines: 'sub_filter cheese brie; sub_filter_once off; sub_filter_types *;', replaced: 'brie' },
  'gzip': { lines: 'gzip on; gzip_min_length 0; gzip_types *;', gzip: true },
  'gzip in front of sub_filter': {
    lines: 'gzip on; gzip_min_length 0; gzip_types *; sub_filter cheese brie; sub_filter_once off; sub_filter_types *;',
    gzip: true, replaced: 'brie' },
  'gunzip': { lines: 'gunzip on;' },
  'charset': { lines: 'charset utf-8; charset_types *;' },
  'source_charset': { lines: 'charset koi8-r; source_charset windows-1251; charset_types *;' },
  'source_charset utf-8': { lines: 'charset windows-1251; source_charset utf-8; charset_types *;' },
  'ssi': { lines: 'ssi on; ssi_types *;' },
  'slice': { lines: 'slice 1k;' },
  'limit_rate': { lines: 'limit_rate 2m;' },
  'limit_rate_after': { lines: 'limit_rate 1m; limit_rate_after 1k;' },
  'postpone_output': { lines: 'postpone_output 64k;' },
  'postpone_output 0': { lines: 'postpone_output 0;' },
  'output_buffers': { lines: 'output_buffers 1 1k;' },
  'tcp_nopush': { lines: 'sendfile on; tcp_nopush on;' },
  'tcp_nodelay off': { lines: 'tcp_nodelay off;' },
  'chunked_transfer_encoding off': { lines: 'chunked_transfer_encoding off;' },
  'no keep-alive': { lines: 'keepalive_timeout 0; lingering_close always;' },
  'client_body_in_file_only': { lines: 'client_body_in_file_only clean; client_body_in_single_buffer on;' },
  'client_body_buffer_size': { lines: 'client_body_buffer_size 1;' },
  'etag, expires, headers': { lines: 'etag on; expires max; if_modified_since before; add_header X-More yes always;' },
  'add_trailer': { lines: 'add_trailer X-More yes always;' },
  'userid': { lines: 'userid on; userid_name who;' },
  'aio, directio': { lines: 'aio threads; directio 1; sendfile on;' },
  'max_ranges': { lines: 'max_ranges 0; send_lowat 0; reset_timedout_connection on;' },
  'many of them': {
    lines: `add_before_body /extra.txt; addition_types *; sub_filter cheese brie; sub_filter_once off; sub_filter_types *;
      ssi on; ssi_types *; charset utf-8; charset_types *; gzip on; gzip_types *; gzip_min_length 0;
      postpone_output 8k; limit_rate 2m;`,
    before: kExtra, replaced: 'brie', gzip: true },
};

const database = await (await sharedCluster()).createDatabase();
const certificate = await selfSignedCertificate();
const fallback = await startFallback({ conninfo: database.conninfo() });
const names = Object.keys(kSettings);
const location = ({ lines }, n, port) => `
  location /rt${n}/ { pgevents main; ${lines} }
  location /rl${n}/ { pgevents main; pgevents_release_request on; ${lines} }
  location /px${n}/ { proxy_pass http://${port}/plain/; ${lines} }
  location /fb${n}/ { pgevents off; ${lines} ${fallback.nginxLines({ base: `/fb${n}` })} }`;
const nginx = await startNginx({
  http: (n) => {
    fs.writeFileSync(path.join(n.dir, 'extra.txt'), kExtra);
    return `
      pgevents_database main "${database.conninfo()}" ring=4m;
      pgevents_subscribe "*"; pgevents_publish "*";
      pgevents_heartbeat 1h;
      charset_map windows-1251 koi8-r { 80 81; }
      charset_map windows-1251 utf-8 { C0 D090; }
      server {
        listen ${n.listen(0)};
        listen ${n.listen(1)} ssl http2;
        ssl_certificate ${certificate.cert}; ssl_certificate_key ${certificate.key};
        root ${n.dir};
        location /plain/ { pgevents main; }
        location /proxied/ { proxy_pass http://${n.listen(0)}/; }
        ${names.map((name, index) => location(kSettings[name], index, n.listen(0))).join('')}
      }`;
  },
});
await nginx.waitListening();

const kConnections = { 'HTTP/1.1': () => new Http1(nginx.ports[0]), 'HTTP/2': () => new Http2(nginx.ports[1]) };
const kGzip = { 'Accept-Encoding': 'gzip' };

// Gives a function that returns the readable part of a stream so far, decoded.
function reader(stream, gzip) {
  if (!gzip) return () => stream.text();
  assert.equal(stream.headers['content-encoding'], 'gzip');
  return () => {
    const packed = Buffer.from(stream.bytes());
    return gunzipSync(packed, { finishFlush: constants.Z_SYNC_FLUSH }).toString();
  };
}

const kSizes = [10, 3000, 100_000];
const dataOf = (n) => ({ n, text: `cheese${'x'.repeat(kSizes[n - 1] ?? 10)}` });
const changed = (text, { replaced }) => (replaced ? text.replaceAll('cheese', replaced) : text);

async function follow(connection, base, settings) {
  const channel = newChannel();
  const stream = await connection.stream({ path: `${base}/events/${channel}`, headers: kGzip });
  assert.equal(stream.status, 200);
  const text = reader(stream, settings.gzip);
  let wanted = `${settings.before ?? ''}${streamOpening(2000, '').trimEnd()} `;
  const opened = () => text().startsWith(wanted) && text().endsWith('\n\n');
  await waitFor(opened, { what: () => `an opening, ${JSON.stringify(text())}` });
  wanted = text();
  let after = await database.head(); // reading the whole log would take longer than the rest of the test
  for (const n of range(1, kSizes.length)) {
    await database.publish(channel, 'made', dataOf(n));
    const [row] = await database.log({ channels: [channel], after });
    after = row.id;
    wanted += changed(streamFrame(row), settings);
    const what = () => `event ${n}, ${JSON.stringify(text().slice(-300))}`;
    await waitFor(() => text().length >= wanted.length, { what });
    assert.ok(text() === wanted, `event ${n}: ${JSON.stringify(text().slice(0, 400))}`);
  }
}

// Of two streams with one wait id the server ends the second one, with its cursor.
async function ended(connect, base, settings) {
  const where = `${base}/events/${newChannel()}/one`;
  await withConnection(connect, async (first) => {
    const waits = await first.stream({ path: where, headers: kGzip });
    await waitFor(() => waits.bytes().length > 0, { what: 'the first stream is open' });
    await withConnection(connect, async (second) => {
      const stream = await second.stream({ path: where, headers: kGzip });
      const text = reader(stream, settings.gzip);
      await waitFor(() => stream.over(), { what: () => `the end, ${JSON.stringify(text())}` });
      assert.match(text(), new RegExp(`^${settings.before ?? ''}${streamOpening(5000, '[0-9]+')}${settings.after ?? ''}$`));
    });
  });
}

// Frames are no body: what changes bodies does not change them.
async function webSocket(base) {
  const channel = newChannel();
  const socket = new Socket({ port: nginx.ports[0], path: `${base}/events/${channel}`, headers: kGzip });
  try {
    await socket.opened();
    for (const n of range(1, kSizes.length)) {
      await database.publish(channel, 'made', dataOf(n));
      await socket.waitForEvents(n);
    }
    const answer = await socket.ask({ publish: channel, type: 'made', data: dataOf(4) });
    assert.equal(answer.status, 201);
    await socket.waitForEvents(4);
    assert.deepEqual(socket.events.map((event) => event.data.data), range(1, 4).map(dataOf));
  } finally {
    await socket.close();
  }
}

async function pollsAndPublishes(connect, base, settings) {
  const [channel, after] = [newChannel(), await database.head()];
  for (const n of range(1, kSizes.length)) {
    const body = Buffer.from(JSON.stringify({ type: 'made', data: dataOf(n) }));
    await withConnection(connect, async (connection) => {
      const answer = await connection.ask({ method: 'POST', path: `${base}/events/${channel}`, body });
      assert.equal(answer.status, 201, answer.body);
    });
  }
  const rows = await database.log({ channels: [channel], after });
  assert.equal(rows.length, kSizes.length);
  for (const query of ['flavor=poll&last_event_id=0', 'last_event_id=0']) {
    await withConnection(connect, async (connection) => {
      const answer = await connection.ask({ path: `${base}/events/${channel}?${query}`, headers: kGzip });
      const text = settings.gzip ? gunzipSync(answer.raw).toString() : answer.body;
      const wanted = `${settings.before ?? ''}${changed(pollBody(rows), settings)}${settings.after ?? ''}`;
      assert.ok(text === wanted, text.slice(0, 400));
    });
  }
  return rows;
}

async function withConnection(connect, use) {
  const connection = connect();
  try {
    return await use(connection);
  } finally {
    connection.close();
  }
}

for (const [kind, connect] of Object.entries(kConnections)) {
  describe(kind, { concurrency: 4 }, () => {
    for (const [index, name] of names.entries()) {
      const settings = kSettings[name];
      test(`${name}: an event stream of the module delivers each event at once`, () =>
        withConnection(connect, (connection) => follow(connection, `/rt${index}`, settings)));

      if (kind === 'HTTP/2') continue; // for polls and the fallback, HTTP/2 is nginx's own matter

      test(`${name}: an event stream with a released request delivers each event at once`, () =>
        withConnection(connect, (connection) => follow(connection, `/rl${index}`, settings)));

      test(`${name}: an event stream through a proxy delivers each event at once`, () =>
        withConnection(connect, (connection) => follow(connection, `/px${index}`, settings)));

      for (const base of ['/rt', '/rl']) {
        test(`${name}: a WebSocket at ${base} is what it is without a filter`, () => webSocket(`${base}${index}`));
      }

      test(`${name}: a stream that the server ends is complete`, () => ended(connect, `/rt${index}`, settings));

      test(`${name}: polls and publications of the module are complete`, () =>
        pollsAndPublishes(connect, `/rt${index}`, settings));

      test(`${name}: polls, publications and streams of the fallback are complete`, async () => {
        const [{ channel_id, ...first }, ...others] = await pollsAndPublishes(connect, `/fb${index}`, settings);
        await withConnection(connect, async (connection) => {
          const where = `/fb${index}/events/${channel_id}?last_event_id=0`;
          const stream = await connection.stream({ path: where, headers: kGzip });
          const text = reader(stream, settings.gzip);
          await waitFor(() => stream.over(), { what: 'the end of the stream' });
          const frames = [first, ...others].map((row) => streamFrame(row)).join('');
          const wanted = `${settings.before ?? ''}${streamOpening(5000, 0)}${changed(frames, settings)}`;
          assert.ok(text().startsWith(wanted), text().slice(0, 400));
        });
      });
    }
  });
}
