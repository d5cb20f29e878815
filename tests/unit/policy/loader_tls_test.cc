// The `tls:` section: what is read from it, and what is refused, with the exact position.
#include "tests/unit/policy/loader_errors.h"

namespace wasi_netd::policy {
namespace {

using testing::BadText;
using ::testing::ElementsAre;
using testing::errors_of_body;
using testing::errors_of_tcp;
using testing::errors_of_unix;
using ::testing::IsEmpty;
using testing::Loaded;
using ::testing::StartsWith;

TEST(LoaderTls, AClientIsReadWhole) {
  const Loaded policy(R"(protocols:
  web:
    transport: tcp
    connect: {allow: ["a.example:443"]}
    tls:
      role: client
      ca: /ca.pem
      crl: /ca.crl
      certificate: /own.pem
      key: /own.key
      alpn: [h2, http/1.1]
      min_version: "1.3"
      server_name: Real.Example.
      verify: required
      handshake_timeout: 1500ms
)");
  const std::optional<Tls>& tls = policy->protocol("web")->tls;
  ASSERT_TRUE(tls);
  EXPECT_EQ(tls->role, Tls::Role::kClient);
  EXPECT_EQ(tls->ca, "/ca.pem");
  EXPECT_EQ(tls->crl, "/ca.crl");
  ASSERT_EQ(tls->identities.size(), 1u);
  EXPECT_EQ(tls->identities[0].certificate, "/own.pem");
  EXPECT_EQ(tls->identities[0].key, "/own.key");
  EXPECT_THAT(tls->alpn, ElementsAre("h2", "http/1.1"));
  EXPECT_EQ(tls->min_version, Tls::Version::kTls13);
  EXPECT_EQ(tls->server_name, "real.example");
  EXPECT_EQ(tls->verify, Tls::Verify::kRequired);
  EXPECT_EQ(tls->handshake_timeout, std::chrono::milliseconds(1500));
}

TEST(LoaderTls, AServerIsReadWholeAndVerifiesNobodyUnlessItSaysSo) {
  const Loaded policy(R"(protocols:
  two:
    transport: tcp
    open: {allow: ["127.0.0.1:443"]}
    tls:
      role: server
      certificates: [{certificate: /a.pem, key: /a.key}, {certificate: /b.pem, key: /b.key}]
  one:
    transport: unix
    accept: {allow: ["*"]}
    tls: {role: server, certificate: /a.pem, key: /a.key, ca: /ca.pem, crl: /ca.crl, verify: optional}
  strict:
    transport: tcp
    accept: {allow: ["127.0.0.1"]}
    tls: {role: server, certificate: /a.pem, key: /a.key, ca: /ca.pem, verify: required}
)");
  const Tls& two = *policy->protocol("two")->tls;
  EXPECT_EQ(two.role, Tls::Role::kServer);
  EXPECT_EQ(two.verify, Tls::Verify::kNone);
  ASSERT_EQ(two.identities.size(), 2u);
  EXPECT_EQ(two.identities[0].certificate, "/a.pem");
  EXPECT_EQ(two.identities[1].key, "/b.key");
  EXPECT_EQ(policy->protocol("one")->tls->verify, Tls::Verify::kOptional);
  EXPECT_EQ(policy->protocol("one")->tls->crl, "/ca.crl");
  EXPECT_EQ(policy->protocol("strict")->tls->verify, Tls::Verify::kRequired);
}

TEST(LoaderTls, TheLeastClientVerifiesByTheSystemsStore) {
  const Loaded policy(
      "protocols:\n  web:\n    transport: tcp\n    connect: {allow: [a.example]}\n    tls: {role: client}\n"
      "  plain:\n    transport: tcp\n    connect: {allow: [a.example]}\n");
  const Tls& tls = *policy->protocol("web")->tls;
  EXPECT_EQ(tls.verify, Tls::Verify::kRequired);
  EXPECT_EQ(tls.min_version, Tls::Version::kTls12);
  EXPECT_EQ(tls.handshake_timeout, std::chrono::seconds(10));
  EXPECT_THAT(tls.ca + tls.crl + tls.server_name, IsEmpty());
  EXPECT_THAT(tls.identities, IsEmpty());
  EXPECT_THAT(tls.alpn, IsEmpty());
  EXPECT_FALSE(policy->protocol("plain")->tls);
}

TEST(LoaderTls, OnUnixItLeavesNoDatagrams) {
  const Loaded policy(
      "protocols:\n  chat:\n    transport: unix\n    connect: {allow: [\"@chat\"]}\n"
      "    tls: {role: client, server_name: chat.example}\n");
  EXPECT_EQ(policy->protocol("chat")->rights & (right::net_send_to | right::net_recv_from), 0u);
  EXPECT_EQ(policy.ask({"", "chat", Operation::kConnect, "@chat", ""}), "allow @chat");
  EXPECT_EQ(policy.ask({"", "chat", Operation::kSendTo, "@chat", ""}), "deny chat");
}

TEST(LoaderTls, WhatAClientCannotHave) {
  const BadText kTable[] = {
      {"{}", "8:10: the key 'role' is missing; expected one of client, server"},
      {"{role: both}", "8:17: expected one of client, server, found 'both'"},
      {"{role: client, ca: ca.pem}", "8:29: expected an absolute path of printable ASCII, found 'ca.pem'"},
      {"{role: client, ca: /}", "8:29: expected an absolute path of printable ASCII, found '/'"},
      {"{role: client, crl: crl.pem, ca: /ca}", "8:30: expected an absolute path of printable ASCII, found 'crl.pem'"},
      {"{role: client, crl: /crl.pem}", "8:25: `crl` needs the `ca` whose list it is"},
      {"{role: client, certificate: /a.pem}", "8:25: `certificate` needs its `key`"},
      {"{role: client, key: /a.key}", "8:25: `key` needs its `certificate`"},
      {"{role: client, certificates: [{certificate: /a, key: /b}]}",
       "8:25: `certificates` is for role server; a client has one `certificate` and its `key`"},
      {"{role: client, verify: none}",
       "8:33: a client always verifies the server: verification cannot be switched off"},
      {"{role: client, verify: optional}",
       "8:33: a client always verifies the server: verification cannot be switched off"},
      {"{role: client, verify: false}", "8:33: expected one of none, optional, required, found 'false'"},
      {"{role: client, min_version: '1.1'}", "8:38: expected one of 1.2, 1.3, found '1.1' (did you mean '1.2'?)"},
      {"{role: client, min_version: 1.2}", "8:38: '1.2' is a number or truth value in YAML; write it in quotes"},
      {"{role: client, server_name: 10.0.0.1}", "8:38: expected a host name, found '10.0.0.1'"},
      {"{role: client, server_name: a_b}", "8:38: expected a host name, found 'a_b'"},
      {"{role: client, alpn: []}", "8:31: empty: expected a list of ALPN names"},
      {"{role: client, alpn: [h2, h2]}", "8:36: 'h2' is in the list already, at line 8"},
      {"{role: client, alpn: [h 2]}",
       "8:32: expected an ALPN name, 1 to 255 of printable ASCII without spaces, found 'h 2'"},
      {"{role: client, handshake_timeout: 9ms}", "8:44: expected a duration from 10ms to 5m, found '9ms'"},
      {"{role: client, handshake_timeout: 6m}", "8:44: expected a duration from 10ms to 5m, found '6m'"},
      {"{role: client, certificat: /a}",
       "8:25: unknown key 'certificat' (did you mean 'certificate'?); expected one of role, ca, crl, certificate, key, "
       "certificates, alpn, min_version, "
       "server_name, verify, handshake_timeout"},
  };
  for (const BadText& row : kTable) {
    EXPECT_THAT(errors_of_tcp("    connect: {allow: [a.example]}\n    tls: " + std::string(row.text) + "\n"),
                ElementsAre(row.expected))
        << row.text;
  }
}

TEST(LoaderTls, WhatAServerCannotHave) {
  const BadText kTable[] = {
      {"{role: server}", "8:17: a server needs a certificate: `certificate` and `key`, or a list of `certificates`"},
      {"{role: server, certificate: /a.pem}", "8:25: `certificate` needs its `key`"},
      {"{role: server, certificates: []}", "8:39: empty: expected a list of {certificate, key}"},
      {"{role: server, certificates: [{certificate: /a.pem}]}",
       "8:40: the key 'key' is missing; expected an absolute path of printable ASCII"},
      {"{role: server, certificates: [{certificate: /a.pem, key: b.key}]}",
       "8:67: expected an absolute path of printable ASCII, found 'b.key'"},
      {"{role: server, certificate: /a, key: /b, certificates: [{certificate: /c, key: /d}]}",
       "8:51: either `certificates` or one `certificate` with its `key`"},
      {"{role: server, certificate: /a, key: /b, verify: required}",
       "8:59: verifying clients needs `ca`: the system's store vouches for servers"},
      {"{role: server, certificate: /a, key: /b, verify: optional}",
       "8:59: verifying clients needs `ca`: the system's store vouches for servers"},
      {"{role: server, certificate: /a, key: /b, ca: /ca}",
       "8:51: `ca` is never used: a server verifies clients where `verify` is optional or required"},
      {"{role: server, certificate: /a, key: /b, verify: none, crl: /crl}",
       "8:65: `crl` is never used: a server verifies clients where `verify` is optional or required"},
      {"{role: server, certificate: /a, key: /b, ca: /ca, verify: maybe}",
       "8:68: expected one of none, optional, required, found 'maybe'"},
      {"{role: server, certificate: /a, key: /b, server_name: a.example}",
       "8:51: `server_name` is for role client; a server's certificates say its names"},
  };
  for (const BadText& row : kTable) {
    EXPECT_THAT(errors_of_tcp("    accept: {allow: ['10.0.0.0/8']}\n    tls: " + std::string(row.text) + "\n"),
                ElementsAre(row.expected))
        << row.text;
  }
}

TEST(LoaderTls, TheRoleGoesWithTheSections) {
  const BadText kTable[] = {
      {"    open: {allow: ['127.0.0.1']}\n    tls: {role: client}\n",
       "8:17: role client is never used: the protocol has no `connect`"},
      {"    connect: {allow: [a.example]}\n    tls: {role: server, certificate: /a, key: /b}\n    families: [ipv4]\n",
       "8:17: role server is never used: the protocol has neither `open` nor `accept`"},
      {"    connect: {allow: [a.example]}\n    accept: {allow: ['127.0.0.1']}\n    tls: {role: client}\n",
       "9:17: role client does not protect who comes in by `accept`; that needs a protocol of its own"},
      {"    connect: {allow: [a.example]}\n    accept: {allow: ['127.0.0.1']}\n"
       "    tls: {role: server, certificate: /a, key: /b}\n",
       "9:17: role server does not protect where guests `connect` to; that needs a protocol of its own"},
  };
  EXPECT_THAT(errors_of_tcp(kTable[0].text), ElementsAre(kTable[0].expected));
  EXPECT_THAT(errors_of_tcp(kTable[1].text),
              ElementsAre(kTable[1].expected, StartsWith("8:17: role server does not protect")));
  EXPECT_THAT(errors_of_tcp(kTable[2].text), ElementsAre(kTable[2].expected));
  EXPECT_THAT(errors_of_tcp(kTable[3].text), ElementsAre(kTable[3].expected));
  // A client may bind the address it connects from.
  EXPECT_THAT(errors_of_tcp("    connect: {allow: [a.example]}\n    open: {allow: ['127.0.0.1']}\n"
                            "    tls: {role: client}\n"),
              IsEmpty());
}

TEST(LoaderTls, OtherTransports) {
  EXPECT_THAT(
      errors_of_body(
          "protocols:\n  game:\n    transport: udp\n    connect: {allow: [a.example]}\n    tls: {role: client}\n"),
      ElementsAre("8:5: `tls` has no meaning for transport udp: it protects streams"));
  EXPECT_THAT(errors_of_unix("    connect: {allow: ['@app']}\n    tls: {role: client}\n"),
              ElementsAre("8:17: a client on transport unix needs `server_name`: the socket has no name to verify"));
  EXPECT_THAT(errors_of_unix("    connect: {allow: ['@app']}\n    tls: {role: client, server_name: '-'}\n"),
              ElementsAre("8:38: expected a host name, found '-'"));
  EXPECT_THAT(errors_of_unix("    connect: {allow: ['@app']}\n    tls: {role: client, server_name: a.example}\n"
                             "    rights: [open, connect, send_to]\n"),
              ElementsAre("9:29: the right 'send_to' has no use here: no section of the protocol implies it"));
}

TEST(LoaderTls, FilesAreNamedWithTheirPlaces) {
  const LoadResult result = testing::load_body(R"(protocols:
  web:
    transport: tcp
    accept: {allow: ["127.0.0.1"]}
    tls:
      role: server
      ca: /ca.pem
      verify: required
      certificates: [{certificate: /a.pem, key: /a.key}]
)");
  ASSERT_TRUE(result.policy);
  std::vector<std::string> shown;
  for (const NamedFile& file : result.files) {
    shown.push_back(std::to_string(file.line) + ":" + std::to_string(file.column) + " " + file.path +
                    (file.secret ? " secret" : ""));
  }
  EXPECT_THAT(shown, ElementsAre("10:11 /ca.pem", "12:36 /a.pem", "12:49 /a.key secret"));
}

}  // namespace
}  // namespace wasi_netd::policy
