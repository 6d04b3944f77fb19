// The module's variables: in each place where nginx evaluates one, they show the request's own user, realm, channels
// and transport.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import http2 from 'node:http2';
import path from 'node:path';
import { before, describe, test } from 'node:test';

import { newChannel } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { startFallback } from '../lib/fallback.mjs';
import { rawExchange, request } from '../lib/http.mjs';
import { startNginx } from '../lib/nginx.mjs';
import { freePort } from '../lib/ports.mjs';
import { tempDir } from '../lib/scratch.mjs';
import { inSeconds, secretKey, signToken } from '../lib/tokens.mjs';

const database = await (await sharedCluster()).createDatabase();
const [key, otherKey] = [secretKey(), secretKey()];
const dir = tempDir('variables');
fs.writeFileSync(path.join(dir, 'key'), key.text);
fs.writeFileSync(path.join(dir, 'other'), otherKey.text);
fs.writeFileSync(path.join(dir, 'passwords'), 'anna:{PLAIN}secret\n');
const fallback = await startFallback({
  conninfo: database.conninfo(), env: { PGEVENTS_JWT_KEY: path.join(dir, 'key') },
});
const nowhere = await freePort();

const kNames = ['served', 'transport', 'user', 'realm', 'channels', 'cursor', 'events_sent', 'end_reason'];
const kFormat = `"$request_uri $status ${kNames.map((name) => `$pgevents_${name}`).join(' ')}"`;

const configuration = (nginx) => `
    pgevents_database main "${database.conninfo()}" ring=1m;
    log_format variables ${kFormat};
    log_format users "$request_uri $pgevents_user";
    map $pgevents_user $role { 10 cook; default guest; }
    map "$pgevents_user$pgevents_channels" $late { default late; }
    log_format strange escape=json '{"at":"$request_uri","user":"$pgevents_user","channels":"$pgevents_channels","late":"$late"}';
    log_format plain '$request_uri "$pgevents_user" "$pgevents_channels" "$late"';
    limit_conn_zone $pgevents_user zone=users:1m;
    limit_conn_zone $pgevents_user_key zone=keys:1m;
    limit_conn_status 429;
    server {
      listen ${nginx.listen(0)};
      listen ${nginx.listen(1)} http2;
      access_log ${path.join(nginx.dir, 'access.log')} variables;
      pgevents_jwt_key ${path.join(dir, 'key')};
      pgevents_jwt_query on;
      pgevents_jwt_cookie token;
      pgevents_subscribe "*";
      pgevents_publish "*";
      pgevents_timeout 300ms;
      location /rt/ { pgevents main; add_header X-Role $role always; add_header X-User "<$pgevents_user>" always; }
      location /released/ { pgevents main; pgevents_release_request on; }
      location /any/ { pgevents main; pgevents_channel_pattern ".*"; }
      location /strange/ {
        pgevents main;
        pgevents_channel_pattern ".*";
        access_log ${path.join(nginx.dir, 'strange.log')} strange;
        access_log ${path.join(nginx.dir, 'plain.log')} plain;
      }
      location /none/ { pgevents main; pgevents_subscribe "x"; }
      location /server/ { pgevents main; pgevents_user $arg_user; pgevents_realm $arg_realm; }
      location /basic/ {
        auth_basic "events";
        auth_basic_user_file ${path.join(dir, 'passwords')};
        pgevents $arg_database;
        pgevents_user $remote_user;
        add_header X-User "<$pgevents_user>" always;
        ${fallback.nginxLines({ base: '/basic' })}
      }
      location /self/ { pgevents main; pgevents_user $pgevents_user; pgevents_realm $pgevents_realm; }
      location /own/ { set $pgevents_user $arg_user; pgevents main; pgevents_user $pgevents_user; }
      location /if/ {
        pgevents main;
        if ($pgevents_user = 10) { return 200 "ten"; }
        if ($pgevents_user = "") { return 200 "nobody"; }
        return 200 "another";
      }
      location /redirected/ { rewrite ^/redirected/(.*)$ /rt/$1 last; }
      location /off/ { pgevents off; ${fallback.nginxLines({ base: '/off' })} }
      location /error/ {
        pgevents off;
        pgevents_jwt_key ${path.join(dir, 'other')};
        error_page 502 = /sorry;
        proxy_pass http://127.0.0.1:${nowhere};
      }
      location = /sorry { return 200 "sorry <$pgevents_user>"; }
      location /plain/ { return 200 "<$pgevents_served$pgevents_user$pgevents_realm$pgevents_end_reason>"; }
      location /asked/ { pgevents main; auth_request /who; }
      location = /who {
        internal;
        log_subrequest on;
        access_log ${path.join(nginx.dir, 'who.log')} users;
        return 204;
      }
      location /first/ { pgevents off; error_page 502 = @second; proxy_pass http://127.0.0.1:${nowhere}; }
      location @second {
        auth_basic "events";
        auth_basic_user_file ${path.join(dir, 'passwords')};
        pgevents main;
        pgevents_user $remote_user;
        limit_conn users 1;
      }
      location /keyed/ { pgevents main; limit_conn keys 2; add_header X-Key "<$pgevents_user_key>" always; }
      location /limited/ { pgevents main; limit_conn users 2; }
    }`;

