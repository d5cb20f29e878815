#pragma once
// gRPC's standard health checking (grpc.health.v1), so that any health probe can ask a tenant's server.
//
// One instance per tenant server, which it outlives. Calls run on gRPC's threads and never on a loop; set_serving() may
// be called on any thread and waits for no peer. A Watch holds one message and ends when its caller cancels or the
// server is shut down with a deadline: both cancel the call, and a cancelled call is finished at once, or as soon as
// its outstanding write is done (Finish is not legal before). A host can hold every reply back, so a Check counts
// against the limit too.
#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "daemon/rpc/call_limit.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace wasi_netd::rpc {

class HealthService final : public grpc::health::v1::Health::CallbackService {
 public:
  // `services`: the full names it answers for, besides "". Serving from the start. The limit outlives the server.
  HealthService(std::vector<std::string> services, CallLimit& calls);
  ~HealthService() override;  // no Watch is left: the server was shut down

  void set_serving(bool serving);

 private:
  class Checker;
  class Refused;
  class Watcher;
  using Request = grpc::health::v1::HealthCheckRequest;
  using Response = grpc::health::v1::HealthCheckResponse;

  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext*, const Request*, Response*) override;
  grpc::ServerWriteReactor<Response>* Watch(grpc::CallbackServerContext*, const Request*) override;

  bool knows(const std::string& service) const;
  Response::ServingStatus status() const;
  std::shared_ptr<Watcher> remove(const Watcher*);

  const std::vector<std::string> services_;
  CallLimit& calls_;
  std::atomic<bool> serving_ = true;
  std::mutex mutex_;
  std::set<std::shared_ptr<Watcher>> watchers_;  // calls that are not done
};

}  // namespace wasi_netd::rpc
