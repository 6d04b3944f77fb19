// Each file includes what it uses, so that it compiles with another compiler and another C++ library as well: gcc 12 forgave two
// files a missing <cstdint> that gcc 14 did not forgive.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';

import { run } from '../lib/processes.mjs';
import { kRoot, tempDir } from '../lib/scratch.mjs';
import { usualBuild } from './compile.mjs';
import { firstInclude, missingIncludes } from './includes.mjs';

const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '--', '*.cpp', '*.hpp'], { cwd: kRoot, encoding: 'utf8' })
  .split('\n').filter((name) => name && fs.existsSync(path.join(kRoot, name)));
const isShipped = (name) => /^(core|ngx_module|fcgi_fallback)\//.test(name);

describe('includes', () => {
  test('every name of the standard library is included by the file that uses it, or by a header of this project', () => {
    assert.ok(files.length > 100, `${files.length} files`);
    const missing = files.flatMap((file) => missingIncludes(file).map(({ name, header }) =>
      `${file}: std::${name} ${header ? `takes #include <${header}>` : 'is not in the table of tests/builds/includes.mjs'}`));
    assert.deepEqual(missing, []);
  });

  // A source that begins with its own header shows by being compiled that the header needs nothing before it.
  test('each header compiles by itself', async () => {
    const headers = files.filter((name) => isShipped(name) && name.endsWith('.hpp'));
    const shownBySource = (name) => {
      const source = name.replace('.hpp', '.cpp');
      return files.includes(source) && firstInclude(source) === path.basename(name);
    };
    const rest = headers.filter((name) => !shownBySource(name));
    assert.ok(headers.length > 50 && rest.length < 20, `${headers.length} headers, ${rest.length} without a source that begins with them`);
    const [command] = fs.readFileSync((await usualBuild()).log, 'utf8').replace(/\\\n/g, ' ').split('\n')
      .filter((line) => line.trim().endsWith('/ngx_module/feed.cpp'));
    const folders = [`-I${path.join(kRoot, 'core')}`, ...command.replace(/-I /g, '-I').match(/-I\S+/g)];
    const all = path.join(tempDir('includes'), 'header.cpp');
    for (const name of rest) {
      fs.writeFileSync(all, `#include "${path.join(kRoot, name)}"\n`);
      const { status, stderr } = await run('g++', ['-std=c++17', '-fsyntax-only', ...folders, all],
        { cwd: path.join(kRoot, 'build/release/nginx-build'), expect: null });
      assert.equal(status, 0, `${name}:\n${stderr}`);
    }
  });
});
