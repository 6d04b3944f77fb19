// What the ring serves while the log is out of reach, whatever the reason: requests of every kind of user, cursor and
// form, and what becomes of them when the database is back. core/request/admission.hpp decides; this is its table
// against real servers. Revocations are known only while a listener follows the log, so only then are tokens served.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';

import { expectedRows, judge, summarise } from '../lib/checker.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { range, waitFor } from '../lib/conditions.mjs';
import { kServerUser } from '../lib/database.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { startFallback } from '../lib/fallback.mjs';
import { request } from '../lib/http.mjs';
import { readMetrics } from '../lib/metrics.mjs';
import { kKilledWorker, startNginx } from '../lib/nginx.mjs';
import { childrenOf, run } from '../lib/processes.mjs';
import { startProxy } from '../lib/proxy.mjs';
import { tempDir } from '../lib/scratch.mjs';
import { SocketClient } from '../lib/socket_client.mjs';
import { secretKey, signToken } from '../lib/tokens.mjs';
import { Socket } from '../lib/web_socket.mjs';
import { parsePollBody } from '../lib/wire.mjs';

const kInterval = 7; // s, between polls
const kLongerThanRing = 'x'.repeat(20_000); // more than a quarter of a ring of 64 KB, which it empties
const key = secretKey();
const keyFile = path.join(tempDir('key'), 'jwt.key');
fs.writeFileSync(keyFile, key.text);

const now = () => Date.now() / 1000;
const bearer = (claims) =>
  ({ Authorization: `Bearer ${signToken({ iat: now(), exp: now() + 600, ...claims }, { key })}` });

// revocable: it gets nothing while revocations are unknown.
const kWho = {
  'an anonymous client': { base: '/rt' },
  'a user of the web server': { base: '/anna' },
  'a token without a user': { base: '/rt', headers: bearer({}) },
  'the token of a user': { base: '/rt', headers: bearer({ sub: '1' }), revocable: true },
};

// Functions of the ids of a site; `inRing`: the ring has everything behind the cursor.
const kCursors = {
  'no cursor': { of: () => undefined },
  'a time': { of: () => 'rt-1406125522' },
  'everything': { of: () => 0 },
  'an id before the ring': { of: ({ before }) => before },
  'an id in the ring': { of: ({ first }) => first, inRing: true },
  'the end of the ring': { of: ({ last }) => last, inRing: true },
  'an id behind the ring': { of: ({ last }) => last + 1000, isLost: true },
};

// An nginx with a ring of 64 KB before a database.
class Site {
  static async start(name, { cluster, database, conninfo = database.conninfo() }) {
    const fallback = await startFallback({ conninfo, processes: 1 });
    const access = `pgevents main; pgevents_subscribe "*"; pgevents_jwt_key ${keyFile}; pgevents_retry 200ms;
      pgevents_heartbeat 1s; pgevents_poll_interval ${kInterval}s;`;
    const nginx = await startNginx({
      workers: 2, allow: [kKilledWorker],
      http: (n) => `
        pgevents_database main "${conninfo}" ring=64k sweep=100ms;
        server {
          listen ${n.listen()} reuseport;
          location /rt/ { ${access} }
          location /anna/ { ${access} pgevents_user anna; }
          location /both/ {
            pgevents main; pgevents_subscribe "*"; ${fallback.nginxLines({ base: '/both' })}
            fastcgi_intercept_errors on; error_page 502 503 504 = @held;
          }
          location @held { ${access} }
          location = /ready { pgevents_ready; }
          location = /status { pgevents_status; }
        }`,
    });
    await nginx.waitListening();
    return Object.assign(new Site(), { name, cluster, database, nginx, channel: 'cheese' });
  }

  // The log gets events before the ring, and the ring three of the channel and one of another.
  async fill() {
    const { database, channel } = this;
    const before = await database.publish(channel, 'made', 'before');
    await database.publish('other', 'large', kLongerThanRing);
    const ids = [];
    for (const n of range(1, 3)) ids.push(await database.publish(channel, 'made', n));
    this.ids = { before, first: ids[0], last: await database.publish('other', 'made', null) };
    await this.inRing(this.ids.last);
  }

