// One exchange with nginx over HTTP/1.1 or HTTP/2, with TLS or without, which can be left in any way. It counts the
// connections that it opens, for comparison with the servers' sockets, and keeps nothing of finished exchanges.
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import net from 'node:net';

export const kVias = ['plain', 'tls', 'h2', 'h2c'];

const kHost = '127.0.0.1';
export const counts = { open: 0, made: 0, again: 0 };

// A leaving worker closes its idle connections at once, and cannot know that a request is on its way (RFC 9112, section
// 9.3.1; HTTP/2 sends GOAWAY). Browsers repeat such a request, and so must callers if this is true. Only during a
// reload: at any other time an unanswered request is a fault.
const kAfterwards = 3000; // ms, for requests that had been sent before
let leaving = 0;
let left_at = -Infinity;
// Counts as a reload until `gone` settles, that is until the old workers have exited.
export function noteReload(gone) {
  leaving++;
  gone.finally(() => {
    leaving--;
    left_at = performance.now();
  });
}
const isReloading = () => leaving > 0 || performance.now() - left_at < kAfterwards;

export function isToBeRepeated({ status, via, reused }, is_cut = status === undefined) {
  const is_so = is_cut && (reused || via.startsWith('h2')) && isReloading();
  if (is_so) counts.again++;
  return is_so;
}

const counted = new WeakSet();
function count(socket) {
  if (counted.has(socket)) return; // it is used again
  counted.add(socket);
  counts.open++;
  counts.made++;
  socket.once('close', () => counts.open--);
}

// One connection for successive requests; destroy() ends it.
export function agentFor(via) {
  if (via.startsWith('h2')) return new Session(via);
  return new (via === 'tls' ? https : http).Agent({ keepAlive: true, maxSockets: 1 });
}

class Session {
  constructor(via) {
    this.via_ = via;
  }

  // A session that still accepts requests.
  at(port) {
    if (this.now_ && !this.now_.closed && !this.now_.destroyed) return this.now_;
    const made = http2.connect(`${this.via_ === 'h2' ? 'https' : 'http'}://${kHost}:${port}`,
      { rejectUnauthorized: false });
    made.on('connect', (_, socket) => count(socket));
    made.on('error', () => {}); // its streams report the error themselves
    made.on('goaway', () => made.close());
    this.now_ = made;
    return made;
  }

  destroy() {
    this.now_?.destroy();
  }
}

function overHttp1(port, { via, path, method, headers, body, agent }, take, finish, state) {
  const options = { host: kHost, port, path, method, headers, agent, rejectUnauthorized: false };
  const outgoing = (via === 'tls' ? https : http).request(options, (message) => {
    take(message.statusCode, message.headers, message);
    message.on('end', () => finish('end'));
    message.on('error', (error) => finish(error.code ?? error.message));
    message.on('close', () => finish('cut'));
  });
  outgoing.on('socket', (socket) => {
    state.reused = counted.has(socket); // `reusedSocket` is false for a socket that a request had to wait for
    count(socket);
  });
  outgoing.on('error', (error) => finish(error.code ?? error.message));
  outgoing.end(body);
  return (how) => {
    if (how === 'reset' && outgoing.socket instanceof net.Socket && via === 'plain') outgoing.socket.resetAndDestroy();
    outgoing.destroy();
  };
}

function overHttp2(port, { via, path, method, headers, body, agent }, take, finish, state) {
  const own = agent || new Session(via);
  const session = own.at(port);
  const stream = session.request({ ...lowered(headers), ':path': path, ':method': method });
  stream.on('error', (error) => finish(error.code ?? error.message));
  stream.on('response', (answer) => take(answer[':status'], answer, stream));
  // Node also emits 'end' when the connection breaks in the middle of an answer.
  stream.on('end', () => finish(stream.aborted || state.bytes < Number(state.headers['content-length']) ? 'cut' : 'end'));
  stream.on('close', () => {
    finish('cut');
    if (!agent) own.destroy();
  });
  stream.end(body);
  return (how) => {
    if (how === 'reset') stream.close(http2.constants.NGHTTP2_CANCEL);
    own.destroy();
  };
}

const lowered = (headers) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));

// ports: { plain, tls, h2, h2c }. Gives { status, headers (once there is an answer), over (a promise of how it ended:
// 'end', 'cut', 'left' or an error's code), pause(), resume(), leave(how) }. onData gets the bytes of the answer.
export function exchange(ports, options) {
  const { via = 'plain', path, method = 'GET', headers = {}, body, agent = false, onData = () => {} } = options;
  const state = { status: undefined, headers: {}, via, bytes: 0 };
  let finish;
  state.over = new Promise((resolve) => (finish = resolve));
  let incoming;
  const take = (status, answer, readable) => {
    Object.assign(state, { status, headers: answer });
    incoming = readable;
    readable.on('data', (chunk) => {
      state.bytes += chunk.length;
      onData(chunk);
    });
  };
  const length = body === undefined ? {} : { 'Content-Length': Buffer.byteLength(body) };
  const all = { ...length, ...headers };
  const start = via.startsWith('h2') ? overHttp2 : overHttp1;
  const leave = start(ports[via], { via, path, method, headers: all, body, agent }, take, finish, state);
  state.pause = () => incoming?.pause();
  state.resume = () => incoming?.resume();
  state.leave = (how) => {
    finish('left');
    leave(how);
  };
  return state;
}

// The same with the whole answer: { status, headers, body, … }; without one, status is undefined, and `how` gives the
// end.
export async function ask(ports, options) {
  const chunks = [];
  const state = exchange(ports, { ...options, onData: (chunk) => chunks.push(chunk) });
  const how = await state.over;
  const body = Buffer.concat(chunks).toString();
  return { ...state, status: how === 'end' ? state.status : undefined, how, headers: state.headers, body };
}

// Opens a bare connection that sends these bytes; the caller destroys it.
export function openRaw(ports, bytes) {
  const socket = net.connect(ports.plain, kHost);
  socket.on('error', () => {});
  count(socket);
  socket.write(bytes);
  return socket.resume();
}
