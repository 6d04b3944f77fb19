// A real Chromium, closed at the end of the test file.
import fs from 'node:fs';
import path from 'node:path';
import { chromium } from 'playwright-core';

import { atEnd } from './lifetime.mjs';
import { kRoot } from './scratch.mjs';

const kBrowser = process.env.PGEVENTS_CHROMIUM ?? '/usr/bin/chromium';
const kFlags = ['--no-sandbox', '--disable-quic', '--disable-background-networking', '--disable-component-update',
  '--disable-sync', '--no-first-run'];

export async function startBrowser() {
  const browser = await chromium.launch({ executablePath: kBrowser, args: kFlags });
  atEnd(() => browser.close());
  return browser;
}

// Where a picture of the documentation goes: with PGEVENTS_UPDATE_SCREENSHOTS=1 into docs/images, otherwise where nobody minds.
export function pictureFile(name) {
  const file = path.join(kRoot, process.env.PGEVENTS_UPDATE_SCREENSHOTS === '1' ? 'docs/images' : 'tests/out', name);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  return file;
}
