// A strict reader of the event stream that pgevents sends. It knows the few blocks that the protocol allows and reports
// everything else as a violation: unknown fields, several data lines, carriage returns, invalid UTF-8, descending ids.
import { parseEventObject } from './wire.mjs';

const kRetry = /^retry: ([0-9]+)$/;
const kId = /^id: ([0-9]+|rt-[0-9]+(?:\.[0-9]{6})?)$/;
const kEvent = /^event: ([^\n]*)$/;
const kData = /^data: ([^\n]*)$/;
// The lines that carry a cursor without an event of a channel.
const kCursor = [/^event: pgevents\.cursor()$/, /^data:()$/, kId];
const kWaiting = /^: (waiting for the database)$/;
const kBlankLine = Buffer.from('\n\n');

// A cursor is a number, or text if it is a time.
const idOf = (text) => (text.startsWith('rt-') ? text : Number(text));

const kShapes = [
  ['opening', [kRetry, ...kCursor], ([retry, , , id]) => ({ retry: Number(retry), id: idOf(id) })],
  ['waiting', [kWaiting, kRetry, ...kCursor], ([, retry, , , id]) => ({ retry: Number(retry), id: idOf(id) })],
  ['closing', [kRetry], ([retry]) => ({ retry: Number(retry) })],
  ['cursor', kCursor, ([, , id]) => ({ id: idOf(id) })],
  ['event', [kEvent, kData, kId], ([type, data, id]) => ({ type, data, id: idOf(id) })],
  ['heartbeat', [/^(:)$/], () => ({})],
  ['heartbeat', [/^(:)$/, ...kCursor], ([, , , id]) => ({ id: idOf(id) })],
];

function readBlock(text) {
  const lines = text.split('\n');
  for (const [kind, patterns, fields] of kShapes) {
    if (patterns.length !== lines.length) continue;
    const matches = patterns.map((pattern, i) => pattern.exec(lines[i]));
    if (matches.every(Boolean)) return { kind, ...fields(matches.map((match) => match[1])) };
  }
  return { kind: 'unknown' };
}

export class StreamParser {
  // onBlock gets { kind, at (ms), raw (Buffer), … }; kinds: opening, waiting (the opening follows when the database is
  // there), closing, event, cursor, heartbeat, unknown.
  constructor({ onBlock = () => {}, envelope = false } = {}) {
    this.onBlock_ = onBlock;
    this.envelope_ = envelope;
    this.decoder_ = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    this.pending_ = [];
    this.pending_bytes_ = 0;
    this.count_ = 0;
    this.id_ = -1;
    this.opened_ = false;
    this.closed_ = false;
    this.violations = [];
  }

  push(chunk) {
    // Chunks are joined only when a blank line may have arrived, so that a large event is not copied per chunk.
    this.pending_.push(chunk);
    this.pending_bytes_ += chunk.length;
    if (!chunk.includes(0x0a)) return;
    let bytes = Buffer.concat(this.pending_);
    for (;;) {
      const end = bytes.indexOf(kBlankLine);
      if (end < 0) break;
      this.take_(bytes.subarray(0, end + 2));
      bytes = bytes.subarray(end + 2);
    }
    this.pending_ = [bytes];
    this.pending_bytes_ = bytes.length;
  }

  // The stream has ended; a `clean` end must not be in the middle of a block.
  end({ clean = true } = {}) {
    if (!clean || this.pending_bytes_ === 0) return;
    this.blame_('the stream ends in the middle of a block', Buffer.concat(this.pending_));
  }

  take_(raw) {
    let text = '';
    try {
      text = this.decoder_.decode(raw.subarray(0, -2));
    } catch {
      this.blame_('invalid UTF-8', raw);
    }
    if (raw.includes(0x0d) || raw.includes(0)) this.blame_('CR or NUL', raw);
    const block = { ...readBlock(text), at: performance.now(), raw };
    // The closing block may carry the cursor; then it looks like an opening.
    if (block.kind === 'opening' && this.opened_) block.kind = 'closing';
    this.check_(block);
    this.count_++;
    this.onBlock_(block);
  }

  check_(block) {
    if (block.kind === 'unknown') this.blame_('not a block of the protocol', block.raw);
    const first = this.count_ === 0;
    const misplaced = block.kind === 'waiting' ? !first : first && block.kind !== 'opening';
    if (misplaced) this.blame_('the opening must be first, and only there', block.raw);
    this.opened_ ||= block.kind === 'opening';
    const is_early = block.kind === 'event' && block.type !== 'pgevents.expired' && !this.opened_;
    if (is_early) this.blame_('an event before the opening', block.raw);
    if (this.closed_) this.blame_('a block after the closing one', block.raw);
    this.closed_ = block.kind === 'closing' || block.type === 'pgevents.expired';
    this.checkId_(block);
    if (block.kind === 'event') this.checkEvent_(block);
  }

  checkId_(block) {
    if (typeof block.id !== 'number') return;
    // An event's id must be new; a cursor may repeat, also the one of the last event of an expired stream. A reset may
    // lead to any id and reports it.
    const is_new = block.kind === 'event' && block.type !== 'pgevents.expired';
    const fits = is_new ? block.id > this.id_ : block.id >= this.id_;
    if (!fits && block.type !== 'pgevents.reset') this.blame_(`id after ${this.id_}`, block.raw);
    this.id_ = block.id;
  }

  checkEvent_(block) {
    try {
      if (this.envelope_) {
        block.object = parseEventObject(block.data);
        if (block.object.id !== block.id) this.blame_('another id in the envelope', block.raw);
        if (block.object.type !== block.type) this.blame_('another type in the envelope', block.raw);
      } else {
        JSON.parse(block.data);
      }
    } catch (error) {
      this.blame_(error.message, block.raw);
    }
  }

  blame_(what, raw) {
    this.violations.push(`${what}: ${JSON.stringify(raw.toString('utf8').slice(0, 300))}`);
  }
}
