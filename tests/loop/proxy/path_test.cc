// The way through a proxy as a whole: what its steps have in common, and their time.
#include "daemon/net/path.h"

#include "tests/loop/proxy/proxy_test.h"
#include "tests/loop/unanswering.h"

namespace wasi_netd::net {
namespace {

class PathThroughProxy : public ProxyTest {
 protected:
  std::shared_ptr<Dial> dial_through(policy::Proxy proxy) {
    auto path = std::make_shared<Path>();
    path->proxy = std::move(proxy);
    return dial_path(loop(), std::move(path), {kTarget}, Targets::kAll, kTarget, nullptr);
  }
  Unanswering unanswering_;
  policy::Proxy silent_ = settings(policy::Proxy::Kind::kSocks5, unanswering_.endpoint());
};

TEST_F(PathThroughProxy, AProxyThatDoesNotAnswerAConnectHasItsTimeOnly) {
  silent_.timeout = std::chrono::milliseconds(20);
  EXPECT_EQ(outcome_of(run(dial_through(silent_)->run()), silent_), "timedout: not connected within 20 ms");
}

TEST_F(PathThroughProxy, CancelingIsNoTimeout) {
  const auto dial = dial_through(silent_);
  auto running = start(dial->run());
  run_ready();
  EXPECT_FALSE(running->done());
  dial->cancel();
  EXPECT_EQ(code_of(finish(running)), Errno::canceled);
}

}  // namespace
}  // namespace wasi_netd::net
