// The types of the client, without the DOM library: they hold in browsers, workers and Node. The functions are in src/;
// tests/client/types compares both.

/** The platform's Event where there is one. */
type BaseEvent = typeof globalThis extends { Event: { prototype: infer E } } ? E : { readonly type: string };
/** The platform's AbortSignal where there is one. */
type Signal = typeof globalThis extends { AbortSignal: { prototype: infer S } } ? S : { readonly aborted: boolean };

// --- payloads of the protocol (docs/protocol.md) ---

/** The log no longer has the events behind the cursor. */
export interface ResetData {
  /** The cursor is older than the log's events; or newer than the log, which was restored to an earlier state. */
  reason: 'pruned' | 'ahead';
  oldest: number;
  head: number;
  /** The channels that have the gap; in hooks. */
  channels?: string[];
}

/** Two times in seconds since 1970: of the last input, and of the last contact. */
export interface UserPresence {
  active_timestamp: number;
  idle_timestamp: number;
}

export interface PresenceData {
  /** By user. */
  presences: Record<string, UserPresence>;
  /** The time of this data. */
  server_timestamp: number;
}

/** Users who have connected, or have disconnected. */
export interface ConnectionData {
  users: string[];
  /** Of disconnected users: when they were last in contact. */
  presences?: Record<string, UserPresence>;
  server_timestamp: number;
}

export interface DirectTyping {
  op: 'start' | 'stop';
  message_type: 'direct';
  sender: { user_id: string };
  /** Including the sender. */
  recipients: { user_id: string }[];
}

export interface StreamTyping {
  op: 'start' | 'stop';
  message_type: 'stream';
  sender: { user_id: string };
  stream_id: string;
  topic: string;
}

export type TypingData = DirectTyping | StreamTyping;

export interface UserSettings {
  presence_enabled: boolean;
  send_private_typing_notifications: boolean;
  send_stream_typing_notifications: boolean;
  receives_typing_notifications: boolean;
}

/** The answer to a report of presence. */
export interface PresenceAnswer extends PresenceData {
  presence_last_update_id: number;
}

/** The timings for clients. */
export interface Timings {
  server_typing_started_expiry_period_milliseconds: number;
  server_typing_started_wait_period_milliseconds: number;
  server_typing_stopped_wait_period_milliseconds: number;
  server_presence_ping_interval_seconds: number;
  server_presence_offline_threshold_seconds: number;
}

/** The initial state of a page. */
export interface RegisterAnswer extends PresenceAnswer, Timings {
  /** The cursor: later changes are events behind it. */
  last_event_id: string;
  /** The user's own, and the presence channel. */
  channels: string[];
  user_channel: string | null;
  presence_channel: string | null;
  /** Where typing in a stream is published: `{stream_id}` stands for the stream's id. */
  stream_channel: string | null;
  /** Users. */
  presence_connected?: string[];
  user_settings: UserSettings;
}

/** The events that pgevents itself publishes, by type. */
export interface EventMap {
  presence: PresenceData;
  typing: TypingData;
  user_settings: Partial<UserSettings>;
  'pgevents.connected': ConnectionData;
  'pgevents.disconnected': ConnectionData;
  'pgevents.reset': ResetData;
}

// --- errors ---

/** The base class, and all other failures: an answer that violates the protocol, an exception in the page's code. */
export class PgeventsError extends Error {
  constructor(message: string, fields?: object);
  /** HTTP status, if the server answered with an error. */
  status: number | undefined;
  /** The server's error code, such as BAD_REQUEST. */
  code: string | undefined;
  /** Milliseconds to wait before the next request. */
  retryAfter: number | undefined;
  /** The underlying error. */
  cause?: unknown;
}

/** No answer arrived, or it broke off. */
export class NetworkError extends PgeventsError {}

/** The server was silent for longer than its heartbeats allow, or a transport could not be opened. */
export class SilenceError extends PgeventsError {}

/** The base address is wrong: it is not valid here, or pgevents does not answer there. */
export class AddressError extends PgeventsError {}

/** The server answered with an error. */
export class HttpError extends PgeventsError {}

/** The token is missing, expired, revoked or invalid (status 401), or does not grant this request (403). */
export class AuthError extends HttpError {}

