/* Commands of semantics.c that move bytes and wait for them. */
#ifndef WASI_NETD_SEMANTICS_DATA_H
#define WASI_NETD_SEMANTICS_DATA_H

#include "semantics_words.h"

static void answer_read(uint32_t error, size_t count) {
  answer(error);
  if (error != 0) return;
  printf(" n=%zu", count);
  print_data(big, count);
}

static void do_read(void) {
  const __wasi_iovec_t iov = {(uint8_t*)big, number_at(2) < kBig ? number_at(2) : kBig};
  __wasi_size_t count = 0;
  const uint32_t error = __wasi_fd_read(fd_at(1), &iov, 1, &count);
  answer_read(error, count);
}

/* Reads into N buffers of SIZE bytes: each a byte of its own, or for a SIZE above 1 all of them the same memory, which
 * grows until it has as many. That is where the guest's own data are, so the read must fail. */
static void do_iovs(void) {
  static __wasi_iovec_t iovs[2048];
  const size_t count = number_at(2) < 2048 ? number_at(2) : 2048;
  const size_t size = number_at(3);
  const size_t page = 65536;
  const size_t have = __builtin_wasm_memory_size(0) * page;
  if (have < size) __builtin_wasm_memory_grow(0, (size - have + page - 1) / page);
  for (size_t i = 0; i < count; ++i) {
    iovs[i].buf = size <= 1 ? (uint8_t*)&big[i] : NULL;
    iovs[i].buf_len = size;
  }
  __wasi_size_t got = 0;
  const uint32_t error = __wasi_fd_read(fd_at(1), iovs, count, &got);
  answer(error);
  if (error == 0) printf(" n=%zu", (size_t)got);
}

/* Reads to the end or an error and prints how much came and its FNV-1a hash. */
static void do_readall(void) {
  const __wasi_iovec_t iov = {(uint8_t*)big, sizeof big};
  uint64_t total = 0;
  uint32_t hash = 2166136261u;
  uint32_t error = 0;
  __wasi_size_t count = 0;
  while ((error = __wasi_fd_read(fd_at(1), &iov, 1, &count)) == 0 && count > 0) {
    for (size_t i = 0; i < count; ++i) hash = (hash ^ (unsigned char)big[i]) * 16777619u;
    total += count;
  }
  answer(error);
  printf(" n=%" PRIu64 " hash=%08" PRIx32, total, hash);
}

static void do_recv(void) {
  uint16_t flags = 0;
  for (int i = 3; i < word_count; ++i) {
    if (strcmp(words[i], "peek") == 0) flags |= __WASI_RIFLAGS_RECV_PEEK;
    if (strcmp(words[i], "waitall") == 0) flags |= __WASI_RIFLAGS_RECV_WAITALL;
    if (strncmp(words[i], "flags=", 6) == 0) flags |= (uint16_t)strtoul(words[i] + 6, NULL, 0);
  }
  const __wasi_iovec_t iov = {(uint8_t*)big, number_at(2) < kBig ? number_at(2) : kBig};
  __wasi_size_t count = 0;
  __wasi_roflags_t got = 0;
  const uint32_t error = __wasi_sock_recv(fd_at(1), &iov, 1, flags, &count, &got);
  answer_read(error, count);
  if (error == 0 && (got & __WASI_ROFLAGS_RECV_DATA_TRUNCATED) != 0) printf(" truncated");
}

static void answer_written(uint32_t error, uint64_t count) {
  answer(error);
  if (error == 0) printf(" n=%" PRIu64, count);
}

static void do_write(void) {
  size_t length = 0;
  const char* data = data_after(2, &length);
  const __wasi_ciovec_t iov = {(const uint8_t*)data, length};
  __wasi_size_t count = 0;
  const uint32_t error = __wasi_fd_write(fd_at(1), &iov, 1, &count);
  answer_written(error, count);
}

static void do_send(void) {
  size_t length = 0;
  const char* data = data_after(2, &length);
  const __wasi_ciovec_t iov = {(const uint8_t*)data, length};
  __wasi_size_t count = 0;
  const uint32_t error = __wasi_sock_send(fd_at(1), &iov, 1, 0, &count);
  answer_written(error, count);
}

