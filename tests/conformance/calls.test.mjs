// Requests for presence, typing and settings at the HTTP level: methods, parameters as form, JSON and query,
// and errors that need no database. Other suites test the SQL functions behind them.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { kNotAllowed, readableBy } from '../lib/access_table.mjs';
import { assertError, forEach, startBackends } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { rawExchange, parseAnswers } from '../lib/http.mjs';
import { kCalls } from './calls.mjs';

const kApp = 'https://app.example';
const kMany = 3000;
const database = await (await sharedCluster()).createDatabase();
await database.query(`
  INSERT INTO pgevents.users (realm, user_id) VALUES ('main', '10'), ('main', '11'), ('main', 'käse'), ('dairy', '12');
  INSERT INTO pgevents.users (realm, user_id) SELECT 'many', 'user-' || n FROM generate_series(1, ${kMany}) n;
  INSERT INTO pgevents.presence (realm, user_id, idle_at, update_id)
    SELECT realm, user_id, now(), 1 FROM pgevents.users WHERE realm = 'many' OR user_id IN ('11', 'käse')`);

const start = (access, limits) => startBackends({ database, subscribe: '', publish: '', access, limits });
const known = await start({ user: '10', origins: [kApp] }, { maxEventSize: '1m' });
const unknown = await start({ user: '99' });
const dairy = await start({ user: '12', realm: 'dairy' }, { maxEventSize: '1k' });
const many = await start({ user: 'user-1', realm: 'many' });

const kForm = { 'Content-Type': 'application/x-www-form-urlencoded' };
const kJson = { 'Content-Type': 'application/json' };
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

// Asserts that a call succeeded. Gives the parsed answer.
function success(answer) {
  assert.equal(answer.status, 200, answer.body);
  assert.equal(answer.headers['content-type'], 'application/json');
  assert.equal(answer.headers['cache-control'], 'no-store');
  const { result, msg, ...rest } = answer.json();
  assert.deepEqual([result, msg], ['success', '']);
  return rest;
}

const assertBad = (answer, msg) => assertError(answer, 400, 'BAD_REQUEST', msg);

// Sends a request that must succeed. Gives its answer and the events that it published.
async function published(request) {
  const before = await database.head();
  const rest = success(await request());
  const events = (await database.log({ after: before })).map(({ type, data }) => ({ type, data: JSON.parse(data) }));
  return { rest, events };
}

const usersOf = (...ids) => ids.map((user_id) => ({ user_id }));

