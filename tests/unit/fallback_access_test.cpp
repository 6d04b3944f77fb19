// Access at the real program: what it takes from web server, headers and key files, what it logs and what it keeps
// secret. It has no database, so that a request with access is answered with 503. The conformance suite tests the
// rules.
#include <sys/stat.h>

#include <algorithm>
#include <ctime>

#include "fallback_program.hpp"
#include "jwt_testing.hpp"

using namespace pgevents::testing;

namespace {

constexpr char kHasAccess[] = "Status: 503 Service Unavailable";
constexpr char kUnauthorized[] = "Status: 401 Unauthorized";
constexpr char kForbidden[] = "Status: 403 Forbidden";
const std::string kOtherSecret = "fedcba9876543210fedcba9876543210";
const std::vector<std::string> kNoDatabase = {"PGEVENTS_DATABASE=host=/nonexistent"};

// Without `sub`, so that the database is not asked whether it was revoked.
std::string grant_token(const std::string& secret = kSecret, const std::string& more = "") {
  const std::string payload = R"({"exp":)" + std::to_string(std::time(nullptr) + 600) + more +
                              R"(,"pgevents":{"subscribe":["closed"],"publish":["closed"]}})";
  return token(oct_key(secret), "HS256", payload);
}

void write_key(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::trunc) << text;
}

// A server with one worker and one key.
struct Server {
  explicit Server(std::vector<std::string> more = {})
      : socket(scratch / "socket"),
        log(scratch / "log"),
        key(scratch / "key"),
        program(arguments(more), kNoDatabase, log) {
    wait_until("the server answers", [this] { return !ask(socket, get_params("/nowhere")).empty(); });
  }

  std::vector<std::string> arguments(std::vector<std::string> more) const {
    write_key(key, kSecret);
    more.insert(more.end(), {"--listen", "unix:" + socket, "--processes", "1", "--jwt-key", key + " kid=a alg=HS256"});
    return more;
  }

  std::string get(const Params& more, const char* path = "/events/closed", std::string* web_log = nullptr) const {
    Params params = more;
    for (const auto& param : get_params(path)) {
      const auto same = [&](const auto& other) { return other.first == param.first; };
      if (std::none_of(more.begin(), more.end(), same)) {
        params.push_back(param);
      }
    }
    return ask(socket, params, web_log);
  }
  std::string status(const Params& more, const char* path = "/events/closed") const {
    return status_of(get(more, path));
  }

  Scratch scratch;
  std::string socket, log, key;
  Program program;
};

Params bearer(const std::string& token) {
  return {{"HTTP_AUTHORIZATION", "Bearer " + token}};
}

START_TEST(parameters_of_the_web_server_count_and_headers_of_clients_do_not) {
  const Server server;
  const struct {
    const char* name;
    const char* value;
    const char* path;
  } rows[] = {{"PGEVENTS_USER", "10", "/events/user:10"},
              {"PGEVENTS_SUBSCRIBE", "closed", "/events/closed"},
              {"PGEVENTS_ANONYMOUS", "closed", "/events/closed"}};
  for (const auto& row : rows) {
    assert_text(server.status({{row.name, row.value}}, row.path), kHasAccess, row.name);
    // The parameter that a client's header becomes.
    assert_text(server.status({{std::string("HTTP_") + row.name, row.value}}, row.path), kUnauthorized, row.name);
    assert_text(server.status({{row.name, ""}}, row.path), kUnauthorized, row.name);
  }
}
END_TEST

START_TEST(the_web_server_decides_what_may_be_published) {
  const Server server;
  const Params post = {{"REQUEST_METHOD", "POST"}, {"PGEVENTS_PUBLISH", "closed"}};
  assert_text(server.status(post), "Status: 400 Bad Request");  // has access, but no body
  assert_text(server.status({post[0], {"HTTP_PGEVENTS_PUBLISH", "closed"}}), kUnauthorized);
}
END_TEST

START_TEST(the_realm_comes_from_option_or_web_server) {
  const Server server({"--realm", "dairy", "--subscribe", "{realm}"});
  assert_text(server.status({}, "/events/dairy"), kHasAccess);
  assert_text(server.status({{"PGEVENTS_REALM", "cellar"}}, "/events/cellar"), kHasAccess);
  assert_text(server.status({{"PGEVENTS_REALM", ""}}, "/events/main"), kHasAccess);
  assert_text(server.status(bearer(grant_token(kSecret, R"(,"realm":"dairy")"))), kHasAccess);
  assert_text(server.status(bearer(grant_token(kSecret, R"(,"realm":"cellar")"))), kUnauthorized);
}
END_TEST

