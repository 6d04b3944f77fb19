// Earlier requests of a connection must not affect later ones: each of our requests is sent after everything that nginx
// may have answered on the same connection, over each kind of connection. The effects are counted in the database, not
// only in the answers.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';

import { sharedCluster } from '../lib/cluster.mjs';
import { range, waitFor } from '../lib/conditions.mjs';
import { startFallback } from '../lib/fallback.mjs';
import { Http1, Http2 } from '../lib/kept_connection.mjs';
import { startNginx } from '../lib/nginx.mjs';
import { keyFile, newRealm } from '../lib/realm.mjs';
import { selfSignedCertificate } from '../lib/tls.mjs';

const database = await (await sharedCluster()).createDatabase();
await database.query(`ALTER DATABASE ${database.name} SET track_functions = 'all'`); // for the last test
const certificate = await selfSignedCertificate();
const fallback = await startFallback({ conninfo: database.conninfo() });
const key_file = keyFile();

const kRules = `pgevents_subscribe "*"; pgevents_publish "*"; pgevents_jwt_key ${key_file};
      pgevents_max_event_size 300k;`;
const kTls = `ssl_certificate ${certificate.cert}; ssl_certificate_key ${certificate.key};`;

// Two servers that differ in pgevents_release_request, and one as the origin of proxy_pass.
const server = (listen, release, origin) => `
  server {
    ${listen}
    ${kTls}
    pgevents_release_request ${release};
    location /rt/ { pgevents main; ${kRules} }
    location /asked/ { auth_request /proxied/who; pgevents main; ${kRules} }
    location /delayed/ { limit_req zone=often burst=10000; pgevents main; ${kRules} }
    location /tried/ { try_files /nothing.txt @ours; }
    location /failed/ { error_page 502 = @ours; proxy_pass http://127.0.0.1:1; }
    location @ours { pgevents main; ${kRules} }
    location /rewritten/ { rewrite ^/rewritten/(.*)$ /rt/$1 last; }
    location /off/ { pgevents off; ${fallback.nginxLines({ base: '/off' })} }
    location = /asked.txt { auth_request /proxied/who; }
    location = /page.html { ssi on; ssi_types *; }
    location = /mirrored { mirror /proxied/copy; proxy_pass http://${origin}; }
    location = /named { error_page 404 = @proxied; }
    location @proxied { proxy_pass http://${origin}; }
    location /proxied/ { proxy_pass http://${origin}; }
    location /internal/ { internal; alias html/; }
    error_page 404 /missing.txt;
  }`;
const nginx = await startNginx({
  http: (n) => {
    const html = path.join(n.dir, 'html');
    fs.mkdirSync(html, { recursive: true });
    for (const name of ['plain', 'asked', 'missing']) fs.writeFileSync(path.join(html, `${name}.txt`), name);
    fs.writeFileSync(path.join(html, 'page.html'), 'a <!--#include virtual="/proxied/" --> b');
    const [kept, released, origin, secure] = range(0, 3).map((index) => n.listen(index));
    return `
      pgevents_database main "${database.conninfo()}" ring=4m;
      root ${html};
      keepalive_requests 10000;
      limit_req_zone $server_port zone=often:1m rate=100r/s;
      ${server(`listen ${kept}; listen ${secure} ssl http2;`, 'off', origin)}
      ${server(`listen ${released};`, 'on', origin)}
      server {
        listen ${origin};
        location / { return 200 "proxied"; }
        location = /proxied/accel { add_header X-Accel-Redirect /internal/plain.txt; return 200; }
      }`;
  },
});
await nginx.waitListening();
const [kept_port, released_port, , secure_port] = nginx.ports;

const kConnections = {
  'HTTP/1.1, kept': () => new Http1(kept_port),
  'HTTP/1.1, kept, requests released': () => new Http1(released_port),
  'HTTP/1.1, pipelined': () => new Http1(kept_port, { pipelined: true }),
  'HTTP/1.1 over TLS': () => new Http1(secure_port, { secure: true }),
  'HTTP/2': () => new Http2(secure_port),
};

const bytes = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
const late = (size) => ({ body: bytes('x'.repeat(size)), framing: 'expect' });
const kEvent = { type: 'made', data: { n: 1 } };
const kForm = { 'Content-Type': 'application/x-www-form-urlencoded' };
const post = (where, body, more = {}) => ({ method: 'POST', path: where, body: bytes(body), ...more });
const kPastPoll = '/rt/events/past?flavor=poll&last_event_id=0';
await database.publish('past', 'made', 1);

// Only HTTP/2 has this: in HTTP/1.1 the connection ends with the request.
const kAbandoned = [[post('/rt/events/other', kEvent), 'abandon'], [post('/proxied/', 'x'), 'abandon']];

