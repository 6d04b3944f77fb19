// Compares the tables of docs/operations.md with the tables in the code. Called by metrics.sh.
import fs from 'node:fs';

const read = (file) => fs.readFileSync(file, 'utf8');
const code = read('core/metrics/metric.hpp');
const words = read('core/metrics/labels.hpp') + read('core/metrics/reasons.hpp');
const page = read('docs/operations.md').split(/^## /m).find((section) => section.startsWith('Metrics\n'));

const strings = (text) => [...text.matchAll(/"([^"]*)"/g)].map(([, string]) => string);
const ticked = (list) => list.map((text) => `\`${text}\``).join(', ');

// Arrays of words by name.
const arrays = new Map([...words.matchAll(/\b(k\w+Words)\[\] = \{([^}]*)\}/g)].map(([, name, text]) => [name, strings(text)]));

const kEntry = /\{"(\w+)",\s*MetricType::k(\w+),\s*MetricUnit::\w+,\s*\w+,\s*((?:"[^"]*"\s*)+)(?:,\s*\{(.*?)\}\s*)?\},/gs;
const metrics = [...code.matchAll(kEntry)].map(([, name, type, help, labels = '']) => ({
  name, type: type.toLowerCase(), help: strings(help).join(''),
  labels: [...labels.matchAll(/metric_label\("(\w+)", (\w+)\)/g)].map(([, label, array]) => [label, array]),
}));

const wanted = [];
for (const { name, type, help, labels } of metrics) {
  wanted.push(`| \`pgevents_${name}\` | ${type} | ${ticked(labels.map(([label]) => label))} | ${help} |`);
  for (const [label, array] of labels) wanted.push(`| \`${label}\` | \`pgevents_${name}\` | ${ticked(arrays.get(array))} |`);
}

const count = (code.match(/^ +\{"\w+",/gm) ?? []).length;
const rows = page.split('\n').filter((line) => /^\| `\w+` \|/.test(line) && line.includes('`pgevents_'))
  .filter((line) => !line.startsWith('| `pgevents_build_info`'));
const problems = [
  ...wanted.filter((row) => !rows.includes(row)).map((row) => `missing in docs/operations.md: ${row}`),
  ...rows.filter((row) => !wanted.includes(row)).map((row) => `not in the code: ${row}`),
];
if (metrics.length === 0 || metrics.length !== count) problems.push(`${metrics.length} of ${count} metrics were read: repair this check`);
for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;
