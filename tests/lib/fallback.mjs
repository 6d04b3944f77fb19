// The fallback program in its two forms: a FastCGI server on a Unix socket behind nginx, and plain CGI, started once
// per request by a small HTTP server as a web server does it (RFC 3875).
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';

import { PermanentError, waitFor } from './conditions.mjs';
import { atEnd } from './lifetime.mjs';
import { childrenOf, isAlive, kSanitizerReport, signalIfAlive, waitGone } from './processes.mjs';
import { kRoot, tempDir } from './scratch.mjs';

export const kFallbackProgram = process.env.PGEVENTS_FCGI ?? path.join(kRoot, 'build', 'release', 'pgevents-fcgi');

// The parameters of nginx's own fastcgi_params, written out for an nginx without its configuration directory.
const kFastcgiParams = {
  QUERY_STRING: '$query_string',
  REQUEST_METHOD: '$request_method',
  CONTENT_TYPE: '$content_type',
  CONTENT_LENGTH: '$content_length',
  SCRIPT_NAME: '$fastcgi_script_name',
  REQUEST_URI: '$request_uri',
  DOCUMENT_URI: '$document_uri',
  DOCUMENT_ROOT: '$document_root',
  SERVER_PROTOCOL: '$server_protocol',
  REQUEST_SCHEME: '$scheme',
  GATEWAY_INTERFACE: 'CGI/1.1',
  SERVER_SOFTWARE: 'nginx/$nginx_version',
  REMOTE_ADDR: '$remote_addr',
  REMOTE_PORT: '$remote_port',
  SERVER_ADDR: '$server_addr',
  SERVER_PORT: '$server_port',
  SERVER_NAME: '$server_name',
  REDIRECT_STATUS: '200',
};

function assertCleanOutput(text, what) {
  const isBad = (line) => kSanitizerReport.test(line) || /terminate called|core dumped/.test(line);
  const bad = text.split('\n').filter(isBad);
  assert.deepEqual(bad, [], `output of ${what}`);
}

export class Fallback {
  constructor({ conninfo, processes, args, env, program, host }) {
    this.host = host;
    this.program = program ?? kFallbackProgram;
    this.dir = tempDir('fcgi');
    this.socket = path.join(this.dir, 'fcgi.sock');
    this.log = path.join(this.dir, 'fallback.log');
    this.pidFile = path.join(this.dir, 'fallback.pid');
    this.args_ = ['--listen', `unix:${this.socket}`, '--processes', String(processes), ...args];
    this.env_ = { ...process.env, PGEVENTS_DATABASE: conninfo, ...env };
  }

  get pid() {
    return this.child_.pid;
  }

  async start() {
    const log = fs.openSync(this.log, 'a');
    const words = [this.program, this.args_];
    const [command, args] = this.host ? this.host.command(...words) : words;
    this.child_ = spawn(command, args, { env: this.env_, stdio: ['ignore', log, log] });
    fs.closeSync(log);
    let failure;
    this.child_.once('error', (error) => (failure = error));
    if (this.child_.pid) fs.writeFileSync(this.pidFile, `${this.child_.pid}\n`);
    await waitFor(() => this.listening_(failure), { what: () => `fallback listening; ${this.logText()}` });
  }

  listening_(failure) {
    if (failure) throw new PermanentError(`the fallback cannot be started: ${failure.message}`);
    if (this.child_.exitCode !== null) throw new PermanentError(`the fallback ended at once: ${this.logText()}`);
    return fs.existsSync(this.socket);
  }

  // The processes that answer requests.
  processes() {
    return childrenOf(this.pid);
  }

  logText() {
    return fs.existsSync(this.log) ? fs.readFileSync(this.log, 'utf8') : '';
  }

  // The nginx directives that pass a location's requests to this fallback. `params` are further parameters of pgevents.
  nginxLines({ base, subscribe = '*', publish = '*', params = {} }) {
    const own = { PGEVENTS_BASE: base, PGEVENTS_SUBSCRIBE: subscribe, PGEVENTS_PUBLISH: publish, ...params };
    const all = Object.entries({ ...kFastcgiParams, ...own });
    return `${all.map(([name, value]) => `fastcgi_param ${name} "${value}";`).join('\n')}
      fastcgi_pass unix:${this.socket};`;
  }

