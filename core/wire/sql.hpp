// The statements that both front-ends send. The rules behind them live in the database (`sql/functions`).
#pragma once

namespace pgevents::sql {

// $1 text[] channels, $2 bigint after or NULL, $3 bigint since_us or NULL, $4 int max_rows, $5 bigint max_bytes
inline constexpr char kFetch[] =
    "SELECT id, channel_id, ts_us, type, data, ttl_ms FROM pgevents.fetch($1, $2, $3, $4, $5)";

// $1 bigint after, $2 int max_rows; the listener prepares it
inline constexpr char kLogAfter[] = "SELECT id, channel_id, ts_us, type, data, ttl_ms FROM pgevents.log_after($1, $2)";

// $1 bigint last_id, $2 bigint last_ts_us, $3 int preload
inline constexpr char kListenerStart[] =
    "SELECT head, pruned_id, start_after, continuous FROM pgevents.listener_start($1, $2, $3)";

// $1 jsonb identity, $2 text channel, $3 text body, $4 text idempotency_key or NULL
inline constexpr char kPublish[] = "SELECT pgevents.http_publish($1, $2, $3, $4)";

// no parameters: user_id text, before_us bigint
inline constexpr char kRevocations[] = "SELECT user_id, before_us FROM pgevents.revocations()";

// $1 text user_id, $2 bigint issued_us
inline constexpr char kTokenRevoked[] = "SELECT pgevents.token_revoked($1, $2)";

// Requests about presence, typing and settings: $1 jsonb identity, $2 jsonb params; one column: json, the body of the answer as it
// is sent, without spaces. A refusal is an error that error_from_sql() understands. Each call is a transaction of its own.
inline constexpr char kRegister[] = "SELECT pgevents.http_register($1, $2)";
inline constexpr char kReportPresence[] = "SELECT pgevents.http_report_presence($1, $2)";
inline constexpr char kUserPresence[] = "SELECT pgevents.http_user_presence($1, $2)";
inline constexpr char kRealmPresence[] = "SELECT pgevents.http_realm_presence($1, $2)";
// $1 jsonb, what the answer to one of these holds as presence_state where identity had share_state; text, to put in its place
inline constexpr char kPresenceState[] = "SELECT pgevents.http_presence_state($1)";
inline constexpr char kTyping[] = "SELECT pgevents.http_typing($1, $2)";
inline constexpr char kSettings[] = "SELECT pgevents.http_settings($1, $2)";

// Many kReportPresence in one transaction: $1 jsonb [{"identity":…,"params":…},…]; a row for each, in order: the answer, or what
// goes into error_from_sql().
inline constexpr char kReportPresenceMany[] =
    "SELECT answer, state, message, detail FROM pgevents.http_report_presence_many($1)";

// no parameters: bigint, the number under which a process reports its connections
inline constexpr char kHolderOpen[] = "SELECT pgevents.holder_open()";

// $1 bigint holder, $2 jsonb [{"realm":…,"user":…},{…,"left":true},…], may be empty. One row, int milliseconds: after report_ms
// those who are still connected are to be reported again; after renew_ms at most it must be called again. No row: the holder is
// not known any more, a new one must be opened and everybody reported.
inline constexpr char kPresenceContacts[] = "SELECT report_ms, renew_ms FROM pgevents.presence_contacts($1, $2)";

// $1 bigint holder
inline constexpr char kHolderClose[] = "SELECT pgevents.holder_close($1)";

// The next two rather fail (55P03) than keep a process of the fallback waiting: there is always a next time.
// $1 jsonb identity, $2 int seconds until the next poll; boolean: whether anything was written
inline constexpr char kPresencePoll[] =
    "SELECT pgevents.presence_poll($1, $2) FROM set_config('lock_timeout', '500ms', true)";

// no parameters: int, milliseconds until it should be called again
inline constexpr char kPresenceTick[] =
    "SELECT pgevents.presence_tick() FROM set_config('lock_timeout', '500ms', true)";

// $1 int max_rows
inline constexpr char kPrune[] = "SELECT pgevents.prune($1)";

inline constexpr char kListen[] = "LISTEN pgevents";

// Whether the session is the one that the connection was made for, or a pooler is in between; int
inline constexpr char kBackend[] = "SELECT pg_backend_pid()";

// $1 text channel
inline constexpr char kNotify[] = "SELECT pg_notify($1, '')";

}  // namespace pgevents::sql
