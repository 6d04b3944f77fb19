// The judge of deliveries: compares what each subscriber received with what was committed (the log). Every event must
// arrive exactly once, in order and unaltered, and no other event may arrive.
import assert from 'node:assert/strict';

import { formatTs } from './wire.mjs';

const kShown = 5;

// The rows of `log` that a subscriber of `channels` (undefined: all) must receive: those after the cursor `after` (an
// id) or later than `since_us`, up to the id `until`, with its type filter applied.
export function expectedRows(log, { channels, after = 0, since_us, until = Infinity, types, not_types }) {
  return log.filter((row) =>
    (!channels || channels.includes(row.channel_id)) &&
    (since_us === undefined ? row.id > after : row.ts_us > since_us) &&
    row.id <= until &&
    (!types || types.includes(row.type)) &&
    !not_types?.includes(row.type));
}

function alterations(event, row) {
  const seen = event.object ?? event; // with envelope=1 the whole event is in `object`
  const wanted = {
    type: row.type, data: row.data.replace(/[\r\n]/g, ' '), channel_id: row.channel_id, ts: formatTs(row.ts_us),
  };
  return Object.keys(wanted).filter((name) => seen[name] !== undefined && seen[name] !== wanted[name]);
}

// Compares the received events (in order of arrival) with the expected rows. Gives [{ kind, id, … }]; kinds: foreign,
// duplicate, order, altered, loss. Reset events are foreign unless `resets` are allowed.
export function judge(received, rows, { resets = false } = {}) {
  const wanted = new Map(rows.map((row) => [row.id, row]));
  const problems = [];
  const seen = new Set();
  let highest = -Infinity;
  for (const event of received) {
    if (event.type === 'pgevents.reset' && resets) continue;
    const row = wanted.get(event.id);
    if (!row || event.type === 'pgevents.reset') {
      problems.push({ kind: 'foreign', id: event.id, type: event.type });
      continue;
    }
    if (seen.has(event.id)) problems.push({ kind: 'duplicate', id: event.id });
    else if (event.id < highest) problems.push({ kind: 'order', id: event.id, after: highest });
    const fields = alterations(event, row);
    if (fields.length > 0) problems.push({ kind: 'altered', id: event.id, fields });
    seen.add(event.id);
    highest = Math.max(highest, event.id);
  }
  for (const row of rows) if (!seen.has(row.id)) problems.push({ kind: 'loss', id: row.id });
  return problems;
}

export function summarise(problems) {
  const kinds = new Map();
  for (const problem of problems) kinds.set(problem.kind, [...(kinds.get(problem.kind) ?? []), problem]);
  const lines = [...kinds].map(([kind, list]) => `${list.length} × ${kind}: ${JSON.stringify(list.slice(0, kShown))}`);
  return lines.join('\n');
}

// Asserts that a client received exactly `rows` and that its bytes never deviated from the wire format.
export function assertDelivered(client, rows, options) {
  const problems = judge(client.events, rows, options);
  const counts = `${client.events.length} received, ${rows.length} expected`;
  assert.equal(summarise(problems), '', `${client.describe()}: ${counts}`);
  client.assertStrict();
}

// Compares the log with what the publishers committed. `record` is { committed, rolledBack, unsure }: lists of
// transactions { publisher, number, events: [{ token, channel, type }] }. Gives problems: missing, twice, ghost, order,
// torn, altered.
export function judgeLog(log, record) {
  const rows = new Map();
  const problems = [];
  for (const row of log) {
    const token = JSON.parse(row.data)?.token;
    if (token === undefined) continue;
    if (rows.has(token)) problems.push({ kind: 'twice', token });
    rows.set(token, row);
  }
  for (const transaction of record.committed) problems.push(...judgeTransaction(transaction, rows));
  for (const { events } of record.rolledBack) {
    for (const { token } of events) if (rows.has(token)) problems.push({ kind: 'ghost', token });
  }
  for (const transaction of record.unsure) {
    const found = transaction.events.filter(({ token }) => rows.has(token)).length;
    if (found > 0 && found < transaction.events.length) problems.push({ kind: 'torn', ...transaction });
  }
  return [...problems, ...judgeOrder(record.committed, rows)];
}

function judgeTransaction({ events }, rows) {
  const problems = [];
  let last = -Infinity;
  for (const { token, channel, type } of events) {
    const row = rows.get(token);
    if (!row) problems.push({ kind: 'missing', token });
    else if (row.id <= last) problems.push({ kind: 'order', token });
    else if (row.channel_id !== channel || row.type !== type) problems.push({ kind: 'altered', token });
    last = row?.id ?? last;
  }
  return problems;
}

// A publisher's transactions follow one another, so their ids must ascend.
function judgeOrder(committed, rows) {
  const problems = [];
  const last = new Map();
  for (const { publisher, events } of committed) {
    const ids = events.map(({ token }) => rows.get(token)?.id).filter((id) => id !== undefined);
    if (ids.length === 0) continue;
    if (Math.min(...ids) <= (last.get(publisher) ?? -Infinity)) problems.push({ kind: 'order', publisher, ids });
    last.set(publisher, Math.max(...ids));
  }
  return problems;
}
