#pragma once
// An address that leaves a connect unanswered.
#include <fcntl.h>
#include <poll.h>
#include <stdexcept>
#include <utility>
#include <vector>

#include "tests/loop/loop_test.h"

namespace wasi_netd::net {

// A listener whose backlog is full leaves a further attempt unanswered.
class Unanswering {
 public:
  static constexpr int kAnswerOnLoopbackMs = 200;
  Unanswering() {
    for (int i = 0; i < 64; ++i) {
      auto filler = test::native_socket(address_);
      ::fcntl(filler.fd(), F_SETFL, O_NONBLOCK);
      (void)::connect(filler.fd(), address_.get(), address_.size);
      pollfd connected = {filler.fd(), POLLOUT, 0};
      bool accepted = ::poll(&connected, 1, kAnswerOnLoopbackMs) == 1;
      fillers_.push_back(std::move(filler));
      if (!accepted) return;
    }
    throw std::runtime_error("the backlog does not fill up");
  }
  Endpoint endpoint() const { return ip("127.0.0.1", listener_.local_port()); }

 private:
  test::NativeSocket listener_ = test::native_listen(test::native_ip("127.0.0.1", 0), 0);
  test::NativeAddress address_ = test::native_ip("127.0.0.1", listener_.local_port());
  std::vector<test::NativeSocket> fillers_;
};

}  // namespace wasi_netd::net
