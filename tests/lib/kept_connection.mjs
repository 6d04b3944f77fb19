// One connection with several requests in succession, for tests about a connection's history: HTTP/1.1 written byte by
// byte (kept or pipelined, with or without TLS), and HTTP/2. Both have ask(), stream() and close().
import assert from 'node:assert/strict';
import http2 from 'node:http2';
import net from 'node:net';
import tls from 'node:tls';

import { kDefaultTimeout, waitFor, within } from './conditions.mjs';

const kContinue = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n');

// Gives [content of the complete chunks, bytes used, whether the last chunk was among them].
function unchunk(bytes) {
  const chunks = [];
  let at = 0;
  for (;;) {
    const line_end = bytes.indexOf('\r\n', at);
    if (line_end < 0) break;
    const size = parseInt(bytes.subarray(at, line_end).toString('latin1'), 16);
    if (bytes.length < line_end + 4 + size) break;
    chunks.push(bytes.subarray(line_end + 2, line_end + 2 + size));
    at = line_end + 4 + size;
    if (size === 0) return [Buffer.concat(chunks), at, true];
  }
  return [Buffer.concat(chunks), at, false];
}

function parseHead(bytes) {
  const [first, ...lines] = bytes.toString('latin1').split('\r\n');
  const match = /^HTTP\/1\.1 ([0-9]{3})( |$)/.exec(first);
  assert.ok(match, `invalid status line: ${first.slice(0, 200)}`);
  const field = (line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()];
  return { status: Number(match[1]), headers: Object.fromEntries(lines.map(field)) };
}

// The first answer in `bytes`, { status, headers, raw, size, whole }; undefined until its head is complete.
function firstAnswer(bytes, method) {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const answer = parseHead(bytes.subarray(0, end));
  const rest = bytes.subarray(end + 4);
  if (method === 'HEAD' || answer.status === 204 || answer.status === 304) {
    return { ...answer, raw: Buffer.alloc(0), size: end + 4, whole: true };
  }
  if (answer.headers['transfer-encoding'] === 'chunked') {
    const [raw, used, whole] = unchunk(rest);
    return { ...answer, raw, size: end + 4 + used, whole };
  }
  const length = Number(answer.headers['content-length'] ?? Infinity);
  return { ...answer, raw: rest.subarray(0, length), size: end + 4 + length, whole: rest.length >= length };
}

export class Http1 {
  // pipelined: flush() writes all requests at once.
  constructor(port, { secure = false, pipelined = false } = {}) {
    const address = { port, host: '127.0.0.1', rejectUnauthorized: false };
    this.socket_ = secure ? tls.connect(address) : net.connect(address);
    this.socket_.setNoDelay(true);
    this.received_ = Buffer.alloc(0);
    this.waiting_ = []; // methods of requests without an answer
    this.pipelines = pipelined;
    this.corked_ = pipelined ? [] : undefined;
    this.turn_ = Promise.resolve();
    this.socket_.on('data', (chunk) => (this.received_ = Buffer.concat([this.received_, chunk])));
    this.socket_.on('error', () => {});
    this.socket_.on('close', () => (this.closed_ = true));
  }

  write_(bytes) {
    if (this.corked_) this.corked_.push(bytes);
    else this.socket_.write(bytes);
  }

  flush() {
    const bytes = Buffer.concat(this.corked_ ?? []);
    this.corked_ = undefined;
    if (bytes.length > 0) this.socket_.write(bytes);
  }

