// Name servers, and those who pretend to be one, that answer what they should not.
#include <cerrno>
#include <future>
#include <optional>
#include <string>
#include <vector>

#include "tests/loop/loop_test.h"
#include "tests/support/dns_server.h"

namespace wasi_netd::net {
namespace {

using std::chrono::seconds;
using test::ScriptedDns;

constexpr size_t kHeader = 12;

std::string big_endian(size_t number) { return {static_cast<char>(number >> 8), static_cast<char>(number)}; }

class HostileDns : public LoopTest {
 protected:
  void TearDown() override {
    asking_->close();
    asking_.reset();
    LoopTest::TearDown();
  }
  ScriptedDns::Query next_query() {
    run_until([&] { return server_.has_query(); });
    return server_.receive();
  }
  std::shared_ptr<Running<Result<Answer>>> ask(const std::string& name) { return start(asking_->resolve(name)); }
  // What a look-up comes to when each of its queries is answered so.
  Errno outcome_of(const std::string& name, const std::function<std::string(const ScriptedDns::Query&)>& answer) {
    auto asked = ask(name);
    run_until([&] {
      while (server_.has_query()) {
        const auto query = server_.receive();
        server_.send(query, answer(query));
      }
      return asked->done();
    });
    return code_of(*asked->value);
  }
  void expect_it_still_works() {
    EXPECT_EQ(outcome_of("works.example",
                         [](const auto& query) {
                           return ScriptedDns::response(query, 0, {ScriptedDns::a_record("192.0.2.1", 0)});
                         }),
              Errno::success);
  }

