// The path as the client encodes it: names are split first and then decoded, once; and the web server's rules for the
// decoded path hold for everything that is read.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertError, forEach, startBackends } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { request } from '../lib/http.mjs';

const database = await (await sharedCluster()).createDatabase();
await database.query(`
  INSERT INTO pgevents.users (realm, user_id) VALUES ('main', '10'), ('main', 'a/b');
  INSERT INTO pgevents.presence (realm, user_id, idle_at, update_id) VALUES ('main', 'a/b', now(), 1)`);
const ids = {};
for (const channel of ['room', '7', 'room/7', 'a', 'b', 'a,b', 'a%2Cb', 'c', 'secret', 'secret/1', 'open']) {
  ids[channel] = await database.publish(channel, 'made', channel);
}

// The operator allows `/`, `,` and `%` in names, and the web server denies all names that begin with `secret`.
const rules = `
  location ~ ^/rt/events/secret { return 403; }
  location /old/ { rewrite ^/old/(.*)$ /rt/events/$1 last; }`;
const channelPattern = '[A-Za-z0-9_.:@=+/,%-]+';
const wide = await startBackends({ database, limits: { channelPattern }, access: { user: '10' }, server: rules });
const usual = await startBackends({ database, access: { user: '10' } });

const get = (backend, path) => request({ port: backend.port, path: `${path}?flavor=poll&last_event_id=0` });
const channelsOf = (answer) => answer.json().map(({ channel_id }) => channel_id);

// [path, channels, true: only nginx resolves it, because a plain CGI server passes the path unchanged]
const kRead = [
  ['/rt/events/room/7', ['room']],
  ['/rt/events/room%2F7', ['room/7']],
  ['/rt/events/room%2f7', ['room/7']],
  ['/rt/events/room%2F7/7', ['room/7']],
  ['/rt/events/room%2F7,a', ['room/7', 'a']],
  ['/rt/events/a,b', ['a', 'b']],
  ['/rt/events/a%2Cb', ['a,b']],
  ['/rt/events/a%2Cb,c', ['a,b', 'c']],
  ['/rt/events/a%2Cb/w', ['a,b']],
  ['/rt/events/a%2Cb/', ['a,b']],
  ['/rt/events/%61%2c%62', ['a,b']],
  ['/rt/events/a%252Cb', ['a%2Cb']],
  ['/rt/%65vents/room%2F7', ['room/7']],
  ['/%72t/events/room%2F7', ['room/7'], true],
  ['//rt//events//room%2F7', ['room/7'], true],
  ['/rt/x/../events/./room%2F7', ['room/7'], true],
  ['/rt/x/%2e%2e/events/%2E/room%2F7', ['room/7'], true],
  // A rewritten path is the only one there is, so its separators separate.
  ['/old/room%2F7', ['room'], true],
  ['/old/a%2Cb', ['a', 'b'], true],
];

// [path, status, msg (none: the web server's own page)]
const kRejected = [
  ['/rt/events/secret', 403],
  ['/rt/events/%73ecret', 403],
  ['/rt/events/secret%2F1', 403],
  ['/rt/events/secret/../secret%2F1', 403],
  ['/rt/events/./secret', 403],
  ['/rt/events//secret', 403],
  ['/rt/%65vents/secret', 403],
  ['/%72%74/events/secret%2F1', 403],
  ['/rt/events/open%2F..%2Fsecret', 403],
  ['/rt/events/open/%2e%2e/secret', 403],
  ['/rt/events/secret%2F..%2Fopen', 400, "An encoded slash in a path with '.', '..' or '//'"],
  ['/rt/events/secret%2F1/../../open', 400, "An encoded slash in a path with '.', '..' or '//'"],
  ['/rt/events/open%2F/x', 400, "An encoded slash in a path with '.', '..' or '//'"],
  ['/rt/events/open%2F%2Fx', 400, "An encoded slash in a path with '.', '..' or '//'"],
  ['/old/secret', 403],
  ['/old/secret%2F1', 403],
  ['/rt/events%2Fopen', 404, 'Not found'],
  ['/rt%2Fevents/open', 404, 'Not found'],
  ['/rt/events/a%00b', 400],
  ['/rt/events/a%2C%00b', 400],
  ['/rt/events/a%2Cb%', 400],
];

forEach(wide, (backend) => {
  for (const [path, channels, by_nginx] of kRead) {
    if (by_nginx && backend.name === 'cgi') continue;
    test(`${path} reads ${channels.join(' and ')}`, async () => {
      const answer = await get(backend, path);
      assert.equal(answer.status, 200, answer.body);
      assert.deepEqual(channelsOf(answer), channels);
    });
  }

  for (const [path, status, msg] of backend.name === 'cgi' ? [] : kRejected) {
    test(`${path} is rejected with ${status}${msg ? '' : ' by the web server'}`, async () => {
      const answer = await get(backend, path);
      if (msg) return assertError(answer, status, status === 404 ? 'NOT_FOUND' : 'BAD_REQUEST', msg);
      assert.deepEqual([answer.status, answer.headers['content-type']], [status, 'text/html']);
    });
  }

  test('POST publishes to the name that the client encoded', async () => {
    const answer = await backend.publish('room%2F9', { type: 'made' });
    assert.equal(answer.status, 201, answer.body);
    const [row] = await database.log({ after: answer.json().id - 1 });
    assert.equal(row.channel_id, 'room/9');
  });

  test('accepts an encoded slash in a user\'s id in the path', async () => {
    const answer = await backend.send('/users/a%2Fb/presence');
    assert.equal(answer.status, 200, answer.body);
  });
});

forEach(usual, (backend) => {
  for (const [path, name] of [['room%2F7', 'room/7'], ['a%2Cb', 'a,b'], ['a,b%2Fc', 'b/c'], ['a%252Cb', 'a%2Cb']]) {
    test(`the default pattern rejects ${path} and names it`, async () => {
      assertError(await get(backend, `/rt/events/${path}`), 400, 'BAD_REQUEST', `Invalid channel name '${name}'`);
    });
  }
});