START_TEST(tokens_are_taken_from_header_cookie_and_query) {
  const Server server({"--jwt-cookie", "t", "--jwt-query", "on"});
  const std::string good = grant_token(), forged = grant_token(kOtherSecret);
  for (const auto& [token, status] : {std::pair{good, kHasAccess}, {forged, kUnauthorized}}) {
    assert_text(server.status(bearer(token)), status);
    assert_text(server.status({{"HTTP_COOKIE", "a=b; t=" + token}}), status);
    assert_text(server.status({{"QUERY_STRING", "access_token=" + token}}), status);
    // Two headers, as nginx before 1.23 passes them on.
    assert_text(server.status({{"HTTP_COOKIE", "a=b"}, {"HTTP_COOKIE", "t=" + token}}), status);
  }
  assert_text(server.status({}), kUnauthorized);
}
END_TEST

START_TEST(cookie_and_query_are_ignored_without_their_options) {
  const Server server;
  assert_text(server.status({{"HTTP_COOKIE", "t=" + grant_token()}, {"QUERY_STRING", "access_token=" + grant_token()}}),
              kUnauthorized);
}
END_TEST

START_TEST(a_rejection_names_the_channel_and_a_challenge) {
  const Server server;
  assert_text(server.get({}),
              "Status: 401 Unauthorized\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n"
              "WWW-Authenticate: Bearer\r\nContent-Length: 93\r\nX-Content-Type-Options: nosniff\r\n\r\n"
              R"({"result":"error","code":"UNAUTHORIZED","msg":"Authentication required for channel 'closed'"})");
  assert_text(server.get(bearer("x")),
              "Status: 401 Unauthorized\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n"
              "WWW-Authenticate: Bearer error=\"invalid_token\"\r\nContent-Length: 62\r\nX-Content-Type-Options: "
              "nosniff\r\n\r\n"
              R"({"result":"error","code":"UNAUTHORIZED","msg":"Invalid token"})");
}
END_TEST

START_TEST(without_a_database_requests_with_a_user_are_answered_with_503) {
  const Server server;
  const std::string payload = R"({"sub":"10","exp":)" + std::to_string(std::time(nullptr) + 600);
  const std::string good = token_of(payload + R"(,"pgevents":{"subscribe":["closed"]}})");
  assert_text(server.status(bearer(good)), kHasAccess);
  Params stream = bearer(good);
  stream.emplace_back("HTTP_ACCEPT", "text/event-stream");
  assert_text(server.status(stream), "Status: 200 OK");
  assert_text(server.status(bearer(token_of(payload + '}'))), kForbidden);  // as it would be with a database
  assert_text(server.status({{"PGEVENTS_USER", "10"}}), kForbidden);
}
END_TEST

START_TEST(rejections_are_logged_without_the_token) {
  const Server server({"--jwt-query", "on"});
  const std::string forged = grant_token(kOtherSecret);
  std::string web_log;
  server.get(bearer(forged), "/events/closed", &web_log);
  assert_text(web_log, "");  // would log it as an error of the server
  assert_that(file_text(server.log).find("rejected: Invalid token: ") != std::string::npos, file_text(server.log));
  for (const std::string& part : {forged.substr(0, 20), forged.substr(forged.size() - 43)}) {
    assert_that(file_text(server.log).find(part) == std::string::npos, "no part of the token in the log");
  }
}
END_TEST

START_TEST(the_web_server_gets_no_log_line_of_a_request_with_a_token_in_the_query) {
  const std::string forged = grant_token(kOtherSecret);
  for (const std::string& query : {"a=b&access_token=" + forged, "access%5Ftoken=" + forged}) {
    const Server server({"--jwt-query", "on", "--subscribe", "*"});
    std::string web_log;
    server.get({{"QUERY_STRING", query}}, "/events/closed", &web_log);
    server.get({{"QUERY_STRING", query}, {"PGEVENTS_USER", "10"}}, "/events/closed", &web_log);
    assert_text(web_log, "", query);
    for (const char* line : {"rejected: Invalid token: ", "no connection to the database"}) {
      assert_that(file_text(server.log).find(line) != std::string::npos, line);
    }
    assert_that(file_text(server.log).find(forged.substr(0, 20)) == std::string::npos, "the token");
  }
  const Server server({"--jwt-query", "on", "--subscribe", "*"});
  std::string web_log;
  server.get({{"QUERY_STRING", "a=access_token"}}, "/events/closed", &web_log);
  assert_that(web_log.find("no connection to the database") == 0, "it gets those of other requests");
}
END_TEST

