#pragma once
// The single calls that carry a guest's bytes: Read, Write, SendTo, RecvFrom. What they hold meanwhile is charged to
// the session's buffers. The tenant's loop.
#include <memory>

#include "daemon/rpc/unary_rpc.h"
#include "wasi_netd/v1/broker.pb.h"

namespace wasi_netd::rpc {

using SessionPtr = std::shared_ptr<broker::Session>;

Task<grpc::Status> read(SessionPtr, const v1::ReadRequest&, v1::ReadReply&, UnaryRpc&);
Task<grpc::Status> write(SessionPtr, const v1::WriteRequest&, v1::WriteReply&, UnaryRpc&);
Task<grpc::Status> send_to(SessionPtr, const v1::SendToRequest&, v1::SendToReply&, UnaryRpc&);
Task<grpc::Status> recv_from(SessionPtr, const v1::RecvFromRequest&, v1::RecvFromReply&, UnaryRpc&);

}  // namespace wasi_netd::rpc
