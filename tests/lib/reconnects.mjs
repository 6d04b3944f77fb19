// The reconnection test of event-stream clients: the connection ends before the first event, and again between events;
// the server is reloaded; the module is switched off and on. Afterwards each client must have every event once, in
// order.
import { kKilledWorker } from './nginx.mjs';
import { waitFor } from './conditions.mjs';

const kType = 'made';
const kPatience = 25_000;

// One client in the test: its connections, and the events that it received.
export class Candidate {
  opened = 0;
  ids = [];
  others = new Map(); // counts of other event types that it received

  constructor(name, start, url) {
    this.name = name;
    this.url = url;
    this.client = start(url, {
      types: [kType],
      onOpen: () => this.opened++,
      onEvent: (event) => this.#take(event),
    });
  }

  #take({ type, data, id }) {
    if (type === kType && JSON.parse(data).n !== undefined) this.ids.push(Number(id));
    else this.others.set(type ?? '', (this.others.get(type ?? '') ?? 0) + 1);
  }

  // The faults in what it received: '' if there are none.
  verdict(log) {
    const wanted = new Set(log);
    const seen = new Set(this.ids);
    const counts = {
      lost: log.filter((id) => !seen.has(id)).length,
      twice: this.ids.length - seen.size,
      foreign: this.ids.filter((id) => !wanted.has(id)).length,
      disorder: this.ids.filter((id, i) => i > 0 && id < this.ids[i - 1]).length,
    };
    return Object.entries(counts).filter(([, count]) => count).map(([what, count]) => `${count} ${what}`).join(', ');
  }
}

// The run of one set of candidates on one service.
class ReconnectRun {
  constructor(service, candidates, { channel, head, note }) {
    Object.assign(this, { service, candidates, channel, head, note, published: 0 });
  }

  async publish(count) {
    for (let i = 0; i < count; i++) await this.service.database.publish(this.channel, kType, { n: this.published++ });
  }

  async log() {
    const rows = await this.service.database.log({ channels: [this.channel], after: this.head });
    return rows.map(({ id }) => id);
  }

  // Waits until every client has the newest event. A client that lacks it afterwards has lost it, which the verdict
  // reports.
  async caughtUp() {
    const last = (await this.log()).at(-1);
    const behind = () => this.candidates.filter(({ ids }) => ids.at(-1) !== last).map(({ name }) => name);
    await waitFor(() => behind().length === 0, { timeout: kPatience, what: () => behind() }).catch(() => {});
  }

  // Waits until every client has opened a connection more than `times` says; reports the others.
  async opened(times) {
    const late = () => this.candidates.filter((one, i) => one.opened <= times[i]).map(({ name }) => name);
    await waitFor(() => late().length === 0, { timeout: kPatience, what: () => `opened: ${late()}` })
      .catch(({ message }) => this.note(message));
  }

  times() {
    return this.candidates.map((one) => one.opened);
  }

  killWorkers() {
    const { nginx } = this.service;
    for (const pid of nginx.workers()) nginx.kill(pid);
  }

  // Kills the workers and publishes two events while no worker accepts connections.
  async kill() {
    this.killWorkers();
    await this.publish(2);
    await this.service.nginx.waitWorkers();
    await this.service.waitAnsweredBy('module');
  }
}

const kSteps = {
  'before the first event': async (run) => {
    await run.opened(run.candidates.map(() => 0));
    await run.kill();
  },
  'between events': async (run) => {
    const flow = run.publish(40);
    await run.kill();
    await flow;
  },
  'before an event of the new connection': async (run) => {
    const before = run.times();
    run.killWorkers();
    await run.opened(before);
    await run.kill();
  },
  'a reload': async (run) => {
    const { nginx } = run.service;
    const old = await nginx.reload();
    await run.publish(5);
    await nginx.waitGone(old, 30_000);
  },
  'the module off': async (run) => {
    run.service.switchModule(false);
    const before = run.times();
    run.killWorkers();
    await run.publish(2);
    await run.opened(before);
    await run.publish(5);
  },
  'the module on': async (run) => {
    run.service.switchModule(true);
    await run.publish(5);
  },
};

// service: from startService(), with kKilledWorker allowed; starters: { name: start }, as in foreign_clients.mjs;
// query: a function of the log's end that gives what the page adds to its address; note: is called with a report of
// each step. Gives the candidates with their verdicts: [{ name, opened, verdict, others, events }].
export async function reconnects(service, starters, options = {}) {
  const { query = () => '', base = '/rt', channel = 'all', note = () => {} } = options;
  const head = await service.database.head();
  const url = `http://127.0.0.1:${service.port}${base}/events/${channel}?flavor=eventsource${query(head)}`;
  const candidates = Object.entries(starters).map(([name, start]) => new Candidate(name, start, url));
  const run = new ReconnectRun(service, candidates, { channel, head, note });
  for (const [name, step] of Object.entries(kSteps)) {
    const from = performance.now();
    await step(run);
    await run.caughtUp();
    note(`${name}: ${((performance.now() - from) / 1000).toFixed(1)} s`);
  }
  await Promise.all(candidates.map(({ client }) => client.stop()));
  const wanted = await run.log();
  return candidates.map((one) => ({
    name: one.name, opened: one.opened, verdict: one.verdict(wanted), others: [...one.others], events: one.ids.length,
  }));
}

export const kAllowed = [kKilledWorker];
