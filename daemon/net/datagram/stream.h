#pragma once
// Datagrams with one peer: the Connection and its one Stream are the same object. What differs between a socket that is
// connected to its peer and one that a listener shares among its peers is below: how to send, and how to leave. Held by
// shared_ptr; one loop's thread.
#include <memory>
#include <optional>

#include "daemon/net/datagram/queue.h"
#include "daemon/net/datagram/socket.h"

namespace wasi_netd::net {

class DatagramStream : public Connection, public Stream, public std::enable_shared_from_this<DatagramStream> {
 public:
  Endpoint local_endpoint() const override { return local_; }
  Endpoint peer_endpoint() const override { return peer_; }
  Result<std::shared_ptr<Stream>> take_stream() override;
  Status set_option(Option, uint32_t value) override;
  Result<uint32_t> get_option(Option) const override;
  void abort() override { close(); }
  // The kernel sends what it has taken, and no peer waits for an end: there is nothing to stay for.
  Task<void> finish(std::chrono::milliseconds linger) override;

  Task<Result<size_t>> read_some(asio::mutable_buffer) override;
  Task<Result<size_t>> write_some(asio::const_buffer) override;
  Result<size_t> read_now(asio::mutable_buffer) override;
  Result<size_t> write_now(asio::const_buffer) override;
  Result<size_t> write_batch_now(std::span<const std::string_view>) override;
  Task<Status> wait_readable() override;
  Task<Status> wait_writable() override;
  void cancel() override;
  Status shutdown_write() override;
  Status shutdown_read() override;

  bool keeps_boundaries() const override { return true; }
  bool ended() const override { return ended_; }
  bool read_truncated() const override { return read_truncated_; }
  uint64_t dropped() const override { return queue_.dropped(); }
  size_t next_size() const override { return queue_.next_size(); }

 protected:
  DatagramStream(std::shared_ptr<DatagramSocket>, Endpoint local, Endpoint peer, uint64_t queue_limit, Quota* buffers);
  ~DatagramStream() override = default;  // a final class calls close()

  void take(std::string_view data, bool truncated);
  // To be told once, by the next read or write.
  void take_error(int error);
  // Nothing more comes in: what is there is read, then the end.
  void end_reading();
  void end_writing();
  void close();
  bool reading_ended() const { return read_ended_; }

  DatagramSocket& socket() const { return *socket_; }
  DatagramQueue& queue() { return queue_; }

 private:
  using Self = std::shared_ptr<DatagramStream>;
  static Task<Result<size_t>> read_task(Self, asio::mutable_buffer);
  static Task<Result<size_t>> write_task(Self, asio::const_buffer);
  static Task<Status> readable_task(Self, uint64_t cancels);
  static Task<Status> writable_task(Self, uint64_t cancels);
  static Task<void> finish_task(Self);
  Error told(const char* what);

  virtual SendOutcome send(std::span<const std::string_view>) = 0;
  // The kernel's part of shutdown_read(), where there is one.
  virtual void stop_reading() = 0;
  // Once, at close().
  virtual void leave() = 0;

  const std::shared_ptr<DatagramSocket> socket_;
  const Endpoint local_;
  const Endpoint peer_;
  DatagramQueue queue_;
  Waiters readable_;
  std::optional<int> error_;  // the kernel's, not told yet
  bool stream_taken_ = false;
  bool closed_ = false;
  bool read_ended_ = false;
  bool ended_ = false;  // and the reader has seen it
  bool write_ended_ = false;
  bool read_truncated_ = false;
  uint64_t cancels_ = 0;
};

}  // namespace wasi_netd::net
