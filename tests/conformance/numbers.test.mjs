// Boundary values of numbers in every parameter of every request: the answer is success or 4xx, the same from all
// back-ends; numbers in event data are stored unchanged.
import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';

import { newChannel, startBackends } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';

const database = await (await sharedCluster()).createDatabase();
await database.query(`
  INSERT INTO pgevents.users (realm, user_id) VALUES ('main', '10'), ('main', '11');
  INSERT INTO pgevents.streams (realm, stream_id, name) VALUES ('main', '7', 'lunch');
  INSERT INTO pgevents.stream_members (stream_id, user_id) VALUES ('7', '10');
  INSERT INTO pgevents.presence (realm, user_id, idle_at, update_id) VALUES ('main', '11', now(), 1)`);
const backends = await startBackends({ database, access: { user: '10' } });

const many = (digit, count) => String(digit).repeat(count);
// All of them are well-formed JSON.
const kNumbers = [
  '0', '-0', '-0.0', '0.0', '1', '-1', '1.0', '1e0', '1E+2', '0.001', '0.0009', '1.5',
  '2147483647', '2147483648', '-2147483649', '9007199254740991', '9007199254740993', '999999999999999999',
  '1000000000000000000', '9223372036854775807', '9223372036854775808', '-9223372036854775808', '-9223372036854775809',
  '18446744073709551616', '253402300799', '253402300800', '3153600000', '3153600001', '3.1536e9', '0.1e-1',
  '1e17', '1e18', '1e19', '1e22', '1e38', '1e131', '1e308', '1.7976931348623157e308', '1.8e308', '1e309', '-1e309',
  '1e400', '1e-400',
  '-1e-400', '5e-324', '1e-323', '2e-324', '0e999999999', '0e-999999999', '1e999999999', '1e-999999999', '1e2147483648',
  '1e-2147483649', '1e99999999999999999999', '0.0e99999', '1e131071', '1e131072', '1e-16383', '1e-16384',
  '1e1000000',
  many(9, 39), many(9, 41), many(9, 309), many(9, 1000), many(9, 4000), `0.${many(0, 1000)}1`, `1.${many(9, 3000)}`,
  `1e${many(0, 500)}1`, `-${many(1, 2000)}`, `0.${many(3, 37)}`, `0.${many(3, 39)}`,
];

const kJson = { 'Content-Type': 'application/json' };
const kForm = { 'Content-Type': 'application/x-www-form-urlencoded' };
const form = (fields) => new URLSearchParams(fields).toString();

// Bodies, with `$` in place of the number: [method, path, JSON].
const kBodies = [
  ['POST', '/events/n', '{"type":"t","ttl":$}'],
  ['POST', '/events/n', '{"type":$}'],
  ['POST', '/register', '{"fetch_event_types":$}'],
  ['POST', '/register', '{"fetch_event_types":[$]}'],
  ['POST', '/register', '{"unknown":$}'],
  ['POST', '/users/me/presence', '{"status":$}'],
  ['POST', '/users/me/presence', '{"status":"idle","ping_only":$}'],
  ['POST', '/users/me/presence', '{"status":"idle","last_update_id":$}'],
  ['POST', '/users/me/presence', '{"status":"idle","history_limit_days":$}'],
  ['POST', '/users/me/presence', '{"status":"idle","history_limit_days":$,"last_update_id":-1}'],
  ['POST', '/users/me/presence', '{"status":"idle","slim_presence":$}'],
  ['POST', '/typing', '{"op":$,"to":["11"]}'],
  ['POST', '/typing', '{"op":"start","to":$}'],
  ['POST', '/typing', '{"op":"start","to":[$]}'],
  ['POST', '/typing', '{"op":"start","to":[[$]]}'],
  ['POST', '/typing', '{"op":"start","type":$,"to":["11"]}'],
  ['POST', '/typing', '{"op":"start","type":"stream","stream_id":$,"topic":"x"}'],
  ['POST', '/typing', '{"op":"start","type":"stream","stream_id":"7","topic":$}'],
  ['PATCH', '/settings', '{"presence_enabled":$}'],
  ['PATCH', '/settings', '{"unknown":{"a":[$]}}'],
];
const kQueries = ['timeout', 'last_event_id', 'lastEventId', 'types', 'not_types', 'envelope', 'flavor', '_'];

