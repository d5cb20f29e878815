// The indexes answer what a scan of all rules would: random rules, random questions, fixed seeds.
#include "policy/rule_set.h"

#include <algorithm>
#include <deque>
#include <random>
#include <span>

#include <gtest/gtest.h>

namespace wasi_netd::policy {
namespace {

constexpr int kRounds = 20;
constexpr int kRules = 60;
constexpr int kQuestions = 400;

bool has_port(const RulePattern& rule, uint16_t port) {
  return std::ranges::any_of(rule.ports, [port](PortRange range) { return range.first <= port && port <= range.last; });
}

bool scan(const RulePattern& rule, const IpAddress& address, uint16_t port) {
  const auto* block = std::get_if<AddressBlock>(&rule.what);
  return block != nullptr && block->network.family == address.family && has_port(rule, port) &&
         masked(bits_of(address), block->length) == bits_of(block->network);
}

bool scan(const RulePattern& rule, const std::string& name, uint16_t port) {
  const auto* pattern = std::get_if<NamePattern>(&rule.what);
  if (pattern == nullptr || !has_port(rule, port)) return false;
  return pattern->wildcard ? name.ends_with("." + pattern->name) : name == pattern->name;
}

bool scan(const RulePattern& rule, const UnixEndpoint& endpoint) {
  const auto& pattern = std::get<UnixPattern>(rule.what);
  return pattern.prefix ? unix_text(endpoint).starts_with(pattern.text) : unix_text(endpoint) == pattern.text;
}

class RuleSets : public ::testing::Test {
 protected:
  unsigned below(unsigned limit) { return random_() % limit; }

  std::vector<PortRange> ports() {
    const auto first = static_cast<uint16_t>(1 + below(40));
    return {{first, static_cast<uint16_t>(first + below(10))}};
  }
  uint16_t port() { return static_cast<uint16_t>(1 + below(50)); }

  // Few distinct values, so that rules and questions meet.
  IpAddress address() {
    const auto octet = [this] { return static_cast<uint8_t>(below(2) * 128 + below(3)); };
    if (below(2) == 0) return IpAddress::v4({10, octet(), octet(), octet()});
    return IpAddress::v6({0x20, 0x01, 0x0d, 0xb8, octet(), octet(), 0, 0, 0, 0, 0, 0, 0, 0, octet(), octet()});
  }
  std::string name() {
    std::string text = "x";
    for (unsigned labels = below(4); labels > 0; --labels)
      text = std::string(1, static_cast<char>('a' + below(3))) + "." + text;
    return text;
  }
  UnixEndpoint unix_name() {
    std::string text;
    for (unsigned length = 1 + below(5); length > 0; --length) text += below(2) == 0 ? "/a" : "/b";
    return {text, below(2) == 0};
  }

  void add(RulePattern rule) {
    set_.add(rule, &places_.emplace_back());
    rules_.push_back(std::move(rule));
  }

