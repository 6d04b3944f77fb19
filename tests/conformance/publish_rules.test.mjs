// Events that no client can publish over HTTP: those that pages act on, and those that an EventSource takes for its
// own.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertError, forEach, startBackends } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';

const database = await (await sharedCluster()).createDatabase();
const backends = await startBackends({ database });

const presence = [403, 'FORBIDDEN', 'Nothing can be published over HTTP on a presence channel'];
const actedOn = (type, kind) =>
  [403, 'FORBIDDEN', `Events of type '${type}' cannot be published over HTTP on the channel of a ${kind}`];
const dispatched = (type) =>
  [400, 'BAD_REQUEST', `Event type '${type}' is reserved: an EventSource would take it for its own event`];

// [channel, type, the error; none: the event is published]
const kRules = [
  ['presence:main', 'presence', presence],
  ['presence:other', 'cheese_created', presence],
  ['user:10', 'presence', actedOn('presence', 'user')],
  ['user:10', 'typing', actedOn('typing', 'user')],
  ['user:10', 'user_settings', actedOn('user_settings', 'user')],
  ['user:10', 'message'],
  ['user@other:20', 'user_settings', actedOn('user_settings', 'user')],
  ['stream:7', 'typing', actedOn('typing', 'stream')],
  ['stream:7', 'presence', actedOn('presence', 'stream')],
  ['stream:7', 'message'],
  ['cheese', 'presence'], // no page acts on it there
  ['cheese', 'error', dispatched('error')],
  ['cheese', 'open', dispatched('open')],
  ['cheese', 'message'],
];

forEach(backends, (backend) => {
  for (const [channel, type, wanted] of kRules) {
    test(`${type} on ${channel} is ${wanted ? `rejected with ${wanted[0]}` : 'published'}`, async () => {
      const head = await database.head();
      const answer = await backend.publish(channel, { type, data: { user: '10' } });
      if (wanted) assertError(answer, ...wanted);
      else assert.equal(answer.status, 201, answer.body);
      assert.equal((await database.log({ after: head })).length, wanted ? 0 : 1);
    });
  }
});
