#include "daemon/app/library_log.h"

#include <algorithm>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <spdlog/spdlog.h>

namespace wasi_netd {
namespace {

constexpr size_t kMaxText = 512;  // a header that gRPC quotes may be much longer

void report(std::string_view library, std::string_view file, int line, std::string_view text, bool last_words) {
  static std::mutex mutex;
  static LineBudget budget;
  std::optional<uint64_t> left_out;
  {
    const std::lock_guard lock(mutex);
    left_out = budget.take(std::chrono::steady_clock::now());
  }
  file.remove_prefix(std::min(file.rfind('/') + 1, file.size()));
  text = text.substr(0, kMaxText);
  if (last_words) {
    spdlog::critical("{} {}:{}: {}", library, file, line, text);
  } else if (left_out && *left_out == 0) {
    spdlog::warn("{} {}:{}: {}", library, file, line, text);
  } else if (left_out) {
    spdlog::warn("{} {}:{}: {} (before it, {} messages of libraries were left out)", library, file, line, text,
                 *left_out);
  }
}

void from_grpc(gpr_log_func_args* said) {
  const std::string_view text(said->message);
  report("grpc", said->file, said->line, text, text.starts_with("assertion failed"));
}

void from_protobuf(google::protobuf::LogLevel level, const char* file, int line, const std::string& text) {
  report("protobuf", file, line, text, level == google::protobuf::LOGLEVEL_FATAL);
}

}  // namespace

std::optional<uint64_t> LineBudget::take(Time now) {
  if (!second_ || now - *second_ >= std::chrono::seconds(1)) {
    second_ = now;
    taken_ = 0;
  }
  if (taken_ == kLinesPerSecond) {
    ++left_out_;
    return std::nullopt;
  }
  ++taken_;
  return std::exchange(left_out_, 0);
}

void log_libraries() {
  gpr_set_log_function(from_grpc);
  gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);
  google::protobuf::SetLogHandler(from_protobuf);
}

}  // namespace wasi_netd
