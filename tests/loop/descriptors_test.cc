// The way from a name to a connection when descriptors run out: at the first of each part, at the second, and so on.
#include "tests/loop/descriptors.h"

#include <algorithm>
#include <initializer_list>
#include <string>

#include "tests/loop/loop_test.h"
#include "tests/support/dns_server.h"

namespace wasi_netd::net {
namespace {

constexpr size_t kEnough = 50;

class DescriptorsTest : public LoopTest {
 protected:
  // How many descriptors each part of the way may open.
  struct Room {
    size_t look_up = kEnough, dial = kEnough;
  };
  // From the name to the connection, with a resolver of its own.
  Result<std::shared_ptr<Connection>> connect_by_name(Room room) {
    const auto answer = look_up(room.look_up);
    if (!answer) return answer.error();
    const FewDescriptors few(room.dial);
    return run(dial_stream(loop(), {policy::IpEndpoint{answer->addresses.front(), listener_.local_port()}})->run());
  }
  Result<Answer> look_up(size_t room) {
    const FewDescriptors few(room);
    const auto server = std::get<policy::IpEndpoint>(ip("127.0.0.1", dns_.port()));
    const auto resolver = make_resolver(loop(), {{server}, std::chrono::seconds(5), {policy::Family::kIpv4}});
    const auto asking = start(resolver->resolve("here.example"));
    while (dns_.has_query()) {
      dns_.answer(dns_.receive(), 0, {test::ScriptedDns::a_record("127.0.0.1", 60)});
    }
    auto answer = finish(asking);
    resolver->close();
    run_ready();
    return answer;
  }
  // It connects, and what it opened is closed with the connection.
  void expect_success(Room room) {
    const size_t before = open_descriptors();
    auto connected = connect_by_name(room);
    ASSERT_EQ(code_of(connected), Errno::success);
    {
      test::NativeSocket peer = listener_.accept();
      (*connected)->abort();
      EXPECT_EQ(peer.read_error(), ECONNRESET);
    }
    connected = Error{Errno::io, ""};
    run_ready();
    EXPECT_EQ(open_descriptors(), before);
  }
  // Fails with each `room` from nothing on, until it succeeds; returns how often, and expects that nothing stays open.
  size_t fail_until_it_succeeds(size_t Room::*part, std::initializer_list<Errno> expected) {
    for (size_t n = 0; n < kEnough; ++n) {
      SCOPED_TRACE("room for " + std::to_string(n));
      const size_t before = open_descriptors();
      Room room;
      room.*part = n;
      const auto outcome = connect_by_name(room);
      run_ready();
      if (outcome) {
        listener_.accept();
        (*outcome)->abort();
        return n;
      }
      EXPECT_TRUE(std::ranges::count(expected, code_of(outcome))) << code_of(outcome);
      EXPECT_EQ(open_descriptors(), before);
      expect_success({});  // it does not remember
    }
    ADD_FAILURE() << "it never succeeds";
    return kEnough;
  }

  test::ScriptedDns dns_;
  test::NativeSocket listener_ = test::native_listen(test::native_ip("127.0.0.1", 0));
};

TEST_F(DescriptorsTest, TheNthMayFailBetweenANameAndItsConnection) {
  expect_success({});  // what is made once and stays is there before anything is counted
  // Without a socket to ask with it is to the resolver as if the server had failed.
  EXPECT_GE(fail_until_it_succeeds(&Room::look_up, {Errno::again, Errno::nfile}), 1U);
  EXPECT_GE(fail_until_it_succeeds(&Room::dial, {Errno::nfile}), 1U);
}

}  // namespace
}  // namespace wasi_netd::net
