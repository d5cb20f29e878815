// Binding, listening, accepting, options, and connecting from a bound socket.
#include <filesystem>
#include <vector>

#include <sys/stat.h>

#include "policy/policy.h"
#include "tests/loop/wire_test.h"

namespace wasi_netd::net {
namespace {

using policy::IpEndpoint;

class Listening : public WireTest {};
INSTANTIATE_TEST_SUITE_P(AllWires, Listening,
                         ::testing::Values(WireCase{Wire::kTcp4, false}, WireCase{Wire::kTcp6, false},
                                           WireCase{Wire::kUnixPath, false}, WireCase{Wire::kUnixAbstract, false}),
                         name_of_case);

TEST_P(Listening, AcceptsPeersInTheOrderOfTheBacklog) {
  auto target = native_address(listener_->local_endpoint());
  auto first = test::native_connect(target);
  auto second = test::native_connect(target);
  first.write_all("1");
  second.write_all("2");
  auto one = *run(listener_->accept());
  auto two = *run(listener_->accept());
  EXPECT_EQ(run(read(*one->take_stream(), 1)), "1");
  EXPECT_EQ(run(read(*two->take_stream(), 1)), "2");
}

TEST_P(Listening, AnswersNfileWithoutDescriptorsAndKeepsThePeer) {
  auto target = native_address(listener_->local_endpoint());
  auto first = test::native_connect(target);
  EXPECT_TRUE(run(listener_->accept()));
  auto waiting = test::native_connect(target);
  waiting.write_all("still here");
  {
    NoDescriptors none;
    EXPECT_EQ(code_of(run(listener_->accept())), Errno::nfile);
    EXPECT_EQ(code_of(run(listener_->accept())), Errno::nfile);
  }
  auto accepted = *run(listener_->accept());
  EXPECT_EQ(run(read(*accepted->take_stream(), 10)), "still here");
}

TEST_P(Listening, EndsAPendingAcceptWhenClosed) {
  auto accepting = start(listener_->accept());
  EXPECT_FALSE(accepting->done());
  listener_->close();
  EXPECT_EQ(code_of(finish(accepting)), Errno::canceled);
  EXPECT_EQ(code_of(run(listener_->accept())), Errno::canceled);
  listener_->close();
}

TEST_P(Listening, RefusesPeersOnceClosed) {
  auto target = native_address(listener_->local_endpoint());
  listener_->close();
  EXPECT_THROW(test::native_connect(target), std::system_error);
}

TEST_P(Listening, LivesUntilItsPendingAcceptEnded) {
  std::weak_ptr<Listener> object = listener_;
  auto accepting = start(listener_->accept());
  auto last = std::exchange(listener_, nullptr);
  last->close();
  last.reset();
  EXPECT_FALSE(object.expired());
  EXPECT_EQ(code_of(finish(accepting)), Errno::canceled);
  EXPECT_TRUE(object.expired());
}

TEST_P(Listening, LeavesNoDescriptorToAChildProcess) {
  auto peer = test::native_connect(native_address(listener_->local_endpoint()));
  auto accepted = *run(listener_->accept());
  int sockets = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    int fd = std::stoi(entry.path().filename());
    struct stat what {};
    if (fd <= STDERR_FILENO || ::fstat(fd, &what) != 0 || !S_ISSOCK(what.st_mode)) continue;
    ++sockets;
    EXPECT_TRUE(::fcntl(fd, F_GETFD) & FD_CLOEXEC);
  }
  EXPECT_GE(sockets, 5) << "the listener, two connections, both ends of each";
}

class ListeningTcp : public WireTest {};
INSTANTIATE_TEST_SUITE_P(Tcp, ListeningTcp,
                         ::testing::Values(WireCase{Wire::kTcp4, false}, WireCase{Wire::kTcp6, false}), name_of_case);

TEST_P(ListeningTcp, GoesOnAfterPeersThatResetWhileTheyWaited) {
  auto target = native_address(listener_->local_endpoint());
  test::native_connect(target).reset();
  auto healthy = test::native_connect(target);
  healthy.write_all("x");
  auto dead = *run(listener_->accept());  // Linux hands it over, already ended
  EXPECT_EQ(code_of(run(read_byte(*dead->take_stream()))), Errno::connreset);
  auto accepted = *run(listener_->accept());
  EXPECT_EQ(run(read(*accepted->take_stream(), 1)), "x");
}

class EndpointsOfWires : public WireTest {};
INSTANTIATE_TEST_SUITE_P(AllWires, EndpointsOfWires, plain_wires(), name_of_case);

TEST_P(EndpointsOfWires, AreWhatTheKernelSays) {
  if (is_tcp()) {
    const char* host = GetParam().wire == Wire::kTcp4 ? "127.0.0.1" : "::1";
    EXPECT_EQ(connection_->local_endpoint(), ip(host, peer_.socket().peer_port()));
    EXPECT_EQ(connection_->peer_endpoint(), ip(host, peer_.socket().local_port()));
    return;
  }
  const Endpoint unnamed = policy::UnixEndpoint{};
  EXPECT_EQ(GetParam().dialled ? connection_->local_endpoint() : connection_->peer_endpoint(), unnamed);
  EXPECT_EQ(GetParam().dialled ? connection_->peer_endpoint() : connection_->local_endpoint(), our_endpoint());
}

TEST_P(EndpointsOfWires, StayKnownAfterTheEnd) {
  Endpoint local = connection_->local_endpoint();
  connection_->abort();
  EXPECT_EQ(connection_->local_endpoint(), local);
}

class Options : public WireTest {};
INSTANTIATE_TEST_SUITE_P(AllWires, Options, plain_wires(), name_of_case);

TEST_P(Options, SendWholeMessagesAtOnceUnlessTurnedOff) {
  if (!is_tcp()) {
    EXPECT_EQ(code_of(connection_->get_option(Option::kNodelay)), Errno::noprotoopt);
    EXPECT_EQ(code_of(connection_->set_option(Option::kNodelay, 1)), Errno::noprotoopt);
    return;
  }
  EXPECT_EQ(*connection_->get_option(Option::kNodelay), 1U);
  EXPECT_EQ(code_of(connection_->set_option(Option::kNodelay, 0)), Errno::success);
  EXPECT_EQ(*connection_->get_option(Option::kNodelay), 0U);
}

TEST_P(Options, OfKeepaliveAreTcps) {
  EXPECT_EQ(code_of(connection_->set_option(Option::kKeepalive, 7)), is_tcp() ? Errno::success : Errno::noprotoopt);
  if (is_tcp()) {
    EXPECT_EQ(*connection_->get_option(Option::kKeepalive), 1U);
  }
}

TEST_P(Options, OfBuffersAreTheKernelsToRound) {
  for (Option option : {Option::kReceiveBuffer, Option::kSendBuffer}) {
    EXPECT_EQ(code_of(connection_->set_option(option, 32768)), Errno::success);
    EXPECT_GE(*connection_->get_option(option), 32768U);
    EXPECT_EQ(code_of(connection_->set_option(option, 0x80000000U)), Errno::inval);
  }
}

TEST_P(Options, AreGoneAfterTheEnd) {
  connection_->abort();
  EXPECT_EQ(code_of(connection_->get_option(Option::kSendBuffer)), Errno::canceled);
  EXPECT_EQ(code_of(connection_->set_option(Option::kSendBuffer, 1)), Errno::canceled);
}

TEST_P(Options, GiveOneStreamOnly) { EXPECT_EQ(code_of(connection_->take_stream()), Errno::notsup); }

class Binding : public LoopTest {};

TEST_F(Binding, PicksAPortAtOnceForPortZero) {
  auto bound = *bind_stream(loop(), ip("127.0.0.1", 0));
  EXPECT_NE(port_of(bound->local_endpoint()), 0);
  Endpoint promised = bound->local_endpoint();
  auto listener = *bound->listen(1);
  EXPECT_EQ(listener->local_endpoint(), promised);
}

TEST_F(Binding, OfTheUnspecifiedAddressGivesEachConnectionItsOwn) {
  auto listener = *(*bind_stream(loop(), ip("0.0.0.0", 0)))->listen(0);
  auto peer = test::native_connect(test::native_ip("127.0.0.1", port_of(listener->local_endpoint())));
  auto connection = *run(listener->accept());
  EXPECT_EQ(connection->local_endpoint(), ip("127.0.0.1", port_of(listener->local_endpoint())));
}

TEST_F(Binding, OfIpv6LeavesIpv4Alone) {
  Errno four = Errno::addrinuse;
  // Another program may have the port on IPv4; some other port is free on both.
  for (int i = 0; i < 16 && four == Errno::addrinuse; ++i) {
    auto six = *(*bind_stream(loop(), ip("::", 0)))->listen(1);
    auto bound = bind_stream(loop(), ip("0.0.0.0", port_of(six->local_endpoint())));
    four = bound ? code_of((*bound)->listen(1)) : code_of(bound);
  }
  EXPECT_EQ(four, Errno::success);
}

TEST_F(Binding, OfATakenPortIsAddrinuse) {
  auto taken = test::native_listen(test::native_ip("127.0.0.1", 0));
  EXPECT_EQ(code_of(bind_stream(loop(), ip("127.0.0.1", taken.local_port()))), Errno::addrinuse);
}

TEST_F(Binding, OfAnAddressThatIsNotOursIsAddrnotavail) {
  EXPECT_EQ(code_of(bind_stream(loop(), ip("192.0.2.1", 0))), Errno::addrnotavail);
}

TEST_F(Binding, OfANameIsInval) {
  EXPECT_EQ(code_of(bind_stream(loop(), policy::NameEndpoint{"localhost", 80})), Errno::inval);
}

TEST_F(Binding, InAnUnknownZoneIsNodev) {
  Endpoint nowhere = IpEndpoint{policy::IpAddress::v6({0xfe, 0x80}, "nosuchzone"), 0};
  EXPECT_EQ(code_of(bind_stream(loop(), nowhere)), Errno::nodev);
}

TEST_F(Binding, IsUsedUpByListening) {
  auto bound = *bind_stream(loop(), ip("127.0.0.1", 0));
  auto listener = *bound->listen(1);
  EXPECT_EQ(code_of(bound->listen(1)), Errno::inval);
  EXPECT_EQ(code_of(run(bound->connect(ip("127.0.0.1", 1)))), Errno::inval);
  bound->close();
  auto peer = test::native_connect(test::native_ip("127.0.0.1", port_of(listener->local_endpoint())));
  EXPECT_TRUE(run(listener->accept())) << "the listener is on its own";
}

TEST_F(Binding, GivesARestartedListenerItsPort) {
  auto listener = *(*bind_stream(loop(), ip("127.0.0.1", 0)))->listen(1);
  uint16_t port = port_of(listener->local_endpoint());
  auto peer = test::native_connect(test::native_ip("127.0.0.1", port));
  auto connection = *run(listener->accept());
  run(connection->finish(std::chrono::milliseconds(0)));  // we end first: TIME_WAIT is on our side
  EXPECT_EQ(peer.read_to_end(), "");
  peer.close();
  listener->close();
  auto again = bind_stream(loop(), ip("127.0.0.1", port));
  ASSERT_TRUE(again);
  EXPECT_TRUE((*again)->listen(1));
}

TEST_F(Binding, ConnectsFromItsOwnPort) {
  auto server = test::native_listen(test::native_ip("127.0.0.1", 0));
  auto bound = *bind_stream(loop(), ip("127.0.0.1", 0));
  auto connection = *run(bound->connect(ip("127.0.0.1", server.local_port())));
  EXPECT_EQ(connection->local_endpoint(), bound->local_endpoint());
  auto peer = server.accept();
  EXPECT_EQ(peer.peer_port(), port_of(bound->local_endpoint()));
  EXPECT_EQ(code_of(bound->listen(1)), Errno::inval);
}

TEST_F(Binding, RefusesToConnectToItself) {
  auto bound = *bind_stream(loop(), ip("127.0.0.1", 0));
  EXPECT_EQ(code_of(run(bound->connect(bound->local_endpoint()))), Errno::connrefused);
}

TEST_F(Binding, ConnectsOnlyToItsOwnKindOfAddress) {
  auto bound = *bind_stream(loop(), ip("127.0.0.1", 0));
  EXPECT_EQ(code_of(run(bound->connect(unix_path("/nowhere")))), Errno::afnosupport);
  EXPECT_EQ(code_of(run(bound->connect(policy::NameEndpoint{"localhost", 80}))), Errno::afnosupport);
  EXPECT_EQ(code_of(run(bound->connect(ip("::1", 1)))), Errno::afnosupport);
}

TEST_F(Binding, EndsAPendingConnectWhenClosed) {
  auto full = test::native_listen(test::native_ip("127.0.0.1", 0), 0);
  std::vector<std::shared_ptr<Running<Result<std::shared_ptr<Connection>>>>> attempts;
  std::vector<std::shared_ptr<Bound>> sockets;
  // A backlog of 0 holds one; then the kernel leaves connections unanswered.
  do {
    sockets.push_back(*bind_stream(loop(), ip("127.0.0.1", 0)));
    attempts.push_back(start(sockets.back()->connect(ip("127.0.0.1", full.local_port()))));
  } while (attempts.back()->done() && attempts.size() < 64);
  ASSERT_FALSE(attempts.back()->done());
  sockets.back()->close();
  EXPECT_EQ(code_of(finish(attempts.back())), Errno::canceled);
  EXPECT_EQ(code_of(run(sockets.back()->connect(ip("127.0.0.1", 1)))), Errno::canceled);
}

// A rule for a directory must not admit who bound elsewhere and spelt it as inside.
TEST_F(Binding, OfAPeerInAnotherSpellingLeavesItWithoutAName) {
  test::TemporaryDirectory directory;
  std::filesystem::create_directories(directory / "app");
  std::filesystem::create_directories(directory / "evil");
  const auto loaded = policy::load_text(
      "version: 1\ntenant: t\npeers: [{user: 0}]\nprotocols:\n  p:\n    transport: unix\n"
      "    accept: {allow: ['" +
          directory / "app/" + "']}\n",
      "t.yaml", {}, {});
  ASSERT_TRUE(loaded.policy);
  auto listener = *(*bind_stream(loop(), unix_path(directory / "s")))->listen(16);
  for (const auto& [path, expected] :
       std::vector<std::pair<std::string, Endpoint>>{{"app/peer", unix_path(directory / "app/peer")},
                                                     {"app/../evil/a", policy::UnixEndpoint{}},
                                                     {"app//b", policy::UnixEndpoint{}},
                                                     {"app/./c", policy::UnixEndpoint{}}}) {
    auto peer = test::native_bind(test::native_unix(directory / path));
    const auto to = test::native_unix(directory / "s");
    ASSERT_EQ(::connect(peer.fd(), to.get(), to.size), 0) << path;
    auto accepted = *run(listener->accept());
    EXPECT_EQ(accepted->peer_endpoint(), expected) << path;
    const policy::Request request{"", "p", policy::Operation::kAccept, accepted->peer_endpoint(), {}};
    EXPECT_EQ(loaded.policy->decide(request).permitted(), path == "app/peer") << path;
  }
  listener->close();
}

TEST_F(Binding, OfAnUnnamedUnixSocketCanConnectButNotListen) {
  test::TemporaryDirectory directory;
  auto server = test::native_listen(test::native_unix(directory / "s"));
  auto bound = *bind_stream(loop(), policy::UnixEndpoint{});
  EXPECT_EQ(code_of(bound->listen(1)), Errno::inval);
  auto connection = *run(bound->connect(unix_path(directory / "s")));
  EXPECT_EQ(connection->local_endpoint(), Endpoint(policy::UnixEndpoint{}));
}

}  // namespace
}  // namespace wasi_netd::net
