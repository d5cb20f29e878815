// Endpoints as socket addresses and back.
#include "daemon/net/socket_address.h"

#include <string>

#include <net/if.h>

#include "tests/loop/loop_test.h"

namespace wasi_netd::net {
namespace {

std::string there_and_back(const char* text) {
  auto endpoint = policy::parse_endpoint(text, policy::Transport::kTcp);
  auto address = ip_address(std::get<policy::IpEndpoint>(*endpoint));
  return policy::to_string(endpoint_of(*address));
}

TEST(SocketAddresses, OfIpKeepTheirText) {
  for (const char* text : {"127.0.0.1:80", "255.255.255.255:65535", "0.0.0.0:0", "[::]:0", "[::1]:8888",
                           "[2001:db8::5]:1", "[fe80::1%lo]:443"}) {
    EXPECT_EQ(there_and_back(text), text);
  }
}

TEST(SocketAddresses, TakeAZoneByNumberAndTellItByName) {
  std::string by_number = "[fe80::1%" + std::to_string(::if_nametoindex("lo")) + "]:443";
  EXPECT_EQ(there_and_back(by_number.c_str()), "[fe80::1%lo]:443");
}

TEST(SocketAddresses, OfZonesThatAreNotThereAreNodev) {
  for (const char* zone : {"nosuchzone", "0", "-1", "1x", "99999999999"}) {
    policy::IpEndpoint endpoint{policy::IpAddress::v6({0xfe, 0x80}, zone), 1};
    EXPECT_EQ(code_of(ip_address(endpoint)), Errno::nodev) << zone;
  }
}

TEST(SocketAddresses, OfMappedIpv4AreIpv4) {
  auto mapped = test::native_ip("::ffff:192.0.2.1", 80);
  SocketAddress address{mapped.storage, mapped.size};
  EXPECT_EQ(policy::to_string(endpoint_of(address)), "192.0.2.1:80");
}

TEST(SocketAddresses, OfUnixPathsThatSayNothingAreUnnamed) {
  for (const char* path :
       {"relative", "./s", "/proc/self/fd/7/s", "/a/../b", "/a/./b", "/a//b", "//a", "/a/", "/..", "/a\nb"}) {
    EXPECT_EQ(endpoint_of(*unix_address(path, false)), Endpoint(policy::UnixEndpoint{})) << path;
  }
  SocketAddress unnamed;
  unnamed.storage.ss_family = AF_UNIX;
  unnamed.size = sizeof(sa_family_t);
  EXPECT_EQ(endpoint_of(unnamed), Endpoint(policy::UnixEndpoint{}));
}

TEST(SocketAddresses, OfUnixNamesKeepEveryByteThatFits) {
  const std::string longest = "/" + std::string(106, 'x');
  EXPECT_EQ(endpoint_of(*unix_address(longest, false)), unix_path(longest));
  EXPECT_EQ(code_of(unix_address(longest + "x", false)), Errno::nametoolong);
  const std::string abstract = "\u00e4 b";
  EXPECT_EQ(endpoint_of(*unix_address(abstract, true)), unix_abstract(abstract));
}

TEST(SocketAddresses, OfUnixNamesThatAreNoPlainTextAreUnnamed) {
  using namespace std::string_literals;
  for (const std::string& name : {"rv\xff\xfe"s, "a\nb"s, "a\0b"s, "a\x7f"s, "\xc2\x85"s, "\xed\xa0\x80"s}) {
    EXPECT_EQ(endpoint_of(*unix_address(name, true)), Endpoint(policy::UnixEndpoint{})) << testing::PrintToString(name);
    if (name.find('\0') != std::string::npos) continue;  // the end of a path
    EXPECT_EQ(endpoint_of(*unix_address("/" + name, false)), Endpoint(policy::UnixEndpoint{}))
        << testing::PrintToString(name);
  }
}

TEST(SocketAddresses, AreTheSameOnlyWithAddressZoneAndPort) {
  auto at = [](const char* text) {
    return *ip_address(std::get<policy::IpEndpoint>(*policy::parse_endpoint(text, policy::Transport::kTcp)));
  };
  EXPECT_TRUE(same_ip_and_port(at("127.0.0.1:1"), at("127.0.0.1:1")));
  EXPECT_FALSE(same_ip_and_port(at("127.0.0.1:1"), at("127.0.0.1:2")));
  EXPECT_FALSE(same_ip_and_port(at("127.0.0.1:1"), at("127.0.0.2:1")));
  EXPECT_TRUE(same_ip_and_port(at("[fe80::1%lo]:1"), at("[fe80::1%lo]:1")));
  EXPECT_FALSE(same_ip_and_port(at("[fe80::1%lo]:1"), at("[fe80::1]:1")));
  EXPECT_FALSE(same_ip_and_port(at("[::]:1"), at("0.0.0.0:1")));
}

}  // namespace
}  // namespace wasi_netd::net
