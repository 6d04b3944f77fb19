// The only file that includes nginx's C headers, with the helpers for every callback into C++.
#pragma once

extern "C" {
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>
#include <ngx_sha1.h>

extern ngx_module_t ngx_http_pgevents_module;
}

#include <exception>
#include <new>
#include <string_view>
#include <utility>

#include "core/text/printable.hpp"

namespace pgevents::nginx {

// No exception may cross a C frame. Every callback from nginx runs its body in one of these.
template <typename Result, typename Body>
Result guarded(ngx_log_t* log, Result on_error, Body&& body) noexcept {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    ngx_log_error(NGX_LOG_CRIT, log, 0, "pgevents: out of memory");
  } catch (const std::exception& e) {
    ngx_log_error(NGX_LOG_CRIT, log, 0, "pgevents: %s", Printable(e.what()).c_str());
  }
  return on_error;
}

// As above for callbacks without a result. False if the body threw.
template <typename Body>
bool guarded(ngx_log_t* log, Body&& body) noexcept {
  return guarded(log, false, [&] {
    body();
    return true;
  });
}

inline std::string_view view(const ngx_str_t& s) noexcept {
  return {reinterpret_cast<const char*>(s.data), s.len};
}

// Copies `text` into `pool`; the result has data == nullptr if memory is refused.
inline ngx_str_t copy(ngx_pool_t* pool, std::string_view text) noexcept {
  ngx_str_t s{text.size(), static_cast<u_char*>(ngx_pnalloc(pool, text.size() + 1))};
  if (s.data != nullptr) {
    ngx_memcpy(s.data, text.data(), text.size());
    s.data[text.size()] = '\0';
  }
  return s;
}

// Creates an object that is destroyed with its pool. Null if memory is refused.
template <typename T, typename... Args>
T* make_in_pool(ngx_pool_t* pool, Args&&... args) {
  ngx_pool_cleanup_t* cleanup = ngx_pool_cleanup_add(pool, sizeof(T));
  if (cleanup == nullptr) {
    return nullptr;
  }
  T* object = new (cleanup->data) T(std::forward<Args>(args)...);
  cleanup->handler = [](void* data) { static_cast<T*>(data)->~T(); };
  return object;
}

// Timers that never keep an exiting worker alive.
inline void init_timer(ngx_event_t& event, void* data, ngx_event_handler_pt handler, ngx_log_t* log) noexcept {
  ngx_memzero(&event, sizeof(event));
  event.data = data;
  event.handler = handler;
  event.log = log;
  event.cancelable = 1;
}

inline void stop_timer(ngx_event_t& event) noexcept {
  if (event.timer_set) {
    ngx_del_timer(&event);
  }
}

// Visits every link of a queue. The marker stands behind the current link, so that any link may leave the queue
// meanwhile; it must outlive the call. Do not nest calls for one queue or marker. `visit` does not throw.
template <typename Visit>
void each_link(ngx_queue_t& queue, ngx_queue_t& marker, Visit&& visit) {
  ngx_queue_insert_head(&queue, &marker);
  for (ngx_queue_t* link = ngx_queue_next(&marker); link != ngx_queue_sentinel(&queue);
       link = ngx_queue_next(&marker)) {
    ngx_queue_remove(&marker);
    ngx_queue_insert_after(link, &marker);
    visit(link);
  }
  ngx_queue_remove(&marker);
}

// Seconds since the Unix epoch, as of this iteration of the event loop.
inline double now_seconds() noexcept {
  const ngx_time_t* now = ngx_timeofday();
  return static_cast<double>(now->sec) + static_cast<double>(now->msec) / 1e3;
}

}  // namespace pgevents::nginx
