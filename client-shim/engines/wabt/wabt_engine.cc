// wabt's interpreter: slow, but it shares nothing with Wasmtime and so shows that the import table is engine-neutral.
//
// It was not made for hostile modules, so what it does not bound is bounded here before a module runs: memory, tables
// and locals (its value stack grows by a function's locals with each call). Bulk memory is off: a data.drop of a module
// whose data section is missing crashes it. Nothing may be thrown through its frames. A guest that only computes cannot
// be interrupted: it ends at its next import call.
#include <algorithm>
#include <array>
#include <new>
#include <vector>

#include "engines/engine.h"
#include "engines/text.h"
#include "wabt/binary-reader.h"
#include "wabt/cast.h"
#include "wabt/error.h"
#include "wabt/interp/binary-reader-interp.h"
#include "wabt/interp/interp.h"

namespace wasi_netd::engines {
namespace {

namespace interp = wabt::interp;

constexpr uint64_t kMaxLocals = 4096;  // of one function; times the frames of its 64 KiB call stack
constexpr uint64_t kPage = uint64_t{64} << 10;

wabt::Features features() {
  wabt::Features chosen;
  chosen.disable_reference_types();  // they would turn bulk memory on again
  chosen.disable_bulk_memory();
  return chosen;
}

Outcome not_started(std::string message) { return {Outcome::Kind::kError, 0, std::move(message)}; }

// Lowers a limit's ceiling to `most`; false when the module starts above it.
bool cap(wabt::Limits* limits, uint64_t most) {
  if (limits->initial > most) return false;
  limits->max = limits->has_max ? std::min(limits->max, most) : most;
  limits->has_max = true;
  return true;
}

// An error text, or empty.
std::string bound(interp::ModuleDesc* module, uint64_t max_memory) {
  for (auto& memory : module->memories) {
    if (!cap(&memory.type.limits, max_memory / kPage)) return "the module's memory is larger than allowed";
  }
  for (auto& table : module->tables) {
    if (!cap(&table.type.limits, kMaxTableElements)) return "a table of the module is larger than allowed";
  }
  for (const auto& function : module->funcs) {
    uint64_t locals = function.type.params.size();
    for (const auto& group : function.locals) locals += group.count;
    if (locals > kMaxLocals) return "a function of the module has more locals than allowed";
  }
  return {};
}

wasi_netd_memory current_memory(interp::Thread& thread) {
  const interp::Instance* caller = thread.GetCallerInstance();
  if (caller == nullptr || caller->memories().empty()) return {nullptr, 0};
  const interp::Memory::Ptr memory(thread.store(), caller->memories()[0]);
  return {memory->UnsafeData(), memory->ByteSize()};
}

// Calls the import; its result, if it has one, goes to results[0].
wabt::Result call_import(const wasi_netd_import& import, wasi_netd_instance* instance, interp::Thread& thread,
                         const interp::Values& values, interp::Values& results, interp::Trap::Ptr* trap) {
  std::array<uint64_t, WASI_NETD_IMPORT_MAX_PARAMETERS> arguments;
  const char* type = import.signature == nullptr ? ":i" : import.signature;
  for (size_t i = 0; type[i] != ':'; ++i) {
    arguments[i] = type[i] == 'I' ? values[i].Get<interp::u64>() : values[i].Get<interp::u32>();
  }
  const uint32_t answer = import.call(instance, current_memory(thread), arguments.data());
  if (wasi_netd_instance_exited(instance, nullptr) != 0) {
    *trap = interp::Trap::New(thread.store(), "exit");
    return wabt::Result::Error;
  }
  if (!results.empty()) results[0] = interp::Value::Make(answer);
  return wabt::Result::Ok;
}

interp::ValueTypes value_types(std::string_view letters) {
  interp::ValueTypes types;
  for (const char letter : letters) {
    types.push_back(letter == 'I' ? interp::ValueType::I64 : interp::ValueType::I32);
  }
  return types;
}

// Makes the function for one import; an error text, or empty.
std::string bind(interp::Store& store, wasi_netd_instance* instance, const interp::ImportType& wanted,
                 std::vector<interp::HostFunc::Ptr>* functions) {
  const auto* import = wasi_netd_import_find(wanted.module.c_str(), wanted.name.c_str());
  const auto* type = wabt::dyn_cast<interp::FuncType>(wanted.type.get());
  if (import == nullptr || type == nullptr) return unknown_import(wanted.module, wanted.name);
  if (import->signature == nullptr) {
    if (type->results != value_types("i")) return unknown_import(wanted.module, wanted.name);
  } else {
    const std::string_view signature = import->signature;
    const size_t colon = signature.find(':');
    if (type->params != value_types(signature.substr(0, colon)) ||
        type->results != value_types(signature.substr(colon + 1))) {
      return one_line("the module imports " + wanted.module + "." + wanted.name + " with a wrong type");
    }
  }
  auto call = [import, instance](interp::Thread& thread, const interp::Values& values, interp::Values& results,
                                 interp::Trap::Ptr* trap) {
    return call_import(*import, instance, thread, values, results, trap);
  };
  functions->push_back(interp::HostFunc::New(store, *type, std::move(call)));
  return {};
}

Outcome ended(wasi_netd_instance* instance, wabt::Result result, const interp::Trap::Ptr& trap) {
  Outcome outcome;
  if (wabt::Succeeded(result) || wasi_netd_instance_exited(instance, &outcome.exit_code) != 0) return outcome;
  outcome.kind = Outcome::Kind::kTrap;
  outcome.message = trap ? one_line(trap->message()) : "trap";
  return outcome;
}

// One run: the module in a store of its own, so that runs share nothing.
Outcome run_in(interp::Store& store, interp::ModuleDesc description, wasi_netd_instance* instance) {
  const auto module = interp::Module::New(store, std::move(description));
  std::vector<interp::HostFunc::Ptr> functions;  // hold on to them: what nothing roots may be collected
  interp::RefVec imports;
  for (const auto& wanted : module->import_types()) {
    std::string error = bind(store, instance, wanted, &functions);
    if (!error.empty()) return not_started(std::move(error));
    imports.push_back(functions.back().ref());
  }
  const auto& exports = module->export_types();
  const auto start = std::find_if(exports.begin(), exports.end(), [](const interp::ExportType& item) {
    return item.name == "_start" && item.type->kind == interp::ExternKind::Func;
  });
  if (start == exports.end()) return not_started("the module exports no function _start");
  const auto* type = wabt::cast<interp::FuncType>(start->type.get());
  if (!type->params.empty() || !type->results.empty()) return not_started("the module's _start has a wrong type");

  interp::Trap::Ptr trap;
  const auto made = interp::Instance::Instantiate(store, module.ref(), imports, &trap);
  if (!made) return ended(instance, wabt::Result::Error, trap);
  const auto function = store.UnsafeGet<interp::Func>(made->exports()[static_cast<size_t>(start - exports.begin())]);
  interp::Values results;
  const auto result = function->Call(store, {}, results, &trap);
  return ended(instance, result, trap);
}

class WabtModule final : public Module {
 public:
  explicit WabtModule(interp::ModuleDesc description) : description_(std::move(description)) {}

  Outcome run(wasi_netd_instance* instance, const RunOptions& options) override {
    try {
      interp::ModuleDesc description = description_;
      std::string error = bound(&description, options.max_memory);
      if (!error.empty()) return not_started(std::move(error));
      interp::Store store(features());
      return run_in(store, std::move(description), instance);
    } catch (const std::bad_alloc&) {
      return not_started("out of memory");
    }
  }

 private:
  const interp::ModuleDesc description_;
};

class WabtEngine final : public Engine {
 public:
  std::unique_ptr<Module> load(const std::vector<uint8_t>& wasm, std::string* error) override {
    const wabt::ReadBinaryOptions options(features(), nullptr, false, true, false);
    wabt::Errors errors;
    interp::ModuleDesc description;
    if (wabt::Failed(interp::ReadBinaryInterp("module", wasm.data(), wasm.size(), options, &errors, &description))) {
      *error = errors.empty() ? "not a WebAssembly module" : one_line(errors[0].message);
      return nullptr;
    }
    return std::make_unique<WabtModule>(std::move(description));
  }
  void interrupt() override {}
};

}  // namespace

std::unique_ptr<Engine> make_wabt() { return std::make_unique<WabtEngine>(); }

}  // namespace wasi_netd::engines
