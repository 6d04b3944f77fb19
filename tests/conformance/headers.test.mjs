// Headers with a meaning in HTTP and in nginx's own filters that must have no effect on live answers: conditions,
// ranges, expectations, codings, upgrades, other methods. Every answer is the same as without them, and a publication
// is stored.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { forEach, newChannel } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { kKey, newRealm, startWithUsers } from '../lib/realm.mjs';

const database = await (await sharedCluster()).createDatabase();
const access = { keys: [{ text: kKey.text }], anonymous: '*' };
const backends = await startWithUsers({ database, publish: '*', access });

const kPast = 'Thu, 01 Jan 1970 00:00:01 GMT';
const kFuture = 'Fri, 01 Jan 2100 00:00:00 GMT';
const kHeaders = [
  { 'If-None-Match': '*' },
  { 'If-None-Match': '"a", W/"b"' },
  { 'If-Match': '*' },
  { 'If-Match': '"a"' },
  { 'If-Modified-Since': kPast },
  { 'If-Modified-Since': kFuture },
  { 'If-Unmodified-Since': kPast },
  { 'If-Unmodified-Since': kFuture },
  { 'If-None-Match': '*', 'If-Modified-Since': kFuture },
  { 'If-Match': '"a"', 'If-Unmodified-Since': kPast },
  { Range: 'bytes=0-3' },
  { Range: 'bytes=-1' },
  { Range: 'bytes=1000000-' },
  { Range: 'bytes=0-1,3-4' },
  { Range: 'bytes=0-3', 'If-Range': '"a"' },
  { Range: 'bytes=0-3', 'If-Range': kFuture },
  { TE: 'trailers, deflate;q=0.5, chunked' },
  { 'Accept-Encoding': 'gzip, br, identity;q=0' },
  { 'Accept-Charset': 'utf-16' },
  { 'Accept-Language': 'xx' },
  { Upgrade: 'h2c', Connection: 'Upgrade', 'HTTP2-Settings': 'AAMAAABkAAQAAP__' },
  { 'Sec-WebSocket-Protocol': 'pgevents.v1', 'Sec-WebSocket-Version': '13' },
  { 'X-HTTP-Method-Override': 'DELETE', 'X-HTTP-Method': 'DELETE', 'X-Method-Override': 'DELETE' },
  { 'X-HTTP-Method-Override': 'GET' },
  { 'X-HTTP-Method-Override': 'POST' },
  { 'X-Original-URL': '/rt/events/other', 'X-Rewrite-URL': '/rt/events/other' },
  { 'X-Accel-Redirect': '/other', 'X-Sendfile': '/other' },
  { 'X-Accel-Buffering': 'yes', 'X-Accel-Limit-Rate': '1', 'X-Accel-Expires': '100' },
  { 'Cache-Control': 'only-if-cached, max-stale=1000', Pragma: 'no-cache' },
  { 'Cache-Control': 'max-age=0, no-transform' },
  { 'Max-Forwards': '0' },
  { 'Content-Encoding': 'identity', 'Content-Range': 'bytes 0-3/4' },
  { 'Content-Language': 'xx', 'Content-Location': '/other' },
  { Prefer: 'respond-async, return=minimal' },
  { 'A-IM': 'gzip', Want: 'x' },
  { Via: '1.1 proxy', 'X-Forwarded-Host': 'other', Forwarded: 'host=other' },
];

// Headers of an answer that may differ, and headers that it must never have.
const kVaries = /^(date|connection|keep-alive|last-event-id)$/;
const kNever = ['accept-ranges', 'content-range', 'etag', 'last-modified', 'content-encoding', 'upgrade'];

function comparable({ status, headers, body }) {
  const kept = Object.entries(headers).filter(([name]) => !kVaries.test(name));
  return { status, headers: Object.fromEntries(kept), body };
}

function assertSame(answer, plain) {
  assert.deepEqual(comparable(answer), comparable(plain));
  assert.deepEqual(kNever.filter((name) => name in answer.headers), []);
}