// --- channels ---

/**
 * `connecting`: at first, or again after a break. `live`: events arrive as they are committed. `polling`: the page asks
 * every few seconds (`interval`). `offline`: no server answers; the page tries again. `closed`: by `close()`, or by an
 * error that no repetition mends.
 */
export type State = 'connecting' | 'live' | 'polling' | 'offline' | 'closed';

export type Transport = 'websocket' | 'stream' | 'event-source' | 'long-poll' | 'poll';

/** An event of a channel. */
export type ChannelEvent<T = any, K extends string = string> = BaseEvent & {
  readonly type: K;
  /** Parsed. */
  readonly data: T;
  /** The event's id. */
  readonly lastEventId: string;
  readonly channel: string;
  /** The time of commit, in seconds since 1970. */
  readonly ts: number;
};

/** Something failed. Unless the channel is closed now, it reconnects by itself. */
export type ChannelErrorEvent = BaseEvent & { readonly error: PgeventsError };

/** The state, the transport or the interval has changed. */
export type StateEvent = BaseEvent & { readonly transport?: Transport } & (
  /** The interval: milliseconds between requests. */
  | { readonly state: 'polling', readonly interval: number }
  | { readonly state: Exclude<State, 'polling'>, readonly interval?: undefined }
);

/** Reports a gap. */
export type ResetEvent = BaseEvent & { readonly data: ResetData; readonly lastEventId: string; readonly channels: string[] };

/** The library's own events, by type. */
export interface OwnEvents {
  open: BaseEvent;
  error: ChannelErrorEvent;
  'pgevents.state': StateEvent;
  'pgevents.reset': ResetEvent;
}

/** The event of a type: of the library, of the application's map, of pgevents itself, or any. */
export type EventOf<Events, K extends string> =
  K extends keyof OwnEvents ? OwnEvents[K]
  : K extends keyof Events ? ChannelEvent<Events[K], K>
  : K extends keyof EventMap ? ChannelEvent<EventMap[K], K>
  : ChannelEvent<any, K>;

/** Any event of the application's map, or of pgevents itself; narrow it by its `type`. */
export type AnyEvent<Events> = string extends keyof Events
  ? ChannelEvent
  : { [K in keyof (Events & EventMap) & string]: ChannelEvent<(Events & EventMap)[K], K> }[keyof (Events & EventMap) & string];

export interface ListenerOptions {
  once?: boolean;
  passive?: boolean;
  capture?: boolean;
  signal?: Signal;
}

export type Listener<E> = ((event: E) => void) | { handleEvent(event: E): void } | null;

/** An EventTarget whose listeners know the type of their event's data. */
export interface TypedTarget<Events> {
  addEventListener<K extends (string extends keyof Events ? string : keyof (Events & OwnEvents & EventMap) & string)>(
    type: K, listener: Listener<EventOf<Events, K>>, options?: boolean | ListenerOptions,
  ): void;
  removeEventListener(type: string, listener: Listener<any>, options?: boolean | { capture?: boolean }): void;
  dispatchEvent(event: BaseEvent): boolean;
  /** Called with every event, of any type. The events `open`, `error` and `pgevents.state` are not among them. */
  onevent: ((event: AnyEvent<Events>) => void) | null | undefined;
}

/**
 * Returns a token. Called without an argument at the start, where no result means that requests carry no token. Later
 * called with the error that rejected the last token (its code is TOKEN_EXPIRED, TOKEN_REVOKED or UNAUTHORIZED), where
 * no result means: wait for setToken().
 */
export type TokenCallback = (rejection?: AuthError) => string | null | void | Promise<string | null | void>;

/** The functions and objects of the platform that the library uses: your own instead, for tests. */
export interface Environment {
  now(): number;
  random(): number;
  setTimeout(callback: () => void, ms: number): any;
  clearTimeout(timer: any): void;
  fetch: (url: any, init?: any) => Promise<any>;
  WebSocket: any;
  EventSource: any;
  /** Absent where fetch gives no streams, as in React Native. */
  ReadableStream: any;
  BroadcastChannel: any;
  locks: any;
  localStorage: any;
  crypto: any;
  console: any;
  document: any;
  location: any;
  navigator: any;
  window: any;
}