START_TEST(a_flood_of_rejections_is_not_logged_one_by_one) {
  const Server server;
  for (int i = 0; i < 200; ++i) {
    assert_text(server.status(bearer("x")), kUnauthorized);
  }
  const std::string text = file_text(server.log);
  std::size_t lines = 0;
  for (std::size_t at = text.find("rejected: "); at != std::string::npos; at = text.find("rejected: ", at + 1)) {
    ++lines;
  }
  ck_assert_uint_ge(lines, 1);
  ck_assert_uint_lt(lines, 100);
}
END_TEST

START_TEST(every_response_has_its_cors_headers) {
  const Server server({"--allow-origin", "https://app.example", "--subscribe", "open"});
  const Params from_app = {{"HTTP_ORIGIN", "https://app.example"}},
               from_elsewhere = {{"HTTP_ORIGIN", "https://b.example"}};
  for (const char* path : {"/events/open", "/events/closed", "/nowhere", "/events/"}) {
    const std::string answer = server.get(from_app, path);
    for (const char* header : {"\r\nVary: Origin\r\n", "\r\nAccess-Control-Allow-Origin: https://app.example\r\n",
                               "\r\nAccess-Control-Allow-Credentials: true\r\n"}) {
      assert_that(answer.find(header) != std::string::npos, answer);
    }
    assert_that(server.get(from_elsewhere, path).find("Access-Control") == std::string::npos, path);
    assert_that(server.get(from_elsewhere, path).find("\r\nVary: Origin\r\n") != std::string::npos, path);
  }
  Params preflight = from_app;
  preflight.insert(preflight.end(), {{"REQUEST_METHOD", "OPTIONS"}, {"HTTP_ACCESS_CONTROL_REQUEST_METHOD", "POST"}});
  const std::string answer = server.get(preflight);
  assert_text(status_of(answer), "Status: 204 No Content");
  assert_that(answer.find("\r\nAccess-Control-Allow-Methods: GET, HEAD, POST\r\n") != std::string::npos, answer);
}
END_TEST

START_TEST(a_post_must_come_from_this_site_by_scheme_and_host) {
  const Server server({"--publish", "open"});
  const Params post = {{"REQUEST_METHOD", "POST"}, {"HTTP_HOST", "h"}, {"HTTP_ORIGIN", "http://h"}};
  const auto status_with = [&](const char* name, const char* value) {
    Params params = post;
    params.emplace_back(name, value);
    return server.status(params, "/events/open");
  };
  // Has access: then the empty body is the error.
  for (const auto& [name, value] : {std::pair{"HTTPS", ""}, {"HTTPS", "off"}, {"REQUEST_SCHEME", "http"}}) {
    assert_text(status_with(name, value), "Status: 400 Bad Request", value);
  }
  for (const auto& [name, value] : {std::pair{"HTTPS", "on"}, {"REQUEST_SCHEME", "https"}}) {
    assert_text(status_with(name, value), kForbidden, value);
  }
  assert_text(status_with("HTTP_SEC_FETCH_SITE", "cross-site"), kForbidden);
  assert_text(status_with("HTTP_SEC_FETCH_SITE", "same-site"), "Status: 400 Bad Request");
}
END_TEST

// --- key files ---

void wait_for_status(const Server& server, const std::string& token, const char* status) {
  wait_until(status, [&] { return server.status(bearer(token)) == status; });
}

START_TEST(hup_reads_new_keys_and_a_bad_file_keeps_the_last_good_ones) {
  const Server server;
  const std::string old = grant_token(), fresh = grant_token(kOtherSecret);
  assert_text(server.status(bearer(old)), kHasAccess);
  write_key(server.key, kOtherSecret);
  server.program.signal(SIGHUP);
  wait_for_status(server, fresh, kHasAccess);
  assert_text(server.status(bearer(old)), kUnauthorized);
  for (const std::string& bad : {std::string("short"), std::string(1 << 21, 'x'), std::string("{\"kty\":")}) {
    const auto before = server.program.workers();
    write_key(server.key, bad);
    server.program.signal(SIGHUP);
    wait_until("another worker",
               [&] { return server.program.workers().size() == 1 && server.program.workers() != before; });
    assert_text(server.status(bearer(fresh)), kHasAccess, bad.substr(0, 10));
    assert_text(server.status(bearer(old)), kUnauthorized, bad.substr(0, 10));
  }
  const std::string log = file_text(server.log);
  assert_that(log.find("--jwt-key: " + server.key + ": ") != std::string::npos, log);
  assert_that(log.find("; the keys stay as they were") != std::string::npos, log);
}
END_TEST

