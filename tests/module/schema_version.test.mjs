// A schema that is missing, older or newer than the program can use: module and fallback do not serve, and say so once
// with the command. They serve as soon as it is repaired.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';

import { sharedCluster } from '../lib/cluster.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { startFallback } from '../lib/fallback.mjs';
import { request } from '../lib/http.mjs';
import { startNginx } from '../lib/nginx.mjs';

const versions = (own, serves_from) => `
  CREATE OR REPLACE FUNCTION pgevents.schema_version() RETURNS TABLE (version int, serves_from int)
  LANGUAGE sql IMMUTABLE AS 'SELECT ${own}, ${serves_from}'`;
// A schema before version 9.
const old = (number) => `DROP FUNCTION pgevents.schema_version();
  CREATE OR REPLACE FUNCTION pgevents.status() RETURNS jsonb LANGUAGE sql AS $$ SELECT '{"version":${number}}'::jsonb $$;`;

const kMissing = 'does not exist, or is not that of pgevents; run pgevents-schema install there '
  + '(or psql -f sql/install.sql)';

// [statement that spoils a good schema, what the log says]; without text it is used
const kSchemas = {
  good: ['SELECT 1'],
  previous: [old(7)],
  next: [versions(13, 12)],
  missing: ['DROP SCHEMA pgevents CASCADE', kMissing],
  foreign: ['DROP SCHEMA pgevents CASCADE; CREATE SCHEMA pgevents; GRANT USAGE ON SCHEMA pgevents TO PUBLIC',
    kMissing],
  older: [old(6), 'has version 6, this program needs version 7 or later; '
    + 'run pgevents-schema upgrade there (or psql -f sql/install.sql), of this release'],
  newer: [versions(14, 13),
    'has version 14 and serves programs of version 13 or later, this one is of version 12; install the release to which'],
  closed: ['REVOKE USAGE ON SCHEMA pgevents FROM pgevents_server',
    'permission denied for schema pgevents; GRANT pgevents_server TO the role that connects'],
  forging: [`CREATE OR REPLACE FUNCTION pgevents.schema_version() RETURNS TABLE (version int, serves_from int)
    LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION E'x\\n2026/01/01 00:00:00 [error] 1#1: forged \\x1b[31mred'; END $$`,
  'x 2026/01/01 00:00:00 [error] 1#1: forged \\x1b[31mred'],
};
const kUsed = Object.keys(kSchemas).filter((name) => kSchemas[name].length === 1);
const kUnused = Object.keys(kSchemas).filter((name) => kSchemas[name].length === 2);

const databases = {};
const fallbacks = {};
let nginx;

before(async () => {
  const cluster = await sharedCluster();
  const template = await cluster.createDatabase();
  await template.disconnect();
  for (const [name, [spoil]] of Object.entries(kSchemas)) {
    databases[name] = cluster.database(`schema_${name}`);
    await template.maintain_(`CREATE DATABASE schema_${name} TEMPLATE ${template.name}`);
    await databases[name].query(spoil);
    fallbacks[name] = await startFallback({ conninfo: databases[name].conninfo(), processes: 1 });
  }
  const names = Object.keys(kSchemas);
  nginx = await startNginx({
    workers: 1,
    http: (n) => `
      ${names.map((name) => `pgevents_database ${name} "${databases[name].conninfo()}" ring=64k sweep=60s;`).join('\n')}
      server {
        listen ${n.listen()};
        ${names.map((name) => `
          location /module/${name}/ { pgevents ${name}; pgevents_subscribe "*"; pgevents_publish "*"; }
          location /fallback/${name}/ { ${fallbacks[name].nginxLines({ base: `/fallback/${name}` })} }`).join('\n')}
      }`,
  });
  await nginx.waitListening(...kUsed);
});

const ask = (front_end, name, options) =>
  request({ port: nginx.port, path: `/${front_end}/${name}/events/news?flavor=poll&last_event_id=0`, ...options });

const publish = (front_end, name) =>
  request({ port: nginx.port, path: `/${front_end}/${name}/events/news`, method: 'POST', body: '{"type":"made"}' });

