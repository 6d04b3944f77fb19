// The table of the access suite. One row is one request with the one answer that every back-end must give to it; it
// becomes one test per back-end. Besides its title (`what`) a row has:
//   token      its text; where: 'header' (Authorization: Bearer, the default), 'cookie' or 'query' (access_token)
//   channel    a channel list; method; headers; query
//   transport  'poll' (the default), 'long-poll', 'stream' or 'publish'
//   over       a function of the back-end that gives the connection's options, if they are not the usual ones
//   waits      the database is away: an event stream gets nothing but its cursor
//   status, code, msg, challenge (WWW-Authenticate)   the answer, best spread from one of the outcomes below
//   answerHeaders   the headers about origins that the answer must have
// An answer must have none of the watched headers besides those that its row implies.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertError, forEach, kBase } from './backends.mjs';
import { EventStream } from './event_stream.mjs';
import { pollBody, streamFrame, streamOpening, streamWaiting } from './wire.mjs';

export const kCookie = 'pgevents_token';
const kShortest = 8; // tokens, keys and their parts of at least this length must not be repeated
const kAnswerTime = 10_000; // ms; a stream that should have been an error does not end

// --- outcomes ---

export const kGood = { status: 200 };
const unauthorized = (msg, code = 'UNAUTHORIZED', challenge = 'Bearer error="invalid_token"') =>
  ({ status: 401, code, msg, challenge });
export const kInvalid = unauthorized('Invalid token');
export const kTooLong = unauthorized('The token is too long');
export const kNoExpiry = unauthorized('The token has no expiry');
export const kExpired = unauthorized('The token has expired', 'TOKEN_EXPIRED');
export const kRevoked = unauthorized('The token was revoked', 'TOKEN_REVOKED');
export const kNotYet = unauthorized('The token is not valid yet');
export const kOtherService = unauthorized('The token is for another service');
export const kOtherRealm = unauthorized('The token is for another realm');
export const needsToken = (channel) =>
  unauthorized(`Authentication required for channel '${channel}'`, 'UNAUTHORIZED', 'Bearer');
export const rejectsChannel = (channel) =>
  ({ status: 403, code: 'FORBIDDEN', msg: `Not authorized for channel '${channel}'` });
export const kForeignOrigin = { status: 403, code: 'FORBIDDEN', msg: 'Not authorized from this origin' };
export const bad = (msg) => ({ status: 400, code: 'BAD_REQUEST', msg });
export const kNotFound = { status: 404, code: 'NOT_FOUND', msg: 'Not found' };
export const kNotAllowed = { status: 405, code: 'METHOD_NOT_ALLOWED', msg: 'Method not allowed' };

// --- headers about origins, for a row's `answerHeaders` ---

export const kVary = { vary: 'Origin' };
const kExposed = { 'access-control-expose-headers': 'Last-Event-ID, Retry-After, X-PS-Reconnect-In, X-Shortpoll-Info' };
export const kReadableByAll = { 'access-control-allow-origin': '*', ...kExposed };
export const readableBy = (origin) => ({
  'access-control-allow-origin': origin, 'access-control-allow-credentials': 'true', ...kExposed, ...kVary,
});

// --- requests ---

function addToken({ token, where = 'header' }, headers, query) {
  if (token === undefined) return;
  if (where === 'header') headers.Authorization = `Bearer ${token}`;
  else if (where === 'cookie') headers.Cookie = `${kCookie}=${token}`;
  else if (where === 'query') query.set('access_token', token);
  else throw new Error(`unknown place of a token: ${where}`);
}

// The arguments of Backend.send(): path and options.
export function requestOf(row) {
  const transport = row.transport ?? 'poll';
  const headers = {};
  const query = new URLSearchParams();
  const options = { method: row.method ?? 'GET', headers, timeout: kAnswerTime };
  if (transport === 'publish') {
    Object.assign(options, { method: 'POST', body: row.body ?? '{"type":"made"}' });
    headers['Content-Type'] = 'application/json';
  } else if (transport === 'stream') {
    headers.Accept = 'text/event-stream';
    query.set('last_event_id', '0');
  } else if (row.method !== 'OPTIONS') {
    query.set('flavor', transport);
    query.set('last_event_id', '0');
  }
  addToken(row, headers, query);
  Object.assign(headers, row.headers);
  for (const [name, value] of Object.entries(row.query ?? {})) query.set(name, value);
  options.query = row.rawQuery ?? query.toString();
  return [row.path ?? `/events/${row.channel ?? 'cheese'}`, options];
}

// --- answers ---

// Checks the answers to rows: against the database (undefined: it is away), for what is in the log and that a rejected
// publication is not; and against every secret, of which neither answers nor logs may repeat a part.
export class AccessTable {
  constructor({ database, secrets = [] }) {
    this.database_ = database;
    this.secrets_ = new Set(secrets);
  }

