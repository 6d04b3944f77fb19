// The demo page in a real browser, with real nginx, module, fallback and PostgreSQL.
// With PGEVENTS_UPDATE_SCREENSHOTS=1 it makes the README's picture, docs/images/demo.png.
/* global window, document, innerWidth, addEventListener, MutationObserver */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { before, describe, test } from 'node:test';

import { pictureFile, startBrowser } from '../lib/browser.mjs';
import { sleep, waitFor } from '../lib/conditions.mjs';
import { startDemo } from '../lib/demo.mjs';

const kTransports = ['WebSocket', 'EventSource', 'Long poll', 'Short poll'];
const kModuleOn = ['live', 'live', 'live', 'polling'];
const kModuleOff = ['polling', 'polling', 'polling', 'polling'];
// What Chromium logs when the fallback answers a handshake.
const kNoWebSocket = /WebSocket connection to .* failed: .*Unexpected response code: 426/;

let demo, database, browser;

before(async () => {
  demo = await startDemo();
  database = await demo.connect();
  browser = await startBrowser();
});

// Opens the page; records its errors and its requests to other servers.
async function openPage(options = {}, { wrong_by = 0 } = {}) {
  const context = await browser.newContext({ viewport: { width: 1240, height: 860 }, ...options });
  const page = await context.newPage();
  page.problems = [];
  page.on('pageerror', (error) => page.problems.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && page.problems.push(message.text()));
  page.on('request', (request) => request.url().startsWith(demo.url) || page.problems.push(request.url()));
  await page.addInitScript(recordArrivals);
  await page.addInitScript(setClock, wrong_by);
  await page.goto(demo.url);
  await waitFor(() => allStates(page, kModuleOn), { what: 'all panels connected' });
  return page;
}

// Runs in the page: records the deliveries that each panel shows, in order of arrival.
function recordArrivals() {
  window.arrivals = {};
  addEventListener('DOMContentLoaded', () => {
    new MutationObserver((changes) => {
      for (const change of changes) {
        const name = change.target.closest('.panel')?.dataset.transport;
        for (const node of change.addedNodes) if (node.dataset?.id) (window.arrivals[name] ??= []).push(Number(node.dataset.id));
      }
    }).observe(document.body, { childList: true, subtree: true });
  });
}

// Runs in the page: makes its clock wrong by some milliseconds.
function setClock(wrong_by) {
  const now = Date.now;
  Date.now = () => now() + wrong_by;
}

const panel = (page, name) => page.locator(`.panel[data-transport="${name}"]`);
const arrivals = (page, name) => page.evaluate((key) => window.arrivals[key] ?? [], name);

async function allStates(page, wanted) {
  const states = await page.locator('.state').evaluateAll((nodes) => nodes.map((node) => node.dataset.state));
  return states.every((state, i) => state === wanted[i]);
}

// Inserts a delivery. Its id is given at commit.
async function insert(pieces, cheese_type = 'Gruyère') {
  const data = JSON.stringify({ type: 'cheese_created', data: { pieces, cheese_type } });
  await database.query("INSERT INTO pgevents.events (channel_id, data) VALUES ('cheese', $1)", [data]);
}

async function idsAfter(id) {
  const { rows } = await database.query(
    "SELECT id FROM pgevents.events WHERE channel_id = 'cheese' AND id > $1 ORDER BY id", [id]);
  return rows.map((row) => Number(row.id));
}

async function head() {
  const { rows } = await database.query('SELECT pgevents.head() AS id');
  return Number(rows[0].id);
}

async function assertEverywhereOnce(page, after_id) {
  const expected = await idsAfter(after_id);
  assert.ok(expected.length > 0, 'something was delivered');
  for (const name of kTransports) {
    await waitFor(async () => (await arrivals(page, name)).includes(expected.at(-1)), { what: `${name} has the last delivery` });
    assert.deepEqual((await arrivals(page, name)).filter((id) => id > after_id), expected, name);
  }
}

