// Makes the keys and signed tokens of the corpora: node tests/fuzz/make-tokens.mjs The private keys are discarded at
// once, so no further token can be signed for the public keys that stay. These files are used for fuzzing only.
import crypto from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';

const corpus = new URL('corpus/', import.meta.url);
const payload = {
  sub: '10', realm: 'main', iss: 'fuzz', aud: ['pgevents'], exp: 4102444800, nbf: 1000000000, iat: 1700000000.5,
  pgevents: { subscribe: ['news.*', 'team:{realm}'], publish: ['chat'] },
};

const encode = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const write = (file, text) => writeFileSync(new URL(file, corpus), text);
const pem = (key) => key.export({ type: 'spki', format: 'pem' });
const pair = (type, options) => crypto.generateKeyPairSync(type, options);

const secret = crypto.randomBytes(60).toString('base64url'); // 80 bytes: enough for HS512
const pairs = {
  rsa: pair('rsa', { modulusLength: 2048 }),
  ec256: pair('ec', { namedCurve: 'P-256' }),
  ec384: pair('ec', { namedCurve: 'P-384' }),
  ec521: pair('ec', { namedCurve: 'P-521' }),
};
const ecOf = { 256: pairs.ec256, 384: pairs.ec384, 512: pairs.ec521 };

function signature(alg, text) {
  const bits = alg.slice(2);
  if (alg.startsWith('HS')) return crypto.createHmac(`sha${bits}`, secret).update(text).digest('base64url');
  const key = alg.startsWith('RS') ? pairs.rsa.privateKey : { key: ecOf[bits].privateKey, dsaEncoding: 'ieee-p1363' };
  return crypto.sign(`sha${bits}`, Buffer.from(text), key).toString('base64url');
}

function token(alg, header = {}, claims = payload) {
  const text = `${encode({ alg, ...header })}.${encode(claims)}`;
  return `${text}.${signature(alg, text)}`;
}

for (const folder of ['token', 'keys']) mkdirSync(new URL(folder, corpus), { recursive: true });

// Files that `keys` and `token` load, and tokens that `token` must accept.
write('keys/secret', secret);
for (const [name, { publicKey }] of Object.entries(pairs)) write(`keys/${name}.pem`, `\n\n${pem(publicKey)}`);
const algorithms = ['HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512'];
for (const alg of algorithms) write(`token/signed-${alg.toLowerCase()}`, token(alg));
write('token/signed-kid', token('ES256', { kid: 'second' }));
write('token/signed-without-claims', token('HS256', { typ: 'JWT' }, {}));

// Tokens that it must reject, with one change each.
const good = token('HS256');
const [header, claims, mac] = good.split('.');
const withPublicKey = `${header}.${claims}`;
const confused = crypto.createHmac('sha256', pem(pairs.rsa.publicKey)).update(withPublicKey).digest('base64url');
write('token/bad-none', `${encode({ alg: 'none' })}.${claims}.`);
write('token/bad-public-key-as-secret', `${withPublicKey}.${confused}`);
write('token/bad-padding', `${good}=`);
const last = mac.at(-1); // two of its bits are beyond the signature's last byte
write('token/bad-unused-bits', `${good.slice(0, -1)}${String.fromCharCode(last.charCodeAt(0) + 1)}`);
write('token/bad-signature', `${header}.${claims}.${mac.replace(/^./, (c) => (c === 'A' ? 'B' : 'A'))}`);
write('token/bad-claims', `${header}.${encode({ ...payload, sub: '11' })}.${mac}`);
write('token/bad-crit', token('HS256', { crit: ['exp'] }));
write('token/bad-kid', token('HS256', { kid: 'other' }));
write('token/bad-four-parts', `${good}.${mac}`);
write('token/bad-too-long', token('HS256', {}, { ...payload, padding: 'x'.repeat(6200) }));

// Key files, after a line each for kid and alg.
const jwk = (name, more) => ({ ...pairs[name].publicKey.export({ format: 'jwk' }), ...more });
const oct = { kty: 'oct', k: encode(secret), kid: 'a', alg: 'HS256' };
write('keys/jwk-oct', `a\nHS256\n${JSON.stringify(oct)}`);
write('keys/jwk-rsa', `\nRS256\n${JSON.stringify(jwk('rsa', { use: 'sig' }))}`);
write('keys/jwk-set', `\n\n${JSON.stringify({ keys: [oct, jwk('ec256', { kid: 'b', key_ops: ['verify'] }), { kty: 'OKP' }] })}`);
write('keys/secret-for-hs512', `\nHS512\n${secret}\r\n`);
write('keys/secret-too-short', '\n\nonly 31 bytes are in this secret');
write('keys/spki-in-base64', `\n\n${pairs.ec256.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')}`);
write('keys/private-pem', '\n\n-----BEGIN PRIVATE KEY-----\nMC4CAQAw\n-----END PRIVATE KEY-----\n');
