// Hosts on one machine: a network namespace for each, all on one bridge, where a fault can hit one of them. The test
// process itself is a host of this network too (`network.address`). As root only; `whyNoNetwork` tells why not.
//
//   const network = await startNetwork();
//   const host = await network.host('n1');
//   await startCluster({ host });
//   host.cutOff();   // drops all of its packets, without a word
//
// Everything on the hosts ends with the test process, however that ends (watchdog.sh). A link that delays is a proxy:
// startProxy(port, { host: host.address, at: { host: network.address } }).
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import { waitFor } from './conditions.mjs';
import { atEnd } from './lifetime.mjs';
import { signalIfAlive, waitGone } from './processes.mjs';
import { tempDir } from './scratch.mjs';

const kNetworks = 250;

function tryIp(...args) {
  const { status, stderr, error } = spawnSync('ip', args, { encoding: 'utf8' });
  return { ok: status === 0, text: error?.message ?? stderr.trim() };
}

function ip(...args) {
  const { ok, text } = tryIp(...args);
  if (!ok) throw new Error(`ip ${args.join(' ')}: ${text}`);
}

// What keeps this process from making hosts; undefined: nothing.
export const whyNoNetwork = findReason();

function findReason() {
  if (process.getuid() !== 0) return 'network namespaces need root';
  for (const program of ['ip', 'nft']) {
    const { error } = spawnSync(program, ['--version'], { stdio: 'ignore' });
    if (error) return `the program ${program} is missing`;
  }
  const name = `pgev-try-${process.pid}`;
  const made = tryIp('netns', 'add', name);
  if (!made.ok) return `no network namespace can be made: ${made.text}`;
  const filter = spawnSync('ip', ['netns', 'exec', name, 'nft', 'add table bridge f'], { encoding: 'utf8' });
  tryIp('netns', 'delete', name);
  return filter.status === 0 ? undefined : `nft cannot filter on a bridge: ${filter.stderr.trim()}`;
}

// Processes in a network namespace, whoever started them: the name is this network's own.
function pidsIn(namespace) {
  const { stdout } = spawnSync('ip', ['netns', 'pids', namespace], { encoding: 'utf8' });
  return stdout.split('\n').filter(Boolean).map(Number);
}

export class Host {
  constructor(network, name, number) {
    Object.assign(this, { network, name });
    this.address = `${network.prefix}.${number}`;
    this.namespace = `${network.id}-${name}`;
    this.link_ = `v${number}`; // its end at the bridge
    this.dir = path.join(network.dir, name);
    fs.mkdirSync(this.dir);
    fs.writeFileSync(this.file_('resolv.conf'), '');
    fs.writeFileSync(this.file_('hosts'), '127.0.0.1 localhost\n');
    this.connect_();
  }

  file_(name) {
    return path.join(this.dir, name);
  }

