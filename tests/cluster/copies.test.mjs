// A copy of the log by logical replication in a cluster of its own, with a line between that delays, and servers and
// clients on both sides: lag is no loss, crashes of either side lose and repeat nothing, and the copy can take over.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { sleep, waitFor } from '../lib/conditions.mjs';
import { Hopper, kKinds, kVisits, Pair } from '../lib/copies.mjs';
import { arrived, complete, subscribe } from '../lib/copy.mjs';
import { request } from '../lib/http.mjs';
import { startModuleServer } from '../lib/module_server.mjs';

const pair = new Pair();
const kNothing = { duplicates: 0, missing: 0, ascending: true, resets: 0 };

before(async () => {
  await pair.start();
  await pair.subscribe();
  await pair.serve();
});

after(() => Promise.all(pair.sides.map(({ module }) => module.nginx.stop())));

const idsOf = async (database, channel) => (await database.log({ channels: [channel] })).map(({ id }) => id);

// Four clients of each kind go to and fro while events flow, and `trouble` happens.
async function hop(t, channel, trouble) {
  const { primary, copy } = pair;
  await primary.publish(channel, 'made', 0);
  const hoppers = kKinds.flatMap((kind) => Array.from({ length: 4 }, () => new Hopper(pair, kind, channel)));
  const flow = pair.publish(channel);
  let lag = 0;
  const measured = setInterval(() => Promise.all([copy.head(), primary.head()]).then(
    ([behind, head]) => (lag = Math.max(lag, head - behind)), () => {}), 100);
  await trouble();
  await flow.stop();
  clearInterval(measured);
  await arrived(primary, copy);
  const ids = await idsOf(primary, channel);
  await Promise.all(hoppers.map((hopper) => hopper.finish(ids.at(-1))));
  const count = (name) => hoppers.reduce((sum, hopper) => sum + hopper[name], 0);
  t.diagnostic(`${ids.length} events, ${hoppers.length} clients, ${count('hops')} requests, lag up to ${lag} ids, ` +
    `${count('refused')} answers 503, ${hoppers.flatMap((hopper) => hopper.failures).length} connections failed`);
  for (const hopper of hoppers) assert.deepEqual(hopper.judge(ids), kNothing, hopper.kind);
  assert.deepEqual(await idsOf(copy, channel), ids);
  return { lag, hoppers };
}

test('clients that go from one side to the other get each event once, without resets', async (t) => {
  await hop(t, 'at-once', () => sleep(3000));
});

test('so they do while the copy lags by 50 ms', async (t) => {
  pair.line.delay(50);
  const { lag } = await hop(t, 'delayed', () => sleep(4000));
  pair.line.mend();
  assert.ok(lag > 2, `the copy lagged by ${lag} ids`);
});

test('so they do when the line is cut for a second', async (t) => {
  await hop(t, 'cut', async () => {
    await sleep(500);
    pair.line.cut();
    await sleep(1000);
    pair.line.mend();
    await sleep(500);
  });
});

test('so they do when the line swallows everything', async (t) => {
  await hop(t, 'swallowed', async () => {
    await sleep(300);
    assert.ok(pair.line.freeze() > 0);
    await sleep(4500);
  });
});

test('so they do when the copy crashes while it applies events, and it begins no generation', async (t) => {
  const generations = await pair.primary.value('SELECT count(*) FROM pgevents.generations');
  await hop(t, 'copy-crashes', async () => {
    await sleep(500);
    await pair.copy.cluster.kill9();
    await pair.copy.cluster.start();
    await sleep(1000);
  });
  assert.equal(await pair.copy.value('SELECT count(*) FROM pgevents.generations'), generations);
});

test('so they do when the primary crashes, and the copy follows its new generation', async (t) => {
  pair.line.delay(50);
  await hop(t, 'primary-crashes', async () => {
    await sleep(500);
    await pair.primary.cluster.kill9();
    await pair.primary.cluster.start();
    await sleep(1500);
  });
  pair.line.mend();
  const generations = 'SELECT json_agg(first_id ORDER BY first_id) FROM pgevents.generations';
  assert.equal(await pair.copy.value(generations), await pair.primary.value(generations));
  assert.ok(await pair.copy.value('SELECT count(*) FROM pgevents.generations') > 1);
});

// The servers of the copy stay connected while the primary crashes, and their rings have events of both generations.
test('clients of events that the primary has lost get a reset at the copy, whichever way they come', async () => {
  const { primary, copy, sides: [, side] } = pair;
  await primary.publish('lost', 'made', 1);
  await arrived(primary, copy);
  await side.module.nginx.waitListening();
  const cursor = (await copy.head()) + 3;
  const waiting = side.module.stream('lost', { cursor });
  await waiting.opened();
  await primary.cluster.kill9();
  await primary.cluster.start();
  const id = await primary.publish('lost', 'made', 2);
  const isLast = ({ id: got }) => Number(got) === id;
  await waitFor(() => waiting.events.some(isLast), { what: 'the new event' });
  await waiting.close();
  const answers = { waiting: waiting.events };
  for (const kind of kKinds) {
    answers[kind] = [];
    for (let next = cursor; !answers[kind].some(isLast);) {
      const visited = await kVisits[kind](side, '/rt/events/lost', next);
      next = visited.cursor;
      answers[kind].push(...visited.events);
    }
  }
  for (const [kind, events] of Object.entries(answers)) {
    assert.deepEqual(events.map(({ type }) => type), ['pgevents.reset', 'made'], kind);
  }
});

