// Every example of client/README.md and client/howto.md compiles in strict TypeScript, and runs: the examples of
// the client's own interface on a model of the server, each with what it must show.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { transformSync } from 'esbuild';

import { kRoot, tempDir } from '../lib/scratch.mjs';
import { complaints } from './lib/compiler.mjs';
import { kSettings } from './lib/sessions.mjs';
import { Browser } from './lib/page.mjs';

const kPages = ['client/README.md', 'client/howto.md'];
const kLibraries = ['react', 'vue', 'svelte/store'];

// The blocks of code of a page, with the heading above each.
function examplesOf(file) {
  let heading = '';
  return [...fs.readFileSync(path.join(kRoot, file), 'utf8').matchAll(/^#+ (.*)$|^```(js|ts|tsx|html)\n([\s\S]*?)^```$/gm)]
    .flatMap(([, title, language, text]) => {
      heading = title ?? heading;
      const code = language === 'html' ? /<script[^>]*>([\s\S]*)<\/script>/.exec(text)[1] : text;
      return title ? [] : [{ file, heading, language, code: code?.replaceAll("'/client/index.js'", "'pgevents'") }];
    });
}

const examples = kPages.flatMap(examplesOf);
const usesLibrary = ({ code }) => kLibraries.some((name) => code.includes(`from '${name}'`));

// What the examples take from their page.
const kTypes = `
  declare function show(...things: unknown[]): void;
  declare const process: { env: Record<string, string | undefined> };
  declare const fetch: (url: string, init?: object) => Promise<{ json(): Promise<any>, text(): Promise<string> }>;
  declare const console: { log(...things: unknown[]): void };
  declare const input: { value: string, addEventListener(type: string, listener: () => void): void };
  declare const form: typeof input;
  declare const document: { getElementById(id: string): { dataset: Record<string, string> } };
`;
const kEarlier = {
  items: 'declare let items: unknown[];\n',
  events: "import { EventChannel as Earlier } from 'pgevents';\ndeclare const events: Earlier;\n",
  token: 'declare const token: () => Promise<string>;\n',
  EventChannel: "import { EventChannel } from 'pgevents';\n",
};

// A later example of the README uses what an earlier one has made.
const needed = (code) => Object.entries(kEarlier).filter(([name]) => new RegExp(`\\b${name}\\b`).test(code) &&
  !new RegExp(`(const ${name}\\b|import \\{[^}]*\\b${name}\\b)`).test(code));

const folder = tempDir('examples');
after(() => fs.rmSync(folder, { recursive: true }));

describe('examples compile', () => {
  for (const [n, example] of examples.entries()) {
    if (usesLibrary(example)) continue;
    test(`${example.file}, ${example.heading} (${n})`, () => {
      const file = path.join(folder, `${n}.ts`);
      const typed = example.code.replace('(rejection) =>', '(rejection?: { code?: string }) =>').replaceAll('new Map()', 'new Map<any, any>()');
      fs.writeFileSync(file, `${needed(example.code).map(([, line]) => line).join('')}${kTypes}${typed}\nexport {};\n`);
      assert.deepEqual(complaints(file, { module: 99, moduleResolution: 100 }), []);
    });
  }
});

// The page of an example, and its server.
function world() {
  const browser = new Browser();
  const page = browser.page();
  const { clock, network } = browser;
  const shown = [];
  const answers = { '/api/items': [{ id: 1 }], '/api/token': 't1' };
  const presence = () => ({ server_timestamp: clock.now() / 1000, presence_last_update_id: 5, presences: {} });
  network.calls['/rt/events/room%3A7'] = ({ data, type }) => ({ id: network.publish('room:7', data, type) });
  network.calls['/rt/users/me/presence'] = network.calls['/rt/typing'] = () => presence();
  network.calls['/rt/register'] = () => ({ last_event_id: String(network.head), channels: ['user:10', 'presence:main'],
    user_channel: 'user:10', presence_channel: 'presence:main', stream_channel: 'stream:{stream_id}', ...presence(),
    user_settings: kSettings });
  const input = Object.assign(new EventTarget(), { value: 'x' });
  Object.assign(page.document, { getElementById: () => ({ dataset: { cursor: '0' } }) });
  const names = {
    show: (...things) => shown.push(...things), items: [], input, form: new EventTarget(), document: page.document,
    console: { log: (...things) => shown.push(...things), warn: assert.fail }, process: { env: { TOKEN: 't1' } },
    fetch: async (url, init) => {
      const answer = answers[url];
      return answer ? { json: async () => answer, text: async () => answer } : page.environment.fetch(url, init);
    },
  };
  return { browser, page, clock, network, shown, input, names };
}

// Runs an example as an async function; the library gets the environment of its page.
async function run({ code, language }, its) {
  const client = await import('../../client/src/index.js');
  const environment = { ...its.page.environment, fetch: its.names.fetch, console: its.names.console };
  const inPage = (Channel) => class extends Channel {
    constructor(base, channels, options) {
      super(base, channels, { environment, ...options });
    }
  };
  const [EventChannel, BaseChannel] = [client.EventChannel, client.BaseChannel].map(inPage);
  const earlier = { token: async () => 't1', events: undefined };
  if (/\bevents\./.test(code) && !/const events/.test(code)) earlier.events = new EventChannel('/rt', 'items');
  const register = (base, options) => client.register(base, { environment, ...options });
  const pgevents = { ...client, EventChannel, BaseChannel, register };
  const plain = transformSync(code, { loader: language === 'ts' ? 'ts' : 'js' }).code;
  const body = plain.replace(/^import \{([^}]*)\} from .pgevents.;$/gm, 'const {$1} = pgevents;').replace(/^(const|let) /gm, 'var ');
  const made = [...body.matchAll(/^var (\w+)/gm)].map(([, name]) => name);
  const given = Object.entries({ ...its.names, ...earlier, pgevents, EventChannel }).filter(([name]) => !made.includes(name));
  const AsyncFunction = (async () => {}).constructor;
  await new AsyncFunction(...given.map(([name]) => name), body)(...given.map(([, value]) => value));
}

// What an example must show after these events, by heading.
const kEvents = [['cheese', 'cheese_created', { pieces: 92, cheese_type: 'Gruyère' }], ['items', 'item_added', 'i'], ['orders', 'made', 'o'],
  ['room:7', 'message', 'm'], ['items', 'item_saved', { id: 2, title: 'two' }], ['items', 'item_deleted', { id: 1 }],
  ['stream:7', 'message', 's'], ['user:10', 'made', 'u']];
const kShown = {
  'client/README.md': {
    'In five lines': /Gruyère|"i"|orders/, 'A page with presence and typing': /"s"/, 'A smaller bundle': /92/, Types: /93/,
  },
  'client/howto.md': { 'Server-side rendering': /two/, 'Refresh tokens': /"u"/, 'Typed events': /"two",1/ },
};

describe('examples run', () => {
  for (const [n, example] of examples.entries()) {
    if (usesLibrary(example)) continue;
    test(`${example.file}, ${example.heading} (${n})`, async () => {
      const its = world();
      const done = run(example, its);
      const connects = /Channel|register/.test(example.code);
      await Promise.all([done, its.clock.until(() => its.network.streams.size > 0 || !connects)]);
      its.input.dispatchEvent(new Event('input'));
      for (const event of kEvents) its.network.publish(event[0], event[2], event[1]);
      await its.clock.advance(5000);
      const wanted = kShown[example.file][example.heading];
      if (wanted) assert.match(JSON.stringify(its.shown), wanted);
    });
  }
});

test('each hook has at most 40 lines', () => {
  const hooks = examples.filter(usesLibrary);
  assert.equal(hooks.length, 3);
  for (const { code } of hooks) assert.ok(code.split('\n').length <= 40);
});
