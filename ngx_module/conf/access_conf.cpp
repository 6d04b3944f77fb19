// Reads the directives of access; see access_conf.hpp. Errors about a key never repeat a part of the key.
#include "ngx_module/conf/access_conf.hpp"

#include <string>

#include "core/jwt/key_options.hpp"
#include "core/request/grant_pattern.hpp"
#include "core/text/header_value.hpp"
#include "ngx_module/conf/file_access.hpp"

namespace pgevents::nginx {
namespace {

char* conf_error() {
  return static_cast<char*>(NGX_CONF_ERROR);
}

// An argument of the directive, counted from 1.
ngx_str_t& argument(ngx_conf_t* cf, ngx_uint_t i) {
  return static_cast<ngx_str_t*>(cf->args->elts)[i];
}

// An open file that closes itself. Opening a pipe must not block nginx.
class KeyFile {
 public:
  explicit KeyFile(const ngx_str_t& name) : fd_(ngx_open_file(name.data, NGX_FILE_RDONLY | O_NONBLOCK, 0, 0)) {}
  ~KeyFile() {
    if (fd_ != NGX_INVALID_FILE) {
      ngx_close_file(fd_);
    }
  }
  KeyFile(const KeyFile&) = delete;
  KeyFile& operator=(const KeyFile&) = delete;

  bool is_open() const noexcept { return fd_ != NGX_INVALID_FILE; }
  bool is_key_file() const noexcept {
    ngx_file_info_t info;
    return ngx_fd_info(fd_, &info) != NGX_FILE_ERROR && ngx_is_file(&info) &&
           ngx_file_size(&info) <= static_cast<off_t>(kMaxKeyFileBytes);
  }
  // False on an error, with errno set.
  bool append_to(std::string& text) const {
    char piece[4096];
    ssize_t n = 0;
    while ((n = ngx_read_fd(fd_, piece, sizeof(piece))) > 0) {
      text.append(piece, static_cast<std::size_t>(n));
    }
    return n == 0;
  }

 private:
  ngx_fd_t fd_;
};

// Turns `name` into the full path.
bool read_key_file(ngx_conf_t* cf, ngx_str_t& name, std::string& text) {
  if (ngx_conf_full_name(cf->cycle, &name, 1) != NGX_OK) {
    return false;
  }
  const KeyFile file(name);
  if (!file.is_open()) {
    ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno, ngx_open_file_n " \"%V\" failed", &name);
    return false;
  }
  if (!file.is_key_file()) {
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "pgevents: key \"%V\": %s", &name, kNotKeyFile);
    return false;
  }
  if (!file.append_to(text)) {
    ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno, ngx_read_file_n " \"%V\" failed", &name);
    return false;
  }
  return true;
}

// A secret signs tokens as well as it verifies them, and so does a key that others can replace.
void warn_of_access(ngx_conf_t* cf, const ngx_str_t& name, std::string_view text) {
  const OthersAccess others = others_access(std::string(view(name)));
  if (others.write) {
    ngx_conf_log_error(NGX_LOG_WARN, cf, 0, "pgevents: others can change key \"%V\"; chmod o-w it", &name);
  }
  if (others.read && holds_secret(text)) {
    ngx_conf_log_error(NGX_LOG_WARN, cf, 0, "pgevents: others can read the secret in \"%V\"; chmod 640 it", &name);
  }
}

char* add_key(ngx_conf_t* cf, AccessConf& access, const KeyOptions& options) {
  ngx_str_t name = argument(cf, 1);
  std::string text;
  if (!read_key_file(cf, name, text)) {
    return conf_error();
  }
  if (access.keys == nullptr) {
    access.keys = make_in_pool<JwtKeys>(cf->pool);
  }
  if (access.keys == nullptr) {
    return conf_error();
  }
  if (const auto fault = access.keys->add(text, options.kid, options.alg)) {
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "pgevents: key \"%V\": %s", &name, Printable(*fault).c_str());
    return conf_error();
  }
  warn_of_access(cf, name, text);
  return NGX_CONF_OK;
}

