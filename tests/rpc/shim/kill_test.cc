// kill -9 of the daemon, a process of its own here: nothing it left behind may hold a guest up.
#include <csignal>
#include <future>
#include <spawn.h>

#include <sys/wait.h>

#include "tests/rpc/shim/shim_test.h"

namespace wasi_netd::test {
namespace {

// The program wasi-netd, killed by the destructor.
class DaemonProcess {
 public:
  explicit DaemonProcess(const Config& config) {
    std::string program = WASI_NETD_PROGRAM;
    std::string policy = "--policy-dir=" + config.policy_dir;
    std::string runtime = "--runtime-dir=" + config.runtime_dir;
    char* arguments[] = {program.data(), policy.data(), runtime.data(), nullptr};
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) {
      ::posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_WRONLY, 0);
    }
    const int result = ::posix_spawn(&pid_, program.c_str(), &actions, nullptr, arguments, environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (result != 0) throw std::system_error(result, std::generic_category(), program);
  }
  DaemonProcess(const DaemonProcess&) = delete;
  DaemonProcess& operator=(const DaemonProcess&) = delete;
  ~DaemonProcess() { kill(); }

  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(std::exchange(pid_, -1), nullptr, 0);
  }

 private:
  pid_t pid_ = -1;
};

class ShimKill : public ShimTest {
 protected:
  void SetUp() override {
    config_ = write_policy(kLoopbackPolicy);
    process_.emplace(config_);
    tenant_.emplace(socket_path());
    eventually([&] { return errno_of_throw([&] { guest_.emplace(*tenant_); }) == WASI_NETD_ERRNO_success; });
  }
  Config config_;
  std::optional<DaemonProcess> process_;
  std::optional<Tenant> tenant_;
  std::optional<Guest> guest_;
};

TEST_F(ShimKill, EndsEveryBlockedCallAndTheGuestItself) {
  const Fd control = guest_->open(guest_->protocol("net"), "127.0.0.1:0");
  guest_->listen(control);
  Guest other(*tenant_);
  Connected pair = connect_to_peer(other);
  const auto blocked = [](auto call) {
    return std::async(std::launch::async, [call] { return errno_of_throw(call); });
  };
  auto accepting = blocked([&] { guest_->accept(control); });
  auto reading = blocked([&] { pair.stream.read(1); });
  process_->kill();
  expect_gone(accepting.get());
  expect_gone(reading.get());
  EXPECT_EQ(errno_of_throw([&] { guest_->accept(control); }), WASI_NETD_ERRNO_badf);
  pair.peer.wait(POLLIN);
}

TEST_F(ShimKill, ABlockedPollTellsOfEachDeadFd) {
  Connected pair = connect_to_peer(*guest_);
  const Fd control = guest_->open(guest_->protocol("net"), "127.0.0.1:0");
  guest_->listen(control);
  const wasi_netd_subscription interest[] = {read_of(pair.stream), read_of(control)};
  auto polling = std::async(std::launch::async, [&] { return guest_->poll(interest); });
  process_->kill();
  const auto events = polling.get();
  ASSERT_FALSE(events.empty());
  for (const wasi_netd_event& event : events) expect_gone(event.error);
  const auto later = guest_->poll(interest);
  ASSERT_EQ(later.size(), 2u);
  for (const wasi_netd_event& event : later) EXPECT_EQ(event.error, WASI_NETD_ERRNO_badf);
}

TEST_F(ShimKill, AndANewDaemonServesTheSameGuest) {
  process_->kill();
  process_.emplace(config_);
  eventually([&] { return errno_of_throw([&] { any_control(*guest_); }) == WASI_NETD_ERRNO_success; });
  Connected pair = connect_to_peer(*guest_);
  pair.stream.write("back");
  EXPECT_EQ(pair.peer.read(4), "back");
}

}  // namespace
}  // namespace wasi_netd::test
