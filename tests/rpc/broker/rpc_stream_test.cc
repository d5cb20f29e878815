// RpcStream by itself: a service of the test's own whose flows share one rpc.
#include "daemon/rpc/rpc_stream.h"

#include <memory>
#include <string>
#include <thread>

#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include "tests/rpc/broker/client.h"

namespace wasi_netd::test {
namespace {

using Rpc = rpc::RpcStream<v1::TransferRequest, v1::TransferReply>;
using rpc::Task;

constexpr int kMany = 500;

// Writes one message after the other, without a pause in between; then the rpc is over.
Task<void> write_many(std::shared_ptr<Rpc> rpc) {
  v1::TransferReply reply;
  reply.set_data("one of many");
  for (int i = 0; i < kMany; ++i) (void)co_await rpc->write(reply);
  rpc->finish(grpc::Status::OK);
}
Task<void> write_one(std::shared_ptr<Rpc> rpc) {
  v1::TransferReply reply;
  reply.mutable_fin();
  (void)co_await rpc->write(reply);
}

class TwoWriters final : public v1::Broker::CallbackService {
 public:
  explicit TwoWriters(rpc::Loop loop) : loop_(std::move(loop)) {}
  // gRPC's name. NOLINTNEXTLINE(readability-identifier-naming)
  grpc::ServerBidiReactor<v1::TransferRequest, v1::TransferReply>* Transfer(
      grpc::CallbackServerContext* context) override {
    auto rpc = Rpc::open(loop_, context, *calls_.enter());
    boost::asio::co_spawn(loop_, write_many(rpc), boost::asio::detached);
    boost::asio::co_spawn(loop_, write_one(rpc), boost::asio::detached);
    return rpc.get();
  }

 private:
  const rpc::Loop loop_;
  rpc::CallLimit calls_{8};
};

TEST(RpcStreamTest, AWriterThatComesAgainAtOnceDoesNotStarveTheOther) {
  const TemporaryDirectory directory;
  const std::string path = directory / "service.sock";
  boost::asio::io_context loop(1);
  TwoWriters service(loop.get_executor());
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + path, grpc::InsecureServerCredentials());
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  auto work = boost::asio::make_work_guard(loop);
  std::thread runs([&] { loop.run(); });

  Host host(path);
  grpc::ClientContext context;
  const auto call = host.stub().Transfer(&context);
  v1::TransferReply reply;
  int before = 0, all = 0;
  bool told = false;
  for (; call->Read(&reply); ++all) {
    told = told || reply.has_fin();
    before += told ? 0 : 1;
  }
  EXPECT_TRUE(call->Finish().ok());
  EXPECT_EQ(all, kMany + 1);
  EXPECT_LE(before, 1) << "the message that was being written when the other came";

  server->Shutdown();
  work.reset();
  runs.join();
}

}  // namespace
}  // namespace wasi_netd::test
