#pragma once
// Builds a TenantPolicy from the tree of its file. Internal; used for one file by one thread.
//
// check_keys() has been over the tree: what is not rejected has the right type and form, so readers here report only
// what the key table cannot say. Every reader goes on after an error, so that all of them are found.
#include <memory>

#include "policy/state.h"
#include "policy/yaml_tree.h"

namespace wasi_netd::policy {

class Loader {
 public:
  Loader(Problems& problems, const Reserved& reserved, const Accounts& accounts);
  // Null when there is any problem, those reported earlier included.
  std::shared_ptr<const TenantPolicy> build(const Node& root);

 private:
  const Place* place(const Node& at, std::string text);

  void read_tenant(const Node& root);
  void read_peers(const Node& root);
  std::optional<uint32_t> read_account(const Node& peer, std::string_view key,
                                       std::optional<uint32_t> (*find)(const std::string&));
  void read_limits(const Node& root);
  void read_guests(const Node& root);
  // The limits in `node`, each no wider than in `wider`, and `wider`'s where `node` is silent.
  Limits read_narrower(const Node* node, const Limits& wider, std::string_view wider_name);

  // loader_protocols.cc
  void read_protocols(const Node& root);
  void read_protocol(const Node& key, const Node& node);
  void read_families(const Node& node, ProtocolState&);
  void read_rights(const Node& node, ProtocolState&);
  void read_section(const Node& node, Operation, ProtocolState&, Section&);
  void read_rules(const Node& list, Operation, const ProtocolState&, const RuleSet* shadowed_by, RuleSet&);
  void read_resolver(const Node& node, ProtocolState&);
  void read_hosts(const Node& hosts, Protocol::Resolver&);
  void check_hosts(const Node& root);

  void run_tests(const Node& root, const TenantPolicy&);
  void run_test(const Node& test, const TenantPolicy&);

  Problems& problems_;
  const Accounts& accounts_;
  std::unique_ptr<TenantPolicy::State> state_;
};

}  // namespace wasi_netd::policy
