/* The shim's C interface: what a Wasm host links to give its guests a network through wasi-netd.
 *
 *   tenant  - a connection to one tenant's socket of the daemon; many guests share it. Thread-safe.
 *   guest   - one guest instance: its session in the daemon and its whole fd table (preview1's stdio included). One
 *             thread calls it at a time; only wasi_netd_guest_interrupt may come from another thread.
 *
 * Every function that can fail returns a WASI errno (wasi_netd/errno.def; 0 = success) and writes its out-parameters
 * only on success. Strings are (pointer, length) UTF-8 without a terminator: anything else is `ilseq`, over 4096 bytes
 * `nametoolong`. A missing pointer is `inval`. No function keeps a pointer it was given.
 * A call blocks as long as POSIX's would, unless the fd has WASI_NETD_FDFLAG_NONBLOCK; a blocking call ends with
 * `connaborted` when the daemon goes away and with `intr` when the guest is interrupted. Nothing throws, nothing
 * writes to stderr.
 *
 * Sources: the wasi-networking witx sketch for open ... stream_accept; wasi_snapshot_preview1 for the fd_*, sock_* and
 * poll meanings, numbers and layouts. */
#ifndef WASI_NETD_CLIENT_H
#define WASI_NETD_CLIENT_H

#include <stddef.h>
#include <stdint.h>

/* C names carry their namespace in themselves. NOLINTBEGIN(readability-identifier-naming) */
#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define WASI_NETD_API __attribute__((visibility("default")))
#else
#define WASI_NETD_API
#endif

typedef uint16_t wasi_netd_errno;
enum {
#define WASI_NETD_ERRNO(name, number) WASI_NETD_ERRNO_##name = number,
#include "wasi_netd/errno.def"
#undef WASI_NETD_ERRNO
};

enum {
#define WASI_NETD_RIGHT(name, bit, word) WASI_NETD_RIGHT_BIT_##name = bit,
#include "wasi_netd/rights.def"
#undef WASI_NETD_RIGHT
};

enum { WASI_NETD_SOCKET_DGRAM = 5, WASI_NETD_SOCKET_STREAM = 6 };
enum { WASI_NETD_FDFLAG_NONBLOCK = 4 };
enum { WASI_NETD_SHUT_RD = 1, WASI_NETD_SHUT_WR = 2 };        /* preview1 sdflags */
enum { WASI_NETD_RECV_PEEK = 1, WASI_NETD_RECV_WAITALL = 2 }; /* preview1 riflags */
enum { WASI_NETD_RECV_DATA_TRUNCATED = 1 };                   /* preview1 roflags */

typedef struct wasi_netd_tenant wasi_netd_tenant;
typedef struct wasi_netd_guest wasi_netd_guest;

/* The name of an errno ("connrefused"), never NULL. Static storage. */
WASI_NETD_API const char* wasi_netd_errno_name(wasi_netd_errno error);
WASI_NETD_API const char* wasi_netd_version(void);

/* ---- tenant ---- */

/* Prepares a connection to `socket_path`. The daemon need not be there yet: guests find out. `inval`: the path is
 * empty or longer than a Unix socket's address. The tenant is reference counted by its guests: releasing it first is
 * allowed. */
WASI_NETD_API wasi_netd_errno wasi_netd_tenant_open(const char* socket_path, wasi_netd_tenant** out);
WASI_NETD_API void wasi_netd_tenant_release(wasi_netd_tenant* tenant);
/* From any thread: every wasi_netd_guest_open under way returns `intr`, and so does every later one. For a host that
 * ends while its daemon does not answer. Guests that are open are not touched (wasi_netd_guest_interrupt). The tenant
 * must not be released at the same time. */
WASI_NETD_API void wasi_netd_tenant_interrupt(wasi_netd_tenant* tenant);

/* ---- guest ---- */

typedef struct wasi_netd_guest_options {
  size_t size;      /* sizeof(wasi_netd_guest_options): lets the struct grow */
  const char* name; /* for the policy's `guests:` and the audit log; NULL = unnamed */
  uint64_t rights;  /* ceiling for every protocol fd, enforced by the daemon; 0 = what the policy gives */
  int stdio[3];     /* host descriptors for fds 0, 1, 2; duplicated; -1 = that fd stays closed for ever */
} wasi_netd_guest_options;

