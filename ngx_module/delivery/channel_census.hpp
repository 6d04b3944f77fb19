// Counts the subscribers of one channel in all processes: a census. The process that asks puts the channel into the
// shared memory and wakes the others; each puts its own number beside it. One census at a time is taken for a database;
// questions wait for their turn, some seconds at most, and those about the same channel that wait in one process share
// a census.
#pragma once

#include "ngx_module/nginx.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <string_view>

#include "ngx_module/zone/metrics_slot.hpp"
#include "ngx_module/zone/zone.hpp"

namespace pgevents::nginx {

class ChannelCensus {
 public:
  struct Result {
    std::uint64_t subscribers = 0;
    unsigned silent =
        0;  // processes that were not asked, or have not answered in time: above 0, the number is not known
  };
  // A question under way; it may end at any time.
  class Question {
   public:
    // `done` is called at most once, and may end the question.
    explicit Question(std::function<void(const Result&)> done) : done_(std::move(done)) {}
    ~Question();
    Question(const Question&) = delete;
    Question& operator=(const Question&) = delete;

   private:
    friend class ChannelCensus;
    std::function<void(const Result&)> done_;
    ChannelCensus* census_ = nullptr;  // null: not under way
    std::uint64_t hash_ = 0;
    std::uint64_t number_ = 0;  // of its census; 0: it waits for its turn
    ngx_msec_t since_ = 0;      // when it began to wait
  };

  // `count`: how many subscribers the channel with a hash has in this process; `wake` wakes all processes.
  ChannelCensus(SharedRoot& root, const MetricsSlot& slot, std::uint64_t self,
                std::function<std::size_t(std::uint64_t)> count, std::function<void()> wake, ngx_log_t* log);
  ~ChannelCensus();
  ChannelCensus(const ChannelCensus&) = delete;
  ChannelCensus& operator=(const ChannelCensus&) = delete;

  // The process has no subscriber yet.
  void start() noexcept;
  // Asks for the channel with this hash (Ring::hash()); never answers before it returns, and within four seconds then.
  // False: too many wait already.
  bool ask(Question& question, std::uint64_t hash);
  // Answers the question of another process, if there is a new one. Called whenever the process was woken, and every
  // second.
  void look() noexcept;
  // The process leaves and has no subscriber left: the questions under way get what is known.
  void shut_down() noexcept;

 private:
  static void on_timer(ngx_event_t* event);

  void go_on() noexcept;
  bool begin_census() noexcept;
  void end_census() noexcept;
  void give_up() noexcept;
  Result tally(std::uint64_t number) const noexcept;
  template <typename Which>
  void finish_all(const Result& result, Which which) noexcept;
  void forget(Question& question) noexcept;

  SharedQuestion& shared_;
  const MetricsSlot& slot_;
  const std::uint64_t self_;
  const std::function<std::size_t(std::uint64_t)> count_;
  const std::function<void()> wake_;
  ngx_log_t* log_;
  std::list<Question*> waiting_;  // the oldest one is first
  std::uint64_t number_ = 0;      // of the census that this process takes at present; 0: none
  ngx_msec_t began_ = 0;          // when it began
  std::uint64_t seen_ = 0;        // the newest census in which this process was counted
  ngx_event_t timer_{};
};

}  // namespace pgevents::nginx
