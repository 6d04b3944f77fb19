// docs/troubleshooting.md: each symptom is produced on real servers, and is what the page says.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { before, describe, test } from 'node:test';

import { startCluster } from '../lib/cluster.mjs';
import { sleep, waitFor } from '../lib/conditions.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { startFallback } from '../lib/fallback.mjs';
import { request } from '../lib/http.mjs';
import { startModuleServer } from '../lib/module_server.mjs';
import { kModule, Nginx, startNginx } from '../lib/nginx.mjs';
import { run } from '../lib/processes.mjs';
import { kRoot, tempDir } from '../lib/scratch.mjs';
import { inSeconds, secretKey, signToken } from '../lib/tokens.mjs';

const page = fs.readFileSync(path.join(kRoot, 'docs/troubleshooting.md'), 'utf8');
const key = secretKey();
const keyFile = path.join(tempDir('key'), 'jwt.key');
fs.writeFileSync(keyFile, key.text);

// The page quotes a part of the real text, with other names of files, roles and databases.
function assertQuoted(quote, text) {
  assert.ok(page.includes(quote), `the page has: ${quote}`);
  const pattern = quote.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace('…', '.*').replace(/"(app|www-data)"/, '"[^"]*"')
    .replace('unix:/run/pgevents/fcgi\\.sock', 'unix:[^ ]*');
  assert.match(text, new RegExp(pattern, 's'));
}

const cluster = await startCluster();
const database = await cluster.createDatabase();
const empty = await cluster.createDatabase({ install: false });
await database.query('CREATE ROLE powerless LOGIN');
await database.query('CREATE ROLE publisher LOGIN IN ROLE pgevents_publisher');
const fallback = await startFallback({ conninfo: database.conninfo() });
const as = (name, conninfo) => `pgevents_database ${name} "${conninfo}" ring=1m;`;
const open = (name) => `location /${name}/ { pgevents ${name}; pgevents_subscribe "*"; }`;
const server = await startModuleServer({
  database,
  subscribe: 'news stream:*',
  publish: 'news',
  location: `pgevents_jwt_key ${keyFile}; pgevents_max_event_size 1k; pgevents_max_channels 2;`,
  allow: [/connect\(\) to unix:\/nowhere/],
  http: [as('empty', empty.conninfo()), as('gone', 'host=/nowhere dbname=app'), as('role', `${database.conninfo()} user=nobody`),
    as('powerless', database.conninfo({ user: 'powerless' }))].join('\n'),
  server: () => `
    ${['empty', 'gone', 'role', 'powerless'].map(open).join('\n')}
    location /off/ { pgevents off; ${fallback.nginxLines({ base: '/off' })} }
    location /dead/ { pgevents off; fastcgi_pass unix:/nowhere.sock; }
    location /user/ { pgevents main; pgevents_user "$arg_u"; pgevents_publish "*"; }`,
});
const ask = (location, options = {}) => request({ port: server.port, path: location, ...options });
const bearer = (exp, other = key) => ({ Authorization: `Bearer ${signToken({ sub: '10', exp }, { key: other })}` });
const post = (body = '{"type":"x"}', headers = {}) => ({ method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, body });

describe('nginx -t', () => {
  const load = `load_module ${kModule};`;
  const location = (text, http = 'pgevents_database main "dbname=app";') => `http { ${http} server { location / { ${text} } } }`;
  fs.writeFileSync(`${keyFile}.short`, 'short');
  for (const [quote, conf] of [
    ['unknown directive "pgevents"', location('pgevents main;', '')],
    ['cannot open shared object file: No such file or directory', 'load_module modules/ngx_http_pgevents_mistyped.so;'],
    ['is already loaded', `${load} ${load}`],
    ['unknown database "main"', `${load} ${location('pgevents main;', '')}`],
    ['the connection string of database "main" is not valid: unknown keyword',
      `${load} ${location('pgevents main;', 'pgevents_database main "dbnam=app";')}`],
    ['the secret is too short; it must have at least 32 bytes',
      `${load} ${location(`pgevents main; pgevents_jwt_key ${keyFile}.short alg=HS256;`)}`],
  ]) {
    test(`reports: ${quote}`, async () => {
      const dir = tempDir('t');
      fs.writeFileSync(`${dir}/nginx.conf`, `${conf} events {} pid ${dir}/pid; error_log ${dir}/log;`);
      const { status, stderr } = await run('/usr/sbin/nginx', ['-t', '-e', `${dir}/log`, '-c', `${dir}/nginx.conf`], { expect: null });
      assert.equal(status, 1);
      assertQuoted(quote, stderr);
    });
  }
});

