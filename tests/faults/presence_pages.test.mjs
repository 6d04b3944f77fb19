// Loading a page has no race: while presence, connections and settings change all the time, pages register, subscribe
// from the cursor of that answer, and apply the events. In the end each page knows what the database contains.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { range, sleep, waitFor } from '../lib/conditions.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { assertSuccess, keyFile, newRealm, serverAt, setTimings } from '../lib/realm.mjs';
import { Poller } from '../lib/poller.mjs';
import { randomSource } from '../lib/publishers.mjs';
import { kFallbackBase, kModuleBase, startService } from './service.mjs';

const kPages = 200;
const kPerSecond = 50; // changes
const kLoadTime = 15_000; // ms in which the pages load
const kSettleTime = 60_000;

const file = keyFile();
const service = await startService({
  workers: 2, args: ['--jwt-key', file],
  location: `pgevents_jwt_key ${file}; pgevents_retry 300ms; pgevents_poll_interval 1s;`,
});
const { database, nginx } = service;
// With these settings every stored active report is published; idle ones are not, as always.
await setTimings(database, {
  presence_ping_interval: '500 milliseconds', presence_offline_threshold: '1 second', presence_flush_window: '50 milliseconds',
  presence_grace: '300 milliseconds', presence_lease: '5 seconds',
});
const bases = [kModuleBase, kFallbackBase];

const kReaders = range(0, kPages / 2 - 1).map((n) => `reader${n}`); // two pages each
const kMovers = range(0, 49).map((n) => `mover${n}`);
const realm = await newRealm(database, ...kReaders, ...kMovers);
const path = (base, channels) => `${base}/events/${channels.join(',')}`;

class Page {
  constructor(number) {
    this.id = kReaders[number >> 1];
    this.base = number % 10 === 0 ? kFallbackBase : kModuleBase;
    this.polls = this.base === kFallbackBase || number % 3 === 0;
    this.ends = 0;
    this.resets = 0;
  }

  async load() {
    const start = assertSuccess(await realm.user(serverAt(service.port, this.base), this.id).register());
    this.presences = start.presences;
    this.connected = new Set(start.presence_connected);
    this.settings = start.user_settings;
    const options = {
      port: service.port, path: path(this.base,
        start.channels), headers: realm.headersOf(this.id), cursor: start.last_event_id,
      onEvent: ({ type, data }) => this.apply_(type, JSON.parse(data)),
    };
    this.client = this.polls
      ? new Poller({ ...options, flavor: this.base === kFallbackBase ? 'poll' : 'long-poll' })
      : new EventStream({ ...options, reconnect: true });
  }

  apply_(type, data) {
    if (type === 'presence') Object.assign(this.presences, data.presences);
    else if (type === 'user_settings') Object.assign(this.settings, data);
    else if (type === 'pgevents.connected') for (const id of data.users) this.connected.add(id);
    else if (type === 'pgevents.disconnected') for (const id of data.users) this.connected.delete(id);
    else if (type === 'end') this.ends++;
    else if (type === 'pgevents.reset') this.resets++;
  }
}

// Users who report, change settings, connect and leave at random until stop(), which gives the numbers of changes.
class Movers {
  constructor(seed) {
    this.random_ = randomSource(seed);
    this.streams_ = new Map();
    this.done = { reports: 0, choices: 0, arrivals: 0, departures: 0 };
    this.stopping_ = false;
    this.pending_ = new Set();
    this.failures = [];
    this.running_ = this.run_();
  }

  pick_(list) {
    return list[Math.floor(this.random_() * list.length)];
  }

  // Keeps the given pace, however long each change takes and however late this program is.
  async run_() {
    for (let next = performance.now(); !this.stopping_; await sleep(10)) {
      for (; next <= performance.now(); next += 1000 / kPerSecond) {
        const done = () => this.pending_.delete(change);
        const change = this.change_().catch((error) => this.failures.push(error)).finally(done);
        this.pending_.add(change);
      }
    }
    await Promise.all(this.pending_);
    await Promise.all([...this.streams_.values()].map((stream) => stream.close()));
  }

  async change_() {
    const dice = this.random_();
    const server = serverAt(service.port, this.pick_(bases));
    if (dice < 0.5) {
      const user = realm.user(server, this.pick_([...kReaders, ...kMovers]));
      assertSuccess(await user.report({ status: 'active', ping_only: true }));
      this.done.reports++;
    } else if (dice < 0.75) {
      const flag = this.pick_(['presence_enabled', 'receives_typing_notifications',
        'send_stream_typing_notifications']);
      assertSuccess(await realm.user(server, this.pick_(kReaders)).choose({ [flag]: this.random_() < 0.7 }));
      this.done.choices++;
    } else {
      await this.moveStream_(this.pick_(kMovers));
    }
  }

