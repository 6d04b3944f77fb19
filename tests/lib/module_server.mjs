// An nginx with the module in front of a database, as most tests of the module need it: one location, some workers, and
// a header with the pid of the worker that answered.
import { EventStream } from './event_stream.mjs';
import { startNginx } from './nginx.mjs';
import { Poller } from './poller.mjs';
import { request } from './http.mjs';

// The content of a server block. `location` adds lines to the location /rt/.
export function locationText({ location = '', subscribe = '*', publish = '*' } = {}) {
  return `
    add_header X-Worker $pid always;
    location /rt/ {
      pgevents main;
      pgevents_subscribe "${subscribe}";
      pgevents_publish "${publish}";
      ${location}
    }`;
}

export class ModuleServer {
  constructor(nginx) {
    this.nginx = nginx;
  }

  get port() {
    return this.nginx.port;
  }

  path_(channels, query = {}) {
    const text = new URLSearchParams(query).toString();
    return `/rt/events/${channels}${text ? `?${text}` : ''}`;
  }

  get(channels, { query, ...options } = {}) {
    return request({ port: this.port, path: this.path_(channels, query), ...options });
  }

  // An event stream; wait for its opened() before publishing what it must receive.
  stream(channels, { query = {}, ...options } = {}) {
    const path = this.path_(channels, query);
    return new EventStream({ port: this.port, path, envelope: query.envelope === '1', ...options });
  }

  poller(channels, { query, ...options } = {}) {
    return new Poller({ port: this.port, path: this.path_(channels, query), ...options });
  }

  // A request in progress: { answer (a promise), done() (has it been answered?) }.
  pending(channels, options) {
    const state = { answer: this.get(channels, options), over: false, done: () => state.over };
    const mark = () => (state.over = true);
    state.answer.then(mark, mark);
    return state;
  }
}

// Starts nginx and waits until the module listens to its database. With reuseport the kernel spreads connections over
// the workers; without it one worker might accept them all. database: a Database; parameters: of pgevents_database;
// location, subscribe, publish: see locationText; server, http: further text (server may be a function of the Nginx);
// other options as startNginx() takes them.
export async function startModuleServer({
  database, workers = 2, ring = '4m', parameters = '', server = '', http = '', location, subscribe, publish, ...options
}) {
  const nginx = await startNginx({
    workers,
    ...options,
    http: (n) => `
      pgevents_database main "${database.conninfo()}" ring=${ring} ${parameters};
      ${http}
      server {
        listen ${n.listen()} reuseport;
        ${typeof server === 'function' ? server(n) : server}
        ${locationText({ location, subscribe, publish })}
      }`,
  });
  await nginx.waitListening();
  return new ModuleServer(nginx);
}
