// ./run as a newcomer meets it: up, down, status, publish, module, twice, beside each other, on a taken port, in odd places.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { before as beforeAll, describe, test } from 'node:test';
import pg from 'pg';

import { startCluster } from '../lib/cluster.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { newDemo } from '../lib/demo.mjs';
import { request } from '../lib/http.mjs';
import { atEnd } from '../lib/lifetime.mjs';
import { isAlive, run, signalIfAlive } from '../lib/processes.mjs';
import { kRoot, tempDir } from '../lib/scratch.mjs';

const kEvents = '/rt/events/cheese?last_event_id=0&flavor=poll';
const get = (demo, location) => request({ port: demo.port, path: location });

// Every process whose command line or log is in the directory: what a run left behind.
function processesIn(dir) {
  const belongs = (pid) => {
    try {
      const words = fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1');
      return words.includes(`${dir}/`) || fs.readlinkSync(`/proc/${pid}/fd/2`).startsWith(`${dir}/`);
    } catch {
      return false;
    }
  };
  return fs.readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name)).map(Number)
    .filter((pid) => pid !== process.pid && isAlive(pid) && belongs(pid));
}

const statusOf = async (demo) => Object.fromEntries((await demo.run(['status'], { expect: null })).stdout.trim().split('\n')
  .map((line) => /^([A-Za-z]+) +(.*)$/.exec(line).slice(1)));

