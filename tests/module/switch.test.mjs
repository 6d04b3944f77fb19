// The module's switch is a variable that is evaluated for each request. If it is off, or the module cannot serve,
// fastcgi_pass in the same location handles the request, and clients notice only the delay.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { newChannel } from '../lib/backends.mjs';
import { assertDelivered, judgeLog, summarise } from '../lib/checker.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { range, sleep, waitFor } from '../lib/conditions.mjs';
import { startFallback } from '../lib/fallback.mjs';
import { request } from '../lib/http.mjs';
import { ModuleServer } from '../lib/module_server.mjs';
import { startNginx } from '../lib/nginx.mjs';
import { Publishers } from '../lib/publishers.mjs';

const database = await (await sharedCluster()).createDatabase();
const fallback = await startFallback({ conninfo: database.conninfo(), args: ['--poll-interval', '1'] });
const limits = 'pgevents_subscribe "*"; pgevents_publish "*"; pgevents_timeout 2s; pgevents_retry 300ms;';
const configuration = (n, { module = true } = {}) => `
  ${module ? `pgevents_database main "${database.conninfo()}" ring=4m;` : ''}
  server {
    listen ${n.listen()};
    set $switch main;
    if (-f ${path.join(n.dir, 'module-off')}) { set $switch off; }
    if ($arg_module) { set $switch $arg_module; }
    location /rt/ {
      ${module ? `pgevents $switch; ${limits}` : ''}
      ${fallback.nginxLines({ base: '/rt' })}
    }
    ${module ? `location /alone/ { pgevents $switch; ${limits} }` : ''}
  }`;
const nginx = await startNginx({ workers: 2, http: configuration });
await nginx.waitListening();
const server = new ModuleServer(nginx);
const flag = path.join(nginx.dir, 'module-off');
const off = () => fs.writeFileSync(flag, '');
const on = () => fs.rmSync(flag, { force: true });

// Gives the front-end that answers a long poll with events.
await database.publish('cheese', 'made', null);
async function servedBy(module) {
  const query = { last_event_id: '0', ...(module ? { module } : {}) };
  const answer = await server.get('cheese', { query });
  assert.deepEqual([answer.status, answer.json().length], [200, 1]);
  return answer.headers['x-shortpoll-info'] ?? 'module';
}

test('the switch is evaluated for each request', async () => {
  assert.equal(await servedBy(), 'module');
  off();
  assert.equal(await servedBy(), 'fallback');
  on();
  assert.equal(await servedBy(), 'module');
  assert.equal(await servedBy('off'), 'fallback');
  assert.equal(await servedBy('main'), 'module');
});

test('the fallback serves a request for an unknown database, and the log reports it', async () => {
  assert.equal(await servedBy('nobody'), 'fallback');
  assert.match(nginx.logText(), /nobody/);
});

test('without a fallback in the location, off means 404', async () => {
  const get = (word) => request({ port: nginx.port, path: `/alone/events/x?flavor=poll&module=${word}` });
  assert.equal((await get('main')).status, 200);
  const answer = await get('off');
  assert.deepEqual([answer.status, answer.headers['content-type']], [404, 'text/html']);
});

test('streams and polls lose and repeat nothing through off, on and a configuration without the module', async () => {
  const channels = range(1, 3).map(() => newChannel());
  const publishers = new Publishers(database, { count: 4, channels, sleepMs: [0, 30], pauseMs: [5, 30] });
  const cursor = await database.head();
  const clients = channels.flatMap((channel) => [
    [channel, server.stream(channel, { cursor, reconnect: true, maxDelay: 1000 })],
    [channel, server.poller(channel, { cursor, maxDelay: 1000 })],
    [channel, server.poller(channel, { cursor, flavor: 'poll', maxDelay: 300 })],
  ]);
  await sleep(700);
  off();
  await sleep(1200);
  on();
  await sleep(1200);
  await nginx.reload((n) => configuration(n, { module: false }), { loadModule: false });
  await sleep(1200);
  await nginx.reload(configuration, { loadModule: true });
  await sleep(1200);
  const record = await publishers.stop();
  const log = (await database.log({ after: cursor })).filter((row) => channels.includes(row.channel_id));
  assert.ok(log.length > 50, `${log.length} events`);
  assert.equal(summarise(judgeLog(log, record)), '', `seed ${publishers.seed}`);
  for (const [channel, client] of clients) {
    const rows = log.filter((row) => row.channel_id === channel);
    await waitFor(() => client.events.length >= rows.length,
      { what: () => `${rows.length} events, ${client.describe()}` });
    await client.close();
    assertDelivered(client, rows);
  }
});