export interface ServerOptions {
  /** A string, or a function that returns one. Absent: cookies. */
  token?: string | TokenCallback;
  /** As for fetch: `include` sends cookies to other origins, too. */
  credentials?: 'omit' | 'same-origin' | 'include';
  environment?: Partial<Environment>;
}

/**
 * Loads the application's state. Everything committed behind `cursor` is delivered afterwards. After a gap it is called
 * again, with the gap's data. It may return the cursor that belongs to the state, a string, if that is a later one.
 */
export type Load = (cursor: string, reset?: ResetData) => unknown;

export interface ChannelOptions extends ServerOptions {
  /** The cursor to start behind: an id, 0 (all events in the log), or rt-<seconds>. Absent: from now on. */
  lastEventId?: string | number | null;
  /** Receive only events of these types. */
  types?: string[];
  /** Receive no events of these types. */
  notTypes?: string[];
  /** Reloads the application's state after a gap; events wait until it is done. start(load) does so as well. */
  onreset?: (data: ResetData, cursor: string) => unknown;
  /**
   * One connection for all tabs of the origin. Absent: with the tabs of the same user, as the `sub` of their tokens shows
   * it. A string, such as the user's id: with the tabs that give the same. `true`: with all. `false`: not at all.
   */
  share?: boolean | string;
  /** Milliseconds that a page may be hidden before its connection ends, until it is visible again. Absent: no limit. */
  pauseHidden?: number;
  /** In order of preference. Default: websocket, stream, event-source, long-poll. */
  transports?: Transport[];
  /** Milliseconds without a sign of life after which a connection counts as dead. Default: 25000. */
  heartbeatTimeout?: number;
  /** Closes the channel. */
  signal?: Signal;
}

export interface PublishOptions {
  /** Seconds until the event expires. */
  ttl?: number;
  /** The same key publishes once only. Absent: a random one for this call. */
  idempotencyKey?: string;
  signal?: Signal;
}

/** One channel of an EventChannel: its listeners get the events of this channel only. */
export interface Subscription<Events = Record<string, any>> extends TypedTarget<Events> {
  readonly channel: string;
  readonly state: State;
  /** Resolves when the server has accepted the channel; rejects with the error if it does not. */
  readonly ready: Promise<void>;
  /** The channel's cursor. */
  readonly lastEventId: string | undefined;
  unsubscribe(): void;
}

/**
 * Delivers the events of channels as they are committed, each once and in order. `Events` gives the data of the
 * application's types: `EventChannel<{ cheese_created: Cheese }>`.
 */
export class EventChannel<Events = Record<string, any>> {
  static readonly CONNECTING: 0;
  static readonly OPEN: 1;
  static readonly CLOSED: 2;

  /**
   * @param base  the address of pgevents, such as /rt; in Node an absolute one
   * @param channels  more can be added by subscribe()
   */
  constructor(base: string, channels?: string | string[], options?: ChannelOptions);

  /** Connected, or reconnected. */
  onopen: ((event: BaseEvent) => void) | null | undefined;
  onerror: ((event: ChannelErrorEvent) => void) | null | undefined;
  /** As listeners of `pgevents.state`. */
  onstate: ((event: StateEvent) => void) | null | undefined;
  onreset: ChannelOptions['onreset'] | null;

  /** Resolves with the cursor when the server has accepted the channels; rejects with the error if it does not. */
  readonly ready: Promise<string | undefined>;
  readonly state: State;
  /** Milliseconds between requests while the state is `polling`. */
  readonly interval: number | undefined;
  /** As of an EventSource: CONNECTING, OPEN (live or polling) or CLOSED. */
  readonly readyState: number;
  /** The cursor: everything up to this position has been delivered. */
  readonly lastEventId: string | undefined;
  /** The transport in use; for a tab that follows another, the transport of that tab. */
  readonly transport: Transport | undefined;
  /** Whether this page makes the requests itself. */
  readonly leading: boolean;

