#pragma once
// Bytes that must not stay in memory: keys, passwords, and messages that hold one. They are overwritten when the object
// goes.
//
// The room for them is there from the start and never moves, so growing leaves no copy behind. Any thread, one at a
// time.
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <sys/types.h>

namespace wasi_netd::net {

class Secret {
 public:
  Secret() = default;
  explicit Secret(size_t capacity) : bytes_(std::make_unique<char[]>(capacity)), capacity_(capacity) {}
  Secret(Secret&& other) noexcept
      : bytes_(std::move(other.bytes_)),
        capacity_(std::exchange(other.capacity_, 0)),
        size_(std::exchange(other.size_, 0)) {}
  Secret& operator=(Secret&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    std::swap(capacity_, other.capacity_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Secret();

  // Past the capacity is a bug.
  void append(std::string_view);
  void append_base64(std::string_view);  // RFC 4648 section 4; base64_size() bytes
  static constexpr size_t base64_size(size_t bytes) { return (bytes + 2) / 3 * 4 + 1; }  // with OpenSSL's final NUL
  // read(2) into the room that is left: what it answers.
  ssize_t read_from(int fd);
  void shorten(size_t size) { size_ = size < size_ ? size : size_; }

  std::string_view view() const { return {bytes_.get(), size_}; }

 private:
  std::unique_ptr<char[]> bytes_;
  size_t capacity_ = 0;
  size_t size_ = 0;
};

}  // namespace wasi_netd::net
