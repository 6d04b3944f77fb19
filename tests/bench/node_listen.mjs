// A server as many developers write one: LISTEN on one connection, EventSource streams to all clients of a channel. It
// is measured beside pgevents. It finds rows by `id > last`: of two overlapping transactions the one with the later id
// may commit first, and then no client receives the other event. The table shows it in scenarios with several
// publishers.
//   node node_listen.mjs PORT DIRECTORY CONNINFO…       CONNINFO: name=value words of libpq: host port dbname user
import http from 'node:http';
import pg from 'pg';

const [port, , ...conninfo] = process.argv.slice(2);
const { dbname: database, ...address } = Object.fromEntries(conninfo.map((word) => word.split('=')));
pg.types.setTypeParser(pg.types.builtins.INT8, Number);
const pool = new pg.Pool({ ...address, database, max: 4 });

const kNewEvents = 'SELECT id, channel, data FROM events WHERE id > $1 ORDER BY id';
const kMissed = 'SELECT id, data FROM events WHERE channel = $1 AND id > $2 ORDER BY id';

const channels = new Map(); // name: set of subscribers { response, last }
let last = 0; // the last event that all subscribers have

const frameOf = ({ id, data }) => `event: ${data.type}\ndata: ${JSON.stringify(data.data)}\nid: ${id}\n\n`;

function deliver(event) {
  const frame = Buffer.from(frameOf(event)); // formatted once
  for (const subscriber of channels.get(event.channel) ?? []) {
    if (event.id > subscriber.last) subscriber.response.write(frame);
  }
}

// One query at a time; any number of notifications during it cause one more.
let [reading, notified] = [false, false];
async function readNewEvents() {
  notified = true;
  if (reading) return;
  reading = true;
  while (notified) {
    notified = false;
    const { rows } = await pool.query(kNewEvents, [last]);
    for (const event of rows) deliver(event);
    last = rows.at(-1)?.id ?? last;
  }
  reading = false;
}

function add(subscriber, name) {
  if (subscriber.response.destroyed) return;
  if (!channels.has(name)) channels.set(name, new Set());
  const channel = channels.get(name).add(subscriber);
  subscriber.response.on('close', () => {
    channel.delete(subscriber);
    if (channel.size === 0 && channels.get(name) === channel) channels.delete(name);
  });
}

// A client that reconnects gets the missed events, until no event was delivered to the others while they were read. The
// answer is chunked, Node's default: without chunks one event costs an eighth less, but several at once cost more,
// because each is a system call.
async function subscribe(request, response) {
  const channel = request.url.slice('/events/'.length);
  const subscriber = { response, last: Number(request.headers['last-event-id'] ?? last) };
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
  response.flushHeaders();
  for (let until = subscriber.last; until !== last;) {
    until = last;
    const { rows } = await pool.query(kMissed, [channel, subscriber.last]);
    for (const event of rows) response.write(frameOf(event));
    subscriber.last = rows.at(-1)?.id ?? subscriber.last;
  }
  add(subscriber, channel);
}

const listener = new pg.Client({ ...address, database });
await listener.connect();
listener.on('notification', readNewEvents);
await listener.query('LISTEN events');
last = (await pool.query('SELECT coalesce(max(id), 0) AS last FROM events')).rows[0].last;

const server = http.createServer({ keepAlive: true, keepAliveTimeout: 3_600_000 }, subscribe);
server.listen({ port, host: '127.0.0.1', backlog: 4096 });
