// TCP ports for the servers of a test. A port belongs to one test process until that process ends. None of them is one
// that the kernel gives to outgoing connections: with thousands of clients in another suite, such a port is often taken
// before the server listens on it.
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

import { isAlive } from './processes.mjs';

const kFirst = 10_000;
const kRangeFile = '/proc/sys/net/ipv4/ip_local_port_range';
const kLast = Math.min(32_767, Number(fs.readFileSync(kRangeFile, 'utf8').split(/\s+/)[0]) - 1);
const kFolder = path.join(os.tmpdir(), `pgevents-test-ports.${process.getuid()}`);

// The file that names the process which has the port.
export const fileOf = (port) => path.join(kFolder, String(port));

const reserved = new Set();
process.on('exit', () => reserved.forEach((port) => fs.rmSync(fileOf(port), { force: true })));

// True if the port belongs to this process now. A reservation of a dead process is taken over.
export function reserve(port) {
  fs.mkdirSync(kFolder, { recursive: true });
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      fs.writeFileSync(fileOf(port), String(process.pid), { flag: 'wx' });
      reserved.add(port);
      return true;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (!isAbandoned(port)) return false;
    fs.rmSync(fileOf(port), { force: true });
  }
  return false;
}

// The file is empty while its process is writing it.
function isAbandoned(port) {
  try {
    const owner = Number(fs.readFileSync(fileOf(port), 'utf8'));
    return owner !== 0 && !isAlive(owner);
  } catch {
    return false;
  }
}

const canListen = (port) => new Promise((resolve) => {
  const server = net.createServer();
  server.once('error', () => resolve(false));
  server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
});

// A TCP port on 127.0.0.1 that is free, and that no other test is given while this process lives.
export async function freePort() {
  for (let attempt = 0; attempt < 10_000; attempt++) {
    const port = kFirst + Math.floor(Math.random() * (kLast - kFirst + 1));
    if (!reserved.has(port) && reserve(port) && await canListen(port)) return port;
  }
  throw new Error(`no free port between ${kFirst} and ${kLast}`);
}
