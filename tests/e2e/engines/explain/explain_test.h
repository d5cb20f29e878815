#pragma once
// `wasi-netctl explain` and the audit record of a guest that really asks are compared, row by row of a table of
// decisions.
//
// Everything happens in a network of the test's own, whose loopback interface has every address: any peer can be had
// there, and no packet leaves it.
#include <algorithm>
#include <map>
#include <optional>
#include <tuple>

#include <gtest/gtest.h>

#include "policy/policy.h"
#include "tests/e2e/engines/own_network.h"
#include "tests/support/daemon_process.h"
#include "tests/support/decision_table.h"
#include "wasi_netd/client.h"

namespace wasi_netd::test {

using policy::AddressClass;
using policy::Operation;
using policy::Verdict;

// The text of a member of a JSON object in one line, whose texts hold no quotes; empty when it is not there.
inline std::string member(const std::string& json, const std::string& key) {
  for (const char* separator : {"\":\"", "\": \""}) {
    const size_t at = json.find("\"" + key + separator);
    if (at == std::string::npos) continue;
    const size_t begin = at + 1 + key.size() + std::string_view(separator).size();
    return json.substr(begin, json.find('"', begin) - begin);
  }
  return {};
}

// "::1" of "[::1]:80".
inline std::string ip_of(const std::string& address) {
  const std::string ip = address.substr(0, address.rfind(':'));
  return ip.starts_with('[') ? ip.substr(1, ip.size() - 2) : ip;
}

struct Said {
  std::string verdict, rule, text;
  bool operator==(const Said&) const = default;
};
inline void PrintTo(const Said& said, std::ostream* out) {
  *out << said.verdict << " " << said.rule << " " << said.text;
}

class ExplainTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string reason = enter_own_network(); !reason.empty()) GTEST_SKIP() << reason;
    for (const char* family : {"-4", "-6"}) {
      const Outcome routed =
          run({.arguments = {"ip", family, "route", "add", "local", "default", "dev", "lo", "table", "local"}});
      ASSERT_EQ(routed.exit, (Process::Exit{0, 0})) << routed.error;
    }
    // IPv6 binds no address that an interface does not have, route or not, unless it is told to.
    std::ofstream anywhere("/proc/sys/net/ipv6/ip_nonlocal_bind");
    if (!(anywhere << "1" << std::flush)) GTEST_SKIP() << "cannot set net.ipv6.ip_nonlocal_bind";
    directory_ = sockets_ / "d";
    std::filesystem::create_directories(directory_ + "/in/denied");
  }
  // A guest of a tenant with this policy.
  void begin(const std::string& tenant, const std::string& policy) {
    name_ = tenant;
    daemon_.write_policy(tenant, policy);
    daemon_.configure("audit: {file: " + audit_file() + "}\n");
    ASSERT_TRUE(daemon_.start()) << daemon_.process().standard_error();
    audit_.open(audit_file());
    ASSERT_EQ(wasi_netd_tenant_open(daemon_.socket_path(tenant).c_str(), &tenant_), 0);
    ASSERT_EQ(wasi_netd_guest_open(tenant_, nullptr, &guest_), 0);
  }
  void TearDown() override {
    if (guest_) wasi_netd_guest_abort(guest_);
    if (tenant_) wasi_netd_tenant_release(tenant_);
  }

  // ---- explain ----

  Said explained(const DecisionRow& row) {
    const Outcome answer =
        run({.arguments = {WASI_NETCTL_PROGRAM, "explain", "--json", "--reserved", daemon_.runtime_dir(), "--reserved",
                           daemon_.policy_dir(), "--policy", daemon_.policy_dir() + "/" + name_ + ".yaml", row.protocol,
                           std::string(to_string(row.operation)), row.address}});
    EXPECT_EQ(answer.exit.code, row.verdict == Verdict::kAllow ? 0 : 1) << answer.error;
    return {member(answer.out, "verdict"), member(answer.out, "rule"), member(answer.out, "text")};
  }

  // ---- live ----

  // Asks as a guest; nullopt: on this machine nobody can.
  std::optional<Said> lived(const DecisionRow& row) {
    switch (row.operation) {
      case Operation::kConnect:
        connect(row);
        return recorded(row);
      case Operation::kOpen:
        close(open(row.protocol, row.address));
        return recorded(row);
      case Operation::kResolve:
        resolve(row);
        return recorded(row);
      case Operation::kListen: {
        const int32_t control = open(row.protocol, row.address);
        if (control < 0) return std::nullopt;  // the rules or the kernel refused it before
        wasi_netd_listen(guest_, control, 0);
        close(control);
        return recorded(row);
      }
      case Operation::kSendTo:
        return sent(row);
      case Operation::kAccept:
      case Operation::kRecvFrom:
        return came_in(row);
    }
    return std::nullopt;
  }
  // A datagram to the row's address, and a peer or its datagram from there.
  virtual std::optional<Said> sent(const DecisionRow& row) = 0;
  virtual std::optional<Said> came_in(const DecisionRow& row) = 0;
  int32_t protocol(const std::string& name) {
    int32_t fd = -1;
    EXPECT_EQ(wasi_netd_protocol_get(guest_, name.data(), name.size(), &fd), 0) << name;
    return fd;
  }
  // -1: it failed, as it may.
  int32_t open(const std::string& protocol_name, const std::string& address) {
    const bool datagrams = of_datagrams_ && protocol_name != "local";
    const int32_t parent = protocol(protocol_name);
    wasi_netd_fdstat stat{};
    EXPECT_EQ(wasi_netd_fdstat_get(guest_, parent, &stat), 0);
    int32_t fd = -1;
    wasi_netd_open(guest_, parent, address.data(), address.size(),
                   datagrams ? WASI_NETD_SOCKET_DGRAM : WASI_NETD_SOCKET_STREAM, stat.rights_inheriting,
                   stat.rights_inheriting, WASI_NETD_FDFLAG_NONBLOCK, &fd);
    return fd;
  }
  void close(int32_t fd) {
    if (fd >= 0) wasi_netd_close(guest_, fd);
  }
  void connect(const DecisionRow& row) {
    const bool is_unix = row.protocol == "local";
    const int32_t control = open(row.protocol, is_unix ? "@" + directory_ + "-client" + std::to_string(++clients_)
                                               : row.address.starts_with('[') ? "[::]:0"
                                                                              : "0.0.0.0:0");
    ASSERT_GE(control, 0) << row.address;
    int32_t connection = -1;
    wasi_netd_connect(guest_, control, row.address.data(), row.address.size(), &connection);
    close(connection);
    close(control);
  }
  void resolve(const DecisionRow& row) {
    char text[1024];
    size_t length = 0;
    wasi_netd_resolve(guest_, protocol(row.protocol), row.address.data(), row.address.size(), text, sizeof text,
                      &length);
  }

  // Throws where the kernel lets no socket have that address.
  static NativeSocket bind_anywhere(const std::string& ip, int type = SOCK_STREAM) {
    NativeAddress address = native_ip(ip, 0);
    NativeSocket socket = native_socket(address, type);
    if (address.storage.ss_family == AF_INET6) {
      auto& ipv6 = reinterpret_cast<sockaddr_in6&>(address.storage);
      if (IN6_IS_ADDR_LINKLOCAL(&ipv6.sin6_addr)) ipv6.sin6_scope_id = ::if_nametoindex("lo");
      socket.set_option(IPPROTO_IPV6, IPV6_FREEBIND, 1);
    }
    if (::bind(socket.fd(), address.get(), address.size) != 0) throw_errno("bind");
    return socket;
  }
  // The next record of a decision about this operation; every request makes one, and the guest asks one at a time.
  struct Record {
    Said said;
    std::string address;
  };
  std::optional<Record> next_decision(Operation operation) {
    const std::string name(to_string(operation));
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(kPatienceSeconds);
    while (std::chrono::steady_clock::now() < deadline) {
      std::string line;
      if (!next_record(line)) continue;
      if (member(line, "event") != "decision" || member(line, "operation") != name) continue;
      return Record{{member(line, "verdict"), member(line, "rule"), member(line, "rule_text")},
                    member(line, "address")};
    }
    ADD_FAILURE() << "no record of " << name;
    return std::nullopt;
  }
  // That of the row. What else is asked for on the way is about other addresses.
  Said recorded(const DecisionRow& row) {
    for (;;) {
      const auto record = next_decision(row.operation);
      if (!record) return {};
      if (row.operation == Operation::kAccept || record->address == row.address) return record->said;
    }
  }
  // False: none is complete yet.
  bool next_record(std::string& line) {
    std::string piece;
    audit_.clear();
    const bool read = static_cast<bool>(std::getline(audit_, piece));
    partial_ += piece;
    if (!read || audit_.eof()) {
      std::this_thread::yield();
      return false;
    }
    line = std::exchange(partial_, {});
    return true;
  }

  // Asks every row twice and looks that enough of each kind could be asked of a guest.
  void compare(const std::vector<DecisionRow>& rows);

  std::string audit_file() const { return daemon_.directory() + "/audit.jsonl"; }

  TemporaryDirectory sockets_;
  std::string directory_;
  DaemonProcess daemon_;
  std::string name_;  // of the tenant
  std::ifstream audit_;
  std::string partial_;
  int clients_ = 0;
  wasi_netd_tenant* tenant_ = nullptr;
  wasi_netd_guest* guest_ = nullptr;
  bool of_datagrams_ = false;
};

