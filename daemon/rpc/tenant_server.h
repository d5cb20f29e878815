#pragma once
// One tenant being served: the tenant, its socket and its gRPC server.
//
// The server is made when the first host connects (a tenant without hosts costs a socket). Functions run on the
// tenant's loop but the constructor, shutdown_server() and the destructor, which run where the daemon is started and
// stopped.
#include <functional>
#include <memory>
#include <string>

#include <grpcpp/server.h>

#include "daemon/broker/tenant.h"
#include "daemon/rpc/broker_service.h"
#include "daemon/rpc/health_service.h"
#include "daemon/rpc/host_listener.h"
#include "daemon/rpc/reflection_service.h"

namespace wasi_netd::rpc {

class TenantServer {
 public:
  TenantServer(net::Loop, std::shared_ptr<const policy::TenantPolicy>, std::chrono::milliseconds linger, AuditLog&,
               std::shared_ptr<const ReflectionIndex>);
  // stop() has completed and shutdown_server() was called.
  ~TenantServer();

  // On the loop. Also makes what the tenant's protocols need: an error names the file that is missing or wrong.
  Status listen(const std::string& socket_path);
  broker::Tenant& tenant() { return tenant_; }
  uint64_t call_count() const { return calls_.used() + standard_calls_.used(); }  // any thread
  size_t host_count() const { return listener_ ? listener_->host_count() : 0; }

  // No new hosts or sessions. `idle` runs, on the loop, when no session is left (at once, or later).
  void drain(std::function<void()> idle);
  // Aborts what is left. `done` runs on the loop when every flow has ended; that needs what follows, in this order.
  void stop(std::function<void()> done);
  // Returns when every call has its status on the way, at `deadline` at the latest. Blocks, as shutdown_server() does:
  // never on a loop, and the loops must be running.
  void wait_for_calls(std::chrono::system_clock::time_point deadline) { calls_.wait_for_none(deadline); }
  // On the loop. Hosts are let go with what is on the way to them; who has not taken it by `deadline` is cut off.
  void finish_hosts(std::chrono::system_clock::time_point deadline);
  // Returns when every rpc is finished; what is not by `deadline` is cancelled.
  void shutdown_server(std::chrono::system_clock::time_point deadline);

 private:
  void admit(int fd);
  broker::Tenant tenant_;
  CallLimit calls_;           // of the Broker service
  CallLimit standard_calls_;  // of health checking and reflection
  BrokerService broker_service_;
  HealthService health_service_;
  ReflectionService reflection_service_;
  std::shared_ptr<HostListener> listener_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace wasi_netd::rpc
