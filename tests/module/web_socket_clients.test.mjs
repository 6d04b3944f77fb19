// WebSocket clients of other projects against the module: npm's ws, undici, Python's websockets and Chromium. ./run
// web-sockets has more of them, and proxies.
import { describe, test } from 'node:test';

import { WebSocket as Undici } from 'undici';

import { startBrowser } from '../lib/browser.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { atEnd } from '../lib/lifetime.mjs';
import { checkReload, kChecks, sceneOf, startCheckedServer } from '../lib/web_socket_checks.mjs';
import { browser, browserLike, inChromium, npmWs, python } from '../lib/web_socket_clients.mjs';

const database = await (await sharedCluster()).createDatabase();
const server = await startCheckedServer(database);
const chromium = inChromium(await startBrowser());
// Each with the address that it uses. A browser that has the page over HTTP/2 opens a connection of HTTP/1.1 besides.
const { address, secureAddress } = server;
const clients = {
  "npm's ws": [npmWs(), address],
  "npm's ws over TLS": [npmWs(), secureAddress],
  undici: [browserLike(Undici), address],
  "Python's websockets": [python(), address],
  Chromium: [await browser(chromium, `${address}/page`), address],
  'Chromium over TLS': [await browser(chromium, `${secureAddress}/page`), secureAddress],
};
const scenes = Object.entries(clients).map(([name, [client, where]]) => [name, sceneOf(server, client, where)]);
atEnd(() => Promise.all(Object.values(clients).map(([client]) => client.stop())));

describe('clients', { concurrency: true }, () => {
  for (const [name, scene] of scenes) {
    describe(name, { concurrency: true }, () => {
      for (const [sentence, check] of Object.entries(kChecks)) test(`${name}: ${sentence}`, () => check(scene));
    });
  }
});

test('a reload closes all with 1012, and they connect again at their cursors', () =>
  checkReload(server, scenes.map(([, scene]) => scene)));
