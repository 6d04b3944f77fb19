// Five event-stream clients from npm, Chromium's EventSource, our strict reader and a plain parser of the recorded
// bytes receive the same events in the same order: every payload and type that is difficult for a parser.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { chromium } from 'playwright-core';

import { sharedCluster } from '../lib/cluster.mjs';
import { startModuleServer } from '../lib/module_server.mjs';
import { kOddTypes, kPayloads } from '../lib/payloads.mjs';
import { kClients, kQuirks } from '../lib/sse_clients.mjs';

const kFlags = ['--no-sandbox', '--disable-quic', '--disable-background-networking', '--disable-component-update',
  '--disable-sync', '--no-first-run'];

const database = await (await sharedCluster()).createDatabase();
const server = await startModuleServer({ database });

for (const [i, json] of Object.values(kPayloads).entries()) await database.publish('all', `payload_${i}`, { json });
for (const type of Object.values(kOddTypes)) await database.publish('all', type, { type });
await database.publish('all', 'message', 'the default type');
const log = await database.log({ channels: ['all'] });
const types = log.map((row) => row.type);
const expected = log.map((row) => (
  { type: row.type, data: row.data.replace(/[\r\n]/g, ' '), id: String(row.id) }));
const recording = await record();

// The bytes of one stream.
async function record() {
  const stream = server.stream('all', { cursor: 0 });
  await stream.waitForEvents(log.length);
  await stream.close();
  stream.assertStrict();
  return Buffer.concat(stream.blocks.map((block) => block.raw));
}

// The algorithm of the HTML standard (Server-sent events, "Interpreting an event stream"), written as plainly as
// possible.
function plainParse(bytes) {
  const events = [];
  let [type, data, id] = ['', '', ''];
  for (const line of bytes.toString('utf8').split(/\r\n|\r|\n/)) {
    if (line === '') {
      const isEvent = data !== '' && type !== 'pgevents.cursor';
      if (isEvent) events.push({ type: type || 'message', data: data.slice(0, -1), id });
      [type, data] = ['', ''];
      continue;
    }
    const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line);
    if (field === 'event') type = value;
    if (field === 'data') data += `${value}\n`;
    if (field === 'id' && !value.includes('\0')) id = value;
  }
  return events;
}

// Compares beginnings first, because large texts would hide the difference in a failing test's output.
function assertSame(events, wanted = expected) {
  const short = ({ type, data, id }) => ({ type, id, length: data.length, data: data.slice(0, 60) });
  assert.deepEqual(events.map(short), wanted.map(short));
  assert.ok(events.every((event, i) => event.data === wanted[i].data), 'data differs after its first 60 characters');
}

/* global EventSource */
// Runs in a page of the server's origin.
function readInPage({ path, names, count }) {
  return new Promise((resolve, reject) => {
    const events = [];
    const source = new EventSource(path);
    source.onerror = () => reject(new Error(`the stream ended after ${events.length} events`));
    for (const name of new Set(names)) {
      source.addEventListener(name, ({ type, data, lastEventId: id }) => {
        if (events.push({ type, data, id }) === count) resolve(events);
      });
    }
  });
}

async function readWithChromium() {
  const executablePath = process.env.PGEVENTS_CHROMIUM ?? '/usr/bin/chromium';
  const browser = await chromium.launch({ executablePath, args: kFlags });
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${server.port}/rt/events/none?flavor=poll`);
    const options = { path: '/rt/events/all?last_event_id=0', names: types, count: log.length };
    return await page.evaluate(readInPage, options);
  } finally {
    await browser.close();
  }
}

describe('the same events are received by', () => {
  test("Chromium's EventSource", async () => assertSame(await readWithChromium()));
  test('a plain parser of the recorded bytes', () => assertSame(plainParse(recording)));

  for (const [name, read] of Object.entries(kClients)) {
    test(name, async () => {
      const url = `http://127.0.0.1:${server.port}/rt/events/all?flavor=eventsource&last_event_id=0`;
      const quirk = kQuirks[name] ?? ((value) => value);
      const wanted = expected.map((event) => ({ ...event, type: quirk(event.type), data: quirk(event.data) }));
      assertSame(await read(url, types, log.length), wanted);
    });
  }
});

test('every payload keeps its meaning', () => {
  for (const [i, json] of Object.values(kPayloads).entries()) {
    assert.deepEqual(JSON.parse(expected[i].data), JSON.parse(json));
  }
});
