// The servers of a soak: PostgreSQL, the fallback, and nginx with the module. nginx serves /rt through the module with
// the fallback behind it, and /fb through the fallback alone, on a plain port, one with TLS and one with HTTP/2 without
// TLS.
import { startCluster } from '../lib/cluster.mjs';
import { range, waitFor } from '../lib/conditions.mjs';
import { startFallback } from '../lib/fallback.mjs';
import { startNginx } from '../lib/nginx.mjs';
import { keyFile } from '../lib/realm.mjs';
import { selfSignedCertificate } from '../lib/tls.mjs';
import { ask } from './transport.mjs';

export const kWorkers = 2;
export const kUsers = 60;
export const kStreamId = 1;
export const kPool = 2; // connections of a worker, without the listener's
const kGrants = '*';

// The ring is small, so that it is full and overwritten long before the measurement begins. Timeouts are short, so that
// clients with incomplete requests do not keep old workers for a minute. The timeout of idle connections is not short:
// clients ask again at least once a second, and one that is stopped for longer would find its connection closed, which
// is not a server's fault (RFC 9112, section 9.3.1).
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
  await database.query(`INSERT INTO pgevents.streams (stream_id, realm, name) VALUES ($1, 'main', 'soak')`,
    [kStreamId]);
  const users = range(1, kUsers).map(String);
  await database.query('INSERT INTO pgevents.stream_members SELECT $1, unnest($2::text[])', [kStreamId, users]);
}

// The answers of module and fallback to a short long poll differ.
async function answersByModule(ports) {
  const { status, headers } = await ask(ports, { path: '/rt/events/probe?timeout=0.01' });
  return status === 200 && headers['x-shortpoll-info'] !== 'fallback';
}

// retention: seconds. Gives { cluster, database, fallback, nginx, ports }.
export async function startAll({ retention, allow }) {
  // Rows are inserted and deleted fast, so vacuum must run often, or the tables would grow between its runs.
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
