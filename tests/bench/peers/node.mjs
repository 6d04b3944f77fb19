// The server that developers write themselves (node_listen.mjs): one Node.js process, as the others have one worker,
// that listens to PostgreSQL. Its table and trigger are the simplest possible, in a separate database of pgevents's
// cluster.
import path from 'node:path';

import { freePort } from '../../lib/ports.mjs';
import { kRoot, tempDir } from '../../lib/scratch.mjs';
import { benchCluster, channelArgs, listens, startServer } from './common.mjs';

const kServer = path.join(kRoot, 'tests', 'bench', 'node_listen.mjs');

const kSchema = `CREATE TABLE events (id bigserial PRIMARY KEY, channel text NOT NULL, data json NOT NULL);
CREATE INDEX ON events (channel, id);
CREATE FUNCTION notify_events() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_notify(''events'', ''''); RETURN NULL; END';
CREATE TRIGGER notify_events AFTER INSERT ON events FOR EACH STATEMENT EXECUTE FUNCTION notify_events();`;
const kInsert = 'INSERT INTO events (channel, data) VALUES ($1, $2)';

let database;
async function ownDatabase() {
  const created = await (await benchCluster()).createDatabase({ install: false });
  await created.query(kSchema);
  return created;
}

async function start() {
  database ??= await ownDatabase();
  const conninfo = database.conninfo({ user: 'postgres' });
  const [dir, port] = [tempDir('node'), await freePort()];
  const args = [kServer, port, dir, ...conninfo.split(' ')];
  const server = await startServer({ dir, command: process.execPath, args, ready: () => listens(port) });
  return {
    args: ['--server', `127.0.0.1:${port}`, '--conninfo', conninfo, '--statement', kInsert, '--publishers', '1',
      '--watch', `server=${server.pid}`, '--watch', `postgresql=${database.cluster.pid}`, ...channelArgs('/events/')],
    config: kSchema,
    stop: server.stop,
  };
}

// No long polls: to answer them well it would have to keep recent events itself, which such servers do not do.
export const node = { start, flavors: ['sse'] };
