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
  explicit UnaryCall(const Handle& handle) : x_handle(handle) {}
  UnaryCall(const UnaryCall&) = delete;
  UnaryCall& operator=(const UnaryCall&) = delete;
  ~UnaryCall() {
    Waker::Lock lock = x_handle.session().waker()->lock();
    cancel(lock);
  }

  void start(Method method) {
    Session& session = x_handle.session();
    request.set_session(session.token());
    x_done = false;
    (static_cast<Async*>(session.stub().async())->*method)(&x_context, &request, &reply,
                                                           [this, waker = session.waker()](grpc::Status status) {
                                                             waker->update([&] {
                                                               x_status = std::move(status);
                                                               x_done = true;
                                                             });
                                                           });
  }

  const Handle& handle() const { return x_handle; }

  // Until the call completed or had to be given up. Without the lock.
  Errno wait() {
    Waker& waker = *x_handle.session().waker();
    Waker::Lock lock = waker.lock();
    Errno broken = err::success;
    waker.wait(lock, [&] { return x_done || (broken = x_handle.broken_while_waiting()) != err::success; });
    cancel(lock);
    // It may have completed all the same, and made a handle.
    if (x_status.ok()) return static_cast<Errno>(reply.error());
    const Errno failure = errno_from_status(x_status, x_handle.session());
    broken = x_handle.broken_while_waiting();
    return broken != err::success ? broken : failure;
  }

  Request request;
  Reply reply;

 private:
  // Ends the call if it is still under way.
  void cancel(Waker::Lock& lock) {
    if (x_done) return;
    lock.unlock();
    x_context.TryCancel();
    lock.lock();
    x_handle.session().waker()->wait(lock, [&] { return x_done; });
  }

  const Handle& x_handle;
  grpc::ClientContext x_context;
  grpc::Status x_status;
  bool x_done = true;  // no call is under way; guarded once started
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
