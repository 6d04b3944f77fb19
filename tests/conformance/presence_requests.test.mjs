// Requests for presence: which are rejected and with which message, how parameters are written, and the presence of a
// single user.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertError, forEach } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import {
  assertSuccess, kEncodings, kKey, kNoUser, newRealm, Realm, startWithUsers, withoutTimes,
} from '../lib/realm.mjs';
import { inSeconds, signToken } from '../lib/tokens.mjs';

const database = await (await sharedCluster()).createDatabase();
const backends = await startWithUsers({ database });
const main = new Realm(database, 'main');
await main.add('10');

const bad = (msg) => [400, 'BAD_REQUEST', msg];

function assertMissing(answer, name) {
  const msg = `Missing '${name}' argument`;
  const body = `{"result":"error","code":"REQUEST_VARIABLE_MISSING","msg":"${msg}","var_name":"${name}"}`;
  assert.deepEqual([answer.status, answer.body], [400, body]);
}

// [parameters, message]; text values are the text of a form.
const rejected = [
  [{ status: 'foo' }, 'Invalid status: foo'],
  [{ status: '' }, 'Invalid status: '],
  [{ status: 'offline' }, 'Invalid status: offline'],
  [{ status: 'Active' }, 'Invalid status: Active'],
  [{ status: '<b>é\n"' }, 'Invalid status: <b>é\n"'],
  [{ status: 'active', last_update_id: 1.5 }, 'last_update_id is not an integer'],
  [{ status: 'active', last_update_id: true }, 'last_update_id is not an integer'],
  [{ status: 'active', last_update_id: [1] }, 'last_update_id is not an integer'],
  [{ status: 'active', last_update_id: 1e30 }, 'last_update_id is not an integer'],
  [{ status: 'active', last_update_id: '"1"' }, 'last_update_id is not an integer'],
  [{ status: 'active', last_update_id: 'x' }, 'last_update_id is not valid JSON'],
  [{ status: 'active', last_update_id: '' }, 'last_update_id is not valid JSON'],
  [{ status: 'active', history_limit_days: {} }, 'history_limit_days is not an integer'],
  [{ status: 'active', history_limit_days: '14d' }, 'history_limit_days is not valid JSON'],
  ...['ping_only', 'new_user_input', 'slim_presence'].flatMap((name) => [
    [{ status: 'active', [name]: 1 }, `${name} is not a boolean`],
    [{ status: 'active', [name]: 0 }, `${name} is not a boolean`],
    [{ status: 'active', [name]: [] }, `${name} is not a boolean`],
    [{ status: 'active', [name]: '"true"' }, `${name} is not a boolean`],
    [{ status: 'active', [name]: 'yes' }, `${name} is not valid JSON`],
    [{ status: 'active', [name]: 'True' }, `${name} is not valid JSON`],
    [{ status: 'active', [name]: '' }, `${name} is not valid JSON`],
  ]),
];

