// The shim in C++: owners for what client.h hands out, and its errnos as std::error_code. Header only.
//
//   wasi_netd::client::Tenant tenant("/run/wasi-netd/tenants/acme.sock");
//   wasi_netd::client::Guest guest(tenant, {.name = "billing"});
//   auto control = guest.open(guest.protocol("web"), "0.0.0.0:0");
//   auto stream = guest.connect(control, "api.example.com:443").stream();
//   stream.write("...");
//
// A call that fails throws std::system_error with an error_code of category(); of those that may answer `again` there
// is a form with a std::error_code&, which does not throw. Threads and blocking are client.h's. A Guest outlives its
// Fds, and is not moved while it has any.
#ifndef WASI_NETD_CLIENT_HPP
#define WASI_NETD_CLIENT_HPP

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "wasi_netd/client.h"

namespace wasi_netd::client {

inline const std::error_category& category() {
  class Category final : public std::error_category {
   public:
    const char* name() const noexcept override { return "wasi"; }
    std::string message(int value) const override { return wasi_netd_errno_name(static_cast<wasi_netd_errno>(value)); }
  };
  static const Category instance;
  return instance;
}

inline std::error_code error_code(wasi_netd_errno error) { return {error, category()}; }

inline void check(wasi_netd_errno error, const char* what) {
  if (error != WASI_NETD_ERRNO_success) throw std::system_error(error_code(error), what);
}

// As rights of a new fd: all that its parent lets it inherit.
inline constexpr uint64_t kInherited = UINT64_MAX;

inline uint64_t inherited(wasi_netd_guest* guest, int32_t parent, uint64_t rights) {
  wasi_netd_fdstat stat{};
  if (rights != kInherited) return rights;
  // A parent that cannot be asked makes the call itself fail, with the reason.
  return wasi_netd_fdstat_get(guest, parent, &stat) == WASI_NETD_ERRNO_success ? stat.rights_inheriting : 0;
}

class Tenant {
 public:
  explicit Tenant(const std::string& socket_path) {
    check(wasi_netd_tenant_open(socket_path.c_str(), &tenant_), "tenant");
  }
  Tenant(Tenant&& other) noexcept : tenant_(std::exchange(other.tenant_, nullptr)) {}
  Tenant& operator=(Tenant&& other) noexcept {
    std::swap(tenant_, other.tenant_);
    return *this;
  }
  ~Tenant() { wasi_netd_tenant_release(tenant_); }

  wasi_netd_tenant* get() const { return tenant_; }
  // From any thread: no guest opens any more.
  void interrupt() { wasi_netd_tenant_interrupt(tenant_); }