  async moveStream_(id) {
    const stream = this.streams_.get(id);
    this.streams_.delete(id);
    if (stream) {
      this.done.departures++;
      return stream.close();
    }
    this.done.arrivals++;
    const options = { port: service.port, path: path(kModuleBase, [realm.channel]), headers: realm.headersOf(id) };
    this.streams_.set(id, new EventStream({ ...options, reconnect: true }));
  }

  async stop() {
    this.stopping_ = true;
    await this.running_;
    return this.done;
  }
}

// Waits until no event is delayed and no departure is pending.
async function quiet() {
  await waitFor(() => database.value(`
    SELECT NOT EXISTS (SELECT FROM pgevents.presence_realms WHERE is_dirty)
       AND NOT EXISTS (SELECT FROM pgevents.connections WHERE left_at IS NOT NULL)
       AND NOT EXISTS (SELECT FROM pgevents.presence WHERE is_connected AND user_id LIKE 'mover%')`),
    { what: 'no pending changes', timeout: kSettleTime, interval: 100 });
}

const byUser = (rows) => new Map(rows.map(({ user_id, ...row }) => [user_id, row]));

// Presence: { active, idle, is_told, is_connected } by user; is_told: an event published the last change.
async function finalPresence() {
  return byUser(await database.query(`
    SELECT user_id, floor(date_part('epoch', active_at)) AS active, floor(date_part('epoch', idle_at)) AS idle,
           times_id = update_id AS is_told, is_connected FROM pgevents.presence WHERE realm = $1`, [realm.name]));
}

async function finalSettings() {
  return byUser(await database.query(`
    SELECT user_id, presence_enabled, send_private_typing_notifications, send_stream_typing_notifications,
           receives_typing_notifications FROM pgevents.users WHERE realm = $1`, [realm.name]));
}

// The mistakes of a page. Users who were only in contact have a made-up active time in events.
function mistakes(page, state, settings) {
  const wrong = [];
  const report = (what, ...more) => wrong.push(`${page.id}, ${page.client.describe()}: ${what} ${JSON.stringify(more)}`);
  for (const [id, { active, idle, is_told }] of state) {
    const seen = page.presences[id];
    if (!seen) report('does not know', id);
    else if (active !== null && seen.active_timestamp !== active) report('active', id, seen, { active });
    else if (seen.idle_timestamp > idle || (is_told && seen.idle_timestamp !== idle)) report('idle', id, seen,
      { idle, is_told });
  }
  for (const id of Object.keys(page.presences)) if (!state.has(id)) report('knows of', id);
  const connected = [...state].filter(([, row]) => row.is_connected).map(([id]) => id).sort();
  const seen = [...page.connected].sort();
  const without = (some, others) => some.filter((id) => !others.includes(id));
  if (seen.join() !== connected.join()) report('connected', without(seen, connected), without(connected, seen));
  for (const [flag, value] of Object.entries(settings.get(page.id))) {
    if (page.settings[flag] !== value) report('setting', flag, value);
  }
  if (page.resets > 0) report('reset');
  return wrong;
}

test(`${kPages} pages load during ${kPerSecond} changes a second: in the end each knows what the database contains`, async (t) => {
  const seed = Date.now() % 1e9;
  t.diagnostic(`seed ${seed}`);
  const movers = new Movers(seed);
  await sleep(1000);
  const pages = range(0, kPages - 1).map((n) => new Page(n));
  const started = performance.now();
  const loading = [];
  for (const [n, page] of pages.entries()) {
    await sleep(Math.max(0, started + (n * kLoadTime) / kPages - performance.now()));
    loading.push(page.load());
  }
  await Promise.all(loading);
  const took = performance.now() - started;
  await sleep(1000);
  const done = await movers.stop();
  assert.deepEqual(movers.failures, []);
  await quiet();
  await database.publish(realm.channel, 'end', 0);
  for (const id of kReaders) await database.publish(realm.userChannel(id), 'end', 0);
  await waitFor(() => pages.every(({ ends }) => ends >= 2), {
    what: () => `all pages caught up, e.g. not ${pages.find(({ ends }) => ends < 2)?.client.describe()}`, timeout: kSettleTime,
  });
  const [state, settings] = [await finalPresence(), await finalSettings()];
  const wrong = pages.flatMap((page) => mistakes(page, state, settings));
  assert.equal(wrong.slice(0, 5).join('\n'), '', `${wrong.length} mistakes`);
  assert.ok(Object.values(done).every((count) => count > 50), JSON.stringify(done));
  const events = pages.reduce((sum, { client }) => sum + client.events.length, 0);
  const presence_events = (await realm.log()).length;
  t.diagnostic(`${JSON.stringify(done)} while ${kPages} pages loaded in ${Math.round(took)} ms; ` +
    `${presence_events} events about presence, ${events} deliveries; all pages agree with the database`);
  for (const { client } of pages) client.assertStrict();
  await Promise.all(pages.map(({ client }) => client.close()));
});

test('at the end the log is clean', () => nginx.stop());
