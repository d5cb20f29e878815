#pragma once
// Sockets as a program uses them, in two implementations: the kernel's own, and the same through wasi-netd. A test of
// socket behaviour is written once against this interface and runs on both with the same expectations.
//
// What POSIX promises and Linux does is what is expected. Not covered, because there wasi-netd keeps a stricter promise
// that a native socket cannot: an error that the kernel reports once stays (a reset never reads as an end, whoever saw
// it first; tests/loop holds that), and a close with bytes unread still delivers what was written.
//
// One thread uses an object. Blocking calls wait as long as it takes; the test's own time limit ends what hangs.
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "wasi_netd/client.h"

namespace wasi_netd::test {

using Code = wasi_netd_errno;

// What a call gave: the value holds when the error is success.
template <class T>
struct Got {
  Code error = WASI_NETD_ERRNO_success;
  T value{};
};

class SocketApi {
 public:
  using Socket = int;
  enum class Half { kRead, kWrite };

  virtual ~SocketApi() = default;

  // Addresses are "127.0.0.1:80", "[::1]:80" or "/path".
  virtual Got<Socket> listen(const std::string& address, int backlog) = 0;
  virtual Got<Socket> accept(Socket listener) = 0;
  virtual Got<Socket> connect(const std::string& address) = 0;
  // A non-blocking socket that is connecting. It polls writable when that is decided; then connected() tells how.
  virtual Got<Socket> begin_connect(const std::string& address) = 0;
  virtual Code connected(Socket) = 0;

  virtual Got<size_t> read(Socket, char* buffer, size_t size) = 0;
  virtual Got<size_t> write(Socket, std::string_view bytes) = 0;
  virtual Code shutdown(Socket, Half) = 0;
  virtual void close(Socket) = 0;
  virtual void set_nonblocking(Socket) = 0;
  // Waits until a read (or accept), or a write, would not answer `again`.
  virtual void poll(Socket, Half) = 0;
  virtual std::string local_address(Socket) = 0;
  virtual std::string peer_address(Socket) = 0;

  // The program ends, in order, with whatever it left open. Nothing may be called afterwards.
  virtual void exit() = 0;
  // The program breaks off: peers see a reset, never a clean end. Nothing may be called afterwards.
  virtual void abort() = 0;
};

std::unique_ptr<SocketApi> make_native_api();
// Through a wasi-netd process of its own, whose policy allows loopback and every path below `directory`.
std::unique_ptr<SocketApi> make_netd_api(const std::string& directory);

}  // namespace wasi_netd::test