const nginx = await startNginx({ http: configuration });
await nginx.waitListening();

const token = (user, claims = {}, by = key) =>
  signToken({ sub: user, iat: inSeconds(-10), exp: inSeconds(600), ...claims }, { key: by });
const bearer = (text) => ({ Authorization: `Bearer ${text}` });
const get = (where, headers = {}, options = {}) => request({ port: nginx.port, path: where, headers, ...options });

// The variables in the log line of the request for `where`, by name; `log`: the file.
async function logged(where, log = 'access.log') {
  const line = () => fs.readFileSync(path.join(nginx.dir, log), 'utf8').split('\n').find((text) =>
    text.startsWith(`${where} `));
  const [, status, ...values] = (await waitFor(line, { what: `${where} in the log` })).split(' ');
  const named = Object.fromEntries(kNames.map((name, i) => [name, values[i]]));
  return log === 'access.log' ? { status: Number(status), ...named } : status;
}

before(async () => {
  await database.query('SELECT pgevents.revoke($1)', ['66']);
  await waitFor(async () => (await get('/rt/events/x?flavor=poll', bearer(token('66')))).status === 401,
    { what: 'the revocation in nginx' });
});

// identity: [headers, query, user in every place, realm]
const kIdentities = {
  'no token': [{}, '', '-', 'main'],
  'a token in the header': [bearer(token('10')), '', '10', 'main'],
  'a token in a cookie': [{ Cookie: `a=b; token=${token('10')}` }, '', '10', 'main'],
  'a token in the query': [{}, `access_token=${token('10')}`, '10', 'main'],
  'a token of a realm': [bearer(token('10', { realm: 'dairy' })), '', '10', 'dairy'],
  'another user': [bearer(token('11')), '', '11', 'main'],
  'a token with a foreign signature': [bearer(token('10', {}, otherKey)), '', '-', '-'],
  'an expired token': [bearer(token('10', { exp: inSeconds(-1) })), '', '-', '-'],
  'a revoked token': [bearer(token('66')), '', '-', '-'],
  'text that is no token': [bearer('x.y.z'), '', '-', '-'],
  'two tokens in the query': [{}, `access_token=${token('10')}&access_token=${token('11')}`, '-', '-'],
};

// What the log shows for a query: the token is masked where the module has served the request.
const masked = (query) => query.replaceAll(/access_token=[^&]*/g, (text) => `access_token=${'x'.repeat(text.length - 13)}`);

