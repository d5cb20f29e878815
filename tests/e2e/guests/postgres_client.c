/* postgres_client PROTOCOL ADDRESS USER QUERY
 *
 * Speaks version 3 of PostgreSQL's protocol: the start-up message of a user that needs no password, one simple query,
 * and the end. Prints each column of each row on a line of its own. Exit code 1 with the server's words on an error. */
#include "guest.h"

enum { kMessage = 16 * 1024 * 1024 };

static wasi_net_fd server;
static char message[64 * 1024];
static size_t message_size;
static char* body;
static size_t body_size;

static void put(const void* bytes, size_t size) {
  if (size > sizeof message - message_size) fail("the query is too long");
  memcpy(message + message_size, bytes, size);
  message_size += size;
}
static void put_text(const char* text) { put(text, strlen(text) + 1); }
static void put_number(uint32_t number) {
  const unsigned char bytes[4] = {number >> 24 & 255, number >> 16 & 255, number >> 8 & 255, number & 255};
  put(bytes, sizeof bytes);
}
/* Sends it with its length, which counts itself and not the type; the start-up message has no type. */
static void send_message(char type) {
  char head[5] = {type, 0, 0, 0, 0};
  const size_t length = message_size + 4;
  for (int i = 0; i < 4; ++i) head[1 + i] = (char)(length >> (24 - 8 * i));
  const size_t skipped = type == 0;
  write_all(server, head + skipped, sizeof head - skipped);
  write_all(server, message, message_size);
  message_size = 0;
}

static void read_exactly(char* bytes, size_t size) {
  while (size > 0) {
    const ssize_t got = read(server, bytes, size);
    if (got < 0) fail("read: %s", strerror(errno));
    if (got == 0) fail("the server closed the connection");
    bytes += got;
    size -= (size_t)got;
  }
}
static uint32_t number_at(const char* at) {
  const unsigned char* bytes = (const unsigned char*)at;
  return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static void print_row(void) {
  if (body_size < 2) fail("a row without a count");
  const size_t columns = (size_t)(unsigned char)body[0] << 8 | (unsigned char)body[1];
  size_t at = 2;
  for (size_t i = 0; i < columns; ++i) {
    if (body_size - at < 4) fail("a row that ends early");
    const uint32_t size = number_at(body + at);
    at += 4;
    if (size == UINT32_MAX) { /* NULL */
      printf("\n");
      continue;
    }
    if (size > body_size - at) fail("a column that ends early");
    printf("%.*s\n", (int)size, body + at);
    at += size;
  }
}

/* One message into `body`, ended by a NUL. An error of the server's ends the guest. */
static char receive(void) {
  char head[5];
  read_exactly(head, sizeof head);
  const uint32_t length = number_at(head + 1);
  if (length < 4 || length > kMessage) fail("a message of %u bytes", length);
  body_size = length - 4;
  free(body);
  body = malloc(body_size + 1);
  if (body == NULL) fail("out of memory");
  read_exactly(body, body_size);
  body[body_size] = '\0';
  if (head[0] != 'E') return head[0];
  const char* field = body; /* a letter and a text each; M is the message */
  while (*field != '\0' && *field != 'M') field += strlen(field) + 1;
  fail("the server says: %s", *field == '\0' ? "(nothing)" : field + 1);
}

int main(int argc, char** argv) {
  if (argc != 5) fail("usage: postgres_client PROTOCOL ADDRESS USER QUERY");
  server = connect_to(find_protocol(argv[1]), argv[2]);
  put_number(3 << 16);
  put_text("user");
  put_text(argv[3]);
  put_text("database");
  put_text("postgres");
  put("", 1);
  send_message(0);
  int authenticated = 0;
  for (char type = receive(); type != 'Z'; type = receive()) {
    if (type == 'R') authenticated = body_size == 4 && number_at(body) == 0;
  }
  if (!authenticated) fail("the server wants a password");

  put_text(argv[4]);
  send_message('Q');
  for (char type = receive(); type != 'Z'; type = receive()) {
    if (type == 'D') print_row();
  }
  send_message('X');
  close(server);
  return 0;
}
