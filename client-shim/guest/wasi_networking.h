/* The networking API for guests: modules `networking` and `networking_ext`.
 *
 * A guest reaches the network through four kinds of fds, each made from the one before it:
 *
 *   protocol    what the host gives the guest: a named factory and sandbox (transport, rules, resolver)
 *   control     open(protocol, address): a bound endpoint
 *   connection  connect(control, address) or accept(control): an association with one peer
 *   stream      stream_create(connection) or stream_accept(connection): bytes, or datagrams, both ways
 *
 * Reading, writing, closing, polling, flags and shutdown are WASI preview1's own calls on the same fds, so read(),
 * write(), close(), poll() and fcntl() of wasi-libc work on them.
 *
 * Every function returns an errno: 0 or one of preview1's numbers (WASI_NET_ERRNO_*). Out-parameters are written only
 * on success; the one exception is named below. Strings are UTF-8 with a length and no terminator, at most 1024 bytes
 * (`nametoolong`). A pointer outside the guest's memory is `fault`, and nothing was done. A call waits for its outcome
 * unless the fd it is made on has WASI_NET_NONBLOCK: then it answers `again`.
 *
 * Addresses: "127.0.0.1:80", "[::1]:8888", "name.example:443"; "0.0.0.0:0" and "[::]:0" for any; on a Unix transport
 * "/path" or "@abstract". The full reference is docs/guest-api.md.
 *
 *   server   open(p, "[::1]:8888") listen(c) { accept -> k, stream_accept(k) -> s, read/write(s) }
 *   client   open(p, "[::]:0") connect(c, "[::1]:8888") -> k, stream_create(k) -> s, read/write(s)
 *
 * With WASI_NET_DGRAM (udp, Unix) both are the same calls, and each read and write is one datagram. Without a
 * connection a control of datagrams talks to any peer that the policy allows: send_to(c, bytes, address), recv_from(c).
 */
#ifndef WASI_NETWORKING_H
#define WASI_NETWORKING_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WASI_NET_IMPORT(module, name) __attribute__((import_module(module), import_name(name)))

typedef int32_t wasi_net_fd;
typedef uint32_t wasi_net_errno;
typedef uint64_t wasi_net_rights;

enum {
#define WASI_NETD_ERRNO(name, number) WASI_NET_ERRNO_##name = number,
#include "wasi_netd/errno.def"
#undef WASI_NETD_ERRNO
};

/* Rights. The base rights of an fd say what may be done with it, its inheriting rights what may be asked for the fds
 * made from it. fd_fdstat_get tells both. */
#define WASI_NETD_RIGHT(name, bit, word) static const wasi_net_rights WASI_NET_RIGHT_##name = UINT64_C(1) << bit;
#include "wasi_netd/rights.def"
#undef WASI_NETD_RIGHT

enum { WASI_NET_DGRAM = 5, WASI_NET_STREAM = 6 }; /* `type` of open */
enum { WASI_NET_NONBLOCK = 4 };                   /* `fdflags` */
enum {                                            /* `option` */
       WASI_NET_NODELAY = 1,                      /* 0 or 1; TCP */
       WASI_NET_KEEPALIVE = 2,                    /* 0 or 1; TCP */
       WASI_NET_RECEIVE_BUFFER = 3,               /* bytes, as the kernel rounds them */
       WASI_NET_SEND_BUFFER = 4                   /* bytes, as the kernel rounds them */
};

/* ---- module networking ---- */

/* protocol -> control, bound to `address`. An any:0 address asks only for the right; any other must be allowed by an
 * `open` rule. The rights must lie within the protocol's inheriting set (`notcapable`); bits that mean nothing for a
 * control are dropped first. `prototype`: the transport has no such type. */
wasi_net_errno wasi_net_open(wasi_net_fd protocol, const char* address, uint32_t address_len, uint32_t type,
                             wasi_net_rights rights_base, wasi_net_rights rights_inheriting, uint32_t fdflags,
                             wasi_net_fd* out_control) WASI_NET_IMPORT("networking", "open");

/* Makes a control listen. `backlog` 0 is the daemon's default. On udp, a peer is whoever sends from a new address: its
 * connection begins with that datagram and ends when both sides have been silent for two minutes. */
wasi_net_errno wasi_net_listen(wasi_net_fd control, uint32_t backlog) WASI_NET_IMPORT("networking", "listen");

/* listening control -> connection with the next peer that the policy lets in. */
wasi_net_errno wasi_net_accept(wasi_net_fd control, wasi_net_fd* out_connection)
    WASI_NET_IMPORT("networking", "accept");

/* control -> connection with `address`. `acces`: the policy denies it, and nothing was sent, not even a DNS query. On a
 * non-blocking control the connection comes at once and polls writable when it is decided. */
wasi_net_errno wasi_net_connect(wasi_net_fd control, const char* address, uint32_t address_len,
                                wasi_net_fd* out_connection) WASI_NET_IMPORT("networking", "connect");

/* connection -> stream that this side opens. `again` while a non-blocking connect is undecided, then its errno if it
 * failed. TCP and Unix connections have one stream: a second is `notsup`. */
wasi_net_errno wasi_net_stream_create(wasi_net_fd connection, wasi_net_rights rights_base,
                                      wasi_net_rights rights_inheriting, uint32_t fdflags, wasi_net_fd* out_stream)
    WASI_NET_IMPORT("networking", "stream_create");

