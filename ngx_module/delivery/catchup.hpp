// Catch-up: serves cursors that the ring does not cover from the log, by SQL. Subscribers that need the same page at
// the same time share one query.
#pragma once

#include "ngx_module/nginx.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/metrics/metrics.hpp"
#include "core/request/type_filter.hpp"
#include "core/text/repeat_limit.hpp"
#include "core/wire/cursor.hpp"
#include "ngx_module/delivery/block.hpp"
#include "ngx_module/delivery/channels.hpp"
#include "ngx_module/postgres/query_pool.hpp"

namespace pgevents::nginx {

// One page of the log, as `pgevents.fetch` returned it.
class Page {
 public:
  explicit Page(const PGresult* rows);

  // False when the answer does not have the form of fetch().
  bool valid() const noexcept { return valid_; }
  std::size_t events() const noexcept { return events_.size(); }
  std::uint64_t cursor() const noexcept { return cursor_; }
  bool more() const noexcept { return more_; }
  // The cursor to announce before the page's events, if the request's own cursor is not an id.
  std::uint64_t opening_cursor() const noexcept { return opening_cursor_; }

  // Why it begins with an event pgevents.reset; nothing: it does not.
  std::optional<ResetReason> reset() const noexcept { return reset_; }

  // The events that pass the filter (null: all) as one block; null when none passes. Leaves out what a member of
  // `channels` has already (Membership::after).
  BlockRef block(Format format, const TypeFilter* filter, const std::vector<Membership>& channels);

 private:
  struct Event {
    std::uint64_t id;
    std::string channel;
    std::string type;
    std::string json;
    JsonSpan data;
  };
  std::vector<Event> events_;
  std::uint64_t opening_cursor_ = 0;
  std::uint64_t cursor_ = 0;
  bool more_ = false;
  bool valid_ = false;
  std::optional<ResetReason> reset_;
  BlockRef made_[kFormats];  // without filter, by Format
};

// Waits for one page at a time. Base of Subscriber, so that this file needs no definition of it.
class PageWaiter {
 public:
  // Either may end the waiter.
  virtual void page_arrived(Page& page) noexcept = 0;
  virtual void page_failed() noexcept = 0;

 protected:
  PageWaiter() = default;
  ~PageWaiter() = default;

 private:
  friend class Catchup;
  std::string key_;  // of the query that it waits for; empty: none
};

class Catchup {
 public:
  // `answered` is called when a place is free, after all subscribers that waited for its query were served. `page`: the
  // query returned one.
  Catchup(QueryPool& pool, std::function<void(bool page)> answered, Metrics& metrics, ngx_log_t* log)
      : pool_(pool), answered_(std::move(answered)), metrics_(metrics), log_(log) {}
  ~Catchup();

  // Asks for the page of `channels` behind `cursor`. Only after kAsked the waiter's page_arrived() or page_failed() is
  // called, unless it leaves before; page_failed() may be called before this returns. strict: the page must hold all
  // that was committed before this call, so a query that was sent before cannot be shared. patient: the waiter takes
  // one of a limited number of places; with kNoPlace it waits, and asks again when there is one.
  enum class Asked { kAsked, kNoPlace, kRejected };
  struct How {
    bool strict;
    bool patient;
  };
  Asked request(PageWaiter& waiter, const std::vector<Membership>& channels, const Cursor& cursor, How how);
  bool has_place() const noexcept { return taken_ < places_; }
  // The waiter waits no longer, if it did.
  void leave(PageWaiter& waiter) noexcept;

 private:
  struct Job {
    std::shared_ptr<Query> query;
    std::vector<PageWaiter*> waiting;
    bool takes_place;  // of the patient
  };
  std::string find_key(std::string key, bool strict);
  bool start(PageWaiter& waiter, std::string key, Statement statement, bool takes_place);
  void answer(const std::string& key, const QueryResult& result) noexcept;
  std::optional<Page> read_page(const QueryResult& result) noexcept;
  void serve(std::vector<PageWaiter*>& waiting, std::optional<Page>& page) noexcept;

  // Enough to keep the pool busy, and few enough to leave its queue to other requests. While queries fail, one waiter
  // at a time asks.
  static constexpr std::size_t kPlaces = 64;

  QueryPool& pool_;
  std::function<void(bool page)> answered_;
  Metrics& metrics_;
  ngx_log_t* log_;
  RepeatLimit rejected_log_{60'000};
  std::size_t places_ = kPlaces;
  std::size_t taken_ = 0;
  // Ordered: clients choose the keys, and could make the keys of a hash without a secret collide.
  std::map<std::string, Job> jobs_;
  std::uint64_t strict_serial_ = 0;
  std::vector<PageWaiter*>* answering_ = nullptr;  // those that answer() has still to serve
};

}  // namespace pgevents::nginx
