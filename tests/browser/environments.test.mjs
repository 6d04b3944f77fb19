// The client in every environment that it is made for: pages and workers of browsers, Node, React Native (simulated).
// Each uses every transport, subscribes at runtime, loses its connection, and leaves none behind. `./run environments`
// adds Firefox, WebKit and another Node; ./run test has Chromium and the Node that runs it.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';

import { startBrowser } from '../lib/browser.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { kRoot, tempDir } from '../lib/scratch.mjs';
import { connectionsOf, html, script, startPages } from './lib/pages.mjs';

const kAll = process.env.PGEVENTS_ENVIRONMENTS === 'all';
const kNodes = [process.execPath, ...(process.env.PGEVENTS_NODES ?? '').split(':').filter(Boolean)];

// --- what each environment must show: by transport that was asked for, the one that was used ---

const kEvents = 'loaded,one,two,three';
const used = (transports) => ({
  ...Object.fromEntries(Object.entries(transports).map(([name, transport]) => [name, `${transport}: ${kEvents}`])),
  presence: 'active',
});
const kOwn = { websocket: 'websocket', stream: 'stream', 'event-source': 'event-source', 'long-poll': 'long-poll', automatic: 'websocket' };
const kNode = { ...kOwn, 'event-source': 'long-poll' };
const kOldNode = { ...kNode, websocket: 'long-poll', automatic: 'stream' };
const kReactNative = { ...kNode, stream: 'long-poll' };
const kWithoutSocket = { ...kReactNative, websocket: 'long-poll', automatic: 'long-poll' };
const kContexts = { page: kOwn, 'dedicated worker': kOwn, 'shared worker': kOwn, 'service worker': kOwn };

// --- the server ---

const kPresences = { 8: { active_timestamp: Date.now() / 1000, idle_timestamp: Date.now() / 1000 } };
const kRegistered = {
  result: 'success', channels: ['user:10', 'presence:main'], user_channel: 'user:10', presence_channel: 'presence:main',
  stream_channel: 'stream:{stream_id}', presence_last_update_id: 5, presences: kPresences, presence_connected: ['8'],
  user_settings: { presence_enabled: true, send_private_typing_notifications: true, receives_typing_notifications: true },
};

let server, reports;

// The probe asks here about its connections, by the prefix of its channels, and has them cut.
const kControl = {
  connections: (name) => String(connectionsOf(server).filter(({ channels: [first] }) => first?.startsWith(`${name}.`)).length),
  cut: (name) => {
    for (const { channels: [first], cut } of connectionsOf(server)) if (first?.startsWith(`${name}.`)) cut();
    return '';
  },
  report: (name, { body }) => {
    reports.push(JSON.parse(body));
    return '';
  },
};

function answer(pathname, request) {
  const [, first, second, third] = pathname.split('/');
  if (first === 'control') return new Response(kControl[second](third, request));
  if (pathname === '/page') return html('<script type="module" src="/tests/browser/lib/contexts.js"></script>');
  if (first === 'client' || first === 'tests') return script(fs.readFileSync(path.join(kRoot, pathname), 'utf8'));
  if (request.method === 'GET') return undefined;
  if (second === 'register') return Response.json({ ...kRegistered, server_timestamp: Date.now() / 1000, last_event_id: String(server.network.head) });
  if (second !== 'events') return Response.json({ result: 'success', server_timestamp: Date.now() / 1000, presences: kPresences });
  const { type, data } = JSON.parse(request.body);
  return Response.json({ result: 'success', id: server.publish(third, data, type) }, { status: 201 });
}

before(async () => {
  server = await startPages(answer);
  server.network.retry = 100; // of the EventSource, after its connection was cut
});
after(() => server.stop());

// --- browsers: each opens the page and resolves with a function that ends it ---

const kFirefoxSettings = {
  'browser.shell.checkDefaultBrowser': false, 'datareporting.policy.dataSubmissionEnabled': false, 'app.update.enabled': false,
  'browser.aboutwelcome.enabled': false, 'network.captive-portal-service.enabled': false, 'network.connectivity-service.enabled': false,
};

function start(command, args, env) {
  const child = spawn(command, args, { detached: true, stdio: 'ignore', env: { ...process.env, ...env } });
  return () => process.kill(-child.pid, 'SIGKILL');
}

const kBrowsers = {
  Chromium: async (url) => {
    const page = await (await startBrowser()).newPage();
    await page.goto(url);
    return () => page.close();
  },
  Firefox: (url) => {
    const profile = tempDir('firefox');
    const settings = Object.entries(kFirefoxSettings).map(([name, value]) => `user_pref('${name}', ${value});\n`);
    fs.writeFileSync(path.join(profile, 'user.js'), settings.join(''));
    return start('firefox-esr', ['--headless', '--no-remote', '--profile', profile, url], { HOME: profile });
  },
  WebKit: (url) => {
    const browser = fs.readdirSync('/usr/lib').map((name) => `/usr/lib/${name}/webkit2gtk-4.1/MiniBrowser`).find(fs.existsSync);
    return start('xvfb-run', ['-a', browser, url], { WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1', HOME: tempDir('webkit') });
  },
};

for (const [name, open] of Object.entries(kBrowsers)) {
  describe(name, { skip: !kAll && name !== 'Chromium' && 'part of ./run environments' }, () => {
    let close;
    before(async () => {
      reports = [];
      close = await open(`${server.origin}/page`);
    });
    after(() => close?.());

    for (const [context, transports] of Object.entries(kContexts)) {
      test(context, async () => {
        const found = () => reports.find(([its]) => its === context);
        await waitFor(found, { what: () => `a report of the ${context}: ${JSON.stringify(reports)}`, timeout: 90_000 });
        assert.deepEqual(found()[1], used(transports));
      });
    }
  });
}

// --- programs ---

const kProgram = path.join(kRoot, 'tests/browser/lib/program.mjs');
const run = async (node, ...args) =>
  JSON.parse((await promisify(execFile)(node, [kProgram, server.origin, ...args], { timeout: 90_000 })).stdout);

describe('Node', { concurrency: true }, () => {
  for (const node of new Set(kNodes)) {
    test(node, async () => {
      const { stdout } = await promisify(execFile)(node, ['-p', 'typeof WebSocket']);
      assert.deepEqual(await run(node), used(stdout.trim() === 'function' ? kNode : kOldNode));
    });
  }
});

describe('React Native', { concurrency: true }, () => {
  test('its globals', async () => assert.deepEqual(await run(process.execPath, 'react-native'), used(kReactNative)));

  test('behind a proxy that allows no WebSocket', async () => {
    assert.deepEqual(await run(process.execPath, 'react-native', 'no-socket'), used(kWithoutSocket));
  });
});
