// Module and fallback under Valgrind's memcheck, which finds what the sanitizers of ./run asan do not: bytes that are
// used or sent before they are written. The test sends a few requests of every kind to the usual programs.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { kRoot, tempDir } from '../lib/scratch.mjs';

const kRelease = path.join(kRoot, 'build', 'release');
const kModule = path.join(kRelease, 'ngx_http_pgevents_module.so');
const kStreamLimit = 120_000;
const dir = tempDir('memcheck');

// Writes a script that runs a program under memcheck, with one log file per process. LeakSanitizer finds the leaks.
function underMemcheck(program) {
  const file = path.join(dir, path.basename(program));
  const log = `${dir}/${path.basename(program)}.%p.log`;
  const options = `-q --trace-children=yes --track-origins=yes --leak-check=no --log-file=${log}`;
  fs.writeFileSync(file, `#!/bin/sh\nexec valgrind ${options} '${program}' "$@"\n`, { mode: 0o755 });
  return file;
}

// The harness reads the fallback's path from here, so it is loaded afterwards.
process.env.PGEVENTS_FCGI = underMemcheck(path.join(kRelease, 'pgevents-fcgi'));
const nginx_under_memcheck = underMemcheck('/usr/sbin/nginx');
const { Backend, newChannel } = await import('../lib/backends.mjs');
const { sharedCluster } = await import('../lib/cluster.mjs');
const { waitFor } = await import('../lib/conditions.mjs');
const { EventStream } = await import('../lib/event_stream.mjs');
const { startCgiServer, startFallback } = await import('../lib/fallback.mjs');
const { behindName } = await import('../lib/names.mjs');
const { startNginx } = await import('../lib/nginx.mjs');
const { pollBody } = await import('../lib/wire.mjs');

const database = await (await sharedCluster()).createDatabase();
const conninfo = database.conninfo();

// The number of processes that ran, and memcheck's reports about them.
function reports(program) {
  const names = fs.readdirSync(dir).filter((name) => name.startsWith(`${program}.`) && name.endsWith('.log'));
  return { count: names.length, text: names.map((name) => fs.readFileSync(path.join(dir, name), 'utf8')).join('') };
}

function assertClean(program, least) {
  const { count, text } = reports(program);
  assert.ok(count >= least, `${count} processes of ${program}`);
  assert.equal(text, '');
}

// Publications, polls, catch-up, a reset, filters and errors, which every back-end has.
async function assertAnswers(backend) {
  const channel = newChannel();
  const served = async () => (await backend.send(`/events/${channel}?flavor=poll`)).status !== 503;
  await waitFor(served, { what: 'the database is there' });
  for (const data of ['1', '"ä\\u0000"', `"${'x'.repeat(200_000)}"`]) {
    assert.equal((await backend.publish(channel, `{"type":"made","data":${data}}`)).status, 201);
  }
  const form = { headers: { 'Content-Type': 'application/x-www-form-urlencoded' } };
  assert.equal((await backend.publish(channel, 'type=sold&data=%7B%7D&ttl=600', form)).status, 201);
  const rows = await database.log({ channels: [channel] });
  assert.equal((await backend.poll(channel, { cursor: 0 })).body, pollBody(rows));
  const filtered = await backend.poll(`${channel},other`, { cursor: 0, query: { types: 'sold' } });
  assert.equal(filtered.body, pollBody(rows.slice(3)));
  assert.match((await backend.poll(channel, { cursor: 999_999 })).body, /"pgevents\.reset"/);
  const rejected = [['/events/%ff', 400], ['/events/a?flavor=x', 400], ['/events/a,b/w%20', 400], ['/nothing', 404]];
  for (const [where, status] of rejected) assert.equal((await backend.send(where)).status, status, where);
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

test('nginx with the module uses no unwritten bytes, through a reload', async () => {
  const nginx = await startNginx({
    binary: nginx_under_memcheck,
    loadModule: false,
    modules: [`"${kModule}"`],
    allow: [/setrlimit\(RLIMIT_NOFILE/], // Valgrind reserves some descriptors
    http: (n) => `
      pgevents_database main "${behindName(conninfo)}" ring=1m;
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

test('the fallback uses no unwritten bytes, over FastCGI and as a CGI program', async () => {
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
