// Many clients of every kind and a judgement over all of them: each must have received exactly the committed events of
// its channels after its start, once, in order, unaltered. It also measures the delay of events from the commit to the
// client.
import assert from 'node:assert/strict';

import { judge, expectedRows, summarise } from '../lib/checker.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { atEnd } from '../lib/lifetime.mjs';
import { Poller } from '../lib/poller.mjs';
import { SocketClient } from '../lib/socket_client.mjs';
import { Publishers } from '../lib/publishers.mjs';
import { delaysByKind, longestGaps } from './figures.mjs';
import { kFallbackBase, kModuleBase } from './service.mjs';

const kSettleTime = 90_000;
const kShown = 5;

export const kChannels = ['cheese', 'wine', 'bread'];

function startOf(cursor) {
  if (cursor === undefined) return {};
  const text = String(cursor);
  if (text.startsWith('rt-')) return { since_us: Math.floor(Number(text.slice(3)) * 1e6) };
  return { after: Number(text) };
}

export const isReset = ({ type }) => type === 'pgevents.reset';

export class Crowd {
  // since: clients begin after this id, so that the earlier log is not needed. A stream that waits for the database
  // begins some seconds before its request, so it may also receive earlier events up to this id.
  constructor(service, { since = 0 } = {}) {
    this.service_ = service;
    this.since = since;
    this.members = [];
    atEnd(() => this.close()); // even after a failure
  }

  add_(kind, client, channels, cursor) {
    const member = { kind, client, channels, joined_us: Date.now() * 1000, ...startOf(cursor) };
    this.members.push(member);
    return member;
  }

  address_() {
    return { host: this.service_.host, port: this.service_.port };
  }

  // Like a browser's EventSource. Without a cursor it begins at the cursor of the server's first block.
  stream(channels, { cursor, base = kModuleBase, query = '', maxDelay = 1000, wait_id, ...options } = {}) {
    const path = `${base}/events/${channels.join(',')}${wait_id ? `/${wait_id}` : ''}${query}`;
    const { host, port } = { ...this.address_(), ...options };
    const client = new EventStream({ reconnect: true, maxDelay, ...options, host, port, path, cursor });
    return this.add_(base === kModuleBase ? 'stream' : 'fallback stream', client, channels, cursor);
  }

  // flavor: long-poll or poll. It needs a cursor, because an empty answer would report its start too late.
  poller(channels, { cursor, base = kModuleBase, maxDelay = 1000, flavor = 'long-poll', ...options } = {}) {
    assert.notEqual(cursor, undefined);
    const path = `${base}/events/${channels.join(',')}`;
    const { host, port } = { ...this.address_(), ...options };
    const client = new Poller({ maxDelay, flavor, ...options, host, port, path, cursor });
    return this.add_(base === kModuleBase ? flavor : 'fallback poll', client, channels, cursor);
  }

  // Over WebSocket. Without a cursor it begins at the server's first one.
  webSocket(channels, { cursor, base = kModuleBase, maxDelay = 1000, ...options } = {}) {
    const { host, port } = { ...this.address_(), ...options };
    const client = new SocketClient({ maxDelay, ...options, host, port, base, channels, cursor });
    return this.add_('WebSocket', client, channels, cursor);
  }

  // Adds one client of each kind for each of the channel lists, starting at the end of the log. Streams and WebSockets
  // of the module begin at the server's first cursor: an id would be taken for one of the log before, if that is being
  // replaced by an earlier state. Those of every second list are users, whom the module sends away where a revocation
  // may have been missed.
  async oneOfEach(lists, { fallback = true } = {}) {
    const cursor = await this.service_.database.head();
    for (const [n, channels] of lists.entries()) {
      const headers = n % 2 === 0 ? {} : { 'X-User': `${n}` };
      this.stream(channels, { headers });
      this.poller(channels, { cursor, headers });
      this.webSocket(channels, { headers });
      if (!fallback) continue;
      this.stream(channels, { base: kFallbackBase, cursor });
      this.poller(channels, { base: kFallbackBase, cursor, flavor: 'poll' });
    }
    await this.opened();
  }

  // Waits until streams know where they begin and long polls have been sent.
  async opened() {
    const opens = ({ client }) => client instanceof EventStream || client instanceof SocketClient;
    const streams = this.members.filter(opens).map(({ client }) => client);
    await Promise.all(streams.map((client) => client.opened()));
  }

  log() {
    return this.service_.database.log({ after: this.since });
  }