// Where fewer than five peers of a class can be had: the kernel lets no socket connect from 0.0.0.0, a group or a
// broadcast address, so what remains are those that hide one in an IPv6 address.
inline bool is_rare(AddressClass address_class) {
  return address_class == AddressClass::kUnspecified || address_class == AddressClass::kMulticast ||
         address_class == AddressClass::kBroadcast;
}

// What can be bound on this machine can listen. A denied listen cannot be had: `open` is judged by the same rules and
// comes first.
inline size_t listens_needed(const DecisionRow& row) {
  if (row.verdict == Verdict::kDeny) return 0;
  switch (row.address_class) {
    case AddressClass::kMulticast:  // IPv6 binds no stream to a group,
      return 2;
    case AddressClass::kLinkLocal:  // and a link-local address only with its interface
      return 3;
    default:
      return 5;
  }
}

// An operation, a verdict, and a class of addresses or what else is asked for.
using Cell = std::tuple<std::string, std::string, std::string>;
inline Cell cell_of(const DecisionRow& row) {
  // A name that the policy gives no answer for is judged as a name.
  const bool is_name = row.protocol != "local" && row.answer.empty() &&
                       (row.operation == Operation::kResolve ||
                        ip_of(row.address).find_first_not_of("0123456789abcdef.:") != std::string::npos);
  const std::string kind = row.protocol == "local" ? "unix"
                           : is_name               ? "name"
                                                   : std::string(to_string(row.address_class));
  return {std::string(to_string(row.operation)), std::string(to_string(row.verdict)), kind};
}

