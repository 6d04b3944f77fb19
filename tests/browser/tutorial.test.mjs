// docs/tutorial.md: its commands and files, in the order of the page and in a directory of their own; then two people
// use the application, each in a browser. Only what differs on every machine is replaced.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { before, describe, test } from 'node:test';

import { startBrowser } from '../lib/browser.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { blocksOf, replaceAll } from '../lib/documents.mjs';
import { kModule } from '../lib/nginx.mjs';
import { atEnd } from '../lib/lifetime.mjs';
import { freePort } from '../lib/ports.mjs';
import { run, waitGone } from '../lib/processes.mjs';
import { kRoot, tempDir } from '../lib/scratch.mjs';

const kPage = 'docs/tutorial.md';
const dir = tempDir('tutorial');
const [port, application] = [await freePort(), await freePort()];
let browser, cluster, addFondue;

const pidIn = (file) => Number(fs.readFileSync(path.join(dir, file), 'utf8'));

before(async () => {
  cluster = await startCluster();
  fs.chmodSync(dir, 0o755);
  const places = {
    'sudo cp': 'cp',
    '/usr/local/share/pgevents-sql': path.join(dir, 'sql'),
    'sudo -u postgres ': `PGHOST=${cluster.dir} PGUSER=postgres `,
    'host=/run/postgresql dbname=list': `host=${cluster.dir} dbname=list user=maker`,
    '/run/postgresql': cluster.dir,
    'npm install pg@8': `ln -s ${kRoot}/node_modules node_modules`,
    '$PGEVENTS/build/release/ngx_http_pgevents_module.so': kModule,
    '127.0.0.1:8080': `127.0.0.1:${port}`,
    'listen(3000, ': `listen(${application}, `,
    '127.0.0.1:3000': `127.0.0.1:${application}`,
    'pid nginx.pid;': `pid nginx.pid; ${process.getuid() === 0 ? 'user root;' : ''}`,
  };
  const blocks = blocksOf(kPage);
  const all = blocks.map(({ text }) => text).join('\n');
  for (const from of Object.keys(places)) assert.ok(all.includes(from), `'${from}' in the page`);
  const env = { ...process.env, PGEVENTS: kRoot, USER: 'maker', PGUSER: 'maker', PWD: dir };
  const commands = [];
  for (const { file, language, text } of blocks) {
    const here = replaceAll(text, places);
    if (file) {
      fs.mkdirSync(path.dirname(path.join(dir, file)), { recursive: true });
      fs.writeFileSync(path.join(dir, file), `${here}\n`);
    } else {
      assert.equal(language, 'sh', 'every other block is a file');
      commands.push(here);
    }
  }
  const [end] = commands.splice(-1);
  const [psql] = commands.splice(-1);
  const execute = (command) => run('bash', ['-euc', command], { cwd: dir, env });
  for (const command of commands) await execute(command);
  // The page says ten seconds.
  await execute(`PGHOST=${cluster.dir} psql -qU postgres -d list -c "UPDATE pgevents.settings SET value = '1 second' WHERE name = 'presence_grace'"`);
  atEnd(async () => {
    const pids = [pidIn('server.pid'), pidIn('nginx.pid')];
    await execute(end);
    await waitGone(pids, 'the servers of the tutorial', 15_000);
    assert.deepEqual(fs.readFileSync(path.join(dir, 'server.log'), 'utf8'), '');
  });
  addFondue = () => execute(psql);
  browser = await startBrowser();
});

async function enter(name, password) {
  const page = await (await browser.newContext()).newPage();
  page.problems = [];
  page.on('pageerror', (error) => page.problems.push(String(error)));
  await page.goto(`http://127.0.0.1:${port}/`);
  await page.fill('[name=name]', name);
  await page.fill('[name=password]', password);
  await page.click('#login button');
  return page;
}

const item = (page, text) => page.locator('#items li', { hasText: text });

describe('the application of the tutorial', () => {
  test('rejects a wrong password', async () => {
    const page = await enter('anna', 'wrong');
    await page.getByText('Wrong name or password.').waitFor();
    await page.context().close();
  });

  test('reads the list again when that has failed', async () => {
    const page = await enter('anna', 'gruyere');
    await page.locator('#people', { hasText: /^anna$/ }).waitFor();
    let requests = 0;
    await page.route('**/api/items', (route) => (requests++ ? route.continue() : route.fulfill({ status: 500, body: '{}' })));
    await page.reload();
    await waitFor(() => requests > 1, { what: 'the list is read again' });
    await page.locator('#people', { hasText: /^anna$/ }).waitFor();
    assert.equal(await page.isVisible('#login'), false);
    assert.deepEqual(page.problems, []);
    await page.context().close();
  });

  test('shows each change, who is here and who is typing, to both people', async () => {
    const [anna, beat] = [await enter('anna', 'gruyere'), await enter('beat', 'sbrinz')];
    for (const page of [anna, beat]) await page.locator('#people', { hasText: /^anna, beat$/ }).waitFor();
    await anna.locator('[name=what]').pressSequentially('Milk');
    await beat.locator('#typists', { hasText: 'anna …' }).waitFor();
    await anna.press('[name=what]', 'Enter');
    for (const page of [anna, beat]) await item(page, 'Milk (anna)').waitFor();
    await waitFor(async () => (await beat.locator('#typists').innerText()) === '', { what: 'no typist' });
    await beat.check('#items input');
    await waitFor(() => anna.isChecked('#items input'), { what: 'the item is done' });
    await addFondue();
    for (const page of [anna, beat]) await item(page, 'Fondue (psql)').waitFor();
    await anna.reload();
    await item(anna, 'Fondue (psql)').waitFor();
    assert.deepEqual(await anna.locator('#items li label').allInnerTexts(), [' Milk (anna)', ' Fondue (psql)']);
    assert.deepEqual([...anna.problems, ...beat.problems], []);
    await beat.context().close();
    await anna.locator('#people', { hasText: /^anna$/ }).waitFor();
    await anna.context().close();
  });
});
