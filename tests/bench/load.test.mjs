// The load generator must find faults: of a server that loses, repeats and swaps events on purpose, and none of one
// that does not. Run by: node --test tests/bench/load.test.mjs (after the benchmark was built once).
import assert from 'node:assert/strict';
import http from 'node:http';
import { describe, test } from 'node:test';
import path from 'node:path';

import { sleep } from '../lib/conditions.mjs';
import { run } from '../lib/processes.mjs';
import { kRoot } from '../lib/scratch.mjs';

const kLoad = path.join(kRoot, 'build', 'bench', 'load');
const kShred = 7; // bytes per write, so that every parser gets its input in pieces
const kLate = 200; // ms from the beginning of the answer to the missed events, and from an event to a late confirmation

function send(subscribers, numbers, event) {
  const frames = numbers.map((n) => `event: bench\ndata: ${JSON.stringify({ n, t: event.t })}\nid: ${n}\n\n`);
  const bytes = Buffer.from(frames.join(''));
  for (const subscriber of subscribers) {
    for (let at = 0; at < bytes.length; at += kShred) subscriber.write(bytes.subarray(at, at + kShred));
  }
}

// A server that delivers each published event as `deliver(n)` gives it, and to new subscribers what `missed(cursor)`
// gives: lists of sequence numbers. It is late to confirm an event if `isLate(n)`.
async function withServer(deliver, body, { missed = () => [], isLate = () => false } = {}) {
  const subscribers = new Set();
  const publish = (text) => {
    const event = JSON.parse(text);
    send(subscribers, deliver(event.n), event);
    return event.n;
  };
  const server = http.createServer(async (request, response) => {
    if (request.method === 'GET') {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' }).flushHeaders();
      subscribers.add(response);
      setTimeout(() => send([response], missed(request.headers['last-event-id']), { t: 0 }), kLate);
      return;
    }
    const n = publish(Buffer.concat(await request.toArray()).toString());
    if (isLate(n)) await sleep(kLate);
    response.writeHead(201).end('ok');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    return await body(server.address().port);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

// A run ends when every event has arrived; it waits for missing events as long as `--drain` says.
async function load(port, more = []) {
  const args = ['--server', `127.0.0.1:${port}`, '--publish', '/', '--publishers', '1', '--subscribers', '3', '--rate', '100',
    '--warmup', '0', '--seconds', '0.3', '--drain', '30', '--watch', `server=${process.pid}`, ...more];
  return JSON.parse((await run(kLoad, args)).stdout);
}

const loadBriefly = (port) => load(port, ['--drain', '1']);

// A control port beside a server: it accepts events in the template's form, and closes the connection after each
// answer.
async function withControl(port, body) {
  const seen = [];
  const control = http.createServer(async (incoming, response) => {
    const text = Buffer.concat(await incoming.toArray()).toString();
    const [item] = JSON.parse(text).items;
    seen.push([incoming.url, item.channel]);
    await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: item.content.slice('data: '.length).trim() });
    response.writeHead(200, { Connection: 'close' }).end();
  });
  await new Promise((resolve) => control.listen(0, '127.0.0.1', resolve));
  try {
    return [await body(control.address().port), seen];
  } finally {
    control.close();
  }
}

const faults = ({ missing, duplicates, reordered }) => ({ missing, duplicates, reordered });

// A server in front of the other one, which takes events in the form of pgevents.
async function withApplication(port, urls, body) {
  const front = http.createServer(async (incoming, response) => {
    const { data } = JSON.parse(Buffer.concat(await incoming.toArray()).toString());
    urls.push(incoming.url);
    await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: JSON.stringify(data) });
    response.writeHead(200).end();
  });
  await new Promise((resolve) => front.listen(0, '127.0.0.1', resolve));
  try {
    return await body(front.address().port);
  } finally {
    front.closeAllConnections();
    front.close();
  }
}

