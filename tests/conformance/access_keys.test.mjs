// Signatures: every algorithm with every form of key, rotation by kid, tokens that are not signed by one of the
// operator's keys, and texts that do not have a token's form.
import crypto from 'node:crypto';

import { AccessTable, kCookie, kGood, kInvalid, kTooLong, seed } from '../lib/access_table.mjs';
import { startBackends } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { ecKey, inSeconds, rsaKey, secretKey, signature, signToken, unsignedToken } from '../lib/tokens.mjs';

// The keys in the operator's key files.
const secret = secretKey('HS256', crypto.randomBytes(64).toString('base64url'));
const secret48 = secretKey('HS384', crypto.randomBytes(24).toString('hex'));
const secret32 = secretKey('HS256', crypto.randomBytes(16).toString('hex'));
const narrow = secretKey('HS512', crypto.randomBytes(64).toString('base64url'));
const ended = secretKey('HS256', crypto.randomBytes(24).toString('hex'));
const jwkSecret = secretKey('HS256', crypto.randomBytes(40).toString('base64url'));
const rsa = rsaKey();
const ec256 = ecKey('ES256');
const ec384 = ecKey('ES384');
const ec521 = ecKey('ES512');
const ecJwk = ecKey('ES256');
const old = {
  oct: secretKey('HS512', crypto.randomBytes(64).toString('base64url')), rsa: rsaKey('RS512'), ec: ecKey('ES384'),
};
const fresh = { oct: secretKey('HS256'), rsa: rsaKey(), ec: ecKey('ES512') };
const encryption = rsaKey();
// Keys that the operator does not have.
const foreign = { oct: secretKey(), rsa: rsaKey(), ec: ecKey() };

const anyAlg = ({ alg: _alg, ...jwk }) => jwk;
const jwkSet = {
  keys: [
    old.oct.jwk('old'), old.rsa.jwk('old-rsa'), old.ec.jwk('old-ec'),
    fresh.oct.jwk('new'), { ...anyAlg(fresh.rsa.jwk('new-rsa')), use: 'sig' }, fresh.ec.jwk('new-ec'),
    { ...encryption.jwk('enc'), use: 'enc' }, { kty: 'OKP', crv: 'Ed25519', kid: 'ed', x: 'AAAA' },
  ],
};

const database = await (await sharedCluster()).createDatabase();
const start = (keys) => startBackends({
  database, subscribe: '', publish: '', server: 'large_client_header_buffers 4 32k;',
  access: { keys, cookie: kCookie, query: true },
});
const oneOfEach = [{ text: secret.text }, { text: rsa.pem, kid: 'rsa' }, { text: ec256.pem, kid: 'ec256' }];
const few = await start(oneOfEach);
const many = await start([
  ...oneOfEach, { text: secret48.text }, { text: secret32.text, kid: 'short' },
  { text: narrow.text, kid: 'narrow', alg: 'HS512' },
  { text: `${ended.text}\r\n` }, { text: ec384.pem }, { text: ec521.pem }, { text: JSON.stringify(jwkSecret.jwk('jwk')) },
  { text: JSON.stringify(ecJwk.jwk()) }, { text: JSON.stringify(jwkSet, null, 2) },
]);
await seed(database, ['cheese']);

const claims = { sub: '10', exp: inSeconds(3600), pgevents: { subscribe: ['cheese'] } };
const by = (key, options = {}) => signToken(claims, { key, ...options });

