#include <condition_variable>
#include <thread>

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "daemon/rpc/health_service.h"

namespace wasi_netd::rpc {
namespace {

using namespace std::chrono_literals;
using grpc::health::v1::Health;
using Request = grpc::health::v1::HealthCheckRequest;
using Response = grpc::health::v1::HealthCheckResponse;

constexpr auto kLimit = 20s;

class HealthTest : public testing::Test {
 protected:
  HealthTest() {
    grpc::ServerBuilder builder;
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    stub_ = Health::NewStub(server_->InProcessChannel({}));
  }
  ~HealthTest() override {
    if (server_) server_->Shutdown(std::chrono::system_clock::now() + kLimit);
  }

  grpc::Status check(const std::string& name, Response& response) {
    grpc::ClientContext context;
    Request request;
    request.set_service(name);
    return stub_->Check(&context, request, &response);
  }

  CallLimit calls_{3};
  HealthService service_{{"wasi_netd.v1.Broker"}, calls_};
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<Health::Stub> stub_;
};

// A Watch and what it was told.
class Watch {
 public:
  Watch(Health::Stub& stub, const std::string& name) {
    Request request;
    request.set_service(name);
    reader_ = stub.Watch(&context_, request);
    thread_ = std::thread([this] {
      Response response;
      while (reader_->Read(&response)) {
        std::lock_guard lock(mutex_);
        told_.push_back(response.status());
        changed_.notify_all();
      }
      std::lock_guard lock(mutex_);
      ended_ = true;
      changed_.notify_all();
    });
  }
  ~Watch() {
    context_.TryCancel();
    thread_.join();
    reader_->Finish();
  }
  void cancel() { context_.TryCancel(); }
  bool wait_told(std::vector<int> expected) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kLimit, [&] { return told_ == expected; });
  }
  bool wait_last(int expected) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kLimit, [&] { return !told_.empty() && told_.back() == expected; });
  }
  bool wait_ended() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kLimit, [&] { return ended_; });
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<Response>> reader_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<int> told_;
  bool ended_ = false;
  std::thread thread_;
};

TEST_F(HealthTest, TheServerAndItsServicesServeFromTheStart) {
  for (const char* name : {"", "wasi_netd.v1.Broker"}) {
    Response response;
    ASSERT_TRUE(check(name, response).ok()) << name;
    EXPECT_EQ(response.status(), Response::SERVING) << name;
  }
}

TEST_F(HealthTest, AnUnknownServiceIsNotFound) {
  Response response;
  EXPECT_EQ(check("wasi_netd.v1.Other", response).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(HealthTest, CheckSeesAChange) {
  service_.set_serving(false);
  Response response;
  ASSERT_TRUE(check("", response).ok());
  EXPECT_EQ(response.status(), Response::NOT_SERVING);
  service_.set_serving(true);
  ASSERT_TRUE(check("", response).ok());
  EXPECT_EQ(response.status(), Response::SERVING);
}

TEST_F(HealthTest, WatchTellsTheStateAndThenEachChange) {
  Watch watch(*stub_, "wasi_netd.v1.Broker");
  ASSERT_TRUE(watch.wait_told({Response::SERVING}));
  service_.set_serving(true);  // no change, not told
  service_.set_serving(false);
  ASSERT_TRUE(watch.wait_told({Response::SERVING, Response::NOT_SERVING}));
  service_.set_serving(true);
  ASSERT_TRUE(watch.wait_told({Response::SERVING, Response::NOT_SERVING, Response::SERVING}));
}

TEST_F(HealthTest, WatchOfAnUnknownServiceSaysSoAndStaysOpen) {
  Watch watch(*stub_, "nobody");
  ASSERT_TRUE(watch.wait_told({Response::SERVICE_UNKNOWN}));
  Watch other(*stub_, "");
  service_.set_serving(false);
  ASSERT_TRUE(other.wait_last(Response::NOT_SERVING));
  EXPECT_TRUE(watch.wait_told({Response::SERVICE_UNKNOWN}));
}

TEST_F(HealthTest, WatchesAreLimitedAndTheirPlacesComeBack) {
  auto first = std::make_unique<Watch>(*stub_, "");
  Watch second(*stub_, ""), third(*stub_, "");
  for (Watch* watch : {first.get(), &second, &third}) ASSERT_TRUE(watch->wait_told({Response::SERVING}));
  Watch fourth(*stub_, "");
  EXPECT_TRUE(fourth.wait_ended());
  Response response;
  EXPECT_EQ(check("", response).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  first.reset();
  grpc::Status status = check("", response);
  while (!status.ok()) status = check("", response);  // until the server has seen it go
  EXPECT_EQ(response.status(), Response::SERVING);
}

TEST_F(HealthTest, TheLastStateToldIsTheNewestHoweverFastItChanges) {
  Watch watch(*stub_, "");
  constexpr int kThreads = 3;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 500; ++i) service_.set_serving((i + t) % 2 == 0);
    });
  }
  for (auto& thread : threads) thread.join();
  service_.set_serving(false);
  EXPECT_TRUE(watch.wait_last(Response::NOT_SERVING));
}

TEST_F(HealthTest, WatchesThatAreCancelledEndWhileTheStateChanges) {
  std::atomic<bool> stop = false;
  std::thread changing([&] {
    for (bool serving = false; !stop; serving = !serving) service_.set_serving(serving);
  });
  for (int round = 0; round < 20; ++round) {
    Watch first(*stub_, ""), second(*stub_, "");
    first.cancel();
    EXPECT_TRUE(first.wait_ended());
  }
  stop = true;
  changing.join();
}

TEST_F(HealthTest, ShutdownWithADeadlineEndsOpenWatches) {
  Watch watch(*stub_, "");
  ASSERT_TRUE(watch.wait_told({Response::SERVING}));
  server_->Shutdown(std::chrono::system_clock::now());
  server_.reset();
  EXPECT_TRUE(watch.wait_ended());
}

}  // namespace
}  // namespace wasi_netd::rpc
