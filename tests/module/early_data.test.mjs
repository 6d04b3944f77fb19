// `ssl_early_data on`: the test records what a client sends before its handshake ends, and sends it again three times,
// as an attacker who cannot read it would. Neither the module nor the fallback behind it stores anything of it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';

import { newChannel } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { range, waitFor, within } from '../lib/conditions.mjs';
import { startFallback } from '../lib/fallback.mjs';
import { request } from '../lib/http.mjs';
import { atEnd } from '../lib/lifetime.mjs';
import { startNginx } from '../lib/nginx.mjs';
import { tempDir } from '../lib/scratch.mjs';
import { selfSignedCertificate } from '../lib/tls.mjs';

const kReplays = 3;

const database = await (await sharedCluster()).createDatabase();
const certificate = await selfSignedCertificate();
const fallback = await startFallback({ conninfo: database.conninfo() });
const nginx = await startNginx({
  http: (n) => `
    pgevents_database main "${database.conninfo()}" ring=4m;
    log_format early '$uri $status "$ssl_early_data"';
    server {
      listen ${n.listen()} ssl;
      ssl_certificate ${certificate.cert}; ssl_certificate_key ${certificate.key};
      ssl_protocols TLSv1.3;
      ssl_early_data on;
      lingering_close off; # a request is logged when its connection is closed
      access_log ${path.join(n.dir, 'access.log')} early;
      location /rt/ { pgevents main; pgevents_subscribe "*"; pgevents_publish "*"; }
      location /fb/ { ${fallback.nginxLines({ base: '/fb', params: { HTTP_EARLY_DATA: '$ssl_early_data' } })} }
    }`,
});
await nginx.waitListening();

const dir = tempDir('early');
const session = path.join(dir, 'session');

// Runs `openssl s_client`. Gives its output when the connection has ended.
function openssl(port, args, input) {
  const child = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, '-tls1_3', '-ign_eof', ...args]);
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (output += chunk));
  child.stdin.end(input);
  return within(new Promise((resolve) => child.on('close', () => resolve(output))), 20_000, 'openssl');
}

// Do the bytes contain a complete record of application data (RFC 8446, section 5.1: type 23)?
function hasData(bytes) {
  for (let at = 0; at + 5 <= bytes.length; at += 5 + bytes.readUInt16BE(at + 3)) {
    if (bytes[at] === 23 && at + 5 + bytes.readUInt16BE(at + 3) <= bytes.length) return true;
  }
  return false;
}

// A recorder in front of nginx: it keeps what the next client sends before the first answer. It holds back the end of
// the handshake until nginx has answered, because on a busy machine it might arrive before nginx reads the early data.
let recorded;
let answered;
const wire = net.createServer((client) => {
  const server = net.connect(nginx.port, '127.0.0.1');
  let first = Buffer.alloc(0);
  const collect = (chunk) => {
    first = Buffer.concat([first, chunk]);
    if (!hasData(first)) return;
    recorded = first;
    client.off('data', collect);
    server.write(first);
    client.pause();
    waitFor(answered, { what: 'the answer to early data' }).then(() => client.pipe(server), () => client.destroy());
  };
  client.on('data', collect);
  server.pipe(client);
  for (const socket of [client, server]) socket.on('error', () => {});
});
await new Promise((resolve) => wire.listen(0, '127.0.0.1', resolve));
atEnd(() => wire.close());

const text = (method, where, headers, body) =>
  [`${method} ${where} HTTP/1.1`, 'Host: localhost', 'Connection: close', `Content-Length: ${body.length}`, ...headers,
    '', body]
    .join('\r\n');

const logged = (uri) => {
  const lines = fs.readFileSync(path.join(nginx.dir, 'access.log'), 'utf8').split('\n');
  return lines.filter((line) => line.startsWith(`${uri} `)).map((line) => line.slice(uri.length + 1));
};

// Sends a request as early data and then its recording again and again. Gives the log lines of all: status and "1" for
// early data.
async function replayed(method, uri, { query = '', headers = [], body = '' } = {}) {
  await openssl(nginx.port, ['-sess_out', session], text('GET', '/rt/events/x?flavor=poll', [], ''));
  const file = path.join(dir, 'request');
  fs.writeFileSync(file, text(method, `${uri}${query}`, headers, body));
  answered = () => logged(uri).length > 0;
  const output = await openssl(wire.address().port, ['-sess_in', session, '-early_data', file], '');
  assert.match(output, /Early data was accepted/);
  for (const n of range(1, kReplays)) {
    const socket = net.connect(nginx.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(recorded);
    await waitFor(() => logged(uri).length > n, { what: () => `replay ${n}: ${logged(uri)}` });
    socket.destroy();
  }
  return logged(uri);
}

const rows = async (channel) => (await database.log({ channels: [channel] })).length;
const kEvent = { body: '{"type":"made"}' };
const all = (status) => Array(1 + kReplays).fill(`${status} "1"`);

for (const [name, base] of [['module', '/rt'], ['fallback', '/fb']]) {
  test(`${name}: rejects a publication as early data, and accepts it after the handshake`, async () => {
    const channel = newChannel();
    assert.deepEqual(await replayed('POST', `${base}/events/${channel}`, kEvent), all(425));
    assert.equal(await rows(channel), 0);
    const where = { port: nginx.port, tls: true, path: `${base}/events/${channel}` };
    const again = await request({ ...where, method: 'POST', ...kEvent });
    assert.equal(again.status, 201);
    assert.equal(await rows(channel), 1);
  });

  test(`${name}: stores a publication with an Idempotency-Key once`, async () => {
    const channel = newChannel();
    const keyed = { ...kEvent, headers: [`Idempotency-Key: ${channel}`] };
    assert.deepEqual(await replayed('POST', `${base}/events/${channel}`, keyed), all(201));
    assert.equal(await rows(channel), 1);
  });

  test(`${name}: rejects calls, answers polls`, async () => {
    assert.deepEqual(await replayed('POST', `${base}/typing`, { body: '{}' }), all(425));
    assert.deepEqual(await replayed('GET', `${base}/events/${newChannel()}`, { query: '?flavor=poll' }), all(200));
  });
}