const algorithms = [
  { what: 'HS256 by a secret', token: by(secret) },
  { what: 'HS384 by a secret', token: by(secret, { alg: 'HS384' }) },
  { what: 'HS512 by a secret', token: by(secret, { alg: 'HS512' }) },
  { what: 'HS256 by a secret of 48 bytes', token: by(secret48, { alg: 'HS256' }) },
  { what: 'HS384 by a secret of 48 bytes', token: by(secret48) },
  { what: 'HS256 by a secret of 32 bytes', token: by(secret32, { kid: 'short' }) },
  { what: 'HS256 by a secret whose file ends with a line end', token: by(ended) },
  { what: 'HS512 by a secret for HS512 only', token: by(narrow, { kid: 'narrow' }) },
  { what: 'HS256 by a JWK', token: by(jwkSecret, { kid: 'jwk' }) },
  { what: 'RS256 by a PEM', token: by(rsa, { kid: 'rsa' }) },
  { what: 'RS384 by a PEM', token: by(rsa, { kid: 'rsa', alg: 'RS384' }) },
  { what: 'RS512 by a PEM', token: by(rsa, { kid: 'rsa', alg: 'RS512' }) },
  { what: 'RS256 by a JWK without alg', token: by(fresh.rsa, { kid: 'new-rsa', alg: 'RS256' }) },
  { what: 'RS384 by a JWK without alg', token: by(fresh.rsa, { kid: 'new-rsa', alg: 'RS384' }) },
  { what: 'ES256 by a PEM', token: by(ec256, { kid: 'ec256' }) },
  { what: 'ES384 by a PEM', token: by(ec384) },
  { what: 'ES512 by a PEM', token: by(ec521) },
  { what: 'ES256 by a JWK', token: by(ecJwk) },
].map((row) => ({ ...row, ...kGood }));

const rotation = [
  { what: 'the old secret', token: by(old.oct, { kid: 'old' }), ...kGood },
  { what: 'the old RSA key', token: by(old.rsa, { kid: 'old-rsa' }), ...kGood },
  { what: 'the old EC key', token: by(old.ec, { kid: 'old-ec' }), ...kGood },
  { what: 'the new secret', token: by(fresh.oct, { kid: 'new' }), ...kGood },
  { what: 'the new RSA key', token: by(fresh.rsa, { kid: 'new-rsa' }), ...kGood },
  { what: 'the new EC key', token: by(fresh.ec, { kid: 'new-ec' }), ...kGood },
  { what: 'a token without kid finds the old secret', token: by(old.oct), ...kGood },
  { what: 'a token without kid finds the new RSA key', token: by(fresh.rsa), ...kGood },
  { what: 'a token without kid finds a PEM with a kid', token: by(rsa), ...kGood },
  { what: 'an unknown kid does not find a key without a kid', token: by(secret, { kid: 'whatever' }), ...kInvalid },
  { what: 'an unknown kid with a key of another kid', token: by(fresh.oct, { kid: 'newer' }), ...kInvalid },
  { what: 'the kid of another secret', token: by(fresh.oct, { kid: 'old' }), ...kInvalid },
  { what: 'the kid of another RSA key', token: by(fresh.rsa, { kid: 'old-rsa' }), ...kInvalid },
  { what: 'the kid of a key of another type', token: by(fresh.rsa, { kid: 'new' }), ...kInvalid },
  { what: 'the kid in another case', token: by(fresh.oct, { kid: 'NEW' }), ...kInvalid },
  { what: 'an empty kid with a key that has one', token: by(fresh.oct, { header: { kid: '' } }), ...kInvalid },
  { what: 'a kid that is a number', token: by(secret, { header: { kid: 1 } }), ...kInvalid },
  { what: 'a kid that is null', token: by(secret, { header: { kid: null } }), ...kInvalid },
  { what: 'a kid that looks like a path', token: by(fresh.oct, { kid: '../../dev/null' }), ...kInvalid },
  { what: 'an encryption key of the set', token: by(encryption, { kid: 'enc' }), ...kInvalid },
];

const withHeader = (header, key = secret, alg = 'HS256') =>
  signText(JSON.stringify(header), JSON.stringify(claims), key, alg);

// Signs header and payload as they are given, whatever the header's alg is.
function signText(header, payload, key = secret, alg = key.alg) {
  const text = [header, payload].map((part) => Buffer.from(part).toString('base64url')).join('.');
  return `${text}.${signature(text, key, alg).toString('base64url')}`;
}

