// A client of WebSockets that reconnects as docs/protocol.md says: it has a cursor for each channel, connects with the
// smallest, and drops what it has. At first it subscribes to its channels one after the other on the open connection.
// While the fallback answers, it polls. It has the interface of EventStream that a crowd of clients needs.
import assert from 'node:assert/strict';

import { sleep, waitFor, within } from './conditions.mjs';
import { request } from './http.mjs';
import { atEnd } from './lifetime.mjs';
import { Socket } from './web_socket.mjs';
import { parsePollBody } from './wire.mjs';

const kOpening = 10_000;

export class SocketClient {
  // cursor: where all channels begin, an id or `rt-…`; undefined: at the first cursor that the server sends.
  // headers: of the handshake.
  constructor({ host, port, base, channels, cursor, headers = {}, maxDelay = 1000, tls = false }) {
    this.options_ = { host, port, base, headers, maxDelay, tls };
    this.channels = channels;
    this.given_ = cursor === undefined ? undefined : String(cursor);
    this.cursors = new Map();
    this.all_ = [];
    this.violations = [];
    this.resets_ = 0;
    this.connections = [];
    this.polls = 0;
    this.failures = [];
    this.live_ = new Set();
    this.finished = this.run_();
    atEnd(() => this.close());
  }

  // In the order of ids: channels may come in between each other's. Behind a reset ids may begin anew.
  get events() {
    if (this.sorted_?.length !== this.all_.length) {
      this.sorted_ = this.all_.toSorted((a, b) => a.resets - b.resets || a.id - b.id);
    }
    return this.sorted_;
  }

  async run_() {
    while (!this.stopped_) {
      await this.connectOnce_().catch((error) => this.failures.push(error));
      if (!this.stopped_) await sleep(Math.random() * Math.min(300, this.options_.maxDelay));
    }
  }

  smallest_() {
    const known = this.channels.map((channel) => this.cursors.get(channel));
    return known.includes(undefined) ? this.given_ : String(Math.min(...known));
  }

  async connectOnce_() {
    const { host, port, base, headers, tls } = this.options_;
    const first = this.connections.length === 0;
    const wanted = first ? this.channels.slice(0, 1) : this.channels;
    const from = this.smallest_();
    const query = from === undefined ? '' : `?last_event_id=${from}`;
    const socket = new Socket({ host, port, tls, headers, path: `${base}/events/${wanted.join(',')}${query}` });
    this.socket_ = socket;
    this.live_ = new Set(wanted);
    this.said_ = new Map(); // the server's cursors on this connection
    socket.onMessage = (object, text) => this.take_(object, text);
    try {
      if (!(await this.opens_(socket))) return await this.pollOnce_();
      this.connections.push(socket);
      await Promise.race([first ? this.subscribeToRest_(socket) : undefined, socket.ended]);
      return await socket.ended;
    } finally {
      // Given up before its end: it must not deliver beside the next one.
      socket.onMessage = undefined;
      socket.socket.terminate();
    }
  }

  // False if no WebSocket is served here.
  async opens_(socket) {
    try {
      await within(socket.ready, kOpening, 'a WebSocket');
      return true;
    } catch (error) {
      if (/response: 426$/.test(error.message)) return false;
      throw error;
    }
  }

  async pollOnce_() {
    const { host, port, base, headers, tls } = this.options_;
    const from = this.smallest_();
    if (from === undefined) return;
    const path = `${base}/events/${this.channels.join(',')}?flavor=poll&last_event_id=${from}`;
    const answer = await request({ host, port, tls, path, headers });
    if (answer.status !== 200) throw new Error(`status ${answer.status}`);
    this.polls += 1;
    this.live_ = new Set(this.channels);
    this.said_ = new Map();
    this.start ??= this.given_;
    for (const event of parsePollBody(answer.body)) this.takeEvent_(event);
    for (const channel of this.channels) this.move_(channel, Number(answer.headers['last-event-id']));
  }

  async subscribeToRest_(socket) {
    await waitFor(() => this.start !== undefined || socket.over, { what: 'the opening' });
    for (const channel of this.channels.slice(1)) {
      const { status, body } = await socket.ask({ subscribe: [channel], last_event_id: this.given_ ?? String(this.start) });
      if (status !== 200) return socket.close(); // for a moment: the next connection has all channels
      this.live_.add(channel);
      this.move_(channel, Number(body.last_event_id));
    }
    return undefined;
  }

  take_(object, text) {
    if (object.cursor !== undefined) {
      this.start ??= this.given_ ?? (object.cursor.startsWith('rt-') ? object.cursor : Number(object.cursor));
      if (object.cursor.startsWith('rt-')) this.given_ ??= object.cursor;
      else for (const channel of this.live_) this.move_(channel, Number(object.cursor));
    } else if (object.id !== undefined) {
      this.takeEvent_(parsePollBody(`[${text}]`)[0]);
    }
  }

  takeEvent_(event) {
    const { id, type, channel_id: channel } = event;
    if (type === 'pgevents.expired') return;
    if (type === 'pgevents.reset') return this.takeReset_(event);
    const said = this.said_.get(channel) ?? -1;
    if (id <= said) this.violations.push(`event ${id} of ${channel} twice on a connection, or behind its cursor ${said}`);
    this.said_.set(channel, id);
    if (id <= (this.cursors.get(channel) ?? -1)) return; // the connection began behind another channel's cursor
    this.cursors.set(channel, id);
    this.keep_(event);
  }

  // The log goes on from there, perhaps from an earlier state of it.
  takeReset_(event) {
    this.resets_ += 1;
    for (const channel of this.live_) {
      this.said_.set(channel, event.id);
      this.cursors.set(channel, event.id);
    }
    this.keep_(event);
  }

  keep_(event) {
    this.all_.push({ ...event, at: performance.now(), resets: this.resets_ });
  }

  // Everything of the channel up to there was sent.
  move_(channel, id) {
    this.said_.set(channel, Math.max(this.said_.get(channel) ?? 0, id));
    this.cursors.set(channel, Math.max(this.cursors.get(channel) ?? 0, id));
  }

  async opened() {
    await waitFor(() => this.start !== undefined, { what: `the opening of ${this.describe()}` });
    return this;
  }

  describe() {
    return `WebSocket of ${this.channels.join(',')}, ${this.connections.length} connections, ${this.polls} polls`;
  }

  assertStrict() {
    assert.deepEqual(this.violations, [], this.describe());
  }

  async close() {
    this.stopped_ = true;
    this.socket_?.socket.terminate();
    await this.finished;
  }
}
