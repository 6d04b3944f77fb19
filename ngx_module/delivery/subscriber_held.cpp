// A waiting request while the log cannot be asked, whatever the reason; see subscriber.hpp. A browser's EventSource
// ends for good after an error, so a stream is opened meanwhile, with a cursor that loses nothing, and gets heartbeats.
#include "ngx_module/delivery/subscriber.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

#include "ngx_module/delivery/subscriber_context.hpp"
#include "ngx_module/delivery/web_socket.hpp"

namespace pgevents::nginx {
namespace {

// A held stream announces a random `retry:` of up to this many times the usual time, so that clients do not reconnect
// at once.
constexpr unsigned kSpread = 5;

}  // namespace

// A stream that is to begin "now" begins at the time of its request, whenever that can be looked up.
void Subscriber::fix_start() {
  if (start_ != nullptr && r_ != nullptr) {
    *start_ = fixed_start(*start_, static_cast<double>(r_->start_sec));
  }
}

// resume() ends this state.
void Subscriber::hold() {
  enter(State::kHeld);
  context_.turns.pause(*this);
  if (mode_ == Mode::kStream) {
    open_held();
  }
}

void Subscriber::open_held() {
  if (opening_ != Opening::kNone) {
    return;
  }
  fix_start();
  if (!send_header()) {
    return;
  }
  const Cursor start = start_ != nullptr ? *start_ : Cursor{Cursor::Kind::kId, cursor_, 0};
  if (is_web_socket()) {
    if (deliver(web_socket_opening(cursor_text(start)))) {
      web_socket_->sent_all();
    }
    return;
  }
  const unsigned retry =
      spread_retry(static_cast<unsigned>(conf_.retry), kSpread, static_cast<std::uint32_t>(ngx_random()));
  deliver(text_block(stream_waiting(retry, start)));
}

void Subscriber::resume() noexcept {
  attempt([this] { go_on_if_allowed(); });
}

// Nothing if its session is still good; an error with a status of 500 or more if that cannot be known now.
std::optional<Error> Subscriber::check_permission() const {
  const Session* const session = registration_.session();
  if (session == nullptr) {
    return std::nullopt;
  }
  const auto revoked = [this](std::string_view user, std::int64_t issued_us) {
    return context_.service.rejection(user, issued_us, poll_interval());
  };
  return check_session(*session, revoked, now_seconds());
}

// While it was held, nothing could tell whether its token was revoked.
void Subscriber::go_on_if_allowed() {
  const auto error = check_permission();
  if (error && error->status < 500) {
    return end(expired() ? Ending::kExpired : Ending::kRevoked);
  }
  if (!context_.service.serving()) {
    return context_.turns.pause(*this);
  }
  registration_.count_as_contact(context_);
  enter(State::kLive);
  go_on();
}

}  // namespace pgevents::nginx
