// The demo as a user starts it: ./run with its own run directory and port. It is stopped at the end of the test file.
import fs from 'node:fs';
import path from 'node:path';
import pg from 'pg';

import { atEnd } from './lifetime.mjs';
import { freePort } from './ports.mjs';
import { run } from './processes.mjs';
import { kRoot, tempDir } from './scratch.mjs';

export class Demo {
  constructor({ port, dir }) {
    this.port = port;
    this.dir = dir;
    this.url = `http://127.0.0.1:${port}`;
    this.env = { ...process.env, PGEVENTS_PORT: String(port), PGEVENTS_RUN_DIR: dir, PGEVENTS_DATABASE: '' };
  }

  // Runs `./run …`. Gives status, stdout and stderr. The first call in a fresh clone builds.
  run(args, { expect = 0, env = {} } = {}) {
    return run(path.join(kRoot, 'run'), args, { env: { ...this.env, ...env }, expect, timeout: 900_000 });
  }

  // The folder of its servers' files.
  get place() {
    const file = path.join(this.dir, 'place');
    return fs.existsSync(file) ? fs.readFileSync(file, 'utf8').trim() : this.dir;
  }

  // A connection to the demo's database, as its owner.
  async connect() {
    const client = new pg.Client({ host: path.join(this.place, 'pg'), user: 'pgevents_owner', database: 'pgevents' });
    await client.connect();
    atEnd(() => client.end());
    return client;
  }
}

export async function newDemo(dir = tempDir('demo')) {
  const demo = new Demo({ port: await freePort(), dir });
  atEnd(() => demo.run(['down']));
  return demo;
}

export async function startDemo() {
  const demo = await newDemo();
  await demo.run(['up']);
  return demo;
}