forEach(known, (backend) => {
  test('OPTIONS lists the allowed methods', async () => {
    for (const [path, allow] of Object.entries(kAllow)) {
      const answer = await send(backend, 'OPTIONS', path);
      assert.deepEqual([answer.status, answer.body, answer.headers.allow], [204, '', allow], path);
    }
  });

  test('rejects other methods', async () => {
    for (const [path, allow] of Object.entries(kAllow)) {
      for (const method of ['GET', 'HEAD', 'POST', 'PATCH', 'PUT', 'DELETE'].filter((name) => !allow.includes(name))) {
        const answer = await send(backend, method, path, method === 'GET' || method === 'HEAD' ? {} : { body: '{}' });
        assert.equal(answer.headers.allow, allow, `${method} ${path}`);
        if (method === 'HEAD') assert.deepEqual([answer.status, answer.body], [405, '']);
        else assertError(answer, kNotAllowed.status, kNotAllowed.code, kNotAllowed.msg);
      }
    }
  });

  test('answers 404 for other paths', async () => {
    for (const path of ['/users/me', '/users//presence', '/users/11/presence/', '/realm', '/typing/x', '/Settings']) {
      assertError(await send(backend, 'GET', path), 404, 'NOT_FOUND', 'Not found');
    }
  });

  test('accepts parameters as a form, in which every value is text', async () => {
    const body = 'op=start&to=%5B11%2C%2210%22%5D&why=a+b';
    const { events, rest } = await published(() => form(backend, 'POST', '/typing', body));
    const data = { op: 'start', message_type: 'direct', sender: { user_id: '10' }, recipients: usersOf('11', '10') };
    assert.deepEqual(events, [{ type: 'typing', data }, { type: 'typing', data }]);
    assert.deepEqual(rest, { ignored_parameters_unsupported: ['why'] });
  });

  test('accepts parameters as JSON', async () => {
    const body = { op: 'stop', to: [11, 'käse'], type: 'direct' };
    const { events, rest } = await published(() => json(backend, 'POST', '/typing', body));
    assert.equal(events.length, 3);
    assert.deepEqual([events[0].data.op, events[0].data.recipients], ['stop', usersOf('11', 'käse', '10')]);
    assert.deepEqual(rest, {});
  });

  test('reads a body without a content type as JSON', async () => {
    success(await send(backend, 'PATCH', '/settings', { body: '{"receives_typing_notifications":true}' }));
    const headers = { 'Content-Type': 'Application/JSON; charset=utf-8' };
    success(await send(backend, 'PATCH', '/settings', { body: '{}', headers }));
  });

  test('accepts PATCH with a form, with JSON, and without a body', async () => {
    const flag = () => database.value("SELECT send_stream_typing_notifications FROM pgevents.users WHERE user_id = '10'");
    success(await form(backend, 'PATCH', '/settings', 'send_stream_typing_notifications=false'));
    assert.equal(await flag(), false);
    success(await json(backend, 'PATCH', '/settings', { send_stream_typing_notifications: true }));
    assert.equal(await flag(), true);
    success(await send(backend, 'PATCH', '/settings'));
  });

  test('rejects a body beyond 64 KB, even if events may be larger', async () => {
    for (const [method, path] of writes) {
      for (const body of [`{"x":"${'x'.repeat(65_529)}"}`, `x=${'x'.repeat(65_535)}`]) {
        const sent = body.startsWith('{') ? json : form;
        const answer = await sent(backend, method, path, body);
        assertError(answer, 413, 'PAYLOAD_TOO_LARGE', 'The body is larger than 65536 bytes');
      }
    }
  });

  test('accepts a chunked body', async () => {
    const head = 'Host: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close';
    const chunks = '8\r\n{"op":"s\r\n10\r\ntart","to":[11]}\r\n0\r\n\r\n';
    const bytes = await rawExchange(backend, `POST /rt/typing HTTP/1.1\r\n${head}\r\n\r\n${chunks}`);
    const [answer] = parseAnswers(bytes);
    assert.equal(answer.status, 200, answer.raw.toString());
  });

  test('takes no parameters of a POST from the query', async () => {
    const msg = "Missing 'op' argument";
    const expected = `{"result":"error","code":"REQUEST_VARIABLE_MISSING","msg":"${msg}","var_name":"op"}`;
    for (const options of [{}, { query: { op: 'start' } }, { query: { op: 'start' }, body: ' \r\n' }]) {
      const answer = await send(backend, 'POST', '/typing', options);
      assert.deepEqual([answer.status, answer.body], [400, expected]);
    }
  });

  test('takes parameters of a GET from the query, and the user from the path', async () => {
    const slim = success(await send(backend, 'GET', '/users/11/presence', { query: 'slim_presence=true&x=1' }));
    assert.ok(slim.presence.idle_timestamp > 0 && !slim.presence.aggregated);
    assert.deepEqual(slim.ignored_parameters_unsupported, ['x']);
    assert.ok(success(await send(backend, 'GET', '/users/11/presence')).presence.aggregated);
    assert.ok(success(await send(backend, 'GET', '/users/k%C3%A4se/presence')).presence.aggregated);
    const invalid = await send(backend, 'GET', '/users/11/presence', { query: 'slim_presence=1' });
    assertBad(invalid, 'slim_presence is not a boolean');
  });

  test('reports an invalid or unknown user name', async () => {
    for (const name of ['a%0ab', '%ff', 'x'.repeat(256), '99']) {
      assertBad(await send(backend, 'GET', `/users/${name}/presence`), 'No such user');
    }
    const twice = await send(backend, 'GET', '/users/11/presence', { query: 'user_id=10' });
    assertBad(twice, "Parameter 'user_id' is given twice");
  });

  test('replaces me in the path by the user of the request', async () => {
    success(await form(backend, 'POST', '/users/me/presence', 'status=active&ping_only=true'));
    const mine = success(await send(backend, 'GET', '/users/me/presence'));
    assert.deepEqual(mine, success(await send(backend, 'GET', '/users/10/presence')));
  });

  test('ignores an identity in the parameters', async () => {
    const posing = { op: 'start', to: [11], user: '11', realm: 'dairy', identity: { user: '11' }, sender: '11' };
    const { events } = await published(() => json(backend, 'POST', '/typing', posing));
    assert.deepEqual(events[0].data.sender, { user_id: '10' });
  });

  test('answers register and the presence of the realm', async () => {
    const registered = success(await send(backend, 'POST', '/register'));
    assert.equal(registered.last_event_id, String(await database.head()));
    assert.ok('11' in success(await send(backend, 'GET', '/realm/presence')).presences);
  });

  test('answers HEAD like GET, without the body', async () => {
    const path = '/users/11/presence';
    const [head, get] = [await send(backend, 'HEAD', path), await send(backend, 'GET', path)];
    assert.deepEqual([head.status, head.body, head.headers['content-length']], [200, '', String(get.raw.length)]);
    const rejected = await send(backend, 'HEAD', '/users/99/presence');
    assert.deepEqual([rejected.status, rejected.body], [400, '']);
  });

  test('rejects invalid bodies', async () => {
    for (const body of ['[]', '1', 'null', '"x"']) {
      assertBad(await json(backend, 'POST', '/typing', body), 'The body must be a JSON object');
    }
    for (const body of ['{', 'op=start', Buffer.from('{"op":"\xff"}', 'latin1')]) {
      assertBad(await send(backend, 'POST', '/typing', { body, headers: kJson }), 'The body is not valid JSON');
    }
    const unstorable = [
      '{"op":"\\u0000"}', '{"op":"\\ud800"}', '{"n":1e999}', '{"n":12345678901234567890}', '{"a":{"b":1,"b":2}}',
    ];
    for (const body of unstorable) {
      assertBad(await json(backend, 'PATCH', '/settings', body), 'The body holds a value that cannot be stored');
    }
    assertBad(await form(backend, 'POST', '/typing', 'op=%zz'), 'Invalid encoding in the form');
    assertBad(await form(backend, 'POST', '/typing', 'op=%00'), 'A NUL character in the form');
  });

  test('rejects a parameter that is given twice', async () => {
    assertBad(await form(backend, 'POST', '/typing', 'op=start&op=start'), "Parameter 'op' is given twice");
    assertBad(await json(backend, 'POST', '/typing', '{"op":"start","op":"start"}'), "Parameter 'op' is given twice");
    assertBad(await send(backend, 'GET', '/realm/presence', { query: 'a=1&a=2' }), "Parameter 'a' is given twice");
    assertBad(await send(backend, 'GET', '/realm/presence', { query: 'a=%zz' }), 'Invalid encoding in the query');
  });

  test('rejects a body of another media type', async () => {
    for (const [method, path] of writes) {
      const answer = await send(backend, method, path, { body: '{}', headers: { 'Content-Type': 'text/plain' } });
      assertError(answer, 415, 'UNSUPPORTED_MEDIA_TYPE', 'Send application/json or application/x-www-form-urlencoded');
      const packed = await send(backend, method, path, { body: '{}', headers: { 'Content-Encoding': 'br' } });
      assertError(packed, 415, 'UNSUPPORTED_MEDIA_TYPE', "Send the body without Content-Encoding 'br'");
    }
  });

  test('treats special characters of SQL and JSON as data', async () => {
    const odd = { op: "start'; DROP TABLE x; --", to: '[11', 'a"b\\': '\u2028$1' };
    assertBad(await json(backend, 'POST', '/typing', { ...odd, op: 'start' }), 'to is not valid JSON');
    assertBad(await json(backend, 'POST', '/typing', { ...odd, to: [] }), 'Invalid op');
    const name = `"'\\ü\u{1f9c0}`;
    assertBad(await json(backend, 'POST', '/typing', { op: 'start', to: [name] }), `Invalid user ID ${name}`);
  });

  test('accepts a body of nearly 64 KB', async () => {
    const body = { op: 'start', to: [11], ignored: ['é'.repeat(30_000)] };
    assert.ok(JSON.stringify(body).length < Buffer.byteLength(JSON.stringify(body)));
    for (const answer of [await json(backend, 'POST', '/typing', body),
      await form(backend, 'POST', '/typing', `op=start&to=[11]&ignored=${'x'.repeat(65_000)}`)]) {
      assert.deepEqual(success(answer).ignored_parameters_unsupported, ['ignored']);
    }
  });

  test('lets pages of allowed origins read answers and errors', async () => {
    const from = (method, path, options = {}) =>
      send(backend, method, path, { ...options, headers: { ...kJson, Origin: kApp } });
    const answers = [
      await from('GET', '/realm/presence'), await from('POST', '/register'),
      await from('PATCH', '/settings', { body: '{}' }),
      await from('POST', '/typing', { body: '{' }), await from('POST', '/typing'), await from('GET',
        '/users/99/presence'),
    ];
    assert.deepEqual(answers.map(({ status }) => status), [200, 200, 200, 400, 400, 400]);
    for (const { headers } of answers) {
      for (const [name, value] of Object.entries(readableBy(kApp))) assert.equal(headers[name], value);
    }
  });

  test('answers a preflight request with the methods of its path', async () => {
    for (const [path, allow] of Object.entries(kAllow)) {
      const headers = {
        Origin: kApp, 'Access-Control-Request-Method': 'PATCH', 'Access-Control-Request-Headers': 'content-type',
      };
      const answer = await send(backend, 'OPTIONS', path, { headers });
      const methods = allow.replace(', OPTIONS', '');
      assert.deepEqual([answer.status, answer.headers['access-control-allow-methods']], [204, methods]);
      assert.match(answer.headers['access-control-allow-headers'], /Content-Type/);
      const foreign = await send(backend, 'OPTIONS', path,
        { headers: { ...headers, Origin: 'https://other.example' } });
      assert.deepEqual([foreign.status, foreign.headers['access-control-allow-methods']], [204, undefined]);
    }
  });

  test('rejects changes from pages of other origins', async () => {
    const before = await database.head();
    for (const [method, path] of writes) {
      for (const headers of [{ Origin: 'https://other.example' }, { 'Sec-Fetch-Site': 'cross-site' }]) {
        const answer = await send(backend, method, path,
          { headers, body: '{"op":"start","to":[11],"status":"active"}' });
        assertError(answer, 403, 'FORBIDDEN', 'Not authorized from this origin');
      }
    }
    assert.equal(await database.head(), before);
  });

  test('serves calls of every kind one after the other on one connection', async () => {
    const post = 'POST /rt/typing HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 24\r\n\r\n' +
      '{"op":"start","to":[11]}';
    const get = 'GET /rt/users/11/presence HTTP/1.1\r\nHost: x\r\n\r\n';
    const last = 'PATCH /rt/settings HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n';
    const answers = parseAnswers(await rawExchange(backend, post + get + get.replace('11', '99') + post + last));
    assert.deepEqual(answers.map(({ status }) => status), [200, 200, 400, 200, 200]);
  });
});

