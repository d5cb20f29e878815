#pragma once
// The Transfer rpc: one call moves a stream's bytes both ways until the host closes it.
//
// Two flows on the tenant's loop. *Up* reads frames and writes them to the socket, the next frame only after the last
// byte of the one before was taken: HTTP/2 flow control holds the host back. *Down* reads the socket and writes frames,
// one at a time: gRPC completes a write when flow control let it pass, so the socket is read no faster than the host
// takes it. A call that breaks without `close`, or closes behind bytes that could not be delivered, resets the
// connection.
//
// Memory: kReserve is charged to `buffers` for the whole call, more for larger chunks while the stream is busy. A
// stream that nobody reads holds one chunk, one whose peer does not read a frame and gRPC's window.
#include "daemon/broker/tenant.h"
#include "daemon/rpc/rpc_stream.h"
#include "wasi_netd/v1/broker.pb.h"

namespace wasi_netd::rpc {

// The largest `data` of a frame, and of Read and Write, in bytes.
inline constexpr size_t kChunk = 64 * 1024;
// What gRPC is told to receive ahead of us on one call (GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES).
inline constexpr size_t kReceiveWindow = 16 * 1024;
inline constexpr size_t kSmallestChunk = 4 * 1024;
// A chunk is in memory twice while it is sent: as we read it and as gRPC serialised it.
inline constexpr size_t kCopies = 2;
// What a call may hold without being asked: the frame that the peer has not taken yet, what gRPC received behind it
// (measured: up to three times the window), the call and the objects around it, and the smallest chunk of the other
// direction.
inline constexpr size_t kReserve = kChunk + 3 * kReceiveWindow + 40 * 1024 + kCopies * kSmallestChunk;
static_assert(kReserve == policy::kLeastBuffers, "a policy with less would let no stream move a byte");

// From a gRPC thread.
grpc::ServerBidiReactor<v1::TransferRequest, v1::TransferReply>* start_transfer(broker::Tenant&,
                                                                                grpc::CallbackServerContext*,
                                                                                CallLimit::Slot);

}  // namespace wasi_netd::rpc
