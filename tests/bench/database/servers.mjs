// nginx instances with the module, and the load generator at one of them.
import { kPublisherUser } from '../../lib/database.mjs';
import { kLoadCore, nginxHttp, pin, startNginx } from '../peers/common.mjs';
import { runLoad } from '../program.mjs';

const kLocation = `        location / {
            pgevents main;
            pgevents_subscribe "*";
            pgevents_publish "*";
        }
`;

export const nginxText = (listen, conninfo, options = '') =>
  nginxHttp(listen, 'small', `    pgevents_database main "${conninfo}" ring=32m${options};\n`, kLocation);

async function startInstance(database, options, core) {
  const http = (listen) => nginxText(listen, database.conninfo(), options);
  const nginx = await startNginx({ modules: [database.module], loadModule: false, http });
  await nginx.waitListening();
  await pin(core, nginx.workers());
  return nginx;
}

// `options`: further parameters of pgevents_database. Each instance has one worker, on `core`: by default the one that
// PostgreSQL does not use.
export async function withInstances(database, count, options, body, core = kLoadCore) {
  const instances = [];
  try {
    while (instances.length < count) instances.push(await startInstance(database, options, core));
    return await body(instances);
  } finally {
    await Promise.all(instances.map((nginx) => nginx.stop({ signal: 'SIGTERM' })));
  }
}

const kFaults = ['missing', 'duplicates', 'closed', 'bad_answers'];

// Runs the load generator's event streams at an instance; `options` are its options.
export async function load(database, nginx, options) {
  const watched = { nginx: nginx.master(), postgresql: database.cluster.pid };
  const watch = Object.entries(watched).flatMap(([name, pid]) => ['--watch', `${name}=${pid}`]);
  const result = await runLoad({ args: ['--server', nginx.listen(), ...watch] }, { flavor: 'sse', ...options });
  const faults = kFaults.filter((name) => result[name] > 0).map((name) => `${name}: ${result[name]}`);
  if (faults.length > 0) {
    console.error(`bench: faulty delivery: ${faults.join(', ')}`);
    process.exitCode = 1;
  }
  return result;
}

export const kProbeRate = 50; // events a second

// Measures the delay of events, each one a transaction, to one subscriber at an instance.
export async function probeDelays(database, nginx, seconds, warmup = 1) {
  const conninfo = database.conninfo({ user: kPublisherUser });
  const probe = { channel: 'probe', path: '/events/probe', conninfo, publishers: 8, rate: kProbeRate };
  const { delay_us } = await load(database, nginx, { ...probe, warmup, seconds });
  return {
    'delay p50 ms': delay_us.p50 / 1000, 'delay p99 ms': delay_us.p99 / 1000, 'delay at most ms': delay_us.max / 1000,
  };
}
