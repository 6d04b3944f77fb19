// Grants: patterns with {user} and {realm}, users' own channels, reserved channels, lists, and whether an error is 401
// or 403.
import { AccessTable, kGood, needsToken, rejectsChannel, seed } from '../lib/access_table.mjs';
import { startBackends } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { inSeconds, secretKey, signToken } from '../lib/tokens.mjs';

const database = await (await sharedCluster()).createDatabase();
const key = secretKey();
const access = { keys: [{ text: key.text }], anonymous: 'public news.*' };
// Names that look like patterns are allowed, to show that they are ordinary names.
const limits = { channelPattern: '[-A-Za-z0-9_.:@=+*{}]+' };

// The web server grants some channels to every request.
const backends = await startBackends({
  database, limits, subscribe: 'wine room.{user} {realm}.board', publish: 'tips desk.{user}', access,
});
const closed = await startBackends({ database, limits, subscribe: '', publish: '', access: { keys: access.keys } });
const keyless = await startBackends({ database, subscribe: 'wine', publish: 'tips', access: { anonymous: '*' } });
const kSeeded = [
  'cheese', 'cheese.gouda', 'public', 'news.today', 'wine', 'room.10', 'main.board', 'user:10', 'user@dairy:10',
];
await seed(database, kSeeded);

const token = (claims = {}) => signToken({ sub: '10', exp: inSeconds(3600), ...claims }, { key });

// A pattern, the claims of the caller, a channel, and whether the pattern grants it.
const patterns = [
  ['cheese', {}, 'cheese', true],
  ['cheese', {}, 'cheeses', false],
  ['cheese', {}, 'chees', false],
  ['cheese', {}, 'Cheese', false],
  ['cheese', {}, 'cheese.gouda', false],
  ['cheese.*', {}, 'cheese.gouda', true],
  ['cheese.*', {}, 'cheese.', true],
  ['cheese.*', {}, 'cheese.*', true],
  ['cheese.*', {}, 'cheese', false],
  ['cheese.*', {}, 'acheese.x', false],
  ['cheese*', {}, 'cheese', true],
  ['*', {}, 'anything', true],
  ['*', {}, 'user:11', true],
  ['**', {}, 'anything', false],
  ['**', {}, '*thing', true],
  ['a*b', {}, 'axb', false],
  ['a*b', {}, 'a*b', true],
  ['a*b', {}, 'a*c', false],
  ['a*b', {}, 'a*bc', false],
  ['*.gouda', {}, 'cheese.gouda', false],
  ['c.{user}', {}, 'c.10', true],
  ['c.{user}', {}, 'c.11', false],
  ['c.{user}', {}, 'c.1', false],
  ['c.{user}', {}, 'c.100', false],
  ['c.{user}', {}, 'c.{user}', false],
  ['{user}', {}, '10', true],
  ['{user}.{user}', {}, '10.10', true],
  ['c.{user}.*', {}, 'c.10.x', true],
  ['c.{user}.*', {}, 'c.11.x', false],
  ['c.{user}', { sub: '*' }, 'c.x', false],
  ['c.{user}', { sub: '*' }, 'c.*', true],
  ['c.{user}', { sub: 'a*' }, 'c.ab', false],
  ['c.{user}', { sub: 'a*' }, 'c.a*', true],
  ['{user}', { sub: '*' }, 'cheese', false],
  ['c.{user}', { sub: '{realm}', realm: 'dairy' }, 'c.dairy', false],
  ['c.{user}', { sub: '{realm}', realm: 'dairy' }, 'c.{realm}', true],
  ['c.{user}', { sub: '{user}' }, 'c.{user}', true],
  ['c.{realm}', { realm: '{user}' }, 'c.10', false],
  ['c.{realm}', { realm: '*' }, 'c.x', false],
  ['c.{user}', { sub: undefined }, 'c.', false],
  ['c.{user}', { sub: undefined }, 'c.{user}', false],
  ['c.{user}*', { sub: undefined }, 'c.x', false],
  ['{user}*', { sub: undefined }, 'cheese', false],
  ['{realm}.all', {}, 'main.all', true],
  ['{realm}.all', { realm: 'dairy' }, 'dairy.all', true],
  ['{realm}.all', { realm: 'dairy' }, 'main.all', false],
  ['{realm}.{user}', { realm: 'dairy' }, 'dairy.10', true],
  ['{realm}.{user}', { realm: 'dairy' }, '10.dairy', false],
  ['{realm}.*', { sub: undefined }, 'main.x', true],
  ['{realm}:{user}', { realm: 'a:b' }, 'a=3Ab:10', true],
  ['{realm}:{user}', { realm: 'a:b' }, 'a:b:10', false],
  ['{realm}:{user}', { realm: 'a', sub: 'b:10' }, 'a:b:10', true],
  ['c.{group}', {}, 'c.{group}', true],
  ['c.{group}', {}, 'c.x', false],
  ['c.{User}', {}, 'c.10', false],
  ['c.{user', {}, 'c.10', false],
].map(([pattern, caller, channel, granted]) => ({
  what: `${pattern} ${granted ? 'grants' : 'does not grant'} ${channel} to ${JSON.stringify(caller)}`,
  token: token({ ...caller, pgevents: { subscribe: [pattern] } }), channel, ...(granted ? kGood : rejectsChannel(channel)),
}));

