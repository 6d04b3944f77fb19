// Publishing by what a browser sends of its own accord (a cookie, or what the web server lets anybody) only from pages of
// this site and of allowed origins. A token that a page must attach itself needs none of this.
import {
  AccessTable, bad, kCookie, kExpired, kForeign, kGood, kInvalid, kReadableByAll, kVary, readableBy, refusesChannel, seed,
} from '../lib/access_table.mjs';
import { startBackends } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { selfSignedCertificate } from '../lib/tls.mjs';
import { inSeconds, secretKey, signToken } from '../lib/tokens.mjs';

const database = await (await sharedCluster()).createDatabase();
const key = secretKey();
const access = { keys: [{ text: key.text }], cookie: kCookie, query: true };
const start = (origins) => startBackends({ database, subscribe: '', publish: 'tips', access: { ...access, origins } });

const listed = await start(['https://app.example', '~https://[a-z]+\\.preview\\.example']);
const anyOrigin = await start(['*']);
const none = await start([]);
const nullOrigin = await start(['null']);
// The CGI program is told of TLS by its web server, which has none here.
const certificate = await selfSignedCertificate();
const secure = await startBackends({
  database, subscribe: '', publish: 'tips', access, env: { HTTPS: 'on' },
  server: (nginx) => `listen ${nginx.listen(1)} ssl; ssl_certificate ${certificate.cert}; ssl_certificate_key ${certificate.key};`,
});
const overTls = ({ server }) => (server.ports ? { port: server.ports[1], tls: true } : {});
await seed(database, ['cheese']);

const token = (claims = {}) =>
  signToken({ sub: '10', exp: inSeconds(3600), pgevents: { subscribe: ['cheese'], publish: ['orders'] }, ...claims }, { key });
const good = token();

const kHere = '127.0.0.1';
const row = (what, headers, outcome, more = {}) => ({ what, transport: 'publish', channel: 'orders', headers, ...outcome, ...more });
const byCookie = (what, headers, outcome, more = {}) => row(what, headers, outcome, { token: good, where: 'cookie', ...more });
const kDone = { status: 201 };
const site = (name, origin) => ({ 'Sec-Fetch-Site': name, ...(origin && { Origin: origin }) });
const origin = (text) => ({ Origin: text });

// The same whatever origins are listed.
const always = [
  byCookie('neither Origin nor Sec-Fetch-Site', {}, kForeign),
  byCookie('an Origin of this host', origin(`http://${kHere}`), kDone),
  byCookie('an Origin of this host on another port', origin(`http://${kHere}:3000`), kDone),
  byCookie('an Origin of this host over TLS that a proxy may end', origin(`https://${kHere}`), kDone),
  byCookie('an Origin of this host, in the letters of another', { Host: 'Shop.Example:8080', Origin: 'http://shop.example' }, kDone),
  byCookie('an Origin of a host below this one', { Host: 'shop.example', Origin: 'https://a.shop.example' }, kForeign),
  byCookie('an Origin that begins with this host', { Host: 'shop.example', Origin: 'https://shop.example.evil' }, kForeign),
  byCookie('an Origin that ends with this host', { Host: 'shop.example', Origin: 'https://evilshop.example' }, kForeign),
  byCookie('an Origin with this host before an @', { Host: 'shop.example', Origin: 'https://shop.example@evil.example' }, kForeign),
  byCookie('an Origin of another host', origin('https://evil.example'), kForeign),
  byCookie('an Origin that is none', origin(kHere), kForeign),
  byCookie('Sec-Fetch-Site same-origin', site('same-origin'), kDone),
  byCookie('Sec-Fetch-Site same-site', site('same-site'), kDone),
  byCookie('Sec-Fetch-Site none', site('none'), kDone),
  byCookie('Sec-Fetch-Site same-site with an Origin of another host', site('same-site', 'https://a.shop.example'), kDone),
  byCookie('Sec-Fetch-Site cross-site', site('cross-site'), kForeign),
  byCookie('Sec-Fetch-Site cross-site with an Origin of this host', site('cross-site', `http://${kHere}`), kForeign),
  byCookie('Sec-Fetch-Site cross-site with an Origin of another host', site('cross-site', 'https://evil.example'), kForeign),
  byCookie('Sec-Fetch-Site with an unknown word', site('friendly', `http://${kHere}`), kForeign),
  byCookie('Sec-Fetch-Site in other letters', site('Same-Origin', 'https://evil.example'), kForeign),
  byCookie('another page\'s address in Referer only', { Referer: `http://${kHere}/` }, kForeign),
  byCookie('a form of a page of another site', { Origin: 'https://evil.example', 'Content-Type': 'application/x-www-form-urlencoded' },
    kForeign, { body: 'type=made' }),
  byCookie('a body that a page may send without asking', { Origin: 'https://evil.example', 'Content-Type': 'text/plain' }, kForeign),
  row('no identity, no browser', {}, kDone, { channel: 'tips' }),
  row('no identity, a page of this site', origin(`http://${kHere}`), kDone, { channel: 'tips' }),
  row('no identity, a page of another site', origin('https://evil.example'), kForeign, { channel: 'tips' }),
  row('no identity, Sec-Fetch-Site cross-site', site('cross-site'), kForeign, { channel: 'tips' }),
  row('a token in the header, no browser', {}, kDone, { token: good }),
  row('a token in the header, a page of another site', site('cross-site', 'https://evil.example'), kDone, { token: good }),
  row('a token in the query, a page of another site', site('cross-site', 'https://evil.example'), kDone, { token: good, where: 'query' }),
  row('a token in the header besides the cookie, a page of another site',
    { Cookie: `${kCookie}=${good}`, Origin: 'https://evil.example' }, kDone, { token: good }),
  row('Basic besides the cookie, a page of another site',
    { Cookie: `${kCookie}=${good}`, Authorization: 'Basic YTpi', Origin: 'https://evil.example' }, kForeign),
  byCookie('a cookie lets every page subscribe that gets it sent', origin('https://evil.example'), kGood,
    { transport: 'poll', channel: 'cheese' }),
  byCookie('nor does a stream ask where from', site('cross-site', 'https://evil.example'), kGood,
    { transport: 'stream', channel: 'cheese' }),
];

