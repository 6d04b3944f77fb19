// Names in the path: channels, lists of channels, wait ids; and other paths.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertError, forEach, kBase, newChannel, startBackends } from '../lib/backends.mjs';
import { range } from '../lib/conditions.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { request } from '../lib/http.mjs';

const database = await (await sharedCluster()).createDatabase();
const backends = await startBackends({ database });

const assertRejected = (answer, msg) => assertError(answer, 400, 'BAD_REQUEST', msg);

forEach(backends, (backend) => {
  const get = (path, query = { flavor: 'poll' }) => backend.send(path, { query });

  test('accepts every character of the pattern in a name, plain or percent-encoded', async () => {
    const channel = newChannel('AZaz09_.:@=+-');
    const id = await database.publish(channel, 'made', null);
    for (const spelling of [channel, encodeURIComponent(channel)]) {
      assert.deepEqual((await backend.poll(spelling, { cursor: 0 })).events.map((event) => event.id), [id]);
    }
  });

  test('reads a plus sign in the path as a plus sign', async () => {
    const channel = newChannel('a+b');
    await database.publish(channel, 'made', null);
    assert.equal((await backend.poll(channel, { cursor: 0 })).events[0].channel_id, channel);
  });

  test('accepts names of at most 255 bytes', async () => {
    const name = newChannel('x'.repeat(200)).padEnd(255, 'y');
    await database.publish(name, 'made', null);
    assert.equal((await backend.poll(name, { cursor: 0 })).events.length, 1);
    assertRejected(await get(`/events/${name}y`), 'Invalid channel name');
  });

  const invalid = [
    'a b', 'käse', 'a!', 'a*', '*', "a'b", 'a"b', 'a;b', 'a\\b', '\u2028', '{a}', 'a\tb', 'a\nb', 'a\rb', 'a\u007fb',
  ];
  for (const name of invalid) {
    test(`rejects the channel name ${JSON.stringify(name)}`, async () => {
      assertRejected(await get(`/events/${encodeURIComponent(name)}`), `Invalid channel name '${name}'`);
    });
  }

  test('rejects a name that is not UTF-8 without repeating it', async () => {
    assertRejected(await get('/events/%ff%fe'), 'Invalid channel name');
    assertRejected(await get('/events/a%c0%80b'), 'Invalid channel name');
  });

  test('rejects a NUL in the path', async () => {
    assert.equal((await get('/events/a%00b')).status, 400);
  });

  test('names the first invalid name of a list', async () => {
    assertRejected(await get('/events/good,b%20d,worse!'), "Invalid channel name 'b d'");
  });

  for (const list of ['a,', ',a', 'a,,b', ',']) {
    test(`reports an empty name in the list ${list}`, async () => {
      assertRejected(await get(`/events/${list}`), "Invalid channel name ''");
    });
  }

  test('rejects a path without a channel', async () => {
    assertRejected(await get('/events/'), 'No channel given');
    assertRejected(await get('/events'), 'No channel given');
  });

  test('counts a repeated channel once', async () => {
    const channel = newChannel();
    const id = await database.publish(channel, 'made', null);
    const answer = await backend.poll(`${channel},${channel},${channel}`, { cursor: 0 });
    assert.deepEqual(answer.events.map((event) => event.id), [id]);
  });

  test('accepts 64 different channels and rejects 65; repetitions do not count', async () => {
    const names = range(1, 64).map(() => newChannel());
    const id = await database.publish(names[63], 'made', null);
    const answer = await backend.poll([...names, ...names].join(), { cursor: 0 });
    assert.deepEqual(answer.events.map((event) => event.id), [id]);
    assertRejected(await get(`/events/${[...names, newChannel()].join()}`), 'Too many channels (at most 64)');
  });

  test('accepts a wait id after the channels', async () => {
    const channel = newChannel();
    const id = await database.publish(channel, 'made', null);
    for (const wait_id of ['', 'k', 'AZaz09_.:@=+-', 'x'.repeat(128)]) {
      const answer = await backend.poll(`${channel}/${wait_id}`, { cursor: 0 });
      assert.deepEqual(answer.events.map((event) => event.id), [id]);
    }
  });

  for (const wait_id of ['x'.repeat(129), 'a b', 'a,b', 'é', 'a*', 'a\n']) {
    test(`rejects the wait id ${JSON.stringify(wait_id.slice(0, 10))} (length ${wait_id.length})`, async () => {
      assertRejected(await get(`/events/cheese/${encodeURIComponent(wait_id)}`), 'Invalid wait id');
    });
  }

  const unknown = ['/', '/event/cheese', '/eventsx/cheese', '/Events/cheese', '/events/cheese/k/more'];
  // A CGI program's base is the part before the first segment `events`.
  if (backend.name !== 'cgi') unknown.push('/x/events/cheese');
  for (const path of unknown) {
    test(`answers 404 for ${path}`, async () => {
      assertError(await get(path), 404, 'NOT_FOUND', 'Not found');
    });
  }

  // nginx answers before it has read such a line, and closes: the reset may reach the client before the answer.
  test('rejects very long paths and queries, and goes on', async () => {
    const long = 'x'.repeat(100_000);
    const paths = [`/events/${long}`, `/events/a/${long}`, `/events/a?flavor=${long}`,
      `/events/${'a,'.repeat(50_000)}b`];
    for (const path of paths) {
      const { status } = await request({ port: backend.port, path: `${kBase}${path}` })
        .catch((error) => error.code === 'ECONNRESET' ? { status: 414 } : Promise.reject(error));
      assert.ok(status >= 400 && status < 500, `status ${status}`);
    }
    assert.equal((await get(`/events/${newChannel()}`)).status, 200);
  });

  test('answers with its own error for the longest path that nginx accepts', async () => {
    assertRejected(await get(`/events/${'x'.repeat(7000)}`), 'Invalid channel name');
    assertRejected(await get(`/events/a/${'x'.repeat(7000)}`), 'Invalid wait id');
    assertRejected(await get('/events/a', { flavor: 'x'.repeat(7000) }), 'Unknown flavor');
    assertRejected(await get('/events/a', { last_event_id: '1'.repeat(7000) }), 'Invalid Last-Event-ID');
  });
});
