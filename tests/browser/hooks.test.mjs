// The hooks of client/howto.md in Chromium, each in an application of its library that shows the items of a
// channel: React in strict mode, which mounts each component twice. And each in a server that renders the page.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { startBrowser } from '../lib/browser.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { applicationOf, kLibraries, renderedBy } from './lib/hooks.mjs';
import { connectionsOf, html, script, startPages } from './lib/pages.mjs';

const kPage = '<div id="app"></div><script src="/script.js"></script>';

let browser;
before(async () => {
  browser = await startBrowser();
});

// The application of a library in a page. `load` of the page reads /api/items/CHANNEL; `held` and `broken` are channels
// for which that is not answered, or with an error.
class Application {
  held = new Set();
  broken = new Set();
  problems = [];

  async open(library) {
    const application = await applicationOf(library);
    this.server = await startPages((path) => {
      const [, name] = /^\/api\/items\/(.*)/.exec(path) ?? [];
      if (name) return this.#items(name);
      return { '/page': () => html(kPage), '/script.js': () => script(application) }[path]?.();
    });
    this.page = await browser.newPage();
    this.page.on('pageerror', (error) => this.problems.push(String(error)));
    this.page.on('console', (message) => {
      const { url } = message.location();
      if (['warning', 'error'].includes(message.type()) && !url.includes('/api/items')) this.problems.push(message.text());
    });
    await this.page.clock.install();
    await this.page.goto(`${this.server.origin}/page`);
    return this;
  }

  async close() {
    assert.deepEqual(this.problems, []);
    await this.page.close();
    await this.server.stop();
  }

  async #items(channel) {
    const items = this.server.network.log.filter(({ channel_id }) => channel_id === channel).map(({ data }) => data.data);
    await waitFor(() => !this.held.has(channel), { what: `${channel} is answered` });
    return this.broken.has(channel) ? new Response('', { status: 500 }) : Response.json(items);
  }

  // Waits until the page shows this text. `meanwhile` is called before each look.
  async shows(text, meanwhile = () => {}) {
    let shown;
    await waitFor(async () => {
      await meanwhile();
      shown = await this.page.locator('#app').innerText();
      return shown === text;
    }, { what: () => `'${text}': '${shown}'`, interval: 20 });
  }

  // The channels of each open connection.
  get connections() {
    return connectionsOf(this.server).map(({ channels }) => channels.join());
  }

  connects(...channels) {
    const same = () => this.connections.join(' ') === channels.join(' ');
    return waitFor(same, { what: () => `connections '${channels}': '${this.connections.join(' ')}'` });
  }
}

for (const library of kLibraries) {
  describe(`the hook of ${library}`, () => {
    let application;
    before(async () => {
      application = await new Application().open(library);
    });
    after(() => application.close());

    test('shows each event once', async () => {
      await application.shows('live:');
      for (const item of ['one', 'two', 'three']) application.server.publish('items', item);
      await application.shows('live: one two three');
      await application.connects('items');
    });

    test('changes the channel, and its connection', async () => {
      application.server.publish('others', 'four');
      await application.page.evaluate("show('others')");
      await application.shows('live: four');
      await application.connects('others');
      application.server.publish('items', 'five');
      application.server.publish('others', 'six');
      await application.shows('live: four six');
    });

    test('shows nothing of the channel before that arrives late', async () => {
      application.held.add('slow');
      const asked = application.page.waitForRequest(/items.slow$/);
      await application.page.evaluate("show('slow')");
      await asked;
      await application.shows('live:');
      await application.page.evaluate("show('items')");
      await application.shows('live: one two three five');
      const late = application.page.waitForResponse(/items.slow$/);
      application.held.clear();
      await (await late).finished();
      application.server.publish('slow', 'seven');
      application.server.publish('items', 'eight');
      await application.shows('live: one two three five eight');
      await application.connects('items');
    });

    test('loads again when loading has failed', async () => {
      application.broken.add('others');
      const failed = application.page.waitForResponse(/items.others$/);
      await application.page.evaluate("show('others')");
      await failed;
      application.broken.clear();
      await application.shows('live:');
      await application.shows('live: four six', () => application.page.clock.runFor(1000));
      application.server.publish('others', 'nine');
      await application.shows('live: four six nine');
      await application.connects('others');
    });

    test('leaves no connection behind', async () => {
      await application.page.evaluate('leave()');
      await application.connects();
    });
  });
}

describe('a server that renders the page connects to nothing', () => {
  for (const library of kLibraries) {
    test(library, async () => assert.match(await renderedBy(library), /connecting: *<\/p>/));
  }
});
