// ./run soak in short: the program ends, finds no fault where there is none, and reports what it saw. Its measurements
// need more time; the fit and the judge have tests of their own.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { run } from '../lib/processes.mjs';
import { kRoot, tempDir } from '../lib/scratch.mjs';

const kProgram = path.join(kRoot, 'tests', 'soak', 'soak.mjs');

test('a soak of fifteen seconds finds no fault', async (t) => {
  const dir = tempDir('soak');
  const { stdout } = await run('node', [kProgram, 'plain', '15'], { env: { ...process.env, PGEVENTS_RUN_DIR: dir } });
  const total = (name) => Number(new RegExp(`^${name} +([0-9,]+)$`, 'm').exec(stdout)[1].replaceAll(',', ''));
  t.diagnostic(`${total('events')} events, ${total('deliveries')} deliveries, ${total('connections made')} connections`);
  const counted = ['events', 'deliveries', 'connections made', 'reloads', 'listeners cut off'];
  for (const name of counted) assert.ok(total(name) > 0, name);
  for (const name of ['lost', 'twice', 'wrong otherwise']) assert.equal(total(name), 0, name);
  assert.match(stdout, /^fallback, descriptors +[0-9]+ .* flat$/m);
  assert.match(stdout, /\nsoak: passed\n$/);
  const csv = fs.readFileSync(path.join(dir, 'soak', 'plain.csv'), 'utf8').trim().split('\n');
  assert.ok(csv.length > 10 && csv.every((line) => line.split(',').length === csv[0].split(',').length),
    `${csv.length} samples`);
  const page = fs.readFileSync(path.join(dir, 'soak', 'plain.md'), 'utf8');
  assert.match(page, /^# Soak: plain, 15 s\n[^]*\n\| lost \| 0 \|\n/);
});

test('a soak rejects an unknown variant, and too few seconds', async () => {
  for (const [args, text] of [[['paper'], /unknown variant 'paper'/], [['plain', '1'], /invalid number of seconds/]]) {
    const { status, stderr } = await run('node', [kProgram, ...args], { expect: null });
    assert.equal(status, 1);
    assert.match(stderr, text);
  }
});
