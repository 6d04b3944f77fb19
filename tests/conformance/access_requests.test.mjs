// The places of a token, which of several counts, and the answer to every kind of request: method × transport × token.
import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';

import {
  AccessTable, bad, kCookie, kExpired, kGood, kInvalid, kNotAllowed, kNotFound, needsToken, rejectsChannel, seed,
} from '../lib/access_table.mjs';
import { forEach, kBase, startBackends } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { kDefaultTimeout, sleep, within } from '../lib/conditions.mjs';
import { parseAnswers, rawExchange } from '../lib/http.mjs';
import { inSeconds, secretKey, signToken } from '../lib/tokens.mjs';

const database = await (await sharedCluster()).createDatabase();
const key = secretKey();
const keys = [{ text: key.text }];
const start = (access) =>
  startBackends({ database, subscribe: '', publish: '', access: { keys, anonymous: 'public', ...access } });
const backends = await start({ cookie: kCookie, query: true });
const headerOnly = await start({});
await seed(database, ['cheese', 'public']);

const sign = (claims, by = key) => signToken({ sub: '10', exp: inSeconds(3600), ...claims }, { key: by });
const good = sign({ pgevents: { subscribe: ['cheese'], publish: ['orders'] } });
const useless = sign({});
const expired = sign({ exp: 1 });
const forged = sign({ pgevents: { subscribe: ['*'], publish: ['*'] } }, secretKey());

// --- places ---

