// Writes the table of a trial: node tests/faults/trial-report.mjs RECORDS MARKDOWN
import fs from 'node:fs';

const [source, target] = process.argv.slice(2);
const records = fs.readFileSync(source, 'utf8').trim().split('\n').map((line) => JSON.parse(line));

// Combines the repetitions of one sentence into one row.
function combine(list) {
  const sum = (name) => list.reduce((all, record) => all + record[name], 0);
  const longest = (pick) => Math.max(...list.map(pick));
  const gap = (isFallback) => (record) =>
    Math.max(0, ...Object.entries(record.gaps)
      .filter(([kind]) => kind.startsWith('fallback') === isFallback).map(([, ms]) => ms));
  return {
    sentence: list[0].sentence,
    clients: list[0].clients,
    times: sum('rounds'),
    rate: Math.round(sum('events') / sum('seconds')),
    events: sum('events'),
    delivered: sum('delivered'),
    expected: sum('expected'),
    lost: sum('loss'),
    twice: sum('duplicate'),
    wrong: sum('order') + sum('altered') + sum('foreign'),
    resets: sum('resets'),
    moduleGap: longest(gap(false)),
    fallbackGap: longest(gap(true)),
  };
}

const bySentence = new Map();
for (const record of records) bySentence.set(record.sentence, [...(bySentence.get(record.sentence) ?? []), record]);
const rows = [...bySentence.values()].map(combine);
const total = (name) => rows.reduce((all, row) => all + row[name], 0).toLocaleString('en');
const number = (n) => n.toLocaleString('en');
const seconds = (ms) => (ms === 0 ? '–' : (ms / 1000).toFixed(1));

const lines = rows.map((row) => [
  row.sentence, row.times, row.clients, row.rate, number(row.events), number(row.delivered), row.lost, row.twice, row.wrong,
  row.resets, seconds(row.moduleGap), seconds(row.fallbackGap),
]);
const head = ['what happens', 'times', 'clients', 'committed/s', 'events', 'delivered', 'lost', 'twice', 'wrong', 'resets',
  'longest gap, module (s)', 'fallback (s)'];
const sums = ['**all**', total('times'), '', '', total('events'), total('delivered'), total('lost'), total('twice'), total('wrong'),
  total('resets'), '', ''];
const table = [head, head.map((_, n) => (n === 0 ? '---' : '---:')), ...lines, sums];
fs.writeFileSync(target, table.map((cells) => `| ${cells.join(' | ')} |\n`).join(''));
console.log(fs.readFileSync(target, 'utf8'));
