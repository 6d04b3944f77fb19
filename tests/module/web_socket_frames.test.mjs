// What a client of a WebSocket may send into the connection, frame by frame: each fault ends it with its code, and
// nothing else is affected. Peers that do not answer, and bounds on what one client may cost.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import { test } from 'node:test';
import tls from 'node:tls';

import { newChannel } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { range, sleep, waitFor } from '../lib/conditions.mjs';
import { startModuleServer } from '../lib/module_server.mjs';
import { kModule } from '../lib/nginx.mjs';
import { selfSignedCertificate } from '../lib/tls.mjs';
import { closeFrame, frame, handshake, jsonFrame, kAccept, RawSocket } from '../lib/web_socket.mjs';

const certificate = await selfSignedCertificate();
const database = await (await sharedCluster()).createDatabase();
const kOpen = 'pgevents main; pgevents_subscribe "*"; pgevents_publish "*";';
const server = await startModuleServer({
  database, workers: 1,
  server: (n) => `
    listen ${n.listen(1)} ssl reuseport;
    ssl_certificate ${certificate.cert}; ssl_certificate_key ${certificate.key};
    location /released/ { ${kOpen} pgevents_release_request on; }
    location /beats/ { ${kOpen} pgevents_heartbeat 1s; }
    location /beats_released/ { ${kOpen} pgevents_heartbeat 1s; pgevents_release_request on; }
    location = /status { stub_status; }`,
});
const { nginx } = server;

const overTls = () => tls.connect({ port: nginx.ports[1], host: '127.0.0.1', rejectUnauthorized: false });
const open = (channel, { base = '/rt', secure = false, headers, query = '' } = {}) =>
  new RawSocket({ port: server.port, path: `${base}/events/${channel}${query}`, headers,
    ...(secure && { connect: overTls }) }).opened();
const replyOf = (socket, number) =>
  waitFor(() => socket.texts.find(({ reply }) => reply === number), { what: `the reply to ${number}` });

const kTypical = { request: 1, publish: 'a', type: 'made', data: 'ü' };
const kFaults = [
  ['a frame that is not masked', [frame('{}', { mask: false })], 1002],
  ['a reserved bit', [frame('{}', { rsv: 4 })], 1002],
  ['a reserved opcode', [frame('', { opcode: 3 })], 1002],
  ['a fragmented ping', [frame('', { opcode: 9, fin: false })], 1002],
  ['a ping of 126 bytes', [frame('x'.repeat(126), { opcode: 9 })], 1002],
  ['a continuation of nothing', [frame('x', { opcode: 0 })], 1002],
  ['a message within a message', [frame('{', { fin: false }), frame('}')], 1002],
  ['a length in too many bytes', [frame('{}', { form: 8 })], 1002],
  ['a close frame with one byte', [frame('x', { opcode: 8 })], 1002],
  ['a close code that nobody sends', [closeFrame(1006)], 1002],
  ['a close reason that is not UTF-8', [closeFrame(1000, Buffer.from([0xff]))], 1007],
  ['a binary message', [frame('{}', { opcode: 2 })], 1003],
  ['a text that is not UTF-8', [frame(Buffer.from([0x22, 0xc3, 0x22]))], 1007],
  ['a text that is not JSON', [frame('{"request":1')], 1007],
  ['a message of 3 MB', [frame('x'.repeat(3_000_000))], 1009],
  ['a head that announces 2^62 bytes', [Buffer.from([0x81, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4])], 1009],
  ['fragments without end', range(1, 40).map((n) => frame('x'.repeat(60_000), { opcode: n > 1 ? 0 : 1, fin: false })),
    1009],
];

for (const form of [{}, { base: '/released' }, { secure: true }, { base: '/released', secure: true }]) {
  const title = `${form.base ?? '/rt'}${form.secure ? ', TLS' : ''}`;

  test(`${title}: each fault has its close code, and what came before it is answered`, async () => {
    for (const [what, parts, code] of kFaults) {
      const socket = await open('a', form);
      socket.write(jsonFrame(kTypical));
      assert.equal((await replyOf(socket, 1)).status, 201, what);
      socket.write(...parts, jsonFrame({ ...kTypical, request: 2 }));
      await waitFor(() => socket.closing ?? socket.over, { what: `the end after ${what}` });
      assert.equal(socket.closing?.code, code, what);
      socket.write(closeFrame(code));
      await socket.waitClosed(10_000);
      assert.equal(socket.texts.some(({ reply }) => reply === 2), false, what);
    }
  });

  test(`${title}: messages in any pieces, with control frames between fragments`, async () => {
    const socket = await open('a', form);
    const text = Buffer.from(JSON.stringify(kTypical));
    const bytes = Buffer.concat([
      frame(text.subarray(0, 5), { fin: false }), frame('one', { opcode: 9 }), frame('', { opcode: 0, fin: false }),
      frame('late', { opcode: 10 }), frame(text.subarray(5), { opcode: 0 }), frame('two', { opcode: 9 }),
      jsonFrame({ ...kTypical, request: 2, data: 'x'.repeat(70_000) }),
    ]);
    for (const at of range(0, 59)) {
      socket.socket.write(bytes.subarray(at, at + 1));
      if (at % 7 === 0) await sleep(1);
    }
    socket.socket.write(bytes.subarray(60, 5000));
    await sleep(5);
    socket.socket.write(bytes.subarray(5000));
    assert.equal((await replyOf(socket, 2)).status, 201);
    assert.equal((await replyOf(socket, 1)).status, 201);
    const pongs = socket.frames.filter(({ opcode }) => opcode === 10).map(({ payload }) => String(payload));
    assert.deepEqual(pongs, ['one', 'two']);
    socket.write(closeFrame(3456, 'bye'));
    assert.deepEqual(await socket.waitClosed(), { code: 3456, reason: '' });
  });
}

