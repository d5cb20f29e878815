#include "host/report.h"

#include <algorithm>
#include <iomanip>
#include <sstream>

#include "engines/text.h"

namespace wasi_netd::host {
namespace {

std::string_view to_string(engines::Outcome::Kind kind) {
  switch (kind) {
    case engines::Outcome::Kind::kExit:
      return "exit";
    case engines::Outcome::Kind::kTrap:
      return "trap";
    case engines::Outcome::Kind::kError:
      return "error";
  }
  return "error";
}

// JSON is UTF-8 (RFC 8259); paths and names need not be.
std::string json_text(std::string_view text) {
  std::ostringstream out;
  out << '"';
  while (!text.empty()) {
    const std::string_view character = engines::take_character(text);
    const char c = character[0];
    if (c == '"' || c == '\\') {
      out << '\\' << c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out << "\\u" << std::hex << std::setw(4) << std::setfill('0') << static_cast<int>(c) << std::dec;
    } else {
      out << character;
    }
  }
  out << '"';
  return out.str();
}

}  // namespace

std::string table(const std::vector<GuestSpec>& guests, const std::vector<GuestReport>& reports) {
  size_t width = 5;
  for (const auto& guest : guests) width = std::max(width, guest.label.size());
  std::ostringstream out;
  const auto column = [&](std::string_view text, size_t size) {
    out << std::left << std::setw(static_cast<int>(size)) << text << "  ";
  };
  column("guest", width);
  out << "engine    ended  code  seconds\n";
  size_t bad = 0;
  for (size_t i = 0; i < guests.size(); ++i) {
    const auto& report = reports[i];
    if (report.exit_code != 0) ++bad;
    column(guests[i].label, width);
    column(to_string(guests[i].engine), 8);
    column(to_string(report.kind), 5);
    out << std::right << std::setw(4) << report.exit_code << "  " << std::setw(7) << std::fixed << std::setprecision(3)
        << report.seconds;
    if (!report.message.empty()) out << "  " << report.message;
    out << '\n';
  }
  out << guests.size() << " guests, " << bad << " failed\n";
  return out.str();
}

std::string json(const std::vector<GuestSpec>& guests, const std::vector<GuestReport>& reports) {
  std::ostringstream out;
  out << "{\"guests\":[";
  for (size_t i = 0; i < guests.size(); ++i) {
    const auto& guest = guests[i];
    const auto& report = reports[i];
    out << (i == 0 ? "" : ",") << "{\"label\":" << json_text(guest.label) << ",\"name\":" << json_text(guest.name)
        << ",\"socket\":" << json_text(guest.socket) << ",\"wasm\":" << json_text(guest.wasm) << ",\"engine\":\""
        << to_string(guest.engine) << "\",\"ended\":\"" << to_string(report.kind)
        << "\",\"exit_code\":" << report.exit_code << ",\"message\":" << json_text(report.message)
        << ",\"seconds\":" << std::fixed << std::setprecision(3) << report.seconds << '}';
  }
  out << "]}\n";
  return out.str();
}

}  // namespace wasi_netd::host
