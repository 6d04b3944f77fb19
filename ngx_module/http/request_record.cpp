// See request_record.hpp.
#include "ngx_module/http/request_record.hpp"

#include <new>
#include <string_view>

namespace pgevents::nginx {
namespace {

// Also marks the cleanup.
void on_pool_end(void* record) {
  static_cast<RequestRecord*>(record)->~RequestRecord();
}

// As nginx's $status.
int status_of(const ngx_http_request_t* r) noexcept {
  return static_cast<int>(r->err_status != 0 ? r->err_status : r->headers_out.status);
}

ngx_str_t kept(ngx_pool_t* pool, std::string_view text) {
  const ngx_str_t result = copy(pool, text);
  if (result.data == nullptr) {
    throw std::bad_alloc();
  }
  return result;
}

}  // namespace

bool is_record(const ngx_pool_cleanup_t& cleanup) noexcept {
  return cleanup.handler == on_pool_end;
}

RequestRecord* find_record(const ngx_http_request_t* r) noexcept {
  for (const ngx_pool_cleanup_t* cleanup = r->pool->cleanup; cleanup != nullptr; cleanup = cleanup->next) {
    if (is_record(*cleanup)) {
      return static_cast<RequestRecord*>(cleanup->data);
    }
  }
  return nullptr;
}

RequestRecord* make_record(ngx_http_request_t* r) noexcept {
  if (RequestRecord* const record = find_record(r)) {
    return record;
  }
  ngx_pool_cleanup_t* const cleanup = ngx_pool_cleanup_add(r->pool, sizeof(RequestRecord));
  if (cleanup == nullptr) {
    return nullptr;
  }
  cleanup->handler = on_pool_end;
  return new (cleanup->data) RequestRecord();
}

void keep_identity(ngx_http_request_t* r, RequestRecord& record, const Identity& identity) {
  if (record.identified && record.user.len != 0 && identity.user.empty()) {
    return;
  }
  record.user = kept(r->pool, identity.user);
  record.realm = kept(r->pool, identity.realm);
  record.identified = true;
}

void keep_channels(ngx_http_request_t* r, RequestRecord& record, const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    text += text.empty() ? "" : ",";
    for (const char c : name) {
      if (c == ',') {
        text += "%2C";
      } else if (c == '%') {
        text += "%25";
      } else {
        text += c;
      }
    }
  }
  record.channels = kept(r->pool, text);
}

ngx_int_t count_request(ngx_http_request_t* r) noexcept {
  const RequestRecord* record = r == r->main ? find_record(r) : nullptr;
  if (record != nullptr && record->metrics != nullptr) {
    record->metrics->add(Metric::kRequests, record->kind, status_label(status_of(r)));
  }
  return NGX_OK;
}

}  // namespace pgevents::nginx
