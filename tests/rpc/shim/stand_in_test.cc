// What the shim asks of a daemon, and what it makes of one that stalls: cases that the real one does not show from
// outside or does not do. The stand-in speaks broker.proto and answers every call that makes a handle with a new one.
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include "tests/rpc/shim/shim_test.h"
#include "wasi_netd/v1/broker.grpc.pb.h"

namespace wasi_netd::test {
namespace {

using grpc::ServerContext;
using grpc::Status;

class StandIn final : public v1::Broker::Service {
 public:
  // ---- what the tests look at
  std::atomic<int> polls{0};
  std::atomic<uint32_t> polled_interest{0};
  std::atomic<uint64_t> rights_set{~uint64_t{0}};  // by the last SetRights

  // gRPC's names. NOLINTBEGIN(readability-identifier-naming)
  Status OpenSession(ServerContext*, grpc::ServerReaderWriter<v1::SessionEvent, v1::SessionRequest>* stream) override {
    v1::SessionRequest request;
    if (!stream->Read(&request)) return Status::CANCELLED;
    v1::SessionEvent event;
    event.mutable_opened()->set_session("session");
    fill(*event.mutable_opened()->add_protocols());
    stream->Write(event);
    while (stream->Read(&request) && !request.has_end()) {
    }
    return Status::OK;
  }
  Status Open(ServerContext*, const v1::OpenRequest*, v1::HandleReply* reply) override { return made(*reply); }
  Status Connect(ServerContext*, const v1::ConnectRequest*, v1::HandleReply* reply) override { return made(*reply); }
  Status StreamCreate(ServerContext*, const v1::StreamCreateRequest*, v1::HandleReply* reply) override {
    return made(*reply);
  }
  Status Restrict(ServerContext*, const v1::RightsRequest* request, v1::HandleReply* reply) override {
    made(*reply);
    *reply->mutable_rights() = request->rights();
    return Status::OK;
  }
  Status SetRights(ServerContext*, const v1::RightsRequest* request, v1::StatusReply*) override {
    rights_set = request->rights().base();
    return Status::OK;
  }
  Status Close(ServerContext*, const v1::HandleRequest*, v1::StatusReply*) override { return Status::OK; }
  Status Poll(ServerContext*, const v1::PollRequest* request, v1::PollReply*) override {
    ++polls;
    polled_interest = request->interest();
    return Status::OK;
  }
  // Refuses the stream, and does not end the call.
  Status Transfer(ServerContext* context,
                  grpc::ServerReaderWriter<v1::TransferReply, v1::TransferRequest>* stream) override {
    v1::TransferRequest request;
    if (!stream->Read(&request)) return Status::CANCELLED;
    v1::TransferReply reply;
    reply.set_opened(v1::BUSY);
    stream->Write(reply);
    while (stream->Read(&request)) {
    }
    return context->IsCancelled() ? Status::CANCELLED : Status::OK;
  }
  // NOLINTEND(readability-identifier-naming)

 private:
  static void fill(v1::ProtocolObject& protocol) {
    protocol.set_name("net");
    protocol.set_handle("net");
    protocol.mutable_rights()->set_base(~uint64_t{0});
    protocol.mutable_rights()->set_inheriting(~uint64_t{0});
  }
  Status made(v1::HandleReply& reply) {
    reply.set_handle("handle " + std::to_string(++handles_));
    reply.mutable_rights()->set_base(~uint64_t{0});
    reply.mutable_rights()->set_inheriting(~uint64_t{0});
    return Status::OK;
  }
  std::atomic<int> handles_{0};
};

class ShimOfStandIn : public testing::Test {
 protected:
  void SetUp() override {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + directory_ / "stand-in.sock", grpc::InsecureServerCredentials());
    builder.RegisterService(&daemon_);
    server_ = builder.BuildAndStart();
    tenant_.emplace(directory_ / "stand-in.sock");
    guest_.emplace(*tenant_);
  }
  void TearDown() override {
    guest_.reset();
    server_->Shutdown();
  }
  Fd control() { return guest_->open(guest_->protocol("net"), "0.0.0.0:0"); }

  TemporaryDirectory directory_;
  StandIn daemon_;
  std::unique_ptr<grpc::Server> server_;
  std::optional<Tenant> tenant_;
  std::optional<Guest> guest_;
};

TEST_F(ShimOfStandIn, ThousandsOfSubscriptionsOfOneHandleAreOneQuestion) {
  const Fd fd = control();
  std::vector<wasi_netd_subscription> interest(4000, read_of(fd));
  for (size_t i = 0; i < interest.size(); i += 2) interest[i] = write_of(fd);
  interest.push_back(after(std::chrono::milliseconds(0)));
  EXPECT_EQ(guest_->poll(interest).size(), 1u) << "the clock";
  EXPECT_EQ(daemon_.polls, 1);
  EXPECT_EQ(daemon_.polled_interest, uint32_t{v1::READABLE} | uint32_t{v1::WRITABLE});
}

TEST_F(ShimOfStandIn, ARefusedCallThatTheDaemonDoesNotEndHoldsNobodyUp) {
  const Fd fd = control();
  Fd stream = guest_->connect(fd, "127.0.0.1:1").stream();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(errno_of_throw([&] { stream.write("x"); }), WASI_NETD_ERRNO_busy);
  }
  stream.close();
}

TEST_F(ShimOfStandIn, RightsThatNoFdOfAStreamHasAnyMoreAreGivenUpInTheDaemon) {
  const Fd fd = control();
  Fd stream = guest_->connect(fd, "127.0.0.1:1").stream();
  constexpr uint64_t kRead = uint64_t{1} << WASI_NETD_RIGHT_BIT_fd_read;
  constexpr uint64_t kWrite = uint64_t{1} << WASI_NETD_RIGHT_BIT_fd_write;
  Fd reader = stream.restricted(kRead);
  Fd writer = stream.restricted(kWrite);
  stream.close();
  EXPECT_EQ(daemon_.rights_set, kRead | kWrite);
  writer.close();
  EXPECT_EQ(daemon_.rights_set, kRead);
}

}  // namespace
}  // namespace wasi_netd::test
