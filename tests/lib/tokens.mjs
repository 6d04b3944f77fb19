// JSON Web Tokens as an application makes them, with node:crypto alone, and their keys in every form that key files may
// have.
//
//   const key = rsaKey();
//   fs.writeFileSync(file, key.pem);            // or JSON.stringify({ keys: [key.jwk('k1')] })
//   signToken({ sub: '10', exp: inSeconds(60) }, { key, kid: 'k1' });
import crypto from 'node:crypto';

const kHash = { 256: 'sha256', 384: 'sha384', 512: 'sha512' };
const kCurve = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' };

const encode = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

export const inSeconds = (seconds) => Math.floor(Date.now() / 1000) + seconds;

// A secret of printable characters: { alg, secret, text (the key file), jwk(kid) }.
export function secretKey(alg = 'HS256', secret = crypto.randomBytes(48).toString('base64url')) {
  const k = Buffer.from(secret).toString('base64url');
  return { alg, secret, text: secret, jwk: (kid) => ({ kty: 'oct', alg, k, ...(kid && { kid }) }) };
}

function pairKey(alg, { publicKey, privateKey }) {
  const pem = publicKey.export({ type: 'spki', format: 'pem' });
  const jwk = (kid) => ({ ...publicKey.export({ format: 'jwk' }), alg, ...(kid && { kid }) });
  return { alg, privateKey, pem, text: pem, jwk };
}

export const rsaKey = (alg = 'RS256', modulusLength = 2048) =>
  pairKey(alg, crypto.generateKeyPairSync('rsa', { modulusLength }));

export const ecKey = (alg = 'ES256') =>
  pairKey(alg, crypto.generateKeyPairSync('ec', { namedCurve: kCurve[alg] }));

// The signature of `text` by `key` under `alg` (RFC 7518, section 3.1).
export function signature(text, key, alg = key.alg) {
  const hash = kHash[alg.slice(2)];
  if (alg.startsWith('HS')) return crypto.createHmac(hash, key.secret ?? key.pem).update(text).digest();
  const encoding = alg.startsWith('ES') && { dsaEncoding: 'ieee-p1363' };
  return crypto.sign(hash, Buffer.from(text), { key: key.privateKey, ...encoding });
}

// claims: an object, or text that is used as it is; header: further or other members of the header.
export function signToken(claims, { key, alg = key.alg, kid, header = {} }) {
  const text = `${encode({ alg, typ: 'JWT', ...(kid && { kid }), ...header })}.${encode(claims)}`;
  return `${text}.${signature(text, key, alg).toString('base64url')}`;
}

// `{"alg":"none"}` and no signature.
export const unsignedToken = (claims, alg = 'none') => `${encode({ alg, typ: 'JWT' })}.${encode(claims)}.`;
