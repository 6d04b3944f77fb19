// The fallback's answers. Arrays are bounded, and the cursor continues where they end; streams are written page by
// page.
#include "handler.hpp"

#include <array>
#include <exception>

#include "event.hpp"
#include "event_pages.hpp"
#include "reply.hpp"
#include "response.hpp"
#include "sql.hpp"

namespace pgevents::fallback {

namespace {

constexpr std::size_t kMegabyte = 1 << 20;
constexpr std::size_t kMaxArrayBytes = kMegabyte;
constexpr std::size_t kMaxArrayEvents = 1000;
constexpr std::size_t kMaxStreamBytes = 64 * kMegabyte;
constexpr std::size_t kMaxPages = 200;  // of events that the filter may drop
constexpr Statement kPublish{"pgevents_publish", sql::kPublish};
constexpr Statement kPrune{"pgevents_prune", sql::kPrune};
constexpr char kPruneRows[] = "5000";
constexpr std::chrono::seconds kPruneInterval{60};
// Tokens will say who publishes; until then the web server's access rules do.
constexpr char kIdentity[] = "{}";

std::string_view text_or_empty(const Exchange& exchange, const char* name) {
  return exchange.param(name).value_or(std::string_view());
}

// Which variable holds the path depends on the web server: PATH_INFO where a script is addressed, DOCUMENT_URI with
// nginx's usual parameters.
std::string_view path_of(const Exchange& exchange) {
  for (const char* name : {"PATH_INFO", "DOCUMENT_URI"}) {
    const std::string_view path = text_or_empty(exchange, name);
    if (!path.empty()) return path;
  }
  return text_or_empty(exchange, "SCRIPT_NAME");
}

Request request_of(const Exchange& exchange) {
  Request request;
  request.method = text_or_empty(exchange, "REQUEST_METHOD");
  request.path = path_of(exchange);
  request.query = text_or_empty(exchange, "QUERY_STRING");
  request.accept = text_or_empty(exchange, "HTTP_ACCEPT");
  request.last_event_id = text_or_empty(exchange, "HTTP_LAST_EVENT_ID");
  request.flavor = text_or_empty(exchange, "HTTP_FLAVOR");
  request.content_type = text_or_empty(exchange, "CONTENT_TYPE");
  request.idempotency_key = text_or_empty(exchange, "HTTP_IDEMPOTENCY_KEY");
  return request;
}

void report(Exchange& exchange, const std::string& text) {
  if (!text.empty()) exchange.log(text);
}

void append_frame(std::string& out, const EventView& event, bool envelope) {
  if (!envelope) {
    append_sse(out, event.type, event.data, event.id);
    return;
  }
  std::string object;
  append_json(object, event);
  append_sse(out, event.type, object, event.id);
}

}  // namespace

void Handler::handle(Exchange& exchange) noexcept {
  try {
    answer(exchange);
  } catch (const std::exception& problem) {
    // No memory, most likely. If a part of the answer is out already, the client's cursor covers the rest.
    exchange.log(std::string_view(problem.what()));
  }
}

void Handler::answer(Exchange& exchange) {
  const Request request = request_of(exchange);
  const bool head = request.method == "HEAD";
  const Route wanted = route(request, settings_for(exchange));
  if (const auto* subscription = std::get_if<Subscription>(&wanted)) {
    const bool stream = subscription->flavor == Flavor::kEventSource;
    stream ? send_stream(exchange, *subscription) : send_array(exchange, *subscription);
  } else if (const auto* publication = std::get_if<Publication>(&wanted)) {
    publish(exchange, *publication);
  } else if (const auto* error = std::get_if<Error>(&wanted)) {
    send_reply(exchange, error_reply(*error), head);
  } else {
    send_reply(exchange, options_reply(), head);
  }
}

// What the web server says about this request wins over the options, also when it says "nobody" (an empty value).
Settings Handler::settings_for(const Exchange& exchange) const {
  Settings settings;
  settings.names = &names_;
  settings.max_channels = options_.max_channels;
  settings.base = exchange.param("PGEVENTS_BASE").value_or(options_.base);
  settings.subscribe = exchange.param("PGEVENTS_SUBSCRIBE").value_or(options_.subscribe);
  settings.publish = exchange.param("PGEVENTS_PUBLISH").value_or(options_.publish);
  return settings;
}

void Handler::send_array(Exchange& exchange, const Subscription& subscription) {
  EventPages pages(database_, subscription);
  std::string array = "[";
  std::string log;
  std::size_t events = 0;
  for (std::size_t count = 0; count < kMaxPages && !pages.at_end(); ++count) {
    const auto error = pages.next(
        [&](const EventView& event) {
          if (events++ > 0) array += ',';
          append_json(array, event);
        },
        log);
    report(exchange, log);
    if (error) return send_reply(exchange, error_reply(*error), subscription.head_only);
    if (array.size() >= kMaxArrayBytes || events >= kMaxArrayEvents) break;
  }
  array += ']';
  // Whoever asked not to wait is told that, and not that the module is missing.
  const bool asked = subscription.flavor == Flavor::kPoll || subscription.timeout == 0.0;
  const PollKind kind = asked ? PollKind::kRequested : PollKind::kFallback;
  // There is more already: the client need not wait to come back for it.
  const unsigned interval = pages.at_end() ? options_.poll_interval : 0;
  send_reply(exchange, poll_reply(std::move(array), pages.cursor(), kind, interval), subscription.head_only);
}

void Handler::send_stream(Exchange& exchange, const Subscription& subscription) {
  EventPages pages(database_, subscription);
  std::string out, log;
  std::size_t sent = 0;
  std::uint64_t client_cursor = 0;
  const auto visit = [&](const EventView& event) {
    append_frame(out, event, subscription.envelope);
    client_cursor = event.id;
  };
  for (std::size_t count = 0; count < kMaxPages && !pages.at_end() && sent < kMaxStreamBytes; ++count) {
    const auto error = pages.next(visit, log);
    report(exchange, log);
    if (error && count == 0) return send_reply(exchange, error_reply(*error), false);
    if (error) break;  // the client comes back with the cursor that it has got to
    if (count == 0) {
      if (client_cursor == 0) client_cursor = pages.first_cursor();
      const std::string opening = stream_opening(options_.poll_interval * 1000, pages.first_cursor());
      if (!send_head(exchange, 200, stream_headers_here())) return;
      if (!exchange.write(opening)) return;
    }
    if (!exchange.write(out) || !exchange.flush()) return;
    sent += out.size();
    out.clear();
  }
  if (client_cursor != pages.cursor()) exchange.write(stream_cursor(pages.cursor()));
}

void Handler::publish(Exchange& exchange, const Publication& publication) {
  std::string body, json;
  if (const auto error = read_body(exchange, options_.max_event_size, body)) {
    return send_reply(exchange, error_reply(*error), false);
  }
  if (const auto error = publish_body(publication, body, names_, json)) {
    return send_reply(exchange, error_reply(*error), false);
  }
  const bool has_key = !publication.idempotency_key.empty();
  const char* const values[] = {kIdentity, publication.channel.c_str(), json.c_str(),
                                has_key ? publication.idempotency_key.c_str() : nullptr};
  const Outcome outcome = database_.run(kPublish, values, 4, has_key);
  report(exchange, outcome.log);
  if (!outcome.rows || PQntuples(outcome.rows.get()) != 1) {
    return send_reply(exchange, error_reply(outcome.error), false);
  }
  send_reply(exchange, publish_reply(PQgetvalue(outcome.rows.get(), 0, 0)), false);
}

void Handler::idle() noexcept {
  if (std::chrono::steady_clock::now() < next_prune_) return;
  try {
    prune();
  } catch (const std::exception& problem) {
    log_line(problem.what());
  }
}

void Handler::prune() {
  const char* const values[] = {kPruneRows};
  const Outcome outcome = database_.run(kPrune, values, 1, true);
  if (!outcome.log.empty()) log_line(outcome.log);
  // After a full batch there is more to do: soon again, but not at once, others want to be served.
  const bool full = outcome.rows && std::string_view(PQgetvalue(outcome.rows.get(), 0, 0)) == kPruneRows;
  next_prune_ = std::chrono::steady_clock::now() + (full ? std::chrono::seconds(1) : kPruneInterval);
}

}  // namespace pgevents::fallback
