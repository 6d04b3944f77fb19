// Requests about presence, typing and settings, as far as HTTP goes: methods, parameters as form, JSON and query, who may, what
// is refused without the database. What the functions behind them do is another matter.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { kNotAllowed, needsToken, readableBy } from '../lib/access_table.mjs';
import { assertError, forEach, startBackends } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { rawExchange, parseAnswers } from '../lib/http.mjs';
import { inSeconds, secretKey, signToken } from '../lib/tokens.mjs';

const kApp = 'https://app.example';
const kMany = 3000;
const database = await (await sharedCluster()).createDatabase();
await database.query(`
  INSERT INTO pgevents.users (realm, user_id) VALUES ('main', '10'), ('main', '11'), ('main', 'käse'), ('dairy', '12');
  INSERT INTO pgevents.users (realm, user_id) SELECT 'many', 'user-' || n FROM generate_series(1, ${kMany}) n;
  INSERT INTO pgevents.presence (realm, user_id, idle_at, update_id)
    SELECT realm, user_id, now(), 1 FROM pgevents.users WHERE realm = 'many' OR user_id IN ('11', 'käse')`);

const key = secretKey();
const start = (access, limits) => startBackends({ database, subscribe: '', publish: '', access, limits });
const known = await start({ user: '10', origins: [kApp] }, { maxEventSize: '1m' });
const stranger = await start({ user: '99' });
const dairy = await start({ user: '12', realm: 'dairy' }, { maxEventSize: '1k' });
const many = await start({ user: 'user-1', realm: 'many' });
const nobody = await start({});
const tokens = await start({ keys: [{ text: key.text }], query: true, cookie: 'pgevents_token' });

const kForm = { 'Content-Type': 'application/x-www-form-urlencoded' };
const kJson = { 'Content-Type': 'application/json' };
const kCalls = [
  ['POST', '/register'],
  ['POST', '/users/me/presence'],
  ['GET', '/users/me/presence'],
  ['GET', '/users/11/presence'],
  ['GET', '/realm/presence'],
  ['POST', '/typing'],
  ['PATCH', '/settings'],
];
const kAllow = {
  '/register': 'POST, OPTIONS',
  '/users/me/presence': 'GET, HEAD, POST, OPTIONS',
  '/users/11/presence': 'GET, HEAD, OPTIONS',
  '/realm/presence': 'GET, HEAD, OPTIONS',
  '/typing': 'POST, OPTIONS',
  '/settings': 'PATCH, OPTIONS',
};
const writes = kCalls.filter(([method]) => method !== 'GET');

const send = (backend, method, path, options = {}) => backend.send(path, { method, ...options });
const form = (backend, method, path, body) => send(backend, method, path, { body, headers: kForm });
const json = (backend, method, path, body) =>
  send(backend, method, path, { body: typeof body === 'string' ? body : JSON.stringify(body), headers: kJson });

// A good answer, parsed.
function success(answer) {
  assert.equal(answer.status, 200, answer.body);
  assert.equal(answer.headers['content-type'], 'application/json');
  assert.equal(answer.headers['cache-control'], 'no-store');
  const { result, msg, ...rest } = answer.json();
  assert.deepEqual([result, msg], ['success', '']);
  return rest;
}

const assertBad = (answer, msg) => assertError(answer, 400, 'BAD_REQUEST', msg);

// A good request's answer, and the events that came of it.
async function published(request) {
  const before = await database.head();
  const rest = success(await request());
  const events = (await database.log({ after: before })).map(({ type, data }) => ({ type, data: JSON.parse(data) }));
  return { rest, events };
}

const people = (...ids) => ids.map((user_id) => ({ user_id }));

