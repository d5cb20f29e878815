// A guest that speaks PostgreSQL's protocol and a PostgreSQL server, which refuses to run as root.
#include "tests/e2e/servers/server_test.h"

namespace wasi_netd::test {
namespace {

using testing::HasSubstr;

class PostgresTest : public ServerTest {
 protected:
  void SetUp() override {
    std::vector<std::string> directories;
    for (int version = 30; version >= 9; --version) {
      directories.push_back("/usr/lib/postgresql/" + std::to_string(version) + "/bin");
    }
    const auto initdb = find_program("initdb", directories);
    const auto postgres = find_program("postgres", directories);
    if (!initdb || !postgres) GTEST_SKIP() << "postgresql is not installed";
    std::filesystem::create_directories(path("db"));
    if (::getuid() == 0) {
      const passwd* account = ::getpwnam("postgres");
      if (!account) GTEST_SKIP() << "there is no account postgres to run the server as";
      user_ = account->pw_uid;
      ASSERT_EQ(::chown(path("db").c_str(), *user_, *user_), 0);
      std::filesystem::permissions(path(""), std::filesystem::perms(0755));
    }
    Process::Start init = as_user({*initdb, "-D", data(), "-U", "guest", "-A", "trust", "-E", "UTF8", "--locale=C",
                                   "--no-sync", "--no-instructions"});
    const Outcome made = run(std::move(init));
    ASSERT_EQ(made.exit, kDone) << made.out << made.error;
    server_ = std::make_unique<Process>(
        as_user({*postgres, "-D", data(), "-p", std::to_string(port_), "-c", "listen_addresses=127.0.0.1,::1", "-c",
                 "unix_socket_directories=" + path("db"), "-F", "-c", "logging_collector=off"}));
    ASSERT_TRUE(server_->wait_stderr("database system is ready to accept connections")) << server_->standard_error();
    start(socket());
  }
  Process::Start as_user(std::vector<std::string> arguments) const {
    Process::Start start;
    start.arguments = std::move(arguments);
    start.directory = path("db");
    start.user = user_;
    return start;
  }
  std::string data() const { return path("db/data"); }
  std::string socket() const { return path("db/.s.PGSQL." + std::to_string(port_)); }

  std::optional<uid_t> user_;
};
WASI_NETD_WITH_ENGINES(PostgresTest);

// One test: a database takes seconds to make.
TEST_P(PostgresTest, AGuestsQueriesAreAnsweredOverTcpAndTheUnixSocket) {
  const std::vector<std::pair<std::string, std::string>> places = {
      {"net", at("127.0.0.1")}, {"net", at("[::1]")}, {"local", socket()}};
  for (const auto& [protocol, address] : places) {
    const Outcome sum = client("postgres_client", {protocol, address, "guest", "select 40+2"});
    EXPECT_EQ(sum.exit, kDone) << address << ": " << sum.error;
    EXPECT_EQ(sum.out, "42\n") << address;
  }

  const Outcome rows = client("postgres_client", {"net", at("server.test"), "guest",
                                                  "select i, repeat('x', i) from generate_series(1, 1000) i"});
  std::string expected;
  for (size_t i = 1; i <= 1000; ++i) expected += std::to_string(i) + "\n" + std::string(i, 'x') + "\n";
  EXPECT_EQ(rows.exit, kDone) << rows.error;
  EXPECT_TRUE(rows.out == expected) << rows.out.size() << " bytes";

  const Outcome wrong = client("postgres_client", {"local", socket(), "guest", "select nothing"});
  EXPECT_EQ(wrong.exit, (Process::Exit{1, 0}));
  EXPECT_THAT(wrong.error, HasSubstr("the server says: column \"nothing\" does not exist"));
}

}  // namespace
}  // namespace wasi_netd::test
