// An order and its event in one transaction, with drizzle: drizzle.mjs ITEM PIECES
import { drizzle } from 'drizzle-orm/node-postgres';
import { integer, json, pgSchema, pgTable, text, timestamp, uuid } from 'drizzle-orm/pg-core';
import pg from 'pg';

const orders = pgTable('orders', {
  id: integer().primaryKey().generatedAlwaysAsIdentity(),
  item: text().notNull(),
  pieces: integer().notNull(),
});

const outbox = pgSchema('pgevents').table('outbox', {
  outboxId: uuid('outbox_id').primaryKey().defaultRandom(),
  channelId: text('channel_id').notNull(),
  type: text().notNull(),
  data: json(),
  expiresAt: timestamp('expires_at', { withTimezone: true }),
});

const pool = new pg.Pool();
const db = drizzle({ client: pool });

const placeOrder = (item, pieces) => db.transaction(async (tx) => {
  const [order] = await tx.insert(orders).values({ item, pieces }).returning();
  const [event] = await tx.insert(outbox)
    .values({ channelId: 'orders', type: 'order_placed', data: order })
    .returning();
  return event.outboxId;
});

try {
  console.log(await placeOrder(process.argv[2], Number(process.argv[3])));
} finally {
  await pool.end();
}
