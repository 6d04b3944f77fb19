// A private PostgreSQL cluster in a temporary directory, with trust authentication on a Unix socket that only this test
// knows. As root the server runs as user `postgres`. fsync is off by default: the kernel's cache survives killed
// processes.
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import pg from 'pg';

import { PermanentError, waitFor } from './conditions.mjs';
import { Database } from './database.mjs';
import { atEnd } from './lifetime.mjs';
import { freePort } from './ports.mjs';
import { childrenOf, run, signalIfAlive, waitGone } from './processes.mjs';
import { tempDir } from './scratch.mjs';

// Programs on the other hosts of a network may connect.
const kTrustNeighbours = 'host all all samenet trust\nhost replication all samenet trust\n';

const kStopSignal = { smart: 'SIGTERM', fast: 'SIGINT', immediate: 'SIGQUIT' };

export function binDirectory() {
  if (process.env.PGEVENTS_PG_BIN) return process.env.PGEVENTS_PG_BIN;
  const debian = '/usr/lib/postgresql';
  const versions = fs.existsSync(debian) ? fs.readdirSync(debian).filter((name) => /^[0-9]+$/.test(name)) : [];
  const newest = versions.sort((a, b) => b - a).find((name) => fs.existsSync(`${debian}/${name}/bin/initdb`));
  if (newest) return `${debian}/${newest}/bin`;
  return execFileSync('pg_config', ['--bindir']).toString().trim();
}

// PostgreSQL refuses to run as root.
function unprivileged(command, args) {
  if (process.getuid() !== 0) return [command, args];
  const user = ['--reuid=postgres', '--regid=postgres', '--clear-groups'];
  return ['setpriv', [...user, command, ...args]];
}

export class Cluster {
  constructor({ tcp, fsync, settings, env = {}, dir, host, bin = binDirectory() }) {
    this.bin_ = bin;
    this.dir = dir ?? tempDir('pg');
    this.data = path.join(this.dir, 'data');
    this.env_ = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    this.log = path.join(this.dir, 'postgres.log');
    this.pidFile = path.join(this.dir, 'postgres.pid');
    this.tcp_ = tcp || Boolean(host);
    this.host = host;
    this.port = 5432;
    this.settings_ = { ...(fsync ? {} : { fsync: 'off', full_page_writes: 'off' }), ...settings };
    this.databases_ = [];
    this.child_ = undefined;
  }

