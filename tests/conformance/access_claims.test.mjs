// What a good token says: when it holds, whom and what it is for, who its bearer is, and claims that are not what they must be.

import {
  AccessTable, kExpired, kGood, kInvalid, kNoExpiry, kNotYet, kOtherRealm, kOtherService, refusesChannel, seed,
} from '../lib/access_table.mjs';
import { startBackends } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { inSeconds, secretKey, signToken } from '../lib/tokens.mjs';

const database = await (await sharedCluster()).createDatabase();
const key = secretKey();
const keys = [{ text: key.text }];
const start = (access) => startBackends({ database, subscribe: '', publish: '', access: { keys, ...access } });

const plain = await start({});
const lenient = await start({ leeway: 600, requireExp: false });
const strict = await start({ audience: 'pgevents', issuer: 'https://issuer.example', realm: 'dairy' });
await seed(database, ['cheese', 'user:10', 'user:-7', 'user:9007199254740993', 'user:anna@example.org', 'main.all', 'dairy.all']);

const kHour = 3600;
const grants = { subscribe: ['cheese', '{realm}.all'], publish: ['orders'] };
const sign = (claims) => signToken(claims, { key });
// A good token but for `claims`; a claim that is undefined is missing.
const token = (claims) => sign({ sub: '10', exp: inSeconds(kHour), pgevents: grants, ...claims });
const tokenText = (claims) => sign(JSON.stringify({ exp: inSeconds(kHour), pgevents: grants }).replace('{', `{${claims},`));

const odd = [['a string', '1999999999'], ['null', null], ['true', true], ['a list', [1999999999]], ['an object', {}]];

const times = [
  { what: 'no exp', token: token({ exp: undefined }), ...kNoExpiry },
  { what: 'an exp in an hour', token: token({}), ...kGood },
  { what: 'an exp with a fraction', token: token({ exp: inSeconds(kHour) + 0.25 }), ...kGood },
  { what: 'an exp in some thousand years', token: token({ exp: 1e12 }), ...kGood },
  { what: 'an exp beyond all time', token: token({ exp: 1e300 }), ...kGood },
  { what: 'an exp that is no number of this world', token: sign('{"sub":"10","exp":1e999}'), ...kInvalid },
  { what: 'an exp a second ago', token: token({ exp: inSeconds(-1) }), ...kExpired },
  { what: 'an exp now', token: token({ exp: inSeconds(0) }), ...kExpired },
  { what: 'an exp of 0', token: token({ exp: 0 }), ...kExpired },
  { what: 'an exp before 1970', token: token({ exp: -1 }), ...kExpired },
  { what: 'an exp in an hour, in milliseconds of the past', token: token({ exp: 1 }), ...kExpired },
  ...odd.map(([what, exp]) => ({ what: `an exp that is ${what}`, token: token({ exp }), ...kInvalid })),
  { what: 'an nbf in the past', token: token({ nbf: inSeconds(-kHour) }), ...kGood },
  { what: 'an nbf now', token: token({ nbf: inSeconds(0) }), ...kGood },
  { what: 'an nbf in an hour', token: token({ nbf: inSeconds(kHour) }), ...kNotYet },
  { what: 'an nbf beyond all time', token: token({ nbf: 1e300 }), ...kNotYet },
  ...odd.map(([what, nbf]) => ({ what: `an nbf that is ${what}`, token: token({ nbf }), ...kInvalid })),
  { what: 'an iat in the past', token: token({ iat: inSeconds(-kHour) }), ...kGood },
  { what: 'an iat in an hour', token: token({ iat: inSeconds(kHour) }), ...kNotYet },
  ...odd.map(([what, iat]) => ({ what: `an iat that is ${what}`, token: token({ iat }), ...kInvalid })),
  { what: 'expired is said before what is not yet valid', token: token({ exp: 1, nbf: inSeconds(kHour) }), ...kExpired },
];

