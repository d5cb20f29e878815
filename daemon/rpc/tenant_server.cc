#include "daemon/rpc/tenant_server.h"

#include <algorithm>
#include <unistd.h>

#include <grpcpp/resource_quota.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_posix.h>
#include <spdlog/spdlog.h>

#include "daemon/rpc/transfer.h"

namespace wasi_netd::rpc {
namespace {

// Room for the protobuf around the largest data frame.
constexpr int kMaxMessage = kChunk + 1024;

// gRPC takes in a whole message before it looks at its size, so the sizes a host declares do not bound what it can make
// the process hold; gRPC's own memory quota does. It is what the transfers' windows may take, which `buffers` bounds,
// and room for calls.
size_t grpc_memory(broker::Tenant& tenant) {
  constexpr uint64_t kCalls = 32u << 20, kMost = uint64_t{8} << 30;
  return static_cast<size_t>(std::min(tenant.buffers_quota().limit(), kMost) + kCalls);
}

// Every stream may have its Transfer and every session its OpenSession; what is left is for calls that wait.
int max_calls(broker::Tenant& tenant) {
  constexpr uint64_t kUnaryCalls = 256, kMost = 1'000'000;
  return static_cast<int>(std::min(
      std::min(tenant.handles_quota().limit(), kMost) + std::min(tenant.sessions_quota().limit(), kMost) + kUnaryCalls,
      kMost));
}

}  // namespace

TenantServer::TenantServer(net::Loop loop, std::shared_ptr<const policy::TenantPolicy> policy,
                           std::chrono::milliseconds linger, AuditLog& log,
                           std::shared_ptr<const ReflectionIndex> reflection)
    : tenant_(std::move(loop), std::move(policy), linger, log),
      broker_service_(tenant_),
      health_service_({v1::Broker::service_full_name()}),
      reflection_service_(std::move(reflection)) {}

TenantServer::~TenantServer() = default;

Status TenantServer::listen(const std::string& socket_path) {
  if (auto ready = tenant_.prepare(); !ready) return ready.error();
  auto listener = HostListener::open(tenant_, socket_path, [this](int fd) { admit(fd); });
  if (!listener) return listener.error();
  listener_ = std::move(*listener);
  listener_->start();
  return {};
}

void TenantServer::admit(int fd) {
  if (!server_) {
    grpc::ServerBuilder builder;
    builder.RegisterService(&broker_service_);
    builder.RegisterService(&health_service_);
    builder.RegisterService(&reflection_service_);
    builder.SetMaxReceiveMessageSize(kMaxMessage);
    builder.SetResourceQuota(grpc::ResourceQuota(tenant_.name()).Resize(grpc_memory(tenant_)));
    // A compressed message unfolds before its size is looked at.
    builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
    builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, max_calls(tenant_));
    // With BDP probing a stream nobody reads grows to megabytes of window.
    builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, static_cast<int>(kReceiveWindow));
    builder.AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 0);
    builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, 4096);
    server_ = builder.BuildAndStart();
    WASI_NETD_CHECK(server_ != nullptr, tenant_.name() + ": gRPC server without ports");
  }
  grpc::AddInsecureChannelFromFd(server_.get(), fd);  // takes the descriptor
}

void TenantServer::drain(std::function<void()> idle) {
  if (listener_) listener_->close();
  health_service_.set_serving(false);
  tenant_.drain(std::move(idle));
}

void TenantServer::stop(std::function<void()> done) {
  drain(nullptr);
  tenant_.stop(std::move(done));
  if (listener_) listener_->cut_all();
}

void TenantServer::shutdown_server(std::chrono::system_clock::time_point deadline) {
  if (!server_) return;
  server_->Shutdown(deadline);
  server_->Wait();
}

}  // namespace wasi_netd::rpc
