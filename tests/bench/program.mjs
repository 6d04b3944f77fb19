// What every measuring program is made of: its command line, the load generator that it needs, and how it ends.
import path from 'node:path';
import { parseArgs } from 'node:util';

import { endAll } from '../lib/lifetime.mjs';
import { run } from '../lib/processes.mjs';
import { kRoot } from '../lib/scratch.mjs';
import { kBuild, kLoadCore } from './peers/common.mjs';

const kRounds = { quick: 1, full: 3 };

// `[quick|full] [--only NAME,…] [--rounds N]`, as programs with several measurements take it. Gives { mode, names, rounds }.
export function wantedOf(all) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { only: { type: 'string' }, rounds: { type: 'string' } },
  });
  const mode = positionals[0] ?? 'full';
  if (!(mode in kRounds) || positionals.length > 1) throw new Error(`bench: 'quick' or 'full', not '${positionals.join(' ')}'`);
  const names = values.only?.split(',') ?? all;
  const unknown = names.find((name) => !all.includes(name));
  if (unknown !== undefined) throw new Error(`bench: no '${unknown}'; there are: ${all.join(', ')}`);
  return { mode, names, rounds: Number(values.rounds ?? kRounds[mode]) };
}

export async function buildLoad() {
  await run('cmake', ['-S', path.join(kRoot, 'tests', 'bench'), '-B', kBuild, '-DCMAKE_BUILD_TYPE=Release']);
  await run('cmake', ['--build', kBuild], { timeout: 300_000 });
}

// One run against a server that a peer's start gave; `load`: options of the load generator. Gives what it measured.
export async function runLoad(server, load) {
  const all = { ...load, ...(kLoadCore === undefined ? {} : { cpu: kLoadCore }) };
  const args = Object.entries(all).flatMap(([name, value]) => [`--${name}`, String(value)]);
  return JSON.parse((await run(path.join(kBuild, 'load'), [...server.args, ...args])).stdout);
}

// Whatever becomes of it, the servers that it started end with it.
export async function runProgram(main) {
  try {
    await main();
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  } finally {
    await endAll();
  }
}
