// What the loader refuses, with the exact position and the words that say what was expected.
#include "tests/unit/policy/loader_errors.h"

namespace wasi_netd::policy {
namespace {

using testing::BadText;
using ::testing::ElementsAre;
using testing::errors_of;
using testing::errors_of_body;
using testing::errors_of_good_with;
using testing::errors_of_tcp;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kGood;
using ::testing::StartsWith;

TEST(LoaderErrors, AGoodFileHasNone) { EXPECT_THAT(errors_of(kGood), IsEmpty()); }

TEST(LoaderErrors, Keys) {
  const BadText kTable[] = {
      {"tenat: x\n",
       "8:1: unknown key 'tenat' (did you mean 'tenant'?); expected one of version, tenant, peers, mode, protocols, "
       "guests, limits, tests"},
      {"quux: 1\n",
       "8:1: unknown key 'quux'; expected one of version, tenant, peers, mode, protocols, guests, limits, tests"},
      {"tenant: u\n", "8:1: the key 'tenant' is there already, at line 2"},
      {"\"tenant\": u\n", "8:1: the key 'tenant' is there already, at line 2"},
      {"mode: enforce\nmode: audit\n", "9:1: the key 'mode' is there already, at line 8"},
      {"limits: {handles: 1, handles: 1}\n", "8:22: the key 'handles' is there already, at line 8"},
      {"limits: {handle: 1}\n",
       "8:10: unknown key 'handle' (did you mean 'handles'?); expected one of sessions, handles, connections, buffers, "
       "host_connections, per_session"},
      {"guests: {a: {protocol: [web]}}\n",
       "8:14: unknown key 'protocol' (did you mean 'protocols'?); expected one of protocols, limits"},
      {"<<: {mode: audit}\n",
       "8:1: unknown key '<<'; expected one of version, tenant, peers, mode, protocols, guests, limits, tests"},
      {"null: 1\n", "8:1: a key must be plain text"},
      {"? [a, b]\n: 1\n", "8:3: a key must be plain text"},
  };
  for (const BadText& row : kTable) EXPECT_THAT(errors_of_good_with(row.text), ElementsAre(row.expected)) << row.text;
}

TEST(LoaderErrors, KeysOfLaterVersionsAreNamedAsSuch) {
  const BadText kTable[] = {
      {"limits: {handles: 9, connect_rate: 50/s}\n", "8:22: this version does not support 'connect_rate'"},
      {"limits: {handles: 9, bandwidth: {ingress: 10MiB/s}}\n", "8:22: this version does not support 'bandwidth'"},
      {"limits: {handles: 9, idle_timeout: 10m}\n", "8:22: this version does not support 'idle_timeout'"},
      {"limits: {per_session: {handles: 9, idle_timeout: 10m}}\n",
       "8:36: this version does not support 'idle_timeout'"},
  };
  for (const BadText& row : kTable) EXPECT_THAT(errors_of_good_with(row.text), ElementsAre(row.expected)) << row.text;
  EXPECT_THAT(errors_of_body("protocols:\n  a: {transport: quic}\n"),
              ElementsAre("5:18: this version does not support 'quic'; expected one of tcp, udp, unix"));
  EXPECT_THAT(errors_of_tcp("    connect: {allow: [a.example]}\n    rights: [open, connect, delegate]\n"),
              ElementsAre(StartsWith("8:29: this version does not support 'delegate'; expected one of open, ")));
}

TEST(LoaderErrors, MissingKeys) {
  EXPECT_THAT(
      errors_of("version: 1\n"),
      ElementsAre("1:1: the key 'tenant' is missing; expected 1 to 32 of a-z, 0-9 and '-'",
                  "1:1: the key 'peers' is missing; expected a list of peers",
                  "1:1: the key 'protocols' is missing; expected a mapping of protocol names (1 to 32 of a-z, 0-9, "
                  "'-' and '_')"));
  EXPECT_THAT(errors_of_body("protocols:\n  web:\n    connect: {allow: [a.example]}\n"),
              ElementsAre("6:5: the key 'transport' is missing; expected one of tcp, udp, unix"));
  EXPECT_THAT(errors_of_tcp("    connect: {deny: [a.example]}\n"),
              ElementsAre("7:14: the key 'allow' is missing; expected a list of rules"));
  EXPECT_THAT(errors_of_good_with("tests:\n  - connect: web a.example:443\n"),
              ElementsAre("9:5: the key 'expect' is missing; expected one of allow, deny"));
  EXPECT_THAT(errors_of_good_with("tests:\n  - {expect: allow}\n"),
              ElementsAre("9:5: expected exactly one of connect, open, listen, accept, resolve, send_to, recv_from"));
  EXPECT_THAT(errors_of_good_with("tests:\n  - {connect: web a.example:443, resolve: web a.example, expect: allow}\n"),
              ElementsAre("9:5: expected exactly one of connect, open, listen, accept, resolve, send_to, recv_from"));
}

TEST(LoaderErrors, TypesFormsAndRanges) {
  const BadText kTable[] = {
      {"version: 2\ntenant: t\n", "1:10: expected 1, found '2'"},
      {"version: \"1\"\ntenant: t\n", "1:10: expected 1, found the text '1'"},
      {"version: 01\ntenant: t\n", "1:10: expected 1, found '01'"},
      {"version: 1.0\ntenant: t\n", "1:10: expected 1, found '1.0'"},
      {"version: [1]\ntenant: t\n", "1:10: expected 1, found a list"},
      {"version:\ntenant: t\n", "1:1: expected 1, found nothing"},
      {"version: 1\ntenant: Acme\n", "2:9: expected 1 to 32 of a-z, 0-9 and '-', found 'Acme'"},
      {"version: 1\ntenant: a_b\n", "2:9: expected 1 to 32 of a-z, 0-9 and '-', found 'a_b'"},
      {"version: 1\ntenant: ''\n", "2:9: expected 1 to 32 of a-z, 0-9 and '-', found ''"},
      {"version: 1\ntenant: 123\n",
       "2:9: '123' is a number or truth value in YAML; expected 1 to 32 of a-z, 0-9 and '-', in quotes"},
      {"version: 1\ntenant: abcdefghijklmnopqrstuvwxyzabcdefg\n",
       "2:9: expected 1 to 32 of a-z, 0-9 and '-', found 'abcdefghijklmnopqrstuvwxyzabcdefg'"},
      {"version: 1\ntenant: {a: b}\n", "2:9: expected 1 to 32 of a-z, 0-9 and '-', found a mapping"},
      {"version: 1\ntenant: acme\n", "2:9: the policy of tenant 'acme' belongs in acme.yaml, not in t.yaml"},
  };
  const std::string_view rest = kGood.substr(kGood.find("peers"));
  for (const BadText& row : kTable) {
    EXPECT_THAT(errors_of(std::string(row.text) + std::string(rest)), ElementsAre(row.expected)) << row.text;
  }
  EXPECT_THAT(errors_of("[version, 1]\n"),
              ElementsAre("1:1: expected a policy, a mapping with `version` and `tenant`, found a list"));
  EXPECT_THAT(errors_of("just text\n"),
              ElementsAre("1:1: expected a policy, a mapping with `version` and `tenant`, found text"));
  EXPECT_THAT(errors_of("~\n"),
              ElementsAre("1:1: expected a policy, a mapping with `version` and `tenant`, found nothing"));
}

TEST(LoaderErrors, Peers) {
  const BadText kTable[] = {
      {"[]", "3:8: empty: expected a list of peers"},
      {"[{}]", "3:9: empty: expected a peer such as {user: wasmhost}"},
      {"{user: root}", "3:8: expected a list of peers, found a mapping"},
      {"[{user: nobody-here}]", "3:16: no user 'nobody-here' on this system"},
      {"[{group: nobody-here}]", "3:17: no group 'nobody-here' on this system"},
      {"[{user: 4294967295}]",
       "3:16: expected an account's name, or its number of at most 4294967294, found '4294967295'"},
      {"[{user: -1}]",
       "3:16: '-1' is a number or truth value in YAML; expected an account's name, or its number of at most "
       "4294967294, in quotes"},
      {"[{user: \"1000\"}]", "3:16: expected an account's name, or its number of at most 4294967294, found '1000'"},
      {"[{user: a b}]", "3:16: expected an account's name, or its number of at most 4294967294, found 'a b'"},
      {"[{uid: 5}]", "3:10: unknown key 'uid'; expected one of user, group"},
      {"[{user: wasmhost}, {user: true}]",
       "3:34: 'true' is a number or truth value in YAML; expected an account's name, or its number of at most "
       "4294967294, in quotes"},
  };
  const std::string_view rest = kGood.substr(kGood.find("protocols"));
  for (const BadText& row : kTable) {
    const std::string text = "version: 1\ntenant: t\npeers: " + std::string(row.text) + "\n" + std::string(rest);
    EXPECT_THAT(errors_of(text), ElementsAre(row.expected)) << row.text;
  }
}

TEST(LoaderErrors, LimitsAndGuests) {
  const BadText kTable[] = {
      {"limits: {}\n", "8:9: empty: expected a mapping of limits"},
      {"limits: {handles: 0}\n", "8:19: expected a whole number from 1 to 1000000, found '0'"},
      {"limits: {handles: 1000001}\n", "8:19: expected a whole number from 1 to 1000000, found '1000001'"},
      {"limits: {handles: -5}\n", "8:19: expected a whole number from 1 to 1000000, found '-5'"},
      {"limits: {handles: 99999999999999999999999}\n",
       "8:19: expected a whole number from 1 to 1000000, found '99999999999999999999999'"},
      {"limits: {handles: many}\n", "8:19: expected a whole number from 1 to 1000000, found 'many'"},
      {"limits: {handles: 1_000}\n", "8:19: expected a whole number from 1 to 1000000, found '1_000'"},
      {"limits: {buffers: 64MB}\n", "8:19: expected a size such as 160KiB, 64MiB or 1GiB, found '64MB'"},
      {"limits: {buffers: 65536}\n",
       "8:19: '65536' is a number or truth value in YAML; expected a size such as 160KiB, 64MiB or 1GiB, in quotes"},
      {"limits: {handles: 5, per_session: {handles: 6}}\n",
       "8:45: can never take effect: wider than `limits`, which allows 5"},
      {"limits: {buffers: 1MiB, per_session: {buffers: 2MiB}}\n",
       "8:48: can never take effect: wider than `limits`, which allows 1048576 bytes"},
      {"limits: {per_session: {sessions: 6}}\n",
       "8:24: unknown key 'sessions'; expected one of handles, connections, buffers"},
      {"guests: {}\n", "8:9: empty: expected a mapping of guest names (1 to 64 of letters, digits, '.', '-' and '_')"},
      {"guests: {'a b': {}}\n",
       "8:10: 'a b' cannot be a key here; expected a mapping of guest names (1 to 64 of letters, digits, '.', '-' and "
       "'_')"},
      {"guests: {a: {protocols: [web, wbe]}}\n", "8:31: the tenant has no protocol 'wbe'"},
      {"guests: {a: {protocols: []}}\n", "8:25: empty: expected a list of protocol names"},
      {"guests: {a: {limits: {handles: 9}}}\nlimits: {handles: 8}\n",
       "8:32: can never take effect: wider than `limits`, which allows 8"},
      {"guests: {a: ~}\n", "8:13: expected a mapping with `protocols` and `limits`, found nothing"},
  };
  for (const BadText& row : kTable) EXPECT_THAT(errors_of_good_with(row.text), ElementsAre(row.expected)) << row.text;
}

TEST(LoaderErrors, BuffersInWhichNoStreamCouldMoveAByte) {
  const BadText kTable[] = {
      {"limits: {buffers: 64KiB}\n", "8:19: out of range; expected at least 160KiB"},
      {"limits: {buffers: 159KiB}\n", "8:19: out of range; expected at least 160KiB"},
      {"limits: {per_session: {buffers: 159KiB}}\n", "8:33: out of range; expected at least 160KiB"},
      {"guests: {a: {limits: {buffers: 159KiB}}}\n", "8:32: out of range; expected at least 160KiB"},
  };
  for (const BadText& row : kTable) EXPECT_THAT(errors_of_good_with(row.text), ElementsAre(row.expected)) << row.text;
  for (const char* text : {"limits: {buffers: 160KiB}\n", "limits: {per_session: {buffers: 160KiB}}\n",
                           "guests: {a: {limits: {buffers: 160KiB}}}\n"}) {
    EXPECT_THAT(errors_of_good_with(text), IsEmpty()) << text;
  }
}

TEST(LoaderErrors, TestsThatFail) {
  EXPECT_THAT(errors_of_good_with("tests:\n"
                                  "  - {connect: \"web a.example:443\", expect: allow}\n"
                                  "  - {connect: \"web a.example:80\", expect: deny}\n"
                                  "  - {connect: \"web 10.0.0.1:443\", via: a.example, expect: deny}\n"
                                  "  - {connect: \"web 8.8.8.8:443\", via: a.example, expect: allow}\n"
                                  "  - {open: \"web [::]:0\", expect: allow}\n"
                                  "  - {listen: \"web [::]:0\", expect: deny}\n"
                                  "  - {accept: \"web 127.0.0.1:5\", expect: deny}\n"
                                  "  - {resolve: \"web a.example\", expect: allow}\n"
                                  "  - {resolve: \"web 127.0.0.1\", via: a.example, expect: deny}\n"),
              IsEmpty());
  const BadText kTable[] = {
      {"{connect: \"web a.example:443\", expect: deny}",
       "9:15: the test fails: expected deny, and the answer is allow: allowed by rule (t.yaml:7 a.example:443)"},
      {"{connect: \"web a.example:80\", expect: allow}",
       "9:15: the test fails: expected allow, and the answer is deny: no rule matches (t.yaml:7 connect)"},
      {"{connect: \"web a.example\", expect: allow}",
       "9:15: the test asks nothing: expected IPV4:PORT, [IPV6]:PORT or NAME:PORT"},
      {"{connect: \"web\", expect: allow}",
       "9:15: the test asks nothing: expected IPV4:PORT, [IPV6]:PORT or NAME:PORT"},
      {"{resolve: \"web a.example:80\", expect: allow}",
       "9:15: the test asks nothing: expected a host name without a port"},
      {"{connect: \"web a.example:80\", via: a.example, expect: allow}",
       "9:15: the test asks nothing: a name to come from goes with an IP address"},
      {"{connect: \"web a.example:443\", expect: would_deny}", "9:44: expected one of allow, deny, found 'would_deny'"},
  };
  for (const BadText& row : kTable) {
    EXPECT_THAT(errors_of_good_with("tests:\n  - " + std::string(row.text) + "\n"), ElementsAre(row.expected))
        << row.text;
  }
}

TEST(LoaderErrors, TestsThatWouldPassWithoutAskingARule) {
  const BadText kTable[] = {
      {"{connect: \"wbe a.example:443\", expect: deny}",
       "9:15: the test asks nothing: the tenant has no protocol 'wbe'"},
      {"{connect: \"wbe a.example:443\", expect: allow}",
       "9:15: the test asks nothing: the tenant has no protocol 'wbe'"},
      {"{resolve: a.example, expect: deny}", "9:15: the test asks nothing: the tenant has no protocol 'a.example'"},
      {"{open: \"web 127.0.0.1:80\", via: a.example, expect: deny}",
       "9:12: the test asks nothing: a name to come from goes with connect, resolve and send_to only"},
      {"{listen: \"web 127.0.0.1:80\", via: a.example, expect: deny}",
       "9:14: the test asks nothing: a name to come from goes with connect, resolve and send_to only"},
      {"{accept: \"web 127.0.0.1:80\", via: a.example, expect: deny}",
       "9:14: the test asks nothing: a name to come from goes with connect, resolve and send_to only"},
  };
  for (const BadText& row : kTable) {
    EXPECT_THAT(errors_of_good_with("tests:\n  - " + std::string(row.text) + "\n"), ElementsAre(row.expected))
        << row.text;
  }
}

TEST(LoaderErrors, TestsForAGuestThatIsNotAdmittedShowThatOrNothing) {
  const std::string guests = "guests: {billing: {}}\ntests:\n  - ";
  EXPECT_THAT(
      errors_of_good_with(guests + "{guest: biling, connect: \"web b.example:443\", expect: deny}\n"),
      ElementsAre("10:30: the test shows nothing: `guests` does not admit the guest 'biling', and the rules deny "
                  "this to any; ask for a guest that is admitted"));
  EXPECT_THAT(
      errors_of_good_with(guests + "{connect: \"web b.example:443\", expect: deny}\n"),
      ElementsAre("10:15: the test shows nothing: `guests` does not admit a guest without a name, and the rules "
                  "deny this to any; ask for a guest that is admitted"));
  EXPECT_THAT(errors_of_good_with(guests + "{guest: billing, connect: \"web b.example:443\", expect: deny}\n"),
              IsEmpty());
  EXPECT_THAT(errors_of_good_with(guests + "{guest: stranger, connect: \"web a.example:443\", expect: deny}\n"),
              IsEmpty());
  EXPECT_THAT(errors_of_good_with(guests + "{connect: \"web a.example:443\", expect: deny}\n"), IsEmpty());
}

TEST(LoaderErrors, InAuditModeTestsAskTheRules) {
  EXPECT_THAT(errors_of_good_with("mode: audit\ntests: [{connect: \"web b.example:443\", expect: deny}]\n"), IsEmpty());
}

TEST(LoaderErrors, AllOfThemAreReportedInOrder) {
  EXPECT_THAT(errors_of("version: 2\n"
                        "tenant: t\n"
                        "peers: [{user: nobody-here}]\n"
                        "protocols:\n"
                        "  web:\n"
                        "    transport: tcp\n"
                        "    connect: {allow: [\"a.example:0\", \"10.0.0.1/8\"], deney: []}\n"
                        "  chat:\n"
                        "    transport: unix\n"
                        "    accept: {allow: [relative]}\n"
                        "limits: {handles: none}\n"),
              ElementsAre(StartsWith("1:10: "), StartsWith("3:16: "), StartsWith("7:23: "), StartsWith("7:38: "),
                          StartsWith("7:53: unknown key 'deney' (did you mean 'deny'?)"), StartsWith("10:22: "),
                          StartsWith("11:19: ")));
}

TEST(LoaderErrors, AfterAHundredOnlyTheNumberOfTheOthersIsSaid) {
  std::string text(kGood);
  for (int i = 0; i < 150; ++i) text += "unknown" + std::to_string(i) + ": 1\n";
  const auto errors = errors_of(text);
  ASSERT_EQ(errors.size(), 101u);
  EXPECT_THAT(errors.back(), HasSubstr("and 50 more"));
}

}  // namespace
}  // namespace wasi_netd::policy
