#pragma once
// A host without our shim: the generated stub on the tenant's socket. It can say what no correct shim says.
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <grpcpp/create_channel.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "tests/support/in_process_daemon.h"
#include "wasi_netd/v1/broker.grpc.pb.h"

namespace wasi_netd::test {

inline constexpr uint64_t kAllRights = ~uint64_t{0};

// A connection of its own to the daemon.
class Host {
 public:
  explicit Host(const std::string& socket_path) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // two Hosts are two connections
    channel_ = grpc::CreateCustomChannel("unix:" + socket_path, grpc::InsecureChannelCredentials(), arguments);
    stub_ = v1::Broker::NewStub(channel_);
  }
  v1::Broker::Stub& stub() { return *stub_; }

  // One unary call with a deadline; the gRPC status goes to `status` or must be OK.
  template <class Request, class Reply>
  Reply call(grpc::Status (v1::Broker::Stub::*method)(grpc::ClientContext*, const Request&, Reply*),
             const Request& request, grpc::Status* status = nullptr) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(kPatienceSeconds));
    Reply reply;
    const grpc::Status done = (stub_.get()->*method)(&context, request, &reply);
    if (status) {
      *status = done;
    } else {
      EXPECT_TRUE(done.ok()) << done.error_message();
    }
    return reply;
  }

 private:
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::Broker::Stub> stub_;
};

// One OpenSession call. Destroying it without end() is what a killed host does to this session.
class RawSession {
 public:
  explicit RawSession(Host& host, const std::string& guest = {})
      : host_(host), call_(host.stub().OpenSession(&context_)) {
    v1::SessionRequest hello;
    hello.mutable_hello()->set_guest(guest);
    call_->Write(hello);
    if (!call_->Read(&first_)) status_ = call_->Finish();
  }
  ~RawSession() {
    if (!finished_) abandon();
  }
  bool opened() const { return first_.has_opened(); }
  v1::Errno refused() const { return first_.refused(); }
  const std::string& token() const { return first_.opened().session(); }
  const v1::ProtocolObject& protocol(const std::string& name) const {
    for (const auto& one : first_.opened().protocols()) {
      if (one.name() == name) return one;
    }
    ADD_FAILURE() << "no protocol " << name;
    return first_.opened().protocols(0);
  }
  bool next(v1::SessionEvent& event) { return call_->Read(&event); }
  bool say(const v1::SessionRequest& request) { return call_->Write(request); }
  bool say_closed(const std::string& stream) {
    v1::SessionRequest request;
    request.set_closed(stream);
    return say(request);
  }
  // The next event, which says that writing to `stream` is over.
  v1::Errno write_ended(const std::string& stream) {
    v1::SessionEvent event;
    EXPECT_TRUE(next(event));
    EXPECT_EQ(event.write_ended().stream(), stream) << event.ShortDebugString();
    return event.write_ended().error();
  }
  // The orderly end; returns the call's status.
  grpc::Status end() {
    v1::SessionRequest request;
    request.mutable_end();
    call_->Write(request);
    v1::SessionEvent event;
    while (call_->Read(&event)) {
    }
    finished_ = true;
    return call_->Finish();
  }
  void abandon() {
    finished_ = true;
    context_.TryCancel();
    (void)call_->Finish();
  }