// Earlier requests of the connection: [request, status] each.
const kPasts = {
  'nothing': [],
  'a static file': [[{ path: '/plain.txt' }, 200]],
  'proxy_pass': [[{ path: '/proxied/' }, 200]],
  'a POST through proxy_pass': [[post('/proxied/', 'x'.repeat(30_000)), 200]],
  'the fallback': [[{ path: '/off/events/past?flavor=poll' }, 200]],
  'a POST to the fallback': [[post('/off/events/other', kEvent), 201]],
  'an event stream of the fallback': [[{ path: '/off/events/past?flavor=eventsource&last_event_id=0' }, 200]],
  'an error page': [[{ path: '/nothing' }, 404]],
  'an error page from proxy_pass': [[{ path: '/named' }, 200]],
  'X-Accel-Redirect': [[{ path: '/proxied/accel' }, 200]],
  'auth_request': [[{ path: '/asked.txt' }, 200]],
  'a page with SSI': [[{ path: '/page.html' }, 200]],
  'mirror': [[post('/mirrored', 'x'), 200]],
  'a poll': [[{ path: kPastPoll }, 200]],
  'a poll with a body': [[{ path: kPastPoll, ...late(20_000) }, 200]],
  'a long poll': [[{ path: '/rt/events/past?last_event_id=0' }, 200], [{ path: '/rt/events/none?timeout=0.1' }, 200]],
  'publishing': [[post('/rt/events/other', kEvent), 201]],
  'OPTIONS and HEAD': [[{ method: 'OPTIONS', path: kPastPoll }, 204], [{ method: 'HEAD', path: kPastPoll }, 200]],
  'a 400': [[{ path: '/rt/events/past?last_event_id=x' }, 400]],
  'a 413, the body unread': [[post('/rt/events/other', 'x'.repeat(400_000)), 413]],
  'a request that the client cancels': kAbandoned,
  'requests of many kinds': [[{ path: '/proxied/' }, 200], [post('/rt/events/other', kEvent), 201],
    [{ path: '/plain.txt' }, 200], [{ path: '/off/events/past?flavor=poll' }, 200], [{ path: kPastPoll }, 200]],
};

// --- the requests that follow ---

const realm = await newRealm(database, ...range(1, 7000).map((n) => `u${n}`));
let user_count = 0;

// A cell is one request: `id` is its user, `channel` its channel; `rows` gives the channels in which it publishes one
// event each.
const publishing = (body, more) => ({
  ask: ({ channel }) => post(`/rt/events/${channel}`, body, more),
  status: 201,
  rows: ({ channel }) => [channel],
});
const calls = (sql, ask, rows = () => []) => ({
  ask: (cell) => ({ ...ask(cell), headers: realm.headersOf(cell.id) }),
  status: 200,
  rows,
  sql,
});
const waits = ({ channel, cursor }) => ({ path: `/rt/events/${channel}?last_event_id=${cursor}` });
const kLarge = JSON.stringify({ type: 'made', data: 'x'.repeat(250_000) });

const kPresents = {
  'publish': publishing(kEvent),
  'publish a form': publishing('type=made&data=1', { headers: kForm }),
  'publish in chunks': publishing(kEvent, { framing: 'chunked' }),
  'publish after 100': publishing(kEvent, { framing: 'expect' }),
  'publish a large event': publishing(kLarge),
  'publish nonsense': { ...publishing('{'), status: 400, rows: () => [], sql: null },
  'typing': calls('http_typing', ({ peer }) => post('/rt/typing', { op: 'start', to: [peer] }),
    ({ peer }) => [realm.userChannel(peer)]),
  'a presence report': calls('presence_request', () => post('/rt/users/me/presence', { status: 'active' })),
  'register': calls('http_register', () => post('/rt/register', {})),
  'settings': calls('http_settings', () => post('/rt/settings', { presence_enabled: false }, { method: 'PATCH' }),
    ({ id }) => [realm.userChannel(id)]),
  'presence of a user': { ...calls(undefined, ({ id }) => ({ path: `/rt/users/${id}/presence` })), status: 400 },
  'HEAD of the realm': calls('http_realm_presence', () => ({ method: 'HEAD', path: '/rt/realm/presence' })),
  'a poll': { ask: () => ({ path: kPastPoll }), status: 200, one: true },
  'a poll with a body': { ask: () => ({ path: kPastPoll, ...late(1) }), status: 200, one: true },
  'a long poll': { ask: waits, status: 200, reads: true },
  'a long poll with a body': { ask: (cell) => ({ ...waits(cell), ...late(50_000) }), status: 200, reads: true },
  'an event stream': { stream: waits, reads: true },
  'OPTIONS': { ask: ({ channel }) => ({ method: 'OPTIONS', path: `/rt/events/${channel}` }), status: 204 },
  'a wrong path': { ask: () => post('/rt/nothing', kEvent), status: 404 },
  'a wrong method': { ask: ({ channel }) => post(`/rt/events/${channel}`, kEvent, { method: 'PUT' }), status: 405 },
  'no user': { ask: () => post('/rt/typing', {}), status: 401 },
};

