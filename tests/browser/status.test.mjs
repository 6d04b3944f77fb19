// The status page in a real browser, with real nginx, module and PostgreSQL: in peace, in an incident, and without
// JavaScript. With PGEVENTS_UPDATE_SCREENSHOTS=1 it makes the picture of the manual, docs/images/status.png.
/* global window, document, getComputedStyle, getSelection */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, test } from 'node:test';

import { pictureFile, startBrowser } from '../lib/browser.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { range, sleep, waitFor } from '../lib/conditions.mjs';
import { startModuleServer } from '../lib/module_server.mjs';

const cluster = await startCluster();
const database = await cluster.createDatabase();
const kOddName = `</main><script>foreign = true</script><img src=x onerror="foreign = true">'`;
const server = await startModuleServer({
  database,
  http: `pgevents_database ${JSON.stringify(kOddName)} "${database.conninfo()}" ring=64k;`,
  server: 'location = /status { pgevents_status main; } location = /all { pgevents_status; }',
  location: 'pgevents_release_request on;',
});
const url = `http://127.0.0.1:${server.port}/status`;
const browser = await startBrowser();

// Opens the page; records errors and violations of its Content-Security-Policy.
async function openPage({ target = url, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, ...options });
  const page = await context.newPage();
  page.problems = [];
  page.on('pageerror', (error) => page.problems.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && page.problems.push(message.text()));
  await page.goto(target);
  return page;
}

const verdict = (page) => page.locator('.verdict').innerText();
const hasVerdict = (page, text) =>
  waitFor(async () => (await verdict(page)).includes(text), { what: `the verdict ${text}`, interval: 100 });
const shownAt = (page) => page.locator('main').getAttribute('data-time');
const updated = async (page) => {
  const before = await shownAt(page);
  await waitFor(async () => (await shownAt(page)) !== before, { what: 'an update', interval: 100 });
};
const cell = (page, row, n) => page.locator('tr', { has: page.locator('th', { hasText: row }) }).locator('td').nth(n).innerText();

// Streams of some channels, and events for them until `stop()`.
async function startTraffic() {
  const streams = range(1, 24).map((n) => server.stream(`room${n % 4}`));
  await Promise.all(streams.map((stream) => stream.opened()));
  let flowing = true;
  const flow = (async () => {
    for (let n = 0; flowing; n++) {
      await database.publish(`room${n % 4}`, 'made', { n });
      await sleep(30);
    }
  })();
  return async () => {
    flowing = false;
    await flow;
    await Promise.all(streams.map((stream) => stream.close()));
  };
}

