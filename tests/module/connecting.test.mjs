// Several hosts in a connection string: one that does not accept a connection costs its own time only, wherever it
// stands and however it fails. Module and fallback.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';

import {
  startSilentAuthentication, startSilentServer, startSilentSession, startSynSwallower,
} from '../lib/bad_servers.mjs';
import { startCluster, startStandby } from '../lib/cluster.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { kServerUser } from '../lib/database.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { startFallback } from '../lib/fallback.mjs';
import { request } from '../lib/http.mjs';
import { startNginx } from '../lib/nginx.mjs';
import { freePort } from '../lib/ports.mjs';

const kSoon = 10_000; // a database that answers is in use within this time
const kBody = '{"type":"made","data":1}';
const kJson = { 'Content-Type': 'application/json' };

// An nginx with a database for each entry of `conninfos`; its requests begin with /<key>/.
function startServer(conninfos, { workers = 1, parameters = 'presence=off prune=off' } = {}) {
  const databases = Object.entries(conninfos);
  return startNginx({
    workers,
    http: (n) => `
      ${databases.map(([key, conninfo]) => `pgevents_database ${key} "${conninfo}" ring=64k ${parameters};`).join('\n')}
      server {
        listen ${n.listen()};
        add_header X-Worker $pid always;
        ${databases.map(([key]) => `location /${key}/ {
          pgevents ${key}; pgevents_subscribe "*"; pgevents_publish "*"; pgevents_retry 100ms;
        }`).join('\n')}
      }`,
  });
}

const publish = (port, key, channel = 'any') =>
  request({ port, path: `/${key}/events/${channel}`, method: 'POST', headers: kJson, body: kBody });

// Milliseconds until a publication is accepted.
async function gapOf(port, key, { timeout = kSoon, since = performance.now() } = {}) {
  await waitFor(async () => (await publish(port, key)).status === 201, { timeout, what: `${key} is served`, interval: 50 });
  return Math.round(performance.now() - since);
}

const cluster = await startCluster({ tcp: true });
const database = await cluster.createDatabase();
const common = `dbname=${database.name} user=${kServerUser} password=x`;
const good = { host: '127.0.0.1', port: cluster.port };

// Connection strings with one bad place among good ones.
const bad = {
  swallows: { host: '127.0.0.1', port: await startSynSwallower() },
  refuses: { host: '127.0.0.1', port: await freePort() },
  silent: { host: '127.0.0.1', port: await startSilentServer() },
  authenticates: { host: '127.0.0.1', port: await startSilentAuthentication() },
  pools: { host: '127.0.0.1', port: await startSilentSession() },
  nowhere: { host: '/nowhere', port: 5432 },
};
const stringOf = (places, more = '') =>
  `host=${places.map(({ host }) => host).join()} port=${places.map(({ port }) => port).join()} ${common} ${more}`;
const strings = Object.fromEntries(Object.entries(bad).flatMap(([name, place]) => [
  [`${name}_first`, stringOf([place, good])],
  [`${name}_middle`, stringOf([bad.refuses, place, good])],
  [`${name}_last`, stringOf([good, place])],
]));
strings.two_silent = stringOf([bad.swallows, bad.silent, good]);
strings.socket_behind = stringOf([bad.swallows, { host: cluster.dir, port: cluster.port }]);
strings.hostaddr = `host=one,two hostaddr=127.0.0.1,127.0.0.1 port=${bad.swallows.port},${good.port} ${common}`;
strings.uri = `postgresql://127.0.0.1:${bad.swallows.port},127.0.0.1:${good.port}/${database.name}?user=${kServerUser}`;
strings.longer = stringOf([bad.swallows, good], 'connect_timeout=4');

const quick = (name) => /_last$|refuses|nowhere/.test(name);

describe('a host that does not accept connections', () => {
  const gaps = {};
  let nginx;
  before(async () => {
    nginx = await startServer(strings);
    await Promise.all(Object.keys(strings).map(async (key) => {
      gaps[key] = await gapOf(nginx.port, key, { timeout: 30_000 });
    }));
  });

  for (const key of Object.keys(strings)) {
    test(`${key}: the database is in use soon`, (t) => {
      t.diagnostic(`${key}: ${gaps[key]} ms`);
      assert.ok(gaps[key] < kSoon, `after ${gaps[key]} ms`);
      if (quick(key)) assert.ok(gaps[key] < 3_000, `after ${gaps[key]} ms`);
      if (key === 'longer') assert.ok(gaps[key] > 3_500, `after ${gaps[key]} ms`);
    });
  }

  test('it is tried last from then on', async (t) => {
    await database.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1', [kServerUser]);
    const again = await Promise.all(Object.keys(strings).map((key) => gapOf(nginx.port, key)));
    t.diagnostic(`after the sessions ended: at most ${Math.max(...again)} ms`);
    assert.ok(Math.max(...again) < 3_000, String(again));
    const kLast = 'is tried last for a while: connection to server at .* timed out while connecting';
    assert.match(nginx.logText(), new RegExp(`server at "127.0.0.1", port \\d+ of database "silent_first" ${kLast}`));
  });

  test('a worker that has not connected yet does not wait for it, if another one has', async (t) => {
    const both = await startServer({ swallows: strings.swallows_first }, { workers: 2 });
    t.diagnostic(`the first worker: ${await gapOf(both.port, 'swallows')} ms`);
    const workers = new Set();
    await waitFor(async () => {
      const from = performance.now();
      const { status, headers } = await publish(both.port, 'swallows');
      assert.equal(status, 201);
      assert.ok(performance.now() - from < 2_500, `after ${performance.now() - from} ms`);
      workers.add(headers['x-worker']);
      return workers.size === 2;
    }, { what: 'publications by both workers', interval: 5 });
    await both.stop();
  });

  test('if none accepts, the log has the reason of each', async () => {
    const none = await startServer({ none: stringOf([bad.refuses, bad.nowhere]) });
    await waitFor(() => /cannot connect: .*refused.*; .*\/nowhere.* failed/.test(none.logText()),
      { what: () => none.logText() });
    await none.stop();
  });
});

