// PATCH /settings: what a user chooses for himself, and that his pages hear of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertError, forEach } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { assertSuccess, kEncodings, newRealm, startWithPeople } from '../lib/people.mjs';

const kFlags = ['presence_enabled', 'send_private_typing_notifications', 'send_stream_typing_notifications',
  'receives_typing_notifications'];
const kDone = '{"result":"success","msg":""}';

const database = await (await sharedCluster()).createDatabase();
const backends = await startWithPeople({ database });

async function flagsOf(realm, id) {
  const [row] = await database.query(`SELECT ${kFlags} FROM pgevents.users WHERE realm = $1 AND user_id = $2`, [realm.name, id]);
  return row;
}

const logged = (realm, cursor) => database.log({ after: cursor, channels: [realm.userChannel('10'), realm.userChannel('11')] });

const kAllOn = Object.fromEntries(kFlags.map((flag) => [flag, true]));

forEach(backends, (backend) => {
  const newUser = async () => {
    const realm = await newRealm(database, '10', '11');
    return { realm, anna: realm.person(backend, '10') };
  };

  for (const encoding of kEncodings) {
    for (const flag of kFlags) {
      test(`by ${encoding}: ${flag}, off and on, for the user alone; his pages hear of it, and the next registration`, async () => {
        const { realm, anna } = await newUser();
        for (const value of [false, true]) {
          const cursor = await database.head();
          const answer = await anna.choose({ [flag]: value }, { encoding });
          assert.deepEqual([answer.status, answer.body], [200, kDone]);
          assert.deepEqual(await flagsOf(realm, '10'), { ...kAllOn, [flag]: value });
          assert.deepEqual(assertSuccess(await anna.register()).user_settings, { ...kAllOn, [flag]: value });
          const { events } = await backend.poll(realm.userChannel('10'), { cursor, headers: realm.headersOf('10') });
          assert.deepEqual(events.map(({ type, data }) => [type, JSON.parse(data)]), [['user_settings', { [flag]: value }]]);
        }
        assert.deepEqual(await flagsOf(realm, '11'), kAllOn);
      });
    }

    test(`by ${encoding}: several at once are one event`, async () => {
      const { realm, anna } = await newUser();
      const cursor = await database.head();
      const wish = { receives_typing_notifications: false, send_stream_typing_notifications: false, presence_enabled: true };
      assert.equal((await anna.choose(wish, { encoding })).body, kDone);
      assert.deepEqual(await flagsOf(realm, '10'), { ...kAllOn, ...wish });
      const rows = await logged(realm, cursor);
      assert.deepEqual(rows.map(({ type, data }) => [type, JSON.parse(data)]), [['user_settings', wish]]);
    });

    test(`by ${encoding}: what is no boolean is refused, and nothing is changed`, async () => {
      const { realm, anna } = await newUser();
      const cursor = await database.head();
      const refused = async (wish, msg) => assertError(await anna.choose(wish, { encoding }), 400, 'BAD_REQUEST', msg);
      await Promise.all(kFlags.flatMap((flag) => [
        ...[1, [], '"true"', 12.5].map((value) => refused({ ...kAllOn, [flag]: value }, `${flag} is not a boolean`)),
        ...['yes', '', 'FALSE'].map((value) => refused({ [flag]: value }, `${flag} is not valid JSON`)),
      ]));
      assert.deepEqual(await flagsOf(realm, '10'), kAllOn);
      assert.deepEqual(await logged(realm, cursor), []);
    });

    test(`by ${encoding}: what there is no setting for is ignored, and named`, async () => {
      const { realm, anna } = await newUser();
      const answer = await anna.choose({ is_bot: true, user_id: '11', presence_enabled: false }, { encoding });
      assert.equal(answer.body, '{"result":"success","msg":"","ignored_parameters_unsupported":["is_bot","user_id"]}');
      assert.deepEqual(await flagsOf(realm, '10'), { ...kAllOn, presence_enabled: false });
      assert.deepEqual(await flagsOf(realm, '11'), kAllOn);
    });

    test(`by ${encoding}: who chooses nothing changes nothing`, async () => {
      const { realm, anna } = await newUser();
      const cursor = await database.head();
      assert.equal((await anna.choose({}, { encoding })).body, kDone);
      assert.deepEqual(await flagsOf(realm, '10'), kAllOn);
      assert.deepEqual(await logged(realm, cursor), []);
    });
  }

  test('null is nothing', async () => {
    const { realm, anna } = await newUser();
    assert.equal((await anna.choose(Object.fromEntries(kFlags.map((flag) => [flag, null])))).body, kDone);
    assert.deepEqual(await flagsOf(realm, '10'), kAllOn);
  });

  test('a bot may choose too', async () => {
    const realm = await newRealm(database, { user_id: 'robot', is_bot: true });
    assertSuccess(await realm.person(backend, 'robot').choose({ presence_enabled: false, receives_typing_notifications: false }));
    assert.deepEqual(await flagsOf(realm, 'robot'), { ...kAllOn, presence_enabled: false, receives_typing_notifications: false });
  });
}, { atOnce: 4 });
