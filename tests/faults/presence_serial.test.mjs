// Presence is serialised per user: connections of one user start, end and report at random over two nginx instances and
// the fallback, with slow transactions. The last event that each subscriber receives agrees with the database, and no
// connected user is reported as disconnected.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { range, sleep, waitFor } from '../lib/conditions.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { request } from '../lib/http.mjs';
import { startNginx } from '../lib/nginx.mjs';
import { assertSuccess, keyFile, kNoUser, newRealm, serverAt, setTimings } from '../lib/realm.mjs';
import { Poller } from '../lib/poller.mjs';
import { randomSource } from '../lib/publishers.mjs';
import { kFallbackBase, kModuleBase, startService } from './service.mjs';

const kConnections = 30;
const kSeconds = 30; // with and without a permanent connection
const kGrace = 500; // ms
const kAway = 1000 + kGrace; // ms: the module waits for a next request, and then the database
const kLease = 3000;
const kKnown = 1000; // ms after which the database knows a connection, even on a busy machine

const file = keyFile();
const service = await startService({
  workers: 2, args: ['--jwt-key', file],
  location: `pgevents_jwt_key ${file}; pgevents_retry 300ms; pgevents_poll_interval 1s;`,
});
const { database } = service;
const second = await startNginx({ workers: 2, http: (nginx) => service.http(nginx) });
const ports = [service.port, second.port];
await setTimings(database, {
  presence_grace: `${kGrace} milliseconds`, presence_lease: `${kLease} milliseconds`, presence_ping_interval: '400 milliseconds',
  presence_offline_threshold: '700 milliseconds', presence_flush_window: '50 milliseconds',
});
// Every second write waits, before or after it has happened, and at the end of the transaction.
await database.query(`
  CREATE FUNCTION public.dawdle() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN IF random() < 0.5 THEN PERFORM pg_sleep(random() * 0.04); END IF; RETURN coalesce(NEW, OLD); END $$;
  CREATE TRIGGER dawdle_before BEFORE INSERT OR UPDATE OR DELETE ON pgevents.presence
    FOR EACH ROW EXECUTE FUNCTION public.dawdle();
  CREATE TRIGGER dawdle_before BEFORE INSERT OR UPDATE OR DELETE ON pgevents.connections
    FOR EACH ROW EXECUTE FUNCTION public.dawdle();
  CREATE TRIGGER dawdle_after AFTER INSERT OR UPDATE OR DELETE ON pgevents.connections
    FOR EACH ROW EXECUTE FUNCTION public.dawdle();
  CREATE CONSTRAINT TRIGGER dawdle_at_commit AFTER INSERT OR UPDATE ON pgevents.presence DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION public.dawdle()`);

const realm = await newRealm(database, 'storm', 'lonely', 'pair');
const eventsPath = `${kModuleBase}/events/${realm.channel}`;

// Subscribers through both instances and the fallback, by every transport.
const listeners = await Promise.all([
  ...ports.map((port) => new EventStream({ port, path: eventsPath, headers: kNoUser, cursor: 0, reconnect: true }).opened()),
  ...ports.map((port) => new Poller({ port, path: eventsPath, headers: kNoUser, cursor: 0 })),
  new Poller({
    port: service.port, path: `${kFallbackBase}/events/${realm.channel}`, headers: kNoUser, cursor: 0, flavor: 'poll',
  }),
]);

const stream = (id, port) => new EventStream({ port, path: eventsPath, headers: realm.headersOf(id) });

// Records when connections certainly existed: { from, to } in ms since 1970.
class Presence {
  constructor() {
    this.spans = [];
  }

  begin() {
    const span = { from: Date.now(), to: Infinity };
    this.spans.push(span);
    return () => (span.to = Date.now());
  }

  // For how long, at a moment, a connection had existed without a break.
  since(moment) {
    const there = this.spans.filter(({ from, to }) => from < moment && moment < to);
    return Math.max(0, ...there.map(({ from }) => moment - from));
  }
}

// A client that connects and leaves repeatedly.
class StormClient {
  constructor(number, storm) {
    this.random_ = randomSource(storm.seed + number);
    this.storm_ = storm;
    this.done = { streams: 0, polls: 0, reports: 0 };
    // A failing client ends the storm, because the user would otherwise never be disconnected; stop() gives the reason.
    this.running = this.run_().catch((error) => {
      storm.over = true;
      storm.failures.push(error);
    });
  }

  between_(from, to) {
    return from + this.random_() * (to - from);
  }

