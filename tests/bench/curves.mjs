// `./run bench curves [quick|full] [--only CURVE,…] [--rounds N]`: pgevents with more subscribers, channels and
// workers, and with larger rings. PGEVENTS_BENCH_WRITE=curves also writes docs/benchmarks/curves.md and its plots.
import fs from 'node:fs';
import path from 'node:path';

import { kPeers } from './peers/index.mjs';
import { plotLines } from './plot.mjs';
import { buildLoad, runLoad, runProgram, wantedOf } from './program.mjs';
import { asMarkdown, asText, figureTable, kPages, machine, spread } from './report.mjs';
import {
  kCpu, kCpuEvent, kDelivered, kEvents, kIdle, kOwn, kP50, kP99, kPgCpu, kPgCpuEvent,
} from './scenarios.mjs';

// nginx closes idle connections when a sixteenth of its worker_connections is left: with 20,000 descriptors, the limit
// of a process here, this is the maximum.
const kMost = 17500;

const kSeconds = { quick: 2, full: 5 };

const mebibytes = (ring) => Number(ring.slice(0, -1)) / (ring.endsWith('k') ? 1024 : 1);

// `load` and `start` give the options of one point's load generator and server; charts: figures by their axis.
const kCurves = [
  {
    name: 'subscribers', title: 'Subscribers of one channel, 10 events/s of 200 bytes', x: 'subscribers',
    points: [100, 300, 1000, 3000, 10000, kMost],
    load: (subscribers) => ({ subscribers, rate: 10 }),
    figures: [kDelivered, kP50, kP99, kCpu, kPgCpu, kIdle, kOwn],
    charts: [{ y: 'ms', log: 'xy', figures: [kP50, kP99] },
      { y: 's CPU per million deliveries', log: 'x', figures: [kCpu] }],
  },
  {
    name: 'channels', title: 'Channels with one subscriber each, 500 events/s in all', x: 'channels',
    points: [1, 10, 100, 1000, 10000, kMost],
    load: (channels) => ({ subscribers: channels, channels, rate: 500, publishers: 4, batch: 100 }),
    figures: [kEvents, kP50, kP99, kCpuEvent, kPgCpuEvent, kOwn],
    charts: [{ y: 'ms', log: 'x', figures: [kP50, kP99] },
      { y: 'µs CPU per event', log: 'x', figures: [kCpuEvent, kPgCpuEvent] }],
  },
  {
    name: 'rings', title: 'The ring, with 1,000 subscribers of one channel as fast as it goes, 64 events under way', x: 'ring, MB',
    points: ['64k', '256k', '1m', '4m', '16m', '64m'], value: mebibytes,
    load: () => ({ subscribers: 1000, ahead: 64, batch: 64 }),
    start: (ring) => ({ ring }),
    figures: [kDelivered, kP50, kP99, kCpu, kPgCpu, kOwn],
    charts: [{ y: 'deliveries/s', log: 'x', figures: [kDelivered] },
      { y: 's CPU per million', log: 'x', figures: [kCpu, kPgCpu] }],
  },
  {
    name: 'workers', title: 'Workers, with 1,000 subscribers of one channel as fast as it goes; on two cores, load generator included',
    x: 'workers', points: [1, 2],
    load: () => ({ subscribers: 1000, ahead: 64, batch: 64 }),
    start: (workers) => ({ workers }),
    figures: [kDelivered, kP50, kP99, kCpu, kOwn],
    charts: [{ y: 'deliveries/s', figures: [kDelivered] }],
  },
];

async function measure({ load, start }, point, mode) {
  const server = await kPeers.pgevents.start({ buffers: 'small', ...start?.(point) });
  try {
    return await runLoad(server, { flavor: 'sse', warmup: 1, seconds: kSeconds[mode], drain: 10, ...load(point) });
  } finally {
    await server.stop();
  }
}

// Rounds are interleaved, so that a temporary disturbance affects all points.
async function measureCurve(curve, { mode, rounds }) {
  const results = Object.fromEntries(curve.points.map((point) => [point, []]));
  for (let round = 0; round < rounds; round++) {
    for (const point of curve.points) {
      results[point].push(await measure(curve, point, mode));
      console.error(`  ${curve.name}, round ${round + 1}, ${point}: ${results[point].at(-1).delivered_per_s}/s`);
    }
  }
  return results;
}

function plot({ name, x, points, value = Number, charts }, results) {
  const line = (figure) => points.map((point) => ({ x: value(point), y: spread(results[point], figure)?.median }));
  const drawn = charts.map(({ y, log, figures }) => (
    { title: figures.map(({ title }) => title).join(', '), x, y, log, series: figures.map((one) => ({ name: one.title, points: line(one) })) }));
  plotLines(path.join(kPages, `curves-${name}.svg`), drawn);
}

const heading = ({ mode, rounds }) => [
  '# How it grows', '',
  `Made by \`PGEVENTS_BENCH_WRITE=curves ./run bench curves ${mode}\`. Median (lowest–highest) of ${rounds} rounds.`, '',
  ...machine().map((line) => `- ${line}`), '',
];

async function main() {
  const wanted = wantedOf(kCurves.map(({ name }) => name));
  const writes = Boolean(process.env.PGEVENTS_BENCH_WRITE);
  await buildLoad();
  console.log(machine().join('\n'));
  const lines = heading(wanted);
  for (const curve of kCurves.filter(({ name }) => wanted.names.includes(name))) {
    const results = await measureCurve(curve, wanted);
    const rows = figureTable(curve.figures, results);
    console.log(`\n${curve.title}\n${asText(rows)}`);
    lines.push(`## ${curve.title}`, '', asMarkdown(rows), '', `![${curve.name}](curves-${curve.name}.svg)`, '');
    if (writes) plot(curve, results);
  }
  if (writes) fs.writeFileSync(path.join(kPages, 'curves.md'), lines.join('\n'));
}

await runProgram(main);
