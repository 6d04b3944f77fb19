// The payloads of the protocol (docs/protocol.md), for tools and editors. There is no code here.

/**
 * An event as it travels.
 * @typedef {object} EventObject
 * @property {number} id
 * @property {string} channel_id
 * @property {number} ts  time of commit, in seconds since 1970
 * @property {{ type: string, data: any }} data
 */

/**
 * The history that the cursor needs is gone.
 * @typedef {object} ResetData
 * @property {'pruned' | 'ahead'} reason  older than what is kept; newer than the log, which was restored to an earlier
 *   state
 * @property {number} oldest
 * @property {number} head
 */

/**
 * Two times in seconds since 1970: the last interaction, and the last contact at all.
 * @typedef {object} UserPresence
 * @property {number} active_timestamp
 * @property {number} idle_timestamp
 */

/**
 * @typedef {object} PresenceData
 * @property {Record<string, UserPresence>} presences  by user
 * @property {number} server_timestamp  when this was so
 */

/**
 * Who has come, or is gone.
 * @typedef {object} ConnectionData
 * @property {string[]} users
 * @property {Record<string, UserPresence>} [presences]  of those who are gone: when they were there last
 * @property {number} server_timestamp
 */

/**
 * @typedef {object} DirectTyping
 * @property {'start' | 'stop'} op
 * @property {'direct'} message_type
 * @property {{ user_id: string }} sender
 * @property {{ user_id: string }[]} recipients  the sender is one of them
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
 * The timings that clients go by.
 * @typedef {object} Timings
 * @property {number} server_typing_started_expiry_period_milliseconds
 * @property {number} server_typing_started_wait_period_milliseconds
 * @property {number} server_typing_stopped_wait_period_milliseconds
 * @property {number} server_presence_ping_interval_seconds
 * @property {number} server_presence_offline_threshold_seconds
 */

/**
 * @typedef {object} RegisterCore
 * @property {string} last_event_id  the cursor: whatever is not in this answer comes behind it
 * @property {string[]} channels  the user's own, and that of presence
 * @property {string | null} [user_channel]  the user's own; an older server does not name these three
 * @property {string | null} [presence_channel]
 * @property {string | null} [stream_channel]  where typing in a stream is published: `{stream_id}` stands for the stream's id
 * @property {string[]} [presence_connected]  users
 * @property {UserSettings} user_settings
 */

/**
 * What a page gets to start with.
 * @typedef {RegisterCore & PresenceAnswer & Timings} RegisterAnswer
 */

/**
 * The events of pgevents itself. Of its own events an application says what they hold where it listens:
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
