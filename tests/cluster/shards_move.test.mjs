// Realms move to another shard, as docs/cluster.md describes it, while both shards are under load: to one with greater
// ids, and to one with smaller ids. Each client of the realm gets one reset and every event; each client of another
// realm gets every event once, and no reset.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';

import { WebSocket } from 'ws';

import { EventChannel } from '../../client/src/index.js';
import { sleep, waitFor } from '../lib/conditions.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { request } from '../lib/http.mjs';
import { run } from '../lib/processes.mjs';
import { kRoot } from '../lib/scratch.mjs';
import { Socket } from '../lib/web_socket.mjs';
import { parsePollBody } from '../lib/wire.mjs';
import { playsAll } from './lib/play.mjs';
import { Shards } from './lib/shards.mjs';

const shards = new Shards();
const kReset = 'pgevents.reset';
const kEach = 3; // clients of each kind and realm
const kScript = `${kRoot}/conf/cluster/move-realm.sh`;

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
  async page({ port, path, cursor, headers, over, watch }) {
    const stream = new EventStream({ port, path, cursor, headers });
    watch(stream.events);
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
  // The JavaScript client, which keeps its cursor itself.
  client: (visit) => library('stream', visit),
  'client by WebSocket': (visit) => library('websocket', visit),
  long: (visit) => poll({ ...visit, path: `${visit.path}?flavor=long-poll&timeout=1` }),
  fallback: (visit) => poll({ ...visit, path: `${visit.path}?flavor=poll`, port: visit.offPort }),
};

async function library(transport, { port, path, cursor, headers, over, watch }) {
  const [base, channel] = path.split('/events/');
  const events = [];
  watch(events);
  const client = new EventChannel(`http://127.0.0.1:${port}${base}`, channel, {
    token: headers.Authorization.slice('Bearer '.length), lastEventId: cursor, transports: [transport, 'long-poll'],
    environment: { WebSocket },
  });
  client.onevent = ({ type, data }) => events.push({ type, data: JSON.stringify(data) });
  await waitFor(over, { what: 'the end', timeout: 120_000, interval: 20 });
  client.close();
  return { events, cursor: client.lastEventId };
}

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
    const visit = { port, offPort, path: `/rt/events/${realm}.news`, cursor, headers: shards.as(realm),
      over: () => this.over_, watch: (events) => (this.visible_ = events) };
    const answer = await kVisits[this.kind](visit);
    this.visible_ = [];
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

  // The last number, also if the visit that brought it goes on.
  get last() {
    return Number(this.visible_?.at(-1)?.data ?? this.numbers.at(-1));
  }

  async finish(last) {
    await waitFor(() => this.last >= last, { what: () => `event ${last} for ${this.kind} of ${this.realm}: ${this.last}` });
    this.over_ = true;
    await this.running_;
  }
}

const upTo = (last) => Array.from({ length: last }, (_, n) => n + 1);

const kMap = 'bakery us; wine us;';

// The realm that moves, from where, the map's lines afterwards, and realms that stay on eu and us.
const kMoves = [
  { realm: 'cheese', from: 'eu', to: 'us', map: 'bakery us; wine us; cheese us;', stays: { eu: 'shop', us: 'bakery' } },
  { realm: 'wine', from: 'us', to: 'eu', map: 'bakery us; cheese us;', stays: { eu: 'tea', us: 'dairy' } },
];

describe('moves under load', { skip: !playsAll && './run cluster plays it' }, () => {
  before(async () => {
    await shards.start();
    await shards.nginx.reload((nginx) => shards.http(nginx, [['bakery us;', kMap]]));
  });

  for (const { realm, from, to, map, stays } of kMoves) {
    test(`a realm moves from ${from} to ${to} under load`, async (t) => {
      const start = { eu: '1', us: '100000000000000' };
      const places = { [realm]: from, [stays.eu]: 'eu', [stays.us]: 'us' };
      const publishers = Object.fromEntries(
        Object.entries(places).map(([name, place]) => [name, new Publisher(name, shards[place])]));
      await waitFor(() => Object.values(publishers).every(({ count }) => count > 20), { what: 'events' });
      const clients = Object.entries(places).flatMap(([name, place]) => Object.keys(kVisits).flatMap((kind) =>
        Array.from({ length: kEach }, () => new Client(name, kind, start[place]))));
      const gone = `gone-${realm}`;
      await shards[from].query('SELECT pgevents.revoke($1)', [gone]);
      await sleep(2000);

      const begun = Date.now();
      await publishers[realm].stop();
      const { count } = publishers[realm];
      const admin = [from, to].map((name) => shards[name].conninfo({ user: 'postgres' }));
      await run(kScript, [...admin, String.raw`${realm}\..*`]);
      await shards.nginx.reload((nginx) => shards.http(nginx, [['bakery us;', map]]));
      publishers[realm] = new Publisher(realm, shards[to], count);
      t.diagnostic(`writing paused for ${Date.now() - begun} ms, ${count} events were copied`);

      await sleep(3000);
      await Promise.all(Object.values(publishers).map((publisher) => publisher.stop()));
      await Promise.all(clients.map((client) => client.finish(publishers[client.realm].count)));
      for (const client of clients) judge(client, client.realm === realm, publishers[client.realm].count);
      const counts = Object.entries(publishers).map(([name, one]) => `${name} ${one.count}`);
      t.diagnostic(`${clients.length} clients, events: ${counts}`);

      const answer = await request({ port: shards.port, path: `/rt/events/${realm}.news?flavor=poll&last_event_id=0`,
        headers: shards.as(realm, { user: gone }) });
      assert.deepEqual([answer.status, answer.json().code], [401, 'TOKEN_REVOKED'], 'revoked before the move');
      // Again: nothing that the new shard has revoked since is taken back.
      await shards[to].query(`SELECT pgevents.revoke($1, 'infinity')`, [gone]);
      await run(kScript, [...admin, 'no-channel']);
      const before_us = 'SELECT before::text FROM pgevents.revocations WHERE user_id = $1';
      assert.equal(await shards[to].value(before_us, [gone]), 'infinity');
    });
  }
});

function judge({ realm, kind, numbers, resets, reason, before: earlier }, hasMoved, last) {
  const who = `${kind} of ${realm}`;
  assert.deepEqual(numbers, upTo(last), `${who}: each event once, in order`);
  assert.equal(resets, hasMoved ? 1 : 0, `resets of a ${who}`);
  assert.equal(reason, hasMoved ? 'ahead' : undefined);
  if (earlier) assert.deepEqual(earlier, upTo(earlier.length), `${who} before the move`);
}
