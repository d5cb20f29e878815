#pragma once
// The operational log: one line per message on stderr, through spdlog's default logger.
//
//   2024-05-01T12:00:00.123Z info ready: 2 tenants in /run/wasi-netd
//
// Until start_queue() a line is written by the caller; from then on by one thread behind a bounded queue, so that a
// stderr nobody reads holds up no loop (line_writer.h). Control characters of a message are written as \xNN: what came
// from a host cannot forge a line. A `critical` message, after which the process ends, is waited for, but not for long.
// Main thread, but messages may come from any.
#include <memory>
#include <string>

#include "daemon/base/error.h"

namespace wasi_netd {

class LogSink;

class Log {
 public:
  Log();
  ~Log();  // writes what is queued, for a bounded time; later messages are written by their callers again

  void set_level(const std::string& level);  // one of Config::log_level
  Status start_queue();                      // starts a thread

 private:
  std::shared_ptr<LogSink> sink_;
};

}  // namespace wasi_netd