forEach(known, (backend) => {
  test('OPTIONS says what is allowed', async () => {
    for (const [path, allow] of Object.entries(kAllow)) {
      const answer = await send(backend, 'OPTIONS', path);
      assert.deepEqual([answer.status, answer.body, answer.headers.allow], [204, '', allow], path);
    }
  });

  test('other methods are not allowed', async () => {
    for (const [path, allow] of Object.entries(kAllow)) {
      for (const method of ['GET', 'HEAD', 'POST', 'PATCH', 'PUT', 'DELETE'].filter((name) => !allow.includes(name))) {
        const answer = await send(backend, method, path, method === 'GET' || method === 'HEAD' ? {} : { body: '{}' });
        assert.equal(answer.headers.allow, allow, `${method} ${path}`);
        if (method === 'HEAD') assert.deepEqual([answer.status, answer.body], [405, '']);
        else assertError(answer, kNotAllowed.status, kNotAllowed.code, kNotAllowed.msg);
      }
    }
  });

  test('a path beside them is none', async () => {
    for (const path of ['/users/me', '/users//presence', '/users/11/presence/', '/realm', '/typing/x', '/Settings']) {
      assertError(await send(backend, 'GET', path), 404, 'NOT_FOUND', 'Not found');
    }
  });

  test('parameters come as a form, in which every value is text', async () => {
    const { events, rest } = await published(() => form(backend, 'POST', '/typing', 'op=start&to=%5B11%2C%2210%22%5D&why=a+b'));
    const data = { op: 'start', message_type: 'direct', sender: { user_id: '10' }, recipients: people('11', '10') };
    assert.deepEqual(events, [{ type: 'typing', data }, { type: 'typing', data }]);
    assert.deepEqual(rest, { ignored_parameters_unsupported: ['why'] });
  });

  test('parameters come as JSON', async () => {
    const { events, rest } = await published(() => json(backend, 'POST', '/typing', { op: 'stop', to: [11, 'käse'], type: 'direct' }));
    assert.equal(events.length, 3);
    assert.deepEqual([events[0].data.op, events[0].data.recipients], ['stop', people('11', 'käse', '10')]);
    assert.deepEqual(rest, {});
  });

  test('no content type means JSON', async () => {
    success(await send(backend, 'PATCH', '/settings', { body: '{"receives_typing_notifications":true}' }));
    success(await send(backend, 'PATCH', '/settings', { body: '{}', headers: { 'Content-Type': 'Application/JSON; charset=utf-8' } }));
  });

  test('PATCH is taken, as form and as JSON, and without a body', async () => {
    const flag = () => database.value("SELECT send_stream_typing_notifications FROM pgevents.users WHERE user_id = '10'");
    success(await form(backend, 'PATCH', '/settings', 'send_stream_typing_notifications=false'));
    assert.equal(await flag(), false);
    success(await json(backend, 'PATCH', '/settings', { send_stream_typing_notifications: true }));
    assert.equal(await flag(), true);
    success(await send(backend, 'PATCH', '/settings'));
  });

  test('a body beyond 64 KB is refused, whatever an event may have', async () => {
    for (const [method, path] of writes) {
      for (const body of [`{"x":"${'x'.repeat(65_529)}"}`, `x=${'x'.repeat(65_535)}`]) {
        const sent = body.startsWith('{') ? json : form;
        assertError(await sent(backend, method, path, body), 413, 'PAYLOAD_TOO_LARGE', 'The body is larger than 65536 bytes');
      }
    }
  });

  test('a body in chunks is a body', async () => {
    const head = 'Host: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close';
    const chunks = '8\r\n{"op":"s\r\n10\r\ntart","to":[11]}\r\n0\r\n\r\n';
    const bytes = await rawExchange(backend, `POST /rt/typing HTTP/1.1\r\n${head}\r\n\r\n${chunks}`);
    const [answer] = parseAnswers(bytes);
    assert.equal(answer.status, 200, answer.raw.toString());
  });

  test('POST without a body has no parameters, whatever is in the query', async () => {
    const complaint = '{"result":"error","code":"REQUEST_VARIABLE_MISSING","msg":"Missing \'op\' argument","var_name":"op"}';
    for (const options of [{}, { query: { op: 'start' } }, { query: { op: 'start' }, body: ' \r\n' }]) {
      const answer = await send(backend, 'POST', '/typing', options);
      assert.deepEqual([answer.status, answer.body], [400, complaint]);
    }
  });

  test('parameters of a GET come from the query, and the user from the path', async () => {
    const slim = success(await send(backend, 'GET', '/users/11/presence', { query: 'slim_presence=true&x=1' }));
    assert.ok(slim.presence.idle_timestamp > 0 && !slim.presence.aggregated);
    assert.deepEqual(slim.ignored_parameters_unsupported, ['x']);
    assert.ok(success(await send(backend, 'GET', '/users/11/presence')).presence.aggregated);
    assert.ok(success(await send(backend, 'GET', '/users/k%C3%A4se/presence')).presence.aggregated);
    assertBad(await send(backend, 'GET', '/users/11/presence', { query: 'slim_presence=1' }), 'slim_presence is not a boolean');
  });

  test('a user is a name, and may be nobody', async () => {
    for (const name of ['a%0ab', '%ff', 'x'.repeat(256), '99']) {
      assertBad(await send(backend, 'GET', `/users/${name}/presence`), 'No such user');
    }
    assertBad(await send(backend, 'GET', '/users/11/presence', { query: 'user_id=10' }), "Parameter 'user_id' is given twice");
  });

  test('me is whoever asks', async () => {
    success(await form(backend, 'POST', '/users/me/presence', 'status=active&ping_only=true'));
    const mine = success(await send(backend, 'GET', '/users/me/presence'));
    assert.deepEqual(mine, success(await send(backend, 'GET', '/users/10/presence')));
  });

  test('who asks is not taken from the parameters', async () => {
    const posing = { op: 'start', to: [11], user: '11', realm: 'dairy', identity: { user: '11' }, sender: '11' };
    const { events } = await published(() => json(backend, 'POST', '/typing', posing));
    assert.deepEqual(events[0].data.sender, { user_id: '10' });
  });

  test('register and the presence of all are answered', async () => {
    const registered = success(await send(backend, 'POST', '/register'));
    assert.equal(registered.last_event_id, String(await database.head()));
    assert.ok('11' in success(await send(backend, 'GET', '/realm/presence')).presences);
  });

  test('HEAD is a GET without its body', async () => {
    const [head, get] = [await send(backend, 'HEAD', '/users/11/presence'), await send(backend, 'GET', '/users/11/presence')];
    assert.deepEqual([head.status, head.body, head.headers['content-length']], [200, '', String(get.raw.length)]);
    const refused = await send(backend, 'HEAD', '/users/99/presence');
    assert.deepEqual([refused.status, refused.body], [400, '']);
  });

  test('bodies that are none are refused', async () => {
    for (const body of ['[]', '1', 'null', '"x"']) assertBad(await json(backend, 'POST', '/typing', body), 'The body must be a JSON object');
    for (const body of ['{', 'op=start', Buffer.from('{"op":"\xff"}', 'latin1')]) {
      assertBad(await send(backend, 'POST', '/typing', { body, headers: kJson }), 'The body is not valid JSON');
    }
    for (const body of ['{"op":"\\u0000"}', '{"op":"\\ud800"}', '{"n":1e999}', '{"n":12345678901234567890}', '{"a":{"b":1,"b":2}}']) {
      assertBad(await json(backend, 'PATCH', '/settings', body), 'The body holds a value that cannot be stored');
    }
    assertBad(await form(backend, 'POST', '/typing', 'op=%zz'), 'Invalid encoding in the form');
    assertBad(await form(backend, 'POST', '/typing', 'op=%00'), 'A NUL character in the form');
  });

  test('a parameter is given once', async () => {
    assertBad(await form(backend, 'POST', '/typing', 'op=start&op=start'), "Parameter 'op' is given twice");
    assertBad(await json(backend, 'POST', '/typing', '{"op":"start","op":"start"}'), "Parameter 'op' is given twice");
    assertBad(await send(backend, 'GET', '/realm/presence', { query: 'a=1&a=2' }), "Parameter 'a' is given twice");
    assertBad(await send(backend, 'GET', '/realm/presence', { query: 'a=%zz' }), 'Invalid encoding in the query');
  });

  test('a body of another kind is refused', async () => {
    for (const [method, path] of writes) {
      const answer = await send(backend, method, path, { body: '{}', headers: { 'Content-Type': 'text/plain' } });
      assertError(answer, 415, 'UNSUPPORTED_MEDIA_TYPE', 'Send application/json or application/x-www-form-urlencoded');
      const packed = await send(backend, method, path, { body: '{}', headers: { 'Content-Encoding': 'br' } });
      assertError(packed, 415, 'UNSUPPORTED_MEDIA_TYPE', "Send the body without Content-Encoding 'br'");
    }
  });

  test('what PostgreSQL itself might choke on is data', async () => {
    const odd = { op: "start'; DROP TABLE x; --", to: '[11', 'a"b\\': '\u2028$1' };
    assertBad(await json(backend, 'POST', '/typing', { ...odd, op: 'start' }), 'to is not valid JSON');
    assertBad(await json(backend, 'POST', '/typing', { ...odd, to: [] }), 'Invalid op');
    assertBad(await json(backend, 'POST', '/typing', { op: 'start', to: [`"'\\ü\u{1f9c0}`] }), `Invalid user ID "'\\ü\u{1f9c0}`);
  });

  test('a body of nearly 64 KB goes through', async () => {
    const body = { op: 'start', to: [11], ignored: ['é'.repeat(30_000)] };
    assert.ok(JSON.stringify(body).length < Buffer.byteLength(JSON.stringify(body)));
    for (const answer of [await json(backend, 'POST', '/typing', body),
      await form(backend, 'POST', '/typing', `op=start&to=[11]&ignored=${'x'.repeat(65_000)}`)]) {
      assert.deepEqual(success(answer).ignored_parameters_unsupported, ['ignored']);
    }
  });

  test('pages of allowed origins may read answers and errors', async () => {
    const from = (method, path, options = {}) => send(backend, method, path, { ...options, headers: { ...kJson, Origin: kApp } });
    const answers = [
      await from('GET', '/realm/presence'), await from('POST', '/register'), await from('PATCH', '/settings', { body: '{}' }),
      await from('POST', '/typing', { body: '{' }), await from('POST', '/typing'), await from('GET', '/users/99/presence'),
    ];
    assert.deepEqual(answers.map(({ status }) => status), [200, 200, 200, 400, 400, 400]);
    for (const { headers } of answers) {
      for (const [name, value] of Object.entries(readableBy(kApp))) assert.equal(headers[name], value);
    }
  });

  test('a preflight is told the methods of its path', async () => {
    for (const [path, allow] of Object.entries(kAllow)) {
      const headers = { Origin: kApp, 'Access-Control-Request-Method': 'PATCH', 'Access-Control-Request-Headers': 'content-type' };
      const answer = await send(backend, 'OPTIONS', path, { headers });
      assert.deepEqual([answer.status, answer.headers['access-control-allow-methods']], [204, allow.replace(', OPTIONS', '')]);
      assert.match(answer.headers['access-control-allow-headers'], /Content-Type/);
      const foreign = await send(backend, 'OPTIONS', path, { headers: { ...headers, Origin: 'https://other.example' } });
      assert.deepEqual([foreign.status, foreign.headers['access-control-allow-methods']], [204, undefined]);
    }
  });

  test('pages of other origins change nothing', async () => {
    const before = await database.head();
    for (const [method, path] of writes) {
      for (const headers of [{ Origin: 'https://other.example' }, { 'Sec-Fetch-Site': 'cross-site' }]) {
        const answer = await send(backend, method, path, { headers, body: '{"op":"start","to":[11],"status":"active"}' });
        assertError(answer, 403, 'FORBIDDEN', 'Not authorized from this origin');
      }
    }
    assert.equal(await database.head(), before);
  });

  test('a connection serves calls of every kind, one after the other', async () => {
    const post = 'POST /rt/typing HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 24\r\n\r\n{"op":"start","to":[11]}';
    const get = 'GET /rt/users/11/presence HTTP/1.1\r\nHost: x\r\n\r\n';
    const last = 'PATCH /rt/settings HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n';
    const answers = parseAnswers(await rawExchange(backend, post + get + get.replace('11', '99') + post + last));
    assert.deepEqual(answers.map(({ status }) => status), [200, 200, 400, 200, 200]);
  });
});

