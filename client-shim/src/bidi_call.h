#pragma once
// A bidirectional gRPC call that the guest's thread and gRPC's reactions drive together.
//
// One read and one write are outstanding at most; which comes next is decided by the derived class under the Waker
// lock (next_operations) and started after the lock is released. gRPC allows operations from outside reactions only
// under a hold: one is taken before the call starts and given back when its last read failed, and each start from
// outside takes one more while the first is certainly there. The owner, on the guest's thread, keeps the object until
// done(): the ClientContext holds a reference to the channel, and the last one of those must not go on a gRPC thread,
// which would then wait for itself.
#include <memory>
#include <utility>

#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include "client-shim/src/waker.h"

namespace wasi_netd::shim {

template <class Request, class Reply>
class BidiCall : public grpc::ClientBidiReactor<Request, Reply> {
 public:
  // Guarded by the lock.
  bool done() const { return done_; }

  // Ends the call abruptly; done() follows. Guest's thread, without the lock.
  void cancel() {
    if (context_) context_->TryCancel();
  }

 protected:
  explicit BidiCall(std::shared_ptr<Waker> waker) : waker_(std::move(waker)) {}

  // Starts the call with its first request in request_. Guest's thread, without the lock. `bind` hands the context
  // and this object to the stub. May be called again after done().
  template <class Bind>
  void launch(Bind bind) {
    context_ = std::make_unique<grpc::ClientContext>();
    context_->set_initial_metadata_corked(true);  // one packet for the headers and the first request
    bind(context_.get());
    {
      const Waker::Lock guard = waker_->lock();
      live_ = true;
      done_ = false;
    }
    this->AddHold();
    this->StartWrite(&request_);
    this->StartRead(&reply_);
    this->StartCall();
  }

  // Starts what next_operations() says is due. Guest's thread; `lock` is released meanwhile.
  void advance(Waker::Lock& lock) {
    if (!live_) return;
    const Operations due = next_operations();
    if (!due.read && !due.write) return;
    this->AddHold();
    lock.unlock();
    start(due);
    this->RemoveHold();
    lock.lock();
  }

  struct Operations {
    bool read = false;
    bool write = false;  // request_ holds the message
  };
  // All under the lock.
  virtual Operations next_operations() = 0;
  virtual void on_message(Reply& reply) = 0;
  virtual bool on_written(bool ok) = 0;  // whether the guest may be waiting for it
  virtual void on_end(const grpc::Status& status) = 0;
  virtual void on_read_end() {}

  const std::shared_ptr<Waker> waker_;
  Request request_;

 private:
  void start(const Operations& due) {
    if (due.read) this->StartRead(&reply_);
    if (due.write) this->StartWrite(&request_);
  }

  // gRPC's names. NOLINTBEGIN(readability-identifier-naming)
  void OnReadDone(bool ok) final {
    Operations due;
    waker_->update([&] {
      if (ok) {
        on_message(reply_);
        due = next_operations();
      } else {
        live_ = false;
        on_read_end();
      }
    });
    if (ok) {
      start(due);
    } else {
      this->RemoveHold();
    }
  }

  void OnWriteDone(bool ok) final {
    Operations due;
    waker_->update([&] {
      const bool awaited = on_written(ok);
      if (live_) due = next_operations();
      return awaited;
    });
    start(due);
  }

  void OnDone(const grpc::Status& status) final {
    // The owner may destroy this object as soon as it sees done_.
    const std::shared_ptr<Waker> waker = waker_;
    waker->update([&] {
      on_end(status);
      done_ = true;
    });
  }
  // NOLINTEND(readability-identifier-naming)

  std::unique_ptr<grpc::ClientContext> context_;
  Reply reply_;
  bool live_ = false;  // guarded; started, and its reads have not failed
  bool done_ = true;   // guarded; no call, or OnDone ran
};

}  // namespace wasi_netd::shim
