// Five event-stream clients from npm, Chromium's EventSource, our strict reader and a bare parse of the recorded bytes
// see the same events, in the same order: every payload and every type that is hard on a parser.
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

for (const [i, json] of Object.values(kPayloads).entries()) await database.publish('odd', `payload_${i}`, { json });
for (const type of Object.values(kOddTypes)) await database.publish('odd', type, { type });
await database.publish('odd', 'message', 'the default type');
const log = await database.log({ channels: ['odd'] });
const types = log.map((row) => row.type);
const expected = log.map((row) => ({ type: row.type, data: row.data.replace(/[\r\n]/g, ' '), id: String(row.id) }));
const recording = await record();

// The bytes that the server sends, once.
async function record() {
  const stream = server.stream('odd', { cursor: 0 });
  await stream.waitForEvents(log.length);
  await stream.close();
  stream.assertStrict();
  return Buffer.concat(stream.blocks.map((block) => block.raw));
}

// The algorithm of the HTML standard (Server-sent events, "Interpreting an event stream"), as plainly as it can be written.
function bareParse(bytes) {
  const events = [];
  let [type, data, id] = ['', '', ''];
  for (const line of bytes.toString('utf8').split(/\r\n|\r|\n/)) {
    if (line === '') {
      if (data !== '' && type !== 'pgevents.cursor') events.push({ type: type || 'message', data: data.slice(0, -1), id });
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

// Large texts would drown what matters in a failing test's output.
function assertSame(events, wanted = expected) {
  const short = ({ type, data, id }) => ({ type, id, length: data.length, data: data.slice(0, 60) });
  assert.deepEqual(events.map(short), wanted.map(short));
  assert.ok(events.every((event, i) => event.data === wanted[i].data), 'data differs behind its first 60 characters');
}

/* global EventSource */
// Runs in a page of the server's own origin.
function readInPage({ path, names, count }) {
  return new Promise((resolve, reject) => {
    const events = [];
    const source = new EventSource(path);
    source.onerror = () => reject(new Error(`the stream ended behind ${events.length} events`));
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
    return await page.evaluate(readInPage, { path: '/rt/events/odd?last_event_id=0', names: types, count: log.length });
  } finally {
    await browser.close();
  }
}

describe('the same events are seen by', () => {
  test("Chromium's EventSource", async () => assertSame(await readWithChromium()));
  test('a bare parse of the recorded bytes', () => assertSame(bareParse(recording)));

  for (const [name, read] of Object.entries(kClients)) {
    test(name, async () => {
      const url = `http://127.0.0.1:${server.port}/rt/events/odd?flavor=eventsource&last_event_id=0`;
      const quirk = kQuirks[name] ?? ((value) => value);
      const wanted = expected.map((event) => ({ ...event, type: quirk(event.type), data: quirk(event.data) }));
      assertSame(await read(url, types, log.length), wanted);
    });
  }
});

test('every payload keeps its meaning', () => {
  for (const [i, json] of Object.values(kPayloads).entries()) assert.deepEqual(JSON.parse(expected[i].data), JSON.parse(json));
});