  async initialise() {
    if (process.getuid() === 0) {
      const id = (flag) => Number(execFileSync('id', [flag, 'postgres']).toString());
      fs.chownSync(this.dir, id('-u'), id('-g'));
    }
    await this.fill_();
    if (this.tcp_) this.port = await freePort();
    const settings = {
      listen_addresses: this.tcp_ ? this.tcpHost_ : '',
      port: this.port,
      unix_socket_directories: this.dir,
      external_pid_file: this.pidFile,
      shared_buffers: '64MB',
      max_connections: 200,
      log_line_prefix: '%m [%p] %q%u@%d %a ',
      log_connections: 'on',
      log_lock_waits: 'on',
      timezone: 'UTC',
      ...this.settings_,
    };
    const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value}'\n`);
    fs.appendFileSync(path.join(this.data, 'postgresql.conf'), lines.join(''));
    if (this.host) fs.appendFileSync(path.join(this.data, 'pg_hba.conf'), kTrustNeighbours);
  }

  get tcpHost_() {
    return this.host?.address ?? '127.0.0.1';
  }

  async fill_() {
    const args = ['-D', this.data, '-N', '-A', 'trust', '-U', 'postgres', '-E', 'UTF8', '--locale=C.UTF-8'];
    await run(...unprivileged(this.program('initdb'), args), { cwd: this.dir });
  }

  get pid() {
    return this.child_?.pid;
  }

  async start() {
    const log = fs.openSync(this.log, 'a');
    const words = unprivileged('env', [...this.env_, this.program('postgres'), '-D', this.data]);
    const [command, args] = this.host ? this.host.command(...words) : words;
    const child = spawn(command, args, { cwd: this.dir, stdio: ['ignore', log, log] });
    fs.closeSync(log);
    this.child_ = child;
    const what = `PostgreSQL ready, see ${this.log}`;
    await waitFor(() => this.ready_(child), { what, timeout: 60_000, interval: 20 });
  }

  async ready_(child) {
    const client = new pg.Client({ ...this.address(), user: 'postgres', database: 'postgres' });
    client.on('error', () => {});
    try {
      await client.connect();
      await client.end();
      return true;
    } catch (error) {
      if (child.exitCode === null) return false;
      throw new PermanentError(`postgres ended:\n${fs.readFileSync(this.log)}`, { cause: error });
    }
  }

  // mode: smart, fast (like a planned restart) or immediate (like a crash of all its processes).
  async stop(mode = 'fast') {
    if (!this.child_) return;
    await this.end_(kStopSignal[mode]);
  }

  // Kills only the postmaster; its children notice and exit.
  async kill9() {
    await this.end_('SIGKILL');
  }

  async end_(signal) {
    const child = this.child_;
    const { pid } = child;
    const pids = [pid, ...childrenOf(pid)];
    if (signal !== 'SIGKILL') await Promise.all(this.databases_.map((database) => database.disconnect()));
    signalIfAlive(pid, signal);
    await waitGone(pids, 'PostgreSQL', 60_000);
    await this.waitEnded();
  }

  // An ended server that was not waited for would look like a running one to the next server.
  async waitEnded() {
    const child = this.child_;
    const ended = () => child.exitCode !== null || child.signalCode !== null;
    await waitFor(ended, { what: 'the end of PostgreSQL', timeout: 60_000 });
    this.child_ = undefined;
    fs.rmSync(this.pidFile, { force: true }); // a killed server leaves it
  }

  async restart(mode = 'fast') {
    await this.stop(mode);
    await this.start();
  }

  // Host and port in the form that `pg` takes.
  address({ tcp = false } = {}) {
    return { host: tcp ? this.tcpHost_ : this.dir, port: this.port };
  }

  // A libpq connection string.
  conninfo({ user, database, tcp = false }) {
    const { host, port } = this.address({ tcp });
    return `host=${host} port=${port} dbname=${database} user=${user}`;
  }

  // Creates a database with pgevents installed (install: false leaves it empty; a path: another install.sql).
  async createDatabase({ name, install = true } = {}) {
    const database = this.database(name ?? `db${this.databases_.length + 1}`);
    await database.create({ install });
    return database;
  }

  // A database that already exists.
  database(name) {
    const database = new Database(this, name);
    this.databases_.push(database);
    return database;
  }

  // Stops the other cluster and takes over its address, so that clients find this one there.
  async takePlaceOf(other) {
    await other.stop('fast');
    this.dir = other.dir;
    this.port = other.port;
    const lines = `unix_socket_directories = '${this.dir}'\nport = ${this.port}\n`;
    fs.appendFileSync(path.join(this.data, 'postgresql.conf'), lines);
    await this.restart();
  }

  program(name) {
    return path.join(this.bin_, name);
  }

  // Inserts a line before all others of pg_hba.conf.
  async allowFirst(line) {
    const file = path.join(this.data, 'pg_hba.conf');
    fs.writeFileSync(file, `${line}\n${fs.readFileSync(file)}`);
    await this.database('postgres').query('SELECT pg_reload_conf()');
  }

  logText() {
    return fs.readFileSync(this.log, 'utf8');
  }

  async remove() {
    await Promise.all(this.databases_.map((database) => database.disconnect()));
    await this.stop('immediate');
  }
}

// A cluster that copies another one by streaming replication until it is promoted.
class Standby extends Cluster {
  constructor(primary) {
    super({ tcp: false, fsync: false, settings: {} });
    this.primary_ = primary;
  }

  async fill_() {
    const { dir, port } = this.primary_;
    const args = ['-D', this.data, '-R', '-X', 'stream', '-c', 'fast', '-h', dir, '-p', String(port), '-U', 'postgres'];
    await run(...unprivileged(this.program('pg_basebackup'), args), { cwd: this.dir });
  }

  async promote() {
    await this.database('postgres').query('SELECT pg_promote()');
  }
}

// Starts a standby, which ends with the test file.
export async function startStandby(primary) {
  const standby = new Standby(primary);
  await standby.initialise();
  await standby.start();
  atEnd(() => standby.remove());
  return standby;
}

// Starts a cluster, which ends with the test file. env: environment of the server; dir: its directory, instead of a
// temporary one; host: of a network, for the server; bin: its programs, if they are not those of binDirectory().
export async function startCluster({ tcp = false, fsync = false, settings = {}, env, dir, host, bin } = {}) {
  const cluster = new Cluster({ tcp, fsync, settings, env, dir, host, bin });
  await cluster.initialise();
  await cluster.start();
  atEnd(() => cluster.remove());
  return cluster;
}

// The one cluster of a test file, started at the first call.
let shared;
export function sharedCluster(options) {
  shared ??= startCluster(options);
  return shared;
}
