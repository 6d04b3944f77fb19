// Is the session the listener's own? See session_probe.hpp.
#include "ngx_module/listener/session_probe.hpp"

#include <cstdint>

#include "core/shared/siphash.hpp"
#include "postgres/statements.hpp"

namespace pgevents::nginx {

void SessionProbe::take_backend(const PGresult* result, int server_pid) noexcept {
  const Answer backend = answer_of({result, {}, {}, {}});
  backend_ = backend.text ? postgres::number_in<int>(*backend.text) : 0;
  pooled_ = backend_ == 0 || backend_ != server_pid;
}

Statement SessionProbe::listen() {
  const SipKey random = random_sip_key();
  char name[48];
  *ngx_snprintf(reinterpret_cast<u_char*>(name), sizeof(name) - 1, "pgevents_probe_%016xL%016xL",
                static_cast<std::int64_t>(random.words[0]), static_cast<std::int64_t>(random.words[1])) = '\0';
  channel_ = name;
  text_ = "LISTEN " + channel_;
  return {{"pgevents_probe_listen", text_.c_str()}, {}};
}

Statement SessionProbe::unlisten() {
  text_ = "UNLISTEN " + channel_;
  return {{"pgevents_probe_unlisten", text_.c_str()}, {}};
}

void SessionProbe::notify() {
  pool_.post(
      {sql::kNotify, {channel_}}, Lane::kCatchup, [](const QueryResult&) {}, notification_);
}

}  // namespace pgevents::nginx