forEach(stranger, (backend) => {
  test('somebody whom the directory does not know is told so', async () => {
    for (const [method, path] of kCalls) {
      const answer = await send(backend, method, path, method === 'GET' ? {} : { body: '{"status":"active","op":"start"}' });
      assertBad(answer, 'No such user');
    }
  });
});

forEach(dairy, (backend) => {
  test('the realm is that of whoever asks', async () => {
    assert.ok(success(await send(backend, 'POST', '/register')).channels.includes('presence:dairy'));
    assertBad(await send(backend, 'GET', '/users/11/presence'), 'No such user');
  });

  test('the limit of bodies holds to the byte', async () => {
    const body = (size) => `{"x":"${'x'.repeat(size - 8)}"}`;
    success(await json(backend, 'PATCH', '/settings', body(1024)));
    assertError(await json(backend, 'PATCH', '/settings', body(1025)), 413, 'PAYLOAD_TOO_LARGE', 'The body is larger than 1024 bytes');
  });
});

forEach(many, (backend) => {
  test('a large answer comes whole', async () => {
    const answer = await send(backend, 'GET', '/realm/presence');
    assert.ok(answer.raw.length > 300_000, String(answer.raw.length));
    assert.equal(Object.keys(success(answer).presences).length, kMany);
  });
});

