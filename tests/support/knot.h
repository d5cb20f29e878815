#pragma once
// Debian's Knot DNS, authoritative for the zone test., as a child of the test. Test thread only.
//
// It turns the records of a set around from answer to answer, follows aliases inside the zone, and has SERVFAIL for all
// of broken.test., a zone that it cannot load.
#include <fstream>
#include <stdexcept>
#include <string>

#include "tests/support/real_server.h"

namespace wasi_netd::test {

class Knot {
 public:
  static bool installed() { return find_program("knotd") && find_program("knotc"); }

  // Records as zone files have them, names relative to test.
  explicit Knot(const std::string& records)
      : server_([this, &records](uint16_t port) {
          RealServer::give_to_servers(directory_.path());
          write_zone(records);
          return command(port);
        }) {}
  // Replaces all of them; the next query is answered by the new ones.
  void serve(const std::string& records) {
    write_zone(records);
    const Outcome outcome = run({{*find_program("knotc"), "-s", directory_ / "control", "-b", "zone-reload", "test."}});
    if (outcome.exit != Process::Exit{0, 0}) throw std::runtime_error("knotc: " + outcome.error);
  }
  uint16_t port() const { return server_.port(); }

 private:
  void write_zone(const std::string& records) {
    std::ofstream(directory_ / "test.zone")
        << "$ORIGIN test.\n$TTL 0\n@ SOA ns hostmaster " << ++serial_ << " 3600 600 86400 0\n@ NS ns\nns A 127.0.0.1\n"
        << records;
  }
  std::vector<std::string> command(uint16_t port) {
    std::ofstream(directory_ / "knot.conf")
        << "server:\n  rundir: " << directory_.path() << "\n  listen: 127.0.0.1@" << port
        << "\n  answer-rotation: on\ncontrol:\n  listen: " << directory_ / "control"
        << "\nlog:\n  - target: stderr\n    any: warning\ndatabase:\n  storage: " << directory_.path()
        << "\nzone:\n  - domain: test.\n    file: " << directory_ / "test.zone"
        << "\n    zonefile-sync: -1\n    zonefile-load: whole\n    journal-content: none\n"
        << "  - domain: broken.test.\n    file: " << directory_ / "none.zone"
        << "\n";
    return {*find_program("knotd"), "-c", directory_ / "knot.conf"};
  }
  TemporaryDirectory directory_;
  int serial_ = 0;
  RealServer server_;
};

}  // namespace wasi_netd::test
