// Writes DIR/compile_commands.json for the module's sources, from what nginx's Makefile would run. Called by
// cpp-tidy.sh.
//   node tests/lint/module-commands.mjs BUILD_DIR DIR
// nginx's own headers count as those of a system, so that they get no warnings.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const [build, out] = process.argv.slice(2).map((name) => path.resolve(name));
const directory = path.join(build, 'nginx-build');
const root = process.cwd();

const made = execFileSync('make', ['-f', 'objs/Makefile', '--dry-run', '--always-make', 'modules'],
  { cwd: directory, encoding: 'utf8', maxBuffer: 1 << 26 });
const compilations = made.replace(/\\\n/g, ' ').split('\n').map((line) => line.replace(/\s+/g, ' ').trim())
  .filter((line) => / -c /.test(line) && /\spgevents\/ngx_module\/\S*\.cpp$/.test(line));
const commands = compilations.map((line) => {
  const source = /\spgevents\/(\S*\.cpp)$/.exec(line)[1];
  const command = line.replace(/\spgevents\/\S*\.cpp$/, ` ${path.join(root, source)}`)
    .replace(/-I (src|objs)/g, '-isystem $1').replace(/-I pgevents(?= )/, `-I ${root}`);
  return { directory, file: path.join(root, source), command };
});
if (commands.length === 0) throw new Error(`No source of the module in ${directory}/objs/Makefile: this check needs repair.`);
fs.mkdirSync(out, { recursive: true });
fs.writeFileSync(path.join(out, 'compile_commands.json'), JSON.stringify(commands, null, 1));
