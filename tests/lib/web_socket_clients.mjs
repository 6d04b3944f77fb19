// WebSocket clients of other projects behind one call, each as its documentation says, with compression offered where
// the client can:
//
//   const socket = await client.connect('ws://…', ['pgevents.v1']);   // rejects if the handshake fails
//   socket.protocol, socket.extensions, socket.texts, socket.messages // messages: what the JSON of the texts means
//   socket.send(text); socket.sendFragments([text, …]);               // sendFragments: where the client has it
//   socket.close(code, reason); await socket.closed;                  // { code, reason }
//   await client.stop();
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';

import { WebSocket, WebSocketServer } from 'ws';

import { within } from './conditions.mjs';
import { kRoot } from './scratch.mjs';

const kTimeout = 60_000;

// `start` gets the address, subprotocols, and what to call: opened({ protocol, extensions }), message(text),
// closed({ code, reason }), failed(what). It gives { send, close, sendFragments, kill }.
function clientOf(start, stop = () => {}) {
  const sockets = [];
  const connect = async (url, protocols) => {
    const socket = { texts: [], messages: [] };
    const opened = withResolvers();
    const closed = withResolvers();
    socket.closed = closed.promise;
    Object.assign(socket, await start(url, protocols, {
      opened: opened.resolve,
      message: (text) => socket.messages.push(JSON.parse(text)) && socket.texts.push(text),
      closed: (how) => {
        opened.reject(new Error(`closed before it was open: ${how.code}`));
        closed.resolve(how);
      },
      failed: (what) => opened.reject(new Error(what)),
    }));
    sockets.push(socket);
    Object.assign(socket, await within(opened.promise, kTimeout, 'a handshake'));
    return socket;
  };
  return { connect, stop: async () => (sockets.forEach((socket) => socket.kill()), stop()) };
}

function withResolvers() {
  const it = {};
  it.promise = new Promise((resolve, reject) => Object.assign(it, { resolve, reject }));
  it.promise.catch(() => {});
  return it;
}

// npm's ws. It is open when its ping was answered.
export function npmWs() {
  return clientOf((url, protocols, report) => {
    const socket = new WebSocket(url, protocols, { perMessageDeflate: true, rejectUnauthorized: false });
    socket.on('open', () => socket.ping('p'.repeat(125)));
    socket.on('pong', () => report.opened({ protocol: socket.protocol, extensions: socket.extensions }));
    socket.on('message', (data) => report.message(String(data)));
    socket.on('close', (code, reason) => report.closed({ code, reason: String(reason) }));
    socket.on('error', (error) => report.failed(error.message));
    return {
      send: (text) => socket.send(text),
      sendFragments: (parts) => parts.forEach((part, n) => socket.send(part, { fin: n === parts.length - 1 })),
      close: (code, reason) => socket.close(code, reason),
      kill: () => socket.terminate(),
    };
  });
}

// The interface of browsers: undici's, Node's own.
export function browserLike(Class) {
  return clientOf((url, protocols, report) => {
    const socket = new Class(url, protocols);
    socket.onopen = () => report.opened({ protocol: socket.protocol, extensions: socket.extensions });
    socket.onmessage = ({ data }) => report.message(data);
    socket.onclose = ({ code, reason }) => report.closed({ code, reason });
    socket.onerror = () => report.failed('error');
    return {
      send: (text) => socket.send(text), close: (code, reason) => socket.close(code, reason), kill: () => socket.close(),
    };
  });
}

// Each line of the program is { opened | message | closed | failed: … }; it reads { send | fragments | close: … }.
function lines(url, protocols, report, [command, ...args]) {
  const child = spawn(command, [...args, url, ...protocols], { stdio: ['pipe', 'pipe', 'inherit'] });
  readline.createInterface({ input: child.stdout }).on('line', (line) => {
    const [[what, value]] = Object.entries(JSON.parse(line));
    report[what](value);
  });
  child.on('close', () => report.failed('the program has ended'));
  child.stdin.on('error', () => {});
  const tell = (message) => child.stdin.write(`${JSON.stringify(message)}\n`);
  return {
    send: (text) => tell({ send: text }),
    sendFragments: (fragments) => tell({ fragments }),
    close: (code, reason) => tell({ close: [code, reason] }),
    kill: () => child.kill(),
  };
}

// Python's websockets, of the system's Python: Debian's package is for that one.
export function python() {
  const program = ['/usr/bin/python3', path.join(kRoot, 'tests/clients/web_socket.py')];
  return clientOf((url, protocols, report) => lines(url, protocols, report, program));
}

/* global document, location */
// Runs in a page: obeys what comes over a WebSocket of the test's own, whose port is in the address.
function obey() {
  const control = new globalThis.WebSocket(`ws://127.0.0.1:${location.hash.slice(1)}`);
  const sockets = [];
  const connect = (n, url, protocols) => {
    const socket = (sockets[n] = new globalThis.WebSocket(url, protocols));
    const report = (what, value) => control.send(JSON.stringify([n, what, value]));
    socket.onopen = () => report('opened', { protocol: socket.protocol, extensions: socket.extensions });
    socket.onmessage = ({ data }) => report('message', data);
    socket.onclose = ({ code, reason }) => report('closed', { code, reason });
    socket.onerror = () => report('failed', 'error');
  };
  control.onmessage = ({ data }) => {
    const [n, what, ...args] = JSON.parse(data);
    if (what === 'connect') connect(n, ...args);
    else sockets[n][what](...args);
  };
  control.onopen = () => (document.title = 'obeys');
}

// The content of a page that browser() opens, for a file of the tested server: so its origin is that server's.
export const kPage = `<!doctype html><meta charset="utf-8"><title>waits</title><script>(${obey})();</script>`;

// A browser. `open` opens a page, and gives a function that closes it.
export async function browser(open, page) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  const connected = new Promise((resolve) => server.on('connection', resolve));
  await new Promise((resolve) => server.on('listening', resolve));
  const close = await open(`${page}#${server.address().port}`);
  const control = await within(connected, kTimeout, 'the page');
  const reports = [];
  control.on('message', (data) => {
    const [n, what, value] = JSON.parse(String(data));
    reports[n][what](value);
  });
  const tell = (...message) => control.send(JSON.stringify(message));
  return clientOf((url, protocols, report) => {
    const n = reports.push(report) - 1;
    tell(n, 'connect', url, protocols);
    return { send: (text) => tell(n, 'send', text), close: (...how) => tell(n, 'close', ...how), kill: () => tell(n, 'close') };
  }, async () => {
    await close();
    server.close();
    server.clients.forEach((client) => client.terminate());
  });
}

export const inChromium = (chromium) => async (address) => {
  const context = await chromium.newContext({ ignoreHTTPSErrors: true });
  await (await context.newPage()).goto(address);
  return () => context.close();
};

// Firefox needs no driver: the page itself obeys. dir: an empty folder for its profile.
export const inFirefox = (dir) => async (address) => {
  fs.writeFileSync(path.join(dir, 'user.js'), ['browser.shell.checkDefaultBrowser', 'app.update.enabled',
    'datareporting.policy.dataSubmissionEnabled'].map((name) => `user_pref("${name}", false);\n`).join(''));
  const child = spawn('firefox-esr', ['--headless', '--no-remote', '--profile', dir, address],
    { stdio: 'ignore', env: { ...process.env, HOME: dir } });
  const ended = new Promise((resolve) => child.on('close', resolve));
  return () => (child.kill(), ended);
};
