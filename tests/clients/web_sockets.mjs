// ./run web-sockets [NAME…]: takes WebSocket clients of other projects, or those whose names contain one of these,
// through the checks of tests/lib/web_socket_checks.mjs, directly and behind proxies, and prints a table.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';

import { WebSocket as Undici } from 'undici';

import { startBrowser } from '../lib/browser.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { range } from '../lib/conditions.mjs';
import { startProxies } from '../lib/front_proxies.mjs';
import { request } from '../lib/http.mjs';
import { endAll } from '../lib/lifetime.mjs';
import { run } from '../lib/processes.mjs';
import { kRoot, tempDir } from '../lib/scratch.mjs';
import { checkReload, kChecks, sceneOf, startCheckedServer } from '../lib/web_socket_checks.mjs';
import { browser, browserLike, inChromium, inFirefox, npmWs, python } from '../lib/web_socket_clients.mjs';

const chromium = await startBrowser();
const versionOf = async (command, ...args) => /[0-9][0-9.]+/.exec((await run(command, args)).stdout)[0];
const installed = (name) => JSON.parse(fs.readFileSync(path.join(kRoot, 'node_modules', name, 'package.json'))).version;
const kClients = {
  [`npm's ws ${installed('ws')}`]: npmWs,
  [`undici ${installed('undici')}`]: () => browserLike(Undici),
  [`Node ${process.versions.node}`]: () => browserLike(globalThis.WebSocket),
  [`Python's websockets ${await versionOf('/usr/bin/python3', '-c', 'import websockets as w; print(w.__version__)')}`]:
    python,
  [`Chromium ${chromium.version().split('.')[0]}`]: (address) => browser(inChromium(chromium), `${address}/page`),
  [`Firefox ${await versionOf('firefox-esr', '--version')}`]: (address) => browser(inFirefox(tempDir('firefox')), `${address}/page`),
};

// The proxy keeps the connections of these requests.
async function poll(port) {
  const answers = await Promise.all(range(1, 12).map(() => request({ port, path: '/rt/events/none?flavor=poll' })));
  assert.ok(answers.every(({ status }) => status === 200));
}

// Gives what failed.
async function runChecks(scene) {
  const wrong = [];
  await Promise.all(Object.entries(kChecks).map(async ([sentence, check]) => {
    try {
      await check(scene);
    } catch (error) {
      wrong.push(`${sentence}: ${error.message.split('\n')[0]}`);
    }
  }));
  return wrong;
}

// Handshakes on connections of each proxy that had brought other requests before.
function onUsedConnections(server) {
  const lines = fs.readFileSync(server.log, 'utf8').trim().split('\n').map((line) => line.split(' '));
  const counts = {};
  for (const [through, requests, status] of lines) {
    if (status === '101' && Number(requests) > 1) counts[through] = (counts[through] ?? 0) + 1;
  }
  return counts;
}

async function main(names) {
  const server = await startCheckedServer(await (await sharedCluster()).createDatabase());
  const routes = { directly: server.port, ...(await startProxies(server.port)) };
  const isChosen = ([name]) => names.length === 0 || names.some((part) => name.includes(part));
  const problems = [];
  const scenes = [];
  const clients = [];
  console.log(`| client | ${Object.keys(routes).join(' | ')} |\n|---|${'---|'.repeat(Object.keys(routes).length)}`);
  for (const [name, make] of Object.entries(kClients).filter(isChosen)) {
    const cells = [];
    for (const [route, port] of Object.entries(routes)) {
      await poll(port);
      const address = `http://127.0.0.1:${port}`;
      const client = await make(address);
      clients.push(client);
      scenes.push(sceneOf(server, client, address));
      const wrong = await runChecks(scenes.at(-1));
      cells.push(wrong.length === 0 ? 'good' : `${wrong.length} wrong`);
      problems.push(...wrong.map((what) => `${name}, ${route}: ${what}`));
    }
    console.log(`| ${name} | ${cells.join(' | ')} |`);
  }
  await checkReload(server, scenes).catch((error) => problems.push(`reload: ${error.message}`));
  await Promise.all(clients.map((client) => client.stop()));
  console.log(`\n${Object.keys(kChecks).length} checks in each cell. Handshakes on connections of a proxy with earlier ` +
    `requests: ${JSON.stringify(onUsedConnections(server))}`);
  await server.nginx.terminate();
  return problems;
}

const problems = await main(process.argv.slice(2));
await endAll();
console.log(`\n${problems.length === 0 ? 'nothing wrong' : problems.join('\n')}`);
process.exit(problems.length === 0 ? 0 : 1);