  // Ends it as systemd does, and asserts that it exited with status 0 and left no process.
  async stop() {
    const pids = [this.pid, ...this.processes()];
    signalIfAlive(this.pid, 'SIGTERM');
    await waitGone(pids, 'the fallback', 15_000);
    await waitFor(() => this.child_.exitCode !== null || this.child_.signalCode !== null, { what: 'exit status' });
    fs.rmSync(this.pidFile);
    assertCleanOutput(this.logText(), 'the fallback');
    const how = [this.child_.exitCode, this.child_.signalCode];
    assert.deepEqual(how, [0, null], `end of the fallback: ${this.logText()}`);
  }

  async stopIfRunning_() {
    if (isAlive(this.pid)) await this.stop();
  }
}

// conninfo: libpq's connection string; args, env: further options of the program; program: another one than the tested
// one; host: of a network, where it runs. It ends with the test file.
export async function startFallback({ conninfo, processes = 2, args = [], env = {}, program, host }) {
  const fallback = new Fallback({ conninfo, processes, args, env, program, host });
  await fallback.start();
  atEnd(() => fallback.stopIfRunning_());
  return fallback;
}

// --- plain CGI ---

function cgiEnvironment(request, { mount, env }) {
  const url = new URL(request.url, 'http://localhost');
  const headers = Object.entries(request.headers)
    .filter(([name]) => !['content-type', 'content-length', 'proxy', 'connection', 'transfer-encoding'].includes(name))
    .map(([name, value]) => [`HTTP_${name.toUpperCase().replaceAll('-', '_')}`, Buffer.from(String(value), 'latin1')]);
  return {
    PATH: process.env.PATH,
    GATEWAY_INTERFACE: 'CGI/1.1',
    SERVER_SOFTWARE: 'test',
    SERVER_NAME: 'localhost',
    SERVER_PORT: String(request.socket.localPort),
    SERVER_PROTOCOL: `HTTP/${request.httpVersion}`,
    REMOTE_ADDR: request.socket.remoteAddress,
    REQUEST_METHOD: request.method,
    REQUEST_URI: request.url,
    SCRIPT_NAME: mount,
    QUERY_STRING: request.url.includes('?') ? url.search.slice(1) : '',
    ...(request.headers['content-type'] ? { CONTENT_TYPE: request.headers['content-type'] } : {}),
    ...Object.fromEntries(headers),
    ...env,
  };
}

// Decodes a percent-encoded path into bytes.
function decodePath(text) {
  const bytes = Buffer.from(text, 'utf8').toString('latin1').replace(/%([0-9a-fA-F]{2})/g, (_, hex) =>
    String.fromCharCode(parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1');
}

const isUtf8 = (bytes) => Buffer.from(bytes.toString('utf8')).equals(bytes);

// Starts the program. Values of `env` are text or bytes; the shell passes bytes that are not UTF-8.
function launch(env) {
  const entries = Object.entries(env);
  const odd = entries.filter(([, value]) => Buffer.isBuffer(value) && !isUtf8(value));
  const text = entries.filter((entry) => !odd.includes(entry)).map(([name, value]) => [name, value.toString()]);
  const options = { stdio: ['pipe', 'pipe', 'pipe'], env: Object.fromEntries(text) };
  if (odd.length === 0) return spawn(kFallbackProgram, [], options);
  const escape = (bytes) => [...bytes].map((byte) => `\\0${byte.toString(8).padStart(3, '0')}`).join('');
  const exports = odd.map(([name, value]) => `export ${name}="$(printf %b '${escape(value)}')";`);
  return spawn('/bin/sh', ['-c', `${exports.join('\n')} exec "$0"`, kFallbackProgram], options);
}

// `Status: 404 Not Found`, headers, blank line, body (RFC 3875, section 6).
function splitCgiOutput(output) {
  const match = /\r?\n\r?\n/.exec(output.toString('latin1'));
  assert.ok(match, `CGI output without headers: ${output.toString('latin1').slice(0, 300)}`);
  const head = output.subarray(0, match.index).toString('latin1').split(/\r?\n/);
  const headers = head.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]);
  const status = headers.find(([name]) => name.toLowerCase() === 'status');
  return {
    status: status ? Number(status[1].slice(0, 3)) : 200,
    headers: headers.filter((header) => header !== status),
    body: output.subarray(match.index + match[0].length),
  };
}

