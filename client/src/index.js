// pgevents in browsers and Node: events of channels, presence, typing.
export { EventChannel } from './event_channel.js';
export { BaseChannel } from './base_channel.js';
export { joining } from './joining.js';
export { page } from './page.js';
export { webSocket } from './socket.js';
export { sharing } from './tabs.js';
export { eventSource, streams } from './transports.js';
export { Presence } from './presence.js';
export { conversationOf, TypingSender } from './typing_sender.js';
export { TypingTracker } from './typing_tracker.js';
export { register } from './register.js';
export { AddressError, AuthError, HttpError, NetworkError, PgeventsError, SilenceError } from './errors.js';
