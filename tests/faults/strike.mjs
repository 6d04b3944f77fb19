// One fault after the other while events flow to clients of every kind: afterwards everybody has everything once.
import assert from 'node:assert/strict';

import { judgeLog, summarise } from '../lib/checker.mjs';
import { sleep, waitFor } from '../lib/conditions.mjs';
import { Crowd, describeFigures, kChannels, startFlow } from './crowd.mjs';

const kServes = 30_000;
const kResumes = 20_000;

// `strike` hits something and leaves it usable again. serves, resumes: milliseconds until the module answers, and until
// everybody has caught up then.
export async function strikeUnderFlow(service, t, strike, { rounds = 1, serves = kServes, resumes = kResumes } = {}) {
  const { database } = service;
  const crowd = new Crowd(service);
  await crowd.oneOfEach([['cheese'], ['wine', 'bread'], kChannels, ['wine']], { fallback: Boolean(service.fallback) });
  const before = await database.head();
  const flow = startFlow(database);
  const times = [];
  for (let round = 0; round < rounds; round++) {
    await sleep(1000);
    await strike(crowd, round);
    await service.waitAnsweredBy('module', serves);
    const { committedEvents } = flow;
    await waitFor(() => flow.committedEvents > committedEvents + 20, { what: 'events after the fault' });
    times.push(Math.round(await crowd.caughtUp({ timeout: resumes })));
  }
  const record = await flow.stop();
  assert.equal(summarise(judgeLog(await database.log({ after: before }), record)), '');
  t.diagnostic(`all clients caught up ${times.join(', ')} ms after the fault was over`);
  t.diagnostic(describeFigures(await crowd.judge()));
}