/* Opens the session and fills the fd table: stdio at 0..2, then one protocol fd per protocol object of the policy,
 * sorted by name, from 3. Blocks until the daemon answered, however long it takes. `connrefused`: no daemon at the
 * socket. `acces`: this process or this guest name is not admitted. `nfile`: session quota. `badf`: a descriptor of
 * `stdio` is not open. `connaborted`: the daemon went away meanwhile. `intr`: wasi_netd_tenant_interrupt. `options` may
 * be NULL: unnamed, host's stdio. */
WASI_NETD_API wasi_netd_errno wasi_netd_guest_open(wasi_netd_tenant* tenant, const wasi_netd_guest_options* options,
                                                   wasi_netd_guest** out);
/* The guest's orderly end: closes every fd, waits until every byte it wrote was delivered (at most the daemon's
 * linger), ends the session and frees the guest. */
WASI_NETD_API void wasi_netd_guest_close(wasi_netd_guest* guest);
/* Ends the session abruptly: connections are reset. Frees the guest. */
WASI_NETD_API void wasi_netd_guest_abort(wasi_netd_guest* guest);
/* From any thread: the call in which the guest waits returns `intr`, and so does every later one but close. For killing
 * a guest. The guest must not be freed at the same time. */
WASI_NETD_API void wasi_netd_guest_interrupt(wasi_netd_guest* guest);

/* ---- module `networking` ----
 * An fd that is not open is `badf`, stdio `notsock`, another kind than the call is for `inval`; of `fdflags` only
 * WASI_NETD_FDFLAG_NONBLOCK may be set, else `inval`. What else each call answers, the daemon decides: broker.proto. */

WASI_NETD_API wasi_netd_errno wasi_netd_open(wasi_netd_guest*, int32_t protocol_fd, const char* address,
                                             size_t address_len, uint32_t type, uint64_t rights_base,
                                             uint64_t rights_inheriting, uint32_t fdflags, int32_t* out_control_fd);
WASI_NETD_API wasi_netd_errno wasi_netd_listen(wasi_netd_guest*, int32_t control_fd, uint32_t backlog);
WASI_NETD_API wasi_netd_errno wasi_netd_accept(wasi_netd_guest*, int32_t control_fd, int32_t* out_connection_fd);
WASI_NETD_API wasi_netd_errno wasi_netd_connect(wasi_netd_guest*, int32_t control_fd, const char* address,
                                                size_t address_len, int32_t* out_connection_fd);
WASI_NETD_API wasi_netd_errno wasi_netd_stream_create(wasi_netd_guest*, int32_t connection_fd, uint64_t rights_base,
                                                      uint64_t rights_inheriting, uint32_t fdflags,
                                                      int32_t* out_stream_fd);
WASI_NETD_API wasi_netd_errno wasi_netd_stream_accept(wasi_netd_guest*, int32_t connection_fd, int32_t* out_stream_fd);

/* ---- module `networking_ext` ---- */

/* Finds what the policy gave, not a weaker fd made of it. `noent`: there is none of that name, or it was closed. */
WASI_NETD_API wasi_netd_errno wasi_netd_protocol_get(wasi_netd_guest*, const char* name, size_t name_len,
                                                     int32_t* out_protocol_fd);
/* The string functions below copy at most `capacity` bytes to `buffer` and write the whole length to `out_len`;
 * a longer text is `overflow`, with nothing copied and *out_len set (the one out-parameter written on failure). */
/* "name:fd,name:fd,...", sorted by name. */
WASI_NETD_API wasi_netd_errno wasi_netd_protocol_list(wasi_netd_guest*, char* buffer, size_t capacity, size_t* out_len);
WASI_NETD_API wasi_netd_errno wasi_netd_local_address(wasi_netd_guest*, int32_t fd, char* buffer, size_t capacity,
                                                      size_t* out_len);
WASI_NETD_API wasi_netd_errno wasi_netd_peer_address(wasi_netd_guest*, int32_t fd, char* buffer, size_t capacity,
                                                     size_t* out_len);
/* "key=value" lines: transport, and for TLS and QUIC alpn, tls_version, tls_cipher, peer_name. */
WASI_NETD_API wasi_netd_errno wasi_netd_connection_info(wasi_netd_guest*, int32_t fd, char* buffer, size_t capacity,
                                                        size_t* out_len);
