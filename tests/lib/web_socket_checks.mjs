// What each WebSocket client must see of the module, as a table of sentences and functions; and the server for it. A
// check gets { connect(channels, options), database, now_on }.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';

import { newChannel } from './backends.mjs';
import { range, waitFor, within } from './conditions.mjs';
import { startModuleServer } from './module_server.mjs';
import { tempDir } from './scratch.mjs';
import { selfSignedCertificate } from './tls.mjs';
import { inSeconds, secretKey, signToken } from './tokens.mjs';
import { kProtocol } from './web_socket.mjs';
import { kPage } from './web_socket_clients.mjs';
import { parsePollBody } from './wire.mjs';

const kTimeout = 60_000;
const kLarge = 600_000; // a message of a client
const kBases = ['/rt', '/released'];

// The server, with a page for browsers and a log that tells how many requests a connection has brought. Its second port
// has TLS and HTTP/2.
export async function startCheckedServer(database) {
  const key = secretKey();
  const dir = tempDir('checks');
  const file = (name, text) => {
    fs.writeFileSync(path.join(dir, name), text);
    return path.join(dir, name);
  };
  const log = path.join(dir, 'connections.log');
  const certificate = await selfSignedCertificate();
  const open = 'pgevents main; pgevents_subscribe "*"; pgevents_publish "*";';
  const server = await startModuleServer({
    database,
    http: `log_format connections '$http_x_through $connection_requests $status';`,
    server: (n) => `
      listen ${n.listen(1)} ssl http2;
      ssl_certificate ${certificate.cert}; ssl_certificate_key ${certificate.key};
      access_log ${log} connections;
      location /released/ { ${open} pgevents_release_request on; }
      location /beats/ { ${open} pgevents_heartbeat 2s; }
      location /beats_released/ { ${open} pgevents_heartbeat 2s; pgevents_release_request on; }
      location /users/ { pgevents main; pgevents_jwt_key ${file('jwt.key', key.text)}; }
      location = /page { default_type text/html; alias ${file('page.html', kPage)}; }`,
  });
  const [plain, secure] = server.nginx.ports;
  return Object.assign(server, { database, key, log, address: `http://127.0.0.1:${plain}`,
    secureAddress: `https://127.0.0.1:${secure}` });
}

// Gives the checks what they need, for one client: `client` as web_socket_clients.mjs makes it; address: of the server,
// or of a proxy before it.
export function sceneOf(server, client, address = server.address) {
  const connect = async (channels, { base = '/rt', query = '', protocols = [kProtocol] } = {}) => {
    const socket = await client.connect(`${address.replace('http', 'ws')}${base}/events/${channels}${query}`, protocols);
    const asked = { n: 0 };
    socket.ask = async (message, send = socket.send) => {
      const request = ++asked.n;
      send(JSON.stringify({ request, ...message }));
      return waitFor(() => socket.messages.find(({ reply }) => reply === request), { what: `a reply to ${request}`,
        timeout: kTimeout });
    };
    socket.events = () => socket.messages.filter(({ id }) => id !== undefined);
    socket.cursors = () => socket.messages.filter(({ cursor }) => cursor !== undefined);
    if (protocols.includes(kProtocol)) await waitFor(() => socket.cursors().length > 0, { what: 'the opening' });
    return socket;
  };
  return { connect, server, database: server.database };
}

const ends = (socket) => within(socket.closed, kTimeout, 'the end');
const waitForEvents = (socket, count) =>
  waitFor(() => socket.events().length >= count, { what: `${count} events`, timeout: kTimeout });

// In halves, and with an empty fragment between.
const inFragments = (socket) => (text) =>
  socket.sendFragments([text.slice(0, text.length / 2), '', text.slice(text.length / 2)]);