  async inRing(id) {
    const where = { port: this.nginx.port, path: '/status' };
    await waitFor(async () => (await readMetrics(where)).value('ring_head_id') === id, { what: `event ${id} in the ring` });
  }

  async until(status, text = '') {
    await waitFor(async () => {
      const answer = await request({ port: this.nginx.port, path: '/ready' });
      return answer.status === status && answer.body.includes(text);
    }, { what: `${status} ${text} of ${this.name}` });
  }

  // A client that stays connected, and reconnects as browsers do.
  open(form, { base, headers }, cursor) {
    const how = { port: this.nginx.port, headers, cursor, maxDelay: 200 };
    return form === 'WebSocket' ? new SocketClient({ ...how, base, channels: [this.channel] })
      : new EventStream({ ...how, path: `${base}/events/${this.channel}`, reconnect: true });
  }

  // Only a long poll for which the ring has nothing has a reason to wait.
  ask(form, { base, headers }, cursor) {
    const query = form !== 'long poll' ? 'flavor=poll' : `timeout=${cursor === this.ids.last ? 0.3 : 20}`;
    return request({ port: this.nginx.port, path: `${base}/events/${this.channel}?${query}`,
      method: form === 'HEAD' ? 'HEAD' : 'GET',
      headers: cursor === undefined ? headers : { ...headers, 'Last-Event-ID': String(cursor) } });
  }

  async rowsBehind(cursor) {
    const text = String(cursor);
    const given = text.startsWith('rt-') ? { since_us: Number(text.slice(3)) * 1e6 } : { after: Number(text) };
    return expectedRows(await this.database.log(), { channels: [this.channel], ...given });
  }
}

// --- what each form of request gets ---

async function assertAnswered(site, form, answer, rows, cursor) {
  assert.equal(answer.status, 200, answer.body);
  assert.deepEqual(form === 'HEAD' ? answer.body : parsePollBody(answer.body).map(({ id }) => id),
    form === 'HEAD' ? '' : rows.map(({ id }) => id));
  const { 'last-event-id': next, 'x-ps-reconnect-in': wait } = answer.headers;
  assert.ok(Number(next) <= site.ids.last && Number(next) >= Math.max(cursor, ...rows.map(({ id }) => id)), next);
  assert.equal(wait, String(form === 'long poll' ? 0 : kInterval));
}

async function assertRejected({ status, headers, body }) {
  assert.deepEqual([status, headers['retry-after']], [503, String(kInterval)], body);
}

// A client that is open gets what the ring has, or nothing but a cursor; how it opened shows only in a stream.
async function assertOpen(form, client, rows, served) {
  if (form === 'stream') {
    await client.waitForBlock(({ kind }) => kind === 'opening' || kind === 'waiting');
    assert.equal(client.blocks[0].kind, served ? 'opening' : 'waiting');
  } else {
    await client.opened();
  }
  await waitFor(() => client.events.length >= rows.length, { what: `${rows.length} events, ${client.describe()}` });
}

// `rows`: what each client must have got while the log was out of reach.
async function tableOf(site, { tokens = false } = {}) {
  const open = [];
  const cases = Object.entries(kWho).flatMap(([who, caller]) =>
    Object.entries(kCursors).map(([what, how]) => ({ who, caller, what, how, cursor: how.of(site.ids) })));
  await Promise.all(cases.map(async ({ who, caller, what, how, cursor }) => {
    const served = Boolean(how.inRing) && (!caller.revocable || tokens);
    const rows = served ? site.rows.filter(({ id }) => id > cursor) : [];
    const named = (form, result) => result.catch((error) => {
      throw new Error(`${site.name}: ${form} of ${who}, ${what}: ${error.message}`, { cause: error });
    });
    for (const form of ['stream', 'WebSocket']) {
      const client = site.open(form, caller, cursor);
      open.push({ client, form, rows, how, what: `${form} of ${who}, ${what}` });
      await named(form, assertOpen(form, client, rows, served));
    }
    for (const form of ['long poll', 'poll', 'HEAD']) {
      const answer = await site.ask(form, caller, cursor);
      await named(form, served ? assertAnswered(site, form, answer, rows, cursor) : assertRejected(answer));
    }
  }));
  for (const { client, rows, what } of open) {
    assert.deepEqual(client.events.map(({ id }) => id), rows.map(({ id }) => id), `${site.name}: ${what}`);
  }
  return open;
}

