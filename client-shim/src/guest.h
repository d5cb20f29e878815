#pragma once
// One guest: its fd table, its session, and every call of client.h on them.
//
// One thread calls it at a time; only interrupt() may come from another. The fd table belongs to that thread and needs
// no lock. Arguments are the C ABI's, validated here; out-parameters are written only on success.
//
// Rights are looked up in the fd table's copies first, so that obvious misuse fails early; the daemon enforces them.
// After the daemon was away the next open or resolve through a protocol fd opens a new session, in which every
// protocol fd stands for the object of the same name, with no more rights than it had; all other fds stay dead. No two
// fds share a token: closing one would end the other.
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "client-shim/src/channel.h"
#include "client-shim/src/fd_table.h"
#include "client-shim/src/kind.h"
#include "client-shim/src/session.h"
#include "client-shim/src/stdio.h"
#include "client-shim/src/stream.h"
#include "client-shim/src/unary_call.h"

namespace wasi_netd::shim {

// What an fd stands for.
struct Descriptor {
  Kind kind = Kind::kStdio;
  uint8_t filetype = WASI_NETD_SOCKET_STREAM;
  bool nonblock = false;
  Rights rights;
  std::string protocol;            // kProtocol: its name
  bool granted = false;            // kProtocol: by the policy; found by name. Else a weaker one that the guest made
  std::shared_ptr<Handle> handle;  // network kinds; null: a protocol that could not be had from the present session
  std::shared_ptr<Stream> stream;  // kStream; shared with the weaker fds that were made of it
  std::unique_ptr<Stdio> stdio;    // kStdio
  // kControl: a connection that sock_accept took and could not get the stream of; the next accept's.
  std::unique_ptr<Descriptor> accepted;
  // kControl: a datagram that recv_from took and whose sender's address the guest had no room for; its next one's.
  std::unique_ptr<v1::RecvFromReply> unclaimed;
};

class Guest {
 public:
  static Errno open(std::shared_ptr<Tenant> tenant, const wasi_netd_guest_options* options,
                    std::unique_ptr<Guest>& out);
  // Abrupt unless finish() came first.
  ~Guest();
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;

  // The orderly end: delivers what was written, within the daemon's linger, and ends the session.
  void finish();
  void interrupt() { waker_->interrupt(); }

  // ---- guest_network.cc
  Errno open_control(int32_t protocol_fd, std::string_view address, uint32_t type, Rights rights, uint32_t fdflags,
                     int32_t& out);
  Errno listen(int32_t fd, uint32_t backlog);
  Errno accept(int32_t fd, int32_t& out);
  Errno connect(int32_t fd, std::string_view address, int32_t& out);
  Errno stream_create(int32_t fd, Rights rights, uint32_t fdflags, int32_t& out);
  Errno stream_accept(int32_t fd, int32_t& out);
  Errno protocol_get(std::string_view name, int32_t& out) const;
  std::string protocol_list() const;
  Errno local_address(int32_t fd, std::string& out);
  Errno peer_address(int32_t fd, std::string& out);
  Errno connection_info(int32_t fd, std::string& out);
  Errno resolve(int32_t fd, std::string_view name, std::string& out);
  Errno restrict_rights(int32_t fd, Rights rights, int32_t& out);
  Errno set_option(int32_t fd, uint32_t option, uint32_t value);
  Errno get_option(int32_t fd, uint32_t option, uint32_t& out);

  // ---- guest_datagram.cc
  Errno send_to(int32_t fd, std::span<const wasi_netd_ciovec> buffers, std::string_view address, size_t& count);
  // What recv_from gave. `overflow`: `address` is longer than `address_room`, and nothing else is set.
  struct Received {
    size_t count = 0;
    bool truncated = false;
    std::string address;
  };
  Errno recv_from(int32_t fd, std::span<const wasi_netd_iovec> buffers, size_t address_room, Received& out);

