/* http_get PROTOCOL HOST:PORT PATH
 *
 * Gets PATH by HTTP/1.1 and writes the body to stdout as it comes, unchanged. Exit code 1, with a reason on stderr, for
 * any status but 200, a body that ends early, or no connection. */
#include <strings.h>

#include "guest.h"

static struct {
  wasi_net_fd stream;
  size_t at, end; /* what is buffered: bytes [at, end) */
  char bytes[64 * 1024];
} input;

/* Reads more into the empty buffer; 0 at the end of the stream. */
static size_t fill(void) {
  const ssize_t got = read(input.stream, input.bytes, sizeof input.bytes);
  if (got < 0) fail("read: %s", strerror(errno));
  input.at = 0;
  input.end = (size_t)got;
  return input.end;
}

/* One line without its CR LF. */
static void read_line(char* line, size_t capacity) {
  size_t length = 0;
  for (;;) {
    if (input.at == input.end && fill() == 0) fail("the server closed the connection within the headers");
    const char c = input.bytes[input.at++];
    if (c == '\n') break;
    if (length + 1 == capacity) fail("the server sent a header line of more than %zu bytes", capacity);
    line[length++] = c;
  }
  if (length > 0 && line[length - 1] == '\r') --length;
  line[length] = '\0';
}

static unsigned long long number(const char* text, int base) {
  char* end = NULL;
  errno = 0;
  const unsigned long long value = strtoull(text, &end, base);
  if (end == text || errno != 0 || *text == '-' || (*end != '\0' && *end != ' ' && *end != ';')) {
    fail("the server sent a bad length: %s", text);
  }
  return value;
}

static void copy_exactly(unsigned long long size) {
  while (size > 0) {
    if (input.at == input.end && fill() == 0) fail("the body ended %llu bytes early", size);
    size_t now = input.end - input.at;
    if (now > size) now = (size_t)size;
    write_all(STDOUT_FILENO, input.bytes + input.at, now);
    input.at += now;
    size -= now;
  }
}

static void copy_chunks(void) {
  char line[1024];
  for (;;) {
    read_line(line, sizeof line);
    const unsigned long long size = number(line, 16);
    if (size == 0) return;
    copy_exactly(size);
    read_line(line, sizeof line);
    if (line[0] != '\0') fail("a chunk is longer than its length says");
  }
}

static void copy_to_end(void) {
  do {
    write_all(STDOUT_FILENO, input.bytes + input.at, input.end - input.at);
  } while (fill() > 0);
}

static void send_request(const char* host, const char* path) {
  char request[4096];
  const int length = snprintf(request, sizeof request,
                              "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: wasi-netd-http_get\r\nAccept: */*\r\n"
                              "Connection: close\r\n\r\n",
                              path, host);
  if (length < 0 || (size_t)length >= sizeof request) fail("the path is too long");
  write_all(input.stream, request, (size_t)length);
}

/* The value of header `name` if `line` is it. */
static const char* header(const char* line, const char* name) {
  const size_t length = strlen(name);
  if (strncasecmp(line, name, length) != 0 || line[length] != ':') return NULL;
  const char* value = line + length + 1;
  while (*value == ' ' || *value == '\t') ++value;
  return value;
}

int main(int argc, char** argv) {
  if (argc != 4) fail("usage: http_get PROTOCOL HOST:PORT PATH");
  input.stream = connect_to(find_protocol(argv[1]), argv[2]);
  send_request(argv[2], argv[3]);

  char line[16 * 1024];
  read_line(line, sizeof line);
  int status = 0;
  if (sscanf(line, "HTTP/1.%*1d %d", &status) != 1) fail("not an HTTP server: %.60s", line);
  if (status != 200) fail("status %d", status);

  int chunked = 0;
  int has_length = 0;
  unsigned long long length = 0;
  for (read_line(line, sizeof line); line[0] != '\0'; read_line(line, sizeof line)) {
    const char* value = NULL;
    if ((value = header(line, "Content-Length")) != NULL) {
      length = number(value, 10);
      has_length = 1;
    } else if ((value = header(line, "Transfer-Encoding")) != NULL) {
      chunked = strcasecmp(value, "chunked") == 0;
    }
  }
  if (chunked) {
    copy_chunks();
  } else if (has_length) {
    copy_exactly(length);
  } else {
    copy_to_end();
  }
  close(input.stream);
  return 0;
}
