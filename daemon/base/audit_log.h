#pragma once
// Where audit records go: JSON lines through a bounded queue to one writer thread, so that a blocked sink never stalls
// a loop (line_writer.h says how, and why that is not spdlog's async logger). A record that finds the queue full pushes
// the oldest out; so does a sink that fails. Both are counted, and the file says where: a record
// {"time":...,"event":"records_lost","count":n} stands in the place of the lost ones.
//
// Any thread. The destructor writes what is queued, for a bounded time (LineWriter::kStopLimit).
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "daemon/base/error.h"

namespace wasi_netd {

class LineWriter;

class AuditLog {
 public:
  static constexpr std::chrono::milliseconds kFlushLimit{2000};

  // `file`: "-" is stdout, else opened for appending with mode 0640. `queue`: how many records may wait.
  static Result<std::unique_ptr<AuditLog>> open(const std::string& file, size_t queue);
  ~AuditLog();
  void write(std::string line);  // one JSON object, no newline
  uint64_t dropped() const;
  // Returns when what was written before is in the file (tests, exit); false: the sink did not take it within `limit`.
  bool flush(std::chrono::milliseconds limit = kFlushLimit);

 private:
  explicit AuditLog(std::unique_ptr<LineWriter> writer);
  std::unique_ptr<LineWriter> writer_;
};

// Now, as every audit record writes it: UTC, RFC 3339 with milliseconds, "2024-05-01T12:00:00.123Z".
std::string audit_time();

}  // namespace wasi_netd
