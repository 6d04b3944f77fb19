// Debian's Prometheus with a configuration of its own, on a free port and in a temporary directory.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import { PermanentError, waitFor } from './conditions.mjs';
import { request } from './http.mjs';
import { atEnd } from './lifetime.mjs';
import { freePort } from './ports.mjs';
import { isAlive, signalIfAlive, waitGone } from './processes.mjs';

export class Prometheus {
  // dir: of its configuration, prometheus.yml, and its data.
  constructor({ dir, port }) {
    this.dir = dir;
    this.port = port;
    this.log = path.join(dir, 'prometheus.log');
  }

  async start() {
    const log = fs.openSync(this.log, 'a');
    this.child_ = spawn('prometheus', [
      `--config.file=${path.join(this.dir, 'prometheus.yml')}`, `--storage.tsdb.path=${path.join(this.dir, 'data')}`,
      `--web.listen-address=127.0.0.1:${this.port}`, '--log.level=warn',
    ], { stdio: ['ignore', log, log] });
    fs.closeSync(log);
    fs.writeFileSync(path.join(this.dir, 'prometheus.pid'), String(this.child_.pid));
    await waitFor(() => this.ready_(), { what: () => `Prometheus; log: ${fs.readFileSync(this.log, 'utf8')}` });
  }

  async ready_() {
    if (!isAlive(this.child_.pid)) throw new PermanentError(`Prometheus: ${fs.readFileSync(this.log, 'utf8')}`);
    return (await request({ port: this.port, path: '/-/ready' })).status === 200;
  }

  async stop() {
    signalIfAlive(this.child_.pid, 'SIGTERM');
    await waitGone([this.child_.pid], 'Prometheus');
    fs.rmSync(path.join(this.dir, 'prometheus.pid'));
  }

  async get_(target) {
    const { status, data, error } = (await request({ port: this.port, path: `/api/v1/${target}` })).json();
    if (status !== 'success') throw new PermanentError(`${decodeURIComponent(target)}: ${error}`);
    return data;
  }

  // The series that an expression gives now.
  async query(expression) {
    return (await this.get_(`query?query=${encodeURIComponent(expression)}`)).result;
  }

  // The names of the alerts that fire, in order, each once.
  async firing() {
    const alerts = (await this.alerts()).filter(({ state }) => state === 'firing');
    return [...new Set(alerts.map(({ labels }) => labels.alertname))].sort();
  }

  // { labels, annotations, state } of the alerts that fire or are pending.
  async alerts() {
    return (await this.get_('alerts')).alerts;
  }
}

// Starts Prometheus with the configuration in `dir`. It is stopped at the end of the test file.
export async function startPrometheus(dir) {
  const prometheus = new Prometheus({ dir, port: await freePort() });
  await prometheus.start();
  atEnd(() => prometheus.stop());
  return prometheus;
}
