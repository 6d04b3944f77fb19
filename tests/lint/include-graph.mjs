// The graph of includes of the shipped C++: reads it, checks it, prints it. Called by includes.sh, or by hand:
//   node tests/lint/include-graph.mjs            exits with 1 if an include breaks a rule, and names it
//   node tests/lint/include-graph.mjs --print    every arrow "a -> b", then the arrows between folders
//   node tests/lint/include-graph.mjs --dot      the arrows between folders, for Graphviz
// A component is a header with its source, so a cycle between two of them also shows when only the sources make it.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';

// From the bottom to the top. A folder uses the rows above it in this table and itself, not its neighbours in a row.
// The longest name that fits a file counts: `ngx_module` means the files that no other row names.
const kLayers = [
  ['core/text', 'core/metrics', 'core/version'],
  ['core/jwt', 'core/wire'],
  ['core/shared', 'core/status', 'core/web_socket'],
  ['core/request'],
  ['postgres'],
  ['ngx_module/nginx', 'fcgi_fallback'],
  ['ngx_module/zone'],
  ['ngx_module/conf'],
  ['ngx_module/postgres'],
  ['ngx_module/listener'],
  ['ngx_module/presence'],
  ['ngx_module/http'],
  ['ngx_module/delivery'],
  ['ngx_module/database_worker'],
  ['ngx_module/status'],
  ['ngx_module'],
];
// Pairs of folders that must not use each other, whatever their rows.
const kApart = [['fcgi_fallback', 'ngx_module']];
const kRoots = ['core', 'postgres', 'ngx_module', 'fcgi_fallback'];

// Headers of others that a file must not include, by the beginning of its name; all that fit count.
const kForeign = [
  ['core', /^(ngx_|nginx|libpq|postgres|pg_|fcgi|fastcgi)/i],
  ['postgres', /^(ngx_|nginx|fcgi|fastcgi)/i],
  ['fcgi_fallback', /^(ngx_|nginx)/i],
  ['ngx_module', /^(fcgi|fastcgi)/i],
  ['ngx_module/', /^ngx_/i, 'ngx_module/nginx.hpp'],
];

const kInclude = /^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]/gm;
const componentOf = (file) => file.replace(/\.[ch]pp$/, '');
const isBelow = (name, folder) => name === folder || name.startsWith(`${folder}/`);

const kFolders = kLayers.flatMap((names, rank) => names.map((name) => ({ name, rank })))
  .sort((a, b) => b.name.length - a.name.length);
const folderOf = (component) => kFolders.find(({ name }) => isBelow(component, name));

function readFiles() {
  const names = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '--', ...kRoots],
    { encoding: 'utf8' }).split('\n');
  return names.filter((name) => /\.[ch]pp$/.test(name) && fs.existsSync(name));
}

// { arrows: Map of component to Set of components, problems: [text] }
function readGraph(files) {
  const known = new Set(files);
  const arrows = new Map(files.map((file) => [componentOf(file), new Set()]));
  const problems = [];
  for (const file of files) {
    const from = componentOf(file);
    if (!folderOf(from)) problems.push(`${file}: its folder is in no row of kLayers (${import.meta.filename})`);
    for (const [, quote, name] of fs.readFileSync(file, 'utf8').matchAll(kInclude)) {
      if (known.has(name) && quote === '"') {
        if (componentOf(name) !== from) arrows.get(from).add(componentOf(name));
      } else if (quote === '"') {
        problems.push(`${file}: "${name}" is not the name of a header from the top of the repository`);
      } else if (known.has(name)) {
        problems.push(`${file}: <${name}> is a header of this project; write it in quotes`);
      } else {
        problems.push(...foreignProblems(file, name));
      }
    }
  }
  return { arrows, problems };
}

function foreignProblems(file, header) {
  const broken = kForeign.some(([start, pattern, but]) => file.startsWith(start) && file !== but && pattern.test(header));
  return broken ? [`${file}: <${header}> must not be included here`] : [];
}

function arrowProblems(arrows) {
  const problems = [];
  for (const [from, targets] of arrows) {
    for (const to of targets) {
      const [user, used] = [folderOf(from), folderOf(to)];
      if (!user || !used || user === used) continue;
      const apart = kApart.some((pair) => pair.some((one, i) => isBelow(from, one) && isBelow(to, pair[1 - i])));
      if (used.rank >= user.rank || apart) problems.push(`${from} -> ${to}: ${user.name} must not use ${used.name}`);
    }
  }
  return problems;
}

// Tarjan's algorithm: the sets of components that reach each other.
function findCycles(arrows) {
  const [index, low, stack, cycles] = [new Map(), new Map(), [], []];
  const visit = (node) => {
    index.set(node, index.size);
    low.set(node, index.get(node));
    stack.push(node);
    for (const next of arrows.get(node)) {
      if (!index.has(next)) visit(next);
      if (stack.includes(next)) low.set(node, Math.min(low.get(node), low.get(next)));
    }
    if (low.get(node) !== index.get(node)) return;
    const members = stack.splice(stack.indexOf(node));
    if (members.length > 1) cycles.push(members.sort());
  };
  for (const node of arrows.keys()) if (!index.has(node)) visit(node);
  return cycles;
}

// [[from, to, how many arrows]]
function folderArrows(arrows) {
  const counts = new Map();
  for (const [from, targets] of arrows) {
    for (const to of targets) {
      const [user, used] = [folderOf(from)?.name, folderOf(to)?.name];
      if (user !== used) counts.set(`${user} ${used}`, (counts.get(`${user} ${used}`) ?? 0) + 1);
    }
  }
  return [...counts].map(([pair, count]) => [...pair.split(' '), count]).sort();
}

function print(arrows) {
  for (const [from, targets] of [...arrows].sort()) for (const to of [...targets].sort()) console.log(`${from} -> ${to}`);
  console.log('\nBetween folders:');
  for (const [from, to, count] of folderArrows(arrows)) console.log(`${from} -> ${to} (${count})`);
}

function printDot(arrows) {
  console.log('digraph includes {');
  for (const [from, to, count] of folderArrows(arrows)) console.log(`  "${from}" -> "${to}" [label=${count}];`);
  console.log('}');
}

const { arrows, problems } = readGraph(readFiles());
if (process.argv.includes('--dot')) printDot(arrows);
if (process.argv.includes('--print')) print(arrows);
const cycles = findCycles(arrows).map((members) => `cycle: ${members.join(', ')}`);
const all = [...problems, ...arrowProblems(arrows), ...cycles];
for (const problem of all) console.error(problem);
process.exitCode = all.length > 0 ? 1 : 0;
