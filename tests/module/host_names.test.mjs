// Host names of a database: looked up again at each connection, without blocking a worker. The programs see names that
// the test gives them. PostgreSQL listens on 127.0.0.2; on 127.0.0.1 a proxy leads there until it is cut.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';

import { startCluster } from '../lib/cluster.mjs';
import { sleep, waitFor } from '../lib/conditions.mjs';
import { kServerUser } from '../lib/database.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { request } from '../lib/http.mjs';
import { kMayNameHosts, kNginxProgram, Names } from '../lib/names.mjs';
import { startNginx } from '../lib/nginx.mjs';
import { startProxy } from '../lib/proxy.mjs';
import { kRoot, tempDir } from '../lib/scratch.mjs';

const asRoot = { skip: !kMayNameHosts && 'as root, and with mounts, only: the servers need host names of their own' };
const cluster = kMayNameHosts && await startCluster({ tcp: true, settings: { listen_addresses: '127.0.0.2,::1' } });
const template = kMayNameHosts && await cluster.createDatabase();
await template.disconnect?.();

const kValidFor = 2_000; // of an answer
const kLookupTimeout = 5_000;
const kServes = { timeout: 60_000, what: 'the module serves' };

// An nginx with names of its own, in front of a database of its own.
class NamedServer {
  constructor(hosts) {
    this.names = new Names(hosts);
  }

  async start({ conninfo = 'host=db', parameters = '', listening = true, wrap = (program) => program } = {}) {
    NamedServer.count = (NamedServer.count ?? 0) + 1;
    this.database = cluster.database(`names${NamedServer.count}`);
    await cluster.database('postgres').query(`CREATE DATABASE ${this.database.name} TEMPLATE ${template.name}`);
    const info = `port=${cluster.port} dbname=${this.database.name} user=${kServerUser} ${conninfo}`;
    this.nginx = await startNginx({
      binary: this.names.wrap(wrap(kNginxProgram)),
      workers: 2,
      http: (n) => `
        pgevents_database main "${info}" ring=1m connections=20 ${parameters};
        server {
          listen ${n.listen()} reuseport;
          location / { return 200 "here $pid"; }
          location /rt/ { pgevents main; pgevents_subscribe "*"; pgevents_publish "*"; pgevents_retry 100ms; }
        }`,
    });
    if (listening) await this.nginx.waitListening();
    return this;
  }

  static async start(hosts, options) {
    return new NamedServer(hosts).start(options);
  }

  get port() {
    return this.nginx.port;
  }

  publish(channel = 'any') {
    const headers = { 'Content-Type': 'application/json' };
    const body = '{"type":"made","data":1}';
    return request({ port: this.port, path: `/rt/events/${channel}`, method: 'POST', headers, body });
  }

  serves() {
    return waitFor(async () => (await this.publish()).status === 201, kServes);
  }

  endSessions() {
    return this.database.query(`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1 AND datname = $2`,
    [kServerUser, this.database.name]);
  }

  logged(pattern) {
    return waitFor(() => pattern.test(this.nginx.logText()), { what: () => `${pattern} in ${this.nginx.logText()}` });
  }

  // Lookups hang from now on. `use` needs one. Gives the workers that wait for one.
  async hang(use) {
    await sleep(kValidFor);
    await this.names.hang();
    use();
    const waiting = () => this.nginx.workers().filter((pid) => threadsOf(pid) > 1);
    return waitFor(() => waiting().length > 0 && waiting(), { what: 'a lookup that hangs' });
  }

  async stop() {
    this.names.release();
    await this.nginx.stop();
  }
}

const threadsOf = (pid) => fs.readdirSync(`/proc/${pid}/task`).length;

