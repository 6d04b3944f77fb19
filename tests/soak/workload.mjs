// The workload of a soak besides its subscribers: transactions, publications over HTTP, expiring events, reports of
// presence, typing, revocations, invalid requests. Every answer is checked, and the ledger gets a record of what was
// published.
import { sleep } from '../lib/conditions.mjs';
import { Publishers } from '../lib/publishers.mjs';
import { bearer, kChannels, kTypes } from './clients.mjs';
import { kStreamId, kUsers } from './setup.mjs';
import { ask, isToBeRepeated, kVias } from './transport.mjs';

const kPublishers = 10;
const kJson = { 'Content-Type': 'application/json' };
const kForm = { 'Content-Type': 'application/x-www-form-urlencoded' };
const kMegabytes = 'x'.repeat(3 << 20);

// [an invalid request, the status of its answer]
const kWrong = [
  [{ path: '/rt/events/%ff' }, 400], [{ path: '/rt/events/room-1?flavor=x' }, 400], [{ path: '/rt/events/room-1/w%20' },
    400],
  [{ path: '/rt/nothing' }, 404], [{ path: '/rt/events/room-1?last_event_id=x' }, 400], [{ path: '/fb/events/%ff' },
    400],
  [{ path: '/rt/events/room-1', method: 'DELETE' }, 405], [{ path: '/rt/events/pgevents.control?flavor=poll' }, 403],
  [{ path: '/rt/events/room-1?flavor=poll', headers: { Authorization: 'Bearer a.b.c' } }, 401],
  [{ path: '/rt/events/room-1', method: 'POST', headers: kJson, body: '{"type":' }, 400],
  [{ path: '/rt/events/room-1', method: 'POST', headers: { 'Content-Type': 'text/plain' }, body: 'x' }, 415],
  [{ path: '/rt/events/room-1', method: 'POST', headers: kJson, body: `{"type":"made","data":"${kMegabytes}"}` }, 413],
  [{ path: '/rt/typing', method: 'POST', headers: kJson, body: '{"op":"start","to":["1"]}' }, 401],
];

export class Workload {
  // rate: events a second.
  constructor({ ports, database }, ledger, random, rate) {
    Object.assign(this, { ports_: ports, database_: database, ledger_: ledger, random_: random });
    this.stopping_ = false;
    this.record_ = { committed: [], rolledBack: [], unsure: [] };
    this.posts_ = 0;
    this.unavailable = 0; // answers 503, while the database was away
    const posts = rate / 10;
    this.publishers_ = new Publishers(database, {
      count: kPublishers, channels: kChannels, types: kTypes, sleepMs: [0, 5], rate: rate - posts, padding: 100,
    });
    const second = rate / 100; // the rate of the other actions
    this.running_ = [
      this.often_(posts, () => this.post_()),
      this.often_(second, () => this.wrong_()),
      this.often_(5 * second, () => this.report_()),
      this.often_(2 * second, () => this.type_()),
      this.often_(second, () => this.brief_()),
      this.often_(0.5, () => this.revoke_()),
      this.often_(0.2, () => this.handOver_()),
    ];
  }

  pick_(list) {
    return list[Math.floor(this.random_() * list.length)];
  }

  // Acts at random times with this rate per second; slow actions do not delay the others.
  async often_(rate, act) {
    const under_way = new Set();
    while (!this.stopping_) {
      await sleep(Math.min(5000, (-Math.log(1 - this.random_()) * 1000) / rate));
      if (under_way.size > 20) continue;
      const one = act().catch((error) => this.ledger_.note(error.stack)).finally(() => under_way.delete(one));
      under_way.add(one);
    }
    await Promise.all(under_way);
  }

  // Sends one request and checks its status; 503 is permitted while the database is away.
  async expect_(statuses, options) {
    const answer = await ask(this.ports_, { via: this.pick_(kVias), ...options });
    if (answer.status === 503) this.unavailable++;
    else if (!statuses.includes(answer.status) && !isToBeRepeated(answer, answer.how !== 'end')) {
      const result = `${answer.status} ${answer.how} ${answer.body.slice(0, 200)}`;
      this.ledger_.note(`${options.method ?? 'GET'} ${options.path}: ${result}`);
    }
    return answer.status;
  }

  async post_() {
    const number = this.posts_++;
    const event = { token: `post-${number}`, channel: this.pick_(kChannels), type: this.pick_(kTypes) };
    const padding = 'x'.repeat(this.random_() < 0.1 ? 20_000 : 50);
    const body = JSON.stringify({ type: event.type, data: { token: event.token, padding } });
    const base = this.random_() < 0.1 ? '/fb' : '/rt';
    const twice = this.random_() < 0.2; // with a key the request can be repeated
    const headers = { ...kJson, ...(twice && { 'Idempotency-Key': event.token }) };
    const options = { path: `${base}/events/${event.channel}`, method: 'POST', headers, body };
    let status = await this.expect_([201], options);
    if (twice) status = await this.expect_([201], options);
    this.record_[status === 201 ? 'committed' : 'unsure'].push({ publisher: event.token, number: 0, events: [event] });
  }

  async wrong_() {
    const [options, status] = this.pick_(kWrong);
    await this.expect_([status], options);
  }

  user_() {
    return 1 + Math.floor(this.random_() * kUsers);
  }

  // 401: revoked in the same second.
  async report_() {
    const params = { status: this.pick_(['active', 'idle']), ping_only: String(this.random_() < 0.7) };
    const body = new URLSearchParams(params).toString();
    const headers = { ...kForm, ...bearer(this.user_()) };
    await this.expect_([200, 401], { path: '/rt/users/me/presence', method: 'POST', headers, body });
  }

  async type_() {
    const toUser = () => ({ to: [String(this.user_())] });
    const toStream = () => ({ type: 'stream', stream_id: kStreamId, topic: 'lunch' });
    const body = JSON.stringify({ op: this.pick_(['start', 'stop']),
      ...(this.random_() < 0.5 ? toUser() : toStream()) });
    const headers = { ...kJson, ...bearer(this.user_()) };
    await this.expect_([200, 401], { path: '/rt/typing', method: 'POST', headers, body });
  }

  async brief_() {
    await this.database_.query(`SELECT pgevents.publish('brief', 'made', '1', interval '1 second')`);
  }

  async revoke_() {
    await this.database_.query(`SELECT pgevents.${this.pick_(['revoke', 'disconnect'])}($1)`, [String(this.user_())]);
  }

  // Gives the ledger what was published since the last call.
  async handOver_() {
    for (const record of [this.record_, this.publishers_.record]) {
      const taken = Object.fromEntries(Object.entries(record).map(([name, list]) => [name, list.splice(0)]));
      this.ledger_.addRecord(taken);
    }
    for (const error of this.publishers_.failures.splice(0)) this.ledger_.note(`a publisher: ${error.message}`);
  }

  async stop() {
    this.stopping_ = true;
    await this.publishers_.stop();
    await Promise.all(this.running_);
    await this.handOver_();
  }
}