const ownChannels = [
  ['10', 'user:10', true], ['10', 'user:11', false], ['10', 'user:1', false], ['10', 'user:100', false], ['10', 'user:',
    false],
  ['10', 'user:*', false], ['10', 'user:{user}', false], ['10', 'User:10', false], ['*', 'user:10', false], ['*',
    'user:*', true],
  ['1*', 'user:10', false], ['user:10', 'user:10', false], ['{realm}', 'user:main', false], ['', 'user:', false],
  ['10', 'user@main:10', false, 'main'], ['10', 'user@dairy:10', false, 'main'], ['10', 'user:10', false, 'dairy'],
  ['10', 'user@dairy:10', true, 'dairy'], ['10', 'user@dairy:11', false, 'dairy'], ['10', 'user@dairy:', false,
    'dairy'],
  ['10', 'user@bakery:10', false, 'dairy'], ['10', 'user@a=3Ab:10', true, 'a:b'], ['10', 'user@a:b:10', false, 'a:b'],
  ['b:10', 'user@a:b:10', true, 'a'], ['10', 'user@a=3D3Ab:10', true, 'a=3Ab'], ['10', 'user@a=3Ab:10', false, 'a=3Ab'],
].map(([sub, channel, granted, realm]) => ({
  what: `user ${sub || '(none)'}${realm ? ` of ${realm}` : ''} ${granted ? 'owns' : 'does not own'} ${channel}`,
  token: token({ sub: sub || undefined, realm }), channel, ...(granted ? kGood : rejectsChannel(channel)),
}));

const control = 'pgevents.control';
const all = ['*', 'pgevents.*', control];
const everything = token({ pgevents: { subscribe: all, publish: all } });
const reserved = [
  ...['poll', 'long-poll', 'stream', 'publish'].map((transport) => (
    { what: `${control} is reserved: ${transport}`, token: everything, channel: control, transport, ...rejectsChannel(control) })),
  { what: 'other names with its prefix are reserved', token: everything, channel: 'pgevents.x',
    ...rejectsChannel('pgevents.x') },
  { what: 'the bare prefix is reserved', token: everything, channel: 'pgevents.', ...rejectsChannel('pgevents.') },
  { what: 'a reserved name in a list', token: everything, channel: `cheese,${control},wine`,
    ...rejectsChannel(control) },
  { what: 'a reserved name that equals the user', channel: control, ...rejectsChannel(control),
    token: token({ sub: control, pgevents: { subscribe: ['{user}'] } }) },
  { what: 'pgevents without the stop is an ordinary name', token: everything, channel: 'pgevents', ...kGood },
  { what: 'pgevents: is an ordinary prefix', token: everything, channel: 'pgevents:control', ...kGood },
  { what: 'names are case-sensitive', token: everything, channel: 'Pgevents.control', ...kGood },
  { what: `${control} without a token: no token would be accepted`, channel: control, ...rejectsChannel(control) },
];

const some = token({ pgevents: { subscribe: ['cheese.*', 'beer'], publish: ['orders.*'] } });
const lists = [
  { what: 'a list of granted channels', token: some, channel: 'cheese.gouda,user:10,wine,public', ...kGood },
  { what: 'a list with a channel that is not granted', token: some, channel: 'cheese.gouda,ale,user:10',
    ...rejectsChannel('ale') },
  { what: 'the error names the first one', token: some, channel: 'beer,zebra,ale', ...rejectsChannel('zebra') },
  { what: 'the error names the first of several equal ones', token: some, channel: 'beer,ale,beer,ale',
    ...rejectsChannel('ale') },
  { what: 'another user\'s channel in a list', token: some, channel: 'user:10,user:11', ...rejectsChannel('user:11') },
  { what: 'a list without a token', channel: 'public,wine,news.today', ...kGood },
  { what: 'a list that needs a token', channel: 'public,cheese,beer', ...needsToken('cheese') },
];