  /**
   * Calls `load` with the cursor, and delivers what was committed behind it when `load` is done. If `load` fails, start()
   * rejects with its error; the channel stays connected, and events wait until start() is called again. Without start(),
   * delivery begins when the task ends that attaches the first listener.
   */
  start(load?: Load): Promise<void>;
  /** Adds a channel, from now on or behind a cursor. The other channels lose nothing and get nothing twice. */
  subscribe(channel: string, options?: {
    lastEventId?: string | number, signal?: Signal, onevent?: (event: AnyEvent<Events>) => void,
  }): Subscription<Events>;
  unsubscribe(channel: string): void;
  /** Publishes an event, with some repetitions if no answer arrives; resolves with its id. */
  publish<K extends keyof Events & string>(
    channel: string, type: K, data?: Events[K], options?: PublishOptions,
  ): Promise<string>;
  /** Makes one call of the HTTP interface: `call('PATCH', 'settings', { presence_enabled: false })`. */
  call(method: string, path: string, params?: object, options?: { signal?: Signal }): Promise<any>;
  /** Sets a new token for all tabs that share. Without a token: the cookie has been renewed. */
  setToken(token?: string): void;
  /** Ends the connection for good. */
  close(): void;
}
export interface EventChannel<Events> extends TypedTarget<Events> {}

/** What a BaseChannel can do besides polling. Transports are tried in the order of the parts. */
export interface Part {
  readonly [name: string]: unknown;
}
/** The transport `websocket`. */
export const webSocket: Part;
/** The transport `stream`. */
export const streams: Part;
/** The transport `event-source`. */
export const eventSource: Part;
/**
 * Channels at runtime without a break: a new channel is requested by itself, so that an error or a gap is its own, and
 * the next request starts before the current one ends.
 */
export const joining: Part;
/** One connection for all tabs of the origin. It includes `joining`. */
export const sharing: Part;
/** Pauses while the page is hidden (`pauseHidden`), and reconnects immediately when the browser is online again. */
export const page: Part;

/**
 * An EventChannel in parts: it polls, and does what else its `parts` can do, so that a bundler leaves out the others. It
 * receives events; it does not publish them.
 */
export class BaseChannel<Events = Record<string, any>> {
  static readonly CONNECTING: 0;
  static readonly OPEN: 1;
  static readonly CLOSED: 2;

  /** As of EventChannel, but for the parts. */
  constructor(base: string, channels?: string | string[], options?: ChannelOptions & { parts?: Part[] });
}
export interface BaseChannel<Events> extends Omit<EventChannel<Events>, 'publish' | 'call'> {}

// --- presence and typing ---

export type Status = 'active' | 'idle' | 'offline';

/** Dispatched as "change": the status or connection of these users has changed, by new data or as time passed. */
export type PresenceChange = BaseEvent & { readonly users: string[] };

/** Dispatched as "change": a user started or stopped typing in this conversation (named by conversationOf()). */
export type TypingChange = BaseEvent & { readonly conversation: string };

/** A target with one type of event. */
export interface ChangeTarget<E> {
  addEventListener(type: 'change', listener: Listener<E>, options?: boolean | ListenerOptions): void;
  removeEventListener(type: 'change', listener: Listener<any>, options?: boolean | { capture?: boolean }): void;
}

export interface PresenceOptions {
  /** Between reports. */
  server_presence_ping_interval_seconds?: number;
  /** A user without contact for this long is offline. */
  server_presence_offline_threshold_seconds?: number;
  /** The page passes the events of the presence channel to apply() and connect(): reports request no data. */
  follows?: boolean;
  /** Milliseconds without input after which this user is idle. Default: 300000. */
  idleAfter?: number;
  /** Stops it. */
  signal?: Signal;
  environment?: Partial<Environment>;
}

/** Reports this user's status, stores the data of the others, and computes their status. */
export class Presence {
  /** @param send  POST users/me/presence */
  constructor(send: (params: object) => Promise<any>, options?: PresenceOptions);
  /** All users with presence data. */
  readonly users: string[];
  /** The server's time, in seconds since 1970. */
  readonly serverTime: number;
  /** A user's status, when the user was last seen (seconds since 1970), and whether the user is connected now. */
  of(user: string): { status: Status, lastSeen: number, connected: boolean };
  /** Takes new data about some users. Older data has no effect; malformed data is ignored. */
  apply(update: PresenceData & Partial<PresenceAnswer>, users?: string[]): void;
  /** Takes the complete state: users who are not in it are removed. */
  replace(update: PresenceData & Partial<PresenceAnswer> & { presence_connected?: string[] }): void;
  /** These users have connected, or have disconnected. */
  connect(update: ConnectionData, connected: boolean): void;
  /** The user did something. */
  input(): void;
  stop(): void;
}
export interface Presence extends ChangeTarget<PresenceChange> {}

