// See query_queues.hpp.
#include "ngx_module/postgres/query_queues.hpp"

#include <utility>

namespace pgevents::nginx {
namespace {

std::size_t bytes_of(const Query& query) noexcept {
  std::size_t bytes = 0;
  for (const auto& param : query.statement.params) {
    bytes += param ? param->size() : 0;
  }
  return bytes;
}

}  // namespace

QueryQueues::Queue& QueryQueues::queue_of(const Query& query) noexcept {
  switch (query.lane) {
    case Lane::kPublish:
      return publish_;
    case Lane::kCatchup:
      return catchup_;
    case Lane::kPresence:
      break;
  }
  return presence_;
}

bool QueryQueues::has_room_for(const Query& query) noexcept {
  Queue& queue = queue_of(query);
  const std::size_t bytes = bytes_of(query);
  const auto is_full = [&] {
    return queue.waiting.size() >= kMaxQueue || (!queue.waiting.empty() && queue.bytes + bytes > queue.max_bytes);
  };
  if (is_full()) {
    drop_cancelled(queue);
  }
  return !is_full();
}

void QueryQueues::push(std::shared_ptr<Query> query) {
  Queue& queue = queue_of(*query);
  const std::size_t bytes = bytes_of(*query);
  queue.waiting.push_back(std::move(query));
  queue.bytes += bytes;
  show();
}

void QueryQueues::push_first(const std::shared_ptr<Query>& query) {
  Queue& queue = queue_of(*query);
  queue.waiting.push_front(query);
  queue.bytes += bytes_of(*query);
  show();
}

bool QueryQueues::empty() const noexcept {
  return publish_.waiting.empty() && catchup_.waiting.empty() && presence_.waiting.empty();
}

std::size_t QueryQueues::asked_before(ngx_msec_t before) const noexcept {
  std::size_t count = 0;
  for (const Queue* queue : {&publish_, &catchup_, &presence_}) {
    for (const auto& query : queue->waiting) {
      count += query->done && was_asked_before(*query, before) ? 1 : 0;
    }
  }
  return count;
}

// The queue whose first statement may start now; null if none may.
QueryQueues::Queue* QueryQueues::next(bool presence) noexcept {
  for (Queue* queue : {&publish_, &catchup_, &presence_}) {
    while (!queue->waiting.empty() && !queue->waiting.front()->done) {
      pop(*queue);  // cancelled
    }
  }
  Queue* const events = next_of_events();
  const bool may_start = presence && !presence_.waiting.empty();
  return may_start && (events == nullptr || passed_over_ >= kMaxPassedOver) ? &presence_ : events;
}

QueryQueues::Queue* QueryQueues::next_of_events() noexcept {
  if (publish_.waiting.empty() && catchup_.waiting.empty()) {
    return nullptr;
  }
  const bool publish = catchup_.waiting.empty() || (!published_last_ && !publish_.waiting.empty());
  return publish ? &publish_ : &catchup_;
}

std::shared_ptr<Query> QueryQueues::take(bool presence) noexcept {
  Queue& queue = *next(presence);
  published_last_ = &queue == &publish_ || (&queue == &presence_ && published_last_);
  passed_over_ = &queue != &presence_ && presence && !presence_.waiting.empty() ? passed_over_ + 1 : 0;
  return pop(queue);
}

std::shared_ptr<Query> QueryQueues::pop(Queue& queue) noexcept {
  auto query = std::move(queue.waiting.front());
  queue.waiting.pop_front();
  queue.bytes -= bytes_of(*query);
  show();
  return query;
}

std::list<std::shared_ptr<Query>> QueryQueues::take_all() noexcept {
  std::list<std::shared_ptr<Query>> all;
  for (Queue* queue : {&publish_, &catchup_, &presence_}) {
    all.splice(all.end(), queue->waiting);
    queue->bytes = 0;
  }
  show();
  return all;
}

void QueryQueues::drop_cancelled() noexcept {
  for (Queue* queue : {&publish_, &catchup_, &presence_}) {
    drop_cancelled(*queue);
  }
}

void QueryQueues::drop_cancelled(Queue& queue) noexcept {
  queue.waiting.remove_if([&queue](const std::shared_ptr<Query>& query) {
    if (query->done) {
      return false;
    }
    queue.bytes -= bytes_of(*query);
    return true;
  });
  show();
}

void QueryQueues::show() noexcept {
  metrics_.set(gathered_ + publish_.waiting.size() + catchup_.waiting.size() + presence_.waiting.size(), shown_);
}

}  // namespace pgevents::nginx
