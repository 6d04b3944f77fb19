// Publications over HTTP, as fast as they are answered, beside plain inserts of as many clients.
import { sleep } from '../../lib/conditions.mjs';
import { flushesFor } from './flushes.mjs';
import { whileCommitting } from './pgbench.mjs';
import { load, withInstances } from './servers.mjs';
import { createDatabase, kWays } from './ways.mjs';

const kPlain = 'plain INSERT, 32 clients';
const kCells = {
  quick: { connections: [32], seconds: 1 },
  full: { connections: [1, 8, 32], seconds: 3 },
};

const kFigures = [
  { title: 'publications/s', digits: 0, ratio: [kPlain] },
  { title: 'answer p50 ms', digits: 2 },
  { title: 'answer p99 ms', digits: 2 },
  { title: 'PostgreSQL CPU µs/event', digits: 0, ratio: [kPlain] },
  { title: 'nginx CPU µs/event', digits: 0 },
];

async function inserts(cluster, seconds) {
  const database = await createDatabase(cluster);
  const { per_s, cpu_us } = await whileCommitting(database, kWays['plain INSERT'], { clients: 32 },
    () => sleep(seconds * 1000));
  await database.drop();
  return { 'publications/s': per_s, 'PostgreSQL CPU µs/event': cpu_us };
}

// Each connection has a channel, with a subscriber. One more event than connections waits for a free one.
async function publications(where, connections, seconds) {
  const database = await createDatabase(...where);
  const channels = { subscribers: connections, channels: connections, path: '/events/bench{c}' };
  const post = { publish: '/events/{channel}', body: '{"type":"bench","data":{json}}', publishers: connections };
  const result = await withInstances(database, 1, '', ([nginx]) =>
    load(database, nginx, { ...channels, ...post, ahead: connections + 1, warmup: 1, seconds }));
  await database.drop();
  const per_event = (name) => (result.watched[name].cpu_s * 1e6) / result.deliveries;
  return {
    'publications/s': result.delivered_per_s,
    'answer p50 ms': result.publish_delay_us.p50 / 1000,
    'answer p99 ms': result.publish_delay_us.p99 / 1000,
    'PostgreSQL CPU µs/event': per_event('postgresql'),
    'nginx CPU µs/event': per_event('nginx'),
  };
}

const name = (connections) => `${connections} connection${connections === 1 ? '' : 's'}`;

export const publicationsOverHttp = {
  sections: (mode) => flushesFor(mode).map((flush) => ({
    title: `Publications over HTTP, as fast as they are answered, ${flush.title}`,
    figures: kFigures,
    columns: {
      [kPlain]: (cluster) => inserts(cluster, kCells[mode].seconds),
      ...Object.fromEntries(kCells[mode].connections.map((connections) =>
        [name(connections), (...where) => publications(where, connections, kCells[mode].seconds)])),
    },
    alone: [kPlain],
    flush: flush.ms,
  })),
  notes: [
    'publications: each connection sends the next one when it has the answer; each goes to one subscriber, and counts when ' +
      'that has read it',
  ],
};
