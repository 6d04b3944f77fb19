// pgevents itself, with anonymous access or with tokens.
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

import { waitFor } from '../../lib/conditions.mjs';
import { request } from '../../lib/http.mjs';
import { tempDir } from '../../lib/scratch.mjs';
import { benchCluster, channelArgs, nginxHttp, startNginx } from './common.mjs';

let database;

const locations = (access) => `        location / {
            pgevents main;
            ${access}
        }
`;

// Tokens of 10,000 users, and the key to verify them. They are made once, because RS256 signatures take time.
const kTokens = 10000;
const made = new Map();
function tokensOf(alg) {
  if (!made.has(alg)) made.set(alg, makeTokens(alg));
  return made.get(alg);
}

export function makeTokens(alg, count = kTokens, subscribe = ['bench*']) {
  const dir = tempDir('tokens');
  const secret = crypto.randomBytes(32).toString('hex');
  const pair = alg === 'RS256' ? crypto.generateKeyPairSync('rsa', { modulusLength: 2048 }) : undefined;
  fs.writeFileSync(path.join(dir, 'key'), pair ? pair.publicKey.export({ type: 'spki', format: 'pem' }) : secret);
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const sign = (text) =>
    pair ? crypto.sign('sha256', text, pair.privateKey) : crypto.createHmac('sha256', secret).update(text).digest();
  const iat = Math.floor(Date.now() / 1000);
  const lines = Array.from({ length: count }, (_, n) => {
    const text = `${part({ alg })}.${part({ sub: String(n), iat, exp: iat + 86400, pgevents: { subscribe } })}`;
    return `${text}.${sign(Buffer.from(text)).toString('base64url')}`;
  });
  fs.writeFileSync(path.join(dir, 'tokens'), lines.join('\n'));
  return { key: path.join(dir, 'key'), file: path.join(dir, 'tokens'), tokens: lines };
}

async function start({ buffers, envelope, ring = '32m', workers = 1, access = 'pgevents_subscribe "*"; pgevents_release_request on;' }) {
  database ??= await (await benchCluster()).createDatabase();
  const http = (listen, conninfo) =>
    nginxHttp(listen, buffers, `    pgevents_database main "${conninfo}" ring=${ring};\n`, locations(access));
  const spread = workers > 1 ? ' reuseport' : '';
  const text = (listen) => http(`${listen}${spread}`, database.conninfo());
  const nginx = await startNginx({ modules: [], loadModule: true, workers, http: text });
  // 401: it serves, but requires a token.
  const live = async () => [200, 401].includes((await request({ port: nginx.port, path: '/events/live?flavor=poll' })).status);
  await waitFor(live, { what: 'an answer of pgevents' });
  return {
    // One publisher: two would commit in an order of their own, in which subscribers correctly receive the events.
    args: ['--server', nginx.listen(), '--conninfo', database.conninfo({ user: 'test_publisher' }), '--publishers', '1',
      '--watch', `server=${nginx.master()}`, '--watch', `postgresql=${database.cluster.pid}`,
      ...channelArgs('/events/', envelope ? '?envelope=1' : '')],
    config: http('127.0.0.1:…', 'host=… dbname=… user=…'),
    stop: () => nginx.stop({ signal: 'SIGTERM' }),
  };
}

const startWith = (alg) => async (options) => {
  const { key, file } = tokensOf(alg);
  const server = await start({ ...options, access: `pgevents_jwt_key ${key};` });
  return { ...server, args: [...server.args, '--tokens', file], config: server.config.replace(key, '…') };
};

export const pgevents = { start, flavors: ['sse', 'long-poll', 'websocket'] };
export const pgeventsWith = (alg) => ({ start: startWith(alg), flavors: [] });
