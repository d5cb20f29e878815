#include "daemon/net/proxy/http_connect.h"

#include <algorithm>
#include <string>

#include "daemon/net/proxy/target.h"

namespace wasi_netd::net {
namespace {

constexpr std::string_view kVersionPrefix = "HTTP/1.";
constexpr std::string_view kBasic = "Proxy-Authorization: Basic ";
constexpr std::string_view kLineEnd = "\r\n";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }
// RFC 9110 section 5.6.2.
bool is_token(char c) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || kMarks.find(c) != std::string_view::npos;
}

Error not_http(std::string_view what) { return Error{Errno::proto, "HTTP: " + std::string(what)}; }

Error refused(int status, bool authenticated) {
  const auto error = [status](Errno code, std::string_view text) {
    return Error{code, std::string(text) + " (HTTP status " + std::to_string(status) + ")"};
  };
  switch (status) {
    case 400:
      return error(Errno::proto, "does not understand the request");
    case 404:
    case 410:
      return error(Errno::hostunreach, "cannot reach the destination");
    case 405:
    case 501:
    case 505:
      return error(Errno::notsup, "does not do CONNECT");
    case 407:
      return error(Errno::acces, authenticated ? "refuses the user and password" : "asks for authentication");
    case 408:
    case 504:
      return error(Errno::timedout, "cannot reach the destination: time-out");
    default:
      if (status / 100 == 4) return error(Errno::acces, "refuses the destination");
      if (status / 100 == 5) return error(Errno::hostunreach, "cannot reach the destination");
      return error(Errno::proto, "answers with a status that CONNECT does not have");
  }
}

}  // namespace

Result<Secret> connect_request(const policy::Endpoint& target, std::string_view user, std::string_view password) {
  if (auto good = check_target(target); !good) return good.error();
  if (user.find(':') != std::string_view::npos || std::ranges::any_of(user, is_control)) {
    return Error{Errno::io, "HTTP Basic takes a user without colons and control characters"};
  }
  const std::string authority = policy::to_string(target);  // IPv6 in brackets, the port always there
  Secret credentials(user.size() + 1 + password.size());
  if (!user.empty()) {
    credentials.append(user);
    credentials.append(":");
    credentials.append(password);
  }
  constexpr size_t kFixed = 128;
  Secret out(kFixed + 2 * authority.size() + Secret::base64_size(credentials.view().size()));
  for (std::string_view part : {std::string_view("CONNECT "), std::string_view(authority),
                                std::string_view(" HTTP/1.1\r\nHost: "), std::string_view(authority), kLineEnd}) {
    out.append(part);
  }
  if (!user.empty()) {
    out.append(kBasic);
    out.append_base64(credentials.view());
    out.append(kLineEnd);
  }
  out.append(kLineEnd);
  return out;
}

Result<std::optional<size_t>> ConnectReply::look(std::string_view all) {
  // What is found does not depend on how the answer was cut into pieces: each byte is looked at in its turn.
  all = all.substr(0, kMaxHead);
  while (!complete_) {
    const std::string_view begun = all.substr(line_, kVersionPrefix.size());
    if (status_ == 0 && !kVersionPrefix.starts_with(begun)) return not_http("not an answer of HTTP/1");
    const size_t end = all.find('\n', scanned_);
    if (end == std::string_view::npos) {
      if (all.size() == kMaxHead) return Error{Errno::msgsize, "HTTP: the head is over 16 KiB"};
      scanned_ = all.size();
      return std::optional<size_t>();
    }
    std::string_view line = all.substr(line_, end - line_);
    line_ = scanned_ = end + 1;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (auto taken = take_line(line); !taken) return taken.error();
    if (++lines_ == kMaxLines && !complete_) return Error{Errno::msgsize, "HTTP: the head is over 128 lines"};
  }
  return std::optional<size_t>(line_);
}

Status ConnectReply::take_line(std::string_view line) {
  const auto is_bad = [](char c) { return is_control(c) && c != '\t'; };
  if (std::ranges::any_of(line, is_bad)) return not_http("a control character in the head");
  if (status_ == 0) return take_status_line(line);
  if (line.empty()) {
    complete_ = status_ >= 200;
    status_ = 0;
    return Status();
  }
  const std::string_view name = line.substr(0, line.find(':'));
  if (name.empty() || name.size() == line.size() || !std::ranges::all_of(name, is_token)) {
    return not_http("a line in the head is no field");
  }
  return Status();
}

Status ConnectReply::take_status_line(std::string_view line) {
  line.remove_prefix(kVersionPrefix.size());  // which look() has seen; left: "1 200 Connection established"
  const bool complete = line.size() >= 5 && is_digit(line[0]) && line[1] == ' ' &&
                        std::ranges::all_of(line.substr(2, 3), is_digit) && (line.size() == 5 || line[5] == ' ');
  if (!complete) return not_http("a status line without a status");
  status_ = (line[2] - '0') * 100 + (line[3] - '0') * 10 + (line[4] - '0');
  if (status_ == 101 || status_ < 100 || status_ >= 300) return refused(status_, authenticated_);
  return Status();
}

}  // namespace wasi_netd::net