// In a form each field contains the text of its JSON value.
function asForm(json) {
  const mark = '"$"';
  const fields = JSON.parse(json.replace('$', mark));
  return (number) => form(Object.fromEntries(Object.entries(fields).map(([name, value]) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    return [name, text.replaceAll(mark, number).replaceAll('$', number)];
  })));
}

// [title, a function of the number that gives the request]
const kRequests = [
  ...kBodies.flatMap(([method, path, json]) => [
    [`${method} ${path} ${json}`, (n) => [path, { method, headers: kJson, body: json.replace('$', n) }]],
    [`${method} ${path} ${json} as a form`, (n) => [path, { method, headers: kForm, body: asForm(json)(n) }]],
  ]),
  ...kQueries.map((name) => [`GET ?${name}=`,
    (n) => ['/events/n', { query: form(name === 'flavor' ? { flavor: n } : { flavor: 'poll', [name]: n }) }]]),
  ['GET ?last_event_id=rt-', (n) => ['/events/n', { query: form({ flavor: 'poll', last_event_id: `rt-${n}` }) }]],
  ['GET Last-Event-ID', (n) => ['/events/n', { query: 'flavor=poll', headers: { 'Last-Event-ID': n } }]],
  ['GET Last-Event-ID rt-', (n) => ['/events/n', { query: 'flavor=poll', headers: { 'Last-Event-ID': `rt-${n}` } }]],
  ['GET wait id', (n) => [`/events/n/${encodeURIComponent(n)}`, { query: 'flavor=poll' }]],
  ['GET channel', (n) => [`/events/${encodeURIComponent(n)}`, { query: 'flavor=poll' }]],
  ['GET slim_presence', (n) => ['/users/11/presence', { query: form({ slim_presence: n }) }]],
  ['GET user', (n) => [`/users/${encodeURIComponent(n)}/presence`, {}]],
  ['GET realm presence', (n) => ['/realm/presence', { query: form({ last_update_id: n }) }]],
];

const [module, ...others] = backends;
const agents = new Map(backends.map((backend) => [backend, new http.Agent({ keepAlive: true })]));
const ask = (backend, [path, options]) => backend.send(path, { ...options, agent: agents.get(backend) });

// Sends one request to the back-ends and compares the answers. CGI starts a process per request and is the same program
// as the FastCGI server, so it gets only a few of them.
async function check(number, index, make) {
  const asked = [module, ...others.filter(({ name }) => name === 'fcgi' || index % 37 === 7)];
  const answers = await Promise.all(asked.map((backend) => ask(backend, make(number))));
  const shown = `${number.slice(0, 60)} (${number.length} characters)`;
  for (const [i, answer] of answers.entries()) {
    assert.ok(answer.status < 500, `${asked[i].name}: ${shown}: ${answer.status} ${answer.body}`);
    assert.equal(answer.status, answers[0].status,
      `${asked[i].name}: ${shown}: ${answer.body}, not ${answers[0].body}`);
    if (answer.status >= 400) assert.equal(answer.body, answers[0].body, `${asked[i].name}: ${shown}`);
  }
}

for (const [what, make] of kRequests) {
  test(`${what}: no number causes a server error`, async () => {
    const rest = [...kNumbers.entries()];
    const work = async () => {
      for (let next = rest.pop(); next; next = rest.pop()) await check(next[1], next[0], make);
    };
    await Promise.all([work(), work(), work(), work()]);
  });
}

test('stores every number in event data unchanged', async () => {
  for (const backend of [module, ...others.filter(({ name }) => name === 'fcgi')]) {
    const channel = newChannel();
    const after = await database.head();
    const list = `[${kNumbers.join(',')}]`;
    const data = `{"n":${list},"deep":{"n":[${kNumbers.at(-1)}]}}`;
    for (const [headers, body] of [[kJson, `{"type":"t","data":${data}}`], [kForm, form({ type: 't', data })]]) {
      const answer = await backend.send(`/events/${channel}`, { method: 'POST', headers, body });
      assert.equal(answer.status, 201, answer.body);
    }
    const rows = await database.log({ after, channels: [channel] });
    assert.deepEqual(rows.map((row) => row.data), [data, data]);
    const answer = await backend.poll(channel, { cursor: 0 });
    assert.ok(answer.body.includes(data));
  }
});

test('the connections close', () => agents.forEach((agent) => agent.destroy()));
