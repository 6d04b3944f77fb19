// Uses the client as an application does, in whatever environment imports this file: a page, a worker, Node. Reports
// which transport was used, and which events arrived.
import { EventChannel, register } from '../../../client/src/index.js';

const kTransports = ['websocket', 'stream', 'event-source', 'long-poll'];
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(condition, what) {
  for (let n = 0; !await condition(); n++) {
    if (n > 400) throw new Error(`not in time: ${what()}`);
    await pause(25);
  }
}

// Starts, subscribes to a second channel, loses the connection and resumes, closes. The transport is the one before the
// connection was lost.
async function follow(origin, wanted, options) {
  const name = `${wanted}.${Math.random()}`; // several probes may run at the same time
  const ask = async (what) => (await fetch(`${origin}/control/${what}/${name}`)).text();
  const got = [];
  const channel = new EventChannel(`${origin}/rt`, `${name}.a`, options);
  channel.addEventListener('made', ({ data }) => got.push(data));
  const arrives = (data) => until(() => got.at(-1) === data, () => `${name}: ${data}, ${channel.state} by ${channel.transport}, got ${got}`);
  await channel.start(async () => got.push('loaded'));
  await channel.publish(`${name}.a`, 'made', 'one');
  await arrives('one');
  const room = channel.subscribe(`${name}.b`);
  await room.ready;
  await channel.publish(`${name}.b`, 'made', 'two');
  await arrives('two');
  // A transport that does not work here has been replaced by now.
  await until(async () => await ask('connections') === '1', () => `${name}: one connection`);
  const { transport } = channel;
  await ask('cut');
  await channel.publish(`${name}.a`, 'made', 'three');
  await arrives('three');
  channel.close();
  await until(async () => await ask('connections') === '0', () => `${name}: no connection`);
  return `${transport}: ${got}`;
}

async function attend(origin) {
  const session = await register(`${origin}/rt`, { user: '10' });
  await session.start();
  session.typing.update({ to: ['8'] });
  await session.typing.sent;
  const { status } = session.presence.of('8');
  session.close();
  return status;
}

// What became of each transport, when only this one is wanted, and when the client chooses.
export async function probe(origin, options) {
  const alone = kTransports.map(async (name) =>
    [name, await follow(origin, name, { transports: [name], share: false, ...options })]);
  const results = Object.fromEntries(await Promise.all(alone));
  results.automatic = await follow(origin, 'automatic', options);
  results.presence = await attend(origin);
  return results;
}