describe('./run', () => {
  test('starts everything, tells so, publishes, and stops everything', async () => {
    const demo = await newDemo();
    const { stdout } = await demo.run(['up']);
    assert.match(stdout, new RegExp(`pgevents runs: http://127.0.0.1:${demo.port}/`));
    assert.equal((await get(demo, '/')).status, 200);
    await demo.run(['publish', 'cheese', 'cheese_created', '{"pieces":1,"cheese_type":"L\'Etivaz \\"AOP\\""}']);
    assert.match((await get(demo, kEvents)).body, /"data":\{"pieces":1,"cheese_type":"L'Etivaz \\"AOP\\""\}\}/);
    const status = await statusOf(demo);
    assert.match(status.nginx, new RegExp(`^process [0-9]+, http://127.0.0.1:${demo.port}/$`));
    assert.match(status.fallback, /^process [0-9]+$/);
    assert.match(status.PostgreSQL, /^process [0-9]+, socket in /);
    assert.match(status.events, /"head": [0-9]+/);
    await demo.run(['down']);
    assert.deepEqual(processesIn(demo.dir), []);
    assert.equal((await statusOf(demo)).nginx, 'not running');
  });

  test('leaves alone what runs when it is told "up" again, and has nothing to do at a second "down"', async () => {
    const demo = await newDemo();
    await demo.run(['up']);
    const before = processesIn(demo.dir);
    await demo.run(['up']);
    assert.deepEqual(processesIn(demo.dir).filter((pid) => before.includes(pid)).length >= 4, true);
    const status = await statusOf(demo);
    for (const name of ['nginx', 'fallback', 'PostgreSQL']) {
      assert.ok(before.includes(Number(/process ([0-9]+)/.exec(status[name])[1])), `${name} is the same process`);
    }
    await demo.run(['down']);
    await demo.run(['down']);
    assert.deepEqual(processesIn(demo.dir), []);
  });

  test('keeps the events from one run to the next', async () => {
    const demo = await newDemo();
    await demo.run(['up']);
    await demo.run(['publish', 'cheese', 'kept', '1']);
    await demo.run(['down']);
    await demo.run(['up']);
    assert.match((await get(demo, kEvents)).body, /"type":"kept"/);
  });

  test('is reached by its own socket, whatever port the environment names', async () => {
    const demo = await newDemo();
    const env = { PGPORT: '18232' };
    await demo.run(['up'], { env });
    await demo.run(['publish', 'cheese', 'with_port', '1'], { env });
    await demo.run(['publish', 'cheese', 'without', '1']);
    assert.equal((await demo.run(['psql', '-qtAc', 'SHOW port'], { env })).stdout, '5432\n');
    assert.match((await get(demo, kEvents)).body, /with_port.*without/);
  });

  test('takes no stranger for its own by an old pid file', async () => {
    const demo = await newDemo();
    await demo.run(['up']);
    await demo.run(['down']);
    const stranger = spawn('sleep', ['600'], { stdio: 'ignore' });
    atEnd(() => stranger.kill());
    for (const file of ['nginx.pid', 'fcgi.pid', 'pg/data/postmaster.pid']) {
      fs.writeFileSync(path.join(demo.dir, file), `${stranger.pid}\n`);
    }
    await demo.run(['down']);
    assert.ok(isAlive(stranger.pid));
    for (const file of ['nginx.pid', 'fcgi.pid', 'pg/data/postmaster.pid']) {
      fs.writeFileSync(path.join(demo.dir, file), `${stranger.pid}\n`);
    }
    await demo.run(['up']);
    assert.equal((await get(demo, kEvents)).status, 200);
    assert.ok(isAlive(stranger.pid));
  });

  test('starts again what was killed', async () => {
    const demo = await newDemo();
    await demo.run(['up']);
    processesIn(demo.dir).forEach((pid) => signalIfAlive(pid, 'SIGKILL'));
    await waitFor(() => processesIn(demo.dir).length === 0, { what: 'all processes killed' });
    await demo.run(['up']);
    assert.equal((await get(demo, kEvents)).status, 200);
  });

  test('starts again beside workers that outlived their nginx', async () => {
    const demo = await newDemo();
    await demo.run(['up']);
    const before = processesIn(demo.dir);
    signalIfAlive(Number(/process ([0-9]+)/.exec((await statusOf(demo)).nginx)[1]), 'SIGKILL');
    await demo.run(['up']);
    assert.equal((await get(demo, kEvents)).status, 200);
    await demo.run(['down']);
    assert.deepEqual(before.filter(isAlive), []);
    assert.deepEqual(processesIn(demo.dir), []);
  });

  test('runs twice beside each other', async () => {
    const [one, other] = [await newDemo(), await newDemo()];
    await one.run(['up']);
    await other.run(['up']);
    await one.run(['publish', 'cheese', 'for_one', '1']);
    assert.match((await get(one, kEvents)).body, /for_one/);
    assert.equal((await get(other, kEvents)).body, '[]');
    await one.run(['down']);
    assert.equal((await get(other, kEvents)).status, 200);
  });

  test('says which port is taken, and what to do', async () => {
    const demo = await newDemo();
    const server = net.createServer();
    await new Promise((resolve) => server.listen(demo.port, '127.0.0.1', resolve));
    const { status, stderr } = await demo.run(['up'], { expect: null });
    server.close();
    assert.equal(status, 1);
    assert.match(stderr, new RegExp(`Port ${demo.port} is taken.*\nChoose another one: PGEVENTS_PORT=`));
    assert.deepEqual(processesIn(demo.dir), []);
  });

  test('switches the module without a reload', async () => {
    const demo = await newDemo();
    await demo.run(['up']);
    const long_poll = async () => (await get(demo, '/rt/events/cheese?timeout=0.2')).headers['x-shortpoll-info'];
    const nginx = (await statusOf(demo)).nginx;
    assert.notEqual(await long_poll(), 'fallback');
    assert.equal((await demo.run(['module', 'off'])).stdout, 'module off: the fallback answers\n');
    assert.equal(await long_poll(), 'fallback');
    assert.equal((await demo.run(['module', 'on'])).stdout, 'module on\n');
    assert.notEqual(await long_poll(), 'fallback');
    assert.equal((await statusOf(demo)).nginx, nginx);
  });

  test('works where no socket could be: a deep directory that other users cannot enter', async () => {
    const closed = tempDir('closed');
    fs.chmodSync(closed, 0o700);
    const demo = await newDemo(path.join(closed, 'a directory with a long name '.repeat(5)));
    const { stdout } = await demo.run(['up']);
    const place = fs.readFileSync(path.join(demo.dir, 'place'), 'utf8').trim();
    atEnd(() => fs.rmSync(place, { recursive: true }));
    assert.ok(stdout.includes(`their files are in ${place}`), stdout);
    assert.equal((await get(demo, kEvents)).status, 200);
    const token = (await demo.run(['token', '--user', '10'])).stdout.trim();
    for (const front_end of ['rt', 'fallback']) {
      const headers = { Authorization: `Bearer ${token}` };
      const answer = await request({ port: demo.port, path: `/${front_end}/events/user:10?flavor=poll`, headers });
      assert.equal(answer.status, 200, front_end);
    }
    await demo.run(['down']);
    assert.deepEqual(processesIn(place), []);
  });

  test('installs the schema into the database that PGEVENTS_DATABASE names, and starts none', async () => {
    const cluster = await startCluster();
    const database = await cluster.createDatabase({ install: false });
    const demo = await newDemo();
    const env = { PGEVENTS_DATABASE: database.conninfo({ user: 'postgres' }) };
    await demo.run(['up'], { env });
    await demo.run(['publish', 'cheese', 'elsewhere', '1'], { env });
    assert.match((await get(demo, kEvents)).body, /elsewhere/);
    assert.equal(fs.existsSync(path.join(demo.dir, 'pg/data')), false);

    // The same run directory, another database: both servers follow.
    const other = await cluster.createDatabase({ install: false });
    await demo.run(['up'], { env: { PGEVENTS_DATABASE: other.conninfo({ user: 'postgres' }) } });
    for (const front_end of ['rt', 'fallback']) {
      assert.equal((await get(demo, kEvents.replace('rt', front_end))).body, '[]', front_end);
    }
    await demo.run(['down'], { env });
    await database.query('SELECT pgevents.head()');
  });

  test('says so when the database of PGEVENTS_DATABASE is away', async () => {
    const demo = await newDemo();
    const { status, stderr } = await demo.run(['up'], { expect: null, env: { PGEVENTS_DATABASE: 'host=/nowhere dbname=app' } });
    assert.equal(status, 1);
    assert.match(stderr, /The database of PGEVENTS_DATABASE cannot be reached.*host=\/nowhere dbname=app/);
  });

  test('refuses what it does not know, with what it knows', async () => {
    const demo = await newDemo();
    for (const [args, words] of [
      [['fly'], /There is no command 'fly'/],
      [['up', '8081'], /\.\/run up takes no arguments/],
      [['test', 'nothing'], /There is no suite 'nothing'. Suites: unit /],
      [['asan', 'nothing'], /There is no suite 'nothing'. Suites: unit /],
      [['publish', 'cheese'], /Usage: \.\/run publish CHANNEL TYPE JSON/],
      [['module', 'sideways'], /There is no demo in .* yet: \.\/run up/],
      [['publish', 'cheese', 'a', '1'], /The demo's database cannot be reached\. Is it running\? \.\/run up/],
    ]) {
      const { status, stderr } = await demo.run(args, { expect: null });
      assert.equal(status, 1);
      assert.match(stderr, words);
    }
  });

  test('refuses an event that is no JSON, in PostgreSQL\'s words', async () => {
    const demo = await newDemo();
    await demo.run(['up']);
    const { status, stderr } = await demo.run(['publish', 'cheese', 'cheese_created', '{"pieces":}'], { expect: null });
    assert.equal(status, 1);
    assert.match(stderr, /invalid input syntax for type json[^]*Not published/);
  });
});

