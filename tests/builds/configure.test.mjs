// nginx's configure with the module: permitted locations, and messages about missing packages, which docs/building.md
// quotes.
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

// configure's checks of the system for nginx itself: about a hundred small compilations with constant results, which
// the modules do not need. (builds.test.mjs runs all of them.)
const kOwnChecks = ['auto/unix', 'auto/os/linux'];

// Runs configure in a copy of the source, with a link to this repository beside it; `change` receives the copy.
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

async function assertRejected(need, packages, options, ...how) {
  const { status, stdout } = await configure(options, ...how);
  assert.equal(status, 1, stdout);
  const message = `./configure: error: the pgevents module requires ${need} (Debian: apt-get install ${packages}).`;
  assert.ok(stdout.split('\n').includes(message), stdout);
}

// A folder for the front of PATH that hides these programs.
function without(...programs) {
  const dir = tempDir('path');
  for (const name of programs) fs.writeFileSync(path.join(dir, name), '#!/bin/sh\nexit 127\n', { mode: 0o755 });
  return { PATH: `${dir}:${process.env.PATH}` };
}

// A pkg-config file of a library that is not installed.
function brokenPackage(name) {
  const dir = tempDir('pkgconfig');
  fs.writeFileSync(path.join(dir, `${name}.pc`),
    `Name: ${name}\nDescription: none\nVersion: 1\nLibs: -l${name}-of-nowhere\n`);
  return { PKG_CONFIG_PATH: dir };
}

// nginx tests a feature with one command; Angie compiles first and then links the object, with the same flags.
function inTwoSteps(nginx) {
  const file = path.join(nginx, 'auto/feature');
  const text = fs.readFileSync(file, 'utf8');
  const changed = text.replace(/^ngx_test="[^]*?"$/m, `ngx_test="($CC -c $CC_TEST_FLAGS $CC_AUX_FLAGS $ngx_feature_inc_path \\
    -o $NGX_AUTOTEST.o $NGX_AUTOTEST.c && \\
    $CC $CC_TEST_FLAGS $CC_AUX_FLAGS -o $NGX_AUTOTEST $NGX_AUTOTEST.o $NGX_TEST_LD_OPT $ngx_feature_libs)"`);
  assert.notEqual(changed, text);
  fs.writeFileSync(file, changed);
}

// The work is mostly small compilations, one after the other: two runs of configure use two processors.
describe('configure', { concurrency: 2 }, () => {
  test('accepts a relative path to the module', async () => {
    const makefile = await assertConfigured(['--add-module=../pgevents']);
    const [flags] = makefile.split('\n').filter((line) => line.includes(': CFLAGS += -std=c++17'));
    const objects = moduleSources().map((name) => `objs/addon/${name.split('/').slice(-2).join('/').replace('.cpp', '.o')}`);
    assert.deepEqual(flags.split(':')[0].trim().split(' ').sort(), objects.sort());
  });

  test('needs neither pkg-config nor pg_config if the libraries are in their usual places', async () => {
    await assertConfigured(['--add-dynamic-module=../pgevents'], without('pkg-config', 'pg_config'));
  });

  for (const [name, need, packages] of [
    ['libpq', "libpq, PostgreSQL's client library", 'libpq-dev'],
    ['libpcre2-8', 'PCRE2, whatever nginx itself uses', 'libpcre2-dev'],
    ['jansson', 'jansson', 'libjansson-dev'],
    ['jose', 'libjose, for JSON Web Tokens', 'libjose-dev'],
    ['libcrypto', 'libcrypto of OpenSSL', 'libssl-dev'],
  ]) {
    test(`reports a missing ${name}`, () =>
      assertRejected(need, `${packages} pkg-config`, ['--add-module=../pgevents'], brokenPackage(name)));
  }

  test('finds everything with a configure that compiles and links its tests with two commands', async () => {
    await assertConfigured(['--add-module=../pgevents'], {}, inTwoSteps);
    await assertRejected('jansson', 'libjansson-dev pkg-config', ['--add-module=../pgevents'], brokenPackage('jansson'),
      inTwoSteps);
  });

  test('reports a C compiler without C++', async () => {
    const need = 'a C++17 compiler beside the C compiler, and libstdc++';
    await assertRejected(need, 'g++', ['--add-dynamic-module=../pgevents', '--with-cc-opt=-nostdinc++']);
  });

  test('build.sh reports that a static module needs a source of nginx, and lists its options', async () => {
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