  std::mt19937 random_{11};
  std::deque<Place> places_;
  std::vector<RulePattern> rules_;
  RuleSet set_;
};

TEST_F(RuleSets, FindTheAddressesThatAScanFinds) {
  for (int round = 0; round < kRounds; ++round) {
    set_ = {};
    rules_.clear();
    for (int i = 0; i < kRules; ++i) {
      const IpAddress network = address();
      const int length = static_cast<int>(below(static_cast<unsigned>(width_of(network.family)) + 1));
      add({block_around(network, length), ports()});
    }
    for (int i = 0; i < kQuestions; ++i) {
      const IpAddress asked = address();
      const uint16_t asked_port = port();
      const bool expected =
          std::ranges::any_of(rules_, [&](const RulePattern& rule) { return scan(rule, asked, asked_port); });
      ASSERT_EQ(set_.find(asked, asked_port) != nullptr, expected) << to_string(asked) << " " << asked_port;
    }
  }
}

TEST_F(RuleSets, FindTheNamesThatAScanFinds) {
  for (int round = 0; round < kRounds; ++round) {
    set_ = {};
    rules_.clear();
    for (int i = 0; i < kRules / 3; ++i) add({NamePattern{name(), below(2) == 0}, ports()});
    for (int i = 0; i < kQuestions; ++i) {
      const std::string asked = name();
      const uint16_t asked_port = port();
      const bool expected =
          std::ranges::any_of(rules_, [&](const RulePattern& rule) { return scan(rule, asked, asked_port); });
      ASSERT_EQ(set_.find(asked, asked_port) != nullptr, expected) << asked << " " << asked_port;
    }
  }
}

TEST_F(RuleSets, FindTheUnixNamesThatAScanFinds) {
  for (int round = 0; round < kRounds; ++round) {
    set_ = {};
    rules_.clear();
    for (int i = 0; i < kRules / 6; ++i) {
      const UnixEndpoint endpoint = unix_name();
      const bool prefix = below(2) == 0;
      const char* directory = prefix && !endpoint.abstract ? "/" : "";
      add({UnixPattern{unix_text(endpoint) + directory, prefix}, {{0, 65535}}});
    }
    for (int i = 0; i < kQuestions; ++i) {
      const UnixEndpoint asked = unix_name();
      const bool expected = std::ranges::any_of(rules_, [&](const RulePattern& rule) { return scan(rule, asked); });
      ASSERT_EQ(set_.find(asked) != nullptr, expected) << unix_text(asked);
    }
  }
}

TEST_F(RuleSets, WhatIsSaidToBeCoveredIsFoundForEveryMember) {
  for (int i = 0; i < kRules; ++i) {
    const IpAddress network = address();
    const int width = width_of(network.family);
    add({block_around(network, width - static_cast<int>(below(24))), {{1, static_cast<uint16_t>(1 + below(20))}}});
  }
  int covered = 0;
  for (int i = 0; i < kQuestions; ++i) {
    const IpAddress member = address();
    const RulePattern pattern{block_around(member, width_of(member.family)), ports()};
    const bool all = std::ranges::all_of(pattern.ports, [&](PortRange range) {
      for (uint32_t each = range.first; each <= range.last; ++each) {
        if (set_.find(member, static_cast<uint16_t>(each)) == nullptr) return false;
      }
      return true;
    });
    ASSERT_EQ(set_.covering(pattern) != nullptr, all) << to_string(member);
    covered += all ? 1 : 0;
  }
  EXPECT_GT(covered, 0);
}

TEST(PortMaps, KeepTheEarlierRuleAndFillTheGaps) {
  constexpr unsigned kSeed = 3;
  constexpr uint32_t kPorts = 200;
  std::mt19937 random(kSeed);
  for (int round = 0; round < 200; ++round) {
    std::deque<Place> places;
    std::vector<const Place*> model(kPorts, nullptr);
    PortMap map;
    for (int i = 0; i < 12; ++i) {
      const auto first = static_cast<uint16_t>(random() % kPorts);
      const auto last = static_cast<uint16_t>(std::min<uint32_t>(kPorts - 1, first + random() % 60));
      const auto taken = [](const Place* place) { return place != nullptr; };
      const std::span<const Place*> range(model.begin() + first, model.begin() + last + 1);
      ASSERT_EQ(map.covers({first, last}), std::ranges::all_of(range, taken));
      ASSERT_EQ(map.overlaps({first, last}), std::ranges::any_of(range, taken));
      const Place* rule = &places.emplace_back();
      ASSERT_EQ(map.add({first, last}, rule), !std::ranges::all_of(range, taken));
      for (const Place*& place : range) place = place != nullptr ? place : rule;
    }
    for (uint32_t port = 0; port < kPorts; ++port)
      ASSERT_EQ(map.find(static_cast<uint16_t>(port)), model[port]) << port;
  }
}

TEST(PortMaps, HoldTheFirstAndTheLastPort) {
  Place rule;
  PortMap map;
  EXPECT_TRUE(map.add({0, 65535}, &rule));
  EXPECT_FALSE(map.add({65535, 65535}, &rule));
  EXPECT_EQ(map.find(0), &rule);
  EXPECT_EQ(map.find(65535), &rule);
  EXPECT_TRUE(map.covers({0, 65535}));
}

}  // namespace
}  // namespace wasi_netd::policy