 private:
  wasi_netd_tenant* tenant_ = nullptr;
};

// One fd of a guest, closed by the destructor.
class Fd {
 public:
  Fd() = default;
  Fd(wasi_netd_guest* guest, int32_t number) : guest_(guest), number_(number) {}
  Fd(Fd&& other) noexcept : guest_(other.guest_), number_(std::exchange(other.number_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(guest_, other.guest_);
    std::swap(number_, other.number_);
    return *this;
  }
  ~Fd() { close(); }

  int32_t number() const { return number_; }
  // Gives the number up without closing it.
  int32_t release() { return std::exchange(number_, -1); }
  void close() {
    if (number_ >= 0) wasi_netd_close(guest_, release());
  }

  // ---- a stream. 0 bytes read: the end.
  size_t read(std::span<char> buffer, std::error_code& error) {
    const wasi_netd_iovec iov{buffer.data(), buffer.size()};
    size_t count = 0;
    error = error_code(wasi_netd_read(guest_, number_, &iov, 1, &count));
    return count;
  }
  size_t read(std::span<char> buffer) { return checked("read", &Fd::read_into, buffer); }
  // Up to `size` bytes in one read.
  std::string read(size_t size) {
    std::string text(size, '\0');
    text.resize(read(std::span(text)));
    return text;
  }
  std::string read_to_end() {
    std::string text;
    for (std::string piece; !(piece = read(size_t{64 * 1024})).empty();) text += piece;
    return text;
  }
  size_t write(std::string_view data, std::error_code& error) {
    const wasi_netd_ciovec iov{data.data(), data.size()};
    size_t count = 0;
    error = error_code(wasi_netd_write(guest_, number_, &iov, 1, &count));
    return count;
  }
  // One datagram, with whether it was longer than `size`.
  struct Datagram {
    std::string data;
    std::string peer;  // of receive_from
    bool truncated = false;
  };
  Datagram receive(std::error_code& error, size_t size = 65'536, uint32_t flags = 0) {
    Datagram got{std::string(size, '\0'), {}, false};
    const wasi_netd_iovec iov{got.data.data(), size};
    size_t count = 0;
    uint32_t out_flags = 0;
    error = error_code(wasi_netd_recv(guest_, number_, &iov, 1, flags, &count, &out_flags));
    got.data.resize(count);
    got.truncated = out_flags != 0;
    return got;
  }
  // Everything, on a blocking fd; else what fits.
  size_t write(std::string_view data) { return checked("write", &Fd::write_from, data); }
  // WASI_NETD_SHUT_*; also of a connection, which then ends.
  void shutdown(uint32_t how) { check(wasi_netd_shutdown(guest_, number_, how), "shutdown"); }

  // ---- a connection
  Fd stream(std::error_code& error, uint64_t rights = kInherited, uint32_t fdflags = 0) {
    int32_t out = -1;
    rights = inherited(guest_, number_, rights);
    error = error_code(wasi_netd_stream_create(guest_, number_, rights, rights, fdflags, &out));
    return {guest_, out};
  }
  Fd stream(uint64_t rights = kInherited, uint32_t fdflags = 0) {
    std::error_code error;
    Fd out = stream(error, rights, fdflags);
    if (error) throw std::system_error(error, "stream_create");
    return out;
  }
  Fd accept_stream(std::error_code& error) {
    int32_t out = -1;
    error = error_code(wasi_netd_stream_accept(guest_, number_, &out));
    return {guest_, out};
  }
  Fd accept_stream() {
    std::error_code error;
    Fd out = accept_stream(error);
    if (error) throw std::system_error(error, "stream_accept");
    return out;
  }

  // ---- a control of datagrams
  void send_to(std::string_view data, std::string_view address, std::error_code& error) {
    const wasi_netd_ciovec iov{data.data(), data.size()};
    size_t count = 0;
    error = error_code(wasi_netd_send_to(guest_, number_, &iov, 1, address.data(), address.size(), &count));
  }
  void send_to(std::string_view data, std::string_view address) {
    std::error_code error;
    send_to(data, address, error);
    if (error) throw std::system_error(error, "send_to");
  }
  Datagram receive_from(std::error_code& error, size_t size = 65'536) {
    Datagram got{std::string(size, '\0'), std::string(256, '\0'), false};
    const wasi_netd_iovec iov{got.data.data(), size};
    size_t count = 0, length = 0;
    uint32_t flags = 0;
    error = error_code(
        wasi_netd_recv_from(guest_, number_, &iov, 1, got.peer.data(), got.peer.size(), &length, &count, &flags));
    got.data.resize(count);
    got.peer.resize(error ? 0 : length);
    got.truncated = flags != 0;
    return got;
  }
  Datagram receive_from(size_t size = 65'536) {
    std::error_code error;
    Datagram got = receive_from(error, size);
    if (error) throw std::system_error(error, "recv_from");
    return got;
  }

  // ---- any
  void set_nonblock(bool on) {
    check(wasi_netd_fdstat_set_flags(guest_, number_, on ? WASI_NETD_FDFLAG_NONBLOCK : 0), "fdstat_set_flags");
  }
  // A second fd for the same object with these rights, wasi_netd_restrict().
  Fd restricted(uint64_t rights_base, uint64_t rights_inheriting = 0) const {
    int32_t out = -1;
    check(wasi_netd_restrict(guest_, number_, rights_base, rights_inheriting, &out), "restrict");
    return {guest_, out};
  }
  std::string local_address() const { return text("local_address", wasi_netd_local_address); }
  std::string peer_address() const { return text("peer_address", wasi_netd_peer_address); }

 private:
  size_t read_into(std::span<char> buffer, std::error_code& error) { return read(buffer, error); }
  size_t write_from(std::string_view data, std::error_code& error) { return write(data, error); }
  template <class Data>
  size_t checked(const char* what, size_t (Fd::*call)(Data, std::error_code&), Data data) {
    std::error_code error;
    const size_t count = (this->*call)(data, error);
    if (error) throw std::system_error(error, what);
    return count;
  }
  template <class Get>
  std::string text(const char* what, Get get) const {
    std::string out(256, '\0');
    size_t size = 0;
    wasi_netd_errno error = get(guest_, number_, out.data(), out.size(), &size);
    out.resize(size);
    if (error == WASI_NETD_ERRNO_overflow) error = get(guest_, number_, out.data(), out.size(), &size);
    check(error, what);
    return out;
  }

  wasi_netd_guest* guest_ = nullptr;
  int32_t number_ = -1;
};

struct GuestOptions {
  std::string name;             // empty: unnamed
  uint64_t rights = 0;          // 0: what the policy gives
  int stdio[3] = {-1, -1, -1};  // host descriptors; -1: closed
};

class Guest {
 public:
  explicit Guest(const Tenant& tenant, const GuestOptions& options = {}) {
    const wasi_netd_guest_options c_options{
        sizeof c_options, options.name.c_str(), options.rights, {options.stdio[0], options.stdio[1], options.stdio[2]}};
    check(wasi_netd_guest_open(tenant.get(), &c_options, &guest_), "guest");
  }
  Guest(Guest&& other) noexcept : guest_(std::exchange(other.guest_, nullptr)) {}
  Guest& operator=(Guest&& other) noexcept {
    std::swap(guest_, other.guest_);
    return *this;
  }
  // In order: waits until what was written is delivered.
  ~Guest() { wasi_netd_guest_close(guest_); }

