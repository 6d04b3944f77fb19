// ./run as a new user runs it: up, down, status, publish, module; twice, several at once, with a used port, in unusual
// directories.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { before as beforeAll, describe, test } from 'node:test';
import pg from 'pg';

import { waitFor } from '../lib/conditions.mjs';
import { newDemo } from '../lib/demo.mjs';
import { request } from '../lib/http.mjs';
import { atEnd } from '../lib/lifetime.mjs';
import { isAlive, run, signalIfAlive } from '../lib/processes.mjs';
import { kRoot, tempDir } from '../lib/scratch.mjs';

const kEvents = '/rt/events/cheese?last_event_id=0&flavor=poll';
const get = (demo, location) => request({ port: demo.port, path: location });

// All processes whose command line or log is in the directory.
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

// Each test has servers of its own, and mostly waits for them.
describe('./run', { concurrency: 2 }, () => {
  test('starts everything, reports it, publishes, and stops everything', async () => {
    const demo = await newDemo();
    const { stdout } = await demo.run(['up'], { env: { PGEVENTS_BUILT: '' } });
    assert.match(stdout, /^ {2}nginx module: done in /m);
    assert.match(stdout, new RegExp(`pgevents is running: http://127.0.0.1:${demo.port}/`));
    assert.equal((await get(demo, '/')).status, 200);
    await demo.run(['publish', 'cheese', 'cheese_created', '{"pieces":1,"cheese_type":"L\'Etivaz \\"AOP\\""}']);
    assert.match((await get(demo, kEvents)).body, /"data":\{"pieces":1,"cheese_type":"L'Etivaz \\"AOP\\""\}\}/);
    assert.match((await get(demo, '/metrics')).body, /^pgevents_listener_connected\{database="main"\} 1$/m);
    assert.equal((await get(demo, '/status')).status, 200);
    const status = await statusOf(demo);
    assert.match(status.nginx, new RegExp(`^process [0-9]+, http://127.0.0.1:${demo.port}/$`));
    assert.match(status.fallback, /^process [0-9]+$/);
    assert.match(status.PostgreSQL, /^process [0-9]+, socket in /);
    assert.match(status.tokens, /^renewed by process [0-9]+$/);
    assert.match(status.events, /"head": [0-9]+/);
    await demo.run(['down']);
    assert.deepEqual(processesIn(demo.dir), []);
    assert.equal((await statusOf(demo)).nginx, 'not running');
  });

  test('"up" keeps servers that are running, and a second "down" changes nothing', async () => {
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

  // Otherwise the next command would wait until the sleep of the ticker ends.
  test('keeps its lock no longer than its last step', async () => {
    const script = `. tools/lib.sh; exec 9>"$run_dir/lock"; flock 9; step a step sleep 0.5; exec 9>&-; flock -n "$run_dir/lock" true`;
    const env = { ...process.env, run_dir: tempDir('lock') };
    const { stdout } = await run('bash', ['-euc', script], { cwd: kRoot, env });
    assert.match(stdout, /a: done in/);
  });

  test('uses its own socket, whatever port the environment names', async () => {
    const demo = await newDemo();
    const env = { PGPORT: '18232' };
    await demo.run(['up'], { env });
    await demo.run(['publish', 'cheese', 'with_port', '1'], { env });
    await demo.run(['publish', 'cheese', 'without', '1']);
    assert.equal((await demo.run(['psql', '-qtAc', 'SHOW port'], { env })).stdout, '5432\n');
    assert.match((await get(demo, kEvents)).body, /with_port.*without/);
  });

  test('does not signal a foreign process that an old pid file names', async () => {
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

  test('restarts servers that were killed', async () => {
    const demo = await newDemo();
    await demo.run(['up']);
    processesIn(demo.dir).forEach((pid) => signalIfAlive(pid, 'SIGKILL'));
    await waitFor(() => processesIn(demo.dir).length === 0, { what: 'all processes killed' });
    await demo.run(['up']);
    assert.equal((await get(demo, kEvents)).status, 200);
  });

  test('restarts nginx although workers of a killed master are still running', async () => {
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

  test('runs twice at the same time', async () => {
    const [one, other] = [await newDemo(), await newDemo()];
    await one.run(['up']);
    await other.run(['up']);
    await one.run(['publish', 'cheese', 'for_one', '1']);
    assert.match((await get(one, kEvents)).body, /for_one/);
    assert.equal((await get(other, kEvents)).body, '[]');
    await one.run(['down']);
    assert.equal((await get(other, kEvents)).status, 200);
  });

  test('reports which port is in use, and what to do', async () => {
    const demo = await newDemo();
    const server = net.createServer();
    await new Promise((resolve) => server.listen(demo.port, '127.0.0.1', resolve));
    const { status, stderr } = await demo.run(['up'], { expect: null });
    server.close();
    assert.equal(status, 1);
    assert.match(stderr, new RegExp(`Port ${demo.port} is already in use.*\nChoose another port: PGEVENTS_PORT=`));
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

  test('works in a directory that is unsuitable for sockets: a long path that other users cannot enter', async () => {
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

  test('rejects unknown commands and arguments, and lists the known ones', async () => {
    const demo = await newDemo();
    for (const [args, words] of [
      [['fly'], /Unknown command 'fly'/],
      [['up', '8081'], /\.\/run up takes no arguments/],
      [['test', 'nothing'], /Unknown suite 'nothing'\.\nSuites: unit /],
      [['asan', 'nothing'], /Unknown suite 'nothing'\.\nSuites: unit /],
      [['publish', 'cheese'], /Usage: \.\/run publish CHANNEL TYPE JSON/],
      [['module', 'sideways'], /No demo has been started in .*\.\nStart it: \.\/run up/],
      [['publish', 'cheese', 'a', '1'], /Cannot connect to the demo's database.*\nStart the demo: \.\/run up/],
    ]) {
      const { status, stderr } = await demo.run(args, { expect: null });
      assert.equal(status, 1);
      assert.match(stderr, words);
    }
  });

  test('rejects an event that is not JSON, and shows PostgreSQL\'s error', async () => {
    const demo = await newDemo();
    await demo.run(['up']);
    const { status, stderr } = await demo.run(['publish', 'cheese', 'cheese_created', '{"pieces":}'], { expect: null });
    assert.equal(status, 1);
    assert.match(stderr, /invalid input syntax for type json[^]*The event was not published/);
  });
});

describe('./run up', () => {
  let demo;
  beforeAll(async () => {
    demo = await newDemo();
    await demo.run(['up']);
  });

  // DNS rebinding: another site can give its name this address, and its pages would then have the same origin as the
  // demo.
  test('answers only to the names of this machine', async () => {
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

  test('gives each part only the role that it needs', async () => {
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
        FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member JOIN pg_roles g ON g.oid = m.roleid
        WHERE r.rolname LIKE 'pgevents%' ORDER BY 1`),
    ['pgevents_demo>pgevents_server', 'pgevents_demo_publisher>pgevents_publisher']);
  });

  const skip = process.getuid() !== 0 && 'only under root do the servers run as another user';
  test('lets the user of nginx and the fallback connect only as the servers\' role', { skip }, async () => {
    const become = ['--reuid=www-data', '--regid=www-data', '--clear-groups'];
    const as = async (role) => {
      const conninfo = `host='${demo.place}/pg' port=5432 dbname=pgevents user=${role}`;
      const command = ['psql', '-XqtAc', 'SELECT current_user', conninfo];
      return (await run('setpriv', [...become, ...command], { expect: null })).stdout.trim();
    };
    const roles = ['postgres', 'pgevents_owner', 'pgevents_demo_publisher', 'pgevents_demo'];
    assert.deepEqual(await Promise.all(roles.map(as)), ['', '', '', 'pgevents_demo']);
  });

  test('reports what to do with a cluster of an earlier release', async () => {
    const admin = new pg.Client({ host: `${demo.place}/pg`, user: 'postgres', database: 'postgres' });
    await admin.connect();
    await admin.query('ALTER DATABASE pgevents OWNER TO postgres');
    await admin.end();
    const { status, stderr } = await demo.run(['up'], { expect: null });
    assert.equal(status, 1);
    assert.match(stderr, /an earlier release: its database belongs to postgres\.\nIf its events are not needed, remove it: /);
  });
});

// Starts ./run demo in the foreground and waits until it is running. Returns its process, its output, and a promise of
// its end.
async function startForeground(demo) {
  const options = { env: demo.env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] };
  const child = spawn(path.join(kRoot, 'run'), ['demo'], options);
  atEnd(() => signalIfAlive(child.pid, 'SIGKILL'));
  const foreground = { child, text: '', ended: new Promise((resolve) => child.once('exit', resolve)) };
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (foreground.text += chunk));
  await waitFor(() => foreground.text.includes('Ctrl-C stops everything.'),
    { what: () => `the demo is running: ${foreground.text}`, timeout: 300_000 });
  return foreground;
}

describe('./run demo', { concurrency: 2 }, () => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    test(`stays in the foreground until ${signal}, then stops the servers that it started`, async () => {
      const demo = await newDemo();
      const foreground = await startForeground(demo);
      const { child } = foreground;
      assert.match(foreground.text, /curl -N -H 'Accept: text\/event-stream' -H "Authorization: .*\/rt\/events\/user:10\n/);
      assert.match(foreground.text, /run publish user:10 hello '\{\}'\n/);
      const closed = new Promise((resolve) => child.once('close', resolve));
      assert.equal((await get(demo, '/')).status, 200);
      // The terminal sends Ctrl-C to every process of its foreground group.
      process.kill(signal === 'SIGINT' ? -child.pid : child.pid, signal);
      await closed;
      assert.match(foreground.text, /nginx stopped\n.*fallback stopped\n.*PostgreSQL stopped/);
      assert.deepEqual(processesIn(demo.dir), []);
    });
  }

  test('stops the servers that it started when its terminal is closed', async () => {
    const demo = await newDemo();
    const { child, ended } = await startForeground(demo);
    child.stdout.destroy();
    child.stderr.destroy();
    process.kill(child.pid, 'SIGHUP');
    await ended;
    assert.deepEqual(processesIn(demo.dir), []);
  });

  test('shows other commands which one has the lock, and "down" ends it', async () => {
    const demo = await newDemo();
    const foreground = await startForeground(demo);
    const busy = `./run demo (process ${foreground.child.pid})`;
    const waiting = spawn(path.join(kRoot, 'run'), ['up'], { env: demo.env, stdio: ['ignore', 'pipe', 'inherit'] });
    atEnd(() => signalIfAlive(waiting.pid, 'SIGKILL'));
    let output = '';
    waiting.stdout.on('data', (chunk) => (output += chunk));
    await waitFor(() => output.includes(`Waiting for ${busy}`), { what: () => `report of the lock: ${output}` });
    assert.match(output, /To end it: \.\/run down\n/);
    process.kill(waiting.pid, 'SIGTERM');
    const { stdout } = await demo.run(['down']);
    assert.ok(stdout.includes(`Ending ${busy}.`), stdout);
    await foreground.ended;
    assert.deepEqual(processesIn(demo.dir), []);
  });

  test('does not stop servers that "up" started', async () => {
    const demo = await newDemo();
    await demo.run(['up']);
    const { status, stderr } = await demo.run(['demo'], { expect: null });
    assert.equal(status, 1);
    assert.match(stderr, /The demo is already running.*\.\/run status.*\nStop it: \.\/run down/);
    assert.equal((await get(demo, '/')).status, 200);
  });
});

