// `./run bench database [quick|full] [--only NAME,…] [--rounds N] [--beside DIR]`: the cost of publishing for
// PostgreSQL. Rounds are interleaved: each measurement runs once for all that it compares, then again. --beside: also
// for the pgevents in another directory, built. PGEVENTS_BENCH_WRITE=NAME also writes docs/benchmarks/NAME.md.
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

import { kFlushNotes } from './database/flushes.mjs';
import { installationIn, kHere } from './database/installations.mjs';
import { kMeasurements, sectionsOf } from './database/measurements.mjs';
import { benchCluster, kLoadCore, kServerCore, pin } from './peers/common.mjs';
import { buildLoad, runProgram, wantedOf } from './program.mjs';
import { asText, figureTable, kPages, machine, writePage } from './report.mjs';

const kNotes = [
  kServerCore === undefined ? 'one core for everything' : `PostgreSQL on core ${kServerCore}, everything else on core ${kLoadCore}`,
  'PostgreSQL: fsync and synchronous_commit on, shared_buffers 256 MB, else its defaults',
  'CPU: utime + stime, including the kernel\'s work for the processes',
];

async function measureAll(sections, rounds) {
  const loads = [];
  for (let round = 0; round < rounds; round++) {
    for (const { name, title, columns, results, flush } of sections.filter((section) => round < (section.rounds ?? rounds))) {
      const cluster = await benchCluster(flush);
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

function notesOf(names, sections, installations, loads) {
  const others = installations.filter(({ name }) => name);
  return [
    ...kNotes,
    ...(sections.some(({ flush }) => flush) ? kFlushNotes : []),
    ...names.flatMap((name) => kMeasurements[name].notes),
    ...others.map(({ name, version }) => `(${name}): pgevents ${version()} beside this one, its schema and its module`),
    `load average before the runs: ${[Math.min(...loads), Math.max(...loads)].map((one) => one.toFixed(1)).join(' to ')}`,
  ];
}

async function main() {
  const wanted = wantedOf(Object.keys(kMeasurements), { beside: { type: 'string' } });
  const installations = [kHere, ...(wanted.beside ? [installationIn(wanted.beside)] : [])];
  await buildLoad();
  await pin(kLoadCore, [process.pid]);
  console.log(machine().join('\n'));
  const sections = wanted.names.flatMap((name) => sectionsOf(name, wanted.mode, installations));
  const loads = await measureAll(sections, wanted.rounds);
  const notes = notesOf(wanted.names, sections, installations, loads);
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
