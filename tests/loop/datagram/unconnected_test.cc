// A bound socket that talks to any peer.
#include <cstring>
#include <filesystem>

#include <sys/stat.h>

#include "tests/loop/datagram/datagram_test.h"

namespace wasi_netd::net {
namespace {

using Texts = std::vector<std::string>;

class UnconnectedDatagram : public DatagramWireTest {
 protected:
  Texts receive_all(DatagramBound& bound) {
    Texts out;
    while (auto got = bound.receive_now(kMaxDatagram)) out.push_back(got->data);
    return out;
  }
};
INSTANTIATE_TEST_SUITE_P(AllWires, UnconnectedDatagram, kAllDatagramWires, name_of_wire);

TEST_P(UnconnectedDatagram, GoesToAndComesFromAnyPeer) {
  auto bound = bind();
  NativePeer one = native(), two = native();
  EXPECT_TRUE(bound->send_now("to one", one.endpoint));
  EXPECT_TRUE(bound->send_now("", two.endpoint));
  one.echo();
  two.echo();
  EXPECT_TRUE(run(bound->wait_readable()));
  EXPECT_EQ(bound->next_size(), 6u);
  const Datagram first = *bound->receive_now(kMaxDatagram), second = *bound->receive_now(kMaxDatagram);
  EXPECT_EQ(first.data, "to one");
  EXPECT_EQ(first.peer, one.endpoint);
  EXPECT_EQ(second.data, "");
  EXPECT_EQ(second.peer, two.endpoint);
  EXPECT_EQ(code_of(bound->receive_now(kMaxDatagram)), Errno::again);
}

TEST_P(UnconnectedDatagram, IsCutToTheLimitAndSaysSo) {
  auto bound = bind();
  NativePeer peer = native();
  for (const char* text : {"longer", "fits", "x"}) peer.send(text, bound->local_endpoint());
  const Datagram cut = *bound->receive_now(4), whole = *bound->receive_now(4), nothing = *bound->receive_now(0);
  EXPECT_EQ(cut.data, "long");
  EXPECT_TRUE(cut.truncated);
  EXPECT_EQ(whole.data, "fits");
  EXPECT_FALSE(whole.truncated);
  EXPECT_EQ(nothing.data, "");
  EXPECT_TRUE(nothing.truncated);
}

TEST_P(UnconnectedDatagram, ComesInOnlyFromWhomItIsLet) {
  NativePeer friendly = native(), other = native();
  int asked = 0;
  DatagramOptions options;
  options.admit = [&](const Endpoint& peer) {
    ++asked;
    return peer == friendly.endpoint;
  };
  auto bound = bind(options);
  for (int i = 0; i < 40; ++i) {
    other.send("let me in", bound->local_endpoint());
    if (!is_udp()) bound->receive_now(kMaxDatagram);  // its queue is short
  }
  EXPECT_EQ(code_of(bound->receive_now(kMaxDatagram)), Errno::again);
  auto waiting = start(bound->wait_readable());
  EXPECT_FALSE(waiting->done());
  friendly.send("hello", bound->local_endpoint());
  EXPECT_TRUE(finish(waiting));
  EXPECT_EQ(receive_all(*bound), Texts({"hello"}));
  EXPECT_EQ(asked, 41);
  EXPECT_EQ(bound->dropped(), 0u);
}

TEST_P(UnconnectedDatagram, StaysInTheKernelUntilItIsAskedFor) {
  Quota buffers("buffers", 100'000);
  DatagramOptions options;
  options.buffers = &buffers;
  auto bound = bind(options);
  native().send("x", bound->local_endpoint());
  run_ready();
  EXPECT_EQ(bound->next_size(), 0u);
  EXPECT_EQ(buffers.used(), 0u);
  EXPECT_EQ(receive_all(*bound), Texts({"x"}));
  native().send("yz", bound->local_endpoint());
  run_ready();
  EXPECT_EQ(bound->next_size(), 2u);
  EXPECT_GT(buffers.used(), 2u);
  bound->close();
  EXPECT_EQ(buffers.used(), 0u);
}

TEST_P(UnconnectedDatagram, DropsTheOldestBeyondTheBoundAndCounts) {
  DatagramOptions options;
  options.queue_limit = 5'000;
  auto bound = bind(options);
  NativePeer peer = native();
  auto first = start(bound->wait_readable());
  for (char letter = 'a'; letter <= 'h'; ++letter) {
    peer.send(std::string(1'000, letter), bound->local_endpoint());
    run_ready();
  }
  EXPECT_TRUE(finish(first));
  const Texts kept = receive_all(*bound);
  ASSERT_GE(kept.size(), 3u);
  EXPECT_EQ(kept.back(), std::string(1'000, 'h'));
  EXPECT_EQ(bound->dropped(), 8 - kept.size());
}

TEST_P(UnconnectedDatagram, GoesOutInBatchesToManyPeers) {
  auto bound = bind();
  NativePeer one = native(), two = native();
  const std::string too_long(kMaxDatagram + 1, 'x');
  const std::vector<OutgoingDatagram> batch = {
      {"1", one.endpoint},    {"2", two.endpoint},       {"", one.endpoint},           {too_long, one.endpoint},
      {"last", two.endpoint}, {"x", ip("192.0.2.1", 0)}, {"y", policy::UnixEndpoint{}}};
  EXPECT_EQ(*bound->send_batch_now(batch), 3u);
  EXPECT_EQ(one.receive().data, "1");
  EXPECT_EQ(one.receive().data, "");
  EXPECT_EQ(two.receive().data, "2");
  EXPECT_EQ(code_of(bound->send_batch_now(std::span(batch).subspan(3))), Errno::msgsize);
  EXPECT_EQ(*bound->send_batch_now(std::span(batch).subspan(4)), 1u);
  EXPECT_EQ(two.receive().data, "last");
  EXPECT_EQ(code_of(bound->send_batch_now(std::span(batch).subspan(is_udp() ? 6 : 5))), Errno::afnosupport);
  EXPECT_EQ(*bound->send_batch_now({}), 0u);
  EXPECT_FALSE(one.has_datagram());
}

TEST_P(UnconnectedDatagram, OperationsEndWhenItIsClosed) {
  auto bound = bind();
  auto waiting = start(bound->wait_readable());
  auto another = start(bound->wait_readable());
  bound->close();
  EXPECT_EQ(code_of(finish(waiting)), Errno::canceled);
  EXPECT_EQ(code_of(finish(another)), Errno::canceled);
  EXPECT_EQ(code_of(bound->receive_now(1)), Errno::canceled);
  EXPECT_EQ(code_of(bound->send_now("x", fresh())), Errno::canceled);
  EXPECT_EQ(code_of(run(bound->wait_readable())), Errno::canceled);
  EXPECT_EQ(code_of(run(bound->wait_writable())), Errno::canceled);
  EXPECT_EQ(code_of(bound->listen(0)), Errno::canceled);
  EXPECT_EQ(code_of(run(bound->connect(nobody_at(fresh())))), Errno::canceled);
  EXPECT_EQ(code_of(bound->get_option(Option::kSendBuffer)), Errno::canceled);
  bound->close();
}

TEST_P(UnconnectedDatagram, IsUsedUpByConnect) {
  auto bound = bind();
  NativePeer peer = native();
  auto waiting = start(bound->wait_readable());
  auto connection = *run(bound->connect(peer.endpoint));
  EXPECT_EQ(code_of(finish(waiting)), Errno::canceled);
  EXPECT_EQ(code_of(bound->receive_now(1)), Errno::inval);
  EXPECT_EQ(code_of(bound->send_now("x", peer.endpoint)), Errno::inval);
  EXPECT_EQ(code_of(bound->listen(0)), Errno::inval);
  EXPECT_EQ(code_of(run(bound->connect(peer.endpoint))), Errno::inval);
  EXPECT_EQ(code_of(run(bound->wait_readable())), Errno::inval);
  EXPECT_EQ(code_of(run(bound->wait_writable())), Errno::inval);
  bound.reset();
  auto stream = *connection->take_stream();
  EXPECT_EQ(write_code(*stream, "goes on"), Errno::success);
  EXPECT_EQ(peer.receive().data, "goes on");
}

TEST_P(UnconnectedDatagram, HasAnAddressOfItsOwn) {
  auto bound = bind();
  EXPECT_EQ(code_of(bind_datagram(loop(), bound->local_endpoint(), {})), Errno::addrinuse);
  auto thief = test::native_socket(native_of(bound->local_endpoint()), SOCK_DGRAM);
  thief.set_option(SOL_SOCKET, SO_REUSEADDR, 1);
  const auto address = native_of(bound->local_endpoint());
  EXPECT_EQ(::bind(thief.fd(), address.get(), address.size), -1) << "not shared with one that would share";
  EXPECT_EQ(code_of(bind_datagram(loop(), policy::NameEndpoint{"localhost", 0}, {})), Errno::inval);
}

TEST_P(UnconnectedDatagram, HasTwoOptions) {
  auto bound = bind();
  EXPECT_TRUE(bound->set_option(Option::kReceiveBuffer, 32'768));
  EXPECT_EQ(*bound->get_option(Option::kReceiveBuffer), 65'536u);
  EXPECT_EQ(code_of(bound->set_option(Option::kNodelay, 1)), Errno::noprotoopt);
  EXPECT_EQ(code_of(bound->get_option(Option::kKeepalive)), Errno::noprotoopt);
}

// What a native program is told by sendto(2) a guest is told by us.
class SendErrors : public DatagramLoopTest {};

TEST_F(SendErrors, AreThoseOfTheKernel) {
  test::TemporaryDirectory directory;
  auto stream = test::native_listen(test::native_unix(directory / "stream"));
  NativePeer other = native_at(unix_path(directory / "other")), taken = native_at(unix_path(directory / "taken"));
  taken.connect(other.endpoint);
  std::filesystem::create_directory(directory / "directory");
  { auto gone = test::native_bind(test::native_unix(directory / "stale"), SOCK_DGRAM); }
  const Endpoint udp4 = ip("127.0.0.1", 0), udp6 = ip("::1", 0), unix_socket = unix_path(directory / "ours");
  struct Case {
    const char* what;
    Endpoint from, to;
    size_t size;
  };
  const std::vector<Case> cases = {
      {"port 0", udp4, ip("127.0.0.1", 0), 1},
      {"port 0, IPv6", udp6, ip("::1", 0), 1},
      {"too long", udp4, ip("127.0.0.1", 9), 65'508},
      {"too long, IPv6", udp6, ip("::1", 9), 65'528},
      {"a network's broadcast address", udp4, ip("127.255.255.255", 9), 1},
      {"not from here", udp6, ip("2001:db8::1", 9), 1},
      {"no such path", unix_socket, unix_path(directory / "missing"), 1},
      {"no such directory", unix_socket, unix_path(directory / "missing/x"), 1},
      {"a directory", unix_socket, unix_path(directory / "directory"), 1},
      {"nobody behind the file", unix_socket, unix_path(directory / "stale"), 1},
      {"no such name", unix_socket, unix_abstract("nobody has this name"), 1},
      {"a socket of streams", unix_socket, unix_path(directory / "stream"), 1},
      {"connected to another", unix_socket, taken.endpoint, 1},
      {"fine", unix_socket, other.endpoint, 1},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.what);
    const std::string data(one.size, 'x');
    int native = 0;
    {
      NativePeer from = native_at(one.from);
      native = from.send_error(data, one.to);
      if (const auto* path = std::get_if<policy::UnixEndpoint>(&one.from)) ::unlink(path->name.c_str());
    }
    auto bound = *bind_datagram(loop(), one.from, {});
    EXPECT_EQ(code_of(bound->send_now(data, one.to)), errno_from_system(native)) << std::strerror(native);
    EXPECT_EQ(code_of(bound->receive_now(1)), Errno::again) << "it is no error of the receiver";
    EXPECT_TRUE(run(bound->wait_writable()));
  }
}

class UnconnectedUdp : public DatagramWireTest {
 protected:
  // Sends, and lets the loop see what came back.
  Errno send(DatagramBound& bound, const Endpoint& to) {
    const Errno code = code_of(bound.send_now("x", to));
    run_ready();
    return code;
  }
};
INSTANTIATE_TEST_SUITE_P(Families, UnconnectedUdp, kUdpWires, name_of_wire);

TEST_P(UnconnectedUdp, ClientIsToldOnceByReceivingThatNobodyIsThere) {
  auto bound = bind();
  const Endpoint nobody = nobody_at(fresh());
  auto waiting = start(bound->wait_readable());
  EXPECT_EQ(send(*bound, nobody), Errno::success);
  EXPECT_TRUE(finish(waiting));
  EXPECT_EQ(code_of(bound->receive_now(1)), Errno::connrefused);
  EXPECT_EQ(code_of(bound->receive_now(1)), Errno::again);
  EXPECT_EQ(send(*bound, nobody), Errno::success) << "told already";
  EXPECT_EQ(code_of(bound->receive_now(1)), Errno::connrefused);
}

TEST_P(UnconnectedUdp, SenderIsToldOnceAboutThatPeerOnly) {
  for (const bool reads : {false, true}) {
    SCOPED_TRACE(reads);
    auto bound = bind();
    const Endpoint nobody = nobody_at(fresh());
    NativePeer peer = native();
    if (reads) {
      EXPECT_EQ(code_of(bound->receive_now(1)), Errno::again);
    }
    EXPECT_EQ(send(*bound, nobody), Errno::success);
    EXPECT_EQ(send(*bound, peer.endpoint), Errno::success) << "another's error is not its own";
    EXPECT_EQ(peer.receive().data, "x");
    EXPECT_EQ(send(*bound, nobody), Errno::connrefused);
    EXPECT_FALSE(peer.has_datagram());
    EXPECT_EQ(send(*bound, nobody), Errno::success);
    EXPECT_EQ(send(*bound, peer.endpoint), Errno::success);
    EXPECT_EQ(code_of(bound->receive_now(1)), Errno::again) << "whose error it is could not be told";
  }
}

TEST_P(UnconnectedUdp, BatchStopsBeforeAPeerWithAnError) {
  auto bound = bind();
  const Endpoint nobody = nobody_at(fresh());
  NativePeer peer = native();
  EXPECT_EQ(code_of(bound->receive_now(1)), Errno::again);
  EXPECT_EQ(send(*bound, nobody), Errno::success);
  const std::vector<OutgoingDatagram> batch = {{"1", peer.endpoint}, {"2", nobody}, {"3", peer.endpoint}};
  EXPECT_EQ(*bound->send_batch_now(batch), 1u);
  EXPECT_EQ(code_of(bound->send_batch_now(std::span(batch).subspan(1))), Errno::connrefused);
  EXPECT_EQ(*bound->send_batch_now(std::span(batch).subspan(2)), 1u);
}

TEST_P(UnconnectedUdp, ServerIsNotBotheredByPeersThatLeft) {
  auto bound = bind();
  std::vector<NativePeer> peers;  // side by side, so that no two have the same port
  peers.reserve(40);
  for (int i = 0; i < 40; ++i) peers.push_back(native());
  for (auto& peer : peers) {
    peer.send("?", bound->local_endpoint());
    EXPECT_EQ(bound->receive_now(1)->peer, peer.endpoint);
    peer.socket.close();
    EXPECT_EQ(send(*bound, peer.endpoint), Errno::success);
    EXPECT_EQ(code_of(bound->receive_now(1)), Errno::again);
  }
  NativePeer peer = native();
  peer.send("!", bound->local_endpoint());
  EXPECT_EQ(bound->receive_now(1)->data, "!");
}

TEST_P(UnconnectedUdp, ClientReadsWhatCameInBeforeTheError) {
  auto bound = bind();
  NativePeer peer = native();
  EXPECT_EQ(send(*bound, peer.endpoint), Errno::success);
  peer.echo();
  EXPECT_TRUE(run(bound->wait_readable()));
  peer.socket.close();
  EXPECT_EQ(send(*bound, peer.endpoint), Errno::success);
  EXPECT_EQ(bound->receive_now(1)->data, "x");
  EXPECT_EQ(code_of(bound->receive_now(1)), Errno::connrefused);
}

TEST_P(UnconnectedUdp, ErrorsBeforeAConnectAreNotTheConnections) {
  auto bound = bind();
  NativePeer peer = native();
  const Endpoint nobody = nobody_at(fresh());
  EXPECT_EQ(code_of(bound->send_now("x", nobody)), Errno::success);
  auto connection = *run(bound->connect(peer.endpoint));
  auto stream = *connection->take_stream();
  EXPECT_EQ(code_of(read_byte_now(*stream)), Errno::again);
  EXPECT_EQ(write_code(*stream, "x"), Errno::success);
  EXPECT_EQ(peer.receive().data, "x");
}

TEST_P(UnconnectedUdp, FamiliesShareAPortAndNothingElse) {
  auto bound = bind();
  const bool v4 = GetParam() == DatagramWire::kUdp4;
  const uint16_t port = port_of(bound->local_endpoint());
  EXPECT_EQ(code_of(bind_datagram(loop(), ip(v4 ? "::1" : "127.0.0.1", port), {})), Errno::success);
  EXPECT_EQ(code_of(bind_datagram(loop(), ip(v4 ? "::" : "0.0.0.0", port), {})), Errno::success);
  EXPECT_EQ(code_of(bound->send_now("x", ip(v4 ? "::1" : "127.0.0.1", port))), Errno::afnosupport);
  EXPECT_EQ(code_of(run(bound->connect(ip(v4 ? "::1" : "127.0.0.1", port)))), Errno::afnosupport);
  EXPECT_EQ(code_of(bind_datagram(loop(), ip(v4 ? "203.0.113.1" : "2001:db8::1", 0), {})), Errno::addrnotavail);
}

// With one byte too many, so that nothing leaves: the kernel asks for the right to broadcast before it looks at that.
TEST_F(SendErrors, OfANetworksBroadcastAddressOutlastAnAllowedBroadcast) {
  auto bound = *bind_datagram(loop(), ip("127.0.0.1", 0), {});
  const std::string too_long(65'508, 'x');
  const std::vector<OutgoingDatagram> batch = {{too_long, ip("255.255.255.255", 9)}, {"x", ip("127.255.255.255", 9)}};
  EXPECT_NE(code_of(bound->send_batch_now(batch)), Errno::acces) << "the policy's decision, not the kernel's";
  EXPECT_EQ(code_of(bound->send_batch_now(std::span(batch).subspan(1))), Errno::acces);
}

class UnconnectedUnix : public DatagramWireTest {
 protected:
  // Until the peer's queue is full.
  size_t fill(DatagramBound& bound, const Endpoint& peer) {
    size_t sent = 0;
    while (bound.send_now("x", peer)) ++sent;
    EXPECT_EQ(code_of(bound.send_now("x", peer)), Errno::again);
    return sent;
  }
};
INSTANTIATE_TEST_SUITE_P(Names, UnconnectedUnix, kUnixDatagramWires, name_of_wire);

TEST_P(UnconnectedUnix, WaitsForRoomAtTheFullPeer) {
  auto bound = bind();
  NativePeer peer = native();
  const size_t sent = fill(*bound, peer.endpoint);
  auto waiting = start(bound->wait_writable());
  auto another = start(bound->wait_writable());
  EXPECT_FALSE(waiting->done());
  for (size_t i = 0; i < sent; ++i) peer.receive();
  EXPECT_TRUE(finish(waiting));
  EXPECT_TRUE(finish(another));
  EXPECT_EQ(code_of(bound->send_now("again", peer.endpoint)), Errno::success);
  EXPECT_EQ(peer.receive().data, "again");
}

TEST_P(UnconnectedUnix, AFullPeerDoesNotHoldBackAnother) {
  auto bound = bind();
  NativePeer slow = native(), fast = native();
  fill(*bound, slow.endpoint);
  auto waiting = start(bound->wait_writable());
  EXPECT_FALSE(waiting->done());
  EXPECT_EQ(code_of(bound->send_now("quick", fast.endpoint)), Errno::success);
  EXPECT_EQ(fast.receive().data, "quick");
  EXPECT_TRUE(finish(waiting)) << "the last send found room";
  const std::vector<OutgoingDatagram> batch = {{"1", fast.endpoint}, {"2", slow.endpoint}, {"3", fast.endpoint}};
  EXPECT_EQ(*bound->send_batch_now(batch), 1u);
  EXPECT_EQ(code_of(bound->send_batch_now(std::span(batch).subspan(1))), Errno::again);
}

TEST_P(UnconnectedUnix, WaitsForWhomTheLastSendFoundFull) {
  auto bound = bind();
  NativePeer one = native(), two = native();
  const size_t at_one = fill(*bound, one.endpoint);
  const size_t at_two = fill(*bound, two.endpoint);
  auto waiting = start(bound->wait_writable());
  for (size_t i = 0; i < at_one; ++i) one.receive();
  run_ready();
  EXPECT_FALSE(waiting->done());
  for (size_t i = 0; i < at_two; ++i) two.receive();
  EXPECT_TRUE(finish(waiting));
}

TEST_P(UnconnectedUnix, AWaitForRoomEndsWhenThePeerGoesAndTheSendTells) {
  auto bound = bind();
  NativePeer peer = native();
  fill(*bound, peer.endpoint);
  auto waiting = start(bound->wait_writable());
  peer.socket.close();
  EXPECT_TRUE(finish(waiting));
  EXPECT_EQ(code_of(bound->send_now("x", peer.endpoint)), Errno::connrefused);
  EXPECT_TRUE(run(bound->wait_writable()));
}

TEST_P(UnconnectedUnix, AWaitForRoomEndsWithClose) {
  auto bound = bind();
  NativePeer peer = native();
  fill(*bound, peer.endpoint);
  auto waiting = start(bound->wait_writable());
  bound->close();
  EXPECT_EQ(code_of(finish(waiting)), Errno::canceled);
}

TEST_P(UnconnectedUnix, AWaitForRoomNeedsADescriptor) {
  auto bound = bind();
  NativePeer peer = native();
  fill(*bound, peer.endpoint);
  run_ready();
  {
    const NoDescriptors none;
    EXPECT_EQ(code_of(run(bound->wait_writable())), Errno::nfile);
  }
  peer.receive();
  EXPECT_TRUE(run(bound->wait_writable()));
}

TEST_P(UnconnectedUnix, WaitsForItsOwnRoomWhereThePeerIsConnectedBack) {
  auto bound = bind();
  ASSERT_TRUE(bound->set_option(Option::kSendBuffer, 5'000));
  NativePeer peer = native();
  peer.connect(bound->local_endpoint());
  size_t sent = 0;
  while (bound->send_now("x", peer.endpoint)) ++sent;
  EXPECT_GT(sent, 1u);
  auto waiting = start(bound->wait_writable());
  EXPECT_FALSE(waiting->done());
  for (size_t i = 0; i < sent; ++i) peer.receive();
  EXPECT_TRUE(finish(waiting));
  EXPECT_EQ(code_of(bound->send_now("x", peer.endpoint)), Errno::success);
}

TEST_P(UnconnectedUnix, WaitsForItsOwnRoomWhereThePeerHasSome) {
  auto bound = bind();
  ASSERT_TRUE(bound->set_option(Option::kSendBuffer, 5'000));
  NativePeer peer = native(), other = native();
  const std::string large(2'000, 'x');
  size_t sent = 0;
  while (bound->send_now(large, peer.endpoint)) ++sent;
  ASSERT_GE(sent, 1u);
  ASSERT_EQ(other.send_error("x", peer.endpoint), 0) << "its queue is not full";
  auto waiting = start(bound->wait_writable());
  EXPECT_FALSE(waiting->done());
  for (size_t i = 0; i < sent; ++i) peer.receive();
  EXPECT_TRUE(finish(waiting));
  EXPECT_EQ(code_of(bound->send_now(large, peer.endpoint)), Errno::success);
}

TEST_P(UnconnectedUnix, HasNoListener) {
  auto bound = bind();
  EXPECT_EQ(code_of(bound->listen(0)), Errno::notsup);
  EXPECT_EQ(code_of(bound->receive_now(1)), Errno::again) << "and is not used up by asking";
}

class UnixDatagramPath : public DatagramLoopTest {
 protected:
  static bool exists(const std::string& path) { return std::filesystem::exists(std::filesystem::symlink_status(path)); }
  std::shared_ptr<DatagramBound> bind(const Endpoint& endpoint) { return *bind_datagram(loop(), endpoint, {}); }
  Errno bind_code(const std::string& path) { return code_of(bind_datagram(loop(), unix_path(path), {})); }
  test::TemporaryDirectory directory_;
};

TEST_F(UnixDatagramPath, UnnamedSocketsSendAndNobodyCanAnswer) {
  NativePeer peer = native_at(unix_path(directory_ / "peer"));
  auto bound = bind(policy::UnixEndpoint{});
  EXPECT_EQ(bound->local_endpoint(), Endpoint(policy::UnixEndpoint{}));
  EXPECT_TRUE(bound->send_now("x", peer.endpoint));
  EXPECT_EQ(peer.receive().from.size, 0u);
  auto server = bind(unix_path(directory_ / "server"));
  EXPECT_TRUE(bound->send_now("y", server->local_endpoint()));
  EXPECT_EQ(server->receive_now(1)->peer, Endpoint(policy::UnixEndpoint{}));
  EXPECT_EQ(code_of(server->send_now("z", policy::UnixEndpoint{})), Errno::destaddrreq);
}

TEST_F(UnixDatagramPath, UnnamedSendersAreNotTakenForWhoeverSentBefore) {
  auto udp = bind(ip("127.0.0.1", 0));
  native_at(ip("127.0.0.1", 0)).send("x", udp->local_endpoint());
  EXPECT_TRUE(udp->receive_now(1));
  auto server = bind(unix_path(directory_ / "server"));
  EXPECT_TRUE(bind(policy::UnixEndpoint{})->send_now("y", server->local_endpoint()));
  EXPECT_EQ(server->receive_now(1)->peer, Endpoint(policy::UnixEndpoint{}));
}

TEST_F(UnixDatagramPath, IsRemovedWithItsSocket) {
  const std::string path = directory_ / "s";
  auto bound = bind(unix_path(path));
  EXPECT_TRUE(exists(path));
  EXPECT_EQ(bind_code(path), Errno::addrinuse);
  bound->close();
  EXPECT_FALSE(exists(path));

  NativePeer peer = native_at(unix_path(directory_ / "peer"));
  auto connection = *run(bind(unix_path(path))->connect(peer.endpoint));
  EXPECT_TRUE(exists(path)) << "it goes on with the connection";
  connection->abort();
  EXPECT_FALSE(exists(path));
  EXPECT_EQ(code_of(run(bind(unix_path(path))->connect(unix_path(directory_ / "nobody")))), Errno::noent);
  EXPECT_FALSE(exists(path));
}

TEST_F(UnixDatagramPath, ThroughASymlinkIsRefused) {
  std::filesystem::create_directory(directory_ / "real");
  std::filesystem::create_directory_symlink(directory_ / "real", directory_ / "link");
  NativePeer peer = native_at(unix_path(directory_ / "real/s"));
  EXPECT_EQ(bind_code(directory_ / "link/new"), Errno::loop);
  EXPECT_FALSE(exists(directory_ / "real/new"));
  auto bound = bind(policy::UnixEndpoint{});
  EXPECT_EQ(code_of(bound->send_now("x", unix_path(directory_ / "link/s"))), Errno::loop);
  EXPECT_EQ(code_of(bound->send_now("x", unix_path(directory_ / "real/s"))), Errno::success);
}

TEST_F(UnixDatagramPath, IsANameToAnswerToWhereNobodyElseCanChangeIt) {
  // Whether another user could put another directory in its place.
  struct Case {
    const char* what;
    mode_t parent, directory;
    bool answered;
  };
  const std::vector<Case> cases = {
      {"ours alone", 0755, 0755, true},
      {"all may make files where it is", 0755, 0777, true},
      {"all may rename its directory", 0777, 0755, false},
      {"a group may", 0775, 0755, false},
      {"all may make directories beside it, none may rename ours", 01777, 0755, true},
  };
  int count = 0;
  for (const Case& one : cases) {
    SCOPED_TRACE(one.what);
    const std::string parent = directory_ / std::to_string(++count), inner = parent + "/d";
    std::filesystem::create_directories(inner);
    ASSERT_EQ(::chmod(inner.c_str(), one.directory), 0);
    ASSERT_EQ(::chmod(parent.c_str(), one.parent), 0);
    auto bound = bind(unix_path(inner + "/s"));
    EXPECT_EQ(bound->local_endpoint(), unix_path(inner + "/s"));
    NativePeer peer = native_at(unix_path(directory_ / ("peer" + std::to_string(count))));
    EXPECT_TRUE(bound->send_now("x", peer.endpoint));
    const auto got = peer.receive();
    const auto expected = test::native_unix(inner + "/s");
    const bool answered =
        got.from.size == expected.size && std::memcmp(&got.from.storage, &expected.storage, expected.size) == 0;
    EXPECT_EQ(answered, one.answered);
    bound->close();
    EXPECT_FALSE(exists(inner + "/s"));
  }
}

}  // namespace
}  // namespace wasi_netd::net
