// A test file with a network of its own: loopback only, where packets can be dropped without touching the machine's.
// For connect.test.mjs. As root, and where namespaces can be made.
import { spawn, spawnSync } from 'node:child_process';

import { run } from '../lib/processes.mjs';

const kInside = 'PGEVENTS_OWN_NETWORK';
export const isInside = process.env[kInside] !== undefined;

// Why the file cannot have one; undefined if it can.
export function whyNot() {
  if (process.getuid() !== 0) return 'as root only: the test needs a network namespace';
  const table = 'ip link set lo up && nft add table inet t';
  const made = spawnSync('unshare', ['--net', 'sh', '-c', table], { encoding: 'utf8' });
  return made.status === 0 ? undefined : `no network namespace with nft here: ${made.stderr}`;
}

// Runs `file` there. Gives its exit status and output.
export async function runInside(file) {
  const env = { ...process.env, [kInside]: '1' };
  delete env.NODE_TEST_CONTEXT; // or the runner takes the child for one of its own
  const script = 'ip link set lo up && exec "$0" --test-reporter=tap "$1"';
  const child = spawn('unshare', ['--net', 'sh', '-c', script, process.execPath, file],
    { env, stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (text) => (output += text));
  const status = await new Promise((resolve) => child.once('close', resolve));
  return { status, output };
}

// From now on every packet to and from these ports of 127.0.0.1 vanishes, of open connections too.
export async function swallow(...ports) {
  const list = `{ ${ports.join(', ')} }`;
  for (const command of [
    'add table inet cut', 'add chain inet cut in { type filter hook input priority 0 ; }',
    `add rule inet cut in ip daddr 127.0.0.1 tcp dport ${list} drop`,
    `add rule inet cut in ip saddr 127.0.0.1 tcp sport ${list} drop`,
  ]) await run('nft', command.split(' '));
}
