// `./run bench copies [quick|full] [--rounds N]`: how fast transactions publish while nginx instances listen on a copy
// of the log, beside as many on the primary. Rounds are interleaved: each measurement runs once, then again.
// PGEVENTS_BENCH_WRITE=NAME also writes docs/benchmarks/NAME.md.
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

import { kConfigs, kNotes, sectionsFor } from './copies/measurements.mjs';
import { BenchPair } from './copies/pair.mjs';
import { kFlushNotes } from './database/flushes.mjs';
import { kLoadCore, pin } from './peers/common.mjs';
import { buildLoad, runProgram, wantedOf } from './program.mjs';
import { asText, figureTable, kPages, machine, writePage } from './report.mjs';

const pairs = new Map(); // by the time of a flush

async function pairFor(flush) {
  if (!pairs.has(flush)) pairs.set(flush, await BenchPair.start(flush));
  return pairs.get(flush);
}

async function measureAll(sections, rounds) {
  const loads = [];
  for (let round = 0; round < rounds; round++) {
    for (const { title, flush, columns, results } of sections) {
      const pair = await pairFor(flush);
      for (const [column, measure] of Object.entries(columns)) {
        loads.push(os.loadavg()[0]);
        const result = await measure(pair);
        (results[column] ??= []).push(result);
        console.error(`  round ${round + 1}, ${title}, ${column}: ${JSON.stringify(result)}`);
      }
    }
  }
  return loads;
}

async function main() {
  const { mode, rounds } = wantedOf([]);
  const sections = sectionsFor[mode]();
  await buildLoad();
  await pin(kLoadCore, [process.pid]);
  console.log(machine().join('\n'));
  const loads = await measureAll(sections, rounds);
  const notes = [...kNotes, ...(sections.some(({ flush }) => flush > 0) ? kFlushNotes : []),
    `load average before the runs: ${[Math.min(...loads), Math.max(...loads)].map((one) => one.toFixed(1)).join(' to ')}`];
  const tables = sections.map(({ title, figures, results }) => ({ scenario: { title }, rows: figureTable(figures, results) }));
  for (const { scenario, rows } of tables) console.log(`\n${scenario.title}\n${asText(rows)}`);
  console.log(`\n${notes.join('\n')}`);
  const name = process.env.PGEVENTS_BENCH_WRITE;
  if (!name) return;
  const command = ['./run bench copies', ...process.argv.slice(2)].join(' ');
  writePage(pathToFileURL(path.join(kPages, `${name}.md`)), { name, command, rounds, sections: tables, notes,
    configs: kConfigs });
}

await runProgram(main);
