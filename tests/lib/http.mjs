// HTTP for tests: one request with its whole answer (bytes kept), and raw exchanges over a bare socket.
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';

import { within } from './conditions.mjs';

const kTimeout = 60_000;

export class Response {
  constructor(message, raw) {
    this.status = message.statusCode;
    this.headers = message.headers;
    this.rawHeaders = message.rawHeaders;
    this.httpVersion = message.httpVersion;
    this.raw = raw;
  }

  get body() {
    return this.raw.toString('utf8');
  }

  json() {
    return JSON.parse(this.body);
  }

  // The number of times that a header occurs in the answer.
  count(name) {
    return this.rawHeaders.filter((entry, i) => i % 2 === 0 && entry.toLowerCase() === name.toLowerCase()).length;
  }
}

// Sends one request to a TCP port, to a Unix socket, or over the socket that `connect` makes; `tls` means https without
// verification.
export async function request({
  host = '127.0.0.1', port, socketPath, connect, tls = false, method = 'GET', path = '/', headers = {}, body, agent, timeout = kTimeout,
}) {
  // Bytes with their length: with text, Node would send the headers as UTF-8 too, and it frames no body of a GET or
  // DELETE.
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  const all = bytes ? { 'Content-Length': bytes.length, ...headers } : headers;
  const how = connect ? { createConnection: connect } : { agent: agent ?? false };
  const options = { host, port, socketPath, method, path, headers: all, ...how };
  const answer = new Promise((resolve, reject) => {
    const outgoing = (tls ? https : http).request({ ...options, rejectUnauthorized: false }, (message) => {
      const chunks = [];
      message.on('data', (chunk) => chunks.push(chunk));
      message.on('error', reject);
      message.on('end', () => resolve(new Response(message, Buffer.concat(chunks))));
    });
    outgoing.on('error', reject);
    outgoing.end(bytes);
  });
  return within(answer, timeout, `${method} ${path}`);
}

// Sends bytes unchanged and collects the answer until the server closes or `until(bytes so far, socket)` is true.
export async function rawExchange({ port, socketPath }, bytes, { until, timeout = kTimeout } = {}) {
  const socket = socketPath ? net.connect(socketPath) : net.connect(port, '127.0.0.1');
  let received = Buffer.alloc(0);
  const done = new Promise((resolve, reject) => {
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (until?.(received, socket)) resolve();
    });
    socket.on('close', resolve);
    socket.on('error', (error) => (received.length > 0 ? resolve() : reject(error)));
  });
  socket.write(bytes);
  try {
    await within(done, timeout, `answer to ${JSON.stringify(String(bytes).slice(0, 200))}`);
  } finally {
    socket.destroy();
  }
  return received;
}

// Splits the bytes of one connection into answers: [{ status, version, headers, raw }]. It knows Content-Length,
// chunked bodies and bodies that end with the connection, which are the forms that servers send.
export function parseAnswers(bytes, { heads = [] } = {}) {
  const answers = [];
  let rest = bytes;
  while (rest.length > 0) {
    const end = rest.indexOf('\r\n\r\n');
    const start = () => JSON.stringify(rest.toString('latin1').slice(0, 300));
    if (end < 0) throw new Error(`end of headers not found in ${start()}`);
    const [first, ...lines] = rest.subarray(0, end).toString('latin1').split('\r\n');
    const match = /^HTTP\/([0-9.]+) ([0-9]{3})( |$)/.exec(first);
    if (!match) throw new Error(`invalid status line: ${first}`);
    const headers = Object.fromEntries(lines.map((line) => [
      line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]));
    const bodiless = heads.includes(answers.length) || match[2] === '204' || match[2] === '304';
    const [raw, left] = takeBody(rest.subarray(end + 4), headers, bodiless);
    answers.push({ version: match[1], status: Number(match[2]), headers, raw });
    rest = left;
  }
  return answers;
}

function takeBody(bytes, headers, bodiless) {
  if (bodiless) return [Buffer.alloc(0), bytes];
  if (headers['transfer-encoding'] === 'chunked') return takeChunked(bytes);
  const length = headers['content-length'] === undefined ? bytes.length : Number(headers['content-length']);
  if (bytes.length < length) throw new Error(`body cut: ${bytes.length} of ${length} bytes`);
  return [bytes.subarray(0, length), bytes.subarray(length)];
}

function takeChunked(bytes) {
  const chunks = [];
  let rest = bytes;
  for (;;) {
    const line_end = rest.indexOf('\r\n');
    if (line_end < 0) throw new Error('chunked body cut');
    const size = parseInt(rest.subarray(0, line_end).toString('latin1'), 16);
    if (rest.length < line_end + 4 + size) throw new Error('chunk cut');
    chunks.push(rest.subarray(line_end + 2, line_end + 2 + size));
    rest = rest.subarray(line_end + 4 + size);
    if (size === 0) return [Buffer.concat(chunks), rest];
  }
}
