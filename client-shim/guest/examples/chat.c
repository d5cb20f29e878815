/* chat PROTOCOL listen|connect ADDRESS
 *
 * Two guests talk: each line of stdin goes to the peer, each line of the peer to stdout. The end of stdin ends our half
 * of the talk, the peer's end ends its half; the guest exits when both have ended. */
#include "guest.h"

static wasi_net_fd accept_one(wasi_net_fd protocol, const char* address) {
  const wasi_net_fd control = open_control(protocol, address, 0);
  check(wasi_net_listen(control, 1), "listen");
  announce(control);
  wasi_net_fd connection = -1;
  check(wasi_net_accept(control, &connection), "accept");
  wasi_net_fd stream = -1;
  check(wasi_net_stream_accept(connection, &stream), "stream_accept");
  close(connection);
  close(control);
  return stream;
}

/* Copies what can be read at once; 0 at the end. */
static int relay(int from, int to) {
  char bytes[4096];
  const ssize_t got = read(from, bytes, sizeof bytes);
  if (got < 0) fail("read: %s", strerror(errno));
  write_all(to, bytes, (size_t)got);
  return got != 0;
}

static __wasi_subscription_t readable(int fd) {
  __wasi_subscription_t subscription;
  memset(&subscription, 0, sizeof subscription);
  subscription.userdata = (uint64_t)fd;
  subscription.u.tag = __WASI_EVENTTYPE_FD_READ;
  subscription.u.u.fd_read.file_descriptor = fd;
  return subscription;
}

int main(int argc, char** argv) {
  if (argc != 4) fail("usage: chat PROTOCOL listen|connect ADDRESS");
  const wasi_net_fd protocol = find_protocol(argv[1]);
  wasi_net_fd peer = -1;
  if (strcmp(argv[2], "listen") == 0) {
    peer = accept_one(protocol, argv[3]);
  } else if (strcmp(argv[2], "connect") == 0) {
    peer = connect_to(protocol, argv[3]);
  } else {
    fail("chat: neither listen nor connect: %s", argv[2]);
  }

  int we_talk = 1;
  int peer_talks = 1;
  while (we_talk || peer_talks) {
    __wasi_subscription_t subscriptions[2];
    __wasi_event_t events[2];
    __wasi_size_t count = 0;
    if (we_talk) subscriptions[count++] = readable(STDIN_FILENO);
    if (peer_talks) subscriptions[count++] = readable(peer);
    __wasi_size_t happened = 0;
    check(__wasi_poll_oneoff(subscriptions, events, count, &happened), "poll");
    for (__wasi_size_t i = 0; i < happened; ++i) {
      check(events[i].error, "poll");
      if (events[i].userdata == STDIN_FILENO) {
        we_talk = relay(STDIN_FILENO, peer);
        if (!we_talk) check(__wasi_sock_shutdown(peer, __WASI_SDFLAGS_WR), "shutdown");
      } else {
        peer_talks = relay(peer, STDOUT_FILENO);
      }
    }
  }
  close(peer);
  return 0;
}
