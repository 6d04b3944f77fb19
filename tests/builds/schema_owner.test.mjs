// `pgevents-schema --owner ROLE`: a role that can act as the schema's owner must not get the rights of the role that
// installs or upgrades, which is a superuser here.
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';

import { startCluster } from '../lib/cluster.mjs';
import { run } from '../lib/processes.mjs';
import { kRoot } from '../lib/scratch.mjs';

const kSql = path.join(kRoot, 'sql');
const cluster = await startCluster();

// Runs the command on a database as postgres, or with `-U` as another role: { status, stdout, stderr }.
function schema(database, ...args) {
  const address = ['-d', database.name, '-h', cluster.dir, '-p', String(cluster.port), '-U', 'postgres'];
  return run(path.join(kRoot, 'packaging/pgevents-schema'), [...address, ...args], {
    env: { ...process.env, PGEVENTS_SQL: kSql }, expect: null,
  });
}

const version = await run(path.join(kRoot, 'packaging/pgevents-schema'), ['--version'], {
  env: { ...process.env, PGEVENTS_SQL: kSql },
});
const latest = Number(/schema version ([0-9]+)/.exec(version.stdout)[1]);

let owners = 0;
// A database whose schema is one version behind and belongs to a new role: { database, owner, name }. `roles` makes
// OWNER, and perhaps NAME, a member; `trap` is SQL that OWNER, or NAME as OWNER, executes there.
async function olderSchema(roles, trap) {
  const database = await cluster.createDatabase({ install: false });
  const owner = `owner${++owners}`;
  const name = /NAME/.test(roles) ? `member${owners}` : owner;
  const fill = (text) => text.replaceAll('OWNER', owner).replaceAll('NAME', name);
  await database.query(fill(`${roles}; GRANT CREATE ON SCHEMA public TO OWNER`));
  await database.psql(['-v', `to=${latest - 1}`, '-v', `owner=${owner}`, '-f', path.join(kSql, 'install.sql')]);
  if (trap) {
    await database.query(fill(`SET SESSION AUTHORIZATION NAME; SET ROLE OWNER; ${trap}; RESET SESSION AUTHORIZATION`));
  }
  return { database, owner, name };
}

const isSuperuser = async (database, name) =>
  (await database.query('SELECT rolsuper FROM pg_roles WHERE rolname = $1', [name]))[0].rolsuper;

const kTakeOver = 'RESET SESSION AUTHORIZATION; RESET ROLE; ALTER ROLE NAME SUPERUSER;';
const kTraps = {
  'a trigger': `
    CREATE FUNCTION pgevents.trap() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN ${kTakeOver} RETURN NULL; END $f$;
    CREATE TRIGGER trap AFTER INSERT ON pgevents.migrations FOR EACH STATEMENT EXECUTE FUNCTION pgevents.trap()`,
  'a default': `
    CREATE FUNCTION public.time_of_NAME() RETURNS timestamptz LANGUAGE plpgsql
      AS $f$ BEGIN ${kTakeOver} RETURN now(); END $f$;
    ALTER TABLE pgevents.migrations ALTER applied_at SET DEFAULT public.time_of_NAME()`,
};

for (const [what, trap] of Object.entries(kTraps)) {
  test(`an upgrade does not execute code of a role that can act as the owner: ${what}`, async () => {
    for (const roles of ['CREATE ROLE OWNER LOGIN', 'CREATE ROLE OWNER; CREATE ROLE NAME LOGIN IN ROLE OWNER']) {
      const { database, owner, name } = await olderSchema(roles, trap);
      const { status, stderr } = await schema(database, 'upgrade', '--owner', owner);
      assert.equal(await isSuperuser(database, name), false);
      assert.equal(status, 1, stderr);
      assert.ok(stderr.includes(`role "${name}" can act as "${owner}", the owner of schema pgevents`), stderr);
      assert.ok(stderr.includes(`pgevents-schema upgrade -U ${owner}`), stderr);
      assert.equal((await schema(database, 'check', '--owner', owner)).status, 3);
    }
  });
}

// Otherwise the tests above could not fail.
test('install.sql itself executes such code', async () => {
  const { database, owner, name } = await olderSchema('CREATE ROLE OWNER LOGIN', kTraps['a trigger']);
  await database.psql(['-v', `owner=${owner}`, '-f', path.join(kSql, 'install.sql')]).catch(() => {});
  assert.equal(await isSuperuser(database, name), true);
});

test('an upgrade by the owner itself needs no rights of another role', async () => {
  const { database, owner } = await olderSchema('CREATE ROLE OWNER LOGIN');
  const { status, stderr } = await schema(database, 'upgrade', '-U', owner);
  assert.equal(status, 0, stderr);
  assert.equal((await schema(database, 'check', '--owner', owner)).status, 0);
});

test('an owner that only superusers can act as is upgraded', async () => {
  const { database, owner } = await olderSchema('CREATE ROLE OWNER; CREATE ROLE NAME LOGIN SUPERUSER IN ROLE OWNER');
  const { status, stdout, stderr } = await schema(database, 'upgrade', '--owner', owner);
  assert.deepEqual([status, stderr], [0, '']);
  assert.equal(stdout.split('\n')[0], `pgevents: schema version ${latest} is installed, upgraded from ${latest - 1}`);
  assert.equal((await schema(database, 'check', '--owner', owner)).status, 0);
});

// A schema without a table of migrations counts as missing.
test('an installation does not use a schema that the role of --owner has made', async () => {
  const database = await cluster.createDatabase({ install: false });
  await database.query(`CREATE ROLE early LOGIN; GRANT CREATE ON DATABASE ${database.name} TO early;
    SET ROLE early; CREATE SCHEMA pgevents; RESET ROLE`);
  const { status, stderr } = await schema(database, 'install', '--owner', 'early');
  assert.deepEqual([status, stderr.includes('role "early" can act as "early"')], [1, true], stderr);
  await database.query('DROP SCHEMA pgevents');
  const first = await schema(database, 'install', '--owner', 'early');
  assert.deepEqual([first.status, first.stderr], [0, '']);
});
