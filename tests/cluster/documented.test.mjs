// docs/cluster.md shows the configurations of conf/cluster, which the scenarios use, and conf/copy.conf.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { kRoot } from '../lib/scratch.mjs';

const page = fs.readFileSync(path.join(kRoot, 'docs', 'cluster.md'), 'utf8');
const linesOf = (text) => text.split('\n').map((line) => line.trim()).filter(Boolean);

// A block belongs to the file that the text before it names last. Other commands (sh) belong to none, and drawings have
// none of a configuration's words.
function blocks() {
  const found = [...page.matchAll(/^( *)```([a-z]*)\n([\s\S]*?)^\1```$/gm)].filter(([, , , text]) => !/[┌│]/.test(text));
  return found.map((match) => {
    const name = [...page.slice(0, match.index).matchAll(/\]\(\.\.\/conf\/([^)]+)\)/g)].at(-1)[1];
    return { name, language: match[2], text: match[3] };
  }).filter(({ name, language }) => language !== 'sh' || name.endsWith('.sh'));
}

test('each line of a configuration on the page is one of the file that it names', () => {
  const names = fs.readdirSync(path.join(kRoot, 'conf/cluster')).map((name) => `cluster/${name}`);
  assert.deepEqual(new Set(blocks().map(({ name }) => name)), new Set([...names, 'copy.conf']));
  for (const { name, text } of blocks()) {
    const lines = new Set(linesOf(fs.readFileSync(path.join(kRoot, 'conf', name), 'utf8')));
    assert.deepEqual(linesOf(text).filter((line) => !lines.has(line)), [], `lines that conf/${name} has not`);
  }
});
