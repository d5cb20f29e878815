// Datagrams in a Transfer: as many in a frame as are there and fit. Errors pass; the kernel reports one instead of
// doing what it was asked to, so a datagram that was not sent for the sake of an earlier one is sent again.
#include <string_view>
#include <vector>

#include "daemon/broker/tenant.h"
#include "daemon/rpc/messages.h"
#include "daemon/rpc/transfer_flow.h"

namespace wasi_netd::rpc {
namespace {

constexpr int kMaxDatagrams = 128;  // of a frame
// Errors of earlier ones that a datagram may meet on its way: one may wait at the socket and one in the kernel, and
// more come in meanwhile.
constexpr int kAttempts = 4;

// How large frames may be: kSmallestChunk, which is charged for the whole transfer, or kChunk, while `buffers` has room
// and something is there that needs it.
class FrameSize {
 public:
  explicit FrameSize(Quota& buffers) : buffers_(buffers) {}
  size_t limit() const { return grown_ ? kChunk : kSmallestChunk; }
  // Room for what does not fit. False: there is none.
  bool grow() {
    if (!grown_) grown_ = buffers_.charge(kCopies * (kChunk - kSmallestChunk));
    return grown_.has_value();
  }
  void shrink() { grown_.reset(); }

 private:
  Quota& buffers_;
  std::optional<Charge> grown_;
};

// What is there, up to a frame, and what ended it.
struct Gathered {
  size_t bytes = 0;
  bool end = false;
  std::optional<Error> error;
};
Gathered gather(Transfer& transfer, FrameSize& size, v1::Datagrams& frame) {
  broker::Stream& stream = *transfer.stream;
  Gathered got;
  for (int taken = 0; taken < kMaxDatagrams && !frame.truncated(); ++taken) {
    const bool nothing = stream.waiting() == 0;  // an error, or the end
    if (nothing && taken != 0) break;
    const size_t next = stream.next_size();
    if (got.bytes + next > size.limit() && !size.grow() && frame.data_size() != 0) break;
    if (got.bytes + next > kChunk) break;
    const bool has_room = next <= size.limit();
    std::string data(has_room ? next : 0, '\0');
    auto read = stream.receive_now(boost::asio::buffer(data));
    if (!read) {
      got.error = read.error();
      break;
    }
    if (read->end) {
      got.end = true;
      break;
    }
    if (!has_room) {
      stream.connection().count_dropped();
      continue;
    }
    got.bytes += read->bytes;
    frame.set_truncated(read->truncated);
    frame.add_data(std::move(data));
  }
  return got;
}

// Not in a frame: that would wait behind datagrams which the guest may not be reading.
void tell_passing_error(const Transfer& transfer, Errno error) {
  transfer.session->tell_passing_error(transfer.handle, error);
}

}  // namespace

bool is_well_formed(const v1::Datagrams& datagrams) {
  size_t bytes = 0;
  for (const std::string& datagram : datagrams.data()) bytes += datagram.size();
  return datagrams.data_size() <= kMaxDatagrams && bytes <= kChunk;
}

Task<void> pass_datagrams(TransferPtr transfer) {
  FrameSize size(transfer->session->buffers_quota());
  v1::TransferReply frame;
  // Asked again after each wait: a read begun after the handle is gone would compete with the connection's own end.
  while (!transfer->closed) {
    auto ready = co_await transfer->stream->wait_readable();
    if (transfer->closed) break;
    if (!transfer->discard && !may(*transfer, right::fd_read)) {
      transfer->down_started = false;
      break;
    }
    v1::Datagrams& datagrams = *frame.mutable_datagrams();
    datagrams.Clear();
    Gathered got = gather(*transfer, size, datagrams);
    if (got.error && got.error->code == Errno::again) {
      got.error.reset();
      if (!ready) got.error = ready.error();
    }
    if (got.error && !transfer->stream->over(*got.error)) {
      tell_passing_error(*transfer, got.error->code);
      got.error.reset();
    }
    if (datagrams.data_size() != 0 && !transfer->discard) {
      if (!co_await transfer->rpc->write(frame)) break;
    }
    if (got.bytes <= kSmallestChunk) size.shrink();
    if (!got.end && !got.error) continue;
    v1::TransferReply last;
    if (got.end) {
      last.mutable_fin();
    } else {
      last.set_error(to_proto(got.error->code));
    }
    (void)co_await transfer->rpc->write(last);
    break;
  }
  transfer->down_running = false;
  transfer->down_over.set();
}

Task<bool> send_datagrams(TransferPtr transfer, const v1::Datagrams& datagrams) {
  const std::vector<std::string_view> all(datagrams.data().begin(), datagrams.data().end());
  std::span<const std::string_view> rest(all);
  std::optional<Error> passing;
  int failures = 0;  // of the first of the rest
  while (!rest.empty()) {
    auto sent = transfer->stream->send_batch_now(rest);
    if (sent) {
      rest = rest.subspan(*sent);
      failures = 0;
      continue;
    }
    Error error = sent.error();
    if (error.code == Errno::again) {
      auto room = co_await transfer->stream->wait_writable();
      if (room) continue;
      error = room.error();
      failures = kAttempts;  // nobody can tell when there will be room for it
    }
    if (transfer->stream->over(error)) {
      // A Unix peer that has gone is refused first, and is no peer any more after that.
      if (passing) tell_passing_error(*transfer, passing->code);
      tell_write_ended(*transfer, error.code);
      co_return false;
    }
    if (++failures >= kAttempts || error.code == Errno::msgsize) {
      rest = rest.subspan(1);
      failures = 0;
    }
    passing = std::move(error);
  }
  if (passing) tell_passing_error(*transfer, passing->code);
  co_return true;
}

}  // namespace wasi_netd::rpc
