// Starts a page: one request returns the cursor and the state; from then on events keep the state up to date.
import { pause } from './environment.js';
import { NetworkError } from './errors.js';
import { EventChannel } from './event_channel.js';
import { backoff } from './connection.js';
import { kForms, Warnings } from './payloads.js';
import { Presence } from './presence.js';
import { Server } from './server.js';
import { TypingSender } from './typing_sender.js';
import { TypingTracker } from './typing_tracker.js';

/** @typedef {import('./types.js').RegisterAnswer} RegisterAnswer */

/**
 * @typedef {object} SessionOptions
 * @property {string[]} [channels]  to subscribe to, besides the user's own
 * @property {string} [user]  this user's id: the user's own typing is not shown
 * @property {number} [idleAfter]  milliseconds without input after which this user is idle
 * @property {(streamId: string) => string} [streamChannel]  the channel on which typing in a stream is published, if
 *   the application has replaced `pgevents.stream_channel()` by a rule that is not a template
 * @property {(data: import('./types.js').ResetData, answer: RegisterAnswer) => void | Promise<void>} [onreset]  reloads
 *   the application's own state after a gap; the session has already renewed its own
 */

/** @typedef {import('./event_channel.js').ChannelOptions} ChannelOptions */
/** @typedef {Omit<ChannelOptions, 'onreset' | 'lastEventId'> & SessionOptions} RegisterOptions */

/**
 * The channels on which only the server publishes presence, settings and typing. On all other channels clients may
 * publish. An older server only lists the user's own channel and the presence channel, in this order, and either may be
 * missing.
 * @param {RegisterAnswer} answer
 */
function sourcesOf({ channels, user_channel, presence_channel, stream_channel }) {
  if (user_channel !== undefined) return { own: user_channel, presence: presence_channel, stream: stream_channel };
  const stream = 'stream:{stream_id}';
  const [own, presence] = channels;
  return !presence && own?.startsWith('presence:') ? { presence: own, stream } : { own, presence, stream };
}

/**
 * The objects that keep a page up to date.
 * @typedef {ReturnType<typeof sessionOf>} Session
 */

/**
 * @param {Server} server
 * @param {RegisterAnswer} answer
 * @param {RegisterOptions} options
 */
function sessionOf(server, answer, { channels = [], onreset, streamChannel, ...options }) {
  const given = { ...options, ...answer, follows: true, environment: server.world };
  const presence = new Presence((params) => server.call('POST', 'users/me/presence', params), given);
  const typing = new TypingSender((params) => server.call('POST', 'typing', params), given);
  const typists = new TypingTracker(given);
  const warnings = new Warnings(server.world);
  const own = kForms.texts(answer.channels) ? answer.channels : [];
  const sources = sourcesOf({ ...answer, channels: own });
  const channel = new EventChannel(server, [...own, ...channels], {
    ...options,
    lastEventId: answer.last_event_id,
    onreset: async (data) => {
      const state = await server.call('POST', 'register', {});
      load(state);
      await onreset?.(data, state);
      return state.last_event_id;
    },
  });
  const session = {
    channel,
    presence,
    typing,
    typists,
    settings: { ...answer.user_settings },

    /**
     * Makes one call of the HTTP interface with this session's token, such as
     * `call('PATCH', 'settings', { presence_enabled: false })`.
     * @param {string} method
     * @param {string} path  below the base
     * @param {object} [params]
     */
    call: (method, path, params) => server.call(method, path, params),

    close() {
      typing.stop();
      presence.stop();
      typists.clear();
      channel.close();
    },
  };

  /** @param {RegisterAnswer} state */
  function load(state) {
    session.settings = { ...state.user_settings };
    typists.clear();
    presence.replace(state);
  }

  /** @param {any} data */
  function set(data) {
    if (!kForms.settings(data)) return warnings.ignored('malformed user_settings');
    const known = Object.entries(data).filter(([name]) => Object.hasOwn(session.settings, name));
    Object.assign(session.settings, Object.fromEntries(known));
  }

  /**
   * Takes events of a type only from the channel on which the server publishes them; warns of others.
   * @param {string} type
   * @param {(data: any) => string | null | undefined} source
   * @param {(data: any, ts: number) => void} take
   */
  function follow(type, source, take) {
    channel.addEventListener(type, ({ data, channel: name, ts }) => {
      if (name === source(data)) take(data, ts);
      else warnings.ignored(`"${type}" from channel "${name}": the server does not publish it there`);
    });
  }

  /** @param {any} data */
  const whereTyping = (data) => {
    if (!kForms.stream(data)) return sources.own;
    return streamChannel ? streamChannel(data.stream_id) : sources.stream?.replace('{stream_id}', () => data.stream_id);
  };

  follow('presence', () => sources.presence, (data) => presence.apply(data));
  follow('pgevents.connected', () => sources.presence, (data) => presence.connect(data, true));
  follow('pgevents.disconnected', () => sources.presence, (data) => presence.connect(data, false));
  follow('user_settings', () => sources.own, set);
  follow('typing', whereTyping, (data, ts) => typists.apply(data, (presence.serverTime - ts) * 1000));
  load(answer);
  return session;
}

/**
 * Starts a page: requests cursor and state, repeats this while the server is away, and connects. Rejects with an error
 * when the server rejects the request.
 * @param {string} base  the address of pgevents, such as /rt
 * @param {RegisterOptions} [options]
 * @returns {Promise<Session>}
 */
export async function register(base, options = {}) {
  const server = new Server(base, options);
  for (let failures = 1; ; failures++) {
    try {
      return sessionOf(server, await server.call('POST', 'register', {}), options);
    } catch (error) {
      if (!(error instanceof NetworkError || /** @type {any} */ (error).status > 499)) throw error;
      await pause(server.world, backoff(server.world, failures, error));
    }
  }
}
