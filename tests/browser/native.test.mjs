// A browser's own EventSource, without other code, during faults of module, fallback, database and network. An answer
// with an error status would stop it for good; after each fault it must be open again and have received every event
// once.
/* global window, EventSource */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { startBrowser } from '../lib/browser.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { sleep, waitFor } from '../lib/conditions.mjs';
import { kServerUser } from '../lib/database.mjs';
import { kKilledWorker } from '../lib/nginx.mjs';
import { startProxy } from '../lib/proxy.mjs';
import { Publishers } from '../lib/publishers.mjs';
import { startService } from '../faults/service.mjs';

const kChannels = ['cheese', 'wine'];
const kTypes = ['made', 'sold'];
const kTrouble = 1200; // ms
const kPage = `location = /page { default_type text/html; return 200 '<!doctype html><title>page</title>'; }`;

const cluster = await startCluster({ tcp: true });
const toDatabase = await startProxy(cluster.port);
const browser = await startBrowser();

// Only the front-ends connect to the database through the proxy.
async function createDatabase() {
  const made = await cluster.createDatabase();
  made.conninfo = () => `host=127.0.0.1 port=${toDatabase.port} dbname=${made.name} user=${kServerUser}`;
  return made;
}

const startScene = async (behind) => {
  const service = await startService({
    cluster: { createDatabase }, workers: 2, behind, server: kPage, allow: [kKilledWorker],
    location: 'pgevents_retry 100ms; pgevents_poll_interval 1s; pgevents_heartbeat 1s;',
  });
  const toNginx = await startProxy(service.port);
  return { service, toNginx, pages: [] };
};

// --- pages ---

// Opens a page with one EventSource behind `cursor` and one from now on. The function runs in the page and records
// events.
async function openPage(scene, cursor) {
  const page = await (await browser.newContext()).newPage();
  await page.goto(`http://127.0.0.1:${scene.toNginx.port}/page`);
  await page.evaluate(({ path, after: from, types }) => {
    window.sources = [`${path}?last_event_id=${from}`, path].map((url) => {
      const source = new EventSource(url);
      const kept = { source, ids: [] };
      source.addEventListener('open', () => (kept.opened ??= Date.now()));
      for (const type of types) source.addEventListener(type, ({ lastEventId }) => kept.ids.push(Number(lastEventId)));
      return kept;
    });
  }, { path: `/rt/events/${kChannels.join(',')}`, after: cursor, types: [...kTypes, 'pgevents.reset', 'pgevents.expired'] });
  scene.pages.push({ page, cursor });
}

const stateOf = ({ page }) =>
  page.evaluate(() => window.sources.map(({ source, ids, opened }) => ({ readyState: source.readyState, ids, opened })));

async function allStates(scene) {
  return (await Promise.all(scene.pages.map(stateOf))).flat();
}

// Waits until every source is open and has the newest event.
async function assertAllOpen(scene) {
  const head = (await scene.service.database.log({ channels: kChannels })).at(-1)?.id ?? 0;
  let states;
  const good = ({ readyState, ids }) => readyState === 1 && ids.at(-1) >= head;
  await waitFor(async () => {
    states = await allStates(scene);
    return states.every(good);
  }, { what: () => `all open and behind ${head}: ${JSON.stringify(states.map(({ readyState, ids }) => [readyState, ids.at(-1)]))}`, interval: 50 });
}

// Asserts that the received events are those of the log behind the cursor. Without a cursor they start with the first
// received event, which is not later than the newest committed event when the source opened.
async function assertNothingMissing(scene) {
  for (const entry of scene.pages) {
    const [behind, live] = await stateOf(entry);
    const log = await scene.service.database.log({ channels: kChannels });
    const inLog = (from, to) => log.map(({ id }) => id).filter((id) => id >= from && id <= to);
    assert.deepEqual(behind.ids, inLog(entry.cursor + 1, behind.ids.at(-1)));
    const first = log.find(({ ts_us }) => ts_us > live.opened * 1000)?.id ?? Infinity;
    assert.deepEqual(live.ids, inLog(Math.min(live.ids[0], first), live.ids.at(-1)));
  }
}

