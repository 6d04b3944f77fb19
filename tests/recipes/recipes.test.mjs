// The recipes of docs/recipes.md: the page shows what is run, and the programs do what it says. `./run recipes` runs
// all (PGEVENTS_RECIPES=all), the suite one of them, because the packages of the others take minutes to install.
// PGEVENTS_UPDATE_RECIPES=1 puts the files into the page.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { kRoot } from '../lib/scratch.mjs';
import { blockOf, check, filesOf, kRecipes, pathOf } from './recipes.mjs';

const kPage = path.join(kRoot, 'docs', 'recipes.md');
const files = Object.values(kRecipes).flatMap(filesOf);

test('the page shows each recipe as it is run', () => {
  let page = fs.readFileSync(kPage, 'utf8');
  for (const file of files) {
    const text = fs.readFileSync(pathOf(file), 'utf8');
    assert.match(page, blockOf(file), `a block behind a link to ${file}`);
    if (process.env.PGEVENTS_UPDATE_RECIPES) page = page.replace(blockOf(file), (_, before, __, after) => before + text + after);
    assert.equal(blockOf(file).exec(page)[2], text, file);
  }
  if (process.env.PGEVENTS_UPDATE_RECIPES) fs.writeFileSync(kPage, page);
});

const names = Object.keys(kRecipes);
for (const name of process.env.PGEVENTS_RECIPES === 'all' ? names : names.slice(0, 1)) {
  test(`${name}: an order and its event are committed together, or neither is`, () => check(kRecipes[name]));
}
