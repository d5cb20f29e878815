#pragma once
// New stream sockets, non-blocking and close-on-exec from the start, with the options every socket of their kind has.
//
// TCP: TCP_NODELAY (net.h says why) and SO_LINGER 0: closed by anything but the end of Connection::finish(), the
// daemon's own death included, a connection is reset, and no peer takes half an upload for a whole one. A socket that a
// listener accepts inherits both. IPv6: IPV6_V6ONLY, so that an IPv6 endpoint never means IPv4 addresses.
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>

#include "daemon/net/net.h"
#include "daemon/net/unique_fd.h"

namespace wasi_netd::net {

// Asio's part is waiting and closing; which address family it is does not matter to it.
using Socket = asio::basic_stream_socket<asio::generic::stream_protocol, Loop>;

// `inval` for a NameEndpoint.
Result<UniqueFd> open_socket(const Endpoint& what_for);

// Hands the descriptor to the loop's reactor. On failure it stays where it is.
Result<Socket> attach(Loop, UniqueFd&);

// The errno in an asio result; 0 for the end of the stream, which asio reports as an error of its own.
int errno_of(const boost::system::error_code&);

inline Error canceled() { return Error{Errno::canceled, {}}; }

// Whether a call should be tried at once or through the loop, where asio tries it too before it waits. At once saves a
// turn of the loop, but wastes a system call when the socket turns out not to be ready. So: when the last call used its
// buffer up, there is likely more. Every 16th call goes through the loop all the same: one busy peer cannot keep the
// others waiting.
class Hint {
 public:
  explicit Hint(bool likely) : likely_(likely) {}
  bool try_at_once() { return likely_ && ++tried_ % 16 != 0; }
  void saw(bool used_up) { likely_ = used_up; }
  // After an error that passes: asio would not try again before the socket's next event, which need not come.
  void insist() {
    likely_ = true;
    tried_ = 0;
  }

 private:
  bool likely_;
  unsigned tried_ = 0;
};

}  // namespace wasi_netd::net
