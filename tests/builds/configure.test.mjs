// What nginx's configure says about the module: where it may lie, and what is missing. docs/building.md quotes these words.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';

import { run } from '../lib/processes.mjs';
import { kRoot, tempDir } from '../lib/scratch.mjs';
import { moduleSources, nginxSource } from './compile.mjs';

const source = await nginxSource();
const kLimit = 10 * 60_000;
const kBare = ['--without-pcre', '--without-http_rewrite_module', '--without-http_gzip_module'];

// What configure asks of the system for nginx itself: some hundred small compilations that are the same each time, and without
// which it comes to its modules as well. (For builds.test.mjs it asks them all.)
const kOwnChecks = ['auto/unix', 'auto/os/linux'];

// Runs configure in a copy of the source, which lies beside a link to this repository; `change` gets the copy.
async function configure(options, env = {}, change = () => {}) {
  const dir = tempDir('configure');
  const nginx = path.join(dir, 'nginx');
  fs.cpSync(source, nginx, { recursive: true });
  for (const checks of kOwnChecks) fs.writeFileSync(path.join(nginx, checks), '');
  change(nginx);
  fs.symlinkSync(kRoot, path.join(dir, 'pgevents'));
  const all = { env: { ...process.env, ...env }, cwd: nginx, expect: null, timeout: kLimit };
  return { nginx, ...(await run('./configure', [...kBare, ...options], all)) };
}

async function assertConfigured(options, ...how) {
  const { nginx, status, stdout, stderr } = await configure(options, ...how);
  assert.equal(status, 0, stdout + stderr);
  assert.match(stdout, /^ \+ ngx_http_pgevents_module was configured$/m);
  return fs.readFileSync(path.join(nginx, 'objs', 'Makefile'), 'utf8');
}

async function assertRefused(need, packages, options, ...how) {
  const { status, stdout } = await configure(options, ...how);
  assert.equal(status, 1, stdout);
  const words = `./configure: error: the pgevents module requires ${need} (Debian: apt-get install ${packages}).`;
  assert.ok(stdout.split('\n').includes(words), stdout);
}

// A folder for the front of PATH in which these programs are not to be had.
function without(...programs) {
  const dir = tempDir('path');
  for (const name of programs) fs.writeFileSync(path.join(dir, name), '#!/bin/sh\nexit 127\n', { mode: 0o755 });
  return { PATH: `${dir}:${process.env.PATH}` };
}

// A pkg-config file of a library that is not here.
function brokenPackage(name) {
  const dir = tempDir('pkgconfig');
  fs.writeFileSync(path.join(dir, `${name}.pc`), `Name: ${name}\nDescription: none\nVersion: 1\nLibs: -l${name}-of-nowhere\n`);
  return { PKG_CONFIG_PATH: dir };
}

// nginx's own test of a feature is one command; Angie's compiles first and then links the object, with the same flags.
function inTwoSteps(nginx) {
  const file = path.join(nginx, 'auto/feature');
  const text = fs.readFileSync(file, 'utf8');
  const changed = text.replace(/^ngx_test="[^]*?"$/m, `ngx_test="($CC -c $CC_TEST_FLAGS $CC_AUX_FLAGS $ngx_feature_inc_path \\
    -o $NGX_AUTOTEST.o $NGX_AUTOTEST.c && \\
    $CC $CC_TEST_FLAGS $CC_AUX_FLAGS -o $NGX_AUTOTEST $NGX_AUTOTEST.o $NGX_TEST_LD_OPT $ngx_feature_libs)"`);
  assert.notEqual(changed, text);
  fs.writeFileSync(file, changed);
}

// Mostly small compilations, one after the other: two runs of configure fill two processors.
describe('configure', { concurrency: 2 }, () => {
  test('a relative path to the module does as well', async () => {
    const makefile = await assertConfigured(['--add-module=../pgevents']);
    const [flags] = makefile.split('\n').filter((line) => line.includes(': CFLAGS += -std=c++17'));
    const objects = moduleSources().map((name) => `objs/addon/${name.split('/').slice(-2).join('/').replace('.cpp', '.o')}`);
    assert.deepEqual(flags.split(':')[0].trim().split(' ').sort(), objects.sort());
  });

  test('neither pkg-config nor pg_config is needed where the libraries are in their usual places', async () => {
    await assertConfigured(['--add-dynamic-module=../pgevents'], without('pkg-config', 'pg_config'));
  });

  for (const [name, need, packages] of [
    ['libpq', "libpq, PostgreSQL's client library", 'libpq-dev'],
    ['libpcre2-8', 'PCRE2, whatever nginx itself uses', 'libpcre2-dev'],
    ['jansson', 'jansson', 'libjansson-dev'],
    ['jose', 'libjose, for JSON Web Tokens', 'libjose-dev'],
    ['libcrypto', 'libcrypto of OpenSSL', 'libssl-dev'],
  ]) {
    test(`a missing ${name} is said`, () =>
      assertRefused(need, `${packages} pkg-config`, ['--add-module=../pgevents'], brokenPackage(name)));
  }

  test('a configure that compiles and links its tests by two commands finds everything as well', async () => {
    await assertConfigured(['--add-module=../pgevents'], {}, inTwoSteps);
    await assertRefused('jansson', 'libjansson-dev pkg-config', ['--add-module=../pgevents'], brokenPackage('jansson'), inTwoSteps);
  });

  test('a C compiler without C++ is said', async () => {
    const need = 'a C++17 compiler beside the C compiler, and libstdc++';
    await assertRefused(need, 'g++', ['--add-dynamic-module=../pgevents', '--with-cc-opt=-nostdinc++']);
  });

  test('build.sh says that a static module needs the whole nginx, and which options it knows', async () => {
    const script = path.join(kRoot, 'ngx_module', 'build.sh');
    const out = tempDir('out');
    const bare = await run(script, [out, '--static'], { expect: 2 });
    assert.match(bare.stderr, /--static needs the whole nginx: --nginx-source DIR/);
    for (const args of [[out, '--fast'], ['--help'], ['-h'], []]) {
      const unknown = await run(script, args, { expect: 2, cwd: out });
      assert.match(unknown.stderr, /^usage: ngx_module\/build\.sh OUT_DIR /, args.join(' '));
    }
    assert.deepEqual(fs.readdirSync(out), []);
  });
});