/* Addresses without port, one per line. */
WASI_NETD_API wasi_netd_errno wasi_netd_resolve(wasi_netd_guest*, int32_t protocol_fd, const char* name,
                                                size_t name_len, char* buffer, size_t capacity, size_t* out_len);
/* A second fd for the same object with these rights. Both fds of a stream take from the same bytes; it ends with the
   last of them. */
WASI_NETD_API wasi_netd_errno wasi_netd_restrict(wasi_netd_guest*, int32_t fd, uint64_t rights_base,
                                                 uint64_t rights_inheriting, int32_t* out_fd);
enum {
  WASI_NETD_OPTION_NODELAY = 1,
  WASI_NETD_OPTION_KEEPALIVE = 2,
  WASI_NETD_OPTION_RECEIVE_BUFFER = 3,
  WASI_NETD_OPTION_SEND_BUFFER = 4
};
WASI_NETD_API wasi_netd_errno wasi_netd_set_option(wasi_netd_guest*, int32_t fd, uint32_t option, uint32_t value);
WASI_NETD_API wasi_netd_errno wasi_netd_get_option(wasi_netd_guest*, int32_t fd, uint32_t option, uint32_t* out_value);

typedef struct wasi_netd_iovec {
  void* data;
  size_t size;
} wasi_netd_iovec;
typedef struct wasi_netd_ciovec {
  const void* data;
  size_t size;
} wasi_netd_ciovec;

/* Datagrams of a control that has no connection: one call, one datagram, at most 65,507 bytes (`msgsize`), an empty one
 * too. `notsup`: a control of streams; `isconn`, `inval`: its socket is a connection's, or listens. An error of the
 * network (`connrefused`, ...) is that of an earlier datagram, told once. */
WASI_NETD_API wasi_netd_errno wasi_netd_send_to(wasi_netd_guest*, int32_t control_fd, const wasi_netd_ciovec* iovs,
                                                size_t count, const char* address, size_t address_len,
                                                size_t* out_written);
/* Where `capacity` is too small for the sender's address, `overflow` as above, and the datagram is the next call's.
 * *out_flags is WASI_NETD_RECV_DATA_TRUNCATED or 0. */
WASI_NETD_API wasi_netd_errno wasi_netd_recv_from(wasi_netd_guest*, int32_t control_fd, const wasi_netd_iovec* iovs,
                                                  size_t count, char* address, size_t capacity, size_t* out_address_len,
                                                  size_t* out_read, uint32_t* out_flags);

/* ---- preview1's calls on the same fds ---- */

/* 0 bytes = end of stream. Of a stream of datagrams (control opened with WASI_NETD_SOCKET_DGRAM) each read and each
 * write is one datagram, an empty one too; what a read has no room for is lost, and a write of more than 65,507 bytes
 * is `msgsize`. */
WASI_NETD_API wasi_netd_errno wasi_netd_read(wasi_netd_guest*, int32_t fd, const wasi_netd_iovec* iovs, size_t count,
                                             size_t* out_read);
/* As POSIX: a blocking fd writes everything, a non-blocking one what fits, `again` when nothing does. */
WASI_NETD_API wasi_netd_errno wasi_netd_write(wasi_netd_guest*, int32_t fd, const wasi_netd_ciovec* iovs, size_t count,
                                              size_t* out_written);
/* read with WASI_NETD_RECV_*, only of a stream. PEEK with WAITALL waits for no more than the shim reads ahead
 * (64 KiB), and means nothing for datagrams. *out_flags is WASI_NETD_RECV_DATA_TRUNCATED for a datagram that was longer
 * than the buffers, else 0. */
WASI_NETD_API wasi_netd_errno wasi_netd_recv(wasi_netd_guest*, int32_t fd, const wasi_netd_iovec* iovs, size_t count,
                                             uint32_t flags, size_t* out_read, uint32_t* out_flags);
WASI_NETD_API wasi_netd_errno wasi_netd_send(wasi_netd_guest*, int32_t fd, const wasi_netd_ciovec* iovs, size_t count,
                                             size_t* out_written);
/* accept and stream_accept in one, for guests that know only preview1: the stream of the next connection. What lacks a
 * right answers `notcapable` before a peer is taken; where the stream's handle is one too many (`mfile`) the connection
 * waits for the next accept. */
