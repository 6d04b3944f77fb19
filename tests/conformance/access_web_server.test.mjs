// The web server's part of a request's identity: user, realm and grants from nginx variables, FastCGI parameters or the
// CGI environment. It takes precedence over every token, and a client cannot set it.
import {
  AccessTable, kForeignOrigin, kGood, kInvalid, kOtherRealm, needsToken, rejectsChannel, seed,
} from '../lib/access_table.mjs';
import { startBackends } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { inSeconds, secretKey, signToken } from '../lib/tokens.mjs';

const database = await (await sharedCluster()).createDatabase();
const key = secretKey();
const keys = [{ text: key.text }];
const rules = { subscribe: 'wine room.{user} {realm}.board', publish: 'tips desk.{user}' };
const server = 'underscores_in_headers on; ignore_invalid_headers off;';
const start = (access, options = {}) =>
  startBackends({ database, server, ...rules, ...options, access: { anonymous: 'public', ...access } });

const anna = await start({ keys, user: 'anna', realm: 'dairy' });
const annaKeyless = await start({ user: 'anna' });
const star = await start({ user: '*' });
const realmOnly = await start({ keys, realm: 'dairy' });
const invalidUser = await start({ keys, user: 'x'.repeat(256) });
const invalidRealm = await start({ keys, realm: 'dai\x7fry' });
const noUser = await start({ keys }, { subscribe: '', publish: '' });
const kSeeded = [
  'wine', 'public', 'room.anna', 'dairy.board', 'main.board', 'user:anna', 'user@dairy:anna', 'user:10', 'cheese',
];
await seed(database, kSeeded);

const token = (claims = {}) => signToken({ sub: '10', exp: inSeconds(3600), ...claims }, { key });
const strong = token({ pgevents: { subscribe: ['*'], publish: ['*'] } });
const forged = signToken({ sub: '10', exp: inSeconds(3600) }, { key: secretKey() });

const identity = [
  { what: 'the user\'s own channel', channel: 'user@dairy:anna', ...kGood },
  { what: 'another user\'s own channel', channel: 'user@dairy:10', ...rejectsChannel('user@dairy:10') },
  { what: 'the own channel of the same name in another realm', channel: 'user:anna', ...rejectsChannel('user:anna') },
  { what: 'a grant by name', channel: 'wine', ...kGood },
  { what: 'a grant by {user}', channel: 'room.anna', ...kGood },
  { what: 'a grant by {user} for another user', channel: 'room.10', ...rejectsChannel('room.10') },
  { what: 'a grant by {realm}', channel: 'dairy.board', ...kGood },
  { what: 'a grant by {realm} for another realm', channel: 'main.board', ...rejectsChannel('main.board') },
  { what: 'an anonymous channel', channel: 'public', ...kGood },
  { what: 'a channel that is not granted: no token would be accepted', channel: 'cheese', ...rejectsChannel('cheese') },
  { what: 'an event stream', channel: 'user@dairy:anna', transport: 'stream', ...kGood },
  { what: 'a long poll', channel: 'user@dairy:anna', transport: 'long-poll', ...kGood },
  { what: 'publishing by name', channel: 'tips', transport: 'publish', status: 201 },
  { what: 'publishing by {user}', channel: 'desk.anna', transport: 'publish', status: 201 },
  { what: 'publishing at another user\'s desk', channel: 'desk.10', transport: 'publish',
    ...rejectsChannel('desk.10') },
  { what: 'publishing from a page of this site', channel: 'tips', transport: 'publish', status: 201,
    headers: { 'Sec-Fetch-Site': 'same-origin' } },
  { what: 'publishing from a page of another site', channel: 'tips', transport: 'publish', ...kForeignOrigin,
    headers: { Origin: 'https://evil.example' } },
];
const winsOverTokens = [
  { what: 'over a good token', token: strong, channel: 'user@dairy:anna', ...kGood },
  { what: 'over a good token, whose grants do not count', token: strong, channel: 'cheese',
    ...rejectsChannel('cheese') },
  { what: 'over a good token, whose user does not count', token: strong, channel: 'user@dairy:10',
    ...rejectsChannel('user@dairy:10') },
  { what: 'over a good token, when publishing', token: strong, channel: 'orders', transport: 'publish',
    ...rejectsChannel('orders') },
  { what: 'over a forged token', token: forged, channel: 'user@dairy:anna', ...kGood },
  { what: 'over an expired token', token: token({ exp: 1 }), channel: 'user@dairy:anna', ...kGood },
  { what: 'over a text that is not a token', token: 'x', channel: 'user@dairy:anna', ...kGood },
].map((row) => ({ ...row, what: `the web server's user takes precedence ${row.what}` }));

const keyless = [
  { what: 'without keys, the user\'s own channel', channel: 'user:anna', ...kGood },
  { what: 'without keys, the realm is main', channel: 'main.board', ...kGood },
  { what: 'without keys, another user\'s own channel', channel: 'user:10', ...rejectsChannel('user:10') },
];
const starUser = [
  { what: 'a user named * is not a wildcard for own channels', channel: 'user:anna', ...rejectsChannel('user:anna') },
  { what: 'a user named * is not a wildcard in a grant', channel: 'room.anna', ...rejectsChannel('room.anna') },
];
// No token would be accepted, so the answer does not ask for one.
const kInvalidUser = { status: 401, code: 'UNAUTHORIZED', msg: 'Invalid user' };
const invalidName = (what) => ['public', 'wine', 'user:10'].flatMap((channel) => [
  { what: `${what}, ${channel}`, channel, ...kInvalidUser },
  { what: `${what} with a token, ${channel}`, token: strong, channel, ...kInvalidUser },
]);