// One process, behind an nginx of its own. Gives how long the first connection took, and one after its session ended.
async function gapsOfFallback(conninfo, name) {
  const fallback = await startFallback({ conninfo: `${conninfo} application_name=${name}`, processes: 1 });
  const nginx = await startNginx({
    loadModule: false,
    http: (n) => `server { listen ${n.listen()}; location /rt/ { ${fallback.nginxLines({ base: '/rt' })} } }`,
  });
  const first = await gapOf(nginx.port, 'rt');
  await database.query(`
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '${name} fallback'`);
  const second = await gapOf(nginx.port, 'rt');
  await nginx.stop();
  await fallback.stop();
  return { first, second };
}

test('the fallback goes on to the next host, and tries the one that failed last', async (t) => {
  await Promise.all(Object.entries({
    swallows: [bad.swallows, good],
    authenticates: [bad.authenticates, good],
    pools: [bad.pools, good],
    middle: [bad.refuses, bad.silent, good],
  }).map(async ([name, places]) => {
    const { first, second } = await gapsOfFallback(stringOf(places), name);
    t.diagnostic(`${name}: ${first} ms, then ${second} ms`);
    assert.ok(second < 1_500, `${name}: the second connection after ${second} ms`);
  }));
});

test('the encoding is UTF-8, whatever the connection string says', async () => {
  const encodings = ['UTF8', 'LATIN1', 'SQL_ASCII', 'auto'];
  const nginx = await startServer(Object.fromEntries(
    encodings.map((encoding) => [encoding, stringOf([good], `client_encoding=${encoding}`)])));
  const body = '{"type":"made","data":"ü €"}';
  for (const key of encodings) {
    await gapOf(nginx.port, key);
    const path = `/${key}/events/in_${key}`;
    assert.equal((await request({ port: nginx.port, path, method: 'POST', headers: kJson, body })).status, 201);
    const read = await request({ port: nginx.port, path: `${path}?last_event_id=0` });
    assert.match(read.body, /"ü €"/, key);
  }
  await nginx.stop();
});

describe('target_session_attrs', () => {
  let standby;
  before(async () => (standby = await startStandby(cluster)));
  const at = (one) => ({ host: one.dir, port: one.port });

  test('finds the server that is wanted, wherever it stands', async () => {
    const pair = [at(standby), at(cluster)];
    const wanted = Object.fromEntries([
      ['read_write', 'read-write'], ['primary', 'primary'],
    ].map(([key, value]) => [key, stringOf(pair, `target_session_attrs=${value}`)]));
    wanted.any = stringOf([...pair].reverse(), 'target_session_attrs=any');
    wanted.prefer_standby = stringOf([at(cluster)], 'target_session_attrs=prefer-standby'); // there is none: any will do
    wanted.standby = stringOf([at(cluster)], 'target_session_attrs=standby');
    const nginx = await startServer(wanted);
    for (const key of ['read_write', 'primary', 'any', 'prefer_standby']) await gapOf(nginx.port, key);
    assert.equal((await publish(nginx.port, 'standby')).status, 503);
    await waitFor(() => /"standby" is not served: cannot connect: .*not in hot standby mode/.test(nginx.logText()),
      { what: () => nginx.logText() });
    await nginx.stop();
  });

  test('follows a failover without a reload: streams and publications go on at the new primary', async (t) => {
    const nginx = await startServer(
      { main: stringOf([at(cluster), at(standby)], 'target_session_attrs=read-write') }, { workers: 2 });
    await gapOf(nginx.port, 'main');
    const stream = await new EventStream({ port: nginx.port, path: '/main/events/a', reconnect: true }).opened();
    assert.equal((await publish(nginx.port, 'main', 'a')).status, 201);
    await stream.waitForEvents(1);
    const since = performance.now();
    await cluster.kill9();
    const killed = Math.round(performance.now() - since);
    await standby.promote();
    const promoted = Math.round(performance.now() - since);
    const gap = await gapOf(nginx.port, 'main', { since });
    assert.equal((await publish(nginx.port, 'main', 'a')).status, 201);
    await stream.waitForEvents(2);
    t.diagnostic(`old primary gone after ${killed} ms, new one promoted after ${promoted}, in use after ${gap} ms`);
    assert.ok(gap - promoted < 5_000, `${gap - promoted} ms after the promotion`);
    await stream.close();
    await nginx.stop();
  });
});
