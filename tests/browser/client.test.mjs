// The client library in a real browser: each scenario with the module, with the fallback, and while they alternate.
// Each page must receive every event of its channels once and in order.
/* global window, document */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { EventChannel } from '../../client/src/index.js';
import { startBrowser } from '../lib/browser.mjs';
import { sleep, waitFor } from '../lib/conditions.mjs';
import { startNginx } from '../lib/nginx.mjs';
import { Publishers } from '../lib/publishers.mjs';
import { kRoot, tempDir } from '../lib/scratch.mjs';
import { inSeconds, secretKey, signToken } from '../lib/tokens.mjs';
import { startService } from '../faults/service.mjs';

const kChannels = ['cheese', 'wine'];
const kTypes = ['made', 'sold'];
const kTurn = 2500;
const kName = 'app.test';
const kTimings = {
  typing_started_expiry: '3 seconds', presence_ping_interval: '1 second', presence_offline_threshold: '6 seconds',
  presence_grace: '1 second', presence_lease: '3 seconds',
};

const key = secretKey();
const keyFile = path.join(tempDir('key'), 'jwt.key');
fs.writeFileSync(keyFile, key.text);
const token = (user, seconds = 3600) => signToken({ sub: user, iat: inSeconds(0), exp: Date.now() / 1000 + seconds }, { key });

// Serves an empty page, and the library's files.
const kPage = `
  location = /page { default_type text/html; return 200 '<!doctype html><title>page</title>'; }
  location /client/ { alias ${kRoot}/client/src/; types { text/javascript js; } }`;

let service, browser;

before(async () => {
  service = await startService({
    workers: 2, server: kPage, args: ['--jwt-key', keyFile],
    location: `pgevents_retry 300ms; pgevents_poll_interval 1s; pgevents_jwt_key ${keyFile};`,
  });
  await service.database.query("INSERT INTO pgevents.users (user_id) VALUES ('10'), ('11'), ('12')");
  for (const [name, value] of Object.entries(kTimings)) {
    await service.database.query('UPDATE pgevents.settings SET value = $2 WHERE name = $1', [name, value]);
  }
  // A name that is not local: its pages are not in a secure context.
  browser = await startBrowser({ flags: ['--disable-quic', `--host-resolver-rules=MAP ${kName} 127.0.0.1`] });
});
after(async () => {
  await browser?.close();
  await service?.nginx.stop();
});

// --- pages ---

async function newContext(options) {
  const context = await browser.newContext(options);
  context.tokens = 0;
  await context.exposeFunction('tokenOf', (...args) => {
    context.tokens++;
    return token(...args);
  });
  return context;
}

async function newPage(context, origin = `http://127.0.0.1:${service.port}`) {
  const page = await context.newPage();
  page.problems = [];
  page.on('pageerror', (error) => page.problems.push(String(error)));
  await page.goto(`${origin}/page`);
  return page;
}

// Opens a channel in the page behind `lastEventId` and records its events. `user`: with tokens of this user that expire
// after `life` seconds.
async function listen(page, { channels = kChannels, user, life, ...options }) {
  await page.evaluate(async ({ channels: names, user: sub, life: seconds, ...given }) => {
    const { EventChannel: Channel } = await import('/client/index.js');
    const own = sub ? { token: () => window.tokenOf(sub, seconds) } : {};
    window.channel = new Channel('/rt', names, { ...own, ...given });
    window.got = [];
    window.wine = new Set();
    window.channel.onevent = ({ lastEventId, channel }) => {
      window.got.push(Number(lastEventId));
      if (channel === 'wine') window.wine.add(Number(lastEventId));
    };
  }, { channels, user, life, ...options });
}

// Opens a page with a session of its own, registered as `user`.
async function enter(context, user, options = {}) {
  const page = await newPage(context);
  await page.evaluate(async ({ user: id, ...given }) => {
    const { register } = await import('/client/index.js');
    window.session = await register('/rt', { token: () => window.tokenOf(id, 3600), user: id, ...given });
    window.session.start();
  }, { user, ...options });
  return page;
}

