// PATCH /settings: users change their own settings, and their pages receive the change.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertError, forEach } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { assertSuccess, kEncodings, newRealm, startWithUsers } from '../lib/realm.mjs';

const kFlags = ['presence_enabled', 'send_private_typing_notifications', 'send_stream_typing_notifications',
  'receives_typing_notifications'];
const kDone = '{"result":"success","msg":""}';

const database = await (await sharedCluster()).createDatabase();
const backends = await startWithUsers({ database });

async function flagsOf(realm, id) {
  const select = `SELECT ${kFlags} FROM pgevents.users WHERE realm = $1 AND user_id = $2`;
  const [row] = await database.query(select, [realm.name, id]);
  return row;
}

const logged = (realm, cursor) =>
  database.log({ after: cursor, channels: [realm.userChannel('10'), realm.userChannel('11')] });

const kAllOn = Object.fromEntries(kFlags.map((flag) => [flag, true]));

forEach(backends, (backend) => {
  const newUser = async () => {
    const realm = await newRealm(database, '10', '11');
    return { realm, anna: realm.user(backend, '10') };
  };

  for (const encoding of kEncodings) {
    for (const flag of kFlags) {
      test(`as ${encoding}: ${flag} off and on changes one user; pages and registration receive it`, async () => {
        const { realm, anna } = await newUser();
        for (const value of [false, true]) {
          const cursor = await database.head();
          const answer = await anna.choose({ [flag]: value }, { encoding });
          assert.deepEqual([answer.status, answer.body], [200, kDone]);
          assert.deepEqual(await flagsOf(realm, '10'), { ...kAllOn, [flag]: value });
          assert.deepEqual(assertSuccess(await anna.register()).user_settings, { ...kAllOn, [flag]: value });
          const { events } = await backend.poll(realm.userChannel('10'), { cursor, headers: realm.headersOf('10') });
          assert.deepEqual(events.map(({ type, data }) => [type, JSON.parse(data)]),
            [['user_settings', { [flag]: value }]]);
        }
        assert.deepEqual(await flagsOf(realm, '11'), kAllOn);
      });
    }

    test(`as ${encoding}: several settings at once are one event`, async () => {
      const { realm, anna } = await newUser();
      const cursor = await database.head();
      const wish = {
        receives_typing_notifications: false, send_stream_typing_notifications: false, presence_enabled: true,
      };
      assert.equal((await anna.choose(wish, { encoding })).body, kDone);
      assert.deepEqual(await flagsOf(realm, '10'), { ...kAllOn, ...wish });
      const rows = await logged(realm, cursor);
      assert.deepEqual(rows.map(({ type, data }) => [type, JSON.parse(data)]), [['user_settings', wish]]);
    });

    test(`as ${encoding}: rejects a value that is not a boolean, and changes nothing`, async () => {
      const { realm, anna } = await newUser();
      const cursor = await database.head();
      const rejects = async (wish, msg) =>
        assertError(await anna.choose(wish, { encoding }), 400, 'BAD_REQUEST', msg);
      await Promise.all(kFlags.flatMap((flag) => [
        ...[1, [], '"true"', 12.5].map((value) => rejects({ ...kAllOn, [flag]: value }, `${flag} is not a boolean`)),
        ...['yes', '', 'FALSE'].map((value) => rejects({ [flag]: value }, `${flag} is not valid JSON`)),
      ]));
      assert.deepEqual(await flagsOf(realm, '10'), kAllOn);
      assert.deepEqual(await logged(realm, cursor), []);
    });

    test(`as ${encoding}: ignores unknown settings, and names them`, async () => {
      const { realm, anna } = await newUser();
      const answer = await anna.choose({ is_bot: true, user_id: '11', presence_enabled: false }, { encoding });
      assert.equal(answer.body, '{"result":"success","msg":"","ignored_parameters_unsupported":["is_bot","user_id"]}');
      assert.deepEqual(await flagsOf(realm, '10'), { ...kAllOn, presence_enabled: false });
      assert.deepEqual(await flagsOf(realm, '11'), kAllOn);
    });

    test(`as ${encoding}: an empty request changes nothing`, async () => {
      const { realm, anna } = await newUser();
      const cursor = await database.head();
      assert.equal((await anna.choose({}, { encoding })).body, kDone);
      assert.deepEqual(await flagsOf(realm, '10'), kAllOn);
      assert.deepEqual(await logged(realm, cursor), []);
    });
  }

  test('treats null as a missing setting', async () => {
    const { realm, anna } = await newUser();
    assert.equal((await anna.choose(Object.fromEntries(kFlags.map((flag) => [flag, null])))).body, kDone);
    assert.deepEqual(await flagsOf(realm, '10'), kAllOn);
  });

  test('a bot may change its settings', async () => {
    const realm = await newRealm(database, { user_id: 'robot', is_bot: true });
    const wish = { presence_enabled: false, receives_typing_notifications: false };
    assertSuccess(await realm.user(backend, 'robot').choose(wish));
    assert.deepEqual(await flagsOf(realm, 'robot'), { ...kAllOn, ...wish });
  });
}, { atOnce: 4 });
