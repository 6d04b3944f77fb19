// Requests and responses at the border to nginx; see http_io.hpp.
#include "ngx_module/http/http_io.hpp"

#include <algorithm>

#include "core/request/handshake_headers.hpp"
#include "core/request/origin.hpp"
#include "ngx_module/conf/conf.hpp"

namespace pgevents::nginx {
namespace {

bool equal(const ngx_str_t& name, std::string_view wanted) {
  return name.len == wanted.size() &&
         ngx_strncasecmp(name.data, reinterpret_cast<u_char*>(const_cast<char*>(wanted.data())), name.len) == 0;
}

template <typename Visit>
void each_header(ngx_http_request_t* r, Visit&& visit) {
  for (ngx_list_part_t* part = &r->headers_in.headers.part; part != nullptr; part = part->next) {
    const auto* headers = static_cast<ngx_table_elt_t*>(part->elts);
    for (ngx_uint_t i = 0; i < part->nelts; ++i) {
      if (headers[i].hash != 0) {
        visit(headers[i]);
      }
    }
  }
}

// The value of the first header of that name.
std::string_view find_header(ngx_http_request_t* r, std::string_view wanted) {
  std::string_view found;
  each_header(r, [&](const ngx_table_elt_t& header) {
    if (found.data() == nullptr && equal(header.key, wanted)) {
      found = view(header.value);
    }
  });
  return found;
}

// All headers of that name as one; empty when memory is refused. (nginx itself has already joined the cookies that
// HTTP/2 and HTTP/3 split.)
std::string_view join_headers(ngx_http_request_t* r, std::string_view name, std::string_view between) {
  std::string_view only;
  std::size_t size = 0;
  const auto each_value = [r, name](auto&& visit) {
    each_header(r, [&visit, name](const ngx_table_elt_t& header) {
      if (equal(header.key, name)) {
        visit(view(header.value));
      }
    });
  };
  each_value([&](std::string_view value) {
    only = value;
    size += value.size() + between.size();
  });
  if (size <= only.size() + between.size()) {
    return only;
  }
  auto* const text = static_cast<char*>(ngx_pnalloc(r->pool, size));
  if (text == nullptr) {
    return {};
  }
  char* end = text;
  each_value([&](std::string_view value) {
    end = std::copy(value.begin(), value.end(), end);
    end = std::copy(between.begin(), between.end(), end);
  });
  return {text, size - between.size()};
}

ngx_int_t set_header(ngx_http_request_t* r, const Header& header) {
  if (header.name == "Content-Type") {
    r->headers_out.content_type = copy(r->pool, header.value);
    r->headers_out.content_type_len = header.value.size();
    r->headers_out.content_type_lowcase = nullptr;
    return r->headers_out.content_type.data == nullptr ? NGX_ERROR : NGX_OK;
  }
  auto* element = static_cast<ngx_table_elt_t*>(ngx_list_push(&r->headers_out.headers));
  if (element == nullptr) {
    return NGX_ERROR;
  }
  element->hash = 1;
#if (nginx_version >= 1023000)
  element->next = nullptr;
#endif
  element->key = copy(r->pool, header.name);
  element->value = copy(r->pool, header.value);
  if (element->key.data == nullptr || element->value.data == nullptr) {
    element->hash = 0;
    return NGX_ERROR;
  }
  return NGX_OK;
}

ngx_int_t set_headers(ngx_http_request_t* r, const std::vector<Header>& headers) {
  for (const Header& header : headers) {
    if (set_header(r, header) != NGX_OK) {
      return NGX_ERROR;
    }
  }
  return NGX_OK;
}

// Sets `headers`, and those by which a browser decides whether a page of another origin may read the answer. A client
// cannot have a copy of a live answer: so nginx must not replace it by a 304 or 412, least of all after the request has
// changed something.
ngx_int_t set_all_headers(ngx_http_request_t* r, const std::vector<Header>& headers) {
  const auto* conf = static_cast<LocConf*>(ngx_http_get_module_loc_conf(r, ngx_http_pgevents_module));
  r->disable_not_modified = 1;
  if (set_headers(r, headers) != NGX_OK || set_header(r, {kNoSniffName, kNoSniffValue}) != NGX_OK) {
    return NGX_ERROR;
  }
  return conf->access.origins == nullptr ? NGX_OK
                                         : set_headers(r, cors_headers(conf->access.origins, find_header(r, "Origin")));
}

bool is_https(ngx_http_request_t* r) {
#if (NGX_SSL || NGX_COMPAT)
  return r->connection->ssl != nullptr;
#else
  return false;
#endif
}

// Whether nginx, or a proxy in front by a header of any value (RFC 8470, section 5.1), reports early data. Any client
// may send that header: it only makes the server more careful.
bool is_early_data(ngx_http_request_t* r) {
#if (NGX_HTTP_SSL)
  ngx_str_t early = ngx_null_string;
  if (r->connection->ssl != nullptr && ngx_ssl_get_early_data(r->connection, r->pool, &early) == NGX_OK &&
      early.len != 0) {
    return true;
  }
#endif
  return !find_header(r, "Early-Data").empty();
}

// Switches Nagle's algorithm off (RFC 1122, section 4.2.3.4): a frame must not wait until the client has acknowledged
// the previous one. nginx's HTTP/2 and HTTP/3 do that for their connections themselves.
ngx_int_t send_without_delay(ngx_http_request_t* r) {
  const auto* clcf = static_cast<ngx_http_core_loc_conf_t*>(ngx_http_get_module_loc_conf(r, ngx_http_core_module));
  const bool is_needed = r->http_version <= NGX_HTTP_VERSION_11 && clcf->tcp_nodelay;
  return is_needed ? ngx_tcp_nodelay(r->connection) : NGX_OK;
}

// Most requests have neither of the first two headers, and then no other one matters.
void read_handshake(ngx_http_request_t* r, Request& request) {
  request.upgrade = join_headers(r, "Upgrade", ", ");
  request.web_socket_key = find_header(r, "Sec-WebSocket-Key");
  if (!request.upgrade.empty() || !request.web_socket_key.empty()) {
    request.connection = join_headers(r, "Connection", ", ");
    request.web_socket_version = find_header(r, "Sec-WebSocket-Version");
    request.web_socket_protocol = join_headers(r, "Sec-WebSocket-Protocol", ", ");
  }
}

// The answer to a handshake's key (RFC 6455, section 4.2.2).
std::string accept_of(std::string_view key) {
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  u_char hash[20];
  ngx_sha1_t sha1;
  ngx_sha1_init(&sha1);
  ngx_sha1_update(&sha1, text.data(), text.size());
  ngx_sha1_final(hash, &sha1);
  std::string base64(ngx_base64_encoded_length(sizeof hash), '\0');
  ngx_str_t from{sizeof hash, hash};
  ngx_str_t to{base64.size(), reinterpret_cast<u_char*>(base64.data())};
  ngx_encode_base64(&to, &from);
  base64.resize(to.len);
  return base64;
}

}  // namespace

void keep_request(ngx_http_request_t* r, ngx_http_event_handler_pt on_read,
                  ngx_http_event_handler_pt on_write) noexcept {
  r->read_event_handler = on_read;
  r->write_event_handler = on_write;
}

// With edge-triggered events, bytes that are not read when they arrive may never be read: the next request on the
// connection would wait for them.
void watch_client(ngx_http_request_t* r) {
  if (r->discard_body) {
    ngx_connection_t* const c = r->connection;
    const ngx_http_event_handler_pt own = r->read_event_handler;
    ngx_http_discarded_request_body_handler(r);
    if (c->destroyed || r->discard_body) {
      return;  // the request is over, or there is more to come
    }
    r->read_event_handler = own;
  }
  ngx_http_test_reading(r);
}

Request read_request(ngx_http_request_t* r) {
  Request request;
  request.method = view(r->method_name);
  request.path = view(r->uri);
  if (r->valid_unparsed_uri) {  // neither a rewrite nor an internal redirect has changed the path
    request.target = view(r->unparsed_uri);
  }
  request.query = view(r->args);
  request.accept = find_header(r, "Accept");
  request.last_event_id = find_header(r, "Last-Event-ID");
  request.flavor = find_header(r, "Flavor");
  request.content_type = find_header(r, "Content-Type");
  request.content_encoding = find_header(r, "Content-Encoding");
  request.idempotency_key = find_header(r, "Idempotency-Key");
  request.authorization = find_header(r, "Authorization");
  request.cookie = join_headers(r, "Cookie", "; ");
  request.origin = find_header(r, "Origin");
  request.host = find_header(r, "Host");
  if (request.host.empty()) {
    request.host = view(r->headers_in.server);  // with HTTP/3 the host is only there
  }
  request.sec_fetch_site = find_header(r, "Sec-Fetch-Site");
  request.preflight_method = find_header(r, "Access-Control-Request-Method");
  read_handshake(r, request);
  request.no_web_socket = r->http_version == NGX_HTTP_VERSION_11 ? "" : "A WebSocket needs HTTP/1.1";
  request.has_body = r->headers_in.content_length_n > 0 || r->headers_in.chunked;
  request.https = is_https(r);
  request.early_data = is_early_data(r);
  return request;
}

ngx_int_t send_reply(ngx_http_request_t* r, const Reply& reply) {
  r->headers_out.status = static_cast<ngx_uint_t>(reply.status);
  r->headers_out.content_length_n = static_cast<off_t>(reply.body.size());
  if (reply.status == NGX_HTTP_NO_CONTENT) {
    r->header_only = 1;
  }
  if (set_all_headers(r, reply.headers) != NGX_OK) {
    return NGX_HTTP_INTERNAL_SERVER_ERROR;
  }
  const ngx_int_t rc = ngx_http_send_header(r);
  if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
    return rc;
  }
  ngx_buf_t* b = ngx_create_temp_buf(r->pool, reply.body.size());
  if (b == nullptr) {
    return NGX_ERROR;
  }
  b->last = ngx_cpymem(b->pos, reply.body.data(), reply.body.size());
  b->last_buf = 1;
  b->last_in_chain = 1;
  ngx_chain_t out{b, nullptr};
  return ngx_http_output_filter(r, &out);
}

