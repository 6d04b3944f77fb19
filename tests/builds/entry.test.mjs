// The entry point of the images (containers/entry.sh) on this machine: its commands connect with the password of
// PGEVENTS_PASSWORD_FILE, whatever form the connection string has, and with all settings in the environment.
// `./run containers` runs the images.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { startCluster } from '../lib/cluster.mjs';
import { PermanentError, waitFor } from '../lib/conditions.mjs';
import { kFallbackProgram } from '../lib/fallback.mjs';
import { request } from '../lib/http.mjs';
import { kModule } from '../lib/nginx.mjs';
import { freePort } from '../lib/ports.mjs';
import { run } from '../lib/processes.mjs';
import { kRoot, tempDir } from '../lib/scratch.mjs';

const kPassword = 'a:b\\c"d $e';
const read = (name) => fs.readFileSync(path.join(kRoot, 'containers', name), 'utf8');

// Each setting with its default, as a Kubernetes ConfigMap may have it for both commands.
const kDefaults = Object.fromEntries(Array.from(read('entry.sh').matchAll(/\$\{(PGEVENTS_[A-Z_]+):=([^}]*)\}/g),
  ([, name, value]) => [name, value]));

let cluster, database;
before(async () => {
  cluster = await startCluster({ tcp: true });
  database = await cluster.createDatabase({ install: false });
  await cluster.allowFirst('host all container 127.0.0.1/32 scram-sha-256');
  await database.query(`CREATE ROLE container SUPERUSER LOGIN PASSWORD '${kPassword}'`);
});

// The entry point and the template with a folder of their own instead of the image's; one for each container.
// Without IPv6, the file that shows it has another name.
function makePlace({ ipv6 = true } = {}) {
  const dir = tempDir('entry');
  const here = (text) => text.replaceAll(/\/tmp\b|\/(run|etc)\/pgevents\b/g, dir)
    .replace('/proc/net/if_inet6', (found) => ipv6 ? found : `${dir}/missing`)
    .replaceAll('/usr/share/pgevents/sql', path.join(kRoot, 'sql')).replace(/load_module .*;/, `load_module ${kModule};`);
  fs.writeFileSync(path.join(dir, 'entry.sh'), here(read('entry.sh')));
  fs.writeFileSync(path.join(dir, 'nginx.conf.template'), `user root;\n${here(read('nginx.conf.template'))}`);
  fs.writeFileSync(path.join(dir, 'password'), `${kPassword}\n`);
  return dir;
}

const environment = (dir, more) => ({
  PATH: `${path.dirname(kFallbackProgram)}:/usr/sbin:${process.env.PATH}`, HOME: dir,
  ...kDefaults, PGEVENTS_PASSWORD_FILE: path.join(dir, 'password'),
  PGEVENTS_TEMPLATE: path.join(dir, 'nginx.conf.template'), ...more,
});

// A server that the entry point becomes.
class Server {
  constructor(command, env, options) {
    const dir = makePlace(options);
    this.log_ = path.join(dir, 'server.log');
    const log = fs.openSync(this.log_, 'a');
    this.child_ = spawn('bash', [path.join(dir, 'entry.sh'), command],
      { env: environment(dir, env(dir)), stdio: ['ignore', log, log] });
    fs.closeSync(log);
  }

  log() {
    return fs.readFileSync(this.log_, 'utf8');
  }

  async until(predicate) {
    await waitFor(() => {
      if (this.child_.exitCode !== null) throw new PermanentError(`it ended: ${this.log()}`);
      return predicate();
    }, { what: () => this.log() });
  }

  async stop() {
    this.child_.kill('SIGQUIT');
    await waitFor(() => this.child_.exitCode !== null || this.child_.signalCode !== null, { what: () => this.log() });
  }
}

const kForms = {
  'a list of keywords': ({ port, name }) => `host=127.0.0.1 port=${port} dbname=${name} user=container`,
  'a URI': ({ port, name }) => `postgresql://container@127.0.0.1:${port}/${name}`,
  'a URI with parameters': ({ port, name }) => `postgres://container@127.0.0.1:${port}/${name}?connect_timeout=30`,
};