export const kChecks = {
  'the server chooses the subprotocol and declines compression': async ({ connect }) => {
    for (const base of kBases) {
      const socket = await connect(newChannel(), { base });
      assert.deepEqual([socket.protocol, socket.extensions], [kProtocol, '']);
      socket.close(1000, '');
      assert.equal((await ends(socket)).code, 1000);
    }
    const bare = await connect(newChannel(), { protocols: [], query: '?envelope=0' });
    assert.deepEqual([bare.protocol, bare.extensions], ['', '']);
    bare.close(1000, '');
    await ends(bare);
  },

  'events arrive as they were committed, from the log and live, of 900 KB too': async ({ connect, database }) => {
    const channel = newChannel();
    const large = { text: 'ü'.repeat(450_000) };
    const sizes = [1, 125, 126, 65_535, 65_536].map((size) => ({ text: 'x'.repeat(size) }));
    for (const data of [...sizes, large]) await database.publish(channel, 'made', data);
    const sockets = await Promise.all(kBases.map((base) => connect(channel, { base, query: '?last_event_id=0' })));
    await Promise.all(sockets.map((socket) => waitForEvents(socket, 6)));
    for (const data of [...sizes, large]) await database.publish(channel, 'made', data);
    const log = await database.log({ channels: [channel] });
    for (const socket of sockets) {
      await waitForEvents(socket, 12);
      const received = parsePollBody(`[${socket.texts.filter((text) => text.startsWith('{"id":')).join()}]`);
      assert.deepEqual(received.map(({ id, data }) => [id, data]), log.map(({ id, data }) => [id, data]));
      socket.close(1000, '');
    }
  },

  'channels come and go on an open connection': async ({ connect, database }) => {
    const [a, b] = [newChannel(), newChannel()];
    for (const n of range(1, 3)) await database.publish(b, 'made', { n });
    const socket = await connect(a);
    assert.equal((await socket.ask({ subscribe: [b], last_event_id: '0' })).status, 200);
    assert.equal(socket.events().length, 3);
    await database.publish(b, 'made', { n: 4 });
    await waitForEvents(socket, 4);
    assert.equal((await socket.ask({ unsubscribe: [b] })).status, 200);
    await database.publish(b, 'made', { n: 5 });
    await database.publish(a, 'made', { n: 6 });
    await waitForEvents(socket, 5);
    assert.deepEqual(socket.events().map(({ data }) => data.data.n), [1, 2, 3, 4, 6]);
    assert.equal((await socket.ask({ subscribe: ['a b'] })).status, 400);
    socket.close(1000, '');
  },

  'it publishes 600 KB, whole and in fragments': async ({ connect, database }) => {
    for (const base of kBases) {
      const channel = newChannel();
      const socket = await connect(channel, { base });
      const message = { publish: channel, type: 'made', data: 'é'.repeat(kLarge / 2) };
      const first = await socket.ask(message);
      assert.equal(first.status, 201, JSON.stringify(first));
      if (socket.sendFragments) assert.equal((await socket.ask(message, inFragments(socket))).status, 201);
      const log = await database.log({ channels: [channel] });
      await waitForEvents(socket, log.length);
      assert.ok(log.every(({ data }) => JSON.parse(data) === message.data));
      socket.close(1000, '');
    }
  },

  'it answers the pings of two heartbeats, and stays': async ({ connect, database }) => {
    const channel = newChannel();
    const sockets = await Promise.all(['/beats', '/beats_released'].map((base) => connect(channel, { base })));
    await waitFor(() => sockets.every((socket) => socket.cursors().length >= 4), { what: 'three heartbeats' });
    await database.publish(channel, 'made', 1);
    for (const socket of sockets) {
      await waitForEvents(socket, 1);
      socket.close(1000, '');
    }
  },

  'a token as subprotocol opens it; at the end of the next token it is closed with 4401': async ({ connect, server }) => {
    const channel = newChannel();
    const token = (seconds) => signToken({ sub: '7', exp: inSeconds(seconds), pgevents: { subscribe: [channel] } },
      { key: server.key });
    const socket = await connect(channel, { base: '/users', protocols: [kProtocol, `pgevents.token.${token(600)}`] });
    assert.equal(socket.protocol, kProtocol);
    // On a busy machine a token may have expired before the server reads it.
    let status = 401;
    for (let seconds = 2; status === 401; seconds *= 2) ({ status } = await socket.ask({ token: token(seconds) }));
    assert.equal(status, 200);
    assert.deepEqual(await ends(socket), { code: 4401, reason: 'expired' });
    assert.equal(socket.messages.at(-1).data.type, 'pgevents.expired');
  },

  'its own close ends the connection with its code': async ({ connect }) => {
    for (const base of kBases) {
      const socket = await connect(newChannel(), { base });
      socket.close(3456, 'bye, ü');
      assert.equal((await ends(socket)).code, 3456);
    }
  },

  'a message that is not JSON closes it with 1007': async ({ connect }) => {
    const socket = await connect(newChannel());
    socket.send('{"request":1');
    assert.deepEqual(await ends(socket), { code: 1007, reason: 'not JSON, or nested too deeply' });
  },

  'a rejected handshake fails': async ({ connect }) => {
    await assert.rejects(connect(newChannel(), { protocols: ['chat'] }));
    await assert.rejects(connect(newChannel(), { base: '/users' }));
  },
};

// Ends all connections of the server by a reload: each client sees 1012, and loses nothing when it connects again.
export async function checkReload(server, scenes) {
  const channel = newChannel();
  const sockets = await Promise.all(scenes.flatMap(({ connect }) => kBases.map((base) => connect(channel, { base }))));
  await server.database.publish(channel, 'made', { n: 1 });
  await Promise.all(sockets.map((socket) => waitForEvents(socket, 1)));
  await server.nginx.reload();
  for (const socket of sockets) {
    assert.deepEqual(await ends(socket), { code: 1012, reason: 'closing' });
    assert.ok(Number(socket.cursors().at(-1).cursor) >= socket.events()[0].id);
  }
  await server.database.publish(channel, 'made', { n: 2 });
  const log = await server.database.log({ channels: [channel] });
  await Promise.all(scenes.map(async ({ connect }) => {
    const socket = await connect(channel, { query: `?last_event_id=${log[0].id}` });
    await waitForEvents(socket, 1);
    assert.deepEqual(socket.events().map(({ id }) => id), [log[1].id]);
    socket.close(1000, '');
  }));
}
