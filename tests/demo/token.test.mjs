// ./run token: what the demo allows without a token and with one, in the module and in the fallback.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { before, describe, test } from 'node:test';

import { waitFor } from '../lib/conditions.mjs';
import { newDemo, startDemo } from '../lib/demo.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { request } from '../lib/http.mjs';
import { tempDir } from '../lib/scratch.mjs';

const kFrontEnds = ['rt', 'fallback'];
const kUsage = /Usage: \.\/run token --user ID \[--realm REALM\]/;

const tokenOf = async (demo, ...args) => (await demo.run(['token', ...args])).stdout.trim();
const claimsOf = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));

const bearer = (token) => ({ Authorization: `Bearer ${token}` });
const poll = (demo, front_end, channels, headers = {}) =>
  request({ port: demo.port, path: `/${front_end}/events/${channels}?flavor=poll`, headers });
const publish = (demo, front_end, channel, headers = {}) => request({
  port: demo.port, path: `/${front_end}/events/${channel}`, method: 'POST', body: '{"type":"made"}',
  headers: { 'Content-Type': 'application/json', ...headers },
});

describe('the demo', () => {
  let demo;
  before(async () => (demo = await startDemo()));

  test('allows clients without a token to subscribe to cheese and demo.*, and to publish to cheese, and no more', async () => {
    for (const front_end of kFrontEnds) {
      assert.equal((await poll(demo, front_end, 'cheese,demo.7')).status, 200);
      assert.equal((await publish(demo, front_end, 'cheese')).status, 201);
      for (const channel of ['wine', 'demo', 'user:10', 'cheese,user:10']) {
        const rejected = await poll(demo, front_end, channel);
        assert.deepEqual([rejected.status, rejected.headers['www-authenticate']], [401, 'Bearer'], channel);
      }
      assert.equal((await publish(demo, front_end, 'demo.7')).status, 401);
    }
  });

  test('takes user and grants from a token', async () => {
    const token = await tokenOf(demo, '--user', '10', '--realm', 'dairy',
      '--subscribe', '{realm}.board', '--subscribe', 'wine.*', '--publish', 'wine.{user}');
    for (const front_end of kFrontEnds) {
      for (const headers of [bearer(token), { Cookie: `pgevents_token=${token}` }]) {
        assert.equal((await poll(demo, front_end, 'user@dairy:10,dairy.board,wine.7,cheese', headers)).status, 200);
        for (const other of ['user:10', 'user:11', 'user@dairy:11']) {
          assert.equal((await poll(demo, front_end, other, headers)).status, 403, other);
        }
        assert.equal((await publish(demo, front_end, 'wine.10', { ...headers, 'Sec-Fetch-Site': 'same-origin' })).status, 201);
        assert.equal((await publish(demo, front_end, 'wine.11', { ...headers, 'Sec-Fetch-Site': 'same-origin' })).status, 403);
      }
    }
  });

  test('ends a stream when its token expires, and then rejects the token', async () => {
    const headers = bearer(await tokenOf(demo, '--user', '10', '--ttl', '3'));
    const stream = new EventStream({ port: demo.port, path: '/rt/events/user:10', headers });
    await waitFor(() => stream.text().includes('event: pgevents.expired\ndata: {"reason":"expired"}\n'), { what: 'the last event' });
    for (const front_end of kFrontEnds) {
      const rejected = await poll(demo, front_end, 'cheese', headers);
      assert.deepEqual([rejected.status, rejected.json().code], [401, 'TOKEN_EXPIRED']);
    }
  });

  test('rejects a token that psql revoked, and accepts one made immediately afterwards', async () => {
    const old = bearer(await tokenOf(demo, '--user', '12'));
    await demo.run(['psql', '-qc', "SELECT pgevents.revoke('12')"]);
    const fresh = bearer(await tokenOf(demo, '--user', '12'));
    for (const front_end of kFrontEnds) {
      await waitFor(async () => (await poll(demo, front_end, 'cheese', old)).status === 401, { what: 'the revocation' });
      assert.equal((await poll(demo, front_end, 'user:12', fresh)).status, 200);
    }
  });
});

describe('./run up', () => {
  test('renews the tokens of the chat\'s people', async () => {
    const demo = await newDemo();
    await demo.run(['up'], { env: { PGEVENTS_TOKEN_SECONDS: '4' } });
    const tokens = async () => (await request({ port: demo.port, path: '/demo/people.json' })).json().map(({ token }) => token);
    const first = await tokens();
    const statusWith = async (token) => (await poll(demo, 'rt', 'stream:dairy', bearer(token))).status;
    await waitFor(async () => (await statusWith(first[0])) === 401, { what: 'the first token has expired' });
    await waitFor(async () => (await statusWith((await tokens())[0])) === 200, { what: 'a token that is valid' });
    const { status, stderr } = await demo.run(['up'], { expect: null, env: { PGEVENTS_TOKEN_SECONDS: '1h' } });
    assert.equal(status, 1);
    assert.match(stderr, /PGEVENTS_TOKEN_SECONDS must be a number of seconds/);
  });
});

