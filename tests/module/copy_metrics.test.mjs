// What the status of an nginx shows of the copy that it reads: its role, whether its subscription runs, and how far it
// is behind its primary.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { startCopy, startFrontEnds } from '../lib/copy.mjs';
import { waitForMetrics } from '../lib/metrics.mjs';
import { startModuleServer } from '../lib/module_server.mjs';

const kStatus = `location = /metrics { pgevents_status main format=prometheus; }
  location = /status { pgevents_status main; }`;
const kQuick = 'sweep=200ms';

const { primary, copy } = await startCopy();
const { server } = await startFrontEnds({ primary, copy, parameters: kQuick, cgi: false });
const [alone, other] = await Promise.all([
  startModuleServer({ database: copy, parameters: kQuick, server: kStatus }),
  startModuleServer({ database: primary, parameters: kQuick, server: kStatus }),
]);
after(() => Promise.all([server, alone, other].map(({ nginx }) => nginx.stop())));

const shows = (one, what, expected) => waitForMetrics({ port: one.port, path: '/metrics' }, (metrics) => {
  const names = Object.keys(expected);
  const value = (name) => metrics.series.find((series) => series.name === `pgevents_copy${name}`)?.value;
  return names.every((name) => typeof expected[name] === 'function' ? expected[name](value(name)) : value(name) === expected[name]);
}, what);

const hasErrors = Number(await copy.value('SHOW server_version_num')) >= 150000 ? 0 : undefined;
const kWell = { '': 1, _subscription_running: 1, _errors_total: hasErrors, _lag_ids: 0, _lag_seconds: 0 };
const kUnknown = { _subscription_running: undefined, _lag_ids: undefined, _lag_seconds: undefined };

test('a copy that has every event runs and has no lag, however old the newest event is', async () => {
  await primary.publish('c', 'made', 1);
  await shows(server, 'a copy that is well', kWell);
});

test('without the parameter primary the lag is not known', () =>
  shows(alone, 'the copy alone', { ...kWell, _lag_ids: undefined, _lag_seconds: undefined }));

test('a primary shows that it is one', () => shows(other, 'the primary', { '': 0, _errors_total: undefined, ...kUnknown }));

test('a subscription that stands still is shown, and the lag grows while something is missing', async () => {
  await copy.query('ALTER SUBSCRIPTION pgevents DISABLE');
  await shows(server, 'a subscription that stands still', { ...kWell, _subscription_running: 0 });
  for (const n of [1, 2, 3]) await primary.publish('c', 'made', n);
  await shows(server, 'three events', { _lag_ids: 3, _lag_seconds: (value) => value > 0.3 });
  const page = await alone.get('', { path: '/status', headers: { Accept: 'text/html' } });
  assert.match(page.body, /PgeventsCopyStopped/);
  const { databases: [{ findings, metrics }] } = (await alone.get('', { path: '/status', headers: { Accept: 'application/json' } })).json();
  assert.deepEqual(findings.map(({ alert }) => alert), ['PgeventsCopyStopped']);
  assert.deepEqual([metrics.copy, metrics.copy_subscription_running, metrics.copy_lag_seconds], [1, 0, null]);
  await copy.query('ALTER SUBSCRIPTION pgevents ENABLE');
  await shows(server, 'a copy that is well again', kWell);
});

test('a conflict is counted', { skip: hasErrors === undefined }, async () => {
  const id = (await primary.head()) + 1;
  const insert = `INSERT INTO pgevents.log VALUES (${id}, 'c', now(), 't', '9')`;
  await copy.psql([], `SET session_replication_role = replica; ${insert};`);
  await primary.publish('c', 'made', 4); // the row there has its id
  await primary.publish('c', 'made', 5);
  await shows(server, 'an error', { _errors_total: (value) => value > 0, _subscription_running: 0, _lag_ids: 1 });
  await copy.psql([], `SET session_replication_role = replica; DELETE FROM pgevents.log WHERE id = ${id};`);
  await shows(server, 'a copy without the conflict', { _subscription_running: 1, _lag_ids: 0 });
});

test('the lag is not known while the primary is away, and the state while the copy is', async () => {
  await primary.cluster.stop();
  await shows(server, 'no primary', { '': 1, _lag_ids: undefined, _lag_seconds: undefined });
  await primary.cluster.start();
  await shows(server, 'the lag again', { _lag_ids: 0, _lag_seconds: 0 });
  await copy.cluster.stop();
  await shows(server, 'no copy', { '': 1, ...kUnknown });
  await copy.cluster.start();
  await shows(server, 'the copy again', { _subscription_running: 1, _lag_ids: 0, _lag_seconds: 0 });
});

test('a promoted copy is a primary', async () => {
  await copy.query('SELECT pgevents.promote_copy()');
  await shows(alone, 'a primary', { '': 0, _errors_total: undefined, ...kUnknown });
});
