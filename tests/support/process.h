#pragma once
// A program under test as a child process: started with pipes, watched through events, killed by its own id.
//
// One thread per Process reads its stdout, stderr and notify socket and waits on its pidfd; every wait_...() returns as
// soon as what it waits for has come, or can no longer come because the process has ended, or after kPatience. The
// destructor kills the process and everything left in its process group: nothing survives its test. A child also dies
// with the test program. Throws std::system_error where a test has nothing to decide.
//
// Start and use it from one thread that outlives it (the child's death signal is tied to the thread that started it).
#include <chrono>
#include <csignal>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace wasi_netd::test {

class Process {
 public:
  static constexpr std::chrono::seconds kPatience{60};

  struct Start {
    std::vector<std::string> arguments;         // arguments[0] is the program's path, or a name for PATH
    std::vector<std::string> environment = {};  // "NAME=value", on top of the test's own
    std::string directory = {};                 // empty: the test's
    bool notify = false;                        // gives it a NOTIFY_SOCKET
    std::optional<uid_t> user = {};             // run as this user and its number as group; needs root
    bool stdout_blocked = false;                // nobody reads stdout, and its pipe is full from the start
    bool stderr_blocked = false;                // the same for stderr
  };
  struct Exit {
    int code = -1;   // exit status, when not killed by a signal
    int signal = 0;  // the signal that killed it
    bool operator==(const Exit&) const = default;
  };

  explicit Process(Start start);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const;
  void kill(int signal = SIGKILL);

  bool wait_ready();                            // READY=1 came; false: not before it ended
  bool wait_notified(const std::string& line);  // such a line came over the notify socket: "STOPPING=1"
  bool wait_stdout(const std::string& text);    // the text is somewhere in the output
  bool wait_stderr(const std::string& text);
  // Its end, with all output collected. nullopt: it did not end within kPatience.
  std::optional<Exit> wait();

  std::string standard_output() const;  // so far
  std::string standard_error() const;
  std::string notifications() const;  // the lines of all messages

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Runs a program to its end.
struct Outcome {
  Process::Exit exit;
  std::string out, error;
};
Outcome run(Process::Start start);

std::ostream& operator<<(std::ostream& out, const Process::Exit& exit);

}  // namespace wasi_netd::test
