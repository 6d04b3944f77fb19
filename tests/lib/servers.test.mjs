// The harness itself: clusters and nginx start, restart, crash and leave nothing behind, and stop() finds faults.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';

import { startCluster } from './cluster.mjs';
import { waitFor } from './conditions.mjs';
import { EventStream } from './event_stream.mjs';
import { parseAnswers, rawExchange, request } from './http.mjs';
import { kKilledWorker, startNginx } from './nginx.mjs';
import { isAlive } from './processes.mjs';
import { kRoot } from './scratch.mjs';

const plain = { loadModule: false };

describe('a cluster', () => {
  test('keeps its data over restarts and kill -9', async () => {
    const cluster = await startCluster();
    const database = await cluster.createDatabase({ install: false });
    await database.query('CREATE TABLE t AS SELECT 1 AS n');
    for (const how of ['fast', 'immediate']) {
      await cluster.restart(how);
      assert.equal(await database.value('SELECT n FROM t'), 1);
    }
    const { pid } = cluster;
    await cluster.kill9();
    assert.equal(isAlive(pid), false);
    await cluster.start();
    assert.equal(await database.value('SELECT n FROM t'), 1);
    await cluster.remove();
    assert.equal(cluster.pid, undefined);
  });
});

describe('a test process that ends without cleaning up', () => {
  const script = `
    const { startCluster } = await import('${pathToFileURL(`${kRoot}/tests/lib/cluster.mjs`)}');
    const { startNginx } = await import('${pathToFileURL(`${kRoot}/tests/lib/nginx.mjs`)}');
    const cluster = await startCluster();
    const nginx = await startNginx({ loadModule: false, http: (n) => 'server { listen ' + n.listen() + '; }' });
    console.log(JSON.stringify({ pids: [cluster.pid, nginx.master(), ...nginx.workers()], dirs: [cluster.dir, nginx.dir] }));
    if (process.argv[1] === 'throw') throw new Error('on purpose');
    setInterval(() => {}, 1000);`;

  for (const how of ['SIGKILL', 'SIGTERM', 'throw']) {
    test(`(${how}) leaves no server and no directory`, async () => {
      const args = ['--input-type=module', '-e', script, how];
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
      let text = '';
      child.stdout.on('data', (chunk) => (text += chunk));
      await waitFor(() => text.includes('\n'), { what: 'servers of the child' });
      const { pids, dirs } = JSON.parse(text);
      if (how !== 'throw') child.kill(how);
      await waitFor(() => dirs.every((dir) => !fs.existsSync(dir)), { what: `${dirs} removed` });
      assert.deepEqual(pids.filter(isAlive), []);
    });
  }
});

describe('an nginx', () => {
  const http = (word) => (n) => `server { listen ${n.listen()}; location / { return 200 "${word}"; } }`;

  test('answers, reloads with another configuration, and stops without leaving a process', async () => {
    const nginx = await startNginx({ ...plain, http: http('one') });
    assert.equal((await request({ port: nginx.port })).body, 'one');
    const old = await nginx.reload(http('two'));
    await nginx.waitGone(old);
    assert.equal((await request({ port: nginx.port })).body, 'two');
    const last = nginx.workers();
    assert.equal(last.length, 2);
    await nginx.stop();
    assert.deepEqual(last.filter(isAlive), []);
  });

  test('reports the error in a configuration', async () => {
    await assert.rejects(startNginx({ ...plain, http: 'nonsense on;' }), /unknown directive "nonsense"/);
  });

  test('replaces a killed worker, which stop() reports as a fault unless it is allowed', async () => {
    const nginx = await startNginx({ ...plain, http: http('one') });
    const [victim] = nginx.workers();
    nginx.kill(victim);
    await waitFor(() => !nginx.workers().includes(victim) && nginx.workers().length === 2, { what: 'a new worker' });
    await assert.rejects(nginx.stop(), /exited on signal 9/);
    nginx.assertCleanLog([kKilledWorker]);
  });

  test('fails for an open socket, an alert and a sanitizer report in its log', async () => {
    const nginx = await startNginx({ ...plain, http: http('one') });
    await nginx.stop();
    for (const line of ['[alert] 1#1: x', '[notice] open socket left in', '==12==ERROR: AddressSanitizer: heap-use']) {
      const text = nginx.logText();
      fs.appendFileSync(nginx.errorLog, `${line}\n`);
      assert.throws(() => nginx.assertCleanLog(), assert.AssertionError, line);
      fs.writeFileSync(nginx.errorLog, text);
    }
    nginx.assertCleanLog();
    fs.writeFileSync(`${nginx.dir}/sanitizer.77`, 'odd');
    assert.throws(() => nginx.assertCleanLog(), /sanitizer/);
  });
});

describe('the HTTP tools', () => {
  test('split pipelined answers with every kind of body', () => {
    const text = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi' +
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n' +
      'HTTP/1.1 204 No Content\r\n\r\nHTTP/1.0 404 Not Found\r\n\r\nto the end';
    const answers = parseAnswers(Buffer.from(text));
    assert.deepEqual(answers.map(({ status, raw }) => [status, raw.toString()]),
      [[200, 'hi'], [200, 'abc'], [204, ''], [404, 'to the end']]);
    assert.throws(() => parseAnswers(Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi')), /cut/);
  });

  test('exchange raw bytes', async () => {
    const nginx = await startNginx({ ...plain, http: (n) => `server { listen ${n.listen()}; return 204; }` });
    const bytes = await rawExchange({ port: nginx.port }, 'GET / HTTP/1.0\r\n\r\n');
    assert.equal(parseAnswers(bytes)[0].status, 204);
  });
});

describe('the event stream client', () => {
  test('reconnects with its cursor after the server\'s retry time', async () => {
    const nginx = await startNginx({
      ...plain,
      http: (n) => `map $http_last_event_id $from { default 5; 7 7; }
        server { listen ${n.listen()};
          location / { default_type text/event-stream;
            set $nl "\n"; set $cursor "event: pgevents.cursor\${nl}data:\${nl}id: ";
            return 200 "retry: 200\${nl}\${cursor}$from\${nl}\${nl}\${cursor}7\${nl}\${nl}"; } }`,
    });
    const stream = new EventStream({ port: nginx.port, path: '/', reconnect: true });
    await waitFor(() => stream.connections.length >= 3, { what: 'three connections' });
    await stream.close();
    stream.assertStrict();
    const [first, second] = stream.connections;
    assert.ok(second.startedAt - first.endedAt >= 195, `${second.startedAt - first.endedAt} ms`);
    assert.deepEqual(stream.blocks.slice(0, 4).map(({ id }) => id), [5, 7, 7, 7]);
  });
});
