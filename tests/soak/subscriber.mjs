// One subscriber of any kind that behaves like a page: it keeps its cursor, reconnects after an end, and honours the
// server's retry times. Events go to its Reader of the ledger and are not kept.
import { sleep } from '../lib/conditions.mjs';
import { StreamParser } from '../lib/stream_parser.mjs';
import { parsePollBody } from '../lib/wire.mjs';
import { agentFor, exchange, isToBeRepeated } from './transport.mjs';

const kLongestWait = 1000; // ms, even if the server asks for more
const kMayCome = new Set([200, 503]);

const startOf = (id) => (typeof id === 'string' ? { since_us: Number(id.slice(3)) * 1e6 } : { after: id });

export async function sleepWhile(goes, ms) {
  for (const until = Date.now() + ms; goes() && Date.now() < until;) await sleep(Math.min(100, until - Date.now() + 1));
}

export class Subscriber {
  // kind: 'stream', 'long-poll' or 'poll'; base: '/rt' or '/fb'; cursor: an id, a time as { since_us }, or none (for a
  // stream); headers: a function that gives them for each connection; wait_id, types: as in the protocol.
  constructor(ports, reader, note, { kind, base, via, channels, cursor, types, wait_id, ...options }) {
    Object.assign(this, { ports_: ports, reader_: reader, note_: note, kind_: kind, via_: via });
    this.headers_ = options.headers ?? (() => ({}));
    this.statuses_ = options.statuses ?? kMayCome;
    this.path_ = `${base}/events/${channels.join(',')}${wait_id ? `/${wait_id}` : ''}`;
    this.query_ = types ? { types: types.join(',') } : {};
    if (kind !== 'stream') this.query_.flavor = kind;
    if (kind !== 'stream') this.agent_ = agentFor(via);
    this.cursor_ = cursor?.since_us ? `rt-${cursor.since_us / 1e6}` : cursor;
    if (cursor !== undefined) reader.begin(cursor.since_us ? cursor : { after: cursor });
    this.stopped_ = false;
    this.finished = this.run_();
  }

  async run_() {
    while (!this.stopped_) {
      const wait = await (this.kind_ === 'stream' ? this.stream_() : this.poll_());
      await sleepWhile(() => !this.stopped_, wait);
    }
    this.agent_?.destroy();
  }

  start_(onData, more = {}) {
    const query = new URLSearchParams(this.query_).toString();
    const headers = { ...this.headers_(), ...more };
    if (this.cursor_ !== undefined) headers['Last-Event-ID'] = String(this.cursor_);
    const path = `${this.path_}${query ? `?${query}` : ''}`;
    this.now_ = exchange(this.ports_, { via: this.via_, path, headers, agent: this.agent_ ?? false, onData });
    return this.now_;
  }

  async stream_() {
    let retry = kLongestWait;
    const parser = new StreamParser({
      onBlock: (block) => {
        if (block.retry !== undefined) retry = block.retry;
        if (block.id !== undefined) this.cursor_ = block.id;
        const is_first = block.kind === 'opening' || block.kind === 'waiting';
        if (!this.reader_.begun && is_first) this.reader_.begin(startOf(block.id));
        if (block.kind === 'event') this.reader_.took(block);
      },
    });
    const state = this.start_((chunk) => state.status === 200 && parser.push(chunk), { Accept: 'text/event-stream' });
    const how = await state.over;
    parser.end({ clean: how === 'end' && state.status === 200 });
    for (const violation of parser.violations) this.note_(`${this.reader_.name}: ${violation}`);
    return Math.min(this.checked_(state, how) ?? retry, kLongestWait);
  }

  async poll_() {
    const chunks = [];
    const state = this.start_((chunk) => chunks.push(chunk));
    const how = await state.over;
    const failed = this.checked_(state, how);
    if (failed !== undefined) return Math.min(failed, kLongestWait);
    try {
      for (const event of parsePollBody(Buffer.concat(chunks).toString())) this.reader_.took(event);
    } catch (error) {
      this.note_(`${this.reader_.name}: ${error.message}`);
    }
    this.cursor_ = Number(state.headers['last-event-id']);
    return Math.min(Number(state.headers['x-ps-reconnect-in']) * 1000, kLongestWait);
  }

  // The time to wait if there was no answer to read, in ms. A stream may be cut at any time, a poll may not.
  checked_(state, how) {
    if (how === 'left' || this.stopped_) return 0;
    if (state.status !== undefined && !this.statuses_.has(state.status)) {
      this.note_(`${this.reader_.name}: answered ${state.status} (${how})`);
    }
    if (state.status !== 200 && state.status !== undefined) return Number(state.headers['retry-after'] ?? 1) * 1000;
    if (how === 'end' || (this.kind_ === 'stream' && state.status === 200)) return undefined;
    if (isToBeRepeated(state, true)) return 0;
    this.note_(`${this.reader_.name}: ${how}, status ${state.status}, reused ${state.reused}`);
    return kLongestWait;
  }

  pause() {
    this.now_?.pause();
  }

  resume() {
    this.now_?.resume();
  }

  // how: 'end' or 'reset'.
  async leave(how = 'end') {
    this.stopped_ = true;
    this.now_?.leave(how);
    await this.finished;
  }
}