describe('the load generator', () => {
  test('reports nothing for a perfect delivery, and counts all of it', async () => {
    const result = await withServer((n) => [n], load);
    assert.deepEqual(faults(result), { missing: 0, duplicates: 0, reordered: 0 });
    assert.equal(result.deliveries, 3 * result.published);
    assert.equal(result.delay_us.count, result.deliveries);
    assert.ok(result.published >= 25, `${result.published} in 0.3 s at 100/s`);
  });

  test('counts lost, repeated and late events per subscriber', async () => {
    const plan = { 3: [], 5: [5, 5], 7: [], 8: [8, 7] };
    const result = await withServer((n) => plan[n] ?? [n], loadBriefly);
    assert.deepEqual(faults(result), { missing: 3, duplicates: 3, reordered: 3 });
  });

  test('counts events that never arrive', async () => {
    const result = await withServer((n) => (n > 10 ? [] : [n]), loadBriefly);
    assert.equal(result.missing, 3 * (result.published - 10));
  });

  test('publishes to another server than the subscribers\', with a template', async () => {
    const template = String.raw`{"items":[{"channel":"{channel}","content":"data: {data}\n"}]}`;
    const [result, seen] = await withServer((n) => [n], (port) => withControl(port, (control) =>
      load(port, ['--publish', '/publish/', '--publish-server', `127.0.0.1:${control}`, '--body', template])));
    assert.deepEqual(faults(result), { missing: 0, duplicates: 0, reordered: 0 });
    assert.equal(result.deliveries, 3 * result.published);
    assert.equal(seen.length, result.published);
    assert.deepEqual(seen[0], ['/publish/', 'bench0']);
  });

  test('publishes JSON to a path with the channel', async () => {
    const urls = [];
    const more = ['--publish', '/events/{channel}?x=1', '--body', '{"type":"bench","data":{json}}'];
    const result = await withServer((n) => [n], (port) => withApplication(port, urls, (front) =>
      load(port, [...more, '--publish-server', `127.0.0.1:${front}`])));
    assert.deepEqual(faults(result), { missing: 0, duplicates: 0, reordered: 0 });
    assert.equal(result.deliveries, 3 * result.published);
    assert.equal(urls[0], '/events/bench0?x=1');
  });

  test('measures a confirmation from when the event was due, even if no connection was free', async () => {
    const result = await withServer((n) => [n], load, { isLate: (n) => n === 10 });
    const { count, p90, max } = result.publish_delay_us;
    assert.equal(count, result.published);
    assert.ok(max >= kLate * 1000, `${max} µs`);
    assert.ok(p90 > kLate * 500, `${p90} µs: the events that became due meanwhile have waited, too`);
  });

  test('waits for events that were published before, after the cursors that it sends', async () => {
    const cursors = [];
    const missed = (cursor) => {
      cursors.push(Number(cursor));
      return [1, 2, 3, 4, 5];
    };
    const more = ['--missed', '5', '--last-event-id', '70', '--cursors', '2'];
    const result = await withServer((n) => [n], (port) => load(port, more), { missed });
    assert.deepEqual(cursors.sort(), [70, 70, 71]);
    assert.ok(result.caught_up_s * 1000 >= kLate, `${result.caught_up_s} s`);
    assert.deepEqual(faults(result), { missing: 0, duplicates: 0, reordered: 0 });
    assert.equal(result.deliveries, 3 * result.published);
  });
});

describe('the crowd', () => {
  const kCrowd = path.join(kRoot, 'build', 'bench', 'crowd');

  // A server that ends each stream after its first event; `again(cursor)`: what a stream gets that comes back.
  async function withEndings(again, body) {
    const server = http.createServer((request, response) => {
      const cursor = request.headers['last-event-id'];
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      const event = (n) => `data: ${JSON.stringify({ n, t: Date.now() * 1000 })}\nid: ${n + 100}\n\n`;
      const numbers = cursor === undefined ? [1] : again(cursor);
      response.write(`retry: 10\n\n${numbers.map(event).join('')}`);
      if (cursor === undefined) response.end();
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      return await body(server.address().port);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }

  const crowd = (port, commands) =>
    run(kCrowd, ['--server', `127.0.0.1:${port}`, '--rate', '0', '--subscribers', '3'], { input: commands });

  const answers = async (port, commands) =>
    (await crowd(port, commands)).stdout.trim().split('\n').map((line) => JSON.parse(line));

  test('comes back behind its last event', async () => {
    const cursors = [];
    const again = (cursor) => {
      cursors.push(cursor);
      return [2];
    };
    const commands = 'open 30\nreopened 3 30\nawait 2 30\n';
    const [first, back, last] = await withEndings(again, (port) => answers(port, commands));
    assert.deepEqual([first.done, back.done, back.closed, last.done], [true, true, 3, true]);
    assert.deepEqual(new Set(cursors), new Set(['101']));
    assert.deepEqual(faults(last), { missing: 0, duplicates: 0, reordered: 0 });
    assert.equal(last.delays.reduce((sum, [, samples]) => sum + samples, 0), 6);
  });

  test('says what is late, lost and repeated', async () => {
    const [, , last] = await withEndings(() => [1, 3], (port) => answers(port, 'open 30\nreopened 3 30\nawait 3 1\n'));
    assert.equal(last.done, false);
    assert.deepEqual(faults(last), { missing: 3, duplicates: 3, reordered: 0 });
  });

  test('tries again while no server listens', async () => {
    const server = http.createServer();
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address();
    await new Promise((resolve) => server.close(resolve));
    const [only] = await answers(port, 'open 2.5\n');
    assert.ok(only.closed >= 6 && only.closed <= 9, `${only.closed}: three streams, each once a second`);
    assert.deepEqual([only.done, only.opened, only.bad_answers], [false, 0, 0]);
  });

  test('rejects unknown commands', async () => {
    const { status, stderr } = await run(kCrowd, ['--server', '127.0.0.1:1', '--rate', '0'], { input: 'leave\n', expect: null });
    assert.deepEqual([status, stderr], [1, 'crowd: unknown command: leave\n']);
  });
});
