// Builds of the module for the tests of this folder, made by ngx_module/build.sh with the nginx source of
// nginx-source.sh. They are kept in build/builds/<name>/ and made again only if any byte of their inputs has changed.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

import { run } from '../lib/processes.mjs';
import { kRoot, tempDir } from '../lib/scratch.mjs';

const kLimit = 10 * 60_000;
const kBuilds = path.join(kRoot, 'build', 'builds');
const kSourceFolders = ['core', 'postgres', 'ngx_module'];

// The directory of the nginx source (of another release of Debian, if `suite` names one).
export async function nginxSource(suite) {
  const script = path.join(kRoot, 'tests', 'builds', 'nginx-source.sh');
  const { stdout } = await run(script, suite ? [suite] : [], { timeout: kLimit });
  return stdout.trim();
}

// The same source as a checkout of nginx's repository has it: configure is in auto/, beside the history.
export async function nginxCheckout() {
  const source = await nginxSource();
  const checkout = path.join(kBuilds, 'checkout');
  if (fs.existsSync(checkout)) return checkout;
  fs.cpSync(source, `${checkout}.new`, { recursive: true });
  fs.renameSync(path.join(`${checkout}.new`, 'configure'), path.join(`${checkout}.new`, 'auto', 'configure'));
  fs.mkdirSync(path.join(`${checkout}.new`, '.git'));
  fs.writeFileSync(path.join(`${checkout}.new`, '.git', 'HEAD'), 'ref: refs/heads/master\n');
  fs.renameSync(`${checkout}.new`, checkout);
  return checkout;
}

// Names of the files below a folder of the repository, as `core/text/url.cpp`.
export function filesBelow(folder) {
  const names = fs.readdirSync(path.join(kRoot, folder), { recursive: true }).map((name) => path.join(folder, name));
  return names.filter((name) => fs.statSync(path.join(kRoot, name)).isFile());
}

// Names of the module's C++ files.
export function moduleSources() {
  return kSourceFolders.flatMap(filesBelow).filter((name) => name.endsWith('.cpp'));
}

// One hash of everything that the result depends on.
function contentOf(compiler, args, source) {
  const files = [...kSourceFolders.flatMap(filesBelow), 'config', 'config.make'].map((name) => path.join(kRoot, name));
  const hash = createHash('sha256').update(JSON.stringify(args)).update(execFileSync(compiler, ['--version']));
  if (source) files.push(path.join(source, 'src', 'core', 'nginx.h'));
  else hash.update(execFileSync('dpkg-query', ['-W', 'nginx-dev']));
  for (const file of files.sort()) hash.update(file).update('\0').update(fs.readFileSync(file)).update('\0');
  return hash.digest('hex');
}

// make compares times; without the objects it compiles the whole module, and its log is complete. nginx's own objects
// stay.
function removeObjects(dir) {
  const objects = path.join(dir, 'nginx-build', 'objs', 'addon');
  for (const name of fs.existsSync(objects) ? fs.readdirSync(objects, { recursive: true }) : []) {
    if (name.endsWith('.o')) fs.rmSync(path.join(objects, name));
  }
}

// The module that ./run has built and that all other suites use: dynamic, for Debian's nginx, by gcc. The log of its
// make does not exist any more; this log contains the commands that make would execute.
export async function usualBuild() {
  const dir = path.join(kRoot, 'build', 'release');
  const made = { dir, module: path.join(dir, 'ngx_http_pgevents_module.so'),
    log: path.join(tempDir('builds'), 'make.log') };
  const args = ['-f', 'objs/Makefile', '--dry-run', '--always-make', 'modules'];
  const { stdout } = await run('make', args, { cwd: path.join(dir, 'nginx-build') });
  fs.writeFileSync(made.log, stdout);
  return made;
}

// compiler: gcc or clang; level: its optimisation; source: directory of an nginx source (undefined: Debian's
// nginx-dev); isStatic: link the module into nginx; options: of nginx's configure; root: another path to this
// repository. Gives { dir, module, nginx, log }: the built files, and the file with make's output.
export async function compile(
  { name, compiler = 'gcc', level = '-O2', source, isStatic = false, options = [], root = kRoot },
) {
  const dir = path.join(kBuilds, name);
  const args = [dir, ...(source ? ['--nginx-source', source] : []), ...(isStatic ? ['--static'] : []), '--',
    ...options];
  const made = { dir, log: path.join(dir, 'make.log') };
  if (source) made.nginx = path.join(dir, 'nginx');
  if (!isStatic) made.module = path.join(dir, 'ngx_http_pgevents_module.so');
  const mark = path.join(dir, 'content');
  const env = { ...process.env, CC: compiler, CC_OPT: `-g0 ${level}` };
  const content = contentOf(compiler, [env.CC_OPT, ...args], source);
  if (fs.existsSync(mark) && fs.readFileSync(mark, 'utf8') === content) return made;
  removeObjects(dir);
  fs.rmSync(mark, { force: true });
  const command = path.join(root, 'ngx_module', 'build.sh');
  const { stdout, stderr } = await run(command, args, { env, timeout: kLimit });
  fs.writeFileSync(made.log, stdout + stderr);
  fs.writeFileSync(mark, content);
  return made;
}
