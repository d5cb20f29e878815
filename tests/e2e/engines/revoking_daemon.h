#pragma once
// A daemon that takes a stream away when the test says so: the rpcs that lead a guest to one stream, and the event.
//
// Stands for what a change of policy will do; what the shim makes of it is what guests see. Test thread only; the rpcs
// run on gRPC's threads.
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>

#include <grpcpp/grpcpp.h>

#include "tests/support/native.h"
#include "wasi_netd/v1/broker.grpc.pb.h"

namespace wasi_netd::test {

class RevokingDaemon final : public v1::Broker::Service {
 public:
  RevokingDaemon() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + socket(), grpc::InsecureServerCredentials());
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~RevokingDaemon() override {
    step(kOver);
    server_->Shutdown(std::chrono::system_clock::now());
  }

  std::string socket() const { return directory_ / "revoking.sock"; }
  void revoke_stream() { step(kRevoked); }

  grpc::Status OpenSession(grpc::ServerContext*,
                           grpc::ServerReaderWriter<v1::SessionEvent, v1::SessionRequest>* call) override {
    v1::SessionRequest hello;
    if (!call->Read(&hello)) return grpc::Status::CANCELLED;
    v1::SessionEvent event;
    event.mutable_opened()->set_session(token('s'));
    v1::ProtocolObject& protocol = *event.mutable_opened()->add_protocols();
    protocol.set_name("web");
    protocol.set_handle(token('p'));
    *protocol.mutable_rights() = all();
    call->Write(event);
    wait(kRevoked);
    event.set_revoked(token('S'));
    call->Write(event);
    wait(kOver);
    return grpc::Status::OK;
  }
  grpc::Status Open(grpc::ServerContext*, const v1::OpenRequest*, v1::HandleReply* reply) override {
    return make('c', reply);
  }
  grpc::Status Connect(grpc::ServerContext*, const v1::ConnectRequest*, v1::HandleReply* reply) override {
    return make('k', reply);
  }
  grpc::Status StreamCreate(grpc::ServerContext*, const v1::StreamCreateRequest*, v1::HandleReply* reply) override {
    return make('S', reply);
  }
  grpc::Status Close(grpc::ServerContext*, const v1::HandleRequest*, v1::StatusReply*) override {
    return grpc::Status::OK;
  }
  grpc::Status Transfer(grpc::ServerContext*,
                        grpc::ServerReaderWriter<v1::TransferReply, v1::TransferRequest>* call) override {
    v1::TransferRequest open;
    if (!call->Read(&open)) return grpc::Status::CANCELLED;
    v1::TransferReply reply;
    reply.set_opened(v1::SUCCESS);
    call->Write(reply);
    for (const char* bytes : {"first", "next"}) {
      reply.set_data(bytes);
      call->Write(reply);
    }
    wait(kOver);
    return grpc::Status::OK;
  }

 private:
  enum Step { kServing, kRevoked, kOver };
  static std::string token(char letter) { return std::string(16, letter); }
  static v1::Rights all() {
    v1::Rights rights;
    rights.set_base(~uint64_t{0});
    rights.set_inheriting(~uint64_t{0});
    return rights;
  }
  static grpc::Status make(char letter, v1::HandleReply* reply) {
    reply->set_handle(token(letter));
    *reply->mutable_rights() = all();
    return grpc::Status::OK;
  }
  void step(Step to) {
    const std::lock_guard lock(mutex_);
    step_ = to;
    changed_.notify_all();
  }
  void wait(Step for_step) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return step_ >= for_step; });
  }

  TemporaryDirectory directory_;
  std::mutex mutex_;
  std::condition_variable changed_;
  Step step_ = kServing;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace wasi_netd::test
