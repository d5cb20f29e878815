/* dns_client PROTOCOL SERVER NAME [--ipv6] [--send-to]
 *
 * Asks a name server ("127.0.0.1:53") for a name's addresses and prints them, one a line. Over a connection, or with
 * --send-to by send_to and recv_from on the control. Asks again after a second without an answer, three times in all.
 */
#include "guest.h"

enum { kLargest = 4096, kQuery = 512, kTries = 3, kTypeA = 1, kTypeAaaa = 28 };

typedef struct client {
  wasi_net_fd control, stream; /* stream -1: send_to */
  const char* server;
  uint8_t query[kQuery], answer[kLargest];
  size_t query_size, answer_size;
} client;

static void put16(client* self, unsigned value) {
  self->query[self->query_size++] = (uint8_t)(value >> 8);
  self->query[self->query_size++] = (uint8_t)value;
}

static void make_query(client* self, uint16_t id, const char* name, unsigned type) {
  self->query_size = 0;
  put16(self, id);
  put16(self, 0x0100); /* recursion desired */
  put16(self, 1);      /* question */
  for (int i = 0; i < 3; ++i) put16(self, 0);
  if (strlen(name) > 253) fail("the name is too long");
  while (*name != '\0') {
    const size_t length = strcspn(name, ".");
    if (length == 0 || length > 63) fail("not a host name");
    self->query[self->query_size++] = (uint8_t)length;
    memcpy(self->query + self->query_size, name, length);
    self->query_size += length;
    name += length;
    if (*name == '.') ++name;
  }
  self->query[self->query_size++] = 0;
  put16(self, type);
  put16(self, 1); /* internet */
}

static void ask(client* self) {
  const wasi_net_ciovec query = {self->query, (uint32_t)self->query_size};
  uint32_t sent = 0;
  if (self->stream >= 0) {
    if (write(self->stream, self->query, self->query_size) < 0) fail("write: %s", strerror(errno));
  } else {
    check(wasi_net_send_to(self->control, &query, 1, self->server, strlen(self->server), &sent), self->server);
  }
}

/* 0: nothing came within a second. */
static int wait_for_answer(const client* self) {
  __wasi_subscription_t wanted[2] = {{0}, {0}};
  __wasi_event_t events[2];
  __wasi_size_t count = 0;
  wanted[0].u.tag = __WASI_EVENTTYPE_FD_READ;
  wanted[0].u.u.fd_read.file_descriptor = self->stream >= 0 ? self->stream : self->control;
  wanted[1].u.tag = __WASI_EVENTTYPE_CLOCK;
  wanted[1].u.u.clock.id = __WASI_CLOCKID_MONOTONIC;
  wanted[1].u.u.clock.timeout = 1000 * 1000 * 1000;
  check(__wasi_poll_oneoff(wanted, events, 2, &count), "poll");
  for (__wasi_size_t i = 0; i < count; ++i) {
    if (events[i].type == __WASI_EVENTTYPE_FD_READ) return 1;
  }
  return 0;
}

static void take_answer(client* self) {
  const wasi_net_iovec in = {self->answer, sizeof self->answer};
  char peer[256];
  uint32_t peer_length = 0;
  uint32_t size = 0;
  if (self->stream >= 0) {
    const ssize_t got = read(self->stream, self->answer, sizeof self->answer);
    if (got < 0) fail("read: %s", strerror(errno));
    size = (uint32_t)got;
  } else {
    check(wasi_net_recv_from(self->control, &in, 1, peer, sizeof peer, &peer_length, &size), "recv_from");
  }
  self->answer_size = size;
}

static unsigned get16(const client* self, size_t at) {
  if (at + 2 > self->answer_size) fail("the answer is cut short");
  return (unsigned)self->answer[at] << 8 | self->answer[at + 1];
}

/* Behind the name at `at`. */
static size_t skip_name(const client* self, size_t at) {
  for (;;) {
    if (at >= self->answer_size) fail("the answer is cut short");
    const uint8_t length = self->answer[at];
    if (length >= 0xc0) return at + 2;
    if (length == 0) return at + 1;
    at += length + 1u;
  }
}

static void print_address(const uint8_t* bytes, size_t size) {
  if (size == 4) printf("%u.%u.%u.%u\n", bytes[0], bytes[1], bytes[2], bytes[3]);
  for (size_t i = 0; size == 16 && i < 16; i += 2) {
    printf("%x%s", (unsigned)bytes[i] << 8 | bytes[i + 1], i == 14 ? "\n" : ":");
  }
}

static void print_answer(const client* self, unsigned type) {
  const unsigned flags = get16(self, 2);
  if ((flags & 0xf) != 0) fail("the server answers with code %u", flags & 0xf);
  if ((flags & 0x0200) != 0) fail("the answer does not fit into a datagram");
  size_t at = 12;
  for (unsigned left = get16(self, 4); left > 0; --left) at = skip_name(self, at) + 4;
  for (unsigned left = get16(self, 6); left > 0; --left) {
    at = skip_name(self, at);
    const unsigned record = get16(self, at);
    const unsigned size = get16(self, at + 8);
    at += 10;
    if (at + size > self->answer_size) fail("the answer is cut short");
    if (record == type && size == (type == kTypeA ? 4u : 16u)) print_address(self->answer + at, size);
    at += size;
  }
}

int main(int argc, char** argv) {
  if (argc < 4) fail("usage: dns_client PROTOCOL SERVER NAME [--ipv6] [--send-to]");
  unsigned type = kTypeA;
  int connected = 1;
  for (int i = 4; i < argc; ++i) {
    if (strcmp(argv[i], "--ipv6") == 0) {
      type = kTypeAaaa;
    } else if (strcmp(argv[i], "--send-to") == 0) {
      connected = 0;
    } else {
      fail("dns_client: unknown option %s", argv[i]);
    }
  }
  static client self;
  self.server = argv[2];
  self.stream = -1;
  const char* any = *argv[2] == '[' ? "[::]:0" : "0.0.0.0:0";
  self.control = open_typed(find_protocol(argv[1]), any, WASI_NET_DGRAM, 0);
  if (connected) {
    wasi_net_fd connection = -1;
    check(wasi_net_connect(self.control, argv[2], strlen(argv[2]), &connection), argv[2]);
    const wasi_net_rights rights = inheritable(connection);
    check(wasi_net_stream_create(connection, rights, rights, 0, &self.stream), "stream_create");
  }
  uint16_t id = 0;
  check(__wasi_random_get((uint8_t*)&id, sizeof id), "random");
  make_query(&self, id, argv[3], type);
  for (int try = 0; try < kTries; ++try) {
    ask(&self);
    while (wait_for_answer(&self)) {
      take_answer(&self);
      const int is_ours = self.answer_size >= 12 && get16(&self, 0) == id && (get16(&self, 2) & 0x8000) != 0;
      if (!is_ours) continue; /* a late one, or not an answer */
      print_answer(&self, type);
      return 0;
    }
  }
  fail("no answer from %s", self.server);
}
