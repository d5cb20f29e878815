#pragma once
// A TLS connection and its one stream, over an inner connection and its stream. Made by tls_connect() and tls_accept(),
// which hand it out when handshake() has succeeded.
//
// Reading is on demand: whoever reads, or waits to, drives OpenSSL until it has bytes, an end or needs input, and waits
// for that at the inner stream. Whoever took input from there makes the others who wait for it look again, because what
// they wait for may be here now. Writing encrypts at once, a record at a time; what the inner stream does not take is
// sent by send_task(), the only one to wait for its room, and there is no further record until then. How the connection
// broke is kept, as net.h asks.
//
// Held by shared_ptr; coroutines hold theirs from the call on, send_task() only while it works: the last share of
// others ends the connection.
#include <memory>
#include <optional>

#include "daemon/base/event.h"
#include "daemon/net/net.h"
#include "daemon/net/tls/openssl.h"
#include "daemon/net/tls/stream_bio.h"

namespace wasi_netd::net {

// "Something has changed", for any number of coroutines of a loop; each tests again what it waits for. A waiter holds a
// share of the owner.
class Changes {
 public:
  explicit Changes(Loop loop) : loop_(std::move(loop)) {}
  Task<void> next();
  void tell() {
    for (Event* event : waiting_) event->set();
  }

 private:
  const Loop loop_;
  std::vector<Event*> waiting_;
};

class TlsStream final : public Connection, public Stream, public std::enable_shared_from_this<TlsStream> {
 public:
  // `ssl` is new, set up for its role.
  TlsStream(Loop, Openssl<SSL> ssl, std::shared_ptr<Connection> inner, std::shared_ptr<Stream> raw);
  ~TlsStream() override;

  // Before anything else, once. On failure the inner connection has been closed: after an alert, if there was one to
  // send.
  Task<Status> handshake(std::chrono::milliseconds timeout);
  SSL* ssl() { return ssl_.get(); }
  void set_info(ConnectionInfo info) { info_ = std::move(info); }

  Task<Result<size_t>> read_some(asio::mutable_buffer) override;
  Task<Result<size_t>> write_some(asio::const_buffer) override;
  Result<size_t> read_now(asio::mutable_buffer) override;
  Result<size_t> write_now(asio::const_buffer) override;
  Task<Status> wait_readable() override;
  Task<Status> wait_writable() override;
  void cancel() override;
  bool peer_gone() const override { return raw_->peer_gone(); }
  Status shutdown_write() override;
  Status shutdown_read() override;

  Endpoint local_endpoint() const override { return inner_->local_endpoint(); }
  Endpoint peer_endpoint() const override { return inner_->peer_endpoint(); }
  Result<std::shared_ptr<Stream>> take_stream() override;
  ConnectionInfo info() const override { return info_; }
  uint64_t memory() const override;
  Status set_option(Option option, uint32_t value) override { return inner_->set_option(option, value); }
  Result<uint32_t> get_option(Option option) const override { return inner_->get_option(option); }
  void abort() override;
  Task<void> finish(std::chrono::milliseconds linger) override;

 private:
  using Self = std::shared_ptr<TlsStream>;
  static constexpr size_t kRecord = 16 * 1024;  // RFC 8446 5.1: a record's most
  // What an operation that cannot be done now waits for. kTurn: nothing, it has had its turn of the loop.
  enum class Need : uint8_t { kInput, kOutput, kTurn };

  static Task<Result<size_t>> read_task(Self, asio::mutable_buffer);
  static Task<Result<size_t>> write_task(Self, asio::const_buffer);
  static Task<Status> readable_task(Self);
  static Task<Status> writable_task(Self);
  static Task<Status> handshake_task(Self, std::chrono::milliseconds timeout);
  static Task<void> finish_task(Self, std::chrono::milliseconds linger);
  static Task<void> send_task(std::weak_ptr<TlsStream>, std::shared_ptr<Stream> raw);
  static Task<void> drop_input_task(std::shared_ptr<Stream> raw);
  static Task<void> wait_for(Self, Need);

  // One call of OpenSSL is between these two.
  void begin();
  void end();
  // After a call that failed: what it needs, nothing when that does not help.
  std::optional<Need> need_after(int result);

  // read_now(), and the same without taking the bytes. `need` is set with `again`.
  Result<size_t> try_read(asio::mutable_buffer, bool take, Need& need);
  Result<size_t> try_write(asio::const_buffer, Need& need);
  Result<size_t> read_failed(int result);
  Result<size_t> write_failed(const Error&);
  // Why a handshake failed.
  Error handshake_failed() const;
  Status send_close();
  void break_off(Error);
  // Whoever waits looks again.
  void disturb();
  // Every 16th call goes through the loop: one busy peer cannot keep the others waiting.
  bool is_turn_over() { return ++calls_ % 16 == 0; }

  const Loop loop_;
  const std::shared_ptr<Connection> inner_;
  const std::shared_ptr<Stream> raw_;
  StreamBio bio_;
  Openssl<SSL> ssl_;  // goes before bio_
  ConnectionInfo info_;
  Changes changes_;  // room for a record, an end, a failure
  unsigned input_waiters_ = 0;
  unsigned calls_ = 0;
  uint64_t cancels_ = 0;  // calls of cancel(): an operation that was pending at one ends
  bool stream_taken_ = false;
  bool sending_ = false;     // send_task() runs
  bool closed_ = false;      // by us: abort() or finish(), for the stream's operations
  bool over_ = false;        // the inner connection is closed as well
  bool late_ = false;        // the handshake's time has passed
  bool read_ended_ = false;  // the peer's close_notify was read, or shutdown_read() has come to its end
  bool read_shut_ = false;   // shutdown_read()
  bool write_ended_ = false;
  bool close_asked_ = false, close_sent_ = false;  // our close_notify
  std::optional<Error> failure_;                   // what broke the connection
};

}  // namespace wasi_netd::net
