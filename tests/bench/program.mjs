// The common parts of the measuring programs: command line, load generator, end.
import path from 'node:path';
import { parseArgs } from 'node:util';

import { endAll } from '../lib/lifetime.mjs';
import { run } from '../lib/processes.mjs';
import { kRoot } from '../lib/scratch.mjs';
import { kBuild, kLoadCore } from './peers/common.mjs';

const kRounds = { quick: 1, full: 3 };

// The command line `[quick|full] [--only NAME,…] [--rounds N]` of programs with several measurements, and their `more`
// options (as parseArgs() takes them). Gives { mode, names, rounds, … }.
export function wantedOf(all, more = {}) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { only: { type: 'string' }, rounds: { type: 'string' }, ...more },
  });
  const mode = positionals[0] ?? 'full';
  if (!(mode in kRounds) || positionals.length > 1) {
    throw new Error(`bench: invalid mode '${positionals.join(' ')}'; use 'quick' or 'full'`);
  }
  const names = values.only?.split(',') ?? all;
  const unknown = names.find((name) => !all.includes(name));
  if (unknown !== undefined) throw new Error(`bench: no '${unknown}'; there are: ${all.join(', ')}`);
  return { ...values, mode, names, rounds: Number(values.rounds ?? kRounds[mode]) };
}

export async function buildLoad() {
  await run('cmake', ['-S', path.join(kRoot, 'tests', 'bench'), '-B', kBuild, '-DCMAKE_BUILD_TYPE=Release']);
  await run('cmake', ['--build', kBuild], { timeout: 300_000 });
}

// One run against a server from a peer's start; `load`: options of the load generator. Gives its results.
export async function runLoad(server, load) {
  const all = { ...load, ...(kLoadCore === undefined ? {} : { cpu: kLoadCore }) };
  const args = Object.entries(all).flatMap(([name, value]) => [`--${name}`, String(value)]);
  return JSON.parse((await run(path.join(kBuild, 'load'), [...server.args, ...args])).stdout);
}

// Runs a program and ends the servers that it started, however it ends.
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
