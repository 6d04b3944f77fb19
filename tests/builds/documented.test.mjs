// The documented ways to build by hand, as far as a machine with everything installed can test them: the lists of
// packages are complete, and nothing else is needed. `./run builds --all` follows the commands in bare roots.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';

import { run } from '../lib/processes.mjs';
import { kRoot, tempDir } from '../lib/scratch.mjs';

// The words of a pattern's group in a file of this project.
function wordsOf(name, pattern) {
  const text = fs.readFileSync(path.join(kRoot, name), 'utf8');
  return Array.from(text.matchAll(pattern), ([, words]) => words.split(' ')).flat();
}

async function documented(file, heading) {
  const { stdout } = await run('bash', ['tests/builds/documented.sh', file, heading], { cwd: kRoot });
  return stdout.trim().split('\n');
}

const packagesOf = (commands) => /^apt-get install (.*)$/.exec(commands[0])[1].split(' ');

// Debian's package for a name of pkg-config.
async function packageOf(module) {
  const { stdout } = await run('pkg-config', ['--variable=pcfiledir', module]);
  const owner = await run('dpkg', ['-S', path.join(stdout.trim(), `${module}.pc`)]);
  return owner.stdout.split(':')[0];
}

function assertContains(list, wanted) {
  assert.deepEqual(wanted.filter((name) => !list.includes(name)), [], `of ${list.join(' ')}`);
}

describe('docs/fallback.md, building it', async () => {
  const commands = await documented('docs/fallback.md', '## Building it');

  test('names every package that CMake asks for', async () => {
    const modules = wordsOf('CMakeLists.txt', /pkg_check_modules\(\w+ REQUIRED IMPORTED_TARGET ([^)]*)\)/g);
    assert.ok(modules.length >= 6, `${modules}`);
    const packages = await Promise.all(modules.map(packageOf));
    assertContains(packagesOf(commands), ['g++', 'make', 'cmake', 'pkg-config', ...packages]);
  });

  // pkg-config finds this file first; it names a library that does not exist.
  test('its commands do not need Check', async () => {
    const dir = tempDir('documented');
    fs.writeFileSync(path.join(dir, 'check.pc'), 'Name: check\nDescription: none\nVersion: 1\nRequires: not-here\n');
    const env = { ...process.env, PKG_CONFIG_PATH: dir };
    const build = path.join(dir, 'build');
    const [configure, make] = commands.slice(1, 3).map((command) => command.replaceAll('build/release', build));
    const { stdout } = await run('sh', ['-c', configure], { cwd: kRoot, env });
    assert.match(stdout, /The unit tests are not built/);
    const targets = await run('sh', ['-c', make.replace('pgevents-fcgi', 'help')], { cwd: kRoot, env });
    assert.match(targets.stdout, /pgevents-fcgi/);
    assert.doesNotMatch(targets.stdout, /_test/);
    const insisting = await run('sh', ['-c', `${configure} -DPGEVENTS_TESTS=ON`], { cwd: kRoot, env, expect: null });
    assert.notEqual(insisting.status, 0);
    assert.match(insisting.stderr, /PGEVENTS_TESTS is ON, but Check was not found/);
  });
});

describe('docs/building.md, for the nginx of Debian', async () => {
  test('names every package that configure asks for', async () => {
    const asked = wordsOf('config', /^pgevents_(?:stop_unless_found|require_library) ".*?" "(.*?)"/gm);
    assert.ok(asked.length >= 10, `${asked}`);
    const commands = await documented('docs/building.md', '## For the nginx of Debian');
    assertContains(packagesOf(commands), ['nginx-dev', 'make', ...asked]);
  });
});
