// The floor: the least that a server without batching can do (bare_loop.cpp).
import path from 'node:path';

import { freePort } from '../../lib/ports.mjs';
import { tempDir } from '../../lib/scratch.mjs';
import { channelArgs, kBuild, listens, startServer } from './common.mjs';

async function start() {
  const [dir, port] = [tempDir('bare'), await freePort()];
  const server = await startServer({ dir, command: path.join(kBuild, 'bare_loop'), args: [port, dir],
    ready: () => listens(port) });
  return {
    args: ['--server', `127.0.0.1:${port}`, '--publish', '/', '--publishers', '1', '--watch', `server=${server.pid}`,
      ...channelArgs('/')],
    config: '',
    stop: server.stop,
  };
}

export const bareLoop = { start, flavors: ['sse'] };
