// A primary and a copy of its log as if on two machines: each has a core of its own, or nothing is bound to a core. The
// publishers are on the primary's core, every nginx is on the copy's, also one that reads the primary.
import { startCluster } from '../../lib/cluster.mjs';
import { waitFor } from '../../lib/conditions.mjs';
import { arrived, complete, subscribe } from '../../lib/copy.mjs';
import { childrenOf } from '../../lib/processes.mjs';
import { slowFlush } from '../../lib/slow_flush.mjs';
import { createDatabase } from '../database/ways.mjs';
import { kLoadCore, kServerCore, pin } from '../peers/common.mjs';

const kAnywhere = kLoadCore === undefined ? undefined : `${kServerCore}-${kLoadCore}`;

// Where what runs. `title` stands in the tables.
export const kPlaces = {
  pinned: { title: 'a core for each database', primary: kServerCore, copy: kLoadCore },
  free: { title: 'nothing bound to a core', primary: kAnywhere, copy: kAnywhere },
};

const kSettings = { shared_buffers: '256MB', wal_level: 'logical' };

export class BenchPair {
  // `flush`: how many ms each flush of the primary takes longer than the machine's. fsync: false is for tests.
  static async start(flush = 0, { fsync = true } = {}) {
    const pair = new BenchPair();
    const env = flush > 0 ? await slowFlush(flush) : {};
    [pair.primary, pair.copy] = await Promise.all([
      startCluster({ fsync, settings: kSettings, env }), startCluster({ fsync, settings: kSettings }),
    ]);
    return pair;
  }

  async place({ primary, copy }) {
    const bind = (core, { pid }) => pin(core, [pid, ...childrenOf(pid)]);
    await Promise.all([bind(primary, this.primary), bind(copy, this.copy)]);
  }

  // Calls `body` with a new database of the primary, and a copy of it if `is_copied`.
  async withDatabases(is_copied, body) {
    const primary = await createDatabase(this.primary);
    const copy = is_copied ? await createDatabase(this.copy) : undefined;
    if (copy) {
      await subscribe(primary, copy);
      await complete(copy);
    }
    const result = await body(primary, copy);
    if (copy) {
      await copy.query('DROP SUBSCRIPTION pgevents');
      await copy.drop();
    }
    await primary.drop();
    return result;
  }
}

// How many events the copy does not have yet. It may show a commit a moment before the primary does, which waits for
// its flush.
export async function behind(primary, copy) {
  const there = await copy.head();
  return Math.max((await primary.head()) - there, 0);
}

// Seconds until the copy has everything.
export async function secondsToArrive(primary, copy) {
  const from = performance.now();
  await waitFor(() => primary.value('SELECT count(*) = 0 FROM pgevents.ready'), { what: 'ids for all events', timeout: 120_000 });
  await arrived(primary, copy);
  return (performance.now() - from) / 1000;
}
