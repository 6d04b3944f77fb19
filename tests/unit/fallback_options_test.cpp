// The fallback's options: environment, arguments, what is rejected, and that no secret stays visible or is quoted.
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "checks.hpp"
#include "fcgi_fallback/options.hpp"

using namespace pgevents;
using namespace pgevents::testing;
using fallback::ProgramOptions;

namespace {

// An argument vector that can be written to, as that of main().
struct Arguments {
  explicit Arguments(std::vector<std::string> words) : words(std::move(words)) {
    this->words.insert(this->words.begin(), "pgevents-fcgi");
    for (std::string& word : this->words) {
      pointers.push_back(word.data());
    }
  }
  std::vector<std::string> words;
  std::vector<char*> pointers;
};

// What is wrong with these arguments; "" if nothing is.
std::string read(Arguments& arguments, ProgramOptions& options) {
  return fallback::read_options(static_cast<int>(arguments.pointers.size()), arguments.pointers.data(), options)
      .value_or("");
}

std::string problem_of(std::vector<std::string> words) {
  Arguments arguments(std::move(words));
  ProgramOptions options;
  return read(arguments, options);
}

// An environment variable during a test.
struct Variable {
  Variable(const char* name, const char* value) : name(name) { setenv(name, value, 1); }
  ~Variable() { unsetenv(name); }
  const char* name;
};

START_TEST(without_options_no_request_has_access) {
  ProgramOptions options;
  Arguments none({});
  assert_text(read(none, options), "");
  assert_text(options.subscribe, "");
  assert_text(options.publish, "");
  assert_text(options.anonymous, "");
  ck_assert(options.jwt_keys.empty() && options.allow_origins.empty());
  assert_text(options.channel_pattern, kDefaultNamePattern);
  ck_assert_uint_eq(options.max_channels, 64);
  ck_assert_uint_eq(options.max_event_size, 2097152);
  ck_assert_uint_eq(options.poll_interval, 5);
  ck_assert(options.presence);
}
END_TEST

START_TEST(values_follow_as_a_word_or_behind_an_equals_sign) {
  ProgramOptions options;
  Arguments arguments({"--listen", "unix:/run/x.sock", "--subscribe=a* b", "--publish", "", "--base=/rt",
                       "--processes=3", "--socket-mode", "666", "--backlog=10", "--max-channels", "5",
                       "--poll-interval=10", "--channel-pattern", "[0-9]=+", "--presence=off"});
  assert_text(read(arguments, options), "");
  assert_text(options.listen, "unix:/run/x.sock");
  assert_text(options.subscribe, "a* b");
  assert_text(options.base, "/rt");
  assert_text(options.channel_pattern, "[0-9]=+");
  ck_assert_uint_eq(options.processes, 3);
  ck_assert_uint_eq(options.socket_mode, 0666);
  ck_assert_int_eq(options.backlog, 10);
  ck_assert_uint_eq(options.max_channels, 5);
  ck_assert_uint_eq(options.poll_interval, 10);
  ck_assert(!options.presence);
}
END_TEST

START_TEST(arguments_take_precedence_over_the_environment) {
  const Variable database("PGEVENTS_DATABASE", "dbname=env"), subscribe("PGEVENTS_SUBSCRIBE", "env"),
      size("PGEVENTS_MAX_EVENT_SIZE", "64k"), empty("PGEVENTS_POLL_INTERVAL", ""), presence("PGEVENTS_PRESENCE", "off");
  ProgramOptions options;
  Arguments arguments({"--subscribe", "argument"});
  assert_text(read(arguments, options), "");
  assert_text(options.database, "dbname=env");
  assert_text(options.subscribe, "argument");
  ck_assert_uint_eq(options.max_event_size, 65536);
  ck_assert(!options.presence);
  ck_assert_uint_eq(options.poll_interval, 5);
}
END_TEST

START_TEST(options_of_access_are_read) {
  ProgramOptions options;
  Arguments arguments({"--anonymous", "news.*", "--realm=dairy", "--jwt-key", "/a kid=1 alg=RS256", "--jwt-key=/b;/c",
                       "--jwt-cookie", "__Host-t", "--jwt-query=on", "--jwt-audience", "shop", "--jwt-issuer",
                       "https://i.example", "--jwt-leeway=30", "--jwt-require-exp", "off", "--allow-origin",
                       "https://a.example  https://b.example", "--allow-origin=~https://.*"});
  assert_text(read(arguments, options), "");
  assert_text(options.anonymous, "news.*");
  assert_text(options.realm, "dairy");
  ck_assert((options.jwt_keys == std::vector<std::string>{"/a kid=1 alg=RS256", "/b", "/c"}));
  assert_text(options.jwt_cookie, "__Host-t");
  ck_assert(options.jwt_query && !options.jwt_require_exp);
  assert_text(options.jwt_audience, "shop");
  assert_text(options.jwt_issuer, "https://i.example");
  ck_assert_uint_eq(options.jwt_leeway, 30);
  ck_assert(
      (options.allow_origins == std::vector<std::string>{"https://a.example", "https://b.example", "~https://.*"}));
}
END_TEST

START_TEST(without_options_tokens_are_checked_strictly) {
  ProgramOptions options;
  Arguments none({});
  assert_text(read(none, options), "");
  ck_assert(!options.jwt_query && options.jwt_require_exp);
  ck_assert_uint_eq(options.jwt_leeway, 0);
  assert_text(options.jwt_cookie, "");
}
END_TEST

START_TEST(a_list_in_the_arguments_replaces_that_of_the_environment) {
  const Variable keys("PGEVENTS_JWT_KEY", "/old; /older kid=1"),
      origins("PGEVENTS_ALLOW_ORIGIN", "https://a.example *");
  ProgramOptions options;
  Arguments arguments({"--jwt-key", "/new", "--jwt-key", "/newer"});
  assert_text(read(arguments, options), "");
  ck_assert((options.jwt_keys == std::vector<std::string>{"/new", "/newer"}));
  ck_assert((options.allow_origins == std::vector<std::string>{"https://a.example", "*"}));
  ProgramOptions others;
  assert_text(fallback::read_environment(others).value_or(""), "");
  ck_assert((others.jwt_keys == std::vector<std::string>{"/old", " /older kid=1"}));
}
END_TEST

START_TEST(sizes_have_units) {
  const struct {
    const char* text;
    std::size_t bytes;
  } rows[] = {{"1", 1}, {"100k", 102400}, {"2M", 2097152}, {"1024m", 1073741824}};
  for (const auto& row : rows) {
    ProgramOptions options;
    Arguments arguments({"--max-event-size", row.text});
    assert_text(read(arguments, options), "");
    ck_assert_uint_eq(options.max_event_size, row.bytes);
  }
}
END_TEST

START_TEST(bad_values_are_rejected) {
  const struct {
    const char* name;
    const char* value;
  } rows[] = {{"processes", "0"},       {"processes", "-1"},      {"processes", "2x"},      {"processes", "1001"},
              {"socket-mode", "999"},   {"socket-mode", "7777"},  {"backlog", "0"},         {"max-channels", "0"},
              {"max-event-size", "0"},  {"max-event-size", "k"},  {"max-event-size", "2g"}, {"max-event-size", "1025m"},
              {"poll-interval", "0"},   {"poll-interval", "1.5"}, {"jwt-query", "yes"},     {"jwt-query", ""},
              {"jwt-require-exp", "0"}, {"jwt-leeway", "-1"},     {"jwt-leeway", "1m"},     {"jwt-leeway", "86401"},
              {"jwt-cookie", "a b"},    {"jwt-cookie", "a=b"},    {"jwt-cookie", "a;b"},    {"jwt-cookie", "\u00fc"},
              {"presence", "no"},       {"presence", ""}};
  for (const auto& row : rows) {
    const std::string option = std::string("--") + row.name;
    assert_text(problem_of({option, row.value}), option + ": not a valid value; see pgevents-fcgi --help", row.value);
  }
  const Variable variable("PGEVENTS_MAX_CHANNELS", "many");
  assert_text(problem_of({}), "PGEVENTS_MAX_CHANNELS: not a valid value; see pgevents-fcgi --help");
}
END_TEST

START_TEST(unknown_options_and_other_arguments_are_rejected) {
  assert_text(problem_of({"--databse", "x"}), "unknown option --databse; see pgevents-fcgi --help");
  assert_text(problem_of({"--databse=password=x"}), "unknown option --databse; see pgevents-fcgi --help");
  assert_text(problem_of({"--subscribe"}), "--subscribe needs a value; see pgevents-fcgi --help");
  assert_text(problem_of({"--sub=x"}), "unknown option --sub; see pgevents-fcgi --help");
  assert_text(problem_of({"--help=x"}), "unknown option --help; see pgevents-fcgi --help");
  assert_text(problem_of({"-h"}), "unexpected argument: options begin with --, see pgevents-fcgi --help");
  assert_text(problem_of({"--"}), "unknown option --; see pgevents-fcgi --help");
  assert_text(problem_of({"password=geheim"}), "unexpected argument: options begin with --, see pgevents-fcgi --help");
}
END_TEST

START_TEST(only_lists_may_be_given_twice) {
  for (const char* name :
       {"listen", "socket-mode", "processes", "database", "primary", "subscribe", "publish", "anonymous", "realm",
        "jwt-cookie", "jwt-query", "base", "channel-pattern", "max-channels", "presence"}) {
    const std::string option = std::string("--") + name;
    const std::string value = option == "--jwt-query" || option == "--presence" ? "on" : "10";
    assert_text(problem_of({option, value, "--backlog=7", option + "=" + value}),
                option + " is given twice; give it once");
  }
  assert_text(problem_of({"--jwt-key=/a", "--jwt-key=/b", "--allow-origin=*", "--allow-origin=null"}), "");
}
END_TEST

START_TEST(an_empty_value_is_rejected_where_it_has_no_meaning) {
  for (const char* name : {"listen", "channel-pattern", "jwt-key", "allow-origin", "processes", "max-event-size"}) {
    const std::string option = std::string("--") + name;
    assert_text(problem_of({option, ""}), option + ": not a valid value; see pgevents-fcgi --help");
  }
  assert_text(problem_of({"--jwt-key=;;"}), "--jwt-key: not a valid value; see pgevents-fcgi --help");
  assert_text(problem_of({"--subscribe=", "--publish=", "--anonymous=", "--realm=", "--base=", "--jwt-cookie="}), "");
}
END_TEST

START_TEST(unknown_variables_are_found) {
  const char* const environment[] = {"PATH=/bin",
                                     "PGEVENTS_DATABASE=x",
                                     "PGEVENTS_SUBSCRIBE=",
                                     "PGEVENTS_USER=10",
                                     "PGEVENTS_SUBSCIRBE=a",
                                     "PGEVENTS_JWT_KEYS",
                                     "PGEVENTS_=",
                                     "PGEVENTSX=1",
                                     "pgevents_publish=a",
                                     "PGEVENTS_LISTEN=x",
                                     nullptr};
  std::string names;
  for (const std::string& name : fallback::unknown_variables(environment)) {
    names += name + ' ';
  }
  assert_text(names, "PGEVENTS_SUBSCIRBE PGEVENTS_JWT_KEYS PGEVENTS_ PGEVENTS_LISTEN ");
}
END_TEST

START_TEST(single_requests_have_fewer_parameters) {
  for (const char* name : {"PGEVENTS_USER", "PGEVENTS_BASE", "PGEVENTS_PUBLISH", "HTTP_PGEVENTS_X", "REQUEST_URI"}) {
    assert_that(fallback::is_request_parameter(name), name);
  }
  for (const char* name : {"PGEVENTS_JWT_KEY", "PGEVENTS_USERS", "PGEVENTS_", "PGEVENTS_DATABASE"}) {
    assert_that(!fallback::is_request_parameter(name), name);
  }
}
END_TEST

START_TEST(the_connection_string_disappears_from_the_arguments) {
  const std::string conninfo = "host=h password=geheim";
  for (const std::string option : {"--database", "--primary"}) {
    for (const bool one_word : {true, false}) {
      ProgramOptions options;
      Arguments arguments(one_word ? std::vector<std::string>{option + '=' + conninfo}
                                   : std::vector<std::string>{option, conninfo});
      assert_text(read(arguments, options), "");
      assert_text(option == "--database" ? options.database : options.primary, conninfo);
      assert_text(arguments.words.back(), (one_word ? option + '=' : "") + std::string(conninfo.size(), 'x'));
    }
  }
}
END_TEST

START_TEST(help_names_every_option) {
  ProgramOptions options;
  Arguments arguments({"--help", "--version"});
  assert_text(read(arguments, options), "");
  ck_assert(options.help && options.version);
  for (const char* name : {"--listen",          "--socket-mode",  "--backlog",        "--processes",
                           "--database",        "--subscribe",    "--publish",        "--base",
                           "--channel-pattern", "--max-channels", "--max-event-size", "--poll-interval",
                           "--presence",        "--primary",      "PGEVENTS_PRIMARY", "PGEVENTS_DATABASE",
                           "--anonymous",       "--realm",        "--jwt-key",        "--jwt-cookie",
                           "--jwt-query",       "--jwt-audience", "--jwt-issuer",     "--jwt-leeway",
                           "--jwt-require-exp", "--allow-origin", "PGEVENTS_JWT_KEY", "PGEVENTS_ALLOW_ORIGIN",
                           "PGEVENTS_PRESENCE", "PGEVENTS_USER"}) {
    assert_that(fallback::usage().find(name) != std::string::npos, name);
  }
}
END_TEST

}  // namespace

int main() {
  return run("fallback_options", {
                                     without_options_no_request_has_access,
                                     values_follow_as_a_word_or_behind_an_equals_sign,
                                     arguments_take_precedence_over_the_environment,
                                     options_of_access_are_read,
                                     without_options_tokens_are_checked_strictly,
                                     a_list_in_the_arguments_replaces_that_of_the_environment,
                                     sizes_have_units,
                                     bad_values_are_rejected,
                                     unknown_options_and_other_arguments_are_rejected,
                                     only_lists_may_be_given_twice,
                                     an_empty_value_is_rejected_where_it_has_no_meaning,
                                     unknown_variables_are_found,
                                     single_requests_have_fewer_parameters,
                                     the_connection_string_disappears_from_the_arguments,
                                     help_names_every_option,
                                 });
}