describe('user and realm', () => {
  for (const [title, [headers, query, user, realm]] of Object.entries(kIdentities)) {
    const shown = user === '-' ? '' : user;
    const where = (base) => `${base}/events/${newChannel()}?flavor=poll${query ? `&${query}` : ''}`;
    const bad = realm === '-';

    test(`${title}: in the log, a header and a map, of a request that the module serves`, async () => {
      const target = where('/rt');
      const answer = await get(target, headers);
      assert.equal(answer.status, bad ? (title.startsWith('two') ? 400 : 401) : 200, answer.body);
      const line = await logged(masked(target));
      assert.deepEqual([line.served, line.user, line.realm], ['module', user, realm]);
      assert.equal(answer.headers['x-user'], `<${shown}>`);
      assert.equal(answer.headers['x-role'], user === '10' ? 'cook' : 'guest');
    });

    test(`${title}: of a request that is rejected for another reason`, async () => {
      const forbidden = where('/none');
      const unknown = where('/rt').replace('/events/', '/nothing/');
      for (const target of [forbidden, unknown]) {
        assert.ok((await get(target, headers)).status >= 400);
        const line = await logged(masked(target));
        assert.deepEqual([line.transport, line.user, line.realm, line.channels], ['-', user, realm, '-'], target);
      }
    });

    test(`${title}: of a request that the fallback serves`, async () => {
      const target = where('/off');
      const answer = await get(target, headers);
      assert.equal(answer.status === 200, !bad, answer.body);
      const line = await logged(target);
      assert.deepEqual([line.served, line.user, line.realm], ['declined', user, title === 'a revoked token' ? 'main' : realm]);
      assert.deepEqual([line.transport, line.channels, line.cursor, line.events_sent, line.end_reason],
        Array(5).fill('-'));
    });

    test(`${title}: in \`if\``, async () => {
      const { body } = await get(where('/if'), headers);
      assert.equal(body, { '-': 'nobody', 10: 'ten' }[user] ?? 'another');
    });

    test(`${title}: after a rewrite to another location`, async () => {
      const target = where('/redirected');
      const answer = await get(target, headers);
      assert.equal(answer.headers['x-user'], `<${shown}>`);
      assert.equal((await logged(masked(target))).user, user);
    });

    test(`${title}: in a subrequest before the module serves the request`, async () => {
      const target = where('/asked');
      await get(target, headers);
      assert.equal(await logged(target, 'who.log'), user);
      assert.equal((await logged(masked(target))).user, user);
    });

    test(`${title}: in an error page without pgevents, by the rules of the location that declined`, async () => {
      const target = where('/error');
      const { body } = await get(target, headers);
      const by_its_key = title === 'a token with a foreign signature' ? '10' : '';
      assert.equal(body, `sorry <${by_its_key}>`);
      assert.equal((await logged(target)).user, by_its_key || '-');
    });

    test(`${title}: none in a location without pgevents`, async () => {
      const { body } = await get(where('/plain'), headers);
      assert.equal(body, '<>');
    });
  }

  test('from the web server, with a realm', async () => {
    const target = `/server/events/${newChannel()}?flavor=poll&user=anna&realm=dairy`;
    await get(target, bearer(token('10')));
    const line = await logged(target);
    assert.deepEqual([line.user, line.realm], ['anna', 'dairy']);
  });

  test('from auth_basic: not before the password is checked', async () => {
    const basic = (password) => ({ Authorization: `Basic ${Buffer.from(`anna:${password}`).toString('base64')}` });
    for (const [database_name, password, status, user] of [
      ['main', 'secret', 200, 'anna'], ['off', 'secret', 200, 'anna'], ['main', 'wrong', 401, ''],
    ]) {
      const target = `/basic/events/${newChannel()}?flavor=poll&database=${database_name}`;
      const answer = await get(target, basic(password));
      assert.deepEqual([answer.status, answer.headers['x-user']], [status, `<${user}>`], target);
      assert.equal((await logged(target)).user, user || '-');
    }
  });

  test('from auth_basic after an internal redirect: not before the password is checked', async () => {
    for (const [password, status, user] of [['secret', 200, 'anna'], ['wrong', 401, '-']]) {
      const target = `/first/events/${newChannel()}?flavor=poll`;
      const Authorization = `Basic ${Buffer.from(`anna:${password}`).toString('base64')}`;
      assert.equal((await get(target, { Authorization })).status, status);
      assert.equal((await logged(target)).user, user);
    }
  });

  test('a user that is defined by itself is an error in the log, not an endless loop', async () => {
    const target = `/self/events/${newChannel()}?flavor=poll`;
    assert.equal((await get(target, bearer(token('10')))).status, 200);
    assert.equal((await logged(target)).user, '10');
    const where = `/self/events/${newChannel()}`;
    const headers = bearer(token('10', { exp: inSeconds(3) }));
    const stream = await new EventStream({ port: nginx.port, path: where, headers }).opened();
    assert.equal((await stream.ended()).how, 'end', 'its token has expired');
    assert.equal((await logged(where)).end_reason, 'expired');
    assert.match(nginx.logText(), /\[error\].*the value of "pgevents_user" or "pgevents_realm" depends on itself/);
  });

  test('of an nginx.conf that sets $pgevents_user itself: its own', async () => {
    const target = `/own/events/${newChannel()}?flavor=poll&user=anna`;
    await get(target, bearer(token('10')));
    assert.equal((await logged(target)).user, 'anna');
  });

  test('over HTTP/2, for two users on one connection', async () => {
    const session = http2.connect(`http://127.0.0.1:${nginx.ports[1]}`);
    const targets = ['10', '11'].map((user) => [user, `/rt/events/${newChannel()}?flavor=poll&access_token=${token(user)}`]);
    for (const [user, target] of targets) {
      const stream = session.request({ ':path': target });
      const [headers] = await new Promise((resolve, reject) =>
        stream.on('response', (...all) => resolve(all)).on('error', reject));
      assert.equal(headers['x-user'], `<${user}>`);
      stream.resume();
    }
    session.close();
    for (const [user, target] of targets) assert.equal((await logged(masked(target))).user, user);
  });

  test('a request that nginx cannot read has none', async () => {
    await rawExchange({ port: nginx.port }, '\x01\r\n\r\n');
    const lines = () => fs.readFileSync(path.join(nginx.dir, 'access.log'), 'utf8');
    await waitFor(() => /^- 400 - - - - - - - -$/m.test(lines()), { what: 'its line in the log' });
  });
});

