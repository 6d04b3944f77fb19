// Starts the examples of conf/ unchanged, apart from the places that differ on every machine. Each of those places must
// exist, so that a changed example cannot go untested.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';

import { waitFor } from './conditions.mjs';
import { request } from './http.mjs';
import { atEnd } from './lifetime.mjs';
import { freePort } from './ports.mjs';
import { run, signalIfAlive, waitGone } from './processes.mjs';
import { kRoot, tempDir } from './scratch.mjs';
import { selfSignedCertificate } from './tls.mjs';

export const kConf = path.join(kRoot, 'conf');
export const kConninfo = 'host=/run/postgresql dbname=app';
export const kListen80 = 'listen 80;';
export const kModule = process.env.PGEVENTS_MODULE ?? path.join(kRoot, 'build/release/ngx_http_pgevents_module.so');

const kNginx = process.env.PGEVENTS_NGINX ?? '/usr/sbin/nginx';
const kTemporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];

export const readExample = (name) => fs.readFileSync(path.join(kConf, name), 'utf8');

function localise(text, places) {
  return Object.entries(places).reduce((result, [from, to]) => {
    assert.ok(result.includes(from), `'${from}' in the example`);
    return result.replaceAll(from, to);
  }, text);
}

// What every example contains, and what an nginx beside others needs.
function commonPlaces(dir, database) {
  return {
    'load_module modules/ngx_http_pgevents_module.so;': kModule && `load_module ${kModule};`, // or linked into nginx
    'user www-data;': process.getuid() === 0 ? 'user root;' : '',
    'worker_processes auto;': 'worker_processes 2;',
    '/run/nginx.pid': `${dir}/nginx.pid`,
    '/var/log/nginx/error.log': `${dir}/error.log`,
    'http {': `http {\n${kTemporary.map((name) => `${name}_temp_path ${dir}/${name};`).join('\n')}`,
    [kConninfo]: database.conninfo(),
  };
}

// `listen 443` with a certificate of `name`, on a free port.
export function tlsPlaces(port, { cert, key }, name = 'app.example.com') {
  return {
    'listen 443 ssl': `listen 127.0.0.1:${port} ssl`,
    [`/etc/ssl/certs/${name}.pem`]: cert,
    [`/etc/ssl/private/${name}.key`]: key,
  };
}

export class RunningExample {
  constructor({ dir, port, file }) {
    Object.assign(this, { dir, port, file });
    this.errorLog = path.join(dir, 'error.log');
  }

  async start() {
    await run(kNginx, ['-p', this.dir, '-c', this.file, '-e', this.errorLog]);
    this.pid = Number(fs.readFileSync(path.join(this.dir, 'nginx.pid'), 'latin1'));
  }

  // Changes the configuration and reloads it.
  reload(places) {
    fs.writeFileSync(this.file, localise(fs.readFileSync(this.file, 'utf8'), places));
    process.kill(this.pid, 'SIGHUP');
  }

  async stop() {
    signalIfAlive(this.pid, 'SIGQUIT');
    await waitGone([this.pid], 'nginx', 30_000);
    const log = fs.readFileSync(this.errorLog, 'utf8');
    assert.doesNotMatch(log, /\[(alert|emerg|crit)\]/);
  }
}

// places: a function of the directory and port of this nginx that gives replacements, from text to text.
async function writeText(example, { database, places }) {
  const dir = tempDir('conf');
  fs.mkdirSync(path.join(dir, 'logs')); // for the access log of an nginx that was built without another path
  const port = await freePort();
  const file = path.join(dir, 'nginx.conf');
  fs.writeFileSync(file, localise(example, { ...commonPlaces(dir, database), ...await places(dir, port) }));
  return new RunningExample({ dir, port, file });
}

// What `nginx -t` reports of an example that is valid.
export async function checkExample(name, options) {
  const { dir, file, errorLog } = await writeText(readExample(name), options);
  return (await run(kNginx, ['-t', '-p', dir, '-c', file, '-e', errorLog])).stderr;
}

export async function startText(example, options) {
  const running = await writeText(example, options);
  await running.start();
  atEnd(() => running.stop());
  return running;
}

export const startExample = (name, options) => startText(readExample(name), options);

const kPass = 'fastcgi_pass unix:/run/pgevents/fcgi.sock;';

// Starts an example behind TLS: with the module alone, so that the fallback cannot serve requests before the module is
// connected; or, with `module: false`, with the fallback alone and the module off.
let certificate;
export async function startSecured(name, options) {
  const { database, fallback, module = true, host = 'app.example.com', places = () => ({}) } = options;
  const off = () => ({ 'pgevents main;': 'pgevents off;', [kPass]: `fastcgi_pass unix:${fallback.socket};` });
  const pass = module ? { [kPass]: '' } : off();
  certificate ??= await selfSignedCertificate();
  const running = await startExample(name, {
    database,
    places: async (dir, port) => ({
      ...tlsPlaces(port, certificate, host),
      ...pass,
      ...await places(dir, port),
    }),
  });
  if (module) await firstAnswer(running.port, '/rt/events/news?flavor=poll', { tls: true });
  return running;
}

// The environment of the fallback that an example's comments describe, in lines as systemd's EnvironmentFile= has them.
export function environmentOf(name, places) {
  const text = localise(readExample(name), places);
  const lines = [...text.matchAll(/^# {3}(PGEVENTS_[A-Z_]+)="(.*)"$/gm)];
  assert.ok(lines.length > 0, `the environment of the fallback in ${name}`);
  return Object.fromEntries(lines.map(([, variable, value]) => [variable, value.replaceAll('\\\\', '\\')]));
}

// A module that has just been started answers 503 until its first connection to the database is established.
export async function firstAnswer(port, location, options = {}) {
  let answer;
  const answered = async () => (answer = await request({ port, path: location, ...options })).status !== 503;
  await waitFor(answered, { what: 'the database is there' });
  return answer;
}
