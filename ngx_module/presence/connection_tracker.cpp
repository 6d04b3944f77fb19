// See connection_tracker.hpp. One statement at a time: what happens meanwhile goes with the next one.
#include "ngx_module/presence/connection_tracker.hpp"

#include "core/wire/event.hpp"
#include "postgres/statements.hpp"

namespace pgevents::nginx {
namespace {

using ContactRows = postgres::Rows<sql::ContactColumn>;

constexpr std::size_t kMaxBatch = 500;
// Users who connect at the same moment, after a reload for example, are reported together.
constexpr ngx_msec_t kGather = 20;
constexpr ngx_msec_t kRetry = 1'000;
// Until the database has sent its intervals.
constexpr ngx_msec_t kUsualReport = 60'000;
constexpr ngx_msec_t kUsualRenewal = 10'000;

bool is_due(ngx_msec_t at) {
  return static_cast<ngx_msec_int_t>(ngx_current_msec - at) >= 0;
}

void append_contact(std::string& json, const std::string& realm, const std::string& user, bool left) {
  json += json.empty() ? "[{\"realm\":\"" : ",{\"realm\":\"";
  append_json_escaped(json, realm);
  json += "\",\"user\":\"";
  append_json_escaped(json, user);
  json += left ? "\",\"left\":true}" : "\"}";
}

}  // namespace

ConnectionTracker::ConnectionTracker(QueryPool& pool, std::function<bool()> serving, ngx_log_t* log)
    : pool_(pool), serving_(std::move(serving)), report_ms_(kUsualReport), renew_ms_(kUsualRenewal) {
  init_timer(flush_, this, &ConnectionTracker::on_flush, log);
}

ConnectionTracker::~ConnectionTracker() {
  stop_timer(flush_);
}

ConnectionTracker::TrackedUser& ConnectionTracker::join(const Identity& identity) {
  const auto [self, is_new] = all_.try_emplace({identity.realm, identity.user});
  TrackedUser& user = self->second;
  if (is_new) {
    user.self_ = self;
    try {
      user.turn_ = schedule_.emplace(ngx_current_msec, &user);
    } catch (...) {
      all_.erase(self);
      throw;
    }
  }
  if (user.requests_++ == 0 && !user.sent_) {
    schedule(user, user.reported_ ? user.report_at_ : ngx_current_msec);
  }
  return user;
}

void ConnectionTracker::leave(TrackedUser& user, ngx_msec_t linger) noexcept {
  if (--user.requests_ > 0) {
    return;
  }
  user.linger_until_ = ngx_current_msec + linger;
  if (user.reported_ && !user.sent_) {
    schedule(user, user.linger_until_);
  }
}

void ConnectionTracker::schedule(TrackedUser& user, ngx_msec_t at) noexcept {
  unschedule(user);
  user.spare_.key() = at;
  user.turn_ = schedule_.insert(std::move(user.spare_));
  if (is_due(at)) {
    flush_soon();
  }
}

void ConnectionTracker::unschedule(TrackedUser& user) noexcept {
  if (user.spare_.empty()) {
    user.spare_ = schedule_.extract(user.turn_);
  }
}

void ConnectionTracker::flush_soon() noexcept {
  if (!shutting_down_ && !query_.pending() && !flush_.timer_set) {
    ngx_add_timer(&flush_, kGather);
  }
}

void ConnectionTracker::on_flush(ngx_event_t* event) {
  auto* self = static_cast<ConnectionTracker*>(event->data);
  guarded(event->log, [self] { self->flush(); });
}

bool ConnectionTracker::anything_due() const noexcept {
  return !schedule_.empty() && is_due(schedule_.begin()->first);
}

void ConnectionTracker::each_second() {
  const bool lease_is_due = !session_.empty() && !all_.empty() && is_due(renewed_at_ + renew_ms_);
  if (anything_due() || lease_is_due) {
    flush();
  }
}

void ConnectionTracker::flush() {
  if (shutting_down_ || query_.pending() || !serving_()) {
    return;
  }
  try {
    session_.empty() ? open_session() : send(take_due());
  } catch (...) {
    settle_all(false);
    throw;
  }
}

// The next batch. A user without requests whom the database does not know is forgotten without a report.
std::string ConnectionTracker::take_due() {
  std::string contacts;
  sent_.reserve(kMaxBatch);
  while (anything_due() && sent_.size() < kMaxBatch) {
    TrackedUser& user = *schedule_.begin()->second;
    const bool is_here = user.requests_ > 0 || !is_due(user.linger_until_);
    if (!is_here && !user.reported_) {
      unschedule(user);
      all_.erase(user.self_);
      continue;
    }
    append_contact(contacts, user.self_->first.first, user.self_->first.second, !is_here);
    unschedule(user);
    user.reported_ = is_here;
    user.sent_ = true;
    sent_.push_back(&user);
  }
  return contacts.empty() ? "[]" : contacts + ']';
}

void ConnectionTracker::open_session() {
  pool_.post(
      {sql::kHolderOpen, {}}, Lane::kPresence, [this](const QueryResult& result) { opened(result); }, query_);
}

void ConnectionTracker::opened(const QueryResult& result) {
  if (const Answer session = answer_of(result); session.text) {
    session_ = *session.text;
    renewed_at_ = ngx_current_msec;
    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, flush_.log, 0, "pgevents: presence session %s opened", session_.c_str());
    shutting_down_ ? close_session() : flush();
  }
}

