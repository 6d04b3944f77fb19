// Headers for pages of other origins are in every answer, including errors; never * together with credentials.
import { test } from 'node:test';

import {
  AccessTable, bad, kCookie, kExpired, kForeignOrigin, kGood, kInvalid, kNotAllowed, kNotFound, kReadableByAll, kVary,
  needsToken, readableBy, rejectsChannel, seed,
} from '../lib/access_table.mjs';
import { forEach, startBackends } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { inSeconds, secretKey, signToken } from '../lib/tokens.mjs';

const database = await (await sharedCluster()).createDatabase();
const key = secretKey();
const access = { keys: [{ text: key.text }], cookie: kCookie };
const limits = { maxEventSize: '1k' };
const start = (origins) =>
  startBackends({ database, subscribe: 'cheese', publish: '', limits, access: { ...access, origins } });

const kApp = 'https://app.example';
const kPreview = 'https://feature.preview.example';
const kOther = 'https://other.example';
const listed = await start([kApp, '~https://[a-z]+\\.preview\\.example']);
const any = await start(['*']);
const mixed = await start(['*', kApp]);
const none = await start([]);
await seed(database, ['cheese']);

const token = (claims = {}) =>
  signToken({ sub: '10', exp: inSeconds(3600), pgevents: { publish: ['orders'] }, ...claims }, { key });
const good = token();

// --- every kind of answer ---

const publish = { token: good, transport: 'publish', channel: 'orders' };
const answers = [
  { what: 'a poll', ...kGood },
  { what: 'a long poll', transport: 'long-poll', ...kGood },
  { what: 'an event stream', transport: 'stream', ...kGood },
  { what: 'HEAD', method: 'HEAD', ...kGood },
  { what: 'a publication', ...publish, status: 201 },
  { what: 'OPTIONS', method: 'OPTIONS', status: 204 },
  { what: 'an invalid name', channel: 'a%20b', ...bad("Invalid channel name 'a b'") },
  { what: 'an invalid cursor', query: { last_event_id: 'x' }, ...bad('Invalid Last-Event-ID') },
  { what: 'an invalid body', ...publish, body: '{', ...bad('The body is not valid JSON') },
  { what: 'a type that only the database rejects', ...publish, body: '{"type":"pgevents.reset"}',
    ...bad("Event types that start with 'pgevents.' are reserved") },
  { what: 'a forged token', token: `${good}x`, ...kInvalid },
  { what: 'an expired token', token: token({ exp: 1 }), ...kExpired },
  { what: 'an expired token for a stream', token: token({ exp: 1 }), transport: 'stream', ...kExpired },
  { what: 'no token', channel: 'wine', ...needsToken('wine') },
  { what: 'no right', token: good, channel: 'wine', ...rejectsChannel('wine') },
  { what: 'no right to a stream', token: good, channel: 'wine', transport: 'stream', ...rejectsChannel('wine') },
  { what: 'an unknown path', path: '/nothing', ...kNotFound },
  { what: 'an unknown method', method: 'DELETE', ...kNotAllowed },
  { what: 'a body that is too large', ...publish, body: `{"type":"made","data":"${'x'.repeat(1024)}"}`,
    status: 413, code: 'PAYLOAD_TOO_LARGE', msg: 'The body is larger than 1024 bytes' },
  { what: 'a body of another media type', ...publish, headers: { 'Content-Type': 'text/plain' },
    status: 415, code: 'UNSUPPORTED_MEDIA_TYPE', msg: 'Publish application/json or application/x-www-form-urlencoded' },
];

const from = (origin, answerHeaders, rows = answers) => rows.map((row) => ({
  ...row, what: `${row.what}, from ${origin ?? 'no origin'}`, answerHeaders,
  headers: { ...row.headers, ...(origin && { Origin: origin }) },
}));
const kFew = ['a poll', 'an event stream', 'an invalid name', 'a forged token', 'no right'];
const few = answers.filter(({ what }) => kFew.includes(what));

// --- preflights ---

