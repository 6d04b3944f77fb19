// Module and fallback under Valgrind's memcheck, which sees what the sanitizers of ./run asan do not: bytes that are used, or
// sent to somebody, without ever having been written. What is served is a little of everything; the programs are the usual ones.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { kRoot, tempDir } from '../lib/scratch.mjs';

const kRelease = path.join(kRoot, 'build', 'release');
const kModule = path.join(kRelease, 'ngx_http_pgevents_module.so');
const kStreamLimit = 120_000;
const dir = tempDir('memcheck');

// A script that runs a program under memcheck; each of its processes writes a file of its own. Leaks are LeakSanitizer's part.
function underMemcheck(program) {
  const file = path.join(dir, path.basename(program));
  const options = `-q --trace-children=yes --track-origins=yes --leak-check=no --log-file=${dir}/${path.basename(program)}.%p.log`;
  fs.writeFileSync(file, `#!/bin/sh\nexec valgrind ${options} '${program}' "$@"\n`, { mode: 0o755 });
  return file;
}

// The harness takes the fallback from here; it is loaded behind this.
process.env.PGEVENTS_FCGI = underMemcheck(path.join(kRelease, 'pgevents-fcgi'));
const nginx_under_memcheck = underMemcheck('/usr/sbin/nginx');
const { Backend, newChannel } = await import('../lib/backends.mjs');
const { sharedCluster } = await import('../lib/cluster.mjs');
const { waitFor } = await import('../lib/conditions.mjs');
const { EventStream } = await import('../lib/event_stream.mjs');
const { startCgiServer, startFallback } = await import('../lib/fallback.mjs');
const { startNginx } = await import('../lib/nginx.mjs');
const { pollBody } = await import('../lib/wire.mjs');

const database = await (await sharedCluster()).createDatabase();
const conninfo = database.conninfo();

// Processes that ran, and what memcheck said of them.
function reports(program) {
  const names = fs.readdirSync(dir).filter((name) => name.startsWith(`${program}.`) && name.endsWith('.log'));
  return { count: names.length, text: names.map((name) => fs.readFileSync(path.join(dir, name), 'utf8')).join('') };
}

function assertClean(program, least) {
  const { count, text } = reports(program);
  assert.ok(count >= least, `${count} processes of ${program}`);
  assert.equal(text, '');
}

// Publications, polls, catching up, a reset, filters and refusals: what every back-end does.
async function assertAnswers(backend) {
  const channel = newChannel();
  await waitFor(async () => (await backend.send(`/events/${channel}?flavor=poll`)).status !== 503, { what: 'the database is there' });
  for (const data of ['1', '"ä\\u0000"', `"${'x'.repeat(200_000)}"`]) {
    assert.equal((await backend.publish(channel, `{"type":"made","data":${data}}`)).status, 201);
  }
  const form = { headers: { 'Content-Type': 'application/x-www-form-urlencoded' } };
  assert.equal((await backend.publish(channel, 'type=sold&data=%7B%7D&ttl=600', form)).status, 201);
  const rows = await database.log({ channels: [channel] });
  assert.equal((await backend.poll(channel, { cursor: 0 })).body, pollBody(rows));
  assert.equal((await backend.poll(`${channel},other`, { cursor: 0, query: { types: 'sold' } })).body, pollBody(rows.slice(3)));
  assert.match((await backend.poll(channel, { cursor: 999_999 })).body, /"pgevents\.reset"/);
  const refused = [['/events/%ff', 400], ['/events/a?flavor=x', 400], ['/events/a,b/w%20', 400], ['/nothing', 404]];
  for (const [where, status] of refused) assert.equal((await backend.send(where)).status, status, where);
  assert.equal((await backend.publish(channel, '{"type":')).status, 400);
}

async function assertStreams(port) {
  const channel = newChannel();
  const stream = await new EventStream({ port, path: `/rt/events/${channel}` }).opened();
  const waiting = new Backend('module', port).send(`/events/${channel}/page?timeout=60`);
  await database.publish(channel, 'made', { n: 1 });
  await stream.waitForEvents(1, { timeout: kStreamLimit });
  assert.equal((await waiting).status, 200);
  await stream.close();
}

test('nginx with the module, through a reload', async () => {
  const nginx = await startNginx({
    binary: nginx_under_memcheck,
    loadModule: false,
    modules: [`"${kModule}"`],
    allow: [/setrlimit\(RLIMIT_NOFILE/], // Valgrind keeps some descriptors for itself
    http: (n) => `
      pgevents_database main "${conninfo}" ring=1m;
      server {
        listen ${n.listen()};
        location /rt/ { pgevents main; pgevents_subscribe "*"; pgevents_publish "*"; pgevents_heartbeat 1s; }
      }`,
  });
  for (const round of [1, 2]) {
    await assertAnswers(new Backend('module', nginx.port));
    await assertStreams(nginx.port);
    if (round === 1) await nginx.waitGone(await nginx.reload(), 60_000);
  }
  await nginx.stop({ allow: [/setrlimit\(RLIMIT_NOFILE/] });
  assertClean('nginx', 5);
});

test('the fallback, over FastCGI and as a CGI program', async () => {
  const fallback = await startFallback({ conninfo });
  const nginx = await startNginx({
    loadModule: false,
    http: (n) => `server { listen ${n.listen()}; location /rt/ { ${fallback.nginxLines({ base: '/rt' })} } }`,
  });
  await assertAnswers(new Backend('fcgi', nginx.port));
  const cgi = await startCgiServer({ conninfo });
  await assertAnswers(new Backend('cgi', cgi.port));
  await nginx.stop();
  await fallback.stop();
  assertClean('pgevents-fcgi', 10);
});
