// The demo's chat in a real browser: several people, each in a tab, over nginx, module, fallback and PostgreSQL. The
// last tests make pictures of both demo pages (in docs/images/ with PGEVENTS_UPDATE_SCREENSHOTS=1).
/* global window, document, innerWidth */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { before, describe, test } from 'node:test';

import { pictureFile, startBrowser } from '../lib/browser.mjs';
import { sleep, waitFor } from '../lib/conditions.mjs';
import { startDemo } from '../lib/demo.mjs';

const kAnna = '10';
const kBeat = '11';
const kSizes = {
  desktop: { viewport: { width: 1240, height: 800 } },
  phone: { viewport: { width: 390, height: 780 }, isMobile: true },
};

let demo, database, browser;

before(async () => {
  demo = await startDemo();
  database = await demo.connect();
  browser = await startBrowser();
});

async function newPage(path, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1240, height: 800 }, ...options });
  const page = await context.newPage();
  page.problems = [];
  page.on('pageerror', (error) => page.problems.push(String(error)));
  page.on('request', (request) => request.url().startsWith(demo.url) || page.problems.push(request.url()));
  await page.goto(`${demo.url}/${path}`);
  return page;
}

async function enter(person, options) {
  const page = await newPage(`chat.html?as=${person}`, options);
  await page.locator('#state[data-state="live"]').waitFor();
  return page;
}

async function say(page, text) {
  await page.fill('#body', text);
  await page.press('#body', 'Enter');
}

const message = (page, text) => page.locator('#messages .text', { hasText: text });
const statusOf = (page, person) => page.locator(`#people [data-person="${person}"]`).getAttribute('data-status');

async function leave(...pages) {
  for (const page of pages) {
    assert.deepEqual(page.problems, []);
    await page.context().close();
  }
}