  head_(method, path, headers) {
    const fields = Object.entries({ Host: 'localhost', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
    return Buffer.from(`${method} ${path} HTTP/1.1\r\n${fields.join('')}\r\n`, 'latin1');
  }

  // body: bytes; framing: how they are sent: 'length', 'chunked' or 'expect' (after a 100).
  ask({ method = 'GET', path, headers = {}, body, framing = 'length' }) {
    if (body === undefined) {
      this.write_(this.head_(method, path, headers));
    } else if (framing === 'chunked') {
      const half = body.length >> 1;
      const parts = [body.subarray(0, half), body.subarray(half)].filter((part) => part.length > 0);
      const chunks = parts.flatMap((part) => [`${part.length.toString(16)}\r\n`, part, '\r\n']).concat('0\r\n\r\n')
        .map((part) => Buffer.from(part));
      this.write_(Buffer.concat([this.head_(method, path, { ...headers, 'Transfer-Encoding': 'chunked' }), ...chunks]));
    } else if (framing === 'expect' && !this.corked_) {
      this.write_(this.head_(method, path, { ...headers, 'Content-Length': body.length, Expect: '100-continue' }));
      return this.after_(async () => {
        await this.until_(() => this.received_.length >= kContinue.length, path);
        // If nginx rejects the request at once it sends no 100; the body is sent all the same.
        const { received_: received } = this;
        const [start, rest] = [received.subarray(0, kContinue.length), received.subarray(kContinue.length)];
        if (start.equals(kContinue)) this.received_ = rest;
        this.socket_.write(body);
        return this.take_(method, path);
      });
    } else {
      this.write_(Buffer.concat([this.head_(method, path, { ...headers, 'Content-Length': body.length }), body]));
    }
    return this.after_(() => this.take_(method, path));
  }

  // Answers are read in the order of the requests.
  after_(next) {
    this.turn_ = this.turn_.then(next);
    this.turn_.catch(() => {});
    return this.turn_;
  }

  until_(ready, what) {
    const start = () => JSON.stringify(this.received_.toString('latin1').slice(0, 300));
    const state = () => `${what}; ${this.closed_ ? 'closed' : 'open'}, ${start()}`;
    return waitFor(() => ready() || (this.closed_ && assert.fail(state())), { what: state, interval: 2 });
  }

  // A body without a length ends with the connection.
  async take_(method, path) {
    let answer;
    const is_there = () => {
      answer = firstAnswer(this.received_, method);
      return answer?.whole || (this.closed_ && answer?.size === Infinity);
    };
    await this.until_(is_there, `answer to ${method} ${path}`);
    this.received_ = this.received_.subarray(answer.size);
    return { ...answer, body: answer.raw.toString() };
  }

  // Opens a stream. Gives { status, headers, bytes(), text(), over() } when its head is there.
  stream({ path, headers = {} }) {
    this.write_(this.head_('GET', path, { Accept: 'text/event-stream', ...headers }));
    return this.after_(async () => {
      await this.until_(() => firstAnswer(this.received_, 'GET'), `stream ${path}`);
      const now = () => firstAnswer(this.received_, 'GET');
      const bytes = () => now().raw;
      return { ...now(), bytes, text: () => bytes().toString(), over: () => this.closed_ || now().whole };
    });
  }

  // Bytes received beyond the answers read so far.
  get excess() {
    return this.received_.toString('latin1');
  }

  close() {
    this.socket_.destroy();
  }
}

export class Http2 {
  constructor(port) {
    this.session_ = http2.connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
    this.session_.on('error', () => {});
    this.excess = '';
  }

  flush() {}

  request_({ method = 'GET', path, headers = {}, body }) {
    const fields = { ':method': method, ':path': path, ...headers };
    const stream = this.session_.request(fields, { endStream: body === undefined });
    if (body !== undefined) stream.end(body);
    return stream;
  }

  ask(question) {
    const stream = this.request_(question);
    const answer = new Promise((resolve, reject) => {
      const chunks = [];
      let headers = {};
      stream.on('response', (fields) => (headers = fields));
      stream.on('data', (chunk) => chunks.push(chunk));
      stream.on('error', reject);
      stream.on('close', () => {
        const raw = Buffer.concat(chunks);
        resolve({ status: headers[':status'], headers, raw, body: raw.toString() });
      });
    });
    return within(answer, kDefaultTimeout, question.path);
  }

  // A request whose client cancels it in the middle of the body.
  async abandon(question) {
    const stream = this.request_({ ...question, body: undefined, method: 'POST' });
    stream.on('error', () => {});
    stream.close(http2.constants.NGHTTP2_CANCEL);
    await new Promise((resolve) => stream.once('close', resolve));
  }

  async stream({ path, headers = {} }) {
    const stream = this.request_({ path, headers: { accept: 'text/event-stream', ...headers } });
    const chunks = [];
    let over = false;
    stream.on('data', (chunk) => chunks.push(chunk));
    stream.on('error', () => {});
    stream.on('close', () => (over = true));
    const head = await within(new Promise((resolve) => stream.once('response', resolve)), kDefaultTimeout, path);
    const bytes = () => Buffer.concat(chunks);
    return { status: head[':status'], headers: head, bytes, text: () => bytes().toString(), over: () => over };
  }

  close() {
    this.session_.destroy();
  }
}
