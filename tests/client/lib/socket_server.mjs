// A real HTTP server on a free port that speaks pgevents.v1 over WebSocket (docs/protocol.md), and, by the model of
// network.mjs, streams and polls. `network.mode` fallback: a handshake is answered with 426.
import http from 'node:http';
import { WebSocketServer } from 'ws';

import { Network } from './network.mjs';

const kClock = { now: Date.now, setTimeout, clearTimeout };

// One open WebSocket: its channels and what it has been sent.
class Peer {
  channels = new Map(); // name → cursor
  requests = [];

  constructor(server, socket) {
    this.server = server;
    this.network = server.network;
    this.socket = socket;
    socket.on('message', (text) => this.#take(JSON.parse(text)));
  }

  send(frame) {
    this.socket.send(JSON.stringify(frame));
  }

  // Sends what is behind the cursors of these channels; then they are live.
  open(names, cursor) {
    const { network } = this;
    const after = cursor === undefined ? network.head : Number(cursor);
    if (after < network.oldest - 1 && after > 0) {
      const data = { reason: 'pruned', oldest: network.oldest, head: network.head };
      this.send({ id: network.oldest - 1, channel_id: names[0], ts: 0, data: { type: 'pgevents.reset', data } });
    }
    for (const name of names) if (!this.channels.has(name)) this.channels.set(name, after);
    this.look();
  }

  look() {
    for (const row of this.network.log) {
      const cursor = this.channels.get(row.channel_id);
      if (cursor === undefined || row.id <= cursor || row.id < this.network.oldest) continue;
      this.send(row);
      this.channels.set(row.channel_id, row.id);
    }
  }

  #take(frame) {
    const { request, ...rest } = frame;
    this.requests.push(rest);
    const [status, body] = this.#answer(rest);
    this.send({ reply: request, status, body });
  }

  #answer({ subscribe, unsubscribe, publish, call, token, ...rest }) {
    const { network, server } = this;
    const error = (status, code) => [status, { result: 'error', code, msg: `${code} it is` }];
    if (subscribe?.includes('forbidden')) return error(403, 'FORBIDDEN');
    if (subscribe) {
      this.open(subscribe, rest.last_event_id);
      return [200, { result: 'success', last_event_id: String(network.head) }];
    }
    for (const name of unsubscribe ?? []) this.channels.delete(name);
    if (unsubscribe) return [200, { result: 'success' }];
    if (publish) return [201, { result: 'success', id: server.publish(publish, rest.data, rest.type) }];
    if (call) return [200, { result: 'success', call }];
    return network.tokens?.has(token) === false ? error(401, 'UNAUTHORIZED') : [200, { result: 'success' }];
  }
}

async function textOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

export class SocketServer {
  peers = new Set();
  handshakes = 0;
  network = new Network(kClock);
  #sockets = new WebSocketServer({ noServer: true, handleProtocols: (all) => (all.has('pgevents.v1') ? 'pgevents.v1' : false) });

  constructor() {
    this.server = http.createServer((request, response) => this.#serve(request, response));
    this.server.on('upgrade', (...all) => this.#upgrade(...all));
  }

  async start() {
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.base = `http://127.0.0.1:${this.server.address().port}/rt`;
    return this;
  }

  async stop() {
    for (const { socket } of this.peers) socket.terminate();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  publish(...event) {
    const id = this.network.publish(...event);
    for (const peer of this.peers) peer.look();
    return id;
  }

  // Each server frame that a heartbeat brings.
  beat() {
    for (const peer of this.peers) peer.send({ cursor: String(this.network.head) });
  }

  close(code, reason) {
    for (const { socket } of this.peers) socket.close(code, reason);
  }

  async #serve(request, response) {
    const abort = new AbortController();
    response.on('close', () => abort.abort());
    const body = request.method === 'GET' ? undefined : await textOf(request);
    const { accept: Accept, authorization: Authorization } = request.headers;
    const headers = { ...request.headers, Accept, Authorization };
    try {
      const answer = await this.network.fetch(request.url, { method: request.method, headers, body, signal: abort.signal });
      response.writeHead(answer.status, Object.fromEntries(answer.headers));
      for await (const chunk of answer.body ?? []) response.write(chunk);
      response.end();
    } catch {
      response.destroy();
    }
  }

  #upgrade(request, socket, head) {
    this.handshakes++;
    const { pathname, searchParams } = new URL(request.url, 'http://test');
    const protocols = `${request.headers['sec-websocket-protocol']}`.split(/, */);
    const token = protocols.find((name) => name.startsWith('pgevents.token.'))?.slice('pgevents.token.'.length);
    const { network } = this;
    const refused = network.mode === 'fallback' ? '426 Upgrade Required'
      : network.tokens && !network.tokens.has(token) ? '401 Unauthorized' : undefined;
    if (refused) return socket.end(`HTTP/1.1 ${refused}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
    this.#sockets.handleUpgrade(request, socket, head, (open) => {
      const peer = new Peer(this, open);
      peer.protocols = protocols;
      this.peers.add(peer);
      open.on('close', () => this.peers.delete(peer));
      peer.open(pathname.split('/').at(-1).split(',').map(decodeURIComponent), searchParams.get('last_event_id') ?? undefined);
      peer.send({ cursor: String(network.head) });
    });
  }
}
