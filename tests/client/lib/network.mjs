// A model of pgevents behind fetch(): a log, streams, long and short polls by docs/protocol.md, on a test's clock; and
// faults of the network. tests/browser/ tests the client with real servers.
const kHeartbeat = 15_000;
const kPollInterval = 5000;
const encoder = new TextEncoder();

const json = (body, { status = 200, headers = {} } = {}) =>
  new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json', ...headers } });

export const rejection = (status, code, headers) => json({ result: 'error', code, msg: `${code} it is` }, { status, headers });

export class Network {
  log = [];
  head = 0;
  oldest = 1; // older events have been pruned
  requests = []; // { url, query, headers, at, kind, signal }
  streams = new Set();
  polls = new Set();
  mode = 'module'; // or fallback; down: connections are refused; dead: packets are lost
  retry = 2000; // what streams of the module give as the time until a client reconnects
  buffering = false; // a proxy that holds streams back until they end
  tokens; // the valid ones; undefined: no token is needed
  answer = () => undefined; // a test's own answer to a request
  calls = {}; // answers to POST and PATCH, by path: a function of the parameters

  constructor(clock) {
    this.clock = clock;
    this.fetch = (url, init) => this.#fetch(url, init ?? {});
  }

  publish(channel, data = null, type = 'made') {
    this.log.push({ id: ++this.head, channel_id: channel, ts: this.clock.now() / 1000, data: { type, data } });
    for (const stream of this.streams) stream.send();
    for (const poll of this.polls) poll.look();
    return this.head;
  }

  // The database has been restored to `head`.
  restore(head) {
    this.head = head;
    this.log = this.log.filter(({ id }) => id <= head);
    for (const stream of this.streams) stream.end('restored');
    for (const poll of this.polls) poll.look();
  }

  // Breaks all open connections.
  cut() {
    for (const { fail } of [...this.streams, ...this.polls]) fail(new TypeError('terminated'));
  }

  // Drops all connections silently.
  lose() {
    for (const stream of this.streams) stream.forget();
    this.polls.clear();
  }

  // The server exits gracefully: streams end, polls are answered.
  close() {
    for (const stream of this.streams) stream.end();
    for (const poll of this.polls) poll.finish('closing');
  }

  // The tokens in use expire.
  expire(reason = 'expired') {
    this.tokens = new Set();
    for (const stream of this.streams) stream.expire(reason);
    for (const poll of this.polls) poll.finish('expired');
  }

  kinds() {
    return this.requests.map(({ kind }) => kind);
  }

  #fetch(url, { method = 'GET', headers = {}, body, signal }) {
    const { pathname, searchParams } = new URL(url, 'http://test');
    const request = { url, path: pathname, query: Object.fromEntries(searchParams), headers, body, signal, method };
    request.at = this.clock.now();
    request.kind = method !== 'GET' ? method
      : headers.Accept === 'text/event-stream' ? 'stream' : request.query.flavor;
    this.requests.push(request);
    return new Promise((resolve, reject) => {
      const fail = (error) => {
        this.polls.delete(request);
        this.clock.clearTimeout(request.timer);
        reject(error);
      };
      signal?.addEventListener('abort', () => fail(signal.reason));
      if (signal?.aborted) fail(signal.reason);
      if (this.mode === 'down') fail(new TypeError('fetch failed'));
      if (this.mode === 'dead') Object.assign(request, { look() {}, finish() {}, fail }), this.polls.add(request);
      if (signal?.aborted || this.mode === 'down' || this.mode === 'dead') return;
      Promise.resolve(this.answer(request) ?? this.#route(request, fail)).then(resolve, reject);
    });
  }

