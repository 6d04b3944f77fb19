// Turns the runs into tables: median (lowest–highest) per figure, and the ratio to the peers measured in the same
// round.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { kRoot } from '../lib/scratch.mjs';

export const kPages = path.join(kRoot, 'docs', 'benchmarks');

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

const format = (value, digits) =>
  value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });

// Undefined if no run has the figure.
export function spread(runs, figure) {
  const values = runs.map(figure.of).filter((value) => value !== undefined);
  return values.length === 0 ? undefined : { median: median(values), low: Math.min(...values),
    high: Math.max(...values) };
}

function cell(runs, figure) {
  const values = spread(runs, figure);
  if (values === undefined) return '–';
  const [middle, low, high] = [values.median, values.low, values.high].map((value) => format(value, figure.digits));
  const text = middle + (figure.unit ?? '');
  return low === high ? text : `${text} (${low}–${high})`;
}

// Ratios are computed within a round, and then their median, because a disturbance affects neighbours alike.
function ratio(runs, others, figure) {
  const rounds = runs
    .map((one, round) => [figure.of(one), others[round] && figure.of(others[round])])
    .filter(([mine, theirs]) => mine > 0 && theirs > 0)
    .map(([mine, theirs]) => mine / theirs);
  return rounds.length === 0 ? '–' : `${format(median(rounds), 2)}×`;
}

function faults(runs) {
  const names = ['missing', 'duplicates', 'reordered', 'closed', 'bad_answers'];
  const found = names.filter((name) => runs.some((one) => one[name] > 0));
  return found.map((name) => `${name}: ${runs.map((one) => one[name]).join(', ')}`).join('; ') || 'none';
}

// Rows of text; `results` maps the compared things (peers, ways, numbers) to their runs, in order of rounds.
export function figureTable(figures, results) {
  const peers = Object.keys(results);
  const rows = [['', ...peers]];
  for (const figure of figures) {
    const values = peers.map((peer) => cell(results[peer], figure));
    if (values.every((text) => text === '–')) continue;
    rows.push([figure.title, ...values]);
    const references = (figure.ratio ?? []).filter((name) => results[name]);
    for (const reference of references) {
      const cells = peers.map((peer) => (peer === reference ? '1' : ratio(results[peer], results[reference], figure)));
      if (cells.some((text) => text !== '–' && text !== '1')) rows.push([`… to ${reference}`, ...cells]);
    }
  }
  return rows;
}

// The charts of a scenario's plot: one for each marked figure.
export function scenarioCharts(scenario, results) {
  return scenario.figures.filter(({ plot }) => plot).map((figure) => {
    const all = Object.entries(results).map(([name, runs]) => ({ name, values: spread(runs, figure) }));
    const bars = all.filter(({ values }) => values);
    return { title: figure.title, names: bars.map(({ name }) => name), values: bars.map(({ values }) => values) };
  });
}

export const scenarioTable = (scenario, results) =>
  [...figureTable(scenario.figures, results), ['lost, twice, disorder', ...Object.values(results).map(faults)]];

export function asText(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) => row.map((text, i) => (i === 0 ? text.padEnd(widths[i]) : text.padStart(widths[i]))).join('  ')).join('\n');
}

export function asMarkdown(rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const [head, ...rest] = rows;
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...rest.map(line)].join('\n');
}

function output(command, args) {
  try {
    return execFileSync(command, args, { stdio: ['ignore', 'pipe', 'pipe'] }).toString().trim();
  } catch {
    return 'unknown';
  }
}

export const versionIn = (directory) => output('git', ['-C', directory, 'describe', '--always', '--dirty']);
const packageVersion = (name) => output('dpkg-query', ['-W', '-f', '${Version}', name]);

export function machine() {
  const cpu = os.cpus()[0]?.model ?? 'unknown processor';
  return [
    `${os.cpus().length} × ${cpu.trim()}, ${Math.round(os.totalmem() / 2 ** 30)} GB, ${os.type()} ${os.release()}, loopback`,
    `nginx ${packageVersion('nginx')}, PostgreSQL ${packageVersion('postgresql-15')}`,
    `pgevents ${versionIn('.')}`,
  ];
}

export function peerVersions() {
  const packages = { nchan: 'libnginx-mod-nchan', Redis: 'redis-server', Pushpin: 'pushpin' };
  const versions = Object.entries(packages).map(([name, one]) => `${name} ${packageVersion(one)}`);
  return `peers: ${versions.join(', ')}, Node.js ${process.versions.node}`;
}

const fenced = (text) => `\`\`\`\n${text.trimEnd()}\n\`\`\``;

// Writes the page docs/benchmarks/<name>.md. `configs` maps peers to their configuration: nginx's http block, or their
// own.
export function writePage(file, { name, command, rounds, sections, configs, notes }) {
  const lines = [
    `# Benchmark: ${name}`, '',
    `Made by \`PGEVENTS_BENCH_WRITE=${name} ${command}\`. Median (lowest–highest) of ${rounds} interleaved rounds; the ratios are`,
    'medians of the ratios within a round.', '',
    ...[...machine(), ...notes].map((line) => `- ${line}`), '',
    ...sections.flatMap(({ scenario, rows, image }) => [
      `## ${scenario.title}`, '', asMarkdown(rows), '', ...(image ? [`![${scenario.name}](${image})`, ''] : []),
    ]),
    '## Configurations', '',
    ...Object.entries(configs).filter(([, text]) => text).flatMap(([peer, text]) => [`${peer}:`, '', fenced(text), '']),
  ];
  fs.mkdirSync(new URL('.', file), { recursive: true });
  fs.writeFileSync(file, lines.join('\n'));
}