void ConnectionTracker::send(const std::string& contacts) {
  ngx_log_debug1(NGX_LOG_DEBUG_HTTP, flush_.log, 0, "pgevents: contacts of %uz users sent", sent_.size());
  renewed_at_ = ngx_current_msec;
  pool_.post(
      {sql::kPresenceContacts, {session_, contacts}}, Lane::kPresence,
      [this](const QueryResult& result) { answered(result); }, query_);
}

// False if the contacts were not written.
bool ConnectionTracker::take_intervals(const QueryResult& result) noexcept {
  if (result.rows == nullptr || ContactRows(result.rows).size() != 1) {
    return false;
  }
  const auto intervals = ContactRows(result.rows).front();
  report_ms_ = intervals.number<ngx_msec_t>(sql::ContactColumn::kReportMs);
  renew_ms_ = intervals.number<ngx_msec_t>(sql::ContactColumn::kRenewMs);
  return true;
}

void ConnectionTracker::answered(const QueryResult& result) {
  const bool written = take_intervals(result);
  ngx_log_debug2(NGX_LOG_DEBUG_HTTP, flush_.log, 0, "pgevents: contacts of %uz users answered, written: %d",
                 sent_.size(), static_cast<int>(written));
  settle_all(written);
  if (shutting_down_) {
    return close_session();
  }
  if (result.rows != nullptr && !written) {
    forget_session();
  }
  if (anything_due()) {
    flush_soon();
  }
}

void ConnectionTracker::settle_all(bool written) noexcept {
  for (TrackedUser* const user : sent_) {
    settle(*user, written);
  }
  sent_.clear();
}

// Schedules what is next for a user of the batch; requests may have come or ended meanwhile.
void ConnectionTracker::settle(TrackedUser& user, bool written) noexcept {
  user.sent_ = false;
  if (!written) {
    user.reported_ = true;  // possibly: whatever the database does not know for sure is reported again
    return schedule(user, ngx_current_msec + kRetry);
  }
  user.report_at_ = ngx_current_msec + report_ms_;
  if (user.requests_ > 0) {
    return schedule(user, user.reported_ ? user.report_at_ : ngx_current_msec);
  }
  if (user.reported_) {
    return schedule(user, user.linger_until_);
  }
  all_.erase(user.self_);
}

// The lease had run out. All users who are connected are reported under a new presence session.
void ConnectionTracker::forget_session() noexcept {
  session_.clear();
  for (auto& [key, user] : all_) {
    user.reported_ = false;
    if (user.requests_ > 0) {
      schedule(user, ngx_current_msec);
    }
  }
}

void ConnectionTracker::close_session() {
  pool_.post(
      {sql::kHolderClose, {std::exchange(session_, {})}}, Lane::kPresence, [](const QueryResult&) {}, query_);
}

// Closing the session makes all its users leave. One who reconnects to another worker within the grace period is not
// reported as disconnected.
void ConnectionTracker::shut_down() {
  shutting_down_ = true;
  stop_timer(flush_);
  if (!query_.pending() && !session_.empty()) {
    close_session();
  }
}

}  // namespace pgevents::nginx
