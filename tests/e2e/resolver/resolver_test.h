#pragma once
// A guest that connects by name: the name server, what it was asked, and who was connected to. Test thread only.
//
// 127.0.0.2 and [::1] stand for places that the policy lets names lead to, 127.0.0.1 for one that it does not.
#include "tests/e2e/engines/guest.h"
#include "tests/e2e/host/host_test.h"
#include "tests/support/dns_relay.h"
#include "tests/support/knot.h"

namespace wasi_netd::test {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

// The same port at several addresses.
class Places {
 public:
  explicit Places(const std::vector<std::string>& addresses) {
    while (!listen(addresses)) {
    }
  }
  std::string port() const { return std::to_string(listeners_[0].local_port()); }
  NativeSocket& operator[](size_t i) { return listeners_[i]; }
  // Nobody has connected to it.
  bool untouched(size_t i) const {
    pollfd entry = {listeners_[i].fd(), POLLIN, 0};
    return ::poll(&entry, 1, 0) == 0;
  }

 private:
  bool listen(const std::vector<std::string>& addresses) {
    listeners_.clear();
    uint16_t port = 0;
    for (const auto& address : addresses) {
      try {
        listeners_.push_back(native_listen(native_ip(address, port)));
      } catch (const std::system_error& error) {
        if (port == 0 || error.code().value() != EADDRINUSE) throw;
        return false;
      }
      port = listeners_[0].local_port();
    }
    return true;
  }
  std::vector<NativeSocket> listeners_;
};

class ResolverTest : public HostTest {
 protected:
  void SetUp() override {
    if (!Knot::installed()) GTEST_SKIP() << "knot is not installed";
  }
  void serve(const std::string& records) {
    knot_ = std::make_unique<Knot>(records);
    dns_ = std::make_unique<DnsRelay>(knot_->port());
  }
  // A protocol object that asks `server`, with further sections ("    families: [ipv4]\n").
  static std::string protocol(const std::string& name, const std::string& server, const std::string& sections = "",
                              const std::string& resolver = "", const std::string& allowed = "\"*.test\"") {
    const bool v4_only = sections.find("families: [ipv4]") != std::string::npos;
    return "  " + name + ":\n    transport: tcp\n    connect: {allow: [" + allowed + ", \"127.0.0.2\"" +
           (v4_only ? "" : ", \"[::1]\"") + "], deny: [\"denied.test\"]}\n    resolver: {servers: [\"" + server +
           "\"]" + resolver + "}\n" + sections;
  }
  // The daemon with these protocols, and a guest with the control c of the first.
  void start(const std::string& protocols, const std::string& first = "net") {
    acme("protocols:\n" + protocols);
    start_daemon();
    guest_ = std::make_unique<Guest>(daemon_.socket_path("acme"));
    ASSERT_THAT(ask("c= open " + first + " 0.0.0.0:0"), StartsWith("success"));
  }
  void start() { start(protocol("net", dns_->address())); }

  std::string ask(const std::string& command) { return guest_->ask(command); }
  // What a connect of the guest answers; a connection that it made is k.
  std::string connect(const std::string& name, const std::string& port, const std::string& control = "c") {
    return errno_of(ask("k= connect " + control + " " + name + ":" + port));
  }
  std::string peer() { return value_of(ask("peer k"), "text"); }
  // The decisions on an address asked for, in their order, after the daemon's end.
  std::vector<std::string> decisions(const std::string& asked) {
    guest_.reset();
    end_daemon();
    return records({"\"event\":\"decision\"", "\"operation\":\"connect\"", "\"address\":\"" + asked + "\""});
  }
  // The audit records of a connect whose name had no answer, after the daemon's end: the rule that let the question
  // out, and a connection that never was.
  void expect_failed_look_up(const std::string& asked, const std::string& errno_name) {
    const auto judged = decisions(asked);
    ASSERT_EQ(judged.size(), 1u) << asked;
    EXPECT_THAT(judged[0], HasSubstr("\"verdict\":\"allow\""));
    EXPECT_THAT(judged[0], HasSubstr("\"rule_text\":\"*.test\""));
    EXPECT_THAT(judged[0], testing::Not(HasSubstr("resolved")));
    const auto ended = records({"\"event\":\"close\"", "\"operation\":\"connect\"", "\"address\":\"" + asked + "\""});
    ASSERT_EQ(ended.size(), 1u) << asked;
    EXPECT_THAT(ended[0], HasSubstr("\"errno\":\"" + errno_name + "\""));
    EXPECT_THAT(ended[0], HasSubstr("\"bytes_in\":0,\"bytes_out\":0"));
  }

  std::unique_ptr<Knot> knot_;
  std::unique_ptr<DnsRelay> dns_;
  std::unique_ptr<Guest> guest_;
};

}  // namespace wasi_netd::test
