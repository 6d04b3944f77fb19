// Everybody who listens: those who stay from the beginning to the end, and as many who come and go, each in its own way. Whoever
// leaves is replaced at once, so that the servers always have about the same to carry.
import { range, sleep } from '../lib/conditions.mjs';
import { inSeconds, signToken } from '../lib/tokens.mjs';
import { kKey } from '../lib/people.mjs';
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

// Tokens differ from one another, so that the cache of those that are known goes round.
let token_count = 0;
export const bearer = (user, life = 600) => {
  const claims = { sub: String(user), iat: Date.now() / 1000, exp: inSeconds(life), jti: String(++token_count) };
  return { Authorization: `Bearer ${signToken(claims, { key: kKey })}` };
};

export class Company {
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
    const who = `${options.kind} ${options.base} ${options.via} ${channels}${types ? ` types ${types}` : ''}`;
    const reader = this.ledger_.add(new Reader({ who, channels, types, resets }));
    const note = (text) => this.ledger_.note(text);
    return { reader, client: new Subscriber(this.ports_, reader, note, { channels, types, ...options }) };
  }

  // --- those who stay ---

  settle(count) {
    for (const n of range(0, count - 1)) {
      const [kind, base] = kStaying[n % kStaying.length];
      const via = kVias[Math.floor(n / kStaying.length) % kVias.length];
      const channels = kLists[n % kLists.length];
      this.staying.push(this.subscribe_({ kind, base, via, channels, cursor: this.ledger_.last_id }));
    }
    // The fallback serves one at a time: a few.
    for (const kind of ['stream', 'poll']) {
      this.staying.push(this.subscribe_({ kind, base: '/fb', via: 'plain', channels: kLists[0], cursor: this.ledger_.last_id }));
    }
  }

  // --- those who come and go ---

  keepComing(count) {
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

  // For so long, or until all end.
  stay_(ms) {
    return sleepWhile(() => !this.stopping_, ms);
  }

  // Lives its time, and goes by end or by reset.
  async live_(options, ms = this.between_(100, 10_000)) {
    const one = this.subscribe_({ base: '/rt', via: this.pick_(kVias), channels: this.pick_(kLists), ...options });
    await this.stay_(ms);
    await this.leave_(one);
  }

  async leave_({ client, reader }) {
    await client.leave(this.random_() < 0.5 ? 'end' : 'reset');
    this.ledger_.remove(reader);
  }

  listener_() {
    return this.live_({ kind: 'stream' });
  }

  poller_() {
    return this.live_({ kind: 'long-poll', cursor: this.ledger_.last_id });
  }

  // With a cursor of some time ago, that the ring does not have any more, or the log.
  async returner_() {
    const { id, ts_us } = this.ledger_.past(1 - this.random_() ** 3);
    const cursor = this.random_() < 0.3 ? { since_us: ts_us } : id;
    await this.live_({ kind: this.pick_(['stream', 'long-poll', 'poll']), cursor, resets: true });
  }

  filterer_() {
    return this.live_({ kind: this.pick_(['stream', 'long-poll']), cursor: this.ledger_.last_id, types: [this.pick_(kTypes)] });
  }

  // On a channel that nobody else ever had.
  loner_() {
    return this.live_({ kind: 'stream', channels: [`once-${++this.once_}`, this.pick_(kChannels)] });
  }

  async fallback_() {
    await this.live_({ kind: 'poll', base: '/fb', via: 'plain', cursor: this.ledger_.last_id }, this.between_(100, 2000));
    await this.stay_(this.between_(1000, 4000));
  }

  // Known by name: connects, which is presence, and is put out now and then.
  user_(n) {
    const user = 1 + (n % kUsers);
    const headers = () => bearer(user, this.random_() < 0.3 ? 3 : 600);
    const channels = [`user:${user}`, 'presence:main', this.pick_(kChannels)];
    const statuses = new Set([200, 401, 503]); // 401: revoked in the very second
    return this.live_({ kind: this.pick_(['stream', 'long-poll']), cursor: this.ledger_.last_id, channels, headers, statuses });
  }

  // Two pages of one session: the second one is told to come back later.
  async twins_(n) {
    const options = { kind: 'long-poll', wait_id: `page-${n}-${this.came}`, cursor: this.ledger_.last_id };
    await Promise.all([this.live_(options), this.live_(options)]);
  }

  // Stops reading in the middle of a lot, and goes on, or goes.
  async slow_() {
    const one = this.subscribe_({
      kind: 'stream', base: '/rt', via: this.pick_(kVias), channels: kChannels, cursor: this.ledger_.past(this.random_()).id,
      resets: true,
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

  // Does not come to the end of its request, or does not wait for the answer.
  async cut_() {
    const whole = this.pick_([
      `GET /rt/events/room-1 HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nLast-Event-ID: 0\r\n\r\n`,
      `GET /rt/events/room-2?flavor=long-poll HTTP/1.1\r\nHost: x\r\n\r\n`,
      `POST /rt/events/brief HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 29\r\n\r\n{"type":"made","data":"abcde"}`,
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

// How often each is drawn.
const kWays = Object.entries({
  listener_: 5, poller_: 4, returner_: 4, filterer_: 2, loner_: 2, fallback_: 1, user_: 4, twins_: 1, slow_: 1, cut_: 3,
}).flatMap(([way, weight]) => Array.from({ length: weight }, () => way));