const forgeries = [
  ...['none', 'None', 'NONE', 'nOnE', 'nonE'].flatMap((alg) => [
    { what: `alg ${alg} without a signature`, token: unsignedToken(claims, alg) },
    { what: `alg ${alg} with a signature`, token: withHeader({ alg }) },
  ]),
  { what: 'no alg', token: withHeader({ typ: 'JWT' }) },
  { what: 'alg null', token: withHeader({ alg: null }) },
  { what: 'an alg that is a list', token: withHeader({ alg: ['HS256'] }) },
  { what: 'alg in small letters', token: withHeader({ alg: 'hs256' }) },
  { what: 'alg with a space', token: withHeader({ alg: 'HS256 ' }) },
  { what: 'alg HS1', token: withHeader({ alg: 'HS1' }) },
  { what: 'alg twice', token: signText('{"alg":"none","alg":"HS256"}', JSON.stringify(claims)) },
  { what: 'PS256 by a good RSA key', token: pssToken() },
  { what: 'the RSA public key as a secret', token: by({ secret: rsa.pem }, { alg: 'HS256' }) },
  { what: 'the RSA public key as a secret, with its kid',
    token: by({ secret: rsa.pem }, { alg: 'HS256', kid: 'rsa' }) },
  { what: 'the RSA public key without its last line end as a secret',
    token: by({ secret: rsa.pem.trim() }, { alg: 'HS256', kid: 'rsa' }) },
  { what: 'the EC public key as a secret', token: by({ secret: ec256.pem }, { alg: 'HS256', kid: 'ec256' }) },
  { what: 'the JWK as a secret', token: by({ secret: JSON.stringify(jwkSecret.jwk('jwk')) },
    { alg: 'HS256', kid: 'jwk' }) },
  { what: 'the RSA modulus as a secret', token: by({ secret: fresh.rsa.jwk().n }, { alg: 'HS256', kid: 'new-rsa' }) },
  { what: 'an empty secret', token: by({ secret: '' }, { alg: 'HS256' }) },
  { what: 'a secret with its line end', token: by({ secret: `${ended.secret}\r\n` }, { alg: 'HS256' }) },
  { what: 'another secret', token: by(foreign.oct) },
  { what: 'another RSA key', token: by(foreign.rsa) },
  { what: 'another RSA key under a good kid', token: by(foreign.rsa, { kid: 'rsa' }) },
  { what: 'another EC key', token: by(foreign.ec) },
  { what: 'its own key in the header', token: by(foreign.rsa, { header: { jwk: foreign.rsa.jwk() } }) },
  { what: 'its own key set in the header', token: by(foreign.rsa, { header: { jku: 'http://127.0.0.1/keys' } }) },
  { what: 'a secret of 32 bytes for HS384', token: by(secret32, { alg: 'HS384', kid: 'short' }) },
  { what: 'a secret of 48 bytes for HS512', token: by(secret48, { alg: 'HS512' }) },
  { what: 'a secret for HS512 only, under HS256', token: by(narrow, { alg: 'HS256', kid: 'narrow' }) },
  { what: 'a JWK for HS256 only, under HS512', token: by(jwkSecret, { alg: 'HS512', kid: 'jwk' }) },
  { what: 'a JWK for RS512 only, under RS256', token: by(old.rsa, { alg: 'RS256', kid: 'old-rsa' }) },
  { what: 'P-384 under ES256', token: by(ec384, { alg: 'ES256' }) },
  { what: 'P-256 under ES512', token: by(ec256, { alg: 'ES512', kid: 'ec256' }) },
  { what: 'an ES256 signature in DER', token: derToken() },
  { what: 'an ES256 signature of zeros', token: replacePart(by(ec256), 2, Buffer.alloc(64).toString('base64url')) },
  { what: 'an RSA signature of the length of another key',
    token: replacePart(by(rsa), 2, Buffer.alloc(512, 1).toString('base64url')) },
].map((row) => ({ ...row, ...kInvalid }));

