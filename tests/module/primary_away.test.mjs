// A front-end on a copy of the log while the primary is away, while the copy is away, and while both are; and what the
// operator changes or mistypes: a reload with another primary, a connection string that is not one.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';

import { waitFor } from '../lib/conditions.mjs';
import { primaryParameter, startCopy, startFrontEnds } from '../lib/copy.mjs';
import { request } from '../lib/http.mjs';
import { readMetrics } from '../lib/metrics.mjs';
import { Nginx } from '../lib/nginx.mjs';
import { newRealm } from '../lib/realm.mjs';
import { Socket } from '../lib/web_socket.mjs';

const { primary, copy } = await startCopy();
const { server, fallback, backends } = await startFrontEnds({ primary, copy, parameters: 'sweep=500ms' });
const realm = await newRealm(primary, '10', '11');
const stream_id = 's-1';
await realm.addStream(stream_id, { members: ['10'] });
const headers = realm.headersOf('10');
const report = await realm.user(backends[0], '11').report({ status: 'active', ping_only: true });
assert.equal(report.status, 200, report.body);

const metric = async (name) => (await readMetrics({ port: server.port, path: '/metrics' })).value(name);
const isAway = (away) => waitFor(async () => await metric('primary_away') === away, { what: `primary_away ${away}` });
const publish = (backend, channel, as = headers) =>
  backend.send(`/events/${channel}`, { method: 'POST', body: '{"type":"made"}', headers: as });
const poll = (backend, as = headers) => backend.send('/events/open.a?flavor=poll', { headers: as });
const works = (backend) => waitFor(async () => (await publish(backend, 'open.z')).status === 201, { what: backend.name });

// Every request that writes, or reads what only the primary has.
const kWrites = [
  ['publish', (backend) => publish(backend, 'open.a')],
  ['register', (backend) => realm.user(backend, '10').register()],
  ['report', (backend) => realm.user(backend, '10').report({ status: 'active', ping_only: true })],
  ['user presence', (backend) => realm.user(backend, '10').presenceOf('11')],
  ['realm presence', (backend) => realm.user(backend, '10').realmPresence()],
  ['typing', (backend) => realm.user(backend, '10').type({ op: 'start', type: 'stream', stream_id, topic: 'x' })],
  ['settings', (backend) => realm.user(backend, '10').choose({ presence_enabled: true })],
];

async function assertWrites(backend, expected) {
  for (const [name, send] of kWrites) {
    const answer = await send(backend);
    const status = expected === 503 ? 503 : name === 'publish' ? 201 : 200;
    assert.equal(answer.status, status, `${backend.name}, ${name}: ${answer.body}`);
    if (status === 503) assert.match(answer.headers['retry-after'], /^[1-9]/, `${backend.name}, ${name}`);
  }
}

test('the primary away: streams, WebSockets and polls go on, what writes gets 503, and all works again later', async () => {
  const stream = await server.stream('open.a', { headers }).opened();
  const socket = await new Socket({ port: server.port, path: '/rt/events/open.a', headers }).opened();
  for (const backend of backends) await works(backend);
  await waitFor(async () => await copy.head() === await primary.head(), { what: 'the events on the copy' });
  const loads = await metric('listener_connects_total');
  await primary.cluster.stop('fast');
  await isAway(1);
  for (const backend of backends) {
    await assertWrites(backend, 503);
    assert.equal((await poll(backend)).status, 200, backend.name);
  }
  assert.equal((await socket.ask({ publish: 'open.a', type: 'made' })).status, 503);
  const ready = await request({ port: server.port, path: '/ready' });
  assert.equal(ready.status, 200, ready.body);
  const opened = server.stream('open.b', { headers });
  await opened.opened();
  const all = await backends[0].send('/events/open.z?flavor=poll&last_event_id=0', { headers });
  assert.equal(all.json().length, backends.length, 'the events of before, from the copy');
  await primary.cluster.start();
  await isAway(0);
  for (const backend of backends) await works(backend);
  for (const backend of backends) await assertWrites(backend, 200);
  assert.equal((await socket.ask({ publish: 'open.a', type: 'made' })).status, 201);
  assert.equal(stream.connection.how, undefined);
  assert.equal(await metric('listener_connects_total'), loads, 'the listener kept its connection');
  for (const line of ['cannot connect to database "main (primary)" for a request',
    'database "main (primary)" can be reached again after']) {
    await waitFor(() => server.nginx.logText().includes(line), { what: line });
  }
  assert.match(fallback.logText(), /no connection to the primary: [^]*the primary is back after/);
  [stream, opened].forEach((one) => one.close());
  socket.socket.close();
});

