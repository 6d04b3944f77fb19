// What the module remembers of a request until nginx has logged it: for the variables, and to count it. It is counted
// when nginx logs it, and only then: so each request counts once, whoever gives the answer and whenever, and whether or
// not the client waits for it. A module's context does not survive an internal redirect; this does, because it belongs
// to the request's pool.
#pragma once

#include "ngx_module/nginx.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/metrics/labels.hpp"
#include "core/metrics/metrics.hpp"
#include "core/metrics/reasons.hpp"
#include "core/request/access.hpp"
#include "core/request/session.hpp"
#include "core/wire/cursor.hpp"

namespace pgevents::nginx {

struct LocConf;

// Its texts are in the request's pool.
struct RequestRecord {
  enum class Served : std::uint8_t { kNot, kModule, kDeclined };

  Served served = Served::kNot;
  RequestKind kind = RequestKind::kUnknown;
  Ending ending = Ending::kCount;     // kCount: it has not ended
  bool released = false;              // an event stream that continues without the request
  bool subscribed = false;            // cursor and events_sent are set
  bool identified = false;            // user and realm are set: as whom the module served it
  bool identifying = false;           // `pgevents_user` and `pgevents_realm` are being evaluated
  bool choosing = false;              // `pgevents` is being evaluated, which chooses the database
  Metrics* metrics = nullptr;         // where it counts; null: the module does not answer it
  const LocConf* admitted = nullptr;  // of the location whose access phase has admitted the request
  const LocConf* conf = nullptr;      // of the last location with `pgevents` that was seen
  ngx_str_t user{};
  ngx_str_t realm{};
  ngx_str_t channels{};  // see keep_channels()
  Cursor cursor;         // behind what the subscriber was sent
  std::uint64_t events_sent = 0;
  std::unique_ptr<RejectedToken> rejected;  // the last bad token, whatever location has rejected it
};

// The request's record, made at the first call. Null when memory is refused.
RequestRecord* make_record(ngx_http_request_t* r) noexcept;
// Null: the request has none.
RequestRecord* find_record(const ngx_http_request_t* r) noexcept;
// Whether this cleanup of the request's pool is the record.
bool is_record(const ngx_pool_cleanup_t& cleanup) noexcept;

// Keeps the identity that the module found. One without a user does not replace one with a user: after an internal
// redirect the token in the query can no longer be read.
void keep_identity(ngx_http_request_t* r, RequestRecord& record, const Identity& identity);
// Joins the names by commas; a comma or percent sign within a name is written `%2C` or `%25`.
void keep_channels(ngx_http_request_t* r, RequestRecord& record, const std::vector<std::string>& names);

// The handler of the log phase.
ngx_int_t count_request(ngx_http_request_t* r) noexcept;

}  // namespace pgevents::nginx
