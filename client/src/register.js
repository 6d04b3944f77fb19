// Starts a page: one request returns the cursor and the state; from then on events keep the state up to date.
import { Caller } from './caller.js';
import { whenAborted } from './environment.js';
import { EventChannel } from './event_channel.js';
import { kForms, warningsIn } from './payloads.js';
import { Presence } from './presence.js';
import { persist } from './server.js';
import { TypingSender } from './typing_sender.js';
import { TypingTracker } from './typing_tracker.js';

/** @typedef {import('./types.js').RegisterAnswer} RegisterAnswer */

/**
 * @callback MessageOf
 * @param {any} data  of the event
 * @param {string} channel
 * @returns {{ where: import('./typing_sender.js').Recipient, user: string } | undefined}
 */

/**
 * @typedef {object} SessionOptions
 * @property {string[]} [channels]  to subscribe to, besides the user's own
 * @property {string} [user]  this user's id: the user's own typing is not shown
 * @property {number} [idleAfter]  milliseconds without input after which this user is idle
 * @property {(streamId: string) => string} [streamChannel]  the channel on which typing in a stream is published, if
 *   the application has replaced `pgevents.stream_channel()` by a rule that is not a template
 * @property {(data: import('./types.js').ResetData, answer: RegisterAnswer) => void | Promise<void>} [onreset]  reloads
 *   the application's own state after a gap; the session has already renewed its own. Absent: `load` of start()
 * @property {Record<string, MessageOf>} [messages]  event types that end a typing indicator, each with a function that
 *   gives the message's conversation and author
 */

/**
 * @typedef {Partial<import('./connection.js').ConnectionOptions> & import('./server.js').ServerOptions} ChannelOptions
 */
/** @typedef {Omit<ChannelOptions, 'onreset'> & SessionOptions} RegisterOptions */

/**
 * The objects that keep a page up to date.
 * @typedef {ReturnType<typeof sessionOf>} Session
 */

/**
 * @param {Caller} server
 * @param {RegisterAnswer} answer
 * @param {RegisterOptions} options
 */
function sessionOf(server, answer, { channels = [], onreset, streamChannel, messages = {}, ...options }) {
  const given = { ...options, ...answer, follows: true, environment: server.world };
  const presence = new Presence((params) => server.call('POST', 'users/me/presence', params), given);
  const typing = new TypingSender((params) => server.call('POST', 'typing', params), given);
  const typists = new TypingTracker(given);
  presence.listened = typists.listened = () => channel.listened('presence'); // starts the delivery
  const ignored = warningsIn(server.world);
  // Only the server publishes presence, settings and typing on these. On all other channels clients may publish.
  const { user_channel, presence_channel, stream_channel } = answer;
  /** @type {((cursor: string, reset?: any) => any) | undefined} */
  let reload;
  const channel = new EventChannel(server, [...answer.channels, ...channels], {
    ...options,
    lastEventId: options.lastEventId ?? answer.last_event_id,
    onreset: async (/** @type {any} */ data) => {
      const state = await server.call('POST', 'register', {});
      load(state);
      await (onreset ? onreset(data, state) : reload?.(state.last_event_id, data));
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
     * As of EventChannel: calls `load` with the cursor, and delivers what was committed behind it when `load` is done.
     * @param {(cursor: string, reset?: import('./types.js').ResetData) => any} [its_load]
     */
    start(its_load) {
      reload = its_load;
      return channel.start(its_load);
    },

    /**
     * Makes one call of the HTTP interface with this session's token, such as
     * `call('PATCH', 'settings', { presence_enabled: false })`.
     * @param {string} method
     * @param {string} path  below the base
     * @param {object} [params]
     * @param {{ signal?: import('./environment.js').Signal }} [more]
     * @returns {Promise<any>}
     */
    async call(method, path, params, more) {
      if (path !== 'settings') return channel.call(method, path, params, more);
      // The server takes no "stop" of a user who has switched typing off.
      typing.follow({ ...session.settings, ...params });
      await typing.sent;
      return channel.call(method, path, params, more).finally(() => typing.follow(session.settings));
    },

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
    typing.follow(session.settings);
    typists.clear();
    presence.replace(state);
  }

  /** @param {any} data */
  function set(data) {
    if (!kForms.settings(data)) return ignored('malformed user_settings');
    /** @type {any} */
    const { settings } = session;
    for (const name of Object.keys(settings)) settings[name] = data[name] ?? settings[name];
    typing.follow(settings);
  }

  // These listeners do not start the delivery: only those of the application do.
  /** @param {string} type @param {(event: any) => void} take */
  const listen = (type, take) => {
    channel.types.add(type); // an EventSource listens to it
    EventTarget.prototype.addEventListener.call(channel, type, take);
  };

  /**
   * Takes events of a type only from the channel on which the server publishes them; warns of others.
   * @param {string} type
   * @param {(data: any) => string | null | undefined} source
   * @param {(data: any, ts: number) => void} take
   */
  function follow(type, source, take) {
    listen(type, ({ data, channel: name, ts }) => {
      if (name === source(data)) take(data, ts);
      else ignored(`"${type}" from channel "${name}": the server does not publish it there`);
    });
  }

  /** @param {any} data */
  const whereTyping = (data) => {
    if (!kForms.stream(data)) return user_channel;
    return streamChannel ? streamChannel(data.stream_id) : stream_channel?.replace('{stream_id}', () => data.stream_id);
  };

  follow('presence', () => presence_channel, (data) => presence.apply(data));
  follow('pgevents.connected', () => presence_channel, (data) => presence.connect(data, true));
  follow('pgevents.disconnected', () => presence_channel, (data) => presence.connect(data, false));
  follow('user_settings', () => user_channel, set);
  follow('typing', whereTyping, (data, ts) => typists.apply(data, (presence.serverTime - ts) * 1000));
  for (const [type, of] of Object.entries(messages)) {
    listen(type, ({ data, channel: name }) => {
      try {
        const ended = of(data, name);
        if (ended) typists.remove(ended.where, ended.user);
      } catch {
        ignored(`malformed "${type}"`); // the application's function expects its own data
      }
    });
  }
  load(answer);
  whenAborted(options.signal, session.close);
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
  const server = new Caller(base, options);
  const { signal } = options;
  const request = () => server.call('POST', 'register', {}, { signal });
  return sessionOf(server, await persist(server.world, request, signal), options);
}
