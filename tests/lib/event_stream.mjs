// A client of event streams. Like a browser it keeps the last event id, honours `retry` and reconnects (on request);
// unlike one it records everything: each block with its bytes and time, each connection and how it ended.
import assert from 'node:assert/strict';
import http from 'node:http';
import https from 'node:https';

import { kDefaultTimeout, PermanentError, sleep, waitFor } from './conditions.mjs';
import { atEnd } from './lifetime.mjs';
import { StreamParser } from './stream_parser.mjs';

const kDefaultRetry = 1000; // ms

export class EventStream {
  // host, port, path: the address; cursor: the first Last-Event-ID; reconnect: reconnect after an end, as a browser
  // does; maxDelay: upper limit of the server's retry times (ms); envelope: events carry their whole object;
  // through: receives the bytes instead of the parser (for an encoded stream); connect: makes the socket.
  constructor({ host = '127.0.0.1', port, path, connect, tls = false, headers = {}, cursor, reconnect = false,
    maxDelay = 5000, envelope = false, onEvent = () => {}, through }) {
    this.options_ = { host, port, path, connect, tls, headers, reconnect, maxDelay, envelope, onEvent, through };
    this.cursor = cursor === undefined ? undefined : String(cursor);
    this.retry = kDefaultRetry;
    this.blocks = [];
    this.events = [];
    this.violations = [];
    this.connections = [];
    this.stopped_ = false;
    this.finished = this.run_();
    atEnd(() => this.close());
  }

  get connection() {
    return this.connections.at(-1);
  }

  get status() {
    return this.connection?.status;
  }

  get opening() {
    return this.blocks.find((block) => block.kind === 'opening');
  }

  // The cursor of its first block, which is not an opening block while the database is away.
  get start() {
    return this.blocks.find(({ kind }) => kind === 'opening' || kind === 'waiting')?.id;
  }

  async run_() {
    do {
      await this.connectOnce_();
      if (this.stopped_ || !this.options_.reconnect) break;
      await this.pauseBeforeReconnect_();
    } while (!this.stopped_);
  }

  async pauseBeforeReconnect_() {
    const { status, headers } = this.connection;
    const asked = status === 503 ? Number(headers['retry-after'] ?? 1) * 1000 : this.retry;
    const until = Date.now() + Math.min(asked, this.options_.maxDelay);
    while (!this.stopped_ && Date.now() < until) await sleep(Math.min(20, until - Date.now() + 1));
  }

  connectOnce_() {
    const { host, port, path, connect, tls, headers, envelope } = this.options_;
    const all = { Accept: 'text/event-stream', ...headers };
    if (this.cursor !== undefined) all['Last-Event-ID'] = this.cursor;
    const connection = {
      startedAt: performance.now(), status: undefined, headers: {}, bytes: 0, body: '', how: undefined,
    };
    this.connections.push(connection);
    const parser = new StreamParser({ onBlock: (block) => this.take_(block), envelope });
    return new Promise((resolve) => {
      const finish = (how) => {
        if (connection.how) return;
        connection.how = how;
        connection.endedAt = performance.now();
        parser.end({ clean: how === 'end' && connection.status === 200 });
        this.violations.push(...parser.violations);
        resolve();
      };
      const how = connect ? { createConnection: connect } : { agent: false };
      const options = { host, port, path, headers: all, ...how, rejectUnauthorized: false };
      this.request_ = (tls ? https : http).get(options, (message) => this.read_(message, connection, parser, finish));
      this.request_.on('error', (error) => finish(this.stopped_ ? 'closed' : error.code ?? error.message));
    });
  }

  read_(message, connection, parser, finish) {
    this.message_ = message;
    connection.status = message.statusCode;
    connection.headers = message.headers;
    message.on('data', (chunk) => {
      connection.bytes += chunk.length;
      if (message.statusCode === 200 && this.options_.through) this.options_.through(chunk);
      else if (message.statusCode === 200) parser.push(chunk);
      else connection.body += chunk.toString();
    });
    message.on('end', () => finish('end'));
    message.on('error', (error) => finish(this.stopped_ ? 'closed' : error.code ?? error.message));
    message.on('close', () => finish(this.stopped_ ? 'closed' : 'cut'));
  }

  take_(block) {
    this.blocks.push(block);
    if (block.retry !== undefined) this.retry = block.retry;
    if (block.id !== undefined) this.cursor = String(block.id);
    if (block.kind !== 'event') return;
    this.events.push(block);
    this.options_.onEvent(block);
  }

  // --- for tests ---

  // Waits for the opening block: every event after it must reach this client.
  async opened(timeout = kDefaultTimeout) {
    await waitFor(() => this.opening ?? this.failed_(), { what: () => `stream open, ${this.describe()}`, timeout });
    return this;
  }

  failed_() {
    if (!this.connection?.how || this.options_.reconnect) return false;
    throw new PermanentError(`the stream is over: ${this.describe()}`);
  }

  async waitForEvents(count, timeout = kDefaultTimeout) {
    const what = () => `${count} events, ${this.events.length} so far, ${this.describe()}`;
    await waitFor(() => this.events.length >= count || this.failed_(), { what, timeout });
    return this.events;
  }

  async waitForBlock(predicate, timeout = kDefaultTimeout) {
    const what = () => `a block, ${this.describe()}`;
    return waitFor(() => this.blocks.find(predicate) ?? this.failed_(), { what, timeout });
  }

  // Waits until the server has ended the stream (only without reconnect).
  async ended(timeout = kDefaultTimeout) {
    await waitFor(() => this.connection?.how, { what: () => `end of stream, ${this.describe()}`, timeout });
    return this.connection;
  }

  // Stops reading from the socket, so that TCP's window closes.
  pause() {
    this.message_.pause();
  }

  resume() {
    this.message_.resume();
  }

  // All bytes so far, as text.
  text() {
    return Buffer.concat(this.blocks.map((block) => block.raw)).toString('utf8');
  }

  describe() {
    const last = this.connection ?? {};
    const state = `status ${last.status}, how ${last.how}, ${last.body ?? ''}`;
    return `${this.options_.path} cursor ${this.cursor}, ${this.connections.length} connections, last: ${state}`;
  }

  async close() {
    this.stopped_ = true;
    this.request_?.destroy();
    await this.finished;
  }

  assertStrict() {
    assert.deepEqual(this.violations, []);
  }
}
