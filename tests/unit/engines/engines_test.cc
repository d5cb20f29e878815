// Both engines over one import table: the same module ends the same way in each, and hostile ones end in an error.
#include <fstream>
#include <iterator>
#include <random>
#include <thread>

#include "engines/engine.h"
#include "guest.h"

namespace wasi_netd::engines {
namespace {

using testing::TestParamInfo;
using testing::TestWithParam;
using testing::Values;

using Bytes = std::vector<uint8_t>;

Bytes wasm(const std::string& name) {
  std::ifstream file(WASI_NETD_TEST_MODULES "/" + name + ".wasm", std::ios::binary);
  EXPECT_TRUE(file) << name;
  return {std::istreambuf_iterator<char>(file), {}};
}

// The parameter is the engine's name.
class EngineTest : public TestWithParam<const char*> {
 protected:
  static std::unique_ptr<Engine> make(std::string_view name) {
    std::string error;
    auto engine = name == "wabt" ? make_wabt() : make_wasmtime(&error);
    EXPECT_NE(engine, nullptr) << error;
    return engine;
  }
  // Loads and runs; what cannot be loaded is an outcome of kind kError too.
  Outcome run(const Bytes& bytes) {
    std::string error;
    const auto module = engine_->load(bytes, &error);
    if (!module) return {Outcome::Kind::kError, 0, error};
    return module->run(guest_.instance(), {.max_memory = 64 << 20});
  }
  Outcome run(const std::string& name) { return run(wasm(name)); }

