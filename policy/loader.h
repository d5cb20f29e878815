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
  std::vector<NamedFile> take_files() { return std::move(files_); }

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
  // The path under `key`, noted among the files; empty where it is absent or rejected.
  std::string read_file(const Node& section, std::string_view key, bool secret);
  void read_timeout(const Node& section, std::string_view key, std::chrono::milliseconds&);

  // loader_tls.cc
  void read_tls(const Node& protocol, ProtocolState&);
  void read_identities(const Node& section, Tls&);
  void read_tls_client(const Node& protocol, const Node& section, const ProtocolState&, Tls&);
  void read_tls_server(const Node& protocol, const Node& section, Tls&);
  void check_tls_verification(const Node& section, const Tls&);

  // loader_proxy.cc
  void read_proxy(const Node& protocol, ProtocolState&);
  void check_proxied(const Node& protocol, const ProtocolState&);

  void run_tests(const Node& root, const TenantPolicy&);
  void run_test(const Node& test, const TenantPolicy&);

  Problems& problems_;
  const Accounts& accounts_;
  std::unique_ptr<TenantPolicy::State> state_;
  std::vector<NamedFile> files_;
};

}  // namespace wasi_netd::policy
