// The debug log shows what the listener, the pool's connections and presence do, step by step.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { before, test } from 'node:test';

import { sharedCluster } from '../lib/cluster.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { request } from '../lib/http.mjs';
import { startModuleServer } from '../lib/module_server.mjs';
import { tempDir } from '../lib/scratch.mjs';

const log = path.join(tempDir('debug'), 'debug.log');
let database;
let server;

const lines = () => fs.readFileSync(log, 'utf8').split('\n')
  .filter((line) => line.includes('[debug]') && line.includes('pgevents: '))
  .map((line) => line.replace(/^.*pgevents: /, ''));
const post = (where, body, type = 'application/json') => request({
  port: server.port, path: `/rt/${where}`, method: 'POST', body, headers: { 'Content-Type': type },
});

// Waits until these lines are in the log, in this order, behind what was there before.
async function assertLogged(from, wanted) {
  const missing = () => {
    let at = from;
    return wanted.find((pattern) => {
      const found = lines().findIndex((line, index) => index >= at && pattern.test(line));
      at = found + 1;
      return found < 0;
    });
  };
  await waitFor(() => missing() === undefined, { what: () => `${missing()} in\n${lines().slice(from).join('\n')}` });
}

before(async () => {
  database = await (await sharedCluster()).createDatabase();
  await database.query("INSERT INTO pgevents.users (user_id) VALUES ('10')");
  server = await startModuleServer({
    database, workers: 1, main: `error_log "${log}" debug;`, location: 'pgevents_user 10;', parameters: 'connections=2',
  });
});

test('the listener logs how it takes the lease, connects, and reads up to the end of the log', () => assertLogged(0, [
  /^listener of "main" takes the lease$/,
  /^listener of "main" connects$/,
  /^connection [0-9A-F]+ to PostgreSQL: opening$/,
  /^connection [0-9A-F]+ to PostgreSQL: ready$/,
  /^listener of "main" sends pgevents_listen$/,
  /^listener of "main" asks where the log stands, ring at id 0$/,
  /^listener of "main" sends pgevents_listener_start$/,
  /^listener of "main" sends pgevents_revocations$/,
  /^listener of "main" read a page of [0-9]+ rows, ring at id [0-9]+$/,
]));

test('an event is logged from its publication to the ring', async () => {
  const from = lines().length;
  const answer = await post('events/cheese', '{"type":"made","data":{}}');
  const { id } = JSON.parse(answer.body);
  await assertLogged(from, [/^query pgevents_publish \(publish\) started on connection [0-9A-F]+$/]);
  await assertLogged(from, [/^query pgevents_publish \(publish\) answered: PGRES_TUPLES_OK, 1 rows$/]);
  const read = new RegExp(`^listener of "main" read a page of 1 rows, ring at id ${id}$`);
  await assertLogged(from, [/^listener of "main" was notified$/, read]);
});

test('reports of presence are logged by their number', async () => {
  const from = lines().length;
  const answer = await post('users/me/presence', '{"status":"active","ping_only":true}');
  assert.equal(answer.status, 200);
  await assertLogged(from, [
    /^1 presence reports sent$/,
    /^query pgevents_report_presence_many \(presence\) started/,
    /^1 presence reports answered$/,
  ]);
});

test('a listener that leaves logs that it releases the lease', async () => {
  const from = lines().length;
  await server.nginx.stop();
  await assertLogged(from, [/^listener of "main" releases the lease$/, /^connection [0-9A-F]+ to PostgreSQL: closed$/]);
});