// Runs in the page: the texts whose contrast with their background is below that of WCAG 2, level AA.
function faintTexts() {
  const rgb = (color) => color.match(/[0-9.]+/g).map(Number);
  const backgroundOf = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const color = rgb(getComputedStyle(at).backgroundColor);
      if (color[3] !== 0) return color;
    }
    return [255, 255, 255];
  };
  const luminance = (color) => {
    const [r, g, b] = color.slice(0, 3).map((c) => (c <= 10 ? c / 3294.6 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const hasText = (node) => [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
  return [...document.querySelectorAll('body *')].filter(hasText).filter((node) => node.localName !== 'script').flatMap((node) => {
    const [a, b] = [luminance(rgb(getComputedStyle(node).color)), luminance(backgroundOf(node))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    return contrast < 4.5 ? [`${node.textContent.trim().slice(0, 40)}: ${contrast.toFixed(1)}`] : [];
  });
}

describe('the status page', () => {
  test('shows that all is well, and rates, on one screen (and makes the manual\'s picture)', async () => {
    const stop = await startTraffic();
    const page = await openPage();
    assert.match(await verdict(page), /well: events are delivered/);
    assert.equal(await page.title(), '✔ well · pgevents');
    await waitFor(async () => /^[1-9][0-9.,]*\/s$/.test(await cell(page, 'Deliveries', 1)), { what: 'a rate', interval: 100 });
    await waitFor(async () => (await page.locator('[data-as=lag] + div').innerText()).endsWith(' now'), { what: 'the lag now' });
    await waitFor(async () => /^[▁▂▃▄▅▆▇█]+$/.test(await page.locator('[data-chart]').innerText()), { what: 'the chart' });
    assert.equal(await page.locator('#state').innerText(), 'Updates every 2 s');
    assert.equal(await cell(page, 'Event streams, released', 0), '24');
    await updated(page);
    const [width, height] = await page.evaluate(() => {
      const { scrollWidth, scrollHeight } = document.documentElement;
      return [scrollWidth, scrollHeight];
    });
    assert.ok(width <= 1280 && height <= 860, `${width} × ${height}`);
    const file = pictureFile('status.png');
    const bottom = await page.evaluate(() => document.querySelector('main').getBoundingClientRect().bottom);
    await page.screenshot({ path: file, clip: { x: 0, y: 0, width: 1280, height: bottom + 10 } });
    assert.ok(fs.statSync(file).size > 20_000);
    assert.deepEqual(page.problems, []);
    await page.context().close();
    await stop();
  });

  test('shows an incident and its end by itself', async () => {
    const page = await openPage();
    await cluster.stop('fast');
    await hasVerdict(page, '✖ events are not delivered');
    assert.equal(await page.title(), '✖ not delivering · pgevents');
    const finding = await page.locator('.finding').first().innerText();
    assert.match(finding, /^✖ No worker follows the log: .*\n.*Check that PostgreSQL runs.*PgeventsListenerNotConnected$/s);
    assert.deepEqual(await page.evaluate(faintTexts), []);
    await cluster.start();
    await hasVerdict(page, '✔ well');
    assert.equal(await page.locator('.finding').count(), 0);
    await waitFor(async () => (await cell(page, 'Listener connected', 1)) === '▲ +1', { what: 'the new connection', interval: 100 });
    assert.deepEqual(page.problems, []);
    await page.context().close();
  });

  test('reports that the server does not answer, and goes on when it does', async () => {
    const page = await openPage();
    await server.nginx.terminate();
    const state = page.locator('#state');
    await waitFor(async () => /^✖ Last answer [0-9]+ s ago: the server cannot be reached\. Trying again\.$/.test(
      await state.innerText()), { what: 'the trouble', interval: 100 });
    assert.equal(await page.title(), '✖ no answer · pgevents');
    await server.nginx.start();
    await waitFor(async () => (await state.innerText()) === 'Updates every 2 s', { what: 'the end of the trouble', interval: 100 });
    assert.match(await page.title(), /^. (well|not delivering) · pgevents$/);
    await server.nginx.waitListening();
    await hasVerdict(page, '✔ well');
    await page.context().close();
  });
});

// These wait for updates of the page and change nothing.
describe('the status page in peace', { concurrency: true }, () => {
  test('stays as it is while text is selected', async () => {
    const page = await openPage();
    await page.evaluate(() => {
      getSelection().selectAllChildren(document.querySelector('h2'));
      window.kept = document.querySelector('main');
    });
    await page.waitForResponse(url);
    await page.waitForResponse(url);
    assert.ok(await page.evaluate(() => window.kept.isConnected));
    await page.evaluate(() => getSelection().removeAllRanges());
    await waitFor(() => page.evaluate(() => !window.kept.isConnected), { what: 'the next update', interval: 100 });
    await page.context().close();
  });

  test('runs no script and takes no style but its own', async () => {
    const page = await openPage();
    const violations = await page.evaluate(() => {
      const seen = [];
      document.addEventListener('securitypolicyviolation', (event) => seen.push(event.effectiveDirective));
      for (const name of ['script', 'style']) {
        const node = document.createElement(name);
        node.textContent = name === 'script' ? 'window.foreign = true' : 'body { display: none }';
        document.body.append(node);
      }
      return new Promise((resolve) => setTimeout(() => resolve(seen), 100));
    });
    assert.deepEqual(violations, ['script-src-elem', 'style-src-elem']);
    assert.equal(await page.evaluate(() => window.foreign), undefined);
    await page.context().close();
  });

  test('shows any name of a database as text', async () => {
    const page = await openPage({ target: url.replace('/status', '/all') });
    assert.deepEqual(await page.locator('h2 bdi').allInnerTexts(), ['main', kOddName]);
    await updated(page);
    assert.equal(await page.locator('h2 bdi').nth(1).innerText(), kOddName);
    assert.equal(await page.evaluate(() => window.foreign), undefined);
    assert.deepEqual(page.problems, []);
    await page.context().close();
  });

  test('is complete without JavaScript, and reloads itself', async () => {
    const page = await openPage({ javaScriptEnabled: false });
    assert.match(await verdict(page), /✔ well/);
    assert.equal(await page.locator('#state').innerText(), 'Reloads every 2 s');
    assert.match(await page.locator('dl').innerText(), /Listener\s+✔ connected/);
    await updated(page);
    await page.context().close();
  });

  for (const [name, options] of Object.entries({
    'light screen': {},
    'dark screen': { colorScheme: 'dark' },
    phone: { viewport: { width: 360, height: 740 }, isMobile: true },
    'dark phone': { viewport: { width: 360, height: 740 }, isMobile: true, colorScheme: 'dark' },
  })) {
    test(`is legible on a ${name}, without scrolling sideways`, async () => {
      const page = await openPage(options);
      const [needed, available] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
      assert.ok(needed <= available, `${needed} px wide on ${available}`);
      assert.deepEqual(await page.evaluate(faintTexts), []);
      await page.context().close();
    });
  }
});
