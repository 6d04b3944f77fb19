// HTTP below the protocol: versions, kept and closed connections, pipelining, incomplete and slow requests.
import assert from 'node:assert/strict';
import http from 'node:http';
import net from 'node:net';
import { test } from 'node:test';

import { forEach, newChannel, startBackends } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { sleep, waitFor } from '../lib/conditions.mjs';
import { parseAnswers, rawExchange } from '../lib/http.mjs';
import { parsePollBody, pollBody, streamFrame, streamOpening } from '../lib/wire.mjs';

const database = await (await sharedCluster()).createDatabase();
const backends = await startBackends({ database });

const channel = newChannel();
for (const n of [1, 2, 3]) await database.publish(channel, 'made', { n });
const rows = await database.log({ channels: [channel] });
const kPoll = `/rt/events/${channel}?flavor=poll&last_event_id=0`;
const kStream = `/rt/events/${channel}?flavor=eventsource&last_event_id=0`;

forEach(backends, (backend) => {
  const raw = (text, options) => rawExchange({ port: backend.port }, text, options);

  test('answers a poll over HTTP/1.0 unchunked, and closes the connection', async () => {
    const [answer, ...more] = parseAnswers(await raw(`GET ${kPoll} HTTP/1.0\r\n\r\n`));
    assert.deepEqual([answer.status, answer.raw.toString(), more.length], [200, pollBody(rows), 0]);
    assert.equal(answer.headers['transfer-encoding'], undefined);
    assert.notEqual(answer.headers.connection, 'keep-alive');
  });

  test('answers an event stream over HTTP/1.0 unchunked', async () => {
    const wanted = streamOpening(backend.differs.retry, 0) + rows.map((row) => streamFrame(row)).join('');
    const bytes = await raw(`GET ${kStream} HTTP/1.0\r\n\r\n`, { until: (so_far) => so_far.includes(wanted) });
    const [answer] = parseAnswers(bytes);
    assert.equal(answer.headers['transfer-encoding'], undefined);
    assert.ok(answer.raw.toString().startsWith(wanted));
  });

  test('keeps an HTTP/1.0 connection on request', async () => {
    const once = `GET ${kPoll} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n`;
    const bytes = await raw(once, { until: (so_far) => so_far.includes(pollBody(rows)) });
    const [answer] = parseAnswers(bytes);
    assert.equal(answer.status, 200);
    if (answer.headers.connection !== 'keep-alive') return;
    assert.equal(answer.headers['content-length'], String(answer.raw.length));
  });

  test('serves one request after the other on a kept connection', async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const ports = new Set();
    agent.on('free', (socket) => ports.add(socket.localPort));
    const query = { flavor: 'poll', last_event_id: '0' };
    const ask = (options = {}) => backend.send(`/events/${channel}`, { query, agent, ...options });
    for (const method of ['GET', 'HEAD', 'GET', 'OPTIONS', 'GET', 'DELETE', 'GET']) {
      const answer = await ask({ method });
      if (method === 'GET') assert.equal(answer.body, pollBody(rows));
    }
    const stored = await backend.publish(newChannel(), { type: 'made' }, { agent });
    assert.equal(stored.status, 201);
    assert.equal((await ask()).body, pollBody(rows));
    assert.equal(ports.size, 1, `local ports ${[...ports]}`);
    agent.destroy();
  });

  test('closes the connection after Connection: close', async () => {
    const [answer, ...more] = parseAnswers(await raw(`GET ${kPoll} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`));
    assert.deepEqual([answer.status, answer.headers.connection, more.length], [200, 'close', 0]);
    assert.equal(answer.raw.toString(), pollBody(rows));
  });

  test('answers pipelined requests in order', async () => {
    const target = newChannel();
    const body = '{"type":"made","data":7}';
    const bytes = await raw(
      `GET ${kPoll} HTTP/1.1\r\nHost: x\r\n\r\n` +
        `POST /rt/events/${target} HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}` +
        `HEAD ${kPoll} HTTP/1.1\r\nHost: x\r\n\r\n` +
        `DELETE ${kPoll} HTTP/1.1\r\nHost: x\r\n\r\n` +
        `GET /rt/events/${target}?flavor=poll&last_event_id=0 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    );
    const answers = parseAnswers(bytes, { heads: [2] });
    assert.deepEqual(answers.map(({ status }) => status), [200, 201, 200, 405, 200]);
    assert.equal(answers[0].raw.toString(), pollBody(rows));
    assert.equal(parsePollBody(answers[4].raw.toString())[0].data, '7');
  });

  test('stores nothing of an incomplete body', async () => {
    const target = newChannel();
    const socket = net.connect(backend.port, '127.0.0.1');
    socket.write(`POST /rt/events/${target} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"type":"made"}`);
    await sleep(50);
    socket.destroy();
    const marker = await backend.publish(newChannel(), { type: 'made' });
    assert.equal(marker.status, 201);
    assert.deepEqual(await database.log({ channels: [target] }), []);
  });

  test('accepts a body that arrives byte by byte', async () => {
    const target = newChannel();
    const body = '{"type":"made","data":"é"}';
    const socket = net.connect(backend.port, '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk) => (answer += chunk));
    socket.setNoDelay(true);
    socket.write(`POST /rt/events/${target} HTTP/1.1\r\nHost: x\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`);
    for (const byte of Buffer.from(body)) {
      socket.write(Buffer.from([byte]));
      await sleep(1);
    }
    await waitFor(() => answer.includes('\r\n\r\n{'), { what: 'an answer' });
    assert.match(answer, /^HTTP\/1.1 201 /);
    socket.destroy();
    assert.equal((await database.log({ channels: [target] }))[0].data, '"é"');
  });

  test('serves other clients when clients leave at once', async () => {
    for (let i = 0; i < 20; i++) {
      const socket = net.connect(backend.port, '127.0.0.1');
      socket.on('error', () => {});
      socket.write(`GET ${i % 2 ? kPoll : kStream} HTTP/1.1\r\nHost: x\r\n\r\n`);
      if (i % 3 === 0) await sleep(2);
      socket.destroy();
    }
    assert.equal((await backend.poll(channel, { cursor: 0 })).body, pollBody(rows));
  });

  test('accepts long header fields up to the server’s own limit', async () => {
    const headers = { Cookie: 'x'.repeat(6000), 'X-Other': 'y'.repeat(4000) };
    const answer = await backend.poll(channel, { cursor: 0, headers });
    assert.equal(answer.body, pollBody(rows));
  });
});
