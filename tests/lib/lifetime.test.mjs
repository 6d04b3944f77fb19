// What ends with a test file ends after its last test, even if the file still loads when the first tests have run.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';

import { run } from './processes.mjs';
import { kRoot, tempDir } from './scratch.mjs';

const kHead = `
  import fs from 'node:fs';
  import { test } from 'node:test';
  import { atEnd } from '${pathToFileURL(path.join(kRoot, 'tests', 'lib', 'lifetime.mjs'))}';
  const say = (word) => fs.appendFileSync(new URL('said', import.meta.url), word + ' ');
  const load = () => new Promise((resolve) => setTimeout(resolve, 200));
  atEnd(() => say('end'));`;

const kFiles = [
  ['all before the first test', `await load(); say('loaded'); test('a', () => say('a'));`, 'loaded a end', 0],
  ['a server between two tests', `test('a', () => say('a')); await load(); say('loaded'); test('b', () => say('b'));`,
    'loaded a b end', 0],
  ['a server behind all tests', `test('a', () => say('a')); await load(); say('loaded');`, 'loaded a end', 0],
  ['a server that does not start',
    `test('a', () => say('a')); await load(); say('failed'); throw new Error('no server');`, 'failed end', 1],
];

for (const [what, body, said, status] of kFiles) {
  test(`a file that starts ${what}`, async () => {
    const dir = tempDir('lifetime');
    const file = path.join(dir, 'file.test.mjs');
    fs.writeFileSync(file, `${kHead}\n${body}\n`);
    const env = { ...process.env };
    delete env.NODE_TEST_CONTEXT; // with it, the started file would report to this file's runner
    const result = await run('node', [file], { env, expect: status });
    assert.equal(fs.readFileSync(path.join(dir, 'said'), 'utf8').trim(), said);
    if (status !== 0) assert.match(result.stdout, /no server/);
  });
}
