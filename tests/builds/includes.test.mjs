// Each file includes what it uses, so that it compiles with another compiler and another C++ library as well: gcc 12
// took two files without <cstdint> that gcc 14 refused.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';

import { range } from '../lib/conditions.mjs';
import { run } from '../lib/processes.mjs';
import { kRoot, tempDir } from '../lib/scratch.mjs';
import { filesBelow, usualBuild } from './compile.mjs';
import { firstInclude, missingIncludes } from './std_includes.mjs';

const kFolders = ['core', 'fcgi_fallback', 'ngx_module', 'postgres', 'tests/bench', 'tests/faults', 'tests/fuzz', 'tests/unit'];
const files = kFolders.flatMap(filesBelow).filter((name) => /\.[ch]pp$/.test(name));
const isShipped = (name) => /^(core|ngx_module|fcgi_fallback|postgres)\//.test(name);

describe('includes', () => {
  test('every name of the standard library is included by the file that uses it, or by a header of ours', () => {
    assert.ok(files.length > 100, `${files.length} files`);
    const words = (header) =>
      header ? `needs #include <${header}>` : 'is not in the table of tests/builds/std_includes.mjs';
    const missing = files.flatMap((file) =>
      missingIncludes(file).map(({ name, header }) => `${file}: std::${name} ${words(header)}`));
    assert.deepEqual(missing, []);
  });

  // A source that begins with its own header proves, by being compiled, that the header needs nothing before it.
  test('each header compiles by itself', async () => {
    const headers = files.filter((name) => isShipped(name) && name.endsWith('.hpp'));
    const shownBySource = (name) => {
      const source = name.replace('.hpp', '.cpp');
      return files.includes(source) && firstInclude(source) === name;
    };
    const rest = headers.filter((name) => !shownBySource(name));
    assert.ok(headers.length > 50 && rest.length < 40, `${headers.length} headers, ${rest.length} to be compiled here`);
    const commands = fs.readFileSync((await usualBuild()).log, 'utf8').replace(/\\\n/g, ' ').split('\n');
    const command = commands.find((line) => line.trim().endsWith('/delivery/block_maker.cpp'));
    const folders = [`-I${kRoot}`, ...command.replace(/-I /g, '-I').match(/-I\S+/g)];
    const dir = tempDir('includes');
    const cwd = path.join(kRoot, 'build/release/nginx-build');
    const compileAlone = async (name) => {
      const source = path.join(dir, `${name.replaceAll('/', '-')}.cpp`);
      fs.writeFileSync(source, `#include "${path.join(kRoot, name)}"\n`);
      const { status, stderr } = await run('g++', ['-std=c++17', '-fsyntax-only', ...folders, source],
        { cwd, expect: null });
      assert.equal(status, 0, `${name}:\n${stderr}`);
    };
    // Two compilers at a time.
    const left = [...rest];
    await Promise.all(range(1, 2).map(async () => {
      for (let name = left.pop(); name; name = left.pop()) await compileAlone(name);
    }));
  });
});
