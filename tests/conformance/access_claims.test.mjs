// The claims of a good token: its validity in time, its audience, issuer and realm, its user, and claims of a wrong
// type.

import {
  AccessTable, kExpired, kGood, kInvalid, kNoExpiry, kNotYet, kOtherRealm, kOtherService, rejectsChannel, seed,
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
const kSeeded = ['cheese', 'user:10', 'user:-7', 'user:9007199254740993', 'user:anna@example.org', 'main.all',
  'dairy.all'];
await seed(database, kSeeded);

const kHour = 3600;
const grants = { subscribe: ['cheese', '{realm}.all'], publish: ['orders'] };
const sign = (claims) => signToken(claims, { key });
// A good token except for `claims`; an undefined claim is missing.
const token = (claims) => sign({ sub: '10', exp: inSeconds(kHour), pgevents: grants, ...claims });
const tokenText = (claims) => sign(JSON.stringify({ exp: inSeconds(kHour), pgevents: grants }).replace('{',
  `{${claims},`));

const odd = [['a string', '1999999999'], ['null', null], ['true', true], ['a list', [1999999999]], ['an object', {}]];

const times = [
  { what: 'no exp', token: token({ exp: undefined }), ...kNoExpiry },
  { what: 'an exp in an hour', token: token({}), ...kGood },
  { what: 'an exp with a fraction', token: token({ exp: inSeconds(kHour) + 0.25 }), ...kGood },
  { what: 'an exp in thousands of years', token: token({ exp: 1e12 }), ...kGood },
  { what: 'an exp of 1e300', token: token({ exp: 1e300 }), ...kGood },
  { what: 'an exp of 1e999', token: sign('{"sub":"10","exp":1e999}'), ...kInvalid },
  { what: 'an exp a second ago', token: token({ exp: inSeconds(-1) }), ...kExpired },
  { what: 'an exp now', token: token({ exp: inSeconds(0) }), ...kExpired },
  { what: 'an exp of 0', token: token({ exp: 0 }), ...kExpired },
  { what: 'an exp before 1970', token: token({ exp: -1 }), ...kExpired },
  { what: 'an exp of 1', token: token({ exp: 1 }), ...kExpired },
  ...odd.map(([what, exp]) => ({ what: `an exp that is ${what}`, token: token({ exp }), ...kInvalid })),
  { what: 'an nbf in the past', token: token({ nbf: inSeconds(-kHour) }), ...kGood },
  { what: 'an nbf now', token: token({ nbf: inSeconds(0) }), ...kGood },
  { what: 'an nbf in an hour', token: token({ nbf: inSeconds(kHour) }), ...kNotYet },
  { what: 'an nbf of 1e300', token: token({ nbf: 1e300 }), ...kNotYet },
  ...odd.map(([what, nbf]) => ({ what: `an nbf that is ${what}`, token: token({ nbf }), ...kInvalid })),
  { what: 'an iat in the past', token: token({ iat: inSeconds(-kHour) }), ...kGood },
  { what: 'an iat in an hour', token: token({ iat: inSeconds(kHour) }), ...kNotYet },
  ...odd.map(([what, iat]) => ({ what: `an iat that is ${what}`, token: token({ iat }), ...kInvalid })),
  { what: 'the expiry is reported before an nbf in the future', token: token({ exp: 1, nbf: inSeconds(kHour) }),
    ...kExpired },
];

const leeway = [
  { what: 'an exp a minute ago, within the leeway', token: token({ exp: inSeconds(-60) }), ...kGood },
  { what: 'an exp an hour ago, beyond the leeway', token: token({ exp: inSeconds(-kHour) }), ...kExpired },
  { what: 'an nbf in a minute, within the leeway', token: token({ nbf: inSeconds(60) }), ...kGood },
  { what: 'an nbf in an hour, beyond the leeway', token: token({ nbf: inSeconds(kHour) }), ...kNotYet },
  { what: 'an iat in a minute, within the leeway', token: token({ iat: inSeconds(60) }), ...kGood },
  { what: 'an iat in an hour, beyond the leeway', token: token({ iat: inSeconds(kHour) }), ...kNotYet },
  { what: 'no exp, not required', token: token({ exp: undefined }), ...kGood },
  { what: 'an exp that is null, not required', token: token({ exp: null }), ...kInvalid },
  { what: 'an old exp, not required', token: token({ exp: inSeconds(-kHour) }), ...kExpired },
];

const ours = { aud: 'pgevents', iss: 'https://issuer.example' };
const services = [
  { what: 'our aud and iss', token: token(ours), ...kGood },
  { what: 'our aud in a list', token: token({ ...ours, aud: ['other', 'pgevents'] }), ...kGood },
  { what: 'a list of other aud', token: token({ ...ours, aud: ['other', 'pgevents2'] }), ...kOtherService },
  { what: 'an empty list of aud', token: token({ ...ours, aud: [] }), ...kOtherService },
  { what: 'another aud', token: token({ ...ours, aud: 'other' }), ...kOtherService },
  { what: 'our aud in another case', token: token({ ...ours, aud: 'PGevents' }), ...kOtherService },
  { what: 'our aud followed by another word', token: token({ ...ours, aud: 'pgevents other' }), ...kOtherService },
  { what: 'an empty aud', token: token({ ...ours, aud: '' }), ...kOtherService },
  { what: 'no aud', token: token({ ...ours, aud: undefined }), ...kOtherService },
  { what: 'an aud that is a number', token: token({ ...ours, aud: 1 }), ...kInvalid },
  { what: 'an aud that is null', token: token({ ...ours, aud: null }), ...kInvalid },
  { what: 'our aud in a list with a number', token: token({ ...ours, aud: ['pgevents', 1] }), ...kInvalid },
  { what: 'an aud that is an object', token: token({ ...ours, aud: { pgevents: true } }), ...kInvalid },
  { what: 'another iss', token: token({ ...ours, iss: 'https://issuer.example.evil' }), ...kOtherService },
  { what: 'our iss followed by a slash', token: token({ ...ours, iss: 'https://issuer.example/' }), ...kOtherService },
  { what: 'an empty iss', token: token({ ...ours, iss: '' }), ...kOtherService },
  { what: 'no iss', token: token({ ...ours, iss: undefined }), ...kOtherService },
  { what: 'an iss that is a list', token: token({ ...ours, iss: [ours.iss] }), ...kInvalid },
  { what: 'an iss that is a number', token: token({ ...ours, iss: 1 }), ...kInvalid },
  { what: 'an expired token of another service', token: token({ aud: 'other', exp: 1 }), ...kExpired },
];

// A `{realm}` in a grant shows the realm of a request.
const realms = [
  { what: 'our realm', token: token({ ...ours, realm: 'dairy' }), channel: 'dairy.all', ...kGood },
  { what: 'no realm means our realm', token: token(ours), channel: 'dairy.all', ...kGood },
  { what: 'the default realm is not ours', token: token(ours), channel: 'main.all', ...rejectsChannel('main.all') },
  { what: 'another realm', token: token({ ...ours, realm: 'bakery' }), ...kOtherRealm },
  { what: 'our realm in another case', token: token({ ...ours, realm: 'Dairy' }), ...kOtherRealm },
  { what: 'the realm main', token: token({ ...ours, realm: 'main' }), ...kOtherRealm },
];
const freeRealms = [
  { what: 'no realm means main, if every realm is accepted', token: token({}), channel: 'main.all', ...kGood },
  { what: 'another realm, if every realm is accepted', token: token({ realm: 'dairy' }), channel: 'dairy.all',
    ...kGood },
  { what: 'another realm does not include main', token: token({ realm: 'dairy' }), channel: 'main.all',
    ...rejectsChannel('main.all') },
  ...oddNames('realm'),
];

function oddNames(claim) {
  const values = [
    ['empty', ''], ['null', null], ['true', true], ['a list', ['10']], ['an object', { id: '10' }], ['a fraction',
      10.5],
    ['of 256 bytes', 'x'.repeat(256)], ['with a newline', '1\n0'], ['with a tab', '1\t0'], ['with a DEL', '10\x7f'],
  ];
  return [
    ...values.map(([what, value]) => (
      { what: `a ${claim} that is ${what}`, token: token({ [claim]: value }), ...kInvalid })),
    { what: `a ${claim} with a NUL`, token: tokenText(`"${claim}":"1\\u0000"`), ...kInvalid },
    { what: `a ${claim} with half a surrogate`, token: tokenText(`"${claim}":"\\ud800"`), ...kInvalid },
  ];
}

const own = (channel) => ({ channel, ...kGood });
const users = [
  { what: 'a sub that is a string', token: token({}), ...own('user:10') },
  { what: 'a sub that is a number', token: token({ sub: 10 }), ...own('user:10') },
  { what: 'a sub that is a negative number', token: token({ sub: -7 }), ...own('user:-7') },
  { what: 'a sub that is a number beyond a double', token: tokenText('"sub":9007199254740993'),
    ...own('user:9007199254740993') },
  { what: 'a sub that is a number beyond 64 bits', token: tokenText('"sub":92233720368547758070'), ...kInvalid },
  { what: 'a sub that is a whole number with a fraction', token: tokenText('"sub":10.0'), ...kInvalid },
  { what: 'a sub that is an address', token: token({ sub: 'anna@example.org' }), ...own('user:anna@example.org') },
  { what: 'a sub of 255 bytes', token: token({ sub: 'x'.repeat(255) }), ...kGood },
  { what: 'a sub with letters outside ASCII', token: token({ sub: 'Ærø ✓' }), ...kGood },
  { what: 'no sub', token: token({ sub: undefined }), ...kGood },
  { what: 'no sub, no own channel', token: token({ sub: undefined }), channel: 'user:10',
    ...rejectsChannel('user:10') },
  { what: 'other claims do not replace sub', token: token({ sub: undefined, user: '10', user_id: 10 }), channel: 'user:10',
    ...rejectsChannel('user:10') },
  ...oddNames('sub'),
];

const noGrant = rejectsChannel('cheese');
const claimed = [
  { what: 'no pgevents', token: token({ pgevents: undefined }), ...noGrant },
  { what: 'no pgevents, but the own channel', token: token({ pgevents: undefined }), ...own('user:10') },
  { what: 'an empty pgevents', token: token({ pgevents: {} }), ...noGrant },
  { what: 'an empty list to subscribe to', token: token({ pgevents: { subscribe: [] } }), ...noGrant },
  { what: 'an empty name to subscribe to', token: token({ pgevents: { subscribe: [''] } }), ...noGrant },
  { what: 'only a list to publish to', token: token({ pgevents: { publish: ['cheese'] } }), ...noGrant },
  { what: 'subscribe in another case', token: token({ pgevents: { Subscribe: ['cheese'] } }), ...noGrant },
  { what: 'a pattern with spaces is one pattern', token: token({ pgevents: { subscribe: ['wine cheese'] } }),
    ...noGrant },
  { what: 'an unknown member', token: token({ pgevents: { ...grants, presence: { x: 1 } } }), ...kGood },
  { what: 'the grants beside pgevents', token: token({ pgevents: undefined, subscribe: ['cheese'] }), ...noGrant },
  ...[['a list', ['cheese']], ['a string', 'cheese'], ['a number', 1], ['null', null], ['true', true]].map(([what, value]) => (
    { what: `a pgevents that is ${what}`, token: token({ pgevents: value }), ...kInvalid })),
  ...[['a string', 'cheese'], ['an object', { cheese: true }], ['null', null], ['a number', 1],
    ['a list with a number', ['cheese', 1]],
    ['a list with null', ['cheese', null]], ['a list of lists', [['cheese']]]].flatMap(([what, value]) => [
    { what: `a subscribe that is ${what}`, token: token({ pgevents: { subscribe: value } }), ...kInvalid },
    { what: `a publish that is ${what}`, token: token({ pgevents: { ...grants, publish: value } }), ...kInvalid },
  ]),
];

// Claims for which no directive asks are not compared.
const unasked = [
  { what: 'an aud without an expected one', token: token({ aud: 'other' }), ...kGood },
  { what: 'an iss without an expected one', token: token({ iss: 'https://other.example' }), ...kGood },
  { what: 'an aud of a wrong type without an expected one', token: token({ aud: 1 }), ...kInvalid },
];

const table = new AccessTable({ database, secrets: [key.secret] });
table.define(plain, [...times, ...freeRealms, ...users, ...claimed, ...unasked]);
table.define(lenient, leeway);
table.define(strict, [...services, ...realms]);
