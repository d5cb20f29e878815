#pragma once
// A single call as a loop sees it: posts to the loop, runs the handler there, finishes the rpc with what it returns.
//
// gRPC's threads touch nothing but the post. The request and reply belong to gRPC and live until OnDone. The reactor
// owns itself until OnDone.
#include <memory>
#include <utility>

#include <boost/asio/post.hpp>
#include <grpcpp/grpcpp.h>

#include "daemon/broker/call.h"
#include "daemon/broker/tenant.h"
#include "daemon/rpc/rpc_stream.h"

namespace wasi_netd::rpc {

class UnaryRpc final : public grpc::ServerUnaryReactor {
 public:
  // `start` runs on the loop; it, or a flow it spawned, calls finish(). `lost` runs on the loop after the end when the
  // client will not see the reply (cancelled, dead): what the reply names must be undone.
  template <class Start, class Lost>
  static UnaryRpc* run(Loop loop, grpc::CallbackServerContext* context, CallLimit::Slot slot, Start start, Lost lost) {
    auto* rpc = new UnaryRpc(loop, context, std::move(slot), std::move(lost));
    rpc->self_.reset(rpc);
    boost::asio::post(loop, [self = rpc->self_, start = std::move(start)]() mutable { start(self); });
    return rpc;
  }

  broker::Call& call() { return call_; }
  // Holds a charge for what the request or reply occupies, until gRPC has let go of both.
  void hold(std::shared_ptr<broker::Session> session, Charge charge) {
    session_ = std::move(session);
    held_ = std::move(charge);
  }
  void finish(grpc::Status status) { Finish(std::move(status)); }

 private:
  template <class Lost>
  UnaryRpc(Loop loop, grpc::CallbackServerContext* context, CallLimit::Slot slot, Lost lost)
      : slot_(std::move(slot)), loop_(std::move(loop)), context_(context), lost_(std::move(lost)) {}

  void OnCancel() override {
    boost::asio::post(loop_, [self = self_] { self->call_.cancel(); });
  }
  void OnDone() override {
    // `lost` reads the reply, which gRPC frees after OnDone: it says what to do now, on this thread, and does it on the
    // loop.
    if (context_->IsCancelled() && lost_) lost_();
    boost::asio::post(loop_, [self = std::move(self_)] {});
  }

  const CallLimit::Slot slot_;
  Loop loop_;
  grpc::CallbackServerContext* const context_;
  std::function<void()> lost_;
  broker::Call call_;
  std::shared_ptr<broker::Session> session_;  // whose quota held_ is charged on: it goes after it
  Charge held_;
  std::shared_ptr<UnaryRpc> self_;
};

}  // namespace wasi_netd::rpc