ngx_int_t send_stream_header(ngx_http_request_t* r) {
  if (send_without_delay(r) != NGX_OK) {
    return NGX_ERROR;
  }
  r->headers_out.status = NGX_HTTP_OK;
  if (set_all_headers(r, stream_headers()) != NGX_OK) {
    return NGX_ERROR;
  }
  const ngx_int_t rc = ngx_http_send_header(r);
  return rc == NGX_ERROR || rc > NGX_OK ? NGX_ERROR : NGX_OK;
}

// Nothing but frames follows: the connection cannot serve another request.
ngx_int_t send_web_socket_header(ngx_http_request_t* r) {
  if (send_without_delay(r) != NGX_OK) {
    return NGX_ERROR;
  }
  Request handshake;
  read_handshake(r, handshake);
  std::vector<Header> headers = {{"Upgrade", "websocket"},
                                 {"Sec-WebSocket-Accept", accept_of(handshake.web_socket_key)}};
  if (offers_dialect(handshake)) {
    headers.push_back({"Sec-WebSocket-Protocol", std::string(kWebSocketProtocol)});
  }
  r->keepalive = 0;
  r->headers_out.status = NGX_HTTP_SWITCHING_PROTOCOLS;
  ngx_str_set(&r->headers_out.status_line, "101 Switching Protocols");
  if (set_headers(r, headers) != NGX_OK) {
    return NGX_ERROR;
  }
  const ngx_int_t rc = ngx_http_send_header(r);
  return rc == NGX_ERROR || rc > NGX_OK ? NGX_ERROR : NGX_OK;
}

}  // namespace pgevents::nginx
