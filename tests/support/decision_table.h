#pragma once
// One table of requests with the answers that the policy must give, for every operation, verdict and address class.
//
// The unit tests ask decide(); the end-to-end tests ask `wasi-netctl explain` and a live guest, and compare what both
// say with the row and with the audit record. Write decision_policy() to a file decisions.yaml; `directory` is where
// the Unix rows' sockets go (a normal absolute path of at most 60 bytes) and prefixes their abstract names. What a
// policy in audit mode lets pass is in a table of its own, with watched_policy() as watched.yaml.
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "policy/policy.h"

namespace wasi_netd::test {

struct DecisionRow {
  std::string protocol;
  policy::Operation operation = policy::Operation::kConnect;
  std::string address;  // what the guest gives; of kAccept the peer, whose port is any; of kResolve a name
  std::string answer;   // of a name: the one address that the policy's `hosts` gives for it, else empty
  policy::Verdict verdict = policy::Verdict::kDeny;
  std::string rule;                                                    // text of the deciding rule
  policy::AddressClass address_class = policy::AddressClass::kPublic;  // tcp only: of the address or the answer
};

struct ClassSample {
  policy::AddressClass address_class;
  std::array<const char*, 5> addresses;
};
inline constexpr ClassSample kClassSamples[] = {
    {policy::AddressClass::kPublic, {"8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700::1111", "64:ff9b::808:404"}},
    {policy::AddressClass::kThisHost, {"0.0.0.1", "0.1.2.3", "0.255.255.255", "::2", "64:ff9b::9:909"}},
    {policy::AddressClass::kUnspecified, {"0.0.0.0", "::", "64:ff9b::", "2002::", "2002:0:0:1::1"}},
    {policy::AddressClass::kLoopback, {"127.0.0.1", "127.1.2.3", "127.255.255.254", "::1", "64:ff9b::7f00:1"}},
    {policy::AddressClass::kPrivate, {"10.0.0.1", "172.16.0.1", "192.168.1.1", "fd00::1", "2002:a00:1::1"}},
    {policy::AddressClass::kLinkLocal, {"169.254.169.254", "169.254.0.1", "fe80::1", "febf::1", "::a9fe:101"}},
    {policy::AddressClass::kSharedCgnat,
     {"100.64.0.1", "100.100.100.100", "100.127.255.255", "64:ff9b::6440:1", "2002:6440:1::"}},
    {policy::AddressClass::kMulticast, {"224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1", "64:ff9b::e000:1"}},
    {policy::AddressClass::kBroadcast,
     {"255.255.255.255", "::ffff:ffff", "64:ff9b::ffff:ffff", "2002:ffff:ffff::", "2001:0:909:909::"}},
    {policy::AddressClass::kDocumentation, {"192.0.2.1", "198.51.100.7", "203.0.113.9", "2001:db8::1", "3fff::1"}},
    {policy::AddressClass::kBenchmark,
     {"198.18.0.1", "198.19.255.255", "2001:2::1", "64:ff9b::c612:1", "2002:c612:1::"}},
    {policy::AddressClass::kReserved, {"240.0.0.1", "192.0.0.8", "192.88.99.1", "4000::1", "100::1"}},
    {policy::AddressClass::kNat64Local,
     {"64:ff9b:1::1", "64:ff9b:1::909:909", "64:ff9b:1:ffff::1", "64:ff9b:1:909:9:900::", "64:ff9b:1::a00:1"}},
};

inline std::string bracketed(std::string_view address) {
  const bool is_ipv6 = address.find(':') != std::string_view::npos;
  return is_ipv6 ? "[" + std::string(address) + "]" : std::string(address);
}

// "loopback-2.in.example": the name that the policy answers with that class's sample.
inline std::string sample_name(policy::AddressClass address_class, size_t sample, std::string_view domain) {
  return std::string(to_string(address_class)) + "-" + std::to_string(sample) + "." + std::string(domain);
}

// Protocol `in`, of tcp or as asked, allows each sample by a rule of its own (connect 7001, open 7101, accept) and
// denies connect 7002; `out` knows names only, and denies the public samples.
inline std::string decision_policy(uint32_t uid, const std::string& directory, const std::string& transport = "tcp") {
  std::string connects, denials, opens, peers, publics, inside, outside;
  for (const ClassSample& sample : kClassSamples) {
    for (size_t i = 0; i < sample.addresses.size(); ++i) {
      const std::string address = bracketed(sample.addresses[i]);
      connects += "        - \"" + address + ":7001\"\n";
      denials += "        - \"" + address + ":7002\"\n";
      opens += "        - \"" + address + ":7101\"\n";
      peers += "        - \"" + address + "\"\n";
      if (sample.address_class == policy::AddressClass::kPublic) publics += "        - \"" + address + "\"\n";
      const std::string answer = ": [\"" + std::string(sample.addresses[i]) + "\"]\n";
      inside += "        " + sample_name(sample.address_class, i, "in.example") + answer;
      outside += "        " + sample_name(sample.address_class, i, "out.example") + answer;
    }
  }
  return "version: 1\ntenant: decisions\npeers: [{user: " + std::to_string(uid) + "}]\nprotocols:\n" +
         "  in:\n    transport: " + transport + "\n" + "    connect:\n      allow:\n        - \"*.in.example:7001\"\n" +
         connects + "      deny:\n" + denials +
         "    open:\n      allow:\n        - \"127.0.0.1:0\"\n        - \"[::1]:0\"\n" + opens +
         "    accept:\n      allow:\n        - \"127.0.1.0/24\"\n" + peers +
         "      deny: [\"127.0.1.66\", \"127.0.2.0/24\"]\n" + "    resolver:\n      hosts:\n" + inside +
         "  out:\n    transport: " + transport + "\n" +
         "    connect:\n      allow: [\"*.out.example:7001\"]\n      deny:\n" + publics +
         "    open:\n      allow: [\"127.0.0.1:0\"]\n      deny:\n" + publics +
         "    accept:\n      allow: [\"127.0.3.1\"]\n      deny:\n" + publics + "    resolver:\n      hosts:\n" +
         outside + "  local:\n    transport: unix\n" + "    connect: {allow: [\"" + directory + "/in/\", \"@" +
         directory + "*\"], deny: [\"" + directory + "/in/denied/\", \"@" + directory + "-bad*\"]}\n" +
         "    open: {allow: [\"" + directory + "/in/\", \"@" + directory + "*\"], deny: [\"" + directory +
         "/in/denied/\", \"@" + directory + "-bad*\"]}\n" + "    accept: {allow: [\"" + directory + "/in/\", \"@" +
         directory + "*\"], deny: [\"" + directory + "/in/denied/\", \"@" + directory + "-bad*\"]}\n";
}

// Five requests of one class for every operation and verdict, and for connect five that a rule denies.
inline void add_class_rows(const ClassSample& sample, std::vector<DecisionRow>& rows) {
  using policy::AddressClass;
  using policy::Operation;
  using policy::Verdict;
  const bool is_public = sample.address_class == AddressClass::kPublic;
  for (size_t i = 0; i < sample.addresses.size(); ++i) {
    const std::string plain = sample.addresses[i];
    const std::string address = bracketed(plain);
    const auto add = [&](const char* protocol, Operation operation, std::string asked, std::string answer,
                         Verdict verdict, std::string rule) {
      rows.push_back(
          {protocol, operation, std::move(asked), std::move(answer), verdict, std::move(rule), sample.address_class});
    };
    add("in", Operation::kConnect, address + ":7001", "", Verdict::kAllow, address + ":7001");
    add("in", Operation::kConnect, address + ":7002", "", Verdict::kDeny, address + ":7002");
    add("out", Operation::kConnect, address + ":7001", "", Verdict::kDeny, is_public ? address : "connect");
    add("in", Operation::kOpen, address + ":7101", "", Verdict::kAllow, address + ":7101");
    add("out", Operation::kOpen, address + ":7101", "", Verdict::kDeny, is_public ? address : "open");
    // `listen` is judged by the rules of `open`, so `open` has refused what it would refuse: a denied one can be asked
    // of the policy, but no guest gets that far.
    add("in", Operation::kListen, address + ":7101", "", Verdict::kAllow, address + ":7101");
    add("out", Operation::kListen, address + ":7101", "", Verdict::kDeny, is_public ? address : "open");
    add("in", Operation::kAccept, address + ":40000", "", Verdict::kAllow, address);
    add("out", Operation::kAccept, address + ":40000", "", Verdict::kDeny, is_public ? address : "accept");

    const std::string inside = sample_name(sample.address_class, i, "in.example");
    const std::string outside = sample_name(sample.address_class, i, "out.example");
    const std::string opened_by = is_public ? "*.in.example:7001" : address + ":7001";
    const std::string closed_by = is_public ? address : "*.out.example:7001";
    add("in", Operation::kConnect, inside + ":7001", plain, Verdict::kAllow, opened_by);
    add("out", Operation::kConnect, outside + ":7001", plain, Verdict::kDeny, closed_by);
    add("in", Operation::kResolve, inside, plain, Verdict::kAllow, opened_by);
    add("out", Operation::kResolve, outside, plain, Verdict::kDeny, closed_by);
  }
}

inline std::vector<DecisionRow> decision_table(const std::string& directory) {
  using policy::AddressClass;
  using policy::Operation;
  using policy::Verdict;
  std::vector<DecisionRow> rows;
  for (const ClassSample& sample : kClassSamples) add_class_rows(sample, rows);

  // Names that no rule allows, so that no query leaves.
  for (const char* name : {"in.example", "a.example", "xin.example", "a.in.example.evil.example", "localhost"}) {
    rows.push_back({"in", Operation::kConnect, std::string(name) + ":7001", "", Verdict::kDeny, "connect"});
    rows.push_back({"in", Operation::kResolve, name, "", Verdict::kDeny, "connect"});
  }
  // Peers on loopback that wider rules tell apart.
  for (const char* peer : {"127.0.1.1", "127.0.1.2", "127.0.1.65", "127.0.1.67", "127.0.1.254"}) {
    rows.push_back({"in", Operation::kAccept, std::string(peer) + ":40000", "", Verdict::kAllow, "127.0.1.0/24",
                    AddressClass::kLoopback});
  }
  for (const char* peer : {"127.0.2.1", "127.0.2.2", "127.0.2.77", "127.0.2.128", "127.0.2.255"}) {
    rows.push_back({"in", Operation::kAccept, std::string(peer) + ":40000", "", Verdict::kDeny, "127.0.2.0/24",
                    AddressClass::kLoopback});
  }
  rows.push_back(
      {"in", Operation::kAccept, "127.0.1.66:40000", "", Verdict::kDeny, "127.0.1.66", AddressClass::kLoopback});

  const auto add_unix = [&](const std::string& name, Verdict verdict, const std::string& rule) {
    for (const Operation operation : {Operation::kConnect, Operation::kOpen, Operation::kListen, Operation::kAccept}) {
      const bool listens = operation == Operation::kListen;
      const std::string section(listens ? "open" : to_string(operation));
      rows.push_back({"local", operation, name, "", verdict, rule.empty() ? section : rule});
    }
  };
  for (const char* name : {"a", "b.sock", "c", "deniedx", "d"})
    add_unix(directory + "/in/" + name, Verdict::kAllow, directory + "/in/");
  for (const char* name : {"", "-a", "-b", "x", "-ba"})
    add_unix("@" + directory + name, Verdict::kAllow, "@" + directory + "*");
  for (const char* name : {"a", "b", "c", "d", "e"})
    add_unix(directory + "/in/denied/" + name, Verdict::kDeny, directory + "/in/denied/");
  for (const char* name : {"", "1", "-2", "x", "d"})
    add_unix("@" + directory + "-bad" + name, Verdict::kDeny, "@" + directory + "-bad*");
  for (const char* name : {"/a", "/inn", "/out", "2", "/in"}) add_unix(directory + name, Verdict::kDeny, "");
  return rows;
}

// A policy in audit mode that denies every sample on the ports ending in 1 and 2. Beyond the public class only an
// address that some allow rule matches is let pass, so those have one, which a third port keeps from being denied
// entirely.
inline std::string watched_policy(uint32_t uid, const std::string& transport = "tcp") {
  std::string names, ports[2], denied_ports[2], peers;
  for (const ClassSample& sample : kClassSamples) {
    for (size_t i = 0; i < sample.addresses.size(); ++i) {
      const std::string address = "        - \"" + bracketed(sample.addresses[i]);
      names += "        " + sample_name(sample.address_class, i, "watched.example") + ": [\"" +
               std::string(sample.addresses[i]) + "\"]\n";
      peers += address + "\"\n";
      for (const int section : {0, 1}) {
        const std::string port = section == 0 ? ":700" : ":710";
        if (sample.address_class != policy::AddressClass::kPublic) {
          ports[section] += address + port + "1-" + port.substr(1) + "3\"\n";
        }
        denied_ports[section] += address + port + "1\"\n" + address + port + "2\"\n";
      }
    }
  }
  return "version: 1\ntenant: watched\nmode: audit\npeers: [{user: " + std::to_string(uid) +
         "}]\nprotocols:\n  all:\n    transport: " + transport +
         "\n    connect:\n      allow:\n        - "
         "\"*.watched.example:7001\"\n" +
         ports[0] + "      deny:\n" + denied_ports[0] + "    open:\n      allow:\n        - \"127.0.0.1:0\"\n" +
         ports[1] + "      deny:\n" + denied_ports[1] +
         "    accept:\n      allow: [\"0.0.0.0/0\", \"[::]/0\"]\n      deny:\n" + peers +
         "    resolver:\n      hosts:\n" + names;
}

// Five requests of each class for every operation, none of which the rules allow. `resolve` asks for any port: of a
// class that is not public, whose third port is allowed, it is allowed.
inline std::vector<DecisionRow> watched_table() {
  using policy::Operation;
  std::vector<DecisionRow> rows;
  for (const ClassSample& sample : kClassSamples) {
    for (size_t i = 0; i < sample.addresses.size(); ++i) {
      const std::string plain = sample.addresses[i];
      const std::string address = bracketed(plain);
      const std::string name = sample_name(sample.address_class, i, "watched.example");
      const auto add = [&](Operation operation, const std::string& asked, const std::string& answer,
                           const std::string& rule) {
        rows.push_back({"all", operation, asked, answer, policy::Verdict::kWouldDeny, rule, sample.address_class});
      };
      add(Operation::kConnect, address + ":7001", "", address + ":7001");
      add(Operation::kConnect, name + ":7001", plain, address + ":7001");
      add(Operation::kOpen, address + ":7101", "", address + ":7101");
      add(Operation::kListen, address + ":7102", "", address + ":7102");
      add(Operation::kAccept, address + ":40000", "", address);
      if (sample.address_class == policy::AddressClass::kPublic) {
        add(Operation::kResolve, name, plain, address + ":7001");
      }
    }
  }
  return rows;
}

}  // namespace wasi_netd::test
