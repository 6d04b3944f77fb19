// A client of WebSockets for tests, on npm's `ws`, in the dialect pgevents.v1: it keeps what the server sends, in
// order, and asks. And a bare socket after a handshake, for frames that no client would send.
import assert from 'node:assert/strict';
import net from 'node:net';

import { WebSocket } from 'ws';

import { waitFor, within } from './conditions.mjs';
import { parsePollBody } from './wire.mjs';

export const kProtocol = 'pgevents.v1';
const kTimeout = 60_000;

export const socketUrl = ({ host = '127.0.0.1', port, path, tls = false }) =>
  `${tls ? 'wss' : 'ws'}://${host}:${port}${path}`;

export class Socket {
  constructor({ host, port, path, protocols = [kProtocol], tls = false, ...options }) {
    this.messages = []; // each { at, text, object }
    this.pings = 0;
    this.socket = new WebSocket(socketUrl({ host, port, path, tls }), protocols,
      { rejectUnauthorized: false, perMessageDeflate: false, ...options });
    this.socket.on('message', (data, binary) => {
      assert.equal(binary, false);
      const text = String(data);
      const object = JSON.parse(text);
      this.messages.push({ at: performance.now(), text, object });
      this.onMessage?.(object, text);
    });
    this.socket.on('ping', () => (this.pings += 1));
    this.ended = new Promise((resolve) => this.socket.on('close', (code, reason) => {
      this.over = { code, reason: String(reason) };
      resolve(this.over);
    }));
    this.ready = new Promise((resolve, reject) => {
      this.socket.on('upgrade', (response) => (this.response = response));
      this.socket.on('open', resolve);
      this.socket.on('error', (error) => {
        this.error = error;
        reject(error);
      });
    });
    this.ready.catch(() => {});
    this.asked = 0;
  }

  // The first message, which has the cursor, is there.
  async opened() {
    await within(this.ready, kTimeout, 'a WebSocket');
    await waitFor(() => this.messages.length > 0 || this.socket.protocol !== kProtocol, { what: 'the opening' });
    return this;
  }

  get objects() {
    return this.messages.map((message) => message.object);
  }

  get events() {
    return this.objects.filter((object) => 'id' in object);
  }

  // As the judge of deliveries wants them; parsed strictly.
  get received() {
    const texts = this.messages.map(({ text }) => text).filter((text) => text.startsWith('{"id":'));
    const events = parsePollBody(`[${texts.join(',')}]`);
    return { events, describe: () => `WebSocket ${this.socket.url}`, assertStrict: () => {} };
  }

  get cursors() {
    return this.objects.filter((object) => 'cursor' in object).map((object) => object.cursor);
  }

  waitForEvents(count, timeout = kTimeout) {
    return waitFor(() => this.events.length >= count, { what: `${count} events, not ${this.events.length}`, timeout });
  }

  send(message) {
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  // Sends a request and gives its reply: { status, body }.
  async ask(message, timeout = kTimeout) {
    const number = ++this.asked;
    this.send({ request: number, ...message });
    return this.reply(number, timeout);
  }

  async reply(number, timeout = kTimeout) {
    const find = () => this.objects.find((object) => object.reply === number) ?? (this.over && { over: this.over });
    const found = await waitFor(find, { what: `the reply to ${number}`, timeout });
    assert.ok(!found.over, `closed: ${JSON.stringify(found.over)}`);
    return { status: found.status, body: found.body };
  }

  async close(code, reason) {
    this.socket.close(code, reason);
    return within(this.ended, kTimeout, 'the end of a WebSocket');
  }

  end(timeout = kTimeout) {
    return within(this.ended, timeout, 'the end of a WebSocket');
  }
}

// The status and body of the answer to a handshake that is rejected.
export async function rejected(options) {
  const socket = new Socket(options);
  const answer = await within(new Promise((resolve, reject) => {
    socket.socket.on('unexpected-response', (request, response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => {
        const body = String(Buffer.concat(chunks));
        resolve({ status: response.statusCode, headers: response.headers, body });
        request.destroy();
      });
    });
    socket.socket.on('open', () => reject(new Error('the handshake was accepted')));
  }), kTimeout, 'an answer to a handshake');
  return answer;
}

