#pragma once
// The `tls:` section of a protocol, as the loader accepted it (docs/policy.md). Files are named here, not read: they
// are the daemon's to open, and to read again when they change. Pure values, any thread.
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace wasi_netd::policy {

struct Tls {
  enum class Role : uint8_t { kClient, kServer };
  // What is asked of the peer's certificate. A client always requires one.
  enum class Verify : uint8_t { kNone, kOptional, kRequired };
  enum class Version : uint8_t { kTls12, kTls13 };
  struct Identity {
    std::string certificate;  // PEM: the leaf first, then what leads to the root
    std::string key;          // PEM: its private key
  };

  Role role = Role::kClient;
  std::string ca;                    // PEM; empty: the system's store (a server that verifies has one)
  std::string crl;                   // PEM, one list or several; empty: revocation is not checked
  std::vector<Identity> identities;  // client: none or one; server: at least one, the first answers unknown names
  std::vector<std::string> alpn;     // the preferred first; empty: not negotiated
  Version min_version = Version::kTls12;
  std::string server_name;  // client: stands for the name in connect(), for SNI and verification alike
  Verify verify = Verify::kRequired;
  std::chrono::milliseconds handshake_timeout{10'000};
};

}  // namespace wasi_netd::policy
