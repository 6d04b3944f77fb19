// What conf/prometheus/ has for operators fits the module, docs/operations.md and the status page; Debian's Prometheus
// reads the metrics of a running nginx with it, and alerts fire when something is really wrong.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';

import { startCluster } from '../lib/cluster.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { request } from '../lib/http.mjs';
import { startModuleServer } from '../lib/module_server.mjs';
import { run } from '../lib/processes.mjs';
import { startPrometheus } from '../lib/prometheus.mjs';
import { kRoot, tempDir } from '../lib/scratch.mjs';

const kFolder = path.join(kRoot, 'conf/prometheus');
const read = (name) => fs.readFileSync(path.join(kRoot, name), 'utf8');
const rules = read('conf/prometheus/pgevents.rules.yml');
const alertNames = [...rules.matchAll(/^ +- alert: (\w+)$/gm)].map((match) => match[1]);
const ruleExpressions = [...rules.matchAll(/^ +expr: ([^]*?)\n +(?:for|labels):/gm)].map((match) => match[1]);
const dashboard = JSON.parse(read('conf/prometheus/dashboard.json'));

const cluster = await startCluster();
const database = await cluster.createDatabase();
const server = await startModuleServer({
  database, parameters: 'sweep=200ms prune=200ms',
  server: 'location = /metrics { pgevents_status format=prometheus; }',
});
const scrape = async () => (await request({ port: server.port, path: '/metrics' })).body;

const promtool = (...args) => run('promtool', args, { cwd: kFolder });

// Each expression of the dashboard, as Grafana sends it with all instances and databases selected.
function dashboardExpressions() {
  const fill = (text) => text.replaceAll('$__rate_interval', '10s').replaceAll('"$instance"', '".*"').replaceAll('"$database"', '".*"');
  return dashboard.panels.flatMap((panel) => panel.targets.map(({ expr }) => ({ panel: panel.title, expression: fill(expr) })));
}

