// The form of the cluster scenarios, as tests/faults/scenario.mjs is that of the faults of one machine: events flow to
// clients of every kind while a machine fails; afterwards each client must have every event of the final log once, in
// order, and the final log every event that was acknowledged to its publisher.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';

import { judge, judgeLog, summarise } from '../../lib/checker.mjs';
import { range, sleep, waitFor } from '../../lib/conditions.mjs';
import { whyNoNetwork } from '../../lib/network.mjs';
import { Crowd, isReset, kChannels, startFlow } from '../../faults/crowd.mjs';

// Everything is played by ./run cluster, one representative of each kind in the suite.
export const playsAll = process.env.PGEVENTS_CLUSTER === 'all';
const kRounds = Number(process.env.PGEVENTS_CLUSTER_ROUNDS ?? 1);
const kRecords = process.env.PGEVENTS_CLUSTER_RECORDS;
const kPatience = 180_000;
const kShown = 3;

// Defines a scenario as a test, or as many as ./run cluster has rounds. strike({ flow, t }) breaks something, repairs
// it, and returns when the system is whole again. service(): { database, entrances }; options: see play().
export function scenario(sentence, service, strike, { representative = false, ...options } = {}) {
  if (!playsAll && !representative) return;
  for (const round of range(1, kRounds)) {
    const title = round === 1 ? sentence : `${sentence} (${round})`;
    test(title, { skip: whyNoNetwork }, async (t) => play(t, sentence, await service(), strike, options));
  }
}

// clients: of each entrance; mayTakeBack: acknowledged events may be lost, which clients must learn by a reset.
async function play(t, sentence, service, strike, { clients = 24, mayTakeBack = false }) {
  const { database, entrances } = service;
  const since = await database.head();
  const crowds = [];
  for (const entrance of entrances) {
    const crowd = new Crowd({ ...entrance, database }, { since });
    await fill(crowd, clients, since);
    crowds.push({ name: entrance.name, crowd });
  }
  const flow = startFlow(database, { pauseMs: [20, 60] });
  await flows(flow);
  const from = performance.now();
  await strike({ flow, t });
  await flows(flow);
  const seconds = (performance.now() - from) / 1000;
  const record = await flow.stop();
  await database.settled();
  const log = await database.log({ after: since });
  const acknowledged = judgeAcknowledged(log, record, from);
  const verdicts = [];
  for (const { name, crowd } of crowds) {
    const verdict = await judgeCrowd(crowd, log, { from, mayTakeBack });
    report(t, { sentence, entrance: name, seconds, ...acknowledged, ...verdict.figures });
    verdicts.push(...verdict.problems.slice(0, kShown), ...(mayTakeBack ? [] : acknowledged.problems));
  }
  assert.equal(verdicts.join('\n'), '');
}

// Half of each kind are identified users, who are sent away where a revocation may have been missed.
async function fill(crowd, count, cursor) {
  for (const n of range(0, count - 1)) {
    const channels = n % 4 === 0 ? kChannels : [kChannels[n % kChannels.length]];
    const headers = n % 8 < 4 ? {} : { 'X-User': `${n}` };
    if (n % 4 < 2) crowd.stream(channels, { headers });
    else if (n % 4 === 2) crowd.poller(channels, { cursor, headers });
    else crowd.webSocket(channels, { headers });
  }
  await crowd.opened();
}

// Waits for a steady flow.
export async function flows(flow, count = 60) {
  const wanted = flow.committedEvents + count;
  await waitFor(() => flow.committedEvents > wanted, { what: 'a flow of events', timeout: kPatience, interval: 50 });
}

// Is every event that a publisher's COMMIT acknowledged in the final log, once and in order? gapWrites: the longest
// time that the log received nothing, in s.
function judgeAcknowledged(log, record, from) {
  const problems = judgeLog(log, record);
  const writes = log.map(({ ts_us }) => ({ at: ts_us / 1000 - performance.timeOrigin }));
  const count = (kind) => problems.filter((problem) => problem.kind === kind).length;
  const acknowledged = record.committed.reduce((sum, { events }) => sum + events.length, 0);
  return { acknowledged, takenBack: count('missing'), gapWrites: longestGap(writes, from) / 1000,
    problems: problems.length > 0 ? [summarise(problems)] : [] };
}

async function judgeCrowd(crowd, log, { from, mayTakeBack }) {
  const late = await crowd.caughtUp({ log, timeout: kPatience }).then(() => [], (error) => [error.message]);
  const { figures, verdicts } = crowd.verdict(log);
  const gaps = crowd.members.map(({ client }) => longestGap(client.events, from)).sort((a, b) => a - b);
  const problems = mayTakeBack ? crowd.members.flatMap((member) => afterReset(crowd, member, log)) : verdicts;
  await crowd.close();
  const gap = { gapHalf: gaps[Math.floor(gaps.length / 2)] / 1000, gapLongest: gaps.at(-1) / 1000 };
  return { figures: { ...figures, ...gap }, problems: [...problems, ...late] };
}

// The longest time that a client received nothing, in ms, since the fault began.
function longestGap(events, from) {
  const times = events.map(({ at }) => at);
  return Math.max(0, ...times.map((at, n) => (n > 0 && at > from ? at - times[n - 1] : 0)));
}

// A client that learnt by a reset that events were taken back must have everything behind its last reset once; another
// one everything.
function afterReset(crowd, member, log) {
  const { events } = member.client;
  const at = events.findLastIndex(isReset);
  const after = at === -1 ? -1 : events[at].id;
  const seen = events.slice(at + 1).filter(({ id }) => at !== -1 || id > crowd.since);
  const rows = crowd.rowsFor(member, log).filter(({ id }) => id > after);
  const wanted = at === -1 ? rows : rows.filter(({ id }) => id >= (seen[0]?.id ?? 0));
  const problems = judge(seen, wanted);
  return problems.length > 0 ? [`${member.kind} ${member.client.describe()}: ${summarise(problems)}`] : [];
}

function report(t, { problems: _, delays: __, gaps: ___, ...figures }) {
  const { acknowledged, takenBack, loss, duplicate, order, resets, gapWrites, gapHalf, gapLongest } = figures;
  t.diagnostic(`${figures.entrance}: ${figures.clients} clients, ${acknowledged} acknowledged, ${takenBack} of them not ` +
    `in the log; lost ${loss}, twice ${duplicate}, out of order ${order}, resets ${resets}; ` +
    `gap ${gapHalf.toFixed(1)} s, longest ${gapLongest.toFixed(1)} s, of the log ${gapWrites.toFixed(1)} s`);
  if (kRecords) fs.appendFileSync(kRecords, `${JSON.stringify(figures)}\n`);
}

export const pause = (seconds) => sleep(seconds * 1000);
