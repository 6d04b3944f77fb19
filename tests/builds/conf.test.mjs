// The examples of conf/ work unchanged (those about access: conf_access.test.mjs and conf_tokens.test.mjs). systemd
// checks the units, and the tests start the fallback as they say.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import http2 from 'node:http2';
import path from 'node:path';
import { before, describe, test } from 'node:test';

import { startCluster } from '../lib/cluster.mjs';
import { waitFor } from '../lib/conditions.mjs';
import {
  firstAnswer, kConf, kConninfo, kListen80, kModule, readExample, startExample, startText, tlsPlaces,
} from '../lib/conf_examples.mjs';
import { kFallbackProgram, startFallback } from '../lib/fallback.mjs';
import { request } from '../lib/http.mjs';
import { atEnd } from '../lib/lifetime.mjs';
import { isAlive, signalIfAlive, waitGone } from '../lib/processes.mjs';
import { kRoot, tempDir } from '../lib/scratch.mjs';

let database, fallback;

before(async () => {
  const cluster = await startCluster();
  database = await cluster.createDatabase();
  fallback = await startFallback({ conninfo: database.conninfo() });
});

const start = (name, places) => startExample(name, { database, places });

// One request of each kind: a granted one, a rejected one, a publication.
async function assertServes(port, { publishes }) {
  await database.publish('news', 'headline', { text: 'Käse' });
  const answer = await firstAnswer(port, '/rt/events/news?last_event_id=0&flavor=poll');
  assert.equal(answer.status, 200, answer.body);
  assert.match(answer.body, /"type":"headline","data":\{"text":"Käse"\}/);
  assert.equal((await request({ port, path: '/rt/events/stream:7?flavor=poll' })).status, 200);
  assert.equal((await request({ port, path: '/rt/events/secret?flavor=poll' })).status, 403);
  const posted = await request({
    port, path: '/rt/events/news', method: 'POST', headers: { 'Content-Type': 'application/json' },
    body: '{"type":"headline","data":{"text":"neu"}}',
  });
  assert.equal(posted.status, publishes ? 201 : 403, posted.body);
}

describe('README.md', () => {
  // Adds what README omits because nginx has defaults, and what this nginx beside others needs.
  const kLeftOut = 'worker_processes auto;\npid /run/nginx.pid;\n';

  test('shows a working nginx.conf, an event and a request that receives it', async () => {
    const readme = fs.readFileSync(path.join(kRoot, 'README.md'), 'utf8');
    const [, example] = /```nginx\n([^`]*)```/.exec(readme);
    const [, insert] = /psql -d app -c "(INSERT [^\n]*)"\n/.exec(readme);
    const [, location] = /curl 'http:\/\/localhost(\/[^']*)'/.exec(readme);
    const { port } = await startText(kLeftOut + example, {
      database, places: (_, free) => ({ [kListen80]: `listen 127.0.0.1:${free};` }),
    });
    await database.query(insert.replaceAll('\\"', '"'));
    const answer = await firstAnswer(port, location);
    assert.equal(answer.status, 200, answer.body);
    assert.match(answer.body, /"type":"headline"/);
    assert.equal((await request({ port, path: '/rt/events/cheese?flavor=poll' })).status, 403);
  });

  test('shows the same nginx.conf as conf/minimal.conf, without its comments', () => {
    const bare = (text) => text.replaceAll(/#.*/g, '').replaceAll(/\s+/g, ' ').trim();
    const [, example] = /```nginx\n([^`]*)```/.exec(fs.readFileSync(path.join(kRoot, 'README.md'), 'utf8'));
    const lines = kLeftOut.trim().split('\n');
    const minimal = readExample('minimal.conf').split('\n').filter((line) => !lines.includes(line)).join('\n');
    assert.equal(bare(example), bare(minimal));
  });
});

describe('conf/minimal.conf', () => {
  test('serves the channels that it names, and rejects publications', async () => {
    const { port } = await start('minimal.conf', (_, free) => ({ [kListen80]: `listen 127.0.0.1:${free};` }));
    await assertServes(port, { publishes: false });
  });
});