  #rejection({ headers }) {
    if (!this.tokens) return undefined;
    const token = headers.Authorization?.slice('Bearer '.length);
    if (this.tokens.has(token)) return undefined;
    return rejection(401, token ? 'TOKEN_EXPIRED' : 'UNAUTHORIZED');
  }

  #route(request, fail) {
    const rejected = this.#rejection(request);
    if (rejected) return rejected;
    if (request.method !== 'GET') return json(this.calls[request.path](JSON.parse(request.body)));
    request.channels = decodeURIComponent(request.path.split('/').at(-1)).split(',');
    const { last_event_id: cursor } = request.query;
    request.cursor = cursor === undefined ? this.head : Number(cursor);
    return request.kind === 'stream' ? this.#stream(request) : this.#poll(request, fail);
  }

  // The events behind the request's cursor; moves the cursor.
  #take(request) {
    const { channels, cursor, query: { types } } = request;
    const gap = cursor > this.head ? 'ahead' : cursor > 0 && cursor < this.oldest - 1 ? 'pruned' : undefined;
    if (gap) request.cursor = this.oldest - 1;
    const rows = this.log.filter(({ id, channel_id, data: { type } }) => id > request.cursor && id >= this.oldest &&
      channels.includes(channel_id) && (!types || types.split(',').includes(type)));
    const reset = { reason: gap, oldest: this.oldest, head: this.head };
    if (gap) {
      rows.unshift({ id: this.oldest - 1, channel_id: channels[0], ts: 0, data: { type: 'pgevents.reset', data: reset } });
    }
    request.cursor = this.head;
    return rows;
  }

  #stream(request) {
    const { clock } = this;
    let held = ''; // the text that a buffering proxy holds back
    let controller;
    let timer;
    const body = new ReadableStream({
      start: (its) => (controller = its),
      cancel: () => leave(),
    });
    const flush = () => {
      controller.enqueue(encoder.encode(held));
      held = '';
    };
    const write = (text) => {
      held += text;
      if (!this.buffering) flush();
    };
    const frame = ({ data, ...rest }) =>
      `event: ${data.type}\ndata: ${JSON.stringify({ ...rest, data })}\nid: ${rest.id}\n\n`;
    const cursor = () => `event: pgevents.cursor\ndata:\nid: ${request.cursor}\n\n`;
    const leave = () => {
      clock.clearTimeout(timer);
      this.streams.delete(stream);
    };
    const beat = () => {
      write(`:\n${cursor()}`);
      timer = clock.setTimeout(beat, kHeartbeat);
    };
    const stream = {
      request,
      send: () => this.#take(request).forEach((row) => write(frame(row))),
      write,
      end: (why) => {
        leave();
        if (why !== 'restored') write(`retry: ${this.mode === 'module' ? this.retry : kPollInterval}\n\n`);
        flush();
        controller.close();
      },
      forget: leave,
      expire: (reason) => {
        const data = { id: request.cursor, channel_id: request.channels[0], ts: 0, data: { type: 'pgevents.expired', data: { reason } } };
        write(frame(data));
        leave();
        controller.close();
      },
      fail: (error) => {
        leave();
        controller.error(error);
      },
    };
    request.signal?.addEventListener('abort', () => stream.fail(request.signal.reason));
    this.streams.add(stream);
    timer = clock.setTimeout(beat, kHeartbeat);
    write(`retry: ${this.mode === 'module' ? this.retry : kPollInterval}\n${cursor()}`);
    stream.send();
    if (this.mode === 'fallback') stream.end();
    if (this.buffering && this.mode !== 'fallback') return new Promise((_, reject) => {
      request.signal?.addEventListener('abort', () => reject(request.signal.reason));
    });
    return new Response(body, { headers: { 'Content-Type': 'text/event-stream' } });
  }

  #poll(request, fail) {
    const at_once = request.kind === 'poll' || this.mode === 'fallback';
    const reply = (rows, info, wait = '0') => json(rows, { headers: {
      'Last-Event-ID': String(request.cursor), 'X-PS-Reconnect-In': wait, ...(info && { 'X-Shortpoll-Info': info }),
    } });
    const rows = this.#take(request);
    if (at_once) return reply(rows, this.mode === 'fallback' ? 'fallback' : 'requested', '5');
    if (rows.length > 0) return reply(rows);
    return new Promise((resolve) => {
      const finish = (info, found = []) => {
        this.clock.clearTimeout(request.timer);
        this.polls.delete(request);
        resolve(reply(found, info));
      };
      const look = () => {
        const found = this.#take(request);
        if (found.length > 0) finish(undefined, found);
      };
      request.timer = this.clock.setTimeout(() => finish(), request.query.timeout * 1000);
      Object.assign(request, { finish, look, fail });
      this.polls.add(request);
    });
  }
}
