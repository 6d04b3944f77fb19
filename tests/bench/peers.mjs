// The servers that are compared: how each is started for one run, on which core, and what the load generator has to know
// about it. Each start gives { args, config, stop() }: arguments for the load generator and the configuration used.
import { spawn } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { startCluster } from '../lib/cluster.mjs';
import { freePort, waitFor } from '../lib/conditions.mjs';
import { request } from '../lib/http.mjs';
import { Nginx } from '../lib/nginx.mjs';
import { run } from '../lib/processes.mjs';
import { kRoot, tempDir } from '../lib/scratch.mjs';

export const kBuild = path.join(kRoot, 'build', 'bench');

// Servers have the first core for themselves, the load generator the second.
const two_cores = os.availableParallelism() > 1;
export const kServerCore = two_cores ? 0 : undefined;
export const kLoadCore = two_cores ? 1 : undefined;

// What a run publishes to is new each time, so that nothing is left of the run before.
let runs = 0;
const channelArgs = (base, more = '') => {
  const channel = `bench${++runs}x{c}`;
  return ['--channel', channel, '--path', `${base}${channel}${more}`];
};

// An idle connection should not cost more than the module makes it cost: the same for nchan and pgevents. With these two
// nchan needs 2 KB less per connection than with nginx's own defaults, and is no slower.
const kSmallBuffers = 'client_header_buffer_size 512; request_pool_size 1k;';

// Long polls come back on the same connection for as long as the run takes.
const kHttp = 'access_log off; keepalive_timeout 1h; keepalive_requests 1000000000;';

class BenchNginx extends Nginx {
  text_(http) {
    return super.text_(http).replace(/worker_connections [0-9]+;/, 'worker_connections 19000;');
  }
}

export async function startNginx({ modules, loadModule, http }) {
  const main = two_cores ? 'worker_cpu_affinity 01;' : '';
  const nginx = new BenchNginx({ workers: 1, loadModule, modules, main, events: '' });
  await nginx.configure((n) => http(n.listen()));
  await nginx.start();
  return nginx;
}

export const nginxHttp = (listen, buffers, before, locations) =>
  `    ${kHttp}
${buffers === 'small' ? `    ${kSmallBuffers}\n` : ''}${before}    server {
        listen ${listen} backlog=4096;
${locations}    }`;

const nchanModule = () => process.env.PGEVENTS_NCHAN ?? '/usr/lib/nginx/modules/ngx_nchan_module.so';

const kNchanLocations = `        location ~ ^/pub/(\\w+)$ {
            nchan_publisher;
            nchan_channel_id $1;
            nchan_message_timeout 60s;
            nchan_message_buffer_length 100;
        }
        location ~ ^/events/(\\w+)$ {
            nchan_subscriber;
            nchan_channel_id $1;
            nchan_subscriber_first_message newest;
            nchan_longpoll_multipart_response raw;
        }
`;

async function startNchan({ buffers }) {
  const memory = '    nchan_shared_memory_size 256m;\n';
  const http = (listen) => nginxHttp(listen, buffers, memory, kNchanLocations);
  const nginx = await startNginx({ modules: [nchanModule()], loadModule: false, http });
  return {
    args: ['--server', nginx.listen(), '--publish', '/pub/', '--cursor', 'nchan', '--publishers', '16',
      '--watch', `server=${nginx.master()}`, ...channelArgs('/events/')],
    config: http('127.0.0.1:…'),
    stop: () => nginx.stop({ signal: 'SIGTERM' }),
  };
}

async function startBareLoop() {
  const port = await freePort();
  const pid_file = path.join(tempDir('bare'), 'bare_loop.pid'); // tells the harness's watchdog
  const pin = two_cores ? ['taskset', '-c', String(kServerCore)] : [];
  const [command, ...args] = [...pin, path.join(kBuild, 'bare_loop'), String(port), pid_file];
  const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  await waitFor(() => run('bash', ['-c', `: </dev/tcp/127.0.0.1/${port}`]), { what: 'the bare loop to listen' });
  return {
    args: ['--server', `127.0.0.1:${port}`, '--publish', '/', '--publishers', '1', '--watch', `server=${child.pid}`,
      ...channelArgs('/')],
    config: '',
    stop: async () => {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill();
      await gone;
      fs.rmSync(pid_file);
    },
  };
}

