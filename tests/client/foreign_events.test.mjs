// The events that a session accepts: which types, from which channels, with which payloads. It ignores all others with
// a warning and without an exception, because a page may subscribe to channels to which other clients publish.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { kSettings, server } from './lib/sessions.mjs';

const kTopic = { streamId: '7', topic: 'x' };
const kDirect = { to: ['8'] };

const typing = (rest) => ({ op: 'start', sender: { user_id: '8' }, ...rest });
const inStream = typing({ message_type: 'stream', stream_id: '7', topic: 'x' });
const direct = typing({ message_type: 'direct', recipients: [{ user_id: '8' }, { user_id: '10' }] });

async function started({ answer = {}, ...options } = {}) {
  const warnings = [];
  const its = server(answer);
  Object.assign(its.page.environment, { console: { warn: (text) => warnings.push(text) } });
  its.state.presences = {};
  its.state.presence_connected = [];
  const session = await its.start({ channels: ['cheese', 'stream:7', 'presence:other', 'user:8'], ...options });
  await its.clock.advance(0);
  return { ...its, session, warnings };
}

// The visible state of a session.
function shown({ session: { presence, settings, typists } }) {
  return JSON.stringify([
    presence.users.map((user) => [user, presence.of(user).status]), ['8', '9', '10'].map((user) => presence.of(user).connected),
    settings, typists.typists(kTopic), typists.typists(kDirect), Object.getPrototypeOf(settings) === Object.prototype,
  ]);
}

// Valid events that a session accepts, by the test's clock.
const kEvents = {
  presence: (now) => ({ presences: { 8: { active_timestamp: now, idle_timestamp: now } }, server_timestamp: now }),
  'pgevents.connected': (now) => ({ users: ['9'], server_timestamp: now }),
  user_settings: () => ({ presence_enabled: false }),
  'typing, stream': () => inStream,
  'typing, direct': () => direct,
};

const kOwn = {
  presence: 'presence:main', 'pgevents.connected': 'presence:main', user_settings: 'user:10', 'typing, direct': 'user:10',
  'typing, stream': 'stream:7',
};

// The channels in the server's answer, and those from which a session then accepts an event.
const kRegistered = {
  'with the default names': { answer: {}, from: kOwn },
  'with names of the application': {
    answer: { user_channel: 'me', presence_channel: 'here', stream_channel: 'talk.{stream_id}.now', channels: ['me', 'here'] },
    channels: ['talk.7.now'],
    from: { ...kOwn, presence: 'here', 'pgevents.connected': 'here', user_settings: 'me', 'typing, direct': 'me', 'typing, stream': 'talk.7.now' },
  },
  'without a presence channel': { answer: { presence_channel: null }, from: { ...kOwn, presence: null, 'pgevents.connected': null } },
  'without a user channel': { answer: { user_channel: null }, from: { ...kOwn, user_settings: null, 'typing, direct': null } },
  'without a rule for streams': { answer: { stream_channel: null }, from: { ...kOwn, 'typing, stream': null } },
  'without a rule for streams, which the page has': {
    answer: { stream_channel: null }, options: { streamChannel: (id) => `stream:${id}` }, from: kOwn,
  },
};

describe('a session accepts an event only from its own channel', () => {
  for (const [registered, { answer, channels = [], options, from }] of Object.entries(kRegistered)) {
    test(registered, async () => {
      const its = await started({ answer, channels: ['cheese', 'stream:7', 'presence:other', 'user:8', ...channels], ...options });
      const { network, clock, session } = its;
      const now = () => clock.now() / 1000;
      const everywhere = new Set(['cheese', 'stream:7', 'presence:other', 'user:8', ...channels, ...network.requests.find(({ kind }) => kind === 'stream').channels]);
      for (const [name, payload] of Object.entries(kEvents)) {
        const type = name.split(',')[0];
        for (const channel of everywhere) {
          if (channel === from[name]) continue;
          const before = shown(its);
          network.publish(channel, payload(now()), type);
          await clock.advance(0);
          assert.equal(shown(its), before, `${name} from ${channel}`);
        }
        if (!from[name]) continue;
        const before = shown(its);
        network.publish(from[name], payload(now()), type);
        await clock.advance(0);
        assert.notEqual(shown(its), before, `${name} from ${from[name]}`);
      }
      session.close();
    });
  }

  test('accepts typing in a stream only from that stream\'s channel', async () => {
    const its = await started({ channels: ['stream:7', 'stream:8'] });
    const before = shown(its);
    its.network.publish('stream:8', inStream, 'typing');
    its.network.publish('stream:7', direct, 'typing');
    its.network.publish('user:10', inStream, 'typing');
    await its.clock.advance(0);
    assert.equal(shown(its), before);
    its.session.close();
  });

  test('ignores other events with one warning for each kind, and still delivers them to listeners', async () => {
    const { network, clock, session, warnings } = await started();
    const received = [];
    session.channel.addEventListener('presence', ({ channel }) => received.push(channel));
    for (let n = 0; n < 50; n++) network.publish('cheese', kEvents.presence(1), 'presence');
    await clock.advance(0);
    assert.equal(received.length, 50);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0], /pgevents: ignored "presence" from channel "cheese"/);
    session.close();
  });
});