const bearer = (text) => ({ Authorization: text });
const cookie = (text) => ({ Cookie: text });
const places = [
  { what: 'the header', headers: bearer(`Bearer ${good}`), ...kGood },
  { what: 'the scheme in small letters', headers: bearer(`bearer ${good}`), ...kGood },
  { what: 'the scheme in capital letters', headers: bearer(`BEARER ${good}`), ...kGood },
  { what: 'more spaces behind the scheme', headers: bearer(`Bearer   ${good}`), ...kGood },
  { what: 'Bearer without a token', headers: bearer('Bearer'), ...kInvalid },
  { what: 'Bearer with a space only', headers: bearer('Bearer '), ...kInvalid },
  { what: 'Bearer with two tokens', headers: bearer(`Bearer ${good} ${good}`), ...kInvalid },
  { what: 'Bearer with a list', headers: bearer(`Bearer ${good}, ${good}`), ...kInvalid },
  { what: 'Bearer with a quoted token', headers: bearer(`Bearer "${good}"`), ...kInvalid },
  { what: 'Bearer with a parameter', headers: bearer(`Bearer token=${good}`), ...kInvalid },
  { what: 'Bearer twice', headers: bearer(`Bearer Bearer ${good}`), ...kInvalid },
  { what: 'Basic', headers: bearer('Basic YW5uYTpzZWNyZXQ='), ...needsToken('cheese') },
  { what: 'Basic on an anonymous channel', headers: bearer('Basic YW5uYTpzZWNyZXQ='), channel: 'public', ...kGood },
  { what: 'Basic with a token', headers: bearer(`Basic ${good}`), ...needsToken('cheese') },
  { what: 'a token without a scheme', headers: bearer(good), ...needsToken('cheese') },
  { what: 'a scheme that begins like Bearer', headers: bearer(`BearerX ${good}`), ...needsToken('cheese') },
  { what: 'an empty Authorization', headers: bearer(''), ...needsToken('cheese') },
  { what: 'a token in a header of another name', headers: { 'X-Authorization': `Bearer ${good}`, Token: good },
    ...needsToken('cheese') },
  { what: 'the cookie', token: good, where: 'cookie', ...kGood },
  { what: 'the cookie among others', headers: cookie(`a=1; ${kCookie}=${good}; b=2`), ...kGood },
  { what: 'cookies without spaces', headers: cookie(`a=1;${kCookie}=${good};b=2`), ...kGood },
  { what: 'the cookie between quotes', headers: cookie(`${kCookie}="${good}"`), ...kGood },
  { what: 'the cookie with one quote', headers: cookie(`${kCookie}="${good}`), ...kInvalid },
  { what: 'the first of two cookies, good', headers: cookie(`${kCookie}=${good}; ${kCookie}=${forged}`), ...kGood },
  { what: 'the first of two cookies, bad', headers: cookie(`${kCookie}=${forged}; ${kCookie}=${good}`), ...kInvalid },
  { what: 'an empty cookie', headers: cookie(`${kCookie}=`), ...needsToken('cheese') },
  { what: 'an empty cookie between quotes', headers: cookie(`${kCookie}=""`), ...needsToken('cheese') },
  { what: 'an empty cookie before a good one', headers: cookie(`${kCookie}=; ${kCookie}=${good}`), ...kGood },
  { what: 'a cookie whose name has a prefix', headers: cookie(`x${kCookie}=${good}`), ...needsToken('cheese') },
  { what: 'a cookie whose name has a suffix', headers: cookie(`${kCookie}2=${good}`), ...needsToken('cheese') },
  { what: 'a cookie in another case', headers: cookie(`${kCookie.toUpperCase()}=${good}`), ...needsToken('cheese') },
  { what: 'the name as another cookie\'s value', headers: cookie(`a=${kCookie}=${good}`), ...needsToken('cheese') },
  { what: 'the name without a value', headers: cookie(`${kCookie}; a=${good}`), ...needsToken('cheese') },
  { what: 'a percent-encoded cookie', headers: cookie(`${kCookie}=${good.replaceAll('.', '%2E')}`), ...kInvalid },
  { what: 'the query', token: good, where: 'query', ...kGood },
  { what: 'the query, percent-encoded', ...kGood,
    rawQuery: `flavor=poll&last_event_id=0&access%5ftoken=${good.replaceAll('.', '%2e')}` },
  { what: 'two in the query', rawQuery: poll(`access_token=${good}&access_token=${forged}`),
    ...bad("Parameter 'access_token' is given twice") },
  { what: 'a bad one in the query, percent-encoded', rawQuery: poll(`%61ccess%5Ftoken=${forged}`), ...kInvalid },
  { what: 'an expired one in the query', rawQuery: poll(`a=1&access_token=${expired}&b=2`), ...kExpired },
  { what: 'an empty one in the query', rawQuery: poll('access_token='), ...kInvalid },
  { what: 'the query\'s name in another case', rawQuery: poll(`Access_Token=${good}`), ...needsToken('cheese') },
  { what: 'a query of another name', rawQuery: poll(`token=${good}&jwt=${good}&${kCookie}=${good}`),
    ...needsToken('cheese') },
  { what: 'a token in the body', transport: 'publish', channel: 'orders', body: `{"type":"made","access_token":"${good}"}`,
    ...needsToken('orders') },
  { what: 'a token in a form', transport: 'publish', channel: 'orders', body: `type=made&access_token=${good}`,
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' }, ...needsToken('orders') },
  { what: 'an identity in the body', transport: 'publish', channel: 'orders',
    body: '{"type":"made","user":"10","publish":["*"]}',
    ...needsToken('orders') },
];

function poll(query) {
  return `flavor=poll&last_event_id=0&${query}`;
}

// --- precedence ---

const both = (what, header, query, inCookie, outcome) => ({
  what,
  headers: { ...(header && bearer(header)), ...(inCookie && cookie(`${kCookie}=${inCookie}`)) },
  query: query ? { access_token: query } : {},
  ...outcome,
});
const precedence = [
  both('a good header before a bad query', `Bearer ${good}`, forged, undefined, kGood),
  both('a good header before a bad cookie', `Bearer ${good}`, undefined, forged, kGood),
  both('a good header before bad ones', `Bearer ${good}`, forged, forged, kGood),
  both('a good query before a bad cookie', undefined, good, forged, kGood),
  both('a bad header before a good query', `Bearer ${forged}`, good, undefined, kInvalid),
  both('a bad header before a good cookie', `Bearer ${forged}`, undefined, good, kInvalid),
  both('a bad query before a good cookie', undefined, forged, good, kInvalid),
  both('an empty Bearer before a good cookie', 'Bearer', undefined, good, kInvalid),
  both('an expired header before a good cookie', `Bearer ${expired}`, undefined, good, kExpired),
  both('Basic with a good cookie', 'Basic YW5uYTpzZWNyZXQ=', undefined, good, kGood),
  both('Basic with a good query', 'Basic YW5uYTpzZWNyZXQ=', good, undefined, kGood),
];

const notAllowed = [
  { what: 'the query where it is not allowed', token: good, where: 'query', ...needsToken('cheese') },
  { what: 'a bad token in the query where it is not allowed', token: forged, where: 'query', channel: 'public',
    ...kGood },
  { what: 'a cookie where none is configured', token: good, where: 'cookie', ...needsToken('cheese') },
  { what: 'a bad cookie where none is configured', token: forged, where: 'cookie', channel: 'public', ...kGood },
  { what: 'a cookie without a name', headers: cookie(`=${good}`), ...needsToken('cheese') },
  { what: 'the header where only it is allowed', token: good, ...kGood },
];

// --- method × transport × token ---

const tokens = {
  'a good token': good, 'a token that does not grant it': useless, 'an expired token': expired,
  'a forged token': forged, 'no token': undefined,
};
const inEachWay = (ways) => Object.entries(ways).flatMap(([what, { request, outcomes }]) =>
  Object.entries(tokens).map(([whose, token], i) => ({ what: `${what}, ${whose}`, token, ...request, ...outcomes[i] })));

const reading = [kGood, rejectsChannel('cheese'), kExpired, kInvalid, needsToken('cheese')];
const publishing = [{ status: 201 }, rejectsChannel('orders'), kExpired, kInvalid, needsToken('orders')];
const same = (outcome) => Array(5).fill(outcome);
const badCursor = bad('Invalid Last-Event-ID');
const ways = inEachWay({
  'GET, poll': { request: {}, outcomes: reading },
  'GET, long poll': { request: { transport: 'long-poll' }, outcomes: reading },
  'GET, event stream': { request: { transport: 'stream' }, outcomes: reading },
  HEAD: { request: { method: 'HEAD' }, outcomes: reading },
  'HEAD, event stream': { request: { method: 'HEAD', headers: { Accept: 'text/event-stream' } }, outcomes: reading },
  'GET with a wait id': { request: { path: '/events/cheese/w1' }, outcomes: reading },
  'POST': { request: { transport: 'publish', channel: 'orders' }, outcomes: publishing },
  'POST of nonsense': { request: { transport: 'publish', channel: 'orders', body: '{' },
    outcomes: [bad('The body is not valid JSON'), ...publishing.slice(1)] },
  'an anonymous channel': { request: { channel: 'public' }, outcomes: [kGood, kGood, kExpired, kInvalid, kGood] },
  'an anonymous stream': { request: { channel: 'public', transport: 'stream' },
    outcomes: [kGood, kGood, kExpired, kInvalid, kGood] },
  'a bad cursor': { request: { query: { last_event_id: 'x' } }, outcomes: [badCursor, ...reading.slice(1)] },
  'a bad channel name': { request: { channel: 'che%20ese' },
    outcomes: [0, 1, 2, 3, 4].map((i) => [2, 3].includes(i) ? reading[i] : bad("Invalid channel name 'che ese'")) },
  'OPTIONS': { request: { method: 'OPTIONS' }, outcomes: same({ status: 204 }) },
  'DELETE': { request: { method: 'DELETE' }, outcomes: same(kNotAllowed) },
  'PUT': { request: { method: 'PUT' }, outcomes: same(kNotAllowed) },
  'another path': { request: { path: '/nothing' }, outcomes: same(kNotFound) },
  'DELETE of another path': { request: { path: '/nothing', method: 'DELETE' }, outcomes: same(kNotFound) },
});

// Each place with each transport.
const placesByTransport = ['header', 'cookie', 'query'].flatMap((where) => [
  ...['poll', 'long-poll', 'stream'].map((transport) => (
    { what: `${where}, ${transport}`, token: good, where, transport, ...kGood })),
  { what: `${where}, HEAD`, token: good, where, method: 'HEAD', ...kGood },
  ...['poll', 'long-poll', 'stream'].map((transport) => (
    { what: `${where}, ${transport}, expired`, token: expired, where, transport, ...kExpired })),
  // A cookie alone does not publish: a page of any origin can make a browser send it.
  { what: `${where}, publish`, token: good, where, transport: 'publish', channel: 'orders', status: 201,
    headers: where === 'cookie' ? { 'Sec-Fetch-Site': 'same-origin' } : {} },
]);

// Browsers send one Cookie line, some clients and proxies several.
const twoCookieLines = (first, second) => [
  `GET ${kBase}/events/cheese?flavor=poll&last_event_id=0 HTTP/1.1`,
  'Host: localhost', `Cookie: ${first}`, `Cookie: ${second}`,
  'Connection: close', '', '',
].join('\r\n');

const table = new AccessTable({ database, secrets: [key.secret, good, useless, expired, forged] });
table.define(backends, [...places, ...precedence, ...ways, ...placesByTransport]);
table.define(headerOnly, notAllowed);

// Publishes, and sends the last byte only when `over` resolves, that is when the token is no longer valid.
async function publishSlowly(backend, token, over) {
  const body = '{"type":"made"}';
  const options = {
    host: '127.0.0.1', port: backend.port, path: `${kBase}/events/orders`, method: 'POST',
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json', 'Content-Length': body.length },
  };
  const answer = new Promise((resolve, reject) => {
    const outgoing = http.request(options, resolve).on('error', reject);
    outgoing.write(body.slice(0, -1));
    over().then(() => outgoing.end(body.slice(-1)), reject);
  });
  const { statusCode } = await within(answer, kDefaultTimeout, 'an answer');
  return statusCode;
}

forEach(backends, (backend) => {
  test('rejects a publication whose token expires before its last byte, and publishes nothing', async () => {
    const before = await database.head();
    const exp = Date.now() / 1000 + 2;
    const short = sign({ exp, pgevents: { publish: ['orders'] } });
    assert.equal(await publishSlowly(backend, short, () => sleep(exp * 1000 + 10 - Date.now())), 401);
    assert.equal(await database.head(), before);
  });

  for (const [what, first, second, status] of [
    ['the token in the first of two Cookie lines', `${kCookie}=${good}`, 'a=1', 200],
    ['the token in the second of two Cookie lines', 'a=1', `${kCookie}=${good}`, 200],
    ['a bad token in the first of two Cookie lines', `${kCookie}=${forged}`, `${kCookie}=${good}`, 401],
    ['a bad token in the second of two Cookie lines', `${kCookie}=${good}`, `${kCookie}=${forged}`, 200],
  ]) {
    test(`${what}: ${status}`, async () => {
      const [answer] = parseAnswers(await rawExchange(backend, twoCookieLines(first, second)));
      assert.equal(answer.status, status);
    });
  }
});
