// Files and commands that a page of docs/ shows: a fenced block is the content of a file if the paragraph before it
// begins with the file's name, as in "`cgi.mjs` is …". Tests run them, with other places; each of these must occur, so
// that a changed page cannot go untested.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';

import { kRoot } from './scratch.mjs';

const kBlock = /\n```([a-z]+)\n([\s\S]*?)\n```\n/g;

// Returns [{ file, language, text }]; `file` is undefined for other blocks.
export function blocksOf(document) {
  const page = fs.readFileSync(path.join(kRoot, document), 'utf8');
  return [...page.matchAll(kBlock)].map(({ index, 1: language, 2: text }) => {
    const paragraph = page.slice(0, index).trimEnd().split('\n\n').at(-1);
    return { file: /^`([\w./-]+\.[a-z]+)`/.exec(paragraph)?.[1], language, text };
  });
}

// The block of a page that imports from this library.
export const blockWith = (document, library) =>
  blocksOf(document).find(({ text }) => text.includes(`from '${library}'`)).text;

export function replaceAll(text, places) {
  return Object.entries(places).reduce((result, [from, to]) => result.replaceAll(from, to), text);
}

// Writes the files of a page into a directory. places: texts to replace.
export function writeFiles(document, dir, places) {
  const files = blocksOf(document).filter(({ file }) => file);
  const all = files.map(({ text }) => text).join('\n');
  for (const from of Object.keys(places)) assert.ok(all.includes(from), `'${from}' in ${document}`);
  for (const { file, text } of files) {
    fs.mkdirSync(path.dirname(path.join(dir, file)), { recursive: true });
    fs.writeFileSync(path.join(dir, file), `${replaceAll(text, places)}\n`);
  }
}