// --- faults: each gets the scene and a function that opens another page during the fault ---

const away = async (from, to, openMore) => {
  await from();
  await sleep(kTrouble / 2);
  await openMore();
  await sleep(kTrouble / 2);
  await to();
};

const listenerAway = async ({ service: { database } }, openMore) => {
  const sessions = await database.query('SELECT pid, application_name AS name FROM pg_stat_activity WHERE usename = $1', [kServerUser]);
  const listener = sessions.find(({ name }) => name === 'pgevents listener');
  await away(async () => {
    await database.query(`ALTER ROLE ${kServerUser} CONNECTION LIMIT ${sessions.length - 1}`);
    await database.query('SELECT pg_terminate_backend($1)', [listener.pid]);
  }, () => database.query(`ALTER ROLE ${kServerUser} CONNECTION LIMIT -1`), openMore);
};

const kFaults = {
  'nginx is reloaded': async ({ service: { nginx } }) => nginx.waitGone(await nginx.reload()),
  'all workers are killed': async ({ service: { nginx } }) => {
    const workers = nginx.workers();
    for (const pid of workers) nginx.kill(pid);
    await nginx.waitGone(workers);
  },
  'nginx is restarted': async ({ service: { nginx } }) => {
    await nginx.quit();
    await sleep(300);
    await nginx.start();
  },
  'PostgreSQL is restarted': () => cluster.restart('fast'),
  'the database is away': (scene, openMore) => away(() => cluster.stop('immediate'), () => cluster.start(), openMore),
  'the network to the database is cut': (scene, openMore) => away(() => toDatabase.cut(), () => toDatabase.mend(), openMore),
  'the listener is disconnected, the pool is not': listenerAway,
  'the network to nginx is cut': async ({ toNginx }) => {
    toNginx.cut();
    await sleep(kTrouble);
    toNginx.mend();
  },
  'nginx is reloaded while the database is away': (scene, openMore) => away(() => cluster.stop('fast'), async () => {
    await scene.service.nginx.waitGone(await scene.service.nginx.reload());
    await cluster.start();
  }, openMore),
};

const kWithFallback = {
  'the module is switched off and on': async ({ service }, openMore) =>
    away(() => service.switchModule(false), () => service.switchModule(true), openMore),
  'the module is switched off and on while the database is away': async ({ service }, openMore) =>
    away(async () => {
      await cluster.stop('fast');
      service.switchModule(false);
    }, async () => {
      service.switchModule(true);
      await cluster.start();
    }, openMore),
};

for (const behind of [false, true]) {
  describe(behind ? 'the module with the fallback behind it' : 'the module alone', () => {
    let scene, flow;

    before(async () => {
      scene = await startScene(behind);
      flow = new Publishers(scene.service.database, { count: 2, channels: kChannels, types: kTypes, pauseMs: [20, 60] });
      await openPage(scene, await scene.service.database.head());
    });

    after(async () => {
      await flow.stop();
      await scene.service.nginx.stop({ allow: [kKilledWorker] });
    });

    for (const [fault, strike] of Object.entries(behind ? { ...kFaults, ...kWithFallback } : kFaults)) {
      test(fault, async () => {
        await assertAllOpen(scene);
        const cursor = (await scene.service.database.log({ channels: kChannels })).at(-1).id;
        await strike(scene, () => openPage(scene, cursor));
        const seen = flow.committedEvents;
        await waitFor(() => flow.committedEvents > seen + 5, { what: 'events afterwards' });
        await assertAllOpen(scene);
        await assertNothingMissing(scene);
        for (const { page } of scene.pages.splice(1)) await page.context().close();
      });
    }
  });
}
