// The polling client, with the loop of the 2014 event-forwarder's browser code: it polls, takes the array, waits for
// the time in X-PS-Reconnect-In, and polls again with its cursor. It works for long polls and short polls alike.
import assert from 'node:assert/strict';
import http from 'node:http';
import https from 'node:https';

import { kDefaultTimeout, sleep, waitFor } from './conditions.mjs';
import { request } from './http.mjs';
import { atEnd } from './lifetime.mjs';
import { parsePollBody } from './wire.mjs';

export class Poller {
  // cursorIn: 'header' sends Last-Event-ID, 'query' the parameter last_event_id; maxDelay caps the wait between polls
  // (ms).
  constructor({
    host, port, path, tls = false, headers = {}, cursor, flavor = 'long-poll', cursorIn = 'header', maxDelay = 5000,
    onEvent = () => {},
  }) {
    this.options_ = { host, port, path, tls, headers, flavor, cursorIn, maxDelay, onEvent };
    this.cursor = cursor === undefined ? undefined : String(cursor);
    this.events = [];
    this.answers = [];
    this.violations = [];
    this.failures = [];
    this.stopped_ = false;
    this.agent_ = new (tls ? https : http).Agent({ keepAlive: true, maxSockets: 1 });
    this.finished = this.run_();
    atEnd(() => this.close());
  }

  async run_() {
    while (!this.stopped_) {
      const wait = await this.pollOnce_();
      const until = Date.now() + Math.min(wait, this.options_.maxDelay);
      while (!this.stopped_ && Date.now() < until) await sleep(Math.min(20, until - Date.now() + 1));
    }
    this.agent_.destroy();
  }

  // Polls once. Gives the time to wait before the next poll (ms).
  async pollOnce_() {
    const { host, port, tls, headers } = this.options_;
    try {
      const path = this.path_();
      const with_cursor = this.options_.cursorIn === 'header' && this.cursor !== undefined;
      const all = with_cursor ? { ...headers, 'Last-Event-ID': this.cursor } : headers;
      const answer = await request({ host, port, tls, path, headers: all, agent: this.agent_, timeout: 120_000 });
      return this.take_(answer);
    } catch (error) {
      if (!this.stopped_) this.failures.push(error);
      return 100;
    }
  }

  path_() {
    const { path, flavor, cursorIn } = this.options_;
    const parameters = flavor ? [`flavor=${flavor}`] : [];
    if (cursorIn === 'query' && this.cursor !== undefined) parameters.push(`last_event_id=${this.cursor}`);
    return `${path}${path.includes('?') ? '&' : '?'}${parameters.join('&')}`;
  }

  take_(answer) {
    const at = performance.now();
    this.answers.push({ at, status: answer.status, headers: answer.headers, body: answer.body });
    if (answer.status !== 200) return Number(answer.headers['retry-after'] ?? 1) * 1000;
    try {
      for (const event of parsePollBody(answer.body)) {
        this.events.push({ ...event, at });
        this.options_.onEvent(event);
      }
    } catch (error) {
      this.violations.push(error.message);
    }
    this.checkCursor_(answer.headers['last-event-id']);
    return Number(answer.headers['x-ps-reconnect-in'] ?? NaN) * 1000 || 0;
  }

  checkCursor_(next) {
    if (!/^[0-9]+$/.test(next ?? '')) this.violations.push(`Last-Event-ID: ${next}`);
    else this.cursor = next;
  }

  // Waits for the first answer: from then on the cursor is an id, and every later event must reach this client.
  async opened(timeout = kDefaultTimeout) {
    const answered = () => this.answers.some((answer) => answer.status === 200);
    await waitFor(answered, { what: () => `an answer, ${this.describe()}`, timeout });
    return this;
  }

  async waitForEvents(count, timeout = kDefaultTimeout) {
    const what = () => `${count} events, ${this.events.length} so far, ${this.describe()}`;
    await waitFor(() => this.events.length >= count, { what, timeout });
    return this.events;
  }

  describe() {
    const last = this.answers.at(-1);
    const count = `${this.answers.length} answers, last ${last?.status} ${last?.body?.slice(0, 100)}`;
    return `${this.options_.path} cursor ${this.cursor}, ${count}`;
  }

  async close() {
    this.stopped_ = true;
    this.agent_.destroy();
    await this.finished;
  }

  assertStrict() {
    assert.deepEqual(this.violations, []);
  }
}
