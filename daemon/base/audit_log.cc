#include "daemon/base/audit_log.h"

#include <cstdio>
#include <time.h>
#include <unistd.h>
#include <utility>

#include <spdlog/spdlog.h>

#include "daemon/base/line_writer.h"

namespace wasi_netd {

Result<std::unique_ptr<AuditLog>> AuditLog::open(const std::string& file, size_t queue) {
  LineWriter::Hooks hooks;
  hooks.gap = [](uint64_t lost) {
    spdlog::warn("audit: {} records lost", lost);
    return R"({"time":")" + audit_time() + R"(","event":"records_lost","count":)" + std::to_string(lost) + "}";
  };
  hooks.failed = [file](const Error& error) {
    spdlog::error("audit {}: {}; records are being lost", file, error.detail);
  };
  auto writer = file == "-" ? LineWriter::share(STDOUT_FILENO, queue, std::move(hooks))
                            : LineWriter::open(file, queue, std::move(hooks));
  if (!writer) return Error{writer.error().code, "audit file " + writer.error().detail};
  return std::unique_ptr<AuditLog>(new AuditLog(std::move(*writer)));
}

AuditLog::AuditLog(std::unique_ptr<LineWriter> writer) : writer_(std::move(writer)) {}

AuditLog::~AuditLog() {
  if (const uint64_t lost = writer_->close()) spdlog::warn("audit: {} records lost in all", lost);
}

void AuditLog::write(std::string line) { writer_->write(std::move(line)); }
uint64_t AuditLog::dropped() const { return writer_->lost(); }
bool AuditLog::flush(std::chrono::milliseconds limit) { return writer_->flush(limit); }

std::string audit_time() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  tm utc;
  gmtime_r(&now.tv_sec, &utc);
  char text[40];
  const size_t length = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(text + length, sizeof text - length, ".%03ldZ", now.tv_nsec / 1'000'000);
  return text;
}

}  // namespace wasi_netd