describe('conf/prometheus', () => {
  test('is valid, and each alert fires and does not fire when it should: promtool', async () => {
    await Promise.all([
      promtool('check', 'config', 'prometheus.yml'),
      promtool('check', 'rules', 'pgevents.rules.yml'),
      promtool('test', 'rules', 'pgevents.rules.test.yml'),
    ]);
  });

  test('tests each alert', () => {
    const tests = read('conf/prometheus/pgevents.rules.test.yml');
    const tested = [...tests.matchAll(/alertname="(\w+)"/g)].map((match) => match[1]);
    assert.ok(alertNames.length > 10);
    assert.deepEqual([...new Set(tested)].sort(), alertNames.toSorted());
  });

  test('names metrics and label values that the module has', async () => {
    const text = await scrape();
    const types = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map((match) => [match[1], match[2]]));
    const isMetric = (name) => types.has(name)
      || types.get(name.replace(/_(bucket|sum|count)$/, '')) === 'histogram';
    assert.equal(ruleExpressions.length, alertNames.length);
    const used = [...ruleExpressions, ...dashboardExpressions().map(({ expression }) => expression)].join('\n');
    const names = new Set(used.match(/\bpgevents_[a-z_]+(?=[{[ )]|$)/gm));
    assert.ok(names.size > 20, [...names].join());
    assert.deepEqual([...names].filter((name) => !isMetric(name)), []);
    const pairs = new Set(used.match(/(?<=[{ ])(state|to|reason|transport)="[^"]+"/g));
    assert.deepEqual([...pairs].filter((pair) => !text.includes(pair)), []);
    assert.ok(pairs.size > 2);
  });

  test('the manual explains each alert, and the alert leads there', () => {
    const headings = [...read('docs/operations.md').matchAll(/^### (Pgevents\w+)$/gm)].map((match) => match[1]);
    assert.deepEqual(headings, alertNames);
    const links = [...rules.matchAll(/runbook_url: docs\/operations\.md#(\w+)/g)].map((match) => match[1]);
    assert.deepEqual(links, alertNames.map((name) => name.toLowerCase()));
    for (const part of rules.split('- alert: ').slice(1)) {
      assert.match(part, /severity: (critical|warning)\n[^]* summary: [^]* description: /);
    }
  });

  test('the status page names alerts that exist', () => {
    const named = read('core/status/findings.cpp').match(/Pgevents\w+/g);
    assert.ok(named.length >= 5);
    assert.deepEqual(named.filter((name) => !alertNames.includes(name)), []);
  });
});

describe('the dashboard', () => {
  test('fits one screen: no panel lies over another, and none is without a description', () => {
    const taken = new Set();
    for (const { gridPos: { x, y, w, h }, title, description } of dashboard.panels) {
      assert.ok(x + w <= 24 && y + h <= 24, `${title} is outside of the screen`);
      assert.ok(description, `${title} has no description`);
      for (let cell = 0; cell < w * h; cell++) {
        const place = `${x + (cell % w)},${y + Math.floor(cell / w)}`;
        assert.ok(!taken.has(place), `${title} lies over another panel`);
        taken.add(place);
      }
    }
    const ids = dashboard.panels.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);
  });

  test('uses its variables everywhere', () => {
    assert.deepEqual(dashboard.templating.list.map(({ name }) => name), ['datasource', 'instance', 'database']);
    for (const { datasource, targets } of dashboard.panels) {
      for (const target of targets) {
        assert.deepEqual([datasource.uid, target.datasource.uid], ['${datasource}', '${datasource}']);
        const selectors = target.expr.match(/\{[^}]*\}/g);
        assert.ok(selectors.every((text) => /instance=~"\$instance", database=~"\$database"/.test(text)), target.expr);
      }
    }
  });
});

// The configuration and the rules of the folder, but quick: intervals of a fifth of a second, and alerts at once.
function quickConfiguration() {
  const dir = tempDir('prom');
  const replaced = (text, from, to) => {
    assert.match(text, from);
    return text.replaceAll(from, to);
  };
  let config = read('conf/prometheus/prometheus.yml');
  config = replaced(config, /(scrape|evaluation)_interval: 15s/g, '$1_interval: 200ms');
  config = replaced(config, /'127\.0\.0\.1:80'/g, `'127.0.0.1:${server.port}'`);
  fs.writeFileSync(path.join(dir, 'prometheus.yml'), config);
  fs.writeFileSync(path.join(dir, 'pgevents.rules.yml'), replaced(rules, /^( +for: )\d+m$/gm, '$10s'));
  return dir;
}

describe('Prometheus at a running nginx', async () => {
  let prometheus;
  const fires = (name) => waitFor(async () => (await prometheus.alerts()).find(({ labels, state }) =>
    labels.alertname === name && state === 'firing'), { what: `the alert ${name}` });

  test('gets values for each panel of the dashboard, and no alert fires', async () => {
    prometheus = await startPrometheus(quickConfiguration());
    const stream = server.stream('cheese');
    await stream.opened();
    const without = new Set(dashboard.panels.map(({ title }) => title));
    await waitFor(async () => {
      await database.publish('cheese', 'made', {});
      await Promise.all(dashboardExpressions().map(async ({ panel, expression }) => {
        if ((await prometheus.query(expression)).length > 0) without.delete(panel);
      }));
      return without.size === 0;
    }, { what: () => `values for ${[...without]}`, interval: 100 });
    assert.deepEqual(await prometheus.firing(), []);
    await stream.close();
  });

  test('fires when notifications do not arrive', async () => {
    await database.appendSilently('cheese', 'made', {});
    const { labels, annotations } = await fires('PgeventsNotificationsLost');
    assert.deepEqual([labels.database, labels.severity], ['main', 'warning']);
    assert.match(annotations.summary, /^Notifications from main do not reach 127\.0\.0\.1:[0-9]+$/);
  });

  test('fires while the database is away, and stops when it is back', async () => {
    await cluster.stop('fast');
    const { labels, annotations } = await fires('PgeventsListenerNotConnected');
    assert.deepEqual([labels.database, labels.severity], ['main', 'critical']);
    assert.match(annotations.description, /^No worker of 127\.0\.0\.1:[0-9]+ listens to database main: /);
    assert.ok(!(await prometheus.firing()).includes('PgeventsListenerStalled'));
    await cluster.start();
    await waitFor(async () => !(await prometheus.firing()).includes('PgeventsListenerNotConnected'),
      { what: 'the end of the alert' });
  });

  test('fires when nginx is stopped', async () => {
    await server.nginx.stop();
    await fires('PgeventsDown');
  });
});