  static constexpr const char* kGood = "192.0.2.1";
  static constexpr const char* kForged = "203.0.113.1";
  // At a port that TCP has free, too.
  static ScriptedDns make_server() {
    for (;;) {
      ScriptedDns server;
      try {
        test::native_bind(test::native_ip("127.0.0.1", server.port()));
        return server;
      } catch (const std::system_error&) {
      }
    }
  }
  ScriptedDns server_ = make_server();
  std::shared_ptr<Resolver> asking_ = make_resolver(
      loop(), {{std::get<policy::IpEndpoint>(ip("127.0.0.1", server_.port()))}, seconds(1), {policy::Family::kIpv4}});
};

TEST_F(HostileDns, FromAnotherPortOrAddressIsNotHeard) {
  ScriptedDns stranger, elsewhere("127.0.0.2", server_.port());
  auto asked = ask("a.example");
  const auto query = next_query();
  const auto forged = ScriptedDns::response(query, 0, {ScriptedDns::a_record(kForged, 60)});
  stranger.send(query, forged);
  elsewhere.send(query, forged);
  run_ready();
  EXPECT_FALSE(asked->done());
  server_.answer(query, 0, {ScriptedDns::a_record(kGood, 60)});
  auto answer = finish(asked);
  ASSERT_TRUE(answer);
  EXPECT_EQ(policy::to_string(answer->addresses.at(0)), kGood);
}

struct Malformed {
  const char* what;
  Errno outcome;  // timedout: it is not taken for an answer to this query
  std::string (*answer)(const ScriptedDns::Query&);
};

std::string with_counts(std::string response, size_t questions, size_t answers) {
  response.replace(4, 2, big_endian(questions));
  response.replace(6, 2, big_endian(answers));
  return response;
}
// A record of the type whose name, and whose data, are these bytes.
std::string record(const std::string& name, int type, const std::string& data) {
  return name + big_endian(static_cast<size_t>(type)) + std::string("\0\1\0\0\0\74", 6) + big_endian(data.size()) +
         data;
}
std::string pointer_to(size_t offset) { return big_endian(0xc000 | offset); }

// Each gets the query and gives an answer with its number and question, but for what is wrong.
const Malformed kMalformed[] = {
    {"nothing", Errno::timedout, [](const ScriptedDns::Query&) { return std::string(); }},
    {"half a header", Errno::timedout, [](const ScriptedDns::Query& query) { return query.bytes.substr(0, 6); }},
    {"a header that counts what is not there", Errno::again,
     [](const ScriptedDns::Query& query) { return with_counts(ScriptedDns::response(query, 0, {}), 1, 65535); }},
    {"no question", Errno::timedout,
     [](const ScriptedDns::Query& query) {
       return with_counts(ScriptedDns::response(query, 0, {}).substr(0, kHeader), 0, 0);
     }},
    {"the question of another name", Errno::timedout,
     [](const ScriptedDns::Query& query) {
       auto response = ScriptedDns::response(query, 0, {ScriptedDns::a_record("203.0.113.1", 60)});
       response[kHeader + 1] = static_cast<char>(response[kHeader + 1] ^ 1);
       return response;
     }},
    {"another number", Errno::timedout,
     [](const ScriptedDns::Query& query) {
       auto response = ScriptedDns::response(query, 0, {ScriptedDns::a_record("203.0.113.1", 60)});
       response[1] = static_cast<char>(response[1] ^ 1);
       return response;
     }},
    {"the query itself", Errno::noent, [](const ScriptedDns::Query& query) { return query.bytes; }},
    {"a name that points at itself", Errno::again,
     [](const ScriptedDns::Query& query) {
       const size_t here = ScriptedDns::response(query, 0, {}).size();
       return ScriptedDns::response(query, 0, {record(pointer_to(here), 1, std::string(4, '\1'))});
     }},
    {"names that point at each other", Errno::again,
     [](const ScriptedDns::Query& query) {
       const size_t here = ScriptedDns::response(query, 0, {}).size();
       const std::string first = record(pointer_to(here + 12), 5, pointer_to(here));
       return ScriptedDns::response(query, 0, {first, record(pointer_to(here), 1, std::string(4, '\1'))});
     }},
    {"a name that points out of the message", Errno::again,
     [](const ScriptedDns::Query& query) {
       return ScriptedDns::response(query, 0, {record(pointer_to(0x3fff), 1, std::string(4, '\1'))});
     }},
    {"an alias of itself", Errno::noent,
     [](const ScriptedDns::Query& query) {
       return ScriptedDns::response(query, 0, {record(pointer_to(kHeader), 5, pointer_to(kHeader))});
     }},
    {"an address of three bytes", Errno::noent,
     [](const ScriptedDns::Query& query) {
       return ScriptedDns::response(query, 0, {record(pointer_to(kHeader), 1, "abc")});
     }},
    {"data longer than the message", Errno::again,
     [](const ScriptedDns::Query& query) {
       auto one = record(pointer_to(kHeader), 1, std::string(4, '\1'));
       one.replace(one.size() - 6, 2, big_endian(65535));
       return ScriptedDns::response(query, 0, {one});
     }},
    {"noise behind the header", Errno::again,
     [](const ScriptedDns::Query& query) {
       return with_counts(ScriptedDns::response(query, 0, {}) + test::pattern(1000), 1, 20);
     }},
    {"an unknown code", Errno::noent,
     [](const ScriptedDns::Query& query) { return ScriptedDns::response(query, 15, {}); }},
};

TEST_F(HostileDns, MalformedAnswersAreNoAnswer) {
  int number = 0;
  for (const auto& row : kMalformed) {
    SCOPED_TRACE(row.what);
    EXPECT_EQ(outcome_of("m" + std::to_string(++number) + ".example", row.answer), row.outcome);
    expect_it_still_works();
  }
}

// The answer was cut, and over TCP there is nobody, or somebody who says this and leaves.
TEST_F(HostileDns, ATruncatedAnswerAndNothingOverTcpIsNoAnswer) {
  const auto cut = [](const ScriptedDns::Query& query) {
    auto response = ScriptedDns::response(query, 0, {ScriptedDns::a_record(kForged, 60)});
    response[2] = static_cast<char>(response[2] | 2);
    return response;
  };
  // Bound, so that it refuses and nobody else has it.
  test::NativeSocket tcp = test::native_bind(test::native_ip("127.0.0.1", server_.port()));
  EXPECT_EQ(outcome_of("cut.example", cut), Errno::again);
  ASSERT_EQ(::listen(tcp.fd(), 8), 0);
  const std::string kReplies[] = {"", "x", std::string(2, '\0'), "\xff\xff" + test::pattern(100),
                                  std::string("\0\14", 2) + test::pattern(12)};
  int number = 0;
  for (const auto& reply : kReplies) {
    SCOPED_TRACE(reply.size());
    auto peer = std::async(std::launch::async, [&tcp, &reply] {
      for (;;) {
        pollfd entry = {tcp.fd(), POLLIN, 0};
        constexpr int kLongerThanTheLookUpMs = 1500;
        if (::poll(&entry, 1, kLongerThanTheLookUpMs) == 0) return;
        auto connection = tcp.accept();
        connection.read(1);
        ::send(connection.fd(), reply.data(), reply.size(), MSG_NOSIGNAL);
      }
    });
    const Errno code = outcome_of("tcp" + std::to_string(++number) + ".example", cut);
    EXPECT_TRUE(code == Errno::again || code == Errno::timedout) << code;
    peer.wait();
    expect_it_still_works();
  }
}

}  // namespace
}  // namespace wasi_netd::net
