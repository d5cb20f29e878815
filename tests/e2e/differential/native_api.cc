// The kernel's own sockets.
#include <map>
#include <stdexcept>
#include <unistd.h>

#include <sys/wait.h>

#include "tests/e2e/differential/address_text.h"
#include "tests/e2e/differential/socket_api.h"

namespace wasi_netd::test {
namespace {

Code code_of(int error) {
  switch (error) {
    case 0:
      return WASI_NETD_ERRNO_success;
    case EAGAIN:
      return WASI_NETD_ERRNO_again;
    case EADDRINUSE:
      return WASI_NETD_ERRNO_addrinuse;
    case EADDRNOTAVAIL:
      return WASI_NETD_ERRNO_addrnotavail;
    case ECONNREFUSED:
      return WASI_NETD_ERRNO_connrefused;
    case ECONNRESET:
      return WASI_NETD_ERRNO_connreset;
    case EINPROGRESS:
      return WASI_NETD_ERRNO_inprogress;
    case EINVAL:
      return WASI_NETD_ERRNO_inval;
    case ENOENT:
      return WASI_NETD_ERRNO_noent;
    case ENOTCONN:
      return WASI_NETD_ERRNO_notconn;
    case EPIPE:
      return WASI_NETD_ERRNO_pipe;
    default:
      throw std::runtime_error("an errno that no test expects: " + std::to_string(error));
  }
}

class NativeApi final : public SocketApi {
 public:
  Got<Socket> listen(const std::string& address, int backlog) override {
    NativeAddress at = native_address(address);
    NativeSocket socket = native_socket(at);
    socket.set_option(SOL_SOCKET, SO_REUSEADDR, 1);
    if (::bind(socket.fd(), at.get(), at.size) != 0) return {code_of(errno)};
    if (::listen(socket.fd(), backlog) != 0) return {code_of(errno)};
    return keep(std::move(socket));
  }
  Got<Socket> accept(Socket listener) override {
    int fd = ::accept4(fd_of(listener), nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return {code_of(errno)};
    return keep(NativeSocket(fd));
  }
  Got<Socket> connect(const std::string& address) override {
    NativeAddress to = native_address(address);
    NativeSocket socket = native_socket(to);
    if (::connect(socket.fd(), to.get(), to.size) != 0) return {code_of(errno)};
    return keep(std::move(socket));
  }
  Got<Socket> begin_connect(const std::string& address) override {
    NativeAddress to = native_address(address);
    Socket socket = keep(native_socket(to)).value;
    set_nonblocking(socket);
    // A loopback refusal can be known at once; it is told where a later one would be.
    failed_[socket] = ::connect(fd_of(socket), to.get(), to.size) == 0 || errno == EINPROGRESS ? 0 : errno;
    return {WASI_NETD_ERRNO_success, socket};
  }
  Code connected(Socket socket) override {
    int error = failed_[socket];
    socklen_t size = sizeof error;
    if (error == 0) ::getsockopt(fd_of(socket), SOL_SOCKET, SO_ERROR, &error, &size);
    return code_of(error);
  }

  Got<size_t> read(Socket socket, char* buffer, size_t size) override {
    return counted(::recv(fd_of(socket), buffer, size, 0));
  }
  Got<size_t> write(Socket socket, std::string_view bytes) override {
    return counted(::send(fd_of(socket), bytes.data(), bytes.size(), MSG_NOSIGNAL));
  }
  Code shutdown(Socket socket, Half half) override {
    return code_of(::shutdown(fd_of(socket), half == Half::kRead ? SHUT_RD : SHUT_WR) == 0 ? 0 : errno);
  }
  void close(Socket socket) override { sockets_.erase(socket); }
  void set_nonblocking(Socket socket) override { ::fcntl(fd_of(socket), F_SETFL, O_NONBLOCK); }
  void poll(Socket socket, Half half) override { sockets_.at(socket).wait(half == Half::kRead ? POLLIN : POLLOUT); }
  std::string local_address(Socket socket) override { return name_of(socket, ::getsockname); }
  std::string peer_address(Socket socket) override { return name_of(socket, ::getpeername); }
  // A child that has the sockets too, and then alone, ends as a program does.
  void exit() override {
    int gate[2];
    if (::pipe2(gate, O_CLOEXEC) != 0) throw_errno("pipe");
    const pid_t child = ::fork();
    if (child < 0) throw_errno("fork");
    if (child == 0) {
      char go = 0;
      ::close(gate[1]);
      ::_exit(::read(gate[0], &go, 1) == 1 ? 0 : 1);
    }
    sockets_.clear();
    ::close(gate[0]);
    const bool told = ::write(gate[1], "x", 1) == 1;
    ::close(gate[1]);
    int status = -1;
    if (::waitpid(child, &status, 0) != child || !told || status != 0)
      throw std::runtime_error("the child did not exit");
  }
  void abort() override {
    for (auto& [number, socket] : sockets_) socket.reset();
    sockets_.clear();
  }

 private:
  Got<Socket> keep(NativeSocket socket) {
    Socket number = socket.fd();
    sockets_.emplace(number, std::move(socket));
    return {WASI_NETD_ERRNO_success, number};
  }
  int fd_of(Socket socket) { return sockets_.at(socket).fd(); }
  static Got<size_t> counted(ssize_t n) {
    return n < 0 ? Got<size_t>{code_of(errno)} : Got<size_t>{WASI_NETD_ERRNO_success, static_cast<size_t>(n)};
  }
  template <class Name>
  std::string name_of(Socket socket, Name name) {
    NativeAddress address;
    address.size = sizeof address.storage;
    if (name(fd_of(socket), reinterpret_cast<sockaddr*>(&address.storage), &address.size) != 0) throw_errno("name");
    return text_of(address);
  }
  std::map<Socket, NativeSocket> sockets_;
  std::map<Socket, int> failed_;
};

}  // namespace

std::unique_ptr<SocketApi> make_native_api() { return std::make_unique<NativeApi>(); }

}  // namespace wasi_netd::test
