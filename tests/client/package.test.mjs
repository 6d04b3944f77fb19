// The npm package, as an application gets it: packed, unpacked into an empty project, compiled in strict TypeScript
// with the declarations themselves checked, and used as an ES module, from CommonJS and from a bundle.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import { build } from 'esbuild';
import ts from 'typescript';

import { run } from '../lib/processes.mjs';
import { kRoot, tempDir } from '../lib/scratch.mjs';
import { complaints, kDom } from './lib/compiler.mjs';

const kUse = `
  const { EventChannel } = client;
  const names = Object.keys(client).sort();
  const channel = new EventChannel('http://127.0.0.1:9/rt', 'a');
  channel.onerror = ({ error }) => {
    channel.close();
    console.log(JSON.stringify({ error: error.name, names }));
  };`;
const kNames = ['AddressError', 'AuthError', 'BaseChannel', 'EventChannel', 'HttpError', 'NetworkError',
  'PgeventsError', 'Presence', 'SilenceError', 'TypingSender', 'TypingTracker', 'conversationOf', 'eventSource', 'joining',
  'page', 'register', 'sharing', 'streams', 'webSocket'];

const project = tempDir('package');
const fileOf = (name, text) => {
  fs.writeFileSync(path.join(project, name), text);
  return path.join(project, name);
};

before(async () => {
  const installed = path.join(project, 'node_modules/pgevents');
  fs.mkdirSync(installed, { recursive: true });
  await run('npm', ['pack', '--ignore-scripts', '--pack-destination', project, path.join(kRoot, 'client')]);
  const [package_file] = fs.readdirSync(project).filter((name) => name.endsWith('.tgz'));
  await run('tar', ['-xzf', path.join(project, package_file), '-C', installed, '--strip-components=1']);
  fileOf('package.json', '{ "type": "module" }');
});

async function assertWorks(file) {
  assert.deepEqual(JSON.parse((await run(process.execPath, [file])).stdout), { error: 'NetworkError', names: kNames });
}

describe('the npm package', () => {
  const { ModuleKind, ModuleResolutionKind } = ts;
  const node = { module: ModuleKind.NodeNext, moduleResolution: ModuleResolutionKind.NodeNext };
  for (const [name, options] of Object.entries({
    'Node, without the DOM library': node,
    'Node, with the DOM library': { ...node, lib: ['lib.es2022.d.ts', ...kDom] },
    'a bundler': { module: ModuleKind.ESNext, moduleResolution: ModuleResolutionKind.Bundler },
  })) {
    test(`compiles for ${name}`, () => {
      const file = fileOf('application.ts', fs.readFileSync(path.join(kRoot, 'tests/client/types/application.ts')));
      assert.deepEqual(complaints(file, { ...options, paths: {}, exactOptionalPropertyTypes: true }), []);
    });
  }

  test('has the pages to which its own pages lead', () => {
    const folder = path.join(project, 'node_modules/pgevents');
    const pages = fs.readdirSync(folder).filter((name) => name.endsWith('.md'));
    assert.deepEqual(pages, ['README.md', 'api.md', 'howto.md']);
    for (const name of pages) {
      const text = fs.readFileSync(path.join(folder, name), 'utf8');
      const targets = [...text.matchAll(/\]\(([^)#]+)[^)]*\)/g)].map(([, target]) => target);
      assert.deepEqual(targets.filter((target) => !fs.existsSync(path.join(folder, target))), [], name);
    }
  });

  test('is an ES module', () => assertWorks(fileOf('module.mjs', `import * as client from 'pgevents';${kUse}`)));

  test('can be imported in CommonJS', () => assertWorks(fileOf('common.cjs', `import('pgevents').then((client) => {${kUse}});`)));

  for (const format of ['esm', 'cjs']) {
    test(`can be bundled as ${format}`, async () => {
      const entry = fileOf('entry.mjs', `import * as client from 'pgevents';${kUse}`);
      const outfile = path.join(project, `bundle.${format === 'esm' ? 'mjs' : 'cjs'}`);
      const { warnings } = await build({ entryPoints: [entry], bundle: true, minify: true, platform: 'node', format, outfile });
      assert.deepEqual(warnings, []);
      await assertWorks(outfile);
    });
  }
});