// Invalid payloads, on the right channel.
const kUser = { active_timestamp: 1, idle_timestamp: 1 };
const kAnything = [null, true, 0, '', 'x', [], {}, [1], { toString: 1 }, { user: 10 }];
const kMalformed = {
  presence: [
    { presences: null, server_timestamp: 1 }, { presences: [], server_timestamp: 1 }, { presences: { 8: kUser } },
    { presences: { 8: null }, server_timestamp: 1 }, { presences: { 8: {} }, server_timestamp: 1 },
    { presences: { 8: kUser, 9: { ...kUser, idle_timestamp: 'NaN' } }, server_timestamp: 1 },
    { presences: { 8: kUser }, server_timestamp: '1' }, { presences: { 8: { ...kUser, active_timestamp: [] } }, server_timestamp: 1 },
  ],
  'pgevents.connected': [
    { users: null, server_timestamp: 1 }, { users: '9', server_timestamp: 1 }, { users: [9], server_timestamp: 1 },
    { users: [{}], server_timestamp: 1 }, { users: ['9'] }, { users: ['9'], presences: 1, server_timestamp: 1 },
  ],
  'pgevents.disconnected': [{ users: [null], server_timestamp: 1 }, { users: ['9'], presences: { 9: 1 }, server_timestamp: 1 }],
  user_settings: [
    { presence_enabled: 'yes' }, { presence_enabled: null }, { unheard_of: true }, JSON.parse('{"__proto__":{"x":true}}'),
    { constructor: true }, { toString: false },
  ],
  'typing, direct': [
    { ...direct, sender: null }, { ...direct, sender: { user_id: 8 } }, { ...direct, sender: { user_id: {} } },
    { ...direct, op: 'go' },
    { ...direct, recipients: undefined }, { ...direct, recipients: [null] }, { ...direct, message_type: 'other' },
    { ...direct, recipients: [{ user_id: { toString: 1 } }] },
  ],
  'typing, stream': [
    { ...inStream, stream_id: 7 }, { ...inStream, topic: null }, { ...inStream, topic: 7 }, { ...inStream, sender: 'x' },
    { ...inStream, topic: { toLowerCase: 1 } }, { ...inStream, op: undefined },
  ],
};

describe('an invalid payload is ignored with a warning', () => {
  for (const [name, payloads] of Object.entries(kMalformed)) {
    test(name, async () => {
      const its = await started();
      const channel = kOwn[name] ?? 'presence:main';
      for (const payload of [...payloads, ...kAnything]) {
        const before = shown(its);
        its.network.publish(channel, payload, name.split(',')[0]);
        await its.clock.advance(0);
        assert.equal(shown(its), before, JSON.stringify(payload));
      }
      assert.equal(its.session.channel.readyState, 1);
      assert.equal(its.network.streams.size, 1, 'the connection has lived through it all');
      assert.ok(its.warnings.length > 0);
      its.session.close();
    });
  }

  test('users with names that JavaScript uses are handled like others', async () => {
    const its = await started();
    const { session: { presence, typists, close }, network, clock } = its;
    const names = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty'];
    const now = Math.floor(clock.now() / 1000);
    const times = JSON.stringify({ active_timestamp: now, idle_timestamp: now });
    const presences = JSON.parse(`{${names.map((name) => `${JSON.stringify(name)}:${times}`)}}`);
    network.publish('presence:main', { presences, server_timestamp: now }, 'presence');
    network.publish('presence:main', { users: names, server_timestamp: now }, 'pgevents.connected');
    for (const user_id of names) network.publish('stream:7', { ...inStream, sender: { user_id } }, 'typing');
    await clock.advance(0);
    assert.deepEqual(presence.users.sort(), [...names].sort());
    assert.deepEqual(names.map((name) => [presence.of(name).status, presence.of(name).connected]), names.map(() => ['active', true]));
    assert.deepEqual(typists.typists(kTopic), names);
    assert.equal({}.active_timestamp, undefined);
    close();
  });

  test('an answer to register without state gives a session without state', async () => {
    const kAnswers = [{ presences: undefined }, { presences: [] }, { user_settings: null }, { presence_connected: undefined }];
    for (const answer of kAnswers) {
      const { session, network } = await started({ answer });
      assert.equal(network.streams.size, 1);
      session.close();
    }
  });
});

