#pragma once
// Real sockets behind three small interfaces, one implementation per transport: Listener, Connection, Stream, and Bound
// for a socket that has an address but no use yet.
//
// Everything here belongs to one loop and is touched only on its thread. Objects are held by shared_ptr; a coroutine
// that works on one holds its own share. Cancelling is closing: abort() or close() makes every pending operation of the
// object complete with Errno::canceled. The policy has judged whatever is asked here; this layer judges nothing.
//
// Later transports (TLS, QUIC, ring-driven) implement the same interfaces: a TLS stream is a Stream over a Stream, a
// QUIC connection has many streams.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>

#include "daemon/base/error.h"
#include "policy/address.h"

namespace wasi_netd::net {

namespace asio = boost::asio;
using Loop = asio::io_context::executor_type;
template <class T>
using Task = asio::awaitable<T, Loop>;
// For co_await: the error comes in the tuple, nothing throws, and no further frame is allocated.
inline constexpr auto kTuple = asio::as_tuple(asio::deferred);

using policy::Endpoint;

enum class Option : uint8_t { kNodelay, kKeepalive, kReceiveBuffer, kSendBuffer };

// Bytes in both directions. Half-close is two half-states: the read half ends with the peer's orderly end, the write
// half with shutdown_write(). After a reset both halves answer connreset (read) and pipe (write), for ever: a reset
// never turns into a clean end, whichever half saw it first. Bytes that arrived before it are still read, and an end
// that arrived before it stays an end. Another failure (timedout, hostunreach) takes the place of connreset.
class Stream {
 public:
  virtual ~Stream() = default;

  // At least one byte, or 0 at the peer's orderly end. The buffer is valid until completion. One read at a time.
  virtual Task<Result<size_t>> read_some(asio::mutable_buffer buffer) = 0;
  // A prefix of at least one byte. One write at a time. After shutdown_write(): pipe.
  virtual Task<Result<size_t>> write_some(asio::const_buffer buffer) = 0;
  // The same without waiting or allocating: `again` when nothing can be done now.
  virtual Result<size_t> read_now(asio::mutable_buffer buffer) = 0;
  virtual Result<size_t> write_now(asio::const_buffer buffer) = 0;
  // Completes when read_now / write_now would not answer `again` (an error counts as ready).
  virtual Task<Status> wait_readable() = 0;
  virtual Task<Status> wait_writable() = 0;

  // True: a stream of datagrams. A write is one datagram, whole or `msgsize`, an empty one too. A read is one datagram:
  // 0 bytes are an empty one, unless ended(). What does not fit into the buffer is lost, and read_truncated() says so
  // of the last read.
  virtual bool keeps_boundaries() const { return false; }
  virtual bool ended() const { return false; }
  virtual bool read_truncated() const { return false; }
  // Several datagrams in one call: a prefix of them is sent, at least one; the count of it, or why the first was not.
  // Each as by write_now(). Such streams only.
  virtual Result<size_t> write_batch_now(std::span<const std::string_view>) { return Error{Errno::notsup, {}}; }
  // Datagrams that were dropped for want of room in the queue.
  virtual uint64_t dropped() const { return 0; }
  // How many datagrams a read finds without asking the kernel, and the bytes of the first.
  virtual size_t waiting() const { return 0; }
  virtual size_t next_size() const { return 0; }

  // Pending operations complete with `canceled`; no byte is lost and the stream can be used on.
  virtual void cancel() = 0;

  // A write has failed because the peer takes nothing any more, whatever is done now.
  virtual bool peer_gone() const { return false; }

  // Orderly end of the write half: the peer reads what was written, then the end. `notconn` after a reset.
  virtual Status shutdown_write() = 0;
  // Later bytes of the peer are refused as the transport does it (TCP, Unix: SHUT_RD). What is there is read, then the
  // end.
  virtual Status shutdown_read() = 0;
};

// What a transport negotiated with its peer; empty where it negotiates nothing.
struct ConnectionInfo {
  std::string alpn;
  std::string tls_version;  // "TLSv1.3"
  std::string tls_cipher;
  std::string peer_name;  // as verified: a name or address for a server, a certificate's subject for a client
};

// An association with one peer. TCP and Unix carry one stream, made with the connection.
class Connection {
 public:
  virtual ~Connection() = default;

  virtual Endpoint local_endpoint() const = 0;
  virtual Endpoint peer_endpoint() const = 0;  // unnamed for a Unix client that did not bind
  // `notsup` when the transport has no further stream to give.
  virtual Result<std::shared_ptr<Stream>> take_stream() = 0;
  virtual ConnectionInfo info() const { return {}; }
  // What it holds in the daemon's memory besides a socket, in bytes, to be charged to its user: buffers and
  // certificates of TLS, what a proxy brought early. As of now; it does not grow.
  virtual uint64_t memory() const { return 0; }

  // `noprotoopt`: not this transport's. TCP_NODELAY is on from the start: what the daemon writes is a whole message
  // that a guest finished, and Nagle's algorithm would keep its last segment waiting for the peer's delayed
  // acknowledgement.
  virtual Status set_option(Option, uint32_t value) = 0;
  virtual Result<uint32_t> get_option(Option) const = 0;

