// The form of the fault tests. A scenario is a sentence and a function that breaks something; events flow to clients of
// every kind meanwhile, and in the end each client must have every event once:
//
//   const scenario = scenariosOn(service);
//   scenario('PostgreSQL is restarted', () => cluster.restart('fast'), { rounds: 2 });
//
// In the suite the load is small. A trial (`./run trial`; PGEVENTS_TRIAL names the file of its records) has 1,000
// clients and 200 events a second, and repeats each fault three times as often.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { judgeLog, summarise } from '../lib/checker.mjs';
import { range, sleep, waitFor } from '../lib/conditions.mjs';
import { Crowd, describeFigures, kChannels, startFlow } from './crowd.mjs';
import { kFallbackBase } from './service.mjs';

const trial = process.env.PGEVENTS_TRIAL;
export const isTrial = Boolean(trial);

const kServes = 30_000;
const kResumes = 20_000;
const kRepeats = isTrial ? 3 : 1;
const kTrialRate = 200;
const kTrialChannels = range(1, 50).map((n) => `channel-${n}`);

// The thousand clients by kind. Without a fallback its clients are streams of the module.
const kTrialCrowd = [['stream', 400], ['WebSocket', 200], ['long-poll', 150], ['poll', 50], ['fallback stream', 150],
  ['fallback poll', 50]];

async function gatherThousand(crowd, service, cursor) {
  let n = 0;
  for (const [kind, count] of kTrialCrowd) {
    const base = kind.startsWith('fallback') ? kFallbackBase : undefined;
    for (let i = 0; i < count; i++, n++) {
      const channels = range(0, n % 4 === 0 ? 2 : 0).map((more) => kTrialChannels[(n + 7 * more) % kTrialChannels.length]);
      if (base && !service.fallback) crowd.stream(channels);
      else if (kind === 'WebSocket') crowd.webSocket(channels);
      else if (kind.endsWith('stream')) crowd.stream(channels, base ? { base, cursor } : {});
      else crowd.poller(channels, { base, cursor, flavor: base ? 'poll' : kind });
      if (n % 50 === 49) await crowd.opened();
    }
  }
}

// The clients of a scenario and their publishers: { crowd, flow }.
export async function gather(service) {
  const since = await service.database.head();
  const crowd = new Crowd(service, { since });
  if (!isTrial) {
    const lists = [['cheese'], ['wine', 'bread'], kChannels, ['wine']];
    await crowd.oneOfEach(lists, { fallback: Boolean(service.fallback) });
    return { crowd, flow: startFlow(service.database) };
  }
  await gatherThousand(crowd, service, since);
  await crowd.opened();
  const options = { count: 8, channels: kTrialChannels, rate: kTrialRate, perTransaction: [1, 3], sleepMs: [0, 10] };
  return { crowd, flow: startFlow(service.database, options) };
}

// Writes one record for the table of a trial.
export function recordTrial(sentence, rounds, seconds, figures) {
  if (!trial) return;
  const file = path.basename(process.argv[1], '.test.mjs');
  fs.appendFileSync(trial, `${JSON.stringify({ file, sentence, rounds, seconds, ...figures })}\n`);
}

// Defaults for all scenarios on a service. serves, resumes: ms until the module answers after a fault, and until every
// client has caught up then; rounds: repetitions of the fault; untouched: no transaction may fail.
export function scenariosOn(service, defaults = {}) {
  return (sentence, strike, options) =>
    test(sentence, (t) => play(service, t, sentence, strike, { ...defaults, ...options }));
}

// `strike` gets { crowd, flow, round, t }, causes the fault and repairs it.
async function play(service, t, sentence, strike, { serves = kServes, resumes = kResumes, untouched = false, ...options }) {
  const { crowd, flow } = await gather(service);
  const from = performance.now();
  const rounds = (options.rounds ?? 1) * kRepeats;
  const times = [];
  for (const round of range(0, rounds - 1)) {
    await flowing(flow);
    await crowd.caughtUp();
    await strike({ crowd, flow, round, t });
    await service.waitAnsweredBy('module', serves);
    await flowing(flow);
    times.push(Math.round(await crowd.caughtUp({ timeout: resumes })));
  }
  const record = await flow.stop();
  if (untouched) assert.deepEqual(flow.failures, []);
  assert.equal(summarise(judgeLog(await crowd.log(), record)), '');
  t.diagnostic(`all clients caught up ${times.join(', ')} ms after the fault was over`);
  const seconds = Math.round((performance.now() - from) / 1000);
  t.diagnostic(describeFigures(await crowd.judge({ record: (figures) => recordTrial(sentence, rounds, seconds, figures) })));
}

// Waits for a steady flow: a few more events than now, in a trial those of a second.
async function flowing(flow) {
  const wanted = flow.committedEvents + (isTrial ? kTrialRate : 20);
  await waitFor(() => flow.committedEvents > wanted, { what: 'a flow of events', timeout: 60_000, interval: 20 });
  if (isTrial) await sleep(500);
}
