// An order and its event in one transaction, with knex: knex.mjs ITEM PIECES
import knex from 'knex';

const db = knex({ client: 'pg', connection: {} });

const placeOrder = (item, pieces) => db.transaction(async (trx) => {
  const [order] = await trx('orders').insert({ item, pieces }).returning('id');
  const [event] = await trx('pgevents.outbox')
    .insert({ channel_id: 'orders', type: 'order_placed', data: { id: order.id, item, pieces } })
    .returning('outbox_id');
  return event.outbox_id;
});

try {
  console.log(await placeOrder(process.argv[2], Number(process.argv[3])));
} finally {
  await db.destroy();
}
