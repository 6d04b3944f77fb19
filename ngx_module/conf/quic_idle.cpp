// See quic_idle.hpp.
#include "ngx_module/conf/quic_idle.hpp"

#include <algorithm>

namespace pgevents::nginx {
namespace {

struct SrvConf {
  ngx_msec_t silence;  // 0: no location of the server serves pgevents
};

}  // namespace

void* create_srv_conf(ngx_conf_t* cf) {
  return ngx_pcalloc(cf->pool, sizeof(SrvConf));
}

// While locations are merged, the server's configuration is the current one.
void note_silence(ngx_conf_t* cf, const LocConf& conf) noexcept {
  if (conf.database == nullptr || (conf.database->lengths == nullptr && view(conf.database->value) == "off")) {
    return;
  }
  auto* server = static_cast<SrvConf*>(ngx_http_conf_get_module_srv_conf(cf, ngx_http_pgevents_module));
  server->silence = std::max({server->silence, conf.heartbeat, conf.timeout});
}

#if (NGX_HTTP_V3)

namespace {

// nginx takes the idle timeout from the default server: it has not read the name of the wanted one yet.
void check_address(ngx_conf_t* cf, const ngx_http_conf_addr_t& address) noexcept {
  const ngx_http_core_srv_conf_t& fallback = *address.default_server;
  const auto& core = *static_cast<ngx_http_core_loc_conf_t*>(fallback.ctx->loc_conf[ngx_http_core_module.ctx_index]);
  auto** servers = static_cast<ngx_http_core_srv_conf_t**>(address.servers.elts);
  ngx_msec_t silence = 0;
  for (ngx_uint_t i = 0; i < address.servers.nelts; ++i) {
    auto* conf = static_cast<SrvConf*>(servers[i]->ctx->srv_conf[ngx_http_pgevents_module.ctx_index]);
    silence = std::max(silence, conf->silence);
  }
  if (silence != 0 && core.keepalive_timeout <= silence) {
    ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                  "pgevents: keepalive_timeout is %M ms in the server with \"listen %V quic\" in %s:%ui: QUIC ends "
                  "streams and long polls after it; set it above pgevents_heartbeat and pgevents_timeout, %M ms",
                  core.keepalive_timeout, &address.opt.addr_text, fallback.file_name, fallback.line, silence);
  }
}

}  // namespace

void warn_about_quic_idle(ngx_conf_t* cf) noexcept {
  auto* main = static_cast<ngx_http_core_main_conf_t*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module));
  if (main->ports == nullptr) {
    return;
  }
  auto* ports = static_cast<ngx_http_conf_port_t*>(main->ports->elts);
  for (ngx_uint_t p = 0; p < main->ports->nelts; ++p) {
    auto* addresses = static_cast<ngx_http_conf_addr_t*>(ports[p].addrs.elts);
    for (ngx_uint_t a = 0; a < ports[p].addrs.nelts; ++a) {
      if (addresses[a].opt.quic) {
        check_address(cf, addresses[a]);
      }
    }
  }
}

#else

void warn_about_quic_idle(ngx_conf_t*) noexcept {}

#endif

}  // namespace pgevents::nginx
