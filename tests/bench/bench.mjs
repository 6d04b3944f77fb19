// `./run bench [quick|full] [--only SCENARIO,…] [--peers PEER,…] [--rounds N]`: pgevents beside its peers in one run.
// Rounds are interleaved: each scenario runs once on all peers, then again. `quick`, below two minutes, omits most of
// them. With PGEVENTS_BENCH_WRITE=NAME it also writes docs/benchmarks/NAME.md and its plots.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

import { kLoadCore, kServerCore } from './peers/common.mjs';
import { kPeers } from './peers/index.mjs';
import { buildLoad, runLoad, runProgram } from './program.mjs';
import { plotBars } from './plot.mjs';
import { asText, kPages, machine, peerVersions, scenarioCharts, scenarioTable, writePage } from './report.mjs';
import { kScenarios } from './scenarios.mjs';

const kRounds = { quick: 1, full: 3 };
const kQuickPeers = ['bare loop', 'nchan', 'pgevents'];
const kNotes = [
  kServerCore === undefined ? 'one core for everything: servers and load generator disturb each other'
    : `servers, PostgreSQL and Redis on core ${kServerCore}, the load generator on core ${kLoadCore}`,
  'nginx: one worker; PostgreSQL: fsync and synchronous_commit on, Redis: nothing on disk, each one\'s CPU in its own line',
  'delay: from just before the publisher sends (POST, or INSERT with its COMMIT) to the read of the subscriber; ' +
    '"from ts": from the event\'s time, which COMMIT takes before the write to disk; ' +
    '"after confirmation": from the publisher\'s read of the answer (after COMMIT) to the subscriber\'s read',
  'server CPU: utime + stime of all processes of the server (including the kernel\'s work for them, on loopback also that of ' +
    'the receiving side)',
  'memory: sum of PSS of the server\'s processes, 10,000 connections open against none, before the first event',
];

function options() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { only: { type: 'string' }, peers: { type: 'string' }, rounds: { type: 'string' } },
  });
  const mode = positionals[0] ?? 'full';
  if (!(mode in kRounds) || positionals.length > 1) {
    throw new Error(`bench: invalid mode '${positionals.join(' ')}'; use 'quick' or 'full'`);
  }
  const choose = (text, what, all, quick) => {
    const chosen = text?.split(',') ?? (mode === 'quick' ? quick : all);
    const unknown = chosen.find((name) => !all.includes(name));
    if (unknown !== undefined) throw new Error(`bench: no ${what} '${unknown}'; there are: ${all.join(', ')}`);
    return chosen;
  };
  const names = (scenarios) => scenarios.map(({ name }) => name);
  return {
    mode,
    rounds: Number(values.rounds ?? kRounds[mode]),
    scenarios: choose(values.only, 'scenario', names(kScenarios), names(kScenarios.filter(({ quick }) => quick))),
    peers: choose(values.peers, 'peer', Object.keys(kPeers), kQuickPeers),
  };
}

async function measure(scenario, peer, mode) {
  const load = { warmup: 1, ...scenario.load, seconds: scenario.seconds[mode], drain: mode === 'quick' ? 4 : 10 };
  const server = await kPeers[peer].start({ buffers: 'small', ...scenario.start });
  try {
    return { result: await runLoad(server, load), config: server.config };
  } finally {
    await server.stop();
  }
}

const reportRun = (scenario, peer, round, result) => {
  const cpu = ((result.watched.server.cpu_s * 1e6) / result.deliveries).toFixed(2);
  console.error(`  ${scenario.name}, round ${round + 1}, ${peer}: ${result.delivered_per_s}/s, ` +
    `p50 ${result.delay_us.p50 / 1000} ms, ${cpu} s CPU per million`);
};

const takingPart = (scenario, peers) =>
  peers.filter((name) => scenario.peers?.includes(name) ?? kPeers[name].flavors.includes(scenario.load.flavor));

async function measureAll({ mode, rounds, scenarios, peers }) {
  const configs = {};
  const loads = [];
  const sections = kScenarios.filter(({ name }) => scenarios.includes(name)).map((scenario) => ({ scenario, results: {} }));
  for (let round = 0; round < rounds; round++) {
    for (const { scenario, results } of sections) {
      for (const peer of takingPart(scenario, peers)) {
        loads.push(os.loadavg()[0]);
        const { result, config } = await measure(scenario, peer, mode);
        (results[peer] ??= []).push(result);
        configs[peer] ??= config;
        reportRun(scenario, peer, round, result);
      }
    }
  }
  return { configs, sections, load: [Math.min(...loads), Math.max(...loads)] };
}

// Only faults of pgevents fail the run; the tables show those of the peers.
const hasFaults = (one) => one.missing + one.duplicates + one.reordered + one.closed + one.bad_answers > 0;
const isFaulty = ({ results }) =>
  Object.entries(results).flatMap(([peer, runs]) => (peer.startsWith('pgevents') ? runs : [])).some(hasFaults);

// The name of the plot's file, beside the page; undefined if there is nothing to compare.
function plotted(page, { scenario, results }) {
  const charts = scenarioCharts(scenario, results).filter(({ names }) => names.length > 1);
  if (charts.length === 0) return undefined;
  const file = `${page}-${scenario.name}.svg`;
  plotBars(path.join(kPages, file), charts);
  return file;
}

async function main() {
  const wanted = options();
  const needs = wanted.peers.flatMap((peer) => Object.entries(kPeers[peer].needs ?? {}));
  const missing = needs.find(([, file]) => !fs.existsSync(file));
  if (missing) throw new Error(`bench: ${missing[1]} does not exist; apt-get install ${missing[0]}`);
  await buildLoad();
  console.log([...machine(), peerVersions()].join('\n'));
  const { configs, sections, load } = await measureAll(wanted);
  // Our own share of the load: one core for the servers, half of one for the load generator.
  const loads = load.map((one) => one.toFixed(1)).join(' to ');
  const others = `load average before the runs: ${loads}; above 1.5 other processes were busy`;
  for (const section of sections) {
    section.rows = scenarioTable(section.scenario, section.results);
    console.log(`\n${section.scenario.title}\n${asText(section.rows)}`);
  }
  console.log(`\n${others}`);
  const name = process.env.PGEVENTS_BENCH_WRITE;
  if (name) {
    for (const section of sections) section.image = plotted(name, section);
    const page = pathToFileURL(path.join(kPages, `${name}.md`));
    const command = ['./run bench', ...process.argv.slice(2)].join(' ');
    writePage(page, { ...wanted, name, command, sections, configs, notes: [peerVersions(), ...kNotes, others] });
  }
  if (sections.some(isFaulty)) throw new Error('bench: pgevents lost, repeated or disordered events: see the tables');
}

await runProgram(main);
