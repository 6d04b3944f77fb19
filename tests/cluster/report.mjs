// Writes the table of ./run cluster: node tests/cluster/report.mjs RECORDS MARKDOWN
import fs from 'node:fs';

const [source, target] = process.argv.slice(2);
const records = fs.readFileSync(source, 'utf8').trim().split('\n').map((line) => JSON.parse(line));

const groups = new Map();
for (const record of records) {
  const key = `${record.sentence}\0${record.entrance}`;
  groups.set(key, [...(groups.get(key) ?? []), record]);
}

const number = (n) => n.toLocaleString('en');
const seconds = (list, name) => {
  const all = list.map((record) => record[name].toFixed(1)).sort((a, b) => a - b);
  return all[0] === all.at(-1) ? all[0] : `${all[0]} to ${all.at(-1)}`;
};

// One row for all rounds of a scenario: sums, and the range of each gap.
function row(list) {
  const sum = (name) => list.reduce((all, record) => all + record[name], 0);
  const { sentence, entrance, clients } = list[0];
  return [
    sentence, entrance, list.length, clients, number(sum('acknowledged')), number(sum('delivered')), sum('takenBack'),
    sum('loss'), sum('duplicate'), sum('order') + sum('altered') + sum('foreign'), sum('resets'),
    ...['gapWrites', 'gapHalf', 'gapLongest'].map((name) => seconds(list, name)),
  ];
}

const heading = ['what happens', 'through', 'times', 'clients', 'acknowledged', 'delivered', 'taken back', 'lost', 'twice',
  'wrong', 'resets', 'no commits for (s)', 'half of the clients waited at most (s)', 'all of them (s)'];
const line = (cells) => `| ${cells.join(' | ')} |\n`;
const rule = heading.map((_, n) => (n < 2 ? '---' : '---:'));
const table = [heading, rule, ...[...groups.values()].map(row)].map(line).join('');
fs.writeFileSync(target, table);
console.log(`${table}\nThe table: ${target}`);
