// A primary and a copy of its log, each a cluster of its own with an nginx and a fallback; and clients that go from one
// to the other with each request, as a balancer over both sends them.
import { sleep, waitFor } from './conditions.mjs';
import { complete, startDatabases, subscribe } from './copy.mjs';
import { EventStream } from './event_stream.mjs';
import { startCgiServer } from './fallback.mjs';
import { request } from './http.mjs';
import { startModuleServer } from './module_server.mjs';
import { startProxy } from './proxy.mjs';
import { Socket } from './web_socket.mjs';
import { parsePollBody } from './wire.mjs';

export const kCopyCluster = { tcp: true, settings: {
  wal_level: 'logical', wal_retrieve_retry_interval: '200ms', wal_receiver_timeout: '2s', wal_sender_timeout: '2s',
} };
const kReset = 'pgevents.reset';
const kBatch = 5;
const kPublish = `SELECT count(pgevents.publish($1, 'made', to_json(n))) FROM generate_series(1, $2::int) n`;

export class Pair {
  // Two clusters with a database each, and the line between them. Nothing is subscribed yet. PGEVENTS_PG_BIN_COPY: the
  // programs of the copy's PostgreSQL, if it is to be of another version than PGEVENTS_PG_BIN.
  async start() {
    Object.assign(this, await startDatabases({ ...kCopyCluster, name: 'app', copyBin: process.env.PGEVENTS_PG_BIN_COPY }));
    this.line = await startProxy(this.primary.cluster.port);
    return this;
  }

  async subscribe() {
    await subscribe(this.primary, this.copy, this.line.port);
    await complete(this.copy);
  }

  // An nginx and a fallback on each side: { module, fallback } by side.
  async serve() {
    const serveOne = async (database) => ({
      module: await startModuleServer({ database, location: 'pgevents_timeout 400ms; pgevents_retry 50ms;' }),
      fallback: await startCgiServer({ conninfo: database.conninfo() }),
    });
    this.sides = await Promise.all([serveOne(this.primary), serveOne(this.copy)]);
  }

  // Publishes a few events every few milliseconds until stop(), which gives how many.
  publish(channel, { pause = 4 } = {}) {
    const database = this.primary;
    const flow = { count: 0, over: false };
    const run = async () => {
      while (!flow.over) {
        await database.query(kPublish, [channel, kBatch]).then(() => (flow.count += kBatch), () => sleep(50));
        await sleep(pause);
      }
    };
    const running = run();
    flow.stop = async () => {
      flow.over = true;
      await running;
      return flow.count;
    };
    return flow;
  }
}

// One request of each kind: gives what it received and the next cursor.
export const kVisits = {
  async stream({ module }, path, cursor) {
    const stream = new EventStream({ port: module.port, path, cursor });
    await sleep(60 + Math.random() * 120);
    await stream.close();
    return { events: stream.events, cursor: stream.cursor };
  },
  async socket({ module }, path, cursor) {
    const socket = new Socket({ port: module.port, path: `${path}?last_event_id=${cursor}` });
    await socket.opened();
    await sleep(60 + Math.random() * 120);
    socket.socket.terminate();
    await socket.ended;
    const { events } = socket.received;
    return { events, cursor: events.at(-1)?.id ?? cursor };
  },
  long: ({ module }, path, cursor) => poll(module, `${path}?flavor=long-poll&last_event_id=${cursor}`, cursor),
  poll: ({ module }, path, cursor) => poll(module, `${path}?flavor=poll&last_event_id=${cursor}`, cursor),
  fallback: ({ fallback }, path, cursor) => poll(fallback, `${path}?flavor=poll&last_event_id=${cursor}`, cursor),
};
export const kKinds = Object.keys(kVisits);

async function poll({ port }, path, cursor) {
  const answer = await request({ port, path });
  if (answer.status !== 200) {
    await sleep(100);
    return { events: [], cursor, refused: answer.status };
  }
  return { events: parsePollBody(answer.body), cursor: answer.headers['last-event-id'] };
}

// A client of one kind that goes to the other side with each request.
export class Hopper {
  constructor(pair, kind, channel) {
    this.kind = kind;
    this.path_ = `/rt/events/${channel}`;
    this.pair_ = pair;
    this.cursor = '1';
    this.ids = [];
    this.resets = 0;
    this.hops = 0;
    this.refused = 0;
    this.failures = [];
    this.running_ = this.run_();
  }

  async run_() {
    while (!this.over_) await this.visit_(this.pair_.sides[this.hops++ % 2]).catch((error) => this.fail_(error));
  }

  async fail_(error) {
    this.failures.push(error);
    await sleep(50);
  }

  async visit_(side) {
    const { events, cursor, refused } = await kVisits[this.kind](side, this.path_, this.cursor);
    this.refused += refused ? 1 : 0;
    for (const { id, type } of events) {
      if (type === kReset) this.resets++;
      else this.ids.push(Number(id));
    }
    this.cursor = String(cursor);
  }

  // Ends when it has been everywhere until it has the event `last`.
  async finish(last) {
    await waitFor(() => this.ids.at(-1) >= last, { what: () => `event ${last} for ${this.kind}, which has ${this.ids.at(-1)}` });
    this.over_ = true;
    await this.running_;
  }

  // { duplicates, missing } compared with the log's ids.
  judge(ids) {
    const seen = new Set(this.ids);
    const ascending = this.ids.every((id, at) => at === 0 || id > this.ids[at - 1]);
    return { duplicates: this.ids.length - seen.size, missing: ids.filter((id) => !seen.has(id)).length, ascending,
      resets: this.resets };
  }
}
