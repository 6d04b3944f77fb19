// A database and a copy of its log in another cluster, fed by PostgreSQL's logical replication; and the front-ends of a
// host that reads the copy and writes to the primary: nginx with the module at /rt/ and the fallback over FastCGI at
// /fb/, and the fallback as a CGI program.
import { startCluster } from './cluster.mjs';
import { waitFor } from './conditions.mjs';
import { startCgiServer, startFallback } from './fallback.mjs';
import { startModuleServer } from './module_server.mjs';
import { keyFile, serverAt } from './realm.mjs';

const kComplete = `SELECT count(*) = 5 FROM pg_subscription_rel WHERE srsubstate = 'r'`;

// Gives { primary, copy }, each a Database in a cluster of its own; nothing is subscribed yet. copyBin: the programs of
// the copy's PostgreSQL, if it is to be of another version; name: of both databases.
export async function startDatabases({ settings, copyBin, name, ...options } = {}) {
  const start = async (bin) => {
    const cluster = await startCluster({ settings: { wal_level: 'logical', ...settings }, ...options, bin });
    return cluster.createDatabase({ name });
  };
  const [primary, copy] = await Promise.all([start(), start(copyBin)]);
  return { primary, copy };
}

// Makes `copy` a copy of `primary`, to which it connects through `port` of 127.0.0.1, or by default through its socket.
export async function subscribe(primary, copy, port) {
  await primary.query('SELECT pgevents.create_publication()');
  const version = await primary.value('SELECT version FROM pgevents.schema_version()');
  const tcp = `host=127.0.0.1 port=${port} dbname=${primary.name} user=postgres`;
  const conninfo = port === undefined ? primary.conninfo({ user: 'postgres' }) : tcp;
  await copy.query(await copy.value('SELECT pgevents.become_copy($1, $2)', [conninfo, version]));
}

export const complete = (copy) => waitFor(() => copy.value(kComplete), { what: 'a complete copy' });

// Waits until the copy has every event.
export const arrived = (primary, copy) => waitFor(async () => (await copy.head()) >= (await primary.head()),
  { what: 'all events on the copy' });

// Gives { primary, copy } when the copy is complete.
export async function startCopy() {
  const { primary, copy } = await startDatabases({ settings: { wal_retrieve_retry_interval: '200ms' } });
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
