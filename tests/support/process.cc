#include "tests/support/process.h"

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <fcntl.h>
#include <grp.h>
#include <mutex>
#include <ostream>
#include <poll.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

extern char** environ;

namespace wasi_netd::test {
namespace {

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd, const char* what) : fd_(fd) {
    if (fd < 0) fail(what);
  }
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() { reset(); }
  int get() const { return fd_; }
  void reset() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }

 private:
  int fd_ = -1;
};

struct Pipe {
  Fd reader, writer;
  explicit Pipe(bool full) {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0) fail("pipe2");
    reader = Fd(fds[0], "pipe2");
    writer = Fd(fds[1], "pipe2");
    const std::string page(4096, '#');
    while (full && write(writer.get(), page.data(), page.size()) > 0) {
    }
    // The child gets an ordinary, blocking pipe.
    if (fcntl(writer.get(), F_SETFL, 0) != 0) fail("F_SETFL");
  }
};

// An abstract name: no file to remove. Autobind picks a free one.
std::pair<Fd, std::string> notify_socket() {
  Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(sa_family_t)) != 0) fail("bind");
  socklen_t size = sizeof address;
  if (getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) fail("getsockname");
  const size_t length = size - offsetof(sockaddr_un, sun_path) - 1;
  return {std::move(socket), "@" + std::string(address.sun_path + 1, length)};
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  result.reserve(strings.size() + 1);
  for (auto& string : strings) result.push_back(string.data());
  result.push_back(nullptr);
  return result;
}

std::vector<std::string> merged_environment(const std::vector<std::string>& added) {
  const auto name = [](const std::string& entry) { return entry.substr(0, entry.find('=') + 1); };
  std::vector<std::string> result;
  for (char** entry = environ; *entry; ++entry) {
    bool replaced = false;
    for (const auto& each : added) replaced = replaced || name(each) == name(*entry);
    if (!replaced) result.emplace_back(*entry);
  }
  result.insert(result.end(), added.begin(), added.end());
  return result;
}

// Between fork and exec: system calls only, the test program has threads.
struct Child {
  char* const* arguments;
  char* const* environment;
  const char* directory;
  int out, error;
  pid_t parent;
  std::optional<uid_t> user;

  [[noreturn]] void execute() const {
    setpgid(0, 0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    const int input = open("/dev/null", O_RDONLY);
    dup2(input, 0);
    dup2(out, 1);
    dup2(error, 2);
    if (user &&
        (setgroups(0, nullptr) != 0 || setresgid(*user, *user, *user) != 0 || setresuid(*user, *user, *user) != 0)) {
      _exit(126);
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // after the change of user, which clears it
    if (getppid() != parent) _exit(126);
    if (directory && chdir(directory) != 0) _exit(126);
    execvpe(arguments[0], arguments, environment);
    _exit(127);
  }
};

}  // namespace

struct Process::State {
  pid_t pid = -1;
  Fd pidfd, out, error, notify, unread_out, unread_error;

  mutable std::mutex mutex;
  std::condition_variable changed;
  std::string out_text, error_text, notified;
  std::optional<Exit> exit;
  std::thread thread;

  void start(Start& start);
  void watch();
  void take(Fd& fd, std::string& text, bool line_each);
  void reap();

