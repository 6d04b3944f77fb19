// Connection strings: what is wrong with one, without any value of it; and its hosts with their addresses.
#include <string>
#include <string_view>
#include <vector>

#include "checks.hpp"
#include "postgres/conninfo_fault.hpp"
#include "postgres/hosts.hpp"

using namespace pgevents;
using namespace pgevents::testing;
using postgres::Host;

namespace {

void assert_fault(const std::string& conninfo, std::string_view wanted) {
  const auto fault = postgres::conninfo_fault(conninfo);
  assert_text(fault ? *fault : "no fault", wanted, conninfo);
}

START_TEST(valid_connection_strings_have_no_fault) {
  for (const char* good :
       {"", "host=h dbname=d password='x y'", "host = h  password = 'it\\'s'", "service=s", "postgresql://u:p@h:5432/d",
        "postgres://[::1]:5433,b/d?sslmode=require&connect_timeout=3", "postgresql:///d?host=%2Ftmp&ssl=true",
        "host=a,b port=1,65535", "host=a,b port=5432", "host=a,b port=,5433", "hostaddr=::1,127.0.0.1",
        "host=a,b hostaddr=,127.0.0.1", "connect_timeout=' 3 ' keepalives=0",
        "sslmode=verify-full target_session_attrs=read-write gssencmode=prefer", "keepalives_idle=-1",
        "host=a,b target_session_attrs=prefer-standby", "target_session_attrs=primary"}) {
    const auto fault = postgres::conninfo_fault(good);
    assert_that(!fault, std::string(good) + ": " + fault.value_or(""));
  }
}
END_TEST

START_TEST(a_name_of_a_database_needs_no_check) {
  assert_that(!postgres::database_fault("app"), "app");
  assert_that(postgres::database_fault("hots=h").has_value(), "hots=h");
  assert_that(postgres::database_fault("postgresql://h?x=%zz").has_value(), "a URI");
}
END_TEST

START_TEST(a_fault_of_syntax_is_reported_by_keyword) {
  assert_fault("hots=/tmp", "unknown keyword \"hots\"");
  assert_fault("host=h nosuchword=1", "unknown keyword \"nosuchword\" behind the value of \"host\"");
  assert_fault("host=h port", "\"=\" is missing after keyword \"port\"");
  assert_fault("host=/tmp password s3cret", "\"=\" is missing after keyword \"password\"");
  assert_fault("host=h password='open", "the quote of a value is not closed; see keyword \"password\"");
  assert_fault("host=h dbname=my shop",
               "a word without \"=\" behind the value of \"dbname\"; quote a value that contains spaces");
  assert_fault("postgresql://h/d?sslmod=require", "unknown keyword \"sslmod\"");
  assert_fault("postgresql://h/d?sslmode=require&port", "\"=\" is missing after keyword \"port\"");
  assert_fault("postgresql://h/d?user=a=b", "a second \"=\" after keyword \"user\"; write %3D");
  assert_fault("postgresql://me:s3cret@[::1/x", "\"]\" is missing behind the address of a host");
  assert_fault("postgresql://h/%zz",
               "\"%\" must be followed by two hexadecimal digits; write %25 for the character itself");
}
END_TEST

START_TEST(a_wrong_value_is_reported_by_keyword) {
  assert_fault("host=h port=0", "\"port\" must be a number from 1 to 65535, or a list of them");
  assert_fault("host=h port=5432x", "\"port\" must be a number from 1 to 65535, or a list of them");
  assert_fault("host=a,b,c port=1,2", "\"port\" must have one entry, or as many as \"host\"");
  assert_fault("hostaddr=db.example",
               "\"hostaddr\" must be a numeric address, or a list of them; a name is for \"host\"");
  assert_fault("host=a,b hostaddr=127.0.0.1", "\"hostaddr\" must have as many entries as \"host\"");
  for (const char* keyword : {"connect_timeout", "keepalives_idle", "tcp_user_timeout"}) {
    assert_fault(std::string(keyword) + "=5s", "\"" + std::string(keyword) + "\" must be a whole number");
    assert_fault(std::string(keyword) + "=99999999999", "\"" + std::string(keyword) + "\" must be a whole number");
  }
  for (const char* keyword :
       {"sslmode", "gssencmode", "channel_binding", "target_session_attrs", "ssl_min_protocol_version"}) {
    assert_fault("application_name=x user=me " + std::string(keyword) + "=nonsense dbname=d",
                 "libpq does not accept the value of \"" + std::string(keyword) +
                     "\"; its manual lists the values (\"Parameter Key Words\")");
  }
}
END_TEST

// Whatever the operator forgot, no piece of the password is repeated.
START_TEST(no_fault_repeats_a_value) {
  for (const char* text : {"password=ab s3cret",
                           "password=ab s3cret=",
                           "password=ab s3cret=x",
                           "password=a'b s3cret'",
                           "password='ab' s3cret='",
                           "password=a secret word=s",
                           "host=h s3cret",
                           "host=h S3cretS3cret==",
                           "host=h password='s3cret",
                           "=s3cret",
                           "host=h =s3cret",
                           "user=me sslpassword=a secret word=b",
                           "postgresql://me:s3cret%zz@h/d",
                           "postgresql://me:p/s3cret@h/d",
                           "postgresql://me:s?3cret=secret@[h/d",
                           "postgresql://me@h/d?password=a&secret=b",
                           "postgresql://me@h/d?password=a&s3cret",
                           "postgresql://me@h/d?password=a=s3cret",
                           "host=h port=s3cret",
                           "host=h connect_timeout=s3cret",
                           "host=h sslmode=s3cret password=secret",
                           "hostaddr=s3cret"}) {
    const auto fault = postgres::conninfo_fault(text);
    assert_that(fault.has_value(), text);
    for (const char* secret : {"s3cret", "3cret", "S3cret", "secret", "\"word\""}) {
      assert_that(fault->find(secret) == std::string::npos, std::string(text) + ": " + *fault);
    }
  }
}
END_TEST

std::vector<Host> hosts_of(std::string_view host, std::string_view hostaddr = "", std::string_view port = "") {
  return postgres::read_hosts(host, hostaddr, port);
}

START_TEST(only_names_are_looked_up) {
  const auto names = postgres::names_of(hosts_of("/tmp,db.example,127.0.0.1,::1,@abstract,,other,db.example"));
  ck_assert_uint_eq(names.size(), 2);
  assert_text(names[0], "db.example");
  assert_text(names[1], "other");
  assert_that(postgres::names_of(hosts_of("db.example", "127.0.0.1")).empty(), "the operator's address");
  ck_assert_uint_eq(postgres::names_of(hosts_of("db.example,other", ",127.0.0.1")).size(), 1);
  assert_that(hosts_of("").empty(), "libpq's default");
}
END_TEST

START_TEST(a_name_is_looked_up_with_all_its_addresses) {
  const auto local = postgres::resolve("localhost");
  assert_that(local.error.empty() && !local.addresses.empty(), local.error);
  const auto none = postgres::resolve("no such host");
  assert_that(!none.error.empty() && none.addresses.empty(), "a name with spaces");
}
END_TEST

START_TEST(addresses_are_shared_as_lines) {
  std::string text = postgres::with_addresses("", {"db", {"::1", "127.0.0.1"}, "", false});
  text = postgres::with_addresses(text, {"db.example", {"10.0.0.1"}, "", false});
  assert_text(text, "db ::1 127.0.0.1\ndb.example 10.0.0.1\n");
  text = postgres::with_addresses(text, {"db", {"10.0.0.2"}, "", false});
  assert_text(text, "db.example 10.0.0.1\ndb 10.0.0.2\n");
  ck_assert_uint_eq(postgres::addresses_in(text, "db").size(), 1);
  assert_text(postgres::addresses_in(text, "db.example").at(0), "10.0.0.1");
  assert_that(postgres::addresses_in(text, "other").empty(), "a name that was never found");
  assert_that(postgres::addresses_in("", "db").empty(), "no name");
}
END_TEST

}  // namespace

int main() {
  return run("postgres_conninfo",
             {valid_connection_strings_have_no_fault, a_name_of_a_database_needs_no_check,
              a_fault_of_syntax_is_reported_by_keyword, a_wrong_value_is_reported_by_keyword, no_fault_repeats_a_value,
              only_names_are_looked_up, a_name_is_looked_up_with_all_its_addresses, addresses_are_shared_as_lines});
}
