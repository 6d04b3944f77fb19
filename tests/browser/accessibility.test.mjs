// Accessibility of the demo's pages and of the status page: axe-core over each page in its states, in both colour
// schemes and at the widths of a desktop and a phone; and what axe-core does not check: the contrast of borders and
// placeholders, the keyboard's focus, what a screen reader reads.
/* global axe, document, getComputedStyle, scrollY, MutationObserver */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { before, describe, test } from 'node:test';

import { startBrowser } from '../lib/browser.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { startDemo } from '../lib/demo.mjs';

const kAxe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const kAnna = '10';
const kLooks = [
  { name: 'desktop, light', viewport: { width: 1240, height: 800 }, colorScheme: 'light' },
  { name: 'phone, dark', viewport: { width: 390, height: 780 }, colorScheme: 'dark' },
];

let demo, database, browser;

before(async () => {
  demo = await startDemo();
  database = await demo.connect();
  browser = await startBrowser();
});

async function openPage(path, options = {}) {
  const context = await browser.newContext({ viewport: kLooks[0].viewport, reducedMotion: 'reduce', ...options });
  const page = await context.newPage();
  await page.goto(`${demo.url}/${path}`);
  return page;
}

async function enter(person, options) {
  const page = await openPage(`chat.html?as=${person}`, options);
  await page.locator('#state[data-state="live"]').waitFor();
  return page;
}

// Publishes a message as the chat's trigger does.
async function say(author, body, room = 'dairy') {
  const message = JSON.stringify({ author, body });
  await database.query("SELECT pgevents.publish('stream:' || $1, 'message', $2)", [room, message]);
}

