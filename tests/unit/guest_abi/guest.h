#pragma once
// A guest for tests: a block of memory of exactly one page and an instance over the fake client.
#include <cstring>
#include <initializer_list>
#include <memory>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "fake_client.h"
#include "wasi_netd/guest_abi.h"

class Guest {
 public:
  static constexpr uint32_t kSize = 65536;

  explicit Guest(const char* const* argv = nullptr, const char* const* envp = nullptr) : memory_(new uint8_t[kSize]) {
    std::memset(memory_.get(), 'm', kSize);
    EXPECT_EQ(WASI_NETD_ERRNO_success, wasi_netd_instance_new(&client, argv, envp, &instance_));
    client.calls = 0;
  }
  ~Guest() { wasi_netd_instance_free(instance_); }
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;

  static const wasi_netd_import& import(std::string_view module, std::string_view name) {
    const auto* found = wasi_netd_import_find(std::string(module).c_str(), std::string(name).c_str());
    if (found == nullptr) throw std::invalid_argument(std::string(name));
    return *found;
  }
  uint32_t call(const wasi_netd_import& entry, const std::vector<uint64_t>& arguments) {
    return entry.call(instance_, {memory_.get(), kSize}, arguments.data());
  }
  uint32_t preview1(std::string_view name, const std::vector<uint64_t>& arguments) {
    return call(import("wasi_snapshot_preview1", name), arguments);
  }
  uint32_t networking(std::string_view name, const std::vector<uint64_t>& arguments) {
    return call(import("networking", name), arguments);
  }
  uint32_t ext(std::string_view name, const std::vector<uint64_t>& arguments) {
    return call(import("networking_ext", name), arguments);
  }

  template <class T>
  void put(uint32_t at, T value) {
    std::memcpy(memory_.get() + at, &value, sizeof value);
  }
  template <class T>
  T get(uint32_t at) const {
    T value;
    std::memcpy(&value, memory_.get() + at, sizeof value);
    return value;
  }
  void put_text(uint32_t at, std::string_view text) { std::memcpy(memory_.get() + at, text.data(), text.size()); }
  std::string text(uint32_t at, size_t length) const {
    return {reinterpret_cast<const char*>(memory_.get() + at), length};
  }
  std::vector<uint8_t> snapshot() const { return {memory_.get(), memory_.get() + kSize}; }
  wasi_netd_instance* instance() { return instance_; }

  wasi_netd_guest client;

 private:
  std::unique_ptr<uint8_t[]> memory_;  // on the heap, so that a sanitizer sees each byte beyond it
  wasi_netd_instance* instance_ = nullptr;
};
