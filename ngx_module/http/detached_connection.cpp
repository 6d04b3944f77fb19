// Ends a request before its connection; see detached_connection.hpp. Follows what nginx itself does between two
// requests of a connection (ngx_http_set_keepalive).
#include "ngx_module/http/detached_connection.hpp"

#include "ngx_module/http/request_record.hpp"

namespace pgevents::nginx {
namespace {

// Without edge-triggered events, or without a report that the client has closed the connection, this module would have
// to read every byte that the client sends.
bool reports_closed_connections() noexcept {
  if ((ngx_event_flags & NGX_USE_CLEAR_EVENT) == 0) {
    return false;
  }
#if (NGX_HAVE_EPOLLRDHUP)
  if ((ngx_event_flags & NGX_USE_EPOLL_EVENT) != 0 && !ngx_use_epoll_rdhup) {
    return false;
  }
#endif
  return true;
}

void free_buffers(ngx_pool_t* pool, ngx_chain_t*& chain) noexcept {
  while (chain != nullptr) {
    ngx_chain_t* link = chain;
    chain = link->next;
    ngx_pfree(pool, link->buf->start);
    ngx_free_chain(pool, link);
  }
}

bool has_no_other_cleanup(const ngx_http_request_t* r, const ngx_pool_cleanup_t* own) noexcept {
  const ngx_pool_cleanup_t* cleanup = r->pool->cleanup;
  while (cleanup != nullptr && (cleanup == own || is_record(*cleanup))) {
    cleanup = cleanup->next;
  }
  return cleanup == nullptr;
}

}  // namespace

bool can_detach(const ngx_http_request_t* r, const ngx_pool_cleanup_t* own, ngx_http_cleanup_pt on_end) noexcept {
  const bool nothing_read_ahead = r->header_in->pos == r->header_in->last && !r->discard_body;
  return reports_closed_connections() && nothing_read_ahead && r == r->main && r->count == 1 && r->blocked == 0 &&
         r->posted_requests == nullptr && r->cleanup != nullptr && r->cleanup->handler == on_end &&
         r->cleanup->next == nullptr && has_no_other_cleanup(r, own) && !r->connection->buffered &&
         !r->connection->read->pending_eof && !r->connection->error;
}

void detach(ngx_http_request_t* r) noexcept {
  ngx_connection_t* c = r->connection;
  ngx_http_connection_t* hc = r->http_connection;
  ngx_http_free_request(r, 0);
  c->destroyed = 0;
  c->log->action = const_cast<char*>("sending events");
  ngx_pfree(c->pool, c->buffer->start);
  free_buffers(c->pool, hc->free);
  free_buffers(c->pool, hc->busy);
  hc->nbusy = 0;
#if (NGX_HTTP_SSL)
  if (c->ssl != nullptr) {
    ngx_ssl_free_buffer(c);
  }
#endif
}

}  // namespace pgevents::nginx
