// `cmake --install` installs everything below any prefix, and what it installs works from there: the command
// pgevents-schema, the units, and the examples divided for an nginx.conf that exists already.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { before, describe, test } from 'node:test';

import { startCluster } from '../lib/cluster.mjs';
import { kModule } from '../lib/conf_examples.mjs';
import { run } from '../lib/processes.mjs';
import { kRoot, tempDir } from '../lib/scratch.mjs';
import { selfSignedCertificate } from '../lib/tls.mjs';
import { filesBelow } from './compile.mjs';
import { relativeLinks } from './doc_links.mjs';

const kNginx = '/usr/sbin/nginx';
const kBuild = path.join(kRoot, 'build', 'release');
const kStatus = 'status.conf';
const kExamples = fs.readdirSync(path.join(kRoot, 'conf')).filter((name) => name.endsWith('.conf'));

// Runs cmake --install; by default with the umask that hardened systems give to root.
async function install(prefix, { destination = '', umask = '077', cwd } = {}) {
  const command = `umask ${umask} && exec cmake --install '${kBuild}' --prefix '${prefix}'`;
  await run('sh', ['-c', command], { env: { ...process.env, DESTDIR: destination }, cwd });
}

let installed;
before(async () => {
  const destination = tempDir('install');
  await install('/opt/pgevents', { destination });
  installed = path.join(destination, 'opt/pgevents');
});

const at = (...names) => path.join(installed, ...names);
const read = (...names) => fs.readFileSync(at(...names), 'utf8');

