// See password_files.hpp. The rules are libpq's (PostgreSQL manual, "The Password File" and "Client Certificates"); it
// reads these files in the workers, as their user, and reports a password file that it ignores on stderr only.
#include "ngx_module/conf/password_files.hpp"

#include <pwd.h>
#include <sys/stat.h>

#include <cerrno>
#include <string>

#include "ngx_module/conf/file_access.hpp"
#include "postgres/conninfo.hpp"

namespace pgevents::nginx {
namespace {

// The user of the workers: `user` stands before `http`, as a rule.
const passwd* worker_user(ngx_conf_t* cf) noexcept {
  if (geteuid() != 0) {
    return getpwuid(geteuid());
  }
  const auto* core = reinterpret_cast<ngx_core_conf_t*>(ngx_get_conf(cf->cycle->conf_ctx, ngx_core_module));
  return core->user != static_cast<ngx_uid_t>(NGX_CONF_UNSET_UINT) ? getpwuid(core->user) : getpwnam(NGX_USER);
}

void warn_of_configuration(ngx_conf_t* cf, const ngx_str_t& database) {
  const ngx_str_t& file = cf->conf_file->file.name;
  if (others_access(std::string(view(file))).read) {
    ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                       "pgevents: others can read the password of database \"%V\" in this file; chmod 640 it, or put "
                       "the password into a password file (passfile=)",
                       &database);
  }
}

// `given`: the operator names the file; otherwise it is the one that libpq looks for.
void warn_of_password_file(ngx_conf_t* cf, const std::string& file, bool given, const passwd* user) {
  struct stat info {};
  if (stat(file.c_str(), &info) != 0) {
    if (given) {
      ngx_conf_log_error(NGX_LOG_WARN, cf, ngx_errno, "pgevents: no password file \"%s\"", Printable(file).c_str());
    }
    return;
  }
  const char* why = nullptr;
  if (!S_ISREG(info.st_mode)) {
    why = "it is not a regular file";
  } else if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    why = "its group or others have access; chmod 600 it";
  } else if (user != nullptr && user->pw_uid != 0 && info.st_uid != user->pw_uid) {
    why = "it does not belong to the user of the workers (directive \"user\"); chown it";
  }
  if (why != nullptr) {
    ngx_conf_log_error(NGX_LOG_WARN, cf, 0, "pgevents: libpq ignores password file \"%s\": %s", Printable(file).c_str(),
                       why);
  }
}

// A key that belongs to root may be readable for its group.
void warn_of_key(ngx_conf_t* cf, const std::string& file, bool given) {
  struct stat info {};
  if (stat(file.c_str(), &info) != 0) {
    if (given) {
      ngx_conf_log_error(NGX_LOG_WARN, cf, ngx_errno, "pgevents: no key \"%s\" (sslkey=)", Printable(file).c_str());
    }
    return;
  }
  const mode_t forbidden = info.st_uid == 0 ? S_IWGRP | S_IXGRP | S_IRWXO : S_IRWXG | S_IRWXO;
  if ((info.st_mode & forbidden) != 0) {
    ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                       "pgevents: libpq rejects key \"%s\", because others have access; chmod 600 it, or 640 if it "
                       "belongs to root",
                       Printable(file).c_str());
  }
}

}  // namespace

void warn_of_open_files(ngx_conf_t* cf, const ngx_str_t& database, const PQconninfoOption* options) {
  const auto value = [options](const char* keyword) { return std::string(postgres::option_value(options, keyword)); };
  const bool has_password = !value("password").empty();
  if (has_password || !value("sslpassword").empty()) {
    warn_of_configuration(cf, database);
  }
  const passwd* const user = worker_user(cf);
  const std::string home = user != nullptr && user->pw_dir != nullptr ? user->pw_dir : "";
  if (!has_password) {
    const std::string file = value("passfile");
    warn_of_password_file(cf, file.empty() ? home + "/.pgpass" : file, !file.empty(), user);
  }
  const std::string key = value("sslkey");
  if (key.find(':') == std::string::npos) {  // otherwise it names an engine and its key
    warn_of_key(cf, key.empty() ? home + "/.postgresql/postgresql.key" : key, !key.empty());
  }
}

}  // namespace pgevents::nginx
