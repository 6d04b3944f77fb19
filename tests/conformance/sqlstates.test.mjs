// The answer to a client when the database rejects a statement, for each SQLSTATE, and the number of attempts.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertError, forEach, startBackends } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';

const database = await (await sharedCluster()).createDatabase();
const backends = await startBackends({ database, access: { user: '10' } });

// GET /users/<SQLSTATE>/presence raises that error, with text that clients must not see; `once:<SQLSTATE>` raises it
// only the first time.
await database.query(`
  CREATE SEQUENCE pgevents.tries;
  CREATE OR REPLACE FUNCTION pgevents.http_user_presence(identity jsonb, params jsonb) RETURNS json
  LANGUAGE plpgsql SECURITY DEFINER AS $$
  DECLARE
    state text := params ->> 'user_id';
    tries bigint := nextval('pgevents.tries');
  BEGIN
    IF state LIKE 'once:%' AND tries > 1 THEN
      RETURN '{"result":"success","msg":""}';
    END IF;
    RAISE WARNING E'careful\\n2026/01/01 00:00:00 forged as well';
    RAISE EXCEPTION E'secret\\n2026/01/01 00:00:00 forged \\x1b[31m' USING ERRCODE = replace(state, 'once:', '');
  END $$;
  ALTER FUNCTION pgevents.http_publish(jsonb, text, text, text) RENAME TO http_publish_now;
  CREATE FUNCTION pgevents.http_publish(identity jsonb, channel text, body text, idempotency_key text) RETURNS jsonb
  LANGUAGE plpgsql SECURITY DEFINER AS $$
  BEGIN
    IF nextval('pgevents.tries') = 1 THEN
      RAISE EXCEPTION 'try again' USING ERRCODE = channel;
    END IF;
    RETURN pgevents.http_publish_now(identity, channel, body, idempotency_key);
  END $$;
  GRANT EXECUTE ON FUNCTION pgevents.http_publish(jsonb, text, text, text) TO pgevents_server;
  CREATE FUNCTION fail_late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'too late'; END $$;
  CREATE CONSTRAINT TRIGGER fail_late AFTER INSERT ON pgevents.log DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.channel_id = 'late') EXECUTE FUNCTION fail_late()`);

const kConflicts = ['40000', '40001', '40P01'];
const kSessions = ['25006', '26000', '42P05', '0A000', '25P02'];
const kUnavailable = [
  '40003', '08006', '53000', '53100', '53200', '53300', '55000', '55006', '55P03', '57014', '57P01', '57P05', '58000',
  '58030', '25P03',
];
const kInternal = [
  '22P02', '23505', '40002', '42501', '42883', '42P01', 'P0001', '54001', 'XX000', 'XX001', 'F0000', '2F000', 'PT200',
  'PT999',
];
const kRows = [
  ...kConflicts.map((state) => [state, 503, 2]),
  ...kSessions.map((state) => [state, 503, 2]),
  ...kUnavailable.map((state) => [state, 503, 1]),
  ...kInternal.map((state) => [state, 500, 1]),
  ['PT404', 404, 1],
];

const reset = () => database.query('ALTER SEQUENCE pgevents.tries RESTART');
const tries = () => database.value('SELECT last_value FROM pgevents.tries');
const presence = (backend, state) => backend.send(`/users/${state}/presence`);

forEach(backends, (backend) => {
  for (const [state, status, wanted] of kRows) {
    test(`${state}: ${status}`, async () => {
      await reset();
      const answer = await presence(backend, state);
      assert.equal(answer.status, status, answer.body);
      if (status === 503) assertError(answer, 503, 'SERVICE_UNAVAILABLE', 'The database is not available');
      if (status === 500) assertError(answer, 500, 'INTERNAL', 'Internal error');
      assert.equal(answer.headers['retry-after'], status === 503 ? '5' : undefined);
      // The fallback tries another session only if its own is not new.
      const least = kSessions.includes(state) && backend.name !== 'module' ? 1 : wanted;
      assert.ok([least, wanted].includes(await tries()), `${await tries()} times`);
    });
  }

  for (const state of [...kConflicts, ...(backend.name === 'module' ? kSessions : [])]) {
    test(`after ${state} once, the second attempt succeeds, for calls and publications`, async () => {
      await reset();
      const answer = await presence(backend, `once:${state}`);
      assert.deepEqual([answer.status, answer.body, await tries()], [200, '{"result":"success","msg":""}', 2]);
      await reset();
      const before = await database.head();
      assert.equal((await backend.publish(state, { type: 'made' })).status, 201);
      assert.deepEqual([await tries(), (await database.log({ after: before })).length], [2, 1]);
    });
  }

  for (const headers of [{}, { 'Idempotency-Key': 'late' }]) {
    test(`a publication whose COMMIT fails is not answered with success (${Object.keys(headers)})`, async () => {
      const answer = await backend.publish('late', { type: 'made' }, { headers });
      assertError(answer, 500, 'INTERNAL', 'Internal error');
      assert.equal((await database.log({ channels: ['late'] })).length, 0);
    });
  }

  test('a message of the database is one line in the log', () => {
    const lines = backend.logs().split('\n');
    assert.ok(lines.some((line) => /PostgreSQL reports .*careful 2026.* forged as well/.test(line)),
      'the warning is missing');
    assert.ok(lines.some((line) => /secret.*forged \\x1b\[31m/.test(line)), 'the text is missing');
    assert.deepEqual(lines.filter((line) => line.startsWith('2026/01/01') || line.includes('\x1b')), []);
  });
});

test('sessions are READ COMMITTED, whatever the database\'s default is', async () => {
  await database.query(`ALTER DATABASE ${database.name} SET default_transaction_isolation = 'serializable'`);
  await database.query(`
    CREATE OR REPLACE FUNCTION pgevents.http_user_presence(identity jsonb, params jsonb) RETURNS json
    LANGUAGE sql AS $$ SELECT to_json(current_setting('transaction_isolation')) $$`);
  const fresh = await startBackends({ database, access: { user: '10' } });
  for (const backend of fresh) assert.equal((await presence(backend, '11')).body, '"read committed"', backend.name);
});
