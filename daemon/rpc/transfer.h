#pragma once
// The Transfer rpc: one call moves a stream's bytes both ways until the host closes it.
//
// Two flows on the tenant's loop. *Up* reads frames and writes them to the socket, the next frame only after the last
// byte of the one before was taken: HTTP/2 flow control holds the host back. *Down* reads the socket and writes frames,
// one at a time: gRPC completes a write when flow control let it pass, so the socket is read no faster than the host
// takes it. A call that breaks without `close`, or closes behind bytes that could not be delivered, resets the
// connection.
//
// Memory: kReserve is charged to `buffers` for the whole call (gRPC's receive window and the smallest chunk), more for
// larger chunks while the stream is busy. A stream nobody reads holds one chunk.
#include "daemon/broker/tenant.h"
#include "daemon/rpc/rpc_stream.h"
#include "wasi_netd/v1/broker.pb.h"

namespace wasi_netd::rpc {

// The largest `data` of a frame, and of Read and Write, in bytes.
inline constexpr size_t kChunk = 64 * 1024;
// What gRPC may receive ahead of us on one call (GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES).
inline constexpr size_t kReceiveWindow = 64 * 1024;
inline constexpr size_t kSmallestChunk = 4 * 1024;
// A chunk is in memory twice while it is sent: as we read it and as gRPC serialised it.
inline constexpr size_t kCopies = 2;
inline constexpr size_t kReserve = kReceiveWindow + kCopies * kSmallestChunk;
static_assert(kReserve == policy::kLeastBuffers, "a policy with less would let no stream move a byte");

// From a gRPC thread.
grpc::ServerBidiReactor<v1::TransferRequest, v1::TransferReply>* start_transfer(broker::Tenant&,
                                                                                grpc::CallbackServerContext*);

}  // namespace wasi_netd::rpc
