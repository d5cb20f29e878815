// Addresses as guests write them: row ADDR of docs/guest-api.md.
#include "policy/address.h"

#include <gtest/gtest.h>

namespace wasi_netd::policy {
namespace {

std::string round_trip(std::string_view text, Transport transport = Transport::kTcp) {
  const std::optional<Endpoint> endpoint = parse_endpoint(text, transport);
  if (!endpoint) return "refused";
  std::string shown = to_string(*endpoint);
  const std::optional<Endpoint> again = parse_endpoint(shown, transport);
  if (!again || *again != *endpoint) return "does not parse back: " + shown;
  return shown;
}

TEST(Address, TcpSpellingsAreReadAndWrittenInOneForm) {
  const std::pair<std::string_view, std::string_view> kTable[] = {
      {"127.0.0.1:80", "127.0.0.1:80"},
      {"0.0.0.0:0", "0.0.0.0:0"},
      {"255.255.255.255:65535", "255.255.255.255:65535"},
      {"[::]:0", "[::]:0"},
      {"[::1]:8888", "[::1]:8888"},
      {"[2001:DB8::0001]:1", "[2001:db8::1]:1"},
      {"[2001:db8:0:0:1:0:0:1]:1", "[2001:db8::1:0:0:1]:1"},
      {"[2001:db8:0:1:1:1:1:1]:1", "[2001:db8:0:1:1:1:1:1]:1"},
      {"[1:2:3:4:5:6:7::]:1", "[1:2:3:4:5:6:7:0]:1"},
      {"[::2:3:4:5:6:7:8]:1", "[0:2:3:4:5:6:7:8]:1"},
      {"[1:2:3:4:5:6:1.2.3.4]:1", "[1:2:3:4:5:6:102:304]:1"},
      {"[64:ff9b::192.0.2.33]:443", "[64:ff9b::c000:221]:443"},
      {"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:9", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:9"},
      {"[fe80::1%eth0]:1", "[fe80::1%eth0]:1"},
      {"[febf::1%br-0.1_a]:1", "[febf::1%br-0.1_a]:1"},
      {"[::ffff:10.0.0.1]:80", "10.0.0.1:80"},
      {"[::ffff:a00:1]:80", "10.0.0.1:80"},
      {"[0:0:0:0:0:ffff:a00:1]:80", "10.0.0.1:80"},
      {"[::ffff:0.0.0.0]:0", "0.0.0.0:0"},
      {"name.example:443", "name.example:443"},
      {"NAME.Example.:443", "name.example:443"},
      {"localhost:1", "localhost:1"},
      {"xn--bcher-kva.example:1", "xn--bcher-kva.example:1"},
      {"1.2.3.4.example:1", "1.2.3.4.example:1"},
      {"r3---sn-a.example:1", "r3---sn-a.example:1"},
      {"3com.com:0", "3com.com:0"},
  };
  for (const auto& [text, expected] : kTable) EXPECT_EQ(round_trip(text), expected) << text;
}

TEST(Address, EverySpellingThatIsNotStrictIsRefused) {
  using namespace std::string_view_literals;
  const std::string_view kTable[] = {
      "",
      ":",
      ":80",
      "127.0.0.1",
      "127.0.0.1:",
      "[::1]",
      "[::1]:",
      "name.example",
      "name.example:",
      // ports
      "127.0.0.1:080",
      "127.0.0.1:00",
      "127.0.0.1:65536",
      "127.0.0.1:99999999999",
      "127.0.0.1:-1",
      "127.0.0.1:+1",
      "127.0.0.1:0x50",
      "127.0.0.1: 80",
      "127.0.0.1:80 ",
      " 127.0.0.1:80",
      "127.0.0.1:8o",
      "127.0.0.1:80:81",
      "127.0.0.1:http",
      "127.0.0.1\t:80",
      "127.0.0.1:80\n",
      // IPv4 in any other notation
      "127.1:80",
      "127.0.1:80",
      "2130706433:80",
      "0x7f000001:80",
      "0x7f.0.0.1:80",
      "0177.0.0.1:80",
      "127.0.0.01:80",
      "127.0.0.1.:80",
      ".127.0.0.1:80",
      "127..0.1:80",
      "127.0.0.0.1:80",
      "256.0.0.1:80",
      "1.2.3.256:80",
      "1.2.3.-4:80",
      "1.2.3.4e0:80 ",
      "[127.0.0.1]:80",
      "127.0.0.1]:80",
      "[127.0.0.1:80",
      "0x:80",
      "example.0x7f:80",
      "example.123:80",
      "０.0.0.0:80",
      "127。0。0。1:80",
      // IPv6
      "::1:80",
      "2001:db8::1:443",
      "[::1:80",
      "::1]:80",
      "[::1]80",
      "[[::1]]:80",
      "[]:80",
      "[:]:80",
      "[:::]:80",
      "[::1::]:80",
      "[1::2::3]:80",
      "[1:2:3:4:5:6:7]:80",
      "[1:2:3:4:5:6:7:8:9]:80",
      "[::1:2:3:4:5:6:7:8]:80",
      "[1:2:3:4:5:6:7:8::]:80",
      "[:1:2:3:4:5:6:7]:80",
      "[1:2:3:4:5:6:7:]:80",
      "[12345::]:80",
      "[g::]:80",
      "[::0x1]:80",
      "[::-1]:80",
      "[ ::1]:80",
      "[::1 ]:80",
      "[::1.2.3]:80",
      "[::1.2.3.4.5]:80",
      "[::1.2.3.04]:80",
      "[::1.2.3.4:1]:80",
      "[1.2.3.4::]:80",
      "[::256.0.0.1]:80",
      "[1:2:3:4:5:6:7:1.2.3.4]:80",
      "[::1/128]:80",
      // zones
      "[fe80::1%]:80",
      "[fe80::1%eth 0]:80",
      "[fe80::1%eth0%eth1]:80",
      "[fe80::1%abcdefghijklmnop]:80",
      "[fe80::1%25eth0/]:80",
      "[::1%lo]:80",
      "[2001:db8::1%eth0]:80",
      "[::ffff:10.0.0.1%eth0]:80",
      "[%eth0]:80",
      "[fec0::1%eth0]:80",
      "127.0.0.1%lo:80",
      // names
      "-a.example:1",
      "a-.example:1",
      "a..example:1",
      ".example:1",
      "a.example..:1",
      "a_b.example:1",
      "*.example:1",
      "bücher.example:1",
      "a b.example:1",
      "a/b:1",
      "user@host:1",
      "a.example\0.b:1"sv,
      "a.example\0:1"sv,
      "127.0.0.1\0:80"sv,
      "[::1\0]:80"sv,
      "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl.example:1",
      // another transport's
      "/run/app.sock",
      "@name",
      "http://name.example:80",
  };
  for (const std::string_view text : kTable) {
    EXPECT_FALSE(parse_endpoint(text, Transport::kTcp)) << "accepted: " << text;
  }
}

TEST(Address, NamesHoldTo253OctetsAndLabelsTo63) {
  const std::string label(63, 'a');
  const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'b');
  ASSERT_EQ(longest.size(), 253u);
  EXPECT_EQ(parse_name(longest), longest);
  EXPECT_EQ(parse_name(longest + "."), longest) << "the trailing dot does not count";
  EXPECT_FALSE(parse_name(longest + "b"));
  EXPECT_FALSE(parse_name(label + "a.example"));
  EXPECT_FALSE(parse_name("."));
  EXPECT_FALSE(parse_name(""));
}

TEST(Address, UnixNames) {
  const std::string longest = "/" + std::string(106, 'a');
  const std::pair<std::string, std::string> kTable[] = {
      {"", ""},
      {"0.0.0.0:0", ""},
      {"[::]:0", ""},
      {"/a", "/a"},
      {"/run/app/chat.sock", "/run/app/chat.sock"},
      {"/run/..app/.hidden", "/run/..app/.hidden"},
      {"/with space/ü", "/with space/ü"},
      {longest, longest},
      {"@a", "@a"},
      {"@/not/a path//..", "@/not/a path//.."},
      {"@@", "@@"},
      {"@" + std::string(107, 'n'), "@" + std::string(107, 'n')},
  };
  for (const auto& [text, expected] : kTable) EXPECT_EQ(round_trip(text, Transport::kUnix), expected) << text;
}

TEST(Address, UnixNamesThatAreNotNormalAreRefused) {
  using namespace std::string_view_literals;
  const std::string too_long = "/" + std::string(107, 'a');
  const std::string too_long_abstract = "@" + std::string(108, 'a');
  const std::string_view kTable[] = {
      "/",
      "//",
      "//a",
      "/a/",
      "/a//b",
      "/./a",
      "/a/.",
      "/a/..",
      "/../a",
      "/a/../b",
      "a",
      "a/b",
      "./a",
      "../a",
      "~/a",
      "@",
      "/a\0b"sv,
      "@a\0"sv,
      "\0a"sv,
      "/a\nb",
      "@a\x7f",
      too_long,
      too_long_abstract,
      "127.0.0.1:80",
      "[::]:1",
      " /a",
  };
  for (const std::string_view text : kTable) {
    EXPECT_FALSE(parse_endpoint(text, Transport::kUnix)) << "accepted: " << text;
  }
}

TEST(Address, AnyIsTheUnspecifiedAddressWithPortZeroAndTheUnnamedSocket) {
  for (const char* text : {"0.0.0.0:0", "[::]:0", "[::ffff:0.0.0.0]:0"}) {
    EXPECT_TRUE(is_any(*parse_endpoint(text, Transport::kTcp))) << text;
  }
  EXPECT_TRUE(is_any(*parse_endpoint("", Transport::kUnix)));
  for (const char* text : {"0.0.0.0:1", "[::]:1", "127.0.0.1:0", "[::1]:0", "a.example:0"}) {
    EXPECT_FALSE(is_any(*parse_endpoint(text, Transport::kTcp))) << text;
  }
  EXPECT_FALSE(is_any(*parse_endpoint("@a", Transport::kUnix)));
}

TEST(Address, AMappedAddressMadeFromBytesIsTheIpv4Address) {
  const IpAddress mapped = IpAddress::v6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1});
  EXPECT_EQ(mapped, IpAddress::v4({10, 0, 0, 1}));
  EXPECT_EQ(mapped.family, Family::kIpv4);
}

}  // namespace
}  // namespace wasi_netd::policy
