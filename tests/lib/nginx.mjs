// A real nginx with the configuration of a test. What every configuration needs (module, log, pid, temporary paths,
// ports) is added here; stop() also checks the logs for errors.
//
//   const nginx = await startNginx({ http: (n) => `server { listen ${n.listen()}; location / { … } }` });
//   await request({ port: nginx.port, path: '/events/cheese' });
//   await nginx.stop();
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';

import { waitFor } from './conditions.mjs';
import { atEnd } from './lifetime.mjs';
import { freePort } from './ports.mjs';
import { childrenOf, kSanitizerReport, run, waitGone } from './processes.mjs';
import { kRoot, tempDir } from './scratch.mjs';

const kBinary = process.env.PGEVENTS_NGINX ?? '/usr/sbin/nginx';
export const kModule = process.env.PGEVENTS_MODULE ?? path.join(kRoot, 'build/release/ngx_http_pgevents_module.so');

// nginx 1.22 has no timer while it waits for more of an answer after a full buffer: a leaving worker would forget such
// a request. The fallback's pieces of 8,192 bytes do not fill these buffers (docs/fallback.md).
const kBuffers = 'fastcgi_buffer_size 15k; fastcgi_buffers 8 15k;';

// What a log must not contain. `worker process N exited on signal` is an [alert]: tests that kill workers allow it.
const kForbidden = [/\[(alert|emerg|crit)\]/, /open socket left/, /\(core dumped\)/, kSanitizerReport];

// nginx's line about a worker that the test itself killed.
export const kKilledWorker = /worker process [0-9]+ exited on signal 9/;

function sanitizerEnvironment(dir) {
  const where = `log_path=${path.join(dir, 'sanitizer')}`;
  const join = (options) => [options, where].filter(Boolean).join(':');
  return { ASAN_OPTIONS: join(process.env.ASAN_OPTIONS), UBSAN_OPTIONS: join(process.env.UBSAN_OPTIONS) };
}

export class Nginx {
  constructor({ workers, master = true, loadModule, modules, main, events, binary, env, host, user = 'root' }) {
    this.dir = tempDir('ngx');
    this.conf = path.join(this.dir, 'nginx.conf');
    this.errorLog = path.join(this.dir, 'error.log');
    this.pidFile = path.join(this.dir, 'nginx.pid');
    this.binary_ = binary ?? kBinary;
    this.host = host;
    this.options_ = { workers, master, loadModule, modules, main, events, user };
    this.free_ports_ = [];
    this.ports = [];
    this.env_ = { ...process.env, ...sanitizerEnvironment(this.dir), ...env };
    this.running_ = false;
  }

  // The first port of the configuration, the one most tests use.
  get port() {
    return this.ports[0];
  }

  // `address:port` of the n-th listening socket; the same over reloads and restarts.
  listen(n = 0) {
    return `${this.address}:${this.ports[n] ?? this.reserve_(n)}`;
  }

  get address() {
    return this.host?.address ?? '127.0.0.1';
  }

  reserve_(n) {
    assert.equal(n, this.ports.length, 'ports must be used in order');
    this.ports.push(this.free_ports_.pop());
    return this.ports[n];
  }

  // Writes nginx.conf. `http` is text, or a function of this object that returns it.
  async configure(http, overrides = {}) {
    while (this.free_ports_.length < 4) this.free_ports_.push(await freePort());
    this.options_ = { ...this.options_, ...overrides };
    fs.writeFileSync(this.conf, this.text_(typeof http === 'function' ? http(this) : http));
  }

  text_(http) {
    const { workers, master, loadModule, modules, main, events, user } = this.options_;
    const loaded = [...(loadModule && kModule ? [kModule] : []), ...modules];
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
    return `${loaded.map((file) => `load_module ${file};\n`).join('')}
${process.getuid() === 0 ? `user ${user};` : ''}
worker_processes ${workers};
${master ? '' : 'master_process off;'}
worker_rlimit_nofile 20000;
pid ${this.pidFile};
error_log ${this.errorLog} info;
env LD_PRELOAD; env ASAN_OPTIONS; env UBSAN_OPTIONS; env LSAN_OPTIONS;
${main}
events { worker_connections 8192; ${events} }
http {
    access_log off;
    default_type text/plain;
    client_max_body_size 16m;
    ${kBuffers}
${temporary.map((name) => `    ${name}_temp_path ${this.dir}/${name};\n`).join('')}
${http}
}
`;
  }

  // Throws an error with nginx's own text if the configuration is wrong.
  async start() {
    const words = [this.binary_, ['-p', this.dir, '-c', this.conf, '-e', this.errorLog]];
    await run(...(this.host ? this.host.command(...words) : words), { env: this.env_ });
    this.running_ = true;
    await this.waitWorkers();
  }

