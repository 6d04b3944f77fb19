// Servers that are no database: each accepts connections to another point, then is silent, leaves or talks nonsense.
import { spawn } from 'node:child_process';
import net from 'node:net';
import { once } from 'node:events';

import { atEnd } from './lifetime.mjs';
import { freePort } from './ports.mjs';

// Its queue of connections is full, so the kernel drops every further SYN: `connect()` hangs.
const kFullQueue = `
import socket, sys, time
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind((sys.argv[1], int(sys.argv[2])))
server.listen(0)
clients = [socket.socket() for _ in range(4)]
for client in clients:
    client.setblocking(False)
    client.connect_ex(server.getsockname())
time.sleep(0.2)
print('full', flush=True)
sys.stdin.read()
`;

// Gives its port. Without one any free port is taken.
export async function startSynSwallower({ host = '127.0.0.1', port } = {}) {
  const taken = port ?? await freePort();
  const child = spawn('python3', ['-c', kFullQueue, host, String(taken)], { stdio: ['pipe', 'pipe', 'inherit'] });
  atEnd(() => child.stdin.end());
  await once(child.stdout, 'data');
  return taken;
}

async function listen(onSocket) {
  const sockets = new Set();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    onSocket(socket);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return server.address().port;
}

const message = (type, body) => {
  const head = Buffer.alloc(5);
  head.write(type, 0, 'latin1');
  head.writeUInt32BE(4 + body.length, 1);
  return Buffer.concat([head, body]);
};
const authentication = (code) => message('R', Buffer.from([0, 0, 0, code]));
const kSslRequest = 80877103;

// Answers the startup packet (PostgreSQL manual, "Message Flow") with the first of `answers`, each packet after it with
// the next one; after the last one it is silent, or leaves if that is null. TLS is declined.
function answering(...answers) {
  return listen((socket) => {
    const left = [...answers];
    socket.on('data', (bytes) => {
      if (bytes.length === 8 && bytes.readUInt32BE(4) === kSslRequest) return socket.write('N');
      const answer = left.shift();
      if (answer === null) socket.destroy();
      if (answer) socket.write(answer);
    });
  });
}

const ready = message('Z', Buffer.from('I'));
const accepted = Buffer.concat([authentication(0), ready]);
const executed = Buffer.concat([message('C', Buffer.from('SET\0')), ready]);
const failure = (severity, sqlstate, text) =>
  message('E', Buffer.from(`S${severity}\0V${severity}\0C${sqlstate}\0M${text}\0\0`));
const copying = (type) => message(type, Buffer.from([0, 0, 0]));

export const startSilentServer = () => listen(() => {});
export const startSilentAuthentication = () => answering(authentication(3)); // asks for a password
// As a pooler whose server does not answer.
export const startSilentSession = () => answering(accepted);

// Each starts a server that cannot be used, by how it behaves.
export const kUselessServers = {
  'leaves at once': () => listen((socket) => socket.destroy()),
  'resets the connection': () => listen((socket) => socket.resetAndDestroy()),
  'speaks HTTP': () => answering('HTTP/1.1 400 Bad Request\r\n\r\n', null),
  'sends random bytes': () => listen((socket) => socket.write(Buffer.from(Array(400).fill(0).map((_, n) => n * 37)))),
  'leaves during the TLS handshake': () => listen((socket) => socket.once('data', () => socket.end('S'))),
  'is starting up': () => answering(failure('FATAL', '57P03', 'the database system is starting up'), null),
  'has too many clients': () => answering(failure('FATAL', '53300', 'sorry, too many clients already'), null),
  'rejects the password': () => answering(authentication(3), failure('FATAL', '28P01', 'wrong'), null),
  'wants an unknown login': () => answering(authentication(99)),
  'leaves after the login': () => answering(accepted, null),
  'rejects the first command': () => answering(accepted, Buffer.concat([failure('ERROR', '42501', 'no'), ready])),
  'answers without a result': () => answering(accepted, ready, ready, ready),
  'announces 2 GB': () => answering(accepted, Buffer.from([0x54, 0x7f, 0xff, 0xff, 0xff])),
  'begins a COPY at the first command': () => answering(accepted, copying('H')),
  'begins a COPY to the client': () => answering(accepted, executed, copying('H')),
  'begins a COPY from the client': () => answering(accepted, executed, copying('G')),
  'begins a COPY both ways': () => answering(accepted, executed, copying('W')),
};
