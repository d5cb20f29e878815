// Fuzz target: any sequence of import calls with any arguments over any memory. Nothing may crash, and no byte outside
// the guest's memory may be read or written (a sanitizer's job: the memory is a heap block of its exact size).
//
// The input is the memory's size and content, then calls: which import, then its arguments. Arguments are taken from a
// few shapes (small numbers, places near the end of the memory, all bits), because wholly random pointers would almost
// all be out of bounds and see nothing but the first check.
#include <algorithm>
#include <memory>

#include "fake_client.h"
#include "wasi_netd/guest_abi.h"

namespace {

class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), end_(data + size) {}
  bool empty() const { return data_ == end_; }
  uint64_t take(size_t bytes) {
    uint64_t value = 0;
    for (size_t i = 0; i < bytes && !empty(); ++i) value |= uint64_t{*data_++} << (8 * i);
    return value;
  }
  void take_into(uint8_t* to, size_t size) {
    const size_t some = std::min(size, static_cast<size_t>(end_ - data_));
    std::copy_n(data_, some, to);
    data_ += some;
  }

 private:
  const uint8_t* data_;
  const uint8_t* end_;
};

uint64_t argument(Input& input, uint32_t memory_size) {
  switch (input.take(1) % 6) {
    case 0:
      return input.take(1);  // an fd, a count, a small pointer
    case 1:
      return input.take(2);  // a place in memory
    case 2:
      return memory_size - input.take(1) % 80;  // near its end
    case 3:
      return ~uint64_t{0} - input.take(1);  // near the end of the address space
    case 4:
      return input.take(4);
    default:
      return input.take(8);
  }
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it so
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  const auto memory_size = static_cast<uint32_t>(input.take(2));
  const std::unique_ptr<uint8_t[]> memory(new uint8_t[memory_size]());
  input.take_into(memory.get(), std::min<size_t>(memory_size, 256));

  const char* const argv[] = {"guest", "argument", nullptr};
  wasi_netd_guest client;
  client.events.resize(3);
  wasi_netd_instance* instance = nullptr;
  if (wasi_netd_instance_new(&client, argv, nullptr, &instance) != WASI_NETD_ERRNO_success) return 0;
  size_t count = 0;
  const wasi_netd_import* imports = wasi_netd_imports(&count);
  for (int calls = 0; calls < 64 && !input.empty() && !wasi_netd_instance_exited(instance, nullptr); ++calls) {
    const auto& import = imports[input.take(1) % count];
    uint64_t arguments[WASI_NETD_IMPORT_MAX_PARAMETERS];
    for (auto& value : arguments) value = argument(input, memory_size);
    client.answer = input.take(1) % 4 == 0 ? WASI_NETD_ERRNO_again : WASI_NETD_ERRNO_success;
    import.call(instance, {memory.get(), memory_size}, arguments);
  }
  wasi_netd_instance_free(instance);
  return 0;
}
