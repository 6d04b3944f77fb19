// The three back-ends behind one interface, for the conformance suite: the module, the fallback over FastCGI behind an nginx
// that has no module, and the fallback as plain CGI. What may differ between them is in `kDiffers`, and nowhere else.
import assert from 'node:assert/strict';
import { describe } from 'node:test';

import { EventStream } from './event_stream.mjs';
import { startCgiServer, startFallback } from './fallback.mjs';
import { request } from './http.mjs';
import { startNginx } from './nginx.mjs';
import { parsePollBody } from './wire.mjs';

// Only for the time in which not every back-end is there; all of them must pass.
const kNames = (process.env.PGEVENTS_BACKENDS ?? 'module,fcgi,cgi').split(',');

// A stream that ends at once may be buffered by nginx, so the fallback does not forbid it.
const kDiffers = {
  module: { retry: 2000, longPollReconnectIn: '0', longPollInfo: undefined, streamEnds: false, buffering: 'no' },
  fcgi: { retry: 5000, longPollReconnectIn: '5', longPollInfo: 'fallback', streamEnds: true },
  cgi: { retry: 5000, longPollReconnectIn: '5', longPollInfo: 'fallback', streamEnds: true },
};

export const kBase = '/rt';

const query = (parameters) => new URLSearchParams(parameters).toString();

export class Backend {
  constructor(name, port) {
    this.name = name;
    this.port = port;
    this.differs = kDiffers[name];
  }

  // A request below the base; `query` is an object or text.
  async send(path, { query: parameters = {}, ...options } = {}) {
    const text = typeof parameters === 'string' ? parameters : query(parameters);
    const target = `${kBase}${path}${text ? `?${text}` : ''}`;
    return request({ port: this.port, path: target, ...options });
  }

  // A short poll of a channel list, which must succeed; the events parsed strictly.
  async poll(channels, { cursor, query: parameters = {}, headers = {} } = {}) {
    const all = cursor === undefined ? headers : { ...headers, 'Last-Event-ID': String(cursor) };
    const answer = await this.send(`/events/${channels}`, { query: { flavor: 'poll', ...parameters }, headers: all });
    assert.equal(answer.status, 200, answer.body);
    answer.events = parsePollBody(answer.body);
    answer.cursor = answer.headers['last-event-id'];
    return answer;
  }

  // An event stream up to its `count`-th event (and to its end, where the back-end ends it); the bytes checked strictly.
  async stream(channels, { cursor, count, query: parameters = {}, headers = {} } = {}) {
    const text = query(parameters);
    const path = `${kBase}/events/${channels}${text ? `?${text}` : ''}`;
    const stream = new EventStream({ port: this.port, path, headers, cursor, envelope: parameters.envelope === '1' });
    await stream.opened();
    await stream.waitForEvents(count);
    if (this.differs.streamEnds) await stream.ended();
    await stream.close();
    stream.assertStrict();
    assert.equal(stream.events.length, count);
    return stream;
  }

  publish(channel, body, { headers = {}, ...options } = {}) {
    const text = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    const all = { 'Content-Type': 'application/json', ...headers };
    return this.send(`/events/${channel}`, { method: 'POST', body: text, headers: all, ...options });
  }
}

// The module without fastcgi_pass: what it declines is nginx's own 404 page, and fails the test.
async function startModule({ conninfo, subscribe, publish, module_limits, server }) {
  return startNginx({
    http: (nginx) => `
      pgevents_database main "${conninfo}" ring=4m;
      server {
        listen ${nginx.listen()};
        ${server}
        location ${kBase}/ {
          pgevents main;
          ${subscribe ? `pgevents_subscribe "${subscribe}";` : ''}
          ${publish ? `pgevents_publish "${publish}";` : ''}
          ${module_limits}
        }
      }`,
  });
}

async function startFcgi({ conninfo, subscribe, publish, fallback_limits, server }) {
  const fallback = await startFallback({ conninfo, args: fallback_limits });
  return startNginx({
    loadModule: false,
    http: (nginx) => `
      server {
        listen ${nginx.listen()};
        ${server}
        location ${kBase}/ { ${fallback.nginxLines({ base: kBase, subscribe, publish })} }
      }`,
  });
}

const kStarters = {
  module: startModule,
  fcgi: startFcgi,
  cgi: ({ conninfo, subscribe, publish, cgi_limits }) =>
    startCgiServer({ conninfo, mount: kBase, subscribe, publish, env: cgi_limits }),
};

// The same limit in the words of each front-end.
function limitsFor({ maxChannels, channelPattern, maxEventSize } = {}) {
  const given = [
    ['pgevents_max_channels', '--max-channels', 'PGEVENTS_MAX_CHANNELS', maxChannels],
    ['pgevents_channel_pattern', '--channel-pattern', 'PGEVENTS_CHANNEL_PATTERN', channelPattern],
    ['pgevents_max_event_size', '--max-event-size', 'PGEVENTS_MAX_EVENT_SIZE', maxEventSize],
  ].filter((entry) => entry[3] !== undefined);
  return {
    module_limits: given.map(([directive, , , value]) => `${directive} "${value}";`).join('\n'),
    fallback_limits: given.flatMap(([, option, , value]) => [option, String(value)]),
    cgi_limits: Object.fromEntries(given.map(([, , variable, value]) => [variable, String(value)])),
  };
}

// Starts the back-ends on one database.
export async function startBackends({ database, subscribe = '*', publish = '*', limits, server = '' }) {
  const options = { conninfo: database.conninfo(), subscribe, publish, server, ...limitsFor(limits) };
  const backends = [];
  for (const name of kNames) {
    const started = await kStarters[name](options);
    backends.push(Object.assign(new Backend(name, started.port), { server: started }));
  }
  return backends;
}

// Defines the same tests for every back-end.
export function forEach(backends, define) {
  for (const backend of backends) describe(`[${backend.name}]`, () => define(backend));
}

// Channels that no other test uses.
let channel_count = 0;
export const newChannel = (word = 'c') => `${word}.${++channel_count}`;

export function assertError(answer, status, code, msg) {
  const body = `{"result":"error","code":"${code}","msg":${JSON.stringify(msg)}}`;
  assert.deepEqual([answer.status, answer.body], [status, body]);
  assert.equal(answer.headers['content-type'], 'application/json');
  assert.equal(answer.headers['cache-control'], 'no-store');
}
