#pragma once
// The OpenSession rpc: a session lives exactly as long as this call.
#include "daemon/broker/tenant.h"
#include "daemon/rpc/rpc_stream.h"
#include "wasi_netd/v1/broker.pb.h"

namespace wasi_netd::rpc {

// From a gRPC thread.
grpc::ServerBidiReactor<v1::SessionRequest, v1::SessionEvent>* start_session_call(broker::Tenant&,
                                                                                  grpc::CallbackServerContext*,
                                                                                  CallLimit::Slot);

}  // namespace wasi_netd::rpc
