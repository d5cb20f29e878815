#include "daemon/app/log.h"

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <mutex>
#include <unistd.h>
#include <utility>

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include "daemon/base/line_writer.h"
#include "policy/printable.h"

namespace wasi_netd {
namespace {

constexpr size_t kQueue = 4096;  // lines
constexpr std::chrono::milliseconds kLastWords{500};

void write_all(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(STDERR_FILENO, text.data(), text.size());
    if (n < 0 && errno != EINTR) return;  // there is nowhere to tell it
    if (n > 0) text.remove_prefix(static_cast<size_t>(n));
  }
}

}  // namespace

// base_sink calls these under its lock.
class LogSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  std::unique_ptr<LineWriter> exchange(std::unique_ptr<LineWriter> writer) {
    std::lock_guard lock(mutex_);
    return std::exchange(writer_, std::move(writer));
  }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    const std::string escaped = policy::printable({message.payload.data(), message.payload.size()});
    spdlog::details::log_msg safe = message;
    safe.payload = escaped;
    spdlog::memory_buf_t formatted;
    formatter_->format(safe, formatted);
    const std::string_view line(formatted.data(), formatted.size());
    if (writer_) {
      writer_->write(std::string(line));
    } else {
      write_all(std::string(line) + "\n");
    }
  }
  void flush_() override {
    if (writer_) (void)writer_->flush(kLastWords);
  }

  std::unique_ptr<LineWriter> writer_;
};

Log::Log() : sink_(std::make_shared<LogSink>()) {
  // No end of line in the pattern: the writer adds its own.
  sink_->set_formatter(
      std::make_unique<spdlog::pattern_formatter>("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc, ""));
  auto logger = std::make_shared<spdlog::logger>("", sink_);
  logger->flush_on(spdlog::level::critical);
  spdlog::set_default_logger(std::move(logger));
}

Log::~Log() { sink_->exchange(nullptr); }

void Log::set_level(const std::string& level) { spdlog::set_level(spdlog::level::from_str(level)); }

Status Log::start_queue() {
  LineWriter::Hooks hooks;
  hooks.gap = [](uint64_t lost) { return std::to_string(lost) + " log lines lost"; };
  auto writer = LineWriter::share(STDERR_FILENO, kQueue, std::move(hooks));
  if (!writer) return writer.error();
  sink_->exchange(std::move(*writer));
  return {};
}

}  // namespace wasi_netd
