#pragma once
// A bidirectional rpc as a loop sees it: the one place where gRPC's threads meet a loop for streams (unary_rpc.h is the
// other, for single calls).
//
// gRPC runs the On* reactions on its own threads, possibly at once; each posts to the loop and touches nothing else.
// gRPC holds one share of the object until OnDone, the flows that use it hold others. The public functions belong to
// the loop. Every rpc must be finished, or Server::Shutdown never returns: RpcStream::run() sees to it.
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <grpcpp/grpcpp.h>

#include "daemon/base/event.h"
#include "daemon/net/net.h"
#include "daemon/rpc/call_limit.h"

namespace wasi_netd::rpc {

using net::Loop;
using net::Task;

// How long a call may be there without saying what it is about. A shim sends the first message with the headers.
inline constexpr std::chrono::seconds kFirstMessage{10};

// A call that is refused before a loop hears of it.
template <class In, class Out>
class RefusedStream final : public grpc::ServerBidiReactor<In, Out> {
 public:
  explicit RefusedStream(grpc::Status status) { this->Finish(std::move(status)); }

 private:
  void OnDone() override { delete this; }
};

template <class In, class Out>
class RpcStream final : public grpc::ServerBidiReactor<In, Out> {
 public:
  static std::shared_ptr<RpcStream> open(Loop loop, grpc::CallbackServerContext* context, CallLimit::Slot slot) {
    std::shared_ptr<RpcStream> stream(new RpcStream(std::move(loop), context, std::move(slot)));
    stream->self_ = stream;
    return stream;
  }

  // The next message, good until the next read(). Null: half-closed, cancelled or dead. One reader.
  Task<const In*> read() {
    if (done_) co_return nullptr;
    this->StartRead(&in_);
    co_await read_done_.wait();
    co_return read_ok_ ? &in_ : nullptr;
  }
  // read() of the first message, which has to come within kFirstMessage: otherwise the rpc is cut.
  Task<const In*> read_first() {
    Timer patience(loop_, kFirstMessage);
    patience.async_wait([self = self_](boost::system::error_code ec) {
      if (!ec) self->cut();
    });
    co_return co_await read();
  }
  // Completes when gRPC has taken the message past flow control, so at most one message of a call waits in the process.
  // False: dead or finished. Two writers at most; who waits has the next turn, however soon the other comes again.
  Task<bool> write(const Out& out) {
    if (std::exchange(writing_, true)) {
      WASI_NETD_CHECK(!std::exchange(next_waits_, true), "three writers on one rpc");
      co_await write_turn_.wait();
    }
    bool ok = !finish_ && !done_;
    if (ok) {
      this->StartWrite(&out);
      co_await write_done_.wait();
      ok = write_ok_;
    }
    if (std::exchange(next_waits_, false)) {
      write_turn_.set();  // writing_ goes with it
      co_return ok;
    }
    writing_ = false;
    if (finish_ && !finished_) send_finish();
    co_return ok;
  }
  // Once is enough; later calls change nothing. Waits for a write in flight (gRPC forbids Finish beside one).
  void finish(grpc::Status status) {
    if (finish_) return;
    finish_ = std::move(status);
    if (!writing_) send_finish();
  }
  // Ends the rpc although an operation is waiting on the peer.
  void cut() {
    if (!finished_) context_->TryCancel();
  }
  // Runs `react` on the loop when the peer cancelled or died, or cut() was called; nullptr takes it back.
  void on_cancel(std::function<void()> react) {
    on_cancel_ = std::move(react);
    if (cancelled_ && on_cancel_) std::exchange(on_cancel_, nullptr)();
  }

 private:
  RpcStream(Loop loop, grpc::CallbackServerContext* context, CallLimit::Slot slot)
      : slot_(std::move(slot)),
        loop_(loop),
        context_(context),
        read_done_(loop),
        write_done_(loop),
        write_turn_(loop) {}

  void send_finish() {
    finished_ = true;
    this->Finish(*finish_);
  }
  void OnReadDone(bool ok) override {
    boost::asio::post(loop_, [self = self_, ok] {
      self->read_ok_ = ok;
      self->read_done_.resume();
    });
  }
  void OnWriteDone(bool ok) override {
    boost::asio::post(loop_, [self = self_, ok] {
      self->write_ok_ = ok;
      self->write_done_.resume();
    });
  }
  void OnCancel() override {
    boost::asio::post(loop_, [self = self_] {
      self->cancelled_ = true;
      if (self->on_cancel_) std::exchange(self->on_cancel_, nullptr)();
    });
  }
  void OnDone() override {
    boost::asio::post(loop_, [self = std::move(self_)] { self->done_ = true; });
  }

  const CallLimit::Slot slot_;
  Loop loop_;
  grpc::CallbackServerContext* const context_;  // gRPC's; gone after OnDone
  std::shared_ptr<RpcStream> self_;
  In in_;
  Event read_done_, write_done_, write_turn_;
  bool read_ok_ = false, write_ok_ = false, finished_ = false, cancelled_ = false, done_ = false;
  bool writing_ = false;     // somebody has the turn
  bool next_waits_ = false;  // for write_turn_
  std::optional<grpc::Status> finish_;
  std::function<void()> on_cancel_;
};

}  // namespace wasi_netd::rpc
