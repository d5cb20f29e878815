#include "daemon/net/dns_answer.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "daemon/net/socket_address.h"

namespace wasi_netd::net {
namespace {

constexpr size_t kMaxAddresses = 64;
constexpr std::chrono::seconds kMaxTtl = std::chrono::hours(1);

}  // namespace

Error error_of(int status, const std::string& name) {
  Errno code = Errno::again;  // the servers failed, in whichever way
  switch (status) {
    case ARES_ENOTFOUND:
    case ARES_ENODATA:
      code = Errno::noent;
      break;
    case ARES_EBADNAME:
    case ARES_EBADFAMILY:
      code = Errno::inval;
      break;
    case ARES_ETIMEOUT:
      code = Errno::timedout;
      break;
    case ARES_ENOMEM:
      code = Errno::nomem;
      break;
    case ARES_ECANCELLED:
    case ARES_EDESTRUCTION:
      code = Errno::canceled;
      break;
    default:
      break;
  }
  return Error{code, "resolve " + name + ": " + ares_strerror(status)};
}

Answer answer_of(const ares_addrinfo& info, const std::vector<policy::Family>& families) {
  Answer answer{{}, kMaxTtl};
  auto limit = [&answer](int ttl) { answer.ttl = std::min(answer.ttl, std::chrono::seconds(std::max(ttl, 0))); };
  for (const auto* alias = info.cnames; alias; alias = alias->next) limit(alias->ttl);
  std::vector<policy::IpAddress> found;
  for (const auto* node = info.nodes; node; node = node->ai_next) {
    SocketAddress from;
    if (node->ai_addrlen > sizeof from.storage) continue;
    std::memcpy(&from.storage, node->ai_addr, node->ai_addrlen);
    auto address = std::get<policy::IpEndpoint>(endpoint_of(from)).address;
    limit(node->ai_ttl);
    if (std::find(found.begin(), found.end(), address) == found.end()) found.push_back(std::move(address));
    if (found.size() == 2 * kMaxAddresses) break;
  }
  for (auto family : families) {
    for (auto& address : found) {
      if (address.family == family && answer.addresses.size() < kMaxAddresses) answer.addresses.push_back(address);
    }
  }
  return answer;
}

}  // namespace wasi_netd::net
