// The network to the server in use swallows everything, on open connections too: module and fallback notice it, and
// use another host, or the address that the host's name has then.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { startCluster } from '../lib/cluster.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { kServerUser } from '../lib/database.mjs';
import { startDns } from '../lib/dns.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { startFallback } from '../lib/fallback.mjs';
import { request } from '../lib/http.mjs';
import { startNginx } from '../lib/nginx.mjs';
import { startProxy } from '../lib/proxy.mjs';
import { isInside, runInside, swallow, whyNot } from './connect_network.mjs';

const kSoon = 10_000; // the other server is in use within this time
const kBody = '{"type":"made","data":1}';
const kJson = { 'Content-Type': 'application/json' };

// PostgreSQL listens on 127.0.0.2; on 127.0.0.1 proxies lead there until they are cut off.
async function startServers() {
  const cluster = await startCluster({ tcp: true, settings: { listen_addresses: '127.0.0.2' } });
  const database = await cluster.createDatabase();
  const target = { host: '127.0.0.2' };
  const first = await startProxy(cluster.port, target);
  const moving = await startProxy(cluster.port, { ...target, at: { host: '127.0.0.1', port: cluster.port } });
  const dns = await startDns({ 'db.test': ['127.0.0.1'] });
  const common = `dbname=${database.name} user=${kServerUser}`;
  const several = `host=127.0.0.1,127.0.0.2 port=${first.port},${cluster.port} ${common}`;
  const named = `host=db.test port=${cluster.port} ${common}`;
  const fallback = await startFallback({ conninfo: several, processes: 1 });
  const nginx = await startNginx({
    workers: 2,
    http: (n) => `
      resolver 127.0.0.1:${dns.port} valid=1s;
      pgevents_database several "${several}" ring=1m presence=off prune=off;
      pgevents_database named "${named}" ring=1m presence=off prune=off;
      server {
        listen ${n.listen()};
        location /several/ { pgevents several; pgevents_subscribe "*"; pgevents_publish "*"; }
        location /named/ { pgevents named; pgevents_subscribe "*"; pgevents_publish "*"; }
        location /fallback/ { ${fallback.nginxLines({ base: '/fallback' })} }
      }`,
  });
  const cut = () => {
    dns.set({ 'db.test': ['127.0.0.2'] });
    return swallow(first.port, moving.port);
  };
  return { database, nginx, cut };
}

if (!isInside) {
  test('a server that the network cuts off is replaced by another one', { skip: whyNot() }, async (t) => {
    const { status, output } = await runInside(fileURLToPath(import.meta.url));
    for (const line of output.split('\n').filter((text) => /^# .* ms$/.test(text))) t.diagnostic(line.slice(2));
    assert.equal(status, 0, output);
  });
} else {
  let servers;
  const paths = ['several', 'named', 'fallback'];
  const publish = (path) => request({
    port: servers.nginx.port, path: `/${path}/events/a`, method: 'POST', headers: kJson, body: kBody,
  });
  const accepted = (path) => waitFor(async () => (await publish(path)).status === 201,
    { timeout: 30_000, interval: 50, what: `${path} publishes` });

  before(async () => (servers = await startServers()));

  test('publications and streams go on within seconds', async (t) => {
    const { database, nginx, cut } = servers;
    await Promise.all(paths.map(accepted));
    const streams = {};
    for (const path of ['several', 'named']) {
      streams[path] = await new EventStream({ port: nginx.port, path: `/${path}/events/b`, reconnect: true }).opened();
    }
    await database.publish('b', 'made', 1);
    await Promise.all(Object.values(streams).map((stream) => stream.waitForEvents(1)));
    const since = performance.now();
    await cut();
    await database.publish('b', 'made', 2);
    const gaps = {};
    await Promise.all([
      ...paths.map(async (path) => {
        await accepted(path);
        gaps[`${path}: a publication`] = Math.round(performance.now() - since);
      }),
      ...Object.entries(streams).map(async ([path, stream]) => {
        await stream.waitForEvents(2, { timeout: 30_000 });
        gaps[`${path}: a stream's event`] = Math.round(performance.now() - since);
      }),
    ]);
    for (const [what, gap] of Object.entries(gaps)) t.diagnostic(`${what} after ${gap} ms`);
    assert.deepEqual(Object.entries(gaps).filter(([, gap]) => gap >= kSoon), []);
    await Promise.all(Object.values(streams).map((stream) => stream.close()));
    await nginx.stop();
  });
}
