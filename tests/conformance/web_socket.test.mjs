// The handshake of WebSocket: the module accepts it or rejects it with an answer of HTTP; the fallback, which never
// waits, rejects it at once, so that the client polls instead. Other requests do not become one.
import assert from 'node:assert/strict';
import http2 from 'node:http2';
import { test } from 'node:test';

import { assertError, forEach, newChannel, startBackends } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { within } from '../lib/conditions.mjs';
import { rawExchange } from '../lib/http.mjs';
import { inSeconds, secretKey, signToken } from '../lib/tokens.mjs';
import { handshake, kAccept } from '../lib/web_socket.mjs';

const database = await (await sharedCluster()).createDatabase();
const key = secretKey();
const listed = { keys: [{ text: key.text }], cookie: 'session', query: true, origins: ['https://ok.example'] };
const backends = await startBackends({
  database, subscribe: '', publish: '', access: { ...listed, anonymous: 'open.*' },
  server: (n) => `listen ${n.listen(1)} http2;`,
});
const readableByAll = await startBackends({ database, subscribe: 'open.*', publish: '', access: { origins: ['*'] } });
const byServer = await startBackends({ database, subscribe: '*', publish: '', access: { user: '7', origins: ['*'] } });

const token = (claims) => signToken({ sub: '7', exp: inSeconds(600), pgevents: { subscribe: ['own.*'] }, ...claims },
  { key });
const good = token();

// The head and the body of the answer, as far as they come before anything else.
async function answerTo(backend, path, headers) {
  const sent = 'x'.repeat(Number(headers['Content-Length'] ?? 0));
  const bytes = await rawExchange({ port: backend.port }, handshake(path, { Host: '127.0.0.1', ...headers }) + sent,
    { until: (received) => /^HTTP\/1.[01] (101[^]*\r\n\r\n|[^]*\r\n\r\n[^]*\})/.test(received) });
  const [head, body = ''] = bytes.toString('latin1').split('\r\n\r\n');
  const fields = Object.fromEntries(head.split('\r\n').slice(1).map((line) => line.toLowerCase().split(/: ?/, 2)));
  const json = body.slice(body.indexOf('{'), body.lastIndexOf('}') + 1);
  return { status: Number(head.split(' ')[1]), headers: fields, body: json };
}

const kOwn = 'own.a';
const kOpen = 'open.a';
const bearer = (text) => ({ Authorization: `Bearer ${text}` });
const cookie = (text, more = {}) => ({ Cookie: `session=${text}`, ...more });
const site = (origin) => ({ Origin: origin });
const kEvil = site('https://evil.example');
const protocols = (...names) => ({ 'Sec-WebSocket-Protocol': names.join(', ') });

// What, path, headers, and the module's status and message (101: none).
const kRows = [
  ['a token in the header', kOwn, bearer(good), 101],
  ['a token in the header, from any page', kOwn, { ...bearer(good), ...kEvil }, 101],
  ['a token in the query, from any page', `${kOwn}?access_token=${good}`, kEvil, 101],
  ['a token as subprotocol, from any page', kOwn,
    { ...protocols('pgevents.v1', `pgevents.token.${good}`), ...kEvil }, 101],
  ['a token in the cookie, from this site', kOwn, cookie(good, site('http://127.0.0.1')), 101],
  ['a token in the cookie, from an allowed origin', kOwn, cookie(good, site('https://ok.example')), 101],
  ['a token in the cookie, from another site', kOwn, cookie(good, kEvil), 403, 'Not authorized from this origin'],
  ['a token in the cookie, from nowhere', kOwn, cookie(good), 403, 'Not authorized from this origin'],
  ['a token in the cookie, cross-site by Fetch metadata', kOwn, cookie(good, { 'Sec-Fetch-Site': 'cross-site' }), 403,
    'Not authorized from this origin'],
  ['no identity, no origin', kOpen, {}, 101],
  ['no identity, from another site', kOpen, kEvil, 403, 'Not authorized from this origin'],
  ['no token where one is needed', kOwn, {}, 401, `Authentication required for channel '${kOwn}'`],
  ['a bad token', kOwn, bearer('x'), 401, 'Invalid token'],
  ['a bad token as subprotocol', kOwn, protocols('pgevents.token.x', 'pgevents.v1'), 401, 'Invalid token'],
  ['an expired token', kOwn, bearer(token({ exp: inSeconds(-600) })), 401, 'The token has expired'],
  ['a channel that is not granted', `${kOwn},other`, bearer(good), 403, "Not authorized for channel 'other'"],
  ['a bad channel', 'a%20b', {}, 400, "Invalid channel name 'a b'"],
  ['a bad cursor', `${kOpen}?last_event_id=x`, {}, 400, 'Invalid Last-Event-ID'],
  ['a wait id, which does not apply', `${kOpen}/session`, {}, 101],
  ['a version that nobody speaks', kOpen, { 'Sec-WebSocket-Version': '8' }, 426,
    'This version of WebSocket is not supported'],
  ['no key', kOpen, { 'Sec-WebSocket-Key': null }, 400, 'Invalid Sec-WebSocket-Key'],
  ['a short key', kOpen, { 'Sec-WebSocket-Key': 'AAAA' }, 400, 'Invalid Sec-WebSocket-Key'],
  ['another subprotocol', kOpen, protocols('chat'), 400, "Unknown subprotocol; offer 'pgevents.v1'"],
  ['no subprotocol', kOpen, protocols(), 101],
  ['Upgrade in another case, among others', kOpen,
    { Upgrade: 'h2c, WebSocket', Connection: 'keep-alive, UPGRADE' }, 101],
  ['the handshake of Chrome in 2014, with compression of two kinds', kOpen, { ...site('http://127.0.0.1'), ...protocols(),
    'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits, x-webkit-deflate-frame',
    Pragma: 'no-cache', 'Cache-Control': 'no-cache', Cookie: 'other=1' }, 101],
  ['what a proxy leaves over that drops Upgrade', kOpen, { Upgrade: null, Connection: 'close' }, 426,
    'The headers Upgrade and Connection are missing; a proxy must pass them'],
  ['a body', kOpen, { 'Content-Length': '5' }, 400, 'A handshake has no body'],
];

