// `./run bench database [quick|full] [--only NAME,…] [--rounds N]`: the cost of publishing for PostgreSQL. Rounds are
// interleaved: each measurement runs once for all that it compares, then again. PGEVENTS_BENCH_WRITE=NAME also writes
// docs/benchmarks/NAME.md.
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

import { catchUp } from './database/catch_up.mjs';
import { commits } from './database/commits.mjs';
import { listeners } from './database/listeners.mjs';
import { pruning } from './database/pruning.mjs';
import { size } from './database/size.mjs';
import { wakeUp } from './database/wake_up.mjs';
import { benchCluster, kLoadCore, kServerCore, pin } from './peers/common.mjs';
import { buildLoad, runProgram, wantedOf } from './program.mjs';
import { asText, figureTable, kPages, machine, writePage } from './report.mjs';

// Each has `notes`, perhaps `configs`, and `sections(mode)`: a title, figures, and columns, which are functions that
// measure once and give an object of figures. `rounds`: the maximum.
const kMeasurements = { commits, 'wake-up': wakeUp, listeners, 'catch-up': catchUp, size, pruning };
const kNotes = [
  kServerCore === undefined ? 'one core for everything' : `PostgreSQL on core ${kServerCore}, everything else on core ${kLoadCore}`,
  'PostgreSQL: fsync and synchronous_commit on, shared_buffers 256 MB, else its defaults',
  'CPU: utime + stime, including the kernel\'s work for the processes',
];

// The titles of the figures are their keys in a run's result.
const sectionsOf = (name, mode) => kMeasurements[name].sections(mode).map((section) => ({
  ...section,
  name,
  figures: section.figures.map((figure) => ({ ...figure, of: (result) => result[figure.title] })),
  results: {},
}));

async function measureAll(sections, rounds) {
  const cluster = await benchCluster();
  const loads = [];
  for (let round = 0; round < rounds; round++) {
    for (const { name, title, columns, results } of sections.filter((section) => round < (section.rounds ?? rounds))) {
      for (const [column, measure] of Object.entries(columns)) {
        loads.push(os.loadavg()[0]);
        const result = await measure(cluster);
        (results[column] ??= []).push(result);
        console.error(`  ${name}, round ${round + 1}, ${title}, ${column}: ${JSON.stringify(result)}`);
      }
    }
  }
  return loads;
}

async function main() {
  const wanted = wantedOf(Object.keys(kMeasurements));
  await buildLoad();
  await pin(kLoadCore, [process.pid]);
  console.log(machine().join('\n'));
  const sections = wanted.names.flatMap((name) => sectionsOf(name, wanted.mode));
  const loads = await measureAll(sections, wanted.rounds);
  const load = [Math.min(...loads), Math.max(...loads)].map((one) => one.toFixed(1)).join(' to ');
  const notes = [...kNotes, ...wanted.names.flatMap((name) => kMeasurements[name].notes),
    `load average before the runs: ${load}`];
  const tables = sections.map(({ title, figures, results }) => ({ scenario: { title }, rows: figureTable(figures, results) }));
  for (const { scenario, rows } of tables) console.log(`\n${scenario.title}\n${asText(rows)}`);
  console.log(`\n${notes.join('\n')}`);
  const name = process.env.PGEVENTS_BENCH_WRITE;
  if (!name) return;
  const configs = Object.assign({}, ...wanted.names.map((one) => kMeasurements[one].configs));
  const page = pathToFileURL(path.join(kPages, `${name}.md`));
  const command = ['./run bench database', ...process.argv.slice(2)].join(' ');
  writePage(page, { ...wanted, name, command, sections: tables, notes, configs });
}

await runProgram(main);
