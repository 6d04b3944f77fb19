// nchan with its messages in Redis, as it is used when several nginx share channels.
import { waitFor } from '../../lib/conditions.mjs';
import { request } from '../../lib/http.mjs';
import { freePort } from '../../lib/ports.mjs';
import { tempDir } from '../../lib/scratch.mjs';
import { listens, nginxHttp, startNginx, startServer } from './common.mjs';
import { kNchanModule, nchanArgs, nchanLocations } from './nchan.mjs';

const kRedis = '/usr/bin/redis-server';

// In the mode "distributed" Redis has the messages and all nginx are equal; "backup" would only copy to Redis what
// nginx reads from its own memory, and "nostore" keeps nothing for catching up. nchan's manual requires Redis as an
// upstream.
const upstream = (address) => `    nchan_shared_memory_size 256m;
    upstream redis {
        nchan_redis_server redis://${address};
        nchan_redis_storage_mode distributed;
    }
`;
const kLocations = nchanLocations('            nchan_redis_pass redis;\n');

// Nothing goes to disk, which is Redis's fastest mode and keeps no less than nchan alone. With its own process title
// the harness's watchdog would not recognise it.
function startRedis(port) {
  const dir = tempDir('redis');
  const args = ['--bind', '127.0.0.1', '--port', port, '--save', '', '--appendonly', 'no', '--dir', dir,
    '--set-proc-title', 'no'];
  return startServer({ dir, command: kRedis, args, ready: () => listens(port) });
}

async function start({ buffers }) {
  const port = await freePort();
  const redis = await startRedis(port);
  const http = (listen, address) => nginxHttp(listen, buffers, upstream(address), kLocations);
  const nginx = await startNginx({ modules: [kNchanModule], loadModule: false,
    http: (listen) => http(listen, `127.0.0.1:${port}`) });
  // Until it is connected to Redis, nchan answers 503.
  const serves = async () => (await request({ port: nginx.port, method: 'POST', path: '/pub/ready', body: 'x' })).status < 300;
  await waitFor(serves, { what: 'nchan connected to Redis' });
  return {
    args: [...nchanArgs(nginx), '--watch', `redis=${redis.pid}`],
    config: http('127.0.0.1:…', '127.0.0.1:…'),
    stop: async () => {
      await nginx.stop({ signal: 'SIGTERM' });
      await redis.stop();
    },
  };
}

export const nchanRedis = {
  start, flavors: ['sse', 'long-poll'], needs: { 'libnginx-mod-nchan': kNchanModule, 'redis-server': kRedis },
};