for (const [form, write] of Object.entries(kForms)) {
  describe(`the entry point, with ${form}`, () => {
    const servers = [];
    let conninfo;
    before(() => {
      conninfo = write({ port: cluster.port, name: database.name });
    });
    after(() => Promise.all(servers.map((server) => server.stop())));

    function start(command, env) {
      servers.push(new Server(command, env));
      return servers.at(-1);
    }

    test('installs the schema', async () => {
      const dir = makePlace();
      const env = environment(dir, { PGEVENTS_DATABASE: conninfo });
      const { status, stderr } = await run('bash', [path.join(dir, 'entry.sh'), 'schema'], { env, expect: null });
      assert.equal(status, 0, stderr);
    });

    test('becomes an nginx that is ready, and a fallback that answers', async () => {
      const [port, admin] = [await freePort(), await freePort()];
      let socket;
      const fallback = start('fallback', (dir) => {
        socket = path.join(dir, 'fcgi.sock');
        return { PGEVENTS_DATABASE: conninfo, PGEVENTS_FALLBACK: `unix:${socket}`, PGEVENTS_FALLBACK_PROCESSES: '1' };
      });
      const nginx = start('nginx', (dir) => {
        fs.mkdirSync(path.join(dir, 'server.d'));
        fs.writeFileSync(path.join(dir, 'server.d', 'off.conf'), `location /off/ { pgevents off;
          include /etc/nginx/fastcgi_params; fastcgi_param PGEVENTS_BASE /off; fastcgi_param PGEVENTS_SUBSCRIBE "*";
          fastcgi_pass unix:${socket}; }`);
        return { PGEVENTS_DATABASE: conninfo, PGEVENTS_PORT: `127.0.0.1:${port}`, PGEVENTS_ADMIN_PORT: `127.0.0.1:${admin}`,
          PGEVENTS_WORKERS: '1', PGEVENTS_CONNECTIONS: '100', PGEVENTS_RING: '4m', PGEVENTS_SUBSCRIBE: '*' };
      });
      await nginx.until(async () => (await request({ port: admin, path: '/ready' })).status === 200);
      await fallback.until(() => fs.existsSync(socket));
      const answer = await request({ port, path: '/off/events/some?timeout=0.01' });
      assert.equal(answer.status, 200, `${answer.body}${fallback.log()}`);
      assert.equal(answer.headers['x-shortpoll-info'], 'fallback');
      assert.match(fallback.log(), /version [0-9.]+, 1 processes/);
      assert.doesNotMatch(fallback.log(), /environment variable/);
    });
  });
}

describe('the entry point, asked for a port alone', () => {
  const servers = [];
  after(() => Promise.all(servers.map((server) => server.stop())));
  const has_ipv6 = Object.values(os.networkInterfaces()).flat().some(({ address }) => address === '::1');

  async function startNginx(options) {
    const [port, admin] = [await freePort(), await freePort()];
    const nginx = new Server('nginx', () => ({ PGEVENTS_DATABASE: database.conninfo({ user: 'container', tcp: true }),
      PGEVENTS_PORT: `${port}`, PGEVENTS_ADMIN_PORT: `${admin}`, PGEVENTS_WORKERS: '1', PGEVENTS_CONNECTIONS: '100',
      PGEVENTS_RING: '4m' }), options);
    servers.push(nginx);
    await nginx.until(() => request({ port: admin, path: '/live' }).then(({ status }) => status === 204, () => false));
    const overIpv6 = (wanted) => request({ connect: () => net.connect(wanted, '::1'), path: '/live' });
    return { port, admin, overIpv6 };
  }

  test('serves clients and the orchestrator over IPv4 and IPv6', { skip: !has_ipv6 && 'no IPv6 here' }, async () => {
    const { port, admin, overIpv6 } = await startNginx();
    assert.equal((await overIpv6(admin)).status, 204);
    assert.equal((await overIpv6(port)).status, 404);
    assert.equal((await request({ port, path: '/live' })).status, 404);
  });

  test('serves over IPv4 where the kernel has no IPv6', async () => {
    const { admin, overIpv6 } = await startNginx({ ipv6: false });
    await assert.rejects(overIpv6(admin), /ECONNREFUSED|EADDRNOTAVAIL|EAFNOSUPPORT/);
  });
});