  // ---- calls of this session ----
  v1::HandleReply open(const std::string& protocol_name, const std::string& address, uint64_t rights = 0,
                       v1::SocketType type = v1::SOCKET_STREAM) {
    const v1::ProtocolObject& object = protocol(protocol_name);
    v1::OpenRequest request;
    request.set_session(token());
    request.set_protocol(object.handle());
    request.set_address(address);
    request.set_type(type);
    request.mutable_rights()->set_base(rights ? rights : object.rights().inheriting());
    request.mutable_rights()->set_inheriting(rights ? rights : object.rights().inheriting());
    return host_.call(&v1::Broker::Stub::Open, request);
  }
  v1::HandleReply open_datagram(const std::string& protocol_name, const std::string& address, uint64_t rights = 0) {
    return open(protocol_name, address, rights, v1::SOCKET_DGRAM);
  }
  v1::Errno send_to(const std::string& control, const std::string& address, const std::string& data,
                    bool nonblock = false, grpc::Status* status = nullptr) {
    v1::SendToRequest request;
    request.set_session(token());
    request.set_control(control);
    request.set_address(address);
    request.set_data(data);
    request.set_nonblock(nonblock);
    return host_.call(&v1::Broker::Stub::SendTo, request, status).error();
  }
  v1::RecvFromReply recv_from(const std::string& control, bool nonblock = false, uint32_t max = 65536) {
    v1::RecvFromRequest request;
    request.set_session(token());
    request.set_control(control);
    request.set_max(max);
    request.set_nonblock(nonblock);
    return host_.call(&v1::Broker::Stub::RecvFrom, request);
  }
  v1::HandleReply connect(const std::string& control, const std::string& address, bool nonblock = false) {
    v1::ConnectRequest request;
    request.set_session(token());
    request.set_control(control);
    request.set_address(address);
    request.set_nonblock(nonblock);
    return host_.call(&v1::Broker::Stub::Connect, request);
  }
  v1::Errno listen(const std::string& control) {
    v1::ListenRequest request;
    request.set_session(token());
    request.set_control(control);
    return host_.call(&v1::Broker::Stub::Listen, request).error();
  }
  v1::HandleReply accept(const std::string& control, bool nonblock = false) {
    v1::AcceptRequest request;
    request.set_session(token());
    request.set_control(control);
    request.set_nonblock(nonblock);
    return host_.call(&v1::Broker::Stub::Accept, request);
  }
  v1::HandleReply stream_create(const v1::HandleReply& connection) {
    v1::StreamCreateRequest request;
    request.set_session(token());
    request.set_connection(connection.handle());
    request.mutable_rights()->set_base(connection.rights().inheriting());
    return host_.call(&v1::Broker::Stub::StreamCreate, request);
  }
  v1::HandleRequest handle_request(const std::string& handle) const {
    v1::HandleRequest request;
    request.set_session(token());
    request.set_handle(handle);
    return request;
  }
  v1::Errno close(const std::string& handle) {
    return host_.call(&v1::Broker::Stub::Close, handle_request(handle)).error();
  }
  v1::AddressReply local_address(const std::string& handle) {
    return host_.call(&v1::Broker::Stub::LocalAddress, handle_request(handle));
  }
  v1::AddressReply peer_address(const std::string& handle) {
    return host_.call(&v1::Broker::Stub::PeerAddress, handle_request(handle));
  }
  v1::ReadReply read(const std::string& stream, bool nonblock = false, uint32_t max = 65536) {
    v1::ReadRequest request;
    request.set_session(token());
    request.set_stream(stream);
    request.set_max(max);
    request.set_nonblock(nonblock);
    return host_.call(&v1::Broker::Stub::Read, request);
  }
  v1::WriteReply write(const std::string& stream, const std::string& data, bool nonblock = false,
                       grpc::Status* status = nullptr) {
    v1::WriteRequest request;
    request.set_session(token());
    request.set_stream(stream);
    request.set_data(data);
    request.set_nonblock(nonblock);
    return host_.call(&v1::Broker::Stub::Write, request, status);
  }
  v1::Errno shutdown(const std::string& handle, bool read, bool write) {
    v1::ShutdownRequest request;
    request.set_session(token());
    request.set_handle(handle);
    request.set_read(read);
    request.set_write(write);
    return host_.call(&v1::Broker::Stub::Shutdown, request).error();
  }
  v1::PollReply poll(const std::string& handle, uint32_t interest) {
    v1::PollRequest request;
    request.set_session(token());
    request.set_handle(handle);
    request.set_interest(interest);
    return host_.call(&v1::Broker::Stub::Poll, request);
  }
  v1::HandleReply restrict(const std::string& handle, uint64_t base, uint64_t inheriting = 0) {
    return host_.call(&v1::Broker::Stub::Restrict, rights_request(handle, base, inheriting));
  }
  v1::Errno set_rights(const std::string& handle, uint64_t base, uint64_t inheriting = 0) {
    return host_.call(&v1::Broker::Stub::SetRights, rights_request(handle, base, inheriting)).error();
  }

 private:
  v1::RightsRequest rights_request(const std::string& handle, uint64_t base, uint64_t inheriting) const {
    v1::RightsRequest request;
    request.set_session(token());
    request.set_handle(handle);
    request.mutable_rights()->set_base(base);
    request.mutable_rights()->set_inheriting(inheriting);
    return request;
  }
  Host& host_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::SessionRequest, v1::SessionEvent>> call_;
  v1::SessionEvent first_;
  grpc::Status status_;
  bool finished_ = false;
};

// One Transfer call.
class RawTransfer {
 public:
  RawTransfer(Host& host, const std::string& session, const std::string& stream)
      : call_(host.stub().Transfer(&context_)) {
    v1::TransferRequest request;
    request.mutable_open()->set_session(session);
    request.mutable_open()->set_stream(stream);
    call_->Write(request);
    v1::TransferReply reply;
    if (call_->Read(&reply)) opened_ = reply.opened();
  }
  ~RawTransfer() {
    if (finished_) return;
    context_.TryCancel();
    (void)call_->Finish();
  }
  v1::Errno opened() const { return opened_; }
  bool data(const std::string& bytes) {
    v1::TransferRequest request;
    request.set_data(bytes);
    return call_->Write(request);
  }
  bool datagrams(const std::vector<std::string>& all) {
    v1::TransferRequest request;
    for (const std::string& one : all) request.mutable_datagrams()->add_data(one);
    return call_->Write(request);
  }
  bool fin() {
    v1::TransferRequest request;
    request.mutable_fin();
    return call_->Write(request);
  }
  bool narrow(uint64_t base) {
    v1::TransferRequest request;
    request.mutable_narrow()->set_base(base);
    return call_->Write(request);
  }
  bool stop_reading() {
    v1::TransferRequest request;
    request.mutable_stop_reading();
    return call_->Write(request);
  }
  bool next(v1::TransferReply& reply) { return call_->Read(&reply); }
  // `close`, then reads on until the call completes.
  grpc::Status close() {
    v1::TransferRequest request;
    request.mutable_close();
    call_->Write(request);
    v1::TransferReply reply;
    while (call_->Read(&reply)) {
    }
    finished_ = true;
    return call_->Finish();
  }
  // The status of a call that the daemon ends.
  grpc::Status finish() {
    v1::TransferReply reply;
    while (call_->Read(&reply)) {
    }
    finished_ = true;
    return call_->Finish();
  }
  // As a killed host does.
  void break_off() {
    finished_ = true;
    context_.TryCancel();
    (void)call_->Finish();
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::TransferRequest, v1::TransferReply>> call_;
  v1::Errno opened_ = v1::IO;
  bool finished_ = false;
};

}  // namespace wasi_netd::test
