// The subscribers of a soak: some stay from the beginning to the end, and as many come and go, each in its own way.
// Each one that leaves is replaced at once, so that the servers' load stays about the same.
import { range, sleep } from '../lib/conditions.mjs';
import { inSeconds, signToken } from '../lib/tokens.mjs';
import { kKey } from '../lib/realm.mjs';
import { Reader } from '../lib/ledger.mjs';
import { kUsers } from './setup.mjs';
import { sleepWhile, Subscriber } from './subscriber.mjs';
import { kVias, openRaw } from './transport.mjs';

export const kChannels = range(1, 8).map((n) => `room-${n}`);
export const kTypes = ['cheese_created', 'cheese_sold'];

const kStaying = [
  ['stream', '/rt'], ['stream', '/rt'], ['long-poll', '/rt'], ['stream', '/rt'], ['long-poll', '/rt'], ['poll', '/rt'],
];
const kLists = [[0], [1, 2], [3], [4, 5, 6, 7], [2], [0, 7]].map((list) => list.map((n) => kChannels[n]));

// All tokens differ, so that the cache of verified tokens is overwritten.
let token_count = 0;
export const bearer = (user, life = 600) => {
  const claims = { sub: String(user), iat: Date.now() / 1000, exp: inSeconds(life), jti: String(++token_count) };
  return { Authorization: `Bearer ${signToken(claims, { key: kKey })}` };
};

export class Clients {
  constructor(ports, ledger, random) {
    Object.assign(this, { ports_: ports, ledger_: ledger, random_: random });
    this.staying = [];
    this.coming_ = new Set();
    this.stopping_ = false;
    this.came = 0;
    this.once_ = 0;
  }

  between_(from, to) {
    return from + this.random_() * (to - from);
  }

  pick_(list) {
    return list[Math.floor(this.random_() * list.length)];
  }

  subscribe_({ channels, types, resets, ...options }) {
    const name = `${options.kind} ${options.base} ${options.via} ${channels}${types ? ` types ${types}` : ''}`;
    const reader = this.ledger_.add(new Reader({ name, channels, types, resets }));
    const note = (text) => this.ledger_.note(text);
    return { reader, client: new Subscriber(this.ports_, reader, note, { channels, types, ...options }) };
  }

  // --- subscribers that stay ---

  startStaying(count) {
    for (const n of range(0, count - 1)) {
      const [kind, base] = kStaying[n % kStaying.length];
      const via = kVias[Math.floor(n / kStaying.length) % kVias.length];
      const channels = kLists[n % kLists.length];
      this.staying.push(this.subscribe_({ kind, base, via, channels, cursor: this.ledger_.last_id }));
    }
    // The fallback serves one request at a time, so it has only a few.
    for (const kind of ['stream', 'poll']) {
      const options = { kind, base: '/fb', via: 'plain', channels: kLists[0], cursor: this.ledger_.last_id };
      this.staying.push(this.subscribe_(options));
    }
  }

  // --- subscribers that come and go ---

  startComing(count) {
    this.comers_ = range(1, count).map(async (n) => {
      await sleep(this.between_(0, 2000));
      while (!this.stopping_) {
        const way = this.pick_(kWays);
        this.came++;
        try {
          await this[way](n);
        } catch (error) {
          this.ledger_.note(`${way}: ${error.stack}`);
        }
      }
    });
  }

  // Waits for this time, or until the soak ends.
  stay_(ms) {
    return sleepWhile(() => !this.stopping_, ms);
  }

  // Subscribes for some time, and leaves with FIN or RST.
  async live_(options, ms = this.between_(100, 10_000)) {
    const one = this.subscribe_({ base: '/rt', via: this.pick_(kVias), channels: this.pick_(kLists), ...options });
    await this.stay_(ms);
    await this.leave_(one);
  }

  async leave_({ client, reader }) {
    await client.leave(this.random_() < 0.5 ? 'end' : 'reset');
    this.ledger_.remove(reader);
  }

