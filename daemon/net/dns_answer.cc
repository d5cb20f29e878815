#include "daemon/net/dns_answer.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "daemon/net/socket_address.h"

namespace wasi_netd::net {
namespace {

constexpr size_t kMaxAddresses = 64;

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

void add_to(Answer& answer, const ares_addrinfo& info) {
  auto limit = [&answer](int ttl) { answer.ttl = std::min(answer.ttl, std::chrono::seconds(std::max(ttl, 0))); };
  for (const auto* alias = info.cnames; alias; alias = alias->next) limit(alias->ttl);
  size_t room = kMaxAddresses;
  auto& found = answer.addresses;
  for (const auto* node = info.nodes; node && room > 0; node = node->ai_next) {
    SocketAddress from;
    if (node->ai_addrlen > sizeof from.storage) continue;
    std::memcpy(&from.storage, node->ai_addr, node->ai_addrlen);
    auto address = std::get<policy::IpEndpoint>(endpoint_of(from)).address;
    limit(node->ai_ttl);
    if (std::find(found.begin(), found.end(), address) != found.end()) continue;
    found.push_back(std::move(address));
    --room;
  }
}

Answer in_order(const Answer& answer, const std::vector<policy::Family>& families) {
  Answer ordered{{}, answer.ttl};
  const auto count = [&answer](policy::Family family) {
    return static_cast<size_t>(std::ranges::count(answer.addresses, family, &policy::IpAddress::family));
  };
  for (size_t i = 0; i < families.size(); ++i) {
    const size_t kept = i + 1 < families.size() ? std::min(count(families[i + 1]), kMaxAddresses / 2) : 0;
    const size_t most = kMaxAddresses - kept;
    for (const auto& address : answer.addresses) {
      if (address.family == families[i] && ordered.addresses.size() < most) ordered.addresses.push_back(address);
    }
  }
  return ordered;
}

}  // namespace wasi_netd::net
