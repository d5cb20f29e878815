#pragma once
// What the host program asks of a Wasm engine, whichever it is.
//
// An Engine outlives its Modules, a Module the runs in it; the host owns all three. `load`, `interrupt` and `run` may
// be called from several threads at once, one `run` per instance. Nothing throws. Guests are hostile: whatever the
// bytes are, loading and running end in an error text or a trap, never in the process.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "wasi_netd/guest_abi.h"

namespace wasi_netd::engines {

struct RunOptions {
  uint64_t max_memory = uint64_t{256} << 20;  // bytes of linear memory; more is refused to the guest
};

// How a guest ended.
struct Outcome {
  enum class Kind : uint8_t { kExit, kTrap, kError };
  Kind kind = Kind::kExit;
  uint32_t exit_code = 0;  // kExit: 0 when _start returned, else proc_exit's or the requested exit's
  std::string message;     // kTrap, kError (could not be started): one line
};

class Module {
 public:
  virtual ~Module() = default;
  // Runs the module's _start on the calling thread, its imports bound to the instance, which the caller keeps.
  virtual Outcome run(wasi_netd_instance* instance, const RunOptions& options) = 0;
};

class Engine {
 public:
  virtual ~Engine() = default;
  // Compiles and links a module once; many runs share it. Null: it cannot be run, *error says why in one line.
  virtual std::unique_ptr<Module> load(const std::vector<uint8_t>& wasm, std::string* error) = 0;
  // Makes guests that compute look at their requested exit (wasi_netd_instance_request_exit, called before) now, and
  // those that only now begin to. An engine that cannot ends them at their next import call.
  virtual void interrupt() = 0;
};

// Null, with *error set, where the engine cannot be had.
std::unique_ptr<Engine> make_wasmtime(std::string* error);
std::unique_ptr<Engine> make_wabt();

// The longest stack a guest may use within an engine: host threads need this and what the shim takes.
inline constexpr size_t kGuestStack = size_t{512} << 10;
inline constexpr uint32_t kMaxTableElements = 1 << 17;  // per table

}  // namespace wasi_netd::engines