describe('conf/fallback.conf', () => {
  const places = (dir, port) => ({
    [kListen80]: `listen 127.0.0.1:${port};`,
    '/etc/nginx/pgevents-off': `${dir}/pgevents-off`,
    'unix:/run/pgevents/fcgi.sock': `unix:${fallback.socket}`,
  });

  test('serves by the module, and by the fallback while the file exists', async () => {
    const { dir, port } = await start('fallback.conf', places);
    await assertServes(port, { publishes: true });
    await waitFor(async () => await longPollInfo(port) === undefined, { what: 'the module, connected to its database' });
    fs.writeFileSync(path.join(dir, 'pgevents-off'), '');
    await assertServes(port, { publishes: true });
    assert.equal(await longPollInfo(port), 'fallback');
    fs.rmSync(path.join(dir, 'pgevents-off'));
    assert.equal(await longPollInfo(port), undefined);
  });

  // The header of a long poll with events shows the front-end: only the fallback reports a short poll.
  async function longPollInfo(port) {
    const answer = await request({ port, path: '/rt/events/news?last_event_id=0' });
    assert.equal(answer.status, 200, answer.body);
    return answer.headers['x-shortpoll-info'];
  }

  test('serves by the fallback alone without the module, as its comment says', async () => {
    const { port } = await start('fallback.conf', (dir, free) => ({
      ...places(dir, free),
      'pgevents $pgevents;': '',
      'pgevents_subscribe "news stream:*";': '',
      'pgevents_publish "news";': '',
      [`pgevents_database main "${database.conninfo()}" ring=32m;`]: '',
      [`load_module ${kModule};`]: '',
    }));
    await assertServes(port, { publishes: true });
    assert.equal(await longPollInfo(port), 'fallback');
  });
});

describe('conf/copy.conf', () => {
  test('serves; here a database is its own primary', async () => {
    const { port } = await start('copy.conf', (dir, free) => ({
      [kListen80]: `listen 127.0.0.1:${free};`,
      'unix:/run/pgevents/fcgi.sock': `unix:${fallback.socket}`,
      'host=db1.example.com,db2.example.com dbname=app user=www-data': database.conninfo(),
    }));
    await assertServes(port, { publishes: true });
  });
});

describe('conf/tls-http2.conf', () => {
  test('streams events over HTTP/2', async () => {
    const { dir, port } = await start('tls-http2.conf', (where, free) => {
      makeCertificate(where);
      return tlsPlaces(free, { cert: `${where}/cert.pem`, key: `${where}/key.pem` });
    });
    await firstAnswer(port, '/rt/events/news?flavor=poll', { tls: true });
    const session = http2.connect(`https://localhost:${port}`, {
      ca: fs.readFileSync(path.join(dir, 'cert.pem')), servername: 'app.example.com',
    });
    atEnd(() => session.destroy());
    const stream = session.request({ ':path': '/rt/events/news', accept: 'text/event-stream' });
    let text = '';
    let headers;
    stream.setEncoding('utf8');
    stream.on('response', (fields) => (headers = fields));
    stream.on('data', (chunk) => (text += chunk));
    await waitFor(() => text.includes('id:'), { what: 'the open stream' });
    await database.publish('news', 'headline', { text: 'over HTTP/2' });
    await waitFor(() => text.includes('data: {"text":"over HTTP/2"}\n'), { what: 'the event' });
    assert.deepEqual([headers[':status'], headers['content-type'], session.alpnProtocol],
      [200, 'text/event-stream', 'h2']);
    stream.close();
    session.close();
  });

  function makeCertificate(dir) {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    execFileSync('openssl', ['req', '-x509', ...key, '-days', '2',
      '-subj', '/CN=app.example.com', '-addext', 'subjectAltName=DNS:app.example.com', '-keyout', `${dir}/key.pem`,
      '-out', `${dir}/cert.pem`], { stdio: 'ignore' });
  }
});