void merge_value(ngx_http_complex_value_t*& value, ngx_http_complex_value_t* inherited) noexcept {
  if (value == NGX_CONF_UNSET_PTR) {
    value = inherited == NGX_CONF_UNSET_PTR ? nullptr : inherited;
  }
}

}  // namespace

void init_access_conf(AccessConf& conf) noexcept {
  for (auto* value : {&conf.user, &conf.realm, &conf.subscribe, &conf.publish, &conf.anonymous}) {
    *value = static_cast<ngx_http_complex_value_t*>(NGX_CONF_UNSET_PTR);
  }
  conf.jwt_leeway = NGX_CONF_UNSET_MSEC;
  conf.jwt_query = NGX_CONF_UNSET;
  conf.jwt_require_exp = NGX_CONF_UNSET;
}

void merge_access_conf(const AccessConf& parent, AccessConf& conf) noexcept {
  merge_value(conf.user, parent.user);
  merge_value(conf.realm, parent.realm);
  merge_value(conf.subscribe, parent.subscribe);
  merge_value(conf.publish, parent.publish);
  merge_value(conf.anonymous, parent.anonymous);
  conf.keys = conf.keys != nullptr ? conf.keys : parent.keys;
  conf.origins = conf.origins != nullptr ? conf.origins : parent.origins;
  ngx_conf_merge_str_value(conf.jwt_cookie, parent.jwt_cookie, "");
  ngx_conf_merge_str_value(conf.jwt_audience, parent.jwt_audience, "");
  ngx_conf_merge_str_value(conf.jwt_issuer, parent.jwt_issuer, "");
  ngx_conf_merge_msec_value(conf.jwt_leeway, parent.jwt_leeway, 0);
  ngx_conf_merge_value(conf.jwt_query, parent.jwt_query, 0);
  ngx_conf_merge_value(conf.jwt_require_exp, parent.jwt_require_exp, 1);
}

// Patterns with variables are not checked: their values are known only when a request comes.
char* set_patterns(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) {
  const std::string_view patterns = view(argument(cf, 1));
  return guarded(cf->log, conf_error(), [&] {
    const bool has_variables = patterns.find('$') != std::string_view::npos;
    if (const auto doubt = has_variables ? std::nullopt : pattern_doubt(patterns)) {
      ngx_conf_log_error(NGX_LOG_WARN, cf, 0, "pgevents: %s", doubt->c_str());
    }
    return ngx_http_set_complex_value_slot(cf, cmd, conf);
  });
}

char* set_jwt_key(ngx_conf_t* cf, ngx_command_t*, void* conf) {
  KeyOptions options;
  for (ngx_uint_t i = 2; i < cf->args->nelts; ++i) {
    if (!options.take(view(argument(cf, i)))) {
      ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                         "pgevents: invalid parameter \"%V\"; behind the file stand at most one kid=ID and one alg=ALG",
                         &argument(cf, i));
      return conf_error();
    }
  }
  return guarded(cf->log, conf_error(), [&] { return add_key(cf, static_cast<LocConf*>(conf)->access, options); });
}

char* set_jwt_cookie(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) {
  if (!is_cookie_name(view(argument(cf, 1)))) {
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "pgevents: \"%V\" cannot be the name of a cookie; use letters, digits, \"_\" and \"-\"",
                       &argument(cf, 1));
    return conf_error();
  }
  return ngx_conf_set_str_slot(cf, cmd, conf);
}

char* set_allow_origin(ngx_conf_t* cf, ngx_command_t*, void* conf) {
  auto& access = static_cast<LocConf*>(conf)->access;
  return guarded(cf->log, conf_error(), [&] {
    if (access.origins == nullptr) {
      access.origins = make_in_pool<OriginRules>(cf->pool);
    }
    if (access.origins == nullptr) {
      return conf_error();
    }
    for (ngx_uint_t i = 1; i < cf->args->nelts; ++i) {
      if (const auto fault = access.origins->add(view(argument(cf, i)))) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "pgevents: origin \"%V\": %s", &argument(cf, i),
                           Printable(*fault).c_str());
        return conf_error();
      }
    }
    return static_cast<char*>(NGX_CONF_OK);
  });
}

}  // namespace pgevents::nginx
