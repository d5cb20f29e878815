// Datagrams through the shim and a wasi-netd process: one guest of one tenant.
#include <map>
#include <optional>
#include <stdexcept>

#include "tests/e2e/differential/datagram_api.h"
#include "tests/support/daemon_process.h"
#include "wasi_netd/client.hpp"

namespace wasi_netd::test {
namespace {

using client::Fd;

Code code_of(const std::error_code& error) { return static_cast<Code>(error.value()); }

class NetdDatagrams final : public DatagramApi {
 public:
  explicit NetdDatagrams(const std::string& directory) {
    daemon_.add_tenant("program",
                       "protocols:\n"
                       "  udp:\n"
                       "    transport: udp\n"
                       "    connect: {allow: [\"127.0.0.0/8\", \"[::1]\"]}\n"
                       "    open: {allow: [\"127.0.0.0/8\", \"[::1]\", \"192.0.2.1\", \"[2001:db8::1]\"]}\n"
                       "    accept: {allow: [\"127.0.0.0/8\", \"[::1]\"]}\n"
                       "  unix:\n"
                       "    transport: unix\n"
                       "    connect: {allow: [\"" +
                           directory + "/\"]}\n    open: {allow: [\"" + directory +
                           "/\"]}\n    accept: {allow: [\"*\"]}\n");
    if (!daemon_.start()) throw std::runtime_error("wasi-netd: " + daemon_.process().standard_error());
    tenant_.emplace(daemon_.socket_path("program"));
    guest_.emplace(*tenant_);
  }

  Got<Socket> bind(const std::string& address) override {
    std::error_code error;
    Fd control = open(address, address, error);
    if (error) return {code_of(error)};
    return keep(std::move(control));
  }
  Got<Socket> connect(const std::string& address) override {
    std::error_code error;
    const bool is_path = address.starts_with('/');
    Fd control = open(is_path ? "" : address.starts_with('[') ? "[::]:0" : "0.0.0.0:0", address, error);
    Fd connection = guest_->connect(control, address, error);
    if (error) return {code_of(error)};
    return keep(connection.stream());
  }
  Code connect(Socket socket, const std::string& address) override {
    std::error_code error;
    Fd connection = guest_->connect(sockets_.at(socket), address, error);
    if (error) return code_of(error);
    controls_.push_back(std::exchange(sockets_.at(socket), connection.stream()));
    return WASI_NETD_ERRNO_success;
  }
  Code send_to(Socket socket, std::string_view datagram, const std::string& address) override {
    std::error_code error;
    sockets_.at(socket).send_to(datagram, address, error);
    return code_of(error);
  }
  Got<Received> receive_from(Socket socket, size_t room) override {
    std::error_code error;
    const Fd::Datagram got = sockets_.at(socket).receive_from(error, room);
    return {code_of(error), {got.data, got.peer, got.truncated}};
  }
  Code send(Socket socket, std::string_view datagram) override {
    std::error_code error;
    sockets_.at(socket).write(datagram, error);
    return code_of(error);
  }
  Got<Received> receive(Socket socket, size_t room) override {
    std::error_code error;
    const Fd::Datagram got = sockets_.at(socket).receive(error, room);
    return {code_of(error), {got.data, {}, got.truncated}};
  }
  Code shutdown(Socket socket, Half half) override {
    return wasi_netd_shutdown(guest_->get(), sockets_.at(socket).number(),
                              half == Half::kRead ? WASI_NETD_SHUT_RD : WASI_NETD_SHUT_WR);
  }
  void close(Socket socket) override { sockets_.erase(socket); }
  void set_nonblocking(Socket socket) override { sockets_.at(socket).set_nonblock(true); }
  void poll(Socket socket, Half half) override {
    const auto type = static_cast<uint8_t>(half == Half::kRead ? WASI_NETD_EVENT_READ : WASI_NETD_EVENT_WRITE);
    const wasi_netd_subscription interest = {0, type, sockets_.at(socket).number(), 0, 0, 0};
    for (const auto& event : guest_->poll({&interest, 1})) client::check(event.error, "poll");
  }
  std::string local_address(Socket socket) override { return sockets_.at(socket).local_address(); }

 private:
  // `like` says of which transport.
  Fd open(const std::string& address, const std::string& like, std::error_code& error) {
    return guest_->open(guest_->protocol(like.starts_with('/') ? "unix" : "udp"), address, error, 0, client::kInherited,
                        WASI_NETD_SOCKET_DGRAM);
  }
  Got<Socket> keep(Fd fd) {
    sockets_.emplace(++last_, std::move(fd));
    return {WASI_NETD_ERRNO_success, last_};
  }

  DaemonProcess daemon_;
  std::optional<client::Tenant> tenant_;
  std::optional<client::Guest> guest_;
  std::map<Socket, Fd> sockets_;  // controls and streams
  std::vector<Fd> controls_;      // of streams
  Socket last_ = 0;
};

}  // namespace

std::unique_ptr<DatagramApi> make_netd_datagrams(const std::string& directory) {
  return std::make_unique<NetdDatagrams>(directory);
}

}  // namespace wasi_netd::test
