// The settings of nginx that change how its workers run, listen and read: under each of them a stream, a long poll and
// a publication work, and the stream goes on after a reload.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { describe, test } from 'node:test';

import { newChannel } from '../lib/backends.mjs';
import { assertDelivered } from '../lib/checker.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { request } from '../lib/http.mjs';
import { locationText } from '../lib/module_server.mjs';
import { startNginx } from '../lib/nginx.mjs';

const database = await (await sharedCluster()).createDatabase();
const kProxied = '192.0.2.7'; // an address for documentation (RFC 5737), which no connection has by itself

// A connection that begins with the line of a proxy (PROXY protocol, version 1).
function proxied(nginx) {
  const socket = net.connect(nginx.port, '127.0.0.1');
  socket.write(`PROXY TCP4 ${kProxied} 127.0.0.1 40000 ${nginx.port}\r\n`);
  return socket;
}

// listen: the parameters of the directive; server: further lines; connect: the client's socket; seen: proves from an
// answer or the server that the setting has its effect; body: the size of the published text; others: as for
// startNginx().
const kSettings = {
  // nginx itself answers no request after a reload without a master.
  'master_process off': { master: false, reloads: false },
  'worker_processes 1': { workers: 1 },
  'worker_processes 8': { workers: 8 },
  'reuseport, 4 workers': { workers: 4, listen: (n) => `${n.listen()} reuseport` },
  'accept_mutex on': { events: 'accept_mutex on;' },
  'multi_accept on': { events: 'multi_accept on;' },
  'a Unix socket': {
    listen: (n) => `unix:${n.dir}/http.sock`,
    connect: (nginx) => net.connect(`${nginx.dir}/http.sock`),
  },
  IPv6: {
    listen: (n) => `[::1]:${n.listen().split(':')[1]} ipv6only=on`,
    connect: (nginx) => net.connect(nginx.port, '::1'),
    seen: (answer) => assert.equal(answer.headers['x-client'], '::1'),
  },
  proxy_protocol: {
    listen: (n) => `${n.listen()} proxy_protocol`,
    server: 'set_real_ip_from 127.0.0.1; real_ip_header proxy_protocol;',
    connect: proxied,
    seen: (answer) => assert.equal(answer.headers['x-client'], kProxied),
  },
  'aio threads': {
    server: 'aio threads; sendfile on; client_body_buffer_size 1k;',
    body: 100_000,
    seen: (answer, nginx) => assert.ok(fs.readdirSync(`/proc/${nginx.workers()[0]}/task`).length > 1),
  },
  client_body_in_file_only: { server: 'client_body_in_file_only clean;', body: 100_000 },
  'error_log debug': {
    server: (n) => `error_log ${path.join(n.dir, 'debug.log')} debug;`,
    seen: (answer, nginx) => assert.match(fs.readFileSync(path.join(nginx.dir, 'debug.log'), 'utf8'), /\[debug\]/),
  },
};

const resolve = (value, nginx) => (typeof value === 'function' ? value(nginx) : value);

async function start({ listen = (n) => n.listen(), server = '', ...options }) {
  const nginx = await startNginx({ ...options, http: (n) => `
    pgevents_database main "${database.conninfo()}" ring=4m;
    server {
      listen ${listen(n)};
      add_header X-Client $remote_addr always;
      ${resolve(server, n)}
      ${locationText({ location: 'pgevents_retry 100ms;' })}
    }` });
  await nginx.waitListening();
  return nginx;
}

// The client of one nginx: everything goes over sockets as the setting needs them.
class Client {
  constructor(nginx, connect = ({ port }) => net.connect(port, '127.0.0.1')) {
    this.connect = () => connect(nginx);
  }

  send(where, options = {}) {
    return request({ connect: this.connect, path: where, ...options });
  }

  publish(channel, data) {
    return this.send(`/rt/events/${channel}`, { method: 'POST', body: JSON.stringify({ type: 'made', data }) });
  }

  stream(channel) {
    return new EventStream({ connect: this.connect, path: `/rt/events/${channel}`, reconnect: true });
  }
}

async function assertServes(nginx, { connect, body = 10, seen = () => {}, reloads = true }) {
  const client = new Client(nginx, connect);
  const channel = newChannel();
  const stream = await client.stream(channel).opened();
  const waiting = client.send(`/rt/events/${channel}?last_event_id=${await database.head()}`);
  const published = await client.publish(channel, 'x'.repeat(body));
  assert.equal(published.status, 201, published.body);
  const answer = await waiting;
  assert.equal(answer.json()[0].data.data.length, body);
  await stream.waitForEvents(1);
  seen(answer, nginx);
  if (reloads) await reload(nginx, stream);
  assert.equal((await client.publish(channel, 'more')).status, 201);
  await stream.waitForEvents(2);
  await stream.close();
  assertDelivered(stream, await database.log({ channels: [channel] }));
}

// The old workers end the stream, and a new one continues it.
async function reload(nginx, stream) {
  await nginx.waitGone(await nginx.reload());
  await waitFor(() => stream.connections.length > 1 && stream.status === 200, { what: () => stream.describe() });
}

describe('under the setting', { concurrency: 3 }, () => {
  for (const [name, setting] of Object.entries(kSettings)) {
    test(name, async () => {
      const nginx = await start(setting);
      await assertServes(nginx, setting);
      await nginx.stop();
    });
  }
});