describe('transport, channels, cursor and events', () => {
  const line = async (base, query, options = {}) => {
    const channel = options.channel ?? newChannel();
    const target = `${base}/events/${channel}${query}`;
    const answer = await get(target, options.headers, options);
    return { channel, answer, ...await logged(target) };
  };
  const body = '{"type":"made","data":1}';

  test('of a poll', async () => {
    const [a, b] = [newChannel(), newChannel()];
    const cursor = await database.publish(a, 'made', 1);
    await database.publish(b, 'made', 2);
    const found = await line('/rt', '?flavor=poll&last_event_id=0', { channel: `${b},${a}` });
    assert.deepEqual([found.transport, found.channels, found.events_sent, found.end_reason],
      ['poll', [a, b].sort().join(','), '2', 'answered']);
    assert.equal(found.cursor, found.answer.headers['last-event-id']);
    assert.ok(Number(found.cursor) > cursor);
    const head = await line('/rt', '?last_event_id=0', { channel: a, method: 'HEAD' });
    assert.deepEqual([head.transport, head.events_sent], ['poll', '0']);
  });

  test('of a long poll', async () => {
    const found = await line('/rt', '');
    assert.deepEqual([found.transport, found.channels, found.events_sent, found.end_reason],
      ['longpoll', found.channel, '0', 'timeout']);
    assert.equal(found.cursor, found.answer.headers['last-event-id']);
  });

  test('of a publication, a call, a preflight and a path that names nothing', async () => {
    const post = { method: 'POST', body, headers: { 'Content-Type': 'application/json' } };
    const published = await line('/rt', '', post);
    assert.deepEqual([published.status, published.transport, published.channels, published.cursor,
      published.events_sent, published.end_reason], [201, 'publish', published.channel, '-', '-', '-']);
    const target = '/rt/register';
    const made = await get(target, bearer(token('10')), { method: 'POST', body: '{}' });
    assert.ok(made.status < 500, made.body);
    const call = await logged(target);
    assert.deepEqual([call.transport, call.user, call.channels, call.end_reason], ['call', '10', '-', '-']);
    assert.equal((await line('/rt', '', { method: 'OPTIONS' })).transport, 'preflight');
    assert.equal((await line('/rt', '', { method: 'DELETE' })).transport, '-');
  });

  test('a comma or percent sign in a name is written as in a path', async () => {
    const found = await line('/any', '?flavor=poll', { channel: 'a%2Cb%25' });
    assert.equal(found.channels, 'a%2Cb%25');
  });

  // A map evaluates the variable again between the log module's two passes over the format.
  test('nginx escapes foreign text in them, also where a map behind them uses them', async () => {
    const [user, channel] = ['e","role":"cook\\', `${newChannel()}"ö`];
    const target = `/strange/events/${encodeURIComponent(channel)}?flavor=poll`;
    assert.equal((await get(target, bearer(token(user)))).status, 200);
    const lineOf = (log) => waitFor(() => fs.readFileSync(path.join(nginx.dir, log), 'utf8').split('\n').find((text) =>
      text.includes(target)), { what: `${target} in ${log}` });
    assert.deepEqual(JSON.parse(await lineOf('strange.log')), { at: target, user, channels: channel, late: 'late' });
    assert.equal(await lineOf('plain.log'),
      `${target} "e\\x22,\\x22role\\x22:\\x22cook\\x5C" "${channel.replace('"ö', '\\x22\\xC3\\xB6')}" "late"`);
  });

  test('of a stream that is released: those of the moment at which nginx logs it', async () => {
    const channel = newChannel();
    await database.publish(channel, 'made', 1);
    const target = `/released/events/${channel}?access_token=${token('10')}&last_event_id=0`;
    const stream = await new EventStream({ port: nginx.port, path: target }).opened();
    const found = await logged(masked(target));
    await stream.waitForEvents(1);
    await stream.close();
    assert.deepEqual([found.served, found.transport, found.user, found.realm, found.channels, found.end_reason],
      ['module', 'stream', '10', 'main', channel, 'released']);
    assert.match(found.cursor, /^[0-9]+$/);
    assert.match(found.events_sent, /^[01]$/);
  });
});

