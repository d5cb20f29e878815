#pragma once
// A stream: bytes, or datagrams, in both directions on a connection.
//
// Held by handles and by the flow that moves its bytes. At most one mode at a time: free (Read and Write, one call
// each way) or in transfer (one rpc of one handle owns both directions). The tenant's loop.
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include <boost/asio/buffer.hpp>

#include "daemon/broker/call.h"
#include "daemon/broker/connection.h"
#include "daemon/broker/object.h"
#include "daemon/net/net.h"

namespace wasi_netd::broker {

class Stream final : public Object, public std::enable_shared_from_this<Stream> {
 public:
  Stream(std::shared_ptr<Session>, std::shared_ptr<Connection>, std::shared_ptr<net::Stream>);
  ~Stream() override;

  Connection& connection() const { return *connection_; }
  bool in_transfer() const { return transfer_.has_value(); }
  bool in_transfer_by(const Token& handle) const { return transfer_ == handle; }

  // busy: in transfer already, or a Read or Write is waiting. `cut` ends the transfer's rpc whatever it waits for.
  Status enter_transfer(const Token& handle, std::function<void()> cut);
  // Ends the transfer's pending read; another handle of the stream can go on behind what the transfer took.
  void leave_transfer();
  void cut_transfer();
  // The transfer has this long to deliver and leave, then the connection is reset and the rpc cut. The first call
  // counts.
  void close_within(std::chrono::milliseconds linger);

  // What was received or taken is counted on the connection. An error is the stream's: connreset, pipe, or why the
  // connection was ended by us. One read and one write at a time.
  Task<Result<size_t>> read_some(boost::asio::mutable_buffer);
  Task<Result<size_t>> write_some(boost::asio::const_buffer);
  Status shutdown(bool read, bool write);
  // A write failed because the peer takes no byte any more: no end of ours can mislead it.
  bool peer_gone() const { return net_->peer_gone(); }

  // What was read. `end`: nothing, and nothing will come; an empty datagram is none.
  struct Got {
    size_t bytes = 0;
    bool end = false;
    bool truncated = false;
  };
  // Datagrams in transfer. An error that is not over() is of one of them and passes.
  bool of_datagrams() const { return net_->keeps_boundaries(); }
  Task<Status> wait_readable();
  Task<Status> wait_writable();
  size_t waiting() const { return net_->waiting(); }  // how many can be received now
  Result<Got> receive_now(boost::asio::mutable_buffer);
  Result<size_t> send_batch_now(std::span<const std::string_view>);
  bool over(const Error&) const;

  // Unary mode, with a call that can be cancelled (`canceled`) and without waiting (`again`). busy: in transfer, or
  // another call of this direction is waiting.
  Task<Result<Got>> read(boost::asio::mutable_buffer, bool nonblock, Call&);
  Task<Result<size_t>> write(boost::asio::const_buffer, bool nonblock, Call&);

  uint32_t readiness() override { return ready_; }
  uint32_t next_size() const override { return static_cast<uint32_t>(net_->next_size()); }

 private:
  Result<Got> read_now(boost::asio::mutable_buffer);
  Result<size_t> write_now(boost::asio::const_buffer);
  // The state of watching one direction of a free stream for poll.
  static Task<void> run_watch(std::shared_ptr<Stream> self, uint32_t direction);
  void watch(uint32_t interest) override;
  void last_handle_closed() override;
  // The connection's own reason where we ended it, else what the socket said.
  Error read_error(Error from_socket) const;
  Error write_error(Error from_socket) const;  // pipe for a connection that the guest ended

  const std::shared_ptr<Connection> connection_;
  const std::shared_ptr<net::Stream> net_;
  std::optional<Token> transfer_;  // the handle whose rpc moves the bytes
  std::function<void()> cut_transfer_;
  std::optional<Timer> close_deadline_;
  bool reading_ = false, writing_ = false;
  uint32_t ready_ = 0;  // told by the last watch, until a call answers `again`
  uint32_t watching_ = 0;
  WaitList readable_, writable_;
};

}  // namespace wasi_netd::broker
