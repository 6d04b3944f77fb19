// A subscription's response: an array, or an event stream that ends at once. Both are bounded, and the cursor continues
// where they end.
#include <cstdint>
#include <random>
#include <string>
#include <utility>

#include "core/wire/event.hpp"
#include "core/wire/reply.hpp"
#include "fcgi_fallback/cgi_response.hpp"
#include "fcgi_fallback/handler.hpp"
#include "postgres/result.hpp"
#include "postgres/statements.hpp"

namespace pgevents::fallback {

namespace {

constexpr std::size_t kMegabyte = 1 << 20;
constexpr std::size_t kMaxArrayBytes = kMegabyte;
constexpr std::size_t kMaxArrayEvents = 1000;
// While a client does not read its stream, nginx keeps what the fallback sent in a temporary file.
constexpr std::size_t kMaxStreamBytes = kMegabyte;
constexpr std::size_t kMaxPages = 200;
// A stream that ends although there are more events: the client reconnects after so many milliseconds.
constexpr char kReconnectSoon[] = "retry: 100\n\n";
// While the database is away, the reconnection time is up to so many times as long.
constexpr unsigned kSpread = 3;
constexpr std::chrono::seconds kSequencePause{1};

void append_frame(std::string& out, const EventView& event, bool envelope) {
  if (!envelope) {
    append_sse(out, event.type, event.data, event.id);
    return;
  }
  std::string object;
  append_json(object, event);
  append_sse(out, event.type, object, event.id);
}

// Whether a request that has read `count` pages reads another one.
bool reads_on(const EventPages& pages, std::size_t count) {
  return count < kMaxPages && !pages.at_end() && !pages.tired();
}

void end_stream(CgiRequest& cgi, const EventPages& pages, std::uint64_t client_cursor, bool failed) {
  if (client_cursor != pages.cursor()) {
    cgi.write(stream_cursor(pages.cursor()));
  }
  if (!failed && !pages.at_end()) {
    cgi.write(kReconnectSoon);
  }
}

}  // namespace

// Gives ids to what publishers have left, if a listener has died with some: with the schema of version 10 or later, at
// most once a second. It costs next to nothing if there are none. If it fails, the log can be read nevertheless.
// Returns what is to be logged, or an empty text.
std::string Handler::sequence() {
  const auto now = std::chrono::steady_clock::now();
  if (now < next_sequence_) {
    return {};
  }
  next_sequence_ = now + kSequencePause;
  std::string log;
  DatabaseConnection& database = databases_.writing();
  if (!database.has_schema(sql::kGroupCommitSchema, log) || databases_.is_lone_copy()) {
    return log;
  }
  const Outcome outcome = database.run({sql::kSequence, {sql::kSequenceRows}}, true);
  if (outcome.rows && postgres::Rows<sql::RoundColumn>(outcome.rows.get()).front().is_true(sql::RoundColumn::kIsMore)) {
    next_sequence_ = now;
  }
  return outcome.log;
}

void Handler::send_events(CgiRequest& cgi, const Subscription& subscription) {
  // What a primary gives ids to now comes to the copy later: no answer waits for it.
  if (!subscription.session.unchecked && !databases_.has_primary()) {
    report(cgi, sequence());
  }
  subscription.flavor == Flavor::kEventSource ? send_stream(cgi, subscription) : send_array(cgi, subscription);
  if (!subscription.head_only && !subscription.session.unchecked) {
    presence_.polled(subscription.session.identity);
  }
}

void Handler::send_array(CgiRequest& cgi, const Subscription& subscription) {
  EventPages pages(databases_.reading(), subscription);
  std::string array = "[";
  std::string log;
  std::size_t events = 0;
  const auto visit = [&](const EventView& event) {
    if (events++ > 0) {
      array += ',';
    }
    append_json(array, event);
  };
  for (std::size_t count = 0; reads_on(pages, count); ++count) {
    const auto error = pages.next(visit, log);
    report(cgi, log);
    if (error) {
      return reject(cgi, *error, subscription.head_only);
    }
    if (array.size() >= kMaxArrayBytes || events >= kMaxArrayEvents) {
      break;
    }
  }
  array += ']';
  counters_.add(subscription.head_only ? 0 : events, Counter::kEventsSent);
  // A client that asked for a poll gets that as the reason, not that the module is missing.
  const bool asked = subscription.flavor == Flavor::kPoll || subscription.timeout == 0.0;
  const PollKind kind = asked ? PollKind::kRequested : PollKind::kFallback;
  // If there are more events, the client need not wait before its next request.
  const unsigned interval = pages.at_end() ? options_.poll_interval : 0;
  reply(cgi, poll_reply(std::move(array), pages.cursor(), kind, interval), subscription.head_only);
}

bool Handler::send_stream_head(CgiRequest& cgi) {
  auto headers = buffered_stream_headers();
  headers.insert(headers.end(), cors_.begin(), cors_.end());
  status_ = 200;
  return send_head(cgi, 200, headers);
}

bool Handler::open_stream(CgiRequest& cgi, std::uint64_t cursor) {
  return send_stream_head(cgi) && cgi.write(stream_opening(options_.poll_interval * 1000, cursor));
}

// The log cannot be read: the stream asks the client to reconnect. After an error response a browser's EventSource
// would not.
void Handler::send_later(CgiRequest& cgi, const Subscription& subscription) {
  const unsigned retry = spread_retry(options_.poll_interval * 1000, kSpread, std::random_device()());
  const std::string text = stream_waiting(retry, fixed_start(subscription.cursor, arrived_));
  if (send_stream_head(cgi)) {
    cgi.write(text);
  }
}

void Handler::send_stream(CgiRequest& cgi, const Subscription& subscription) {
  if (subscription.session.unchecked) {
    return send_later(cgi, subscription);
  }
  EventPages pages(databases_.reading(), subscription);
  std::string out;
  std::string log;
  std::size_t sent = 0;
  std::uint64_t client_cursor = 0;
  std::size_t events = 0;
  const auto visit = [&](const EventView& event) {
    append_frame(out, event, subscription.envelope);
    client_cursor = event.id;
    ++events;
  };
  bool failed = false;
  for (std::size_t count = 0; reads_on(pages, count) && sent < kMaxStreamBytes; ++count) {
    const auto error = pages.next(visit, log);
    report(cgi, log);
    if (error && count == 0) {
      return error->status < 500 ? reject(cgi, *error) : send_later(cgi, subscription);
    }
    failed = error.has_value();
    if (failed) {
      break;  // the client reconnects with the cursor that it has reached
    }
    if (count == 0) {
      client_cursor = client_cursor == 0 ? pages.first_cursor() : client_cursor;
      if (!open_stream(cgi, pages.first_cursor())) {
        return;
      }
    }
    if (!cgi.write(out) || !cgi.flush()) {
      return;
    }
    counters_.add(std::exchange(events, 0), Counter::kEventsSent);
    sent += out.size();
    out.clear();
  }
  end_stream(cgi, pages, client_cursor, failed);
}

}  // namespace pgevents::fallback