// Expected number of calls of each SQL function; publication_write() is called once for each publication, whether
// http_publish() or http_publish_many() does it.
const asked = {};
const count = (sql) => (asked[sql] = (asked[sql] ?? 0) + 1);

const rowsOf = async (channels, cursor) => {
  const rows = await database.query(
    'SELECT channel_id, count(*)::int AS n FROM pgevents.log_after($2, 2147483647) WHERE channel_id = ANY($1) GROUP BY 1',
    [channels, cursor]);
  return Object.fromEntries(rows.map(({ channel_id, n }) => [channel_id, n]));
};

async function sendPast(connection, past) {
  const answers = [];
  for (const [question, status] of past) {
    if (status === 'abandon') {
      await connection.abandon(question);
      continue;
    }
    if (status === 201) count('publication_write');
    const answer = connection.ask(question)
      .then((got) => assert.equal(got.status, status, `${question.path}: ${got.body}`));
    answer.catch(() => {});
    answers.push(answer);
    if (!connection.pipelines) await answer;
  }
  return Promise.all(answers);
}

// The same request by another route into the module.
const by = (way, question) => ({ ...question, path: question.path.replace(/^\/rt/, way) });

async function sendPresent(connection, present, cell) {
  if (present.stream) {
    const stream = await connection.stream(by(cell.way, present.stream(cell)));
    await waitFor(() => stream.text().includes('event: made'), { what: () => `an event, ${stream.text()}` });
    assert.equal(stream.text().match(/event: made/g).length, 1);
    assert.equal(stream.over(), false);
    return;
  }
  const answer = await connection.ask(by(cell.way, present.ask(cell)));
  assert.equal(answer.status, present.status, answer.body);
  if (present.reads || present.one) assert.equal(JSON.parse(answer.body).length, 1);
  const next = await connection.ask({ path: kPastPoll });
  assert.deepEqual([next.status, JSON.parse(next.body).length], [200, 1], 'the next request on the connection');
  assert.equal(connection.excess, '');
}

async function cellOf(connect, name, past, present, cursor, way) {
  const cell = { id: `u${++user_count}`, peer: `u${++user_count}`, channel: `cell.${user_count}`, cursor, way };
  if (present.sql !== null && present.status === 201) count('publication_write');
  if (present.sql) count(present.sql);
  const connection = connect();
  try {
    const before = sendPast(connection, past);
    if (!connection.pipelines) await before;
    const now = sendPresent(connection, present, cell);
    connection.flush();
    const published = before.then(() => present.reads && database.publish(cell.channel, 'made', 1));
    await Promise.all([before, now, published]);
  } catch (error) {
    throw new Error(`${name}: ${error.message}`, { cause: error });
  } finally {
    connection.close();
  }
  return { ...cell, expected: present.rows?.(cell) ?? [] };
}

async function everythingOnce(connect, past, way = '/rt') {
  const cursor = await database.head();
  const all = Object.entries(kPresents).map(([name, present]) => cellOf(connect, name, past, present, cursor, way));
  const outcomes = await Promise.allSettled(all);
  assert.deepEqual(outcomes.filter(({ reason }) => reason).map(({ reason }) => reason.message), []);
  const expected = outcomes.flatMap(({ value }) => value.expected.map((channel) => [channel, 1]));
  assert.deepEqual(await rowsOf(expected.map(([channel]) => channel), cursor), Object.fromEntries(expected));
}

// Routes by which nginx passes a request to the module after work of its own: a subrequest, a delay, a failed attempt.
const kWays = {
  'behind auth_request': '/asked',
  'behind limit_req': '/delayed',
  'by try_files': '/tried',
  'by error_page from proxy_pass': '/failed',
  'by rewrite': '/rewritten',
};

for (const [kind, connect] of Object.entries(kConnections)) {
  describe(kind, { concurrency: 2 }, () => {
    for (const [before, past] of Object.entries(kPasts)) {
      if (past === kAbandoned && kind !== 'HTTP/2') continue;
      test(`after ${before}, every request takes effect once`, () => everythingOnce(connect, past));
    }

    for (const [how, way] of Object.entries(kWays)) {
      test(`${how}, every request takes effect once`, () => everythingOnce(connect, kPasts.proxy_pass, way));
    }
  });
}

// A PostgreSQL backend reports its counts when it ends.
test('the database executed each call once', async () => {
  await nginx.stop();
  await fallback.stop();
  const left = 'SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database() AND usename = $1';
  await waitFor(async () => (await database.value(left, ['test_server'])) === 0, { what: 'the servers gone' });
  const calls_made = 'SELECT funcname, calls::int FROM pg_stat_user_functions WHERE funcname = ANY($1)';
  const rows = await database.query(calls_made, [Object.keys(asked)]);
  assert.deepEqual(Object.fromEntries(rows.map(({ funcname, calls: n }) => [funcname, n])), asked);
});
