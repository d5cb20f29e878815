/* What the example guests share: finding a protocol, asking for all rights it can give, ending with a message.
 * Everything here ends the guest with exit code 1 when it fails. */
#ifndef WASI_NETD_EXAMPLES_GUEST_H
#define WASI_NETD_EXAMPLES_GUEST_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <wasi/api.h>

#include "wasi_networking.h"

static _Noreturn void fail(const char* format, ...) __attribute__((format(printf, 1, 2)));
static _Noreturn void fail(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  exit(1);
}

/* `what` with the errno's name unless it is success. */
static inline void check(wasi_net_errno error, const char* what) {
  if (error != WASI_NET_ERRNO_success) fail("%s: %s", what, wasi_net_errno_name(error));
}

static inline wasi_net_fd find_protocol(const char* name) {
  wasi_net_fd protocol = -1;
  check(wasi_net_protocol_get(name, strlen(name), &protocol), name);
  return protocol;
}

/* The rights that what is made from `fd` may have. */
static inline wasi_net_rights inheritable(wasi_net_fd fd) {
  __wasi_fdstat_t stat;
  check(__wasi_fd_fdstat_get(fd, &stat), "fdstat");
  return stat.fs_rights_inheriting;
}

/* A control of `type` on `address` with all rights that the protocol can give. */
static inline wasi_net_fd open_typed(wasi_net_fd protocol, const char* address, uint32_t type, uint32_t fdflags) {
  const wasi_net_rights rights = inheritable(protocol);
  wasi_net_fd control = -1;
  check(wasi_net_open(protocol, address, strlen(address), type, rights, rights, fdflags, &control), address);
  return control;
}
static inline wasi_net_fd open_control(wasi_net_fd protocol, const char* address, uint32_t fdflags) {
  return open_typed(protocol, address, WASI_NET_STREAM, fdflags);
}

/* A blocking stream to `address`. */
static inline wasi_net_fd connect_to(wasi_net_fd protocol, const char* address) {
  const wasi_net_fd control = open_control(protocol, "[::]:0", 0);
  wasi_net_fd connection = -1;
  check(wasi_net_connect(control, address, strlen(address), &connection), address);
  const wasi_net_rights rights = inheritable(connection);
  wasi_net_fd stream = -1;
  check(wasi_net_stream_create(connection, rights, rights, 0, &stream), "stream_create");
  close(connection);
  close(control);
  return stream;
}

/* Prints "listening on ADDRESS" with the real port, for whoever waits for it. */
static inline void announce(wasi_net_fd control) {
  char address[256];
  uint32_t length = 0;
  check(wasi_net_local_address(control, address, sizeof address, &length), "local_address");
  printf("listening on %.*s\n", (int)length, address);
  fflush(stdout);
}

static inline void write_all(int fd, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t written = write(fd, data, size);
    if (written < 0) fail("write: %s", strerror(errno));
    data += written;
    size -= (size_t)written;
  }
}

#endif
