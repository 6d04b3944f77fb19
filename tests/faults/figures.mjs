// The times that the clients of a crowd waited.

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];

const kindsOf = (members) => [...new Set(members.map(({ kind }) => kind))];

// Milliseconds from the commit to the arrival of events that were committed after the client had connected, by kind of
// client: { kind: { p50, p99, longest } }.
export function delaysByKind(members, log) {
  const committed = new Map(log.map(({ id, ts_us }) => [id, ts_us]));
  const isLive = ({ joined_us }, { id }) => committed.get(id) > joined_us;
  const delay = ({ id, at }) => performance.timeOrigin + at - committed.get(id) / 1000;
  const found = {};
  for (const kind of kindsOf(members)) {
    const those = members.filter((member) => member.kind === kind);
    const events = those.flatMap((member) => member.client.events.filter((event) => isLive(member, event)));
    const all = events.map(delay).sort((a, b) => a - b);
    const rounded = (q) => Math.round(quantile(all, q) * 10) / 10;
    if (all.length > 0) found[kind] = { p50: rounded(0.5), p99: rounded(0.99), longest: rounded(1) };
  }
  return found;
}

// The longest time, in ms, that any client of a kind received no event between two events.
export function longestGaps(members) {
  const gaps = {};
  for (const kind of kindsOf(members)) gaps[kind] = 0;
  for (const { kind, client } of members) {
    client.events.forEach(({ at }, n) => {
      if (n > 0) gaps[kind] = Math.max(gaps[kind], Math.round(at - client.events[n - 1].at));
    });
  }
  return gaps;
}
