// Update ids of presence follow the order of commits: a client that asks for newer presences than its id never misses a
// row, however slow the transactions are, through module and fallback at the same time.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { range, sleep } from '../lib/conditions.mjs';
import { assertSuccess, keyFile, newRealm, serverAt } from '../lib/realm.mjs';
import { randomSource } from '../lib/publishers.mjs';
import { kFallbackBase, kModuleBase, startService } from './service.mjs';

const kReporters = 20;
const kReadersEach = 3; // through module, and through fallback
const kSeconds = 12;

const file = keyFile();
const service = await startService({ workers: 2, args: ['--jwt-key', file], location: `pgevents_jwt_key ${file};` });
const { database, nginx } = service;

// Transactions pause after they have written, and again at their end.
await database.query(`
  CREATE FUNCTION public.dawdle() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_sleep(random() * 0.015); RETURN NULL; END $$;
  CREATE TRIGGER dawdle AFTER UPDATE ON pgevents.presence FOR EACH STATEMENT EXECUTE FUNCTION public.dawdle();
  CREATE CONSTRAINT TRIGGER dawdle_at_commit AFTER UPDATE ON pgevents.presence DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (new.update_id % 4 = 0) EXECUTE FUNCTION public.dawdle()`);

const bases = [kModuleBase, kFallbackBase];

// Each user reports once, so a reader that misses a row never sees that user.
class ReportRun {
  constructor(realm) {
    this.realm_ = realm;
    this.reported = [];
    this.stopping = false;
  }

  async report(reporter) {
    const random = randomSource(reporter);
    for (let n = 0; !this.stopping; n++) {
      const id = `${reporter}-${n}`;
      await this.realm_.add(id);
      const user = this.realm_.user(serverAt(service.port, bases[(reporter + n) % 2]), id);
      assertSuccess(await user.report({ status: n % 3 ? 'active' : 'idle', ping_only: true }));
      this.reported.push(id);
      await sleep(random() * 10);
    }
  }

  // Reads on until the run stops, and once more.
  async read(base, id) {
    const user = this.realm_.user(serverAt(service.port, base), id);
    const seen = new Map();
    const answers = [];
    let last_update_id = -1;
    for (let over = false; ; over = this.stopping) {
      const answer = assertSuccess(await user.report({ status: 'idle', last_update_id }));
      for (const name of Object.keys(answer.presences)) seen.set(name, (seen.get(name) ?? 0) + 1);
      answers.push(Object.keys(answer.presences).length);
      assert.ok(answer.presence_last_update_id >= last_update_id);
      last_update_id = answer.presence_last_update_id;
      if (over) return { seen, answers, last_update_id };
    }
  }
}

test(`${kReporters} reporters and ${2 * kReadersEach} incremental readers for ${kSeconds} s: each reader sees each user once`, async (t) => {
  const readers = bases.flatMap((base) => range(1, kReadersEach).map((n) => [base, `reader${base}${n}`]));
  const realm = await newRealm(database, ...readers.map(([, id]) => id));
  const crowd = new ReportRun(realm);
  const reading = readers.map(([base, id]) => crowd.read(base, id));
  const reporting = range(1, kReporters).map((n) => crowd.report(n));
  await Promise.race([sleep(kSeconds * 1000),
    Promise.all([...reporting, ...reading])]).finally(() => (crowd.stopping = true));
  const [results] = await Promise.all([Promise.all(reading), ...reporting]);
  // One last look after all reports.
  for (const [n, [base, id]] of readers.entries()) {
    const { seen, last_update_id } = results[n];
    const user = realm.user(serverAt(service.port, base), id);
    const { presences } = assertSuccess(await user.report({ status: 'idle', last_update_id }));
    for (const name of Object.keys(presences)) seen.set(name, (seen.get(name) ?? 0) + 1);
    const missed = crowd.reported.filter((name) => !seen.has(name));
    assert.deepEqual(missed.slice(0, 5), [], `${missed.length} of ${crowd.reported.length} missed by ${id}`);
    const twice = [...seen].filter(([name, count]) => count > 1 && !name.startsWith('reader'));
    assert.deepEqual(twice.slice(0, 5), [], `${twice.length} came twice to ${id}`);
  }
  const looks = results.map(({ answers }) => answers.length);
  assert.ok(crowd.reported.length > 200 && Math.min(...looks) > 20, `${crowd.reported.length} reports, looks ${looks}`);
  t.diagnostic(`${crowd.reported.length} reports; looks of the readers: ${looks.join(', ')}; none missed`);
});

test('every update id of a realm belongs to one user', async () => {
  assert.equal(await database.value(`SELECT count(*) FROM (
    SELECT FROM pgevents.presence GROUP BY realm, update_id HAVING count(*) > 1) twice`), 0);
});

test('at the end the log is clean', () => nginx.stop());
