#pragma once
// The connection that open_tunnel gives: the one to the proxy, with the target as its peer.
//
// As long as the target's first bytes, which came together with the proxy's answer, are not all read, it is its own
// stream as well, which gives those and then hands every call on. Without such bytes the stream to the proxy is handed
// out itself, and nothing stands between it and its user. Either way it is one object, and a call costs no copy and no
// allocation more.
#include <memory>
#include <string>

#include "daemon/net/net.h"

namespace wasi_netd::net {

class TunnelConnection final : public Connection, public Stream, public std::enable_shared_from_this<TunnelConnection> {
 public:
  TunnelConnection(std::shared_ptr<Connection> to_proxy, std::shared_ptr<Stream> stream, Endpoint target,
                   std::string early);

  Endpoint local_endpoint() const override { return to_proxy_->local_endpoint(); }
  Endpoint peer_endpoint() const override { return target_; }
  Result<std::shared_ptr<Stream>> take_stream() override;
  uint64_t memory() const override { return to_proxy_->memory() + early_.capacity(); }
  Status set_option(Option option, uint32_t value) override { return to_proxy_->set_option(option, value); }
  Result<uint32_t> get_option(Option option) const override { return to_proxy_->get_option(option); }
  // Both drop the early bytes, as they drop what has arrived and was not read.
  void abort() override;
  Task<void> finish(std::chrono::milliseconds linger) override;

  Task<Result<size_t>> read_some(asio::mutable_buffer) override;
  Task<Result<size_t>> write_some(asio::const_buffer buffer) override { return stream_->write_some(buffer); }
  Result<size_t> read_now(asio::mutable_buffer) override;
  Result<size_t> write_now(asio::const_buffer buffer) override { return stream_->write_now(buffer); }
  Task<Status> wait_readable() override;
  Task<Status> wait_writable() override { return stream_->wait_writable(); }
  void cancel() override { stream_->cancel(); }
  bool peer_gone() const override { return stream_->peer_gone(); }
  Status shutdown_write() override { return stream_->shutdown_write(); }
  Status shutdown_read() override { return stream_->shutdown_read(); }

 private:
  using Self = std::shared_ptr<TunnelConnection>;
  static Task<Result<size_t>> read_task(Self, asio::mutable_buffer);
  static Task<Status> readable_task(Self);

  bool has_early() const { return early_at_ < early_.size(); }
  size_t take_early(asio::mutable_buffer);
  void drop_early();

  const std::shared_ptr<Connection> to_proxy_;
  const std::shared_ptr<Stream> stream_;
  const Endpoint target_;
  std::string early_;  // at most ConnectReply::kMaxHead; given back when read
  size_t early_at_ = 0;
  bool stream_taken_ = false;
};

}  // namespace wasi_netd::net
