// The module builds in every way that docs/building.md describes, without a warning, and each build passes a small part
// of the conformance suite.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { before, describe, test } from 'node:test';

import { assertError, Backend, newChannel } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { startNginx } from '../lib/nginx.mjs';
import { run } from '../lib/processes.mjs';
import { kRoot, tempDir } from '../lib/scratch.mjs';
import { eventObject, pollBody, streamFrame } from '../lib/wire.mjs';
import { compile, moduleSources, nginxCheckout, nginxSource, usualBuild } from './compile.mjs';

const kDebianNginx = '/usr/sbin/nginx';

const database = await (await sharedCluster()).createDatabase();

// A path to this repository with a space in it.
function spacedRoot() {
  const link = path.join(tempDir('builds'), 'with space');
  fs.symlinkSync(kRoot, link);
  return link;
}

// The minimum of an nginx: no debugging log, no TLS, no HTTP/2, no threads, no regular expressions.
const kBare = ['--without-pcre', '--without-http_rewrite_module', '--without-http_gzip_module'];

// Each compiler optimises once, because optimising takes most of its time and finds more warnings.
const kBuilds = {
  'dynamic, for the nginx of Debian, by gcc': usualBuild,
  'dynamic, for the nginx of Debian, by clang': () => compile({ name: 'debian-clang', compiler: 'clang',
    level: '-O0' }),
  'dynamic, for an nginx from a checkout, by gcc': async () =>
    compile({ name: 'source dynamic', level: '-O0', source: await nginxCheckout(), root: spacedRoot() }),
  'static, in an nginx from source, by clang': async () =>
    compile({ name: 'source-static', compiler: 'clang', source: await nginxSource(), isStatic: true, options: kBare }),
};

// make's commands, each on one line.
const commandsOf = (log) => log.replace(/\\\n/g, ' ').split('\n').map((line) => line.replace(/\s+/g, ' '));

const kFlags = ['-std=c++17', '-Wall', '-Werror', '-fvisibility=hidden'];

function assertCompiledCleanly({ log }, compiler) {
  const text = fs.readFileSync(log, 'utf8');
  assert.doesNotMatch(text, /(warning|note|error):/i);
  const commands = commandsOf(text);
  for (const source of moduleSources()) {
    const [command] = commands.filter((line) => line.endsWith(`/${source}`));
    assert.ok(command, `${source} is compiled`);
    assert.match(command, new RegExp(`^${compiler} -c `));
    for (const flag of kFlags) assert.ok(command.includes(` ${flag} `), command);
  }
}

// The module exports only the symbols that nginx needs.
async function assertExportsNothingElse({ module }) {
  const { stdout } = await run('nm', ['-D', '--defined-only', '--format=posix', module]);
  const names = stdout.split('\n').filter(Boolean).map((line) => line.split(' ')[0]);
  assert.deepEqual(names.sort(), ['ngx_module_names', 'ngx_module_order', 'ngx_modules']);
}

// A compiler may omit calls that have no other effect: see fetch_ahead() in ngx_module/delivery/turn_scheduler.cpp.
async function assertFetchesAhead({ module }) {
  const { stdout } = await run('objdump', ['-d', '--no-show-raw-insn', module]);
  assert.match(stdout, /\t(prefetch|prfm)/);
}

const httpText = (server) => `
  pgevents_database main "${database.conninfo()}" ring=4m;
  server {
    listen ${server.listen()};
    location /rt/ {
      pgevents main;
      pgevents_subscribe "c.*";
      pgevents_publish "c.*";
    }
  }`;

const modulesOf = ({ module }) => (module ? [`"${module}"`] : []);

function startServer(built) {
  return startNginx({ binary: built.nginx ?? kDebianNginx, loadModule: false, modules: modulesOf(built),
    http: httpText });
}

async function assertServes({ port }) {
  const backend = new Backend('module', port);
  const channel = newChannel();
  await waitFor(async () => (await backend.send(`/events/${channel}?flavor=poll`)).status !== 503,
    { what: 'the database is there' });
  const stream = await new EventStream({ port, path: `/rt/events/${channel}` }).opened();
  const { cursor } = await backend.poll(channel);
  const waiting = backend.send(`/events/${channel}`, { headers: { 'Last-Event-ID': cursor } });

  const published = await backend.publish(channel, '{"type":"made","data":{"pieces":92}}');
  const [row] = await database.log({ channels: [channel] });
  assert.deepEqual([published.status, published.body], [201, `{"result":"success","id":${row.id}}`]);

  assert.equal((await waiting).body, pollBody([row]));
  assert.equal((await backend.poll(channel, { cursor })).body, `[${eventObject(row)}]`);
  await stream.waitForEvents(1);
  assert.equal(stream.events[0].raw.toString(), streamFrame(row));
  await stream.close();
  assertError(await backend.send('/events/secret'), 403, 'FORBIDDEN', "Not authorized for channel 'secret'");
  assertError(await backend.send(`/events/${channel}?last_event_id=x`), 400, 'BAD_REQUEST', 'Invalid Last-Event-ID');
}

for (const [name, build] of Object.entries(kBuilds)) {
  describe(name, () => {
    let built;
    before(async () => {
      built = await build();
    });

    test('compiles without a warning, as C++17', () => assertCompiledCleanly(built, name.split(' ').at(-1)));

    test('serves streams, long polls, polls, publications and errors, also after a reload', async () => {
      const nginx = await startServer(built);
      await assertServes(nginx);
      await nginx.waitGone(await nginx.reload());
      await assertServes(nginx);
      await nginx.stop();
    });

    if (name.startsWith('static')) return;

    test('exports only the symbols that nginx needs', () => assertExportsNothingElse(built));

    test('prefetches subscribers', () => assertFetchesAhead(built));

    test('is unmapped from the master when the configuration omits it, and mapped again later', async () => {
      const nginx = await startServer(built);
      const isMapped = () => fs.readFileSync(`/proc/${nginx.master()}/maps`, 'utf8').includes(built.module);
      for (const round of [1, 2]) {
        assert.ok(isMapped(), `round ${round}`);
        await nginx.reload((server) => `server { listen ${server.listen()}; }`, { modules: [] });
        await waitFor(() => !isMapped(), { what: `the unmapped module, round ${round}` });
        await nginx.waitGone(await nginx.reload(httpText, { modules: modulesOf(built) }));
      }
      await assertServes(nginx);
      await nginx.stop();
    });
  });
}
