// The judgement over a stress: what the log must say about the transactions of Writers.

function grouped(events) {
  const groups = new Map();
  for (const event of events) {
    if (!groups.has(event.tx)) groups.set(event.tx, []);
    groups.get(event.tx).push(event);
  }
  return groups;
}

// rows: the log, in order of id; record: { committed, rolledBack, unsure }; counters: Map of r to v in the table. Gives
// the violations as text.
export function judgeStress(rows, record, counters) {
  const events = rows.map((row) => ({ id: row.id, ...JSON.parse(row.data) })).filter((event) => event.tx || event.bad);
  const byTransaction = grouped(events);
  return [
    ...events.filter(({ bad }) => bad).map(({ id }) => `an event that was rolled back to a savepoint: id ${id}`),
    ...judgeCounters(events, counters),
    ...judgeTickets(events),
    ...judgeSessions(events, record),
    ...judgeContents(byTransaction, record),
    ...judgeClock(byTransaction, record.committed),
    ...judgeWhole(byTransaction, record.committed),
  ];
}

// A counter's events are in order, none is missing or there twice, and none was forgotten at the end.
function judgeCounters(events, counters) {
  const violations = [];
  const last = new Map();
  for (const { id, r, v } of events.filter((event) => event.v !== undefined)) {
    const before = last.get(r) ?? 0;
    if (v !== before + 1) violations.push(`counter ${r}: ${v} after ${before} at id ${id}`);
    last.set(r, v);
  }
  for (const [r, v] of counters) {
    if ((last.get(r) ?? 0) !== v) violations.push(`counter ${r}: ${last.get(r) ?? 0} in the log, ${v} in the table`);
  }
  return violations;
}

function judgeTickets(events) {
  const violations = [];
  const last = new Map();
  for (const { id, l, t } of events.filter((event) => event.t !== undefined)) {
    if (t <= (last.get(l) ?? 0)) violations.push(`lock ${l}: ticket ${t} after ${last.get(l)} at id ${id}`);
    last.set(l, t);
  }
  return violations;
}

// A writer's transactions follow one another; but one over HTTP whose answer did not come may be committed later.
function judgeSessions(events, { unsure }) {
  const violations = [];
  const last = new Map();
  const late = new Set(unsure.map(({ tx }) => tx));
  for (const { id, tx } of events.filter((event) => event.tx && !late.has(event.tx))) {
    const [writer, number] = tx.split('.').map(Number);
    const before = last.get(writer) ?? 0;
    if (number < before) violations.push(`writer ${writer}: ${number} after ${before} at id ${id}`);
    last.set(writer, Math.max(number, before));
  }
  return violations;
}

function problemOf(transaction, found) {
  const numbered = found.filter(({ late }) => !late).map(({ i }) => i);
  const wanted = Array.from({ length: transaction.events }, (_, i) => i);
  if (numbered.join() !== wanted.join()) return `has the events ${numbered.join()}, not ${wanted.join()}`;
  const late = found.length - numbered.length;
  if (late !== transaction.late) return `has ${late} events of its trigger, not ${transaction.late}`;
  if (transaction.id !== undefined && found[0].id !== transaction.id) return `has another id than ${transaction.id}`;
  return undefined;
}

// All of what was committed is there, once and in order; nothing of what was rolled back; the rest is whole.
function judgeContents(byTransaction, record) {
  const violations = [];
  const of = ({ tx }) => byTransaction.get(tx) ?? [];
  for (const transaction of record.committed) {
    const problem = problemOf(transaction, of(transaction));
    if (problem) violations.push(`${transaction.tx} (${transaction.level ?? 'HTTP'}, committed) ${problem}`);
  }
  for (const transaction of record.rolledBack) {
    if (of(transaction).length > 0) violations.push(`${transaction.tx} was rolled back, and is there`);
  }
  for (const transaction of record.unsure.filter((one) => of(one).length > 0)) {
    const problem = problemOf(transaction, of(transaction));
    if (problem) violations.push(`${transaction.tx} (unsure) ${problem}`);
  }
  return violations;
}

const extents = (byTransaction, transactions) => transactions
  .filter(({ tx }) => byTransaction.has(tx))
  .map((one) => ({ ...one, first: byTransaction.get(one.tx)[0].id, last: byTransaction.get(one.tx).at(-1).id }))
  .sort((a, b) => a.first - b.first);

// A transaction that began after another one was committed has greater ids.
function judgeClock(byTransaction, committed) {
  const violations = [];
  let earliest_end = Infinity;
  for (const { tx, from, to, first } of extents(byTransaction, committed).reverse()) {
    if (earliest_end < from) violations.push(`${tx}, id ${first}: one that was committed before has a greater id`);
    earliest_end = Math.min(earliest_end, to);
  }
  return violations;
}

// No other transaction's events come between those of one turn. Under SERIALIZABLE each event is a turn.
function judgeWhole(byTransaction, committed) {
  const whole = extents(byTransaction, committed.filter(({ turns, level }) => turns === 1 && level !== 'SERIALIZABLE'));
  return whole.slice(1).flatMap((one, n) =>
    whole[n].last >= one.first ? [`${one.tx} begins at id ${one.first} between the events of ${whole[n].tx}`] : []);
}
