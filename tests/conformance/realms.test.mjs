// Two realms are separate on every endpoint and channel, although the same user ids are in both.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertError, forEach } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { assertSuccess, kKey, kNoUser, newRealm, Realm, setTimings, startWithUsers } from '../lib/realm.mjs';

const database = await (await sharedCluster()).createDatabase();
const backends = await startWithUsers({ database, subscribe: 'presence:{realm}' });
await setTimings(database, { presence_flush_window: '1 millisecond' });
const bad = (msg) => [400, 'BAD_REQUEST', msg];
// Rows after the cursor, except for presence: a user who has polled is present.
const logged = async (cursor) =>
  (await database.log({ after: cursor })).filter(({ channel_id }) => !channel_id.startsWith('presence:'));
const idsIn = (answer) => Object.keys(assertSuccess(answer).presences).sort();

let stream_count = 0;

// Makes two realms with the users 10 and 11 and one stream each, and one more user each. `north` is main on request.
const main = new Realm(database, 'main');
await main.add('10', '11', 'only-main');
async function twoRealms(with_main = false) {
  const north = with_main ? main : await newRealm(database, '10', '11');
  const south = await newRealm(database, '10', '11');
  await north.add(`in-${south.name}s-north`);
  await south.add(`in-${south.name}`);
  const streams = [north, south].map(() => `s${++stream_count}`);
  await north.addStream(streams[0], { members: ['10', '11'] });
  await south.addStream(streams[1], { members: ['10', '11'] });
  return { north, south, streams, onlySouth: `in-${south.name}` };
}

forEach(backends, (backend) => {
  test('answers of one realm contain no presence of another', async () => {
    const { north, south, onlySouth } = await twoRealms();
    const anna = north.user(backend, '10');
    for (const id of ['10', '11', onlySouth]) assertSuccess(await south.user(backend, id).report({ status: 'active' }));
    assert.deepEqual(idsIn(await anna.realmPresence()), []);
    assert.deepEqual(idsIn(await anna.register()), []);
    assert.equal(assertSuccess(await anna.register()).presence_last_update_id, -1);
    assertError(await anna.presenceOf('11'), ...bad('No presence data for 11'));
    assertError(await anna.presenceOf(onlySouth), ...bad('No such user'));
    const forms = [
      {}, { slim_presence: true }, { last_update_id: -1 }, { last_update_id: 0 }, { last_update_id: 1 },
    ];
    for (const wish of forms) {
      assert.deepEqual(idsIn(await anna.report({ status: 'active', ...wish })), ['10'], JSON.stringify(wish));
    }
    const own = (await north.row('10')).update_id;
    const later = assertSuccess(await south.user(backend, '11').report({ status: 'active', last_update_id: own }));
    assert.ok(!(later.presences['10'] && later.presence_last_update_id === own),
      'an id of another realm has no effect');
  });

  test('a report in one realm changes nothing for the same user id in another', async () => {
    const { north, south } = await twoRealms();
    await south.user(backend, '10').report({ status: 'active' });
    await south.setTimes('10', { active: 500 });
    const stored = await south.row('10');
    assertSuccess(await north.user(backend, '10').report({ status: 'active' }));
    assertSuccess(await north.user(backend, '10').choose({ presence_enabled: false }));
    assert.deepEqual(await south.row('10'), stored);
    const { presence } = assertSuccess(await south.user(backend, '11').presenceOf('10'));
    assert.equal(presence.aggregated.status, 'offline');
  });

  test('presence is published in its realm only', async () => {
    const { north, south } = await twoRealms();
    const [here, there] = [await north.observer(backend), await south.observer(backend)];
    await north.user(backend, '10').report({ status: 'active' });
    await north.user(backend, '10').choose({ presence_enabled: false });
    assert.ok((await here.all()).length > 0);
    assert.deepEqual(await there.all(), []);
  });

  test('settings are changed and published for the user of one realm only', async () => {
    const { north, south } = await twoRealms();
    const cursor = await database.head();
    assertSuccess(await north.user(backend, '10').choose({ receives_typing_notifications: false }));
    const changed = 'SELECT realm FROM pgevents.users WHERE NOT receives_typing_notifications AND realm = ANY ($1)';
    const rows = await database.query(changed, [[north.name, south.name]]);
    assert.deepEqual(rows, [{ realm: north.name }]);
    assert.deepEqual((await logged(cursor)).map((row) => row.channel_id), [north.userChannel('10')]);
    const { user_settings } = assertSuccess(await south.user(backend, '10').register());
    assert.equal(user_settings.receives_typing_notifications, true);
  });

  for (const with_main of [false, true]) {
    test(`typing is published to users of the typist's realm${with_main ? ', even if it is main' : ''}`, async () => {
      const { north, south, onlySouth } = await twoRealms(with_main);
      for (const [realm, other] of [[north, south], [south, north]]) {
        const cursor = await database.head();
        assertSuccess(await realm.user(backend, '10').type({ op: 'start', to: ['11'] }));
        const channels = (await logged(cursor)).map((row) => row.channel_id).sort();
        assert.deepEqual(channels, [realm.userChannel('10'), realm.userChannel('11')].sort());
        for (const id of ['10', '11']) {
          const received = await backend.poll(other.userChannel(id), { cursor, headers: other.headersOf(id) });
          assert.deepEqual(received.events, []);
        }
      }
      const answer = await north.user(backend, '10').type({ op: 'start', to: ['11', onlySouth] });
      assertError(answer, ...bad(`Invalid user ID ${onlySouth}`));
    });
  }

  test('a stream of another realm does not exist, even if a user of the same id is a member', async () => {
    const { north, south, streams } = await twoRealms();
    const cursor = await database.head();
    const at = (stream_id) => ({ op: 'start', type: 'stream', stream_id, topic: 'x' });
    assertError(await north.user(backend, '10').type(at(streams[1])), ...bad('Invalid channel ID'));
    assertError(await south.user(backend, '10').type(at(streams[0])), ...bad('Invalid channel ID'));
    assert.deepEqual(await logged(cursor), []);
    assertSuccess(await north.user(backend, '10').type(at(streams[0])));
  });

  test('the settings of sender and receiver are those of their realm', async () => {
    const { north, south } = await twoRealms();
    await database.query(`
      UPDATE pgevents.users SET send_private_typing_notifications = false, receives_typing_notifications = false
       WHERE realm = $1`, [south.name]);
    const cursor = await database.head();
    assertSuccess(await north.user(backend, '10').type({ op: 'start', to: ['11'] }));
    assert.equal((await logged(cursor)).length, 2);
    assertError(await south.user(backend, '10').type({ op: 'start', to: ['11'] }),
      ...bad('User has disabled typing notifications for direct messages'));
  });

  // --- channels ---

  const transports = { poll: { flavor: 'poll' }, 'long poll': { timeout: '0.01' }, stream: { flavor: 'eventsource' } };
  async function assertCannotSubscribe(realm, channel) {
    const headers = realm.headersOf('10');
    for (const query of Object.values(transports)) {
      for (const list of [channel, `${realm.userChannel('10')},${channel}`]) {
        const answer = await backend.send(`/events/${list}`, { headers, query });
        assertError(answer, 403, 'FORBIDDEN', `Not authorized for channel '${channel}'`);
      }
    }
  }

  test('rejects subscriptions to presence and users of another realm, by every transport and in lists', async () => {
    for (const with_main of [false, true]) {
      const { north, south } = await twoRealms(with_main);
      for (const [realm, other] of [[north, south], [south, north]]) {
        const headers = realm.headersOf('10');
        const foreign = [other.channel, other.userChannel('10'), other.userChannel('11'), realm.userChannel('11')];
        for (const channel of foreign) {
          await assertCannotSubscribe(realm, channel);
        }
        const own = await backend.poll(`${realm.userChannel('10')},${realm.channel}`, { headers });
        assert.equal(own.status, 200);
      }
    }
  });

  test('similar names are distinct: a channel belongs to one user of one realm', async () => {
    // [realm, user]: the owner of one own channel must not subscribe to another's.
    const pairs = [
      ['x', '1:2'], ['x:1', '2'], ['x=3A1', '2'], ['x', '=3A1:2'], ['main', 'x:2'], ['main', '@x:2'], ['x=', ':2'],
    ];
    const channels = [];
    for (const [name, id] of pairs) {
      const realm = new Realm(database, name);
      await realm.add(id).catch(() => {}); // the user exists already for the second back-end
      const [channel] = assertSuccess(await realm.user(backend, id).register()).channels;
      channels.push({ channel, headers: realm.headersOf(id) });
    }
    for (const { channel, headers } of channels) {
      for (const other of channels) {
        const { status } = await backend.send(`/events/${other.channel}`, { headers, query: { flavor: 'poll' } });
        assert.equal(status, other.channel === channel ? 200 : 403, `${channel} and ${other.channel}`);
      }
    }
    assert.equal(new Set(channels.map(({ channel }) => channel)).size, pairs.length);
  });
});