describe('an error', () => {
  const foreign = { Origin: 'https://app.example', Host: 'backend', Cookie: 'a=b' };
  for (const [status, quote, location, options] of [
    [404, 'Not found', '/rt/news'],
    [400, "Invalid channel name 'a,b'", '/rt/events/a%2Cb'],
    [400, "Invalid channel name 'a b'", '/rt/events/a%20b'],
    [400, 'No such user', '/user/register?u=99', post('{}', { 'Sec-Fetch-Site': 'same-origin' })],
    [401, 'Authentication required', '/rt/register', post('{}')],
    [401, 'Invalid token', '/rt/events/news', { headers: bearer(inSeconds(60), secretKey()) }],
    [401, 'The token has expired', '/rt/events/news', { headers: bearer(inSeconds(-5)) }],
    [403, "Not authorized for channel 'orders'", '/rt/events/orders', { headers: bearer(inSeconds(60)) }],
    [403, 'Not authorized from this origin', '/user/events/news?u=10', post(undefined, foreign)],
    [400, 'is unknown: a publication has type, data and ttl', '/rt/events/news',
      post(undefined, { 'Content-Type': 'application/x-www-form-urlencoded' })],
    [405, 'Method not allowed', '/rt/events/news', { method: 'PUT' }],
    [413, '413', '/rt/events/news', post(JSON.stringify({ type: 'x', data: 'x'.repeat(2000) }))],
    ...['gone', 'role', 'empty', 'powerless'].map((name) => [503, 'The database is not available', `/${name}/events/news`]),
  ]) {
    test(`${status} on ${location}: ${quote}`, async () => {
      const answer = await ask(location, options);
      assert.equal(answer.status, status, answer.body);
      assertQuoted(quote, `${status} ${answer.body}`);
    });
  }

  test('404 and 502 are nginx\'s own pages, and its log has the reason', async () => {
    for (const [location, status, quote] of [['/other/rt/events/news', 404, 'open() "…/rt/events/news" failed'],
      ['/dead/events/news', 502, 'connect() to unix:/run/pgevents/fcgi.sock failed']]) {
      const answer = await ask(location);
      assert.deepEqual([answer.status, answer.headers['content-type']], [status, 'text/html']);
      assertQuoted(quote, server.nginx.logText());
    }
  });

  test('of the database is in the log', async () => {
    for (const quote of ['No such file or directory Is the server running locally', 'role "www-data" does not exist',
      'schema "pgevents" of database "app" does not exist', 'permission denied']) {
      await waitFor(() => server.nginx.logText().includes(quote.replace(/"[^"]*" (does|of).*/, '')), { what: quote });
      assertQuoted(quote, server.nginx.logText());
    }
  });

  test('of a publisher names what is missing', async () => {
    const insert = "INSERT INTO pgevents.events (channel_id, data) VALUES ('news', '{\"type\":\"x\"}')";
    await assert.rejects(database.query(insert, [], { user: 'powerless' }), ({ message }) => {
      assertQuoted('permission denied for schema pgevents', message);
      return true;
    });
    await assert.rejects(database.query(`${insert} RETURNING id`, [], { user: 'publisher' }), ({ message }) => {
      assertQuoted('permission denied for view events', message);
      return true;
    });
    await assert.rejects(empty.query(insert), ({ message }) => {
      assertQuoted('relation "pgevents.events" does not exist', message);
      return true;
    });
  });
});

describe('nothing arrives, or late', () => {
  before(() => server.nginx.waitListening());

  test('before the commit', async () => {
    const stream = server.stream('news');
    await stream.opened();
    const client = await database.connect();
    await client.query('BEGIN');
    await client.query("SELECT pgevents.publish('news', 'made', '1')");
    await sleep(300);
    assert.equal(stream.events.length, 0);
    await client.query('COMMIT');
    await stream.waitForEvents(1);
    await client.end();
    await stream.close();
  });

  test('from the fallback, which says so', async () => {
    const { headers } = await ask('/off/events/news');
    assert.deepEqual([headers['x-shortpoll-info'], headers['x-ps-reconnect-in']], ['fallback', '5']);
    assert.ok(page.includes('`X-Shortpoll-Info: fallback`'));
    const stream = await ask('/off/events/news', { headers: { Accept: 'text/event-stream' } });
    assert.match(stream.body, /^retry: 5000$/m);
  });

  test('with the wait_id of another page', async () => {
    const first = server.pending('news/one', { query: { timeout: '5' } });
    await sleep(200);
    const second = await server.get('news/one');
    assert.equal(second.headers['x-shortpoll-info'], 'wait-id-busy');
    await database.publish('news', 'made', 1);
    await first.answer;
  });

  test('through a proxy that buffers or has a short timeout', async () => {
    const proxy = await startNginx({
      loadModule: false,
      http: (n) => `server { listen ${n.listen()};
        location / { proxy_pass http://127.0.0.1:${server.port}; proxy_read_timeout 1s; }
        location /rt/events/stream:1 { proxy_pass http://127.0.0.1:${server.port}; proxy_ignore_headers X-Accel-Buffering; gzip on;
          gzip_types text/event-stream; } }`,
    });
    const stream = (channel) => new EventStream({ port: proxy.port, path: `/rt/events/${channel}`, headers: { 'Accept-Encoding': 'gzip' } });
    const plain = stream('news');
    await plain.opened();
    await plain.ended();
    const held = stream('stream:1');
    await database.publish('stream:1', 'made', 1);
    await sleep(500);
    assert.equal(held.text(), '');
    await held.close();
  });
});

test('worker_connections limit the number of waiting clients', async () => {
  const nginx = new Nginx({ workers: 1, master: true, loadModule: true, modules: [], main: '', events: '' });
  await nginx.configure((n) => `pgevents_database main "${database.conninfo()}" ring=1m;
    server { listen ${n.listen()}; location /rt/ { pgevents main; pgevents_subscribe "*"; } }`);
  fs.writeFileSync(nginx.conf, fs.readFileSync(nginx.conf, 'utf8').replace('worker_connections 8192', 'worker_connections 20'));
  await nginx.start();
  const streams = Array.from({ length: 30 }, () => new EventStream({ port: nginx.port, path: '/rt/events/news' }));
  await waitFor(() => nginx.logText().includes('not enough'), { what: 'the limit' });
  assertQuoted('20 worker_connections are not enough', nginx.logText());
  await Promise.all(streams.map((stream) => stream.close()));
  await nginx.stop({ allow: [/worker_connections are not enough/] });
});
