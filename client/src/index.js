// pgevents in browsers and Node: events of channels, presence, typing.
export { EventChannel } from './event_channel.js';
export { Presence } from './presence.js';
export { TypingSender, conversationOf } from './typing_sender.js';
export { TypingTracker } from './typing_tracker.js';
export { register } from './register.js';
export * from './errors.js';

/** @typedef {import('./environment.js').Environment} Environment */
/** @typedef {import('./event_channel.js').ChannelOptions} ChannelOptions */
/** @typedef {import('./event_channel.js').ReloadHook} ReloadHook */
/** @typedef {import('./event_channel.js').ChannelErrorEvent} ChannelErrorEvent */
/**
 * @template [T=any]
 * @typedef {import('./event_channel.js').ChannelEvent<T>} ChannelEvent
 */
/** @typedef {import('./connection.js').Transport} Transport */
/** @typedef {import('./connection.js').ConnectionOptions} ConnectionOptions */
/** The former name. @typedef {import('./connection.js').ConnectionOptions} LineOptions */
/** @typedef {import('./presence.js').PresenceOptions} PresenceOptions */
/** @typedef {import('./presence.js').Status} Status */
/** @typedef {import('./register.js').RegisterOptions} RegisterOptions */
/** @typedef {import('./register.js').Session} Session */
/** @typedef {import('./typing_tracker.js').TypingChange} TypingChange */
/** @typedef {import('./presence.js').PresenceChange} PresenceChange */
/** @typedef {import('./server.js').ServerOptions} ServerOptions */
/** @typedef {import('./server.js').TokenCallback} TokenCallback */
/** @typedef {import('./typing_sender.js').Recipient} Recipient */
/** @typedef {import('./typing_sender.js').TypingOptions} TypingOptions */
/** @typedef {import('./types.js').EventObject} EventObject */
/** @typedef {import('./types.js').EventMap} EventMap */
/** @typedef {import('./types.js').ResetData} ResetData */
/** @typedef {import('./types.js').UserPresence} UserPresence */
/** @typedef {import('./types.js').PresenceData} PresenceData */
/** @typedef {import('./types.js').PresenceAnswer} PresenceAnswer */
/** @typedef {import('./types.js').ConnectionData} ConnectionData */
/** @typedef {import('./types.js').TypingData} TypingData */
/** @typedef {import('./types.js').DirectTyping} DirectTyping */
/** @typedef {import('./types.js').StreamTyping} StreamTyping */
/** @typedef {import('./types.js').UserSettings} UserSettings */
/** @typedef {import('./types.js').Timings} Timings */
/** @typedef {import('./types.js').RegisterAnswer} RegisterAnswer */