const titled = (headers) => Object.entries(headers).map(([name, value]) => `${name}: ${value}`).join(', ');

// Runs `check` with all headers of the table, six at a time, and reports all problems together.
async function withEach(check) {
  const problems = [];
  const left = [...kHeaders.entries()];
  const lane = async () => {
    for (let next = left.shift(); next; next = left.shift()) {
      const [n, headers] = next;
      await check(headers, n).catch((error) => problems.push(`${titled(headers)}: ${error.message}`));
    }
  };
  await Promise.all([lane(), lane(), lane(), lane(), lane(), lane()]);
  assert.equal(problems.join('\n'), '');
}

const channel = newChannel();
for (const n of [1, 2, 3]) await database.publish(channel, 'made', { n });
const kReads = {
  'a poll': [`/events/${channel}`, { flavor: 'poll', last_event_id: '0' }],
  'a long poll': [`/events/${channel}`, { last_event_id: '0' }],
  'HEAD': [`/events/${channel}`, { flavor: 'poll', last_event_id: '0' }, 'HEAD'],
  'OPTIONS': [`/events/${channel}`, {}, 'OPTIONS'],
  'an invalid cursor': [`/events/${channel}`, { last_event_id: 'x' }],
  'an unknown path': ['/nothing', {}],
  'an unknown method': ['/settings', {}, 'DELETE'],
};

// CGI starts a process per request, and the server in front ignores these headers: a sample is enough.
const kReadsOfCgi = ['a poll', 'an unknown method'];

forEach(backends, (backend) => {
  for (const [what, [path, query, method = 'GET']] of Object.entries(kReads)) {
    if (backend.name === 'cgi' && !kReadsOfCgi.includes(what)) continue;
    test(`${what}: the headers change nothing`, async () => {
      const plain = await backend.send(path, { query, method });
      await withEach(async (headers) => assertSame(await backend.send(path, { query, method, headers }), plain));
    });
  }

  test('an event stream: status 200 and the same bytes', async () => {
    const ask = (headers) => backend.stream(channel, { cursor: 0, count: 3, headers });
    const bytes = (stream) => stream.events.map(({ raw }) => raw.toString());
    const plain = await ask({});
    await withEach(async (headers) => {
      const stream = await ask(headers);
      assert.equal(stream.status, 200);
      assert.deepEqual(bytes(stream), bytes(plain));
      assert.deepEqual(kNever.filter((name) => name in stream.connection.headers), []);
    });
  });

  test('a publication is stored once, and its answer is 201', async () => {
    const target = newChannel();
    await withEach(async (headers, n) => {
      const answer = await backend.publish(target, { type: 'made', data: n }, { headers });
      assert.equal(answer.status, 201);
      assert.deepEqual(kNever.filter((name) => name in answer.headers), []);
    });
    const rows = await database.log({ channels: [target] });
    assert.deepEqual(rows.map(({ data }) => Number(data)).sort((a, b) => a - b), [...kHeaders.keys()]);
  });

  test('calls take effect once, and their answers are 200', async () => {
    const realm = await newRealm(database, '10', '11');
    const anna = realm.user(backend, '10');
    await withEach(async (headers) => {
      const answers = [
        await anna.type({ op: 'start', to: ['11'] }, { headers }), await anna.report({ status: 'idle' }, { headers }),
        await anna.choose({ receives_typing_notifications: true }, { headers }), await anna.register({}, { headers }),
        await backend.send('/realm/presence', { headers: { ...anna.headers, ...headers } })];
      assert.deepEqual(answers.map(({ status }) => status), [200, 200, 200, 200, 200]);
    });
    const rows = await database.log({ channels: [realm.userChannel('11')] });
    assert.equal(rows.filter(({ type }) => type === 'typing').length, kHeaders.length);
  });

  test('a rejected publication gets the same error, and stores nothing', async () => {
    const target = newChannel();
    const plain = await backend.publish(target, '{');
    await withEach(async (headers) => assertSame(await backend.publish(target, '{', { headers }), plain));
    assert.deepEqual(await database.log({ channels: [target] }), []);
  });
});