  wasi_netd_guest* get() const { return guest_; }
  // Ends the guest abruptly; its connections are reset.
  void abort() { wasi_netd_guest_abort(std::exchange(guest_, nullptr)); }
  // From any thread.
  void interrupt() { wasi_netd_guest_interrupt(guest_); }

  // The number of the protocol object of that name. It stays the guest's.
  int32_t protocol(std::string_view name) const {
    int32_t out = -1;
    check(wasi_netd_protocol_get(guest_, name.data(), name.size(), &out), "protocol_get");
    return out;
  }
  // A control, bound to `address`.
  Fd open(int32_t protocol, std::string_view address, std::error_code& error, uint32_t fdflags = 0,
          uint64_t rights = kInherited, uint32_t type = WASI_NETD_SOCKET_STREAM) {
    int32_t out = -1;
    rights = inherited(guest_, protocol, rights);
    error = error_code(
        wasi_netd_open(guest_, protocol, address.data(), address.size(), type, rights, rights, fdflags, &out));
    return {guest_, out};
  }
  Fd open(int32_t protocol, std::string_view address, uint32_t fdflags = 0, uint64_t rights = kInherited) {
    std::error_code error;
    Fd out = open(protocol, address, error, fdflags, rights);
    if (error) throw std::system_error(error, "open");
    return out;
  }
  // The same for datagrams.
  Fd open_datagram(int32_t protocol, std::string_view address, uint32_t fdflags = 0, uint64_t rights = kInherited) {
    std::error_code error;
    Fd out = open(protocol, address, error, fdflags, rights, WASI_NETD_SOCKET_DGRAM);
    if (error) throw std::system_error(error, "open");
    return out;
  }
  void listen(const Fd& control, uint32_t backlog = 0) {
    check(wasi_netd_listen(guest_, control.number(), backlog), "listen");
  }
  // Connections.
  Fd accept(const Fd& control, std::error_code& error) {
    int32_t out = -1;
    error = error_code(wasi_netd_accept(guest_, control.number(), &out));
    return {guest_, out};
  }
  Fd accept(const Fd& control) {
    std::error_code error;
    Fd out = accept(control, error);
    if (error) throw std::system_error(error, "accept");
    return out;
  }
  Fd connect(const Fd& control, std::string_view address, std::error_code& error) {
    int32_t out = -1;
    error = error_code(wasi_netd_connect(guest_, control.number(), address.data(), address.size(), &out));
    return {guest_, out};
  }
  Fd connect(const Fd& control, std::string_view address) {
    std::error_code error;
    Fd out = connect(control, address, error);
    if (error) throw std::system_error(error, "connect");
    return out;
  }

  std::vector<wasi_netd_event> poll(std::span<const wasi_netd_subscription> subscriptions) {
    std::vector<wasi_netd_event> events(subscriptions.size());
    size_t count = 0;
    check(wasi_netd_poll(guest_, subscriptions.data(), subscriptions.size(), events.data(), &count), "poll");
    events.resize(count);
    return events;
  }

 private:
  wasi_netd_guest* guest_ = nullptr;
};

}  // namespace wasi_netd::client

#endif