WASI_NETD_API wasi_netd_errno wasi_netd_sock_accept(wasi_netd_guest*, int32_t control_fd, uint32_t fdflags,
                                                    int32_t* out_stream_fd);
/* Of a stream: as POSIX. Of a connection: ends it now, whichever direction is named. */
WASI_NETD_API wasi_netd_errno wasi_netd_shutdown(wasi_netd_guest*, int32_t fd, uint32_t how);
/* Always succeeds on an open fd, whatever became of the object. Bytes written before are still delivered. */
WASI_NETD_API wasi_netd_errno wasi_netd_close(wasi_netd_guest*, int32_t fd);
/* Closes what `to` named; both must be open. */
WASI_NETD_API wasi_netd_errno wasi_netd_renumber(wasi_netd_guest*, int32_t from, int32_t to);

enum { /* what an fd is; wasi_netd_fdstat.kind */
       WASI_NETD_KIND_STDIO = 0,
       WASI_NETD_KIND_PROTOCOL = 1,
       WASI_NETD_KIND_CONTROL = 2,
       WASI_NETD_KIND_CONNECTION = 3,
       WASI_NETD_KIND_STREAM = 4
};
typedef struct wasi_netd_fdstat {
  uint8_t filetype; /* preview1 filetype: stdio as fstat says; else socket_stream or socket_dgram */
  uint8_t kind;
  uint16_t flags; /* preview1 fdflags */
  uint64_t rights_base;
  uint64_t rights_inheriting;
} wasi_netd_fdstat;
WASI_NETD_API wasi_netd_errno wasi_netd_fdstat_get(wasi_netd_guest*, int32_t fd, wasi_netd_fdstat* out);
/* Only `nonblock` changes; the other flags must be as fdstat_get gave them, else `inval`. */
WASI_NETD_API wasi_netd_errno wasi_netd_fdstat_set_flags(wasi_netd_guest*, int32_t fd, uint16_t flags);
/* Narrows; for a network fd in the daemon too. `notcapable` on an attempt to widen. */
WASI_NETD_API wasi_netd_errno wasi_netd_fdstat_set_rights(wasi_netd_guest*, int32_t fd, uint64_t rights_base,
                                                          uint64_t rights_inheriting);

enum { WASI_NETD_EVENT_CLOCK = 0, WASI_NETD_EVENT_READ = 1, WASI_NETD_EVENT_WRITE = 2 }; /* preview1 eventtype */
enum { WASI_NETD_CLOCK_REALTIME = 0, WASI_NETD_CLOCK_MONOTONIC = 1 };                    /* preview1 clockid */
enum { WASI_NETD_CLOCK_ABSTIME = 1 };                                                    /* preview1 subclockflags */
enum { WASI_NETD_EVENT_HANGUP = 1 };                                                     /* preview1 eventrwflags */
typedef struct wasi_netd_subscription {
  uint64_t userdata;
  uint8_t type;        /* WASI_NETD_EVENT_* */
  int32_t fd;          /* read, write */
  uint32_t clock_id;   /* clock */
  uint64_t timeout_ns; /* clock: relative, or absolute with WASI_NETD_CLOCK_ABSTIME */
  uint16_t clock_flags;
} wasi_netd_subscription;
typedef struct wasi_netd_event {
  uint64_t userdata;
  wasi_netd_errno error;
  uint8_t type;
  uint64_t nbytes; /* read: bytes that a read returns at once; write: room */
  uint16_t flags;  /* WASI_NETD_EVENT_HANGUP: the peer ended or the fd failed, and nothing is left to read */
} wasi_netd_event;
/* Waits until at least one subscription holds and writes one event for each that does; `events` has room for
 * `count`. A subscription that cannot be waited for (an fd that is bad, dead, revoked or a protocol, another clock than
 * the two) yields an event with its error, as preview1 says. `inval`: count is 0. */
WASI_NETD_API wasi_netd_errno wasi_netd_poll(wasi_netd_guest*, const wasi_netd_subscription* subscriptions,
                                             size_t count, wasi_netd_event* events, size_t* out_events);

#ifdef __cplusplus
}
#endif
/* NOLINTEND(readability-identifier-naming) */
#endif
