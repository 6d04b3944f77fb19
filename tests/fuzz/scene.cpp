// Reads scenes. The path is decoded as nginx does it (but for `.`, `..` and `//`), and passed on in the client's form
// too; the other parts are passed on unchanged.
#include "scene.hpp"

#include <charconv>

#include "core/text/hex.hpp"
#include "tokens.hpp"

namespace pgevents::fuzzing {

namespace {

constexpr std::string_view kTokenMark = "@token";

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape =
        text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0;
    out += escape ? static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2])) : text[i];
    if (escape) {
      i += 2;
    }
  }
  return out;
}

std::string_view behind_space(std::string_view text) {
  if (!text.empty() && text.front() == ' ') {
    text.remove_prefix(1);
  }
  return text;
}

JwtKeys& keys() {
  static JwtKeys keys;
  if (keys.empty()) {
    require(!keys.add(shared_secret(), "", ""), "the secret is a key");
  }
  return keys;
}

// Every user whose name begins with `r` was revoked at 500 s. The arguments were checked before.
std::optional<Error> revoked(std::string_view user, std::int64_t issued_us) {
  require(name_is_sane(user), "only sane names are looked up", user);
  require(issued_us >= 0, "the time of issue is known or 0");
  if (user.front() != 'r' || issued_us >= 500000000) {
    return std::nullopt;
  }
  Error error = make_error(401, "The token was revoked", "TOKEN_REVOKED");
  error.challenge = "Bearer error=\"invalid_token\"";
  return error;
}

const NamePattern& names() {
  static std::string error;
  static const auto names = NamePattern::compile(kDefaultNamePattern, error);
  return *names;
}

}  // namespace

struct Scene::Words {
  static const std::map<std::string_view, std::string_view Request::*>& headers() {
    static const std::map<std::string_view, std::string_view Request::*> headers = {
        {"accept", &Request::accept},
        {"last-event-id", &Request::last_event_id},
        {"flavor", &Request::flavor},
        {"content-type", &Request::content_type},
        {"content-encoding", &Request::content_encoding},
        {"idempotency-key", &Request::idempotency_key},
        {"authorization", &Request::authorization},
        {"cookie", &Request::cookie},
        {"origin", &Request::origin},
        {"host", &Request::host},
        {"sec-fetch-site", &Request::sec_fetch_site},
        {"access-control-request-method", &Request::preflight_method},
    };
    return headers;
  }

  static const std::map<std::string_view, std::string_view AccessRules::*>& grants() {
    static const std::map<std::string_view, std::string_view AccessRules::*> grants = {
        {"!user", &AccessRules::user},           {"!realm", &AccessRules::realm},
        {"!subscribe", &AccessRules::subscribe}, {"!publish", &AccessRules::publish},
        {"!anonymous", &AccessRules::anonymous},
    };
    return grants;
  }
};

// The claims come first: other lines may name their token.
Scene::Scene(std::string_view input) {
  for (std::string_view rest = input; !rest.empty();) {
    std::string_view line = take(rest, '\n');
    if (take(line, ':') == "!claims") {
      token_ = hs256_token(R"({"alg":"HS256"})", behind_space(line), shared_secret());
    }
  }
  rules_.names = &names();
  rules_.access.token.keys = &keys();
  rules_.access.origins = &origins_;
  rules_.access.revoked = revoked;
  read_request_line(take(input, '\n'));
  while (!input.empty()) {
    read_line(take(input, '\n'));
  }
}

std::string_view Scene::keep(std::string_view text) {
  return parts_.emplace_back(text).view();
}

std::string Scene::with_token(std::string_view text) const {
  std::string out(text);
  const std::size_t mark = out.find(kTokenMark);
  if (mark != std::string::npos) {
    out.replace(mark, kTokenMark.size(), token_);
  }
  return out;
}

// Other parameters must not contain the token: an error may repeat them.
void Scene::read_request_line(std::string_view line) {
  request_.method = keep(take(line, ' '));
  const std::string_view path = take(line, '?');
  request_.path = keep(percent_decoded(path));
  request_.target = keep(path);
  const std::size_t mark = line.find("access_token=@token");
  request_.query = keep(mark == std::string_view::npos ? std::string(line) : with_token(line));
}

void Scene::read_line(std::string_view line) {
  const std::string_view name = take(line, ':');
  const std::string_view value = behind_space(line);
  if (name == "authorization" || name == "cookie") {
    request_.*Words::headers().at(name) = keep(with_token(value));
  } else if (const auto header = Words::headers().find(name); header != Words::headers().end()) {
    request_.*header->second = keep(value);
  } else {
    set_rule(name, keep(value));
  }
}

void Scene::set_rule(std::string_view name, std::string_view value) {
  TokenRules& token = rules_.access.token;
  if (const auto grant = Words::grants().find(name); grant != Words::grants().end()) {
    rules_.access.*grant->second = value;
  }
  if (name == "!base") {
    rules_.base = value;
  }
  if (name == "!https") {
    request_.https = true;
  }
  if (name == "!early") {
    request_.early_data = true;
  }
  if (name == "!rewritten") {
    request_.target = {};
  }
  if (name == "!origin") {
    origins_.add(value);
  }
  if (name == "!no-keys") {
    token.keys = nullptr;
  }
  if (name == "!query") {
    token.query = true;
  }
  if (name == "!cookie") {
    token.cookie = value;
  }
  if (name == "!audience") {
    token.audience = value;
  }
  if (name == "!issuer") {
    token.issuer = value;
  }
  if (name == "!without-exp") {
    token.require_exp = false;
  }
  if (name == "!max-channels") {
    rules_.max_channels = value.size();
  }
  if (name == "!leeway") {
    unsigned seconds = 0;
    std::from_chars(value.data(), value.data() + value.size(), seconds);
    token.leeway = seconds;
  }
}

}  // namespace pgevents::fuzzing
