// The users of a realm and their requests over HTTP: registration, presence, typing, settings. Each test takes its own
// realm, so that other realms affect neither its answers nor its events.
//
//   const backends = await startWithUsers({ database });
//   const realm = await newRealm(database, '10', '11', { user_id: 'bot', is_bot: true });
//   await realm.user(backend, '10').report({ status: 'active' });
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';

import { startBackends } from './backends.mjs';
import { waitFor } from './conditions.mjs';
import { request } from './http.mjs';
import { tempDir } from './scratch.mjs';
import { inSeconds, secretKey, signToken } from './tokens.mjs';

export const kKey = secretKey();
// Writes the key to a file, for servers that startBackends() does not start.
export function keyFile() {
  const file = join(tempDir('key'), 'jwt.key');
  fs.writeFileSync(file, kKey.text);
  return file;
}

const bearer = (claims) => {
  const token = signToken({ exp: inSeconds(3600), ...claims }, { key: kKey });
  return { Authorization: `Bearer ${token}` };
};

// A token without a user that may subscribe to all channels.
export const kNoUser = bearer({ pgevents: { subscribe: ['*'] } });

// Back-ends that accept tokens signed with kKey. Users may subscribe to their realm's presence and to all streams.
export async function startWithUsers({ access = { keys: [{ text: kKey.text }] }, ...options }) {
  const backends = await startBackends({ subscribe: 'presence:{realm} stream:*', publish: '', access, ...options });
  // The module accepts no token before it has read the revocations.
  const isReady = async (backend) => (await backend.send('/realm/presence', { headers: kNoUser })).status !== 503;
  for (const backend of backends) await waitFor(() => isReady(backend), { what: `${backend.name} ready` });
  return backends;
}

export const kEncodings = ['form', 'json'];
const kContentType = { form: 'application/x-www-form-urlencoded', json: 'application/json' };

const formValue = (value) => (typeof value === 'string' ? value : JSON.stringify(value));
const encode = {
  json: (params) => JSON.stringify(params),
  form: (params) =>
    new URLSearchParams(Object.entries(params).map(([name, value]) => [name, formValue(value)])).toString(),
};

export class RealmUser {
  // backend: any object with send(path, options), such as a Backend.
  constructor(backend, realm, id) {
    this.backend_ = backend;
    this.id = id;
    this.headers = realm.headersOf(id);
  }

  write_(method, path, params, { encoding = 'json', headers = {} } = {}) {
    const all = { 'Content-Type': kContentType[encoding], ...this.headers, ...headers };
    return this.backend_.send(path, { method, body: encode[encoding](params), headers: all });
  }

  read_(path, query = {}) {
    return this.backend_.send(path, { query, headers: this.headers });
  }

  register(params = {}, options) {
    return this.write_('POST', '/register', params, options);
  }

  report(params, options) {
    return this.write_('POST', '/users/me/presence', params, options);
  }

  type(params, options) {
    return this.write_('POST', '/typing', params, options);
  }

  choose(flags, options) {
    return this.write_('PATCH', '/settings', flags, options);
  }

  presenceOf(id, query) {
    return this.read_(`/users/${id}/presence`, query);
  }

  realmPresence(query) {
    return this.read_('/realm/presence', query);
  }
}

// Wraps a server that is not a Backend, so that a RealmUser can send requests to it.
export const serverAt = (port, base) =>
  ({ send: (path, options) => request({ port, path: `${base}${path}`, ...options }) });

const kUsual = {
  user_id: undefined, is_active: true, is_bot: false, presence_enabled: true, send_private_typing_notifications: true,
  send_stream_typing_notifications: true, receives_typing_notifications: true,
};
const kTypes = Object.values(kUsual).map((value) => (value === undefined ? 'text' : 'boolean'));

export class Realm {
  constructor(database, name) {
    this.database = database;
    this.name = name;
    this.markers_ = 0;
  }

  get channel() {
    return `presence:${this.name}`;
  }

  userChannel(id) {
    return this.name === 'main' ? `user:${id}` : `user@${this.name}:${id}`;
  }

  headersOf(id) {
    return bearer({ sub: id, ...(this.name !== 'main' && { realm: this.name }) });
  }

  user(backend, id) {
    return new RealmUser(backend, this, id);
  }

  // users: ids, or rows of the directory.
  async add(...users) {
    const rows = users.map((user) => (typeof user === 'string' ? { user_id: user } : user));
    const value = (row, column) => row[column] ?? kUsual[column];
    const columns = Object.keys(kUsual);
    const arrays = columns.map((_, n) => `$${n + 2}::${kTypes[n]}[]`);
    await this.database.query(
      `INSERT INTO pgevents.users (realm, ${columns}) SELECT $1, * FROM unnest(${arrays})`,
      [this.name, ...columns.map((column) => rows.map((row) => value(row, column)))],
    );
  }

