#include "client-shim/src/channel.h"

#include <cerrno>
#include <cstring>
#include <unistd.h>

#include <grpcpp/create_channel_posix.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

namespace wasi_netd::shim {
namespace {

constexpr int kLookaheadBytes = 128 * 1024;  // what a stream that nobody reads costs the shim
constexpr timeval kConnectPatience{2, 0};    // for a daemon whose backlog is full

Errno connect_socket(const std::string& path, int& out) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno_from_host(errno);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &kConnectPatience, sizeof kConnectPatience);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  int result = 0;
  do {
    result = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  } while (result != 0 && errno == EINTR);
  if (result != 0) {
    const int error = errno;
    ::close(fd);
    return error == EACCES || error == EPERM ? err::acces : err::connrefused;
  }
  out = fd;
  return err::success;
}

grpc::ChannelArguments channel_arguments() {
  grpc::ChannelArguments arguments;
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
  arguments.SetInt(GRPC_ARG_MINIMAL_STACK, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_CHANNELZ, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  // With probing on, windows grow until every unread stream holds megabytes.
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kLookaheadBytes);
  return arguments;
}

}  // namespace

Errno Tenant::open(std::string_view socket_path, std::shared_ptr<Tenant>& out) {
  if (socket_path.empty() || socket_path.size() >= sizeof(sockaddr_un::sun_path)) return err::inval;
  out.reset(new Tenant(socket_path));
  return err::success;
}

Errno Tenant::connect(const Waker& guest, std::shared_ptr<Channel>& out) {
  const std::lock_guard lock(mutex_);
  if (guest.interrupted()) return err::intr;
  if (!channel_) {
    int fd = -1;
    const Errno error = connect_socket(path_, fd);
    if (error != err::success) return error;
    channel_ =
        std::make_shared<Channel>(grpc::CreateCustomInsecureChannelFromFd("unix:" + path_, fd, channel_arguments()));
  }
  out = channel_;
  return err::success;
}

void Tenant::interrupt() {
  const std::lock_guard guard(opening_mutex_);
  interrupted_ = true;
  for (Waker* waker : opening_) waker->interrupt();
}

Tenant::Opening::Opening(Tenant& tenant, Waker& waker) : tenant_(tenant), waker_(waker) {
  const std::lock_guard guard(tenant_.opening_mutex_);
  tenant_.opening_.insert(&waker_);
  if (tenant_.interrupted_) waker_.interrupt();
}

Tenant::Opening::~Opening() {
  const std::lock_guard guard(tenant_.opening_mutex_);
  tenant_.opening_.erase(&waker_);
}

void Tenant::forget(const std::shared_ptr<Channel>& broken) {
  std::shared_ptr<Channel> released;  // outlives the lock: the end of a connection waits for gRPC's threads
  const std::lock_guard guard(mutex_);
  if (channel_ == broken) released = std::move(channel_);
}

}  // namespace wasi_netd::shim
