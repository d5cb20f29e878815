#pragma once
// The manifest: a YAML file that names the guests to run. Strict: what is not understood is an error with its place.
//
//   guests:
//     - name: billing                  # to the daemon; at most 64 letters, digits, '-', '_', '.'
//       socket: /run/wasi-netd/tenants/acme.sock
//       wasm: http_get.wasm
//       args: [web, "api.example.com:443", /]
//       env: {LANG: C}
//       rights: [open, connect, stream_create, read, write, poll]
//       engine: wasmtime               # or wabt
//       count: 3                       # as many instances of it
//       max_memory: 64MiB
//       stdin: null                    # null, inherit or a file; stdout and stderr too (inherit)
//
// `socket` and `wasm` must be there, the rest may be left out. Paths are relative to the manifest's directory. A file
// for stdout or stderr is emptied before the first guest runs and then appended to, by all that name it: the instances
// of one entry, several guests, or both outputs of one.
#include <string>
#include <vector>

#include "host/guest_spec.h"

namespace wasi_netd::host {

struct Manifest {
  std::vector<GuestSpec> guests;    // instances: a guest with `count: 3` is here three times
  std::vector<std::string> errors;  // "file:line:column: message"; not empty: the guests are not to be run
};

// Never throws. Reads at most 1 MiB.
Manifest load_manifest(const std::string& path);
Manifest parse_manifest(const std::string& text, const std::string& path);

}  // namespace wasi_netd::host
