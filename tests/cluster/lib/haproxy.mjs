// HAProxy on a host of its own, with a configuration of conf/cluster.
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';

import { waitFor } from '../../lib/conditions.mjs';

const connects = (host, port) => new Promise((resolve) => {
  const socket = net.connect({ host, port });
  socket.on('connect', () => (socket.destroy(), resolve(true))).on('error', () => resolve(false));
});

// Starts it, and waits until it listens on `port`.
export async function startHaproxy(host, text, port) {
  const file = path.join(host.dir, 'haproxy.cfg');
  fs.writeFileSync(file, text);
  host.start('haproxy', 'haproxy', ['-db', '-f', file]);
  await waitFor(() => connects(host.address, port), { what: () => `HAProxy: ${host.logText('haproxy')}` });
}
