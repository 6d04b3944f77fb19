// A waiting request while the log cannot be asked, whatever the reason; see subscriber.hpp. A browser's EventSource ends
// for good after an error, so a stream is open meanwhile, with a cursor that loses nothing.
#include "ngx_module/delivery/subscriber.hpp"

#include <utility>

#include "ngx_module/database_worker.hpp"
#include "ngx_module/http/http_io.hpp"

namespace pgevents::nginx {
namespace {

// Streams are told to come back after the usual time up to so many times as much.
constexpr unsigned kSpread = 5;

}  // namespace

// A stream that is to begin "now" begins when it came, whenever that can be looked up.
void Subscriber::fix_start() {
  if (located_by_ != nullptr && r_ != nullptr) {
    *located_by_ = fixed_start(*located_by_, static_cast<double>(r_->start_sec));
  }
}

// Goes on when the log can be asked. A stream is open meanwhile, and gets heartbeats.
void Subscriber::hold() {
  stalled_ = true;
  database_.pause(*this);
  if (mode_ == Mode::kStream) {
    open_waiting();
  }
}

void Subscriber::open_waiting() {
  if (std::exchange(header_sent_, true)) {
    return;
  }
  fix_start();
  if (send_stream_header(r_) != NGX_OK) {
    return finish(NGX_ERROR);
  }
  const Cursor start = located_by_ != nullptr ? *located_by_ : Cursor{Cursor::Kind::kId, cursor_, 0};
  const unsigned retry =
      spread_retry(static_cast<unsigned>(conf_.retry), kSpread, static_cast<std::uint32_t>(ngx_random()));
  deliver(text_block(stream_waiting(retry, start)));
}

void Subscriber::resume() noexcept {
  stalled_ = false;
  if (!guarded(log(), [this] { go_on_if_allowed(); })) {
    give_up();
  }
}

// Nobody could tell while it waited whether its token had been revoked.
void Subscriber::go_on_if_allowed() {
  if (identity_ != nullptr) {
    const auto refused = [this](std::string_view user, std::int64_t issued_us) {
      return database_.refusal(user, issued_us, poll_interval());
    };
    const auto error = check_session(identity_->session, refused, now_seconds());
    if (error && error->status < 500) {
      return end(expired() ? Ending::kExpired : Ending::kRevoked);
    }
  }
  if (!database_.serving()) {
    stalled_ = true;
    return database_.pause(*this);
  }
  count_as_contact();
  go_on();
}

}  // namespace pgevents::nginx
