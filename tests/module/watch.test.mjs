// Changes of a watched table on their way to clients: a role without rights in pgevents writes the table, as PostgREST
// does, and the channel has a value that needs encoding, which the operator's pattern allows.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { EventChannel } from '../../client/src/index.js';
import { sharedCluster } from '../lib/cluster.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { startModuleServer } from '../lib/module_server.mjs';

const database = await (await sharedCluster()).createDatabase();
await database.query(`
  CREATE ROLE shop IN ROLE pgevents_publisher;
  CREATE ROLE writer LOGIN;
  CREATE TABLE orders (id int PRIMARY KEY, customer text NOT NULL, item text, secret text);
  ALTER TABLE orders OWNER TO shop;
  GRANT SELECT, INSERT, UPDATE, DELETE ON orders TO writer;
  GRANT CREATE ON SCHEMA public TO shop;`);
await database.query(`SELECT pgevents.watch('orders', channel => 'customer:{customer}', columns => '{id,item}', type => 'order')`);
const server = await startModuleServer({ database, location: 'pgevents_channel_pattern "[A-Za-z0-9_.:@=+%-]+";' });

const write = (sql) => database.query(sql, [], { user: 'writer' });

test('a client gets the changes of the rows of its channel, and a row that moves to another channel leaves', async () => {
  const channel = new EventChannel(`http://127.0.0.1:${server.port}/rt`, 'customer:Anne%20B%2E');
  const rows = new Map();
  const types = [];
  for (const type of ['order_created', 'order_updated']) channel.addEventListener(type, ({ data }) => rows.set(data.new.id, data.new));
  channel.addEventListener('order_deleted', ({ data }) => rows.delete(data.old.id));
  channel.onevent = ({ type }) => types.push(type);
  await new Promise((resolve) => channel.addEventListener('open', resolve, { once: true }));

  await write(`INSERT INTO orders VALUES (1, 'Anne B.', 'Brie', 's'), (2, 'Anne B.', 'Edam', 's'), (3, 'Bob', 'Comté', 's')`);
  await write(`UPDATE orders SET item = 'Gruyère' WHERE id = 1`);
  await write(`UPDATE orders SET secret = 't'`);
  await write(`UPDATE orders SET customer = 'Bob' WHERE id = 2`);
  await write(`UPDATE orders SET customer = 'Anne B.' WHERE id = 3`);
  await write('DELETE FROM orders WHERE id = 1');

  await waitFor(() => types.length === 6, { what: () => types.join() });
  assert.deepEqual(types, ['order_created', 'order_created', 'order_updated', 'order_deleted', 'order_created', 'order_deleted']);
  assert.deepEqual([...rows.values()], [{ id: 3, item: 'Comté' }]);
  channel.close();
});
