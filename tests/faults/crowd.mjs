// Many clients of every kind and the judgement over all of them: each must have received exactly the committed events of its
// channels behind its start, once, in order, unaltered. Also measures how long events took from the commit to the client.
import assert from 'node:assert/strict';

import { judge, expectedRows, summarise } from '../lib/checker.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { atEnd } from '../lib/lifetime.mjs';
import { Poller } from '../lib/poller.mjs';
import { Publishers } from '../lib/publishers.mjs';
import { kModuleBase } from './service.mjs';

const kSettleTime = 90_000;
const kShown = 5;

export const kChannels = ['cheese', 'wine', 'bread'];

function startOf(cursor) {
  if (cursor === undefined) return {};
  const text = String(cursor);
  if (text.startsWith('rt-')) return { since_us: Math.floor(Number(text.slice(3)) * 1e6) };
  return { after: Number(text) };
}

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];

// What pgevents says about the stream itself is no event of the log.
const deliveries = ({ events }) => events.filter(({ type }) => type !== 'pgevents.expired');

export class Crowd {
  constructor(service) {
    this.service_ = service;
    this.members = [];
    atEnd(() => this.close()); // also after a failure
  }

  add_(kind, client, channels, cursor) {
    const member = { kind, client, channels, joined_us: Date.now() * 1000, ...startOf(cursor) };
    this.members.push(member);
    return member;
  }

  // Like a browser's EventSource. Without a cursor it begins where the server's first block says.
  stream(channels, { cursor, base = kModuleBase, query = '', maxDelay = 1000, wait_id, ...options } = {}) {
    const path = `${base}/events/${channels.join(',')}${wait_id ? `/${wait_id}` : ''}${query}`;
    const port = options.port ?? this.service_.port;
    const client = new EventStream({ reconnect: true, maxDelay, ...options, port, path, cursor });
    return this.add_(base === kModuleBase ? 'stream' : 'fallback stream', client, channels, cursor);
  }

  // flavor: long-poll or poll. It needs a cursor, because an answer without events would say too late where it began.
  poller(channels, { cursor, base = kModuleBase, maxDelay = 1000, flavor = 'long-poll', ...options } = {}) {
    assert.notEqual(cursor, undefined);
    const path = `${base}/events/${channels.join(',')}`;
    const port = options.port ?? this.service_.port;
    const client = new Poller({ maxDelay, flavor, ...options, port, path, cursor });
    return this.add_(base === kModuleBase ? flavor : 'fallback poll', client, channels, cursor);
  }

  // One of each kind on each of the channel lists, from the head on.
  async oneOfEach(lists, { fallback = true } = {}) {
    const cursor = await this.service_.database.head();
    for (const channels of lists) {
      this.stream(channels);
      this.poller(channels, { cursor });
      if (!fallback) continue;
      this.stream(channels, { base: '/fb', cursor });
      this.poller(channels, { base: '/fb', cursor, flavor: 'poll' });
    }
    await this.opened();
  }

  // Streams know where they begin; long polls are under way.
  async opened() {
    await Promise.all(this.members.filter(({ client }) => client instanceof EventStream).map(({ client }) => client.opened()));
  }

  rowsFor_(member, log) {
    const after = member.after ?? member.client.opening?.id;
    return expectedRows(log, { channels: member.channels, after, since_us: member.since_us });
  }

  // Waits until everybody has the newest of its events as of now. Gives the milliseconds that it took.
  async caughtUp({ timeout = kSettleTime, members = this.members, log: given } = {}) {
    const started = performance.now();
    const log = given ?? (await this.service_.database.log());
    const wanted = members.map((member) => ({ member, id: this.rowsFor_(member, log).at(-1)?.id ?? -1 }));
    const behind = () => wanted.filter(({ member, id }) => (member.client.events.at(-1)?.id ?? -1) < id);
    const what = () => `${behind().length} clients caught up, e.g. ${behind()[0]?.member.client.describe()}`;
    await waitFor(() => behind().length === 0, { what, timeout });
    return performance.now() - started;
  }

  // Judges all clients against the log (after the last commit; given, if not all of it is to come) and closes them.
  // Gives the figures.
  async judge({ resets = false, log: given } = {}) {
    const late = await this.caughtUp({ log: given }).then(() => '', (error) => error.message);
    const log = given ?? (await this.service_.database.log());
    const figures = { clients: this.members.length, events: log.length, expected: 0, delivered: 0 };
    const verdicts = [];
    for (const member of this.members) {
      const rows = this.rowsFor_(member, log);
      const problems = judge(deliveries(member.client), rows, { resets });
      figures.expected += rows.length;
      figures.delivered += deliveries(member.client).length;
      if (problems.length > 0) verdicts.push(`${member.kind} ${member.client.describe()}:\n${summarise(problems)}`);
      for (const violation of member.client.violations) verdicts.push(`${member.kind}: ${violation}`);
    }
    await this.close();
    assert.equal([...verdicts.slice(0, kShown), late].filter(Boolean).join('\n'), '', `${verdicts.length} verdicts`);
    return { ...figures, delays: this.delays(log) };
  }

  // Milliseconds from the commit to the arrival of what was committed after the client had come, by kind of client:
  // { kind: { p50, p99, longest } }.
  delays(log) {
    const committed = new Map(log.map(({ id, ts_us }) => [id, ts_us]));
    const isLive = ({ joined_us }, { id }) => committed.get(id) > joined_us;
    const delay = ({ id, at }) => performance.timeOrigin + at - committed.get(id) / 1000;
    const found = {};
    for (const kind of new Set(this.members.map((member) => member.kind))) {
      const members = this.members.filter((member) => member.kind === kind);
      const events = members.flatMap((member) => member.client.events.filter((event) => isLive(member, event)));
      const all = events.map(delay).sort((a, b) => a - b);
      const rounded = (q) => Math.round(quantile(all, q) * 10) / 10;
      if (all.length > 0) found[kind] = { p50: rounded(0.5), p99: rounded(0.99), longest: rounded(1) };
    }
    return found;
  }

  async close() {
    await Promise.all(this.members.map(({ client }) => client.close()));
  }
}

// Publishers that end with the test file if the test does not get so far; without more words a brisk flow of short transactions.
export function startFlow(database, options = {}) {
  const flow = new Publishers(database, { count: 6, channels: kChannels, pauseMs: [10, 40], sleepMs: [0, 10], ...options });
  atEnd(() => flow.stop());
  return flow;
}

// One line for the test report.
export function describeFigures({ clients, events, expected, delivered, delays }) {
  const times = Object.entries(delays).map(([kind, { p50, p99, longest }]) => `${kind} ${p50}/${p99}/${longest}`);
  return `${clients} clients, ${events} events in the log, ${delivered} of ${expected} delivered, none lost, none twice; ` +
    `delay p50/p99/longest in ms: ${times.join(', ')}`;
}
