#include "daemon/broker/audit.h"

#include <ctime>

#include <boost/json/src.hpp>  // the header-only build of Boost.JSON: its one place

#include "policy/printable.h"

namespace wasi_netd::broker {
namespace {

namespace json = boost::json;

// Texts of peers, hosts and libraries are not always text: a record is UTF-8 whatever they are.
json::string text(std::string_view value) { return json::string(policy::printable(value)); }

std::string now() {
  const auto time = std::chrono::system_clock::now();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  const time_t seconds = ms / 1000;
  tm utc{};
  gmtime_r(&seconds, &utc);
  char date[32];
  const size_t length = std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
  char out[40];
  const int n =
      std::snprintf(out, sizeof out, "%.*s.%03dZ", static_cast<int>(length), date, static_cast<int>(ms % 1000));
  return {out, static_cast<size_t>(n)};
}

json::object record(std::string_view event, std::string_view tenant) {
  json::object object;
  object["time"] = now();
  object["event"] = text(event);
  object["tenant"] = text(tenant);
  return object;
}

json::object record(std::string_view event, const AuditSubject& who) {
  json::object object = record(event, who.tenant);
  if (!who.session.empty()) object["session"] = text(who.session);
  object["guest"] = text(who.guest);
  if (!who.protocol.empty()) object["protocol"] = text(who.protocol);
  return object;
}

}  // namespace

void Audit::decision(const AuditSubject& who, policy::Operation operation, std::string_view asked,
                     const std::vector<policy::Endpoint>& resolved, const policy::Decision& decision,
                     uint64_t left_out) {
  json::object object = record("decision", who);
  object["operation"] = text(policy::to_string(operation));
  object["address"] = text(asked);
  if (!resolved.empty()) {
    json::array addresses;
    for (const auto& endpoint : resolved) addresses.push_back(text(policy::to_string(endpoint)));
    object["resolved"] = std::move(addresses);
  }
  object["verdict"] = text(policy::to_string(decision.verdict));
  object["rule"] = text(policy::to_string(decision.rule));
  object["rule_text"] = text(decision.rule.text);
  object["reason"] = text(decision.reason);
  if (left_out != 0) object["left_out"] = left_out;
  log_.write(json::serialize(object));
}

void Audit::quota(const AuditSubject& who, std::string_view limit, uint64_t value) {
  json::object object = record("quota", who);
  object["limit"] = text(limit);
  object["value"] = value;
  log_.write(json::serialize(object));
}

void Audit::peer(std::string_view tenant, const Process& process, std::optional<uint64_t> refused_before) {
  json::object object = record("peer", tenant);
  object["verdict"] = refused_before ? "deny" : "allow";
  object["uid"] = process.uid;
  object["gid"] = process.gid;
  object["pid"] = process.pid;
  if (refused_before.value_or(0) != 0) object["refused_before"] = *refused_before;
  log_.write(json::serialize(object));
}

void Audit::guest_refused(const AuditSubject& who) {
  json::object object = record("session", who);
  object["verdict"] = "deny";
  log_.write(json::serialize(object));
}

void Audit::closed(const AuditSubject& who, const Closed& closed) {
  json::object object = record("close", who);
  object["operation"] = text(policy::to_string(closed.operation));
  object["address"] = text(closed.asked);
  if (closed.peer) object["peer"] = text(policy::to_string(*closed.peer));
  object["rule"] = text(policy::to_string(closed.rule));
  object["errno"] = text(to_string(closed.reason));
  if (!closed.detail.empty()) object["detail"] = text(closed.detail);
  object["bytes_in"] = closed.bytes_in;
  object["bytes_out"] = closed.bytes_out;
  object["duration_ms"] = closed.duration.count();
  if (closed.dropped != 0) object["dropped"] = closed.dropped;
  if (closed.refused != 0) object["refused"] = closed.refused;
  log_.write(json::serialize(object));
}

}  // namespace wasi_netd::broker
