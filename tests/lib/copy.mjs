// A database and a copy of its log in another cluster, fed by PostgreSQL's logical replication; and the front-ends of a
// host that reads the copy and writes to the primary: nginx with the module at /rt/ and the fallback over FastCGI at
// /fb/, and the fallback as a CGI program.
import { startCluster } from './cluster.mjs';
import { complete, subscribe } from './copies.mjs';
import { startCgiServer, startFallback } from './fallback.mjs';
import { startModuleServer } from './module_server.mjs';
import { keyFile, serverAt } from './realm.mjs';

// Gives { primary, copy }, two Databases.
export async function startCopy() {
  const clusters = await Promise.all([startCluster({ settings: { wal_level: 'logical' } }), startCluster()]);
  const [primary, copy] = await Promise.all(clusters.map((cluster) => cluster.createDatabase()));
  await subscribe(primary, copy);
  await complete(copy);
  return { primary, copy };
}

// The parameter of pgevents_database.
export const primaryParameter = (primary) => `"primary=${primary.conninfo()}"`;

// Gives { server, fallback, backends }: each of the backends has a name and send(path, options), and `streams` if it
// holds streams. Tokens are signed with realm.mjs' key; users may read all channels and publish to `open.*`.
export async function startFrontEnds({ primary, copy, parameters = '', cgi = true, ...options }) {
  const key = keyFile();
  const access = { subscribe: '*', publish: 'open.*' };
  const env = { PGEVENTS_PRIMARY: primary.conninfo(), PGEVENTS_JWT_KEY: key, PGEVENTS_POLL_INTERVAL: '1' };
  const fallback = await startFallback({ conninfo: copy.conninfo(), env });
  const server = await startModuleServer({
    database: copy, ...access, ...options,
    parameters: `${primaryParameter(primary)} ${parameters}`,
    location: `pgevents_jwt_key ${key}; pgevents_poll_interval 1s;`,
    server: () => `
      location = /metrics { pgevents_status main format=prometheus; }
      location = /ready { pgevents_ready main; }
      location /fb/ { ${fallback.nginxLines({ base: '/fb', ...access })} }`,
  });
  const backends = [
    { name: 'module', streams: true, ...serverAt(server.port, '/rt') },
    { name: 'fcgi', ...serverAt(server.port, '/fb') },
  ];
  if (cgi) {
    const program = await startCgiServer({ conninfo: copy.conninfo(), mount: '/rt', ...access, env });
    backends.push({ name: 'cgi', ...serverAt(program.port, '/rt') });
  }
  return { server, fallback, backends };
}