test('publishing over HTTP on the copy is refused with 503, and takes no id', async () => {
  const sequence = 'SELECT last_value FROM pgevents.log_id_seq';
  const last = await pair.copy.value(sequence);
  const [, { module, fallback }] = pair.sides;
  for (const { port } of [module, fallback]) {
    const options = { port, path: '/rt/events/c', method: 'POST', body: '{"type":"made"}' };
    const answer = await request({ ...options, headers: { 'Content-Type': 'application/json' } });
    assert.equal(answer.status, 503);
    assert.match(answer.json().msg, /not the primary/);
    assert.ok(Number(answer.headers['retry-after']) > 0);
  }
  assert.equal(await pair.copy.value(sequence), last);
});

// A million ids further may be lag, and a billion a generation that has not arrived.
for (const further of [3_000_000, 3_000_000_000, 900_000_000_000, 20_000_000_000_000]) {
  test(`a cursor ${further} ids ahead, which no lag explains, gets a reset as soon as the copy knows`, async () => {
    const [, { module }] = pair.sides;
    await pair.primary.publish('foreign', 'made', 1);
    await arrived(pair.primary, pair.copy);
    const head = await pair.copy.head();
    const stream = module.stream('foreign', { cursor: head + further });
    await stream.opened();
    await waitFor(async () => {
      await pair.primary.publish('foreign', 'made', 2);
      await sleep(100);
      return stream.events.some(({ type }) => type === 'pgevents.reset');
    }, { what: 'a reset' });
    await stream.close();
  });
}

test('a copy made under load has each event, and serves when it is complete, also servers that were there before', async (t) => {
  const second = await pair.copy.cluster.createDatabase({ name: 'second' });
  const server = await startModuleServer({ database: second });
  const flow = pair.publish('load', { pause: 0 });
  await subscribe(pair.primary, second, pair.primary.cluster.port);
  await assert.rejects(second.query(`SELECT FROM pgevents.fetch('{load}', 0, NULL, 9, 9)`), /not complete yet/);
  await complete(second);
  const count = await flow.stop();
  await arrived(pair.primary, second);
  t.diagnostic(`${count} events were published meanwhile`);
  assert.deepEqual(await second.log(), await pair.primary.log());
  assert.equal(await pair.primary.value(`SELECT jsonb_array_length(pgevents.status() -> 'slots')`), 2);
  const [{ after_id }] = await second.query('SELECT after_id FROM pgevents.generations WHERE after_id > 0');
  await server.nginx.waitListening();
  // Its events were lost with the crash, as far as it is known; those before that are not replayed.
  const stream = server.stream('at-once,load', { cursor: after_id + 5 });
  const [first, next] = await stream.waitForEvents(2);
  assert.deepEqual([first.type, JSON.parse(first.data).reason], ['pgevents.reset', 'ahead']);
  assert.ok(next.id > after_id + 5, `event ${next.id} was replayed`);
  await stream.close();
  await server.nginx.stop();
  await second.query('DROP SUBSCRIPTION pgevents');
  assert.equal(await pair.primary.value(`SELECT jsonb_array_length(pgevents.status() -> 'slots')`), 1);
});

test('the copy takes over from a dead primary: its subscribers go on, without a reset if they know no more', async () => {
  const [, { module }] = pair.sides;
  const id = await pair.primary.publish('moved', 'made', 1);
  await arrived(pair.primary, pair.copy);
  const stream = module.stream('moved', { cursor: id - 1 });
  await stream.waitForEvents(1);
  const lost = module.stream('moved', { cursor: id + 1 });
  await lost.opened();
  await pair.primary.cluster.kill9();
  const promoted = JSON.parse(await pair.copy.value('SELECT pgevents.promote_copy()'));
  assert.equal(promoted.slots.length, 1);
  await pair.copy.publish('moved', 'made', 2);
  const answer = await request({ port: module.port, path: '/rt/events/moved', method: 'POST', body: '{"type":"made"}',
    headers: { 'Content-Type': 'application/json' } });
  assert.equal(answer.status, 201);
  await Promise.all([stream, lost].map((one) => one.waitForEvents(3)));
  await Promise.all([stream, lost].map((one) => one.close()));
  assert.deepEqual(lost.events.map(({ type }) => type), ['pgevents.reset', 'made', 'made']);
  assert.deepEqual(stream.events.map(({ type }) => type), ['made', 'made', 'made']);
  assert.equal(stream.connections.length, 1);
  assert.ok(stream.events[1].id > promoted.first_id);
});
