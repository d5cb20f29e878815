/* Commands of semantics.c for the rest of wasi_snapshot_preview1, and for pointers out of bounds. */
#ifndef WASI_NETD_SEMANTICS_PREVIEW1_H
#define WASI_NETD_SEMANTICS_PREVIEW1_H

#include "semantics_words.h"

static void do_close(void) { answer(__wasi_fd_close(fd_at(1))); }
static void do_renumber(void) { answer(__wasi_fd_renumber(fd_at(1), fd_at(2))); }

static void do_fdstat(void) {
  __wasi_fdstat_t stat;
  const uint32_t error = __wasi_fd_fdstat_get(fd_at(1), &stat);
  answer(error);
  if (error != 0) return;
  printf(" type=%d flags=%d base=%" PRIx64 " inh=%" PRIx64, stat.fs_filetype, stat.fs_flags, stat.fs_rights_base,
         stat.fs_rights_inheriting);
}

static void do_setflags(void) { answer(__wasi_fd_fdstat_set_flags(fd_at(1), (uint16_t)number_at(2))); }

static void do_filestat(void) {
  __wasi_filestat_t stat;
  const uint32_t error = __wasi_fd_filestat_get(fd_at(1), &stat);
  answer(error);
  if (error == 0) printf(" type=%d size=%" PRIu64, stat.filetype, stat.size);
}

static void do_prestat(void) {
  __wasi_prestat_t stat;
  const uint32_t error = __wasi_fd_prestat_get(fd_at(1), &stat);
  answer(error);
  if (error == 0) printf(" tag=%d", stat.tag);
}

static void do_prestatname(void) { answer(__wasi_fd_prestat_dir_name(fd_at(1), (uint8_t*)big, 100)); }

static void do_seek(void) {
  __wasi_filesize_t at = 0;
  answer(__wasi_fd_seek(fd_at(1), 0, __WASI_WHENCE_CUR, &at));
}
static void do_tell(void) {
  __wasi_filesize_t at = 0;
  answer(__wasi_fd_tell(fd_at(1), &at));
}
static void do_pread(void) {
  const __wasi_iovec_t iov = {(uint8_t*)big, 1};
  __wasi_size_t count = 0;
  answer(__wasi_fd_pread(fd_at(1), &iov, 1, 0, &count));
}
static void do_pwrite(void) {
  const __wasi_ciovec_t iov = {(const uint8_t*)big, 1};
  __wasi_size_t count = 0;
  answer(__wasi_fd_pwrite(fd_at(1), &iov, 1, 0, &count));
}
static void do_sync(void) { answer(__wasi_fd_sync(fd_at(1))); }
static void do_pathopen(void) {
  __wasi_fd_t fd = 0;
  answer(__wasi_path_open(fd_at(1), 0, word_at(2), 0, __WASI_RIGHTS_FD_READ, 0, 0, &fd));
}

/* The last answer that was not `fault`, or else fault. */
static uint32_t not_fault;
static void must_fault(uint32_t error) {
  if (error != WASI_NET_ERRNO_fault) not_fault = error;
}

static void do_oob(void) {
  const char* call = word_at(1);
  const int fd = fd_at(2);
  void* const nowhere = (void*)0xfffffff0u;
  __wasi_size_t size = 0;
  uint32_t length = 0;
  wasi_net_fd made = -1;
  const __wasi_iovec_t wild = {nowhere, 64};
  const __wasi_iovec_t good = {(uint8_t*)big, 8};
  const __wasi_ciovec_t wild_out = {nowhere, 64};
  const __wasi_ciovec_t good_out = {(uint8_t*)big, 8};
  not_fault = WASI_NET_ERRNO_fault;
  if (strcmp(call, "read") == 0) {
    must_fault(__wasi_fd_read(fd, nowhere, 1, &size));
    must_fault(__wasi_fd_read(fd, &wild, 1, &size));
    must_fault(__wasi_fd_read(fd, &good, 1, nowhere));
  } else if (strcmp(call, "write") == 0) {
    must_fault(__wasi_fd_write(fd, nowhere, 1, &size));
    must_fault(__wasi_fd_write(fd, &wild_out, 1, &size));
    must_fault(__wasi_fd_write(fd, &good_out, 1, nowhere));
  } else if (strcmp(call, "poll") == 0) {
    must_fault(__wasi_poll_oneoff(nowhere, (void*)big, 1, &size));
    must_fault(__wasi_poll_oneoff((void*)big, nowhere, 1, &size));
    must_fault(__wasi_poll_oneoff((void*)big, (void*)big, 1, nowhere));
  } else if (strcmp(call, "open") == 0) {
    must_fault(wasi_net_open(fd, nowhere, 64, WASI_NET_STREAM, 0, 0, 0, &made));
    must_fault(wasi_net_open(fd, "[::]:0", 6, WASI_NET_STREAM, 0, 0, 0, nowhere));
  } else if (strcmp(call, "connect") == 0) {
    must_fault(wasi_net_connect(fd, nowhere, 64, &made));
    must_fault(wasi_net_connect(fd, "[::1]:1", 7, nowhere));
  } else if (strcmp(call, "accept") == 0) {
    must_fault(wasi_net_accept(fd, nowhere));
    must_fault(wasi_net_stream_accept(fd, nowhere));
  } else if (strcmp(call, "local") == 0) {
    must_fault(wasi_net_local_address(fd, nowhere, 64, &length));
    must_fault(wasi_net_local_address(fd, big, 64, nowhere));
  } else {
    fail("oob %s is not known", call);
  }
  answer(not_fault);
}

static int argument_count;
static char** arguments;

static void do_args(void) {
  printf("success n=%d", argument_count);
  for (int i = 0; i < argument_count; ++i) printf(" [%s]", arguments[i]);
}

static void do_environ(void) {
  const char* value = getenv(word_at(1));
  if (value == NULL) {
    answer(WASI_NET_ERRNO_noent);
  } else {
    printf("success text=%s", value);
  }
}

static void do_clock(void) {
  __wasi_timestamp_t now = 0;
  const uint32_t error = __wasi_clock_time_get(number_at(1), 1, &now);
  answer(error);
  if (error == 0) printf(" ns=%" PRIu64, now);
}

static void do_random(void) {
  uint64_t value = 0;
  answer(__wasi_random_get((uint8_t*)&value, sizeof value));
  printf(" value=%" PRIx64, value);
}

static void do_exit(void) { exit((int)number_at(1)); }
static void do_trap(void) { __builtin_trap(); }
static void do_spin(void) {
  for (volatile uint32_t i = 0;; ++i) {
  }
}

#endif