  async run_() {
    while (!this.storm_.over) {
      if (this.storm_.ebb) await sleep(20);
      else if (this.random_() < 0.6) await this.stream_();
      else await this.longPoll_();
      await sleep(this.between_(0, 300));
    }
  }

  port_() {
    return ports[Math.floor(this.random_() * ports.length)];
  }

  async stream_() {
    const client = stream('storm', this.port_());
    await client.opened();
    const end = this.storm_.presence.begin();
    this.done.streams++;
    const until = Date.now() + this.between_(0, 1500);
    while (Date.now() < until && !this.storm_.ebb && !this.storm_.over) {
      await sleep(this.between_(20, 300));
      if (this.random_() < 0.3) await this.report_();
    }
    end();
    await client.close();
  }

  // The test does not see when a long poll begins to wait; it certainly exists from the beginning of its answer.
  async longPoll_() {
    const timeout = this.between_(0.05, 0.4).toFixed(2);
    const path = `${eventsPath}?timeout=${timeout}&types=none`;
    const answer = await request({ port: this.port_(), path, headers: realm.headersOf('storm') });
    assert.equal(answer.status, 200, answer.body);
    this.done.polls++;
  }

  async report_() {
    const [port, base] = this.random_() < 0.3 ? [service.port, kFallbackBase] : [this.port_(), kModuleBase];
    const status = this.random_() < 0.5 ? 'active' : 'idle';
    assertSuccess(await realm.user(serverAt(port, base), 'storm').report({ status, ping_only: true }));
    this.done.reports++;
  }
}

class Storm {
  constructor(seed) {
    this.seed = seed;
    this.over = false;
    this.ebb = false;
    this.presence = new Presence();
    this.failures = [];
    this.members = range(1, kConnections).map((n) => new StormClient(n, this));
  }

  async stop() {
    this.over = true;
    await Promise.all(this.members.map(({ running }) => running));
    if (this.failures.length > 0) throw new AggregateError(this.failures, this.failures.map(String).join('\n'));
    const sum = (name) => this.members.reduce((total, { done }) => total + done[name], 0);
    return { streams: sum('streams'), polls: sum('polls'), reports: sum('reports') };
  }
}

// Events about a user, as a subscriber received them.
const eventsAbout = (listener, id) => listener.events.map((event) => ({ ...event, data: JSON.parse(event.data) }))
  .filter(({ data }) => data.users?.includes(id) || data.presences?.[id]);
const arrivals = (listener, id) => eventsAbout(listener, id).filter(({ type }) => type !== 'presence');
// The events in the log, with the time of commit in ms.
const logged = async (id, type, after = 0) => (await realm.log(after))
  .filter((row) => row.type === type && JSON.parse(row.data).users?.includes(id)).map(({ ts_us }) => ts_us / 1000);

// Waits for the end of a storm: all events are published and received. Then each subscriber's last event must be true.
async function assertLastEventsAreTrue(id) {
  await waitFor(() => database.value(`
    SELECT NOT EXISTS (SELECT FROM pgevents.presence_realms WHERE is_dirty)
       AND NOT EXISTS (SELECT FROM pgevents.connections WHERE left_at IS NOT NULL)`), { what: 'no pending changes', interval: 50 });
  const end = await database.publish(realm.channel, 'end', { users: [] });
  await waitFor(() => listeners.every(({ events }) => events.at(-1)?.id >= end),
    { what: 'the last event at all subscribers' });
  const row = await realm.row(id);
  const was_told = await database.value(
    'SELECT times_id = update_id FROM pgevents.presence WHERE realm = $1 AND user_id = $2', [realm.name, id]);
  for (const listener of listeners) {
    const what = listener.describe();
    assert.equal(arrivals(listener, id).at(-1)?.type, row.is_connected ? 'pgevents.connected' : 'pgevents.disconnected',
      what);
    const { data } = eventsAbout(listener, id).findLast(({ type }) => type === 'presence');
    assert.equal(data.presences[id].active_timestamp, Math.floor(row.active), what);
    if (was_told) assert.equal(data.presences[id].idle_timestamp, Math.floor(row.idle), what);
    const types = arrivals(listener, id).map(({ type }) => type);
    assert.ok(types.every((type, n) => type === (n % 2 ? 'pgevents.disconnected' : 'pgevents.connected')),
      `${what}: ${types}`);
    listener.assertStrict();
  }
  return row;
}

