// See request_access.hpp.
#include "ngx_module/http/request_access.hpp"

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "ngx_module/http/request_record.hpp"
#include "ngx_module/http/service_state.hpp"

namespace pgevents::nginx {
namespace {

bool evaluate(ngx_http_request_t* r, ngx_http_complex_value_t* value, std::string_view& result) {
  ngx_str_t text = ngx_null_string;
  if (value != nullptr && ngx_http_complex_value(r, value, &text) != NGX_OK) {
    return false;
  }
  result = view(text);
  return true;
}

// Whether `name`, a percent-encoded name in a query, decodes to `access_token`.
bool names_token(const u_char* name, const u_char* end) noexcept {
  for (const char wanted : std::string_view("access_token")) {
    u_char c = name < end ? *name : '\0';
    name += 1;
    if (c == '%' && end - name >= 2) {
      c = static_cast<u_char>(ngx_hextoi(const_cast<u_char*>(name), 2));
      name += 2;
    }
    if (c != static_cast<u_char>(wanted)) {
      return false;
    }
  }
  return name == end;
}

// Whether a value has the form of a token, which may stand under a misspelt name: `{"` in Base64, and two dots.
bool looks_like_token(const u_char* value, const u_char* end) noexcept {
  constexpr std::string_view kBegin = "eyJ";
  return static_cast<std::size_t>(end - value) > kBegin.size() && std::equal(kBegin.begin(), kBegin.end(), value) &&
         std::count(value, end, '.') == 2;
}

// Masks in a text that holds a query, at its beginning or behind a `?`. In a request line a space ends the query.
void mask_in(const ngx_str_t& text) noexcept {
  u_char* const end = text.data + text.len;
  for (u_char* at = text.data; at < end;) {
    u_char* const stop = std::find_if(at, end, [](u_char c) { return c == '&' || c == '?' || c == ' '; });
    u_char* const equals = std::find(at, stop, '=');
    u_char* const value = equals + (equals == stop ? 0 : 1);
    u_char* masked_to = value;
    if (equals != stop && names_token(at, equals)) {
      masked_to = std::find_if(value, end, [](u_char c) { return c == '&' || c == ' '; });
    } else if (looks_like_token(value, stop)) {
      masked_to = stop;
    }
    for (u_char* c = value; c < masked_to; ++c) {
      *c = 'x';
    }
    at = std::max(stop, masked_to);
    at += at < end ? 1 : 0;
  }
}

}  // namespace

TokenRules token_rules(const AccessConf& conf) {
  TokenRules rules;
  rules.keys = conf.keys;
  rules.cookie = view(conf.jwt_cookie);
  rules.query = conf.jwt_query != 0;
  rules.audience = view(conf.jwt_audience);
  rules.issuer = view(conf.jwt_issuer);
  rules.leeway = static_cast<double>(conf.jwt_leeway) / 1e3;
  rules.require_exp = conf.jwt_require_exp != 0;
  return rules;
}

bool read_database_name(ngx_http_request_t* r, const LocConf& conf, RequestRecord& record, ngx_str_t& name) {
  struct Choosing {
    RequestRecord& record;
    bool before;
    ~Choosing() { record.choosing = before; }
  } const choosing{record, record.choosing};
  record.choosing = true;
  return ngx_http_complex_value(r, conf.database, &name) == NGX_OK;
}

// A value may contain `$pgevents_user` itself, of which nothing is known until then.
bool read_identity_rules(ngx_http_request_t* r, const LocConf& conf, RequestRecord& record, AccessRules& rules) {
  struct Identifying {
    RequestRecord& record;
    ~Identifying() { record.identifying = false; }
  } const identifying{record};
  record.identifying = true;
  rules.token = token_rules(conf.access);
  rules.token.rejected = &record.rejected;
  return evaluate(r, conf.access.user, rules.user) && evaluate(r, conf.access.realm, rules.realm);
}

bool read_rules(ngx_http_request_t* r, const ServiceState& service, const LocConf& conf, RequestRecord& record,
                AccessRules& rules) {
  const AccessConf& access = conf.access;
  rules.origins = access.origins;
  rules.revoked = [&service, &conf](std::string_view user, std::int64_t issued_us) {
    return service.rejection(user, issued_us, static_cast<unsigned>(conf.poll_interval));
  };
  return read_identity_rules(r, conf, record, rules) && evaluate(r, access.subscribe, rules.subscribe) &&
         evaluate(r, access.publish, rules.publish) && evaluate(r, access.anonymous, rules.anonymous);
}

// The query as the client sent it lies within the URI. A rewritten query may be part of the configuration, which must
// not change: it is copied first.
void mask_token(ngx_http_request_t* r) noexcept {
  const ngx_str_t& uri = r->unparsed_uri;
  mask_in(uri);
  mask_in(r->request_line);
  if (r->args.len != 0 && (r->args.data < uri.data || r->args.data > uri.data + uri.len)) {
    r->args = copy(r->pool, view(r->args));
    r->args.len = r->args.data == nullptr ? 0 : r->args.len;
    mask_in(r->args);
  }
}

}  // namespace pgevents::nginx
