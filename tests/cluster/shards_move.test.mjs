// A realm moves to another shard, as docs/cluster.md describes it, while both shards are under load. Each client of the
// realm gets one reset and every event; each client of another realm gets every event once, and no reset.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { sleep, waitFor } from '../lib/conditions.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { request } from '../lib/http.mjs';
import { run } from '../lib/processes.mjs';
import { kRoot } from '../lib/scratch.mjs';
import { Socket } from '../lib/web_socket.mjs';
import { parsePollBody } from '../lib/wire.mjs';
import { Shards } from './lib/shards.mjs';

const shards = new Shards();
const kReset = 'pgevents.reset';
const kEach = 3; // clients of each kind and realm

// Numbered events of a realm, one transaction after the other.
class Publisher {
  constructor(realm, database, count = 0) {
    Object.assign(this, { realm, database, count, stopped: false });
    this.running_ = this.run_();
  }

  async run_() {
    while (!this.stopped) {
      await this.database.query('SELECT pgevents.publish($1, $2, $3::json)', [`${this.realm}.news`, 'made', this.count + 1]);
      this.count += 1;
      await sleep(3);
    }
  }

  async stop() {
    this.stopped = true;
    await this.running_;
  }
}

// One request of each kind behind a cursor: gives the events that it received, and the next cursor.
const kVisits = {
  async stream({ port, path, cursor, headers }) {
    const stream = new EventStream({ port, path, cursor, headers });
    await sleep(200 + Math.random() * 300);
    await stream.close();
    return { events: stream.events, cursor: stream.cursor };
  },
  // A page that never closes its stream: only the server does.
  async page({ port, path, cursor, headers, over }) {
    const stream = new EventStream({ port, path, cursor, headers });
    await waitFor(() => over() || stream.connection?.how, { what: 'the end of a stream', timeout: 120_000, interval: 20 });
    await stream.close();
    return { events: stream.events, cursor: stream.cursor };
  },
  async socket({ port, path, cursor, headers }) {
    const socket = new Socket({ port, path: `${path}?last_event_id=${cursor}`, headers });
    await socket.opened();
    await sleep(200 + Math.random() * 300);
    socket.socket.terminate();
    await socket.ended;
    const { events } = socket.received;
    return { events, cursor: events.at(-1)?.id ?? cursor };
  },
  long: (visit) => poll({ ...visit, path: `${visit.path}?flavor=long-poll&timeout=1` }),
  fallback: (visit) => poll({ ...visit, path: `${visit.path}?flavor=poll`, port: visit.offPort }),
};

async function poll({ port, path, cursor, headers }) {
  const answer = await request({ port, path, headers: { ...headers, 'Last-Event-ID': cursor } });
  if (answer.status !== 200) throw new Error(`status ${answer.status}`);
  await sleep(20);
  return { events: parsePollBody(answer.body), cursor: answer.headers['last-event-id'] };
}

class Client {
  constructor(realm, kind, cursor) {
    Object.assign(this, { realm, kind, cursor: String(cursor), numbers: [], resets: 0, over_: false });
    this.failures = [];
    this.running_ = this.run_();
  }

  async run_() {
    while (!this.over_) await this.visit_().catch((error) => this.fail_(error));
  }

  async fail_(error) {
    this.failures.push(error);
    await sleep(50);
  }

  async visit_() {
    const { port, offPort } = shards;
    const { realm, cursor } = this;
    const visit = { port, offPort, path: `/rt/events/${realm}.news`, cursor, headers: shards.as(realm), over: () => this.over_ };
    const answer = await kVisits[this.kind](visit);
    for (const { type, data } of answer.events) {
      if (type === kReset) this.take_(JSON.parse(data).reason);
      else this.numbers.push(Number(data));
    }
    this.cursor = String(answer.cursor);
  }

  take_(reason) {
    this.resets += 1;
    this.reason = reason;
    this.before = this.numbers;
    this.numbers = [];
  }

  async finish(last) {
    // A page's events count when its stream has ended.
    if (this.kind !== 'page') {
      await waitFor(() => this.numbers.at(-1) >= last, { what: () => `event ${last} for ${this.kind}: ${this.numbers.at(-1)}` });
    }
    this.over_ = true;
    await this.running_;
  }
}

const upTo = (last) => Array.from({ length: last }, (_, n) => n + 1);

test('a realm moves to another shard under load', async (t) => {
  await shards.start();
  const { eu, us } = shards;
  const [bakery, shop, cheese] = [new Publisher('bakery', us), new Publisher('shop', eu), new Publisher('cheese', eu)];
  await waitFor(() => bakery.count > 20 && shop.count > 20 && cheese.count > 20, { what: 'events' });
  // `cheese` is on the default shard; it moves to us, where bakery is.
  const clients = ['cheese', 'shop', 'bakery'].flatMap((realm) => Object.keys(kVisits).flatMap((kind) =>
    Array.from({ length: kEach }, () => new Client(realm, kind, realm === 'bakery' ? '100000000000000' : '1'))));
  await eu.query(`SELECT pgevents.revoke('gone')`);
  await sleep(2000);

  const begun = Date.now();
  await cheese.stop();
  const script = `${kRoot}/conf/cluster/move-realm.sh`;
  const admin = [eu, us].map((database) => database.conninfo({ user: 'postgres' }));
  await run(script, [...admin, String.raw`cheese\..*`]);
  await shards.nginx.reload((nginx) => shards.http(nginx, [['bakery us;', 'bakery us; cheese us;']]));
  const moved = new Publisher('cheese', us, cheese.count);
  t.diagnostic(`writing paused for ${Date.now() - begun} ms, ${cheese.count} events were copied`);

  await sleep(3000);
  for (const publisher of [moved, bakery, shop]) await publisher.stop();
  const lasts = { cheese: moved.count, shop: shop.count, bakery: bakery.count };
  // Pages are still connected: they must have everything before they end.
  await sleep(1000);
  await Promise.all(clients.map((client) => client.finish(lasts[client.realm])));
  for (const { realm, kind, numbers, resets, reason, before } of clients) {
    assert.deepEqual(numbers, upTo(lasts[realm]), `${kind} of ${realm}: each event once, in order`);
    assert.equal(resets, realm === 'cheese' ? 1 : 0, `resets of a ${kind} of ${realm}`);
    if (realm === 'cheese') assert.equal(reason, 'ahead');
    if (before) assert.deepEqual(before, upTo(before.length), `${kind} of ${realm} before the move`);
  }
  t.diagnostic(`${clients.length} clients, events: ${JSON.stringify(lasts)}`);

  const answer = await request({ port: shards.port, path: '/rt/events/cheese.news?flavor=poll&last_event_id=0',
    headers: shards.as('cheese', { user: 'gone' }) });
  assert.deepEqual([answer.status, answer.json().code], [401, 'TOKEN_REVOKED'], 'revoked before the move');
  // Again: nothing that the new shard has revoked since is taken back.
  await us.query(`SELECT pgevents.revoke('gone', 'infinity')`);
  await run(script, [...admin, 'no-channel']);
  assert.equal(await us.value(`SELECT before::text FROM pgevents.revocations WHERE user_id = 'gone'`), 'infinity');
});