// Each client that was open has everything behind its start, once; one that is ahead of the log a reset first.
async function assertNothingMissing(site, open) {
  const last = await site.database.publish(site.channel, 'made', 'afterwards');
  for (const { client, form, how, what } of open) {
    await waitFor(() => client.events.at(-1)?.id === last, { what: `${site.name}: the last event, ${what}` });
    const [first] = client.events;
    const isReset = first.type === 'pgevents.reset';
    assert.equal(isReset, Boolean(how.isLost), what);
    if (isReset) assert.equal(JSON.parse(first.data).reason, 'ahead');
    const rows = await site.rowsBehind(isReset ? first.id : client.start);
    assert.equal(summarise(judge(client.events.slice(isReset ? 1 : 0), rows)), '', what);
    assert.deepEqual(client.violations, [], `${what}, ${form}`);
    await client.close();
  }
}

// Breaks something, tries the table, runs `more`, and repairs it.
async function outage(site, { strike, mend, away = true, tokens = false, more = () => {} }) {
  await site.fill();
  site.rows = (await site.rowsBehind(0)).filter(({ id }) => id > site.ids.before);
  await strike();
  let open;
  try {
    if (away) await site.until(503, 'no listener follows the log');
    open = await tableOf(site, { tokens });
    await more();
  } finally {
    await mend();
  }
  await site.until(200);
  await assertNothingMissing(site, open);
}

const signal = (cluster, name) => [cluster.pid, ...childrenOf(cluster.pid)].forEach((pid) => process.kill(pid, name));

const clusters = await Promise.all([startCluster({ tcp: true }), startCluster()]);
const databases = await Promise.all(clusters.map((cluster) => cluster.createDatabase()));
const network = await startProxy(clusters[0].port);
const [site, silent] = await Promise.all([
  Site.start('first', { cluster: clusters[0], database: databases[0],
    conninfo: `host=127.0.0.1 port=${network.port} dbname=${databases[0].name} user=${kServerUser}` }),
  Site.start('second', { cluster: clusters[1], database: databases[1] }),
]);

// In the ring, and in every form; the workers are others than before.
async function assertRingIsKept() {
  for (const caller of [kWho['an anonymous client'], kWho['a user of the web server']]) {
    const { first } = site.ids;
    const rows = site.rows.filter(({ id }) => id > first);
    for (const form of ['stream', 'WebSocket']) {
      const client = site.open(form, caller, first);
      await assertOpen(form, client, rows, true);
      await client.close();
    }
    for (const form of ['long poll', 'poll', 'HEAD']) {
      await assertAnswered(site, form, await site.ask(form, caller, first), rows, first);
    }
  }
}

// The fallback's 503 leads to a location of the module alone.
async function assertServedBehindFallback() {
  const { first } = site.ids;
  const rows = site.rows.filter(({ id }) => id > first);
  await assertAnswered(site, 'poll', await site.ask('poll', { base: '/both' }, first), rows, first);
  await assertRejected(await site.ask('poll', { base: '/both' }));
}

// On a connection that is open and live. A message does not wait, as polls do not.
async function assertSubscribes(socket, token) {
  const { before, first, last } = site.ids;
  const subscribe = async (channel, cursor) =>
    (await socket.ask({ subscribe: [channel], ...(cursor !== undefined && { last_event_id: String(cursor) }) })).status;
  assert.equal(await subscribe('cheese', first), token ? 503 : 200);
  assert.deepEqual(socket.events.map(({ id }) => id), token ? [] : site.rows.slice(1).map(({ id }) => id));
  for (const cursor of [undefined, 'rt-1', 0, before, last + 1000]) {
    assert.equal(await subscribe('more', cursor), 503, `subscribe behind ${cursor}`);
  }
}

