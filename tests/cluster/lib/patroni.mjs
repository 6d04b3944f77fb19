// PostgreSQL with Patroni on three hosts, which also run etcd, configured by conf/cluster/patroni.yml. A watchdog is
// what these hosts do not have: scenarios reset a machine themselves, as its watchdog would.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import pg from 'pg';

import { sleep, waitFor } from '../../lib/conditions.mjs';
import { Database } from '../../lib/database.mjs';
import { request } from '../../lib/http.mjs';
import { signalIfAlive } from '../../lib/processes.mjs';
import { example } from './examples.mjs';

const kUser = 'postgres'; // PostgreSQL does not run as root
const kWhole = 180_000;
const kSettles = 12_000; // ms: two turns of Patroni (loop_wait)

export const kSecondsToLive = 20; // `ttl` of conf/cluster/patroni.yml

function ownedBy(user, dir) {
  fs.mkdirSync(dir, { mode: 0o700 });
  execFileSync('chown', [`${user}:`, dir]);
  return dir;
}

export class Node {
  constructor(host, names) {
    Object.assign(this, { host, name: host.name, names_: names });
    this.etcd_dir_ = ownedBy(kUser, path.join(host.dir, 'etcd'));
    this.dir = ownedBy(kUser, path.join(host.dir, 'pg'));
    this.data_ = path.join(this.dir, 'data');
    this.conf_ = path.join(host.dir, 'patroni.yml');
  }

  // `changes`: further ones of conf/cluster/patroni.yml, as example() takes them.
  configure(bin, changes) {
    fs.writeFileSync(this.conf_, example('patroni.yml', [
      ['name: db1', `name: ${this.name}`],
      [/connect_address: db1:/g, `connect_address: ${this.name}:`],
      ['/var/lib/postgresql/15/main', this.data_],
      ['/usr/lib/postgresql/15/bin', bin],
      ['/var/lib/postgresql/.pgpass-patroni', path.join(this.dir, 'pgpass')],
      ['- local all all peer', '- local all all trust'],
      [/samenet scram-sha-256/g, 'samenet trust'],
      // No device. fsync: the kernel's cache survives killed processes.
      ['mode: required', 'mode: "off"'],
      ...changes,
      ["wal_log_hints: 'on'", `wal_log_hints: 'on'\n        fsync: 'off'\n        unix_socket_directories: ${this.dir}`],
    ]).replace(/^postgresql:$/m, `postgresql:\n  parameters: {unix_socket_directories: ${this.dir}}`));
  }

  startEtcd() {
    const peer = (name) => `http://${name}:2380`;
    this.etcd = this.host.start('etcd', 'etcd', ['--name', this.name, '--data-dir', path.join(this.etcd_dir_, 'data'),
      '--listen-peer-urls', 'http://0.0.0.0:2380', '--initial-advertise-peer-urls', peer(this.name),
      '--listen-client-urls', 'http://0.0.0.0:2379', '--advertise-client-urls', `http://${this.name}:2379`,
      '--initial-cluster', this.names_.map((name) => `${name}=${peer(name)}`).join(','),
      '--initial-cluster-state', 'new', '--pre-vote', '--enable-v2',
      '--heartbeat-interval', '250', '--election-timeout', '2500'], { user: kUser });
  }

  startPatroni() {
    this.patroni = this.host.start('patroni', 'patroni', [this.conf_], { user: kUser, cwd: this.dir });
  }

  async kill() {
    await this.host.kill();
  }

  boot() {
    this.host.heal();
    this.startEtcd();
    this.startPatroni();
  }

  killPostmaster() {
    const [pid] = fs.readFileSync(path.join(this.data_, 'postmaster.pid'), 'utf8').split('\n');
    signalIfAlive(Number(pid), 'SIGKILL');
  }

  signalPostgres(name) {
    const isPostgres = (pid) => fs.readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'postgres';
    for (const pid of this.host.pids().filter(isPostgres)) signalIfAlive(pid, name);
  }

  // What Patroni's REST interface answers; undefined: nothing.
  async ask(path_, options) {
    const asked = request({ host: this.host.address, port: 8008, path: path_, timeout: 2000, ...options });
    return asked.catch(() => undefined);
  }

  async isPrimary() {
    return (await this.ask('/primary'))?.status === 200;
  }

  async leadsEtcd() {
    const asked = request({ host: this.host.address, port: 2379, method: 'POST', path: '/v3/maintenance/status', body: '{}',
      timeout: 2000 });
    const status = await asked.then((answer) => answer.json(), () => undefined);
    return status !== undefined && status.leader === status.header.member_id;
  }
}

// The database of the application, as it finds it: the host that accepts writes.
class FailoverDatabase extends Database {
  constructor(cluster, name) {
    super(cluster, name);
    this.at_ = 0;
  }