// Reads `Key=value` lines of a unit; a repeated key has several values.
function readUnit(name) {
  const lines = fs.readFileSync(path.join(kConf, 'systemd', name), 'utf8').split('\n');
  const pairs = lines.map((line) => /^([A-Za-z]+)=(.*)$/.exec(line)).filter(Boolean);
  return (key) => pairs.filter((pair) => pair[1] === key).map((pair) => pair[2]);
}

describe('conf/systemd', () => {
  test('contains units that systemd accepts', (t) => {
    if (!fs.existsSync('/usr/bin/systemd-analyze')) return t.skip('systemd is not installed');
    const dir = tempDir('units');
    for (const name of fs.readdirSync(path.join(kConf, 'systemd'))) {
      const text = fs.readFileSync(path.join(kConf, 'systemd', name), 'utf8');
      fs.writeFileSync(path.join(dir, name),
        text.replace('ExecStart=/usr/local/bin/pgevents-fcgi', `ExecStart=${kFallbackProgram}`));
    }
    const units = fs.readdirSync(dir).map((name) => path.join(dir, name));
    execFileSync('systemd-analyze', ['verify', '--man=no', ...units], { stdio: ['ignore', 'inherit', 'inherit'] });
  });

  // A service that reaches its start limit takes its socket down with it, until someone starts both.
  test('tries again until a wrong setting is corrected, without a limit and without haste', () => {
    const unit = readUnit('pgevents-fcgi.service');
    assert.deepEqual([unit('Restart'), unit('StartLimitIntervalSec')], [['on-failure'], ['0']]);
    assert.match(unit('RestartSec').join(), /^[1-5]s$/);
  });

  test('writes no core dump, and limits memory', () => {
    const unit = readUnit('pgevents-fcgi.service');
    assert.deepEqual(unit('LimitCORE'), ['0']);
    assert.match(unit('MemoryMax').join(), /^[0-9]+M$/);
  });

  // Starts a command as systemd does (sd_listen_fds(3)): the socket is descriptor 3, and LISTEN_FDS and LISTEN_PID
  // describe it. Perl creates the socket, because Node would accept connections itself.
  const kActivate = `
    $^F = 10;
    my $socket = IO::Socket::UNIX->new(Local => shift, Listen => 511) or die "socket: $!";
    POSIX::dup2(fileno($socket), 3);
    $ENV{LISTEN_PID} = $$;
    exec @ARGV;`;

  async function startActivated(command, conninfo) {
    const socket = path.join(tempDir('unit'), 'fcgi.sock');
    const child = spawn('perl', ['-MIO::Socket::UNIX', '-MPOSIX', '-e', kActivate, socket, ...command], {
      env: { PATH: process.env.PATH, LISTEN_FDS: '1', PGEVENTS_DATABASE: conninfo },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    atEnd(async () => {
      signalIfAlive(child.pid, 'SIGTERM');
      await waitGone([child.pid], 'the fallback', 15_000);
    });
    await waitFor(() => fs.existsSync(socket), { what: 'the socket' });
    return { child, socket };
  }

  test('starts the fallback on systemd\'s socket, and reloads it with HUP', async () => {
    const unit = readUnit('pgevents-fcgi.service');
    const [environment] = unit('Environment');
    assert.equal(environment, `"PGEVENTS_DATABASE=${kConninfo} user=pgevents"`);
    assert.deepEqual(unit('ExecReload'), ['/bin/kill -HUP $MAINPID']);
    assert.deepEqual(readUnit('pgevents-fcgi.socket')('ListenStream'), ['/run/pgevents/fcgi.sock']);
    const command = unit('ExecStart')[0].replace('/usr/local/bin/pgevents-fcgi', kFallbackProgram).split(' ');
    const { child, socket } = await startActivated(command, database.conninfo());
    const { port } = await start('fallback.conf', (dir, free) => {
      fs.writeFileSync(`${dir}/off`, '');
      return { [kListen80]: `listen 127.0.0.1:${free};`, '/etc/nginx/pgevents-off': `${dir}/off`,
        '/run/pgevents/fcgi.sock': socket };
    });
    await assertServes(port, { publishes: true });
    signalIfAlive(child.pid, 'SIGHUP');
    await assertServes(port, { publishes: true });
    assert.ok(isAlive(child.pid));
  });
});
