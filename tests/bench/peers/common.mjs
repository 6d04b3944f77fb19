// The common parts of the peers: cores, names of channels, an nginx, other servers, one PostgreSQL cluster. A peer's
// start gives { args, config, stop() }: arguments for the load generator and the configuration used.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { startCluster } from '../../lib/cluster.mjs';
import { PermanentError, waitFor } from '../../lib/conditions.mjs';
import { Nginx } from '../../lib/nginx.mjs';
import { childrenOf, run } from '../../lib/processes.mjs';
import { kRoot } from '../../lib/scratch.mjs';
import { slowFlush } from '../../lib/slow_flush.mjs';

export const kBuild = path.join(kRoot, 'build', 'bench');

// The servers have the first core to themselves, the load generator has the second.
const two_cores = os.availableParallelism() > 1;
export const kServerCore = two_cores ? 0 : undefined;
export const kLoadCore = two_cores ? 1 : undefined;

// Binds processes to a core, if there are several.
export async function pin(core, pids) {
  if (core !== undefined) await Promise.all(pids.map((pid) => run('taskset', ['-a', '-c', '-p', String(core), String(pid)])));
}

// Each run publishes to new channels, so that nothing is left of the previous run.
let runs = 0;
export const channelArgs = (base, more = '') => {
  const channel = `bench${++runs}x{c}`;
  return ['--channel', channel, '--path', `${base}${channel}${more}`];
};

// An idle connection should cost no more than the module needs: the same settings for nchan and pgevents. With these
// two nchan needs 2 KB less per connection than with nginx's defaults, and is not slower.
const kSmallBuffers = 'client_header_buffer_size 512; request_pool_size 1k;';

// Long polls use the same connection for as long as the run takes.
const kHttp = 'access_log off; keepalive_timeout 1h; keepalive_requests 1000000000;';

class BenchNginx extends Nginx {
  text_(http) {
    return super.text_(http).replace(/worker_connections [0-9]+;/, 'worker_connections 19000;');
  }
}

// One worker has the servers' core to itself; the system places several.
export async function startNginx({ modules, loadModule, http, workers = 1 }) {
  const main = two_cores && workers === 1 ? 'worker_cpu_affinity 01;' : '';
  const nginx = new BenchNginx({ workers, loadModule, modules, main, events: '' });
  await nginx.configure((n) => http(n.listen()));
  await nginx.start();
  return nginx;
}

// `listen`: an address, with further parameters for several workers.
export const nginxHttp = (listen, buffers, before, locations) =>
  `    ${kHttp}
${buffers === 'small' ? `    ${kSmallBuffers}\n` : ''}${before}    server {
        listen ${listen} backlog=4096;
${locations}    }`;

// Starts another server and waits until `ready` gives a truthy value. `dir`: a temporary directory, which its command
// line must name: by that and by its pid file there the harness's watchdog recognises it. It may open as many files as
// this process: Node.js has raised the limit to the maximum.
export async function startServer({ dir, command, args, core = kServerCore, ready }) {
  const name = path.basename(command);
  const [log, pid_file] = ['log', 'pid'].map((ending) => path.join(dir, `${name}.${ending}`));
  const command_line = [...(core === undefined ? [] : ['taskset', '-c', core]), command, ...args].map(String);
  const out = fs.openSync(log, 'a');
  const child = spawn(command_line[0], command_line.slice(1), { cwd: dir, stdio: ['ignore', out, out] });
  fs.closeSync(out);
  const gone = new Promise((resolve) => child.once('exit', resolve));
  fs.writeFileSync(pid_file, `${child.pid}\n`);
  const is_ready = () => {
    if (child.exitCode !== null) throw new PermanentError(`${name} ended:\n${fs.readFileSync(log)}`);
    return ready();
  };
  await waitFor(is_ready, { what: `${name} ready` });
  return {
    pid: child.pid,
    stop: async () => {
      child.kill();
      await gone;
      fs.rmSync(pid_file);
    },
  };
}

// For waitFor(): succeeds if a server listens on this port.
export const listens = (port) => run('bash', ['-c', `: </dev/tcp/127.0.0.1/${port}`]);

// One cluster serves all runs, with PostgreSQL's defaults, including fsync, except for the size of its cache; and one
// for each `flush`: how many ms its flushes take longer than the machine's.
const clusters = new Map();
export function benchCluster(flush = 0) {
  if (!clusters.has(flush)) clusters.set(flush, startBenchCluster(flush));
  return clusters.get(flush);
}

async function startBenchCluster(flush) {
  const env = flush > 0 ? await slowFlush(flush) : {};
  const started = await startCluster({ fsync: true, settings: { shared_buffers: '256MB' }, env });
  await pin(kServerCore, [started.pid, ...childrenOf(started.pid)]);
  return started;
}
