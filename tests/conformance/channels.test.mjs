// Names in the path: channels, lists of channels, wait ids; what is no path at all.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertError, forEach, kBase, newChannel, startBackends } from '../lib/backends.mjs';
import { range } from '../lib/conditions.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { request } from '../lib/http.mjs';

const database = await (await sharedCluster()).createDatabase();
const backends = await startBackends({ database });

const refused = (answer, msg) => assertError(answer, 400, 'BAD_REQUEST', msg);

forEach(backends, (backend) => {
  const get = (path, query = { flavor: 'poll' }) => backend.send(path, { query });

  test('every character of the pattern can stand in a name, plain or percent-encoded', async () => {
    const channel = newChannel('AZaz09_.:@=+-');
    const id = await database.publish(channel, 'made', null);
    for (const spelling of [channel, encodeURIComponent(channel)]) {
      assert.deepEqual((await backend.poll(spelling, { cursor: 0 })).events.map((event) => event.id), [id]);
    }
  });

  test('a plus sign in the path is a plus sign', async () => {
    const channel = newChannel('a+b');
    await database.publish(channel, 'made', null);
    assert.equal((await backend.poll(channel, { cursor: 0 })).events[0].channel_id, channel);
  });

  test('names have 255 bytes at most', async () => {
    const name = newChannel('x'.repeat(200)).padEnd(255, 'y');
    await database.publish(name, 'made', null);
    assert.equal((await backend.poll(name, { cursor: 0 })).events.length, 1);
    refused(await get(`/events/${name}y`), 'Invalid channel name');
  });

  for (const name of ['a b', 'käse', 'a!', 'a*', '*', "a'b", 'a"b', 'a;b', 'a\\b', '\u2028', '{a}', 'a\tb', 'a\nb', 'a\rb', 'a\u007fb']) {
    test(`${JSON.stringify(name)} is no channel name`, async () => {
      refused(await get(`/events/${encodeURIComponent(name)}`), `Invalid channel name '${name}'`);
    });
  }

  test('a name that is no UTF-8 is refused without being repeated', async () => {
    refused(await get('/events/%ff%fe'), 'Invalid channel name');
    refused(await get('/events/a%c0%80b'), 'Invalid channel name');
  });

  test('a NUL in the path is refused', async () => {
    assert.equal((await get('/events/a%00b')).status, 400);
  });

  test('the first bad name of a list is named', async () => {
    refused(await get('/events/good,b%20d,worse!'), "Invalid channel name 'b d'");
  });

  for (const list of ['a,', ',a', 'a,,b', ',']) {
    test(`the list ${list} has an empty name`, async () => {
      refused(await get(`/events/${list}`), "Invalid channel name ''");
    });
  }

  test('no channel at all is refused', async () => {
    refused(await get('/events/'), 'No channel given');
    refused(await get('/events'), 'No channel given');
  });

  test('a channel that is named twice counts once', async () => {
    const channel = newChannel();
    const id = await database.publish(channel, 'made', null);
    const answer = await backend.poll(`${channel},${channel},${channel}`, { cursor: 0 });
    assert.deepEqual(answer.events.map((event) => event.id), [id]);
  });

  test('64 different channels can be named, 65 not; repetitions do not count', async () => {
    const names = range(1, 64).map(() => newChannel());
    const id = await database.publish(names[63], 'made', null);
    const answer = await backend.poll([...names, ...names].join(), { cursor: 0 });
    assert.deepEqual(answer.events.map((event) => event.id), [id]);
    refused(await get(`/events/${[...names, newChannel()].join()}`), 'Too many channels (at most 64)');
  });

  test('a wait id may follow', async () => {
    const channel = newChannel();
    const id = await database.publish(channel, 'made', null);
    for (const wait_id of ['', 'k', 'AZaz09_.:@=+-', 'x'.repeat(128)]) {
      const answer = await backend.poll(`${channel}/${wait_id}`, { cursor: 0 });
      assert.deepEqual(answer.events.map((event) => event.id), [id]);
    }
  });

  for (const wait_id of ['x'.repeat(129), 'a b', 'a,b', 'é', 'a*', 'a\n']) {
    test(`${JSON.stringify(wait_id.slice(0, 10))} (${wait_id.length}) is no wait id`, async () => {
      refused(await get(`/events/cheese/${encodeURIComponent(wait_id)}`), 'Invalid wait id');
    });
  }

  const nothing = ['/', '/event/cheese', '/eventsx/cheese', '/Events/cheese', '/events/cheese/k/more'];
  // A CGI program's base is what precedes the first segment `events`.
  if (backend.name !== 'cgi') nothing.push('/x/events/cheese');
  for (const path of nothing) {
    test(`${path} is nothing`, async () => {
      assertError(await get(path), 404, 'NOT_FOUND', 'Not found');
    });
  }

  test('very long paths and queries are refused, and the server lives', async () => {
    const long = 'x'.repeat(100_000);
    for (const path of [`/events/${long}`, `/events/a/${long}`, `/events/a?flavor=${long}`, `/events/${'a,'.repeat(50_000)}b`]) {
      const answer = await request({ port: backend.port, path: `${kBase}${path}` });
      assert.ok(answer.status >= 400 && answer.status < 500, `status ${answer.status}`);
    }
    assert.equal((await get(`/events/${newChannel()}`)).status, 200);
  });

  test('a path as long as nginx takes it is refused with our own words', async () => {
    refused(await get(`/events/${'x'.repeat(7000)}`), 'Invalid channel name');
    refused(await get(`/events/a/${'x'.repeat(7000)}`), 'Invalid wait id');
    refused(await get('/events/a', { flavor: 'x'.repeat(7000) }), 'Unknown flavor');
    refused(await get('/events/a', { last_event_id: '1'.repeat(7000) }), 'Invalid Last-Event-ID');
  });
});