  // True as soon as `holds` does; false when it cannot any more.
  template <class Predicate>
  bool wait(Predicate holds) {
    std::unique_lock lock(mutex);
    changed.wait_for(lock, kPatience, [&] { return exit || holds(); });
    return holds();
  }
  bool wait_text(const std::string& text, const std::string& wanted) {
    return wait([&] { return text.find(wanted) != std::string::npos; });
  }
  std::string copy(const std::string& text) const {
    std::lock_guard lock(mutex);
    return text;
  }
};

void Process::State::start(Start& start) {
  Pipe out_pipe(start.stdout_blocked), error_pipe(start.stderr_blocked);
  std::vector<std::string> added = start.environment;
  if (start.notify) {
    auto [socket, name] = notify_socket();
    notify = std::move(socket);
    added.push_back("NOTIFY_SOCKET=" + name);
  }
  std::vector<std::string> environment = merged_environment(added);
  const auto arguments = pointers(start.arguments), variables = pointers(environment);
  const Child child{arguments.data(),
                    variables.data(),
                    start.directory.empty() ? nullptr : start.directory.c_str(),
                    out_pipe.writer.get(),
                    error_pipe.writer.get(),
                    getpid(),
                    start.user};
  pid = fork();
  if (pid < 0) fail("fork");
  if (pid == 0) child.execute();
  setpgid(pid, pid);  // whoever of us comes first
  pidfd = Fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)), "pidfd_open");
  // A reader that is never read keeps a blocked pipe blocked.
  (start.stdout_blocked ? unread_out : out) = std::move(out_pipe.reader);
  (start.stderr_blocked ? unread_error : error) = std::move(error_pipe.reader);
  thread = std::thread([this] { watch(); });
}

void Process::State::watch() {
  for (;;) {
    // poll() passes over an entry whose descriptor is -1: one that has ended, or that nobody wanted.
    pollfd fds[] = {
        {out.get(), POLLIN, 0}, {error.get(), POLLIN, 0}, {notify.get(), POLLIN, 0}, {pidfd.get(), POLLIN, 0}};
    if (poll(fds, 4, -1) < 0) continue;
    const bool ended = fds[3].revents != 0;
    take(out, out_text, false);
    take(error, error_text, false);
    take(notify, notified, true);
    if (ended) return reap();
  }
}

// What is there now; the descriptors do not block.
void Process::State::take(Fd& fd, std::string& text, bool line_each) {
  char buffer[65536];
  while (fd.get() >= 0) {
    const ssize_t n = read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return;
    std::lock_guard lock(mutex);
    if (n == 0 && !line_each) fd.reset();
    text.append(buffer, static_cast<size_t>(n));
    if (line_each) text += '\n';
    changed.notify_all();
  }
}

void Process::State::reap() {
  // While it is not reaped its id names no other group: what it left behind ends here.
  ::kill(-pid, SIGKILL);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  std::lock_guard lock(mutex);
  exit = WIFEXITED(status) ? Exit{WEXITSTATUS(status), 0} : Exit{-1, WTERMSIG(status)};
  changed.notify_all();
}

Process::Process(Start start) : state_(std::make_unique<State>()) { state_->start(start); }

Process::~Process() {
  kill(SIGKILL);
  state_->thread.join();
}

pid_t Process::pid() const { return state_->pid; }

void Process::kill(int signal) {
  std::lock_guard lock(state_->mutex);
  if (!state_->exit) ::kill(state_->pid, signal);  // else the id may be another's by now
}

bool Process::wait_ready() { return wait_notified("READY=1"); }

bool Process::wait_notified(const std::string& line) {
  return state_->wait([&] { return ("\n" + state_->notified).find("\n" + line + "\n") != std::string::npos; });
}

bool Process::wait_stdout(const std::string& text) { return state_->wait_text(state_->out_text, text); }
bool Process::wait_stderr(const std::string& text) { return state_->wait_text(state_->error_text, text); }

std::optional<Process::Exit> Process::wait() {
  state_->wait([&] { return state_->exit.has_value(); });
  std::lock_guard lock(state_->mutex);
  return state_->exit;
}

std::string Process::standard_output() const { return state_->copy(state_->out_text); }
std::string Process::standard_error() const { return state_->copy(state_->error_text); }
std::string Process::notifications() const { return state_->copy(state_->notified); }

Outcome run(Process::Start start) {
  Process process(std::move(start));
  const auto exit = process.wait();
  return {exit.value_or(Process::Exit{}), process.standard_output(), process.standard_error()};
}

std::ostream& operator<<(std::ostream& out, const Process::Exit& exit) {
  if (exit.signal != 0) {
    return out << "killed by signal " << exit.signal;
  }
  return out << "exit code " << exit.code;
}

}  // namespace wasi_netd::test
