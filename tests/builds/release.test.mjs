// `./run release --check` reports what keeps a commit from being a release.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { before, describe, test } from 'node:test';

import { run } from '../lib/processes.mjs';
import { kRoot, tempDir } from '../lib/scratch.mjs';

// The files that it reads.
const kFiles = ['run', 'tools', 'core/version.hpp', 'client/package.json', 'client/package-lock.json',
  'debian/changelog', 'containers/kubernetes.yaml', 'sql/install.sql', 'sql/migrations', 'tests/lint/version.sh'];
const kVersion = /kVersion\[\] = "(.*)"/.exec(fs.readFileSync(path.join(kRoot, 'core/version.hpp'), 'utf8'))[1];
const kDate = '2026-11-30';
const kCut = `# Changelog\n\n## [Unreleased]\n\n## [${kVersion}] - ${kDate}\n\n### Added\n\n- Events.\n`;

let dir;
const write = (name, text) => fs.writeFileSync(path.join(dir, name), text);
const read = (name) => fs.readFileSync(path.join(dir, name), 'utf8');
const git = (...args) => run('git', ['-C', dir, '-c', 'user.name=test', '-c', 'user.email=test@localhost', ...args]);

async function commit() {
  await git('add', '-A');
  await git('commit', '-q', '--allow-empty', '-m', 'Change something');
}

before(async () => {
  dir = tempDir('release');
  for (const name of kFiles) fs.cpSync(path.join(kRoot, name), path.join(dir, name), { recursive: true });
  write('CHANGELOG.md', kCut);
  write('debian/changelog', read('debian/changelog').replace(/> {2}.*$/m, '>  Mon, 30 Nov 2026 12:00:00 +0000'));
  write('README.md', 'npm install pgevents\n');
  await git('init', '-q');
  await commit();
});

const check = () => run('./run', ['release', '--check'], { cwd: dir, expect: null });

async function assertAccepted() {
  const { status, stderr } = await check();
  assert.deepEqual([status, stderr], [0, '']);
}

async function assertRefused(pattern) {
  const { status, stderr } = await check();
  assert.equal(status, 1);
  assert.match(stderr, pattern);
  assert.equal(stderr.trim().split('\n').length, 2, stderr);
}

// Commits a file with another text, and restores it after the assertion.
async function withText(name, change, pattern) {
  const text = read(name);
  const changed = change(text);
  assert.notEqual(changed, text);
  write(name, changed);
  await commit();
  try {
    await assertRefused(pattern);
  } finally {
    write(name, text);
    await commit();
  }
}

describe('./run release', () => {
  test('accepts a clean commit whose changelog is cut', assertAccepted);

  test('refuses a changelog without the section, with an empty one, or with lines that are not cut', async () => {
    await withText('CHANGELOG.md', (text) => text.replace(`[${kVersion}]`, '[0.0.1]'), /has no section/);
    await withText('CHANGELOG.md', (text) => text.replace(`- ${kDate}`, ''), /has no section/);
    await withText('CHANGELOG.md', (text) => text.replace(/### Added[^]*/, ''), /or an empty one/);
    await withText('CHANGELOG.md', (text) => text.replace('[Unreleased]\n', '[Unreleased]\n\n- More.\n'),
      /lines under \[Unreleased\]/);
  });

  test('refuses versions that differ', async () => {
    await withText('client/package.json', (text) => text.replace(`"${kVersion}"`, '"0.0.1"'), /client\/package.json/);
    await withText('debian/changelog', (text) => text.replace(`(${kVersion})`, '(0.0.1)'), /debian\/changelog/);
    await withText('containers/kubernetes.yaml', (text) => text.replace(`:${kVersion}`, ':0.0.1'), /kubernetes\.yaml/);
  });

  test('refuses texts that are right only before the release, and names the file', async () => {
    await withText('debian/changelog', (text) => text.replace('Mon, 30 Nov', 'Sun, 29 Nov'),
      /^- debian\/changelog: .* 2026-11-29, .* 2026-11-30: write Mon, 30 Nov 2026 12:00:00 \+0000$/m);
    await withText('debian/changelog', (text) => text.replace('unstable', 'UNRELEASED'), /^- debian\/changelog: .*UNRELEASED/m);
    await withText('README.md', (text) => `${text}\npgevents has no release yet: use this repository.\n`,
      /^- README\.md, line 3: /m);
  });

  test('refuses an install.sql that does not install the newest migration', async () => {
    await withText('sql/install.sql', (text) => text.replace(/^\\set latest .*$/m, '\\set latest 1'), /newest migration/);
  });

  test('refuses a tree that is not clean', async () => {
    write('new', '');
    await assertRefused(/not clean/);
    fs.rmSync(path.join(dir, 'new'));
    await assertAccepted();
  });

  test('refuses a tag of another commit, and accepts its own', async () => {
    await git('tag', `v${kVersion}`);
    await assertAccepted();
    await commit();
    await assertRefused(/exists, and is another commit/);
  });
});