// The realm of the web server, the user of the token.
const realmAndToken = [
  { what: 'a token without a realm gets the web server\'s', token: token(), channel: 'dairy.board', ...kGood },
  { what: 'a token of the same realm', token: token({ realm: 'dairy' }), channel: 'dairy.board', ...kGood },
  { what: 'a token of another realm', token: token({ realm: 'bakery' }), channel: 'dairy.board', ...kOtherRealm },
  { what: 'a token of another realm, on an anonymous channel', token: token({ realm: 'bakery' }), channel: 'public',
    ...kOtherRealm },
  { what: 'the token\'s user in the web server\'s grant', token: token({ sub: 'anna' }), channel: 'room.anna',
    ...kGood },
  { what: 'a forged token', token: forged, channel: 'public', ...kInvalid },
  { what: 'a realm alone is not an identity', channel: 'user@dairy:anna', ...needsToken('user@dairy:anna') },
  { what: 'a realm without a user', channel: 'user@dairy:', ...needsToken('user@dairy:') },
  { what: 'the token\'s user in the web server\'s realm', token: token({ sub: 'anna' }), channel: 'user@dairy:anna',
    ...kGood },
  { what: 'the token\'s user is not the one of main', token: token({ sub: 'anna' }), channel: 'user:anna',
    ...rejectsChannel('user:anna') },
  { what: 'a realm alone counts for {realm}', channel: 'dairy.board', ...kGood },
];

// --- smuggling ---

const kNames = ['USER', 'REALM', 'SUBSCRIBE', 'PUBLISH', 'ANONYMOUS'];
const kValues = { USER: '10', REALM: 'main', SUBSCRIBE: '*', PUBLISH: '*', ANONYMOUS: '*' };
const spell = (write) => Object.fromEntries(kNames.map((name) => [write(name), kValues[name]]));
const capital = (name) => name[0] + name.slice(1).toLowerCase();
const smuggled = Object.entries({
  'headers PGEVENTS_USER': { headers: spell((name) => `PGEVENTS_${name}`) },
  'headers PGEVENTS-USER': { headers: spell((name) => `PGEVENTS-${name}`) },
  'headers Pgevents_User': { headers: spell((name) => `Pgevents_${capital(name)}`) },
  'headers pgevents_user': { headers: spell((name) => `pgevents_${name.toLowerCase()}`) },
  'headers X-Pgevents-User': { headers: spell((name) => `X-Pgevents-${capital(name)}`) },
  'headers HTTP_PGEVENTS_USER': { headers: spell((name) => `HTTP_PGEVENTS_${name}`) },
  'headers Remote-User': {
    headers: { 'Remote-User': '10', REMOTE_USER: '10', 'X-Remote-User': '10', 'X-Forwarded-User': '10' },
  },
  'headers that are settings': {
    headers: {
      'PGEVENTS-JWT-KEY': '/dev/null', PGEVENTS_JWT_REQUIRE_EXP: 'off', PGEVENTS_DATABASE: 'x', 'PGEVENTS-BASE': '/',
      PGEVENTS_ALLOW_ORIGIN: '*',
    },
  },
  'query PGEVENTS_USER': { query: spell((name) => `PGEVENTS_${name}`) },
  'query pgevents_user': { query: spell((name) => `pgevents_${name.toLowerCase()}`) },
  'query user': { query: spell((name) => name.toLowerCase()) },
  'cookies pgevents_user': {
    headers: { Cookie: kNames.map((name) => `pgevents_${name.toLowerCase()}=${kValues[name]}`).join('; ') },
  },
});

// What the client sends does not change the answer.
const asIf = (rows) => smuggled.flatMap(([what, extra]) => rows.map((row) => ({
  ...row, what: `${what}: ${row.what}`, headers: { ...row.headers, ...extra.headers }, query: { ...row.query,
    ...extra.query },
})));
const fromNoUser = asIf([
  { what: 'no user', channel: 'user:10', ...needsToken('user:10') },
  { what: 'no right to subscribe', channel: 'cheese', ...needsToken('cheese') },
  { what: 'no right to an event stream', channel: 'cheese', transport: 'stream', ...needsToken('cheese') },
  { what: 'no right to publish', channel: 'cheese', transport: 'publish', ...needsToken('cheese') },
  { what: 'the token\'s user counts', token: token({ sub: 'anna' }), channel: 'user:10', ...rejectsChannel('user:10') },
]);
const fromAnna = asIf([
  { what: 'the user is unchanged', channel: 'user@dairy:anna', ...kGood },
  { what: 'no other user', channel: 'user@dairy:10', ...rejectsChannel('user@dairy:10') },
  { what: 'the realm is unchanged', channel: 'main.board', ...rejectsChannel('main.board') },
  { what: 'the realm of the own channel is unchanged', channel: 'user:anna', ...rejectsChannel('user:anna') },
  { what: 'no further right', channel: 'cheese', ...rejectsChannel('cheese') },
]);

const table = new AccessTable({ database, secrets: [key.secret] });
table.define(anna, [...identity, ...winsOverTokens, ...fromAnna]);
table.define(annaKeyless, keyless);
table.define(star, starUser);
table.define(invalidUser, invalidName('a user of 256 bytes'));
table.define(invalidRealm, invalidName('a realm with a control character'));
table.define(realmOnly, realmAndToken);
table.define(noUser, fromNoUser);