describe('the chat', () => {
  test('lets a visitor choose a person', async () => {
    const page = await newPage('chat.html');
    await page.locator(`#choices [data-person="${kBeat}"]`).click();
    await page.locator('#state[data-state="live"]').waitFor();
    assert.match(await page.locator('#me').innerText(), /Beat Keller/);
    await leave(page);
  });

  test('delivers a message to all, and keeps it after a reload', async () => {
    const [anna, beat] = [await enter(kAnna), await enter(kBeat)];
    await say(anna, 'The Gruyère is here.');
    for (const page of [anna, beat]) await message(page, 'The Gruyère is here.').waitFor();
    await anna.reload();
    await message(anna, 'The Gruyère is here.').waitFor();
    assert.equal(await message(anna, 'The Gruyère is here.').count(), 1);
    await leave(anna, beat);
  });

  test('shows that a person is typing, until they stop', async () => {
    const [anna, beat] = [await enter(kAnna), await enter(kBeat)];
    await beat.locator('#body').pressSequentially('Wait');
    await anna.locator('#typists', { hasText: 'Beat Keller is typing' }).waitFor();
    await beat.fill('#body', '');
    await waitFor(async () => (await anna.locator('#typists').innerText()) === '', { what: 'no typist' });
    await leave(anna, beat);
  });

  test('shows who is online; a person who hides their presence is offline', async () => {
    const [anna, beat] = [await enter(kAnna), await enter(kBeat)];
    await waitFor(async () => (await statusOf(anna, kBeat)) === 'active', { what: 'Beat is active' });
    await beat.locator('#visible').uncheck();
    await waitFor(async () => (await statusOf(anna, kBeat)) === 'offline', { what: 'Beat is offline' });
    await beat.locator('#visible').check();
    await waitFor(async () => (await statusOf(anna, kBeat)) === 'active', { what: 'Beat is active again' });
    await leave(anna, beat);
  });

  test('continues without the module, and explains how', async () => {
    const [anna, beat] = [await enter(kAnna), await enter(kBeat)];
    await anna.click('#module');
    await beat.locator('#explain', { hasText: 'The module is off' }).waitFor();
    for (const n of [1, 2, 3]) await say(anna, `without the module ${n}`);
    for (const n of [1, 2, 3]) await message(beat, `without the module ${n}`).waitFor();
    await anna.click('#module');
    await beat.locator('#explain', { hasText: 'keeps the connection open' }).waitFor();
    await say(beat, 'with it again');
    await message(anna, 'with it again').waitFor();
    for (const n of [1, 2, 3]) assert.equal(await message(beat, `without the module ${n}`).count(), 1);
    await leave(anna, beat);
  });

  test('can be used by keyboard alone', async () => {
    const page = await enter(kAnna);
    await page.focus('#rooms [data-room="cellar"]');
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'body');
    await page.keyboard.type('by keyboard');
    await page.keyboard.press('Enter');
    await message(page, 'by keyboard').waitFor();
    assert.match(await page.locator('#room-name').innerText(), /Cellar/);
    await leave(page);
  });

  test('ignores invalid messages, and presence and typing from other channels', async () => {
    const page = await enter(kAnna);
    for (const data of ['null', '7', '[]', '{}', '{"author":{"toString":1},"body":"x"}', '{"author":"11","body":["x"]}']) {
      for (const type of ['message', 'presence', 'typing', 'user_settings']) {
        await database.query('SELECT pgevents.publish($1, $2, $3)', ['stream:dairy', type, data]);
      }
    }
    const presence = { presences: { 15: { active_timestamp: 9e9, idle_timestamp: 9e9 } }, server_timestamp: 9e9 };
    const typing = { op: 'start', message_type: 'stream', sender: { user_id: '15' }, stream_id: 'dairy', topic: 'chat' };
    for (const [channel, type, data] of [['stream:dairy', 'presence', presence], ['stream:cellar', 'typing', typing],
      ['stream:dairy', 'user_settings', { presence_enabled: false }]]) {
      await database.query('SELECT pgevents.publish($1, $2, $3)', [channel, type, JSON.stringify(data)]);
    }
    await page.locator('#rooms [data-room="dairy"]').click();
    await say(page, 'the last of these');
    await message(page, 'the last of these').waitFor();
    assert.equal(await statusOf(page, '15'), 'offline');
    assert.equal(await page.locator('#typists').innerText(), '');
    assert.equal(await page.locator('#visible').isChecked(), true);
    await leave(page);
  });

  test('renews its token when the server rejects the last one, and misses nothing', async () => {
    const grants = ['--subscribe', 'presence:{realm}', '--subscribe', 'stream:*', '--publish', 'chat.in:{user}'];
    const { stdout } = await demo.run(['token', '--user', kAnna, '--ttl', '3', ...grants]);
    const page = await newPage('');
    let reads = 0;
    await page.route('**/people.json', async (route) => {
      const people = await (await route.fetch()).json();
      if (reads++ === 0) people.find(({ id }) => id === kAnna).token = stdout.trim();
      await route.fulfill({ json: people });
    });
    await page.goto(`${demo.url}/chat.html?as=${kAnna}`);
    await page.locator('#state[data-state="live"]').waitFor();
    await page.locator('#renewals', { hasText: '1' }).waitFor();
    await page.locator('#state[data-state="live"]').waitFor();
    await say(page, 'with the second token');
    await message(page, 'with the second token').waitFor();
    assert.equal(reads, 2);
    await leave(page);
  });

  for (const [what, answer, words] of [
    ['the server rejects the token', { json: [{ id: kAnna, name: 'Anna Graf', token: 'bad.e30.token' }] }, /rejects this person's token: Invalid token/],
    ['the people cannot be read', { status: 403, body: '' }, /Cannot read the demo's people \(status 403\)/],
  ]) {
    test(`explains why it cannot start: ${what}`, async () => {
      const page = await newPage('');
      await page.route('**/people.json', (route) => route.fulfill(answer));
      await page.goto(`${demo.url}/chat.html?as=${kAnna}`);
      await page.locator('#failure').waitFor();
      assert.match(await page.locator('#reason').innerText(), words);
      await page.unroute('**/people.json');
      await page.click('#again');
      await page.locator('#state[data-state="live"]').waitFor();
      await leave(page);
    });
  }

  test('shows text as text', async () => {
    const page = await enter(kAnna);
    await say(page, '<img src=x onerror="window.hurt = 1"><b>fat</b>');
    await message(page, '<b>fat</b>').waitFor();
    assert.equal(await page.evaluate(() => window.hurt), undefined);
    await leave(page);
  });
});

describe('pictures of the demo', () => {
  before(async () => {
    const texts = [[kAnna, 'Good morning. 92 wheels of Gruyère came in.'], [kBeat, 'In the cellar or still at the gate?'],
      [kAnna, 'At the gate.'], ['12', 'I can take forty to the market stall.'], [kBeat, 'Then I make room in the cellar.']];
    for (const [author, body] of texts) {
      const data = JSON.stringify({ type: 'message', data: { author, body } });
      await database.query("INSERT INTO pgevents.events (channel_id, data) VALUES ('stream:market', $1)", [data]);
    }
    for (const [pieces, cheese_type] of [[12, 'Appenzeller'], [24, 'Sbrinz'], [92, 'Gruyère']]) {
      const data = JSON.stringify({ type: 'cheese_created', data: { pieces, cheese_type } });
      await database.query("INSERT INTO pgevents.events (channel_id, data) VALUES ('cheese', $1)", [data]);
    }
  });

  for (const colorScheme of ['light', 'dark']) {
    for (const [size, options] of Object.entries(kSizes)) {
      test(`both pages, ${size}, ${colorScheme}, fit`, async () => {
        const beat = await enter(kBeat);
        await beat.click('[data-room="market"]');
        const chat = await enter(kAnna, { ...options, colorScheme });
        await chat.click('[data-room="market"]');
        await message(chat, 'Then I make room').waitFor();
        await beat.locator('#body').pressSequentially('And');
        await chat.locator('#typists', { hasText: 'Beat Keller is typing' }).waitFor();
        const cheese = await newPage('', { ...options, colorScheme });
        await cheese.locator('.panel li').first().waitFor();
        await sleep(300); // fading in
        for (const [name, page] of Object.entries({ chat, cheese })) {
          const [needed, available] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
          assert.ok(needed <= available, `${name}: ${needed} px wide on ${available}`);
          const file = pictureFile(`${name}-${size}-${colorScheme}.png`);
          await page.screenshot({ path: file });
          assert.ok(fs.statSync(file).size > 10_000);
        }
        await leave(beat, chat, cheese);
      });
    }
  }
});
