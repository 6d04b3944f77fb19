// See directives.hpp. Whether the database exists is checked when all of them are known (conf.cpp).
#include "ngx_module/status/directives.hpp"

#include <string_view>

#include "ngx_module/conf/conf.hpp"
#include "ngx_module/status/ready_handler.hpp"
#include "ngx_module/status/status_handler.hpp"

namespace pgevents::nginx {
namespace {

constexpr ngx_int_t kDayMs = 86'400'000;

char* conf_error() {
  return static_cast<char*>(NGX_CONF_ERROR);
}

bool take_format(std::string_view text, StatusConf::Format& format) {
  using Format = StatusConf::Format;
  constexpr std::string_view kWords[] = {"auto", "html", "json", "prometheus"};
  for (const Format each : {Format::kAuto, Format::kHtml, Format::kJson, Format::kPrometheus}) {
    if (text == kWords[static_cast<int>(each)]) {
      format = each;
      return true;
    }
  }
  return false;
}

// `name=value`; false if that is no parameter of the directive.
bool take(std::string_view name, ngx_str_t& value, StatusConf& conf) {
  if (name == "format") {
    return take_format(view(value), conf.format);
  }
  conf.channels = view(value) == "on" ? 1 : 0;
  return name == "channels" && (conf.channels != 0 || view(value) == "off");
}

bool take(std::string_view name, ngx_str_t& value, ReadyConf& conf) {
  if (name == "drain") {
    conf.drain = value;
    return value.len != 0;
  }
  const ngx_int_t ms = name == "max_lag" ? ngx_parse_time(&value, 0) : NGX_ERROR;
  if (ms == NGX_ERROR || ms < 100 || ms > kDayMs) {
    return false;
  }
  conf.max_lag = static_cast<ngx_msec_t>(ms);
  return true;
}

// What the parameters before `i` are called, to find one that is given twice.
bool is_duplicate(const ngx_str_t* args, ngx_uint_t i, std::string_view name) {
  for (ngx_uint_t before = 1; before < i; ++before) {
    const std::string_view other = view(args[before]);
    if (other.substr(0, other.find('=')) == name && other.size() > name.size()) {
      return true;
    }
  }
  return false;
}

// Reads `[database] [name=value] …`. The name of a database with an equals sign cannot be given.
template <typename Conf>
bool read_arguments(ngx_conf_t* cf, Conf& conf) {
  auto* args = static_cast<ngx_str_t*>(cf->args->elts);
  for (ngx_uint_t i = 1; i < cf->args->nelts; ++i) {
    const std::string_view text = view(args[i]);
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos && i == 1 && !text.empty()) {
      conf.database = args[i];
      continue;
    }
    const std::string_view name = text.substr(0, equals);
    ngx_str_t value{text.size() - name.size() - 1, args[i].data + name.size() + 1};
    if (equals == std::string_view::npos || is_duplicate(args, i, name) || !take(name, value, conf)) {
      ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                         "pgevents: invalid parameter \"%V\"; docs/directives.md lists the parameters and their values",
                         &args[i]);
      return false;
    }
  }
  return true;
}

template <typename Conf>
char* make_location(ngx_conf_t* cf, LocConf& location, Conf*& conf, ngx_http_handler_pt handler) {
  auto* clcf = static_cast<ngx_http_core_loc_conf_t*>(ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module));
  if (conf != nullptr) {
    return const_cast<char*>("is duplicate");
  }
  if (location.status != nullptr || location.ready != nullptr || clcf->handler != nullptr ||
      location.database != NGX_CONF_UNSET_PTR) {
    return const_cast<char*>("needs a location of its own");
  }
  conf = static_cast<Conf*>(ngx_pcalloc(cf->pool, sizeof(Conf)));
  if (conf == nullptr || !read_arguments(cf, *conf) || !note_use(cf, conf->database)) {
    return conf_error();
  }
  clcf->handler = handler;
  return NGX_CONF_OK;
}

}  // namespace

char* set_status(ngx_conf_t* cf, ngx_command_t*, void* conf) {
  auto& location = *static_cast<LocConf*>(conf);
  return make_location(cf, location, location.status, handle_status);
}

char* set_ready(ngx_conf_t* cf, ngx_command_t*, void* conf) {
  auto& location = *static_cast<LocConf*>(conf);
  char* const made = make_location(cf, location, location.ready, handle_ready);
  if (made != NGX_CONF_OK) {
    return made;
  }
  ngx_str_t& drain = location.ready->drain;
  return drain.len == 0 || ngx_conf_full_name(cf->cycle, &drain, 0) == NGX_OK ? NGX_CONF_OK : conf_error();
}

}  // namespace pgevents::nginx