describe('./run token', () => {
  test('works while no server is running, and makes a key that the demo uses', async () => {
    const demo = await newDemo();
    const token = await tokenOf(demo, '--user', '10');
    const file = path.join(demo.dir, 'jwt.key');
    assert.match(fs.readFileSync(file, 'latin1'), /^[0-9a-f]{64}$/);
    assert.equal(fs.statSync(file).mode & 0o777, process.getuid() === 0 ? 0o640 : 0o600);
    await demo.run(['up']);
    for (const front_end of kFrontEnds) assert.equal((await poll(demo, front_end, 'user:10', bearer(token))).status, 200);

    // The next `up` uses a new key, and tokens of the old one are rejected.
    fs.rmSync(file);
    const other = await tokenOf(demo, '--user', '10');
    assert.equal((await poll(demo, 'rt', 'user:10', bearer(other))).status, 401);
    await demo.run(['up']);
    for (const front_end of kFrontEnds) {
      assert.equal((await poll(demo, front_end, 'user:10', bearer(other))).status, 200);
      assert.equal((await poll(demo, front_end, 'user:10', bearer(token))).status, 401);
    }
  });

  test('writes the given claims, whatever characters they contain', async () => {
    const demo = await newDemo();
    const plain = claimsOf(await tokenOf(demo, '--user', '10'));
    assert.deepEqual(plain, { sub: '10', iat: plain.iat, exp: plain.exp, pgevents: { subscribe: [], publish: [] } });
    assert.ok(Math.abs(plain.iat - Date.now() / 1000) < 60);
    assert.equal(Math.round((plain.exp - plain.iat) * 1000), 3_600_000);
    const options = ['--user', 'Zoë "\\$(id)', '--realm', "o'r", '--subscribe', 'a*', '--subscribe', '*', '--ttl', '60'];
    const odd = claimsOf(await tokenOf(demo, ...options));
    assert.deepEqual([odd.sub, odd.realm, odd.pgevents.subscribe], ['Zoë "\\$(id)', "o'r", ['a*', '*']]);
    assert.equal(Math.round((odd.exp - odd.iat) * 1000), 60_000);
  });

  test('does not show the key in the arguments of a process', async () => {
    const demo = await newDemo();
    const bin = tempDir('bin');
    const seen = path.join(bin, 'seen');
    fs.writeFileSync(path.join(bin, 'jose'), `#!/bin/sh\nprintf '%s\\n' "$@" >>${seen}\nexec /usr/bin/jose "$@"\n`, { mode: 0o755 });
    const { stdout } = await demo.run(['token', '--user', '10'], { env: { PATH: `${bin}:${process.env.PATH}` } });
    const key = fs.readFileSync(path.join(demo.dir, 'jwt.key'), 'latin1');
    const words = fs.readFileSync(seen, 'utf8');
    assert.match(stdout, /^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    assert.match(words, /^jws\n/m);
    for (const secret of [key, Buffer.from(key).toString('base64url')]) assert.ok(!words.includes(secret), words);
  });

  test('rejects invalid options, and reports why', async () => {
    const demo = await newDemo();
    for (const [args, words] of [
      [[], kUsage],
      [['10'], /Unknown option '10'\.\nUsage: /],
      [['--name', '10'], /Unknown option '--name'\./],
      [['--user'], /--user needs a value\.\nUsage: /],
      [['--user', ''], /--user must not be empty\./],
      [['--user', '10', '--user', '11'], /--user is given twice\.\nUsage: /],
      [['--user', 'a\nb'], /--user must not contain control characters\./],
      [['--user', 'ö'.repeat(128)], /--user is longer than 255 bytes\./],
      [['--user', '10', '--subscribe', ''], /--subscribe must not be empty\./],
      [['--realm', 'dairy'], kUsage],
      ...['0', '-1', '1.5', '1h', ''].map((ttl) => [['--user', '10', '--ttl', ttl], /--ttl must (be a number of seconds|not be empty)/]),
    ]) {
      const { status, stdout, stderr } = await demo.run(['token', ...args], { expect: null });
      assert.deepEqual([status, stdout], [1, ''], args.join(' '));
      assert.match(stderr, words);
    }
    fs.writeFileSync(path.join(demo.dir, 'jwt.key'), 'short');
    const { stderr } = await demo.run(['token', '--user', '10'], { expect: 1 });
    assert.match(stderr, /The key in .* is shorter than 32 bytes\.\nRemove the file/);
  });
});
