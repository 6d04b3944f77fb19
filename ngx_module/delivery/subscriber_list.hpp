// All subscribers of a worker, for heartbeats, a restored log, and the worker's end.
#pragma once

#include <cstddef>
#include <vector>

namespace pgevents::nginx {

class Subscriber;

// A subscriber's place in the list.
struct ListIndex {
  std::size_t list_index = 0;
};

// A template so that this header needs no definition of Subscriber.
template <typename Item>
class VisitedList {
 public:
  void add(Item& item) {
    item.list_index = items_.size();
    items_.push_back(&item);
  }

  // The last item takes the place that becomes free: each(), which goes from the end, has visited it already, or visits
  // it there.
  void remove(Item& item) noexcept {
    items_[item.list_index] = items_.back();
    items_[item.list_index]->list_index = item.list_index;
    items_.pop_back();
  }

  // Visits all items. A visit may remove items: no other item is passed over, though some may be visited twice.
  template <typename Visit>
  void each(Visit&& visit) {
    constexpr std::size_t kAhead = 4;  // a visit takes less time than a read from memory
    for (std::size_t at = items_.size(); at-- > 0;) {
      if (at < items_.size()) {
        if (at >= kAhead) {
          items_[at - kAhead]->fetch_ahead();
        }
        visit(*items_[at]);
      }
    }
  }

 private:
  std::vector<Item*> items_;
};

using SubscriberList = VisitedList<Subscriber>;

}  // namespace pgevents::nginx