  connect_() {
    const { namespace, link_: link, network } = this;
    network.addNamespace(namespace);
    ip('-n', network.bridge, 'link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace);
    ip('-n', network.bridge, 'link', 'set', link, 'master', 'br0', 'up');
    ip('-n', namespace, 'link', 'set', 'lo', 'up');
    ip('-n', namespace, 'address', 'add', `${this.address}/24`, 'dev', 'eth0');
    ip('-n', namespace, 'link', 'set', 'eth0', 'up');
  }

  // --- programs ---

  // The words that run a program here, with the same process id: [command, arguments].
  command(program, args = []) {
    const script = 'mount --bind "$0/resolv.conf" /etc/resolv.conf; mount --bind "$0/hosts" /etc/hosts; exec "$@"';
    return ['ip', ['netns', 'exec', this.namespace, 'sh', '-c', script, this.dir, program, ...args]];
  }

  // Starts a server, whose output goes to `${name}.log` of the host's directory. user: instead of root. Gives the child
  // process.
  start(name, program, args, { user, env, cwd = this.dir } = {}) {
    const become = user ? ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--init-groups', '--'] : [];
    const [first, ...rest] = [...become, program, ...args];
    const log = fs.openSync(this.file_(`${name}.log`), 'a');
    const child = spawn(...this.command(first, rest), { cwd, env: { ...process.env, ...env }, stdio: ['ignore', log, log] });
    fs.closeSync(log);
    child.on('error', (error) => fs.appendFileSync(this.file_(`${name}.log`), `${error.message}\n`));
    return child;
  }

  logText(name) {
    const file = this.file_(`${name}.log`);
    return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
  }

  pids() {
    return pidsIn(this.namespace);
  }

  signal(name) {
    for (const pid of this.pids()) signalIfAlive(pid, name);
  }

  // Kills every process at once; the kernel closes their connections. Servers can be started again.
  async kill() {
    this.signal('SIGKILL');
    await waitFor(() => this.pids().length === 0, { what: `no process on ${this.name}` });
  }

  // The same as when the machine's power fails: the connections stay open at the other end. The host comes back with
  // heal().
  async crash() {
    this.cutOff();
    await this.kill();
  }

  // --- the network ---

  // Drops every packet from and to this host, until heal(): its peers notice nothing but silence.
  cutOff() {
    this.network.drop(`iifname ${this.link_} drop; oifname ${this.link_} drop`, this.name);
  }

  // Answers new and existing connections to this port with a reset, until heal().
  refuse(port) {
    this.nft_(`add table inet refuse; add chain inet refuse in { type filter hook input priority 0; };
      add rule inet refuse in tcp dport ${port} reject with tcp reset`);
  }

  heal() {
    this.network.drop('', this.name);
    this.nft_('add table inet refuse; delete table inet refuse');
  }

  nft_(text) {
    nft(this.namespace, text);
  }

  // Which name server programs here ask; an empty list: none. Also for programs that run already.
  setResolvers(addresses) {
    fs.writeFileSync(this.file_('resolv.conf'), addresses.map((address) => `nameserver ${address}\n`).join(''));
  }

  // The names that programs here find without a name server: { name: [address, …] }.
  setNames(names) {
    const lines = Object.entries(names).flatMap(([name, list]) => list.map((address) => `${address} ${name}\n`));
    fs.writeFileSync(this.file_('hosts'), ['127.0.0.1 localhost\n', ...lines].join(''));
  }
}

function nft(namespace, text) {
  const { status, stderr } = spawnSync('ip', ['netns', 'exec', namespace, 'nft', '-f', '-'],
    { input: text, encoding: 'utf8' });
  if (status !== 0) throw new Error(`nft: ${stderr}\n${text}`);
}

export class Network {
  constructor() {
    this.dir = tempDir('net');
    this.hosts = [];
    this.namespaces_ = [];
    const number = this.takeNumber_();
    this.prefix = `10.199.${number}`;
    this.address = `${this.prefix}.1`;
    this.connect_();
  }

  // The interface's name reserves the network: only one process can create it.
  takeNumber_() {
    const first = process.pid % kNetworks;
    for (let n = 0; n < kNetworks; n++) {
      const number = 1 + ((first + n) % kNetworks);
      this.id = `pgev${number}`;
      if (tryIp('link', 'add', this.id, 'type', 'veth', 'peer', 'name', `${this.id}b`).ok) return number;
    }
    throw new Error('no network is free: ip link');
  }

  connect_() {
    this.bridge = `${this.id}-sw`;
    this.addNamespace(this.bridge);
    ip('link', 'set', `${this.id}b`, 'netns', this.bridge);
    ip('-n', this.bridge, 'link', 'add', 'br0', 'type', 'bridge');
    ip('-n', this.bridge, 'link', 'set', 'br0', 'up');
    ip('-n', this.bridge, 'link', 'set', `${this.id}b`, 'master', 'br0', 'up');
    ip('address', 'add', `${this.address}/24`, 'dev', this.id);
    ip('link', 'set', this.id, 'up');
    nft(this.bridge, 'add table bridge faults');
  }

  // The watchdog reads the file.
  addNamespace(name) {
    fs.appendFileSync(path.join(this.dir, 'namespaces'), `${name}\n`);
    this.namespaces_.push(name);
    ip('netns', 'add', name);
  }

  // A new host.
  host(name) {
    const host = new Host(this, name, this.hosts.length + 11);
    this.hosts.push(host);
    return host;
  }

  // Every host knows the names of all.
  shareNames() {
    const names = Object.fromEntries(this.hosts.map(({ name, address }) => [name, [address]]));
    for (const host of this.hosts) host.setNames(names);
  }

  // Replaces the rules for packets that concern one host.
  drop(rules, name) {
    const lines = rules.split(';').filter(Boolean).map((rule) => `add rule bridge faults ${name} ${rule.trim()};`);
    nft(this.bridge, `add chain bridge faults ${name} { type filter hook forward priority 0; };
      flush chain bridge faults ${name}; ${lines.join('\n')}`);
  }

  async remove() {
    for (const name of this.namespaces_) {
      const pids = pidsIn(name);
      for (const pid of pids) signalIfAlive(pid, 'SIGKILL');
      await waitGone(pids, `processes of ${name}`);
      ip('netns', 'delete', name);
    }
    fs.rmSync(path.join(this.dir, 'namespaces'));
  }
}

// Makes a network without hosts. It ends with the test file, after the servers on it.
export async function startNetwork() {
  const network = new Network();
  atEnd(() => network.remove());
  return network;
}
