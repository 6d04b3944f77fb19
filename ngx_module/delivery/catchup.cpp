// See catchup.hpp.
#include "ngx_module/delivery/catchup.hpp"

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "postgres/array.hpp"
#include "postgres/events.hpp"
#include "postgres/sqlstate.hpp"
#include "postgres/statements.hpp"

namespace pgevents::nginx {
namespace {

constexpr int kMaxRows = 500;
constexpr long kMaxBytes = 256 * 1024;
// A stream keeps its page in memory until the client has read it; see kStreamBlock in block_maker.cpp.
constexpr long kMaxStreamBytes = 64 * 1024;

std::optional<ResetReason> reset_reason(const EventView& event) noexcept {
  if (event.type != "pgevents.reset") {
    return std::nullopt;
  }
  constexpr std::string_view kAhead = "{\"reason\":\"ahead\"";
  return event.data.substr(0, kAhead.size()) == kAhead ? ResetReason::kAhead : ResetReason::kPruned;
}

std::string array_literal(const std::vector<Membership>& channels) {
  postgres::ArrayLiteral literal;
  for (const Membership& membership : channels) {
    if (membership.after != Membership::kMuted) {
      literal.add(membership.channel->name);
    }
  }
  return std::move(literal).finish();
}

}  // namespace

Page::Page(const PGresult* rows) {
  const auto page = postgres::FetchedPage::read(rows);
  if (!page) {
    return;
  }
  for (const auto row : page->events()) {
    const EventView view = postgres::event_in(row);
    reset_ = reset_ ? reset_ : reset_reason(view);
    Event event;
    event.id = view.id;
    event.channel = view.channel;
    event.type = view.type;
    event.data = append_json(event.json, view);
    events_.push_back(std::move(event));
  }
  opening_cursor_ = page->opening_cursor({Cursor::Kind::kNow, 0, 0});
  cursor_ = page->cursor();
  more_ = page->more();
  valid_ = true;
}

BlockRef Page::block(Format format, const TypeFilter* filter, const std::vector<Membership>& channels) {
  const bool has_some = !events_.empty() && std::any_of(channels.begin(), channels.end(), [&](const Membership& one) {
    return one.after >= events_.front().id;
  });
  const auto is_known = [&](const Event& event) {
    return !reset_ && std::any_of(channels.begin(), channels.end(), [&](const Membership& one) {
      return event.id <= one.after && one.channel->name == event.channel;
    });
  };
  const auto wanted = [&](const Event& event) {
    return (filter == nullptr || filter->passes(event.type)) && !(has_some && is_known(event));
  };
  const bool shared = filter == nullptr && !has_some;
  BlockRef& made = made_[static_cast<int>(format)];
  if (shared && made != nullptr) {
    return made;
  }
  BlockBuilder builder(format);
  for (const Event& event : events_) {
    if (wanted(event)) {
      const std::string_view json(event.json);
      builder.add(event.id, event.type, json, json.substr(event.data.data_offset, event.data.data_size));
    }
  }
  if (builder.empty()) {
    return nullptr;
  }
  BlockRef block = builder.finish();
  if (shared) {
    made = block;
  }
  return block;
}

Catchup::~Catchup() {
  for (auto& [key, job] : jobs_) {
    job.query->cancel();
  }
}

// The key of the job to join or to make.
std::string Catchup::find_key(std::string key, bool strict) {
  if (!strict) {
    return key;
  }
  for (;;) {
    std::string numbered = key + "!" + std::to_string(strict_serial_);
    const auto found = jobs_.find(numbered);
    if (found == jobs_.end() || !found->second.query->sent) {
      return numbered;
    }
    ++strict_serial_;
  }
}

Catchup::Asked Catchup::request(PageWaiter& waiter, const std::vector<Membership>& channels, const Cursor& cursor,
                                How how) {
  std::optional<std::string> after;
  std::optional<std::string> since;
  if (cursor.kind == Cursor::Kind::kId) {
    after = std::to_string(cursor.id);
  } else if (cursor.kind == Cursor::Kind::kTime) {
    since = std::to_string(cursor.time_us);
  }
  // "now" is the same position for all channels.
  const std::string names = cursor.kind == Cursor::Kind::kNow ? "{}" : array_literal(channels);
  std::string key = find_key(after.value_or("") + "/" + since.value_or("") + "/" + names, how.strict);
  const auto found = jobs_.find(key);
  if (found != jobs_.end()) {
    found->second.waiting.push_back(&waiter);
    waiter.key_.swap(key);
    return Asked::kAsked;
  }
  if (how.patient && !has_place()) {
    return Asked::kNoPlace;
  }
  const long max_bytes = how.patient ? kMaxStreamBytes : kMaxBytes;
  Statement fetch{sql::kFetch, {names, after, since, std::to_string(kMaxRows), std::to_string(max_bytes)}};
  const bool started = start(waiter, std::move(key), std::move(fetch), how.patient);
  return started ? Asked::kAsked : Asked::kRejected;
}

// Leaves either a job whose query runs, or no job: a page without a query would never come.
bool Catchup::start(PageWaiter& waiter, std::string key, Statement statement, bool takes_place) {
  auto query = std::make_shared<Query>();
  query->statement = std::move(statement);
  query->done = [this, key](const QueryResult& result) { answer(key, result); };
  const auto job = jobs_.emplace(key, Job{query, {&waiter}, takes_place}).first;
  taken_ += takes_place ? 1 : 0;
  waiter.key_.swap(key);
  const bool runs = guarded(log_, false, [&] { return pool_.run(query); });
  if (!runs) {
    jobs_.erase(job);
    taken_ -= takes_place ? 1 : 0;
    std::string().swap(waiter.key_);
  } else {
    metrics_.add(Metric::kCatchupQueries);
  }
  return runs;
}

void Catchup::leave(PageWaiter& waiter) noexcept {
  if (waiter.key_.empty()) {
    return;
  }
  const std::string key = std::exchange(waiter.key_, {});
  if (answering_ != nullptr) {
    std::replace(answering_->begin(), answering_->end(), &waiter, static_cast<PageWaiter*>(nullptr));
  }
  const auto found = jobs_.find(key);
  if (found == jobs_.end()) {
    return;
  }
  auto& waiting = found->second.waiting;
  waiting.erase(std::remove(waiting.begin(), waiting.end(), &waiter), waiting.end());
  if (waiting.empty()) {
    found->second.query->cancel();
    taken_ -= found->second.takes_place ? 1 : 0;
    jobs_.erase(found);
  }
}

// Nothing if the query failed, or memory for the page is refused.
std::optional<Page> Catchup::read_page(const QueryResult& result) noexcept {
  std::optional<Page> page;
  if (result.rows != nullptr) {
    guarded(log_, [&] { page.emplace(result.rows); });
  } else if (!result.sqlstate.empty() && rejected_log_.pass(static_cast<std::int64_t>(ngx_current_msec))) {
    ngx_log_error(NGX_LOG_ERR, log_, 0, "pgevents: database \"%V\" rejected the reading of its log: %s %s%s%s",
                  &pool_.database(), Printable(result.sqlstate).c_str(), Printable(result.message).c_str(),
                  postgres::advice(result.sqlstate), rejected_log_.note());
  }
  return page && page->valid() ? std::move(page) : std::nullopt;
}

// Waiters may end, and so leave(), while others are served: their place in `waiting` becomes null.
void Catchup::serve(std::vector<PageWaiter*>& waiting, std::optional<Page>& page) noexcept {
  const auto outer = std::exchange(answering_, &waiting);
  for (PageWaiter*& place : waiting) {
    PageWaiter* const waiter = std::exchange(place, nullptr);
    if (waiter == nullptr) {
      continue;
    }
    std::string().swap(waiter->key_);  // frees its memory
    if (page) {
      waiter->page_arrived(*page);
    } else {
      waiter->page_failed();
    }
  }
  answering_ = outer;
}

void Catchup::answer(const std::string& key, const QueryResult& result) noexcept {
  const auto node = jobs_.extract(key);
  if (node.empty()) {
    return;
  }
  const bool frees_place = node.mapped().takes_place;
  taken_ -= frees_place ? 1 : 0;
  std::optional<Page> page = read_page(result);
  serve(node.mapped().waiting, page);
  if (frees_place) {
    places_ = page ? kPlaces : 1;
    answered_(page.has_value());
  }
}

}  // namespace pgevents::nginx
