#pragma once
// The daemon with protocol objects that stand for more than a socket, and what their tests ask: a guest's errno, the
// audit record, and what the peer was sent. Test thread only, but for peers that run beside it.
#include <future>

#include "tests/e2e/host/host_test.h"
#include "tests/support/native_tls.h"

namespace wasi_netd::test {

inline std::string port_of(const NativeSocket& listener) { return std::to_string(listener.local_port()); }

class ProtocolsTest : public HostTest {
 protected:
  // A file of the test's that the daemon may read.
  std::string file(const std::string& name, const std::string& bytes) {
    write_file(path(name), bytes);
    return path(name);
  }
  // A protocol object that may reach all of 127.0.0.1, with further sections ("    tls: {...}\n").
  static std::string client_protocol(const std::string& name, const std::string& sections) {
    return "  " + name +
           ":\n    transport: tcp\n    connect: {allow: [\"127.0.0.1:1-65535\", \"server.test:1-65535\"]}\n"
           "    resolver: {hosts: {server.test: [127.0.0.1]}}\n" +
           sections;
  }
  // A TLS server at `listener` for one client, in the test's native way: it writes as soon as the handshake is over,
  // and tells what it read and whether there was a handshake.
  struct Seen {
    bool handshake = false;
    std::string bytes;
  };
  static std::future<Seen> serve_once(NativeSocket& listener, NativeTlsSetup setup) {
    return std::async(std::launch::async, [&listener, setup] {
      NativeTls peer(listener.accept(), native_tls_context(true, setup), true);
      Seen seen;
      seen.handshake = peer.handshake().empty();
      try {
        if (seen.handshake) peer.write_all("not for the guest");
      } catch (const std::runtime_error&) {
      }
      seen.bytes = peer.read(100);
      return seen;
    });
  }
  // What the guest's connect through a protocol answers.
  std::string connect(const std::string& protocol, const std::string& address) {
    const Outcome outcome = run(guest("semantics", {"c= open " + protocol + " 0.0.0.0:0", "k= connect c " + address}));
    const auto answers = lines_of(outcome.out);
    return answers.size() == 2 ? answers[1] : outcome.out + outcome.error;
  }
  // The one record of a connection's end, after the daemon's.
  std::string end_of_connection() {
    end_daemon();
    const auto found = records({"\"event\":\"close\""});
    EXPECT_EQ(found.size(), 1u);
    return found.empty() ? "" : found[0];
  }

  Authority root_;
};

}  // namespace wasi_netd::test