  // Defines one test per row and back-end, and one test that searches the logs after them.
  define(backends, rows) {
    for (const row of rows) if (row.token) this.secrets_.add(row.token);
    forEach(backends, (backend) => {
      for (const row of rows) test(titleOf(row), () => this.check(backend, row));
      test('no log contains a token, a part of a token or a key', () => this.assertKeepsSecrets(backend.logs()));
    });
  }

  async check(backend, row) {
    if (row.token) this.secrets_.add(row.token);
    const [path, options] = requestOf(row);
    if (row.waits) return this.checkWaiting_(backend, row, [path, options]);
    if (row.status === 200 && row.transport === 'stream') return this.checkStream_(backend, row, options);
    const before = await this.database_?.head();
    const answer = await backend.send(path, { ...options, ...row.over?.(backend) });
    await this.assertAnswer(answer, row, options.method);
    if (row.status !== 201) assert.equal(await this.database_?.head(), before, 'an event was published');
  }

  async assertAnswer(answer, row, method) {
    this.assertKeepsSecrets(answer.body + answer.rawHeaders.join('\n'));
    if (row.code) assertErrorAnswer(answer, row, method);
    else await this.assertSuccess_(answer, row, method);
    this.assertHeaders_(answer, row);
  }

  async assertOnce(backend, row, header) {
    const answer = await backend.send(...requestOf(row));
    assert.equal(answer.count(header), 1, answer.rawHeaders.join('\n'));
  }

  // Expects an event stream that opens and delivers all events of its channels.
  async checkStream_(backend, row, options) {
    const { channel = 'cheese' } = row;
    const rows = await this.rowsOf_(channel);
    const query = Object.fromEntries(new URLSearchParams(options.query));
    const stream = await backend.stream(channel, { count: rows.length, headers: options.headers, query });
    const frames = rows.map((event) => streamFrame(event)).join('');
    assert.equal(stream.text().replace(kLastCursor, ''), streamOpening(backend.differs.retry, 0) + frames);
    this.assertHeaders_(stream.connection, row);
  }

  // Expects an event stream that opens and sends nothing but a cursor to resume from.
  async checkWaiting_(backend, row, [path, { headers, query }]) {
    const target = `${kBase}${path}?${query}`;
    const stream = new EventStream({ port: backend.port, path: target, headers });
    await stream.waitForBlock(({ kind }) => kind === 'waiting');
    if (backend.differs.streamEnds) await stream.ended();
    await stream.close();
    assert.equal(stream.connection.status, row.status);
    assert.equal(streamWaiting(stream.text()).cursor, '0');
    this.assertHeaders_(stream.connection, row);
  }

  rowsOf_(list) {
    return this.database_.log({ channels: list.split(',') });
  }

  async assertSuccess_(answer, row, method) {
    assert.equal(answer.status, row.status, answer.body);
    if (method === 'HEAD' || row.status === 204) assert.equal(answer.body, '');
    else if (row.status === 201) assert.equal(answer.body, `{"result":"success","id":${await this.database_.head()}}`);
    else assert.equal(answer.body, pollBody(await this.rowsOf_(row.channel ?? 'cheese')));
  }

  // The answer has exactly the watched headers that its row implies.
  assertHeaders_(answer, row) {
    const expected = {
      'www-authenticate': row.challenge, allow: allowOf(row), 'retry-after': retryOf(row), ...row.answerHeaders,
    };
    for (const name of kWatched) assert.equal(answer.headers[name], expected[name], name);
  }

  // The text contains no token, no part of a token, and no key.
  assertKeepsSecrets(text) {
    for (const secret of this.secrets_) {
      for (const part of [secret, ...secret.split('.')]) {
        if (part.length >= kShortest) assert.ok(!text.includes(part), `a secret is repeated: ${part}`);
      }
    }
  }
}

// A stream may end with the current position of the log.
const kLastCursor = /(?<=\n\n)event: pgevents\.cursor\ndata:\nid: [0-9]+\n\n$/;

const titleOf = ({ what, status, msg }) => `${what}: ${status}${msg ? ` ${msg}` : ''}`;

const kWatched = [
  'www-authenticate', 'allow', 'retry-after', 'vary', 'access-control-allow-origin', 'access-control-allow-credentials',
  'access-control-expose-headers', 'access-control-allow-methods', 'access-control-allow-headers',
  'access-control-max-age',
];

const allowOf = ({ status }) => (status === 405 || status === 204 ? 'GET, HEAD, POST, OPTIONS' : undefined);
const retryOf = ({ status }) => (status === 503 ? '5' : undefined);

function assertErrorAnswer(answer, { status, code, msg }, method) {
  if (method !== 'HEAD') return assertError(answer, status, code, msg);
  assert.deepEqual([answer.status, answer.body], [status, '']);
  return assert.equal(answer.headers['content-type'], 'application/json');
}

// Publishes one event on each channel, so that an accepted subscription has something to deliver.
export async function seed(database, channels) {
  for (const channel of channels) await database.publish(channel, 'made', { of: channel });
}
