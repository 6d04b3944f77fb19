// Event data arrives byte for byte as an application published it, over every back-end and transport; invalid data is
// rejected.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { startBackends } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { kOddTypes, kPayloads } from '../lib/payloads.mjs';
import { eventObject, pollBody, streamFrame } from '../lib/wire.mjs';

const database = await (await sharedCluster()).createDatabase();
const backends = await startBackends({ database });

const kInsert = 'INSERT INTO pgevents.events (channel_id, data) VALUES ($1, $2)';
const kAsPublisher = { user: 'test_publisher' };

// Each payload has one channel and is published there in all three ways.
const kWays = {
  publish: (channel, json) => database.publish(channel, 'made', { json }),
  insert: (channel, json) => database.query(kInsert, [channel, `{"type":"made","data":${json}}`], kAsPublisher),
  post: async (channel, json) => {
    const answer = await backends[0].publish(channel, `{"type":"made","data":${json}}`);
    assert.equal(answer.status, 201);
  },
};

// Polls until `count` events have arrived, and joins them to one array; large answers end early and ask for an
// immediate next poll.
async function pollAll(backend, channel, count) {
  const objects = [];
  let cursor = '0';
  for (let received = 0; received < count;) {
    const answer = await backend.poll(channel, { cursor });
    received += answer.events.length;
    assert.notEqual(answer.cursor, cursor, `${backend.name} repeats its cursor`);
    assert.equal(answer.headers['x-ps-reconnect-in'], received < count ? '0' : '5', backend.name);
    objects.push(answer.body.slice(1, -1));
    ({ cursor } = answer);
  }
  return `[${objects.filter(Boolean).join()}]`;
}

describe('a payload is stored and sent unchanged', () => {
  for (const [name, json] of Object.entries(kPayloads)) {
    test(name, async () => {
      const channel = `p.${Object.keys(kPayloads).indexOf(name)}`;
      for (const way of Object.values(kWays)) await way(channel, json);
      const rows = await database.log({ channels: [channel] });
      assert.deepEqual(rows.map((row) => row.data), [json, json, json]);
      for (const backend of backends) {
        const text = await pollAll(backend, channel, rows.length);
        assert.ok(text === pollBody(rows), `${backend.name}: ${text.slice(0, 300)}`);
        for (const envelope of [false, true]) {
          const options = { cursor: 0, count: 3, inParts: true, query: envelope ? { envelope: '1' } : {} };
          const stream = await backend.stream(channel, options);
          const frames = Buffer.concat(stream.events.map(({ raw }) => raw)).toString();
          const expected = rows.map((row) => streamFrame(row, { envelope })).join('');
          assert.ok(frames === expected, `${backend.name}: ${frames.slice(0, 300)}`);
        }
      }
    });
  }
});

describe('an unusual event type is delivered unchanged', () => {
  for (const [name, type] of Object.entries(kOddTypes)) {
    test(name, async () => {
      const channel = `t.${Object.keys(kOddTypes).indexOf(name)}`;
      await database.publish(channel, type, { n: 1 });
      const [row] = await database.log({ channels: [channel] });
      assert.equal(row.type, type);
      for (const backend of backends) {
        assert.equal((await backend.poll(channel, { cursor: 0 })).body, pollBody([row]), backend.name);
        const stream = await backend.stream(channel, { cursor: 0, count: 1, query: { envelope: '1' } });
        assert.equal(stream.events[0].raw.toString(), `event: ${type}\ndata: ${eventObject(row)}\nid: ${row.id}\n\n`);
      }
    });
  }
});

describe('a name that could inject a line is rejected', () => {
  const rejection = { code: 'PT400' };
  const controls = ['\n', '\r', '\r\n', '\t', '\u0001', '\u001f', '\u007f'];

  for (const control of controls) {
    test(`${JSON.stringify(control)} in a type or a channel`, async () => {
      const name = `a${control}data: x${control}${control}id: 99`;
      const insert = (channel, type) =>
        database.query(kInsert, [channel, JSON.stringify({ type, data: 1 })], kAsPublisher);
      await assert.rejects(database.publish('inject', name, 1), rejection);
      await assert.rejects(database.publish(name, 'made', 1), rejection);
      await assert.rejects(insert('inject', name), rejection);
      await assert.rejects(insert(name, 'made'), rejection);
    });
  }

  test('an empty or too long name', async () => {
    for (const name of ['', 'x'.repeat(256), 'é'.repeat(128)]) {
      await assert.rejects(database.publish('inject', name, 1), rejection);
      await assert.rejects(database.publish(name, 'made', 1), rejection);
    }
    assert.deepEqual(await database.log({ channels: ['inject'] }), []);
  });
});

test('many events of all sizes arrive completely, page by page, the same from every back-end', async () => {
  const count = 3000;
  const insert = `INSERT INTO pgevents.events (channel_id, data)
    SELECT 'many', json_build_object('type', 'made', 'data', repeat('x', (n * 7919) % 3000)) FROM generate_series(1, $1) n`;
  await database.query(insert, [count], { user: 'test_publisher' });
  await database.settled();
  const rows = await database.log({ channels: ['many'] });
  for (const backend of backends) {
    assert.ok((await pollAll(backend, 'many', count)) === pollBody(rows), backend.name);
    const stream = await backend.stream('many', { cursor: 0, count, inParts: true });
    // About 4.5 MB: the fallback sends a megabyte at a time, because nginx buffers what a slow client does not read.
    if (backend.differs.streamEnds) assert.ok(stream.connections.length >= 4,
      `${stream.connections.length} connections`);
    const bytes = Buffer.concat(stream.events.map(({ raw }) => raw)).toString();
    assert.ok(bytes === rows.map((row) => streamFrame(row)).join(''));
  }
});
