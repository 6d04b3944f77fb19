// The fallback's part of presence besides its answers: a user's polls count as contact, and delayed events are
// published in time, without the module and without a further request. No answer waits for that, or fails because of
// it.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { Backend, forEach, kBase, newChannel } from '../lib/backends.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { sleep, waitFor } from '../lib/conditions.mjs';
import { startCgiServer, startFallback } from '../lib/fallback.mjs';
import { startNginx } from '../lib/nginx.mjs';
import { tempDir } from '../lib/scratch.mjs';
import { inSeconds, secretKey, signToken } from '../lib/tokens.mjs';

const kLease = 2; // seconds
const kAwhile = 5000; // ms; far longer than an answer takes, far shorter than the timeout of a statement

const cluster = await startCluster();
const database = await cluster.createDatabase();
await database.query(`
  INSERT INTO pgevents.users (user_id) SELECT n::text FROM generate_series(1, 100) n;
  UPDATE pgevents.settings SET value = '${kLease} s' WHERE name IN ('presence_grace', 'presence_lease')`);
const key = secretKey();
const keyFile = join(tempDir('keys'), 'key');
fs.writeFileSync(keyFile, key.text);

// One process, so that work after an answer is done before the next answer.
async function startFcgi(settings) {
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  const fallback = await startFallback({ conninfo: database.conninfo(), processes: 1, args });
  const nginx = await startNginx({
    loadModule: false,
    http: (n) => `server { listen ${n.listen()}; location ${kBase}/ { ${fallback.nginxLines({ base: kBase })} } }`,
  });
  return Object.assign(new Backend('fcgi', nginx.port), { logs: () => fallback.logText() });
}

async function startCgi(settings) {
  const variables = Object.entries(settings).map(([name, value]) => [`PGEVENTS_${name.toUpperCase().replaceAll('-', '_')}`, value]);
  const server = await startCgiServer({ conninfo: database.conninfo(), mount: kBase,
    env: Object.fromEntries(variables) });
  return Object.assign(new Backend('cgi', server.port), { logs: () => server.stderr });
}

const kSettings = { 'jwt-key': keyFile, 'poll-interval': '1' };
const fcgi = await startFcgi(kSettings);
const cgi = await startCgi(kSettings);
const silent = [await startFcgi({ ...kSettings, presence: 'off' }), await startCgi({ ...kSettings, presence: 'off' })];

// --- requests of users, and their effects ---

let users = 0;
const newUser = () => String(++users);
const as = (user) => ({ Authorization: `Bearer ${signToken({ sub: user, exp: inSeconds(3600) }, { key })}` });
const poll = (backend, user) => backend.poll(newChannel(), { headers: user ? as(user) : {} });

async function report(backend, user) {
  const ping = '{"status":"active","ping_only":true}';
  const answer = await backend.send('/users/me/presence', { method: 'POST', headers: as(user), body: ping });
  assert.equal(answer.status, 200, answer.body);
}

// The time in seconds until a user's polls count as ended.
const leaseOf = (user) => database.value(
  'SELECT extract(epoch FROM until - clock_timestamp())::float FROM pgevents.connections WHERE user_id = $1 AND holder = 0', [user]);
const forgetPolls = (user) => database.query('DELETE FROM pgevents.connections WHERE user_id = $1', [user]);
const contact = (user) => waitFor(() => leaseOf(user), { what: `contact of ${user}` });

// Events about a user after the id `after`.
async function eventsAbout(user, after) {
  const rows = await database.log({ after, channels: ['presence:main'] });
  return rows.map(({ type, data }) => ({ type, data: JSON.parse(data) }))
    .filter(({ data }) => data.users?.includes(user) || (data.presences && user in data.presences));
}
const typesAbout = async (user, after) => (await eventsAbout(user, after)).map(({ type }) => type);

// The age of the fallback's last statement, in seconds.
const lastStatement = () => database.value(`
  SELECT min(extract(epoch FROM clock_timestamp() - query_start))::float FROM pg_stat_activity
   WHERE usename = 'test_server' AND datname = current_database()`);

// --- contacts ---

