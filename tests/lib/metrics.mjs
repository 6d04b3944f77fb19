// Reads the status in Prometheus' text format, strictly enough for what pgevents writes.
//
//   const metrics = await readMetrics({ port, path: '/status' });
//   metrics.value('deliveries_total');                                  // the only series, or the sum of all
//   metrics.value('requests_total', { endpoint: 'stream', status: '200' });
import assert from 'node:assert/strict';

import { waitFor } from './conditions.mjs';
import { request } from './http.mjs';

const kLine = /^(?<name>[a-z_]+)\{(?<labels>[^}]*)\} (?<value>[0-9.]+)$/;
const kLabel = /(?<name>[a-z_]+)="(?<value>(?:[^"\\]|\\.)*)"/g;

export class Metrics {
  constructor(text) {
    this.text = text;
    this.series = text.split('\n').filter((line) => line && !line.startsWith('#')).map((line) => {
      const match = kLine.exec(line);
      assert.ok(match, `not a line of Prometheus' text format: ${line}`);
      const labels = [...match.groups.labels.matchAll(kLabel)].map(({ groups }) => [groups.name, groups.value]);
      return { name: match.groups.name, labels: Object.fromEntries(labels), value: Number(match.groups.value) };
    });
    // Of counters, the parts of histograms included.
    this.types = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]));
  }

  // The sum of the series `pgevents_NAME` that have these labels.
  value(name, labels = {}) {
    const fits = (series) => Object.entries(labels).every(([label, value]) => series.labels[label] === value);
    return this.series.filter((series) => series.name === `pgevents_${name}` && fits(series))
      .reduce((sum, series) => sum + series.value, 0);
  }

  isCounter(name) {
    return this.types.get(name) === 'counter' || /_(bucket|sum|count)$/.test(name);
  }

  // Asserts that no counter is smaller than in an earlier reading.
  assertNotBefore(earlier) {
    const key = ({ name, labels }) => `${name} ${JSON.stringify(labels)}`;
    const now = new Map(this.series.map((series) => [key(series), series.value]));
    for (const series of earlier.series) {
      if (!this.isCounter(series.name)) continue;
      assert.ok((now.get(key(series)) ?? 0) >= series.value, `${key(series)} was ${series.value}: ${now.get(key(series))}`);
    }
  }
}

export async function readMetrics({ host, port, path }) {
  const answer = await request({ host, port, path });
  assert.equal(answer.status, 200, answer.body);
  return new Metrics(answer.body);
}

// Reads the metrics until `predicate` is true of them, and gives them.
export async function waitForMetrics(where, predicate, what) {
  let metrics;
  return waitFor(async () => {
    metrics = await readMetrics(where);
    return predicate(metrics) && metrics;
  }, { what: () => `${what}; ${metrics?.text.replace(/^(#.*|.*(_bucket|_duration).*)\n/gm, '')}` });
}
