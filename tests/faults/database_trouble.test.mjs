// A database that is reachable but causes trouble: timeouts, no free connection, no login, read-only sessions, locked
// tables. Events flow all the time; afterwards every client has every event once.
import { test } from 'node:test';

import { sleep } from '../lib/conditions.mjs';
import { kServerUser } from '../lib/database.mjs';
import { isTrial, scenariosOn } from './scenario.mjs';
import { startService } from './service.mjs';

const kTrouble = isTrial ? 3000 : 1500; // ms
const location = 'pgevents_retry 300ms; pgevents_poll_interval 1s; pgevents_timeout 60s; pgevents_heartbeat 2s;';
const service = await startService({ workers: 2, location, behind: false });
const { database } = service;
const scenario = scenariosOn(service);

// Changes the front-ends' role for a while. Sessions get the new settings when they start, so all of them are ended.
function roleScenario(sentence, changed, restored) {
  scenario(sentence, async () => {
    await database.query(`ALTER ROLE ${kServerUser} ${changed}`);
    try {
      await service.cutFrontEnds();
      await sleep(kTrouble);
    } finally {
      await database.query(`ALTER ROLE ${kServerUser} ${restored}`);
    }
    await service.cutFrontEnds();
  });
}

roleScenario('sessions that are idle for half a second are ended', "SET idle_session_timeout = '500ms'",
  'RESET idle_session_timeout');
roleScenario('statements that take more than five milliseconds are cancelled', "SET statement_timeout = '5ms'",
  'RESET statement_timeout');
roleScenario('no connection is left for the front-ends', 'CONNECTION LIMIT 0', 'CONNECTION LIMIT -1');
roleScenario('the front-ends may not log in', 'NOLOGIN', 'LOGIN');
roleScenario('their sessions are read-only', 'SET default_transaction_read_only = on',
  'RESET default_transaction_read_only');

for (const table of ['log', 'staging', 'presence', 'revocations', 'settings']) {
  scenario(`the table ${table} is locked`, async () => {
    const client = await database.connect('postgres');
    await client.query('BEGIN');
    await client.query(`LOCK TABLE pgevents.${table} IN ACCESS EXCLUSIVE MODE`);
    await sleep(kTrouble);
    await client.query('COMMIT');
    await client.end();
  });
}

test('at the end the log is clean', () => service.nginx.stop());
