/* redis_client PROTOCOL ADDRESS
 *
 * Speaks RESP to a redis server, byte by byte: PING, SET and GET of a binary value of a megabyte, GET of nothing, a
 * thousand INCRs in one write. The key `binary` is left behind. Exit code 1 where a reply is not what it must be. */
#include "guest.h"

enum { kValue = 1024 * 1024, kCounts = 1000 };

static wasi_net_fd server;
static char value[kValue], reply[kValue];

static void expect_bytes(const char* expected, size_t size, const char* what) {
  for (size_t have = 0; have < size;) {
    const ssize_t got = read(server, reply + have, size - have);
    if (got < 0) fail("%s: %s", what, strerror(errno));
    if (got == 0) fail("%s: the server closed the connection", what);
    have += (size_t)got;
  }
  if (memcmp(reply, expected, size) != 0) fail("%s: the reply is another: %.60s", what, reply);
}
static void expect(const char* expected, const char* what) { expect_bytes(expected, strlen(expected), what); }
static void say(const char* text) { write_all(server, text, strlen(text)); }

static void one_value(void) {
  char head[64];
  for (size_t i = 0; i < kValue; ++i) value[i] = (char)(i ^ i >> 8 ^ i >> 16); /* every byte, CR LF and NUL too */
  snprintf(head, sizeof head, "*3\r\n$3\r\nSET\r\n$6\r\nbinary\r\n$%d\r\n", kValue);
  say(head);
  write_all(server, value, kValue);
  say("\r\n");
  expect("+OK\r\n", "SET");

  say("*2\r\n$3\r\nGET\r\n$6\r\nbinary\r\n");
  snprintf(head, sizeof head, "$%d\r\n", kValue);
  expect(head, "GET");
  expect_bytes(value, kValue, "GET");
  expect("\r\n", "GET");
}

static void many_counts(void) {
  static const char incr[] = "*2\r\n$4\r\nINCR\r\n$7\r\ncounter\r\n";
  static char commands[kCounts * (sizeof incr - 1)];
  for (size_t i = 0; i < kCounts; ++i) memcpy(commands + i * (sizeof incr - 1), incr, sizeof incr - 1);
  write_all(server, commands, sizeof commands);
  for (int i = 1; i <= kCounts; ++i) {
    char answer[16];
    snprintf(answer, sizeof answer, ":%d\r\n", i);
    expect(answer, "INCR");
  }
}

int main(int argc, char** argv) {
  if (argc != 3) fail("usage: redis_client PROTOCOL ADDRESS");
  server = connect_to(find_protocol(argv[1]), argv[2]);
  say("*1\r\n$4\r\nPING\r\n");
  expect("+PONG\r\n", "PING");
  one_value();
  say("*2\r\n$3\r\nGET\r\n$7\r\nmissing\r\n");
  expect("$-1\r\n", "GET of nothing");
  many_counts();
  say("*2\r\n$3\r\nDEL\r\n$7\r\ncounter\r\n");
  expect(":1\r\n", "DEL");
  close(server);
  return 0;
}
