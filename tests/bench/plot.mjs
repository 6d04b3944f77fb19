// SVG plots by gnuplot: bars for servers side by side, lines for series.
import { execFileSync } from 'node:child_process';
import path from 'node:path';

const kWidth = 340; // pixels of one chart
const kHeight = 300;
const kColors = ['#2563eb', '#dc2626', '#059669', '#d97706', '#7c3aed', '#475569'];

const quoted = (text) => `"${text.replace(/["\\]/g, '')}"`;
const isRight = ({ x, y }) => Number.isFinite(x) && Number.isFinite(y);

function gnuplot(file, count, parts) {
  const script = [
    `set terminal svg size ${count * kWidth},${kHeight} font "sans-serif,12" background "white"`,
    `set output ${quoted(file)}`,
    'set border 3; set tics nomirror; set grid ytics lc rgb "#e2e8f0"; set style fill solid; unset key',
    `set multiplot layout 1,${count}`, ...parts, 'unset multiplot', '',
  ];
  execFileSync('gnuplot', { input: script.join('\n'), stdio: ['pipe', 'inherit', 'inherit'], cwd: path.dirname(file) });
}

// charts: [{ title, names, values: [{ median, low, high }] }], one beside the other; bars with their ranges.
export function plotBars(file, charts) {
  gnuplot(file, charts.length, charts.map(({ title, names, values }) => [
    `set title ${quoted(title)} noenhanced`, 'set yrange [0:*]', 'set boxwidth 0.6', `set xrange [-0.6:${names.length - 0.4}]`,
    `set xtics (${names.map((name, n) => `${quoted(name)} ${n}`).join(', ')}) noenhanced rotate by -30`,
    '$bars << END',
    ...values.map(({ median, low, high }, n) => [n, median, low, high,
      `0x${kColors[n % kColors.length].slice(1)}`].join(' ')),
    'END', 'plot $bars using 1:2:5 with boxes lc rgb variable, $bars using 1:2:3:4 with yerrorbars lc rgb "#0f172a" pt 7 ps 0.3',
  ].join('\n')));
}

// charts: [{ title, x, y, log (of x, y or both: '', 'x', 'xy'), series: [{ name, points: [{ x, y }] }] }].
export function plotLines(file, charts) {
  gnuplot(file, charts.length, charts.map(({ title, x, y, log = '', series }) => [
    `set title ${quoted(title)} noenhanced`, `set xlabel ${quoted(x)}`, `set ylabel ${quoted(y)}`, 'set key top left', 'set xrange [*:*]',
    'unset logscale', log && `set logscale ${log}`, log.includes('y') ? 'set yrange [*:*]' : 'set yrange [0:*]', 'set xtics autofreq norotate',
    ...series.flatMap(({ points }, n) => [`$line${n} << END`,
      ...points.filter(isRight).map((point) => `${point.x} ${point.y}`), 'END']),
    `plot ${series.map(({ name }, n) =>
      `$line${n} with linespoints lw 2 pt 7 ps 0.5 lc rgb "${kColors[n % kColors.length]}" title ${quoted(name)} noenhanced`).join(', ')}`,
  ].join('\n')));
}
