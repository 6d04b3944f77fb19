// nginx instances with the module, and the load generator at one of them.
import path from 'node:path';

import { kPublisherUser } from '../../lib/database.mjs';
import { run } from '../../lib/processes.mjs';
import { kBuild, kLoadCore, nginxHttp, startNginx } from '../peers.mjs';

const kLocation = `        location / {
            pgevents main;
            pgevents_subscribe "*";
        }
`;

export const nginxText = (listen, conninfo, options = '') =>
  nginxHttp(listen, 'small', `    pgevents_database main "${conninfo}" ring=32m${options};\n`, kLocation);

// Keeps processes to a core, where there is a choice.
export async function pin(core, pids) {
  if (core !== undefined) await Promise.all(pids.map((pid) => run('taskset', ['-a', '-c', '-p', String(core), String(pid)])));
}

// One worker, on the core of everything that is not PostgreSQL.
async function startInstance(database, options) {
  const http = (listen) => nginxText(listen, database.conninfo(), options);
  const nginx = await startNginx({ modules: [], loadModule: true, http });
  await nginx.waitListening();
  await pin(kLoadCore, nginx.workers());
  return nginx;
}

// `options`: more parameters of pgevents_database.
export async function withInstances(database, count, options, body) {
  const instances = [];
  try {
    while (instances.length < count) instances.push(await startInstance(database, options));
    return await body(instances);
  } finally {
    await Promise.all(instances.map((nginx) => nginx.stop({ signal: 'SIGTERM' })));
  }
}

const kFaults = ['missing', 'duplicates', 'closed', 'bad_answers'];

// The load generator's event streams at an instance.
export async function load(nginx, args) {
  const all = ['--server', nginx.listen(), '--flavor', 'sse', ...(kLoadCore === undefined ? [] : ['--cpu', kLoadCore]), ...args];
  const { stdout } = await run(path.join(kBuild, 'load'), all.map(String), { timeout: 600_000 });
  const result = JSON.parse(stdout);
  const faults = kFaults.filter((name) => result[name] > 0).map((name) => `${name}: ${result[name]}`);
  if (faults.length > 0) {
    console.error(`bench: not everything was delivered as it should: ${faults.join(', ')}`);
    process.exitCode = 1;
  }
  return result;
}

export const kProbeRate = 50; // events a second

// One subscriber at an instance, and events for it of which each is a transaction: how late it has them.
export async function probeDelays(database, nginx, seconds, warmup = 1) {
  const { delay_us } = await load(nginx, ['--conninfo', database.conninfo({ user: kPublisherUser }), '--publishers', 8,
    '--channel', 'probe', '--path', '/events/probe', '--rate', kProbeRate, '--warmup', warmup, '--seconds', seconds]);
  return { 'delay p50 ms': delay_us.p50 / 1000, 'delay p99 ms': delay_us.p99 / 1000, 'delay at most ms': delay_us.max / 1000 };
}
