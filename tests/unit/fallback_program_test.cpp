// The real program: its own sockets and inherited ones, workers, signals, CGI, and requests while the database is away.
// The conformance suite tests its answers from a database.
#include <algorithm>

#include "fallback_program.hpp"

using namespace pgevents::testing;

namespace {

const std::vector<std::string> kEnvironment = {"PGEVENTS_DATABASE=host=/nonexistent password=geheim",
                                               "PGEVENTS_SUBSCRIBE=open*"};

struct Server {
  explicit Server(std::vector<std::string> more = {"--processes", "2"})
      : socket(scratch / "socket"), log(scratch / "log"), program(with_listen(std::move(more)), kEnvironment, log) {
    wait_until("the server answers", [this] { return !ask(socket, get_params("/nowhere")).empty(); });
  }
  std::vector<std::string> with_listen(std::vector<std::string> more) const {
    more.insert(more.end(), {"--listen", "unix:" + socket});
    return more;
  }
  Scratch scratch;
  std::string socket, log;
  Program program;
};

// A listening socket, as spawn-fcgi and systemd make one.
int listen_at(const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  const sockaddr_un address = unix_address(path);
  assert_that(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 && listen(fd, 16) == 0,
              "listen");
  return fd;
}

// Runs the program as a CGI program until it ends. Returns its standard output.
std::string cgi(std::vector<std::string> environment, std::vector<std::string> arguments = {},
                const std::string& body = "") {
  Scratch scratch;
  const std::string out = scratch / "out", in = scratch / "in";
  std::ofstream(in) << body;
  environment.insert(environment.end(), kEnvironment.begin(), kEnvironment.end());
  Program program(std::move(arguments), environment, scratch / "log", [&] {
    dup2(open(in.c_str(), O_RDONLY), STDIN_FILENO);
    dup2(open(out.c_str(), O_WRONLY | O_CREAT, 0600), STDOUT_FILENO);
  });
  program.exit_status();
  return file_text(out);
}

START_TEST(it_answers_over_a_socket_of_its_own) {
  Server server;
  assert_text(status_of(ask(server.socket, get_params("/events/closed"))), "Status: 403 Forbidden");
  Params options = get_params("/events/open");
  options[0].second = "OPTIONS";
  assert_text(ask(server.socket, options),
              "Status: 204 No Content\r\nAllow: GET, HEAD, POST, OPTIONS\r\n"
              "X-Content-Type-Options: nosniff\r\n\r\n");
  assert_text(status_of(ask(server.socket, {})), "Status: 404 Not Found");
}
END_TEST

// A misspelt setting must not be ignored silently.
START_TEST(settings_without_effect_are_logged) {
  Scratch scratch;
  auto environment = kEnvironment;
  environment.insert(environment.end(), {"PGEVENTS_SUBSCIRBE=a", "PGEVENTS_BASE=/rt", "PGEVENTS_PUBLISH=a {usr}"});
  const std::string socket = scratch / "socket", log = scratch / "log";
  Program program({"--processes", "1", "--listen", "unix:" + socket}, environment, log);
  Params params = get_params("/rt/events/closed");
  params.insert(params.end(), {{"PGEVENTS_JWT_KEY", "/k"}, {"PGEVENTS_USER", "10"}, {"HTTP_PGEVENTS_X", "1"}});
  wait_until("it answers", [&] { return status_of(ask(socket, params)) == "Status: 403 Forbidden"; });
  ask(socket, params);
  const std::string logged = file_text(log);
  const auto count = [&logged](const std::string& text) {
    unsigned times = 0;
    for (std::size_t at = 0; (at = logged.find(text, at)) != std::string::npos; ++at) {
      ++times;
    }
    return times;
  };
  ck_assert_uint_eq(count("environment variable PGEVENTS_SUBSCIRBE does not exist and has no effect"), 1);
  ck_assert_uint_eq(count("FastCGI parameter PGEVENTS_JWT_KEY does not exist and has no effect"), 1);
  ck_assert_uint_eq(count("no effect"), 2);
  ck_assert_uint_eq(count("only {user} and {realm} are replaced; check pattern '{usr}'"), 1);
}
END_TEST

START_TEST(without_a_database_it_answers_when_to_retry) {
  Server server;
  assert_text(ask(server.socket, get_params("/events/open")),
              "Status: 503 Service Unavailable\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n"
              "Retry-After: 5\r\nContent-Length: 85\r\nX-Content-Type-Options: nosniff\r\n\r\n"
              R"({"result":"error","code":"SERVICE_UNAVAILABLE","msg":"The database is not available"})");
  wait_until("the log has the reason",
             [&] { return file_text(server.log).find("/nonexistent/.s.PGSQL") != std::string::npos; });
  assert_that(file_text(server.log).find("geheim") == std::string::npos, "no password in the log");
}
END_TEST

START_TEST(parameters_of_the_web_server_replace_options) {
  Server server;
  Params params = get_params("/rt/events/open");
  params.emplace_back("PGEVENTS_SUBSCRIBE", "");
  assert_text(status_of(ask(server.socket, params)), "Status: 403 Forbidden");
  params.back().second = "open";
  assert_text(status_of(ask(server.socket, params)), "Status: 503 Service Unavailable");
  params.emplace_back("PGEVENTS_BASE", "/elsewhere");
  assert_text(status_of(ask(server.socket, params)), "Status: 404 Not Found");
  params = get_params("/events/closed");
  params.emplace_back("HTTP_PGEVENTS_SUBSCRIBE", "*");  // the parameter that a client's header becomes
  assert_text(status_of(ask(server.socket, params)), "Status: 403 Forbidden");
}
END_TEST

START_TEST(path_info_comes_before_document_uri_before_script_name) {
  Server server;
  const Params params = {{"REQUEST_METHOD", "OPTIONS"}, {"PATH_INFO", ""}, {"SCRIPT_NAME", "/events/a"}};
  assert_text(status_of(ask(server.socket, params)), "Status: 204 No Content");
  assert_text(status_of(ask(server.socket, {params[0], {"DOCUMENT_URI", "/x"}, params[2]})), "Status: 404 Not Found");
  assert_text(status_of(ask(server.socket, {params[0], {"PATH_INFO", "/events/a"}, {"DOCUMENT_URI", "/x"}})),
              "Status: 204 No Content");
}
END_TEST

START_TEST(a_kept_connection_serves_again_and_blocks_no_other) {
  Server server({"--processes", "1"});
  Connection kept(server.socket), other(server.socket);
  for (int i = 0; i < 3; ++i) {
    for (Connection* connection : {&kept, &other}) {
      ck_assert(connection->send(fastcgi_request(get_params("/nowhere"), true)));
      assert_text(status_of(connection->answer()), "Status: 404 Not Found");
    }
    assert_text(status_of(ask(server.socket, get_params("/nowhere"))), "Status: 404 Not Found");
  }
}
END_TEST

START_TEST(silent_and_broken_connections_block_no_other) {
  Server server({"--processes", "1"});
  Connection silent(server.socket), broken(server.socket);
  ck_assert(broken.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  {
    const std::string request = fastcgi_request(get_params("/nowhere"));
    for (std::size_t size = 0; size < request.size(); size += 7) {
      Connection(server.socket).send(request.substr(0, size));
    }
  }
  assert_text(status_of(ask(server.socket, get_params("/nowhere"))), "Status: 404 Not Found");
  ck_assert_uint_eq(server.program.workers().size(), 1);
}
END_TEST

START_TEST(a_dead_worker_is_replaced) {
  Server server;
  wait_until("two workers", [&] { return server.program.workers().size() == 2; });
  const auto before = server.program.workers();
  kill(before[0], SIGKILL);
  wait_until("another worker", [&] {
    const auto now = server.program.workers();
    return now.size() == 2 && std::count(now.begin(), now.end(), before[0]) == 0;
  });
  assert_text(status_of(ask(server.socket, get_params("/nowhere"))), "Status: 404 Not Found");
}
END_TEST

START_TEST(hup_replaces_all_workers) {
  Server server;
  wait_until("two workers", [&] { return server.program.workers().size() == 2; });
  const auto before = server.program.workers();
  server.program.signal(SIGHUP);
  wait_until("two other workers", [&] {
    const auto now = server.program.workers();
    return now.size() == 2 && std::find_first_of(now.begin(), now.end(), before.begin(), before.end()) == now.end();
  });
  assert_text(status_of(ask(server.socket, get_params("/nowhere"))), "Status: 404 Not Found");
}
END_TEST

START_TEST(term_int_and_quit_end_it_cleanly) {
  for (const int number : {SIGTERM, SIGINT, SIGQUIT}) {
    Server server;
    const auto workers = server.program.workers();
    server.program.signal(number);
    ck_assert_int_eq(server.program.exit_status(), 0);
    for (const pid_t worker : workers) {
      ck_assert_int_ne(kill(worker, 0), 0);
    }
    ck_assert_int_ne(access(server.socket.c_str(), F_OK), 0);
  }
}
END_TEST

START_TEST(workers_do_not_outlive_a_killed_master) {
  Server server;
  wait_until("two workers", [&] { return server.program.workers().size() == 2; });
  const auto workers = server.program.workers();
  server.program.signal(SIGKILL);
  ck_assert_int_eq(server.program.exit_status(), -1);
  for (const pid_t worker : workers) {
    wait_until("the worker ends", [&] {
      const std::string stat = file_text("/proc/" + std::to_string(worker) + "/stat");
      return stat.empty() || stat.find(") Z ") != std::string::npos;
    });
  }
}
END_TEST

START_TEST(the_connection_string_is_not_among_the_arguments) {
  Server server({"--processes", "1", "--database", "host=/nonexistent password=geheim"});
  const std::string arguments = file_text("/proc/" + std::to_string(server.program.pid()) + "/cmdline");
  assert_that(arguments.find("--database") != std::string::npos, "the option is there");
  assert_that(arguments.find("geheim") == std::string::npos, "its value is not");
}
END_TEST

START_TEST(a_socket_in_use_stays_and_a_stale_one_is_replaced) {
  Server server;
  Program second({"--listen", "unix:" + server.socket}, kEnvironment, server.log);
  ck_assert_int_eq(second.exit_status(), 2);
  assert_text(status_of(ask(server.socket, get_params("/nowhere"))), "Status: 404 Not Found");
  server.program.signal(SIGKILL);
  server.program.exit_status();
  Program third({"--listen", "unix:" + server.socket, "--socket-mode", "600"}, kEnvironment, server.log);
  wait_until("the third one answers", [&] { return !ask(server.socket, get_params("/nowhere")).empty(); });
}
END_TEST

START_TEST(a_file_that_is_not_a_socket_stays) {
  Scratch scratch;
  std::ofstream(scratch / "socket") << "precious";
  Program program({"--listen", "unix:" + (scratch / "socket")}, kEnvironment, scratch / "log");
  ck_assert_int_eq(program.exit_status(), 2);
  assert_text(file_text(scratch / "socket"), "precious");
}
END_TEST

START_TEST(it_uses_the_socket_of_spawn_fcgi) {
  Scratch scratch;
  const int fd = listen_at(scratch / "socket");
  Program program({}, kEnvironment, scratch / "log", [fd] { dup2(fd, STDIN_FILENO); });
  close(fd);
  assert_text(status_of(ask(scratch / "socket", get_params("/nowhere"))), "Status: 404 Not Found");
  program.signal(SIGTERM);
  ck_assert_int_eq(program.exit_status(), 0);
  ck_assert_int_eq(access((scratch / "socket").c_str(), F_OK), 0);  // its file belongs to spawn-fcgi
}
END_TEST

START_TEST(it_uses_the_socket_of_systemd) {
  Scratch scratch;
  const int fd = listen_at(scratch / "socket");
  auto environment = kEnvironment;
  environment.push_back("LISTEN_FDS=1");
  Program program({"--processes", "2"}, environment, scratch / "log", [fd] {
    const int away = fcntl(fd, F_DUPFD, 10);
    dup2(away, 3);
  });
  close(fd);
  assert_text(status_of(ask(scratch / "socket", get_params("/nowhere"))), "Status: 404 Not Found");
  wait_until("two workers", [&] { return program.workers().size() == 2; });
  program.signal(SIGTERM);
  ck_assert_int_eq(program.exit_status(), 0);
}
END_TEST

START_TEST(it_answers_one_request_as_cgi) {
  assert_text(cgi({"GATEWAY_INTERFACE=CGI/1.1", "REQUEST_METHOD=GET", "PATH_INFO=/events/closed"}),
              "Status: 403 Forbidden\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n"
              "Content-Length: 81\r\nX-Content-Type-Options: nosniff\r\n\r\n"
              R"({"result":"error","code":"FORBIDDEN","msg":"Not authorized for channel 'closed'"})");
  assert_text(status_of(cgi({"REQUEST_METHOD=HEAD", "PATH_INFO=/events/open"})), "Status: 503 Service Unavailable");
}
END_TEST

START_TEST(cgi_arguments_from_a_query_are_not_options) {
  const std::vector<std::string> request = {"REQUEST_METHOD=OPTIONS", "PATH_INFO=/events/open"};
  auto with_query = request;
  with_query.push_back("QUERY_STRING=--help");
  assert_text(status_of(cgi(with_query, {"--help"})), "Status: 204 No Content");
  assert_that(cgi(request, {"--help"}).find("--listen") != std::string::npos, "without a query they are");
}
END_TEST

START_TEST(bodies_are_checked_before_the_database_is_asked) {
  const std::vector<std::string> post = {"REQUEST_METHOD=POST", "PATH_INFO=/events/a", "PGEVENTS_PUBLISH=*",
                                         "PGEVENTS_MAX_EVENT_SIZE=20"};
  const struct {
    const char* length;
    std::string body;
    const char* status;
  } rows[] = {{"2", "{}", "Status: 400 Bad Request"},
              {"", "{}", "Status: 400 Bad Request"},
              {"30", "{}", "Status: 413 Content Too Large"},
              {"99999999999999999999999999", "{}", "Status: 413 Content Too Large"},
              {"", std::string(21, ' '), "Status: 413 Content Too Large"},
              {"20", "{\"type\":\"t\"}", "Status: 400 Bad Request"},  // ends too early
              {"12", "{\"type\":\"t\"}", "Status: 503 Service Unavailable"},
              {"12", "{\"type\":\"t\"}and what follows", "Status: 503 Service Unavailable"},
              {"", "{\"type\":\"t\"}", "Status: 503 Service Unavailable"},
              {"-1", "{\"type\":\"t\"}", "Status: 503 Service Unavailable"}};
  for (const auto& row : rows) {
    auto environment = post;
    environment.push_back(std::string("CONTENT_LENGTH=") + row.length);
    assert_text(status_of(cgi(environment, {}, row.body)), row.status, row.length + (" " + row.body));
  }
}
END_TEST

START_TEST(calls_are_checked_before_the_database_is_asked) {
  const struct {
    std::vector<std::string> more;
    std::string body;
    const char* status;
  } rows[] = {
      {{"REQUEST_METHOD=POST", "PATH_INFO=/typing"}, "{}", "Status: 401 Unauthorized"},
      {{"REQUEST_METHOD=POST", "PATH_INFO=/settings", "PGEVENTS_USER=10"}, "{}", "Status: 405 Method Not Allowed"},
      {{"REQUEST_METHOD=PATCH", "PATH_INFO=/settings", "PGEVENTS_USER=10", "CONTENT_TYPE=text/plain"},
       "{}",
       "Status: 415 Unsupported Media Type"},
      {{"REQUEST_METHOD=PATCH", "PATH_INFO=/settings", "PGEVENTS_USER=10"}, "[]", "Status: 400 Bad Request"},
      {{"REQUEST_METHOD=PATCH", "PATH_INFO=/settings", "PGEVENTS_USER=10", "PGEVENTS_MAX_EVENT_SIZE=1"},
       "{}",
       "Status: 413 Content Too Large"},
      {{"REQUEST_METHOD=GET", "PATH_INFO=/realm/presence", "PGEVENTS_USER=10", "QUERY_STRING=a=1&a=2"},
       "",
       "Status: 400 Bad Request"},
      {{"REQUEST_METHOD=PATCH", "PATH_INFO=/settings", "PGEVENTS_USER=10"}, "{}", "Status: 503 Service Unavailable"},
      {{"REQUEST_METHOD=POST", "PATH_INFO=/typing", "PGEVENTS_USER=10"}, "", "Status: 503 Service Unavailable"},
  };
  for (const auto& row : rows) {
    assert_text(status_of(cgi(row.more, {}, row.body)), row.status, row.more[1] + row.body);
  }
}
END_TEST

START_TEST(heads_of_calls_have_no_body) {
  for (const char* query : {"QUERY_STRING=", "QUERY_STRING=a=1&a=2"}) {
    const std::string answer = cgi({"REQUEST_METHOD=HEAD", "PATH_INFO=/realm/presence", "PGEVENTS_USER=10", query});
    assert_that(answer.find("Content-Length: ") != std::string::npos, answer);
    assert_text(answer.substr(answer.find("\r\n\r\n")), "\r\n\r\n");
  }
}
END_TEST

START_TEST(without_socket_and_request_it_names_the_option) {
  Scratch scratch;
  Program program({}, kEnvironment, scratch / "log");
  ck_assert_int_eq(program.exit_status(), 2);
  assert_that(file_text(scratch / "log").find("use --listen") != std::string::npos, file_text(scratch / "log"));
}
END_TEST

START_TEST(a_bad_connection_string_is_rejected_by_its_keyword_and_not_quoted) {
  Scratch scratch;
  Program program({"--listen", "unix:" + (scratch / "socket"), "--database", "pord=7777 password=geheim"}, {},
                  scratch / "log");
  ck_assert_int_eq(program.exit_status(), 2);
  const std::string log = file_text(scratch / "log");
  assert_that(log.find("not a valid connection string: unknown keyword \"pord\"") != std::string::npos,
              "the keyword is logged");
  assert_that(log.find("geheim") == std::string::npos && log.find("7777") == std::string::npos, "no value is");
}
END_TEST

}  // namespace

int main() {
  return run("fallback_program", {
                                     it_answers_over_a_socket_of_its_own,
                                     settings_without_effect_are_logged,
                                     without_a_database_it_answers_when_to_retry,
                                     parameters_of_the_web_server_replace_options,
                                     path_info_comes_before_document_uri_before_script_name,
                                     a_kept_connection_serves_again_and_blocks_no_other,
                                     silent_and_broken_connections_block_no_other,
                                     a_dead_worker_is_replaced,
                                     hup_replaces_all_workers,
                                     term_int_and_quit_end_it_cleanly,
                                     workers_do_not_outlive_a_killed_master,
                                     the_connection_string_is_not_among_the_arguments,
                                     a_socket_in_use_stays_and_a_stale_one_is_replaced,
                                     a_file_that_is_not_a_socket_stays,
                                     it_uses_the_socket_of_spawn_fcgi,
                                     it_uses_the_socket_of_systemd,
                                     it_answers_one_request_as_cgi,
                                     cgi_arguments_from_a_query_are_not_options,
                                     bodies_are_checked_before_the_database_is_asked,
                                     calls_are_checked_before_the_database_is_asked,
                                     heads_of_calls_have_no_body,
                                     without_socket_and_request_it_names_the_option,
                                     a_bad_connection_string_is_rejected_by_its_keyword_and_not_quoted,
                                 });
}
