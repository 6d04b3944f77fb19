// POST /orders writes an order and its event in one transaction, with Express and pg.
import express from 'express';
import pg from 'pg';

const pool = new pg.Pool();

async function inTransaction(work) {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    client.release();
  }
}

const app = express();
app.use(express.json());

app.post('/orders', async (request, response) => {
  const { item, pieces } = request.body;
  const key = await inTransaction(async (client) => {
    const order = await client.query('INSERT INTO orders (item, pieces) VALUES ($1, $2) RETURNING id', [item, pieces]);
    const event = await client.query(
      'INSERT INTO pgevents.outbox (channel_id, type, data) VALUES ($1, $2, $3) RETURNING outbox_id',
      ['orders', 'order_placed', { id: order.rows[0].id, item, pieces }],
    );
    return event.rows[0].outbox_id;
  });
  response.status(201).json({ key });
});

app.listen(process.env.PORT, '127.0.0.1');