describe('cmake --install', () => {
  test('installs fallback, schema, pages and examples below the prefix', async () => {
    const { stdout } = await run(at('bin', 'pgevents-fcgi'), ['--version']);
    assert.match(stdout, /[0-9]+\.[0-9]+\.[0-9]+/);
    for (const name of filesBelow('sql')) assert.ok(fs.existsSync(at('share/pgevents', name)), name);
    for (const name of filesBelow('docs')) assert.ok(fs.existsSync(at('share/doc/pgevents', name)), name);
    for (const name of [...kExamples, 'systemd/pgevents-fcgi.socket']) {
      assert.ok(fs.existsSync(at('share/doc/pgevents/examples', name)), name);
    }
  });

  test('names the prefix in the units', () => {
    assert.match(read('lib/systemd/system/pgevents-fcgi.service'), /^ExecStart=\/opt\/pgevents\/bin\/pgevents-fcgi /m);
    assert.match(read('lib/systemd/system/pgevents-fcgi.socket'), /^ListenStream=/m);
    assert.match(read('lib/sysusers.d/pgevents-fcgi.conf'), /^u pgevents /);
  });

  test('makes everything readable for all users, whatever the umask is', () => {
    const names = fs.readdirSync(installed, { recursive: true });
    assert.ok(names.length > 200, `${names.length}`);
    const modeOf = (name) => {
      const stat = fs.lstatSync(at(name));
      if (stat.isSymbolicLink()) return undefined;
      const wanted = stat.isDirectory() || name.startsWith('bin/') ? 0o755 : 0o644;
      return (stat.mode & 0o7777) === wanted ? undefined : `${name}: ${(stat.mode & 0o7777).toString(8)}`;
    };
    assert.deepEqual(names.map(modeOf).filter(Boolean), []);
  });

  test('keeps the modes of folders that exist', async () => {
    const prefix = tempDir('install');
    fs.mkdirSync(path.join(prefix, 'share/doc'), { recursive: true });
    fs.chmodSync(path.join(prefix, 'share/doc'), 0o2775);
    for (const round of [1, 2]) {
      await install(prefix);
      assert.equal(fs.statSync(path.join(prefix, 'share/doc')).mode & 0o7777, 0o2775, `round ${round}`);
    }
  });

  test('installs pages whose links lead to files', () => {
    const { all, broken } = relativeLinks(at('share/doc/pgevents'));
    assert.ok(all.length > 150, `${all.length}`);
    assert.deepEqual(broken, []);
  });

  test('makes a relative prefix absolute', async () => {
    for (const destination of ['', tempDir('install')]) {
      const cwd = tempDir('install');
      await install('here', { destination, cwd });
      const place = `${destination}${cwd}/here`;
      const unit = fs.readFileSync(`${place}/lib/systemd/system/pgevents-fcgi.service`, 'utf8');
      assert.ok(unit.includes(`\nExecStart=${cwd}/here/bin/pgevents-fcgi `), unit);
      for (const name of ['bin/pgevents-schema', 'share/doc/pgevents/examples/snippets/fallback.conf']) {
        assert.ok(fs.existsSync(path.join(place, name)), name);
      }
      assert.deepEqual(fs.readdirSync(path.dirname(place)), ['here']);
    }
  });

  test('is linked into systemd by the documented commands, below a prefix that systemd does not know', async (t) => {
    if (!fs.existsSync('/usr/bin/systemctl')) return t.skip('systemd is not installed');
    const root = tempDir('install');
    await install('/opt/pgevents', { destination: root });
    const { stdout } = await run('bash', ['tests/builds/documented.sh', 'docs/building.md',
      '### Units and user below another prefix'], { cwd: kRoot });
    const [users, link] = stdout.split('\n');
    assert.ok(fs.existsSync(path.join(root, /^systemd-sysusers (.*)/.exec(users)[1])), users);
    await run('sh', ['-c', link.replace('systemctl ', `systemctl --root=${root} `)]);
    for (const unit of ['pgevents-fcgi.socket', 'pgevents-fcgi.service']) {
      const target = fs.readlinkSync(path.join(root, 'etc/systemd/system', unit));
      assert.equal(target, `/opt/pgevents/lib/systemd/system/${unit}`);
    }
  });

  test('takes the root as prefix', async () => {
    const destination = tempDir('install');
    await install('/', { destination });
    const unit = fs.readFileSync(`${destination}/lib/systemd/system/pgevents-fcgi.service`, 'utf8');
    assert.match(unit, /^ExecStart=\/bin\/pgevents-fcgi /m);
    assert.ok(fs.existsSync(`${destination}/share/doc/pgevents/examples/snippets/fallback.conf`));
  });

  test('installs the module that PGEVENTS_MODULE names', async () => {
    const dir = tempDir('install');
    await run('cmake', ['-S', kRoot, '-B', `${dir}/build`, '-DPGEVENTS_TESTS=OFF', `-DPGEVENTS_MODULE=${kModule}`,
      '-DPGEVENTS_NGINX_MODULES_DIR=lib/nginx/modules']);
    await run('cmake', ['--install', `${dir}/build`, '--prefix', `${dir}/usr`, '--component', 'module']);
    const file = path.join(dir, 'usr/lib/nginx/modules/ngx_http_pgevents_module.so');
    assert.deepEqual(fs.readFileSync(file), fs.readFileSync(kModule));
    assert.deepEqual(fs.readdirSync(`${dir}/usr`), ['lib']);
  });

  test('installs a page of the manual with every option of the fallback', async () => {
    const page = read('share/man/man1/pgevents-fcgi.1').replaceAll('\\-', '-');
    const { stdout } = await run(at('bin', 'pgevents-fcgi'), ['--help']);
    const options = stdout.match(/^ {2}--[a-z-]+|\[PGEVENTS_[A-Z_]+\]/gm).map((word) => word.trim());
    assert.ok(options.length > 30, `${options}`);
    for (const option of options) assert.ok(page.includes(option), option);
  });
});

