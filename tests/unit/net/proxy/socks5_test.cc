// SOCKS5 messages, byte by byte.
#include "daemon/net/proxy/socks5.h"

#include <string>
#include <vector>

#include "tests/unit/net/proxy/target.h"

namespace wasi_netd::net {
namespace {

using namespace std::string_literals;

Socks5 dialogue(const std::string& user = "", const std::string& password = "",
                const std::string& to = "192.0.2.1:443") {
  return *Socks5::begin(target(to), user, password);
}
// Takes what comes in the sizes it asks for; all of `bytes` has to be asked for.
Status take(Socks5& socks, std::string bytes) {
  while (!bytes.empty()) {
    const size_t size = socks.to_read();
    EXPECT_GT(size, 0U);
    EXPECT_LE(size, Socks5::kMaxRead);
    EXPECT_LE(size, bytes.size());
    if (size == 0 || size > bytes.size()) return Error{Errno::io, "another number of bytes was asked for"};
    if (auto taken = socks.take(bytes.substr(0, size)); !taken) return taken;
    bytes.erase(0, size);
  }
  return Status();
}

TEST(Socks5, OffersNoAuthenticationWithoutAUser) {
  Socks5 socks = dialogue();
  EXPECT_EQ(socks.to_send(), "\5\1\0"s);
  EXPECT_TRUE(take(socks, "\5\0"s));
  EXPECT_EQ(socks.to_send(), "\5\1\0\1\xc0\0\2\1\1\xbb"s);
}

TEST(Socks5, OffersBothWithAUserAndLetsTheProxyChoose) {
  Socks5 with = dialogue("user", "secret");
  EXPECT_EQ(with.to_send(), "\5\2\0\2"s);
  EXPECT_TRUE(take(with, "\5\2"s));
  EXPECT_EQ(with.to_send(), "\1\4user\6secret"s);
  EXPECT_TRUE(take(with, "\1\0"s));
  EXPECT_EQ(with.to_send().substr(0, 2), "\5\1"s);

  Socks5 without = dialogue("user", "secret");
  EXPECT_TRUE(take(without, "\5\0"s));
  EXPECT_EQ(without.to_send().substr(0, 4), "\5\1\0\1"s);
}

TEST(Socks5, WritesEveryTypeOfAddress) {
  const std::string longest =
      std::string(63, 'a') + "." + std::string(63, 'b') + "." + std::string(63, 'c') + "." + std::string(61, 'd');
  const struct {
    std::string to;
    std::string request;
  } kCases[] = {
      {"192.0.2.1:80", "\5\1\0\1\xc0\0\2\1\0\x50"s},
      {"[2001:db8::1]:8080", "\5\1\0\4\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\x1f\x90"s},
      {"[::ffff:192.0.2.1]:80", "\5\1\0\1\xc0\0\2\1\0\x50"s},
      {"a.example:65535", "\5\1\0\3\x09"s + "a.example" + "\xff\xff"},
      {longest + ":1", "\5\1\0\3\xfd"s + longest + "\0\1"s},
  };
  for (const auto& row : kCases) {
    Socks5 socks = dialogue("", "", row.to);
    EXPECT_TRUE(take(socks, "\5\0"s));
    EXPECT_EQ(socks.to_send(), row.request) << row.to;
  }
}

TEST(Socks5, AsksForExactlyTheBytesOfTheReply) {
  const std::string kPort = "\x1f\x90";
  const std::string kAddresses[] = {
      "\1\xc0\0\2\1"s, "\4"s + std::string(16, '\x20'),      "\3\x09"s + "a.example", "\3\0"s /* empty name */,
      "\3\1x"s,        "\3\xff"s + std::string(255, '\xff'),
  };
  for (const auto& address : kAddresses) {
    Socks5 socks = dialogue();
    EXPECT_TRUE(take(socks, "\5\0"s));
    EXPECT_TRUE(take(socks, "\5\0\0"s + address + kPort));
    EXPECT_EQ(socks.to_read(), 0U);
    EXPECT_EQ(socks.to_send(), "");
  }
}

TEST(Socks5, SendsNothingTwice) {
  Socks5 socks = dialogue();
  EXPECT_TRUE(take(socks, "\5\0"s));
  EXPECT_TRUE(take(socks, "\5\0\0\3"s));
  EXPECT_EQ(socks.to_send(), "");
  EXPECT_TRUE(take(socks, "\2"s));
  EXPECT_EQ(socks.to_send(), "");
}

TEST(Socks5, TellsWhyTheMethodWasNotAgreedOn) {
  const struct {
    std::string user;
    std::string bytes;
    std::string outcome;
  } kCases[] = {
      {"", "\4\0"s, "proto: SOCKS5: version is 4"},
      {"", "\0\x5a"s, "proto: SOCKS5: version is 0"},
      {"", "HT"s, "proto: SOCKS5: version is 72"},
      {"", "\5\xff"s, "acces: asks for authentication"},
      {"user", "\5\xff"s, "acces: accepts no method that was offered"},
      {"", "\5\2"s, "proto: SOCKS5: the method chosen was not offered: 2"},
      {"", "\5\1"s, "proto: SOCKS5: the method chosen was not offered: 1"},
      {"user", "\5\1"s, "proto: SOCKS5: the method chosen was not offered: 1"},
      {"user", "\5\x80"s, "proto: SOCKS5: the method chosen was not offered: 128"},
      {"user", "\5\2\1\1"s, "acces: refuses the user and password"},
      {"user", "\5\2\1\xff"s, "acces: refuses the user and password"},
      {"user", "\5\2\5\0"s, "proto: SOCKS5: version of the authentication is 5"},
  };
  for (const auto& row : kCases) {
    Socks5 socks = dialogue(row.user, "secret");
    EXPECT_EQ(outcome_of(take(socks, row.bytes)), row.outcome);
  }
}

TEST(Socks5, TellsWhatEachReplyCodeMeans) {
  const std::string kCannot = "cannot reach the destination: ";
  const struct {
    std::string reply;
    std::string outcome;
  } kCases[] = {
      {"\5\1\0\1"s, "hostunreach: " + kCannot + "general failure (SOCKS5 reply 1)"},
      {"\5\2\0\1"s, "acces: " + kCannot + "not allowed by the proxy's rules (SOCKS5 reply 2)"},
      {"\5\3\0\1"s, "netunreach: " + kCannot + "network unreachable (SOCKS5 reply 3)"},
      {"\5\4\0\1"s, "hostunreach: " + kCannot + "host unreachable (SOCKS5 reply 4)"},
      {"\5\5\0\1"s, "connrefused: " + kCannot + "connection refused (SOCKS5 reply 5)"},
      {"\5\6\0\1"s, "timedout: " + kCannot + "TTL expired (SOCKS5 reply 6)"},
      {"\5\7\0\1"s, "notsup: " + kCannot + "command not supported (SOCKS5 reply 7)"},
      {"\5\x08\0\1"s, "afnosupport: " + kCannot + "address type not supported (SOCKS5 reply 8)"},
      {"\5\x09\0\1"s, "proto: SOCKS5: unknown reply code 9"},
      {"\5\xff\0\1"s, "proto: SOCKS5: unknown reply code 255"},
      {"\4\0\0\1"s, "proto: SOCKS5: version of the reply is 4"},
      {"\5\0\0\0"s, "proto: SOCKS5: unknown address type 0"},
      {"\5\0\0\2"s, "proto: SOCKS5: unknown address type 2"},
      {"\5\0\0\5"s, "proto: SOCKS5: unknown address type 5"},
  };
  for (const auto& row : kCases) {
    Socks5 socks = dialogue();
    EXPECT_TRUE(take(socks, "\5\0"s));
    EXPECT_EQ(outcome_of(take(socks, row.reply)), row.outcome);
  }
}

TEST(Socks5, AsksNoProxyForWhatIsNoTarget) {
  for (const auto& row : kBadTargets) {
    auto socks = Socks5::begin(row.endpoint, "", "");
    ASSERT_TRUE(socks.has_error()) << row.what;
    EXPECT_EQ(socks.error().code, Errno::inval) << row.what;
  }
}

TEST(Socks5, TakesAUserAndAPasswordOfUpTo255Bytes) {
  const std::string most(255, 'x');
  Socks5 socks = dialogue(most, most);
  EXPECT_TRUE(take(socks, "\5\2"s));
  EXPECT_EQ(socks.to_send(), "\1\xff" + most + "\xff" + most);
  const std::string user_outcome = "io: SOCKS5 takes a user of 1 to 255 bytes";
  const std::string password_outcome = "io: SOCKS5 takes a password of 1 to 255 bytes";
  EXPECT_EQ(outcome_of(Socks5::begin(target("192.0.2.1:1"), most + "x", "p")), user_outcome);
  EXPECT_EQ(outcome_of(Socks5::begin(target("192.0.2.1:1"), "u", most + "x")), password_outcome);
  EXPECT_EQ(outcome_of(Socks5::begin(target("192.0.2.1:1"), "u", "")), password_outcome);
}

}  // namespace
}  // namespace wasi_netd::net