describe('./run up', () => {
  let demo;
  beforeAll(async () => {
    demo = await newDemo();
    await demo.run(['up']);
  });

  // A page of another site can give its name this address; what answers to that name would be of the page's own origin.
  test('answers to the names of this machine and to no other', async () => {
    const answers = (host, location) => request({ port: demo.port, path: location, headers: { Host: host } })
      .then(({ status }) => status, () => 'closed');
    const events = 'events/cheese?flavor=poll';
    const rebound = ['rebound.example', `rebound.example:${demo.port}`, 'localhost.rebound.example', '192.0.2.1', '_'];
    for (const location of ['/', '/demo/people.json', `/rt/${events}`, `/fallback/${events}`, '/demo/module']) {
      for (const host of ['localhost', '127.0.0.1', '[::1]', 'LOCALHOST']) {
        assert.equal(await answers(`${host}:${demo.port}`, location), 200, `${host} ${location}`);
      }
      for (const host of rebound) {
        assert.equal(await answers(host, location), 'closed', `${host} ${location}`);
      }
    }
  });

  test('gives each part the role that it needs and no other', async () => {
    await demo.run(['publish', 'cheese', 'a', '1']);
    const owner = await demo.connect();
    const column = async (sql) => (await owner.query({ text: sql, rowMode: 'array' })).rows.flat();
    assert.deepEqual(await column(`SELECT DISTINCT pg_get_userbyid(o.owner) FROM (
        SELECT relowner, relnamespace FROM pg_class UNION ALL SELECT proowner, pronamespace FROM pg_proc UNION ALL
        SELECT nspowner, oid FROM pg_namespace) AS o (owner, schema) JOIN pg_namespace n ON n.oid = o.schema
        WHERE n.nspname IN ('pgevents', 'chat')`), ['pgevents_owner']);
    assert.deepEqual(await column(`SELECT rolname FROM pg_roles
        WHERE rolname LIKE 'pgevents%' AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls)`), []);
    assert.deepEqual(await column(`SELECT DISTINCT usename FROM pg_stat_activity
        WHERE datname = 'pgevents' AND pid <> pg_backend_pid()`), ['pgevents_demo']);
    assert.deepEqual(await column(`SELECT r.rolname || '>' || g.rolname
        FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member JOIN pg_roles g ON g.oid = m.roleid WHERE r.rolname LIKE 'pgevents%' ORDER BY 1`),
    ['pgevents_demo>pgevents_server', 'pgevents_demo_publisher>pgevents_publisher']);
  });

  const skip = process.getuid() !== 0 && 'only under root it is another user';
  test('lets the web side\'s user in as the servers\' role only', { skip }, async () => {
    const become = ['--reuid=www-data', '--regid=www-data', '--clear-groups'];
    const as = async (role) => {
      const command = ['psql', '-XqtAc', 'SELECT current_user', `host='${demo.place}/pg' port=5432 dbname=pgevents user=${role}`];
      return (await run('setpriv', [...become, ...command], { expect: null })).stdout.trim();
    };
    const roles = ['postgres', 'pgevents_owner', 'pgevents_demo_publisher', 'pgevents_demo'];
    assert.deepEqual(await Promise.all(roles.map(as)), ['', '', '', 'pgevents_demo']);
  });

  test('says what to do with a cluster of an earlier release', async () => {
    const admin = new pg.Client({ host: `${demo.place}/pg`, user: 'postgres', database: 'postgres' });
    await admin.connect();
    await admin.query('ALTER DATABASE pgevents OWNER TO postgres');
    await admin.end();
    const { status, stderr } = await demo.run(['up'], { expect: null });
    assert.equal(status, 1);
    assert.match(stderr, /an earlier release: its database belongs to postgres\.\nIf its events are not needed: /);
  });
});

