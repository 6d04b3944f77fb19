// Catch-up: cursors that the ring does not cover are served from the log by SQL. Subscribers that need the same page at the same time
// share one query.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/request/type_filter.hpp"
#include "core/wire/cursor.hpp"
#include "ngx_module/delivery/block.hpp"
#include "ngx_module/postgres/query_pool.hpp"

namespace pgevents::nginx {

class Subscriber;

// One page of the log, as `pgevents.fetch` returned it.
class Page {
 public:
  explicit Page(const PGresult* rows);

  // False when the answer has not the form of fetch().
  bool valid() const noexcept { return valid_; }
  std::uint64_t cursor() const noexcept { return cursor_; }
  bool more() const noexcept { return more_; }
  // The cursor to announce before the page's events.
  std::uint64_t opening_cursor() const noexcept;

  // The events that pass the filter (null: all) as one block; null when there is none.
  BlockRef block(Format format, const TypeFilter* filter);

 private:
  struct Event {
    std::uint64_t id;
    std::string type;
    std::string json;
    JsonSpan data;
  };
  std::vector<Event> events_;
  std::uint64_t cursor_ = 0;
  bool more_ = false;
  bool valid_ = false;
  BlockRef made_[3];  // without filter, by Format
};

class Catchup {
 public:
  // `answered` is called when a place is free, and all who waited for the query have been told: did it bring a page?
  Catchup(QueryPool& pool, std::function<void(bool page)> answered, ngx_log_t* log)
      : pool_(pool), answered_(std::move(answered)), log_(log) {}
  ~Catchup();

  // Asks for the page behind `cursor`; the subscriber's page_arrived() or page_failed() is called later, unless it
  // leaves before; and only after kAsked.
  // strict: the page must hold all that was committed before this call, so that a query which is under way cannot be
  // shared. patient: while there is no place for another query of patient subscribers, this one waits and asks again.
  enum class Asked { kAsked, kNoPlace, kRefused };
  struct How {
    bool strict;
    bool patient;
  };
  Asked request(Subscriber* subscriber, const Cursor& cursor, How how);
  bool has_place() const noexcept { return taken_ < places_; }
  void leave(Subscriber* subscriber, const std::string& key) noexcept;

 private:
  struct Job {
    std::shared_ptr<Query> query;
    std::vector<Subscriber*> waiting;
    bool takes_place;  // of the patient
  };
  std::string find_key(std::string key, bool strict);
  bool start(Subscriber* subscriber, std::string key, Statement statement, bool takes_place);
  void answer(const std::string& key, const QueryResult& result) noexcept;
  std::optional<Page> read_page(const QueryResult& result) const noexcept;

  // Enough to keep the pool busy, and few enough to leave its queue to others. While queries fail one at a time tries.
  static constexpr std::size_t kPlaces = 64;

  QueryPool& pool_;
  std::function<void(bool page)> answered_;
  ngx_log_t* log_;
  std::size_t places_ = kPlaces;
  std::size_t taken_ = 0;
  // Ordered: clients choose the keys, and a hash without a secret can be made to collide.
  std::map<std::string, Job> jobs_;
  std::uint64_t strict_serial_ = 0;
  std::vector<Subscriber*>* answering_ = nullptr;  // whose turn is still to come in answer()
};

}  // namespace pgevents::nginx
