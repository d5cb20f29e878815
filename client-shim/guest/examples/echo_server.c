/* echo_server PROTOCOL ADDRESS [--connections N] [--until-stdin-closes]
 *
 * Sends every client back what it sends, thousands of them at once in one poll loop. Prints "listening on ADDRESS" with
 * the real port. Runs until N connections were served, or stdin is closed, or for ever. */
#include "guest.h"

enum { kChunk = 16 * 1024, kMostClients = 4000 }; /* poll_oneoff takes 4096 subscriptions */

typedef struct client {
  wasi_net_fd stream;
  uint32_t at, end; /* bytes [at, end) are to be sent back; none: the client is read */
  char* bytes;
} client;

static struct {
  wasi_net_fd control;
  client clients[kMostClients];
  size_t count;
  unsigned long accepted, served, most_served; /* most_served 0: no end */
  int paused;                                  /* a quota is full: nobody is accepted until one of ours has gone */
  int until_stdin_closes;
} server;

static __wasi_subscription_t subscriptions[kMostClients + 2];
static __wasi_event_t events[kMostClients + 2];

enum { kControl = kMostClients, kStdin }; /* userdata besides a client's index */

static void subscribe(size_t* count, uint64_t userdata, int fd, uint8_t type) {
  __wasi_subscription_t* subscription = &subscriptions[(*count)++];
  memset(subscription, 0, sizeof *subscription);
  subscription->userdata = userdata;
  subscription->u.tag = type;
  subscription->u.u.fd_read.file_descriptor = fd;
}

static void accept_all(void) {
  while (server.count < kMostClients) {
    wasi_net_fd connection = -1;
    const wasi_net_errno error = wasi_net_accept(server.control, &connection);
    if (error == WASI_NET_ERRNO_again) return;
    if (error == WASI_NET_ERRNO_mfile || error == WASI_NET_ERRNO_nfile) {
      server.paused = 1;
      return;
    }
    check(error, "accept");
    client* made = &server.clients[server.count];
    if (wasi_net_stream_accept(connection, &made->stream) == WASI_NET_ERRNO_success) {
      made->at = made->end = 0;
      made->bytes = malloc(kChunk);
      if (made->bytes == NULL) fail("out of memory");
      ++server.count;
      ++server.accepted;
    }
    close(connection);
  }
}

/* Moves bytes until the client has none or takes none. 0: the client is done with. */
static int serve(client* served) {
  for (;;) {
    if (served->at == served->end) {
      const ssize_t got = read(served->stream, served->bytes, kChunk);
      if (got < 0) return errno == EAGAIN;
      if (got == 0) return 0;
      served->at = 0;
      served->end = (uint32_t)got;
    }
    const ssize_t sent = write(served->stream, served->bytes + served->at, served->end - served->at);
    if (sent < 0) return errno == EAGAIN;
    served->at += (uint32_t)sent;
  }
}

static void drop(size_t index) {
  close(server.clients[index].stream);
  free(server.clients[index].bytes);
  server.clients[index] = server.clients[--server.count];
  ++server.served;
  server.paused = 0;
}

static int finished(void) { return server.most_served != 0 && server.served >= server.most_served; }
static int accepting(void) {
  return !server.paused && server.count < kMostClients &&
         (server.most_served == 0 || server.accepted < server.most_served);
}

/* One poll and what it says. 0: stdin was closed. */
static int turn(void) {
  size_t count = 0;
  if (accepting()) subscribe(&count, kControl, server.control, __WASI_EVENTTYPE_FD_READ);
  if (server.until_stdin_closes) subscribe(&count, kStdin, STDIN_FILENO, __WASI_EVENTTYPE_FD_READ);
  for (size_t i = 0; i < server.count; ++i) {
    const int sending = server.clients[i].at != server.clients[i].end;
    subscribe(&count, i, server.clients[i].stream, sending ? __WASI_EVENTTYPE_FD_WRITE : __WASI_EVENTTYPE_FD_READ);
  }
  __wasi_size_t happened = 0;
  check(__wasi_poll_oneoff(subscriptions, events, count, &happened), "poll");

  static unsigned char gone[kMostClients];
  memset(gone, 0, server.count);
  int knock = 0;
  for (size_t i = 0; i < happened; ++i) {
    const uint64_t who = events[i].userdata;
    if (who == kControl) {
      check(events[i].error, "listening");
      knock = 1;
    } else if (who == kStdin) {
      char ignored[256];
      if (read(STDIN_FILENO, ignored, sizeof ignored) <= 0) return 0;
    } else {
      gone[who] = !serve(&server.clients[who]);
    }
  }
  for (size_t i = server.count; i-- > 0;) { /* from the end: drop moves the last one into the gap */
    if (gone[i]) drop(i);
  }
  if (knock) accept_all();
  return 1;
}

int main(int argc, char** argv) {
  if (argc < 3) fail("usage: echo_server PROTOCOL ADDRESS [--connections N] [--until-stdin-closes]");
  for (int i = 3; i < argc; ++i) {
    if (strcmp(argv[i], "--until-stdin-closes") == 0) {
      server.until_stdin_closes = 1;
    } else if (strcmp(argv[i], "--connections") == 0 && i + 1 < argc) {
      server.most_served = strtoul(argv[++i], NULL, 10);
    } else {
      fail("echo_server: unknown option %s", argv[i]);
    }
  }
  server.control = open_control(find_protocol(argv[1]), argv[2], WASI_NET_NONBLOCK);
  check(wasi_net_listen(server.control, kMostClients), "listen");
  announce(server.control);
  while (!finished() && turn()) {
  }
  return 0;
}
