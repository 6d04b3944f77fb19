// conf/status.conf works unchanged, and shows the status to the addresses that it names only.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { before, describe, test } from 'node:test';

import { startCluster } from '../lib/cluster.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { kConf, kListen80, readExample, startExample } from '../lib/conf_examples.mjs';
import { request } from '../lib/http.mjs';
import { kRoot, tempDir } from '../lib/scratch.mjs';

const kLocations = ['/status', '/metrics', '/ready'];

let database, port;

// Behind a proxy on this machine, so that the tests can have any address.
const behindProxy = (free) => ({
  [kListen80]: `listen 127.0.0.1:${free}; set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For;`,
});

before(async () => {
  const cluster = await startCluster();
  database = await cluster.createDatabase();
  ({ port } = await startExample('status.conf', { database, places: (_, free) => behindProxy(free) }));
});

const get = (target, { from, accept } = {}) => request({
  port, path: target, headers: { ...(from && { 'X-Forwarded-For': from }), ...(accept && { Accept: accept }) },
});

describe('conf/status.conf', () => {
  test('reports that it is ready', async () => {
    await waitFor(async () => (await get('/ready')).status === 200, { what: 'ready' });
  });

  test('shows a page to a browser, JSON to a script, and metrics to Prometheus', async () => {
    const page = await get('/status', { accept: 'text/html,*/*;q=0.8' });
    assert.match(page.body, /<span class="verdict ok">✔ well: events are delivered<\/span>/);
    assert.equal((await get('/status', { accept: 'application/json' })).json().databases[0].name, 'main');
    assert.match((await get('/metrics', { accept: 'text/html' })).body, /^pgevents_listener_connected\{database="main"\} 1$/m);
    assert.equal((await get('/status?channel=news')).status, 403);
  });

  test('shows nothing to addresses that it does not name', async () => {
    for (const target of kLocations) {
      assert.equal((await get(target, { from: '192.0.2.7' })).status, 403, target);
      assert.equal((await get(target, { from: '::1' })).status, 200, target);
    }
    for (const [target, from] of [['/status', '10.200.0.1'], ['/metrics', '10.1.2.3'], ['/ready', '10.1.9.9']]) {
      assert.equal((await get(target, { from })).status, 200, `${target} from ${from}`);
    }
    assert.equal((await get('/metrics', { from: '10.1.2.4' })).status, 403);
  });

  test('denies all others in each location with a status', () => {
    const text = readExample('status.conf');
    const locations = text.split(/(?= {8}location )/).filter((part) => /pgevents_(status|ready)\b/.test(part));
    assert.equal(locations.length, kLocations.length);
    for (const location of locations) assert.match(location, /allow .*[^]*deny all;[^]*pgevents_(status|ready)/);
  });
});

describe('snippets/status.conf of the packages', () => {
  test('adds the status to a site that has another example', async () => {
    const out = tempDir('split');
    execFileSync('sh', [path.join(kRoot, 'packaging/split-examples.sh'), kConf, out]);
    assert.deepEqual(fs.readdirSync(path.join(out, 'conf.d')).filter((name) => name === 'status.conf'), []);
    const site = await startExample('fallback.conf', {
      database,
      places: (_, free) => ({ [kListen80]: `listen 127.0.0.1:${free}; include ${out}/snippets/status.conf;` }),
    });
    const ask = (target) => request({ port: site.port, path: target });
    await waitFor(async () => (await ask('/ready')).status === 200, { what: 'ready' });
    assert.equal((await ask('/status')).status, 200);
    assert.match((await ask('/metrics')).body, /^pgevents_listener_connected/m);
    assert.equal((await ask('/rt/events/news?flavor=poll')).status, 200);
  });
});