/* Writes N bytes, byte i being i % 251, and prints how many went before an error or all did, with their hash. */
static void do_fill(void) {
  const uint64_t wanted = strtoull(word_at(2), NULL, 0);
  uint64_t total = 0;
  uint32_t hash = 2166136261u;
  uint32_t error = 0;
  while (error == 0 && total < wanted) {
    const size_t now = wanted - total < kBig ? (size_t)(wanted - total) : kBig;
    for (size_t i = 0; i < now; ++i) big[i] = (char)((total + i) % 251);
    const __wasi_ciovec_t iov = {(const uint8_t*)big, now};
    __wasi_size_t count = 0;
    error = __wasi_fd_write(fd_at(1), &iov, 1, &count);
    if (error != 0) break;
    for (size_t i = 0; i < count; ++i) hash = (hash ^ (unsigned char)big[i]) * 16777619u;
    total += count;
  }
  answer(error);
  printf(" n=%" PRIu64 " hash=%08" PRIx32, total, hash);
}

static void do_shutdown(void) {
  const char* how = word_at(2);
  uint32_t flags = number_at(2);
  if (strncmp(how, "rd", 2) == 0) flags |= __WASI_SDFLAGS_RD;
  if (strstr(how, "wr") != NULL) flags |= __WASI_SDFLAGS_WR;
  answer(__wasi_sock_shutdown(fd_at(1), (uint8_t)flags));
}

/* wasi-libc of Debian 12 has no binding for it. */
uint32_t sock_accept(int32_t fd, uint32_t flags, int32_t* out) WASI_NET_IMPORT("wasi_snapshot_preview1", "sock_accept");
static void do_sockaccept(void) {
  int32_t fd = -1;
  answer_fd(sock_accept(fd_at(1), number_at(2), &fd), fd);
}

static void print_event(const __wasi_event_t* event) {
  static const char* const kTypes[] = {"clock", "r", "w"};
  printf(" [%" PRIu64 ":%s %s", event->userdata, kTypes[event->type < 3 ? event->type : 0],
         wasi_net_errno_name(event->error));
  if (event->type != __WASI_EVENTTYPE_CLOCK) printf(" nbytes=%" PRIu64, event->fd_readwrite.nbytes);
  if (event->fd_readwrite.flags & __WASI_EVENTRWFLAGS_FD_READWRITE_HANGUP) printf(" hangup");
  putchar(']');
}

/* userdata is the fd, or 1000000 for the clock. */
static void do_poll(void) {
  static __wasi_subscription_t subscriptions[kPollMost];
  static __wasi_event_t events[kPollMost];
  size_t count = 0;
  memset(subscriptions, 0, sizeof subscriptions);
  if (strcmp(word_at(1), "-") != 0) {
    subscriptions[0].userdata = 1000000;
    subscriptions[0].u.tag = __WASI_EVENTTYPE_CLOCK;
    subscriptions[0].u.u.clock.id = __WASI_CLOCKID_MONOTONIC;
    subscriptions[0].u.u.clock.timeout = UINT64_C(1000000) * number_at(1);
    count = 1;
  }
  for (int i = 2; i < word_count && count < kPollMost; ++i) {
    char* colon = strchr(words[i], ':');
    if (colon == NULL) continue;
    *colon = '\0';
    __wasi_subscription_t* subscription = &subscriptions[count++];
    const int fd = fd_of(words[i]);
    subscription->userdata = (uint64_t)fd;
    subscription->u.tag = colon[1] == 'w' ? __WASI_EVENTTYPE_FD_WRITE : __WASI_EVENTTYPE_FD_READ;
    subscription->u.u.fd_read.file_descriptor = fd;
  }
  __wasi_size_t happened = 0;
  const uint32_t error = __wasi_poll_oneoff(subscriptions, events, count, &happened);
  answer(error);
  if (error != 0) return;
  printf(" n=%zu", (size_t)happened);
  for (size_t i = 0; i < happened; ++i) print_event(&events[i]);
}

/* N subscriptions of one fd. */
static void do_polls(void) {
  static __wasi_subscription_t subscriptions[kPolls];
  static __wasi_event_t events[kPolls];
  const size_t count = number_at(2) < kPolls ? number_at(2) : kPolls;
  for (size_t i = 0; i < count; ++i) {
    subscriptions[i].u.tag = __WASI_EVENTTYPE_FD_WRITE;
    subscriptions[i].u.u.fd_write.file_descriptor = fd_at(1);
  }
  __wasi_size_t happened = 0;
  const uint32_t error = __wasi_poll_oneoff(subscriptions, events, count, &happened);
  answer(error);
  if (error == 0) printf(" n=%zu", (size_t)happened);
}

#endif