forEach(unknown, (backend) => {
  test('rejects a user that the directory does not contain', async () => {
    for (const [method, path] of kCalls) {
      const body = '{"status":"active","op":"start"}';
      const answer = await send(backend, method, path, method === 'GET' ? {} : { body });
      assertBad(answer, 'No such user');
    }
  });
});

forEach(dairy, (backend) => {
  test('uses the realm of the user that sends the request', async () => {
    assert.ok(success(await send(backend, 'POST', '/register')).channels.includes('presence:dairy'));
    assertBad(await send(backend, 'GET', '/users/11/presence'), 'No such user');
  });

  test('applies the size limit of bodies to the byte', async () => {
    const body = (size) => `{"x":"${'x'.repeat(size - 8)}"}`;
    success(await json(backend, 'PATCH', '/settings', body(1024)));
    const answer = await json(backend, 'PATCH', '/settings', body(1025));
    assertError(answer, 413, 'PAYLOAD_TOO_LARGE', 'The body is larger than 1024 bytes');
  });
});

forEach(many, (backend) => {
  test('sends a large answer completely', async () => {
    const answer = await send(backend, 'GET', '/realm/presence');
    assert.ok(answer.raw.length > 300_000, String(answer.raw.length));
    assert.equal(Object.keys(success(answer).presences).length, kMany);
  });
});
