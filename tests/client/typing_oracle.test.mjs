// Compares TypingSender with the state machine of Zulip's own clients (@zulip/shared 0.0.18, lib/typing_status.js):
// with the same keystrokes at the same times both must send the same.
//
// The differences, and the reasons:
//   - Zulip's timings of 10 s and 5 s are constants; ours come from the server. The test gives ours the same.
//   - Zulip's handles only people; ours topics too.
//   - Zulip's compares lists of people as they are (its callers sort them); ours compares their members.
//   - Zulip's sends immediately; ours sends one report at a time, so that no "start" overtakes a "stop" on the network.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { build } from 'esbuild';

import { TypingSender } from '../../client/src/index.js';
import { randomSource } from '../lib/publishers.mjs';
import { Clock } from './lib/clock.mjs';

// Zulip's code uses the global timers, and is a module without a type in its package: bundle it with the timers of the
// test.
async function zulip(clock) {
  const built = await build({
    entryPoints: ['@zulip/shared/lib/typing_status.js'], bundle: true, write: false, format: 'esm', logLevel: 'silent',
    absWorkingDir: import.meta.dirname,
    define: { setTimeout: 'globalThis.zulip_clock.setTimeout', clearTimeout: 'globalThis.zulip_clock.clearTimeout' },
  });
  globalThis.zulip_clock = clock;
  const code = Buffer.from(`${built.outputFiles[0].text}\n// ${Math.random()}`).toString('base64');
  return import(`data:text/javascript;base64,${code}`);
}

const kPeople = [[8], [9], [8, 9]];

async function compare(seed) {
  const random = randomSource(seed);
  const clock = new Clock();
  const from = clock.now();
  const sent = { zulip: [], ours: [] };
  const note = (whose, op, to) => sent[whose].push([clock.now() - from, op, to.join()]);
  const theirs = await zulip(clock);
  const worker = {
    get_current_time: clock.now,
    notify_server_start: (to) => note('zulip', 'start', to),
    notify_server_stop: (to) => note('zulip', 'stop', to),
  };
  const ours = new TypingSender(async ({ op, to }) => note('ours', op, to), {
    environment: { ...clock },
    server_typing_started_wait_period_milliseconds: 10_000,
    server_typing_stopped_wait_period_milliseconds: 5000,
  });
  let to = kPeople[0];
  for (let n = 0; n < 300; n++) {
    const what = random();
    if (what < 0.1) to = kPeople[Math.floor(random() * kPeople.length)];
    const recipient = what > 0.95 ? null : to;
    theirs.update(worker, recipient);
    ours.update(recipient && { to: recipient });
    // Mostly quick keystrokes, with pauses on both sides of the limits, and exactly at them.
    await clock.advance([0, 50, 200, 1000, 4999, 5000, 5001, 10_000, 10_001][Math.floor(random() ** 2 * 9)]);
  }
  await clock.advance(20_000);
  return sent;
}

for (let run = 0; run < 8; run++) {
  const seed = Number(process.env.PGEVENTS_SEED ?? (Date.now() + run * 7919) % 1e9);
  test(`sends the same as Zulip for the same keystrokes (seed ${seed})`, async () => {
    const { zulip: wanted, ours } = await compare(seed);
    assert.ok(wanted.length > 20);
    assert.deepEqual(ours, wanted);
  });
}
