// Pushpin, a proxy of several processes: it asks our application (pushpin_origin.mjs) how to handle each connection,
// holds it, and accepts events at a control port. No long polls: it passes each of them on to the application, and
// after an event they all come at once. Of 1,000 such requests it answers 400 with 502, of 250 still 50: its proxy has
// a queue of 200 for them, whose length no configuration sets.
import fs from 'node:fs';
import path from 'node:path';

import { waitFor } from '../../lib/conditions.mjs';
import { request } from '../../lib/http.mjs';
import { freePort } from '../../lib/ports.mjs';
import { kRoot, tempDir } from '../../lib/scratch.mjs';
import { channelArgs, kLoadCore, listens, startServer } from './common.mjs';

const kPushpin = '/usr/bin/pushpin';
const kOrigin = path.join(kRoot, 'tests', 'bench', 'pushpin_origin.mjs');
const kBody = String.raw`{"items":[{"channel":"{channel}","formats":{"http-stream":{"content":"event: bench\ndata: {data}\n\n"}}}]}`;

// The settings that differ from its defaults:
// - It starts its own HTTP client (zurl), which Debian runs as a service. Files and sockets are in the server's
//   directory. No request is logged.
// - As its makers recommend for many connections: buffers of 4096 bytes, connections reported every 10 minutes.
// - No limits for messages. By default it delivers at most 2,500 a second, queues 25,000 and discards the rest.
// - Many more slots than connections. Its keep-alives visit all slots in 45 seconds; a stream that they meet while one
//   process passes it to another is closed at its first event: with 19,000 slots one or two in a hundred. With 100,000
//   the visits stay ahead of new connections (it opens less than 1,000 a second), and all are served.
const configuration = ({ dir, port, control, buffer }) => `[global]
include={libdir}/internal.conf
rundir=${dir}
stats_connection_ttl=600

[runner]
services=condure,zurl,pushpin-proxy,pushpin-handler
http_port=127.0.0.1:${port}
logdir=${dir}
log_level=1
client_buffer_size=${buffer}
client_maxconn=100000

[proxy]
routesfile=${dir}/routes
updates_check=off
zurl_out_specs=ipc://{rundir}/{ipc_prefix}zurl-in
zurl_out_stream_specs=ipc://{rundir}/{ipc_prefix}zurl-in-stream
zurl_in_specs=ipc://{rundir}/{ipc_prefix}zurl-out

[handler]
push_in_spec=ipc://{rundir}/{ipc_prefix}push
push_in_sub_specs=ipc://{rundir}/{ipc_prefix}push-sub
push_in_http_addr=127.0.0.1
push_in_http_port=${control}
command_spec=ipc://{rundir}/{ipc_prefix}command
message_rate=0
message_hwm=0
`;

async function start({ buffers }) {
  const dir = tempDir('pushpin');
  const [port, control, behind] = [await freePort(), await freePort(), await freePort()];
  const text = configuration({ dir, port, control, buffer: buffers === 'small' ? 4096 : 8192 });
  fs.writeFileSync(path.join(dir, 'pushpin.conf'), text);
  fs.writeFileSync(path.join(dir, 'routes'), `* 127.0.0.1:${behind}\n`);
  const origin = await startServer({
    dir, command: process.execPath, args: [kOrigin, behind, dir], core: kLoadCore, ready: () => listens(behind),
  });
  const args = [`--config=${path.join(dir, 'pushpin.conf')}`];
  const server = await startServer({ dir, command: kPushpin, args, ready: () => listens(port) });
  // Its processes connect to each other one by one; messages that come earlier are lost between them.
  const serves = async () => (await request({ port, path: '/ready', timeout: 1000 })).status === 200;
  await waitFor(serves, { what: 'Pushpin connected to the application' });
  return {
    // Fewer connections at once than the length of its queue for the application. One publisher, so that events have an
    // order.
    args: ['--server', `127.0.0.1:${port}`, '--publish', '/publish/', '--publish-server', `127.0.0.1:${control}`, '--body', kBody,
      '--publishers', '1', '--opening', '50', '--watch', `server=${server.pid}`, ...channelArgs('/events/')],
    config: text.replaceAll(dir, '…').replace(port, '…').replace(control, '…'),
    stop: async () => {
      await server.stop();
      await origin.stop();
    },
  };
}

export const pushpin = { start, flavors: ['sse'], needs: { pushpin: kPushpin } };