/* connection -> stream that the peer opened; on TCP and Unix the one stream. */
wasi_net_errno wasi_net_stream_accept(wasi_net_fd connection, wasi_net_fd* out_stream)
    WASI_NET_IMPORT("networking", "stream_accept");

/* ---- module networking_ext ---- */

/* The protocol fd of this name. `noent`: the policy gives this guest none. */
wasi_net_errno wasi_net_protocol_get(const char* name, uint32_t name_len, wasi_net_fd* out_protocol)
    WASI_NET_IMPORT("networking_ext", "protocol_get");

/* The functions that give text write it to `buffer` without a terminator and its length to *out_len. Where `capacity`
 * is too small they answer `overflow`, leave the buffer alone and set *out_len to what is needed. */

/* "name:fd,name:fd,...", sorted by name; also in the environment as WASI_NETD_PROTOCOLS. */
wasi_net_errno wasi_net_protocol_list(char* buffer, uint32_t capacity, uint32_t* out_len)
    WASI_NET_IMPORT("networking_ext", "protocol_list");

/* The bound address of a control with its real port, or this side's of a connection or stream. */
wasi_net_errno wasi_net_local_address(wasi_net_fd fd, char* buffer, uint32_t capacity, uint32_t* out_len)
    WASI_NET_IMPORT("networking_ext", "local_address");

/* The peer's address of a connection or stream. `notconn` where there is no peer. */
wasi_net_errno wasi_net_peer_address(wasi_net_fd fd, char* buffer, uint32_t capacity, uint32_t* out_len)
    WASI_NET_IMPORT("networking_ext", "peer_address");

/* What the transport negotiated, "key=value" a line: transport, and for TLS alpn, tls_version, tls_cipher, peer_name.
 */
wasi_net_errno wasi_net_connection_info(wasi_net_fd fd, char* buffer, uint32_t capacity, uint32_t* out_len)
    WASI_NET_IMPORT("networking_ext", "connection_info");

/* The addresses of `name` that this protocol may connect to, without port, one a line. */
wasi_net_errno wasi_net_resolve(wasi_net_fd protocol, const char* name, uint32_t name_len, char* buffer,
                                uint32_t capacity, uint32_t* out_len) WASI_NET_IMPORT("networking_ext", "resolve");

/* A second, weaker fd for the same object. `notcapable` where a right is asked for that `fd` lacks. */
wasi_net_errno wasi_net_restrict(wasi_net_fd fd, wasi_net_rights rights_base, wasi_net_rights rights_inheriting,
                                 wasi_net_fd* out_fd) WASI_NET_IMPORT("networking_ext", "restrict");

/* Options of a connection or stream. `noprotoopt`: the transport has no such option. */
wasi_net_errno wasi_net_set_option(wasi_net_fd fd, uint32_t option, uint32_t value)
    WASI_NET_IMPORT("networking_ext", "set_option");
wasi_net_errno wasi_net_get_option(wasi_net_fd fd, uint32_t option, uint32_t* out_value)
    WASI_NET_IMPORT("networking_ext", "get_option");

typedef struct wasi_net_iovec {
  void* data;
  uint32_t size;
} wasi_net_iovec;
typedef struct wasi_net_ciovec {
  const void* data;
  uint32_t size;
} wasi_net_ciovec;

/* Streams that only transports with many streams have: `notsup` on all transports of this version. */
wasi_net_errno wasi_net_datagram_stream(wasi_net_fd connection, wasi_net_fd* out_stream)
    WASI_NET_IMPORT("networking_ext", "datagram_stream");
wasi_net_errno wasi_net_stream_create_uni(wasi_net_fd connection, wasi_net_fd* out_stream)
    WASI_NET_IMPORT("networking_ext", "stream_create_uni");

/* One datagram of a control that has no connection, whole or not at all: at most 65,507 bytes (`msgsize`), an empty one
 * too. The policy judges the peer: `acces`, and nothing was sent. `notsup`: a control of streams; `isconn`, `inval`: a
 * connection uses the control's socket, or it listens. `connrefused`, `hostunreach`, ...: what an earlier datagram met;
 * this one was not sent. By name, it waits for the look-up. */
wasi_net_errno wasi_net_send_to(wasi_net_fd control, const wasi_net_ciovec* iovs, uint32_t iovs_len,
                                const char* address, uint32_t address_len, uint32_t* out_written)
    WASI_NET_IMPORT("networking_ext", "send_to");

/* One datagram, and who sent it. What `iovs` have no room for is lost; poll says the size before. Who sent may be
 * answered by send_to where a `connect` rule allows it. Where `capacity` is too small for the address: `overflow`,
 * *out_address_len is what is needed, and the datagram is the next call's. */
wasi_net_errno wasi_net_recv_from(wasi_net_fd control, const wasi_net_iovec* iovs, uint32_t iovs_len, char* address,
                                  uint32_t capacity, uint32_t* out_address_len, uint32_t* out_read)
    WASI_NET_IMPORT("networking_ext", "recv_from");

/* ---- helpers ---- */

/* The name of an errno ("connrefused"). */
static inline const char* wasi_net_errno_name(uint32_t error) {
  switch (error) {
#define WASI_NETD_ERRNO(name, number) \
  case number:                        \
    return #name;
#include "wasi_netd/errno.def"
#undef WASI_NETD_ERRNO
    default:
      return "unknown";
  }
}

#ifdef __cplusplus
}
#endif
#endif
