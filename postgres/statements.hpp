// The statements that module and fallback send, and the columns of those that return rows. The rules behind them are
// SQL functions (sql/functions, docs/sql.md). Each statement is a transaction of its own.
#pragma once

#include "core/request/call.hpp"
#include "postgres/statement.hpp"

namespace pgevents::sql {

using postgres::SqlText;

// $1 text[] channels, $2 bigint after or NULL, $3 bigint since_us or NULL, $4 int max_rows, $5 bigint max_bytes.
// EventColumn; the form of the rows is FetchedPage's, events.hpp.
inline constexpr SqlText kFetch{
    "pgevents_fetch", "SELECT id, channel_id, ts_us, type, data, ttl_ms FROM pgevents.fetch($1, $2, $3, $4, $5)"};

// $1 bigint after, $2 int max_rows. EventColumn; the listener prepares it.
inline constexpr SqlText kLogAfter{"pgevents_log_after",
                                   "SELECT id, channel_id, ts_us, type, data, ttl_ms FROM pgevents.log_after($1, $2)"};

enum class EventColumn { kId, kChannel, kTime, kType, kData, kTtl, kCount };

// $1 bigint last_id, $2 bigint last_ts_us or NULL, $3 int preload. One row of PositionColumn.
inline constexpr SqlText kListenerStart{
    "pgevents_listener_start",
    "SELECT head, pruned_id, start_after, continuous FROM pgevents.listener_start($1, $2, $3)"};

enum class PositionColumn { kHead, kPrunedId, kStartAfter, kContinuous, kCount };

// The schema version since which publishers may leave their events, and many publish in one transaction.
inline constexpr int kGroupCommitSchema = 10;

// $1 jsonb identity, $2 text channel, $3 text body, $4 text idempotency_key or NULL
inline constexpr SqlText kPublish{"pgevents_publish", "SELECT pgevents.http_publish($1, $2, $3, $4)"};

// Many kPublish in one transaction: $1 jsonb [{"identity":…,"channel":…,"body":…,"idempotency_key":…},…]. A row of
// PublishColumn for each, in order: the answer; or what goes into error_from_sql(); or only NULLs: kPublish must do it.
// Since kGroupCommitSchema.
inline constexpr SqlText kPublishMany{"pgevents_publish_many",
                                      "SELECT answer, state, message, detail FROM pgevents.http_publish_many($1)"};

enum class PublishColumn { kAnswer, kState, kMessage, kDetail, kCount };

// No parameters. RevocationColumn
inline constexpr SqlText kRevocations{"pgevents_revocations", "SELECT user_id, before_us FROM pgevents.revocations()"};

enum class RevocationColumn { kUserId, kBeforeUs, kCount };

// $1 text user_id, $2 bigint issued_us; boolean
inline constexpr SqlText kTokenRevoked{"pgevents_token_revoked", "SELECT pgevents.token_revoked($1, $2)"};

// Calls about presence, typing and settings: $1 jsonb identity, $2 jsonb params; one column: json, the body of the
// answer as it is sent, without spaces. A rejection is an error that error_from_sql() understands.
inline constexpr SqlText kRegister{"pgevents_register", "SELECT pgevents.http_register($1, $2)"};
inline constexpr SqlText kReportPresence{"pgevents_report_presence", "SELECT pgevents.http_report_presence($1, $2)"};
inline constexpr SqlText kUserPresence{"pgevents_user_presence", "SELECT pgevents.http_user_presence($1, $2)"};
inline constexpr SqlText kRealmPresence{"pgevents_realm_presence", "SELECT pgevents.http_realm_presence($1, $2)"};
inline constexpr SqlText kTyping{"pgevents_typing", "SELECT pgevents.http_typing($1, $2)"};
inline constexpr SqlText kSettings{"pgevents_settings", "SELECT pgevents.http_settings($1, $2)"};

// The one of these that serves an endpoint.
const SqlText& call_statement(Endpoint endpoint) noexcept;

// $1 jsonb: what an answer to one of these calls has as presence_state if identity had share_state; text, to put in its
// place
inline constexpr SqlText kPresenceState{"pgevents_presence_state", "SELECT pgevents.http_presence_state($1)"};

// Many kReportPresence in one transaction: $1 jsonb [{"identity":…,"params":…},…]. A row of ReportColumn for each, in
// order: the answer, or what goes into error_from_sql().
inline constexpr SqlText kReportPresenceMany{
    "pgevents_report_presence_many",
    "SELECT answer, state, message, detail FROM pgevents.http_report_presence_many($1)"};

enum class ReportColumn { kAnswer, kState, kMessage, kDetail, kCount };

// No parameters: bigint, the presence session under which a worker reports its connections
inline constexpr SqlText kHolderOpen{"pgevents_holder_open", "SELECT pgevents.holder_open()"};

// $1 bigint presence session, $2 jsonb [{"realm":…,"user":…},{…,"left":true},…], may be empty. One row of
// ContactColumn, int milliseconds: after report_ms those who are still connected are to be reported again; after
// renew_ms at most it must be called again. No row: the presence session has expired; another one must be opened and
// every user reported.
inline constexpr SqlText kPresenceContacts{"pgevents_presence_contacts",
                                           "SELECT report_ms, renew_ms FROM pgevents.presence_contacts($1, $2)"};

enum class ContactColumn { kReportMs, kRenewMs, kCount };

// $1 bigint presence session
inline constexpr SqlText kHolderClose{"pgevents_holder_close", "SELECT pgevents.holder_close($1)"};

// The next two fail (55P03) rather than keep a process of the fallback waiting; they are called again soon.
// $1 jsonb identity, $2 int seconds until the next poll; boolean: whether anything was written
inline constexpr SqlText kPresencePoll{
    "pgevents_presence_poll", "SELECT pgevents.presence_poll($1, $2) FROM set_config('lock_timeout', '500ms', true)"};

// No parameters: int, milliseconds until it should be called again
inline constexpr SqlText kPresenceTick{
    "pgevents_presence_tick", "SELECT pgevents.presence_tick() FROM set_config('lock_timeout', '500ms', true)"};

// The schema version since which a database knows that it is a copy.
inline constexpr int kCopySchema = 12;

// No parameters: boolean, whether the log comes from another database. Since kCopySchema.
inline constexpr SqlText kIsCopy{"pgevents_is_copy", "SELECT pgevents.is_copy()"};

// No parameters. One row of CopyStateColumn. Since kCopySchema.
inline constexpr SqlText kCopyState{"pgevents_copy_state",
                                    "SELECT is_copy, is_running, errors FROM pgevents.copy_state()"};

enum class CopyStateColumn { kIsCopy, kIsRunning, kErrors, kCount };

// $1 bigint, the newest event of a copy: how far it is behind this database. One row of CopyLagColumn. Since
// kCopySchema.
inline constexpr SqlText kCopyLag{"pgevents_copy_lag", "SELECT ids, ms FROM pgevents.copy_lag($1)"};

enum class CopyLagColumn { kIds, kMs, kCount };

// $1 int max_rows: the number of rows that went
inline constexpr SqlText kPrune{"pgevents_prune", "SELECT pgevents.prune($1)"};

// Sequencing (since kGroupCommitSchema; postgres/sequencing_plan.hpp says when).
// $1 int max_rows: gives ids to what publishers have left. One row of RoundColumn.
inline constexpr SqlText kSequence{
    "pgevents_sequence", "SELECT events, turns, is_more, is_settled, is_busy, is_sequenced FROM pgevents.sequence($1)"};
// As max_rows: a flush for so many rows takes hardly longer than for one.
inline constexpr char kSequenceRows[] = "5000";

enum class RoundColumn { kEvents, kTurns, kIsMore, kIsSettled, kIsBusy, kIsSequenced, kCount };

// No parameters: int, the sessions that wait for the lock under which ids are given
inline constexpr SqlText kPublishersWaiting{"pgevents_publishers_waiting", "SELECT pgevents.publishers_waiting()"};

// No parameters, no answer: publishers may leave events and notify this session from now on. The server notices within
// seconds that the host of such a session is gone, or that the process at its other end does not read any more: while
// the session lives, publishers leave their events to it. (These settings have no effect on a Unix socket.)
inline constexpr SqlText kSequencerReady{"pgevents_sequencer_ready",
                                         "SELECT FROM pgevents.sequencer_ready() AS ready, "
                                         "set_config('tcp_keepalives_idle', '5', false) AS idle, "
                                         "set_config('tcp_keepalives_interval', '2', false) AS pause, "
                                         "set_config('tcp_keepalives_count', '3', false) AS probes, "
                                         "set_config('tcp_user_timeout', '10000', false) AS silence"};

// No parameters: boolean, whether this session has the lock of the sequencer now. Tells the other listeners, so that
// they look whether it works.
inline constexpr SqlText kSequencerBegin{
    "pgevents_sequencer_begin",
    "SELECT begun FROM pgevents.sequencer_begin() AS begun, pg_notify('pgevents', 's') AS others"};

// No parameters, no answer
inline constexpr SqlText kSequencerEnd{"pgevents_sequencer_end", "SELECT pgevents.sequencer_end()"};

// The first statement of a session. $1 text: the session's role, which becomes the last word of its application_name
// (at most 63 bytes), in place of a role that a pooler has kept there. One row of VersionColumn.
inline constexpr SqlText kSchemaVersion{
    "pgevents_schema_version",
    "SELECT version, serves_from FROM pgevents.schema_version(), set_config('application_name', ltrim(left("
    "regexp_replace(current_setting('application_name'), '( (listener|pool|fallback))+$', ''), 62 - length($1::text)) "
    "|| ' ' || $1), false)"};

// The same for schema versions before 9.
inline constexpr SqlText kOldSchemaVersion{
    "pgevents_old_schema_version",
    "SELECT pgevents.status() ->> 'version', 0 FROM set_config('application_name', ltrim(left("
    "regexp_replace(current_setting('application_name'), '( (listener|pool|fallback))+$', ''), 62 - length($1::text)) "
    "|| ' ' || $1), false)"};

enum class VersionColumn { kVersion, kServesFrom, kCount };

inline constexpr SqlText kListen{"pgevents_listen", "LISTEN pgevents"};

// int: the process id of the session that executes it. Another one than PQbackendPID(): a pooler is in between.
inline constexpr SqlText kBackend{"pgevents_backend", "SELECT pg_backend_pid()"};

// $1 text channel
inline constexpr SqlText kNotify{"pgevents_notify", "SELECT pg_notify($1, '')"};

}  // namespace pgevents::sql