const got = (page) => page.evaluate(() => window.got);
const transport = (page) => page.evaluate(() => window.channel.transport);

async function assertHasAll(page, { from, channels = kChannels }) {
  const log = await service.database.log({ after: from, channels });
  const wanted = log.map(({ id }) => id);
  assert.ok(wanted.length > 0, 'something happened');
  const what = async () => `${wanted.length} events, ${(await got(page)).length} there`;
  await waitFor(async () => (await got(page)).includes(wanted.at(-1)), { what, interval: 50 });
  assert.deepEqual(await got(page), wanted);
  assert.deepEqual(page.problems, []);
}

const startFlow = () => new Publishers(service.database, { count: 2, channels: kChannels, types: kTypes, pauseMs: [20, 60] });

// --- the scenarios ---

// Publishes events while `act` runs; asserts that the page then has all of them. The page started at `from`.
async function underFlow(options, act) {
  const context = await newContext();
  const from = await service.database.head();
  const flow = startFlow();
  try {
    const page = await newPage(context);
    await listen(page, { lastEventId: String(from), ...options });
    await waitFor(async () => (await got(page)).length > 3, { what: 'the first events' });
    await act(page, context);
    const seen = (await got(page)).length;
    await waitFor(async () => (await got(page)).length > seen + 3, { what: 'events afterwards', interval: 50 });
    await flow.stop();
    await assertHasAll(page, { from });
  } finally {
    await flow.stop();
    await context.close();
  }
}

