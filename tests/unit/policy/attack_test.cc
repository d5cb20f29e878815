// What an attacker tries: other spellings, embeddings, names that lead inside, and random addresses by the thousand.
#include <random>

#include "policy/address_space.h"
#include "tests/unit/policy/loaded.h"

namespace wasi_netd::policy {
namespace {

using testing::Loaded;

// Every way to hide `inside` in IPv6, with the bits that the form leaves free taken from `noise`.
std::vector<IpAddress> disguises(const IpAddress& inside, const std::array<uint8_t, 16>& noise) {
  const auto put = [&](std::initializer_list<uint8_t> prefix, std::initializer_list<size_t> places, bool invert) {
    std::array<uint8_t, 16> bytes = noise;
    std::copy(prefix.begin(), prefix.end(), bytes.begin());
    size_t i = 0;
    for (const size_t place : places) {
      bytes[place] = invert ? static_cast<uint8_t>(~inside.bytes[i]) : inside.bytes[i];
      ++i;
    }
    return IpAddress::v6(bytes);
  };
  return {
      put({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, {12, 13, 14, 15}, false),     // mapped
      put({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, {12, 13, 14, 15}, false),           // compatible
      put({0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0}, {12, 13, 14, 15}, false),     // translated
      put({0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0}, {12, 13, 14, 15}, false),  // NAT64
      put({0, 0x64, 0xff, 0x9b, 0, 1, 0, 0, 0, 0, 0, 0}, {12, 13, 14, 15}, false),  // NAT64 local, /96
      put({0, 0x64, 0xff, 0x9b, 0, 1}, {6, 7, 9, 10}, false),                       // /48
      put({0, 0x64, 0xff, 0x9b, 0, 1}, {7, 9, 10, 11}, false),                      // /56
      put({0, 0x64, 0xff, 0x9b, 0, 1}, {9, 10, 11, 12}, false),                     // /64
      put({0x20, 0x02}, {2, 3, 4, 5}, false),                                       // 6to4
      put({0x20, 0x01, 0, 0}, {12, 13, 14, 15}, true),                              // Teredo client
      put({0x20, 0x01, 0, 0}, {4, 5, 6, 7}, false),                                 // Teredo server
  };
}

std::array<uint8_t, 16> random_bytes(std::mt19937& random) {
  std::array<uint8_t, 16> bytes{};
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  return bytes;
}

IpAddress random_ipv4(std::mt19937& random) {
  const std::array<uint8_t, 16> bytes = random_bytes(random);
  return IpAddress::v4({bytes[0], bytes[1], bytes[2], bytes[3]});
}

// `:: ` and `::1` are themselves, whatever their last four octets would mean.
bool is_itself(const IpAddress& address) { return address.is_unspecified() || address == *parse_ip("::1"); }

TEST(Attack, NoDisguiseOfADeniedIpv4AddressIsEverAllowed) {
  // Everything is allowed, every special block by a rule of its own; only the deny rules stand in the way.
  const Loaded policy(R"(protocols:
  web:
    transport: tcp
    connect:
      allow: ["0.0.0.0/0", "[::]/0", "[::]/3", "[64:ff9b::]/96", "[64:ff9b:1::]/48", "[2002::]/16", "[2001::]/32",
              "[::ffff:0:0:0]/96", "10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "[64:ff9b::10.0.0.0]/104",
              "[64:ff9b::7f00:0]/104", "[::10.0.0.0]/104", "[2002:a00::]/24", "[2002:a9fe::]/32", "*.example"]
      deny: ["10.0.0.0/9", "127.0.0.0/9", "169.254.169.254", "93.184.216.0/24", "200.0.0.0/7:443"]
    accept:
      allow: ["0.0.0.0/0", "[::]/0"]
      deny: ["10.0.0.0/9", "127.0.0.0/9", "169.254.169.254", "93.184.216.0/24", "200.0.0.0/7:443"]
    open:
      allow: ["0.0.0.0/0", "[::]/0"]
      deny: ["10.0.0.0/9", "127.0.0.0/9", "169.254.169.254", "93.184.216.0/24", "200.0.0.0/7:443"]
)");
  constexpr unsigned kSeed = 20240229;
  std::mt19937 random(kSeed);
  for (int round = 0; round < 5000; ++round) {
    IpAddress inside = random_ipv4(random);
    switch (round % 5) {
      case 0:
        inside.bytes[0] = 10;
        inside.bytes[1] &= 0x7f;
        break;
      case 1:
        inside.bytes[0] = 127;
        inside.bytes[1] &= 0x7f;
        break;
      case 2:
        inside = *parse_ip("169.254.169.254");
        break;
      case 3:
        std::copy_n(parse_ip("93.184.216.0")->bytes.begin(), 3, inside.bytes.begin());
        break;
      default:
        inside.bytes[0] = static_cast<uint8_t>(200 + (inside.bytes[0] & 1));
        break;
    }
    std::vector<IpAddress> forms = disguises(inside, random_bytes(random));
    forms.push_back(inside);
    for (const IpAddress& form : forms) {
      if (is_itself(form)) continue;
      for (const Operation operation : {Operation::kConnect, Operation::kAccept, Operation::kOpen}) {
        Request request{"", "web", operation, IpEndpoint{form, 443}, {}};
        ASSERT_EQ(policy->decide(request).verdict, Verdict::kDeny) << to_string(operation) << " " << to_string(form);
      }
      Request by_name{"", "web", Operation::kConnect, IpEndpoint{form, 443}, "a.example"};
      ASSERT_EQ(policy->decide(by_name).verdict, Verdict::kDeny) << to_string(form);
      by_name.operation = Operation::kResolve;
      by_name.endpoint = IpEndpoint{form, 0};
      const bool every_port_denied = round % 5 != 4;
      ASSERT_TRUE(!every_port_denied || policy->decide(by_name).verdict == Verdict::kDeny) << to_string(form);
    }
  }
}

TEST(Attack, ANameNeverLeadsToANonPublicAddress) {
  const Loaded policy(R"(protocols:
  web:
    transport: tcp
    connect: {allow: ["*.example:443", "0.0.0.0/0:443", "[::]/0:443"]}
)");
  constexpr unsigned kSeed = 7;
  std::mt19937 random(kSeed);
  for (int round = 0; round < 20000; ++round) {
    IpAddress address = random_ipv4(random);
    if (round % 2 == 0) {
      const std::vector<IpAddress> forms = disguises(address, random_bytes(random));
      address = forms[random() % forms.size()];
    } else if (round % 3 == 0) {
      address = IpAddress::v6(random_bytes(random));
    }
    const bool is_public = classify(address) == AddressClass::kPublic;
    const Verdict expected = is_public ? Verdict::kAllow : Verdict::kDeny;
    for (const char* via : {"", "a.example"}) {
      Request request{"", "web", Operation::kConnect, IpEndpoint{address, 443}, {}};
      if (*via != '\0') request.via_name = via;
      ASSERT_EQ(policy->decide(request).verdict, expected) << to_string(address) << " via '" << via << "'";
    }
  }
}

TEST(Attack, TheUnspecifiedAddressDoesNotGoAroundADeniedLoopback) {
  const Loaded policy(R"(protocols:
  web:
    transport: tcp
    connect: {allow: ["0.0.0.0", "[::]", "127.0.0.0/8:80"], deny: ["127.0.0.1:22", "[::1]:22"]}
)");
  EXPECT_EQ(policy.ask({"", "web", Operation::kConnect, "0.0.0.0:22", ""}), "deny 127.0.0.1:22");
  EXPECT_EQ(policy.ask({"", "web", Operation::kConnect, "[::ffff:0.0.0.0]:22", ""}), "deny 127.0.0.1:22");
  EXPECT_EQ(policy.ask({"", "web", Operation::kConnect, "[::]:22", ""}), "deny 127.0.0.1:22");
  EXPECT_EQ(policy.ask({"", "web", Operation::kConnect, "0.0.0.0:80", ""}), "allow 0.0.0.0");
}

TEST(Attack, AZoneDoesNotChangeTheRuleThatHolds) {
  const Loaded policy(R"(protocols:
  web:
    transport: tcp
    connect: {allow: ["[fe80::]/10"], deny: ["[fe80::1]"]}
)");
  EXPECT_EQ(policy.ask({"", "web", Operation::kConnect, "[fe80::1%eth0]:1", ""}), "deny [fe80::1]");
  EXPECT_EQ(policy.ask({"", "web", Operation::kConnect, "[fe80::2%eth0]:1", ""}), "allow [fe80::]/10");
}

TEST(Attack, NamesMatchByWholeLabelsOnly) {
  const Loaded policy(R"(protocols:
  web:
    transport: tcp
    connect: {allow: ["*.example.com:443", "example.com:443"], deny: ["*.internal.example.com", "internal.example.com"]}
)");
  const std::pair<const char*, const char*> kTable[] = {
      {"example.com:443", "allow example.com:443"},
      {"EXAMPLE.COM:443", "allow example.com:443"},
      {"a.example.com.:443", "allow *.example.com:443"},
      {"internal.example.com:443", "deny internal.example.com"},
      {"INTERNAL.example.com.:443", "deny internal.example.com"},
      {"db.internal.example.com:443", "deny *.internal.example.com"},
      {"a.b.INTERNAL.example.com:443", "deny *.internal.example.com"},
      {"xinternal.example.com:443", "allow *.example.com:443"},
      {"notexample.com:443", "deny connect"},
      {"example.com.evil:443", "deny connect"},
      {"example.comx:443", "deny connect"},
      {"com:443", "deny connect"},
  };
  for (const auto& [address, expected] : kTable) {
    EXPECT_EQ(policy.ask({"", "web", Operation::kConnect, address, ""}), expected) << address;
  }
}

TEST(Attack, ALongNameOfManyLabelsIsJudgedLikeAnyOther) {
  const Loaded policy(R"(protocols:
  web:
    transport: tcp
    connect: {allow: ["*.example:443"]}
)");
  std::string name;
  for (int i = 0; i < 122; ++i) name += "a.";
  EXPECT_EQ(policy.ask({"", "web", Operation::kConnect, name + "example:443", ""}), "allow *.example:443");
  EXPECT_EQ(policy.ask({"", "web", Operation::kConnect, name + "exampl:443", ""}), "deny connect");
}

}  // namespace
}  // namespace wasi_netd::policy