  Guest guest_;
  std::unique_ptr<Engine> engine_ = make(GetParam());
};

class WasmtimeTest : public EngineTest {};
class WabtTest : public EngineTest {};

void expect_exit(const Outcome& outcome, uint32_t code) {
  EXPECT_EQ(outcome.kind, Outcome::Kind::kExit) << outcome.message;
  EXPECT_EQ(outcome.exit_code, code);
}
void expect_error(const Outcome& outcome, const std::string& part) {
  EXPECT_EQ(outcome.kind, Outcome::Kind::kError);
  EXPECT_NE(outcome.message.find(part), std::string::npos) << outcome.message;
}
void expect_trap(const Outcome& outcome, const std::string& part) {
  EXPECT_EQ(outcome.kind, Outcome::Kind::kTrap);
  EXPECT_NE(outcome.message.find(part), std::string::npos) << outcome.message;
}

TEST_P(EngineTest, AStartThatReturnsIsExitCodeZero) { expect_exit(run("empty"), 0); }
TEST_P(EngineTest, EXIT_1_ProcExitEndsTheGuestAtOnce) { expect_exit(run("exit_7"), 7); }
TEST_P(EngineTest, ATrapSaysWhy) { expect_trap(run("trap"), "unreachable"); }
TEST_P(EngineTest, EndlessRecursionIsATrap) { expect_trap(run("recursion"), "exhausted"); }
TEST_P(EngineTest, AModuleWithoutStartIsRefused) { expect_error(run("no_start"), "_start"); }
TEST_P(EngineTest, AStartOfAnotherTypeIsRefused) { expect_error(run("start_with_parameter"), "_start"); }
TEST_P(EngineTest, AFunctionImportedTwiceIsBoundTwice) { expect_exit(run("twice"), 0); }

TEST_P(EngineTest, AnUnknownImportIsNamedOnOneLineWithoutItsControlCharacters) {
  const auto outcome = run("unknown_import");
  expect_error(outcome, "env.launch");
  EXPECT_EQ(outcome.message.find('\n'), std::string::npos);
  EXPECT_EQ(outcome.message.find('\x1b'), std::string::npos);
}

TEST_P(EngineTest, AnImportedMemoryIsRefused) { expect_error(run("memory_import"), "env.memory"); }
TEST_P(EngineTest, AnImportOfAnotherTypeIsRefused) { expect_error(run("wrong_type"), "sock_accept"); }
TEST_P(EngineTest, ACallThatPreview1DoesNotHaveIsNosys) { expect_exit(run("later_call"), WASI_NETD_ERRNO_nosys); }
TEST_P(EngineTest, FAULT_1_AGuestWithoutMemoryGetsFault) { expect_exit(run("no_memory"), WASI_NETD_ERRNO_fault); }

TEST_P(EngineTest, MemoryIsCappedAtTheStartAndWhenItGrows) {
  expect_error(run("large_memory"), "memory");
  expect_exit(run("grow"), 1);
}

TEST_P(EngineTest, ACallSeesTheMemoryThatHasGrown) { expect_exit(run("grow_then_call"), 0); }

TEST_P(EngineTest, ATableAboveTheCapIsRefused) { expect_error(run("large_table"), "table"); }

TEST_P(EngineTest, SixtyFourBitArgumentsArriveWhole) {
  expect_exit(run("wide_arguments"), 0);
  EXPECT_EQ(guest_.client.rights_base, 0x8877665544332211u);
  EXPECT_EQ(guest_.client.rights_inheriting, ~uint64_t{1});
}

TEST_P(EngineTest, INTR_1_AGuestThatCallsIsEndedFromAnotherThread) {
  std::thread other([&] {
    wasi_netd_instance_request_exit(guest_.instance(), 143);
    engine_->interrupt();
  });
  expect_exit(run("yield"), 143);
  other.join();
}

TEST_P(WasmtimeTest, INTR_1_AGuestThatComputesIsEndedFromAnotherThread) {
  std::string error;
  const auto module = engine_->load(wasm("spin"), &error);
  ASSERT_NE(module, nullptr) << error;
  std::thread other([&] {
    wasi_netd_instance_request_exit(guest_.instance(), 130);
    engine_->interrupt();  // once, whether the guest has begun to run or not
  });
  expect_exit(module->run(guest_.instance(), {}), 130);
  other.join();
}

TEST_P(WasmtimeTest, INTR_1_AGuestInterruptedBeforeItBeganToComputeIsEnded) {
  std::string error;
  const auto module = engine_->load(wasm("spin"), &error);
  ASSERT_NE(module, nullptr) << error;
  wasi_netd_instance_request_exit(guest_.instance(), 143);
  engine_->interrupt();
  expect_exit(module->run(guest_.instance(), {}), 143);
}

// Binary, because wabt's assembler has no garbage collection:
//   (type $bytes (array (mut i8))) (type $node (struct (field (ref null $bytes)) (field (ref null $node))))
//   (global $list (mut (ref null $node)) ref.null $node)
//   (func (export "_start") loop
//     (global.set $list (struct.new $node (array.new_default $bytes (i32.const 1000000)) (global.get $list))) br 0 end)
TEST_P(WasmtimeTest, AFullHeapOfTheGarbageCollectorIsATrap) {
  const Bytes endless_list = {0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x0f, 0x03, 0x5e, 0x78, 0x01, 0x5f,
                              0x02, 0x63, 0x00, 0x01, 0x63, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x02, 0x01, 0x02, 0x06,
                              0x07, 0x01, 0x63, 0x01, 0x01, 0xd0, 0x01, 0x0b, 0x07, 0x0a, 0x01, 0x06, 0x5f, 0x73, 0x74,
                              0x61, 0x72, 0x74, 0x00, 0x00, 0x0a, 0x17, 0x01, 0x15, 0x00, 0x03, 0x40, 0x41, 0xc0, 0x84,
                              0x3d, 0xfb, 0x07, 0x00, 0x23, 0x00, 0xfb, 0x00, 0x01, 0x24, 0x00, 0x0c, 0x00, 0x0b, 0x0b};
  expect_trap(run(endless_list), "GC heap out of memory");
}

TEST_P(EngineTest, AnInterruptLeavesOtherGuestsRunning) {
  std::string error;
  const auto module = engine_->load(wasm("grow"), &error);
  ASSERT_NE(module, nullptr) << error;
  engine_->interrupt();
  expect_exit(module->run(guest_.instance(), {.max_memory = 64 << 20}), 1);
}

TEST_P(EngineTest, OneModuleRunsInManyThreadsAtOnce) {
  std::string error;
  const auto module = engine_->load(wasm("exit_7"), &error);
  ASSERT_NE(module, nullptr) << error;
  std::vector<Outcome> outcomes(8);
  std::vector<std::thread> threads;
  threads.reserve(outcomes.size());
  for (auto& outcome : outcomes) {
    threads.emplace_back([&outcome, &module] {
      Guest own;
      outcome = module->run(own.instance(), {});
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& outcome : outcomes) expect_exit(outcome, 7);
}

TEST_P(EngineTest, WhatIsNotAModuleIsRefused) {
  expect_error(run(Bytes{}), "");
  expect_error(run(Bytes{0}), "");
  expect_error(run(Bytes(1 << 20, 0x61)), "");
}

TEST_P(EngineTest, EveryPrefixOfAModuleIsRefused) {
  const auto whole = wasm("wide_arguments");
  for (size_t size = 0; size < whole.size(); ++size) {
    const auto outcome = run(Bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size)));
    EXPECT_EQ(outcome.kind, Outcome::Kind::kError) << size;
  }
}

TEST_P(EngineTest, AModuleWithChangedBytesNeverCrashesTheHost) {
  const auto whole = wasm("wide_arguments");
  std::mt19937 random(7);
  for (int change = 0; change < 500; ++change) {
    auto bytes = whole;
    for (int i = 0; i < 3; ++i) bytes[8 + random() % (bytes.size() - 8)] = static_cast<uint8_t>(random());
    std::string error;
    const auto module = engine_->load(bytes, &error);
    EXPECT_TRUE(module || !error.empty());
  }
}

TEST_P(WabtTest, WhatItCannotRunSafelyIsRefused) {
  expect_error(run("data_drop"), "");
  expect_error(run("many_locals"), "locals");
  // A DataCount section without data, then data.drop: crashes the interpreter where bulk memory is on.
  expect_error(run(Bytes{0, 'a', 's', 'm', 1,   0,   0,   0, 1, 4,  1, 0x60, 0,  0, 3, 2, 1, 0,    7, 10, 1,
                         6, '_', 's', 't', 'a', 'r', 't', 0, 0, 12, 1, 1,    10, 7, 1, 5, 0, 0xfc, 9, 0,  0x0b}),
               "");
}

std::string engine_name(const TestParamInfo<const char*>& parameter) { return parameter.param; }
INSTANTIATE_TEST_SUITE_P(In, EngineTest, Values("wasmtime", "wabt"), engine_name);
INSTANTIATE_TEST_SUITE_P(In, WasmtimeTest, Values("wasmtime"), engine_name);
INSTANTIATE_TEST_SUITE_P(In, WabtTest, Values("wabt"), engine_name);

}  // namespace
}  // namespace wasi_netd::engines