  streamer_() {
    return this.live_({ kind: 'stream' });
  }

  poller_() {
    return this.live_({ kind: 'long-poll', cursor: this.ledger_.last_id });
  }

  // Starts with an older cursor, which may be behind the ring, or even behind the log.
  async lateComer_() {
    const { id, ts_us } = this.ledger_.past(1 - this.random_() ** 3);
    const cursor = this.random_() < 0.3 ? { since_us: ts_us } : id;
    await this.live_({ kind: this.pick_(['stream', 'long-poll', 'poll']), cursor, resets: true });
  }

  filtering_() {
    const [kind, types] = [this.pick_(['stream', 'long-poll']), [this.pick_(kTypes)]];
    return this.live_({ kind, cursor: this.ledger_.last_id, types });
  }

  // Subscribes to a channel that no other client ever uses.
  newChannel_() {
    return this.live_({ kind: 'stream', channels: [`once-${++this.once_}`, this.pick_(kChannels)] });
  }

  async fallback_() {
    const cursor = this.ledger_.last_id;
    await this.live_({ kind: 'poll', base: '/fb', via: 'plain', cursor }, this.between_(100, 2000));
    await this.stay_(this.between_(1000, 4000));
  }

  // Has a user, so it counts as a connection for presence, and is revoked or disconnected from time to time.
  user_(n) {
    const user = 1 + (n % kUsers);
    const headers = () => bearer(user, this.random_() < 0.3 ? 3 : 600);
    const channels = [`user:${user}`, 'presence:main', this.pick_(kChannels)];
    const statuses = new Set([200, 401, 503]); // 401: revoked in the same second
    const kind = this.pick_(['stream', 'long-poll']);
    return this.live_({ kind, cursor: this.ledger_.last_id, channels, headers, statuses });
  }

  // Two pages with one wait id: the second one gets a later reconnection time.
  async sameWaitId_(n) {
    const options = { kind: 'long-poll', wait_id: `page-${n}-${this.came}`, cursor: this.ledger_.last_id };
    await Promise.all([this.live_(options), this.live_(options)]);
  }

  // Stops reading in the middle of many events, and then continues or leaves.
  async slow_() {
    const one = this.subscribe_({
      kind: 'stream', base: '/rt', via: this.pick_(kVias), channels: kChannels,
      cursor: this.ledger_.past(this.random_()).id, resets: true,
    });
    await this.stay_(this.between_(20, 200));
    one.client.pause();
    await this.stay_(this.between_(500, 8000));
    if (this.random_() < 0.5) {
      one.client.resume();
      await this.stay_(this.between_(100, 3000));
    }
    await this.leave_(one);
  }

  // Sends an incomplete request, or leaves before the answer.
  async cut_() {
    const whole = this.pick_([
      `GET /rt/events/room-1 HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nLast-Event-ID: 0\r\n\r\n`,
      `GET /rt/events/room-2?flavor=long-poll HTTP/1.1\r\nHost: x\r\n\r\n`,
      'POST /rt/events/brief HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 29\r\n\r\n' +
        '{"type":"made","data":"abcde"}',
    ]);
    const socket = openRaw(this.ports_, whole.slice(0, Math.floor(this.between_(0, whole.length + 1))));
    await this.stay_(this.between_(5, 500));
    if (this.random_() < 0.5) socket.destroy();
    else socket.resetAndDestroy();
  }

  async stop() {
    this.stopping_ = true;
    await Promise.all(this.comers_ ?? []);
  }

  async close() {
    await Promise.all(this.staying.splice(0).map((one) => this.leave_(one)));
  }
}

// The relative frequency of each way.
const kWays = Object.entries({
  streamer_: 5, poller_: 4, lateComer_: 4, filtering_: 2, newChannel_: 2, fallback_: 1, user_: 4, sameWaitId_: 1,
  slow_: 1, cut_: 3,
}).flatMap(([way, weight]) => Array.from({ length: weight }, () => way));