// One cluster serves all runs, with fsync and everything else as PostgreSQL's defaults are but for the size of its cache.
export async function startBenchCluster() {
  const cluster = await startCluster({ fsync: true, settings: { shared_buffers: '256MB' } });
  if (two_cores) await run('taskset', ['-a', '-c', '-p', String(kServerCore), String(cluster.pid)]);
  return cluster;
}
let database;

const locations = (access) => `        location / {
            pgevents main;
            ${access}
        }
`;

// 10,000 users' tokens, and what nginx verifies them with. Made once: RS256 signatures take a while.
const kTokens = 10000;
const made = new Map();
function tokensOf(alg) {
  if (!made.has(alg)) made.set(alg, makeTokens(alg));
  return made.get(alg);
}

export function makeTokens(alg, count = kTokens, subscribe = ['bench*']) {
  const dir = tempDir('tokens');
  const secret = crypto.randomBytes(32).toString('hex');
  const pair = alg === 'RS256' ? crypto.generateKeyPairSync('rsa', { modulusLength: 2048 }) : undefined;
  fs.writeFileSync(path.join(dir, 'key'), pair ? pair.publicKey.export({ type: 'spki', format: 'pem' }) : secret);
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const sign = (text) =>
    pair ? crypto.sign('sha256', text, pair.privateKey) : crypto.createHmac('sha256', secret).update(text).digest();
  const iat = Math.floor(Date.now() / 1000);
  const lines = Array.from({ length: count }, (_, n) => {
    const text = `${part({ alg })}.${part({ sub: String(n), iat, exp: iat + 86400, pgevents: { subscribe } })}`;
    return `${text}.${sign(Buffer.from(text)).toString('base64url')}`;
  });
  fs.writeFileSync(path.join(dir, 'tokens'), lines.join('\n'));
  return { key: path.join(dir, 'key'), file: path.join(dir, 'tokens'), tokens: lines };
}

const startWithTokens = (alg) => async (options) => {
  const { key, file } = tokensOf(alg);
  const server = await startPgevents({ ...options, access: `pgevents_jwt_key ${key};` });
  return { ...server, args: [...server.args, '--tokens', file], config: server.config.replace(key, '…') };
};

async function startPgevents({ buffers, envelope, access = 'pgevents_subscribe "*";' }) {
  database ??= await (await startBenchCluster()).createDatabase();
  const http = (listen, conninfo) =>
    nginxHttp(listen, buffers, `    pgevents_database main "${conninfo}" ring=32m;\n`, locations(access));
  const nginx = await startNginx({ modules: [], loadModule: true, http: (listen) => http(listen, database.conninfo()) });
  // 401: it serves, but nobody without a token.
  const live = async () => [200, 401].includes((await request({ port: nginx.port, path: '/events/live?flavor=poll' })).status);
  await waitFor(live, { what: 'pgevents to serve' });
  return {
    // One publisher: two would commit in an order of their own, which subscribers are right to get.
    args: ['--server', nginx.listen(), '--conninfo', database.conninfo({ user: 'test_publisher' }), '--publishers', '1',
      '--watch', `server=${nginx.master()}`, '--watch', `postgresql=${database.cluster.pid}`,
      ...channelArgs('/events/', envelope ? '?envelope=1' : '')],
    config: http('127.0.0.1:…', 'host=… dbname=… user=…'),
    stop: () => nginx.stop({ signal: 'SIGTERM' }),
  };
}

export const kPeers = {
  'bare loop': { start: startBareLoop, flavors: ['sse'] },
  nchan: { start: startNchan, flavors: ['sse', 'long-poll'], missing: () => !fs.existsSync(nchanModule()) && nchanModule() },
  pgevents: { start: startPgevents, flavors: ['sse', 'long-poll'] },
  'pgevents HS256': { start: startWithTokens('HS256'), flavors: [] },
  'pgevents RS256': { start: startWithTokens('RS256'), flavors: [] },
};
