// A host with nginx, the module and the fallback, configured by conf/cluster/web.conf; it may read a copy of the log.
import fs from 'node:fs';
import path from 'node:path';

import { waitFor } from '../../lib/conditions.mjs';
import { startFallback } from '../../lib/fallback.mjs';
import { request } from '../../lib/http.mjs';
import { readMetrics } from '../../lib/metrics.mjs';
import { startNginx } from '../../lib/nginx.mjs';
import { example } from './examples.mjs';

const kMetrics = 'location = /metrics { pgevents_status format=prometheus; }';
const kConninfo = /host=db1,db2,db3[^"]*/g;
// So that a scenario does not wait for the defaults.
const kQuick = 'pgevents_retry 300ms; pgevents_poll_interval 1s; pgevents_timeout 30s; pgevents_heartbeat 5s; ' +
  'pgevents_user $http_x_user;'; // a client names itself

export class Web {
  // primary: the connection string of the primary, if `conninfo` is that of a copy; grants: who may subscribe and
  // publish; location, server: further directives; env: of the fallback.
  constructor(host, conninfo, { primary, grants = '*', location = kQuick, server = '', env } = {}) {
    const options_ = { primary, grants, location, server, env };
    Object.assign(this, { host, name: host.name, conninfo_: conninfo, options_ });
  }

  async start_() {
    const { primary, env } = this.options_;
    const args = ['--poll-interval', '1', ...(primary ? ['--primary', primary] : [])];
    this.fallback_ = await startFallback({ host: this.host, conninfo: this.conninfo_, env, args });
    this.nginx = await startNginx({ host: this.host, workers: 1, http: (nginx) => this.http_(nginx) });
  }

  http_(nginx) {
    const { primary, grants, location, server } = this.options_;
    return example('web.conf', [
      [kConninfo, this.conninfo_],
      ...(primary ? [['ring=32m', `ring=32m unresolved=warn "primary=${primary}"`]] : []),
      ['listen 80;', `listen ${nginx.listen()}; listen ${this.host.address}:80; ${kMetrics} ${server}`],
      ['"news stream:*"', `"${grants}"`],
      ['PGEVENTS_PUBLISH "news"', `PGEVENTS_PUBLISH "${grants}"`],
      ['pgevents_publish "news";', `pgevents_publish "${grants}"; ${location}`],
      ['/run/pgevents/fcgi.sock', this.fallback_.socket],
      ['/run/nginx-drain', this.drainFile_],
    ]);
  }

  // Where clients connect without a balancer.
  get entrance() {
    return { name: this.name, host: this.host.address, port: 80 };
  }

  async serves() {
    const probe = { host: this.host.address, port: 80, path: '/rt/events/probe?timeout=0.01', timeout: 5000 };
    await waitFor(async () => (await request(probe)).headers['x-shortpoll-info'] !== 'fallback', {
      what: `the module on ${this.name}`, timeout: 60_000, interval: 100 });
  }

  get drainFile_() {
    return path.join(this.host.dir, 'nginx-drain');
  }

  // Until the balancer has taken it out, and no client is left.
  async drain() {
    fs.writeFileSync(this.drainFile_, '');
    const subscribers = async () => (await readMetrics({ ...this.entrance, path: '/metrics' })).value('subscribers');
    await waitFor(async () => await subscribers() === 0, { what: `no client on ${this.name}`, timeout: 60_000 });
  }

  undrain() {
    fs.rmSync(this.drainFile_);
  }

  // Ends nginx as an upgrade does, and starts it again. The fallback goes on.
  async restart() {
    await this.nginx.quit();
    await this.nginx.start();
  }

  // Kills every process. `silent`: as when the power fails, so that no connection is closed either.
  async kill({ silent = false } = {}) {
    if (silent) await this.host.crash();
    else await this.host.kill();
    this.nginx.crashed();
  }

  // Starts the host again after kill().
  async boot() {
    this.host.heal();
    fs.rmSync(this.fallback_.socket, { force: true });
    await this.fallback_.start();
    await this.nginx.start();
  }
}

// Starts it and waits until the module serves.
export async function startWeb(host, conninfo, options) {
  const web = new Web(host, conninfo, options);
  await web.start_();
  await web.serves();
  return web;
}