const linesAbout = (name) => nginx.logText().split('\n')
  .filter((line) => line.includes(`pgevents: database "${name}" is not served`));

for (const name of kUsed) {
  test(`both serve a schema that is ${name}`, async () => {
    for (const front_end of ['module', 'fallback']) {
      assert.equal((await publish(front_end, name)).status, 201);
      assert.equal((await ask(front_end, name)).status, 200);
    }
    assert.deepEqual(linesAbout(name), []);
    assert.doesNotMatch(fallbacks[name].logText(), /database/);
  });
}

describe('neither serves, and each says why,', () => {
  for (const name of kUnused) {
    test(`a schema that is ${name}`, async () => {
      const text = kSchemas[name][1];
      const wanted = /^(permission|x )/.test(text) ? text : `schema "pgevents" of database "schema_${name}" ${text}`;
      await waitFor(() => linesAbout(name).length > 0, { what: () => `a line about ${name}: ${nginx.logText()}` });
      assert.ok(linesAbout(name)[0].includes(`[error]`) && linesAbout(name)[0].includes(`is not served: ${wanted}`),
        linesAbout(name)[0]);
      for (const answer of [await ask('module', name), await publish('module', name), await ask('fallback', name),
        await publish('fallback', name)]) {
        assert.equal(answer.status, 503, answer.body);
        assert.equal(answer.headers['retry-after'], '5');
      }
      const log = fallbacks[name].logText();
      assert.ok(log.includes(`the database cannot be used: ${wanted}`), log);
    });
  }

  test('without a line that the server has forged', () => {
    for (const log of [nginx.logText(), fallbacks.forging.logText()]) assert.ok(!/^2026.01.01/m.test(log) && !log.includes('\u001b'), log);
  });

  test('once, however often they try', () => {
    for (const name of kUnused) {
      assert.equal(linesAbout(name).length, 1, linesAbout(name).join('\n'));
      assert.equal(fallbacks[name].logText().match(/cannot be used/g).length, 1);
    }
  });
});

test('they serve when the schema is repaired, and say so', async () => {
  for (const name of ['missing', 'older', 'closed']) {
    if (name === 'closed') await databases[name].query('GRANT USAGE ON SCHEMA pgevents TO pgevents_server');
    else await databases[name].install();
    await waitFor(async () => (await ask('module', name)).status === 200, { what: `${name} served by the module` });
    await waitFor(async () => (await ask('fallback', name)).status === 200, { what: `${name} served by the fallback` });
    assert.match(nginx.logText(), new RegExp(`\\[error\\].*pgevents: database "${name}" is served again after [0-9.]+ s`));
    assert.match(fallbacks[name].logText(), /the database is back after [0-9]+ s/);
  }
});

// `good` has a sweep of a minute, so that its listener does not notice first. A session that is younger than five
// seconds does not ask again.
test('a schema that is replaced while they run is noticed by the connections that are open', async () => {
  const { good } = databases;
  await good.query(`${versions(14, 13)}; DROP FUNCTION pgevents.fetch, pgevents.log_after`);
  const newer = 'has version 14 and serves programs of version 13 or later';
  const until = (front_end, pattern, log) => waitFor(async () => {
    assert.ok((await ask(front_end, 'good')).status >= 500);
    return pattern.test(log());
  }, { what: () => `${pattern} in ${log()}`, interval: 50 });
  await until('module', new RegExp(`cannot connect to database "good" for a request: schema .*${newer}`),
    () => nginx.logText());
  await until('fallback', new RegExp(`the database cannot be used: schema .*${newer}`), () => fallbacks.good.logText());
  assert.deepEqual(linesAbout('good'), [], 'the listener has not asked yet');
  await good.query('NOTIFY pgevents');
  await waitFor(() => linesAbout('good').some((line) => /rejected a statement of the listener: .*log_after/.test(line)),
    { what: () => nginx.logText() });
  await waitFor(async () => (await ask('module', 'good')).status === 503, { what: 'the module away' });
});