  // Runs nginx -t. Gives [is the configuration valid?, nginx's text].
  async test() {
    const args = ['-t', '-p', this.dir, '-c', this.conf, '-e', this.errorLog];
    // nginx -t exits without freeing its first pool, which is not a leak to report.
    const env = { ...this.env_, ASAN_OPTIONS: `${this.env_.ASAN_OPTIONS}:detect_leaks=0` };
    const { status, stderr } = await run(this.binary_, args, { env, expect: null });
    return [status === 0, stderr];
  }

  master() {
    return Number(fs.readFileSync(this.pidFile, 'latin1').trim());
  }

  // Pids of the master's children: workers, including leaving ones.
  workers() {
    return childrenOf(this.master());
  }

  async waitWorkers() {
    const count = this.options_.master ? this.options_.workers : 0;
    return waitFor(() => this.workers().length >= count && this.workers(), { what: `${count} nginx workers` });
  }

  // Waits until the module serves these databases (their listeners have caught up): before that it answers 503 or
  // leaves requests to the fallback.
  async waitListening(...databases) {
    for (const name of databases.length > 0 ? databases : ['main']) {
      const line = `pgevents: listening to "${name}"`;
      const what = () => `${line}; log: ${this.logText().slice(-2000)}`;
      await waitFor(() => this.logText().includes(line), { what });
    }
  }

  signal(name) {
    process.kill(this.master(), name);
  }

  // Kills one process of this nginx.
  kill(pid, signal = 'SIGKILL') {
    assert.ok([this.master(), ...this.workers()].includes(pid), `process ${pid} does not belong to this nginx`);
    process.kill(pid, signal);
  }

  // Reloads the configuration (given as for configure(), or the file as it is) and waits for the new workers. Old ones
  // may still be running: wait for `waitGone(old)`. Gives the pids of the old workers.
  async reload(http, overrides) {
    if (http !== undefined) await this.configure(http, overrides);
    const old = this.workers();
    this.signal('SIGHUP');
    await waitFor(() => this.workers().filter((pid) => !old.includes(pid)).length >= this.options_.workers, {
      what: () => `workers after a reload; log: ${this.logText().slice(-2000)}`,
    });
    return old;
  }

  async waitGone(pids, timeout) {
    await waitGone(pids, 'nginx workers', timeout);
  }

  logText() {
    return fs.existsSync(this.errorLog) ? fs.readFileSync(this.errorLog, 'utf8') : '';
  }

  // Every worker that ever ran, according to the log.
  allWorkersEver() {
    return [...this.logText().matchAll(/start worker process ([0-9]+)/g)].map((match) => Number(match[1]));
  }

  // Graceful (SIGQUIT) and fast (SIGTERM) end of master and workers, without the checks of stop().
  async quit(timeout = 30_000) {
    await this.end_('SIGQUIT', timeout);
  }

  async terminate(timeout = 30_000) {
    await this.end_('SIGTERM', timeout);
  }

  async end_(signal, timeout) {
    const pids = [this.master(), ...this.workers()];
    this.signal(signal);
    await waitGone(pids, `nginx after ${signal}`, timeout);
    this.running_ = false;
  }

  // Kills master and workers at once, as when the machine goes down.
  async crash() {
    const pids = [this.master(), ...this.workers()];
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    await waitGone(pids, 'killed nginx');
    this.crashed();
  }

  // To be called when the test has killed all of its processes.
  crashed() {
    fs.rmSync(this.pidFile);
    this.running_ = false;
  }

  // Ends nginx (by default with SIGQUIT) and asserts that its log is clean except for `allow`ed lines and no process is
  // left.
  async stop({ allow = [], signal = 'SIGQUIT' } = {}) {
    if (this.running_) await this.end_(signal, 30_000);
    await waitGone(this.allWorkersEver(), 'workers of the whole run', 10_000);
    this.assertCleanLog(allow);
  }

  async stopIfRunning_(allow) {
    if (this.running_) await this.stop({ allow });
  }

  assertCleanLog(allow = []) {
    const lines = this.logText().split('\n');
    const reports = fs.readdirSync(this.dir).filter((name) => name.startsWith('sanitizer'));
    for (const name of reports) lines.push(...fs.readFileSync(path.join(this.dir, name), 'utf8').split('\n'));
    const bad = lines.filter((line) => kForbidden.some((pattern) => pattern.test(line)));
    const unexpected = bad.filter((line) => !allow.some((pattern) => pattern.test(line)));
    assert.deepEqual(unexpected, [], `nginx's log, ${this.errorLog}`);
    assert.deepEqual(reports, [], 'sanitizer reports');
  }
}

// Starts nginx. It is stopped after the test file unless the test stops it itself. master: false makes it one process;
// host: of a network, where it runs.
export async function startNginx({
  http, workers = 2, master = true, loadModule = true, modules = [], main = '', events = '', binary, env = {}, host,
  allow = [],
}) {
  const nginx = new Nginx({ workers, master, loadModule, modules, main, events, binary, env, host });
  await nginx.configure(http);
  await nginx.start();
  atEnd(() => nginx.stopIfRunning_(allow));
  return nginx;
}
