/* denied PROTOCOL [ADDRESS...]
 *
 * Tries what a guest with an ordinary policy may not do, and to connect to each ADDRESS, and prints for each attempt
 * what the answer was. Exit code 0 when every attempt was refused. */
#include "guest.h"

static int granted;

static void tried(const char* what, const char* target, wasi_net_errno error) {
  printf("%s %s: %s\n", what, target, wasi_net_errno_name(error));
  if (error == WASI_NET_ERRNO_success) ++granted;
}

static void try_connect(wasi_net_fd protocol, const char* address) {
  const wasi_net_rights rights = inheritable(protocol);
  wasi_net_fd control = -1;
  wasi_net_fd connection = -1;
  wasi_net_errno error = wasi_net_open(protocol, "[::]:0", 6, WASI_NET_STREAM, rights, rights, 0, &control);
  if (error == WASI_NET_ERRNO_success) {
    error = wasi_net_connect(control, address, strlen(address), &connection);
    close(control);
  }
  if (error == WASI_NET_ERRNO_success) close(connection);
  tried("connect", address, error);
}

static void try_bind(wasi_net_fd protocol, const char* address) {
  const wasi_net_rights rights = inheritable(protocol);
  wasi_net_fd control = -1;
  const wasi_net_errno error =
      wasi_net_open(protocol, address, strlen(address), WASI_NET_STREAM, rights, rights, 0, &control);
  if (error == WASI_NET_ERRNO_success) close(control);
  tried("open", address, error);
}

static void try_resolve(wasi_net_fd protocol, const char* name) {
  char addresses[1024];
  uint32_t length = 0;
  tried("resolve", name, wasi_net_resolve(protocol, name, strlen(name), addresses, sizeof addresses, &length));
}

/* More rights than the fd has, by the three ways there are. */
static void try_to_widen(wasi_net_fd protocol) {
  const wasi_net_rights none = 0;
  const wasi_net_rights all = ~UINT64_C(0);
  wasi_net_fd weak = -1;
  wasi_net_fd strong = -1;
  check(wasi_net_restrict(protocol, none, none, &weak), "restrict");
  tried("restrict", "to more rights", wasi_net_restrict(weak, all, all, &strong));
  tried("set rights", "to more rights", __wasi_fd_fdstat_set_rights(weak, all, all));
  tried("open", "without the right", wasi_net_open(weak, "[::]:0", 6, WASI_NET_STREAM, none, none, 0, &strong));
  close(weak);
}

int main(int argc, char** argv) {
  static const char* const places[] = {"169.254.169.254:80", "127.0.0.1:22", "[::1]:22", "[::ffff:127.0.0.1]:22",
                                       "not-in-the-policy.invalid:443"};
  if (argc < 2) fail("usage: denied PROTOCOL [ADDRESS...]");
  const wasi_net_fd protocol = find_protocol(argv[1]);
  for (size_t i = 0; i < sizeof places / sizeof places[0]; ++i) try_connect(protocol, places[i]);
  for (int i = 2; i < argc; ++i) try_connect(protocol, argv[i]);
  try_bind(protocol, "0.0.0.0:22");
  try_resolve(protocol, "not-in-the-policy.invalid");
  try_to_widen(protocol);
  wasi_net_fd other = -1;
  tried("protocol", "of-another-tenant", wasi_net_protocol_get("of-another-tenant", 17, &other));
  __wasi_fd_t file = 0;
  tried("path_open", "/etc/passwd",
        __wasi_path_open(protocol, 0, "/etc/passwd", 0, __WASI_RIGHTS_FD_READ, 0, 0, &file));
  if (granted != 0) fail("%d attempts were not refused", granted);
  return 0;
}