const leeway = [
  { what: 'an exp a minute ago, within the leeway', token: token({ exp: inSeconds(-60) }), ...kGood },
  { what: 'an exp an hour ago, beyond the leeway', token: token({ exp: inSeconds(-kHour) }), ...kExpired },
  { what: 'an nbf in a minute, within the leeway', token: token({ nbf: inSeconds(60) }), ...kGood },
  { what: 'an nbf in an hour, beyond the leeway', token: token({ nbf: inSeconds(kHour) }), ...kNotYet },
  { what: 'an iat in a minute, within the leeway', token: token({ iat: inSeconds(60) }), ...kGood },
  { what: 'an iat in an hour, beyond the leeway', token: token({ iat: inSeconds(kHour) }), ...kNotYet },
  { what: 'no exp where none is required', token: token({ exp: undefined }), ...kGood },
  { what: 'an exp that is null where none is required', token: token({ exp: null }), ...kInvalid },
  { what: 'an old exp where none is required', token: token({ exp: inSeconds(-kHour) }), ...kExpired },
];

const ours = { aud: 'pgevents', iss: 'https://issuer.example' };
const services = [
  { what: 'our aud and iss', token: token(ours), ...kGood },
  { what: 'our aud in a list', token: token({ ...ours, aud: ['other', 'pgevents'] }), ...kGood },
  { what: 'a list of other aud', token: token({ ...ours, aud: ['other', 'pgevents2'] }), ...kOtherService },
  { what: 'an empty list of aud', token: token({ ...ours, aud: [] }), ...kOtherService },
  { what: 'another aud', token: token({ ...ours, aud: 'other' }), ...kOtherService },
  { what: 'our aud in other letters', token: token({ ...ours, aud: 'PGevents' }), ...kOtherService },
  { what: 'our aud with something behind', token: token({ ...ours, aud: 'pgevents other' }), ...kOtherService },
  { what: 'an empty aud', token: token({ ...ours, aud: '' }), ...kOtherService },
  { what: 'no aud', token: token({ ...ours, aud: undefined }), ...kOtherService },
  { what: 'an aud that is a number', token: token({ ...ours, aud: 1 }), ...kInvalid },
  { what: 'an aud that is null', token: token({ ...ours, aud: null }), ...kInvalid },
  { what: 'our aud in a list with a number', token: token({ ...ours, aud: ['pgevents', 1] }), ...kInvalid },
  { what: 'an aud that is an object', token: token({ ...ours, aud: { pgevents: true } }), ...kInvalid },
  { what: 'another iss', token: token({ ...ours, iss: 'https://issuer.example.evil' }), ...kOtherService },
  { what: 'our iss with a slash behind', token: token({ ...ours, iss: 'https://issuer.example/' }), ...kOtherService },
  { what: 'an empty iss', token: token({ ...ours, iss: '' }), ...kOtherService },
  { what: 'no iss', token: token({ ...ours, iss: undefined }), ...kOtherService },
  { what: 'an iss that is a list', token: token({ ...ours, iss: [ours.iss] }), ...kInvalid },
  { what: 'an iss that is a number', token: token({ ...ours, iss: 1 }), ...kInvalid },
  { what: 'an expired token of another service', token: token({ aud: 'other', exp: 1 }), ...kExpired },
];

// A `{realm}` in a grant shows which one it is.
const realms = [
  { what: 'our realm', token: token({ ...ours, realm: 'dairy' }), channel: 'dairy.all', ...kGood },
  { what: 'no realm is our realm', token: token(ours), channel: 'dairy.all', ...kGood },
  { what: 'our realm is not the usual one', token: token(ours), channel: 'main.all', ...refusesChannel('main.all') },
  { what: 'another realm', token: token({ ...ours, realm: 'bakery' }), ...kOtherRealm },
  { what: 'our realm in other letters', token: token({ ...ours, realm: 'Dairy' }), ...kOtherRealm },
  { what: 'the realm that there is without one', token: token({ ...ours, realm: 'main' }), ...kOtherRealm },
];
const freeRealms = [
  { what: 'no realm, where any will do, is main', token: token({}), channel: 'main.all', ...kGood },
  { what: 'any realm, where any will do', token: token({ realm: 'dairy' }), channel: 'dairy.all', ...kGood },
  { what: 'any realm is no other', token: token({ realm: 'dairy' }), channel: 'main.all', ...refusesChannel('main.all') },
  ...oddNames('realm'),
];

function oddNames(claim) {
  const values = [
    ['empty', ''], ['null', null], ['true', true], ['a list', ['10']], ['an object', { id: '10' }], ['a fraction', 10.5],
    ['of 256 bytes', 'x'.repeat(256)], ['with a newline', '1\n0'], ['with a tab', '1\t0'], ['with a DEL', '10\x7f'],
  ];
  return [
    ...values.map(([what, value]) => ({ what: `a ${claim} that is ${what}`, token: token({ [claim]: value }), ...kInvalid })),
    { what: `a ${claim} with a NUL`, token: tokenText(`"${claim}":"1\\u0000"`), ...kInvalid },
    { what: `a ${claim} with half a surrogate`, token: tokenText(`"${claim}":"\\ud800"`), ...kInvalid },
  ];
}