test('the answer to a handshake is that of RFC 6455, and frames may come with the handshake', async () => {
  for (const base of ['/rt', '/released']) {
    const socket = net.connect(server.port, '127.0.0.1');
    let bytes = Buffer.alloc(0);
    socket.on('data', (chunk) => (bytes = Buffer.concat([bytes, chunk])));
    const first = `GET ${base}/events/a?flavor=poll HTTP/1.1\r\nHost: x\r\n\r\n`;
    socket.write(Buffer.concat([Buffer.from(first + handshake(`${base}/events/a`)), jsonFrame(kTypical)]));
    await waitFor(() => bytes.includes('{"reply":1,"status":201'), { what: 'the reply' });
    assert.match(bytes.toString(), /^HTTP\/1.1 200 /, 'the request before it on the connection');
    assert.match(bytes.toString(), /HTTP\/1.1 101 Switching Protocols\r\n/);
    const fields = bytes.toString().slice(bytes.indexOf('HTTP/1.1 101')).split('\r\n\r\n')[0].toLowerCase();
    for (const field of [`sec-websocket-accept: ${kAccept}`, 'upgrade: websocket', 'connection: upgrade',
      'sec-websocket-protocol: pgevents.v1']) {
      assert.ok(fields.split('\r\n').includes(field.toLowerCase()), `${field}\n${fields}`);
    }
    assert.doesNotMatch(fields, /content-(type|length)|transfer-encoding|keep-alive/);
    socket.destroy();
  }
});

test('malformed messages are answered, and the connection goes on', async () => {
  const socket = await open('a');
  socket.write(jsonFrame([]), jsonFrame({ subscribe: ['b'] }), jsonFrame({ request: 7, nothing: 1 }));
  await replyOf(socket, 7);
  assert.deepEqual(socket.texts.slice(1).map(({ reply, status }) => [reply, status]), [[null, 400], [null, 400], [7, 400]]);
  socket.write(jsonFrame({ ...kTypical, request: 8 }));
  assert.equal((await replyOf(socket, 8)).status, 201);
  socket.destroy();
});

for (const base of ['/beats', '/beats_released']) {
  test(`${base}: a peer that answers no ping is disconnected, one that does stays`, async () => {
    const silent = await open('a', { base });
    const alive = await open('a', { base });
    let answered = 0;
    const timer = setInterval(() => {
      const pings = alive.frames.filter(({ opcode }) => opcode === 9).length;
      for (; answered < pings; answered++) alive.write(frame('', { opcode: 10 }));
    }, 20);
    await silent.waitClosed(20_000);
    assert.equal(silent.closing, undefined, 'no close frame: nobody would read it');
    await waitFor(() => answered >= 4, { what: 'four heartbeats' });
    assert.equal(alive.over, undefined);
    clearInterval(timer);
    alive.destroy();
  });
}

test('a client that leaves within a frame, a handshake or a subscription leaves nothing behind', async () => {
  const active = async () => Number((await (await fetch(`http://127.0.0.1:${server.port}/status`)).text())
    .match(/Active connections: ([0-9]+)/)[1]);
  const before = await active();
  const whole = jsonFrame({ request: 1, subscribe: [newChannel()], last_event_id: '0' });
  for (const base of ['/rt', '/released']) {
    for (const at of [1, 3, 8, whole.length - 1, whole.length]) {
      for (const how of ['destroy', 'resetAndDestroy', 'end']) {
        const socket = await open('a', { base });
        socket.write(whole.subarray(0, at));
        socket.socket[how]();
      }
    }
    const half = net.connect(server.port, '127.0.0.1');
    half.write(handshake(`${base}/events/a`).slice(0, 60));
    half.end();
  }
  await waitFor(async () => (await active()) <= before + 1, { what: 'all connections closed' });
});

// AddressSanitizer keeps up to 256 MB of what was freed.
const kMostGrowth = fs.readFileSync(kModule).includes('__asan_init') ? 400e6 : 64e6;

const residentBytes = (pid) => Number(fs.readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * 4096;

test('a client that asks and never reads costs bounded memory, and others are served', async () => {
  const channel = newChannel();
  const socket = await open(channel, { base: '/released' });
  socket.socket.pause();
  const [pid] = await nginx.workers();
  const before = residentBytes(pid);
  const large = jsonFrame({ request: 1, publish: channel, type: 'made', data: 'x'.repeat(100_000) });
  let sent = 0;
  const pump = () => {
    while (!socket.socket.destroyed && socket.socket.writableLength < 4e6) {
      socket.socket.write(large);
      sent += 1;
    }
  };
  const timer = setInterval(pump, 10);
  const written = () => socket.socket.bytesWritten;
  let last = -1;
  await waitFor(async () => {
    const stalled = written() === last;
    last = written();
    await sleep(500);
    return stalled && sent > 10;
  }, { what: 'the server to stop reading', timeout: 60_000 });
  const grown = residentBytes(pid) - before;
  assert.ok(grown < kMostGrowth, `${grown} bytes more after ${sent} publications`);
  const other = await open('b');
  other.write(jsonFrame({ request: 5, publish: 'b', type: 'made' }));
  assert.equal((await replyOf(other, 5)).status, 201);
  clearInterval(timer);
  socket.destroy();
  other.destroy();
});
