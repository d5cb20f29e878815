#pragma once
// The fixture of tests that go through a proxy, and hand-made proxies: a native socket and a script, each in a thread
// of its own, so that they can be as slow and as wrong as they like.
#include <functional>
#include <future>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <netinet/tcp.h>

#include "daemon/net/proxy/tunnel.h"
#include "tests/loop/loop_test.h"

namespace wasi_netd::net {

// Accepts one connection and does with it what the script says. The destructor waits for the script's end, which comes:
// native calls have patience, not more.
class ScriptedProxy {
 public:
  using Script = std::function<void(test::NativeSocket&)>;
  explicit ScriptedProxy(Script script) : thread_([this, script = std::move(script)] { run(script); }) {}
  ScriptedProxy(const ScriptedProxy&) = delete;
  ScriptedProxy& operator=(const ScriptedProxy&) = delete;
  ~ScriptedProxy() { join(); }

  Endpoint endpoint() const { return ip("127.0.0.1", port_); }
  void join() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  void run(const Script& script) {
    try {
      test::NativeSocket peer = listener_.accept();
      peer.set_option(IPPROTO_TCP, TCP_NODELAY, 1);
      script(peer);
    } catch (const std::exception& failure) {
      ADD_FAILURE() << "the proxy's script: " << failure.what();
    }
  }
  test::NativeSocket listener_ = test::native_listen(test::native_ip("127.0.0.1", 0));
  const uint16_t port_ = listener_.local_port();
  std::thread thread_;
};

// A proxy's side of a handshake: what it has to be sent, and what it answers.
struct Exchange {
  std::string request;
  std::string reply;
};
using Dialogue = std::vector<Exchange>;

// Plays it up to `limit` bytes of replies. When that falls between two replies the second request is read still.
inline void play(test::NativeSocket& peer, const Dialogue& dialogue, size_t limit = SIZE_MAX) {
  for (const auto& exchange : dialogue) {
    EXPECT_EQ(peer.read(exchange.request.size()), exchange.request);
    const std::string_view reply = std::string_view(exchange.reply).substr(0, limit);
    peer.write_all(reply);
    if (reply.size() < exchange.reply.size()) return;
    limit -= reply.size();
  }
}

// An HTTP request's head, and not a byte more.
inline std::string read_head(test::NativeSocket& peer) {
  std::string head;
  while (!head.ends_with("\r\n\r\n")) {
    const std::string byte = peer.read(1);
    if (byte.empty()) throw std::runtime_error("half a request: " + head);
    head += byte;
  }
  return head;
}

class ProxyTest : public LoopTest {
 protected:
  using Opened = Result<std::shared_ptr<Connection>>;
  static constexpr std::chrono::milliseconds kLong =
      std::chrono::minutes(5);  // never reached: the tests wait for events

  std::shared_ptr<Connection> dial(const Endpoint& proxy) { return *run(dial_stream(loop(), {proxy})->run()); }
  static policy::Proxy settings(policy::Proxy::Kind kind, const Endpoint& address) {
    policy::Proxy out;
    out.kind = kind;
    out.address = address;
    out.timeout = kLong;
    return out;
  }
  static policy::Proxy socks5(const ScriptedProxy& proxy) {
    return settings(policy::Proxy::Kind::kSocks5, proxy.endpoint());
  }
  static policy::Proxy http(const ScriptedProxy& proxy) {
    return settings(policy::Proxy::Kind::kHttp, proxy.endpoint());
  }
  // With a password file of the test's own.
  policy::Proxy with_login(policy::Proxy proxy, const std::string& user, const std::string& password) {
    proxy.user = user;
    proxy.password_file = directory_ / "password";
    write_file(proxy.password_file, password + "\n");
    return proxy;
  }
  static void write_file(const std::string& path, const std::string& text) {
    test::NativeSocket file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (::write(file.fd(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) test::throw_errno("write");
  }
  Opened open(const policy::Proxy& proxy, const Endpoint& target) {
    return run(open_tunnel(proxy, dial(proxy.address), target));
  }
  // "success", or the errno and the detail without the proxy's name, which has to be there.
  static std::string outcome_of(const Opened& tunnel, const policy::Proxy& proxy) {
    if (tunnel) return "success";
    const std::string name = "proxy " + policy::to_string(proxy.address) + ": ";
    const std::string& detail = tunnel.error().detail;
    EXPECT_TRUE(detail.starts_with(name)) << detail;
    return std::string(to_string(tunnel.error().code)) + ": " + detail.substr(std::min(name.size(), detail.size()));
  }

  test::TemporaryDirectory directory_;
  const Endpoint kTarget = ip("192.0.2.1", 443);
};

}  // namespace wasi_netd::net
