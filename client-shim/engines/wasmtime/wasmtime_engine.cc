// Wasmtime: compiles to machine code. The import table is bound once per module; every run has a store of its own.
//
// A guest is stopped by the engine's epoch: `interrupt` advances it, each running store's callback then looks whether
// its own instance was asked to exit. Traps come from signals (SIGSEGV and kin), for which Wasmtime installs handlers
// that pass on what is not its own.
#include <array>
#include <limits>
#include <vector>

#include "engines/engine.h"
#include "engines/text.h"
#include "engines/wasmtime/wasmtime_abi.h"

namespace wasi_netd::engines {
namespace {

template <auto destroy>
struct Deleter {
  template <class T>
  void operator()(T* object) const {
    destroy(object);
  }
};
template <class T, auto destroy>
using Owned = std::unique_ptr<T, Deleter<destroy>>;
using Error = Owned<wasmtime_error_t, wasmtime_error_delete>;
using Trap = Owned<wasm_trap_t, wasm_trap_delete>;

template <auto read_message, class T>
std::string message_of(const T& failure) {
  wasm_byte_vec_t bytes{};
  read_message(failure.get(), &bytes);
  std::string text(reinterpret_cast<const char*>(bytes.data), bytes.size);
  wasm_byte_vec_delete(&bytes);
  return text;
}

std::string text_of(const Error& error) { return one_line(message_of<wasmtime_error_message>(error)); }

// Why a guest that ran ended, without the backtrace that stands before the cause.
std::string cause_of(const Error& error, const Trap& trap) {
  constexpr std::string_view kCause = "Caused by:";
  const std::string text = trap ? message_of<wasm_trap_message>(trap) : message_of<wasmtime_error_message>(error);
  const size_t at = text.rfind(kCause);
  return one_line(at == std::string::npos ? text : text.substr(at + kCause.size()));
}

// What the imports of one run need; the store's data.
struct Run {
  wasi_netd_instance* instance = nullptr;
  bool has_memory = false;
  wasmtime_memory_t memory{};
};

// The guest's memory as it is now. Which memory the export names never changes, so it is looked up once per run.
wasi_netd_memory current_memory(wasmtime_caller_t* caller, wasmtime_context_t* context, Run& run) {
  constexpr std::string_view kName = "memory";
  if (!run.has_memory) {
    wasmtime_extern_t item{};
    if (!wasmtime_caller_export_get(caller, kName.data(), kName.size(), &item)) return {nullptr, 0};
    run.has_memory = item.kind == WASMTIME_EXTERN_MEMORY;
    if (run.has_memory) run.memory = item.of.memory;
    wasmtime_extern_delete(&item);
    if (!run.has_memory) return {nullptr, 0};
  }
  return {wasmtime_memory_data(context, &run.memory), wasmtime_memory_data_size(context, &run.memory)};
}

wasm_trap_t* call_import(void* env, wasmtime_caller_t* caller, wasmtime_val_raw_t* values, size_t) {
  const auto& import = *static_cast<const wasi_netd_import*>(env);
  wasmtime_context_t* context = wasmtime_caller_context(caller);
  auto& run = *static_cast<Run*>(wasmtime_context_get_data(context));
  std::array<uint64_t, WASI_NETD_IMPORT_MAX_PARAMETERS> arguments;
  const char* type = import.signature == nullptr ? ":i" : import.signature;
  for (size_t i = 0; type[i] != ':'; ++i) {
    arguments[i] = type[i] == 'I' ? static_cast<uint64_t>(values[i].i64) : static_cast<uint32_t>(values[i].i32);
  }
  values[0].i32 =
      static_cast<int32_t>(import.call(run.instance, current_memory(caller, context, run), arguments.data()));
  return wasi_netd_instance_exited(run.instance, nullptr) == 0 ? nullptr : wasmtime_trap_new("exit", 4);
}

wasmtime_error_t* at_epoch(wasmtime_context_t*, void* data, uint64_t* delta, uint8_t*) {
  *delta = 1;
  const auto* instance = static_cast<const wasi_netd_instance*>(data);
  return wasi_netd_instance_exit_requested(instance, nullptr) == 0 ? nullptr : wasmtime_error_new("interrupted");
}

wasm_valtype_vec_t value_types(std::string_view letters) {
  std::vector<wasm_valtype_t*> types;
  for (const char letter : letters) types.push_back(wasm_valtype_new(letter == 'I' ? WASM_I64 : WASM_I32));
  wasm_valtype_vec_t taken{};
  wasm_valtype_vec_new(&taken, types.size(), types.data());
  return taken;
}

using FuncType = Owned<wasm_functype_t, wasm_functype_delete>;

FuncType function_type(std::string_view signature) {
  const size_t colon = signature.find(':');
  auto parameters = value_types(signature.substr(0, colon));
  auto results = value_types(signature.substr(colon + 1));
  return FuncType(wasm_functype_new(&parameters, &results));
}

bool gives_one_i32(const wasm_functype_t* type) {
  const wasm_valtype_vec_t* results = wasm_functype_results(type);
  return results->size == 1 && wasm_valtype_kind(results->data[0]) == WASM_I32;
}

std::string_view name_of(const wasm_byte_vec_t* bytes) {
  return {reinterpret_cast<const char*>(bytes->data), bytes->size};
}

using Linker = Owned<wasmtime_linker_t, wasmtime_linker_delete>;

// Defines one import of the module; an error text, or empty. What is not a function, or has another type than the
// table's entry, is left to the linker's own check.
std::string define(wasmtime_linker_t* linker, const wasm_importtype_t* wanted) {
  const auto* wanted_type = wasm_externtype_as_functype_const(wasm_importtype_type(wanted));
  const std::string module(name_of(wasm_importtype_module(wanted)));
  const std::string name(name_of(wasm_importtype_name(wanted)));
  const bool plain = module.find('\0') == std::string::npos && name.find('\0') == std::string::npos;
  const auto* import = plain ? wasi_netd_import_find(module.c_str(), name.c_str()) : nullptr;
  if (wanted_type == nullptr || import == nullptr) return unknown_import(module, name);
  if (import->signature == nullptr && !gives_one_i32(wanted_type)) return unknown_import(module, name);
  const auto own_type = import->signature == nullptr ? nullptr : function_type(import->signature);
  const Error error(wasmtime_linker_define_func_unchecked(linker, module.data(), module.size(), name.data(),
                                                          name.size(), own_type ? own_type.get() : wanted_type,
                                                          call_import, const_cast<wasi_netd_import*>(import), nullptr));
  return error ? text_of(error) : std::string();
}

class WasmtimeModule final : public Module {
 public:
  WasmtimeModule(wasm_engine_t* engine, Owned<wasmtime_module_t, wasmtime_module_delete> module)
      : engine_(engine), module_(std::move(module)) {}