test(`${kConnections} connections start and end for ${kSeconds / 2} s while one stays: the user stays connected`, async (t) => {
  const seed = Date.now() % 1e9;
  const anchor = await stream('storm', second.port).opened();
  const storm = new Storm(seed);
  await sleep((kSeconds / 2) * 1000);
  const done = await storm.stop();
  await sleep(2 * kGrace);
  assert.deepEqual(await logged('storm', 'pgevents.disconnected'), []);
  assert.equal((await logged('storm', 'pgevents.connected')).length, 1);
  assert.equal((await assertLastEventsAreTrue('storm')).is_connected, true);
  assert.ok(Object.values(done).every((count) => count > 50), JSON.stringify(done));
  t.diagnostic(`seed ${seed}; ${JSON.stringify(done)}: connected once, never disconnected`);
  await anchor.close();
  await waitFor(async () => !(await realm.row('storm')).is_connected, { what: 'the departure' });
  assert.equal((await assertLastEventsAreTrue('storm')).is_connected, false);
});

test(`for ${kSeconds / 2} s all of them leave from time to time, for about the grace time`, async (t) => {
  const seed = Date.now() % 1e9;
  const random = randomSource(seed);
  const cursor = await database.head();
  const storm = new Storm(seed);
  const until = Date.now() + (kSeconds / 2) * 1000;
  let ebbs = 0;
  while (Date.now() < until) {
    await sleep(300 + random() * 700);
    storm.ebb = true;
    await sleep((0.8 + 1.7 * random()) * kAway);
    storm.ebb = false;
    ebbs++;
  }
  // However those ended: one departure that is certainly long enough, and one more return of all connections.
  storm.ebb = true;
  await waitFor(async () => !(await realm.row('storm')).is_connected, { what: 'a departure' });
  storm.ebb = false;
  await waitFor(async () => (await realm.row('storm')).is_connected, { what: 'the return' });
  const done = await storm.stop();
  await waitFor(async () => !(await realm.row('storm')).is_connected, { what: 'the departure' });
  assert.equal((await assertLastEventsAreTrue('storm')).is_connected, false);
  const departures = await logged('storm', 'pgevents.disconnected', cursor);
  const there = departures.map((moment) => Math.round(storm.presence.since(moment)));
  assert.ok(Math.max(...there) < kKnown, `disconnected after having been connected for ${there} ms`);
  assert.ok(departures.length > 1, 'some pauses must be longer than the grace time');
  t.diagnostic(`seed ${seed}; ${JSON.stringify(done)}, ${ebbs} ebbs: ${departures.length} departures, ` +
    `at most ${Math.max(...there)} ms after an arrival`);
});

// --- an instance is killed ---

test('when an nginx instance is killed, leases expire, and users who were only there are disconnected once', async (t) => {
  const lonely = await Promise.all(range(1, 5).map(() => stream('lonely', second.port).opened()));
  const pair = await Promise.all(ports.map((port) => stream('pair', port).opened()));
  for (const id of ['lonely', 'pair']) await waitFor(async () => (await realm.row(id))?.is_connected,
    { what: 'the arrival' });
  await sleep(kLease); // the lease has been renewed by now
  const killed_at = Date.now();
  await second.crash();
  await waitFor(async () => (await logged('lonely', 'pgevents.disconnected')).length > 0,
    { what: 'the departure', timeout: 60_000 });
  const [left_at] = await logged('lonely', 'pgevents.disconnected');
  const took = left_at - killed_at;
  t.diagnostic(`disconnected ${Math.round(took)} ms after the kill (lease ${kLease} ms, grace ${kGrace} ms)`);
  assert.ok(took > kGrace && took < kLease + kGrace + 5000, `${took}`);
  await sleep(kLease + 2 * kGrace);
  assert.equal((await logged('lonely', 'pgevents.disconnected')).length, 1);
  assert.deepEqual(await logged('pair', 'pgevents.disconnected'), []);
  assert.equal(await database.value('SELECT count(*) FROM pgevents.connections WHERE user_id = $1', ['lonely']), 0);
  for (const client of [...lonely, ...pair]) await client.close();
  await waitFor(async () => (await logged('pair', 'pgevents.disconnected')).length === 1,
    { what: 'the other departure' });
});

test('when the instance restarts, its users are connected again', async () => {
  await second.start();
  const client = stream('lonely', second.port);
  await client.opened();
  await waitFor(async () => (await realm.row('lonely')).is_connected, { what: 'the arrival' });
  assert.equal((await logged('lonely', 'pgevents.connected')).length, 2);
  await client.close();
});

test('at the end the logs are clean', async () => {
  for (const listener of listeners) await listener.close();
  await service.nginx.stop();
  await second.stop();
});
