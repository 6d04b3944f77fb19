// register(): state and cursor from one request, then events; and the same again after a gap.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { AuthError, EventChannel, HttpError } from '../../client/src/index.js';
import { rejection } from './lib/network.mjs';
import { kSettings, server } from './lib/sessions.mjs';

async function started(options) {
  const its = server();
  its.network.publish('elsewhere');
  const session = await its.start(options);
  await its.clock.advance(0);
  return { ...its, session };
}

describe('register()', () => {
  test('returns the state of a page, and connects at the state\'s cursor', async () => {
    const { network, session, calls } = await started({ channels: ['stream:7'], types: ['made', 'presence'] });
    assert.deepEqual(calls[0], ['register', {}]);
    const stream = network.requests.find(({ kind }) => kind === 'stream');
    assert.equal(decodeURIComponent(stream.path), '/rt/events/user:10,presence:main,stream:7');
    assert.deepEqual([stream.query.last_event_id, stream.query.types], ['1', 'made,presence']);
    assert.equal(session.channel.readyState, EventChannel.OPEN);
    assert.equal(session.presence.of('8').status, 'active');
    assert.equal(session.presence.of('8').connected, true);
    assert.deepEqual(session.settings, kSettings);
    session.close();
  });

  test('does not lose an event between the state and the connection', async () => {
    const { network, clock, start } = server();
    const received = [];
    const promise = start({ channels: ['stream:7'] });
    network.answer = ({ kind }) => {
      if (kind === 'stream' && network.head === 0) network.publish('stream:7', 'between');
    };
    const session = await promise;
    session.channel.onevent = ({ data }) => received.push(data);
    await clock.advance(0);
    assert.deepEqual(received, ['between']);
    session.close();
  });

  test('reports presence from the start, and requests no data, because events have it', async () => {
    const { clock, calls, session } = await started();
    await clock.advance(61_000);
    const reports = calls.filter(([name]) => name === 'presence').map(([, params]) => params);
    assert.deepEqual(reports, Array(2).fill({ status: 'active', ping_only: true }));
    session.close();
  });

  test('updates presence, connections, settings and typists from events', async () => {
    const { clock, network, session, seconds } = await started({ channels: ['stream:7'] });
    await clock.advance(250_000); // 8 is offline by now
    const now = { active_timestamp: seconds(), idle_timestamp: seconds() };
    network.publish('presence:main', { presences: { 8: now, 9: now }, server_timestamp: clock.now() / 1000 }, 'presence');
    network.publish('presence:main', { users: ['9'], server_timestamp: clock.now() / 1000 }, 'pgevents.connected');
    network.publish('presence:main', { users: ['8'], server_timestamp: clock.now() / 1000 }, 'pgevents.disconnected');
    network.publish('user:10', { presence_enabled: false }, 'user_settings');
    network.publish('stream:7', { op: 'start', message_type: 'stream', sender: { user_id: '8' }, stream_id: '7', topic: 'x' }, 'typing');
    network.publish('user:10', { op: 'start', message_type: 'direct', sender: { user_id: '10' },
      recipients: [{ user_id: '8' }, { user_id: '10' }] }, 'typing');
    await clock.advance(0);
    assert.equal(session.presence.of('8').status, 'active');
    assert.deepEqual(['8', '9'].map((user) => session.presence.of(user).connected), [false, true]);
    assert.deepEqual(session.settings, { ...kSettings, presence_enabled: false });
    assert.deepEqual(session.typists.typists({ streamId: '7', topic: 'X' }), ['8']);
    assert.deepEqual(session.typists.typists({ to: ['8'] }), [], 'not this user\'s own');
    session.close();
  });

  test('does not show a delayed "start" of typing for longer', async () => {
    const { clock, network, session } = await started({ channels: ['stream:7'] });
    network.mode = 'down';
    network.cut();
    network.publish('stream:7', { op: 'start', message_type: 'stream', sender: { user_id: '8' }, stream_id: '7', topic: 'x' }, 'typing');
    await clock.advance(40_000);
    network.mode = 'module';
    await clock.until(() => session.channel.readyState === 1);
    const shown = () => session.typists.typists({ streamId: '7', topic: 'x' }).length;
    const from = clock.now();
    await clock.until(() => shown() === 0);
    assert.ok(clock.now() - from < 6000, `${clock.now() - from} ms`);
    session.close();
  });

  test('sends typing, settings and other calls', async () => {
    const { clock, calls, session } = await started();
    session.typing.update({ to: ['8'] });
    await clock.advance(0);
    await session.call('PATCH', 'settings', { presence_enabled: false });
    await clock.advance(0);
    assert.deepEqual(calls.filter(([name]) => name !== 'presence').slice(1), [
      ['typing', { op: 'start', type: 'direct', to: ['8'] }], ['settings', { presence_enabled: false }],
    ]);
    session.close();
  });

  test('uses the timings of the server', async () => {
    const its = server();
    const { '/rt/register': answer } = its.network.calls;
    its.network.calls['/rt/register'] = (params) => ({ ...answer(params), server_presence_ping_interval_seconds: 5 });
    const session = await its.start();
    await its.clock.advance(21_000);
    assert.equal(its.calls.filter(([name]) => name === 'presence').length, 5);
    session.close();
  });

  test('after a gap reloads its state, lets the application reload, and resumes behind the new state', async () => {
    const resets = [];
    const { clock, network, session, state, calls } = await started({
      channels: ['stream:7'],
      onreset: async (data, answer) => void resets.push(data.reason, answer.last_event_id),
    });
    network.mode = 'down';
    network.cut();
    for (let n = 0; n < 9; n++) network.publish('stream:7', n);
    network.oldest = 5;
    state.presences = {};
    state.presence_connected = [];
    state.settings = { presence_enabled: false };
    network.mode = 'module';
    const received = [];
    session.channel.addEventListener('made', ({ data }) => received.push(data));
    session.typists.apply({ op: 'start', message_type: 'stream', sender: { user_id: '8' }, stream_id: '7', topic: 'x' });
    await clock.advance(5000);
    assert.deepEqual(resets, ['pruned', '10']);
    assert.equal(calls.filter(([name]) => name === 'register').length, 2);
    assert.deepEqual(received, [], 'all of these events are in the state');
    assert.deepEqual(session.presence.users, []);
    assert.equal(session.settings.presence_enabled, false);
    assert.deepEqual(session.typists.typists({ streamId: '7', topic: 'x' }), []);
    network.publish('stream:7', 'next');
    await clock.advance(0);
    assert.deepEqual(received, ['next']);
    session.close();
  });

  test('repeats its request while the server is away, and honours Retry-After', async () => {
    const { clock, network, start } = server();
    network.mode = 'down';
    const promise = start();
    await clock.advance(1000);
    assert.ok(network.requests.length >= 2);
    network.mode = 'module';
    network.answer = () => rejection(503, 'SERVICE_UNAVAILABLE', { 'Retry-After': '20' });
    await clock.advance(5000);
    const { length } = network.requests;
    network.answer = () => undefined;
    await clock.advance(14_000);
    assert.equal(network.requests.length, length);
    await clock.advance(6000);
    (await promise).close();
  });

  test('rejects with an error when the server rejects the request', async () => {
    for (const [status, code, Kind] of [[401, 'UNAUTHORIZED', AuthError], [403, 'FORBIDDEN', AuthError], [400, 'BAD_REQUEST', HttpError]]) {
      const { network, start } = server();
      network.answer = () => rejection(status, code);
      await assert.rejects(start(), (error) => error instanceof Kind && error.status === status);
      assert.equal(network.requests.length, 1);
    }
  });

  test('uses one token for all requests, and renews it for all', async () => {
    const asked = [];
    const its = server();
    its.network.tokens = new Set(['t1']);
    const session = await its.start({ token: (rejected) => (asked.push(rejected?.code), asked.length === 1 ? 't1' : 't2') });
    await its.clock.advance(0);
    its.network.expire();
    its.network.tokens = new Set(['t2']);
    await its.clock.advance(61_000);
    await session.call('PATCH', 'settings', {});
    assert.deepEqual(asked, [undefined, 'TOKEN_EXPIRED']);
    assert.equal(its.network.requests.at(-1).headers.Authorization, 'Bearer t2');
    session.close();
  });

  test('repeats a call with a new token if the token was rejected', async () => {
    const tokens = ['t1', 't2'];
    const its = server();
    its.network.tokens = new Set(['t1']);
    const session = await its.start({ token: () => tokens.shift() });
    its.network.tokens = new Set(['t2']);
    assert.deepEqual(await session.call('PATCH', 'settings', {}), { result: 'success', msg: '' });
    session.close();
  });

  test('close() ends typing, and leaves no timer, request or listener', async () => {
    const { clock, network, session, calls } = await started();
    session.typing.update({ to: ['8'] });
    session.close();
    await clock.advance(0);
    assert.deepEqual(calls.at(-1), ['typing', { op: 'stop', type: 'direct', to: ['8'] }]);
    await clock.advance(3_600_000);
    assert.deepEqual([network.streams.size, clock.pending, calls.at(-1)[1].op], [0, 0, 'stop']);
  });
});