describe('host names of a database', { ...asRoot, concurrency: 4 }, () => {
  test('a failover by DNS is followed without a reload', async () => {
    const proxy = await startProxy(cluster.port, { host: '127.0.0.2', at: { host: '127.0.0.1', port: cluster.port } });
    const server = await NamedServer.start({ db: ['127.0.0.1'] });
    const stream = await new EventStream({ port: server.port, path: '/rt/events/a', reconnect: true }).opened();
    assert.equal((await server.publish('a')).status, 201);
    await stream.waitForEvents(1);
    server.names.set({ db: ['127.0.0.2'] });
    proxy.cut();
    await server.serves();
    await server.database.publish('a', 'made', 2);
    await stream.waitForEvents(2);
    await server.logged(/\[notice\] .*host "db" of database "main" has the addresses 127\.0\.0\.2 now/);
    await stream.close();
    await server.stop();
  });

  test('all addresses of a name are tried', async () => {
    const server = await NamedServer.start({ db: ['127.0.0.3', '127.0.0.4', '127.0.0.2'] });
    await server.serves();
    await server.stop();
  });

  const has_ipv6 = Object.values(os.networkInterfaces()).flat().some(({ address }) => address === '::1');
  test('IPv6 addresses are tried too', { skip: !has_ipv6 && 'no IPv6 here' }, async () => {
    const server = await NamedServer.start({ db: ['127.0.0.3', '::1'] });
    await server.serves();
    await server.stop();
  });

  test('several hosts with ports of their own keep working', async () => {
    const ports = Array(4).fill(cluster.port).join();
    const server = await NamedServer.start({ db: ['127.0.0.2'] }, {
      conninfo: `host=/nowhere,127.0.0.3,gone,db port=${ports} target_session_attrs=read-write`,
      parameters: 'unresolved=warn',
    });
    await server.serves();
    await server.stop();
  });

  test('an address that does not answer is tried last by the next connection', async () => {
    const silent = net.createServer((socket) => socket.on('error', () => {}));
    await new Promise((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const server = await NamedServer.start({ silent: ['127.0.0.1'], db: ['127.0.0.2'] }, {
      conninfo: `host=silent,db port=${silent.address().port},${cluster.port} connect_timeout=2`,
    });
    await server.serves();
    await server.logged(/timed out while connecting/);
    await server.stop();
    silent.close();
  });

  test('a name that is gone for a moment keeps its last addresses', async () => {
    const server = await NamedServer.start({ db: ['127.0.0.2'] });
    server.names.set({});
    await sleep(kValidFor);
    for (let round = 0; round < 2; round++) {
      await server.endSessions();
      await server.serves();
    }
    const kLast = /\[warn\] .*host "db" of database "main" not found: .*; connections go to the last addresses that are known/g;
    await server.logged(kLast);
    assert.ok(server.nginx.logText().match(kLast).length <= 2, 'more than one warning of a worker');
    await server.stop();
  });

  test('a reload while a name is gone is no error: the addresses that the workers before knew are used', async () => {
    const server = await NamedServer.start({ db: ['127.0.0.3'] }, { listening: false });
    server.names.set({ db: ['127.0.0.2'] });
    await server.nginx.waitListening();
    server.names.set({});
    await server.nginx.waitGone(await server.nginx.reload(), 15_000);
    await server.serves();
    assert.match(server.nginx.logText(), /\[warn\] .*host "db" of .* not found: .*; each connection looks it up again in /);
    await server.stop();
  });

  for (const [why, prepare, parameters] of [
    ['does not exist at the start', () => {}, 'unresolved=warn'],
    ['cannot be looked up at the start', (names) => names.setUnreachable(), ''],
  ]) {
    test(`a name that ${why} keeps no other site down, and is found later`, async () => {
      const server = new NamedServer({});
      prepare(server.names);
      await server.start({ parameters, listening: false });
      assert.match((await request({ port: server.port, path: '/' })).body, /^here/);
      assert.equal((await server.publish()).status, 503);
      await server.logged(/database "main" is not served: cannot connect: host "db" not found: (?!out of)/);
      server.names.set({ db: ['127.0.0.2'] });
      await server.nginx.waitListening();
      await server.serves();
      await server.stop();
    });
  }

  test('a lookup that hangs blocks no request, and after a while the last addresses are used', async () => {
    const server = await NamedServer.start({ db: ['127.0.0.2'] });
    const [listener] = await server.hang(() => server.endSessions());
    const answered = new Set();
    for (let i = 0; i < 40; i++) {
      const asked = performance.now();
      answered.add((await request({ port: server.port, path: '/' })).body);
      assert.ok(performance.now() - asked < kLookupTimeout / 2, 'a request waited');
    }
    assert.ok(answered.has(`here ${listener}`), 'the worker with the lookup answers');
    await server.serves();
    const many = await Promise.all(Array.from({ length: 40 }, () => server.publish()));
    assert.deepEqual([...new Set(many.map(({ status }) => status))], [201]);
    for (const pid of server.nginx.workers()) assert.ok(threadsOf(pid) <= 2, 'more than one lookup');
    await server.logged(/not found: the lookup of the host takes too long; connections go to the last addresses/);
    await server.stop();
  });

  test('a reload and a fast end do not wait for a lookup that hangs', async () => {
    const server = await NamedServer.start({ db: ['127.0.0.2'] });
    await server.hang(() => server.endSessions());
    server.names.set({ db: ['127.0.0.2'] }); // for the master; the lookup in the worker still hangs
    await server.nginx.waitGone(await server.nginx.reload(), 15_000);
    server.names.release();
    await server.serves();
    await server.hang(() => server.endSessions());
    await server.nginx.terminate(15_000);
    await server.stop();
  });

  test('a request that waits for a lookup is answered before the worker leaves', async () => {
    // Only the listener is connected.
    const server = await NamedServer.start({ db: ['127.0.0.2'] }, { parameters: 'presence=off prune=off' });
    let answer;
    await server.hang(() => (answer = server.publish()));
    await server.nginx.quit(30_000);
    assert.equal((await answer).status, 201);
    await server.stop();
  });

  // The address space has no room for a stack of this size.
  test('without a thread for the lookup the last addresses are used', async () => {
    const script = `${tempDir('stack')}/nginx`;
    const wrap = (program) => {
      fs.writeFileSync(script, `#!/bin/sh\nexec prlimit --stack=140000000000000 '${program}' "$@"\n`, { mode: 0o755 });
      return script;
    };
    const server = await NamedServer.start({ db: ['127.0.0.2'] }, { wrap });
    await sleep(kValidFor);
    await server.endSessions();
    await server.serves();
    await server.logged(/no thread can be started for the lookup of the host; connections go to the last addresses/);
    await server.stop();
  });

  test('the fallback looks names up at each connection, and uses the last addresses if that hangs', async () => {
    const names = new Names({ db: ['127.0.0.3'] });
    process.env.PGEVENTS_FCGI = names.wrap(process.env.PGEVENTS_FCGI ?? path.join(kRoot, 'build/release/pgevents-fcgi'));
    const { startFallback } = await import('../lib/fallback.mjs');
    const conninfo = `host=db port=${cluster.port} dbname=${template.name} user=${kServerUser}`;
    const fallback = await startFallback({ conninfo, processes: 1 });
    const nginx = await startNginx({
      loadModule: false,
      http: (n) => `server { listen ${n.listen()}; location /rt/ { ${fallback.nginxLines({ base: '/rt' })} } }`,
    });
    const poll = () => request({ port: nginx.port, path: '/rt/events/a?flavor=poll' });
    assert.equal((await poll()).status, 503);
    names.set({ db: ['127.0.0.2'] });
    await waitFor(async () => (await poll()).status === 200, { what: 'the fallback serves' });
    await names.hang();
    await cluster.database(template.name).query(`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%fallback'`);
    const asked = performance.now();
    assert.equal((await poll()).status, 200);
    const took = performance.now() - asked;
    assert.ok(took > 1_500 && took < kLookupTimeout, `the last addresses are used after ${took} ms`);
    names.release();
    await nginx.stop();
    await fallback.stop();
  });
});
