// Listening, the backlog, connecting, names.
#include <set>
#include <vector>

#include "tests/e2e/differential/differential_test.h"

namespace wasi_netd::test {
namespace {

class Listening : public PlaceTest {
 protected:
  NativeSocket connect_peer(Socket listener) { return native_connect(native_address(api_->local_address(listener))); }
};
INSTANTIATE_TEST_SUITE_P(Everywhere, Listening, ::testing::Combine(kImplementations, kNets), NameOfCase());

TEST_P(Listening, KeepsPeersOfTheBacklogInOrderWithTheirBytes) {
  Socket listener = succeeded(api_->listen(place(), 16));
  std::vector<NativeSocket> peers;
  for (char name : {'1', '2', '3', '4'}) {
    peers.push_back(connect_peer(listener));
    peers.back().write_all(std::string(1, name));
  }
  for (const char* name : {"1", "2", "3", "4"}) {
    Socket socket = succeeded(api_->accept(listener));
    EXPECT_EQ(read(socket, 1).value, name);
    api_->close(socket);
  }
}

TEST_P(Listening, KeepsPeersThatWentBeforeTheyWereAccepted) {
  Socket listener = succeeded(api_->listen(place(), 16));
  {
    NativeSocket peer = connect_peer(listener);
    peer.write_all("was here");
  }
  Socket socket = succeeded(api_->accept(listener));
  EXPECT_EQ(read_to_end(socket), "was here");
}

TEST_P(Listening, AnswersAgainWhileNobodyCameAndPollTellsWhenOneDid) {
  Socket listener = succeeded(api_->listen(place(), 16));
  std::string address = api_->local_address(listener);
  api_->set_nonblocking(listener);
  EXPECT_EQ(api_->accept(listener).error, WASI_NETD_ERRNO_again);
  NativeSocket peer;
  std::thread connecting([&] { peer = native_connect(native_address(address)); });
  api_->poll(listener, Half::kRead);
  EXPECT_EQ(api_->accept(listener).error, WASI_NETD_ERRNO_success);
  EXPECT_EQ(api_->accept(listener).error, WASI_NETD_ERRNO_again);
  connecting.join();
}

TEST_P(Listening, WaitsForAPeer) {
  Socket listener = succeeded(api_->listen(place(), 16));
  std::string address = api_->local_address(listener);
  NativeSocket peer;
  std::thread connecting([&] { peer = native_connect(native_address(address)); });
  Socket socket = succeeded(api_->accept(listener));
  connecting.join();
  peer.write_all("x");
  EXPECT_EQ(read_byte(socket).value, 1U);
}

TEST_P(Listening, LeavesAcceptedConnectionsAloneWhenClosed) {
  Socket listener = succeeded(api_->listen(place(), 16));
  NativeSocket peer = connect_peer(listener);
  Socket socket = succeeded(api_->accept(listener));
  api_->close(listener);
  peer.write_all("x");
  EXPECT_EQ(read_byte(socket).value, 1U);
}

TEST_P(Listening, RefusesPeersOnceClosed) {
  Socket listener = succeeded(api_->listen(place(), 16));
  NativeAddress address = native_address(api_->local_address(listener));
  api_->close(listener);
  // A close does not wait for the daemon: a peer may just still get in.
  Code refusal = WASI_NETD_ERRNO_success;
  while (refusal == WASI_NETD_ERRNO_success) {
    NativeSocket late = native_socket(address);
    if (::connect(late.fd(), address.get(), address.size) != 0) refusal = WASI_NETD_ERRNO_connrefused;
  }
  EXPECT_EQ(refusal, WASI_NETD_ERRNO_connrefused);
}

TEST_P(Listening, AtATakenPlaceIsAddrinuse) {
  NativeSocket taken = listen_natively();
  EXPECT_EQ(api_->listen(address_of(taken), 16).error, WASI_NETD_ERRNO_addrinuse);
}

TEST_P(Listening, ServesManyPeersAtOnce) {
  Socket listener = succeeded(api_->listen(place(), 128));
  std::vector<NativeSocket> peers;
  std::vector<Socket> sockets;
  for (int i = 0; i < 50; ++i) {
    peers.push_back(connect_peer(listener));
    sockets.push_back(succeeded(api_->accept(listener)));
  }
  for (size_t i = 0; i < peers.size(); ++i) peers[i].write_all(std::to_string(1000 + i));
  for (size_t i = peers.size(); i-- > 0;) {
    EXPECT_EQ(read(sockets[i], 4).value, std::to_string(1000 + i));
    EXPECT_EQ(api_->write(sockets[i], "ok").value, 2U);
  }
  for (auto& peer : peers) EXPECT_EQ(peer.read(2), "ok");
}

TEST_P(Listening, LetsPeersBeyondAFullBacklogWaitAndLosesNone) {
  constexpr int kBacklog = 2;
  Socket listener = succeeded(api_->listen(place(), kBacklog));
  const NativeAddress address = native_address(api_->local_address(listener));
  // On loopback a connect is decided when it returns: the first that is not has found the backlog full.
  std::vector<NativeSocket> peers;
  bool full = false;
  while (!full) {
    ASSERT_LT(peers.size(), 64U) << "the backlog does not fill up";
    peers.push_back(native_socket(address));
    ::fcntl(peers.back().fd(), F_SETFL, O_NONBLOCK);
    pollfd decided = {peers.back().fd(), POLLOUT, 0};
    full = ::connect(peers.back().fd(), address.get(), address.size) != 0 && ::poll(&decided, 1, 0) != 1;
    full = full || (net_ == Net::kUnix && errno == EAGAIN);
  }
  EXPECT_GE(peers.size(), kBacklog + 1U);
  EXPECT_LE(peers.size(), kBacklog + 4U) << "the kernel takes one more than it was told, the daemon holds one";

  std::set<std::string> expected, served;
  std::vector<std::thread> programs;
  for (size_t i = 0; i < peers.size(); ++i) {
    expected.insert(std::to_string(100 + i));
    programs.emplace_back([&, i] {
      ::fcntl(peers[i].fd(), F_SETFL, 0);
      if (net_ == Net::kUnix && i + 1 == peers.size()) {  // this one was sent away instead of waiting
        EXPECT_EQ(::connect(peers[i].fd(), address.get(), address.size), 0);
      }
      peers[i].wait(POLLOUT);
      peers[i].write_all(std::to_string(100 + i));
      EXPECT_EQ(peers[i].read(2), "ok");
    });
  }
  for (size_t i = 0; i < peers.size(); ++i) {
    Socket socket = succeeded(api_->accept(listener));
    served.insert(read(socket, 3).value);
    EXPECT_EQ(api_->write(socket, "ok").value, 2U);
    api_->close(socket);
  }
  for (auto& program : programs) program.join();
  EXPECT_EQ(served, expected);
}

class Connecting : public PlaceTest {
 protected:
  // Where nobody listens, and nobody can meanwhile: bound, but no more.
  NativeSocket bound_only() { return native_bind(native_address(place())); }
};
INSTANTIATE_TEST_SUITE_P(Everywhere, Connecting, ::testing::Combine(kImplementations, kNets), NameOfCase());

TEST_P(Connecting, WhereNobodyListensIsRefused) {
  NativeSocket nobody = bound_only();
  EXPECT_EQ(api_->connect(address_of(nobody)).error, WASI_NETD_ERRNO_connrefused);
}

TEST_P(Connecting, WithoutWaitingIsToldByPoll) {
  NativeSocket listener = listen_natively();
  Socket socket = succeeded(api_->begin_connect(address_of(listener)));
  api_->poll(socket, Half::kWrite);
  EXPECT_EQ(api_->connected(socket), WASI_NETD_ERRNO_success);
  NativeSocket peer = listener.accept();
  EXPECT_EQ(api_->write(socket, "hello").value, 5U);
  EXPECT_EQ(peer.read(5), "hello");
  EXPECT_EQ(read_byte(socket).error, WASI_NETD_ERRNO_again);
}

TEST_P(Connecting, WithoutWaitingIsToldOfTheRefusalByPoll) {
  NativeSocket nobody = bound_only();
  Socket socket = succeeded(api_->begin_connect(address_of(nobody)));
  api_->poll(socket, Half::kWrite);
  EXPECT_EQ(api_->connected(socket), WASI_NETD_ERRNO_connrefused);
}

TEST_P(Connecting, TwiceToOnePlaceMakesTwoConnections) {
  NativeSocket listener = listen_natively();
  Socket first = succeeded(api_->connect(address_of(listener)));
  Socket second = succeeded(api_->connect(address_of(listener)));
  NativeSocket first_peer = listener.accept();
  NativeSocket second_peer = listener.accept();
  api_->write(first, "1");
  api_->write(second, "2");
  EXPECT_EQ(first_peer.read(1), "1");
  EXPECT_EQ(second_peer.read(1), "2");
  api_->close(first);
  EXPECT_EQ(first_peer.read_to_end(), "");
  api_->write(second, "3");
  EXPECT_EQ(second_peer.read(1), "3");
}

TEST_P(Connecting, GivesBothSidesTheSameNames) {
  NativeSocket listener = listen_natively();
  Socket socket = succeeded(api_->connect(address_of(listener)));
  NativeSocket peer = listener.accept();
  NativeAddress seen;
  seen.size = sizeof seen.storage;
  ASSERT_EQ(::getpeername(peer.fd(), reinterpret_cast<sockaddr*>(&seen.storage), &seen.size), 0);
  EXPECT_EQ(api_->peer_address(socket), address_of(listener));
  EXPECT_EQ(api_->local_address(socket), text_of(seen));
}

TEST_P(Connecting, GivesTheAcceptingSideTheSameNames) {
  Socket listener = succeeded(api_->listen(place(), 16));
  std::string address = api_->local_address(listener);
  NativeSocket peer = native_connect(native_address(address));
  Socket socket = succeeded(api_->accept(listener));
  EXPECT_EQ(api_->local_address(socket), address);
  EXPECT_EQ(api_->peer_address(socket), address_of(peer));
}

class Paths : public PlaceTest {};
INSTANTIATE_TEST_SUITE_P(Unix, Paths, ::testing::Combine(kImplementations, ::testing::Values(Net::kUnix)),
                         NameOfCase());

TEST_P(Paths, ThatAreNotThereAreNoent) {
  EXPECT_EQ(api_->connect(directory_ / "nothing").error, WASI_NETD_ERRNO_noent);
}

TEST_P(Paths, LeftByAListenerThatIsGoneRefuseAndStayTaken) {
  const std::string stale = place();
  { NativeSocket gone = native_bind(native_address(stale)); }
  EXPECT_EQ(api_->connect(stale).error, WASI_NETD_ERRNO_connrefused);
  EXPECT_EQ(api_->listen(stale, 16).error, WASI_NETD_ERRNO_addrinuse);
}

}  // namespace
}  // namespace wasi_netd::test