describe('pgevents-schema', () => {
  let cluster;
  before(async () => {
    cluster = await startCluster();
  });

  const latest = () => Number(/^\\set latest ([0-9]+)$/m.exec(read('share/pgevents/sql/install.sql'))[1]);

  // Runs the installed command on a database: { status, stdout, stderr }.
  function schema(database, ...args) {
    const address = ['-d', database.name, '-h', cluster.dir, '-p', String(cluster.port), '-U', 'postgres'];
    return run(at('bin', 'pgevents-schema'), [...args, ...address], { expect: null });
  }

  test('installs, checks, and reports the status', async () => {
    const database = await cluster.createDatabase({ install: false });
    const missing = await schema(database, 'check');
    assert.equal(missing.status, 3, missing.stderr);
    assert.match(missing.stdout, /has no schema pgevents; run pgevents-schema install/);
    const upgraded = await schema(database, 'upgrade');
    assert.deepEqual([upgraded.status, upgraded.stderr.includes('pgevents-schema install')], [1, true]);

    const first = await schema(database, 'install');
    assert.equal(first.status, 0, first.stderr);
    assert.match(first.stdout, new RegExp(`schema version ${latest()} is installed`));
    assert.equal((await schema(database, 'check')).status, 0);
    const { stdout } = await schema(database, 'status');
    assert.equal(JSON.parse(stdout).version, latest());

    const second = await schema(database, 'install');
    assert.equal(second.status, 1);
    assert.match(second.stderr, /already; nothing was changed/);
  });

  test('upgrades an older schema, and does not touch a newer one', async () => {
    const database = await cluster.createDatabase({ install: false });
    await database.psql(['-v', `to=${latest() - 1}`, '-f', at('share/pgevents/sql/install.sql')]);
    const older = await schema(database, 'check');
    assert.equal(older.status, 3);
    assert.match(older.stdout, /is older than [0-9]+; run pgevents-schema upgrade/);
    const upgraded = await schema(database, 'upgrade');
    assert.equal(upgraded.status, 0, upgraded.stderr);
    assert.equal((await schema(database, 'check')).status, 0);

    await database.query(`INSERT INTO pgevents.migrations (version, name) VALUES (${latest() + 1}, 'next')`);
    const newer = await schema(database, 'check');
    assert.equal(newer.status, 4);
    assert.match(newer.stdout, /is newer than/);
    assert.equal((await schema(database, 'upgrade')).status, 1);
  });

  test('replaces functions of an older version', async () => {
    const database = await cluster.createDatabase({ install: false });
    assert.equal((await schema(database, 'install')).status, 0);
    await database.query(`CREATE OR REPLACE FUNCTION pgevents.schema_version() RETURNS TABLE (version int,
      serves_from int) LANGUAGE sql AS 'SELECT ${latest() - 1}, 1'`);
    assert.equal((await schema(database, 'check')).status, 3);
    assert.equal((await schema(database, 'upgrade')).status, 0);
    assert.equal((await schema(database, 'check')).status, 0);
  });

  test('gives the schema to the role of --owner', async () => {
    const database = await cluster.createDatabase({ install: false });
    await database.query('CREATE ROLE keeper');
    const made = await schema(database, 'install', '--owner', 'keeper');
    assert.equal(made.status, 0, made.stderr);
    const [row] = await database.query(`SELECT nspowner::regrole::text AS owner FROM pg_namespace
      WHERE nspname = 'pgevents'`);
    assert.equal(row.owner, 'keeper');
  });

  // The first executes anything that mallory likes with the rights of whoever runs the commands.
  const trap = (run_as) => `
    CREATE FUNCTION pgevents.take_over() RETURNS void LANGUAGE plpgsql AS $f$
      BEGIN IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN ALTER ROLE ${run_as} SUPERUSER; END IF; END
    $f$;
    CREATE OR REPLACE FUNCTION pgevents.schema_version() RETURNS TABLE (version int, serves_from int) LANGUAGE plpgsql
      AS $f$ BEGIN PERFORM pgevents.take_over(); RETURN QUERY SELECT ${latest()}, 7; END $f$;
    CREATE OR REPLACE FUNCTION pgevents.status() RETURNS jsonb LANGUAGE plpgsql
      AS $f$ BEGIN PERFORM pgevents.take_over(); RETURN '{}'; END $f$;`;
  const kCommands = ['check', 'status', 'install', 'upgrade'];

  test('executes nothing of a schema that another role has made', async () => {
    const database = await cluster.createDatabase({ install: false });
    await database.query(`CREATE ROLE mallory LOGIN; GRANT CREATE ON DATABASE ${database.name} TO mallory;
      SET ROLE mallory; CREATE SCHEMA pgevents; CREATE TABLE pgevents.migrations (version int);
      INSERT INTO pgevents.migrations VALUES (${latest()}); ${trap('mallory')} RESET ROLE`);
    for (const command of kCommands) {
      const { status, stderr } = await schema(database, command);
      assert.deepEqual([status, /schema pgevents belongs to mallory, not to postgres/.test(stderr)], [1, true], stderr);
    }
    for (const command of ['check', 'install']) await schema(database, command, '--owner', 'mallory');
    assert.match((await schema(database, 'status', '--owner', 'mallory')).stderr, /connect as its owner: -U mallory/);
    await database.query(`SET ROLE mallory; ALTER TABLE pgevents.migrations RENAME TO hidden; CREATE VIEW
      pgevents.migrations AS SELECT version FROM pgevents.schema_version(); RESET ROLE`);
    const view = await schema(database, 'check', '--owner', 'mallory');
    assert.deepEqual([view.status, /cannot copy from view/.test(view.stderr)], [1, true], view.stderr);
    assert.deepEqual(await database.query("SELECT rolsuper FROM pg_roles WHERE rolname = 'mallory'"),
      [{ rolsuper: false }]);
  });

  test('executes nothing when a function in its own schema is another role\'s', async () => {
    const database = await cluster.createDatabase();
    await database.query(`CREATE ROLE guest; ${trap('guest')} ALTER FUNCTION pgevents.status() OWNER TO guest;
      ALTER FUNCTION pgevents.schema_version() OWNER TO guest`);
    for (const command of kCommands) {
      const { status, stderr } = await schema(database, command);
      assert.deepEqual([status, /function pgevents\.\w+\(\) belongs to guest/.test(stderr)], [1, true], stderr);
    }
    assert.deepEqual(await database.query("SELECT rolsuper FROM pg_roles WHERE rolname = 'guest'"), [{ rolsuper: false }]);
  });

  test('checks the schema of the role that --owner names', async () => {
    const database = await cluster.createDatabase({ install: false });
    await database.query('CREATE ROLE tenant');
    assert.equal((await schema(database, 'install', '--owner', 'tenant')).status, 0);
    assert.equal((await schema(database, 'check')).status, 1);
    const { status, stdout } = await schema(database, 'check', '--owner', 'tenant');
    assert.deepEqual([status, stdout.includes(`schema version ${latest()}, as in this installation`)], [0, true]);
  });

  test('does not evaluate what the server names as version', async () => {
    const database = await cluster.createDatabase({ install: false });
    const made = path.join(tempDir('version'), 'made');
    for (const text of [`latest[$(touch ${made})]`, '-1', '1\n2x', '99999999999999999999', '08']) {
      await database.query(`DROP SCHEMA IF EXISTS pgevents CASCADE; CREATE SCHEMA pgevents;
        CREATE TABLE pgevents.migrations AS SELECT $v$${text}$v$ AS version;
        CREATE FUNCTION pgevents.schema_version() RETURNS TABLE (version text) LANGUAGE sql
          AS $f$ SELECT $v$${text}$v$ $f$; CREATE FUNCTION public.no(text, int) RETURNS bool LANGUAGE sql
          AS 'SELECT false'; CREATE OPERATOR public.> (LEFTARG = text, RIGHTARG = int, FUNCTION = public.no)`);
      for (const command of ['check', 'install', 'upgrade']) {
        const { status, stderr } = await schema(database, command);
        assert.ok(!fs.existsSync(made), `${command} executed the version`);
        assert.deepEqual([status, /a schema version that is no number/.test(stderr)], [1, true], `${text}: ${stderr}`);
      }
      await database.query('DROP OPERATOR public.> (text, int); DROP FUNCTION public.no');
    }
  });

  // psql's own status would be 1, 2 or 3, which mean something else for `check`.
  test('ends with 1 when SQL fails, or no server answers', async () => {
    const database = await cluster.createDatabase({ install: false });
    const refused = await schema(database, 'install', '--owner', 'nobody at all');
    assert.deepEqual([refused.status, refused.stderr.includes('"nobody at all"')], [1, true], refused.stderr);
    const absent = await schema(database, 'status');
    assert.deepEqual([absent.status, absent.stderr.includes('pgevents')], [1, true], absent.stderr);
    for (const command of ['install', 'check', 'status', 'upgrade']) {
      const { status } = await schema({ name: 'missing' }, command);
      assert.equal(status, 1, command);
    }
  });

  test('rejects what it does not know, without a connection', async () => {
    for (const args of [[], ['instal'], ['install', '--force'], ['install', 'check'], ['install', '-d']]) {
      const { status, stderr } = await run(at('bin', 'pgevents-schema'), args, { expect: null });
      assert.equal(status, 1, args.join(' '));
      assert.match(stderr, /pgevents-schema/);
    }
  });
});

