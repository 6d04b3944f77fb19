// The environment of the fault tests: a cluster, a database, the fallback, and an nginx that serves the same paths
// twice: under /rt through the module (with or without the fallback behind it), under /fb through the fallback alone.
import fs from 'node:fs';
import path from 'node:path';

import { startCluster } from '../lib/cluster.mjs';
import { kServerUser } from '../lib/database.mjs';
import { startFallback } from '../lib/fallback.mjs';
import { request } from '../lib/http.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { startNginx } from '../lib/nginx.mjs';

export const kModuleBase = '/rt';
export const kFallbackBase = '/fb';

// Short pauses, so that tests with reconnecting clients do not wait for the defaults. Streams release their requests,
// which the other suites do not test.
// A client names itself.
const kQuick = 'pgevents_retry 300ms; pgevents_poll_interval 1s; pgevents_release_request on; pgevents_user $http_x_user;';

export class Service {
  constructor({ database, fallback, ring, parameters, location, server, http, tcp, behind, listenFlags }) {
    Object.assign(this, { database, fallback, ring_: ring, parameters_: parameters, location_: location,
      server_: server });
    this.http_ = http;
    this.tcp_ = tcp;
    this.behind_ = behind;
    this.listen_flags_ = listenFlags;
  }

  get port() {
    return this.nginx.port;
  }

  // The text within `http { }`; `module: false` leaves out every directive of the module.
  http(nginx, { module = true } = {}) {
    const conninfo = this.database.conninfo({ tcp: this.tcp_ });
    const own = `pgevents $events; pgevents_subscribe "*"; pgevents_publish "*"; ${this.location_}`;
    const behind = this.behind_ || !module ? this.fallback.nginxLines({ base: kModuleBase }) : '';
    return `
      ${module ? `pgevents_database main "${conninfo}" ring=${this.ring_} ${this.parameters_};` : ''}
      ${module ? this.http_(conninfo) : ''}
      server {
        listen ${nginx.listen()} ${this.listen_flags_};
        ${this.server_}
        set $events main;
        if (-f ${this.flag(nginx)}) { set $events off; }
        location ${kModuleBase}/ { ${module ? own : ''} ${behind} }
        ${this.fallback ? `location ${kFallbackBase}/ { ${this.fallback.nginxLines({ base: kFallbackBase })} }` : ''}
      }`;
  }

  // The module declines while this file exists.
  flag(nginx = this.nginx) {
    return path.join(nginx.dir, 'off');
  }

  switchModule(on) {
    if (on) fs.rmSync(this.flag());
    else fs.writeFileSync(this.flag(), '');
  }

  // Ends every session of module and fallback with the database.
  cutFrontEnds() {
    return this.database.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1`,
      [kServerUser]);
  }

  poll(channels, { cursor, base = kModuleBase, flavor = 'poll', query = '', headers = {} } = {}) {
    const all = cursor === undefined ? headers : { ...headers, 'Last-Event-ID': String(cursor) };
    return request({ port: this.port, path: `${base}/events/${channels}?flavor=${flavor}${query}`, headers: all });
  }

  // The front-end that answers at present: 'module', 'fallback' or a status. Their answers to a short long poll differ.
  async whoAnswers(base = kModuleBase) {
    const answer = await request({ port: this.port, path: `${base}/events/probe?timeout=0.01` });
    if (answer.status !== 200) return answer.status;
    return answer.headers['x-shortpoll-info'] === 'fallback' ? 'fallback' : 'module';
  }

  async waitAnsweredBy(who, timeout = 30_000) {
    await waitFor(async () => (await this.whoAnswers()) === who, { what: `answers by ${who}`, timeout, interval: 20 });
  }
}

// A memory limit means nothing under AddressSanitizer, which keeps freed memory.
export const memoryIsMeaningful = (pid) => !fs.readFileSync(`/proc/${pid}/maps`, 'latin1').includes('libasan');

// cluster: a running one, or options for a new one; install: see createDatabase(); release: { module, fallback }, the
// programs of another release; behind: is the fallback behind the module, in the same location?
// location: further directives of the module's location; http: a function of the connection string that gives further
// directives of the module; args: further options of the fallback; env: further environments of both.
export async function startService({
  cluster = {}, workers = 4, ring = '8m', parameters = '', location = kQuick, server = '', http = () => '', main = '',
  events = '', fallback = true, args = [], processes, behind = true, tcp = false, allow = [], listenFlags = '',
  env = {}, install = true, release = {} } = {}) {
  const running = cluster.createDatabase ? cluster : await startCluster({ tcp, ...cluster });
  const database = await running.createDatabase({ install });
  const conninfo = database.conninfo({ tcp });
  const program = fallback
    ? await startFallback({ conninfo, processes, args: ['--poll-interval', '1', ...args],
      env: env.fallback, program: release.fallback }) : undefined;
  const service = new Service({
    database, fallback: program, ring, parameters, location, server, http, tcp, behind: behind && fallback, listenFlags,
  });
  service.cluster = running;
  const modules = release.module ? { loadModule: false, modules: [release.module] } : {};
  service.nginx = await startNginx({ workers, main, events, allow, env: env.nginx, ...modules,
    http: (nginx) => service.http(nginx) });
  if (listenFlags) await service.nginx.waitListening();
  else await service.waitAnsweredBy('module');
  return service;
}
