#pragma once
// What the flows of one Transfer share: up reads frames, down writes them. transfer.cc has both for bytes and what is
// the same for all streams, transfer_datagrams.cc what differs for datagrams. The tenant's loop.
#include <memory>
#include <optional>

#include "daemon/broker/stream.h"
#include "daemon/rpc/transfer.h"

namespace wasi_netd::rpc {

struct Transfer {
  using Rpc = RpcStream<v1::TransferRequest, v1::TransferReply>;

  Transfer(std::shared_ptr<Rpc> rpc_in, Loop loop) : rpc(std::move(rpc_in)), down_over(loop) {}
  std::shared_ptr<Rpc> rpc;
  std::shared_ptr<broker::Session> session;
  Token handle;
  std::shared_ptr<broker::Stream> stream;
  bool down_started = false, down_running = false;
  bool discard = false;  // the guest reads no more, but goes on writing
  bool closed = false;   // the handle is gone
  // Why bytes of the guest were dropped. An orderly end behind them would pass off half an upload for a whole one.
  std::optional<Error> lost;
  Event down_over;
};
using TransferPtr = std::shared_ptr<Transfer>;

// A right may be taken away at any time, so it is asked for at every frame.
inline Status may(const Transfer& transfer, RightSet right) {
  auto handle = transfer.session->find(transfer.handle, right);
  if (!handle) return handle.error();
  return {};
}

// Writing is over. Not in a frame: that would wait behind bytes which the guest may not be reading.
inline void tell_write_ended(const Transfer& transfer, Errno error) {
  transfer.session->tell_write_ended(transfer.handle, error);
}

// ---- datagrams
// More than kMaxDatagrams of them or kChunk bytes: no.
bool is_well_formed(const v1::Datagrams&);
// False: writing is over (told to the host). What the network says of one of them is told, too, and ends nothing.
Task<bool> send_datagrams(TransferPtr, const v1::Datagrams&);
// From the socket to frames, until the stream or the transfer ends.
Task<void> pass_datagrams(TransferPtr);

}  // namespace wasi_netd::rpc
