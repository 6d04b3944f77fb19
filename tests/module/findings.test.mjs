// What the status reports while something is wrong for real: a disabled trigger, connections that PostgreSQL refuses, a
// lock that publishing waits for, a missing grant. Each finding goes when its cause has gone.
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';

import { startCluster } from '../lib/cluster.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { kServerUser } from '../lib/database.mjs';
import { request } from '../lib/http.mjs';
import { startModuleServer } from '../lib/module_server.mjs';

const cluster = await startCluster();
const database = await cluster.createDatabase();
const server = await startModuleServer({
  database, workers: 2, parameters: 'sweep=300ms prune=200ms connections=2',
  server: 'location = /status { pgevents_status; }',
});
const { port, nginx } = server;

async function found() {
  const answer = await request({ port, path: '/status', headers: { Accept: 'application/json' } });
  return answer.json().databases[0].findings;
}
const alerts = async () => (await found()).map(({ alert }) => alert);

const isFound = (alert, what) =>
  waitFor(async () => (await found()).some((each) => each.alert === alert && !each.failure && what.test(each.what)),
    { what: `${alert}: ${what}` });
const isGone = (alert) => waitFor(async () => !(await alerts()).includes(alert), { what: `${alert} is gone` });

const failingSince = async () => {
  const { body } = await request({ port, path: '/status', headers: { Accept: 'text/plain' } });
  return Number(/^pgevents_prune_failing_since_timestamp_seconds\{database="main"\} (\S+)$/m.exec(body)[1]);
};

const publish = () => server.get('cheese', { method: 'POST', body: '{"type":"made"}' });

describe('the findings of the status', () => {
  test('nothing, while all is well', async () => {
    assert.equal((await publish()).status, 201);
    assert.deepEqual(await found(), []);
  });

  test('prune fails, because the role may not execute it', async () => {
    await database.query('REVOKE EXECUTE ON FUNCTION pgevents.prune FROM pgevents_server');
    await isFound('PgeventsPruneFailing', /^Pruning the log has failed for /);
    assert.ok(Math.abs(await failingSince() - Date.now() / 1000) < 30);
    await database.query('GRANT EXECUTE ON FUNCTION pgevents.prune TO pgevents_server');
    await isGone('PgeventsPruneFailing');
    assert.equal(await failingSince(), 0);
  });

  test('publishing waits for a lock', async () => {
    const holder = await database.connect('postgres');
    await holder.query('BEGIN; SELECT pg_advisory_xact_lock(1885824374, 1)'); // lock "append"
    const waiting = publish();
    await isFound('PgeventsStatementsSlow', /statements? ha(s|ve) waited or run for longer than 2 s/);
    await holder.query('ROLLBACK');
    await holder.end();
    assert.equal((await waiting).status, 201);
    await isGone('PgeventsStatementsSlow');
  });

  test('events come without a notification', async () => {
    await database.appendSilently('cheese', 'made', 1);
    await isFound('PgeventsNotificationsLost', /^Events come without a notification, last noticed .* ago/);
  });

  // The listener keeps its connection, so that it still delivers.
  test('the role may have no more connections', async () => {
    await database.query(`ALTER ROLE ${kServerUser} CONNECTION LIMIT 1`);
    const sessions = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE usename = '${kServerUser}' AND application_name LIKE '%pool'`;
    await waitFor(async () => {
      await database.query(sessions);
      return (await publish()).status === 503;
    }, { what: 'a request that cannot connect' });
    await isFound('PgeventsServerErrors', /^A connection for requests could not be opened .* ago/);
    await database.query(`ALTER ROLE ${kServerUser} CONNECTION LIMIT -1`);
    await waitFor(async () => (await publish()).status === 201, { what: 'connections again' });
  });
});

after(() => nginx.stop());
