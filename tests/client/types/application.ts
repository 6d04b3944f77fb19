// An application in strict TypeScript: what compiles, and, marked by @ts-expect-error, what must not.
import {
  AuthError, BaseChannel, EventChannel, streams, PgeventsError, register, TypingSender, TypingTracker, type ChannelEvent, type Session, type State,
} from 'pgevents';

interface MyEvents {
  cheese_created: { pieces: number; cheese_type: string };
  sold_out: null;
}

const events = new EventChannel<MyEvents>('/rt', ['cheese', 'wine'], { lastEventId: 0, token: async () => 'x' });
events.addEventListener('cheese_created', ({ data, channel, ts, lastEventId, type }) => {
  const pieces: number = data.pieces;
  const all: [string, number, string, 'cheese_created'] = [channel, ts + pieces, lastEventId, type];
  void all;
  // @ts-expect-error  no such member
  void data.weight;
});
// @ts-expect-error  no such type
events.addEventListener('cheese_cretaed', () => {});
events.addEventListener('error', ({ error }) => {
  const known: PgeventsError = error;
  if (error instanceof AuthError) void [known.status, error.code?.length];
});
events.addEventListener('pgevents.state', ({ state, interval }) => {
  const shown: State = state;
  void [shown, (interval ?? 0) / 1000];
});
events.addEventListener('pgevents.reset', ({ data, channels }) => void [data.reason === 'ahead', channels.length]);
events.addEventListener('typing', ({ data }) => void [data.op, data.message_type === 'stream' ? data.topic : data.recipients.length]);
events.onevent = (event) => {
  if (event.type === 'cheese_created') void event.data.cheese_type.length;
};
const subscription = events.subscribe('orders', { lastEventId: '7' });
subscription.addEventListener('cheese_created', ({ data }) => void data.pieces.toFixed());
void subscription.ready.then(() => subscription.unsubscribe());
void events.start(async (cursor, reset) => void [cursor.length, reset?.oldest]);
void events.publish('cheese', 'cheese_created', { pieces: 1, cheese_type: 'Sbrinz' }, { ttl: 45, idempotencyKey: 'k' });
// @ts-expect-error  not this type's data
void events.publish('cheese', 'cheese_created', { pieces: 'many' });
void events.call('PATCH', 'settings', { presence_enabled: false });

// A channel in parts has the same listeners, and does not publish.
const small = new BaseChannel<MyEvents>('/rt', 'cheese', { parts: [streams] });
small.addEventListener('cheese_created', ({ data }) => void data.pieces.toFixed());
void small.start().then(() => small.subscribe('wine').addEventListener('sold_out', ({ data }) => data === null));
// @ts-expect-error  not a part
void new BaseChannel('/rt', 'cheese', { parts: ['stream'] });
// @ts-expect-error  no such method
void small.publish('cheese', 'sold_out');

// Without a map every type is allowed, with any data.
const loose = new EventChannel('/rt', 'cheese');
loose.addEventListener('anything', (event: ChannelEvent<{ n: number }>) => void event.data.n);
loose.addEventListener('presence', ({ data }) => void data.presences['10']?.active_timestamp);

export async function page(): Promise<Session<MyEvents>> {
  const session = await register<MyEvents>('/rt', {
    user: '10', lastEventId: '5',
    messages: { message: (data, channel) => ({ where: { streamId: channel, topic: data.topic }, user: data.author }) },
  });
  session.channel.addEventListener('sold_out', ({ data }) => void (data satisfies null));
  session.presence.addEventListener('change', ({ users }) => users.map((user) => session.presence.of(user).status === 'idle'));
  session.typists.addEventListener('change', ({ conversation }) => conversation.length);
  // @ts-expect-error  there is one type only
  session.presence.addEventListener('changed', () => {});
  return session;
}

export const alone = [new TypingSender(async () => {}), new TypingTracker({ user: '10' })];