// The web server's realm, for tokens without one.
const served = await startWithUsers({
  database, subscribe: 'presence:{realm}', access: { keys: [{ text: kKey.text }], realm: 'served' },
});
const named = await startWithUsers({
  database, subscribe: 'presence:{realm}', access: { user: '10', realm: 'served' },
});
const realm = new Realm(database, 'served');
await realm.add('10', '11');

forEach(served, (backend) => {
  test('the web server\'s realm applies to tokens without one, and tokens of other realms are rejected', async () => {
    const anna = main.user(backend, '10'); // a token without a realm
    assert.deepEqual(assertSuccess(await anna.register()).channels, ['user@served:10', 'presence:served']);
    assert.equal((await backend.poll('user@served:10,presence:served', { headers: anna.headers })).status, 200);
    const { south } = await twoRealms();
    assertError(await south.user(backend, '10').register(), 401, 'UNAUTHORIZED', 'The token is for another realm');
  });
});

forEach(named, (backend) => {
  test('the web server\'s user and realm apply to the request', async () => {
    const anna = main.user(backend, '10');
    for (const headers of [{}, kNoUser, main.headersOf('only-main')]) {
      anna.headers = headers;
      assert.deepEqual(assertSuccess(await anna.register()).channels, ['user@served:10', 'presence:served']);
      assert.deepEqual(idsIn(await anna.report({ status: 'active' })), ['10']);
    }
    assert.notEqual(await realm.row('10'), undefined);
    assert.equal(await main.row('only-main'), undefined);
    const answer = await backend.send('/events/user:10', { headers: {} });
    assertError(answer, 403, 'FORBIDDEN', 'Not authorized for channel \'user:10\'');
  });
});