  // ---- guest_io.cc
  Errno read(int32_t fd, std::span<const wasi_netd_iovec> buffers, size_t& count);
  Errno write(int32_t fd, std::span<const wasi_netd_ciovec> buffers, size_t& count);
  Errno recv(int32_t fd, std::span<const wasi_netd_iovec> buffers, uint32_t flags, size_t& count, bool& truncated);
  Errno send(int32_t fd, std::span<const wasi_netd_ciovec> buffers, size_t& count);
  Errno sock_accept(int32_t fd, uint32_t fdflags, int32_t& out);
  Errno shutdown(int32_t fd, uint32_t how);
  Errno close(int32_t fd);
  Errno renumber(int32_t from, int32_t to);
  Errno fdstat(int32_t fd, wasi_netd_fdstat& out) const;
  Errno set_flags(int32_t fd, uint16_t flags);
  Errno set_rights(int32_t fd, Rights rights);

  // ---- poll.cc
  Errno poll(std::span<const wasi_netd_subscription> subscriptions, wasi_netd_event* events, size_t& count);

 private:
  Guest(std::shared_ptr<Tenant> tenant, std::string name, uint64_t ceiling);
  Errno open_session();
  Errno add_stdio(const int (&host_fds)[3]);
  void add_protocols();
  // Makes sure that the session of the protocol fds is alive.
  Errno revive();
  Errno rebind(Descriptor& descriptor);

  // The entry if it is a network fd: badf, notsock.
  Errno find_network(int32_t fd, Descriptor*& out) const;
  // That, if it is of `kind` and has `right`: inval, notcapable.
  Errno find(int32_t fd, Kind kind, uint64_t right, Descriptor*& out) const;
  // A control of datagrams with `right`; notsup: it is one of streams.
  Errno find_datagrams(int32_t fd, uint64_t right, Descriptor*& out) const;
  // find_network, after the protocol fds' session was brought back to life if `fd` is one of them.
  Errno find_live(int32_t fd, Descriptor*& out);
  // Both, for a protocol.
  Errno find_protocol(int32_t fd, uint64_t right, Descriptor*& out);
  static std::unique_ptr<Descriptor> make_descriptor(const Descriptor& parent, Kind kind, bool nonblock,
                                                     uint8_t filetype, const v1::HandleReply& reply);
  int32_t add_handle(const Descriptor& parent, Kind kind, bool nonblock, uint8_t filetype,
                     const v1::HandleReply& reply) {
    return fds_.insert(make_descriptor(parent, kind, nonblock, filetype, reply));
  }
  Errno accept_connection(Descriptor& control, std::unique_ptr<Descriptor>& out);
  static Errno accept_stream(Descriptor& connection, bool nonblock, std::unique_ptr<Descriptor>& out);
  Errno address_of(int32_t fd, UnaryCall<v1::HandleRequest, v1::AddressReply>::Method method, std::string& out);

  // Closes what an fd stood for. Streams with bytes to send go on in draining_.
  void dispose(std::unique_ptr<Descriptor> descriptor);
  // Every stream that an fd stands for, once.
  std::vector<Stream*> open_streams() const;
  // What the fds of a stream may do together; nothing when there is none.
  std::optional<Rights> rights_of(const Stream& stream) const;
  // The daemon takes a stream's bytes under the first fd's handle, for all of its fds: holds that handle to `rights`.
  Errno narrow(Stream& stream, Rights rights);
  Errno set_rights_in_daemon(const Handle& handle, Rights rights);
  void close_handle(const Handle& handle);
  // Forgets the closed streams whose calls have completed.
  void reap();

  const std::shared_ptr<Tenant> tenant_;
  const std::shared_ptr<Waker> waker_;
  const std::string name_;
  const uint64_t ceiling_;
  std::shared_ptr<Session> session_;  // of the protocol fds
  FdTable<Descriptor> fds_;
  std::vector<std::shared_ptr<Stream>> draining_;
};

}  // namespace wasi_netd::shim
