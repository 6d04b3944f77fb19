// The demo's database: the one of a private cluster, whose address ./run url prints, or that of PGEVENTS_DATABASE.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import pg from 'pg';

import { startCluster } from '../lib/cluster.mjs';
import { newDemo } from '../lib/demo.mjs';
import { request } from '../lib/http.mjs';
import { run } from '../lib/processes.mjs';
import { tempDir } from '../lib/scratch.mjs';

const kEvents = '/rt/events/cheese?last_event_id=0&flavor=poll';
const get = (demo, location) => request({ port: demo.port, path: location });

describe('./run', { concurrency: 2 }, () => {
  test('prints the address of its database, where an application may publish and no more', async () => {
    const demo = await newDemo(path.join(tempDir('demo'), 'a+b@c:d=e'));
    await demo.run(['up']);
    const url = (await demo.run(['url'])).stdout.trim();
    const publish = "INSERT INTO pgevents.events (channel_id, data) VALUES ('cheese', '{\"type\":\"mine\"}')";
    await run('psql', ['-Xqc', publish, url]);
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query(publish);
    await assert.rejects(client.query('SELECT * FROM pgevents.log'), /permission denied/);
    await assert.rejects(client.query('SELECT * FROM chat.messages'), /permission denied/);
    await client.end();
    assert.match((await get(demo, kEvents)).body, /"mine".*"mine"/);
    const env = { PGEVENTS_DATABASE: 'postgresql://app@db.example/app' };
    assert.equal((await demo.run(['url'], { env })).stdout, 'postgresql://app@db.example/app\n');
  });

  test('installs the schema into the database that PGEVENTS_DATABASE names, and starts no cluster', async () => {
    const cluster = await startCluster();
    const database = await cluster.createDatabase({ install: false });
    const demo = await newDemo();
    const env = { PGEVENTS_DATABASE: database.conninfo({ user: 'postgres' }) };
    await demo.run(['up'], { env });
    await demo.run(['publish', 'cheese', 'elsewhere', '1'], { env });
    assert.match((await get(demo, kEvents)).body, /elsewhere/);
    assert.equal(fs.existsSync(path.join(demo.dir, 'pg/data')), false);

    // With the same run directory and another database, both servers change to that database.
    const other = await cluster.createDatabase({ install: false });
    await demo.run(['up'], { env: { PGEVENTS_DATABASE: other.conninfo({ user: 'postgres' }) } });
    for (const front_end of ['rt', 'fallback']) {
      assert.equal((await get(demo, kEvents.replace('rt', front_end))).body, '[]', front_end);
    }
    await demo.run(['down'], { env });
    await database.query('SELECT pgevents.head()');
  });

  test('reports that the database of PGEVENTS_DATABASE cannot be reached', async () => {
    const demo = await newDemo();
    const env = { PGEVENTS_DATABASE: 'host=/nowhere dbname=app' };
    const { status, stderr } = await demo.run(['up'], { expect: null, env });
    assert.equal(status, 1);
    assert.match(stderr, /Cannot connect to the database of PGEVENTS_DATABASE.*host=\/nowhere dbname=app/);
  });
});