describe('the demo page', () => {
  test('shows deliveries in all panels (and makes the README\'s picture)', async () => {
    const page = await openPage();
    for (const [pieces, cheese] of [[12, 'Appenzeller'], [40, 'Vacherin'], [24, 'Sbrinz'], [8, 'Tête de Moine'], [61, 'Emmentaler'],
      [92, 'Gruyère']]) {
      await insert(pieces, cheese);
      await sleep(700);
    }
    await page.getByText('is on 4 of 4 panels').waitFor();
    await sleep(1500);
    const file = pictureFile('demo.png');
    const height = await page.evaluate(() => document.querySelector('details').offsetTop);
    await page.screenshot({ path: file, fullPage: true, clip: { x: 0, y: 0, width: 1240, height } });
    assert.ok(fs.statSync(file).size > 20_000);
    await page.context().close();
  });

  test('shows its own address in the commands', async () => {
    const page = await openPage();
    assert.ok((await page.locator('pre').textContent()).includes(`curl -N '${demo.url}/rt/events/cheese?`));
    await page.context().close();
  });

  test('shows a row inserted by psql in all panels, with its delay and cursor', async () => {
    const page = await openPage();
    const data = '{"type":"cheese_created","data":{"pieces":92,"cheese_type":"Tête de Moine"}}';
    await demo.run(['psql', '-qc', `INSERT INTO pgevents.events (channel_id, data) VALUES ('cheese', '${data}')`]);
    const id = await head();
    for (const name of kTransports) {
      const item = panel(page, name).locator(`li[data-id="${id}"]`);
      await item.waitFor();
      assert.match(await item.innerText(), /Tête de Moine\s+92 pieces · event\u00a0[0-9]+\s+[0-9.']+ m?s/);
      await waitFor(async () => (await panel(page, name).locator('.cursor').innerText()) === String(id), { what: 'cursor' });
    }
    assert.deepEqual(page.problems, []);
    await page.context().close();
  });

  test('delivers cheese by the button, and reports that all panels have it', async () => {
    const page = await openPage();
    const before_id = await head();
    await page.selectOption('#cheese-type', 'Sbrinz');
    await page.fill('#pieces', '33');
    await page.click('#deliver');
    await waitFor(async () => (await head()) > before_id, { what: 'a delivery' });
    await page.getByText(`Event ${await head()} is on 4 of 4 panels.`, { exact: true }).waitFor();
    await assertEverywhereOnce(page, before_id);
    for (const name of kTransports) {
      assert.match(await panel(page, name).locator('li').first().innerText(), /Sbrinz\s+33 pieces/);
    }
    assert.deepEqual(page.problems, []);
    await page.context().close();
  });

  test('delivers 5 to 119 pieces of any cheese', async () => {
    const page = await openPage();
    const before_id = await head();
    for (let n = 1; n <= 20; n++) await page.click('#deliver');
    await demo.run(['cheese']);
    await waitFor(async () => (await idsAfter(before_id)).length === 21, { what: 'the deliveries' });
    const { rows } = await database.query(
      "SELECT (data -> 'data' ->> 'pieces')::int AS pieces FROM pgevents.events WHERE channel_id = 'cheese' AND id > $1", [before_id]);
    const pieces = rows.map((row) => row.pieces);
    assert.ok(pieces.every((n) => n >= 5 && n <= 119), pieces);
    assert.ok(new Set(pieces).size > 5, pieces);
    await page.selectOption('#cheese-type', 'Sbrinz');
    assert.equal(await page.inputValue('#pieces'), '92');
    await page.context().close();
  });

  // A browser whose clock is a day wrong asks for the same ten minutes, and shows the same delays.
  for (const hours of [-24, 24]) {
    test(`uses the server's clock, not the browser's (${hours} hours wrong)`, async () => {
      await insert(19);
      const page = await openPage({}, { wrong_by: hours * 3_600_000 });
      const before_id = await head();
      await waitFor(async () => (await arrivals(page, 'EventSource')).includes(before_id), { what: 'the recent delivery' });
      const when = panel(page, 'EventSource').locator(`li[data-id="${before_id}"] .when`);
      assert.match(await when.innerText(), /^[0-9:]{8}$/, 'committed before the page was opened');
      await insert(20);
      await assertEverywhereOnce(page, before_id);
      for (const name of kTransports) {
        const delay = await panel(page, name).locator('.delay').innerText();
        assert.match(delay, /^([0-9]+ ms|[0-9]\.[0-9] s)$/, name); // below ten seconds
      }
      await page.context().close();
    });
  }

  test('leads to the chat', async () => {
    const page = await openPage();
    await page.click('a[href="chat.html"]');
    await page.locator('#choices button').first().waitFor();
    await page.context().close();
  });

  test('shows every delivery once in every panel while the module is on, off, and on again', async () => {
    const page = await openPage();
    const before_id = await head();
    let flowing = true;
    const flow = (async () => {
      for (let i = 1; flowing; i++) {
        await insert(i);
        await sleep(100);
      }
    })();
    await page.click('#module');
    await page.locator('#notice').waitFor();
    // Off: the fallback answers long polls immediately, and the page repeats them after a delay. Handshakes fail.
    await waitFor(() => allStates(page, kModuleOff), { what: 'all panels poll' });
    for (const name of ['WebSocket', 'EventSource']) {
      const seen = (await arrivals(page, name)).length;
      await waitFor(async () => (await arrivals(page, name)).length > seen, { what: `${name}: deliveries by the fallback` });
    }
    await demo.run(['module', 'on']);
    await waitFor(() => allStates(page, kModuleOn), { what: 'the module serves again' });
    await sleep(1000);
    flowing = false;
    await flow;
    await assertEverywhereOnce(page, before_id);
    assert.equal(new Set(await page.locator('.panel .pieces').allInnerTexts()).size, 1, 'all show the same pieces');
    const others = page.problems.filter((text) => !kNoWebSocket.test(text));
    assert.deepEqual(others, []);
    assert.ok(page.problems.length > 0, 'a handshake was rejected');
    await page.context().close();
  });

  test('receives over a WebSocket, and tries one again while it polls without one', async () => {
    const page = await openPage();
    const frames = [];
    page.on('websocket', (socket) => socket.on('framereceived', ({ payload }) => frames.push(JSON.parse(payload))));
    // As behind a proxy that drops `Upgrade`: long polls wait in the module.
    let rejecting = true;
    await page.routeWebSocket('**/rt/events/**', (route) => (rejecting ? route.close() : route.connectToServer()));
    await page.reload();
    const state = panel(page, 'WebSocket').locator('.state .text');
    await waitFor(async () => (await state.innerText()) === 'waiting', { what: 'long polls' });
    const before_id = await head();
    await insert(41);
    await assertEverywhereOnce(page, before_id);
    rejecting = false;
    await waitFor(async () => (await state.innerText()) === 'connected', { what: 'a WebSocket' });
    await insert(42);
    await assertEverywhereOnce(page, before_id);
    const amounts = frames.filter(({ id }) => id > before_id).map(({ data }) => data.data.pieces);
    assert.deepEqual(amounts, [42]);
    await page.context().close();
  });

  test('asks at once after a gateway has timed out, but not a server that answers 504 at once', async () => {
    const page = await openPage();
    const state = panel(page, 'Long poll').locator('.state');
    let requests = 0;
    let wait = 1100;
    await page.route('**/rt/events/cheese', async (route) => {
      if (route.request().headers().flavor !== 'long-poll') return route.continue();
      requests++;
      await sleep(wait);
      return route.fulfill(wait ? { status: 504 } : { json: [], headers: { 'Last-Event-ID': '1', 'X-PS-Reconnect-In': 'x' } });
    });
    await insert(3);
    await waitFor(() => requests === 3, { what: 'three long polls' });
    assert.equal(await state.getAttribute('data-state'), 'live');
    wait = 1;
    await state.getByText('rejected (504), retry in 10 s').waitFor();
    assert.equal(await state.getAttribute('data-state'), 'offline');
    assert.ok(requests <= 5, `${requests} requests`);
    wait = 0;
    await demo.run(['module', 'off']); // and on: the page reconnects
    await demo.run(['module', 'on']);
    await state.getByText('next request in 10 s').waitFor();
    await page.context().close();
  });

  test('shows the recent deliveries again after a reload, each once', async () => {
    await insert(7, 'Vacherin');
    const page = await openPage();
    const expected = await idsAfter(0);
    for (const name of kTransports) {
      await waitFor(async () => (await arrivals(page, name)).length >= expected.length, { what: name });
      assert.deepEqual(await arrivals(page, name), expected, name);
    }
    assert.deepEqual(page.problems, []);
    await page.context().close();
  });

  test('can be used by keyboard alone', async () => {
    const page = await openPage();
    const before_id = await head();
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "a dairy's chat");
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'module');
    await page.keyboard.press('Space');
    await page.locator('#notice').waitFor();
    await page.keyboard.press('Space');
    await page.locator('#notice').waitFor({ state: 'hidden' });
    await page.focus('#deliver');
    await page.keyboard.press('Enter');
    await waitFor(async () => (await head()) > before_id, { what: 'a delivery' });
    await assertEverywhereOnce(page, before_id);
    await page.context().close();
  });

  test('ignores events that are not deliveries: any client may publish on the channel', async () => {
    const page = await openPage();
    for (const data of ['null', '7', '"x"', '[]', '{}', '{"pieces":"many","cheese_type":"Brie"}', '{"pieces":1,"cheese_type":{"toString":1}}']) {
      await database.query(`SELECT pgevents.publish('cheese', 'cheese_created', $1)`, [data]);
    }
    await database.query(`SELECT pgevents.publish('cheese', 'presence', 'null'), pgevents.publish('cheese', 'constructor', '{}')`);
    const before_id = await head();
    await insert(5);
    await assertEverywhereOnce(page, before_id);
    for (const name of kTransports) {
      assert.deepEqual((await arrivals(page, name)).filter((id) => id > before_id - 9 && id <= before_id), [], name);
    }
    assert.deepEqual(page.problems, []);
    await page.context().close();
  });

  for (const [name, options] of Object.entries({
    phone: { viewport: { width: 360, height: 740 }, isMobile: true },
    'dark phone': { viewport: { width: 360, height: 740 }, isMobile: true, colorScheme: 'dark' },
    tablet: { viewport: { width: 800, height: 1100 } },
  })) {
    test(`fits a ${name}`, async () => {
      const page = await openPage(options);
      const [needed, available] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(needed <= available, `${needed} px wide on ${available}`);
      await page.context().close();
    });
  }
});
