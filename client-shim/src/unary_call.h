#pragma once
// One unary call in a session. Lives on the guest's thread: start(), then wait() or done() under the lock.
//
// A wait ends early, by cancelling the call, when the guest is interrupted, the session is lost or the handle revoked.
// gRPC writes into this object until the call completed, so the destructor cancels and waits.
#include <functional>
#include <memory>

#include <grpcpp/client_context.h>

#include "client-shim/src/session.h"

namespace wasi_netd::shim {

// What a call's gRPC status means to the guest; may mark the session lost. Under the lock.
Errno errno_from_status(const grpc::Status& status, Session& session);

template <class Request, class Reply>
class UnaryCall {
 public:
  using Async = v1::Broker::StubInterface::async_interface;
  using Method = void (Async::*)(grpc::ClientContext*, const Request*, Reply*, std::function<void(grpc::Status)>);

  // `handle` is the one the request names; it must outlive the call.
  explicit UnaryCall(const Handle& handle) : handle_(handle) {}
  UnaryCall(const UnaryCall&) = delete;
  UnaryCall& operator=(const UnaryCall&) = delete;
  ~UnaryCall() {
    Waker::Lock lock = handle_.session().waker()->lock();
    cancel(lock);
  }

  void start(Method method) {
    Session& session = handle_.session();
    request.set_session(session.token());
    done_ = false;
    (static_cast<Async*>(session.stub().async())->*method)(&context_, &request, &reply,
                                                           [this, waker = session.waker()](grpc::Status status) {
                                                             waker->update([&] {
                                                               status_ = std::move(status);
                                                               done_ = true;
                                                             });
                                                           });
  }

  const Handle& handle() const { return handle_; }

  // Until the call completed or had to be given up. Without the lock.
  Errno wait() {
    Waker& waker = *handle_.session().waker();
    Waker::Lock lock = waker.lock();
    Errno broken = err::success;
    waker.wait(lock, [&] { return done_ || (broken = handle_.broken_while_waiting()) != err::success; });
    cancel(lock);
    // It may have completed all the same, and made a handle.
    if (status_.ok()) return static_cast<Errno>(reply.error());
    const Errno failure = errno_from_status(status_, handle_.session());
    broken = handle_.broken_while_waiting();
    return broken != err::success ? broken : failure;
  }

  Request request;
  Reply reply;

 private:
  // Ends the call if it is still under way.
  void cancel(Waker::Lock& lock) {
    if (done_) return;
    lock.unlock();
    context_.TryCancel();
    lock.lock();
    handle_.session().waker()->wait(lock, [&] { return done_; });
  }

  const Handle& handle_;
  grpc::ClientContext context_;
  grpc::Status status_;
  bool done_ = true;  // no call is under way; guarded once started
};

// start() and wait() in one; `call.request` is filled.
template <class Request, class Reply>
Errno run(UnaryCall<Request, Reply>& call, typename UnaryCall<Request, Reply>::Method method) {
  Session& session = call.handle().session();
  {
    const Waker::Lock guard = session.waker()->lock();
    const Errno error = call.handle().usable();
    if (error != err::success) return error;
    session.call_started();
  }
  call.start(method);
  return call.wait();
}

}  // namespace wasi_netd::shim
