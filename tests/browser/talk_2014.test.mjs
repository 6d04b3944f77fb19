// The talk's page of 2014, written anew from its requests: three panels (a polling loop, an EventSource, a WebSocket)
// that know nothing of pgevents, beside ours, in Chromium, while the module is on, off and on again.
/* global window, document, location, EventSource, XMLHttpRequest */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { before, test } from 'node:test';

import { startBrowser } from '../lib/browser.mjs';
import { sleep, waitFor } from '../lib/conditions.mjs';
import { startDemo } from '../lib/demo.mjs';
import { blocksOf } from '../lib/documents.mjs';
import { kRoot } from '../lib/scratch.mjs';

const kOurs = ['WebSocket', 'EventSource', 'Long poll', 'Short poll'];
const kNoWebSocket = /^WebSocket connection to .* failed: .*Unexpected response code: 426/;

let demo, database, browser;

before(async () => {
  demo = await startDemo();
  database = await demo.connect();
  browser = await startBrowser();
});

// The talk's panels. Each keeps the pieces that it shows.
function talk() {
  const shown = (window.shown = { polling: [], source: [], socket: [] });
  const take = (panel, data) => shown[panel].push(data.pieces);

  let last_event_id = '0';
  (function poll() {
    const request = new XMLHttpRequest();
    request.open('GET', `/events/cheese/?last_event_id=${last_event_id}&_=${Date.now()}`);
    request.onload = () => {
      for (const event of JSON.parse(request.responseText)) {
        last_event_id = event.id;
        if (event.data.type === 'cheese_created') take('polling', event.data.data);
      }
      setTimeout(poll, 1000 * parseInt(request.getResponseHeader('X-PS-Reconnect-In') || '10', 10));
    };
    request.onerror = () => setTimeout(poll, 10_000);
    request.send();
  })();

  const source = new EventSource('/events/cheese/?last_event_id=0');
  source.addEventListener('cheese_created', (e) => take('source', JSON.parse(e.data)));

  (function connect() {
    const socket = new WebSocket(`ws://${location.host}/websocket/cheese`);
    socket.onopen = () => (window.connected = true);
    socket.onmessage = (e) => {
      const event = JSON.parse(e.data);
      if (event.type === 'cheese_created') take('socket', event.data);
    };
    socket.onclose = () => {
      window.connected = false;
      setTimeout(connect, 500);
    };
  })();
}

async function openPage(address) {
  const page = await (await browser.newContext({ viewport: { width: 1240, height: 860 } })).newPage();
  page.problems = [];
  page.on('pageerror', (error) => page.problems.push(String(error)));
  page.on('console', (message) => {
    const { url } = message.location();
    if (message.type() === 'error' && !url.endsWith('/favicon.ico')) page.problems.push(`${message.text()} ${url}`);
  });
  await page.goto(`${demo.url}${address}`);
  return page;
}

const deliver = (pieces) => database.query("SELECT pgevents.publish('cheese', 'cheese_created', $1)",
  [JSON.stringify({ pieces, cheese_type: 'Sbrinz' })]);

const ofTalk = (page, panel) => page.evaluate((name) => window.shown[name], panel);
const ofOurs = (page, name) => page.evaluate((which) =>
  [...document.querySelectorAll(`.panel[data-transport="${which}"] .amount`)]
    .map((node) => parseInt(node.textContent, 10)).reverse(), name);

const connected = (page, wanted) =>
  waitFor(() => page.evaluate(() => window.connected).then((is) => is === wanted), { what: () => `connected: ${wanted} ${page.problems}` });

// Whether the panel shows these pieces, each once, in order.
async function shows(read, what, wanted) {
  await waitFor(async () => (await read()).includes(wanted.at(-1)), { what: `${what} shows ${wanted.at(-1)}` });
  assert.deepEqual(await read(), wanted, what);
}

test('the demo has the location of docs/clients.md', () => {
  const [{ text }] = blocksOf('docs/clients.md').filter(({ language }) => language === 'nginx');
  const conf = fs.readFileSync(path.join(kRoot, 'demo/nginx.conf.in'), 'utf8').replaceAll(/^ +/gm, '');
  assert.ok(conf.includes(text.replaceAll(/^ +/gm, '')));
});

test("the talk's panels and ours show the same pieces while the module is on, off, and on again", async () => {
  const [theirs, ours] = await Promise.all([openPage('/demo/clock'), openPage('/')]);
  await theirs.evaluate(talk); // in a page of the same server, whatever it contains
  await connected(theirs, true);
  await waitFor(() => ours.locator('.state[data-state="live"]').count().then((open) => open >= 3), { what: 'our panels' });
  const pieces = [];
  const delivered = async (...numbers) => {
    for (const n of numbers) {
      pieces.push(n);
      await deliver(n);
    }
    for (const panel of ['polling', 'source']) await shows(() => ofTalk(theirs, panel), panel, pieces);
    for (const name of kOurs) await shows(() => ofOurs(ours, name), name, pieces);
  };
  const bySocket = () => ofTalk(theirs, 'socket');

  await delivered(11, 12);
  await shows(bySocket, 'socket', [11, 12]);

  // What is open stays with the module until nginx reloads. Then the fallback answers: it serves no WebSockets.
  await demo.run(['module', 'off']);
  process.kill(Number(fs.readFileSync(path.join(demo.place, 'nginx.pid'), 'utf8')), 'SIGHUP');
  await connected(theirs, false);
  await delivered(21, 22);
  await sleep(1000); // it has tried again meanwhile
  assert.equal(await theirs.evaluate(() => window.connected), false);

  await demo.run(['module', 'on']);
  await connected(theirs, true);
  await delivered(31, 32);
  await shows(bySocket, 'socket', [11, 12, 31, 32]);
  for (const page of [theirs, ours]) assert.deepEqual(page.problems.filter((text) => !kNoWebSocket.test(text)), []);
});
