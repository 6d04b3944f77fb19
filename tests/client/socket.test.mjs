// The WebSocket transport against a real server, with the WebSocket of npm's ws: events, subscriptions, calls, tokens,
// ends of connections, and what the client does where WebSocket does not work.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { WebSocket } from 'ws';

import { AuthError, EventChannel } from '../../client/src/index.js';
import { waitFor } from '../lib/conditions.mjs';
import { SocketServer } from './lib/socket_server.mjs';

let server;
before(async () => (server = await new SocketServer().start()));
after(() => server.stop());

const quick = () => 0.01;

// The client's sockets.
const sockets = [];
class Socket extends WebSocket {
  constructor(...all) {
    super(...all);
    sockets.push(this);
  }
}

const isOpen = ({ channel }) => channel.transport === 'websocket' && server.peers.size > 0 && sockets.at(-1)?.readyState === 1;

// Opens a channel and waits for its WebSocket.
async function opened(options = {}, { until = isOpen } = {}) {
  const its = { got: [], errors: [], states: [] };
  its.channel = new EventChannel(server.base, 'a', { environment: { WebSocket: Socket, random: quick }, ...options });
  its.channel.onevent = ({ channel, data }) => its.got.push([channel, data]);
  its.channel.onerror = ({ error }) => its.errors.push(error);
  its.channel.onstate = ({ state }) => its.states.push(state);
  await waitFor(() => until(its), { what: 'a connection', interval: 5 });
  [its.peer] = [...server.peers].slice(-1);
  its.data = (name) => its.got.filter(([channel]) => channel === name).map(([, data]) => data);
  its.has = (name, ...wanted) => waitFor(() => its.data(name).length >= wanted.length, { what: `${wanted}`, interval: 5 })
    .then(() => assert.deepEqual(its.data(name), wanted));
  return its;
}

async function leave({ channel }) {
  channel.close();
  Object.assign(server.network, { mode: 'module', tokens: undefined, answer: () => undefined, calls: {} });
  await waitFor(() => server.peers.size === 0, { what: 'no WebSocket', interval: 5 });
}

describe('a WebSocket', () => {
  test('delivers events, and is the first choice', async () => {
    const its = await opened();
    server.publish('a', 1);
    server.publish('elsewhere', 2);
    server.publish('a', 3);
    await its.has('a', 1, 3);
    assert.equal(its.channel.state, 'live');
    server.publish('elsewhere');
    server.beat();
    await waitFor(() => its.channel.lastEventId === String(server.network.head), { what: 'the cursor of a heartbeat' });
    assert.deepEqual(its.errors, []);
    await leave(its);
  });

  test('subscribes and unsubscribes on the open connection', async () => {
    const its = await opened();
    const { head } = server.network;
    for (let n = 1; n < 4; n++) server.publish('b', n);
    const subscription = its.channel.subscribe('b', { lastEventId: head + 1 });
    const own = [];
    subscription.onevent = ({ data }) => own.push(data);
    await subscription.ready;
    server.publish('b', 4);
    server.publish('a', 5);
    await its.has('b', 2, 3, 4);
    await its.has('a', 5);
    assert.deepEqual([own, subscription.state, server.handshakes, server.peers.size], [[2, 3, 4], 'live', server.handshakes, 1]);
    subscription.unsubscribe();
    await waitFor(() => its.peer.requests.some(({ unsubscribe }) => unsubscribe?.[0] === 'b'), { what: 'unsubscribe', interval: 5 });
    server.publish('b', 6);
    server.publish('a', 7);
    await its.has('a', 5, 7);
    assert.deepEqual(its.data('b'), [2, 3, 4]);
    const again = its.channel.subscribe('b');
    await again.ready;
    server.publish('b', 8);
    await its.has('b', 2, 3, 4, 8);
    await leave(its);
  });

  test('rejects one channel without the others', async () => {
    const its = await opened();
    const subscription = its.channel.subscribe('forbidden');
    const other = its.channel.subscribe('c');
    await assert.rejects(subscription.ready, AuthError);
    await other.ready;
    assert.deepEqual([subscription.state, other.state, its.channel.state], ['closed', 'live', 'live']);
    await leave(its);
  });

  test('resumes all channels behind their cursors, each event once, when it breaks', async () => {
    const its = await opened();
    await its.channel.subscribe('b').ready;
    server.publish('a', 1);
    await its.has('a', 1);
    for (const end of [({ socket }) => socket.terminate(), ({ socket }) => socket.close(1012, 'closing')]) {
      const before_it = server.handshakes;
      end([...server.peers][0]);
      server.publish('b', before_it);
      server.publish('a', before_it);
      await waitFor(() => server.handshakes > before_it && server.peers.size === 1, { what: 'a new one', interval: 5 });
    }
    server.publish('a', 'last');
    await waitFor(() => its.data('a').includes('last'), { what: 'the last', interval: 5 });
    assert.equal(its.data('a').length, 4);
    assert.equal(its.data('b').length, 2);
    assert.deepEqual([its.channel.transport, its.errors.length], ['websocket', 1], 'a reload is no error');
    await leave(its);
  });

  test('publishes and calls on the open connection, over HTTP where there is none', async () => {
    const its = await opened();
    const id = await its.channel.publish('a', 'made', { n: 1 }, { ttl: 5, idempotencyKey: 'k' });
    assert.equal(id, String(server.network.head));
    assert.deepEqual(its.peer.requests.at(-1),
      { publish: 'a', type: 'made', data: { n: 1 }, ttl: 5, idempotency_key: 'k' });
    const answer = await its.channel.call('POST', 'users/me/presence', { status: 'active' });
    assert.deepEqual(answer.call, { method: 'POST', path: '/users/me/presence', body: { status: 'active' } });
    server.network.calls['/rt/settings'] = () => ({ result: 'over HTTP' });
    const broken = its.channel.call('PATCH', 'settings', {});
    its.peer.socket.terminate();
    assert.ok(['over HTTP', 'success'].includes((await broken).result));
    await leave(its);
  });

  test('sends its token as a subprotocol, and a new one on the open connection', async () => {
    server.network.tokens = new Set(['t1', 't2']);
    const its = await opened({ token: 't1' });
    assert.deepEqual(its.peer.protocols, ['pgevents.v1', 'pgevents.token.t1']);
    const { handshakes } = server;
    its.channel.setToken('t2');
    await waitFor(() => its.peer.requests.some(({ token }) => token === 't2'), { what: 'the token', interval: 5 });
    server.publish('a', 1);
    await its.has('a', 1);
    assert.equal(server.handshakes, handshakes);
    await leave(its);
  });

  test('gets a new token when it expires or is revoked, without a lost event or an error', async () => {
    for (const end of ['expired', 'revoked']) {
      server.network.tokens = new Set(['t1']);
      const its = await opened({ token: (rejection) => (rejection ? 't2' : 't1') });
      server.network.tokens = new Set(['t2']);
      if (end === 'expired') {
        its.peer.send({ id: server.network.head, channel_id: 'a', ts: 0, data: { type: 'pgevents.expired', data: { reason: end } } });
      }
      its.peer.socket.close(4401, end);
      server.publish('a', end);
      await its.has('a', end);
      await waitFor(() => its.channel.transport === 'websocket' && server.peers.size === 1, { what: 'a WebSocket', interval: 5 });
      assert.deepEqual([[...server.peers][0].protocols[1], its.errors], ['pgevents.token.t2', []]);
      await leave(its);
    }
  });

  test('reports a gap of the channel that has it', async () => {
    const its = await opened();
    const { head } = server.network;
    for (let n = 0; n < 5; n++) server.publish('b', n);
    server.network.oldest = head + 3;
    const gaps = [];
    its.channel.onreset = ({ reason, channels }) => void gaps.push([reason, channels]);
    await its.channel.subscribe('b', { lastEventId: head || 1 }).ready;
    await its.has('b', 2, 3, 4);
    assert.deepEqual(gaps, [['pruned', ['b']]]);
    server.network.oldest = 1;
    await leave(its);
  });
});

