// Servers that are no database: each accepts connections to another point, and then is silent.
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

// Answers the startup packet (PostgreSQL manual, "Message Flow") with `answer`, and nothing after it. TLS is declined.
function answering(answer) {
  return listen((socket) => socket.on('data', (bytes) => {
    if (bytes.length === 8 && bytes.readUInt32BE(4) === kSslRequest) return socket.write('N');
    if (!socket.greeted) socket.write(answer);
    socket.greeted = true;
  }));
}

export const startSilentServer = () => listen(() => {});
export const startSilentAuthentication = () => answering(authentication(3)); // asks for a password
// As a pooler whose server does not answer.
export const startSilentSession = () => answering(Buffer.concat([authentication(0), message('Z', Buffer.from('I'))]));