test('the copy away: what writes works, also with tokens; a revoked one is rejected; polls get 503, streams wait', async () => {
  const gone = '10-gone';
  await realm.add(gone);
  const stream = await server.stream('open.c', { headers }).opened();
  await copy.cluster.stop('fast');
  await primary.query('SELECT pgevents.revoke($1)', [gone]);
  for (const backend of backends) {
    await waitFor(async () => (await poll(backend)).status === 503, { what: `${backend.name} without the copy` });
    await assertWrites(backend, 200);
    assert.equal((await publish(backend, 'open.c', {})).status, 201, `${backend.name}, without a token`);
    for (const send of [() => publish(backend, 'open.c', realm.headersOf(gone)),
      () => realm.user(backend, gone).register()]) {
      assert.equal((await send()).status, 401, `${backend.name}, with a revoked token`);
    }
  }
  const held = await server.stream('open.c', { headers });
  const socket = new Socket({ port: server.port, path: '/rt/events/open.d', headers });
  await waitFor(() => socket.messages.length > 0, { what: 'the WebSocket' });
  assert.equal((await socket.ask({ publish: 'open.c', type: 'made' })).status, 201);
  await copy.cluster.start();
  await stream.waitForEvents(backends.length + 1);
  for (const backend of backends) await waitFor(async () => (await poll(backend)).status === 200, { what: backend.name });
  await held.opened();
  [stream, held].forEach((one) => one.close());
  socket.socket.close();
});

test('both away: everything waits or gets 503, and all works again when both are back', async () => {
  const stream = await server.stream('open.e', { headers }).opened();
  await Promise.all([copy, primary].map((database) => database.cluster.stop('fast')));
  await isAway(1);
  for (const backend of backends) {
    await assertWrites(backend, 503);
    assert.equal((await poll(backend)).status, 503, backend.name);
  }
  assert.equal(stream.connection.how, undefined);
  await Promise.all([copy, primary].map((database) => database.cluster.start()));
  for (const backend of backends) await works(backend);
  await publish(backends[0], 'open.e');
  await stream.waitForEvents(1);
  stream.close();
});

test('a reload changes the primary; streams and the ring do not depend on it', async () => {
  const { nginx } = server;
  const good = fs.readFileSync(nginx.conf, 'utf8');
  const reload = async (text) => {
    fs.writeFileSync(nginx.conf, text);
    await nginx.waitGone(await nginx.reload());
  };
  const read = await metric('events_read_total');
  await reload(good.replace(primaryParameter(primary), '"primary=host=/nowhere dbname=app user=test_server"'));
  const [module] = backends;
  await waitFor(async () => (await poll(module)).status === 200, { what: 'polls' });
  assert.equal((await publish(module, 'open.f')).status, 503);
  await isAway(1);
  await reload(good);
  await works(module);
  await isAway(0);
  assert.ok(await metric('events_read_total') - read <= 1, 'the ring was kept');
});

// [what nginx.conf has behind the connection string, what nginx -t says about it]
const kMistakes = [
  ['"primary=nonsense"', /connection string of database "main \(primary\)" is not valid: a word without "="/],
  ['"primary=host=/tmp colour=red"', /connection string of database "main \(primary\)" is not valid: .*colour/],
  ['"primary=host=no.such.host.invalid dbname=app"',
    /host "no\.such\.host\.invalid" of database "main \(primary\)" not found/],
  ['primary=', /invalid parameter "primary="; primary= takes a connection string/],
  ['primary="host=/tmp"', /primary= takes a connection string, with quotes around all of the parameter/],
  ['primary=host=/tmp dbname=app', /"dbname=" belongs to the connection string; put quotes around all of it/],
  ['"primary=host=/tmp" "primary=host=/run"', /duplicate parameter "primary=host=\/run"/],
];

for (const [text, reason] of kMistakes) {
  test(`nginx -t names the mistake in ${text}, and its line`, async () => {
    const nginx = new Nginx({ workers: 1, loadModule: true, modules: [], main: '', events: '' });
    await nginx.configure(`\n\npgevents_database main "host=/tmp dbname=x" ${text};\n`);
    const line = fs.readFileSync(nginx.conf, 'utf8').split('\n').findIndex((one) => one.includes('pgevents_database')) + 1;
    const [passed, said] = await nginx.test();
    const [emerg] = said.split('\n').filter((one) => one.includes('[emerg]'));
    assert.equal(passed, false);
    assert.match(emerg, reason);
    assert.ok(emerg.endsWith(`nginx.conf:${line}`), emerg);
  });
}
