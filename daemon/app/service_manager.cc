#include "daemon/app/service_manager.h"

#include <cstring>

#include <spdlog/spdlog.h>
#include <systemd/sd-daemon.h>

namespace wasi_netd::service_manager {
namespace {

void notify(const std::string& state) {
  const int result = sd_notify(0, state.c_str());
  if (result < 0) spdlog::warn("the service manager cannot be told: {}", std::strerror(-result));
}

}  // namespace

void ready(const std::string& status) { notify("READY=1\nSTATUS=" + status); }
void stopping(const std::string& status) { notify("STOPPING=1\nSTATUS=" + status); }

}  // namespace wasi_netd::service_manager
