#pragma once
// The fixture of the TLS tests: an authority, files for policies, and connections of ours with a native socket at the
// other end, before any TLS.
#include <csignal>
#include <future>
#include <string>
#include <vector>

#include "daemon/net/tls/tls.h"
#include "tests/loop/loop_test.h"
#include "tests/support/certificates.h"
#include "tests/support/native_tls.h"

namespace wasi_netd::net {

using std::chrono::milliseconds;
inline constexpr milliseconds kLong = std::chrono::minutes(5);  // never reached: the tests wait for events

using ConnectionPtr = std::shared_ptr<Connection>;

class TlsTest : public LoopTest {
 protected:
  TlsTest() { ::signal(SIGPIPE, SIG_IGN); }  // native peers write to sockets that were reset

  std::string file(const std::string& name, const std::string& bytes) {
    test::write_file(directory_ / name, bytes);
    return directory_ / name;
  }
  policy::Tls::Identity identity_files(const test::Issued& issued, const std::string& name) {
    return {file(name + ".pem", issued.certificate_pem()), file(name + ".key", test::pem(issued.key))};
  }
  test::Issued issue(const std::string& names, const std::string& subject = "") const {
    test::Profile profile;
    profile.names = names;
    profile.subject = subject;
    return root_.issue(profile);
  }

  policy::Tls client_policy() {
    policy::Tls policy;
    policy.ca = file("ca.pem", root_.certificate_pem());
    policy.handshake_timeout = kLong;
    return policy;
  }
  policy::Tls server_policy(const test::Issued& issued) {
    policy::Tls policy;
    policy.role = policy::Tls::Role::kServer;
    policy.verify = policy::Tls::Verify::kNone;
    policy.identities = {identity_files(issued, "server")};
    policy.handshake_timeout = kLong;
    return policy;
  }
  std::shared_ptr<TlsContext> load(const policy::Tls& policy) {
    auto context = TlsContext::load(loop(), policy);
    if (!context) throw std::runtime_error(context.error().detail);
    return *context;
  }

  // Ours and a native one.
  struct Pair {
    ConnectionPtr ours;
    test::NativeSocket peer;
  };
  Pair tcp_pair() {
    auto listening = test::native_listen(test::native_ip("127.0.0.1", 0));
    Pair pair;
    pair.ours = *run(dial_stream(loop(), {ip("127.0.0.1", listening.local_port())})->run());
    pair.peer = listening.accept();
    return pair;
  }
  Pair unix_pair() {
    auto listening = test::native_listen(test::native_unix(directory_ / "socket"));
    Pair pair;
    pair.ours = *run(dial_stream(loop(), {unix_path(directory_ / "socket")})->run());
    pair.peer = listening.accept();
    std::filesystem::remove(directory_ / "socket");
    return pair;
  }

  // Writes until nothing fits for good: TCP moves bytes on to the peer for a while, and makes room again.
  size_t fill_up(Stream& stream) {
    size_t total = 0;
    while (const size_t taken = fill(stream)) {
      total += taken;
      context_.restart();
      context_.run_for(milliseconds(50));
    }
    return total;
  }

  Endpoint name(const std::string& text) const { return policy::NameEndpoint{text, 443}; }

  // The result of work that blocks, done on a thread of its own while the loop runs.
  template <class T>
  T await(std::future<T>& future) {
    // The loop has no event for it: it looks again every millisecond.
    while (future.wait_for(milliseconds(0)) != std::future_status::ready) {
      context_.restart();
      context_.run_for(milliseconds(1));
    }
    return future.get();
  }
  template <class Function>
  auto beside(Function function) {
    auto future = std::async(std::launch::async, std::move(function));
    return await(future);
  }

  // Our side of a handshake, and the native one on a thread beside the loop.
  struct Shaken {
    Result<ConnectionPtr> ours = Error{Errno::success, "not done"};
    std::string native;  // reason of its failure, empty
  };
  Shaken shake(Task<Result<ConnectionPtr>> task, test::NativeTls& peer) {
    auto native = std::async(std::launch::async, [&peer] { return peer.handshake(); });
    Shaken out;
    out.ours = run(std::move(task));
    out.native = await(native);
    return out;
  }

  test::TemporaryDirectory directory_;
  test::Authority root_;
};

}  // namespace wasi_netd::net
