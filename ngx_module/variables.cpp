// See variables.hpp. A subrequest has the values of its main request: it is the main request that the client has sent,
// and the module serves no subrequests.
#include "ngx_module/variables.hpp"

#include <cstddef>
#include <iterator>
#include <new>
#include <string>

#include "core/jwt/token_cache.hpp"
#include "core/metrics/reasons.hpp"
#include "ngx_module/http/request_record.hpp"
#include "ngx_module/request_identity.hpp"

namespace pgevents::nginx {
namespace {

// An empty text is an empty variable.
std::string served(ngx_http_request_t*, const RequestRecord& record) {
  switch (record.served) {
    case RequestRecord::Served::kModule:
      return "module";
    case RequestRecord::Served::kDeclined:
      return "declined";
    case RequestRecord::Served::kNot:
      break;
  }
  return {};
}

std::string transport(ngx_http_request_t*, const RequestRecord& record) {
  switch (record.kind) {
    case RequestKind::kStream:
    case RequestKind::kLongPoll:
    case RequestKind::kPoll:
    case RequestKind::kWebSocket:
    case RequestKind::kPublish:
    case RequestKind::kPreflight:
      return kRequestKindWords[static_cast<std::size_t>(record.kind)];
    case RequestKind::kUnknown:
    case RequestKind::kCount:
      return {};
    default:
      return "call";
  }
}

std::string user(ngx_http_request_t* r, const RequestRecord&) {
  return identity_of(r, Revoked::kRejected).user;
}

// It may choose the fallback that serves a request, as it may choose the database.
std::string realm(ngx_http_request_t* r, const RequestRecord&) {
  return identity_of(r, Revoked::kAccepted).realm;
}

// No name contains a tab, so no two users have the same text. Of fixed length: nginx counts no key above 255 bytes.
std::string user_key(ngx_http_request_t* r, const RequestRecord&) {
  const Identity who = identity_of(r, Revoked::kRejected);
  if (who.user.empty()) {
    return {};
  }
  auto digest = TokenCache::digest(who.realm + "\t" + who.user);
  if (!digest) {
    throw std::bad_alloc();  // an empty key would not be counted
  }
  std::string text(2 * digest->size(), '\0');
  ngx_hex_dump(reinterpret_cast<u_char*>(text.data()), digest->data(), digest->size());
  return text;
}

std::string channels(ngx_http_request_t*, const RequestRecord& record) {
  return std::string(view(record.channels));
}

std::string cursor(ngx_http_request_t*, const RequestRecord& record) {
  return record.subscribed ? cursor_text(record.cursor) : std::string();
}

std::string events_sent(ngx_http_request_t*, const RequestRecord& record) {
  return record.subscribed ? std::to_string(record.events_sent) : std::string();
}

std::string end_reason(ngx_http_request_t*, const RequestRecord& record) {
  if (record.released) {
    return "released";
  }
  return record.ending == Ending::kCount ? std::string() : word_of(record.ending);
}

struct Variable {
  const char* name;
  std::string (*text)(ngx_http_request_t* r, const RequestRecord& record);
  ngx_uint_t flags;
};

// An nginx.conf that sets `$pgevents_user` or `$pgevents_realm` itself, by auth_request_set for example, keeps its own.
constexpr ngx_uint_t kMayBeSet = NGX_HTTP_VAR_CHANGEABLE;
constexpr Variable kVariables[] = {
    {"pgevents_served", served, 0},         {"pgevents_transport", transport, 0},
    {"pgevents_user", user, kMayBeSet},     {"pgevents_realm", realm, kMayBeSet},
    {"pgevents_user_key", user_key, 0},     {"pgevents_channels", channels, 0},
    {"pgevents_cursor", cursor, 0},         {"pgevents_events_sent", events_sent, 0},
    {"pgevents_end_reason", end_reason, 0},
};

// Leaves `escape` as it is, as nginx's own variables do: the log module keeps in it that the value needs escaping, also
// if the variable is evaluated again (by a map, for instance) before it writes the value.
ngx_int_t put(ngx_pool_t* pool, const std::string& text, ngx_variable_value_t& value) noexcept {
  value.valid = text.empty() ? 0 : 1;
  value.not_found = text.empty() ? 1 : 0;
  value.len = 0;
  value.data = nullptr;
  if (text.empty()) {
    return NGX_OK;
  }
  const ngx_str_t kept = copy(pool, text);
  value.data = kept.data;
  value.len = static_cast<unsigned>(kept.len) & 0xfffffff;
  return kept.data == nullptr ? NGX_ERROR : NGX_OK;
}

// `index`: into kVariables.
ngx_int_t get(ngx_http_request_t* r, ngx_variable_value_t* value, uintptr_t index) {
  return guarded(r->connection->log, static_cast<ngx_int_t>(NGX_ERROR), [&] {
    const RequestRecord none;
    const RequestRecord* const record = find_record(r->main);
    return put(r->pool, kVariables[index].text(r->main, record == nullptr ? none : *record), *value);
  });
}

}  // namespace

ngx_int_t add_variables(ngx_conf_t* cf) {
  for (std::size_t i = 0; i < std::size(kVariables); ++i) {
    ngx_str_t name = copy(cf->pool, kVariables[i].name);
    if (name.data == nullptr) {
      return NGX_ERROR;
    }
    ngx_http_variable_t* const variable =
        ngx_http_add_variable(cf, &name, kVariables[i].flags | NGX_HTTP_VAR_NOCACHEABLE);
    if (variable == nullptr) {
      return NGX_ERROR;
    }
    variable->get_handler = get;
    variable->data = i;
  }
  return NGX_OK;
}

}  // namespace pgevents::nginx
