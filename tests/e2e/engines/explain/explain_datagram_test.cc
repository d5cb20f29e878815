// `explain` and the audit record agree on datagrams. Nobody is told that a datagram did not arrive, so behind each that
// a peer sends goes one of loopback's, whose record ends the wait for the other's.
#include "tests/e2e/engines/explain/explain_test.h"

namespace wasi_netd::test {
namespace {

class ExplainDatagramTest : public ExplainTest {
 protected:
  ExplainDatagramTest() { of_datagrams_ = true; }

  std::optional<Said> sent(const DecisionRow& row) override {
    const int32_t control = open(row.protocol, row.address.starts_with('[') ? "[::]:0" : "0.0.0.0:0");
    const wasi_netd_ciovec data{"x", 1};
    size_t count = 0;
    wasi_netd_send_to(guest_, control, &data, 1, row.address.data(), row.address.size(), &count);
    close(control);
    return recorded(row);
  }
  std::optional<Said> came_in(const DecisionRow& row) override {
    const std::string ip = ip_of(row.address);
    const bool is_ipv6 = ip.find(':') != std::string::npos;
    const bool listens = row.operation == Operation::kAccept;
    const int32_t control = open(row.protocol, is_ipv6 ? "[::]:0" : "127.0.0.1:0");
    if (listens) {
      EXPECT_EQ(wasi_netd_listen(guest_, control, 0), 0);
    } else {
      EXPECT_EQ(receive(control), WASI_NETD_ERRNO_again);  // from now on it reads
    }
    const NativeAddress there = native_ip(is_ipv6 ? "::1" : "127.0.0.1", port_of(control));
    NativeSocket marker = native_bind(native_ip(is_ipv6 ? "::1" : "127.0.0.1", 0), SOCK_DGRAM);
    NativeSocket peer;
    bool sent = false;
    try {
      peer = bind_anywhere(ip, SOCK_DGRAM);
      peer.send_to("x", there);
      sent = true;
    } catch (const std::exception&) {
      // No peer has this address.
    }
    std::optional<Said> said;
    if (sent) {
      marker.send_to("x", there);
      const std::string last = (is_ipv6 ? "[::1]:" : "127.0.0.1:") + std::to_string(marker.local_port());
      for (std::optional<Record> record; (record = next_decision(row.operation));) {
        if (listens && record->said.verdict != "deny") take(control);
        if (record->address == last) break;
        if (without_zone(ip_of(record->address)) == ip) said = record->said;
      }
    }
    close(control);
    return said;
  }
  wasi_netd_errno receive(int32_t control) {
    char data[8], address[256];
    const wasi_netd_iovec iov{data, sizeof data};
    size_t length = 0, count = 0;
    uint32_t flags = 0;
    return wasi_netd_recv_from(guest_, control, &iov, 1, address, sizeof address, &length, &count, &flags);
  }
  // Makes room for the next.
  void take(int32_t control) {
    int32_t connection = -1;
    wasi_netd_errno error = WASI_NETD_ERRNO_again;
    while (error == WASI_NETD_ERRNO_again) error = wasi_netd_accept(guest_, control, &connection);
    EXPECT_EQ(error, 0);
    close(connection);
  }
  uint16_t port_of(int32_t control) {
    char text[256];
    size_t length = 0;
    EXPECT_EQ(wasi_netd_local_address(guest_, control, text, sizeof text, &length), 0);
    const std::string address(text, length);
    return static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
  }
  static std::string without_zone(const std::string& ip) { return ip.substr(0, ip.find('%')); }

  // The rows of an ip transport, and for each of `connect` and `accept` the same about a datagram.
  static std::vector<DecisionRow> of_datagrams(std::vector<DecisionRow> rows) {
    std::erase_if(rows, [](const DecisionRow& row) { return row.protocol == "local"; });
    const size_t count = rows.size();
    for (size_t i = 0; i < count; ++i) {
      DecisionRow row = rows[i];
      if (row.operation != Operation::kConnect && row.operation != Operation::kAccept) continue;
      row.operation = row.operation == Operation::kConnect ? Operation::kSendTo : Operation::kRecvFrom;
      rows.push_back(std::move(row));
    }
    return rows;
  }
};

TEST_F(ExplainDatagramTest, ExplainAndTheAuditRecordAgreeOnEveryRow) {
  ASSERT_NO_FATAL_FAILURE(begin("decisions", decision_policy(::getuid(), directory_, "udp")));
  compare(of_datagrams(decision_table(directory_)));
}

TEST_F(ExplainDatagramTest, ExplainAndTheAuditRecordAgreeOnWhatAuditModeLetsPass) {
  ASSERT_NO_FATAL_FAILURE(begin("watched", watched_policy(::getuid(), "udp")));
  compare(of_datagrams(watched_table()));
}

}  // namespace
}  // namespace wasi_netd::test
