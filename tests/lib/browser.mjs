// A real Chromium, closed at the end of the test file.
import fs from 'node:fs';
import path from 'node:path';
import { chromium } from 'playwright-core';

import { atEnd } from './lifetime.mjs';
import { kRoot } from './scratch.mjs';

const kBrowser = process.env.PGEVENTS_CHROMIUM ?? '/usr/bin/chromium';
const kFlags = ['--no-sandbox', '--disable-background-networking', '--disable-component-update',
  '--disable-sync', '--no-first-run'];

// flags: instead of the one that turns HTTP/3 off.
export async function startBrowser({ flags = ['--disable-quic'] } = {}) {
  const browser = await chromium.launch({ executablePath: kBrowser, args: [...kFlags, ...flags] });
  atEnd(() => browser.close());
  return browser;
}

// The path of a screenshot: below docs/images with PGEVENTS_UPDATE_SCREENSHOTS=1, otherwise below tests/out.
export function pictureFile(name) {
  const file = path.join(kRoot, process.env.PGEVENTS_UPDATE_SCREENSHOTS === '1' ? 'docs/images' : 'tests/out', name);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  return file;
}
