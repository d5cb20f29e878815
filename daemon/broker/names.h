#pragma once
// From an address as a guest gave it to the addresses that may be dialled: judged by the policy, resolved once, every
// answer judged again. The tenant's loop.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/broker/session.h"
#include "daemon/net/net.h"
#include "policy/policy.h"

namespace wasi_netd::broker {

// The verdict on `request` before any look-up. A literal address that is denied as such may still be the answer of a
// permitted resolve of this session; then it is judged, and later dialled, as that name. With TLS so is one that is
// allowed as such: the peer is to prove that it has the name.
policy::Decision judge(const Session&, policy::Request& request);

// The name in request.endpoint, which judge() permitted, to permitted endpoints of its port. Writes the audit record of
// the decision, or leaves that to the caller where something is permitted. acces: no answer is permitted. noent,
// timedout, io: the look-up failed. canceled: the call was, while it waited.
//
// `begin`, if any, gets the permitted endpoints of an early part of the answer (net::Resolver), if it has some, once
// they are judged and recorded. What this then completes with, an error or maybe no endpoint, is about the rest.
struct Permitted {
  std::vector<policy::Endpoint> endpoints;
  std::chrono::seconds ttl{0};
  policy::Decision decision;  // on the first of them, if there is one
};
using Begin = std::function<void(std::vector<policy::Endpoint>)>;
enum class Record : uint8_t { kAlways, kRefusals };
Task<Result<Permitted>> resolve_permitted(std::shared_ptr<Session>, policy::Request request, std::string asked,
                                          policy::Decision name_decision, Call&, Begin begin = {},
                                          Record record = Record::kAlways);

}  // namespace wasi_netd::broker
