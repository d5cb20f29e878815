#pragma once
// What the daemon tells the service manager that started it (sd_notify(3)). Without one (no NOTIFY_SOCKET) nothing
// happens; a manager that cannot be told is logged and not an error. Main thread.
#include <string>

namespace wasi_netd::service_manager {

void ready(const std::string& status);     // serving; `status` is the line `systemctl status` shows
void stopping(const std::string& status);  // the end has begun

}  // namespace wasi_netd::service_manager
