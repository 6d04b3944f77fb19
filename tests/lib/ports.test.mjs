import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';

import { fileOf, freePort, reserve } from './ports.mjs';
import { run } from './processes.mjs';
import { kRoot } from './scratch.mjs';

const kCount = 50;
const kScript = `import { fileOf, freePort, reserve } from '${path.join(kRoot, 'tests/lib/ports.mjs')}';
for (let i = 0; i < ${kCount}; i++) console.log(await freePort());`;

async function portsOfAnotherProcess() {
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', kScript], { timeout: 60_000 });
  return stdout.trim().split('\n').map(Number);
}

describe('freePort', () => {
  test('gives no port twice, and none that the kernel gives to outgoing connections', async () => {
    const [first] = fs.readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s+/).map(Number);
    const ports = [];
    for (let i = 0; i < kCount; i++) ports.push(await freePort());
    assert.equal(new Set(ports).size, kCount);
    assert.ok(Math.max(...ports) < first, `${Math.max(...ports)} is below ${first}`);
  });

  test('gives a port to one process at a time, and to another one after that process ended', async () => {
    const mine = [];
    for (let i = 0; i < kCount; i++) mine.push(await freePort());
    const others = await portsOfAnotherProcess();
    assert.equal(others.length, kCount);
    assert.deepEqual(others.filter((port) => mine.includes(port)), []);
    assert.deepEqual(others.filter((port) => fs.existsSync(fileOf(port))), []);
  });

  test('takes over the port of a killed process', async () => {
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e',
      `${kScript}\nprocess.kill(process.pid, 'SIGKILL');`], { timeout: 60_000, expect: null });
    const [left] = stdout.trim().split('\n').map(Number);
    assert.ok(fs.existsSync(fileOf(left)), `${left} is reserved`);
    assert.equal(reserve(left), true);
  });
});