  // As libpq does with several hosts and target_session_attrs=read-write; each connection begins at the next host,
  // because there may be two that accept writes. A query that a silent host does not answer fails after some seconds.
  async connect(user = 'test_publisher') {
    this.at_++;
    for (let n = 0; n < this.cluster.nodes.length; n++) {
      const { host } = this.cluster.nodes[this.at_ % this.cluster.nodes.length];
      const client = new pg.Client({ host: host.address, port: 5432, user, database: this.name, connectionTimeoutMillis: 2000,
        query_timeout: 5000 });
      client.on('error', () => {});
      try {
        await client.connect();
        const { rows } = await client.query('SELECT pg_is_in_recovery() AS in_recovery');
        if (!rows[0].in_recovery) return client;
        await client.end();
      } catch {
        client.connection.stream.destroy();
      }
      this.at_++;
    }
    throw new Error('no host accepts writes');
  }

  async query(sql, params = [], { user = 'postgres' } = {}) {
    const client = await this.connect(user);
    try {
      return (await client.query(sql, params)).rows;
    } finally {
      await client.end();
    }
  }
}

export class PatroniCluster {
  constructor(hosts, bin, changes = []) {
    const names = hosts.map(({ name }) => name);
    this.bin_ = bin;
    this.changes_ = changes;
    this.nodes = hosts.map((host) => new Node(host, names));
    this.port = 5432;
    this.repairs = 0;
  }

  async start() {
    for (const node of this.nodes) {
      node.configure(this.bin_, this.changes_);
      node.startEtcd();
    }
    const led = async () => (await Promise.all(this.nodes.map((node) => node.leadsEtcd()))).some(Boolean);
    await waitFor(led, { what: () => `etcd: ${this.nodes[0].host.logText('etcd').slice(-2000)}` });
    for (const node of this.nodes) node.startPatroni();
    await this.whole();
  }

  // For Database: where the administrator connects.
  get dir() {
    return this.primary_.dir;
  }

  address() {
    return { host: this.dir, port: this.port };
  }

  program(name) {
    return path.join(this.bin_, name);
  }

  async createDatabase(name = 'app') {
    const database = new FailoverDatabase(this, name);
    await database.create({ install: true });
    return database;
  }

  // Waits until one of the nodes (all, except these) is primary. Gives it.
  async primary({ except = [] } = {}) {
    const candidates = this.nodes.filter((node) => !except.includes(node));
    const find = async () => {
      const answers = await Promise.all(candidates.map((node) => node.isPrimary()));
      return candidates.find((_, n) => answers[n]);
    };
    this.primary_ = await waitFor(find, { what: () => `a primary\n${this.logs_()}`, timeout: kWhole, interval: 200 });
    return this.primary_;
  }

  // Waits until a primary, a synchronous standby and another standby run. Patroni 3.0.2 does not always come to that
  // by itself: see renewSynchronousMode(). `repairs` counts how often.
  async whole() {
    await this.waitWhole_(kWhole / 3).catch(async () => {
      this.repairs++;
      await this.renewSynchronousMode();
    });
    await this.waitWhole_(kWhole);
  }

  async waitWhole_(timeout) {
    let seen;
    const isWhole = async () => {
      const primary = await this.primary();
      seen = (await primary.ask('/cluster'))?.json();
      const roles = seen?.members.filter(({ state }) => ['running', 'streaming'].includes(state)).map(({ role }) => role);
      const others = await Promise.all(this.nodes.map((node) => node.isPrimary()));
      return String(roles?.sort()) === 'leader,replica,sync_standby' && others.filter(Boolean).length === 1;
    };
    await waitFor(isWhole, { what: () => `a whole cluster: ${JSON.stringify(seen)}\n${this.logs_()}`, timeout,
      interval: 500 });
  }

  // What an operator must do after a former primary has taken its lock back, even for a moment: the entry about
  // synchronous standbys is then that of another host, and Patroni 3.0.2 assigns none as long as it exists.
  async renewSynchronousMode() {
    for (const synchronous_mode of [false, true]) {
      const primary = await this.primary();
      const answer = await primary.ask('/config', { method: 'PATCH', body: JSON.stringify({ synchronous_mode }) });
      if (answer?.status !== 200) throw new Error(`synchronous_mode: ${answer?.status} ${answer?.body}`);
      const members = async () => (await primary.ask('/cluster')).json().members;
      const hasEntry = async () => (await members()).some(({ role }) => role === 'sync_standby');
      await waitFor(async () => (await hasEntry()) === synchronous_mode, { what: 'the synchronous mode', timeout: kWhole });
      await sleep(kSettles);
    }
  }

  logs_() {
    return this.nodes.map(({ name, host }) => `${name}: ${host.logText('patroni').slice(-1500)}`).join('\n');
  }

  async etcdLeader() {
    return waitFor(async () => {
      const answers = await Promise.all(this.nodes.map((node) => node.leadsEtcd()));
      return this.nodes.find((_, n) => answers[n]);
    }, { what: 'a leader of etcd' });
  }

  async switchover() {
    const primary = await this.primary();
    const body = JSON.stringify({ leader: primary.name });
    const answer = await primary.ask('/switchover', { method: 'POST', body, timeout: 60_000 });
    if (answer?.status !== 200) throw new Error(`switchover: ${answer?.status} ${answer?.body}`);
  }
}