export const kKey = 'dGhlIHNhbXBsZSBub25jZQ==';
export const kAccept = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='; // RFC 6455, section 1.3

// The text of a handshake; `headers` replace or, with null, remove the usual ones.
export function handshake(path, headers = {}) {
  const all = {
    Host: 'x', Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Key': kKey, 'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Protocol': kProtocol, ...headers,
  };
  const lines = Object.entries(all).filter(([, value]) => value !== null).map(([name, value]) => `${name}: ${value}\r\n`);
  return `GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

// A client's frame: masked, whole; `fin`, `opcode`, `mask`, `length` (as it is written) may be anything.
export function frame(payload, { fin = true, rsv = 0, opcode = 1, mask = true, form } = {}) {
  const bytes = Buffer.from(payload);
  const key = Buffer.from([0x12, 0xab, 0x00, 0xff]);
  const size = form ?? (bytes.length < 126 ? 0 : bytes.length < 65536 ? 2 : 8);
  const head = Buffer.alloc(2 + size);
  head[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  head[1] = (mask ? 0x80 : 0) | (size === 0 ? bytes.length : size === 2 ? 126 : 127);
  if (size === 2) head.writeUInt16BE(bytes.length, 2);
  if (size === 8) head.writeBigUInt64BE(BigInt(bytes.length), 2);
  if (!mask) return Buffer.concat([head, bytes]);
  return Buffer.concat([head, key, bytes.map((byte, at) => byte ^ key[at & 3])]);
}

export const jsonFrame = (object, options) => frame(JSON.stringify(object), options);

export function closeFrame(code, reason = '', options = {}) {
  const payload = code === undefined ? Buffer.alloc(0) : Buffer.concat([Buffer.from([code >> 8, code & 255]),
    Buffer.from(reason)]);
  return frame(payload, { opcode: 8, ...options });
}

// A connection on which the test itself writes bytes. frames: what the server has sent, each { opcode, payload }.
export class RawSocket {
  constructor({ port, path, headers, connect = () => net.connect(port, '127.0.0.1') }) {
    this.socket = connect();
    this.bytes = Buffer.alloc(0);
    this.socket.on('data', (chunk) => (this.bytes = Buffer.concat([this.bytes, chunk])));
    this.socket.on('error', (error) => (this.error = error));
    this.closed = new Promise((resolve) => this.socket.on('close', () => resolve((this.over = true))));
    this.socket.write(handshake(path, headers));
  }

  get head() {
    const end = this.bytes.indexOf('\r\n\r\n');
    return end < 0 ? undefined : this.bytes.subarray(0, end + 4).toString();
  }

  get frames() {
    const frames = [];
    let rest = this.head === undefined ? Buffer.alloc(0) : this.bytes.subarray(this.head.length);
    while (rest.length >= 2) {
      assert.equal(rest[0] & 0xf0, 0x80, 'whole frames without reserved bits');
      assert.equal(rest[1] & 0x80, 0, 'not masked');
      const short = rest[1];
      const head = short === 126 ? 4 : short === 127 ? 10 : 2;
      if (rest.length < head) break;
      const size = short === 126 ? rest.readUInt16BE(2) : short === 127 ? Number(rest.readBigUInt64BE(2)) : short;
      if (rest.length < head + size) break;
      frames.push({ opcode: rest[0] & 15, payload: rest.subarray(head, head + size) });
      rest = rest.subarray(head + size);
    }
    return frames;
  }

  get texts() {
    return this.frames.filter(({ opcode }) => opcode === 1).map(({ payload }) => JSON.parse(payload));
  }

  // The server's close frame: { code, reason }.
  get closing() {
    const found = this.frames.find(({ opcode }) => opcode === 8);
    return found && {
      code: found.payload.length >= 2 ? found.payload.readUInt16BE(0) : 1005, reason: String(found.payload.subarray(2)),
    };
  }

  write(...parts) {
    this.socket.write(Buffer.concat(parts));
  }

  async opened() {
    await waitFor(() => this.frames.length > 0, { what: 'the first frame' });
    return this;
  }

  async waitClosed(timeout = kTimeout) {
    await within(this.closed, timeout, 'the end of the connection');
    return this.closing;
  }

  destroy() {
    this.socket.destroy();
  }
}
