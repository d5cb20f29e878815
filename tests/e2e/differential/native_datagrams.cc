// The kernel's own datagram sockets.
#include <map>
#include <stdexcept>

#include "tests/e2e/differential/address_text.h"
#include "tests/e2e/differential/datagram_api.h"

namespace wasi_netd::test {
namespace {

Code code_of(int error) {
  static const std::map<int, Code> kCodes = {
      {0, WASI_NETD_ERRNO_success},
      {EAGAIN, WASI_NETD_ERRNO_again},
      {EADDRINUSE, WASI_NETD_ERRNO_addrinuse},
      {EADDRNOTAVAIL, WASI_NETD_ERRNO_addrnotavail},
      {EAFNOSUPPORT, WASI_NETD_ERRNO_afnosupport},
      {ECONNREFUSED, WASI_NETD_ERRNO_connrefused},
      {ENOTCONN, WASI_NETD_ERRNO_notconn},
      {EMSGSIZE, WASI_NETD_ERRNO_msgsize},
      {ENOENT, WASI_NETD_ERRNO_noent},
      {EPIPE, WASI_NETD_ERRNO_pipe},
      {ECONNRESET, WASI_NETD_ERRNO_connreset},
  };
  const auto known = kCodes.find(error);
  if (known == kCodes.end()) throw std::runtime_error("an errno that no test expects: " + std::to_string(error));
  return known->second;
}
Code code_of_call(ssize_t result) { return code_of(result < 0 ? errno : 0); }

class NativeDatagrams final : public DatagramApi {
 public:
  Got<Socket> bind(const std::string& address) override {
    const NativeAddress at = native_address(address);
    NativeSocket socket = native_socket(at, SOCK_DGRAM);
    if (::bind(socket.fd(), at.get(), at.size) != 0) return {code_of(errno)};
    return keep(std::move(socket));
  }
  Got<Socket> connect(const std::string& address) override {
    const NativeAddress to = native_address(address);
    NativeSocket socket = native_socket(to, SOCK_DGRAM);
    if (::connect(socket.fd(), to.get(), to.size) != 0) return {code_of(errno)};
    return keep(std::move(socket));
  }
  Code connect(Socket socket, const std::string& address) override {
    const NativeAddress to = native_address(address);
    return code_of_call(::connect(socket, to.get(), to.size));
  }
  Code send_to(Socket socket, std::string_view datagram, const std::string& address) override {
    const NativeAddress to = native_address(address);
    return code_of_call(::sendto(socket, datagram.data(), datagram.size(), MSG_NOSIGNAL, to.get(), to.size));
  }
  Got<Received> receive_from(Socket socket, size_t room) override {
    NativeAddress from;
    Received got{std::string(room, '\0'), {}, false};
    iovec buffer{got.data.data(), room};
    msghdr message{};
    message.msg_name = &from.storage;
    message.msg_namelen = sizeof from.storage;
    message.msg_iov = &buffer;
    message.msg_iovlen = 1;
    const ssize_t n = ::recvmsg(socket, &message, 0);
    if (n < 0) return {code_of(errno)};
    from.size = message.msg_namelen;
    got.data.resize(static_cast<size_t>(n));
    if (from.size != 0) got.from = text_of(from);
    got.truncated = (message.msg_flags & MSG_TRUNC) != 0;
    return {WASI_NETD_ERRNO_success, std::move(got)};
  }
  Code send(Socket socket, std::string_view datagram) override {
    return code_of_call(::send(socket, datagram.data(), datagram.size(), MSG_NOSIGNAL));
  }
  Got<Received> receive(Socket socket, size_t room) override { return receive_from(socket, room); }
  Code shutdown(Socket socket, Half half) override {
    return code_of_call(::shutdown(socket, half == Half::kRead ? SHUT_RD : SHUT_WR));
  }
  void close(Socket socket) override { sockets_.erase(socket); }
  void set_nonblocking(Socket socket) override { ::fcntl(socket, F_SETFL, O_NONBLOCK); }
  void poll(Socket socket, Half half) override { sockets_.at(socket).wait(half == Half::kRead ? POLLIN : POLLOUT); }
  std::string local_address(Socket socket) override {
    NativeAddress address;
    address.size = sizeof address.storage;
    if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address.storage), &address.size) != 0) throw_errno("name");
    return text_of(address);
  }

 private:
  Got<Socket> keep(NativeSocket socket) {
    const Socket number = socket.fd();
    sockets_.emplace(number, std::move(socket));
    return {WASI_NETD_ERRNO_success, number};
  }
  std::map<Socket, NativeSocket> sockets_;
};

}  // namespace

std::unique_ptr<DatagramApi> make_native_datagrams() { return std::make_unique<NativeDatagrams>(); }

}  // namespace wasi_netd::test