/** The recipient of a message: people, or a topic of a stream. */
export type Recipient = { to: (string | number)[] } | { streamId: string | number, topic: string };

/** Names a conversation. The name does not depend on the order of people or on the case of a topic. */
export function conversationOf(recipient: Recipient): string;

export interface TypingOptions {
  /** Between two "start" for the same recipient. */
  server_typing_started_wait_period_milliseconds?: number;
  /** Without a keystroke before "stop". */
  server_typing_stopped_wait_period_milliseconds?: number;
  /** The user's own: nothing is sent that they switch off. */
  user_settings?: Partial<UserSettings>;
  /** Ends typing. */
  signal?: Signal;
  environment?: Partial<Environment>;
}

/** Reports that this user is typing. */
export class TypingSender {
  /** @param send  POST typing; failures are ignored */
  constructor(send: (params: object) => Promise<any>, options?: TypingOptions);
  /** Resolves when everything so far has been sent. */
  readonly sent: Promise<any>;
  /** The user has typed something for this recipient; none: the text was sent, emptied or closed. */
  update(recipient?: Recipient | null): void;
  /** The user has changed their settings. Ends typing that they no longer want to show. */
  follow(settings: Partial<UserSettings>): void;
  stop(): void;
}

/** Tracks which users are typing where. */
export class TypingTracker {
  constructor(options?: {
    /** This user is never listed. */
    user?: string,
    /** How long a "start" is valid. */
    server_typing_started_expiry_period_milliseconds?: number,
    environment?: Partial<Environment>,
  });
  /** Takes the data of an event, sent `age` milliseconds ago; malformed data is ignored. */
  apply(data: TypingData, age?: number): void;
  /** Users who are typing there (people without this user, or a topic), in the order in which they started. */
  typists(where: Recipient): string[];
  /** Users who are typing in any direct conversation, each with its people without this user. */
  directTypists(): { user: string, to: string[] }[];
  /** Removes a typist: a message of this user has arrived there. */
  remove(where: Recipient, user: string): void;
  /** Removes all typists. */
  clear(): void;
}
export interface TypingTracker extends ChangeTarget<TypingChange> {}

// --- a page with presence and typing ---

export interface RegisterOptions extends Omit<ChannelOptions, 'onreset'> {
  /** To subscribe to, besides the user's own. */
  channels?: string[];
  /** This user's id: the user's own typing is not shown. */
  user?: string;
  /** Milliseconds without input after which this user is idle. */
  idleAfter?: number;
  /** The channel of typing in a stream, if the application's `pgevents.stream_channel()` is not a template. */
  streamChannel?: (streamId: string) => string;
  /** Event types that end a typing indicator, each with a function that gives the message's conversation and author. */
  messages?: Record<string, (data: any, channel: string) => { where: Recipient, user: string } | undefined>;
  /** Reloads the application's own state after a gap; the session has already renewed its own. */
  onreset?: (data: ResetData, answer: RegisterAnswer) => unknown;
}

/** The objects that keep a page up to date. */
export interface Session<Events = Record<string, any>> {
  channel: EventChannel<Events>;
  presence: Presence;
  typing: TypingSender;
  typists: TypingTracker;
  settings: UserSettings;
  /** As of EventChannel. */
  start(load?: Load): Promise<void>;
  /** As of EventChannel. */
  call(method: string, path: string, params?: object, options?: { signal?: Signal }): Promise<any>;
  close(): void;
}

/**
 * Starts a page: requests cursor and state, repeats this while the server is away, and connects. Rejects with an error
 * when the server rejects the request.
 */
export function register<Events = Record<string, any>>(base: string, options?: RegisterOptions): Promise<Session<Events>>;
