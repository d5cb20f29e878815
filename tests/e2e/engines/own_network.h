#pragma once
// A network of the test's own: loopback and nothing else, so that no packet can leave it.
//
// For the calling thread and the processes it starts from then on. Needs root.
#include <cerrno>
#include <cstring>
#include <sched.h>
#include <string>

#include <net/if.h>
#include <sys/ioctl.h>

#include "tests/support/native.h"

namespace wasi_netd::test {

// Empty, or why there is none.
inline std::string enter_own_network() {
  if (::unshare(CLONE_NEWNET) != 0) return std::string("no network of its own: ") + std::strerror(errno);
  const NativeSocket socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq loopback{};
  std::strcpy(loopback.ifr_name, "lo");
  loopback.ifr_flags = IFF_UP | IFF_RUNNING;
  if (::ioctl(socket.fd(), SIOCSIFFLAGS, &loopback) != 0) throw_errno("loopback up");
  return {};
}

}  // namespace wasi_netd::test
