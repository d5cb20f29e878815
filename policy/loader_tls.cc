// The `tls:` section of a protocol.
#include "policy/loader.h"

namespace wasi_netd::policy {
namespace {

std::string ticked(std::string_view key) { return "`" + std::string(key) + "`"; }

}  // namespace

void Loader::read_tls(const Node& node, ProtocolState& state) {
  const Node* section = node.find("tls");
  if (section == nullptr) return;
  if (state.protocol.transport == Transport::kUdp)
    problems_.error(*node.find_key("tls"), "`tls` has no meaning for transport udp: it protects streams");
  const Node* role = section->find("role");
  if (role == nullptr) return;  // without it nothing else can be judged
  Tls tls;
  tls.role = role->text == "client" ? Tls::Role::kClient : Tls::Role::kServer;
  tls.ca = read_file(*section, "ca", false);
  tls.crl = read_file(*section, "crl", false);
  if (const Node* version = section->find("min_version"))
    tls.min_version = version->text == "1.3" ? Tls::Version::kTls13 : Tls::Version::kTls12;
  if (const Node* alpn = section->find("alpn")) {
    for (const Node& name : alpn->items) {
      if (!name.rejected) tls.alpn.push_back(name.text);
    }
  }
  read_timeout(*section, "handshake_timeout", tls.handshake_timeout);
  read_identities(*section, tls);
  if (tls.role == Tls::Role::kClient)
    read_tls_client(node, *section, state, tls);
  else
    read_tls_server(node, *section, tls);
  check_tls_verification(*section, tls);
  state.protocol.tls = std::move(tls);
}

void Loader::read_identities(const Node& section, Tls& tls) {
  const Node* certificate = section.find_key("certificate");
  const Node* key = section.find_key("key");
  const Node* list = section.find_key("certificates");
  if (certificate != nullptr && key == nullptr) problems_.error(*certificate, "`certificate` needs its `key`");
  if (key != nullptr && certificate == nullptr) problems_.error(*key, "`key` needs its `certificate`");
  if (certificate != nullptr && key != nullptr)
    tls.identities.push_back({read_file(section, "certificate", false), read_file(section, "key", true)});
  if (list == nullptr) return;
  if (certificate != nullptr || key != nullptr)
    problems_.error(*list, "either `certificates` or one `certificate` with its `key`");
  const Node* items = section.find("certificates");
  if (items == nullptr) return;
  for (const Node& item : items->items) {
    if (!item.rejected) tls.identities.push_back({read_file(item, "certificate", false), read_file(item, "key", true)});
  }
}

void Loader::read_tls_client(const Node& protocol, const Node& section, const ProtocolState& state, Tls& tls) {
  const Node& role = *section.find("role");
  if (protocol.find_key("connect") == nullptr && !state_->audit)
    problems_.error(role, "role client is never used: the protocol has no `connect`");
  if (protocol.find_key("accept") != nullptr)
    problems_.error(role, "role client does not protect who comes in by `accept`; that needs a protocol of its own");
  if (const Node* list = section.find_key("certificates"))
    problems_.error(*list, "`certificates` is for role server; a client has one `certificate` and its `key`");
  const Node* name = section.find("server_name");
  if (name != nullptr) {
    if (const std::optional<std::string> parsed = parse_name(name->text))
      tls.server_name = *parsed;
    else
      problems_.error(*name, "expected a host name, found '" + name->text + "'");
  } else if (!uses_ip(state.protocol.transport) && section.find_key("server_name") == nullptr) {
    problems_.error(role, "a client on transport unix needs `server_name`: the socket has no name to verify");
  }
  const Node* verify = section.find("verify");
  if (verify != nullptr && verify->text != "required")
    problems_.error(*verify, "a client always verifies the server: verification cannot be switched off");
}

void Loader::read_tls_server(const Node& protocol, const Node& section, Tls& tls) {
  const Node& role = *section.find("role");
  if (protocol.find_key("open") == nullptr && protocol.find_key("accept") == nullptr && !state_->audit)
    problems_.error(role, "role server is never used: the protocol has neither `open` nor `accept`");
  if (protocol.find_key("connect") != nullptr)
    problems_.error(role, "role server does not protect where guests `connect` to; that needs a protocol of its own");
  if (const Node* name = section.find_key("server_name"))
    problems_.error(*name, "`server_name` is for role client; a server's certificates say its names");
  const bool attempted = section.find_key("certificate") != nullptr || section.find_key("key") != nullptr ||
                         section.find_key("certificates") != nullptr;
  if (!attempted)
    problems_.error(role, "a server needs a certificate: `certificate` and `key`, or a list of `certificates`");
  const Node* verify = section.find("verify");
  tls.verify = verify == nullptr            ? Tls::Verify::kNone
               : verify->text == "required" ? Tls::Verify::kRequired
               : verify->text == "optional" ? Tls::Verify::kOptional
                                            : Tls::Verify::kNone;
}

void Loader::check_tls_verification(const Node& section, const Tls& tls) {
  const Node* ca = section.find_key("ca");
  const Node* crl = section.find_key("crl");
  const Node* verify = section.find_key("verify");
  if (tls.verify == Tls::Verify::kNone) {
    if (verify != nullptr && section.find("verify") == nullptr) return;  // unknown what was meant
    for (const Node* unused : {ca, crl}) {
      if (unused != nullptr)
        problems_.error(
            *unused,
            ticked(unused->text) + " is never used: a server verifies clients where `verify` is optional or required");
    }
    return;
  }
  if (tls.role == Tls::Role::kServer && ca == nullptr)
    problems_.error(*section.find("verify"), "verifying clients needs `ca`: the system's store vouches for servers");
  if (crl != nullptr && ca == nullptr) problems_.error(*crl, "`crl` needs the `ca` whose list it is");
}

}  // namespace wasi_netd::policy
