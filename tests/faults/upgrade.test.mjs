// Upgrading from the release before, while events flow: programs and schema of both releases work with each other, in
// the documented order (docs/operations.md) and back. `./run upgrade` builds the old programs and runs all of it; the
// suite only uses the old schema, because building takes minutes.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { waitFor } from '../lib/conditions.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { kServerUser } from '../lib/database.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { kFallbackProgram } from '../lib/fallback.mjs';
import { kModule } from '../lib/nginx.mjs';
import { keyFile, kNoUser, assertSuccess, Realm, serverAt } from '../lib/realm.mjs';
import { kProgramsBefore, unpackReleaseBefore } from '../lib/release_before.mjs';
import { kRoot } from '../lib/scratch.mjs';
import { Crowd, describeFigures, kChannels, startFlow } from './crowd.mjs';
import { kFallbackBase, kModuleBase, startService } from './service.mjs';

const before = await unpackReleaseBefore();
const kOldInstall = path.join(before, 'sql', 'install.sql');
const kNew = { module: kModule, fallback: kFallbackProgram };
const key = keyFile();

// --- the statements ---

const unquoted = (text) => [...text.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, part]) => part).join('');

// The statements of a release: Map of constant to text.
function statementsOf(dir) {
  const file = path.join(dir, 'postgres', 'statements.hpp');
  const all = new Map();
  const statements = /constexpr SqlText (k\w+)\{\s*"[^"]*",([^}]*)\};/g;
  for (const [, name, text] of fs.readFileSync(file, 'utf8').matchAll(statements)) all.set(name, unquoted(text));
  assert.ok(all.size > 15, `${all.size} statements in ${file}`);
  return all;
}
const kStatementsBefore = statementsOf(before);
const kStatements = statementsOf(kRoot);

// Prepares each statement as a front-end does. Gives the types of its parameters, or the error.
async function prepared(database, statements) {
  const client = await database.connect(kServerUser);
  const types = {};
  for (const [name, text] of statements) {
    if (text.startsWith('LISTEN')) continue;
    try {
      await client.query(`PREPARE p_${name} AS ${text}`);
      const { rows } = await client.query(`SELECT parameter_types::text AS types FROM pg_prepared_statements
        WHERE name = lower('p_${name}')`);
      types[name] = rows[0].types;
    } catch (error) {
      types[name] = error.code;
    }
  }
  await client.end();
  return types;
}

test('each statement of either release means the same to both schemas', async () => {
  const cluster = await sharedCluster();
  const [old_schema, schema] = [await cluster.createDatabase({ install: kOldInstall }), await cluster.createDatabase()];
  assert.deepEqual(await prepared(schema, kStatementsBefore), await prepared(old_schema, kStatementsBefore));
  const [on_old, on_new] = [await prepared(old_schema, kStatements), await prepared(schema, kStatements)];
  const missing = Object.keys(on_old).filter((name) => on_old[name] !== on_new[name]);
  // Nothing asks for these before version 10, and for those of copies before version 12.
  assert.deepEqual(missing.sort(), ['kCopyLag', 'kCopyState', 'kIsCopy', 'kPublishMany', 'kPublishersWaiting', 'kSequence', 'kSequencerBegin',
    'kSequencerEnd', 'kSequencerReady']);
});

// --- under load ---

// The fallback's socket is gone until it runs again.
const kNoFallback = [/connect\(\) to unix:.* failed \(2: No such file or directory\)/];

async function start(release) {
  const service = await startService({
    cluster: await sharedCluster(), install: kOldInstall, workers: 2, release, allow: kNoFallback, args: ['--jwt-key', key],
    location: `pgevents_retry 300ms; pgevents_poll_interval 1s; pgevents_jwt_key ${key};`,
  });
  service.realm = new Realm(service.database, 'main');
  await service.realm.add('10', '11');
  return service;
}