forEach(backends, (backend) => {
  for (const encoding of kEncodings) {
    test(`as ${encoding}: rejects invalid parameters with these messages, and stores nothing`, async () => {
      const realm = await newRealm(database, '10');
      const anna = realm.user(backend, '10');
      await Promise.all(rejected.map(async ([params, msg]) =>
        assertError(await anna.report(params, { encoding }), ...bad(msg))));
      assertMissing(await anna.report({}, { encoding }), 'status');
      assertMissing(await anna.report({ ping_only: true }, { encoding }), 'status');
      assertMissing(await anna.report({ ping_only: true, Status: 'active' }, { encoding }), 'status');
      assert.equal(await realm.row('10'), undefined);
      assert.deepEqual(await realm.log(), []);
    });

    test(`as ${encoding}: accepts all parameters together`, async () => {
      const realm = await newRealm(database, '10');
      const params = {
        status: 'active', ping_only: false, new_user_input: true, slim_presence: true, last_update_id: -1,
        history_limit_days: 14,
      };
      const answer = await realm.user(backend, '10').report(params, { encoding });
      assert.deepEqual(Object.keys(assertSuccess(answer).presences), ['10']);
    });

    test(`as ${encoding}: ignores unknown parameters, and names them`, async () => {
      const realm = await newRealm(database, '10', '11');
      const anna = realm.user(backend, '10');
      const ignored = { zoo: 'x', 'a"b': '1', user_id: '11', realm: 'main', user: '11' };
      const params = { status: 'active', ping_only: true, ...ignored };
      assert.equal((await anna.report(params, { encoding })).body,
        '{"result":"success","msg":"","ignored_parameters_unsupported":["a\\"b","realm","user","user_id","zoo"]}');
      assert.notEqual(await realm.row('10'), undefined);
      assert.equal(await realm.row('11'), undefined);
    });
  }

  test('rejects a status that is not a string', async () => {
    const anna = (await newRealm(database, '10')).user(backend, '10');
    for (const status of [1, true, ['active'], { a: 1 }]) {
      assertError(await anna.report({ status }), ...bad('status is not a string'));
    }
    assertMissing(await anna.report({ status: null }), 'status');
  });

  test('treats null in a JSON body as a missing parameter', async () => {
    const anna = (await newRealm(database, '10')).user(backend, '10');
    const params = {
      status: 'active', ping_only: null, new_user_input: null, slim_presence: null, last_update_id: null,
      history_limit_days: null,
    };
    assert.equal(assertSuccess(await anna.report(params)).presences['10'].website.status, 'active');
  });

  test('names unknown parameters of reading requests too', async () => {
    const anna = (await newRealm(database, '10')).user(backend, '10');
    await anna.report({ status: 'active' });
    const query = { x: '1', status: 'active' };
    for (const answer of [await anna.realmPresence({ x: '1' }), await anna.presenceOf('me', query)]) {
      assert.ok(assertSuccess(answer).ignored_parameters_unsupported.includes('x'));
    }
  });

  // --- the user of a request ---

  const requests = {
    'POST /register': (user) => user.register(),
    'POST /users/me/presence': (user) => user.report({ status: 'active' }),
    'GET /users/10/presence': (user) => user.presenceOf('10'),
    'GET /users/me/presence': (user) => user.presenceOf('me'),
    'GET /realm/presence': (user) => user.realmPresence(),
    'POST /typing': (user) => user.type({ op: 'start', to: ['10'] }),
    'PATCH /settings': (user) => user.choose({ presence_enabled: true }),
  };
  for (const [what, ask] of Object.entries(requests)) {
    test(`${what}: rejects a request without a user or with an invalid token`, async () => {
      const user = main.user(backend, '10');
      for (const headers of [{}, kNoUser]) {
        user.headers = headers;
        const answer = await ask(user);
        assertError(answer, 401, 'UNAUTHORIZED', 'Authentication required');
        assert.equal(answer.headers['www-authenticate'], 'Bearer');
      }
      user.headers = { Authorization: `Bearer ${signToken({ sub: '10', exp: 1 }, { key: kKey })}` };
      assertError(await ask(user), 401, 'TOKEN_EXPIRED', 'The token has expired');
      user.headers = { Authorization: `Bearer ${signToken({ sub: '10', exp: inSeconds(60) }, { key: kKey })}x` };
      assertError(await ask(user), 401, 'UNAUTHORIZED', 'Invalid token');
    });

    test(`${what}: rejects unknown and inactive users`, async () => {
      const realm = await newRealm(database, '10', { user_id: 'gone', is_active: false });
      for (const id of ['nobody', 'gone', ' 10', '10 ', '']) {
        const answer = await ask(realm.user(backend, id));
        if (id === '') assertError(answer, 401, 'UNAUTHORIZED', 'Invalid token');
        else assertError(answer, ...bad('No such user'));
      }
    });
  }

  test('a bot has no presence', async () => {
    const realm = await newRealm(database, { user_id: 'robot', is_bot: true }, '10');
    const robot = realm.user(backend, 'robot');
    assertError(await robot.report({ status: 'active' }), ...bad('Presence is not supported for bot users.'));
    assert.equal(await realm.row('robot'), undefined);
    assertSuccess(await robot.realmPresence());
    assertSuccess(await robot.register());
  });

  // --- a single user ---

  const single = [
    ['10', 'No presence data for 10'],
    ['me', 'No presence data for 10'],
    ['11', 'No such user'],
    ['nobody', 'No such user'],
    ['robot', 'Presence is not supported for bot users.'],
    ['gone', 'No such user'],
    ['1%30%0a', 'No such user'],
    [encodeURIComponent("'; DROP TABLE pgevents.users; --"), 'No such user'],
  ];
  test('rejects a request for a user without presence', async () => {
    const realm = await newRealm(database, '10', { user_id: 'robot', is_bot: true },
      { user_id: 'gone', is_active: false });
    const anna = realm.user(backend, '10');
    for (const [id, msg] of single) assertError(await anna.presenceOf(id), ...bad(msg));
  });

  test('gives one user\'s presence in the older form, and as a pair of times', async () => {
    const realm = await newRealm(database, '10', 'ünï@ex.com');
    await realm.user(backend, 'ünï@ex.com').report({ status: 'active' });
    const anna = realm.user(backend, '10');
    const path = encodeURIComponent('ünï@ex.com');
    const pair = '{"result":"success","msg":"","presence":{"active_timestamp":T,"idle_timestamp":T}}';
    const website = '"status":"active","timestamp":T';
    const older = `{"result":"success","msg":"","presence":{"aggregated":{${website}},"website":{${website}}}}`;
    assert.equal(withoutTimes((await anna.presenceOf(path)).body), older);
    assert.equal(withoutTimes((await anna.presenceOf(path, { slim_presence: 'false' })).body), older);
    assert.equal(withoutTimes((await anna.presenceOf(path, { slim_presence: 'true' })).body), pair);
    assertError(await anna.presenceOf(path, { slim_presence: '1' }), ...bad('slim_presence is not a boolean'));
    assertError(await anna.presenceOf(path, { slim_presence: 'x' }), ...bad('slim_presence is not valid JSON'));
  });

  // [times of the user (seconds ago), aggregated status, status of the website]
  const ages = [
    [{ active: 195 }, 'active', 'active'],
    [{ active: 202 }, 'offline', 'active'],
    [{ active: 600, idle: 195 }, 'idle', 'idle'],
    [{ active: 600, idle: 202 }, 'offline', 'idle'],
    [{ active: null, idle: 202 }, 'offline', 'idle'],
    [{ active: 30 * 24 * 3600 }, 'offline', 'active'],
  ];
  for (const [times, aggregated, website] of ages) {
    const contact = times.idle ?? times.active;
    test(`a user who was active ${times.active} s and in contact ${contact} s ago is ${aggregated}`, async () => {
      const realm = await newRealm(database, '10', '11');
      await realm.user(backend, '11').report({ status: 'active' });
      await realm.setTimes('11', times);
      const { presence } = assertSuccess(await realm.user(backend, '10').presenceOf('11'));
      assert.deepEqual([presence.aggregated.status, presence.website.status], [aggregated, website]);
      assert.equal(presence.aggregated.timestamp, presence.website.timestamp);
      const query = { slim_presence: 'true' };
      const slim = assertSuccess(await realm.user(backend, '10').presenceOf('11', query)).presence;
      assert.equal(slim.idle_timestamp, Math.floor((await realm.row('11')).idle));
    });
  }

  test('answers HEAD like GET, without the body', async () => {
    const realm = await newRealm(database, '10');
    const anna = realm.user(backend, '10');
    await anna.report({ status: 'active' });
    for (const path of ['/realm/presence', '/users/me/presence']) {
      const answer = await backend.send(path, { method: 'HEAD', headers: anna.headers });
      assert.deepEqual([answer.status, answer.body, answer.headers['content-type']], [200, '', 'application/json']);
    }
  });
}, { atOnce: 4 });