forEach([fcgi, cgi], (backend) => {
  for (const [what, send] of Object.entries({
    'a poll': (user) => poll(backend, user),
    'a long poll': (user) => backend.send('/events/cheese', { headers: as(user) }),
    'an event stream': (user) => backend.stream('cheese', { cursor: 0, count: 0, headers: as(user) }),
  })) {
    test(`${what} counts as contact, until some time after the next one is due`, async () => {
      const user = newUser();
      const before = await database.head();
      await send(user);
      const lease = await contact(user);
      assert.ok(lease > 0 && lease <= 1 + kLease + kLease, `lease of ${lease} s`);
      await waitFor(async () => {
        await poll(backend, user); // a CGI process publishes what the previous one delayed
        return (await typesAbout(user, before)).includes('pgevents.connected');
      }, { what: 'connected', interval: 300 });
    });
  }

  test('HEAD, a poll without a user and a rejected poll do not count as contact', async () => {
    const user = newUser();
    const head = await backend.send('/events/cheese', { method: 'HEAD', headers: as(user) });
    const rejected = await backend.send('/events/a%20b', { headers: as(user) });
    assert.deepEqual([head.status, rejected.status, (await poll(backend)).status], [200, 400, 200]);
    await poll(backend);
    assert.equal(await database.value('SELECT count(*) FROM pgevents.connections WHERE user_id = $1', [user]), 0);
    assert.equal(await database.value("SELECT count(*) FROM pgevents.connections WHERE user_id = ''"), 0);
  });

  test('a user who is not in the directory is served nevertheless', async () => {
    await poll(backend, 'unknown');
    await poll(backend);
    assert.equal(await leaseOf('unknown'), undefined);
  });

  test('no answer waits for a contact that cannot be stored at present', async () => {
    const user = newUser();
    await poll(backend, user);
    await contact(user);
    await forgetPolls(user);
    const other = await database.connect('postgres');
    try {
      await other.query('BEGIN');
      await other.query('SELECT FROM pgevents.presence WHERE user_id = $1 FOR UPDATE', [user]);
      const from = Date.now();
      for (let i = 0; i < 3; i++) await poll(backend, user);
      assert.ok(Date.now() - from < 3 * kAwhile, `${Date.now() - from} ms for three polls`);
      await waitFor(() => backend.logs().includes('lock timeout'), { what: 'a line in the log' });
      assert.equal(await leaseOf(user), undefined);
    } finally {
      await other.end();
    }
    await poll(backend, user);
    await contact(user);
  });

  test('if presence fails, the log reports it, and no answer fails', async () => {
    const user = newUser();
    await database.query('REVOKE EXECUTE ON FUNCTION pgevents.presence_poll FROM pgevents_server');
    try {
      await waitFor(async () => {
        await poll(backend, user);
        return backend.logs().includes('permission denied for function presence_poll');
      }, { what: 'a line in the log', interval: 100 });
    } finally {
      await database.query('GRANT EXECUTE ON FUNCTION pgevents.presence_poll TO pgevents_server');
    }
    await poll(backend, user);
    await contact(user);
  });
});

forEach(silent, (backend) => {
  test('with presence off polls do not count as contact, and calls are answered', async () => {
    const user = newUser();
    await poll(backend, user);
    await report(backend, user);
    assert.equal(await leaseOf(user), undefined);
    assert.equal((await backend.send(`/users/${user}/presence`, { headers: as(user) })).status, 200);
  });
});

// --- ticks ---

test('[fcgi] publishes a delayed event without a further request', async () => {
  const before = await database.head();
  const [first, second] = [newUser(), newUser()];
  await report(fcgi, first);
  await report(fcgi, second);
  const event = await waitFor(async () => (await eventsAbout(second, before))[0], { what: 'the second event' });
  assert.equal(event.type, 'presence');
});

test('[fcgi] publishes the disconnection of a user who stops polling, without a further request', async () => {
  const before = await database.head();
  const user = newUser();
  await poll(fcgi, user);
  await waitFor(async () => (await typesAbout(user, before)).includes('pgevents.disconnected'),
    { what: 'disconnected' });
  const types = (await typesAbout(user, before)).filter((type) => type !== 'presence');
  assert.deepEqual(types, ['pgevents.connected', 'pgevents.disconnected']);
});

test('[fcgi] polls without a user also publish delayed events', async () => {
  const before = await database.head();
  const user = newUser();
  const reportInSql = (id) => database.query('SELECT pgevents.presence_report($1)',
    [JSON.stringify([{ realm: 'main', user: id, status: 'active' }])]);
  await reportInSql(newUser());
  await reportInSql(user);
  await poll(fcgi);
  await waitFor(async () => (await eventsAbout(user, before)).length > 0, { what: 'the event' });
});

test('[cgi] the next user\'s request publishes a delayed event', async () => {
  const before = await database.head();
  const [first, second] = [newUser(), newUser()];
  await report(cgi, first);
  await report(cgi, second);
  await waitFor(async () => {
    await poll(cgi, first);
    return (await eventsAbout(second, before)).length > 0;
  }, { what: 'the second event', interval: 300 });
});

test('[fcgi] a process without requests ticks for half a minute, and then is quiet', async () => {
  await poll(fcgi, newUser());
  const asked = Date.now();
  await waitFor(async () => (await lastStatement()) > 4,
    { what: 'no further statements', timeout: 120_000, interval: 100 });
  const ticked = Date.now() - asked - 4000;
  assert.ok(ticked > 25_000, `it ticked for ${ticked} ms`);
  await poll(fcgi);
  await waitFor(async () => (await lastStatement()) < 1, { what: 'further ticks' });
});

test('[fcgi] makes no attempts while the database is away, and afterwards continues', async () => {
  await poll(fcgi, newUser());
  await cluster.stop();
  const tries = () => fcgi.logs().match(/no connection to the database/g)?.length ?? 0;
  const before_that = tries();
  await sleep(2000);
  assert.equal(tries(), before_that, 'attempts to connect');
  assert.equal((await fcgi.send('/events/cheese', { headers: as(newUser()) })).status, 503);
  assert.equal((await fcgi.send('/register', { method: 'POST', headers: as(newUser()) })).status, 503);
  await cluster.start();
  const user = newUser();
  const before = await database.head();
  await waitFor(async () => (await fcgi.send('/events/cheese', { headers: as(user) })).status === 200,
    { what: 'service' });
  await contact(user);
  await waitFor(async () => (await typesAbout(user, before)).includes('pgevents.connected'), { what: 'connected' });
});