  async addStream(stream_id, { name = `stream ${stream_id}`, members = [], is_archived = false } = {}) {
    const insert = 'INSERT INTO pgevents.streams (stream_id, realm, name, is_archived) VALUES ($1, $2, $3, $4)';
    await this.database.query(insert, [stream_id, this.name, name, is_archived]);
    const insertMembers = 'INSERT INTO pgevents.stream_members SELECT $1, unnest($2::text[])';
    await this.database.query(insertMembers, [stream_id, members]);
  }

  // The stored presence of a user: { active, idle: seconds since 1970 with a fraction, active NULL if the user never
  // was; update_id, … }, or undefined. `version` changes with every write.
  async row(id) {
    const [row] = await this.database.query(
      `SELECT date_part('epoch', active_at) AS active, date_part('epoch', idle_at) AS idle, update_id, is_connected,
              xmin::text || ctid::text AS version
         FROM pgevents.presence WHERE realm = $1 AND user_id = $2`, [this.name, id]);
    return row;
  }

  // Sets the times as if the user had been active and in contact this many seconds ago (active NULL: never).
  async setTimes(id, { active, idle = active }) {
    const ago = (n) => `clock_timestamp() - $${n}::float8 * interval '1 second'`;
    const written = await this.database.query(
      `UPDATE pgevents.presence SET active_at = ${ago(3)}, idle_at = ${ago(4)}
        WHERE realm = $1 AND user_id = $2 RETURNING 1`, [this.name, id, active, idle]);
    assert.equal(written.length, 1);
  }

  // Events of the presence channel behind the cursor, as rows of the log.
  log(after = 0) {
    return this.database.log({ after, channels: [this.channel] });
  }

  // Observes the presence events from now on.
  async observer(backend) {
    return new PresenceObserver(this, backend, await this.database.head());
  }

  // Adds a user, whose first report always publishes an event.
  async newcomer() {
    const id = `newcomer-${++this.markers_}`;
    await this.add(id);
    return id;
  }
}

// The subscriber of presence events. It is a bot, because a bot's own presence publishes no event. (A token without a
// user would do as well, but CGI programs do not make sure that it receives events in time.)
const kListener = { user_id: 'listener', is_bot: true };

export class PresenceObserver {
  constructor(realm, backend, cursor) {
    Object.assign(this, { realm_: realm, backend_: backend, cursor_: cursor, events_: [] });
    this.headers_ = realm.headersOf(kListener.user_id);
  }

  async poll_() {
    const answer = await this.backend_.poll(this.realm_.channel, { cursor: this.cursor_, headers: this.headers_ });
    this.cursor_ = answer.cursor;
    this.events_.push(...answer.events.map(({ data, ...event }) => ({ ...event, data: JSON.parse(data) })));
  }

  // Polls until `predicate` is true for all events that have not been taken; then takes and gives them.
  async until(predicate, options = {}) {
    const satisfied = async () => {
      await this.poll_();
      return predicate(this.events_);
    };
    const what = () => `presence events, so far ${JSON.stringify(this.events_)}`;
    await waitFor(satisfied, { what, interval: 20, ...options });
    return this.events_.splice(0);
  }

  // Waits for an event of this type about the user, and takes all events up to now.
  about(id, type, options) {
    return this.until((events) => events.some((event) => event.type === type && isAbout(event, id)), options);
  }

  // All events up to now, as [type, user ids] each; they end with the report of a new user, which is published last.
  async all() {
    const id = await this.realm_.newcomer();
    await this.realm_.user(this.backend_, id).report({ status: 'active', ping_only: true });
    const events = await this.about(id, 'presence');
    const reported = events.map((event) => [event.type, namesIn(event).filter((name) => name !== id)]);
    return reported.filter(([, names]) => names.length > 0);
  }
}

const namesIn = ({ data }) => (data.presences ? Object.keys(data.presences) : data.users);
const isAbout = (event, id) => namesIn(event).includes(id);

let realm_count = 0;
export async function newRealm(database, ...users) {
  const realm = new Realm(database, `realm${++realm_count}`);
  await realm.add(kListener, ...users);
  return realm;
}

// { presence_grace: '1 second', … }
export async function setTimings(database, timings) {
  for (const [name, value] of Object.entries(timings)) {
    await database.query('UPDATE pgevents.settings SET value = $2 WHERE name = $1', [name, value]);
  }
}

// Asserts that a call succeeded. Gives the parsed answer.
export function assertSuccess(answer) {
  assert.equal(answer.status, 200, answer.body);
  assert.equal(answer.headers['content-type'], 'application/json');
  assert.equal(answer.headers['cache-control'], 'no-store');
  const json = answer.json();
  assert.deepEqual([json.result, json.msg], ['success', '']);
  return json;
}

// A body with every time replaced by T.
export const withoutTimes = (body) => body.replace(/(?<=timestamp":)[0-9]+(\.[0-9]+)?/g, 'T');