describe('typing of a session', () => {
  const kTopic = { streamId: '7', topic: 'x' };

  test('follows the user\'s settings: from the start, by events, and before the session itself switches them off', async () => {
    const its = server();
    its.state.settings = { send_private_typing_notifications: false };
    const session = await its.start();
    const { clock, network, calls } = its;
    const sent = () => calls.filter(([name]) => name === 'typing' || name === 'settings').map(([name, { op }]) => op ?? name);
    session.typing.update({ to: ['8'] });
    await clock.advance(0);
    assert.deepEqual(sent(), []);
    network.publish('user:10', { send_private_typing_notifications: true }, 'user_settings');
    await clock.advance(0);
    session.typing.update({ to: ['8'] });
    await clock.advance(0);
    network.publish('user:10', { send_private_typing_notifications: false }, 'user_settings');
    await clock.advance(0);
    assert.deepEqual(sent(), ['start', 'stop']);
    session.typing.update(kTopic);
    await clock.advance(0);
    await session.call('PATCH', 'settings', { send_stream_typing_notifications: false });
    assert.deepEqual(sent(), ['start', 'stop', 'start', 'stop', 'settings']);
    session.close();
  });

  test('ends an indicator when a message of its author arrives', async () => {
    const messages = { message: ({ topic, author }, channel) => ({ where: { streamId: channel.slice('stream:'.length), topic }, user: author }) };
    const { clock, network, session } = await started({ channels: ['stream:7'], messages });
    const typing = { op: 'start', message_type: 'stream', sender: { user_id: '8' }, stream_id: '7', topic: 'x' };
    network.publish('stream:7', typing, 'typing');
    await clock.advance(0);
    assert.deepEqual(session.typists.typists(kTopic), ['8']);
    network.publish('stream:7', { topic: 'x', author: '9' }, 'message');
    await clock.advance(0);
    assert.deepEqual(session.typists.typists(kTopic), ['8']);
    for (const data of [null, 7, {}, { topic: { toString: 1 }, author: { toString: 1 } }]) network.publish('stream:7', data, 'message');
    await clock.advance(0);
    network.publish('stream:7', { topic: 'x', author: '8' }, 'message');
    await clock.advance(0);
    assert.deepEqual(session.typists.typists(kTopic), []);
    session.close();
  });
});
