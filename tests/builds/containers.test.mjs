// The files of containers/ fit together, and the Kubernetes example has the form of Kubernetes' API. `./run containers`
// builds the images and runs them.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';

import { run } from '../lib/processes.mjs';
import { kRoot, tempDir } from '../lib/scratch.mjs';

const kFolder = path.join(kRoot, 'containers');
const read = (name) => fs.readFileSync(path.join(kFolder, name), 'utf8');
const seconds = (text) => Number(/^(\d+)s?$/.exec(text)[1]);

const entry = read('entry.sh');
const template = read('nginx.conf.template');
const settings = new Set(entry.match(/PGEVENTS_[A-Z_]+/g));
const defaultOf = (name) => new RegExp(`\\$\\{${name}:=([^}]*)\\}`).exec(entry)[1];

function assertKnown(environment) {
  assert.deepEqual(Object.keys(environment).filter((name) => !settings.has(name)), []);
}

describe('containers/nginx.conf.template', () => {
  test('uses only settings that the entry point has', () => {
    const used = Array.from(template.matchAll(/\$\{([A-Z_]+)\}/g), ([, name]) => name);
    assert.ok(used.length > 10);
    assertKnown(Object.fromEntries(used.map((name) => [name, ''])));
  });
});

describe('containers/Containerfile', () => {
  const stages = read('Containerfile').split(/^FROM /m).slice(1)
    .map((text) => ({ name: / AS (\S+)/.exec(text)[1], text }));
  const copied = (stage) => Array.from(stage.text.matchAll(/^COPY (?!--from)(.*) \S+$/gm), ([, names]) => names.split(' ')).flat();

  test('has certificates of public authorities wherever something connects', () => {
    const connecting = stages.filter(({ text }) => text.includes('ENTRYPOINT'));
    assert.deepEqual(connecting.map(({ name }) => name), ['schema', 'nginx']);
    for (const { name, text } of connecting) assert.match(text, /apt-get install .*\bca-certificates\b/, name);
  });

  test('copies all that configuring the fallback reads', async () => {
    const dir = tempDir('context');
    const names = copied(stages.find(({ name }) => name === 'build'));
    assert.ok(names.includes('CMakeLists.txt'), `${names}`);
    for (const name of names) fs.cpSync(path.join(kRoot, name), path.join(dir, name), { recursive: true });
    await run('cmake', ['-S', dir, '-B', `${dir}/out`, '-DPGEVENTS_TESTS=OFF']);
  });

  // Of the files that git ignores, some are large; of the others, none may be missing.
  test('gets no more context than it needs', () => {
    const lines = (name) => fs.readFileSync(path.join(kRoot, name), 'utf8').split('\n').filter((line) => /^[^#]/.test(line));
    const omitted = lines('.containerignore');
    const isOmitted = (name) => omitted.some((each) => name === each || name.startsWith(`${each}/`));
    for (const name of ['.git', ...lines('.gitignore').map((line) => line.replaceAll(/^\/|\/$/g, ''))]) {
      assert.ok(isOmitted(name), name);
    }
    for (const name of stages.flatMap(copied)) assert.ok(!isOmitted(name), name);
    assert.equal(fs.readFileSync(path.join(kRoot, '.dockerignore'), 'utf8'),
      fs.readFileSync(path.join(kRoot, '.containerignore'), 'utf8'));
  });
});

describe('containers/compose.yaml', () => {
  const compose = parse(read('compose.yaml'), { merge: true });
  const services = Object.values(compose.services);

  test('builds stages that exist, and mounts files that exist', () => {
    const stages = Array.from(read('Containerfile').matchAll(/^FROM \S+ AS (\S+)$/gm), ([, name]) => name);
    for (const { build } of services.filter((service) => service.build)) {
      assert.equal(path.join(kFolder, build.context, build.dockerfile), path.join(kFolder, 'Containerfile'));
      assert.ok(stages.includes(build.target ?? stages.at(-1)));
    }
    const mounts = services.flatMap(({ volumes = [] }) => volumes.map((text) => text.split(':')[0]));
    assert.ok(mounts.length > 5);
    for (const mount of mounts) {
      assert.ok(mount in compose.volumes || fs.existsSync(path.join(kFolder, mount)), mount);
    }
  });

  test('sets what the entry point knows, and leaves time to drain', () => {
    for (const name of ['nginx', 'fallback', 'schema', 'application']) assertKnown(compose.services[name].environment);
    assert.ok(seconds(compose.services.nginx.stop_grace_period) > seconds(defaultOf('PGEVENTS_DRAIN')));
    const [published] = compose.services.nginx.ports;
    assert.equal(published, `127.0.0.1:8080:${defaultOf('PGEVENTS_PORT')}`);
  });

  // While the image of PostgreSQL makes its cluster, a temporary server answers at the Unix socket only.
  test('waits for the server that listens for the others', () => {
    const { test: command } = compose.services.database.healthcheck;
    assert.match(command.join(' '), /\bpg_isready -h 127\.0\.0\.1 /);
  });
});

describe('containers/kubernetes.yaml', () => {
  const documents = parseAllDocuments(read('kubernetes.yaml')).map((document) => document.toJS());
  const of = (kind) => documents.find((document) => document.kind === kind);
  const pod = of('Deployment').spec.template.spec;
  const { data } = of('ConfigMap');
  const [nginx] = pod.containers;

  // An object literal with a property that the type does not have is an error in TypeScript.
  test('has the form of Kubernetes\' API', async () => {
    const dir = fs.mkdtempSync(path.join(kRoot, 'node_modules', '.kubernetes-'));
    try {
      const places = { v1: 'core/v1', 'apps/v1': 'apps/v1', 'policy/v1': 'policy/v1',
        'networking.k8s.io/v1': 'networking/v1' };
      const text = documents.map((document, n) =>
        `import type { ${document.kind} as T${n} } from 'kubernetes-types/${places[document.apiVersion]}';
         export const d${n}: T${n} = ${JSON.stringify(document)};`);
      const file = path.join(dir, 'kubernetes.ts');
      fs.writeFileSync(file, text.join('\n'));
      const compiler = path.join(kRoot, 'node_modules/typescript/bin/tsc');
      const args = [compiler, '--noEmit', '--strict', '--skipLibCheck', file];
      const { status, stdout } = await run(process.execPath, args, { expect: null });
      assert.equal(status, 0, stdout);
    } finally {
      fs.rmSync(dir, { recursive: true });
    }
  });

  test('selects the pods of its deployment', () => {
    const { labels } = of('Deployment').spec.template.metadata;
    for (const selector of [of('Deployment').spec.selector.matchLabels, of('Service').spec.selector,
      of('PodDisruptionBudget').spec.selector.matchLabels, pod.topologySpreadConstraints[0].labelSelector.matchLabels]) {
      assert.deepEqual(selector, labels);
    }
  });

  test('asks for readiness and life where the template has them', () => {
    const ports = Object.fromEntries(nginx.ports.map(({ name, containerPort }) => [name, String(containerPort)]));
    assert.deepEqual(ports, { http: defaultOf('PGEVENTS_PORT'), admin: defaultOf('PGEVENTS_ADMIN_PORT') });
    assert.equal(of('Service').spec.ports[0].targetPort, 'http');
    const admin = template.slice(template.indexOf('${PGEVENTS_ADMIN_LISTEN}'));
    for (const probe of [nginx.readinessProbe, nginx.livenessProbe]) {
      assert.ok(admin.includes(`location = ${probe.httpGet.path} {`));
      assert.equal(probe.httpGet.port, 'admin');
    }
  });

  // Kubelet's probes need no rule. Everything that the pod itself connects to must have one.
  test('lets anyone reach the port of the clients, the monitoring alone that of the metrics, and the pod its database', () => {
    const { podSelector, policyTypes, ingress, egress } = of('NetworkPolicy').spec;
    assert.deepEqual(podSelector.matchLabels, of('Deployment').spec.template.metadata.labels);
    assert.deepEqual(policyTypes, ['Ingress', 'Egress']);
    const openTo = (port) => ingress.filter(({ ports }) => ports.some((each) => each.port === port)).map(({ from }) => from);
    assert.deepEqual(openTo('http'), [undefined]);
    assert.deepEqual(openTo('admin'), [[{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } }]]);
    const ports = egress.flatMap((rule) => rule.ports).map(({ protocol, port }) => `${protocol} ${port}`);
    const ofDatabase = / port=(\d+)/.exec(data.PGEVENTS_DATABASE)?.[1] ?? 5432;
    assert.deepEqual(ports, ['UDP 53', 'TCP 53', `TCP ${ofDatabase}`]);
  });

  test('leaves time to drain, and keeps pods that serve', () => {
    const pause = Number(nginx.lifecycle.preStop.exec.command[1]);
    assert.ok(pod.terminationGracePeriodSeconds > pause + seconds(data.PGEVENTS_DRAIN));
    const { replicas, strategy } = of('Deployment').spec;
    assert.ok(of('PodDisruptionBudget').spec.minAvailable < replicas);
    assert.equal(strategy.rollingUpdate.maxUnavailable, 0);
  });

  test('keeps the password in memory', () => {
    const place = path.dirname(/^place=(.*)$/m.exec(entry)[1] + '/pgpass');
    for (const container of [nginx, ...pod.initContainers]) {
      const { name } = container.volumeMounts.find(({ mountPath }) => mountPath === place);
      assert.equal(pod.volumes.find((volume) => volume.name === name).emptyDir.medium, 'Memory', container.name);
    }
  });

  // Debian's ca-certificates makes this file. `sslrootcert=system` needs libpq 16, which Debian 12 does not have.
  test('verifies PostgreSQL with a file that the images have', () => {
    assert.match(data.PGEVENTS_DATABASE, / sslmode=verify-full sslrootcert=\/etc\/ssl\/certs\/ca-certificates\.crt$/);
  });

  test('counts the connections to PostgreSQL right', () => {
    assertKnown(data);
    const perPod = 1 + data.PGEVENTS_WORKERS * 2 + Number(data.PGEVENTS_FALLBACK_PROCESSES);
    const { replicas, strategy } = of('Deployment').spec;
    const pods = replicas + strategy.rollingUpdate.maxSurge;
    const comment = read('kubernetes.yaml').replace(/\n# /g, ' ');
    assert.match(comment, new RegExp(`: ${perPod} in all\\. .*: ${pods} × ${perPod} = ${pods * perPod}\\.`));
  });

  test('names the scrape job as the alerts and the dashboard do, and says so', () => {
    const prometheus = (name) => fs.readFileSync(path.join(kRoot, 'conf/prometheus', name), 'utf8');
    const alerts = parse(prometheus('pgevents.rules.yml')).groups.flatMap(({ rules }) => rules)
      .filter(({ expr }) => expr.includes('job="')).map(({ alert }) => alert);
    assert.deepEqual(alerts, ['PgeventsDown', 'PgeventsNoTarget']);
    assert.ok(prometheus('dashboard.json').includes('job=\\"pgevents\\"'));
    assert.equal(parse(prometheus('prometheus.yml')).scrape_configs[0].job_name, 'pgevents');
    for (const text of [prometheus('prometheus.yml'), read('kubernetes.yaml')]) {
      for (const alert of alerts) assert.ok(text.includes(alert), alert);
    }
  });
});
