// Finds comments in source files and paragraphs in Markdown that are wider than 120 columns; see widths.sh.
// node tests/lint/widths.mjs [FILE…]: those files only.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';

const kMax = 120;
const kMarks = {
  cpp: /^\s*(\/\/|\/?\*+ )/, hpp: /^\s*(\/\/|\/?\*+ )/, js: /^\s*(\/\/|\/?\*+ )/, mjs: /^\s*(\/\/|\/?\*+ )/,
  sql: /^\s*(--|\/?\*+ )/, sh: /^\s*# /, run: /^\s*# /, config: /^\s*# /, make: /^\s*# /, pml: /^\s*\/?\*+ /,
};
// A dump of the schema, or a page that the benchmark wrote.
const isMade = (file, text) => file.includes('.golden.') || (file.startsWith('docs/benchmarks/') && /^Made by /m.test(text));
// What a tool reads must stand in one line.
const kForTools = /shellcheck|eslint-|NOLINT|cppcheck-suppress|clang-format (on|off)/;

const width = (line) => Array.from(line).length;
const suffixOf = (file) => /[^./]*$/.exec(file)[0];

// A line that begins with a word of such length, an address mostly, cannot be broken.
function canBeBroken(line) {
  const start = /^\s*(\/\/|--|#|\*|-|>|\d+\.)?\s*/.exec(line)[0].length;
  const space = line.indexOf(' ', start);
  return space >= 0 && space <= kMax;
}

function wideComments(lines, mark) {
  return lines.filter(({ text }) => mark.test(text) && !kForTools.test(text));
}

// All but headings, tables, code (fenced or indented by four), HTML and definitions of links.
function wideParagraphs(lines) {
  let fenced = false;
  let inList = false;
  return lines.filter(({ text }) => {
    if (/^\s*```/.test(text)) fenced = !fenced;
    if (/^\s*([-*]|\d+\.) /.test(text)) inList = true;
    else if (/^\S/.test(text)) inList = false;
    const isCode = fenced || (/^ {4}/.test(text) && !inList);
    return !isCode && !/^\s*(#|\||<|```|\[[^\]]+\]:)/.test(text);
  });
}

function wideLines(file) {
  const content = fs.readFileSync(file, 'utf8');
  if (isMade(file, content)) return [];
  const lines = content.split('\n').map((text, i) => ({ text, at: `${file}:${i + 1}` }));
  const prose = suffixOf(file) === 'md' ? wideParagraphs(lines) : wideComments(lines, kMarks[suffixOf(file)]);
  return prose.filter(({ text }) => width(text) > kMax && canBeBroken(text));
}

const all = execFileSync('git', ['ls-files'], { encoding: 'utf8' }).split('\n');
const files = process.argv.length > 2 ? process.argv.slice(2) : all;
const checked = files.filter((file) => suffixOf(file) in kMarks || suffixOf(file) === 'md');
const wide = checked.filter((file) => fs.existsSync(file)).flatMap(wideLines);
for (const { at, text } of wide) console.error(`${at}: ${width(text)} columns; break the line at ${kMax}`);
process.exitCode = wide.length > 0 ? 1 : 0;
