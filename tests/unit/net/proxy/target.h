#pragma once
// Targets as tests write them, and results as they print.
#include <string_view>

#include <gtest/gtest.h>

#include "daemon/base/error.h"
#include "policy/address.h"

namespace wasi_netd {
inline std::ostream& operator<<(std::ostream& out, Errno code) { return out << to_string(code); }
}  // namespace wasi_netd

namespace wasi_netd::net {

inline policy::Endpoint target(std::string_view text) { return *policy::parse_endpoint(text, policy::Transport::kTcp); }

// "success", or the errno and the detail.
template <class T>
std::string outcome_of(const Result<T>& result) {
  if (result) return "success";
  return std::string(to_string(result.error().code)) + ": " + result.error().detail;
}

// No proxy is asked for these.
struct BadTarget {
  const char* what;
  policy::Endpoint endpoint;
};
inline const BadTarget kBadTargets[] = {
    {"a path", policy::UnixEndpoint{"/run/socket", false}},
    {"the unnamed endpoint", policy::UnixEndpoint{}},
    {"a zone", policy::IpEndpoint{policy::IpAddress::v6({0xfe, 0x80}, "eth0"), 80}},
    {"port 0 of an address", policy::IpEndpoint{policy::IpAddress::v4({192, 0, 2, 1}), 0}},
    {"port 0 of a name", policy::NameEndpoint{"a.example", 0}},
    {"an empty name", policy::NameEndpoint{"", 80}},
    {"a name of 254 bytes", policy::NameEndpoint{std::string(254, 'a'), 80}},
    {"a header in the name", policy::NameEndpoint{"a.example:80 HTTP/1.1\r\nX-Injected: 1\r\n\r\n", 80}},
    {"a line feed in the name", policy::NameEndpoint{"a.example\n", 80}},
    {"a space in the name", policy::NameEndpoint{"a example", 80}},
    {"a NUL in the name", policy::NameEndpoint{std::string("a\0b", 3), 80}},
    {"a slash in the name", policy::NameEndpoint{"a.example/b", 80}},
    {"an address as a name", policy::NameEndpoint{"127.0.0.1", 80}},
    {"capitals in the name", policy::NameEndpoint{"A.example", 80}},
    {"a name of bytes above ASCII", policy::NameEndpoint{"\xc3\xa4.example", 80}},
};

}  // namespace wasi_netd::net
