// The classifier: every special-purpose block's edges, and IPv4 in every disguise.
#include <gtest/gtest.h>

#include "policy/address.h"
#include "policy/address_space.h"

namespace wasi_netd::policy {
namespace {

AddressClass class_of(std::string_view text) {
  const std::optional<IpAddress> address = parse_ip(text);
  EXPECT_TRUE(address) << text;
  return address ? classify(*address) : AddressClass::kPublic;
}

struct Range {
  const char* before;  // the last address below, or null where another special block is there
  const char* first;
  const char* last;
  const char* after;
  AddressClass address_class;
};

TEST(AddressClass, EveryIpv4BlockBeginsAndEndsWhereTheRegistrySays) {
  constexpr Range kTable[] = {
      {nullptr, "0.0.0.0", "0.0.0.0", nullptr, AddressClass::kUnspecified},
      {nullptr, "0.0.0.1", "0.255.255.255", "1.0.0.0", AddressClass::kThisHost},
      {"9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0", AddressClass::kPrivate},
      {"100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0", AddressClass::kSharedCgnat},
      {"126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0", AddressClass::kLoopback},
      {"169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0", AddressClass::kLinkLocal},
      {"172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0", AddressClass::kPrivate},
      {"191.255.255.255", "192.0.0.0", "192.0.0.255", "192.0.1.0", AddressClass::kReserved},
      {"192.0.1.255", "192.0.2.0", "192.0.2.255", "192.0.3.0", AddressClass::kDocumentation},
      {"192.88.98.255", "192.88.99.0", "192.88.99.255", "192.88.100.0", AddressClass::kReserved},
      {"192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0", AddressClass::kPrivate},
      {"198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0", AddressClass::kBenchmark},
      {"198.51.99.255", "198.51.100.0", "198.51.100.255", "198.51.101.0", AddressClass::kDocumentation},
      {"203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0", AddressClass::kDocumentation},
      {"223.255.255.255", "224.0.0.0", "239.255.255.255", nullptr, AddressClass::kMulticast},
      {nullptr, "240.0.0.0", "255.255.255.254", nullptr, AddressClass::kReserved},
      {nullptr, "255.255.255.255", "255.255.255.255", nullptr, AddressClass::kBroadcast},
  };
  for (const Range& row : kTable) {
    EXPECT_EQ(class_of(row.first), row.address_class) << row.first;
    EXPECT_EQ(class_of(row.last), row.address_class) << row.last;
    for (const char* outside : {row.before, row.after}) {
      EXPECT_TRUE(outside == nullptr || class_of(outside) == AddressClass::kPublic) << outside;
    }
  }
}

TEST(AddressClass, EveryIpv6BlockBeginsAndEndsWhereTheRegistrySays) {
  constexpr Range kTable[] = {
      {nullptr, "::", "::", nullptr, AddressClass::kUnspecified},
      {nullptr, "::1", "::1", nullptr, AddressClass::kLoopback},
      {nullptr, "::ffff:0:0:0", "::ffff:0:ffff:ffff", nullptr, AddressClass::kReserved},
      {nullptr, "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", nullptr, AddressClass::kNat64Local},
      {nullptr, "64:ff9b:2::", "ff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", nullptr, AddressClass::kReserved},
      {nullptr, "100::", "100::ffff:ffff:ffff:ffff", nullptr, AddressClass::kReserved},
      {nullptr, "100:0:0:1::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2000::", AddressClass::kReserved},
      {nullptr, "2001:1::", "2001:1:ffff:ffff:ffff:ffff:ffff:ffff", nullptr, AddressClass::kReserved},
      {nullptr, "2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", nullptr, AddressClass::kBenchmark},
      {nullptr, "2001:10::", "2001:1f:ffff:ffff:ffff:ffff:ffff:ffff", nullptr, AddressClass::kReserved},
      {nullptr, "2001:20::", "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff", nullptr, AddressClass::kReserved},
      {nullptr, "2001:30::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:200::", AddressClass::kReserved},
      {"2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
       "2001:db9::", AddressClass::kDocumentation},
      {"3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
       "3fff:1000::", AddressClass::kDocumentation},
      {"3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "4000::", "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", nullptr,
       AddressClass::kReserved},
      {nullptr, "5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", nullptr, AddressClass::kReserved},
      {nullptr, "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", nullptr, AddressClass::kPrivate},
      {nullptr, "fe00::", "fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff", nullptr, AddressClass::kReserved},
      {nullptr, "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", nullptr, AddressClass::kLinkLocal},
      {nullptr, "fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", nullptr, AddressClass::kPrivate},
      {nullptr, "ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", nullptr, AddressClass::kMulticast},
  };
  for (const Range& row : kTable) {
    EXPECT_EQ(class_of(row.first), row.address_class) << row.first;
    EXPECT_EQ(class_of(row.last), row.address_class) << row.last;
    for (const char* outside : {row.before, row.after}) {
      EXPECT_TRUE(outside == nullptr || class_of(outside) == AddressClass::kPublic) << outside;
    }
  }
  EXPECT_EQ(class_of("fe80::1%eth0"), AddressClass::kLinkLocal);
}

TEST(AddressClass, OrdinaryAddressesArePublic) {
  for (const char* text : {"1.1.1.1", "8.8.8.8", "93.184.216.34", "172.15.0.1", "223.255.255.254", "2606:4700::1111",
                           "2a00:1450:4001:80e::200e", "2001:4860:4860::8888", "2400::1", "2620:4f:8000::1"}) {
    EXPECT_EQ(class_of(text), AddressClass::kPublic) << text;
  }
}

TEST(AddressClass, Ipv4HiddenInIpv6HasTheClassOfTheInside) {
  const std::pair<const char*, AddressClass> kTable[] = {
      // mapped: the parser makes IPv4 of it
      {"::ffff:127.0.0.1", AddressClass::kLoopback},
      {"::ffff:8.8.8.8", AddressClass::kPublic},
      // compatible
      {"::127.0.0.1", AddressClass::kLoopback},
      {"::10.0.0.1", AddressClass::kPrivate},
      {"::169.254.169.254", AddressClass::kLinkLocal},
      {"::0.0.0.2", AddressClass::kThisHost},
      {"::255.255.255.255", AddressClass::kBroadcast},
      {"::8.8.8.8", AddressClass::kPublic},
      // NAT64
      {"64:ff9b::127.0.0.1", AddressClass::kLoopback},
      {"64:ff9b::10.255.255.255", AddressClass::kPrivate},
      {"64:ff9b::a9fe:a9fe", AddressClass::kLinkLocal},
      {"64:ff9b::100.64.0.1", AddressClass::kSharedCgnat},
      {"64:ff9b::224.0.0.1", AddressClass::kMulticast},
      {"64:ff9b::", AddressClass::kUnspecified},
      {"64:ff9b::93.184.216.34", AddressClass::kPublic},
      {"64:ff9b:0:0:0:1:7f00:1", AddressClass::kReserved},  // not the /96
      // 6to4
      {"2002:7f00:1::", AddressClass::kLoopback},
      {"2002:7f00:1:ffff:ffff:ffff:ffff:ffff", AddressClass::kLoopback},
      {"2002:a00:1::1", AddressClass::kPrivate},
      {"2002:a9fe:a9fe::", AddressClass::kLinkLocal},
      {"2002:c058:6301::", AddressClass::kReserved},  // the former relay, itself a 6to4 anycast
      {"2002:c633:6401::", AddressClass::kDocumentation},
      {"2002:808:808::1", AddressClass::kPublic},
      {"2002::", AddressClass::kUnspecified},
      {"2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", AddressClass::kBroadcast},
      // Teredo: the client is stored inverted at the end, the server plain after the prefix
      {"2001:0:808:808:0:0:80ff:fffe", AddressClass::kLoopback},
      {"2001:0:808:808:8000:63bf:f5ff:fffe", AddressClass::kPrivate},
      {"2001:0:808:808:0:0:5601:5601", AddressClass::kLinkLocal},
      {"2001:0:808:808:0:0:f7f7:f7f7", AddressClass::kPublic},
      {"2001:0:7f00:1:0:0:f7f7:f7f7", AddressClass::kLoopback},
      {"2001:0:a00:1:0:0:f7f7:f7f7", AddressClass::kPrivate},
      {"2001:0:808:808::", AddressClass::kBroadcast},
      // any inside is refused here
      {"64:ff9b:1::8.8.8.8", AddressClass::kNat64Local},
      {"64:ff9b:1:808:8:800::", AddressClass::kNat64Local},
  };
  for (const auto& [text, expected] : kTable) EXPECT_EQ(class_of(text), expected) << text;
}

TEST(AddressClass, AMappedAddressThatEscapedTheParserIsStillSeenThrough) {
  IpAddress raw;
  raw.family = Family::kIpv6;
  raw.bytes = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1};
  EXPECT_EQ(classify(raw), AddressClass::kLoopback);
}

TEST(AddressClass, TheSpecialBlockOfAHiddenAddressIsCountedInItsOwnBits) {
  const std::pair<const char*, int> kTable[] = {
      {"127.0.0.1", 8},
      {"::127.0.0.1", 104},
      {"64:ff9b::127.0.0.1", 104},
      {"2002:7f00:1::", 24},
      {"64:ff9b::10.0.0.1", 104},
      {"2002:c000:201::", 40},
      {"2001:0:808:808::f5ff:fffe", 104},
      {"2001:0:a00:1::f7f7:f7f7", 40},
      {"fe80::1", 10},
      {"8.8.8.8", 0},
  };
  for (const auto& [text, expected] : kTable) EXPECT_EQ(special_block(*parse_ip(text)).length, expected) << text;
}

TEST(AddressClass, EveryClassHasAName) {
  EXPECT_EQ(to_string(AddressClass::kPublic), "public");
  EXPECT_EQ(to_string(AddressClass::kThisHost), "this-host");
  EXPECT_EQ(to_string(AddressClass::kUnspecified), "unspecified");
  EXPECT_EQ(to_string(AddressClass::kLoopback), "loopback");
  EXPECT_EQ(to_string(AddressClass::kPrivate), "private");
  EXPECT_EQ(to_string(AddressClass::kLinkLocal), "link-local");
  EXPECT_EQ(to_string(AddressClass::kSharedCgnat), "shared-cgnat");
  EXPECT_EQ(to_string(AddressClass::kMulticast), "multicast");
  EXPECT_EQ(to_string(AddressClass::kBroadcast), "broadcast");
  EXPECT_EQ(to_string(AddressClass::kDocumentation), "documentation");
  EXPECT_EQ(to_string(AddressClass::kBenchmark), "benchmark");
  EXPECT_EQ(to_string(AddressClass::kReserved), "reserved");
  EXPECT_EQ(to_string(AddressClass::kNat64Local), "nat64-local");
}

}  // namespace
}  // namespace wasi_netd::policy
