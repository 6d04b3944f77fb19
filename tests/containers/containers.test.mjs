// The images of containers/ as ./run containers has built them: the schema is installed, nginx and the fallback serve
// without privileges, the health check follows the database, and a stopped container drains.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { before, describe, test } from 'node:test';

import { newChannel } from '../lib/backends.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { request } from '../lib/http.mjs';
import { freePort } from '../lib/ports.mjs';
import { tempDir } from '../lib/scratch.mjs';
import { createVolume, runContainer, startContainer } from './podman.mjs';

const kSchema = 'localhost/pgevents-schema';
const kPassword = 'a:b\\c"d $e';
const quoted = (text) => `'${text.replaceAll("'", "''")}'`;

describe('the containers', () => {
  let cluster, database, secret, volume, env, port, admin, nginx, fallback;

  // The user of the front-ends has a password, which is in a file.
  before(async () => {
    cluster = await startCluster({ tcp: true });
    database = await cluster.createDatabase({ install: false });
    await cluster.allowFirst('host all container 127.0.0.1/32 scram-sha-256');
    await database.query(`CREATE ROLE container LOGIN PASSWORD ${quoted(kPassword)}`);
    const dir = tempDir('secret');
    fs.writeFileSync(path.join(dir, 'password'), `${kPassword}\n`, { mode: 0o644 });
    secret = `${path.join(dir, 'password')}:/run/secrets/password:ro`;
    volume = `${await createVolume()}:/run/pgevents-fallback`;
    [port, admin] = [await freePort(), await freePort()];
    env = {
      PGEVENTS_DATABASE: database.conninfo({ user: 'container', tcp: true }),
      PGEVENTS_PASSWORD_FILE: '/run/secrets/password', PGEVENTS_SUBSCRIBE: '*', PGEVENTS_PUBLISH: 'c.* probe',
      PGEVENTS_PORT: port, PGEVENTS_ADMIN_PORT: admin, PGEVENTS_CONNECTIONS: 1000, PGEVENTS_RING: '4m',
    };
  });

  const start = (args, more = {}) => startContainer({ args, env: { ...env, ...more }, mounts: [secret, volume] });

  // Waits for an answer with status 200. If none comes, the error has the container's log.
  async function served(container, options) {
    try {
      return await waitFor(async () => {
        const answer = await request(options);
        return answer.status === 200 && answer;
      });
    } catch (error) {
      throw new Error(`${error.message}; the container's log: ${await container.logs()}`, { cause: error });
    }
  }

  test('the schema is installed, and again without a change', async () => {
    const options = ['--env', `PGEVENTS_DATABASE=${database.conninfo({ user: 'postgres', tcp: true })}`];
    for (const round of [1, 2]) {
      const { status, stderr } = await runContainer({ image: kSchema, options });
      assert.equal(status, 0, `round ${round}: ${stderr}`);
    }
    await database.query('GRANT pgevents_server, pgevents_publisher TO container');
  });

  test('a missing setting, or one that the template does not know, ends the container with its name', async () => {
    const unset = await runContainer({ image: 'localhost/pgevents' });
    assert.notEqual(unset.status, 0);
    assert.match(unset.stderr, /PGEVENTS_DATABASE: must be a connection string/);
    const dir = tempDir('template');
    fs.writeFileSync(path.join(dir, 'template'), 'user ${PGEVENTS_OWNER};\n');
    const options = ['--volume', `${dir}/template:/etc/pgevents/nginx.conf.template:ro`, '--env', 'PGEVENTS_DATABASE=x'];
    const unknown = await runContainer({ image: 'localhost/pgevents', options });
    assert.match(unknown.stderr, /the template uses PGEVENTS_OWNER, which is not set/);
  });

  test('nginx and the fallback run without privileges and write their log to standard error', async () => {
    fallback = await start(['fallback']);
    nginx = await start(['nginx']);
    await served(nginx, { port, path: '/rt/events/probe?flavor=poll' });
    for (const container of [nginx, fallback]) {
      const status = fs.readFileSync(`/proc/${await container.inspect('{{.State.Pid}}')}/status`, 'utf8');
      assert.match(status, /^Uid:\t33\t33\t33\t33$/m);
      assert.match(status, /^CapEff:\t0+$/m);
      assert.match(status, /^NoNewPrivs:\t1$/m);
    }
    assert.match(await nginx.logs(), /\[notice\] .*start worker processes/);
    const conf = await nginx.execute('cat', '/run/pgevents/nginx.conf');
    assert.ok(conf.stdout.includes('pgevents_database main'));
    assert.ok(!conf.stdout.includes(kPassword));
  });

  test('a stream, a long poll and a publication are served', async () => {
    const channel = newChannel();
    const stream = await new EventStream({ port, path: `/rt/events/${channel}` }).opened();
    const waiting = request({ port, path: `/rt/events/${channel}?last_event_id=${await database.head()}` });
    const body = '{"type":"made","data":5}';
    const published = await request({ port, path: `/rt/events/${channel}`, method: 'POST', body });
    assert.equal(published.status, 201, published.body);
    assert.equal((await waiting).json()[0].data.data, 5);
    await stream.waitForEvents(1);
    await stream.close();
  });

  test('the health check, and the answers for an orchestrator, follow the database', async () => {
    const ready = async () => (await request({ port: admin, path: '/ready' })).status;
    assert.equal(await ready(), 200);
    assert.ok(await nginx.healthy());
    await cluster.stop();
    await waitFor(async () => await ready() === 503, { what: 'not ready' });
    assert.equal(await nginx.healthy(), false);
    assert.equal((await request({ port: admin, path: '/live' })).status, 204);
    await cluster.start();
    await waitFor(() => nginx.healthy(), { what: 'ready again' });
    assert.match((await request({ port: admin, path: '/metrics' })).body, /^pgevents_listener_connected\{.*\} 1$/m);
  });

  test('the fallback answers where the module does not', async () => {
    const channel = newChannel();
    const other = await freePort();
    const dir = tempDir('location');
    fs.writeFileSync(path.join(dir, 'off.conf'), 'location /off/ { pgevents off; include /etc/nginx/fastcgi_params;\n'
      + 'fastcgi_param PGEVENTS_BASE /off; fastcgi_param PGEVENTS_SUBSCRIBE "*";\n'
      + 'fastcgi_pass unix:/run/pgevents-fallback/fcgi.sock; }\n');
    const second = await startContainer({
      env: { ...env, PGEVENTS_PORT: other, PGEVENTS_ADMIN_PORT: await freePort() },
      mounts: [secret, volume, `${dir}:/etc/pgevents/server.d:ro`],
      more: ['--read-only-tmpfs=false', '--tmpfs', '/tmp'], // as docker mounts
    });
    const answer = await served(second, { port: other, path: `/off/events/${channel}?timeout=0.01` });
    assert.equal(answer.headers['x-shortpoll-info'], 'fallback');
    assert.equal(await second.stop(), 0);
  });

  test('a stopped container ends its streams and answers its long polls, then exits', async () => {
    const channel = newChannel();
    const stream = await new EventStream({ port, path: `/rt/events/${channel}` }).opened();
    const waiting = request({ port, path: `/rt/events/${channel}?last_event_id=${await database.head()}` });
    await waitFor(async () => (await request({ port: admin, path: '/live' })).status === 204);
    assert.equal(await nginx.inspect('{{.Config.StopSignal}}'), '3');
    const started = performance.now();
    assert.equal(await nginx.stop(), 0);
    assert.ok(performance.now() - started < 20_000, 'it was not killed');
    assert.equal((await waiting).status, 200);
    assert.equal((await stream.ended()).how, 'end');
    assert.equal(await fallback.stop(), 0);
  });
});