// Any JSON value, and many that resemble a payload.
function generator(seed) {
  let state = seed;
  const random = () => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return state / 2147483648;
  };
  const pick = (list) => list[Math.floor(random() * list.length)];
  const names = ['presences', 'users', 'server_timestamp', 'sender', 'user_id', 'op', 'message_type', 'recipients', 'stream_id', 'topic',
    'active_timestamp', 'idle_timestamp', 'presence_enabled', '__proto__', 'constructor', 'prototype', 'toString', 'valueOf', 'toJSON',
    'then', 'length', '8', '10', ''];
  const leaves = [null, true, false, 0, -1, 1e308, -1e308, 1e-308, 2 ** 53, '', 'NaN', 'start', 'stop', 'stream', 'direct', '7', '8', '10',
    'x', '\0', '\ud800', 'x'.repeat(5000), '__proto__', 'constructor'];
  const value = (depth) => {
    const kind = random();
    if (depth <= 0 || kind < 0.4) return pick(leaves);
    if (kind < 0.55) return Array.from({ length: Math.floor(random() * 4) }, () => value(depth - 1));
    if (kind < 0.57) return JSON.parse(`${'['.repeat(500)}${']'.repeat(500)}`);
    const members = Array.from({ length: Math.floor(random() * 5) }, () => `${JSON.stringify(pick(names))}:${JSON.stringify(value(depth - 1))}`);
    return JSON.parse(`{${members}}`);
  };
  // A valid payload with one part replaced.
  const bent = (payload) => {
    const copy = structuredClone(payload);
    let at = copy;
    for (;;) {
      const key = pick(Object.keys(at));
      if (key === undefined) return copy;
      if (typeof at[key] === 'object' && at[key] && random() < 0.6) at = at[key];
      else return (Object.defineProperty(at, key, { value: value(3), enumerable: true }), copy);
    }
  };
  return { random, pick, value, bent };
}

describe('whatever is published', () => {
  const seed = Number(process.env.PGEVENTS_SEED ?? Date.now() % 1e6);

  test(`nothing throws, and events of foreign channels change nothing (PGEVENTS_SEED=${seed})`, async () => {
    const { pick, random, value, bent } = generator(seed);
    const its = await started();
    const { network, clock, session } = its;
    const problems = [];
    const complain = (error) => problems.push(error);
    process.on('uncaughtException', complain);
    session.channel.onerror = ({ error }) => complain(error);
    const names = Object.keys(kEvents);
    for (let n = 0; n < 4000; n++) {
      const name = pick(names);
      const is_foreign = random() < 0.5;
      const before = is_foreign && shown(its);
      const payload = random() < 0.5 ? value(5) : bent(kEvents[name](clock.now() / 1000));
      network.publish(is_foreign ? pick(['cheese', 'presence:other', 'user:8']) : kOwn[name], payload, name.split(',')[0]);
      await clock.advance(0);
      if (is_foreign) assert.equal(shown(its), before, JSON.stringify(payload));
      if (problems.length > 0) assert.fail(`${name}: ${problems[0].stack}: ${JSON.stringify(payload)}`);
    }
    process.off('uncaughtException', complain);
    assert.equal(network.streams.size, 1, 'the connection has lived through it all');
    assert.deepEqual(Object.keys(session.settings).sort(), Object.keys(kSettings).sort());
    assert.deepEqual([{}.x, {}.active_timestamp, Object.keys(Object.prototype)], [undefined, undefined, []]);
    assert.ok(session.presence.users.every((user) => typeof user === 'string'));
    assert.doesNotThrow(() => shown(its));
    session.close();
  });
});

