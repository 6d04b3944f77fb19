// Whatever an application may put into an event comes out to the byte, over every back-end and flavour the same; what must
// not get in is refused.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { startBackends } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { kOddTypes, kPayloads } from '../lib/payloads.mjs';
import { eventObject, pollBody, streamFrame } from '../lib/wire.mjs';

const database = await (await sharedCluster()).createDatabase();
const backends = await startBackends({ database });

// One channel for each payload, published in the three ways that there are.
const kWays = {
  publish: (channel, json) => database.publish(channel, 'made', { json }),
  insert: (channel, json) => database.query('INSERT INTO pgevents.events (channel_id, data) VALUES ($1, $2)',
    [channel, `{"type":"made","data":${json}}`], { user: 'test_publisher' }),
  post: async (channel, json) => assert.equal((await backends[0].publish(channel, `{"type":"made","data":${json}}`)).status, 201),
};

// What comes over as many polls as it takes, as one array; large ones end early and then ask to come back at once.
async function pollAll(backend, channel, count) {
  const objects = [];
  let cursor = '0';
  for (let received = 0; received < count;) {
    const answer = await backend.poll(channel, { cursor });
    received += answer.events.length;
    assert.notEqual(answer.cursor, cursor, `${backend.name} stands still`);
    assert.equal(answer.headers['x-ps-reconnect-in'], received < count ? '0' : '5', backend.name);
    objects.push(answer.body.slice(1, -1));
    ({ cursor } = answer);
  }
  return `[${objects.filter(Boolean).join()}]`;
}

describe('a payload is stored to the letter and sent as it is stored', () => {
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
          assert.ok(frames === rows.map((row) => streamFrame(row, { envelope })).join(''), `${backend.name}: ${frames.slice(0, 300)}`);
        }
      }
    });
  }
});

describe('an event type that applications may choose', () => {
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

describe('what could inject a line is refused', () => {
  const refusal = { code: 'PT400' };
  const controls = ['\n', '\r', '\r\n', '\t', '\u0001', '\u001f', '\u007f'];

  for (const control of controls) {
    test(`${JSON.stringify(control)} in a type or a channel`, async () => {
      const name = `a${control}data: x${control}${control}id: 99`;
      const insert = (channel, type) => database.query('INSERT INTO pgevents.events (channel_id, data) VALUES ($1, $2)',
        [channel, JSON.stringify({ type, data: 1 })], { user: 'test_publisher' });
      await assert.rejects(database.publish('inject', name, 1), refusal);
      await assert.rejects(database.publish(name, 'made', 1), refusal);
      await assert.rejects(insert('inject', name), refusal);
      await assert.rejects(insert(name, 'made'), refusal);
    });
  }

  test('empty and over-long names', async () => {
    for (const name of ['', 'x'.repeat(256), 'é'.repeat(128)]) {
      await assert.rejects(database.publish('inject', name, 1), refusal);
      await assert.rejects(database.publish(name, 'made', 1), refusal);
    }
    assert.deepEqual(await database.log({ channels: ['inject'] }), []);
  });
});

test('many events of all sizes come whole, page by page, the same from every back-end', async () => {
  const count = 3000;
  const insert = `INSERT INTO pgevents.events (channel_id, data)
    SELECT 'many', json_build_object('type', 'made', 'data', repeat('x', (n * 7919) % 3000)) FROM generate_series(1, $1) n`;
  await database.query(insert, [count], { user: 'test_publisher' });
  const rows = await database.log({ channels: ['many'] });
  for (const backend of backends) {
    assert.ok((await pollAll(backend, 'many', count)) === pollBody(rows), backend.name);
    const stream = await backend.stream('many', { cursor: 0, count, inParts: true });
    // Some 4.5 MB: the fallback sends a megabyte at a time, for nginx keeps what a slow client does not read.
    if (backend.differs.streamEnds) assert.ok(stream.connections.length >= 4, `${stream.connections.length} connections`);
    assert.ok(Buffer.concat(stream.events.map(({ raw }) => raw)).toString() === rows.map((row) => streamFrame(row)).join(''));
  }
});
