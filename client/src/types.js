// Types of the protocol's payloads (docs/protocol.md), for tools and editors. This file has no code.

/**
 * An event as the server sends it.
 * @typedef {object} EventObject
 * @property {number} id
 * @property {string} channel_id
 * @property {number} ts  time of commit, in seconds since 1970
 * @property {{ type: string, data: any }} data
 */

/**
 * The log no longer has the events behind the cursor.
 * @typedef {object} ResetData
 * @property {'pruned' | 'ahead'} reason  the cursor is older than the log's events; or newer than the log, which was
 *   restored to an earlier state
 * @property {number} oldest
 * @property {number} head
 */

/**
 * Two times in seconds since 1970: of the last input, and of the last contact.
 * @typedef {object} UserPresence
 * @property {number} active_timestamp
 * @property {number} idle_timestamp
 */

/**
 * @typedef {object} PresenceData
 * @property {Record<string, UserPresence>} presences  by user
 * @property {number} server_timestamp  the time of this data
 */

/**
 * Users who have connected, or have disconnected.
 * @typedef {object} ConnectionData
 * @property {string[]} users
 * @property {Record<string, UserPresence>} [presences]  of disconnected users: when they were last in contact
 * @property {number} server_timestamp
 */

/**
 * @typedef {object} DirectTyping
 * @property {'start' | 'stop'} op
 * @property {'direct'} message_type
 * @property {{ user_id: string }} sender
 * @property {{ user_id: string }[]} recipients  including the sender
 */

/**
 * @typedef {object} StreamTyping
 * @property {'start' | 'stop'} op
 * @property {'stream'} message_type
 * @property {{ user_id: string }} sender
 * @property {string} stream_id
 * @property {string} topic
 */

/** @typedef {DirectTyping | StreamTyping} TypingData */

/**
 * @typedef {object} UserSettings
 * @property {boolean} presence_enabled
 * @property {boolean} send_private_typing_notifications
 * @property {boolean} send_stream_typing_notifications
 * @property {boolean} receives_typing_notifications
 */

/**
 * The answer to a report of presence.
 * @typedef {object} PresenceAnswer
 * @property {number} server_timestamp
 * @property {number} presence_last_update_id
 * @property {Record<string, UserPresence>} presences
 */

/**
 * The timings for clients.
 * @typedef {object} Timings
 * @property {number} server_typing_started_expiry_period_milliseconds
 * @property {number} server_typing_started_wait_period_milliseconds
 * @property {number} server_typing_stopped_wait_period_milliseconds
 * @property {number} server_presence_ping_interval_seconds
 * @property {number} server_presence_offline_threshold_seconds
 */

/**
 * @typedef {object} RegisterCore
 * @property {string} last_event_id  the cursor: later changes are events behind it
 * @property {string[]} channels  the user's own, and the presence channel
 * @property {string | null} user_channel  the user's own
 * @property {string | null} presence_channel
 * @property {string | null} stream_channel  where typing in a stream is published: `{stream_id}` stands for the
 *   stream's id
 * @property {string[]} [presence_connected]  users
 * @property {UserSettings} user_settings
 */

/**
 * The initial state of a page.
 * @typedef {RegisterCore & PresenceAnswer & Timings} RegisterAnswer
 */

/**
 * The events that pgevents itself publishes. An application declares the data of its own events in the listener:
 * `(event: ChannelEvent<Cheese>) => …`.
 * @typedef {{
 *   presence: PresenceData,
 *   typing: TypingData,
 *   user_settings: Partial<UserSettings>,
 *   'pgevents.connected': ConnectionData,
 *   'pgevents.disconnected': ConnectionData,
 *   'pgevents.reset': ResetData,
 * }} EventMap
 */

export {};