async function violations(page) {
  const { violations: found } = await page.evaluate(() => axe.run(document));
  return found.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id}: ${target} ${failureSummary}`));
}

async function assertAccessible(page) {
  await page.evaluate(kAxe);
  for (const { name, viewport, colorScheme } of kLooks) {
    await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme });
    assert.deepEqual(await violations(page), [], name);
  }
  await page.context().close();
}

// Each opens a page in one of its states.
const kStates = {
  'the cheese page, before a delivery': async () => {
    const page = await openPage('');
    await page.locator('.panel .state[data-state="live"]').first().waitFor();
    return page;
  },
  'the cheese page, with deliveries, a rejected one, and its commands': async () => {
    await demo.run(['cheese']);
    const page = await openPage('');
    await page.locator('.panel li').first().waitFor();
    await page.locator('summary').click();
    await page.route('**/rt/events/cheese', (route) => route.fulfill({ status: 403, json: { msg: 'rejected' } }));
    await page.click('#deliver');
    await page.getByText('Not delivered: rejected').waitFor();
    return page;
  },
  'the cheese page, without the module': async () => {
    const page = await openPage('');
    await page.click('#module');
    await page.locator('#notice').waitFor();
    await demo.run(['module', 'on']);
    return page;
  },
  'the chat, before a person is chosen': async () => {
    const page = await openPage('chat.html');
    await page.locator('#choices button').first().waitFor();
    return page;
  },
  'the chat, with messages, unread ones, a typist and a trouble': async () => {
    const [page, beat] = [await enter(kAnna), await enter('11')];
    for (const [author, body] of [[kAnna, 'One'], ['11', 'Two'], ['11', 'Three']]) await say(author, body);
    await say('11', 'Four', 'cellar');
    await page.locator('[data-room="cellar"] .badge').waitFor();
    await beat.locator('#body').pressSequentially('Wait');
    await page.locator('#typists', { hasText: 'Beat Keller is typing' }).waitFor();
    await page.locator('#body').evaluate((body) => body.removeAttribute('maxlength'));
    await page.fill('#body', 'Five'.repeat(17_000)); // more than the server takes
    await page.click('#send');
    await page.getByText('Not sent:').waitFor();
    await beat.context().close();
    return page;
  },
  'the chat, without the module': async () => {
    const page = await enter(kAnna);
    await page.click('#module');
    await page.locator('#explain', { hasText: 'The module is off' }).waitFor();
    await demo.run(['module', 'on']);
    return page;
  },
  'the chat, with a bad token': async () => {
    const page = await openPage('');
    await page.route('**/people.json', (route) => route.fulfill({ json: [{ id: kAnna, name: 'Anna Graf', token: 'a.e30.c' }] }));
    await page.goto(`${demo.url}/chat.html?as=${kAnna}`);
    await page.getByText("rejects this person's token").waitFor();
    return page;
  },
  'the status page': () => openPage('status'),
};

test('each state of the client looks like itself on both pages', async () => {
  for (const page of [await openPage(''), await enter(kAnna)]) {
    const looks = await page.evaluate((states) => states.map((state) => {
      const node = document.querySelector('.state');
      node.dataset.state = state;
      return getComputedStyle(node).color;
    }), ['connecting', 'live', 'polling', 'offline']);
    assert.equal(new Set(looks).size, 4, looks.join());
    await page.context().close();
  }
});

describe('axe-core finds nothing on', () => {
  for (const [name, open] of Object.entries(kStates)) test(name, async () => assertAccessible(await open()));
});

// Runs in the page: the controls whose border, and the fields whose placeholder, is too faint. WCAG 2.2, 1.4.3 and
// 1.4.11.
function faintControls() {
  const rgb = (color) => color.match(/[0-9.]+/g).map(Number);
  const luminance = (color) => {
    const [r, g, b] = rgb(color).map((c) => (c <= 10 ? c / 3294.6 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [a, b] = [luminance(one), luminance(other)];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };
  const behind = (node) => {
    const { backgroundColor } = getComputedStyle(node);
    return rgb(backgroundColor)[3] === 0 ? behind(node.parentElement) : backgroundColor;
  };
  const controls = [...document.querySelectorAll('textarea, select, input:not([type=checkbox]), button')];
  return controls.filter((node) => node.checkVisibility()).flatMap((node) => {
    const { borderTopWidth, borderTopColor } = getComputedStyle(node);
    const edge = borderTopWidth === '0px' ? behind(node) : borderTopColor;
    const found = node.matches('.plain') ? [] : [[contrast(edge, behind(node.parentElement)), 3, 'border']];
    if (node.placeholder) found.push([contrast(getComputedStyle(node, '::placeholder').color, behind(node)), 4.5, 'placeholder']);
    return found.filter(([has, needed]) => has < needed).map(([has, , what]) => `${node.id} ${what}: ${has.toFixed(1)}`);
  });
}

describe('controls', () => {
  test('have borders and placeholders with enough contrast', async () => {
    for (const page of [await enter(kAnna), await openPage(''), await openPage('chat.html')]) {
      await page.locator('button').first().waitFor();
      for (const colorScheme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme });
        assert.deepEqual(await page.evaluate(faintControls), [], colorScheme);
      }
      await page.context().close();
    }
  });

  test('of the composer are on the screen, and the plot\'s labels of at least 11 px, at every width', async () => {
    const page = await enter(kAnna);
    for (const [width, height] of [[1240, 800], [1000, 700], [800, 1100], [390, 780], [360, 640]]) {
      await page.setViewportSize({ width, height });
      const [bottom, label] = await page.evaluate(() => {
        const plot = document.getElementById('plot');
        const scale = plot.getBoundingClientRect().width / plot.viewBox.baseVal.width;
        const size = scale * parseFloat(getComputedStyle(plot.querySelector('.label')).fontSize);
        return [document.getElementById('send').getBoundingClientRect().bottom + scrollY, size];
      });
      assert.ok(bottom <= height, `${width} × ${height}: the button ends at ${bottom}`);
      assert.ok(label >= 11, `${width} × ${height}: ${label} px`);
    }
    await page.context().close();
  });
});

describe('the chat', () => {
  test('leaves the keyboard\'s focus where it is when messages arrive', async () => {
    const page = await enter(kAnna);
    for (const selector of ['[data-room="cellar"]', '[data-room="dairy"]', '#messages', '#visible', '#body']) {
      await page.focus(selector);
      await page.evaluate(() => (document.activeElement.focused = true));
      for (const room of ['dairy', 'cellar']) await say('11', `while ${selector} has the focus`, room);
      await page.locator('#messages .text', { hasText: `while ${selector}` }).waitFor();
      assert.equal(await page.evaluate(() => document.activeElement.focused), true, selector);
      await page.evaluate(() => delete document.activeElement.focused);
    }
    await page.context().close();
  });

  test('adds a message to a log, and changes nothing else in it', async () => {
    const page = await enter(kAnna);
    await say('11', 'the first');
    await page.locator('#messages .text', { hasText: 'the first' }).waitFor();
    assert.equal(await page.locator('#messages').getAttribute('role'), 'log');
    await waitFor(async () => (await page.locator('#messages').getAttribute('aria-busy')) === null, { what: 'not busy' });
    await page.evaluate(() => {
      document.changes = [];
      new MutationObserver((changes) => document.changes.push(...changes.flatMap(({ addedNodes, removedNodes, target }) =>
        [...[...addedNodes].map((node) => `+ ${node.textContent ?? ''}`), ...[...removedNodes].map(() => `- ${target.id}`)])))
        .observe(document.getElementById('messages'), { childList: true, subtree: true, characterData: true });
    });
    await say('11', 'the second');
    await page.locator('#messages .text', { hasText: 'the second' }).waitFor();
    const changes = await page.evaluate(() => document.changes);
    assert.equal(changes.length, 1);
    assert.match(changes[0], /^\+ Beat Keller[0-9:]+the second$/);
    await page.context().close();
  });
});
