// The verdicts of a soak, as a table for the terminal and as a page.
import fs from 'node:fs';

import { asMarkdown, asText, machine } from '../bench/report.mjs';
import { judgeTrend, kEnough } from '../lib/trend.mjs';

const kWarmup = 0.2; // of each half

// The samples for one series without its warm-up: those of the first half, of the second, or of the whole run.
function pointsOf({ of, when }, samples) {
  const isOf = ({ half, is_aged }) => when === 'always' || (half === when && (when !== 'reloads' || is_aged));
  const taken = samples.filter(isOf);
  const [start, end] = [samples.find(({ half }) => when === 'always' || half === when)?.at ?? 0, taken.at(-1)?.at ?? 0];
  const isWarm = ({ at }) => at >= start + kWarmup * (end - start);
  return taken.filter(isWarm).map((sample) => ({ at: sample.at, value: of(sample) }));
}

// Are there enough samples for a verdict about the series of the whole run?
export function areEnough(samples) {
  return pointsOf({ of: () => 0, when: 'always' }, samples).length >= kEnough;
}

// Gives [{ series, points (their number), good, first, last, slope, bound, limit, verdict }].
export function judgeAll(all_series, samples) {
  return all_series.map((series) => {
    const points = pointsOf(series, samples);
    const judged = judgeTrend(points, series);
    return { series, points: points.length, good: ['flat', 'too short'].includes(judged.verdict), ...judged };
  });
}

const number = (value, digits) =>
  value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });

function tableRows(rows) {
  const head = ['', 'samples', 'first', 'last', 'per hour', 'at most', ''];
  return [head, ...rows.map(({ series, points, first, last, slope, bound, limit, verdict }) => {
    if (slope === undefined) return [series.title, String(points), '–', '–', '–', '–', verdict];
    const { unit, digits } = series;
    const cell = (value) => `${number(value, digits)}${unit && ` ${unit}`}`;
    const per_hour = `${cell(slope)} ± ${number(bound, digits)}`;
    return [series.title, String(points), cell(first), cell(last), per_hour, cell(limit), verdict];
  })];
}

const totalRows = (totals) => [['', 'in all'],
  ...Object.entries(totals).map(([name, value]) => [name, number(value, 0)])];

export function print({ rows, totals, problems }) {
  console.log(`\n${asText(tableRows(rows))}\n\n${asText(totalRows(totals))}\n`);
  for (const problem of problems) console.log(problem);
  const bad = rows.filter(({ good }) => !good);
  for (const { series, verdict } of bad) console.log(`${series.title}: ${verdict}`);
  console.log(bad.length + problems.length === 0 ? 'soak: passed' : 'soak: failed');
}

export function writePage(file, { plan, rows, totals, problems }) {
  const { variant, seconds, rate, staying, coming, reload } = plan;
  const lines = [
    `# Soak: ${variant}, ${seconds} s`, '',
    ...machine().map((line) => `- ${line}`),
    `- ${rate} events a second; ${staying} subscribers that stay and ${coming} that come and go; a reload every ` +
      `${Math.round(reload)} s of the first half, none in the second`,
    '- a line by least squares through the means of ten blocks, without the first fifth, with its bounds of 95 %; ' +
      'the upper bound must be below the limit', '',
    asMarkdown(tableRows(rows)), '', asMarkdown(totalRows(totals)), '',
    ...problems.map((problem) => `- ${problem.replaceAll('\n', ' ')}`),
  ];
  fs.writeFileSync(file, `${lines.join('\n').trimEnd()}\n`);
}
