// TLS and HTTP/2: the same answers, live streams, and many requests on one connection.
import assert from 'node:assert/strict';
import http2 from 'node:http2';
import { test } from 'node:test';

import { newChannel } from '../lib/backends.mjs';
import { assertDelivered } from '../lib/checker.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { kDefaultTimeout, range, waitFor, within } from '../lib/conditions.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { request } from '../lib/http.mjs';
import { atEnd } from '../lib/lifetime.mjs';
import { locationText } from '../lib/module_server.mjs';
import { startNginx } from '../lib/nginx.mjs';
import { Poller } from '../lib/poller.mjs';
import { StreamParser } from '../lib/stream_parser.mjs';
import { selfSignedCertificate } from '../lib/tls.mjs';
import { pollBody } from '../lib/wire.mjs';

const database = await (await sharedCluster()).createDatabase();
const certificate = await selfSignedCertificate();
const nginx = await startNginx({
  http: (n) => `
    pgevents_database main "${database.conninfo()}" ring=4m;
    server { listen ${n.listen(0)} ssl http2; ssl_certificate ${certificate.cert}; ssl_certificate_key ${certificate.key};
      ${locationText()} }
    server { listen ${n.listen(1)} http2; ${locationText()} }`,
});
await nginx.waitListening();

const sessions = {
  'HTTP/2 over TLS': http2.connect(`https://127.0.0.1:${nginx.ports[0]}`, { rejectUnauthorized: false }),
  'HTTP/2 in the clear': http2.connect(`http://127.0.0.1:${nginx.ports[1]}`),
};
atEnd(() => Object.values(sessions).forEach((session) => session.destroy()));

// Sends one request of a session. Gives { status, headers, raw }; onData receives the body as it arrives.
function exchange(session, headers, { body, onData } = {}) {
  const stream = session.request(headers, { endStream: body === undefined });
  const answer = new Promise((resolve, reject) => {
    const chunks = [];
    let response;
    stream.on('response', (fields) => (response = fields));
    stream.on('data', (chunk) => (onData ? onData(chunk) : chunks.push(chunk)));
    stream.on('error', reject);
    stream.on('close', () => resolve({ status: response?.[':status'], headers: response, raw: Buffer.concat(chunks) }));
  });
  if (body !== undefined) stream.end(body);
  return { answer: within(answer, kDefaultTimeout, headers[':path']), stream };
}

const path = (channel, query) => ({ ':path': `/rt/events/${channel}?${query}` });

test('event streams, long polls and publishing work over TLS', async () => {
  const channel = newChannel();
  const options = { port: nginx.ports[0], tls: true, path: `/rt/events/${channel}` };
  const stream = await new EventStream(options).opened();
  const poller = new Poller({ ...options, cursor: 0 });
  for (const n of range(1, 20)) {
    const body = JSON.stringify({ type: 'made', data: { n, text: 'x'.repeat(n * 1000) } });
    const answer = await request({ ...options, method: 'POST', body });
    assert.equal(answer.status, 201);
  }
  await stream.waitForEvents(20);
  await poller.waitForEvents(20);
  await Promise.all([stream.close(), poller.close()]);
  const rows = await database.log({ channels: [channel] });
  assertDelivered(stream, rows);
  assertDelivered(poller, rows);
});

for (const [name, session] of Object.entries(sessions)) {
  test(`${name}: polls have the same body, errors too, and HEAD has none`, async () => {
    const channel = newChannel();
    await database.publish(channel, 'made', { n: 1 });
    const rows = await database.log({ channels: [channel] });
    const poll = await exchange(session, path(channel, 'flavor=poll&last_event_id=0')).answer;
    assert.deepEqual([poll.status, poll.raw.toString()], [200, pollBody(rows)]);
    assert.equal(poll.headers['x-shortpoll-info'], 'requested');
    const error = await exchange(session, path('a%20b', '')).answer;
    assert.deepEqual([error.status, JSON.parse(error.raw).code], [400, 'BAD_REQUEST']);
    const head = await exchange(session, { ':method': 'HEAD', ...path(channel, '') }).answer;
    assert.deepEqual([head.status, head.raw.length], [200, 0]);
    const options = await exchange(session, { ':method': 'OPTIONS', ...path(channel, '') }).answer;
    assert.deepEqual([options.status, options.headers.allow], [204, 'GET, HEAD, POST, OPTIONS']);
  });

  test(`${name}: a long poll waits, and an event published on the same connection answers it`, async () => {
    const channel = newChannel();
    const cursor = await database.head();
    const waiting = exchange(session, path(channel, `last_event_id=${cursor}`));
    const post = exchange(session, { ':method': 'POST', 'content-type': 'application/json', ...path(channel, '') },
      { body: '{"type":"made","data":5}' });
    assert.equal((await post.answer).status, 201);
    assert.equal(JSON.parse((await waiting.answer).raw)[0].data.data, 5);
  });

  test(`${name}: many event streams share a connection, and each is exact`, async () => {
    const channels = range(1, 20).map(() => newChannel());
    const streams = channels.map((channel) => {
      const events = [];
      const assertStrict = () => assert.deepEqual(parser.violations, []);
      const state = { opened: false, events, describe: () => channel, assertStrict };
      const parser = new StreamParser({ onBlock: (block) => {
        state.opened = true;
        if (block.kind === 'event') events.push(block);
      } });
      const accept = { accept: 'text/event-stream' };
      const onData = (chunk) => parser.push(chunk);
      return Object.assign(state, exchange(session, { ...path(channel, ''), ...accept }, { onData }));
    });
    await waitFor(() => streams.every((stream) => stream.opened), { what: 'all open' });
    for (const n of range(1, 10)) {
      for (const channel of channels) await database.publish(channel, 'made', { n, channel, text: 'x'.repeat(2000) });
    }
    await waitFor(() => streams.every((stream) => stream.events.length === 10), { what: 'all events' });
    for (const [i, stream] of streams.entries()) {
      stream.stream.close();
      assertDelivered(stream, await database.log({ channels: [channels[i]] }));
    }
  });

  test(`${name}: an event of several megabytes arrives completely through the small windows`, async () => {
    const channel = newChannel();
    await database.publish(channel, 'made', 'x'.repeat(5 << 20));
    const answer = await exchange(session, path(channel, 'flavor=poll&last_event_id=0')).answer;
    const rows = await database.log({ channels: [channel] });
    assert.ok(answer.raw.toString() === pollBody(rows));
  });

  test(`${name}: the connection stays open when the client resets a stream`, async () => {
    const channel = newChannel();
    for (let i = 0; i < 20; i++) {
      const { stream, answer } = exchange(session, { ...path(channel, ''), accept: 'text/event-stream' });
      // Half of them are reset before nginx can have answered.
      if (i % 2 === 0) await new Promise((resolve) => stream.once('response', resolve));
      stream.close(http2.constants.NGHTTP2_CANCEL);
      await answer;
    }
    assert.equal((await exchange(session, path(channel, 'flavor=poll')).answer).status, 200);
  });
}
