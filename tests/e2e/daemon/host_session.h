#pragma once
// A host that speaks the daemon's protocol itself: one channel and one session on it. Test thread only.
#include <chrono>
#include <memory>
#include <string>

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "tests/support/native.h"
#include "wasi_netd/v1/broker.grpc.pb.h"

namespace wasi_netd::test {

inline std::shared_ptr<grpc::Channel> host_channel(const std::string& socket_path) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
  return grpc::CreateCustomChannel("unix:" + socket_path, grpc::InsecureChannelCredentials(), arguments);
}

class HostSession {
 public:
  explicit HostSession(const std::string& socket_path) : stub_(v1::Broker::NewStub(host_channel(socket_path))) {
    context_.set_deadline(deadline());
    call_ = stub_->OpenSession(&context_);
    v1::SessionRequest hello;
    hello.mutable_hello();
    call_->Write(hello);
    v1::SessionEvent event;
    if (call_->Read(&event) && event.has_opened()) opened_ = event.opened();
  }
  ~HostSession() {
    context_.TryCancel();
    call_.reset();
  }

  bool is_open() const { return !opened_.session().empty(); }
  // The next event; an empty one when the call has ended.
  v1::SessionEvent read() {
    v1::SessionEvent event;
    call_->Read(&event);
    return event;
  }
  // The orderly end; the status of the session's call.
  grpc::Status end() {
    v1::SessionRequest request;
    request.mutable_end();
    call_->Write(request);
    return finish();
  }
  grpc::Status finish() {
    v1::SessionEvent event;
    while (call_->Read(&event)) {
    }
    return call_->Finish();
  }

  const std::string& token() const { return opened_.session(); }
  // One unary call with a deadline, whatever the session; its status.
  template <class Request, class Reply>
  grpc::Status call(grpc::Status (v1::Broker::Stub::*method)(grpc::ClientContext*, const Request&, Reply*),
                    const Request& request, Reply* reply) {
    grpc::ClientContext context;
    context.set_deadline(deadline());
    return (stub_.get()->*method)(&context, request, reply);
  }
  // A control of the policy's first protocol.
  v1::HandleReply open() {
    v1::OpenRequest request;
    request.set_session(token());
    request.set_protocol(opened_.protocols(0).handle());
    request.set_address("0.0.0.0:0");
    request.set_type(v1::SOCKET_STREAM);
    // The most a control may have: all that the protocol passes on.
    request.mutable_rights()->set_base(opened_.protocols(0).rights().inheriting());
    request.mutable_rights()->set_inheriting(opened_.protocols(0).rights().inheriting());
    v1::HandleReply control;
    const grpc::Status opened = call(&v1::Broker::Stub::Open, request, &control);
    EXPECT_TRUE(opened.ok()) << opened.error_message();
    return control;
  }
  // connect() with such a control: the reply's error.
  v1::Errno connect(const std::string& address) {
    const v1::HandleReply control = open();
    return control.error() != v1::SUCCESS ? control.error() : connect(control.handle(), address);
  }
  v1::Errno connect(const std::string& control, const std::string& address) {
    v1::ConnectRequest request;
    request.set_session(token());
    request.set_control(control);
    request.set_address(address);
    v1::HandleReply connection;
    const grpc::Status connected = call(&v1::Broker::Stub::Connect, request, &connection);
    EXPECT_TRUE(connected.ok()) << connected.error_message();
    return connection.error();
  }

 private:
  static std::chrono::system_clock::time_point deadline() {
    return std::chrono::system_clock::now() + std::chrono::seconds(kPatienceSeconds);
  }
  std::unique_ptr<v1::Broker::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::SessionRequest, v1::SessionEvent>> call_;
  v1::SessionOpened opened_;
};

}  // namespace wasi_netd::test