describe('the divided examples', () => {
  let dir, certificate;
  before(async () => {
    dir = tempDir('divided');
    certificate = await selfSignedCertificate();
    fs.writeFileSync(path.join(dir, 'secret.key'), '0123456789abcdef0123456789abcdef', { mode: 0o600 });
  });

  // The part of an example, with the files that only a real site has.
  function part(folder, name) {
    const text = read('share/doc/pgevents/examples', folder, name);
    return text.replaceAll(/\/etc\/ssl\/\S+\.pem/g, certificate.cert).replaceAll('/var/log/nginx/', `${dir}/`)
      .replaceAll(/\/etc\/pgevents\/\S+\.key/g, path.join(dir, 'secret.key'));
  }

  for (const name of kExamples) {
    test(`${name}: nginx takes both parts`, async (t) => {
      if (name.startsWith('http3') && !(await run(kNginx, ['-V'])).stderr.includes('http_v3')) {
        return t.skip('this nginx has no HTTP/3');
      }
      // The status goes with another example.
      const main = name === kStatus ? 'fallback.conf' : name;
      const locations = [...new Set([main, name])].map((one) => part('snippets', one)).join('\n');
      const file = path.join(dir, name);
      fs.writeFileSync(file, `load_module ${kModule};\npid ${dir}/nginx.pid;\nevents {}\nhttp {\n${part('conf.d', main)}
        server { listen unix:${dir}/listen.sock;\n${locations}}\n}`);
      const { stderr } = await run(kNginx, ['-t', '-e', `${dir}/error.log`, '-c', file]);
      assert.match(stderr, /test is successful/);
    });
  }

  test('have each directive of the example once', () => {
    const own = new RegExp('^(load_module|user|worker_(processes|shutdown_timeout)|pid|error_log|listen|server_name|'
      + 'http[23]|quic_[a-z]+|ssl_(certificate|certificate_key|protocols|session_cache)) ');
    const directives = (text) => text.split('\n').map((line) => line.trim())
      .filter((line) => /^[a-z_0-9$"~].*;/.test(line) && !own.test(line)).sort();
    for (const name of kExamples) {
      let whole = fs.readFileSync(path.join(kRoot, 'conf', name), 'utf8').replace(/events \{[^}]*\}/, '');
      const folders = name === kStatus ? ['snippets'] : ['conf.d', 'snippets'];
      if (name === kStatus) whole = whole.replace(/pgevents_database .*;/, '').replace(/location \/rt\/ \{[^}]*\}/, '');
      const parts = folders.map((folder) => read('share/doc/pgevents/examples', folder, name));
      assert.deepEqual(directives(parts.join('\n')), directives(whole), name);
    }
  });
});
