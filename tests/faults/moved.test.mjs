// The log continues in another server: a standby takes over from a crashed primary, or a dump is restored into a new
// cluster. The front-ends find it by several hosts in the connection string, or at the old address. If no event is
// lost, clients notice only a pause; if the tail of the log is lost, every client that had received it gets a reset.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { judgeLog, summarise } from '../lib/checker.mjs';
import { startCluster, startStandby } from '../lib/cluster.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { kServerUser } from '../lib/database.mjs';
import { run } from '../lib/processes.mjs';
import { tempDir } from '../lib/scratch.mjs';
import { describeFigures, isReset } from './crowd.mjs';
import { gather, isTrial, recordTrial } from './scenario.mjs';
import { startService } from './service.mjs';

const kPatience = 60_000;
const location = 'pgevents_retry 300ms; pgevents_poll_interval 1s;';
const options = { workers: 2, location, behind: false };

// Starts a primary with its standby, and a service that connects to the one that accepts writes.
async function startPair(settings = {}) {
  const primary = await startCluster();
  const standby = await startStandby(primary);
  const administration = primary.database('postgres');
  for (const [name, value] of Object.entries(settings)) {
    await administration.query(`ALTER SYSTEM SET ${name} = '${value}'`);
  }
  await administration.query('SELECT pg_reload_conf()');
  const createDatabase = async () => {
    const made = await primary.createDatabase();
    made.conninfo = () => `host=${primary.dir},${standby.dir} port=${primary.port},${standby.port} dbname=${made.name} ` +
      `user=${kServerUser} target_session_attrs=read-write connect_timeout=2`;
    return made;
  };
  const service = await startService({ cluster: { createDatabase }, ...options });
  await caughtUp(service.database, standby);
  return { primary, standby, service };
}

async function caughtUp(database, standby) {
  const copy = standby.database(database.name);
  const has_all = async () => (await copy.head()) >= (await database.head());
  await waitFor(has_all, { what: 'the standby with all rows', timeout: kPatience });
}

// Lets the crowd and its flow connect to `cluster` from now on.
async function moveTo(service, cluster) {
  await service.database.disconnect();
  service.database.cluster = cluster;
}

// Waits until applications can publish and the module serves.
async function flowsAgain(service, flow) {
  const { committedEvents } = flow;
  await waitFor(() => flow.committedEvents > committedEvents + 50, { what: 'a flow', timeout: kPatience });
  await service.waitAnsweredBy('module', kPatience);
}

async function finish(t, sentence, service, crowd, { since, ...how }) {
  const seconds = Math.round((performance.now() - since) / 1000);
  t.diagnostic(describeFigures(await crowd.judge({ ...how, record: (figures) => recordTrial(sentence, 1, seconds, figures) })));
  await service.nginx.stop();
}

// Defines a test, in a trial three times.
function moving(sentence, body) {
  for (let n = 1; n <= (isTrial ? 3 : 1); n++) test(n === 1 ? sentence : `${sentence} (${n})`,
    (t) => body(t, sentence));
}

moving('a synchronous standby is promoted while events flow: nothing is lost, no client gets a reset', async (t, sentence) => {
  const { primary, standby, service } = await startPair({ synchronous_standby_names: '*' });
  // Without this event the standby would not know the generation.
  await service.database.query(`SELECT pgevents.publish('before', 'made', '0')`);
  const since = performance.now();
  const { crowd, flow } = await gather(service);
  await flowsAgain(service, flow);
  await primary.kill9();
  await standby.promote();
  const administration = standby.database('postgres');
  await administration.query('ALTER SYSTEM RESET synchronous_standby_names');
  await administration.query('SELECT pg_reload_conf()');
  await moveTo(service, standby);
  await flowsAgain(service, flow);
  const record = await flow.stop();
  assert.equal(summarise(judgeLog(await crowd.log(), record)), '');
  await finish(t, sentence, service, crowd, { since });
});

