#pragma once
// A guest in wasi-net-run that does what the test says, call by call: tests/e2e/guests/semantics.c.
//
// Test thread only. ask() returns the command's line; tell() starts a command that waits for something the test has
// yet to do, answer() then returns its line. A guest that ended answers "ended: ..." with what the host program said.
// Commands go through a FIFO, so the guest's process starts like any other; the destructor kills it.
#include <chrono>
#include <deque>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <sys/ioctl.h>
#include <sys/stat.h>

#include "tests/support/native.h"
#include "tests/support/process.h"

namespace wasi_netd::test {

class Guest {
 public:
  struct Options {
    std::string engine = "wasmtime";
    std::vector<std::string> host = {};  // more options of wasi-net-run
  };

  Guest(const std::string& socket, const Options& options) {
    const std::string fifo = directory_ / "commands";
    if (::mkfifo(fifo.c_str(), 0600) != 0) throw_errno("mkfifo");
    // Open for both directions, so that neither side waits for the other's open.
    commands_ = ::open(fifo.c_str(), O_RDWR | O_CLOEXEC);
    if (commands_ < 0) throw_errno("open");
    Process::Start start;
    start.arguments = {"sh",   "-c",       "exec \"$@\" <\"$0\"", fifo, WASI_NET_RUN_PROGRAM, "--socket",
                       socket, "--engine", options.engine};
    start.arguments.insert(start.arguments.end(), options.host.begin(), options.host.end());
    start.arguments.push_back(WASI_NETD_SEMANTICS_GUEST);
    process_ = std::make_unique<Process>(std::move(start));
  }
  explicit Guest(const std::string& socket) : Guest(socket, Options{}) {}
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;
  ~Guest() { ::close(commands_); }

  std::string ask(const std::string& command) {
    tell(command);
    return answer();
  }
  void tell(const std::string& command) {
    // What the guest does not know it repeats: that line stands behind the command's own.
    const std::string mark = "!" + std::to_string(++told_);
    const std::string lines = command + "\n" + mark + "\n";
    if (::write(commands_, lines.data(), lines.size()) != static_cast<ssize_t>(lines.size())) throw_errno("write");
    marks_.push_back("? " + mark + "\n");
  }
  std::string answer() {
    const std::string mark = marks_.front();
    marks_.pop_front();
    if (!process_->wait_stdout(mark)) return "ended: " + process_->standard_error();
    const std::string all = process_->standard_output();
    const size_t end = all.find(mark, read_);
    std::string line = all.substr(read_, end - read_);
    read_ = end + mark.size();
    if (line.ends_with('\n')) line.pop_back();
    return line;
  }
  // Returns once the guest waits in the call that it was told: it took the command, and every thread of its process
  // sleeps. False: it answered instead.
  bool waits() const {
    const auto deadline = std::chrono::steady_clock::now() + Process::kPatience;
    while (std::chrono::steady_clock::now() < deadline) {
      if (process_->standard_output().find(marks_.back(), read_) != std::string::npos) return false;
      int unread = 0;
      if (::ioctl(commands_, FIONREAD, &unread) != 0) throw_errno("FIONREAD");
      if (unread == 0 && sleeps()) return true;
      std::this_thread::yield();
    }
    return false;
  }

  Process& process() { return *process_; }

 private:
  bool sleeps() const {
    for (const auto& task : std::filesystem::directory_iterator("/proc/" + std::to_string(process_->pid()) + "/task")) {
      std::ifstream file(task.path() / "stat");
      std::string line;
      std::getline(file, line);
      const size_t name_end = line.rfind(") ");  // "pid (name) state ..."
      if (name_end != std::string::npos && line[name_end + 2] != 'S') return false;
    }
    return true;
  }

  TemporaryDirectory directory_;
  int commands_ = -1;
  int told_ = 0;
  size_t read_ = 0;
  std::deque<std::string> marks_;
  std::unique_ptr<Process> process_;
};

// "connrefused" of "connrefused", "success" of "success fd=5".
inline std::string errno_of(const std::string& line) { return line.substr(0, line.find(' ')); }

// The value of " key=value" in an answer; empty when it is not there.
inline std::string value_of(const std::string& line, const std::string& key) {
  const size_t at = line.find(" " + key + "=");
  if (at == std::string::npos) return {};
  const size_t begin = at + key.size() + 2;
  return line.substr(begin, line.find(' ', begin) - begin);
}

}  // namespace wasi_netd::test
