// Datagrams, with a peer and without: boundaries, errors, ends.
#include <tuple>

#include "tests/e2e/differential/datagram_api.h"
#include "tests/e2e/differential/differential_test.h"

namespace wasi_netd::test {
namespace {

enum class Kind { kUdp4, kUdp6, kUnix };
std::string name_of(Kind value) {
  constexpr const char* kNames[] = {"Udp4", "Udp6", "Unix"};
  return kNames[static_cast<int>(value)];
}
std::ostream& operator<<(std::ostream& out, Kind value) { return out << name_of(value); }
struct Name {
  std::string operator()(const testing::TestParamInfo<std::tuple<Implementation, Kind>>& info) const {
    return wasi_netd::test::name_of(std::get<0>(info.param)) + name_of(std::get<1>(info.param));
  }
};

class Datagrams : public testing::TestWithParam<std::tuple<Implementation, Kind>> {
 protected:
  using Socket = DatagramApi::Socket;
  using Half = DatagramApi::Half;

  void SetUp() override {
    const bool native = std::get<0>(GetParam()) == Implementation::kNative;
    api_ = native ? make_native_datagrams() : make_netd_datagrams(directory_.path());
    peer_ = native_bind(native_address(place()), SOCK_DGRAM);
  }
  static bool is_unix() { return std::get<1>(GetParam()) == Kind::kUnix; }
  // A free place for a socket.
  std::string place() {
    switch (std::get<1>(GetParam())) {
      case Kind::kUdp4:
        return "127.0.0.1:0";
      case Kind::kUdp6:
        return "[::1]:0";
      case Kind::kUnix:
        break;
    }
    return directory_ / ("socket" + std::to_string(++paths_));
  }
  static std::string address_of(const NativeSocket& socket) {
    NativeAddress address;
    address.size = sizeof address.storage;
    if (::getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&address.storage), &address.size) != 0) {
      throw_errno("getsockname");
    }
    return text_of(address);
  }
  Socket bound() {
    const auto made = api_->bind(place());
    EXPECT_EQ(made.error, WASI_NETD_ERRNO_success);
    return made.value;
  }
  // Bound as well, so that a Unix peer can answer.
  Socket connected() {
    const Socket made = bound();
    where_ = api_->local_address(made);
    EXPECT_EQ(api_->connect(made, address_of(peer_)), WASI_NETD_ERRNO_success);
    return made;
  }
  void peer_sends(std::string_view datagram) { peer_.send_to(datagram, native_address(where_)); }
  // Until a call answers something else than success.
  Code error_of_sending(Socket socket) {
    for (;;) {
      const Code error = api_->send(socket, "x");
      if (error != WASI_NETD_ERRNO_success) return error;
      std::this_thread::yield();
    }
  }

  TemporaryDirectory directory_;
  std::unique_ptr<DatagramApi> api_;
  NativeSocket peer_;
  std::string where_;  // the connected one is

 private:
  int paths_ = 0;
};
INSTANTIATE_TEST_SUITE_P(Everywhere, Datagrams,
                         testing::Combine(kImplementations, testing::Values(Kind::kUdp4, Kind::kUdp6, Kind::kUnix)),
                         Name());

// Where Unix differs: it tells who sends at once, and its datagrams may be longer.
class UdpDatagrams : public Datagrams {};
INSTANTIATE_TEST_SUITE_P(Everywhere, UdpDatagrams,
                         testing::Combine(kImplementations, testing::Values(Kind::kUdp4, Kind::kUdp6)), Name());

