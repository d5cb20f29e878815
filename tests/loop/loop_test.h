#pragma once
// The fixture of the tests on one loop: a test runs the loop itself, until what it waits for has happened. No threads
// but those a test makes, no sleeps. At its end nothing may be left pending: every operation was completed or canceled.
#include <chrono>
#include <exception>
#include <fcntl.h>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "daemon/base/event.h"
#include "daemon/net/net.h"
#include "tests/support/native.h"

namespace wasi_netd {
inline std::ostream& operator<<(std::ostream& out, Errno code) { return out << to_string(code); }
}  // namespace wasi_netd

namespace wasi_netd::net {

// The errno of a result, `success` when it holds a value.
template <class T>
Errno code_of(const Result<T>& result) {
  return result.has_error() ? result.error().code : Errno::success;
}

// No further descriptor for this process while it lives. What runs meanwhile has to have run before: UBSan wants
// descriptors of its own when it meets a class for the first time.
class NoDescriptors {
 public:
  NoDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    int lowest_free = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ::close(lowest_free);
    rlimit none = before_;
    none.rlim_cur = static_cast<rlim_t>(lowest_free);
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

class LoopTest : public ::testing::Test {
 protected:
  // A task that runs beside the test.
  template <class T>
  struct Running {
    std::optional<T> value;
    bool done() const { return value.has_value(); }
  };

  Loop loop() { return context_.get_executor(); }

  // Runs the loop until `condition` holds; throws when it does not within the patience of the tests.
  void run_until(const std::function<bool()>& condition) {
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(test::kPatienceSeconds);
    while (!condition()) {
      context_.restart();
      context_.run_one_until(deadline);
      if (std::chrono::steady_clock::now() >= deadline) throw std::runtime_error("nothing happened for too long");
    }
  }
  // Everything that can be done without waiting.
  void run_ready() {
    context_.restart();
    context_.poll();
  }

  template <class T>
  std::shared_ptr<Running<T>> start(Task<T> task) {
    auto running = std::make_shared<Running<T>>();
    asio::co_spawn(context_, std::move(task), [running](std::exception_ptr failure, T value) {
      if (failure) std::rethrow_exception(failure);
      running->value = std::move(value);
    });
    run_ready();
    return running;
  }
  template <class T>
  T finish(const std::shared_ptr<Running<T>>& running) {
    run_until([&] { return running->done(); });
    return std::move(*running->value);
  }
  template <class T>
  T run(Task<T> task) {
    return finish(start(std::move(task)));
  }
  std::shared_ptr<Running<bool>> start(Task<void> task) { return start(with_value(std::move(task))); }
  void run(Task<void> task) { finish(start(std::move(task))); }

  // Reads exactly `count` bytes, fewer at the end.
  static Task<std::string> read(std::shared_ptr<Stream> stream, size_t count) {
    std::string out(count, '\0');
    size_t have = 0;
    while (have < count) {
      asio::mutable_buffer rest(out.data() + have, count - have);
      auto n = co_await stream->read_some(rest);
      if (!n || *n == 0) break;
      have += *n;
    }
    out.resize(have);
    co_return out;
  }
  static Task<Status> write(std::shared_ptr<Stream> stream, std::string bytes) {
    size_t sent = 0;
    while (sent < bytes.size()) {
      asio::const_buffer rest(bytes.data() + sent, bytes.size() - sent);
      auto n = co_await stream->write_some(rest);
      if (!n) co_return n.error();
      sent += *n;
    }
    co_return Status();
  }
  static Task<Result<size_t>> read_byte(std::shared_ptr<Stream> stream) {
    char byte = 0;
    asio::mutable_buffer buffer(&byte, 1);
    co_return co_await stream->read_some(buffer);
  }
  Result<size_t> read_byte_now(Stream& stream) {
    char byte = 0;
    return stream.read_now(asio::mutable_buffer(&byte, 1));
  }
  static Task<Result<size_t>> write_byte(std::shared_ptr<Stream> stream) {
    asio::const_buffer buffer("x", 1);
    co_return co_await stream->write_some(buffer);
  }
  // Writes without waiting until nothing more fits.
  static size_t fill(Stream& stream) {
    std::string chunk(64 * 1024, 'x');
    size_t total = 0;
    for (;;) {
      auto n = stream.write_now(asio::buffer(chunk));
      if (!n) return total;
      total += *n;
    }
  }

  void TearDown() override {
    context_.restart();
    context_.run_for(std::chrono::seconds(test::kPatienceSeconds));
    EXPECT_TRUE(context_.stopped()) << "an operation is still pending";
  }

  asio::io_context context_{1};
  // A loop of the daemon has its own descriptors from the start; asio would make them at the first socket.
  Timer descriptors_of_the_loop_{context_.get_executor()};

 private:
  static Task<bool> with_value(Task<void> task) {
    co_await std::move(task);
    co_return true;
  }
};

// Endpoints as tests write them.
inline Endpoint ip(const std::string& address, uint16_t port) {
  return policy::IpEndpoint{*policy::parse_ip(address), port};
}
inline Endpoint unix_path(const std::string& path) { return policy::UnixEndpoint{path, false}; }
inline Endpoint unix_abstract(const std::string& name) { return policy::UnixEndpoint{name, true}; }
inline uint16_t port_of(const Endpoint& endpoint) { return std::get<policy::IpEndpoint>(endpoint).port; }

}  // namespace wasi_netd::net
