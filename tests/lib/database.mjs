// One database of a test's cluster, with pgevents installed by psql as an administrator would do it, and connections
// for the three parties: administrator, server (with the front-ends' rights) and publisher (with an application's
// rights).
import path from 'node:path';
import pg from 'pg';

import { waitFor } from './conditions.mjs';
import { run } from './processes.mjs';
import { kRoot } from './scratch.mjs';

// Ids come as numbers (tests stay far below 2^53), JSON as the text that is stored.
pg.types.setTypeParser(pg.types.builtins.INT8, Number);
pg.types.setTypeParser(pg.types.builtins.JSON, (text) => text);
pg.types.setTypeParser(pg.types.builtins.JSONB, (text) => text);

export const kServerUser = 'test_server';
export const kPublisherUser = 'test_publisher';

const kLoginRoles = `
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${kServerUser}') THEN
    CREATE ROLE ${kServerUser} LOGIN IN ROLE pgevents_server;
    CREATE ROLE ${kPublisherUser} LOGIN IN ROLE pgevents_publisher;
  END IF;
END
$$;`;

export class Database {
  constructor(cluster, name) {
    this.cluster = cluster;
    this.name = name;
    this.pools_ = new Map();
  }

  async maintain_(sql) {
    const maintenance = new pg.Client(this.options_('postgres', 'postgres'));
    await maintenance.connect();
    await maintenance.query(sql);
    await maintenance.end();
  }

  // install: true, false, or the path of another release's install.sql.
  async create({ install }) {
    await this.maintain_(`CREATE DATABASE ${this.name}`);
    if (!install) return;
    await this.install(install === true ? undefined : install);
    await this.query(kLoginRoles);
  }

  // Installs the schema, or upgrades it.
  async install(file = path.join(kRoot, 'sql', 'install.sql')) {
    await this.psql(['-f', file]);
  }

  // Also ends the connections that others have to it.
  async drop() {
    await this.disconnect();
    await this.maintain_(`DROP DATABASE ${this.name} WITH (FORCE)`);
  }

  options_(user, database = this.name) {
    return { ...this.cluster.address(), user, database, application_name: 'test' };
  }

  // Connection string for the module and the fallback.
  conninfo({ user = kServerUser, tcp = false } = {}) {
    return this.cluster.conninfo({ user, database: this.name, tcp });
  }

  // Runs psql as the administrator, with psql's own arguments and input.
  async psql(args, input) {
    const common = ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-h', this.cluster.dir, '-p', String(this.cluster.port)];
    const target = ['-U', 'postgres', '-d', this.name];
    return run(this.cluster.program('psql'), [...common, ...target, ...args], { input });
  }

  pool_(user) {
    let pool = this.pools_.get(user);
    if (!pool) {
      pool = new pg.Pool({ ...this.options_(user), max: 4, allowExitOnIdle: true });
      pool.on('error', () => {}); // an idle connection of a stopped server; the next query fails by itself
      this.pools_.set(user, pool);
    }
    return pool;
  }

  // Runs one statement as the administrator (or `user`). Gives its rows.
  async query(sql, params = [], { user = 'postgres' } = {}) {
    const result = await this.pool_(user).query(sql, params);
    return result.rows;
  }

  // The first column of the first row.
  async value(sql, params, options) {
    const [row] = await this.query(sql, params, options);
    return row && Object.values(row)[0];
  }

  // Opens a separate connection, for transactions. The caller ends it.
  async connect(user = kPublisherUser) {
    const client = new pg.Client(this.options_(user));
    client.on('error', () => {});
    await client.connect();
    return client;
  }

  // Publishes one event as an application does. `data` is a value, or JSON text given as { json }. Gives the event's
  // id; if the transaction left that to a front-end, it waits for it (see settled()).
  async publish(channel, type, data, { ttl } = {}) {
    const text = data?.json ?? JSON.stringify(data ?? null);
    const publish = 'SELECT pgevents.publish($1, $2, $3::json, $4::interval)';
    await this.query(publish, [channel, type, text, ttl ?? null], { user: kPublisherUser });
    const newest = `SELECT NOT EXISTS (SELECT FROM pgevents.ready WHERE channel_id = $1) AS is_settled, max(id) AS id
                      FROM pgevents.events WHERE channel_id = $1`;
    return waitFor(async () => (await this.query(newest, [channel])).find((row) => row.is_settled),
      { what: `the id of an event of channel ${channel}` }).then((row) => row.id);
  }

  // Puts an event into the log without a notification, as if that were lost. Nobody else may publish meanwhile.
  async appendSilently(channel, type, data) {
    await this.query(`INSERT INTO pgevents.log (id, channel_id, ts, type, data)
      VALUES (nextval('pgevents.log_id_seq'), $1, clock_timestamp(), $2, $3)`, [channel, type, JSON.stringify(data ?? null)]);
    return this.head();
  }

  // Waits until no committed event is without its id. A transaction leaves its ids to a front-end if it publishes very
  // many events, or if another transaction, a front-end's too, gives ids when it commits.
  async settled() {
    await waitFor(() => this.value('SELECT NOT EXISTS (SELECT FROM pgevents.ready)'), { what: 'the ids of all events' });
  }

  head() {
    return this.value('SELECT pgevents.head()');
  }

  // The log as the front-ends read it, in id order: { id, channel_id, ts_us, type, data (inner JSON text) }.
  async log({ after = 0, channels } = {}) {
    const rows = await this.query('SELECT * FROM pgevents.log_after($1, 2147483647)', [after]);
    return channels ? rows.filter((row) => channels.includes(row.channel_id)) : rows;
  }

  async disconnect() {
    const pools = [...this.pools_.values()];
    this.pools_.clear();
    await Promise.all(pools.map((pool) => pool.end()));
  }
}
