// The demo as a user starts it: ./run with its own run directory and port. It is stopped at the end of the test file.
import fs from 'node:fs';
import path from 'node:path';
import pg from 'pg';

import { atEnd } from './lifetime.mjs';
import { freePort } from './ports.mjs';
import { run } from './processes.mjs';
import { kRoot, tempDir } from './scratch.mjs';

// A user of Debian has no sbin.
const kPath = process.env.PATH.split(':').filter((folder) => !folder.endsWith('/sbin')).join(':');

// Every build that is not needed takes some seconds to find that out.
const kIsBuilt = fs.existsSync(path.join(kRoot, 'build/release/ngx_http_pgevents_module.so')) ? '1' : '';

export class Demo {
  constructor({ port, dir }) {
    this.port = port;
    this.dir = dir;
    this.url = `http://127.0.0.1:${port}`;
    this.env = { ...process.env, PGEVENTS_PORT: String(port), PGEVENTS_RUN_DIR: dir, PGEVENTS_DATABASE: '',
      PGEVENTS_BUILT: kIsBuilt, PATH: kPath };
  }

  // Runs `./run …`. Gives status, stdout and stderr. In a fresh clone it builds.
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

// All of them stop at the same time.
const demos = [];

export async function newDemo(dir = tempDir('demo')) {
  const demo = new Demo({ port: await freePort(), dir });
  if (demos.length === 0) atEnd(() => Promise.all(demos.map((one) => one.run(['down']))));
  demos.push(demo);
  return demo;
}

export async function startDemo() {
  const demo = await newDemo();
  await demo.run(['up']);
  return demo;
}
