// What is soaked: PostgreSQL, the fallback, and nginx with the module, which serves /rt by itself with the fallback behind it and
// /fb by the fallback alone, on a plain port, one with TLS and one with HTTP/2 in the clear.
import { startCluster } from '../lib/cluster.mjs';
import { range, waitFor } from '../lib/conditions.mjs';
import { startFallback } from '../lib/fallback.mjs';
import { startNginx } from '../lib/nginx.mjs';
import { keyFile } from '../lib/people.mjs';
import { selfSignedCertificate } from '../lib/tls.mjs';
import { ask } from './transport.mjs';

export const kWorkers = 2;
export const kUsers = 60;
export const kStreamId = 1;
export const kPool = 2; // connections of a worker, besides the listener's
const kGrants = '*';

// A small ring, that is full and goes round long before the measuring begins. Timeouts are short, so that clients who do not
// finish what they begin keep no old worker for a minute. Not that of idle connections: clients ask again at least once a second,
// and one that stood still for longer would find its connection closed, which is no fault of a server (RFC 9112, section 9.3.1).
function httpText(nginx, { conninfo, key, tls, fallback }) {
  const behind = (base) => fallback.nginxLines({ base, subscribe: kGrants, publish: kGrants });
  return `
    pgevents_database main "${conninfo}" ring=1m prune=2s connections=${kPool};
    client_header_timeout 20s; client_body_timeout 20s; send_timeout 5s;
    large_client_header_buffers 4 16k;
    server {
      listen ${nginx.listen(0)};
      listen ${nginx.listen(1)} ssl http2;
      listen ${nginx.listen(2)} http2;
      ssl_certificate ${tls.cert};
      ssl_certificate_key ${tls.key};
      location /rt/ {
        pgevents main;
        pgevents_jwt_key ${key};
        pgevents_subscribe "${kGrants}";
        pgevents_publish "${kGrants}";
        pgevents_retry 300ms;
        pgevents_poll_interval 1s;
        pgevents_timeout 10s;
        pgevents_heartbeat 2s;
        pgevents_release_request on;
        ${behind('/rt')}
      }
      location /fb/ { ${behind('/fb')} }
    }`;
}

async function fill(database, retention) {
  await database.query(`UPDATE pgevents.settings SET value = $1 WHERE name = 'retention'`, [`${retention} seconds`]);
  await database.query('INSERT INTO pgevents.users (user_id) SELECT n::text FROM generate_series(1, $1) n', [kUsers]);
  await database.query(`INSERT INTO pgevents.streams (stream_id, realm, name) VALUES ($1, 'main', 'soak')`, [kStreamId]);
  await database.query('INSERT INTO pgevents.stream_members SELECT $1, unnest($2::text[])', [kStreamId, range(1, kUsers).map(String)]);
}

// To a short long poll the two say different things.
async function answersByModule(ports) {
  const { status, headers } = await ask(ports, { path: '/rt/events/probe?timeout=0.01' });
  return status === 200 && headers['x-shortpoll-info'] !== 'fallback';
}

// retention: seconds. Gives { cluster, database, fallback, nginx, ports }.
export async function startAll({ retention, allow }) {
  // Rows come and go fast: so must the vacuum, or the tables grow until it comes.
  const cluster = await startCluster({ settings: { autovacuum_naptime: '2s', autovacuum_vacuum_cost_delay: '0' } });
  const database = await cluster.createDatabase();
  await fill(database, retention);
  const conninfo = database.conninfo();
  const [key, tls] = [keyFile(), await selfSignedCertificate()];
  const fallback = await startFallback({ conninfo, args: ['--poll-interval', '1', '--jwt-key', key] });
  const options = { conninfo, key, tls, fallback };
  const nginx = await startNginx({ workers: kWorkers, allow, http: (n) => httpText(n, options) });
  const [plain, secure, h2c] = nginx.ports;
  const ports = { plain, tls: secure, h2: secure, h2c };
  await waitFor(() => answersByModule(ports), { what: 'answers by the module', timeout: 60_000, interval: 50 });
  return { cluster, database, fallback, nginx, ports };
}