const kFallback = 'WebSockets are not served here; use a stream or poll';
const kCodes = { 400: 'BAD_REQUEST', 401: 'UNAUTHORIZED', 403: 'FORBIDDEN', 426: 'UPGRADE_REQUIRED' };

forEach(backends, (backend) => {
  for (const [what, where, headers, status, msg] of kRows) {
    test(`${what}: ${backend.name === 'module' ? status : 426}`, async () => {
      const answer = await answerTo(backend, `/rt/events/${where}`, headers);
      if (backend.name !== 'module') return assertError(answer, 426, 'UPGRADE_REQUIRED', kFallback);
      if (status !== 101) {
        assert.equal(answer.status, status, answer.body);
        assert.equal(JSON.parse(answer.body).msg, msg);
        if (status !== 401) assert.equal(JSON.parse(answer.body).code, kCodes[status]);
        assert.equal(answer.headers['sec-websocket-version'], what.startsWith('a version') ? '13' : undefined);
        return undefined;
      }
      assert.deepEqual([answer.status, answer.headers['sec-websocket-accept']], [101, kAccept.toLowerCase()]);
      const offered = headers['Sec-WebSocket-Protocol'];
      const chosen = offered === '' ? undefined : 'pgevents.v1';
      assert.equal(answer.headers['sec-websocket-protocol'], chosen, 'never the token');
      assert.equal(answer.headers['sec-websocket-extensions'], undefined);
      return undefined;
    });
  }

  test('HEAD, POST, OPTIONS, and other paths do not become WebSockets', async () => {
    const asked = { Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==' };
    const answer = (method, path) => within(rawExchange({ port: backend.port },
      handshake(path, { ...asked, Host: '127.0.0.1', Connection: 'close, Upgrade' }).replace('GET', method)),
    60_000, method);
    const status = async (method, path) => Number(String(await answer(method, path)).split(' ')[1]);
    assert.equal(await status('HEAD', `/rt/events/${kOpen}`), 200);
    assert.equal(await status('OPTIONS', `/rt/events/${kOpen}`), 204);
    assert.equal(await status('DELETE', `/rt/events/${kOpen}`), 405);
    assert.equal(await status('GET', '/rt/nothing'), 404);
    assert.equal(await status('GET', '/rt/realm/presence'), 401);
  });

  if (backend.name === 'cgi') return;
  test('over HTTP/2 a handshake is rejected, and the connection goes on', async () => {
    const session = http2.connect(`http://127.0.0.1:${backend.server.ports[1]}`);
    const exchange = (headers) => within(new Promise((resolve, reject) => {
      const stream = session.request({ ':path': `/rt/events/${kOpen}?flavor=poll`, ...headers });
      let status;
      let body = '';
      stream.on('response', (fields) => (status = fields[':status']));
      stream.on('data', (chunk) => (body += chunk));
      stream.on('error', reject);
      stream.on('close', () => resolve({ status, body }));
    }), 60_000, 'an answer over HTTP/2');
    const answer = await exchange({ 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', 'sec-websocket-version': '13' });
    assert.equal(answer.status, 426);
    assert.equal(JSON.parse(answer.body).msg, backend.name === 'module' ? 'A WebSocket needs HTTP/1.1' : kFallback);
    assert.equal((await exchange({})).status, 200);
    session.close();
  });
});

forEach(readableByAll, (backend) => {
  test('where all origins may read, a page of any may connect without an identity', async () => {
    const answer = await answerTo(backend, `/rt/events/${kOpen}`, kEvil);
    assert.equal(answer.status, backend.name === 'module' ? 101 : 426);
  });
});

forEach(byServer, (backend) => {
  test('an identity of the web server is not for pages of other sites', async () => {
    const status = async (headers) => (await answerTo(backend, `/rt/events/${newChannel()}`, headers)).status;
    const isModule = backend.name === 'module';
    assert.equal(await status(kEvil), isModule ? 403 : 426);
    assert.equal(await status(site('http://127.0.0.1')), isModule ? 101 : 426);
    assert.equal(await status({}), isModule ? 101 : 426);
  });
});