const unions = [
  { what: 'a grant in the claim', token: some, channel: 'cheese.gouda', ...kGood },
  { what: 'the web server\'s name', token: some, channel: 'wine', ...kGood },
  { what: 'the web server\'s {user}', token: some, channel: 'room.10', ...kGood },
  { what: 'the web server\'s {realm}', token: some, channel: 'main.board', ...kGood },
  { what: 'an anonymous channel', token: some, channel: 'news.today', ...kGood },
  { what: 'another user\'s room', token: some, channel: 'room.11', ...rejectsChannel('room.11') },
  { what: 'a room without a user', token: token({ sub: undefined }), channel: 'room.', ...rejectsChannel('room.') },
  { what: 'a channel that is not granted', token: some, channel: 'ale', ...rejectsChannel('ale') },
  { what: 'publishing by the claim', token: some, channel: 'orders.1', transport: 'publish', status: 201 },
  { what: 'publishing by the web server\'s name', token: some, channel: 'tips', transport: 'publish', status: 201 },
  { what: 'publishing by the web server\'s {user}', token: some, channel: 'desk.10', transport: 'publish',
    status: 201 },
  { what: 'publishing at another user\'s desk', token: some, channel: 'desk.1', transport: 'publish',
    ...rejectsChannel('desk.1') },
  { what: 'publishing with a right to subscribe', token: some, channel: 'beer', transport: 'publish',
    ...rejectsChannel('beer') },
  { what: 'publishing to one\'s own channel', token: some, channel: 'user:10', transport: 'publish',
    ...rejectsChannel('user:10') },
  { what: 'publishing to an anonymous channel', token: some, channel: 'public', transport: 'publish',
    ...rejectsChannel('public') },
  { what: 'subscribing with a right to publish', token: some, channel: 'orders.1', ...rejectsChannel('orders.1') },
];

const withoutToken = [
  { what: 'the anonymous channel', channel: 'public', ...kGood },
  { what: 'an anonymous beginning', channel: 'news.today', ...kGood },
  { what: 'the web server\'s grant', channel: 'wine', ...kGood },
  { what: 'the web server\'s {realm}', channel: 'main.board', ...kGood },
  { what: 'the web server\'s {user}', channel: 'room.10', ...needsToken('room.10') },
  { what: 'the web server\'s {user} to the letter', channel: 'room.{user}', ...needsToken('room.{user}') },
  { what: 'the web server\'s {user} without one', channel: 'room.', ...needsToken('room.') },
  { what: 'a user\'s own channel', channel: 'user:10', ...needsToken('user:10') },
  { what: 'the own channel of an empty name', channel: 'user:', ...needsToken('user:') },
  { what: 'a channel that is not granted', channel: 'cheese', ...needsToken('cheese') },
  { what: 'an anonymous name with more letters', channel: 'publicity', ...needsToken('publicity') },
  { what: 'publishing by the web server\'s grant', channel: 'tips', transport: 'publish', status: 201 },
  { what: 'publishing to an anonymous channel', channel: 'public', transport: 'publish', ...needsToken('public') },
  { what: 'publishing to a channel that is granted for subscribing', channel: 'wine', transport: 'publish',
    ...needsToken('wine') },
].map((row) => ({ ...row, what: `without a token: ${row.what}` }));

const nothingGranted = ['poll', 'long-poll', 'stream', 'publish'].flatMap((transport) => [
  { what: `no rule, no token: ${transport}`, transport, ...needsToken('cheese') },
  { what: `no rule, a token without grants: ${transport}`, token: token(), transport, ...rejectsChannel('cheese') },
]);

// Without keys a token has no effect, good or bad, and no token would be accepted.
const withoutKeys = [
  { what: 'without keys, an anonymous channel', channel: 'cheese', ...kGood },
  { what: 'without keys, a token is ignored', token: 'x.y.z', channel: 'cheese', ...kGood },
  { what: 'without keys, publishing as granted', channel: 'tips', transport: 'publish', status: 201 },
  { what: 'without keys, publishing what is not granted', channel: 'cheese', transport: 'publish',
    ...rejectsChannel('cheese') },
  { what: 'without keys, a token that grants it', token: everything, channel: 'cheese', transport: 'publish',
    ...rejectsChannel('cheese') },
  { what: 'without keys, * does not include reserved channels', channel: control, ...rejectsChannel(control) },
];

const table = new AccessTable({ database, secrets: [key.secret] });
table.define(backends, [...patterns, ...ownChannels, ...reserved, ...lists, ...unions, ...withoutToken]);
table.define(closed, nothingGranted);
table.define(keyless, withoutKeys);
