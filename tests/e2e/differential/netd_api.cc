// Sockets through the shim and a wasi-netd process: one guest of one tenant.
#include <map>
#include <optional>
#include <stdexcept>

#include "tests/e2e/differential/socket_api.h"
#include "tests/support/daemon_process.h"
#include "wasi_netd/client.hpp"

namespace wasi_netd::test {
namespace {

using client::Fd;

Code code_of(const std::error_code& error) { return static_cast<Code>(error.value()); }

class NetdApi final : public SocketApi {
 public:
  explicit NetdApi(const std::string& directory) {
    daemon_.add_tenant("program",
                       "protocols:\n"
                       "  tcp:\n"
                       "    transport: tcp\n"
                       "    connect: {allow: [\"127.0.0.0/8:1-65535\", \"[::1]:1-65535\"]}\n"
                       "    open: {allow: [\"127.0.0.1:0-65535\", \"[::1]:0-65535\"]}\n"
                       "    accept: {allow: [\"127.0.0.0/8\", \"[::1]\"]}\n"
                       "  unix:\n"
                       "    transport: unix\n"
                       "    connect: {allow: [\"" +
                           directory +
                           "/\"]}\n"
                           "    open: {allow: [\"" +
                           directory +
                           "/\"]}\n"
                           "    accept: {allow: [\"*\"]}\n");
    if (!daemon_.start()) throw std::runtime_error("wasi-netd: " + daemon_.process().standard_error());
    tenant_.emplace(daemon_.socket_path("program"));
    guest_.emplace(*tenant_);
  }

  Got<Socket> listen(const std::string& address, int backlog) override {
    std::error_code error;
    Fd control = guest_->open(protocol_of(address), address, error);
    if (error) return {code_of(error)};
    Code code = wasi_netd_listen(guest_->get(), control.number(), static_cast<uint32_t>(backlog));
    if (code != WASI_NETD_ERRNO_success) return {code};
    return keep(std::move(control), {});
  }
  Got<Socket> accept(Socket listener) override {
    std::error_code error;
    Fd connection = guest_->accept(fd_of(listener), error);
    if (error) return {code_of(error)};
    Fd stream = connection.accept_stream(error);
    if (error) return {code_of(error)};
    return keep(std::move(stream), {});
  }
  Got<Socket> connect(const std::string& address) override {
    std::error_code error;
    Fd control = guest_->open(protocol_of(address), any_for(address));
    Fd connection = guest_->connect(control, address, error);
    if (error) return {code_of(error)};
    return keep(connection.stream(), {});
  }
  Got<Socket> begin_connect(const std::string& address) override {
    std::error_code error;
    Fd control = guest_->open(protocol_of(address), any_for(address), WASI_NETD_FDFLAG_NONBLOCK);
    Fd connection = guest_->connect(control, address, error);
    if (error) return {code_of(error)};
    return keep(std::move(connection), std::move(control));
  }
  Code connected(Socket socket) override {
    std::error_code error;
    Fd stream = sockets_.at(socket).fd.stream(error, client::kInherited, WASI_NETD_FDFLAG_NONBLOCK);
    if (!error) sockets_.at(socket).fd = std::move(stream);
    return code_of(error);
  }

  Got<size_t> read(Socket socket, char* buffer, size_t size) override {
    std::error_code error;
    size_t n = fd_of(socket).read({buffer, size}, error);
    return {code_of(error), n};
  }
  Got<size_t> write(Socket socket, std::string_view bytes) override {
    std::error_code error;
    size_t n = fd_of(socket).write(bytes, error);
    return {code_of(error), n};
  }
  Code shutdown(Socket socket, Half half) override {
    return wasi_netd_shutdown(guest_->get(), fd_of(socket).number(),
                              half == Half::kRead ? WASI_NETD_SHUT_RD : WASI_NETD_SHUT_WR);
  }
  void close(Socket socket) override { sockets_.erase(socket); }
  void set_nonblocking(Socket socket) override { fd_of(socket).set_nonblock(true); }
  void poll(Socket socket, Half half) override {
    const wasi_netd_subscription interest = {
        0,
        static_cast<uint8_t>(half == Half::kRead ? WASI_NETD_EVENT_READ : WASI_NETD_EVENT_WRITE),
        fd_of(socket).number(),
        0,
        0,
        0};
    for (const auto& event : guest_->poll({&interest, 1})) client::check(event.error, "poll");
  }
  std::string local_address(Socket socket) override { return fd_of(socket).local_address(); }
  std::string peer_address(Socket socket) override { return fd_of(socket).peer_address(); }
  void exit() override {
    forget_sockets();
    guest_.reset();
  }
  void abort() override {
    forget_sockets();
    guest_->abort();
    guest_.reset();
  }

 private:
  struct Entry {
    Fd fd;       // a stream, a listening control, or a connection that is not decided
    Fd control;  // of a connection that is not decided
  };
  Got<Socket> keep(Fd fd, Fd control) {
    Socket number = next_++;
    sockets_.emplace(number, Entry{std::move(fd), std::move(control)});
    return {WASI_NETD_ERRNO_success, number};
  }
  Fd& fd_of(Socket socket) { return sockets_.at(socket).fd; }
  // Without closing them: they are the guest's end to deal with.
  void forget_sockets() {
    for (auto& [number, entry] : sockets_) {
      entry.fd.release();
      entry.control.release();
    }
    sockets_.clear();
  }
  int32_t protocol_of(const std::string& address) {
    return guest_->protocol(address.starts_with('/') ? "unix" : "tcp");
  }
  static std::string any_for(const std::string& address) {
    return address.starts_with('/') ? "" : address.starts_with('[') ? "[::]:0" : "0.0.0.0:0";
  }

  DaemonProcess daemon_;
  std::optional<client::Tenant> tenant_;
  std::optional<client::Guest> guest_;
  std::map<Socket, Entry> sockets_;
  Socket next_ = 1;
};

}  // namespace

std::unique_ptr<SocketApi> make_netd_api(const std::string& directory) { return std::make_unique<NetdApi>(directory); }

}  // namespace wasi_netd::test