  // Ends it so that the peer sees a reset (TCP RST). Unix: closed. Idempotent. The same happens to a connection that is
  // dropped without finish().
  virtual void abort() = 0;
  // As abort(), for a peer that may not come in. Where peers have no connections of their own it would be back with its
  // next datagram, to be judged again: a listener of datagrams keeps it out for a while.
  virtual void refuse() { abort(); }
  // Ends it in order: the write half is shut down, then input is read and dropped until the peer's end, `linger`
  // has passed or abort() was called; then the socket is closed. Discarding input first keeps the kernel from answering
  // unread bytes with a reset that would destroy what the peer has not read yet (RFC 1122 4.2.2.13).
  // Completes when closed. Pending operations of the stream complete with `canceled` at once.
  virtual Task<void> finish(std::chrono::milliseconds linger) = 0;
};

class Listener {
 public:
  virtual ~Listener() = default;
  virtual Endpoint local_endpoint() const = 0;
  // The next peer, not judged yet. `nfile` when descriptors ran out (the peer stays in the backlog): the caller decides
  // when to try again. Errors of a single peer (aborted before accept) are skipped here.
  virtual Task<Result<std::shared_ptr<Connection>>> accept() = 0;
  virtual void close() = 0;
  // Datagrams of peers that there was no room for.
  virtual uint64_t dropped() const { return 0; }
};

// A socket bound to an address. A listen() that succeeds or a connect() uses it up: later ones are `inval`.
class Bound {
 public:
  virtual ~Bound() = default;
  virtual Endpoint local_endpoint() const = 0;
  // A backlog of 0 is 128; 4096 is the most.
  virtual Result<std::shared_ptr<Listener>> listen(int backlog) = 0;
  // Completes when connected or refused, or with `canceled` after close().
  virtual Task<Result<std::shared_ptr<Connection>>> connect(Endpoint target) = 0;
  virtual void close() = 0;
};

// Binds a stream socket: TCP (IPv6 sockets are v6-only, SO_REUSEADDR so that a restarted listener gets its port) or
// Unix. An unspecified address with port 0 is allowed: the kernel picks a port at once. A Unix path is created
// race-free in its directory (openat2 RESOLVE_NO_SYMLINKS, bind through /proc/self/fd) and unlinked again when the
// Bound, its Listener or its Connection ends, if it is still the same file; a file that is there already, stale or not,
// is `addrinuse`. The unnamed Unix endpoint can connect, not listen. NameEndpoint: `inval`.
Result<std::shared_ptr<Bound>> bind_stream(Loop, const Endpoint&);

// A race for one of several addresses: attempts start 250 ms apart or when the one before failed, families interleaved
// (RFC 8305 sections 4 and 5); the first that connects wins, the others are closed. One address: one attempt.
// A Unix path is opened with openat2 RESOLVE_NO_SYMLINKS and connected through /proc/self/fd, so the judged path is the
// dialled one; a Unix listener with a full backlog refuses. A socket that reached itself was refused: nobody else was
// there. At most 16 addresses are tried, at most 4 at the same time: where the fifth finds no room for 2 s, the oldest
// attempt is given up for it. The error is that of the last attempt to fail.
class Dial {
 public:
  virtual ~Dial() = default;
  // Completes when connected, when every address failed, or with `canceled` after cancel(). Once.
  virtual Task<Result<std::shared_ptr<Connection>>> run() = 0;
  virtual void cancel() = 0;
  // Where `more` was said: the rest of the targets, none if there are none. Until then no failure is the last one. The
  // next attempt is one of these.
  virtual void add(std::vector<Endpoint> targets) = 0;
};
enum class Targets : uint8_t { kAll, kMore };  // kMore: add() follows, once
std::shared_ptr<Dial> dial_stream(Loop, std::vector<Endpoint> targets, Targets = Targets::kAll);

// Names to addresses through c-ares on this loop (no threads). One per protocol object. The name is asked as it is, no
// search domains, for all families side by side. The same name asked twice at once is one look-up. Answers have at most
// 64 addresses and are kept for their TTL, an hour at most, 1024 names of them; one without a family whose query failed
// is kept for 10 s at most, and that a name does not exist is not kept. A look-up goes on when those who waited for it
// have left: its answer is as good for the next.
struct Answer {
  std::vector<policy::IpAddress> addresses;
  std::chrono::seconds ttl;
};
struct ResolverOptions {
  std::vector<policy::IpEndpoint> servers;       // empty: the system's (hosts file, resolv_conf)
  std::chrono::milliseconds timeout{5000};       // for the whole look-up
  std::vector<policy::Family> families;          // which of A and AAAA to ask, the preferred first; empty: IPv6, IPv4
  std::string resolv_conf = "/etc/resolv.conf";  // read again when it has changed
};
class Resolver {
 public:
  virtual ~Resolver() = default;
  // `noent`: no such name or no address in these families; `timedout`; `again`: the server failed (SERVFAIL) - all as
  // Errno in Error. `nobufs`: 1024 look-ups are under way, or 8192 callers wait. `nfile`: no descriptor to read the
  // system's configuration with; the next look-up tries again. `canceled`: something was emitted to `stop`, which ends
  // this wait and no other.
  //
  // It completes when every family has been answered, or at the timeout with what there is. `early`, if any, is called
  // before that, at most once, with what there is to begin with while a family is outstanding (RFC 8305 section 3):
  // addresses of the preferred family at once, those of the other 50 ms after they came. The whole answer has them too.
  using Early = std::function<void(const Answer&)>;
  virtual Task<Result<Answer>> resolve(std::string name, asio::cancellation_slot stop = {}, Early early = {}) = 0;
  virtual void close() = 0;  // pending look-ups end with `canceled`
};
std::shared_ptr<Resolver> make_resolver(Loop, ResolverOptions);

}  // namespace wasi_netd::net
