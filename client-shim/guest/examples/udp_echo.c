/* udp_echo PROTOCOL ADDRESS [--accept] [--until-stdin-closes]
 *
 * Sends every datagram back to whom it came from. Prints "listening on ADDRESS" with the real port. Two styles:
 *
 *   recv_from and send_to on the control: one fd for all peers; the policy's `connect` says who may be answered
 *   --accept: one connection for each peer, which `accept` admits; bytes go both ways on it
 *
 * Runs until stdin is closed, or for ever. */
#include "guest.h"

enum { kLargest = 65507, kMostPeers = 1000 };

static char datagram[kLargest];
static wasi_net_fd control;
static wasi_net_fd peers[kMostPeers]; /* streams */
static size_t peer_count;

/* What was in the kernel's hands, or a peer that does not listen: no reason to stop serving the others. */
static int passes(wasi_net_errno error) {
  return error == WASI_NET_ERRNO_connrefused || error == WASI_NET_ERRNO_hostunreach ||
         error == WASI_NET_ERRNO_netunreach || error == WASI_NET_ERRNO_acces || error == WASI_NET_ERRNO_again;
}

static void answer_all(void) {
  for (;;) {
    const wasi_net_iovec in = {datagram, sizeof datagram};
    char peer[256];
    uint32_t peer_length = 0;
    uint32_t size = 0;
    wasi_net_errno error = wasi_net_recv_from(control, &in, 1, peer, sizeof peer, &peer_length, &size);
    if (error == WASI_NET_ERRNO_again) return;
    if (passes(error)) continue;
    check(error, "recv_from");
    const wasi_net_ciovec out = {datagram, size};
    error = wasi_net_send_to(control, &out, 1, peer, peer_length, &size);
    if (!passes(error)) check(error, "send_to");
  }
}

static void accept_all(void) {
  while (peer_count < kMostPeers) {
    wasi_net_fd connection = -1;
    const wasi_net_errno error = wasi_net_accept(control, &connection);
    if (error == WASI_NET_ERRNO_again) return;
    check(error, "accept");
    if (wasi_net_stream_accept(connection, &peers[peer_count]) == WASI_NET_ERRNO_success) ++peer_count;
    close(connection);
  }
}

/* 0: the peer has been silent for long, or its stream failed. An empty datagram is no end: sock_recv and fd_read give 0
 * for both, so the poll's hangup tells them apart. */
static int echo(wasi_net_fd stream) {
  for (;;) {
    const ssize_t got = read(stream, datagram, sizeof datagram);
    if (got < 0) return errno == EAGAIN || errno == ECONNREFUSED;
    if (write(stream, datagram, (size_t)got) < 0 && errno != EAGAIN && errno != ECONNREFUSED) return 0;
    if (got == 0) return 1;
  }
}

static __wasi_subscription_t subscriptions[kMostPeers + 2];
static __wasi_event_t events[kMostPeers + 2];

enum { kControl = kMostPeers, kStdin }; /* userdata besides a peer's index */

static void subscribe(size_t* count, uint64_t userdata, int fd) {
  __wasi_subscription_t* subscription = &subscriptions[(*count)++];
  memset(subscription, 0, sizeof *subscription);
  subscription->userdata = userdata;
  subscription->u.tag = __WASI_EVENTTYPE_FD_READ;
  subscription->u.u.fd_read.file_descriptor = fd;
}

/* One poll and what it says. 0: stdin was closed. */
static int turn(int accepts, int until_stdin_closes) {
  size_t count = 0;
  if (peer_count < kMostPeers) subscribe(&count, kControl, control);
  if (until_stdin_closes) subscribe(&count, kStdin, STDIN_FILENO);
  for (size_t i = 0; i < peer_count; ++i) subscribe(&count, i, peers[i]);
  __wasi_size_t happened = 0;
  check(__wasi_poll_oneoff(subscriptions, events, count, &happened), "poll");

  static unsigned char gone[kMostPeers];
  memset(gone, 0, sizeof gone);
  int knock = 0;
  for (size_t i = 0; i < happened; ++i) {
    const uint64_t who = events[i].userdata;
    if (who == kControl) {
      check(events[i].error, "control");
      knock = 1;
    } else if (who == kStdin) {
      char ignored[256];
      if (read(STDIN_FILENO, ignored, sizeof ignored) <= 0) return 0;
    } else {
      const int hangup = (events[i].fd_readwrite.flags & __WASI_EVENTRWFLAGS_FD_READWRITE_HANGUP) != 0;
      gone[who] = hangup || !echo(peers[who]);
    }
  }
  for (size_t i = peer_count; i-- > 0;) {
    if (!gone[i]) continue;
    close(peers[i]);
    peers[i] = peers[--peer_count];
  }
  if (knock && accepts) accept_all();
  if (knock && !accepts) answer_all();
  return 1;
}

int main(int argc, char** argv) {
  if (argc < 3) fail("usage: udp_echo PROTOCOL ADDRESS [--accept] [--until-stdin-closes]");
  int accepts = 0;
  int until_stdin_closes = 0;
  for (int i = 3; i < argc; ++i) {
    if (strcmp(argv[i], "--accept") == 0) {
      accepts = 1;
    } else if (strcmp(argv[i], "--until-stdin-closes") == 0) {
      until_stdin_closes = 1;
    } else {
      fail("udp_echo: unknown option %s", argv[i]);
    }
  }
  control = open_typed(find_protocol(argv[1]), argv[2], WASI_NET_DGRAM, WASI_NET_NONBLOCK);
  if (accepts) check(wasi_net_listen(control, 0), "listen");
  announce(control);
  while (turn(accepts, until_stdin_closes)) {
  }
  return 0;
}