describe('where WebSocket does not work', () => {
  test('a fallback that answers 426 is polled, and the refusal is remembered', async () => {
    server.network.mode = 'fallback';
    const { handshakes } = server;
    const its = await opened({}, { until: ({ channel }) => channel.state === 'polling' });
    server.publish('a', 1);
    await its.has('a', 1);
    server.publish('a', 2);
    await its.has('a', 1, 2);
    assert.equal(server.handshakes, handshakes + 1);
    assert.deepEqual([its.channel.interval, its.errors], [5000, []]);
    await leave(its);
  });

  test('a proxy that accepts no handshake leaves the stream', async () => {
    const its = await opened({ environment: { random: quick, WebSocket: class extends WebSocket {
      constructor(url, ...more) {
        super(url.replace(/:\d+/, ':1'), ...more);
      }
    } } }, { until: ({ channel }) => channel.transport === 'stream' && channel.state === 'live' });
    await waitFor(() => server.network.streams.size === 1, { what: 'a stream', interval: 5 });
    server.publish('a', 1);
    await its.has('a', 1);
    assert.deepEqual(its.errors, []);
    await leave(its);
  });

  test('a platform without WebSocket uses streams', async () => {
    const its = await opened({ environment: { random: quick, WebSocket: undefined } },
      { until: ({ channel }) => channel.state === 'live' && server.network.streams.size > 0 });
    assert.equal(its.channel.transport, 'stream');
    await leave(its);
  });

  test('a peer that is silent is replaced by a stream', async () => {
    const its = await opened({ heartbeatTimeout: 400 });
    await waitFor(() => its.channel.transport === 'stream', { what: 'a stream', interval: 5 });
    server.publish('a', 1);
    await its.has('a', 1);
    await leave(its);
  });
});

test('frames that are not events do not throw, and end the connection', async () => {
  const its = await opened();
  const problems = [];
  const complain = (error) => problems.push(error);
  process.on('uncaughtException', complain);
  for (const text of ['{', 'null', '7', '[]', '{}', '{"id":1}', '{"reply":99,"status":200}', '{"id":9,"channel_id":"a","data":null}']) {
    const { handshakes } = server;
    const [peer] = server.peers;
    peer?.socket.send(text);
    if (!text.includes('reply')) await waitFor(() => !server.peers.has(peer), { what: `the end after ${text}`, interval: 5 });
    await waitFor(() => server.peers.size || server.network.streams.size, { what: 'a connection', interval: 5, timeout: 30_000 });
    assert.ok(server.handshakes >= handshakes);
  }
  process.off('uncaughtException', complain);
  assert.deepEqual(problems, []);
  await leave(its);
});
