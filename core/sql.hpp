// The statements that both front-ends send. The rules behind them live in the database (`sql/functions`).
#pragma once

namespace pgevents::sql {

// $1 text[] channels, $2 bigint after or NULL, $3 bigint since_us or NULL, $4 int max_rows, $5 bigint max_bytes
inline constexpr char kFetch[] =
    "SELECT id, channel_id, ts_us, type, data, ttl_ms FROM pgevents.fetch($1, $2, $3, $4, $5)";

// $1 bigint after, $2 int max_rows
inline constexpr char kLogAfter[] = "SELECT id, channel_id, ts_us, type, data, ttl_ms FROM pgevents.log_after($1, $2)";

// $1 bigint last_id, $2 bigint last_ts_us, $3 int preload
inline constexpr char kListenerStart[] =
    "SELECT head, pruned_id, start_after, continuous FROM pgevents.listener_start($1, $2, $3)";

// $1 jsonb identity, $2 text channel, $3 text body, $4 text idempotency_key or NULL
inline constexpr char kPublish[] = "SELECT pgevents.http_publish($1, $2, $3, $4)";

// $1 int max_rows
inline constexpr char kPrune[] = "SELECT pgevents.prune($1)";

inline constexpr char kListen[] = "LISTEN pgevents";

}  // namespace pgevents::sql