TEST_P(Datagrams, KeepTheirBoundariesWithAPeer) {
  const Socket socket = connected();
  const std::string all[] = {"one", "", std::string(1, '\0'), pattern(1472), pattern(65'507, 3), "last"};
  for (const std::string& one : all) {
    EXPECT_EQ(api_->send(socket, one), WASI_NETD_ERRNO_success);
    EXPECT_TRUE(peer_.receive() == one) << one.size();
    peer_sends(one);
    const auto got = api_->receive(socket, 65'536);
    EXPECT_EQ(got.error, WASI_NETD_ERRNO_success);
    EXPECT_TRUE(got.value.data == one) << one.size();
    EXPECT_FALSE(got.value.truncated);
  }
}

TEST_P(Datagrams, KeepTheirBoundariesWithoutAPeer) {
  const Socket socket = bound();
  where_ = api_->local_address(socket);
  const std::string peer = address_of(peer_);
  for (const std::string& one : {std::string("one"), std::string(), pattern(65'507)}) {
    EXPECT_EQ(api_->send_to(socket, one, peer), WASI_NETD_ERRNO_success);
    NativeAddress from;
    EXPECT_TRUE(peer_.receive(&from) == one);
    EXPECT_EQ(text_of(from), where_);
    peer_sends(one);
    const auto got = api_->receive_from(socket, 65'536);
    EXPECT_TRUE(got.value.data == one) << one.size();
    EXPECT_EQ(got.value.from, peer);
  }
}

TEST_P(Datagrams, LoseWhatTheBufferHasNoRoomForAndSaySo) {
  const Socket with_peer = connected();
  peer_sends("abcdef");
  peer_sends("next");
  auto got = api_->receive(with_peer, 4);
  EXPECT_EQ(got.value.data, "abcd");
  EXPECT_TRUE(got.value.truncated);
  EXPECT_EQ(api_->receive(with_peer, 4).value.data, "next");

  const Socket without = bound();
  where_ = api_->local_address(without);
  peer_sends("abcdef");
  peer_sends("next");
  got = api_->receive_from(without, 4);
  EXPECT_EQ(got.value.data, "abcd");
  EXPECT_TRUE(got.value.truncated);
  got = api_->receive_from(without, 4);
  EXPECT_EQ(got.value.data, "next");
  EXPECT_FALSE(got.value.truncated);
}

TEST_P(Datagrams, AnswerAgainWhileThereAreNoneAndPollTellsWhenThereAre) {
  const Socket socket = connected();
  api_->set_nonblocking(socket);
  EXPECT_EQ(api_->receive(socket, 9).error, WASI_NETD_ERRNO_again);
  std::thread peer([&] { peer_sends("x"); });
  api_->poll(socket, Half::kRead);
  EXPECT_EQ(api_->receive(socket, 9).value.data, "x");
  EXPECT_EQ(api_->receive(socket, 9).error, WASI_NETD_ERRNO_again);
  api_->poll(socket, Half::kWrite);
  peer.join();

  const Socket without = bound();
  where_ = api_->local_address(without);
  api_->set_nonblocking(without);
  EXPECT_EQ(api_->receive_from(without, 9).error, WASI_NETD_ERRNO_again);
  std::thread other([&] { peer_sends(""); });
  api_->poll(without, Half::kRead);
  EXPECT_EQ(api_->receive_from(without, 9).error, WASI_NETD_ERRNO_success);
  EXPECT_EQ(api_->receive_from(without, 9).error, WASI_NETD_ERRNO_again);
  other.join();
}

TEST_P(Datagrams, OfOthersDoNotReachAConnectedSocket) {
  const Socket socket = connected();
  NativeSocket other = native_bind(native_address(place()), SOCK_DGRAM);
  try {
    other.send_to("from another", native_address(where_));
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code().value(), EPERM) << "Unix tells the sender";
  }
  peer_sends("from the peer");
  EXPECT_EQ(api_->receive(socket, 99).value.data, "from the peer");
}

TEST_P(Datagrams, ToAPeerThatIsGoneAreRefusedAndTheSocketGoesOn) {
  const std::string there = address_of(peer_);
  const auto made = api_->connect(there);
  ASSERT_EQ(made.error, WASI_NETD_ERRNO_success);
  peer_.close();
  EXPECT_EQ(error_of_sending(made.value), WASI_NETD_ERRNO_connrefused);
  if (is_unix()) {  // another socket at that path is another peer
    EXPECT_EQ(error_of_sending(made.value), WASI_NETD_ERRNO_notconn);
    return;
  }
  peer_ = native_bind(native_address(there), SOCK_DGRAM);
  // Those that were under way when the error was told may reach the new peer, and fill its buffer.
  std::string came;
  while (came != "again") {
    while (api_->send(made.value, "again") != WASI_NETD_ERRNO_success) {
    }
    came = peer_.receive();
  }
}

TEST_P(UdpDatagrams, MeetErrorsThatAReadIsToldOf) {
  const auto made = api_->connect(address_of(peer_));
  peer_.close();
  EXPECT_EQ(api_->send(made.value, "x"), WASI_NETD_ERRNO_success);
  EXPECT_EQ(api_->receive(made.value, 9).error, WASI_NETD_ERRNO_connrefused);
  api_->set_nonblocking(made.value);
  EXPECT_EQ(api_->receive(made.value, 9).error, WASI_NETD_ERRNO_again) << "once";
}

TEST_P(UdpDatagrams, OfMoreThanADatagramHoldsAreRefused) {
  const std::string most(65'507, 'x');
  const Socket socket = connected(), without = bound();
  const std::string too_long(65'536, 'x');
  EXPECT_EQ(api_->send(socket, too_long), WASI_NETD_ERRNO_msgsize);
  EXPECT_EQ(api_->send_to(without, too_long, address_of(peer_)), WASI_NETD_ERRNO_msgsize);
  EXPECT_EQ(api_->send(socket, most), WASI_NETD_ERRNO_success);
  EXPECT_EQ(peer_.receive().size(), most.size());
}

TEST_P(Datagrams, EndInEachDirectionByShutdown) {
  const Socket socket = connected();
  EXPECT_EQ(api_->send(socket, "last"), WASI_NETD_ERRNO_success);
  EXPECT_EQ(api_->shutdown(socket, Half::kWrite), WASI_NETD_ERRNO_success);
  EXPECT_EQ(api_->send(socket, "x"), WASI_NETD_ERRNO_pipe);
  EXPECT_EQ(peer_.receive(), "last");
  peer_sends("still in");
  EXPECT_EQ(api_->receive(socket, 99).value.data, "still in");
  EXPECT_EQ(api_->shutdown(socket, Half::kRead), WASI_NETD_ERRNO_success);
  const auto end = api_->receive(socket, 9);
  EXPECT_EQ(end.error, WASI_NETD_ERRNO_success);
  EXPECT_EQ(end.value.data, "");
}

TEST_P(Datagrams, PlacesThatAreTakenOrElsewhereAreRefused) {
  EXPECT_EQ(api_->bind(address_of(peer_)).error, WASI_NETD_ERRNO_addrinuse);
  if (is_unix()) {
    EXPECT_EQ(api_->connect(directory_ / "nobody").error, WASI_NETD_ERRNO_noent);
    EXPECT_EQ(api_->send_to(bound(), "x", directory_ / "nobody"), WASI_NETD_ERRNO_noent);
    return;
  }
  const bool is_v4 = std::get<1>(GetParam()) == Kind::kUdp4;
  EXPECT_EQ(api_->bind(is_v4 ? "192.0.2.1:9" : "[2001:db8::1]:9").error, WASI_NETD_ERRNO_addrnotavail);
  if (is_v4) {
    EXPECT_EQ(api_->send_to(bound(), "x", "[::1]:9"), WASI_NETD_ERRNO_afnosupport);
  }
}

TEST_P(Datagrams, WrittenBeforeACloseAreSent) {
  for (int round = 0; round < 20; ++round) {
    const auto made = api_->connect(address_of(peer_));
    ASSERT_EQ(made.error, WASI_NETD_ERRNO_success);
    for (const char* one : {"a", "b", "c"}) EXPECT_EQ(api_->send(made.value, one), WASI_NETD_ERRNO_success);
    api_->close(made.value);
    for (const char* one : {"a", "b", "c"}) EXPECT_EQ(peer_.receive(), one);
  }
}

TEST_P(Datagrams, ManyArriveInOrder) {
  const Socket socket = connected();
  for (int i = 0; i < 2000; ++i) {
    EXPECT_EQ(api_->send(socket, std::to_string(i)), WASI_NETD_ERRNO_success);
    EXPECT_EQ(peer_.receive(), std::to_string(i));
    peer_sends(std::to_string(i));
    EXPECT_EQ(api_->receive(socket, 99).value.data, std::to_string(i));
  }
}

}  // namespace
}  // namespace wasi_netd::test
