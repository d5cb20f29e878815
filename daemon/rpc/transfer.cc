#include "daemon/rpc/transfer.h"

#include <algorithm>
#include <utility>

#include "daemon/broker/calls.h"
#include "daemon/rpc/messages.h"
#include "daemon/rpc/transfer_flow.h"

namespace wasi_netd::rpc {
namespace {

using broker::Stream;
using broker::Tenant;

// How much to read at once: follows what the stream delivers, between kSmallestChunk and kChunk, as far as `buffers`
// allows.
class Chunk {
 public:
  explicit Chunk(Quota& buffers) : buffers_(buffers) {}
  // Room for the next read.
  boost::asio::mutable_buffer prepare(std::string& data) {
    if (data.capacity() > size_) std::string().swap(data);  // the memory goes with the charge
    data.resize(size_);
    return boost::asio::buffer(data);
  }
  void took(size_t bytes) {
    if (bytes == size_ && size_ < kChunk) {
      resize(std::min(size_ * 4, kChunk));
    } else if (bytes < size_ / 4 && size_ > kSmallestChunk) {
      resize(kSmallestChunk);
    }
  }

 private:
  void resize(size_t size) {
    extra_.release();
    auto charge = buffers_.charge(kCopies * (size - kSmallestChunk));
    size_ = charge ? size : kSmallestChunk;
    if (charge) extra_ = std::move(*charge);
  }
  Quota& buffers_;
  Charge extra_;
  size_t size_ = kSmallestChunk;
};

// The socket is read for who may read and for who wants nothing of it (`discard`); else what the peer sends stays
// there.
Task<void> down(TransferPtr transfer) {
  Chunk chunk(transfer->session->buffers_quota());
  v1::TransferReply reply;
  // Asked again after each wait: a read begun after the handle is gone would compete with the connection's own end.
  while (!transfer->closed) {
    std::string& data = *reply.mutable_data();
    const auto room = chunk.prepare(data);
    auto got = co_await transfer->stream->read_some(room);
    if (transfer->closed) break;
    if (transfer->discard && got && *got != 0) continue;  // the peer must not be held back by what nobody wants
    if (got && *got != 0 && !may(*transfer, right::fd_read)) {
      transfer->down_started = false;
      break;
    }
    if (!got || *got == 0) {
      v1::TransferReply last;
      if (got) {
        last.mutable_fin();
      } else {
        last.set_error(to_proto(got.error().code));
      }
      (void)co_await transfer->rpc->write(last);
      break;
    }
    data.resize(*got);
    if (!co_await transfer->rpc->write(reply)) break;
    chunk.took(*got);
  }
  transfer->down_running = false;
  transfer->down_over.set();
}

void start_down(const TransferPtr& transfer) {
  if (std::exchange(transfer->down_started, true)) return;
  auto flow = transfer->stream->of_datagrams() ? pass_datagrams(transfer) : down(transfer);
  transfer->down_running = transfer->session->tenant().spawn(std::move(flow));
}

// Writing is over, with bytes undelivered.
void lose(Transfer& transfer, Error why) {
  tell_write_ended(transfer, why.code);
  transfer.lost = std::move(why);
}

// False: writing is over (told to the host).
Task<bool> write_all(TransferPtr transfer, const std::string& data) {
  size_t done = 0;
  while (done < data.size()) {
    auto sent = co_await transfer->stream->write_some(boost::asio::buffer(data.data() + done, data.size() - done));
    if (!sent) {
      lose(*transfer, sent.error());
      co_return false;
    }
    done += *sent;
  }
  co_return true;
}

// False: there is something that the peer must not take for complete, so it sees a reset. One that is gone takes
// nothing for anything, and what it sent before may still be read.
bool may_end_in_order(Transfer& transfer) {
  if (!transfer.lost || transfer.stream->peer_gone()) return true;
  transfer.stream->connection().abort({Errno::connreset, "bytes of the guest were lost: " + transfer.lost->detail});
  return false;
}

// A frame cannot be refused, so what the handle lacks already is taken as left out.
void narrow(Transfer& transfer, const v1::Rights& wanted) {
  auto handle = transfer.session->find(transfer.handle, 0);
  if (!handle) return;
  broker::Rights& held = (*handle)->rights;
  held.base &= wanted.base();
  held.inheriting &= wanted.inheriting();
}

// Until the host closes (OK), breaks off (CANCELLED) or sends what no correct shim sends (INVALID_ARGUMENT).
Task<grpc::Status> up(TransferPtr transfer) {
  bool writable = true;  // false after fin or an error: later data is dropped, the host was told
  while (const v1::TransferRequest* request = co_await transfer->rpc->read()) {
    switch (request->frame_case()) {
      case v1::TransferRequest::kDatagrams:
        if (!transfer->stream->of_datagrams()) co_return malformed("datagrams to a stream of bytes");
        if (!is_well_formed(request->datagrams())) co_return malformed("over 128 datagrams or 64 KiB");
        if (!writable) break;
        if (const auto allowed = may(*transfer, right::fd_write); !allowed) {
          writable = false;
          tell_write_ended(*transfer, allowed.error().code);
        } else {
          writable = co_await send_datagrams(transfer, request->datagrams());
        }
        break;
      case v1::TransferRequest::kData: {
        if (transfer->stream->of_datagrams()) co_return malformed("bytes to a stream of datagrams");
        if (request->data().size() > kChunk) co_return malformed("data over 64 KiB");
        if (!writable) break;
        if (const auto allowed = may(*transfer, right::fd_write); !allowed) {
          writable = false;
          lose(*transfer, allowed.error());
        } else {
          writable = co_await write_all(transfer, request->data());
        }
        break;
      }
      case v1::TransferRequest::kFin:
        if (const auto allowed = may(*transfer, right::sock_shutdown); !allowed) {
          tell_write_ended(*transfer, allowed.error().code);
        } else if (may_end_in_order(*transfer)) {
          (void)transfer->stream->shutdown(false, true);  // an error is the stream's: the down flow tells it
        }
        writable = false;
        break;
      case v1::TransferRequest::kStopReading:
        if (may(*transfer, right::sock_shutdown)) {
          transfer->discard = true;
          start_down(transfer);
        }
        break;
      case v1::TransferRequest::kNarrow:
        narrow(*transfer, request->narrow());
        break;
      case v1::TransferRequest::kClose:
        transfer->closed = true;
        (void)may_end_in_order(*transfer);
        transfer->rpc->on_cancel(nullptr);  // everything was handed to the kernel: what happens now undoes nothing
        transfer->stream->leave_transfer();
        (void)transfer->session->close(transfer->handle);
        co_return grpc::Status::OK;
      default:
        co_return malformed("unexpected frame");
    }
  }
  co_return grpc::Status::CANCELLED;
}

// The host did not take the last frame; it has until `linger` to do so.
Task<void> join_down(TransferPtr transfer) {
  Timer patience(transfer->session->tenant().loop(), transfer->session->tenant().linger());
  patience.async_wait([rpc = transfer->rpc](boost::system::error_code ec) {
    if (!ec) rpc->cut();
  });
  while (transfer->down_running) co_await transfer->down_over.wait();
}

Result<std::shared_ptr<Stream>> attach(Tenant& tenant, Transfer& transfer, const v1::TransferOpen& open) {
  const auto session_token = Token::parse(open.session());
  const auto handle = Token::parse(open.stream());
  transfer.session = session_token ? tenant.find_session(*session_token) : nullptr;
  if (!transfer.session || !handle) return Error{Errno::badf, "unknown session or handle"};
  transfer.handle = *handle;
  auto stream = transfer.session->find<Stream>(*handle, broker::Kind::kStream, 0);
  if (!stream) return stream.error();
  // Who may do nothing with the stream must not keep others from it, nor reset it.
  if (!may(transfer, right::fd_read) && !may(transfer, right::fd_write) && !may(transfer, right::sock_shutdown)) {
    return Error{Errno::notcapable, "right missing"};
  }
  auto entered = (*stream)->enter_transfer(*handle, [rpc = transfer.rpc] { rpc->cut(); });
  if (!entered) return entered.error();
  return *stream;
}

Task<grpc::Status> serve(TransferPtr transfer, Tenant& tenant) {
  const v1::TransferRequest* first = co_await transfer->rpc->read_first();
  if (!first) co_return grpc::Status::CANCELLED;
  if (!first->has_open()) co_return malformed("open comes first");
  v1::TransferReply opened;
  auto stream = attach(tenant, *transfer, first->open());
  std::optional<Charge> reserve;
  if (stream) {
    transfer->stream = *stream;
    reserve = transfer->session->buffers_quota().charge(kReserve);
    if (!reserve) {
      tenant.audit().quota(transfer->session->subject(), "buffers", transfer->session->buffers_quota().used());
      transfer->stream->leave_transfer();
      stream = Error{Errno::nobufs, "buffer quota"};
    }
  }
  opened.set_opened(stream ? v1::SUCCESS : to_proto(stream.error().code));
  const bool told = co_await transfer->rpc->write(opened);
  if (!stream) co_return grpc::Status::OK;

  if (told && may(*transfer, right::fd_read)) start_down(transfer);
  // A host that dies is noticed although the peer takes no bytes: the peer must not take half an upload for a whole
  // one.
  const auto reset = [stream = transfer->stream] {
    stream->connection().abort({Errno::connaborted, "host broke off"});
  };
  transfer->rpc->on_cancel(reset);
  grpc::Status status = grpc::Status::CANCELLED;
  if (told) status = co_await up(transfer);
  if (!status.ok()) {
    transfer->closed = true;
    transfer->stream->leave_transfer();
    reset();
    (void)transfer->session->close(transfer->handle);
    // A host that broke off takes no frame any more; one that sent nonsense is told so.
    if (status.error_code() == grpc::StatusCode::CANCELLED) transfer->rpc->cut();
  }
  co_await join_down(transfer);
  co_return status;
}

Task<void> run(TransferPtr transfer, Tenant& tenant) {
  grpc::Status status = co_await serve(transfer, tenant);
  transfer->rpc->finish(std::move(status));
}

}  // namespace

grpc::ServerBidiReactor<v1::TransferRequest, v1::TransferReply>* start_transfer(Tenant& tenant,
                                                                                grpc::CallbackServerContext* context,
                                                                                CallLimit::Slot slot) {
  const auto rpc = Transfer::Rpc::open(tenant.loop(), context, std::move(slot));
  boost::asio::post(tenant.loop(), [rpc, &tenant] {
    const auto transfer = std::make_shared<Transfer>(rpc, tenant.loop());
    if (!tenant.spawn(run(transfer, tenant))) rpc->finish({grpc::StatusCode::UNAVAILABLE, "the daemon is stopping"});
  });
  return rpc.get();
}

}  // namespace wasi_netd::rpc