const order = [
  byCookie('a forged token is said before a foreign origin', origin('https://evil.example'), kInvalid, { token: `${good}x` }),
  byCookie('an expired token is said before a foreign origin', origin('https://evil.example'), kExpired, { token: token({ exp: 1 }) }),
  byCookie('a foreign origin is said before a bad name', origin('https://evil.example'), kForeign, { channel: 'a%20b' }),
  byCookie('a foreign origin is said before a missing right', origin('https://evil.example'), kForeign, { channel: 'cheese' }),
  byCookie('a foreign origin is said before a bad body', origin('https://evil.example'), kForeign, { body: '{' }),
  byCookie('a missing right is said from a page of this site', site('same-origin'), refusesChannel('cheese'), { channel: 'cheese' }),
  byCookie('a bad body is said from a page of this site', site('same-origin'), bad('The body is not valid JSON'), { body: '{' }),
];

const fromOrigin = (answerHeaders) => (what, text, outcome, headers = {}) =>
  byCookie(what, { ...origin(text), ...headers }, outcome, { answerHeaders: answerHeaders ?? readableBy(text) });
const fromListed = fromOrigin();
const fromOther = fromOrigin(kVary);
const byList = [
  fromListed('an allowed origin', 'https://app.example', kDone),
  fromListed('an allowed origin of another site', 'https://app.example', kDone, site('cross-site')),
  fromListed('an origin that the expression matches', 'https://feature.preview.example', kDone, site('cross-site')),
  fromOther('an allowed host without TLS', 'http://app.example', kForeign),
  fromOther('an allowed host on another port', 'https://app.example:8443', kForeign),
  fromOther('an allowed origin in other letters', 'https://APP.example', kForeign),
  fromOther('an allowed origin with a slash', 'https://app.example/', kForeign),
  fromOther('an origin that begins with an allowed one', 'https://app.example.evil', kForeign),
  fromOther('an origin that the expression matches in part', 'https://a.preview.example.evil', kForeign),
  fromOther('an origin that the expression matches but for the start', 'xhttps://a.preview.example', kForeign),
  fromOther('an origin that the expression does not match', 'https://a1.preview.example', kForeign),
  fromOther('the origin null', 'null', kForeign),
  fromOther('two origins', 'https://app.example https://evil.example', kForeign),
];

const kAny = { answerHeaders: kReadableByAll };
const byStar = [
  byCookie('* is no allowed origin', origin('https://evil.example'), kForeign, kAny),
  byCookie('* does not make null one', origin('null'), kForeign, kAny),
  byCookie('* takes nothing from pages of this site', origin(`http://${kHere}`), kDone, kAny),
];
const byNull = [
  byCookie('null, where it is allowed', origin('null'), kDone, { answerHeaders: readableBy('null') }),
  byCookie('another one, where null is allowed', origin('https://evil.example'), kForeign, { answerHeaders: kVary }),
];

const tls = [
  byCookie('over TLS, an Origin of this host', origin(`https://${kHere}`), kDone),
  byCookie('over TLS, an Origin of this host on another port', origin(`https://${kHere}:8443`), kDone),
  byCookie('over TLS, an Origin of this host without TLS, where anybody may have written', origin(`http://${kHere}`), kForeign),
  byCookie('over TLS, Sec-Fetch-Site same-origin', site('same-origin', `https://${kHere}`), kDone),
  row('over TLS, no identity, an Origin of this host without TLS', origin(`http://${kHere}`), kForeign, { channel: 'tips' }),
].map((entry) => ({ ...entry, over: overTls }));

const table = new AccessTable({ database, secrets: [key.secret] });
table.define(none, [...always, ...order]);
table.define(listed, byList);
table.define(anyOrigin, byStar);
table.define(nullOrigin, byNull);
table.define(secure, tls);
