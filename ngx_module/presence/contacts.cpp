// See contacts.hpp. One statement at a time: what comes meanwhile goes with the next.
#include "ngx_module/presence/contacts.hpp"

#include <cstdlib>

#include "core/wire/event.hpp"
#include "core/wire/sql.hpp"

namespace pgevents::nginx {
namespace {

constexpr std::size_t kMaxBatch = 500;
// Those who come at the same moment, after a reload for example, go together.
constexpr ngx_msec_t kGather = 20;
constexpr ngx_msec_t kRetry = 1'000;
// Until the database has said what it wants.
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

ngx_msec_t milliseconds(const PGresult* rows, int column) {
  return static_cast<ngx_msec_t>(std::strtoull(PQgetvalue(rows, 0, column), nullptr, 10));
}

}  // namespace

Contacts::Contacts(QueryPool& pool, std::function<bool()> serving, ngx_log_t* log)
    : pool_(pool), serving_(std::move(serving)), report_ms_(kUsualReport), renew_ms_(kUsualRenewal) {
  init_timer(flush_, this, &Contacts::on_flush, log);
}

Contacts::~Contacts() {
  stop_timer(flush_);
  if (query_ != nullptr) {
    query_->cancel();
  }
}

Contacts::Contact& Contacts::join(const Identity& who) {
  const auto [self, is_new] = all_.try_emplace({who.realm, who.user});
  Contact& contact = self->second;
  if (is_new) {
    contact.self = self;
    try {
      contact.turn = schedule_.emplace(ngx_current_msec, &contact);
    } catch (...) {
      all_.erase(self);
      throw;
    }
  }
  if (contact.requests++ == 0 && !contact.sent) {
    schedule(contact, contact.told ? contact.report_at : ngx_current_msec);
  }
  return contact;
}

void Contacts::leave(Contact& contact, ngx_msec_t linger) noexcept {
  if (--contact.requests > 0) {
    return;
  }
  contact.linger_until = ngx_current_msec + linger;
  if (contact.told && !contact.sent) {
    schedule(contact, contact.linger_until);
  }
}

void Contacts::schedule(Contact& contact, ngx_msec_t at) noexcept {
  unschedule(contact);
  contact.spare.key() = at;
  contact.turn = schedule_.insert(std::move(contact.spare));
  if (is_due(at)) {
    flush_soon();
  }
}

void Contacts::unschedule(Contact& contact) noexcept {
  if (contact.spare.empty()) {
    contact.spare = schedule_.extract(contact.turn);
  }
}

void Contacts::flush_soon() noexcept {
  if (!leaving_ && query_ == nullptr && !flush_.timer_set) {
    ngx_add_timer(&flush_, kGather);
  }
}

void Contacts::on_flush(ngx_event_t* event) {
  auto* self = static_cast<Contacts*>(event->data);
  guarded(event->log, [self] { self->flush(); });
}

bool Contacts::anything_due() const noexcept {
  return !schedule_.empty() && is_due(schedule_.begin()->first);
}

void Contacts::each_second() {
  const bool lease_is_due = !holder_.empty() && !all_.empty() && is_due(renewed_at_ + renew_ms_);
  if (anything_due() || lease_is_due) {
    flush();
  }
}

void Contacts::flush() {
  if (leaving_ || query_ != nullptr || !serving_()) {
    return;
  }
  try {
    holder_.empty() ? open_holder() : send(take_due());
  } catch (...) {
    query_ = nullptr;
    settle_all(false);
    throw;
  }
}

// The next batch. Whoever has neither a request nor is known to the database is forgotten without a word.
std::string Contacts::take_due() {
  std::string contacts;
  sent_.reserve(kMaxBatch);
  while (anything_due() && sent_.size() < kMaxBatch) {
    Contact& contact = *schedule_.begin()->second;
    const bool is_here = contact.requests > 0 || !is_due(contact.linger_until);
    if (!is_here && !contact.told) {
      unschedule(contact);
      all_.erase(contact.self);
      continue;
    }
    append_contact(contacts, contact.self->first.first, contact.self->first.second, !is_here);
    unschedule(contact);
    contact.told = is_here;
    contact.sent = true;
    sent_.push_back(&contact);
  }
  return contacts.empty() ? "[]" : contacts + ']';
}

void Contacts::query(Statement statement, std::function<void(const QueryResult&)> done) {
  query_ = std::make_shared<Query>();
  query_->statement = std::move(statement);
  query_->lane = Lane::kPresence;
  query_->done = [this, done = std::move(done)](const QueryResult& result) {
    const auto query = std::exchange(query_, nullptr);  // `done` lives in it
    done(result);
  };
  pool_.post(query_);
}

void Contacts::open_holder() {
  query({sql::kHolderOpen, {}}, [this](const QueryResult& result) {
    if (const Answer holder = answer_of(result); holder.text) {
      holder_ = *holder.text;
      renewed_at_ = ngx_current_msec;
      leaving_ ? close_holder() : flush();
    }
  });
}

void Contacts::send(const std::string& contacts) {
  renewed_at_ = ngx_current_msec;
  query({sql::kPresenceContacts, {holder_, contacts}}, [this](const QueryResult& result) { answered(result); });
}

void Contacts::answered(const QueryResult& result) {
  const bool written = result.rows != nullptr && PQntuples(result.rows) == 1;
  if (written) {
    report_ms_ = milliseconds(result.rows, 0);
    renew_ms_ = milliseconds(result.rows, 1);
  }
  settle_all(written);
  if (leaving_) {
    return close_holder();
  }
  if (result.rows != nullptr && !written) {
    forget_holder();
  }
  if (anything_due()) {
    flush_soon();
  }
}

void Contacts::settle_all(bool written) noexcept {
  for (Contact* const contact : sent_) {
    settle(*contact, written);
  }
  sent_.clear();
}

// What is due next for a user of the batch, whatever he has done meanwhile.
void Contacts::settle(Contact& contact, bool written) noexcept {
  contact.sent = false;
  if (!written) {
    contact.told = true;  // perhaps: what is not known is told again
    return schedule(contact, ngx_current_msec + kRetry);
  }
  contact.report_at = ngx_current_msec + report_ms_;
  if (contact.requests > 0) {
    return schedule(contact, contact.told ? contact.report_at : ngx_current_msec);
  }
  if (contact.told) {
    return schedule(contact, contact.linger_until);
  }
  all_.erase(contact.self);
}

// The lease had run out. All who are here are told under a new one.
void Contacts::forget_holder() noexcept {
  holder_.clear();
  for (auto& [key, contact] : all_) {
    contact.told = false;
    if (contact.requests > 0) {
      schedule(contact, ngx_current_msec);
    }
  }
}

void Contacts::close_holder() {
  query({sql::kHolderClose, {std::exchange(holder_, {})}}, [](const QueryResult&) {});
}

// Each user is told to be gone by that; those who come back to another worker within the grace time do not appear to have been away.
void Contacts::shut_down() {
  leaving_ = true;
  stop_timer(flush_);
  if (query_ == nullptr && !holder_.empty()) {
    close_holder();
  }
}

}  // namespace pgevents::nginx
