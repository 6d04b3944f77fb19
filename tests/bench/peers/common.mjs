// What the peers share: cores, names of channels, an nginx, other servers, one PostgreSQL cluster. A peer's start gives
// { args, config, stop() }: arguments for the load generator and the configuration used.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { startCluster } from '../../lib/cluster.mjs';
import { Hopeless, waitFor } from '../../lib/conditions.mjs';
import { Nginx } from '../../lib/nginx.mjs';
import { childrenOf, run } from '../../lib/processes.mjs';
import { kRoot } from '../../lib/scratch.mjs';

export const kBuild = path.join(kRoot, 'build', 'bench');

// Servers have the first core for themselves, the load generator the second.
const two_cores = os.availableParallelism() > 1;
export const kServerCore = two_cores ? 0 : undefined;
export const kLoadCore = two_cores ? 1 : undefined;

// Keeps processes to a core, where there is a choice.
export async function pin(core, pids) {
  if (core !== undefined) await Promise.all(pids.map((pid) => run('taskset', ['-a', '-c', '-p', String(core), String(pid)])));
}

// What a run publishes to is new each time, so that nothing is left of the run before.
let runs = 0;
export const channelArgs = (base, more = '') => {
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

// One worker has the servers' core for itself; more go where the system puts them.
export async function startNginx({ modules, loadModule, http, workers = 1 }) {
  const main = two_cores && workers === 1 ? 'worker_cpu_affinity 01;' : '';
  const nginx = new BenchNginx({ workers, loadModule, modules, main, events: '' });
  await nginx.configure((n) => http(n.listen()));
  await nginx.start();
  return nginx;
}

// `listen`: address, with more words where there are several workers.
export const nginxHttp = (listen, buffers, before, locations) =>
  `    ${kHttp}
${buffers === 'small' ? `    ${kSmallBuffers}\n` : ''}${before}    server {
        listen ${listen} backlog=4096;
${locations}    }`;

// Any other server, until `ready` gives something truthy. `dir`: a temporary directory, which its command line has to name: by
// that and by its pid file there the harness's watchdog knows it. It may open as many files as we: all we are allowed, as Node.js
// has seen to.
export async function startServer({ dir, command, args, core = kServerCore, ready }) {
  const name = path.basename(command);
  const [log, pid_file] = ['log', 'pid'].map((ending) => path.join(dir, `${name}.${ending}`));
  const words = [...(core === undefined ? [] : ['taskset', '-c', core]), command, ...args].map(String);
  const out = fs.openSync(log, 'a');
  const child = spawn(words[0], words.slice(1), { cwd: dir, stdio: ['ignore', out, out] });
  fs.closeSync(out);
  const gone = new Promise((resolve) => child.once('exit', resolve));
  fs.writeFileSync(pid_file, `${child.pid}\n`);
  const is_ready = () => {
    if (child.exitCode !== null) throw new Hopeless(`${name} ended:\n${fs.readFileSync(log)}`);
    return ready();
  };
  await waitFor(is_ready, { what: `${name} to be ready` });
  return {
    pid: child.pid,
    stop: async () => {
      child.kill();
      await gone;
      fs.rmSync(pid_file);
    },
  };
}

// For waitFor(): something listens there.
export const listens = (port) => run('bash', ['-c', `: </dev/tcp/127.0.0.1/${port}`]);

// One cluster serves all runs, with fsync and everything else as PostgreSQL's defaults are but for the size of its cache.
let cluster;
export function benchCluster() {
  cluster ??= startBenchCluster();
  return cluster;
}

async function startBenchCluster() {
  const started = await startCluster({ fsync: true, settings: { shared_buffers: '256MB' } });
  await pin(kServerCore, [started.pid, ...childrenOf(started.pid)]);
  return started;
}
