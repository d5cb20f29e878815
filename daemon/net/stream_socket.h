#pragma once
// A connected TCP or Unix stream socket: the Connection and its one Stream are the same object, so each call is one
// system call and nothing has to be kept in step. The descriptor lives until abort(), the end of finish(), or the last
// share.
//
// How a connection broke is kept here, because the kernel tells it once: after an ECONNRESET was reported to a write,
// it answers the next read with 0, which would look like the peer's orderly end. Bytes that arrived before are still
// read. An end that arrived before the reset stays an end (Linux reports that reset to writers only, as EPIPE).
#include <memory>
#include <optional>

#include "daemon/net/net.h"
#include "daemon/net/socket.h"
#include "daemon/net/unix_path.h"

namespace wasi_netd::net {

class StreamSocket final : public Connection, public Stream, public std::enable_shared_from_this<StreamSocket> {
 public:
  // `path`: the file of a Unix socket that was bound before it connected.
  StreamSocket(Socket socket, Endpoint local, Endpoint peer, BoundPath path);
  ~StreamSocket() override;

  Task<Result<size_t>> read_some(asio::mutable_buffer) override;
  Task<Result<size_t>> write_some(asio::const_buffer) override;
  Result<size_t> read_now(asio::mutable_buffer) override;
  Result<size_t> write_now(asio::const_buffer) override;
  Task<Status> wait_readable() override;
  Task<Status> wait_writable() override;
  void cancel() override;
  bool peer_gone() const override { return peer_gone_; }
  Status shutdown_write() override;
  Status shutdown_read() override;

  Endpoint local_endpoint() const override { return local_; }
  Endpoint peer_endpoint() const override { return peer_; }
  Result<std::shared_ptr<Stream>> take_stream() override;
  Status set_option(Option, uint32_t value) override;
  Result<uint32_t> get_option(Option) const override;
  void abort() override;
  Task<void> finish(std::chrono::milliseconds linger) override;

 private:
  using Self = std::shared_ptr<StreamSocket>;
  // The coroutines hold their share from the call on, not from their first resumption.
  static Task<Result<size_t>> read_task(Self, asio::mutable_buffer);
  static Task<Result<size_t>> write_task(Self, asio::const_buffer);
  static Task<Status> readable_task(Self);
  static Task<Status> writable_task(Self);
  static Task<void> finish_task(Self, std::chrono::milliseconds linger);

  // What a system call's outcome means for the half it was made on; the only setters of the state below but close().
  Result<size_t> settle_read(int error, size_t bytes, size_t wanted);
  Result<size_t> settle_write(int error, size_t bytes, size_t wanted);
  Status shut(int how);
  // A half has ended: whoever waits looks again. The socket's events alone do not see to that: asio tells only the
  // first of two waiting readers of the end, and a Unix socket without room does not become writable by its own
  // shutdown.
  void disturb();
  // An operation ended by disturb(), not by cancel() or close().
  bool was_disturbed(const boost::system::error_code&, uint64_t cancels_before) const;
  // Reads and drops what is there now, up to a bound. True: nothing more will come.
  bool drain();
  void close();

  mutable Socket socket_;  // asio's native_handle() is not const
  const Endpoint local_;
  const Endpoint peer_;
  BoundPath path_;
  bool stream_taken_ = false;
  uint64_t cancels_ = 0;          // calls of cancel(): an operation that was pending at one ends
  bool closed_ = false;           // by us: abort() or the end of finish()
  bool read_ended_ = false;       // the peer's orderly end was read
  bool write_ended_ = false;      // shutdown_write(), or the peer takes no more
  bool peer_gone_ = false;        // a write was told so
  std::optional<Errno> failure_;  // what broke the connection, whichever half was told
  Hint read_hint_{false};
  Hint write_hint_{true};
};

}  // namespace wasi_netd::net
