// Compares the tables of log lines in docs/operations.md with the source. Called by log-lines.sh, or by hand:
//   node tests/lint/log-lines.mjs            exits with 1 if a table lacks a line, or has one that no source writes
//   node tests/lint/log-lines.mjs --print    prints the lines of the source as rows of the tables
// A line is its text with … for each value. The module's are the formats of ngx_log_error() and ngx_conf_log_error()
// from the level notice on. The fallback's are what log_line() and log_values() get, and texts that are kept in `text`
// or `log` until then; messages that end it at its start (fail()) are not in the table.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';

const kPage = 'docs/operations.md';
const kLevels = { EMERG: 'emerg', ALERT: 'alert', CRIT: 'crit', ERR: 'error', WARN: 'warn', NOTICE: 'notice' };
// nginx's own macros in formats of the module.
const kMacros = { ngx_open_file_n: 'open()', ngx_read_file_n: 'read()' };

const tracked = (...folders) => execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '--',
  ...folders], { encoding: 'utf8' }).split('\n').filter((name) => /\.[ch]pp$/.test(name) && fs.existsSync(name));

const kToken = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)'|\/\/[^\n]*|[\w.:>]+(?:->\w+)*|\S/g;

// The tokens of the arguments that begin behind `at`, an opening parenthesis or an assignment, as one list for each.
function argumentsFrom(text, at) {
  const all = [[]];
  let depth = 0;
  for (const { 0: token } of text.slice(at).matchAll(kToken)) {
    if (token.startsWith('//')) continue;
    if (depth === 0 && /^[);]$/.test(token)) break;
    if (/^[([{]$/.test(token)) depth++;
    if (/^[)\]}]$/.test(token)) depth--;
    if (depth === 0 && token === ',') all.push([]);
    else all.at(-1).push(token);
  }
  return all;
}

const unquoted = (token) => token.slice(1, -1).replace(/\\(.)/g, '$1');
const ofFormat = (text) => text.replace(/%%|%[-0-9.]*(?:l|ll|u|z)*[a-zA-Z]+?(?=[^a-zA-Z]|L|$)L?/g, '…');
const joined = (text) => text.replace(/…+/g, '…').replace(/^pgevents: /, '');

// The text of a C++ expression: literals as they are, everything else as …
function textOf(tokens, format) {
  let depth = 0;
  let text = '';
  for (const token of tokens) {
    if (token === '(') depth++;
    if (token === ')') depth--;
    if (depth > 0 && !(depth === 1 && tokens[0] === '(')) continue;
    if (token.startsWith('"')) text += format ? ofFormat(unquoted(token)) : unquoted(token);
    else if (kMacros[token]) text += kMacros[token];
    else if (!/^[+()]$/.test(token)) text += '…';
  }
  return joined(text.replace(/ $/, ' …'));
}

// Lines that reach the log through a format without words (`pgevents: %s`).
const kOfOthers = new Set(['notice: PostgreSQL reports …: …', ': PostgreSQL reports …: …']);

const hasWords = (text) => /[a-z]{3}/.test(text);

function linesOfModule() {
  const lines = [];
  for (const file of tracked('ngx_module', 'core', 'postgres')) {
    const source = fs.readFileSync(file, 'utf8');
    for (const call of source.matchAll(/\bngx_(?:conf_)?log_error\(/g)) {
      const [level, , , format] = argumentsFrom(source, call.index + call[0].length);
      // A level may be chosen by a condition.
      for (const [, word] of level.join(' ').matchAll(/\bNGX_LOG_(\w+)/g)) {
        if (kLevels[word] && format) lines.push({ file, level: kLevels[word], text: textOf(format, true) });
      }
    }
  }
  return lines;
}

function linesOfFallback() {
  const lines = [];
  const add = (file, text) => lines.push({ file, level: '', text });
  for (const file of tracked('fcgi_fallback')) {
    const source = fs.readFileSync(file, 'utf8').replace(/#\w+[^\n]*/g, '');
    for (const call of source.matchAll(/\blog_line\(/g)) add(file, textOf(argumentsFrom(source, call.index + 9)[0]));
    for (const call of source.matchAll(/\blog_values\(/g)) {
      add(file, textOf(argumentsFrom(source, call.index + 11)[0], true));
    }
    for (const call of source.matchAll(/\bsnprintf\(text, sizeof text, /g)) {
      add(file, textOf(argumentsFrom(source, call.index + call[0].length)[0], true));
    }
    if (!source.includes('fcgi_fallback/log.hpp') && !/\blog\b/.test(source)) continue;
    for (const { index, 0: start } of source.matchAll(/(?<=\s)(?:text|log) = (?=")/g)) {
      add(file, textOf(argumentsFrom(source, index + start.length)[0]));
    }
  }
  return lines;
}

// The rows of the tables: those with three cells are the module's.
function rows() {
  const [, section] = /\n## Log lines\n([\s\S]*?)(?=\n## |$)/.exec(fs.readFileSync(kPage, 'utf8')) ?? [];
  if (section === undefined) throw new Error(`${kPage} has no section "Log lines"`);
  const all = [...section.matchAll(/^\| `([^\n]*?)` \|([^\n]*)\|$/gm)].map(([, text, rest]) => {
    const [first] = rest.split('|').map((cell) => cell.trim());
    const is_level = Object.values(kLevels).includes(first);
    return { text: joined(text), level: is_level ? first : '' };
  });
  return all;
}

const keyOf = ({ level, text }) => `${level}: ${text}`;
const source = [...linesOfModule(), ...linesOfFallback()].filter(({ text }) => hasWords(text));
if (source.length < 30) throw new Error(`Only ${source.length} lines found: this check needs repair.`);

if (process.argv.includes('--print')) {
  for (const { file, level, text } of source) console.log(`| \`${text}\` | ${level} | ${file}`);
} else {
  const documented = new Set(rows().map(keyOf));
  const written = new Set(source.map(keyOf));
  const missing = source.filter((line) => !documented.has(keyOf(line))).map((line) => `${line.file}: ${keyOf(line)}`);
  const unknown = [...documented].filter((key) => !written.has(key) && !kOfOthers.has(key));
  for (const line of missing) console.log(`${line}\n    is not in the tables of ${kPage}, "Log lines"`);
  for (const line of unknown) console.log(`${kPage}: no source writes\n    ${line}`);
  if (missing.length + unknown.length > 0) process.exit(1);
}