struct Count {
  size_t compared = 0, needed = 5;
};

inline void ExplainTest::compare(const std::vector<DecisionRow>& rows) {
  std::map<Cell, Count> cells;
  size_t compared = 0;
  for (const DecisionRow& row : rows) {
    SCOPED_TRACE(row.protocol + " " + std::string(to_string(row.operation)) + " " + row.address);
    const Said said = explained(row);
    EXPECT_EQ(said.verdict, to_string(row.verdict));
    EXPECT_EQ(said.text, row.rule);
    Count& count = cells[cell_of(row)];
    const bool comes_in = row.operation == Operation::kAccept || row.operation == Operation::kRecvFrom;
    if (comes_in && is_rare(row.address_class)) count.needed = 1;
    if (row.operation == Operation::kListen) count.needed = listens_needed(row);
    if (const std::optional<Said> live = lived(row)) {
      EXPECT_EQ(*live, said);
      ++count.compared;
      ++compared;
    }
  }
  std::printf("%zu requests compared, in %zu cells of operation, verdict and class\n", compared, cells.size());
  for (const auto& [cell, count] : cells) {
    const auto& [operation, verdict, kind] = cell;
    EXPECT_GE(count.compared, count.needed) << operation << " " << verdict << " " << kind;
  }
  const auto denied = [](const auto& entry) {
    return std::get<0>(entry.first) == "listen" && std::get<1>(entry.first) == "deny" && entry.second.compared > 0;
  };
  EXPECT_TRUE(std::ranges::none_of(cells, denied)) << "a listen was denied live: give those rows their counts";
}

}  // namespace wasi_netd::test
