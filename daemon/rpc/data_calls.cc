#include "daemon/rpc/data_calls.h"

#include <algorithm>

#include "daemon/broker/calls.h"
#include "daemon/rpc/messages.h"
#include "daemon/rpc/transfer.h"

namespace wasi_netd::rpc {
namespace {

namespace calls = broker::calls;

std::optional<Charge> charge_buffers(broker::Session& session, size_t bytes) {
  auto charge = session.buffers_quota().charge(bytes);
  if (!charge) session.tenant().audit().quota(session.subject(), "buffers", session.buffers_quota().used());
  return charge;
}

}  // namespace

Task<grpc::Status> read(SessionPtr session, const v1::ReadRequest& request, v1::ReadReply& reply, UnaryRpc& rpc) {
  if (request.max() == 0) co_return malformed("max is 0");
  const size_t room = std::min<size_t>(request.max(), kChunk);
  auto charge = charge_buffers(*session, room);
  if (!charge) co_return refuse(reply, {Errno::nobufs, "buffer quota"});
  rpc.hold(session, std::move(*charge));
  std::string& data = *reply.mutable_data();
  data.resize(room);
  auto got = co_await calls::read(session, handle_of(request.stream()), boost::asio::buffer(data), request.nonblock(),
                                  rpc.call());
  if (!got) {
    reply.clear_data();
    co_return refuse(reply, got.error());
  }
  data.resize(got->bytes);
  reply.set_end(got->end);
  reply.set_truncated(got->truncated);
  co_return grpc::Status::OK;
}

Task<grpc::Status> write(SessionPtr session, const v1::WriteRequest& request, v1::WriteReply& reply, UnaryRpc& rpc) {
  if (request.data().size() > kChunk) co_return malformed("data over 64 KiB");
  auto charge = charge_buffers(*session, request.data().size());
  if (!charge) co_return refuse(reply, {Errno::nobufs, "buffer quota"});
  rpc.hold(session, std::move(*charge));
  auto sent = co_await calls::write(session, handle_of(request.stream()), boost::asio::buffer(request.data()),
                                    request.nonblock(), rpc.call());
  if (!sent) co_return refuse(reply, sent.error());
  reply.set_written(static_cast<uint32_t>(*sent));
  co_return grpc::Status::OK;
}

Task<grpc::Status> send_to(SessionPtr session, const v1::SendToRequest& request, v1::SendToReply& reply,
                           UnaryRpc& rpc) {
  if (request.data().size() > kChunk) co_return malformed("data over 64 KiB");
  auto charge = charge_buffers(*session, request.data().size());
  if (!charge) co_return refuse(reply, {Errno::nobufs, "buffer quota"});
  rpc.hold(session, std::move(*charge));
  auto sent = co_await calls::send_to(session, handle_of(request.control()), request.address(), request.data(),
                                      request.nonblock(), rpc.call());
  co_return answer(reply, sent);
}

Task<grpc::Status> recv_from(SessionPtr session, const v1::RecvFromRequest& request, v1::RecvFromReply& reply,
                             UnaryRpc& rpc) {
  const size_t room = std::min<size_t>(request.max(), net::kMaxDatagram);
  auto charge = charge_buffers(*session, room);
  if (!charge) co_return refuse(reply, {Errno::nobufs, "buffer quota"});
  rpc.hold(session, std::move(*charge));
  auto got = co_await calls::recv_from(session, handle_of(request.control()), room, request.nonblock(), rpc.call());
  if (!got) co_return refuse(reply, got.error());
  reply.set_data(std::move(got->data));
  reply.set_address(policy::to_string(got->peer));
  reply.set_truncated(got->truncated);
  co_return grpc::Status::OK;
}

}  // namespace wasi_netd::rpc
