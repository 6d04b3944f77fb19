// The three back-ends behind one interface, for the conformance suite: the module, the fallback over FastCGI behind an
// nginx without the module, and the fallback as plain CGI. `kDiffers` alone lists what may differ between them.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import { describe } from 'node:test';

import { EventStream } from './event_stream.mjs';
import { startCgiServer, startFallback } from './fallback.mjs';
import { request } from './http.mjs';
import { startNginx } from './nginx.mjs';
import { tempDir } from './scratch.mjs';
import { parsePollBody } from './wire.mjs';

// During development a subset may be chosen; in the end all back-ends must pass.
const kNames = (process.env.PGEVENTS_BACKENDS ?? 'module,fcgi,cgi').split(',');

// The fallback does not forbid nginx to buffer its streams, because they end at once.
const kDiffers = {
  module: { retry: 2000, longPollReconnectIn: '0', longPollInfo: undefined, streamEnds: false, buffering: 'no',
    ring: true },
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

  // A short poll of a channel list, which must succeed; its events are parsed strictly.
  async poll(channels, { cursor, query: parameters = {}, headers = {} } = {}) {
    const all = cursor === undefined ? headers : { ...headers, 'Last-Event-ID': String(cursor) };
    const answer = await this.send(`/events/${channels}`, { query: { flavor: 'poll', ...parameters }, headers: all });
    assert.equal(answer.status, 200, answer.body);
    answer.events = parsePollBody(answer.body);
    answer.cursor = answer.headers['last-event-id'];
    return answer;
  }

  // Reads an event stream up to its `count`-th event (and to its end, where the back-end ends it) and checks its bytes
  // strictly. inParts: the events are more than the fallback sends at once, so that several connections are needed
  // there.
  async stream(channels, { cursor, count, query: parameters = {}, headers = {}, inParts = false } = {}) {
    const text = query(parameters);
    const path = `${kBase}/events/${channels}${text ? `?${text}` : ''}`;
    const reconnect = inParts && this.differs.streamEnds;
    const envelope = parameters.envelope === '1';
    const stream = new EventStream({ port: this.port, path, headers, cursor, envelope, reconnect });
    await stream.opened();
    await stream.waitForEvents(count);
    if (this.differs.streamEnds && !reconnect) await stream.ended();
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

// The module without fastcgi_pass: for a request that it declines nginx answers its own 404 page, which fails the test.
async function startModule({ conninfo, subscribe, publish, written, server, away }) {
  const granted = { pgevents_subscribe: subscribe, pgevents_publish: publish };
  const grants = Object.entries(granted).filter(([, patterns]) => patterns);
  const lines = grants.map(([name, patterns]) => `${name} ${quoted(patterns)};`);
  const nginx = await startNginx({
    http: (n) => `
      pgevents_database main "${conninfo}" ring=4m;
      server {
        listen ${n.listen()};
        ${typeof server === 'function' ? server(n) : server}
        location ${kBase}/ {
          pgevents main;
          ${[...lines, ...written.directives].join('\n')}
        }
      }`,
  });
  if (!away) await nginx.waitListening();
  return { server: nginx, logs: () => nginx.logText() };
}

async function startFcgi({ conninfo, subscribe, publish, written, server }) {
  const fallback = await startFallback({ conninfo, args: written.args });
  const nginx = await startNginx({
    loadModule: false,
    http: (n) => `
      server {
        listen ${n.listen()};
        ${typeof server === 'function' ? server(n) : server}
        location ${kBase}/ { ${fallback.nginxLines({ base: kBase, subscribe, publish, params: written.params })} }
      }`,
  });
  return { server: nginx, logs: () => nginx.logText() + fallback.logText() };
}

async function startCgi({ conninfo, subscribe, publish, written, env }) {
  const server = await startCgiServer({ conninfo, mount: kBase, subscribe, publish, env: { ...written.env, ...env } });
  return { server, logs: () => server.stderr };
}

const kStarters = { module: startModule, fcgi: startFcgi, cgi: startCgi };

// --- one option in the syntax of each front-end ---

// A word of nginx's configuration, quoted.
const quoted = (text) => `"${String(text).replaceAll(/["\\]/g, '\\$&')}"`;

// Each option: its name in tests, and the common part of directive, command-line option and variable.
const kLimits = [
  ['maxChannels', 'max_channels'],
  ['channelPattern', 'channel_pattern'],
  ['maxEventSize', 'max_event_size'],
  ['pollInterval', 'poll_interval'],
];
const kAccess = [
  ['cookie', 'jwt_cookie'],
  ['query', 'jwt_query'],
  ['audience', 'jwt_audience'],
  ['issuer', 'jwt_issuer'],
  ['leeway', 'jwt_leeway'],
  ['requireExp', 'jwt_require_exp'],
  ['anonymous', 'anonymous'],
];
const kOfRequest = [
  ['user', 'user'],
  ['realm', 'realm'],
];

const variable = (name) => `PGEVENTS_${name.toUpperCase()}`;
const valueOf = (value) => (typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value));

// [name, value] of the options that are set.
const given = (list, values) =>
  list.filter(([option]) => values[option] !== undefined).map(([option, name]) => [name, valueOf(values[option])]);

// Writes the key files. Gives [file, 'kid=…', 'alg=…'] for each key.
function keyArguments(keys) {
  const dir = keys.length > 0 ? tempDir('keys') : undefined;
  return keys.map(({ text, kid, alg }, index) => {
    const file = join(dir, `key-${index}`);
    fs.writeFileSync(file, text);
    return [file, ...(kid ? [`kid=${kid}`] : []), ...(alg ? [`alg=${alg}`] : [])];
  });
}

function writeOptions(limits, access) {
  const { keys = [], origins = [] } = access;
  const options = [...given(kLimits, limits), ...given(kAccess, access)];
  const perRequest = given(kOfRequest, access);
  const files = keyArguments(keys);
  const listed = files.length > 0 ? [['jwt_key', files.map((words) => words.join(' ')).join(';')]] : [];
  if (origins.length > 0) listed.push(['allow_origin', origins.join(' ')]);
  return {
    directives: [
      ...[...options, ...perRequest].map(([name, value]) => `pgevents_${name} ${quoted(value)};`),
      ...files.map((words) => `pgevents_jwt_key ${words.map(quoted).join(' ')};`),
      ...(origins.length > 0 ? [`pgevents_allow_origin ${origins.map(quoted).join(' ')};`] : []),
    ],
    args: [
      ...options.flatMap(([name, value]) => [`--${name.replaceAll('_', '-')}`, value]),
      ...files.flatMap((words) => ['--jwt-key', words.join(' ')]),
      ...origins.flatMap((origin) => ['--allow-origin', origin]),
    ],
    params: Object.fromEntries(perRequest.map(([name, value]) => [variable(name), value])),
    env: Object.fromEntries([...options, ...perRequest, ...listed].map(([name, value]) => [variable(name), value])),
  };
}

// Starts the back-ends on one database. Each has `server`, which is nginx or the CGI server, and `logs()`, which gives
// the text that was logged for it so far.
//   subscribe, publish   the grants of the web server for every request
//   limits               { maxChannels, channelPattern, maxEventSize, pollInterval (seconds) }
//   access               { keys: [{ text, kid, alg }], cookie, query: true, audience, issuer, leeway (seconds),
//                          requireExp: false, anonymous, user, realm, origins: [] }, all optional; `text` is the
//                          content of the key file, `user` and `realm` are the web server's identity of every request
//   server               lines for the server block of nginx (module, fcgi), or a function of the Nginx that gives them
//   away                 the database is not there yet, so startBackends() does not wait for it
//   env                  variables that the web server adds for the CGI program
export async function startBackends({
  database, subscribe = '*', publish = '*', limits = {}, access = {}, server = '', env = {}, away = false,
}) {
  const written = writeOptions(limits, access);
  const options = { conninfo: database.conninfo(), subscribe, publish, server, env, away, written };
  const backends = [];
  for (const name of kNames) {
    const started = await kStarters[name](options);
    backends.push(Object.assign(new Backend(name, started.server.port), started));
  }
  return backends;
}

// Defines the same tests for every back-end. atOnce: how many of them run concurrently, for tests that mostly wait.
export function forEach(backends, define, { atOnce = 1 } = {}) {
  for (const backend of backends) describe(`[${backend.name}]`, { concurrency: atOnce }, () => define(backend));
}

// Channels that no other test uses.
let channel_count = 0;
export const newChannel = (word = 'c') => `${word}.${++channel_count}`;

export function assertError(answer, status, code, msg) {
  const body = `{"result":"error","code":"${code}","msg":${JSON.stringify(msg)}}`;
  assert.deepEqual([answer.status, answer.body], [status, body]);
  assert.equal(answer.headers['content-type'], 'application/json');
  assert.equal(answer.headers['cache-control'], 'no-store');
  assert.equal(answer.headers['x-content-type-options'], 'nosniff');
}
