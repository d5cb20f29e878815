#include "daemon/app/isolation.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <unistd.h>
#include <vector>

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <systemd/sd-daemon.h>

namespace wasi_netd {
namespace {

Error failed(const char* what) { return system_error(errno, what); }

// The numbers that /proc/self/<name> lists; empty where there is no /proc.
std::vector<int> list_numbers(const char* name) {
  std::vector<int> numbers;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(name), closedir);
  if (!directory) return numbers;
  while (const dirent* entry = readdir(directory.get())) {
    if (entry->d_name[0] != '.') numbers.push_back(std::atoi(entry->d_name));
  }
  return numbers;
}

Status open_standard_descriptors() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (fcntl(fd, F_GETFD) >= 0) continue;
    // The lowest free number is `fd`: those below are open.
    if (open("/dev/null", O_RDWR) != fd) return failed("/dev/null");
  }
  return {};
}

Status close_inherited_descriptors() {
  const int passed = sd_listen_fds(0);  // sets close-on-exec on them
  if (passed < 0) return system_error(-passed, "LISTEN_FDS");
  const int first = SD_LISTEN_FDS_START + passed;
  if (close_range(static_cast<unsigned>(first), ~0u, 0) == 0) return {};
  if (errno != ENOSYS && errno != EPERM) return failed("close_range");
  // An old container runtime forbids the call.
  for (int fd : list_numbers("/proc/self/fd")) {
    if (fd >= first) close(fd);  // the listing's own descriptor is closed already
  }
  return {};
}

Status raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return failed("RLIMIT_NOFILE");
  if (limit.rlim_cur == limit.rlim_max) return {};
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return failed("RLIMIT_NOFILE");
  return {};
}

// The kernel's interface: 64 capabilities as two words of each set.
struct Capabilities {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3]{};

  bool get() { return syscall(SYS_capget, &header, sets) == 0; }
  bool set() { return syscall(SYS_capset, &header, sets) == 0; }
  bool effective(unsigned capability) const {
    return (sets[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability)) != 0;
  }
  bool hold_only(unsigned capability) const {
    for (unsigned word = 0; word < _LINUX_CAPABILITY_U32S_3; ++word) {
      const uint32_t all = sets[word].effective | sets[word].permitted | sets[word].inheritable;
      if ((all & ~mask(capability, word)) != 0) return false;
    }
    return true;
  }
  void keep_only(unsigned capability) {
    for (unsigned word = 0; word < _LINUX_CAPABILITY_U32S_3; ++word) {
      const uint32_t kept = sets[word].permitted & mask(capability, word);
      sets[word] = {.effective = kept, .permitted = kept, .inheritable = 0};
    }
  }

 private:
  static uint32_t mask(unsigned capability, unsigned word) {
    return word == CAP_TO_INDEX(capability) ? CAP_TO_MASK(capability) : 0;
  }
};

Status drop_capabilities() {
  Capabilities held;
  if (!held.get()) return failed("capget");
  if (held.effective(CAP_SETPCAP)) {  // else the bounding set cannot be changed, and nothing can be gained from it
    for (unsigned capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability) {
      if (capability == CAP_NET_BIND_SERVICE) continue;
      if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) return failed("PR_CAPBSET_DROP");
    }
  }
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) return failed("PR_CAP_AMBIENT_CLEAR_ALL");
  // A service manager may have left no more than that already, and forbidden the call.
  if (held.hold_only(CAP_NET_BIND_SERVICE)) return {};
  held.keep_only(CAP_NET_BIND_SERVICE);
  if (!held.set()) return failed("capset");
  return {};
}

}  // namespace

Status isolate_early(bool debuggable) {
  umask(077);
  if (auto done = open_standard_descriptors(); !done) return done;
  if (auto done = close_inherited_descriptors(); !done) return done;
  if (!debuggable && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return failed("PR_SET_DUMPABLE");
  if (signal(SIGPIPE, SIG_IGN) == SIG_ERR) return failed("SIGPIPE");
  return raise_descriptor_limit();
}

Status isolate_late() {
  WASI_NETD_CHECK(list_numbers("/proc/self/task").size() <= 1, "a thread was started before privileges were dropped");
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("PR_SET_NO_NEW_PRIVS");
  return drop_capabilities();
}

}  // namespace wasi_netd