describe('without the log the ring serves what it has', { concurrency: true }, () => {
  test('the database hangs (SIGSTOP)', () => outage(silent, {
    strike: () => signal(silent.cluster, 'SIGSTOP'), mend: () => signal(silent.cluster, 'SIGCONT'),
  }));

  describe('one after the other', { concurrency: 1 }, () => {
    test('the network is cut', () => outage(site, { strike: () => network.cut(), mend: () => network.mend() }));

    // The listener follows the log, so revocations are known.
    test('the log cannot be read, but is followed', () => outage(site, {
      away: false, tokens: true,
      strike: () => site.database.query('REVOKE EXECUTE ON FUNCTION pgevents.fetch FROM pgevents_server'),
      mend: () => site.database.query('GRANT EXECUTE ON FUNCTION pgevents.fetch TO pgevents_server'),
    }));

    test('the database is shut down at once; also over a killed worker and a reload', async () => {
      const sockets = await Promise.all([{}, { headers: bearer({ sub: '1' }) }].map((options) =>
        new Socket({ port: site.nginx.port, path: '/rt/events/quiet', ...options }).opened()));
      await outage(site, {
        strike: () => site.cluster.stop('immediate'),
        mend: () => site.cluster.start(),
        more: async () => {
          await assertServedBehindFallback();
          await assertSubscribes(sockets[0], false);
          await assertSubscribes(sockets[1], true);
          const [pid] = site.nginx.workers();
          site.nginx.kill(pid);
          await waitFor(() => site.nginx.workers().filter((other) => other !== pid).length >= 2, { what: 'a new worker' });
          await assertRingIsKept();
          await site.nginx.waitGone(await site.nginx.reload());
          await assertRingIsKept();
        },
      });
    });

    // What the ring served is gone then: as for clients that had it before, a reset, and all that the log has.
    test('the database comes back in an earlier state', async () => {
      await site.fill();
      const { cluster, database, channel, ids } = site;
      const saved = path.join(cluster.dir, 'saved');
      await cluster.stop();
      await run('cp', ['-a', cluster.data, saved]);
      await cluster.start();
      const lost = [await database.publish(channel, 'made', 'lost'), await database.publish(channel, 'made', 'lost')];
      await site.inRing(lost[1]);
      const rows = await site.rowsBehind(ids.first);
      await cluster.stop();
      fs.rmSync(cluster.data, { recursive: true });
      fs.renameSync(saved, cluster.data);
      await site.until(503, 'no listener follows the log');
      const clients = ['stream', 'WebSocket'].flatMap((form) =>
        ['an anonymous client', 'a user of the web server'].map((who) => site.open(form, kWho[who], ids.first)));
      for (const client of clients) {
        await waitFor(() => client.events.length === rows.length, { what: 'the lost events' });
      }
      const poll = await site.ask('poll', kWho['an anonymous client'], ids.first);
      assert.equal(poll.headers['last-event-id'], String(lost[1]));
      await cluster.start();
      await site.until(200);
      const last = await database.publish(channel, 'made', 'afterwards');
      const again = await site.ask('poll', kWho['an anonymous client'], poll.headers['last-event-id']);
      for (const client of clients) {
        await waitFor(() => client.events.at(-1)?.id === last, { what: 'the last event' });
        await client.close();
      }
      for (const [reset, ...events] of [...clients.map((client) => client.events.slice(rows.length)),
        parsePollBody(again.body)]) {
        assert.match(reset.data, /^\{"reason":"ahead"/);
        assert.equal(summarise(judge(events, await site.rowsBehind(reset.id))), '');
      }
    });

    test('a ring that nginx has not filled yet serves nothing', async () => {
      await site.cluster.stop('immediate');
      await site.nginx.quit();
      await site.nginx.start();
      await site.until(503, 'cannot connect');
      for (const cursor of [0, site.ids.first, site.ids.last]) {
        await assertRejected(await site.ask('poll', kWho['an anonymous client'], cursor));
      }
      await site.cluster.start();
      await site.until(200);
    });
  });
});

test('at the end the logs are clean', () =>
  Promise.all([site, silent].map(({ nginx }) => nginx.stop({ allow: [kKilledWorker] }))));
