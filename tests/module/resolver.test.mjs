// Host names of a database that nginx's `resolver` looks up: a name that moves, one with a dead address, a name server
// that is gone, a name that only the machine knows. PostgreSQL listens on 127.0.0.2 and 127.0.0.3.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { startSynSwallower } from '../lib/bad_servers.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { sleep, waitFor } from '../lib/conditions.mjs';
import { kServerUser } from '../lib/database.mjs';
import { startDns } from '../lib/dns.mjs';
import { request } from '../lib/http.mjs';
import { startNginx } from '../lib/nginx.mjs';
import { startProxy } from '../lib/proxy.mjs';

const kSoon = 10_000; // a database that answers is in use within this time
const kName = 'db.pgevents.test'; // the machine does not know it
const kValidFor = 2_000; // of an answer
const kBody = '{"type":"made","data":1}';
const kJson = { 'Content-Type': 'application/json' };

const cluster = await startCluster({ tcp: true, settings: { listen_addresses: '127.0.0.2' } });
const template = await cluster.createDatabase();
await template.disconnect?.();
await startSynSwallower({ host: '127.0.0.4', port: cluster.port });

class ResolvedServer {
  static count = 0;

  async start(addresses, { host = kName, more = '', parameters = '', listening = true, workers = 2 } = {}) {
    this.dns = await startDns({ [kName]: addresses });
    this.database = cluster.database(`resolved${++ResolvedServer.count}`);
    await cluster.database('postgres').query(`CREATE DATABASE ${this.database.name} TEMPLATE ${template.name}`);
    const conninfo = `host=${host} port=${cluster.port} dbname=${this.database.name} user=${kServerUser} ${more}`;
    this.nginx = await startNginx({
      workers,
      http: (n) => `
        pgevents_database main "${conninfo}" ring=1m presence=off prune=off ${parameters};
        resolver 127.0.0.1:${this.dns.port} valid=1s;
        server {
          listen ${n.listen()};
          location / { return 200; }
          location /rt/ { pgevents main; pgevents_subscribe "*"; pgevents_publish "*"; }
        }`,
    });
    if (listening) await this.nginx.waitListening();
    return this;
  }

  // Milliseconds until every worker publishes.
  async gap(since = performance.now()) {
    const publish = () => request({
      port: this.nginx.port, path: '/rt/events/any', method: 'POST', headers: kJson, body: kBody,
    });
    await waitFor(async () => (await publish()).status === 201, { timeout: 30_000, what: 'the module serves', interval: 50 });
    return Math.round(performance.now() - since);
  }

  endSessions() {
    return this.database.query(`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1 AND datname = $2`,
    [kServerUser, this.database.name]);
  }

  // The address of PostgreSQL to which the newest session is connected.
  address() {
    return this.database.value(`
      SELECT host(client_addr) FROM pg_stat_activity WHERE usename = $1 AND datname = $2
      ORDER BY backend_start DESC LIMIT 1`, [kServerUser, this.database.name]);
  }

  logged(pattern) {
    return waitFor(() => pattern.test(this.nginx.logText()), { what: () => `${pattern} in ${this.nginx.logText()}` });
  }
}

const started = (...args) => new ResolvedServer().start(...args);

describe('nginx\'s resolver', { concurrency: 4 }, () => {
  test('finds names that the machine does not know: a warning when the configuration is read, no error', async (t) => {
    const server = await started(['127.0.0.2']);
    t.diagnostic(`in use after ${await server.gap()} ms`);
    assert.match(server.nginx.logText(), /\[warn\] .*host "db\.pgevents\.test" of .* not found: .*; each connection looks/);
    assert.ok(server.dns.asked > 0);
    await server.nginx.stop();
  });

  test('a name is found as the operator wrote it: nginx asks for it in lower case', async () => {
    const server = await started(['127.0.0.2'], { host: 'DB.PgEvents.Test' });
    await server.gap();
    await server.nginx.stop();
  });

  test('a name that moves is followed, without a reload', async (t) => {
    const proxy = await startProxy(cluster.port, { host: '127.0.0.2', at: { host: '127.0.0.1', port: cluster.port } });
    const server = await started(['127.0.0.1']);
    await server.gap();
    server.dns.set({ [kName]: ['127.0.0.2'] });
    const since = performance.now();
    proxy.cut();
    const gap = await server.gap(since);
    t.diagnostic(`the new address in use after ${gap} ms`);
    assert.ok(gap < kSoon);
    await server.logged(/\[notice\] .*host "db\.pgevents\.test" of database "main" has the addresses 127\.0\.0\.2 now/);
    await server.nginx.stop();
  });

  test('a name with a dead and a live address costs the dead one\'s time, once', async (t) => {
    const server = await started(['127.0.0.4', '127.0.0.2'], { workers: 1 });
    const gap = await server.gap();
    assert.ok(gap < kSoon, `after ${gap} ms`);
    const later = [];
    for (let round = 0; round < 4; round++) { // the resolver turns the addresses around
      await sleep(kValidFor);
      await server.endSessions();
      later.push(await server.gap());
    }
    t.diagnostic(`in use after ${gap} ms; then ${later.join(', ')} ms`);
    assert.ok(later.filter((ms) => ms > 2_500).length <= 1, String(later));
    await server.nginx.stop();
  });

  test('a name server that is gone: the last addresses are used', async (t) => {
    const server = await started(['127.0.0.2']);
    await server.gap();
    server.dns.silent = true;
    await sleep(kValidFor);
    await server.endSessions();
    const gap = await server.gap();
    t.diagnostic(`in use after ${gap} ms`);
    assert.ok(gap < kSoon);
    await server.logged(/\[warn\] .*not found: the lookup of the host takes too long; connections go to the last addresses/);
    await server.nginx.stop();
  });

  test('a reload while the name server is gone: the addresses that the workers before knew are used', async (t) => {
    const server = await started(['127.0.0.2']);
    await server.gap();
    server.dns.silent = true;
    await sleep(kValidFor);
    await server.nginx.waitGone(await server.nginx.reload(), 20_000);
    const gap = await server.gap();
    t.diagnostic(`in use ${gap} ms after the reload`);
    assert.ok(gap < kSoon);
    await server.nginx.stop();
  });

  test('a name that only the machine knows is found all the same', async () => {
    const proxy = await startProxy(cluster.port, { host: '127.0.0.2' });
    const server = await started([], { host: 'localhost', more: `port=${proxy.port}` });
    await server.gap();
    await server.nginx.stop();
  });

  test('a worker that leaves does not wait for a name server that is gone', async () => {
    const server = await started(['127.0.0.2']);
    await server.gap();
    server.dns.silent = true;
    await sleep(kValidFor);
    await server.endSessions();
    await sleep(300);
    await server.nginx.quit(15_000);
    await server.nginx.stop();
  });
});
