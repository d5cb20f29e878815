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

// Calls at a time on one connection: a host that wants more waits for one of its own to end. Every stream that can have
// buffers may have its Transfer, every session its OpenSession and a call that waits; the rest are calls that are over
// in a moment, such as a guest's many Polls.
uint64_t calls_of_connection(broker::Tenant& tenant) {
  constexpr uint64_t kBrief = 64, kMost = 1'000'000;
  const uint64_t transfers = std::min(tenant.handles_quota().limit(), tenant.buffers_quota().limit() / kReserve);
  return std::min(std::min(transfers, kMost) + 2 * std::min(tenant.sessions_quota().limit(), kMost) + kBrief, kMost);
}

// Of all connections together. What lasts is bounded as above, however many hosts share it, so the second half is for
// brief calls of several hosts in one moment, and for calls that are over at the host and not yet here.
uint64_t calls_of_tenant(broker::Tenant& tenant) { return 2 * calls_of_connection(tenant); }

// A probe or two for each host, and somebody with grpcurl.
constexpr uint64_t kStandardCalls = 128;

}  // namespace

TenantServer::TenantServer(net::Loop loop, std::shared_ptr<const policy::TenantPolicy> policy,
                           std::chrono::milliseconds linger, AuditLog& log,
                           std::shared_ptr<const ReflectionIndex> reflection)
    : tenant_(std::move(loop), std::move(policy), linger, log),
      calls_(calls_of_tenant(tenant_)),
      standard_calls_(kStandardCalls),
      broker_service_(tenant_, calls_),
      health_service_({v1::Broker::service_full_name()}, standard_calls_),
      reflection_service_(std::move(reflection), standard_calls_) {}

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
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, static_cast<int>(calls_of_connection(tenant_)));
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
}

void TenantServer::finish_hosts(std::chrono::system_clock::time_point deadline) {
  if (listener_) listener_->finish_all(deadline);
}

void TenantServer::shutdown_server(std::chrono::system_clock::time_point deadline) {
  if (!server_) return;
  server_->Shutdown(deadline);
  server_->Wait();
}

}  // namespace wasi_netd::rpc
