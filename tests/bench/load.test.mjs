// The load generator must see what it is there to see: a server that loses, repeats and swaps on purpose, and one that does
// not. Run by: node --test tests/bench/load.test.mjs (after the benchmark was built once).
import assert from 'node:assert/strict';
import http from 'node:http';
import { describe, test } from 'node:test';
import path from 'node:path';

import { run } from '../lib/processes.mjs';
import { kRoot } from '../lib/scratch.mjs';

const kLoad = path.join(kRoot, 'build', 'bench', 'load');
const kShred = 7; // bytes per write: every parser sees its input in pieces

// A server that delivers each published event as `deliver(n)` says: a list of sequence numbers.
async function withServer(deliver, body) {
  const subscribers = new Set();
  const publish = (text) => {
    const event = JSON.parse(text);
    const frames = deliver(event.n).map((n) => `event: bench\ndata: ${JSON.stringify({ ...event, n })}\nid: ${n}\n\n`);
    const bytes = Buffer.from(frames.join(''));
    for (const subscriber of subscribers) {
      for (let at = 0; at < bytes.length; at += kShred) subscriber.write(bytes.subarray(at, at + kShred));
    }
  };
  const server = http.createServer(async (request, response) => {
    if (request.method === 'GET') {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' }).flushHeaders();
      subscribers.add(response);
      return;
    }
    publish(Buffer.concat(await request.toArray()).toString());
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

async function load(port, more = []) {
  const args = ['--server', `127.0.0.1:${port}`, '--publish', '/', '--publishers', '1', '--subscribers', '3', '--rate', '100',
    '--warmup', '0', '--seconds', '0.3', '--drain', '1', '--watch', `server=${process.pid}`, ...more];
  return JSON.parse((await run(kLoad, args)).stdout);
}

// A control port beside a server: takes what is wrapped as the template says, and ends the connection after each answer.
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

describe('the load generator', () => {
  test('has nothing to say about a perfect delivery, and counts it all', async () => {
    const result = await withServer((n) => [n], load);
    assert.deepEqual(faults(result), { missing: 0, duplicates: 0, reordered: 0 });
    assert.equal(result.deliveries, 3 * result.published);
    assert.equal(result.delay_us.count, result.deliveries);
    assert.ok(result.published >= 25, `${result.published} in 0.3 s at 100/s`);
  });

  test('counts what is lost, comes twice and comes late, per subscriber', async () => {
    const plan = { 3: [], 5: [5, 5], 7: [], 8: [8, 7] };
    const result = await withServer((n) => plan[n] ?? [n], load);
    assert.deepEqual(faults(result), { missing: 3, duplicates: 3, reordered: 3 });
  });

  test('counts what never comes at the end', async () => {
    const result = await withServer((n) => (n > 10 ? [] : [n]), load);
    assert.equal(result.missing, 3 * (result.published - 10));
  });

  test('publishes to another server than it listens to, wrapped by a template', async () => {
    const template = String.raw`{"items":[{"channel":"{channel}","content":"data: {data}\n"}]}`;
    const [result, seen] = await withServer((n) => [n], (port) => withControl(port, (control) =>
      load(port, ['--publish', '/publish/', '--publish-server', `127.0.0.1:${control}`, '--body', template])));
    assert.deepEqual(faults(result), { missing: 0, duplicates: 0, reordered: 0 });
    assert.equal(result.deliveries, 3 * result.published);
    assert.equal(seen.length, result.published);
    assert.deepEqual(seen[0], ['/publish/', 'bench0']);
  });
});