  rowsFor(member, log) {
    const given = (member.after ?? member.since_us) !== undefined;
    const start = given ? member : startOf(member.client.start);
    return expectedRows(log, { channels: member.channels, after: start.after, since_us: start.since_us });
  }

  // Events about the stream itself are not in the log.
  deliveries_({ events }) {
    return events.filter((event) => event.type !== 'pgevents.expired' && (event.id > this.since || isReset(event)));
  }

  // Waits until every client has the newest of its events. Gives the time that it took, in ms.
  async caughtUp({ timeout = kSettleTime, members = this.members, log: given } = {}) {
    const started = performance.now();
    const log = given ?? (await this.log());
    const wanted = members.map((member) => ({ member, id: this.rowsFor(member, log).at(-1)?.id ?? -1 }));
    const behind = () => wanted.filter(({ member, id }) => (member.client.events.at(-1)?.id ?? -1) < id);
    const what = () => `${behind().length} clients caught up, e.g. ${behind()[0]?.member.client.describe()}`;
    await waitFor(() => behind().length === 0, { what, timeout });
    return performance.now() - started;
  }

  // Compares every client with the log. Gives figures, and the problems of clients: { figures, verdicts }. A client
  // that received a reset is compared with `before`, the earlier log, up to there. strict: the form of streams counts.
  verdict(log, { resets = false, before, strict = true } = {}) {
    const figures = { clients: this.members.length, events: log.length, expected: 0, delivered: 0, resets: 0 };
    const wrong = { loss: 0, duplicate: 0, order: 0, altered: 0, foreign: 0 };
    const verdicts = [];
    for (const member of this.members) {
      const { rows, problems } = before ? this.judgeAround_(member, before, log) : this.judgeOne_(member, log, resets);
      for (const { kind } of problems) wrong[kind]++;
      figures.expected += rows;
      figures.delivered += this.deliveries_(member.client).filter((event) => !isReset(event)).length;
      figures.resets += member.client.events.filter(isReset).length;
      if (problems.length > 0) verdicts.push(`${member.kind} ${member.client.describe()}:\n${summarise(problems)}`);
      for (const violation of strict ? member.client.violations : []) verdicts.push(`${member.kind}: ${violation}`);
    }
    const times = { delays: delaysByKind(this.members, log), gaps: longestGaps(this.members) };
    return { figures: { ...figures, ...wrong, ...times }, verdicts };
  }

  judgeOne_(member, log, resets) {
    const rows = this.rowsFor(member, log);
    return { rows: rows.length, problems: judge(this.deliveries_(member.client), rows, { resets }) };
  }

  // The client must have one reset, all of the old log before it, and all of the new one after it.
  judgeAround_(member, before, log) {
    const events = this.deliveries_(member.client);
    const at = events.findIndex(isReset);
    if (at === -1) return { rows: 0, problems: [{ kind: 'loss', what: 'a reset' }] };
    const old = this.rowsFor(member, before);
    const fresh = expectedRows(log, { channels: member.channels, after: events[at].id });
    const problems = [...judge(events.slice(0, at), old), ...judge(events.slice(at + 1), fresh)];
    return { rows: old.length + fresh.length, problems };
  }

  // Compares all clients with the log (by default after the last commit) and closes them. Gives the figures; `record`
  // receives them even if the comparison fails.
  async judge({ log: given, record = () => {}, ...how } = {}) {
    const late = await this.caughtUp({ log: given }).then(() => '', (error) => error.message);
    const { figures, verdicts } = this.verdict(given ?? (await this.log()), how);
    await this.close();
    record(figures);
    assert.equal([...verdicts.slice(0, kShown), late].filter(Boolean).join('\n'), '', `${verdicts.length} verdicts`);
    return figures;
  }

  async close() {
    await Promise.all(this.members.map(({ client }) => client.close()));
  }
}

// Publishers that end with the test file at the latest; by default many short transactions.
export function startFlow(database, options = {}) {
  const flow = new Publishers(database, { count: 6, channels: kChannels, pauseMs: [10, 40], sleepMs: [0, 10],
    ...options });
  atEnd(() => flow.stop());
  return flow;
}

// One line for the test report.
export function describeFigures({ clients, events, expected, delivered, delays }) {
  const times = Object.entries(delays).map(([kind, { p50, p99, longest }]) => `${kind} ${p50}/${p99}/${longest}`);
  return `${clients} clients, ${events} events in the log, ${delivered} of ${expected} delivered, none lost, none twice; ` +
    `delay p50/p99/longest in ms: ${times.join(', ')}`;
}
