// A browser may publish by itself, with a cookie or by the web server's grants, only from pages of this site and of
// allowed origins. A token that a page must attach itself needs no such check.
import {
  AccessTable, bad, kCookie, kExpired, kForeignOrigin, kGood, kInvalid, kReadableByAll, kVary, readableBy,
  rejectsChannel, seed,
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
// With HTTPS=on a web server says to a CGI program that the request uses TLS. Here the requests to CGI are without TLS.
const certificate = await selfSignedCertificate();
const secure = await startBackends({
  database, subscribe: '', publish: 'tips', access, env: { HTTPS: 'on' },
  server: (nginx) => `
    listen ${nginx.listen(1)} ssl; ssl_certificate ${certificate.cert}; ssl_certificate_key ${certificate.key};`,
});
const overTls = ({ server }) => (server.ports ? { port: server.ports[1], tls: true } : {});
await seed(database, ['cheese']);

const token = (claims = {}) =>
  signToken({ sub: '10', exp: inSeconds(3600), pgevents: { subscribe: ['cheese'], publish: ['orders'] }, ...claims },
    { key });
const good = token();

const kHere = '127.0.0.1';
const row = (what, headers, outcome, more = {}) =>
  ({ what, transport: 'publish', channel: 'orders', headers, ...outcome, ...more });
const byCookie = (what, headers, outcome, more = {}) => row(what, headers, outcome,
  { token: good, where: 'cookie', ...more });
const kDone = { status: 201 };
const site = (name, origin) => ({ 'Sec-Fetch-Site': name, ...(origin && { Origin: origin }) });
const origin = (text) => ({ Origin: text });

// Independent of the list of origins.
const always = [
  byCookie('neither Origin nor Sec-Fetch-Site', {}, kForeignOrigin),
  byCookie('an Origin of this host', origin(`http://${kHere}`), kDone),
  byCookie('an Origin of this host on another port', origin(`http://${kHere}:3000`), kDone),
  byCookie('an Origin of this host over TLS, which a proxy may end', origin(`https://${kHere}`), kDone),
  byCookie('an Origin of this host in another case', { Host: 'Shop.Example:8080', Origin: 'http://shop.example' },
    kDone),
  byCookie('an Origin of a host below this one', { Host: 'shop.example', Origin: 'https://a.shop.example' },
    kForeignOrigin),
  byCookie('an Origin that begins with this host', { Host: 'shop.example', Origin: 'https://shop.example.evil' },
    kForeignOrigin),
  byCookie('an Origin that ends with this host', { Host: 'shop.example', Origin: 'https://evilshop.example' },
    kForeignOrigin),
  byCookie('an Origin with this host before an @', { Host: 'shop.example', Origin: 'https://shop.example@evil.example' },
    kForeignOrigin),
  byCookie('an Origin of another host', origin('https://evil.example'), kForeignOrigin),
  byCookie('an Origin that is not a URL', origin(kHere), kForeignOrigin),
  byCookie('Sec-Fetch-Site same-origin', site('same-origin'), kDone),
  byCookie('Sec-Fetch-Site same-site', site('same-site'), kDone),
  byCookie('Sec-Fetch-Site none', site('none'), kDone),
  byCookie('Sec-Fetch-Site same-site with an Origin of another host', site('same-site', 'https://a.shop.example'),
    kDone),
  byCookie('Sec-Fetch-Site cross-site', site('cross-site'), kForeignOrigin),
  byCookie('Sec-Fetch-Site cross-site with an Origin of this host', site('cross-site', `http://${kHere}`),
    kForeignOrigin),
  byCookie('Sec-Fetch-Site cross-site with an Origin of another host', site('cross-site', 'https://evil.example'),
    kForeignOrigin),
  byCookie('Sec-Fetch-Site with an unknown word', site('friendly', `http://${kHere}`), kForeignOrigin),
  byCookie('Sec-Fetch-Site in another case', site('Same-Origin', 'https://evil.example'), kForeignOrigin),
  byCookie('another page\'s address in Referer only', { Referer: `http://${kHere}/` }, kForeignOrigin),
  byCookie('a form of a page of another site',
    { Origin: 'https://evil.example', 'Content-Type': 'application/x-www-form-urlencoded' }, kForeignOrigin,
    { body: 'type=made' }),
  byCookie('a body that a page may send without a preflight request',
    { Origin: 'https://evil.example', 'Content-Type': 'text/plain' }, kForeignOrigin),
  row('no identity, no browser', {}, kDone, { channel: 'tips' }),
  row('no identity, a page of this site', origin(`http://${kHere}`), kDone, { channel: 'tips' }),
  row('no identity, a page of another site', origin('https://evil.example'), kForeignOrigin, { channel: 'tips' }),
  row('no identity, Sec-Fetch-Site cross-site', site('cross-site'), kForeignOrigin, { channel: 'tips' }),
  row('a token in the header, no browser', {}, kDone, { token: good }),
  row('a token in the header, a page of another site', site('cross-site', 'https://evil.example'), kDone,
    { token: good }),
  row('a token in the query, a page of another site', site('cross-site', 'https://evil.example'), kDone,
    { token: good, where: 'query' }),
  row('a token in the header besides the cookie, a page of another site',
    { Cookie: `${kCookie}=${good}`, Origin: 'https://evil.example' }, kDone, { token: good }),
  row('Basic besides the cookie, a page of another site',
    { Cookie: `${kCookie}=${good}`, Authorization: 'Basic YTpi', Origin: 'https://evil.example' }, kForeignOrigin),
  byCookie('a cookie, polling from a page of another site', origin('https://evil.example'), kGood,
    { transport: 'poll', channel: 'cheese' }),
  byCookie('a cookie, a stream from a page of another site', site('cross-site', 'https://evil.example'), kGood,
    { transport: 'stream', channel: 'cheese' }),
];

const order = [
  byCookie('a forged token is reported before a foreign origin', origin('https://evil.example'), kInvalid,
    { token: `${good}x` }),
  byCookie('an expired token is reported before a foreign origin', origin('https://evil.example'), kExpired,
    { token: token({ exp: 1 }) }),
  byCookie('a foreign origin is reported before an invalid name', origin('https://evil.example'), kForeignOrigin,
    { channel: 'a%20b' }),
  byCookie('a foreign origin is reported before a missing right', origin('https://evil.example'), kForeignOrigin,
    { channel: 'cheese' }),
  byCookie('a foreign origin is reported before an invalid body', origin('https://evil.example'), kForeignOrigin,
    { body: '{' }),
  byCookie('a missing right is reported to a page of this site', site('same-origin'), rejectsChannel('cheese'),
    { channel: 'cheese' }),
  byCookie('an invalid body is reported to a page of this site', site('same-origin'), bad('The body is not valid JSON'),
    { body: '{' }),
];

const fromOrigin = (answerHeaders) => (what, text, outcome, headers = {}) =>
  byCookie(what, { ...origin(text), ...headers }, outcome, { answerHeaders: answerHeaders ?? readableBy(text) });
const fromListed = fromOrigin();
const fromOther = fromOrigin(kVary);
const byList = [
  fromListed('an allowed origin', 'https://app.example', kDone),
  fromListed('an allowed origin of another site', 'https://app.example', kDone, site('cross-site')),
  fromListed('an origin that the expression matches', 'https://feature.preview.example', kDone, site('cross-site')),
  fromOther('an allowed host without TLS', 'http://app.example', kForeignOrigin),
  fromOther('an allowed host on another port', 'https://app.example:8443', kForeignOrigin),
  fromOther('an allowed origin in another case', 'https://APP.example', kForeignOrigin),
  fromOther('an allowed origin with a slash', 'https://app.example/', kForeignOrigin),
  fromOther('an origin that begins with an allowed one', 'https://app.example.evil', kForeignOrigin),
  fromOther('an origin that the expression matches in part', 'https://a.preview.example.evil', kForeignOrigin),
  fromOther('an origin that the expression matches except for the start', 'xhttps://a.preview.example', kForeignOrigin),
  fromOther('an origin that the expression does not match', 'https://a1.preview.example', kForeignOrigin),
  fromOther('the origin null', 'null', kForeignOrigin),
  fromOther('two origins', 'https://app.example https://evil.example', kForeignOrigin),
];

const kAny = { answerHeaders: kReadableByAll };
const byStar = [
  byCookie('* does not allow an origin to publish', origin('https://evil.example'), kForeignOrigin, kAny),
  byCookie('* does not allow the origin null', origin('null'), kForeignOrigin, kAny),
  byCookie('* keeps the rights of pages of this site', origin(`http://${kHere}`), kDone, kAny),
];
const byNull = [
  byCookie('the origin null, allowed', origin('null'), kDone, { answerHeaders: readableBy('null') }),
  byCookie('another origin, null allowed', origin('https://evil.example'), kForeignOrigin, { answerHeaders: kVary }),
];

const tls = [
  byCookie('over TLS, an Origin of this host', origin(`https://${kHere}`), kDone),
  byCookie('over TLS, an Origin of this host on another port', origin(`https://${kHere}:8443`), kDone),
  byCookie('over TLS, an Origin of this host without TLS, whose pages anyone may have changed', origin(`http://${kHere}`),
    kForeignOrigin),
  byCookie('over TLS, Sec-Fetch-Site same-origin', site('same-origin', `https://${kHere}`), kDone),
  row('over TLS, no identity, an Origin of this host without TLS', origin(`http://${kHere}`), kForeignOrigin,
    { channel: 'tips' }),
].map((entry) => ({ ...entry, over: overTls }));

const table = new AccessTable({ database, secrets: [key.secret] });
table.define(none, [...always, ...order]);
table.define(listed, byList);
table.define(anyOrigin, byStar);
table.define(nullOrigin, byNull);
table.define(secure, tls);
