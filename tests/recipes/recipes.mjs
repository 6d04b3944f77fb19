// The recipes of docs/recipes.md: complete programs, each run by its own interpreter as a role that may do nothing in
// pgevents but publish. A recipe places an order, and publishes that in the same transaction.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';

import { sharedCluster } from '../lib/cluster.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { request } from '../lib/http.mjs';
import { freePort } from '../lib/ports.mjs';
import { run, signalIfAlive, waitGone } from '../lib/processes.mjs';

const here = import.meta.dirname;
const kUuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
// Debian's packages belong to Debian's interpreter.
const python = (file) => ['/usr/bin/python3', file];
const node = (file) => [process.execPath, file];

// isServer: it takes the order by POST /orders; otherwise as arguments. prepare: a command to run first.
export const kRecipes = {
  psycopg: { command: python('psycopg_plain.py') },
  Django: { command: python('django_models.py') },
  'Flask and SQLAlchemy': { command: python('flask_sqlalchemy.py'), isServer: true },
  'Rails and ActiveRecord': { command: ['ruby', 'active_record.rb'] },
  'PHP, PDO': { command: ['php', 'pdo.php'] },
  'Express and pg': { command: node('express_pg.mjs'), isServer: true },
  knex: { command: node('knex.mjs') },
  drizzle: { command: node('drizzle.mjs') },
  Prisma: {
    command: node('prisma.mjs'),
    files: ['prisma/schema.prisma'],
    prepare: node('node_modules/prisma/build/index.js').concat('generate', '--schema', 'prisma/schema.prisma'),
    // Prisma downloads this program, and does not start it to generate a client.
    environment: { PRISMA_SCHEMA_ENGINE_BINARY: process.execPath },
  },
};

// The files of a recipe that the page shows.
export const filesOf = ({ command, files = [] }) => [...files, command[1]];

// A database with the application's table. The transaction of an order for Stilton fails at COMMIT, which no recipe may
// survive with an event.
async function newShop() {
  const cluster = await sharedCluster();
  const database = await cluster.createDatabase();
  await database.query(`
    DO $$ BEGIN
      IF to_regrole('shop') IS NULL THEN CREATE ROLE shop LOGIN IN ROLE pgevents_publisher; END IF;
    END $$;
    CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, item text NOT NULL, pieces int NOT NULL);
    ALTER TABLE orders OWNER TO shop;
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no Stilton'; END $$;
    CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON orders DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW WHEN (NEW.item = 'Stilton') EXECUTE FUNCTION refuse();`);
  const { host, port } = cluster.address();
  return { database, environment: { PGHOST: host, PGPORT: String(port), PGUSER: 'shop', PGDATABASE: database.name } };
}

// Places orders with a program that takes them as arguments. Gives { key, failure }: what it printed, how it failed.
async function byArguments([program, ...args], options) {
  const good = await run(program, [...args, 'Gruyère', '3'], options);
  const bad = await run(program, [...args, 'Stilton', '3'], { ...options, expect: null });
  return { key: good.stdout.trim(), failure: bad.status !== 0 && bad.stdout + bad.stderr };
}

// The same with a server.
async function byRequests([program, ...args], options) {
  const port = await freePort();
  const child = spawn(program, args, { ...options, env: { ...options.env, PORT: String(port) }, stdio: 'pipe' });
  const log = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => log.push(chunk));
  const post = (item) => request({ port, path: '/orders', method: 'POST', body: JSON.stringify({ item, pieces: 3 }),
    headers: { 'Content-Type': 'application/json' } });
  const what = () => `${args[0]} to listen: ${Buffer.concat(log)}`;
  try {
    await waitFor(() => request({ port, path: '/' }).then(() => true, () => false), { what, timeout: 30_000 });
    const good = await post('Gruyère');
    assert.equal(good.status, 201, `${good.body}${Buffer.concat(log)}`);
    const bad = await post('Stilton');
    await waitFor(() => /no Stilton/.test(Buffer.concat(log)), { what });
    return { key: JSON.parse(good.body).key, failure: bad.status === 500 && String(Buffer.concat(log)) };
  } finally {
    signalIfAlive(child.pid, 'SIGTERM');
    await waitGone([child.pid], args[0]);
  }
}

// Runs a recipe and checks what it has written.
export async function check({ command, isServer, prepare, environment: more }) {
  const { database, environment } = await newShop();
  const options = { cwd: here, env: { ...process.env, ...environment, ...more } };
  if (prepare) await run(prepare[0], prepare.slice(1), options);
  const { key, failure } = await (isServer ? byRequests : byArguments)(command, options);
  assert.match(key, kUuid);
  assert.match(failure || 'it succeeded', /no Stilton/);
  const [order, ...others] = await database.query('SELECT * FROM orders');
  assert.deepEqual(others, []);
  const events = await database.query('SELECT channel_id, type, data FROM pgevents.log');
  assert.deepEqual(events.map(({ data, ...event }) => ({ ...event, data: JSON.parse(data) })),
    [{ channel_id: 'orders', type: 'order_placed', data: { id: order.id, item: 'Gruyère', pieces: 3 } }]);
}

export const pathOf = (file) => path.join(here, file);

// The text of a file on the page: a block of code behind the file's name.
export const blockOf = (file) => new RegExp(
  `(\`tests/recipes/${file.replace('.', '\\.')}\`[^\n]*\n\n\`\`\`[a-z]+\n)([^]*?)(\`\`\`\n)`);