START_TEST(a_replaced_worker_has_the_same_keys) {
  const Server server;
  const auto before = server.program.workers();
  write_key(server.key, kOtherSecret);
  kill(before[0], SIGKILL);
  wait_until("another worker",
             [&] { return server.program.workers().size() == 1 && server.program.workers() != before; });
  assert_text(server.status(bearer(grant_token())), kHasAccess);
}
END_TEST

START_TEST(bad_keys_and_origins_are_rejected_at_the_start_without_quoting_them) {
  Scratch scratch;
  const std::string key = scratch / "key", fifo = scratch / "in";
  ck_assert_int_eq(mkfifo(fifo.c_str(), 0600), 0);
  const std::string rsa = private_pem(rsa_key());
  const struct {
    std::string text;
    std::vector<std::string> arguments;
    std::string complaint;
  } rows[] = {{"geheim", {"--jwt-key", key}, "--jwt-key: " + key + ": "},
              {rsa, {"--jwt-key", key}, "--jwt-key: " + key + ": "},
              {kSecret, {"--jwt-key", key + " alg=RS256"}, "--jwt-key: " + key + ": "},
              {kSecret, {"--jwt-key", key + " color=red"}, "--jwt-key: give a file"},
              {kSecret, {"--jwt-key", key + " kid="}, "--jwt-key: give a file"},
              {kSecret, {"--jwt-key", key + " kid=a kid=b"}, "--jwt-key: give a file"},
              {kSecret, {"--jwt-key", key + ";" + fifo}, "--jwt-key: " + fifo + ": not a regular file"},
              {kSecret, {"--jwt-key", scratch / "nothing"}, "No such file or directory"},
              {std::string(1 << 21, 'x'),
               {"--jwt-key", key},
               "--jwt-key: " + key + ": not a regular file of at most 1 MiB; name the file of the key"},
              {kSecret, {"--jwt-key", "/tmp"}, "--jwt-key: /tmp: not a regular file"},
              {kSecret, {"--allow-origin", "app.example"}, "--allow-origin: "},
              {kSecret, {"--allow-origin", "~("}, "--allow-origin: "}};
  for (const auto& row : rows) {
    write_key(key, row.text);
    unlink((scratch / "log").c_str());
    auto arguments = row.arguments;
    arguments.insert(arguments.end(), {"--listen", "unix:" + (scratch / "socket")});
    Program program(arguments, kNoDatabase, scratch / "log");
    ck_assert_int_eq(program.exit_status(), 2);
    const std::string log = file_text(scratch / "log");
    assert_that(log.find(row.complaint) != std::string::npos, row.complaint + " in " + log);
    for (const std::string& secret : {kSecret.substr(0, 16), std::string("geheim"), rsa.substr(100, 40)}) {
      assert_that(log.find(secret) == std::string::npos, log);
    }
  }
}
END_TEST

START_TEST(neither_arguments_nor_environment_hold_a_key) {
  const Server server;
  for (const char* name : {"/cmdline", "/environ"}) {
    const std::string text = file_text("/proc/" + std::to_string(server.program.workers()[0]) + name);
    assert_that(!text.empty() && text.find(kSecret) == std::string::npos, name);
  }
}
END_TEST

}  // namespace

int main() {
  return run("fallback_access", {
                                    parameters_of_the_web_server_count_and_headers_of_clients_do_not,
                                    the_web_server_decides_what_may_be_published,
                                    the_realm_comes_from_option_or_web_server,
                                    tokens_are_taken_from_header_cookie_and_query,
                                    cookie_and_query_are_ignored_without_their_options,
                                    a_rejection_names_the_channel_and_a_challenge,
                                    without_a_database_requests_with_a_user_are_answered_with_503,
                                    rejections_are_logged_without_the_token,
                                    the_web_server_gets_no_log_line_of_a_request_with_a_token_in_the_query,
                                    a_flood_of_rejections_is_not_logged_one_by_one,
                                    every_response_has_its_cors_headers,
                                    a_post_must_come_from_this_site_by_scheme_and_host,
                                    hup_reads_new_keys_and_a_bad_file_keeps_the_last_good_ones,
                                    a_replaced_worker_has_the_same_keys,
                                    bad_keys_and_origins_are_rejected_at_the_start_without_quoting_them,
                                    neither_arguments_nor_environment_hold_a_key,
                                });
}
