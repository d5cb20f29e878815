/* Commands of semantics.c for the modules networking and networking_ext. Each prints its line without the line break.
 */
#ifndef WASI_NETD_SEMANTICS_NETWORK_H
#define WASI_NETD_SEMANTICS_NETWORK_H

#include "semantics_words.h"

static void do_protocol(void) {
  wasi_net_fd fd = -1;
  answer_fd(wasi_net_protocol_get(word_at(1), strlen(word_at(1)), &fd), fd);
}

static void do_list(void) {
  uint32_t length = 0;
  answer_text(wasi_net_protocol_list(big, sizeof big, &length), big, length);
}

static void do_text(wasi_net_errno (*call)(wasi_net_fd, char*, uint32_t, uint32_t*)) {
  uint32_t length = 0;
  untouch();
  answer_text(call(fd_at(1), big, number_option("capacity", sizeof big), &length), big, length);
}
static void do_local(void) { do_text(wasi_net_local_address); }
static void do_peer(void) { do_text(wasi_net_peer_address); }
static void do_info(void) { do_text(wasi_net_connection_info); }

static void do_resolve(void) {
  uint32_t length = 0;
  untouch();
  const uint32_t error =
      wasi_net_resolve(fd_at(1), word_at(2), strlen(word_at(2)), big, number_option("capacity", sizeof big), &length);
  answer_text(error, big, length);
}

static void do_open(void) {
  const int parent = fd_at(1);
  wasi_net_fd fd = -1;
  answer_fd(wasi_net_open(parent, word_at(2), strlen(word_at(2)), number_option("type", WASI_NET_STREAM),
                          rights_option("base", parent), rights_option("inh", parent), number_option("flags", 0), &fd),
            fd);
}

static void do_listen(void) { answer(wasi_net_listen(fd_at(1), number_at(2))); }

static void do_accept(void) {
  wasi_net_fd fd = -1;
  answer_fd(wasi_net_accept(fd_at(1), &fd), fd);
}

static void do_connect(void) {
  wasi_net_fd fd = -1;
  answer_fd(wasi_net_connect(fd_at(1), word_at(2), strlen(word_at(2)), &fd), fd);
}

static void do_create(void) {
  const int parent = fd_at(1);
  wasi_net_fd fd = -1;
  answer_fd(wasi_net_stream_create(parent, rights_option("base", parent), rights_option("inh", parent),
                                   number_option("flags", 0), &fd),
            fd);
}

static void do_saccept(void) {
  wasi_net_fd fd = -1;
  answer_fd(wasi_net_stream_accept(fd_at(1), &fd), fd);
}

static void do_uni(void) {
  wasi_net_fd fd = -1;
  answer_fd(wasi_net_stream_create_uni(fd_at(1), &fd), fd);
}

static void do_dgram(void) {
  wasi_net_fd fd = -1;
  answer_fd(wasi_net_datagram_stream(fd_at(1), &fd), fd);
}

static void do_sendto(void) {
  size_t length = 0;
  const char* data = data_after(3, &length);
  const wasi_net_ciovec iov = {data, length};
  uint32_t written = 0;
  const uint32_t error = wasi_net_send_to(fd_at(1), &iov, 1, word_at(2), strlen(word_at(2)), &written);
  answer(error);
  if (error == 0) printf(" n=%" PRIu32, written);
}

static void do_recvfrom(void) {
  const wasi_net_iovec iov = {big, number_at(2) < kBig ? number_at(2) : kBig};
  char address[256];
  uint32_t address_length = 0;
  uint32_t got = 0;
  const uint32_t error =
      wasi_net_recv_from(fd_at(1), &iov, 1, address, number_option("capacity", sizeof address), &address_length, &got);
  answer(error);
  if (error == WASI_NET_ERRNO_overflow) printf(" length=%" PRIu32, address_length);
  if (error != 0) return;
  printf(" n=%" PRIu32 " from=%.*s", got, (int)address_length, address);
  print_data(big, got);
}

/* A datagram of this many bytes. */
static void do_sendsize(void) {
  const wasi_net_ciovec iov = {big, number_at(3)};
  memset(big, 'x', sizeof big);
  uint32_t written = 0;
  const uint32_t error = wasi_net_send_to(fd_at(1), &iov, 1, word_at(2), strlen(word_at(2)), &written);
  answer(error);
  if (error == 0) printf(" n=%" PRIu32, written);
}

static void do_restrict(void) {
  wasi_net_fd fd = -1;
  answer_fd(wasi_net_restrict(fd_at(1), rights_of(word_at(2)), rights_of(word_at(3)), &fd), fd);
}

static void do_setrights(void) {
  answer(__wasi_fd_fdstat_set_rights(fd_at(1), rights_of(word_at(2)), rights_of(word_at(3))));
}

static void do_setopt(void) { answer(wasi_net_set_option(fd_at(1), number_at(2), number_at(3))); }

static void do_getopt(void) {
  uint32_t value = 0;
  const uint32_t error = wasi_net_get_option(fd_at(1), number_at(2), &value);
  answer(error);
  if (error == 0) printf(" value=%" PRIu32, value);
}

#endif
