// What every event-stream client has to go through: its connection ends before the first event, and again in the flow; the
// server is reloaded; the module is off and on. Afterwards each must have every event once, in order.
import { kKilledWorker } from './nginx.mjs';
import { waitFor } from './conditions.mjs';

const kType = 'made';
const kPatience = 25_000;

// One client in the test: what it opened, and what it was shown.
export class Candidate {
  opened = 0;
  ids = [];
  others = new Map(); // types of what it showed besides, with how often

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

  // What is wrong with what it has: '' if nothing is.
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

// service: as startService() gives it, with kKilledWorker allowed. starters: { name: start }, as in foreign_clients.mjs;
// query: what a page writes into its address besides, from the head at the start.
// Gives the candidates with their verdicts: [{ name, opened, verdict, others }]; says of each step when it is over by `note`.
export async function reconnects(service, starters, { query = () => '', base = '/rt', channel = 'all', note = () => {} } = {}) {
  const { nginx, database } = service;
  const head = await database.head();
  const url = `http://127.0.0.1:${service.port}${base}/events/${channel}?flavor=eventsource${query(head)}`;
  const candidates = Object.entries(starters).map(([name, start]) => new Candidate(name, start, url));
  let n = 0;
  const publish = async (count) => {
    for (let i = 0; i < count; i++) await database.publish(channel, kType, { n: n++ });
  };
  const log = async () => (await database.log({ channels: [channel], after: head })).map(({ id }) => id);
  // Until everybody has the newest event; whoever has not within the time has lost it, which the verdict says.
  const caughtUp = async () => {
    const last = (await log()).at(-1);
    const behind = () => candidates.filter(({ ids }) => ids.at(-1) !== last).map(({ name }) => name);
    await waitFor(() => behind().length === 0, { timeout: kPatience, what: () => behind() }).catch(() => {});
  };
  const opened = (times) => waitFor(() => candidates.every((one, i) => one.opened > times[i]), {
    timeout: kPatience, what: () => `opened: ${candidates.filter((one, i) => one.opened <= times[i]).map(({ name }) => name)}`,
  }).catch(({ message }) => note(message));
  const times = () => candidates.map((one) => one.opened);
  // Two events while there is no worker to take a connection.
  const kill = async () => {
    for (const pid of nginx.workers()) nginx.kill(pid);
    await publish(2);
    await nginx.waitWorkers();
    await service.waitAnsweredBy('module');
  };

  const steps = {
    'before the first event': async () => {
      await opened(candidates.map(() => 0));
      await kill();
    },
    'in the flow': async () => {
      const flow = publish(40);
      await kill();
      await flow;
    },
    'before an event of the new connection': async () => {
      const before = times();
      for (const pid of nginx.workers()) nginx.kill(pid);
      await opened(before);
      await kill();
    },
    'a reload': async () => {
      const old = await nginx.reload();
      await publish(5);
      await nginx.waitGone(old, 30_000);
    },
    'the module off': async () => {
      service.switchModule(false);
      const before = times();
      for (const pid of nginx.workers()) nginx.kill(pid);
      await publish(2);
      await opened(before);
      await publish(5);
    },
    'the module on': async () => {
      service.switchModule(true);
      await publish(5);
    },
  };
  for (const [name, step] of Object.entries(steps)) {
    const from = performance.now();
    await step();
    await caughtUp();
    note(`${name}: ${((performance.now() - from) / 1000).toFixed(1)} s`);
  }
  await Promise.all(candidates.map(({ client }) => client.stop()));
  const wanted = await log();
  return candidates.map((one) => ({
    name: one.name, opened: one.opened, verdict: one.verdict(wanted), others: [...one.others], events: one.ids.length,
  }));
}

export const kAllowed = [kKilledWorker];