// All that has been published is in `crowd`'s log; the new server has only a part of it.
async function losesTheTail(t, sentence, { service, crowd, flow }, move) {
  await flowsAgain(service, flow);
  await move.prepare();
  await flowsAgain(service, flow);
  await flow.stop();
  await crowd.caughtUp();
  const before = await crowd.log();
  const since = performance.now();
  await move.replace();
  const allReset = () => crowd.members.every(({ client }) => client.events.some(isReset));
  await waitFor(allReset, { what: 'a reset for every client', timeout: kPatience });
  t.diagnostic(`every client had a reset ${Math.round(performance.now() - since)} ms after the new server was there`);
  // Not before: until nginx has found the new server, it serves the lost events from its ring.
  const { flow: fresh, crowd: later } = await gather(service);
  await flowsAgain(service, fresh);
  await fresh.stop();
  const log = await crowd.log();
  assert.ok(before.at(-1).id < log.at(-1).id);
  await later.judge();
  await finish(t, sentence, service, crowd, { since, before });
}

moving('an asynchronous standby that lacks the last events is promoted: every client gets a reset, and then new events', async (t, sentence) => {
  const { primary, standby, service } = await startPair();
  const { crowd, flow } = await gather(service);
  await losesTheTail(t, sentence, { service, crowd, flow }, {
    prepare: async () => {
      await caughtUp(service.database, standby);
      await standby.stop('fast');
    },
    replace: async () => {
      await primary.kill9();
      await standby.start();
      await standby.promote();
      await moveTo(service, standby);
    },
  });
});

// Afterwards only commits that wait for the write-ahead log write it.
moving('the server crashes and loses asynchronous commits: clients that received them get a reset', async (t, sentence) => {
  const settings = { synchronous_commit: 'off', bgwriter_lru_maxpages: '0', checkpoint_timeout: '1h' };
  const service = await startService({ cluster: { settings }, ...options });
  const { crowd, flow } = await gather(service);
  const findWriter = () => service.database.value(`SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'`);
  let writer;
  await losesTheTail(t, sentence, { service, crowd, flow }, {
    prepare: async () => {
      writer = await findWriter();
      process.kill(writer, 'SIGSTOP');
    },
    replace: async () => {
      process.kill(writer, 'SIGKILL'); // PostgreSQL treats that as a crash, and recovers
      await waitFor(async () => ![undefined, writer].includes(await findWriter()),
        { what: 'the recovery', timeout: kPatience });
      // Ids beyond all that were lost, before polling clients ask again.
      await service.database.query(`SELECT count(pgevents.publish('before', 'made', '0')) FROM generate_series(1, 3000)`);
      await service.database.settled();
    },
  });
});

// Creates a new cluster with the present content of `database`, by pg_dump.
async function restoreInto(database) {
  const file = path.join(tempDir('dump'), 'dump.sql');
  const old = database.cluster;
  const at = ['-h', old.dir, '-p', String(old.port), '-U', 'postgres'];
  const roles = await run(old.program('pg_dumpall'), [...at, '--roles-only']);
  const dump = await run(old.program('pg_dump'), [...at, '--create', database.name]);
  fs.writeFileSync(file, `${roles.stdout.replace('CREATE ROLE postgres;', '')}${dump.stdout}`);
  const fresh = await startCluster();
  await fresh.database('postgres').psql(['-f', file]);
  return fresh;
}

moving('a dump is restored into a new cluster at the same address: clients that are ahead of it get a reset', async (t, sentence) => {
  const service = await startService(options);
  const { crowd, flow } = await gather(service);
  let fresh;
  await losesTheTail(t, sentence, { service, crowd, flow }, {
    prepare: async () => (fresh = await restoreInto(service.database)),
    replace: async () => {
      await fresh.takePlaceOf(service.cluster);
      await moveTo(service, fresh);
    },
  });
});

moving('the same when the dump has every event: no client gets a reset', async (t, sentence) => {
  const service = await startService(options);
  const since = performance.now();
  const { crowd, flow } = await gather(service);
  await flowsAgain(service, flow);
  await flow.stop();
  await crowd.caughtUp();
  const fresh = await restoreInto(service.database);
  await fresh.takePlaceOf(service.cluster);
  await moveTo(service, fresh);
  const { flow: again, crowd: later } = await gather(service);
  await flowsAgain(service, again);
  await again.stop();
  await later.judge();
  await finish(t, sentence, service, crowd, { since });
});
