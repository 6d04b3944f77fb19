// Hosts of network.mjs: what a fault does to the packets and processes of one of them, and that nothing is left.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';

import { waitFor, within } from './conditions.mjs';
import { atEnd } from './lifetime.mjs';
import { startNetwork, whyNoNetwork } from './network.mjs';
import { childrenOf, isAlive, waitGone } from './processes.mjs';
import { kRoot } from './scratch.mjs';

const skip = whyNoNetwork;
const kPort = 7000;
const kEcho = `require('net').createServer((s) => s.on('error', () => {}).pipe(s)).listen(${kPort})`;

const connect = (address) => new Promise((resolve, reject) => {
  const socket = net.connect({ host: address, port: kPort, timeout: 500 });
  socket.on('connect', () => (socket.setTimeout(0), resolve(socket)));
  socket.on('timeout', () => (socket.destroy(), reject(new Error('silence'))));
  socket.on('error', reject);
});

async function startEcho(network, name) {
  const host = network.host(name);
  const child = host.start('echo', process.execPath, ['-e', kEcho]);
  const socket = await waitFor(() => connect(host.address), { what: () => `echo: ${host.logText('echo')}` });
  atEnd(() => socket.destroy());
  return { host, child, socket };
}

const echoes = (socket, text) => within(new Promise((resolve) => {
  socket.once('data', (bytes) => resolve(String(bytes)));
  socket.write(text);
}), 5000, `an echo of ${text}`);

test('a host that is cut off is silent, and goes on where it was when the network heals', { skip }, async () => {
  const network = await startNetwork();
  const { host, socket } = await startEcho(network, 'one');
  const { host: other } = await startEcho(network, 'two');
  host.cutOff();
  await assert.rejects(connect(host.address), /silence/);
  (await connect(other.address)).destroy();
  const answer = echoes(socket, 'late');
  host.heal();
  assert.equal(await answer, 'late');
});

test('a refused port answers with a reset, until the host heals', { skip }, async () => {
  const { host } = await startEcho(await startNetwork(), 'one');
  host.refuse(kPort);
  await assert.rejects(connect(host.address), { code: 'ECONNREFUSED' });
  host.heal();
  (await connect(host.address)).destroy();
});

test('a crashed host closes no connection, and has no process', { skip }, async () => {
  const { host, child, socket } = await startEcho(await startNetwork(), 'one');
  let closed = false;
  socket.on('error', () => {}).on('close', () => (closed = true));
  assert.deepEqual(host.pids(), [child.pid]);
  await host.crash();
  assert.deepEqual([host.pids(), closed], [[], false]);
});

test('each host has its own names and name servers, and they can change', { skip }, async () => {
  const network = await startNetwork();
  const [one, two] = [network.host('one'), network.host('two')];
  one.setNames({ db: [two.address] });
  one.setResolvers([two.address]);
  const shown = (host, ...words) => spawnSync(...host.command(words[0], words.slice(1)), { encoding: 'utf8' }).stdout;
  assert.match(shown(one, 'getent', 'hosts', 'db'), new RegExp(`^${two.address} +db`));
  assert.equal(shown(one, 'cat', '/etc/resolv.conf'), `nameserver ${two.address}\n`);
  assert.equal(shown(two, 'cat', '/etc/resolv.conf'), '');
});

const kOwner = `
import { startNetwork } from '${path.join(kRoot, 'tests/lib/network.mjs')}';
const host = (await startNetwork()).host('one');
console.log(host.network.id, host.start('sleep', 'sleep', ['1000']).pid);`;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGKILL']) {
  test(`after ${signal} to the test process neither a namespace nor a program is left`, { skip }, async () => {
    const owner = spawn(process.execPath, ['--input-type=module', '-e', kOwner], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = await within(owner.stdout.take(1).toArray(), 20_000, 'a network');
    const [id, pid] = String(line).split(' ');
    assert.ok(isAlive(Number(pid)));
    assert.ok(childrenOf(owner.pid).includes(Number(pid)));
    owner.kill(signal);
    await waitGone([Number(pid)], 'the program');
    const left = () => ['netns', 'link'].map((kind) => spawnSync('ip', [kind, 'list'], { encoding: 'utf8' }).stdout).join('');
    await waitFor(() => !new RegExp(`\\b${id}\\b`).test(left()), { what: 'no namespace and no link' });
  });
}
