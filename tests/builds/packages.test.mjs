// The Debian packages build on this machine, from the module and the fallback that ./run has compiled, and contain what
// they must. `./run packages` compiles them in bare roots, installs and upgrades them.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { before, describe, test } from 'node:test';

import { run } from '../lib/processes.mjs';
import { kRoot, tempDir } from '../lib/scratch.mjs';
import { filesBelow } from './compile.mjs';
import { relativeLinks } from './doc_links.mjs';

const kNames = ['libnginx-mod-http-pgevents', 'pgevents-doc', 'pgevents-fcgi', 'pgevents-schema'];
const version = /kVersion\[\] = "(.*)"/.exec(fs.readFileSync(path.join(kRoot, 'core/version.hpp'), 'utf8'))[1];

// What is not source; dpkg-buildpackage writes into the source, and beside it.
const kOmitted = ['.git', '.run', 'build', 'node_modules', 'tests'].map((name) => path.join(kRoot, name));

let dir;
before(async () => {
  dir = tempDir('packages');
  fs.cpSync(kRoot, path.join(dir, 'pgevents'), { recursive: true, filter: (name) => !kOmitted.includes(name) });
  const env = { ...process.env, PGEVENTS_PREBUILT: path.join(kRoot, 'build', 'release'),
    DEB_BUILD_OPTIONS: 'nocheck noautodbgsym' };
  await run('dpkg-buildpackage', ['-us', '-uc', '-b'], { cwd: path.join(dir, 'pgevents'), env });
});

const fileOf = (name) => path.join(dir, fs.readdirSync(dir).find((each) => new RegExp(`^${name}_.*\\.deb$`).test(each)));
const fieldOf = async (name, field) => (await run('dpkg-deb', ['-f', fileOf(name), field])).stdout.trim();

// The paths in a package, as `usr/bin/pgevents-fcgi`.
async function contentOf(name) {
  const { stdout } = await run('dpkg-deb', ['-c', fileOf(name)]);
  return stdout.split('\n').filter((line) => line.startsWith('-')).map((line) => line.split(' ./')[1]);
}

function assertContains(list, wanted) {
  assert.deepEqual(wanted.filter((each) => !list.includes(each)), [], list.join('\n'));
}

describe('the Debian packages', () => {
  test('have the version of core/version.hpp', async () => {
    const found = fs.readdirSync(dir).filter((name) => name.endsWith('.deb'));
    assert.deepEqual(found.map((name) => name.split('_')[0]).sort(), kNames);
    for (const name of kNames) assert.equal(await fieldOf(name, 'Version'), version, name);
  });

  test('load the module into exactly this nginx', async () => {
    const name = 'libnginx-mod-http-pgevents';
    assertContains(await contentOf(name), ['usr/lib/nginx/modules/ngx_http_pgevents_module.so',
      'usr/share/nginx/modules-available/mod-http-pgevents.conf']);
    assert.match(await fieldOf(name, 'Depends'), /\bnginx-abi-[0-9.]+-[0-9]+\b/);
    assert.match(await fieldOf(name, 'Depends'), /\blibpq5\b/);
  });

  test('contain the fallback with its service, user and settings', async () => {
    const files = (await contentOf('pgevents-fcgi')).map((file) => file.replace(/^lib\/systemd/, 'usr/lib/systemd'));
    assertContains(files, ['usr/bin/pgevents-fcgi', 'usr/lib/systemd/system/pgevents-fcgi.service',
      'usr/lib/systemd/system/pgevents-fcgi.socket', 'usr/lib/sysusers.d/pgevents-fcgi.conf',
      'etc/default/pgevents-fcgi', 'usr/share/man/man1/pgevents-fcgi.1.gz']);
    const out = path.join(dir, 'unpacked');
    await run('dpkg-deb', ['-x', fileOf('pgevents-fcgi'), out]);
    const unit = fs.readdirSync(out, { recursive: true }).find((file) => file.endsWith('pgevents-fcgi.service'));
    assert.match(fs.readFileSync(path.join(out, unit), 'utf8'), /^ExecStart=\/usr\/bin\/pgevents-fcgi /m);
    const settings = fs.readFileSync(path.join(out, 'etc/default/pgevents-fcgi'), 'utf8');
    const { stdout } = await run(path.join(out, 'usr/bin/pgevents-fcgi'), ['--help']);
    const names = settings.match(/\bPGEVENTS_[A-Z_]+/g);
    assert.ok(names.length > 2, `${names}`);
    for (const name of names) assert.ok(stdout.includes(`[${name}]`), name);
  });

  test('restart the service after an upgrade, and keep its socket', async () => {
    const control = path.join(dir, 'control');
    await run('dpkg-deb', ['-e', fileOf('pgevents-fcgi'), control]);
    const text = fs.readFileSync(path.join(control, 'postinst'), 'utf8');
    assert.match(text, /deb-systemd-invoke \$?_?try-restart '?pgevents-fcgi\.service/);
    assert.match(text, /deb-systemd-invoke start '?pgevents-fcgi\.socket/);
    assert.doesNotMatch(text, /restart '?pgevents-fcgi\.socket/);
    assert.equal(fs.existsSync(path.join(control, 'preinst')), false);
  });

  test('contain every SQL file, page and example', async () => {
    const sql = filesBelow('sql').map((name) => `usr/share/pgevents/${name}`);
    assertContains(await contentOf('pgevents-schema'), ['usr/bin/pgevents-schema', ...sql]);
    const pages = [...filesBelow('docs'), 'README.md'].map((name) => `usr/share/doc/pgevents-doc/${name}`);
    const examples = ['conf.d/fallback.conf', 'snippets/fallback.conf', 'fallback.conf'];
    assertContains(await contentOf('pgevents-doc'), [...pages,
      ...examples.map((name) => `usr/share/doc/pgevents-doc/examples/${name}`)]);
  });

  test('contain pages whose links lead to files', async () => {
    const out = path.join(dir, 'documentation');
    await run('dpkg-deb', ['-x', fileOf('pgevents-doc'), out]);
    const { all, broken } = relativeLinks(path.join(out, 'usr/share/doc/pgevents-doc'));
    assert.ok(all.includes('README.md: LICENSE'), all.join('\n'));
    assert.deepEqual(broken, []);
    for (const name of filesBelow('containers')) {
      assert.ok(fs.existsSync(path.join(out, 'usr/share/doc/pgevents-doc', name)), name);
    }
  });
});
