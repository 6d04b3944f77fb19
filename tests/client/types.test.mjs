// The client's types: an application compiles in strict TypeScript, with and without the DOM library, and with the
// declarations themselves checked (skipLibCheck is off). So does an application with the hooks of client/howto.md.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import ts from 'typescript';

import { blocksOf, blockWith } from '../lib/documents.mjs';
import { kRoot, tempDir } from '../lib/scratch.mjs';
import { complaints, kDom } from './lib/compiler.mjs';

describe('the types', () => {
  test('compile without the DOM library', () => assert.deepEqual(complaints('tests/client/types/application.ts'), []));

  test('compile with the DOM library', () => {
    assert.deepEqual(complaints('tests/client/types/application.ts', { lib: ['lib.es2022.d.ts', ...kDom] }), []);
  });

  test('describe the functions', () => {
    const options = { lib: ['lib.es2022.d.ts', ...kDom], allowJs: true, checkJs: true, noUncheckedIndexedAccess: false };
    assert.deepEqual(complaints('tests/client/types/functions.ts', options), []);
  });
});

// As the templates of Vite set it.
const kStrict = {
  module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler, jsx: ts.JsxEmit.ReactJSX,
  lib: ['lib.es2022.d.ts', ...kDom], noUnusedLocals: true, noUnusedParameters: true, verbatimModuleSyntax: true,
  erasableSyntaxOnly: true, exactOptionalPropertyTypes: true,
};

test('the hooks compile in an application, and give it its types', () => {
  const page = 'client/howto.md';
  const folder = tempDir('hooks');
  const write = (name, text) => fs.writeFileSync(path.join(folder, name), text);
  fs.symlinkSync(path.join(kRoot, 'node_modules'), path.join(folder, 'node_modules'));
  const hooks = { 'react.tsx': 'react', 'vue.ts': 'vue', 'svelte.ts': 'svelte/store' };
  for (const [name, library] of Object.entries(hooks)) write(name, blockWith(page, library));
  const items = blocksOf(page).find(({ text }) => text.includes('function reduce('));
  write('items.ts', `${items.text}\nexport { load, reduce };\n`);
  write('application.tsx', fs.readFileSync(path.join(kRoot, 'tests/client/types/hooks.tsx')));
  assert.deepEqual(complaints(path.join(folder, 'application.tsx'), kStrict), []);
});