forEach(nobody, (backend) => {
  test('without a name nothing is done', async () => {
    for (const [method, path] of [...kCalls, ['HEAD', '/realm/presence']]) {
      const answer = await send(backend, method, path);
      assert.equal(answer.headers['www-authenticate'], undefined);
      if (method === 'HEAD') assert.deepEqual([answer.status, answer.body], [401, '']);
      else assertError(answer, 401, 'UNAUTHORIZED', 'Authentication required');
    }
  });
});

forEach(tokens, (backend) => {
  const token = (claims) => signToken({ exp: inSeconds(3600), ...claims }, { key });
  const bearer = (text) => ({ Authorization: `Bearer ${text}` });

  test('without a name one is told that a token helps', async () => {
    const { challenge } = needsToken('x');
    for (const headers of [{}, bearer(token({}))]) {
      const answer = await send(backend, 'POST', '/register', { headers });
      assertError(answer, 401, 'UNAUTHORIZED', 'Authentication required');
      assert.equal(answer.headers['www-authenticate'], challenge);
    }
    assertError(await send(backend, 'POST', '/register', { headers: bearer(token({ exp: 1 })) }), 401, 'TOKEN_EXPIRED', 'The token has expired');
  });

  test('user and realm come from the token', async () => {
    for (const claims of [{ sub: '10', realm: 'main' }, { sub: '12', realm: 'dairy' }]) {
      const headers = bearer(token(claims));
      assert.ok(success(await send(backend, 'POST', '/register', { headers })).channels.includes(`presence:${claims.realm}`));
      success(await send(backend, 'POST', '/users/me/presence', { headers, body: '{"status":"idle"}' }));
      success(await send(backend, 'GET', `/users/${claims.sub}/presence`, { headers }));
    }
  });

  test('a token in the query is no parameter', async () => {
    const query = { access_token: token({ sub: '10' }) };
    assert.equal(success(await send(backend, 'GET', '/realm/presence', { query })).ignored_parameters_unsupported, undefined);
    assert.equal(success(await send(backend, 'POST', '/register', { query })).ignored_parameters_unsupported, undefined);
  });

  test('a revoked token is refused', async () => {
    const user = `käse of ${backend.name}`;
    await database.query('INSERT INTO pgevents.users (user_id) VALUES ($1)', [user]);
    const headers = bearer(token({ sub: user, iat: inSeconds(-60) }));
    success(await send(backend, 'POST', '/register', { headers }));
    await database.query("SELECT pgevents.revoke($1, now() - interval '30 seconds')", [user]);
    let answer;
    const isRefused = async () => (answer = await send(backend, 'POST', '/register', { headers })).status !== 200;
    await waitFor(isRefused, { what: 'the revocation is known' });
    assertError(answer, 401, 'TOKEN_REVOKED', 'The token was revoked');
  });

  test('a cookie counts for pages of this site only', async () => {
    const headers = { Cookie: `pgevents_token=${token({ sub: '10' })}` };
    success(await send(backend, 'PATCH', '/settings', { headers: { ...headers, 'Sec-Fetch-Site': 'same-origin' } }));
    const answer = await send(backend, 'PATCH', '/settings', { headers: { ...headers, Origin: 'https://other.example' } });
    assertError(answer, 403, 'FORBIDDEN', 'Not authorized from this origin');
    success(await send(backend, 'GET', '/realm/presence', { headers: { ...headers, Origin: 'https://other.example' } }));
  });
});