function pssToken() {
  const text = signToken(claims, { key: rsa, header: { alg: 'PS256', kid: 'rsa' } }).split('.').slice(0, 2).join('.');
  const padding = { padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
  return `${text}.${crypto.sign('sha256', Buffer.from(text),
    { key: rsa.privateKey, ...padding }).toString('base64url')}`;
}

function derToken() {
  const text = by(ec256).split('.').slice(0, 2).join('.');
  return `${text}.${crypto.sign('sha256', Buffer.from(text), ec256.privateKey).toString('base64url')}`;
}

function replacePart(token, index, part) {
  const parts = token.split('.');
  parts[index] = typeof part === 'function' ? part(parts[index]) : part;
  return parts.join('.');
}

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
// Changes one bit of the first letter: still base64url, but another byte.
const flipped = (part) => (part[0] === 'e' ? 'f' : 'e') + part.slice(1);

const tampered = [
  ...[['HS256', secret], ['RS256', rsa], ['ES256', ec256]].flatMap(([alg, key]) => [
    { what: `${alg}, another header`, token: replacePart(by(key), 0, encode({ alg, typ: 'jwt' })) },
    { what: `${alg}, another user`, token: replacePart(by(key), 1, encode({ ...claims, sub: '1' })) },
    { what: `${alg}, more rights`, token: replacePart(by(key), 1,
      encode({ ...claims, pgevents: { subscribe: ['*'] } })) },
    { what: `${alg}, a letter of the signature`, token: replacePart(by(key), 2, flipped) },
    { what: `${alg}, a shorter signature`, token: by(key).slice(0, -4) },
    { what: `${alg}, a longer signature`, token: `${by(key)}AAAA` },
    { what: `${alg}, another token's signature`,
      token: replacePart(by(key), 2, signToken({ ...claims, sub: '11' }, { key }).split('.')[2]) },
  ]),
].map((row) => ({ ...row, ...kInvalid }));

const good = by(secret);
const [goodHeader, goodPayload, goodSignature] = good.split('.');
// A good token of the given length, filled up by a further claim.
function sized(bytes) {
  const filled = (count, x) => signToken({ ...claims, fill: 'x'.repeat(count) }, { key: secret, header: { x } });
  for (const x of ['', 'x', 'xx']) {
    const near = Math.floor(((bytes - filled(0, x).length) * 3) / 4);
    for (let count = near - 3; count < near + 4; count++) if (filled(count, x).length === bytes) return filled(count,
      x);
  }
  throw new Error(`cannot make a token of ${bytes} bytes`);
}

const forms = [
  { what: 'no header', token: `.${goodPayload}.${goodSignature}` },
  { what: 'no payload', token: `${goodHeader}..${goodSignature}` },
  { what: 'no signature', token: `${goodHeader}.${goodPayload}.` },
  { what: 'two parts', token: `${goodHeader}.${goodPayload}` },
  { what: 'one part', token: goodHeader },
  { what: 'four parts', token: `${good}.${goodSignature}` },
  { what: 'a full stop at the end', token: `${good}.` },
  { what: 'a full stop in front', token: `.${good}` },
  { what: 'an encrypted token\'s five parts', token: `${good}.${goodPayload}.${goodSignature}` },
  { what: 'full stops only', token: '..' },
  { what: 'a word', token: 'cheese' },
  { what: 'padding behind the payload', token: padded() },
  { what: 'padding behind the signature', token: `${good}=` },
  { what: 'the letters of plain base64', token: replacePart(good, 2, '+/'.repeat(20)) },
  { what: 'a space inside', token: `${goodHeader}. ${goodPayload}.${goodSignature}` },
  { what: 'a space inside, in the query', token: `${goodHeader}. ${goodPayload}.${goodSignature}`, where: 'query' },
  { what: 'a newline inside', token: `${goodHeader}.\n${goodPayload}.${goodSignature}`, where: 'query' },
  { what: 'a newline behind', token: `${good}\n`, where: 'query' },
  { what: 'a space behind, in the query', token: `${good} `, where: 'query' },
  { what: 'a NUL behind', token: `${good}\0`, where: 'query' },
  { what: 'a NUL and another token behind', token: `${good}\0${good}`, where: 'query' },
  { what: 'letters outside ASCII', token: `${good}é`, where: 'query' },
  { what: 'a header that is not JSON', token: signText('alg=HS256', JSON.stringify(claims)) },
  { what: 'a header that is a list', token: signText('[{"alg":"HS256"}]', JSON.stringify(claims)) },
  { what: 'a header that is not UTF-8',
    token: signText(Buffer.from('{"alg":"HS256","x":"\xff"}', 'latin1'), JSON.stringify(claims)) },
  { what: 'claims that are not JSON', token: signText('{"alg":"HS256"}', 'sub=10') },
  { what: 'claims that are a list', token: signText('{"alg":"HS256"}', JSON.stringify([claims])) },
  { what: 'claims that are a string', token: signText('{"alg":"HS256"}', '"10"') },
  { what: 'claims that are null', token: signText('{"alg":"HS256"}', 'null') },
  { what: 'claims followed by more', token: signText('{"alg":"HS256"}', `${JSON.stringify(claims)}{}`) },
  { what: 'a claim twice', token: signText('{"alg":"HS256"}', JSON.stringify(claims).replace('{', '{"sub":"1",')) },
  { what: 'crit with an unknown member', token: by(secret, { header: { crit: ['x'], x: 1 } }) },
  { what: 'crit with exp', token: by(secret, { header: { crit: ['exp'], exp: inSeconds(60) } }) },
  { what: 'an empty crit', token: by(secret, { header: { crit: [] } }) },
  { what: 'crit null', token: by(secret, { header: { crit: null } }) },
].map((row) => ({ ...row, ...kInvalid }));

// Signed with its padding, so that only the padding is wrong.
function padded() {
  const text = `${goodHeader}.${Buffer.from(JSON.stringify({ ...claims, a: 1 }).padEnd(160)).toString('base64')}`;
  if (!text.endsWith('=')) throw new Error('the payload has no padding');
  return `${text}.${signature(text, secret).toString('base64url')}`;
}

const harmless = [
  { what: 'a header without typ', token: withHeader({ alg: 'HS256' }) },
  { what: 'a header with another typ', token: withHeader({ alg: 'HS256', typ: 'at+jwt' }) },
  { what: 'a header with more members', token: withHeader({ alg: 'HS256', x: { y: [1] } }) },
  { what: 'white space in header and claims', token: signText('{ "alg" : "HS256" }', JSON.stringify(claims, null, 3)) },
  { what: 'unknown claims', token: signToken({ ...claims, email: 'x@y', roles: ['a'], 'ä': null }, { key: secret }) },
].map((row) => ({ ...row, ...kGood }));

const sizes = ['header', 'cookie', 'query'].flatMap((where) => [
  { what: `8192 bytes in the ${where}`, token: sized(8192), where, ...kGood },
  { what: `8193 bytes in the ${where}`, token: longer(sized(8192), 1), where, ...kTooLong },
]);

// A longer token that still has a token's form.
function longer(token, bytes) {
  return replacePart(token, 1, (payload) => payload + 'x'.repeat(bytes));
}

sizes.push(
  { what: 'a good token of more than 8192 bytes', token: sized(8196), ...kTooLong },
  { what: '12000 bytes without a token\'s form', token: 'x'.repeat(12000), ...kTooLong },
);

const keys = [secret, secret48, secret32, narrow, ended, jwkSecret, old.oct, fresh.oct].map((key) => key.secret);
const table = new AccessTable({ database, secrets: keys });
table.define(many, [...algorithms, ...rotation, ...forgeries]);
table.define(few, [...harmless, ...tampered, ...forms, ...sizes]); // a CGI program reads its keys anew for each request