const own = (channel) => ({ channel, ...kGood });
const users = [
  { what: 'a sub that is a string', token: token({}), ...own('user:10') },
  { what: 'a sub that is a number', token: token({ sub: 10 }), ...own('user:10') },
  { what: 'a sub that is a negative number', token: token({ sub: -7 }), ...own('user:-7') },
  { what: 'a sub that is a number beyond a double', token: tokenText('"sub":9007199254740993'), ...own('user:9007199254740993') },
  { what: 'a sub that is a number beyond 64 bits', token: tokenText('"sub":92233720368547758070'), ...kInvalid },
  { what: 'a sub that is a whole number with a fraction', token: tokenText('"sub":10.0'), ...kInvalid },
  { what: 'a sub that is an address', token: token({ sub: 'anna@example.org' }), ...own('user:anna@example.org') },
  { what: 'a sub of 255 bytes', token: token({ sub: 'x'.repeat(255) }), ...kGood },
  { what: 'a sub with letters that are no ASCII', token: token({ sub: 'Ærø ✓' }), ...kGood },
  { what: 'no sub', token: token({ sub: undefined }), ...kGood },
  { what: 'no sub, no channel of one\'s own', token: token({ sub: undefined }), channel: 'user:10', ...refusesChannel('user:10') },
  { what: 'the name of another claim is no sub', token: token({ sub: undefined, user: '10', user_id: 10 }), channel: 'user:10',
    ...refusesChannel('user:10') },
  ...oddNames('sub'),
];

const noGrant = refusesChannel('cheese');
const claimed = [
  { what: 'no pgevents', token: token({ pgevents: undefined }), ...noGrant },
  { what: 'no pgevents, but the own channel', token: token({ pgevents: undefined }), ...own('user:10') },
  { what: 'an empty pgevents', token: token({ pgevents: {} }), ...noGrant },
  { what: 'an empty list to subscribe to', token: token({ pgevents: { subscribe: [] } }), ...noGrant },
  { what: 'an empty name to subscribe to', token: token({ pgevents: { subscribe: [''] } }), ...noGrant },
  { what: 'only a list to publish to', token: token({ pgevents: { publish: ['cheese'] } }), ...noGrant },
  { what: 'other letters', token: token({ pgevents: { Subscribe: ['cheese'] } }), ...noGrant },
  { what: 'a pattern with spaces is one pattern', token: token({ pgevents: { subscribe: ['wine cheese'] } }), ...noGrant },
  { what: 'a member that means nothing', token: token({ pgevents: { ...grants, presence: { x: 1 } } }), ...kGood },
  { what: 'the grants beside pgevents', token: token({ pgevents: undefined, subscribe: ['cheese'] }), ...noGrant },
  ...[['a list', ['cheese']], ['a string', 'cheese'], ['a number', 1], ['null', null], ['true', true]].map(([what, value]) => (
    { what: `a pgevents that is ${what}`, token: token({ pgevents: value }), ...kInvalid })),
  ...[['a string', 'cheese'], ['an object', { cheese: true }], ['null', null], ['a number', 1], ['a list with a number', ['cheese', 1]],
    ['a list with null', ['cheese', null]], ['a list of lists', [['cheese']]]].flatMap(([what, value]) => [
    { what: `a subscribe that is ${what}`, token: token({ pgevents: { subscribe: value } }), ...kInvalid },
    { what: `a publish that is ${what}`, token: token({ pgevents: { ...grants, publish: value } }), ...kInvalid },
  ]),
];

// Claims that nobody asked for are left alone.
const unasked = [
  { what: 'an aud that nobody asked for', token: token({ aud: 'other' }), ...kGood },
  { what: 'an iss that nobody asked for', token: token({ iss: 'https://other.example' }), ...kGood },
  { what: 'an aud of a wrong type that nobody asked for', token: token({ aud: 1 }), ...kInvalid },
];

const table = new AccessTable({ database, secrets: [key.secret] });
table.define(plain, [...times, ...freeRealms, ...users, ...claimed, ...unasked]);
table.define(lenient, leeway);
table.define(strict, [...services, ...realms]);
