// The network between the front-ends and their database: a TCP proxy with faults.
import net from 'node:net';

import { sleep } from './conditions.mjs';
import { atEnd } from './lifetime.mjs';

export class Proxy {
  constructor(port, { host = '127.0.0.1', at = {} } = {}) {
    this.target_ = { host, port };
    this.at_ = { host: '127.0.0.1', port: 0, ...at };
    this.pairs_ = new Set();
    this.delay_ = 0;
    this.refusing_ = false;
    this.tried = 0; // connections, including rejected ones
    this.server_ = net.createServer((inner) => this.join_(inner));
  }

  get port() {
    return this.server_.address().port;
  }

  async listen() {
    await new Promise((resolve) => this.server_.listen(this.at_, resolve));
  }

  join_(inner) {
    this.tried++;
    if (this.refusing_) return inner.resetAndDestroy();
    const pair = { sockets: [inner, net.connect(this.target_)], frozen: false };
    this.pairs_.add(pair);
    const [, outer] = pair.sockets;
    this.pass_(pair, inner, outer);
    this.pass_(pair, outer, inner);
    return pair;
  }

  pass_(pair, from, to) {
    let before = Promise.resolve(); // what was sent earlier arrives earlier, whatever the delay
    from.on('error', () => {});
    from.on('data', (bytes) => {
      const arrives = this.delay_ > 0 ? sleep(this.delay_) : undefined;
      before = before.then(() => arrives).then(() => pair.frozen || to.write(bytes));
    });
    from.on('close', () => {
      if (pair.frozen) return;
      this.pairs_.delete(pair);
      before.then(() => to.destroy());
    });
  }

  // Milliseconds more in each direction.
  delay(ms) {
    this.delay_ = ms;
  }

  // Every connection is reset, and new ones too, until mend().
  cut() {
    this.refusing_ = true;
    for (const { sockets } of this.pairs_) for (const socket of sockets) socket.resetAndDestroy();
    this.pairs_.clear();
  }

  mend() {
    this.refusing_ = false;
    this.delay_ = 0;
  }

  // Keeps every current connection open and forwards nothing more in either direction; later connections are not
  // affected. Gives the number of frozen connections.
  freeze() {
    for (const pair of this.pairs_) pair.frozen = true;
    return this.pairs_.size;
  }

  close() {
    for (const socket of [...this.pairs_].flatMap(({ sockets }) => sockets)) socket.destroy();
    this.server_.close();
  }
}

// Starts a proxy to `port` of `host`, which ends with the test file. at: its own { host, port }, or any free port.
export async function startProxy(port, options) {
  const proxy = new Proxy(port, options);
  await proxy.listen();
  atEnd(() => proxy.close());
  return proxy;
}