let posted = 0;
// Publishing with a key, registration, presence, typing and settings through a front-end, with the events they cause.
async function callsWork(service, base) {
  const server = serverAt(service.port, base);
  const [ten, eleven] = ['10', '11'].map((id) => service.realm.user(server, id));
  const stream = new EventStream({ port: service.port, path: `${base}/events/user:11,presence:main`,
    headers: eleven.headers, cursor: await service.database.head(), reconnect: true, maxDelay: 300 });
  const once = `key-${++posted}`;
  const post = () => server.send('/events/cheese', { method: 'POST', body: '{"type":"made","data":"once"}',
    headers: { ...kNoUser, 'Content-Type': 'application/json', 'Idempotency-Key': once } });
  const [first, second] = [await post(), await post()];
  assert.deepEqual([first.status, second.status], [201, 201], first.body);
  assert.equal(first.body, second.body);
  assertSuccess(await ten.register());
  assertSuccess(await ten.report({ status: 'active', new_user_input: true }));
  assertSuccess(await ten.realmPresence());
  assertSuccess(await eleven.presenceOf('10'));
  assertSuccess(await ten.type({ op: 'start', type: 'direct', to: ['11'] }));
  for (const enabled of [false, true]) assertSuccess(await ten.choose({ presence_enabled: enabled }));
  const has = (wanted) => stream.events.some(({ type }) => type === wanted);
  await waitFor(() => has('typing') && has('presence'), { what: () => JSON.stringify(stream.events) });
  await stream.close();
}

async function allWork(service) {
  await service.waitAnsweredBy('module');
  for (const base of [kModuleBase, kFallbackBase]) await callsWork(service, base);
}

// Each client begins behind a cursor: the release before opens its streams in another way.
function gatherWithCursors(service, cursor) {
  const crowd = new Crowd(service);
  for (const channels of [['cheese'], ['wine', 'bread'], kChannels]) {
    for (const base of [kModuleBase, kFallbackBase]) {
      crowd.stream(channels, { base, cursor });
      crowd.poller(channels, { base, cursor, flavor: base === kModuleBase ? 'long-poll' : 'poll' });
    }
  }
  return crowd;
}

// Runs `steps` under load, and the calls before and after each.
async function underLoad(t, service, steps, { oldPrograms = false } = {}) {
  const crowd = gatherWithCursors(service, await service.database.head());
  const flow = startFlow(service.database);
  await allWork(service);
  for (const step of steps) {
    await step();
    await allWork(service);
    await crowd.caughtUp();
  }
  await flow.stop();
  assert.deepEqual(flow.failures, [], 'no transaction failed');
  t.diagnostic(describeFigures(await crowd.judge({ strict: !oldPrograms })));
}

const upgradeSchema = (service) => () => service.database.install();

test('module and fallback serve the schema of the release before, while it is upgraded, and then', async (t) => {
  const service = await start();
  const version = () => service.database.value(`SELECT (pgevents.status() ->> 'version')::int`);
  const old_version = await version();
  await underLoad(t, service, [upgradeSchema(service)]);
  assert.ok(await version() > old_version);
  assert.doesNotMatch(service.nginx.logText(), /is not served|rejected/);
  assert.doesNotMatch(service.fallback.logText(), /database/);
  await service.nginx.stop();
});

const replaceFallback = (service, program) => async () => {
  await service.fallback.stop();
  service.fallback.program = program;
  await service.fallback.start();
};
const replaceModule = (service, module) => async () => {
  const old = await service.nginx.reload((n) => service.http(n), { loadModule: false, modules: [module] });
  await service.nginx.waitGone(old);
};

if (kProgramsBefore) {
  test('schema, fallback and module are upgraded in this order, and the programs rolled back', async (t) => {
    const service = await start(kProgramsBefore);
    await underLoad(t, service, [
      upgradeSchema(service), replaceFallback(service, kNew.fallback), replaceModule(service, kNew.module),
      replaceModule(service, kProgramsBefore.module), replaceFallback(service, kProgramsBefore.fallback),
    ], { oldPrograms: true });
    await service.nginx.stop({ allow: kNoFallback });
  });

  test('the other order works too', async (t) => {
    const service = await start(kProgramsBefore);
    await underLoad(t, service, [
      replaceModule(service, kNew.module), replaceFallback(service, kNew.fallback), upgradeSchema(service),
    ], { oldPrograms: true });
    await service.nginx.stop({ allow: kNoFallback });
  });
}