  // An error text, or empty.
  std::string link() {
    const Linker linker(wasmtime_linker_new(engine_));
    wasmtime_linker_allow_shadowing(linker.get(), true);  // a module may import one function twice
    wasm_importtype_vec_t imports{};
    wasmtime_module_imports(module_.get(), &imports);
    const Owned<wasm_importtype_vec_t, wasm_importtype_vec_delete> imports_owned(&imports);
    for (size_t i = 0; i < imports.size; ++i) {
      std::string text = define(linker.get(), imports.data[i]);
      if (!text.empty()) return text;
    }
    wasmtime_instance_pre_t* ready = nullptr;
    const Error error(wasmtime_linker_instantiate_pre(linker.get(), module_.get(), &ready));
    ready_.reset(ready);
    return error ? text_of(error) : std::string();
  }

  Outcome run(wasi_netd_instance* instance, const RunOptions& options) override {
    Run run{instance};
    const Owned<wasmtime_store_t, wasmtime_store_delete> store(wasmtime_store_new(engine_, &run, nullptr));
    const uint64_t most = std::numeric_limits<int64_t>::max();
    wasmtime_store_limiter(store.get(), static_cast<int64_t>(std::min(options.max_memory, most)), kMaxTableElements,
                           1 /* instance */, 16 /* tables */, 1 /* memory */);
    wasmtime_store_epoch_deadline_callback(store.get(), at_epoch, instance, nullptr);
    wasmtime_context_t* context = wasmtime_store_context(store.get());
    wasmtime_context_set_epoch_deadline(context, 1);
    // An interrupt that came before the deadline stood has passed: its exit was requested before it, and is seen here.
    Outcome stopped;
    if (wasi_netd_instance_exit_requested(instance, &stopped.exit_code) != 0) return stopped;

    wasmtime_instance_t made{};
    wasm_trap_t* raw_trap = nullptr;
    Error error(wasmtime_instance_pre_instantiate(ready_.get(), context, &made, &raw_trap));
    Trap trap(raw_trap);
    const bool started = !error && !trap;
    if (started) {
      constexpr std::string_view kStart = "_start";
      wasmtime_extern_t start{};
      const bool found = wasmtime_instance_export_get(context, &made, kStart.data(), kStart.size(), &start);
      if (!found || start.kind != WASMTIME_EXTERN_FUNC) {
        if (found) wasmtime_extern_delete(&start);
        return {Outcome::Kind::kError, 0, "the module exports no function _start"};
      }
      const FuncType type(wasmtime_func_type(context, &start.of.func));
      if (wasm_functype_params(type.get())->size != 0 || wasm_functype_results(type.get())->size != 0) {
        return {Outcome::Kind::kError, 0, "the module's _start has a wrong type"};
      }
      error.reset(wasmtime_func_call(context, &start.of.func, nullptr, 0, nullptr, 0, &raw_trap));
      trap.reset(raw_trap);
    }
    return outcome(instance, started, error, trap);
  }

