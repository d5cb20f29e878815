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

  // connect() through the policy's first protocol: the reply's error.
  v1::Errno connect(const std::string& address) {
    v1::OpenRequest open;
    open.set_session(opened_.session());
    open.set_protocol(opened_.protocols(0).handle());
    open.set_address("0.0.0.0:0");
    open.set_type(v1::SOCKET_STREAM);
    // The most a control may have: all that the protocol passes on.
    open.mutable_rights()->set_base(opened_.protocols(0).rights().inheriting());
    open.mutable_rights()->set_inheriting(opened_.protocols(0).rights().inheriting());
    grpc::ClientContext open_context;
    open_context.set_deadline(deadline());
    v1::HandleReply control;
    const grpc::Status opened = stub_->Open(&open_context, open, &control);
    EXPECT_TRUE(opened.ok()) << opened.error_message();
    if (control.error() != v1::SUCCESS) return control.error();

    v1::ConnectRequest request;
    request.set_session(opened_.session());
    request.set_control(control.handle());
    request.set_address(address);
    grpc::ClientContext context;
    context.set_deadline(deadline());
    v1::HandleReply connection;
    const grpc::Status connected = stub_->Connect(&context, request, &connection);
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