const scenarios = {
  'a page that loads while events are published misses none': () => underFlow({}, () => {}),

  'a page with long polls only misses no event': () => underFlow({ transports: ['long-poll'] }, () => {}),

  'a page with an EventSource misses no event': () => underFlow({ transports: ['event-source'], types: kTypes }, () => {}),

  'a program in Node receives the same events': async () => {
    const from = await service.database.head();
    const flow = startFlow();
    const channel = new EventChannel(`http://127.0.0.1:${service.port}/rt`, kChannels, { lastEventId: String(from) });
    const ids = [];
    channel.onevent = ({ lastEventId }) => ids.push(Number(lastEventId));
    try {
      await waitFor(() => ids.length > 20, { what: 'some events' });
      await flow.stop();
      const wanted = (await service.database.log({ after: from, channels: kChannels })).map(({ id }) => id);
      await waitFor(() => ids.includes(wanted.at(-1)), { what: 'the last event' });
      assert.deepEqual(ids, wanted);
    } finally {
      await flow.stop();
      channel.close();
    }
  },

  'a browser that was offline catches up': () => underFlow({}, async (page, context) => {
    await context.setOffline(true);
    await sleep(1500);
    await context.setOffline(false);
  }),

  'a page resumes after a restart of nginx': () => underFlow({}, async () => {
    await service.nginx.stop();
    await sleep(300);
    await service.nginx.start();
  }),

  'a token is replaced and others expire, at the same cursor': () => underFlow({ user: '10', life: 2 }, async (page, context) => {
    await page.evaluate(async () => window.channel.setToken(await window.tokenOf('10', 2)));
    const before_it = context.tokens;
    await waitFor(() => context.tokens >= before_it + 3, { what: 'three expiries', interval: 50 });
  }),

  'a frozen page resumes at its cursor': () => underFlow({}, async (page, context) => {
    const session = await context.newCDPSession(page);
    await session.send('Page.setWebLifecycleState', { state: 'frozen' });
    await sleep(2500);
    await session.send('Page.setWebLifecycleState', { state: 'active' });
  }),

  'two tabs share a request, and the second leads after the first is closed': async () => {
    const context = await newContext();
    const from = await service.database.head();
    const flow = startFlow();
    try {
      const tabs = [await newPage(context), await newPage(context)];
      for (const tab of tabs) await listen(tab, { lastEventId: String(from), share: true });
      const leads = (tab) => tab.evaluate(() => window.channel.leading);
      const leaders = async () => (await Promise.all(tabs.map(leads))).filter(Boolean).length;
      await waitFor(async () => (await leaders()) === 1, { what: 'one leader' });
      for (const tab of tabs) await waitFor(async () => (await got(tab)).length > 3, { what: 'events in both tabs' });
      const leader = (await leads(tabs[0])) ? 0 : 1;
      const [left] = tabs.splice(leader, 1);
      await left.close();
      await waitFor(() => leads(tabs[0]), { what: 'a new leader', interval: 50 });
      await sleep(500);
      await flow.stop();
      await assertHasAll(tabs[0], { from });
    } finally {
      await flow.stop();
      await context.close();
    }
  },

  'eight tabs over HTTP/1.1 leave connections for other requests': async () => {
    const context = await newContext();
    const from = await service.database.head();
    try {
      const tabs = [];
      for (let n = 0; n < 8; n++) {
        tabs.push(await newPage(context));
        await listen(tabs[n], { lastEventId: String(from), share: true });
      }
      for (const tab of tabs) await waitFor(() => tab.evaluate(() => window.channel.readyState === 1), { what: 'connected' });
      const other = tabs.map((tab) => tab.evaluate(async () => (await fetch('/page', { cache: 'no-store' })).status));
      assert.deepEqual(await Promise.all(other), Array(8).fill(200));
      await service.database.publish('cheese', 'made', 1);
      for (const tab of tabs) await assertHasAll(tab, { from });
    } finally {
      await context.close();
    }
  },

  'seven tabs over plain HTTP by a name, which have no Web Locks, share a connection': async () => {
    const context = await newContext();
    const from = await service.database.head();
    try {
      const tabs = [];
      for (let n = 0; n < 7; n++) {
        tabs.push(await newPage(context, `http://${kName}:${service.port}`));
        await listen(tabs[n], { lastEventId: String(from), channels: n % 2 ? ['cheese'] : kChannels });
      }
      assert.deepEqual(await tabs[0].evaluate(() => [window.isSecureContext, 'locks' in navigator]), [false, false]);
      for (const tab of tabs) await waitFor(() => tab.evaluate(() => window.channel.readyState === 1), { what: 'connected' });
      const leads = (tab) => tab.evaluate(() => window.channel.leading);
      const leaders = async () => (await Promise.all(tabs.map(leads))).filter(Boolean).length;
      await waitFor(async () => (await leaders()) === 1, { what: 'one leader' });
      const other = tabs.map((tab) => tab.evaluate(async () => (await fetch('/page', { cache: 'no-store' })).status));
      assert.deepEqual(await Promise.all(other), Array(7).fill(200));
      await service.database.publish('cheese', 'made', 1);
      await service.database.publish('wine', 'made', 2);
      await service.database.publish('cheese', 'made', 3);
      for (const [n, tab] of tabs.entries()) await assertHasAll(tab, { from, channels: n % 2 ? ['cheese'] : kChannels });
    } finally {
      await context.close();
    }
  },

  'a page subscribes and unsubscribes at runtime': async () => {
    const context = await newContext();
    const from = await service.database.head();
    const flow = startFlow();
    try {
      const page = await newPage(context);
      await listen(page, { lastEventId: String(from), channels: ['cheese'] });
      for (let n = 0; n < 3; n++) {
        await page.evaluate((cursor) => window.channel.subscribe('wine', { lastEventId: cursor }).ready, String(from));
        await sleep(400);
        if (n === 2) break;
        await page.evaluate(() => {
          window.channel.unsubscribe('wine');
          window.got = window.got.filter((id) => !window.wine.has(id)); // these will come again
        });
      }
      await flow.stop();
      const log = await service.database.log({ after: from, channels: kChannels });
      const wanted = (name) => log.filter(({ channel_id }) => channel_id === name).map(({ id }) => id);
      const of = (name) => page.evaluate((is_wine) => window.got.filter((id) => window.wine.has(id) === is_wine), name === 'wine');
      for (const name of kChannels) {
        await waitFor(async () => (await of(name)).includes(wanted(name).at(-1)), { what: `all of ${name}`, interval: 50 });
        assert.deepEqual(await of(name), wanted(name));
      }
      assert.deepEqual(page.problems, []);
    } finally {
      await flow.stop();
      await context.close();
    }
  },

  'a proxy that holds streams back is detected': async (way) => {
    const proxy = await startNginx({
      loadModule: false,
      http: (nginx) => `
        server {
          listen ${nginx.listen()};
          location / {
            proxy_pass http://127.0.0.1:${service.port};
            proxy_buffering on;
            proxy_buffers 8 32k;
            proxy_ignore_headers X-Accel-Buffering;
          }
        }`,
    });
    const context = await newContext();
    const from = await service.database.head();
    try {
      const page = await newPage(context, `http://127.0.0.1:${proxy.port}`);
      await listen(page, { lastEventId: String(from), heartbeatTimeout: 5000 });
      // The fallback ends its streams immediately, so that the proxy holds nothing back.
      if (way === 'with the module') await waitFor(async () => (await transport(page)) === 'long-poll', { what: 'long polls' });
      await service.database.publish('cheese', 'made', 1);
      await service.database.publish('wine', 'made', 2);
      await assertHasAll(page, { from });
    } finally {
      await context.close();
      await proxy.stop({ signal: 'SIGTERM' });
    }
  },

  'typing is shown until it ends or its time expires': async () => {
    const context = await newContext();
    const [anna, beat] = [await enter(context, '10'), await enter(context, '11')];
    const typists = async () => (await beat.evaluate(() => window.session.typists.typists({ to: ['10'] }))).join();
    const shows = (users) => waitFor(async () => (await typists()) === users, { what: `typing: '${users}'`, interval: 20 });
    await anna.evaluate(() => window.session.typing.update({ to: ['11'] }));
    await shows('10');
    await anna.evaluate(() => window.session.typing.stop());
    await shows('');
    await anna.evaluate(() => window.session.typing.update({ to: ['11'] }));
    await shows('10');
    await anna.close(); // without a "stop"
    await shows('');
    await context.close();
  },

  'a user is active, then idle without input, and offline after the page is closed': async () => {
    const context = await newContext();
    const beat = await enter(context, '11');
    const dino = await enter(context, '12', { idleAfter: 2000 });
    const status = () => beat.evaluate(() => window.session.presence.of('12').status);
    const becomes = (wanted) => waitFor(async () => (await status()) === wanted, { what: wanted, interval: 50, timeout: 60_000 });
    await becomes('active');
    await becomes('idle');
    await dino.evaluate(() => document.dispatchEvent(new Event('keydown')));
    await becomes('active');
    await dino.close();
    await becomes('offline');
    await context.close();
  },
};

// --- the front-ends ---

// Which front-end answers: the module, the fallback, or one after the other.
const ways = {
  'with the module': { start: () => undefined, stop: () => undefined },
  'with the fallback': {
    start: async () => {
      service.switchModule(false);
      await service.waitAnsweredBy('fallback');
    },
    stop: async () => {
      service.switchModule(true);
      await service.waitAnsweredBy('module');
    },
  },
  'while they alternate': {
    start: async () => {
      let on = true;
      service.turns = setInterval(() => service.switchModule((on = !on)), kTurn);
      service.isOn = () => on;
    },
    stop: async () => {
      clearInterval(service.turns);
      if (!service.isOn()) service.switchModule(true);
      await service.waitAnsweredBy('module');
    },
  },
};

for (const [way, { start, stop }] of Object.entries(ways)) {
  describe(`the client library ${way}`, () => {
    before(start);
    after(stop);
    for (const [name, scenario] of Object.entries(scenarios)) test(name, () => scenario(way));
  });
}