describe('limit_conn', () => {
  // nginx does not count a key above 255 bytes; each name may have 255.
  test('limits a user with a long name by $pgevents_user_key', async () => {
    const names = ['L', 'M'].map((letter) => letter.repeat(252));
    const path_of = `/keyed/events/${newChannel()}`;
    const open = (user) => new EventStream({ port: nginx.port, path: path_of, headers: bearer(token(user)) });
    const streams = await Promise.all([names[0], names[0], names[1]].map((name) => open(name).opened()));
    assert.equal((await open(names[0]).ended()).status, 429);
    await Promise.all(streams.map((stream) => stream.close()));
  });

  test('$pgevents_user_key is the digest of realm and user', async () => {
    const key_of = async (headers) => (await get('/keyed/events/x?flavor=poll', headers)).headers['x-key'];
    for (const realm of ['main', 'dairy']) {
      const digest = crypto.createHash('sha256').update(`${realm}\t10`).digest('hex');
      assert.equal(await key_of(bearer(token('10', { realm }))), `<${digest}>`);
    }
    assert.equal(await key_of({}), '<>');
  });

  test('limits the streams of each user, by whatever token', async () => {
    const open = (user) => new EventStream({
      port: nginx.port, path: `/limited/events/${newChannel()}`, headers: bearer(token(user)),
    });
    const streams = await Promise.all([open('10').opened(), open('10').opened()]);
    const third = open('10');
    assert.equal((await third.ended()).status, 429);
    const by_query = await get(`/limited/events/x?flavor=poll&access_token=${token('10', { iat: inSeconds(-5) })}`);
    assert.equal(by_query.status, 429);
    streams.push(await open('11').opened());
    assert.equal((await get('/limited/events/x?flavor=poll')).status, 200, 'without a user');
    await streams[0].close();
    await waitFor(async () => (await get('/limited/events/x?flavor=poll', bearer(token('10')))).status === 200,
      { what: 'a place for user 10' });
    await Promise.all(streams.map((stream) => stream.close()));
  });
});
