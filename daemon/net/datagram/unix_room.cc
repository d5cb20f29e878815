#include "daemon/net/datagram/unix_room.h"

#include <cerrno>
#include <poll.h>
#include <utility>

#include <sys/socket.h>

#include "daemon/net/datagram/socket.h"
#include "daemon/net/socket_address.h"
#include "daemon/net/unix_path.h"

namespace wasi_netd::net {
namespace {

bool has_room(int fd) {
  pollfd now = {fd, POLLOUT, 0};
  return ::poll(&now, 1, 0) != 0;
}

int connect_unix(int fd, const policy::UnixEndpoint& peer) {
  if (!peer.abstract) return connect_path(fd, peer.name);
  const auto address = unix_address(peer.name, true);
  if (!address) return ENAMETOOLONG;
  return ::connect(fd, address->get(), address->size) == 0 ? 0 : errno;
}

bool is_exhaustion(int error) { return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS; }

}  // namespace

Result<std::unique_ptr<UnixRoom>> UnixRoom::wait(Loop loop, const policy::UnixEndpoint& peer,
                                                 std::function<void()> there_is) {
  auto fd = open_datagram_socket(peer);
  if (!fd) return fd.error();
  const int error = connect_unix(fd->get(), peer);
  if (is_exhaustion(error)) return system_error(error, "room of a unix peer");
  if (error != 0 || has_room(fd->get())) return std::unique_ptr<UnixRoom>();
  auto socket = attach(loop, *fd);
  if (!socket) return socket.error();
  auto state = std::make_shared<State>(State{std::move(*socket), std::move(there_is)});
  wait_for_event(state);
  return std::unique_ptr<UnixRoom>(new UnixRoom(std::move(state)));
}

void UnixRoom::wait_for_event(std::shared_ptr<State> state) {
  Socket& socket = state->socket;
  socket.async_wait(Socket::wait_write, [state = std::move(state)](const boost::system::error_code& ec) {
    if (ec || !state->there_is) return;
    if (!has_room(state->socket.native_handle())) {
      wait_for_event(state);
    } else {
      std::exchange(state->there_is, nullptr)();
    }
  });
}

UnixRoom::~UnixRoom() {
  state_->there_is = nullptr;
  boost::system::error_code ignored;
  state_->socket.close(ignored);
}

}  // namespace wasi_netd::net