// ./run demo in the foreground, once it runs: its process, what it said, and a promise of its end.
async function startForeground(demo) {
  const child = spawn(path.join(kRoot, 'run'), ['demo'], { env: demo.env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  atEnd(() => signalIfAlive(child.pid, 'SIGKILL'));
  const foreground = { child, text: '', ended: new Promise((resolve) => child.once('exit', resolve)) };
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (foreground.text += chunk));
  await waitFor(() => foreground.text.includes('Ctrl-C stops everything.'),
    { what: () => `the demo runs: ${foreground.text}`, timeout: 300_000 });
  return foreground;
}

describe('./run demo', () => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    test(`stays in the foreground until ${signal}, then stops all that it started`, async () => {
      const demo = await newDemo();
      const foreground = await startForeground(demo);
      const { child } = foreground;
      assert.match(foreground.text, /curl -N -H 'Accept: text\/event-stream' -H "Authorization: .*\/rt\/events\/user:10\n/);
      assert.match(foreground.text, /run publish user:10 hello '\{\}'\n/);
      const closed = new Promise((resolve) => child.once('close', resolve));
      assert.equal((await get(demo, '/')).status, 200);
      // Ctrl-C reaches every process of the terminal's foreground group.
      process.kill(signal === 'SIGINT' ? -child.pid : child.pid, signal);
      await closed;
      assert.match(foreground.text, /nginx stopped\n.*fallback stopped\n.*PostgreSQL stopped/);
      assert.deepEqual(processesIn(demo.dir), []);
    });
  }

  test('stops all that it started when its terminal is gone', async () => {
    const demo = await newDemo();
    const { child, ended } = await startForeground(demo);
    child.stdout.destroy();
    child.stderr.destroy();
    process.kill(child.pid, 'SIGHUP');
    await ended;
    assert.deepEqual(processesIn(demo.dir), []);
  });

  test('lets others know who is busy, and "down" ends it', async () => {
    const demo = await newDemo();
    const foreground = await startForeground(demo);
    const busy = `./run demo (process ${foreground.child.pid})`;
    const waiting = spawn(path.join(kRoot, 'run'), ['up'], { env: demo.env, stdio: ['ignore', 'pipe', 'inherit'] });
    atEnd(() => signalIfAlive(waiting.pid, 'SIGKILL'));
    let said = '';
    waiting.stdout.on('data', (chunk) => (said += chunk));
    await waitFor(() => said.includes(`Waiting for ${busy}`), { what: () => `word of the lock: ${said}` });
    assert.match(said, /To end it: \.\/run down\n/);
    process.kill(waiting.pid, 'SIGTERM');
    const { stdout } = await demo.run(['down']);
    assert.ok(stdout.includes(`Ending ${busy}.`), stdout);
    await foreground.ended;
    assert.deepEqual(processesIn(demo.dir), []);
  });

  test('does not stop what "up" started', async () => {
    const demo = await newDemo();
    await demo.run(['up']);
    const { status, stderr } = await demo.run(['demo'], { expect: null });
    assert.equal(status, 1);
    assert.match(stderr, /It runs already.*\.\/run status.*\.\/run down/);
    assert.equal((await get(demo, '/')).status, 200);
  });
});