const asks = (origin, method = 'POST', more = {}) => ({
  method: 'OPTIONS', channel: 'orders', status: 204,
  headers: { Origin: origin, 'Access-Control-Request-Method': method, ...more },
});
const kMayDo = {
  'access-control-allow-methods': 'GET, HEAD, POST',
  'access-control-allow-headers': 'Authorization, Content-Type, Flavor, Idempotency-Key, Last-Event-ID',
  'access-control-max-age': '7200',
};
const kWanted = { 'Access-Control-Request-Headers': 'authorization,x-other' };
const preflights = [
  { what: 'a preflight', ...asks(kApp), answerHeaders: { ...readableBy(kApp), ...kMayDo } },
  { what: 'a preflight of an origin that the expression matches', ...asks(kPreview),
    answerHeaders: { ...readableBy(kPreview), ...kMayDo } },
  { what: 'a preflight with headers', ...asks(kApp, 'GET', kWanted),
    answerHeaders: { ...readableBy(kApp), ...kMayDo } },
  { what: 'a preflight for a method that is not allowed', ...asks(kApp, 'DELETE'),
    answerHeaders: { ...readableBy(kApp), ...kMayDo } },
  { what: 'a preflight of another origin', ...asks(kOther), answerHeaders: kVary },
  { what: 'a preflight of null', ...asks('null'), answerHeaders: kVary },
  { what: 'a preflight with a bad token', ...asks(kApp, 'POST', { Authorization: 'Bearer x' }),
    answerHeaders: { ...readableBy(kApp), ...kMayDo } },
  { what: 'a preflight for a channel that is not granted', ...asks(kApp), channel: 'wine',
    answerHeaders: { ...readableBy(kApp), ...kMayDo } },
  { what: 'a preflight for an unknown path', ...asks(kApp), path: '/nothing', ...kNotFound,
    answerHeaders: readableBy(kApp) },
  { what: 'OPTIONS of an allowed origin that is not a preflight', method: 'OPTIONS',
    headers: { Origin: kApp }, status: 204, answerHeaders: readableBy(kApp) },
  { what: 'OPTIONS without Origin that asks for a method', method: 'OPTIONS',
    headers: { 'Access-Control-Request-Method': 'POST' },
    status: 204, answerHeaders: kVary },
];
const preflightsForAll = [
  { what: 'a preflight of any origin', ...asks(kOther), answerHeaders: { ...kReadableByAll, ...kMayDo } },
  { what: 'a preflight of null, where * is allowed', ...asks('null'), answerHeaders: { ...kReadableByAll, ...kMayDo } },
];
const preflightsForBoth = [
  { what: 'a preflight of the listed origin beside *', ...asks(kApp),
    answerHeaders: { ...readableBy(kApp), ...kMayDo } },
  { what: 'a preflight of another origin beside *', ...asks(kOther),
    answerHeaders: { ...kReadableByAll, ...kVary, ...kMayDo } },
];
const preflightsForNone = [
  { what: 'a preflight where no origin is allowed', ...asks(kApp) },
];

// A page that is rejected for its origin may read the reason, if it may read at all.
const rejectedPages = [
  { what: 'a publication by cookie from another origin', ...publish, where: 'cookie', headers: { Origin: kOther },
    ...kForeignOrigin, answerHeaders: kVary },
];

const table = new AccessTable({ database, secrets: [key.secret] });
table.define(listed, [
  ...from(kApp, readableBy(kApp)), ...from(kPreview, readableBy(kPreview), few), ...from(kOther, kVary),
  ...from(undefined, kVary, few), ...from('null', kVary, few), ...from('https://app.example.evil', kVary, few),
  ...preflights, ...rejectedPages,
]);
table.define(any, [...from(kOther, kReadableByAll), ...from(undefined, kReadableByAll, few), ...preflightsForAll]);
table.define(mixed, [
  ...from(kApp, readableBy(kApp), few), ...from(kOther, { ...kReadableByAll, ...kVary }, few), ...preflightsForBoth,
]);
table.define(none, [...from(kApp, {}), ...preflightsForNone]);

forEach(listed, (backend) => {
  for (const name of ['Access-Control-Allow-Origin', 'Access-Control-Allow-Credentials', 'Vary']) {
    test(`an answer has ${name} once`, async () => {
      for (const row of [answers[0], answers.at(-1), preflights[0]]) {
        await table.assertOnce(backend, { ...row, headers: { Origin: kApp, ...row.headers } }, name);
      }
    });
  }
});