 private:
  // Wasmtime tells some ends of a guest that runs as errors, as the garbage collector's heap being full.
  static Outcome outcome(wasi_netd_instance* instance, bool started, const Error& error, const Trap& trap) {
    Outcome ended;
    if (!error && !trap) return ended;
    if (wasi_netd_instance_exited(instance, &ended.exit_code) != 0) return ended;
    if (wasi_netd_instance_exit_requested(instance, &ended.exit_code) != 0) return ended;
    ended.kind = trap || started ? Outcome::Kind::kTrap : Outcome::Kind::kError;
    ended.message = trap || started ? cause_of(error, trap) : text_of(error);
    return ended;
  }

  wasm_engine_t* engine_;  // the Engine's, which outlives this
  Owned<wasmtime_module_t, wasmtime_module_delete> module_;
  Owned<wasmtime_instance_pre_t, wasmtime_instance_pre_delete> ready_;
};

class WasmtimeEngine final : public Engine {
 public:
  explicit WasmtimeEngine(wasm_engine_t* engine) : engine_(engine) {}

  std::unique_ptr<Module> load(const std::vector<uint8_t>& wasm, std::string* error) override {
    wasmtime_module_t* compiled = nullptr;
    const Error failure(wasmtime_module_new(engine_.get(), wasm.data(), wasm.size(), &compiled));
    if (failure) {
      *error = text_of(failure);
      return nullptr;
    }
    auto module =
        std::make_unique<WasmtimeModule>(engine_.get(), Owned<wasmtime_module_t, wasmtime_module_delete>(compiled));
    *error = module->link();
    if (!error->empty()) return nullptr;
    return module;
  }

  void interrupt() override { wasmtime_engine_increment_epoch(engine_.get()); }

 private:
  Owned<wasm_engine_t, wasm_engine_delete> engine_;
};

}  // namespace

std::unique_ptr<Engine> make_wasmtime(std::string* error) {
  wasm_config_t* config = wasm_config_new();
  wasmtime_config_epoch_interruption_set(config, true);
  wasmtime_config_max_wasm_stack_set(config, kGuestStack);
  // A memory that two threads see could change under a check; a 64-bit one has pointers that the table cannot take.
  wasmtime_config_wasm_threads_set(config, false);
  wasmtime_config_shared_memory_set(config, false);
  wasmtime_config_wasm_memory64_set(config, false);
  wasmtime_config_wasm_component_model_set(config, false);
  wasm_engine_t* engine = wasm_engine_new_with_config(config);
  if (engine == nullptr) {
    *error = "Wasmtime does not run on this machine";
    return nullptr;
  }
  return std::make_unique<WasmtimeEngine>(engine);
}

}  // namespace wasi_netd::engines