export class CgiServer {
  constructor({ conninfo, mount, subscribe, publish, env }) {
    const own = { PGEVENTS_DATABASE: conninfo, PGEVENTS_SUBSCRIBE: subscribe, PGEVENTS_PUBLISH: publish, ...env };
    const sanitizers = ['ASAN_OPTIONS', 'UBSAN_OPTIONS', 'LSAN_OPTIONS'].filter((name) => process.env[name]);
    for (const name of sanitizers) own[name] = process.env[name];
    this.options_ = { mount, env: own };
    this.stderr = '';
    this.failures = [];
    this.running_ = new Set();
    // Pipelined requests are executed one after the other, as web servers do; Node would start them all at once.
    const last_of = new WeakMap();
    this.server_ = http.createServer((request, response) => {
      const earlier = last_of.get(request.socket) ?? Promise.resolve();
      last_of.set(request.socket, earlier.then(() => this.serve_(request, response)));
    });
  }

  async start() {
    await new Promise((resolve) => this.server_.listen(0, '127.0.0.1', resolve));
    this.port = this.server_.address().port;
  }

  // A CGI program gets the body's length, so a chunked body is collected first, as web servers do.
  async serve_(request, response) {
    const chunks = [];
    try {
      for await (const chunk of request) chunks.push(chunk);
      await this.execute_(request, Buffer.concat(chunks), response);
    } catch (error) {
      if (error.code !== 'ECONNRESET') this.failures.push(error);
      response.destroy();
    }
  }

  async execute_(request, body, response) {
    const path_info = decodePath(request.url.split('?')[0].slice(this.options_.mount.length));
    if (path_info.includes(0)) return response.writeHead(400).end(); // an environment variable cannot contain it
    const env = { ...cgiEnvironment(request, this.options_), PATH_INFO: path_info };
    if (body.length > 0 || request.method === 'POST') env.CONTENT_LENGTH = String(body.length);
    const child = launch(env);
    this.running_.add(child);
    child.stdin.on('error', () => {}); // the program need not read a body that it rejects
    child.stdin.end(body);
    child.stderr.on('data', (chunk) => (this.stderr += chunk));
    const output = [];
    child.stdout.on('data', (chunk) => output.push(chunk));
    const [code, signal] = await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (...how) => resolve(how));
    });
    this.running_.delete(child);
    assert.deepEqual([code, signal], [0, null], `end of the CGI program: ${this.stderr}`);
    const answer = splitCgiOutput(Buffer.concat(output));
    if (request.method === 'HEAD') assert.equal(answer.body.length, 0, 'a body in answer to HEAD');
    response.writeHead(answer.status, answer.headers.flat());
    response.end(answer.body);
  }

  async stop() {
    this.server_.closeAllConnections();
    await new Promise((resolve) => this.server_.close(resolve));
    await waitFor(() => this.running_.size === 0, { what: 'CGI programs ended' });
    assertCleanOutput(this.stderr, 'the CGI program');
    assert.deepEqual(this.failures, [], 'failures of the CGI program');
  }
}

// mount: the path of the program, for example /rt. It ends with the test file.
export async function startCgiServer({ conninfo, mount = '/rt', subscribe = '*', publish = '*', env = {} }) {
  const server = new CgiServer({ conninfo, mount, subscribe, publish, env });
  await server.start();
  atEnd(() => server.stop());
  return server;
}
