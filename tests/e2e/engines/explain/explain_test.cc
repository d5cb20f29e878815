// `explain` and the audit record agree on streams: tcp and Unix.
#include "tests/e2e/engines/explain/explain_test.h"

namespace wasi_netd::test {
namespace {

class ExplainStreamTest : public ExplainTest {
 protected:
  std::optional<Said> sent(const DecisionRow&) override { return std::nullopt; }
  // A native socket bound to the row's address connects to a listener of the row's protocol.
  std::optional<Said> came_in(const DecisionRow& row) override {
    const bool is_unix = row.protocol == "local";
    const std::string ip = is_unix ? "" : ip_of(row.address);
    const bool is_ipv6 = ip.find(':') != std::string::npos;
    const Listener& listener = listening(row.protocol, is_ipv6);
    NativeSocket peer;
    try {
      if (is_unix) std::filesystem::remove(row.address);
      peer = is_unix ? native_bind(native_unix(row.address)) : bind_anywhere(ip);
      if (::connect(peer.fd(), listener.where.get(), listener.where.size) != 0) return std::nullopt;
    } catch (const std::exception&) {
      return std::nullopt;  // no peer has this address
    }
    const Said said = recorded(row);
    const bool is_the_rows = is_unix || has_address(peer, ip);
    if (said.verdict != "deny") {  // makes room for the next
      int32_t connection = -1;
      wasi_netd_errno error = WASI_NETD_ERRNO_again;
      while (error == WASI_NETD_ERRNO_again) error = wasi_netd_accept(guest_, listener.control, &connection);
      EXPECT_EQ(error, 0);
      close(connection);
    }
    return is_the_rows ? std::optional(said) : std::nullopt;
  }
  // The kernel gives an unspecified or multicast address's socket another when it connects.
  static bool has_address(const NativeSocket& socket, const std::string& ip) {
    const NativeAddress asked = native_ip(ip, socket.local_port());
    NativeAddress real;
    real.size = sizeof real.storage;
    if (::getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&real.storage), &real.size) != 0) throw_errno("name");
    if (real.storage.ss_family == AF_INET6) reinterpret_cast<sockaddr_in6&>(real.storage).sin6_scope_id = 0;
    return std::memcmp(&asked.storage, &real.storage, asked.size) == 0;
  }
  struct Listener {
    int32_t control = -1;
    NativeAddress where;
  };
  const Listener& listening(const std::string& protocol_name, bool is_ipv6) {
    const auto [entry, made] = listeners_.try_emplace({protocol_name, is_ipv6});
    Listener& listener = entry->second;
    if (!made) return listener;
    const std::string place = protocol_name == "local" ? "@" + directory_ + "-listener"
                              : is_ipv6                ? "[::]:0"
                                                       : "127.0.0.1:0";
    listener.control = open(protocol_name, place);
    EXPECT_EQ(wasi_netd_listen(guest_, listener.control, 0), 0) << place;
    char text[256];
    size_t length = 0;
    EXPECT_EQ(wasi_netd_local_address(guest_, listener.control, text, sizeof text, &length), 0);
    const std::string address(text, length);
    if (protocol_name == "local") {
      listener.where = native_unix(address);
    } else {
      const auto port = static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
      listener.where = native_ip(is_ipv6 ? "::1" : "127.0.0.1", port);
    }
    return listener;
  }

  std::map<std::pair<std::string, bool>, Listener> listeners_;
};

TEST_F(ExplainStreamTest, ExplainAndTheAuditRecordAgreeOnEveryRow) {
  ASSERT_NO_FATAL_FAILURE(begin("decisions", decision_policy(::getuid(), directory_)));
  compare(decision_table(directory_));
}

TEST_F(ExplainStreamTest, ExplainAndTheAuditRecordAgreeOnWhatAuditModeLetsPass) {
  ASSERT_NO_FATAL_FAILURE(begin("watched", watched_policy(::getuid())));
  compare(watched_table());
}

}  // namespace
}  // namespace wasi_netd::test
