// Datagrams with one peer, over a socket of their own.
#include "tests/loop/datagram/datagram_test.h"

namespace wasi_netd::net {
namespace {

using Texts = std::vector<std::string>;

class ConnectedDatagram : public DatagramWireTest {};
INSTANTIATE_TEST_SUITE_P(AllWires, ConnectedDatagram, kAllDatagramWires, name_of_wire);

TEST_P(ConnectedDatagram, IsOneMessagePerReadAndWrite) {
  auto [peer, connection, stream] = connect();
  EXPECT_TRUE(stream->keeps_boundaries());
  EXPECT_EQ(connection->peer_endpoint(), peer.endpoint);
  for (const std::string text : {"one", "", "three"}) {
    EXPECT_EQ(*run(stream->write_some(asio::buffer(text))), text.size());
    const auto got = peer.receive();
    EXPECT_EQ(got.data, text);
    peer.send("re: " + text, connection->local_endpoint());
    EXPECT_EQ(*run(read_one(stream)), "re: " + text);
  }
}

TEST_P(ConnectedDatagram, IsKeptWhenEmptyAndIsNoEnd) {
  auto pair = connect();
  for (const char* text : {"", "x", ""}) pair.answer(text);
  EXPECT_EQ(read_all(*pair.stream), Texts({"", "x", ""}));
  EXPECT_FALSE(pair.stream->ended());
  EXPECT_EQ(read_now(*pair.stream).error().code, Errno::again);
}

TEST_P(ConnectedDatagram, IsCutToTheBufferAndSaysSo) {
  auto pair = connect();
  for (const char* text : {"truncated", "fits", "gone", "last"}) pair.answer(text);
  run(pair.stream->wait_readable());
  EXPECT_EQ(pair.stream->next_size(), 9u);
  EXPECT_EQ(*read_now(*pair.stream, 4), "trun");
  EXPECT_TRUE(pair.stream->read_truncated());
  EXPECT_EQ(*read_now(*pair.stream, 4), "fits");
  EXPECT_FALSE(pair.stream->read_truncated());
  EXPECT_EQ(*read_now(*pair.stream, 0), "");
  EXPECT_TRUE(pair.stream->read_truncated());
  EXPECT_EQ(*read_now(*pair.stream), "last");
  EXPECT_FALSE(pair.stream->read_truncated());
  EXPECT_EQ(pair.stream->next_size(), 0u);
}

TEST_P(ConnectedDatagram, IsWholeOrMsgsize) {
  auto pair = connect();
  const size_t most = GetParam() == DatagramWire::kUdp4 ? 65'507 : is_udp() ? 65'527 : kMaxDatagram;
  const std::string largest = test::pattern(most);
  EXPECT_EQ(write_code(*pair.stream, largest), Errno::success);
  EXPECT_EQ(pair.peer.receive().data, largest);
  pair.answer(largest);
  EXPECT_EQ(*run(read_one(pair.stream)), largest);
  EXPECT_FALSE(pair.stream->read_truncated());
  EXPECT_EQ(write_code(*pair.stream, largest + "x"), Errno::msgsize);
  EXPECT_EQ(write_code(*pair.stream, std::string(100'000, 'x')), Errno::msgsize);
  EXPECT_EQ(write_code(*pair.stream, "after"), Errno::success);
  EXPECT_EQ(pair.peer.receive().data, "after");
}

TEST_P(ConnectedDatagram, GoesOutInBatchesInOrder) {
  auto pair = connect();
  pair.peer.socket.set_option(SOL_SOCKET, SO_RCVBUF, 1 << 20);
  std::vector<std::string> texts = {"a", "", "c", "d", "e"};
  std::vector<std::string_view> batch(texts.begin(), texts.end());
  EXPECT_EQ(*pair.stream->write_batch_now(batch), 5u);
  for (const auto& text : texts) EXPECT_EQ(pair.peer.receive().data, text);
  EXPECT_EQ(*pair.stream->write_batch_now({}), 0u);

  const std::string too_long(kMaxDatagram + 1, 'x');
  batch = {"before", too_long, "after"};
  EXPECT_EQ(*pair.stream->write_batch_now(batch), 1u);
  EXPECT_EQ(pair.peer.receive().data, "before");
  EXPECT_EQ(code_of(pair.stream->write_batch_now(std::span(batch).subspan(1))), Errno::msgsize);
  EXPECT_EQ(*pair.stream->write_batch_now(std::span(batch).subspan(2)), 1u);
  EXPECT_EQ(pair.peer.receive().data, "after");
}

TEST_P(ConnectedDatagram, BatchesAreAPrefixOfWhatHasRoom) {
  auto pair = connect();
  std::vector<std::string> texts(200);
  for (size_t i = 0; i < texts.size(); ++i) texts[i] = std::to_string(i);
  const std::vector<std::string_view> all(texts.begin(), texts.end());
  size_t sent = 0, received = 0;
  while (sent < all.size()) {
    const auto n = pair.stream->write_batch_now(std::span(all).subspan(sent));
    if (n) {
      ASSERT_GE(*n, 1u);
      sent += *n;
    } else {
      ASSERT_EQ(n.error().code, Errno::again);
    }
    while (received < sent) EXPECT_EQ(pair.peer.receive().data, texts[received++]);
    if (!n) run(pair.stream->wait_writable());
  }
}

TEST_P(ConnectedDatagram, DropsTheOldestBeyondTheBoundAndCounts) {
  DatagramOptions options;
  options.queue_limit = 5'000;
  auto pair = connect(options);
  for (char letter = 'a'; letter <= 'h'; ++letter) {
    pair.answer(std::string(1'000, letter));
    run_ready();
  }
  const auto kept = read_all(*pair.stream);
  ASSERT_GE(kept.size(), 3u);
  EXPECT_LT(kept.size(), 5u);
  EXPECT_EQ(kept.back(), std::string(1'000, 'h'));
  EXPECT_EQ(pair.stream->dropped(), 8 - kept.size());
}

TEST_P(ConnectedDatagram, IsChargedWhileItWaits) {
  Quota buffers("buffers", 100'000);
  DatagramOptions options;
  options.buffers = &buffers;
  auto pair = connect(options);
  pair.answer(std::string(1'000, 'x'));
  run(pair.stream->wait_readable());
  EXPECT_GE(buffers.used(), 1'000u);
  EXPECT_TRUE(read_now(*pair.stream));
  EXPECT_EQ(buffers.used(), 0u);
  pair.answer(std::string(1'000, 'x'));
  run(pair.stream->wait_readable());
  pair.connection->abort();
  EXPECT_EQ(buffers.used(), 0u);
}

TEST_P(ConnectedDatagram, OfASlowReaderDoesNotStallAFastOne) {
  Quota buffers("buffers", 1'000'000);
  DatagramOptions options;
  options.queue_limit = 10'000;
  options.buffers = &buffers;
  auto slow = connect(options), fast = connect(options);
  const std::string flood(1'000, 's');
  for (int i = 0; i < 200; ++i) {
    slow.answer(flood);
    fast.answer(std::to_string(i));
    EXPECT_EQ(*run(read_one(fast.stream)), std::to_string(i));
  }
  EXPECT_EQ(fast.stream->dropped(), 0u);
  EXPECT_GT(slow.stream->dropped(), 100u);
  EXPECT_LE(buffers.used(), 10'000u);
}

TEST_P(ConnectedDatagram, OperationsEndWhenItIsClosed) {
  auto pair = connect();
  auto reading = start(read_byte(pair.stream));
  auto waiting = start(pair.stream->wait_readable());
  EXPECT_FALSE(reading->done());
  pair.connection->abort();
  EXPECT_EQ(code_of(finish(reading)), Errno::canceled);
  EXPECT_EQ(code_of(finish(waiting)), Errno::canceled);
  EXPECT_EQ(code_of(read_byte_now(*pair.stream)), Errno::canceled);
  EXPECT_EQ(write_code(*pair.stream, "x"), Errno::canceled);
  EXPECT_EQ(code_of(run(pair.stream->wait_writable())), Errno::canceled);
  EXPECT_EQ(code_of(pair.stream->shutdown_read()), Errno::canceled);
  EXPECT_EQ(code_of(pair.connection->set_option(Option::kSendBuffer, 1)), Errno::canceled);
  pair.connection->abort();
}

TEST_P(ConnectedDatagram, IsUsedOnAfterCancel) {
  auto pair = connect();
  auto reading = start(read_one(pair.stream));
  auto waiting = start(pair.stream->wait_readable());
  pair.stream->cancel();
  EXPECT_EQ(code_of(finish(reading)), Errno::canceled);
  EXPECT_EQ(code_of(finish(waiting)), Errno::canceled);
  pair.answer("still here");
  EXPECT_EQ(*run(read_one(pair.stream)), "still here");
}

TEST_P(ConnectedDatagram, WakesAllWhoWait) {
  auto pair = connect();
  auto one = start(pair.stream->wait_readable());
  auto two = start(pair.stream->wait_readable());
  auto reading = start(read_one(pair.stream));
  pair.answer("x");
  EXPECT_EQ(*finish(reading), "x");
  pair.answer("y");
  EXPECT_TRUE(finish(one));
  EXPECT_TRUE(finish(two));
}

TEST_P(ConnectedDatagram, EndsInOrderAtOnce) {
  auto pair = connect();
  auto reading = start(read_byte(pair.stream));
  EXPECT_EQ(write_code(*pair.stream, "last"), Errno::success);
  run(pair.connection->finish(std::chrono::seconds(60)));
  EXPECT_EQ(code_of(finish(reading)), Errno::canceled);
  EXPECT_EQ(pair.peer.receive().data, "last");
  EXPECT_EQ(pair.peer.send_error("late", pair.connection->local_endpoint()) != 0, !is_udp());
}

TEST_P(ConnectedDatagram, IsClosedWithItsLastShare) {
  auto pair = connect();
  const Endpoint local = pair.connection->local_endpoint();
  pair.connection.reset();
  pair.stream.reset();
  EXPECT_EQ(code_of(bind_datagram(loop(), local, {})), Errno::success) << "the address is free again";
}

TEST_P(ConnectedDatagram, IsNotWrittenAfterShutdown) {
  auto pair = connect();
  EXPECT_TRUE(pair.stream->shutdown_write());
  EXPECT_EQ(write_code(*pair.stream, "x"), Errno::pipe);
  EXPECT_TRUE(run(pair.stream->wait_writable()));
  EXPECT_EQ(code_of(run(write_byte(pair.stream))), Errno::pipe);
  pair.answer("in");
  EXPECT_EQ(*run(read_one(pair.stream)), "in");
}

TEST_P(ConnectedDatagram, IsReadToWhatWasThereAtShutdown) {
  auto pair = connect();
  for (int i = 0; i < 8; ++i) pair.answer(std::to_string(i));
  EXPECT_TRUE(pair.stream->shutdown_read());
  const int late = pair.peer.send_error("late", pair.connection->local_endpoint());
  EXPECT_EQ(late, is_udp() ? 0 : EPIPE) << "as the transport does it";
  EXPECT_EQ(read_all(*pair.stream), Texts({"0", "1", "2", "3", "4", "5", "6", "7"}));
  EXPECT_TRUE(pair.stream->ended());
  EXPECT_EQ(*run(read_byte(pair.stream)), 0u);
  EXPECT_TRUE(run(pair.stream->wait_readable()));
  EXPECT_EQ(write_code(*pair.stream, "out"), Errno::success);
  EXPECT_EQ(pair.peer.receive().data, "out");
}

TEST_P(ConnectedDatagram, ShutdownEndsAPendingRead) {
  auto pair = connect();
  auto reading = start(read_byte(pair.stream));
  EXPECT_TRUE(pair.stream->shutdown_read());
  EXPECT_EQ(*finish(reading), 0u);
  EXPECT_TRUE(pair.stream->ended());
}

TEST_P(ConnectedDatagram, HasOneStreamAndTwoOptions) {
  auto pair = connect();
  EXPECT_EQ(code_of(pair.connection->take_stream()), Errno::notsup);
  for (const Option option : {Option::kReceiveBuffer, Option::kSendBuffer}) {
    EXPECT_TRUE(pair.connection->set_option(option, 32'768));
    EXPECT_EQ(*pair.connection->get_option(option), 65'536u) << "as Linux doubles it";
    EXPECT_EQ(code_of(pair.connection->set_option(option, 0x8000'0000U)), Errno::inval);
  }
  for (const Option option : {Option::kNodelay, Option::kKeepalive}) {
    EXPECT_EQ(code_of(pair.connection->set_option(option, 1)), Errno::noprotoopt);
    EXPECT_EQ(code_of(pair.connection->get_option(option)), Errno::noprotoopt);
  }
}

TEST_P(ConnectedDatagram, ComesFromItsPeerOnly) {
  auto bound = bind();
  NativePeer peer = native(), other = native();
  other.send("before", bound->local_endpoint());
  peer.send("kept", bound->local_endpoint());
  auto connection = *run(bound->connect(peer.endpoint));
  auto stream = *connection->take_stream();
  const int refused = other.send_error("after", connection->local_endpoint());
  EXPECT_EQ(refused, is_udp() ? 0 : EPERM);
  peer.send("too", connection->local_endpoint());
  EXPECT_EQ(read_all(*stream), Texts({"kept", "too"}));
}

TEST_P(ConnectedDatagram, KeepsWhatWasQueuedOfItsPeerBefore) {
  auto bound = bind();
  NativePeer peer = native(), other = native();
  other.send("before", bound->local_endpoint());
  peer.send("kept", bound->local_endpoint());
  EXPECT_TRUE(run(bound->wait_readable()));
  auto connection = *run(bound->connect(peer.endpoint));
  auto stream = *connection->take_stream();
  peer.send("too", connection->local_endpoint());
  EXPECT_EQ(read_all(*stream), Texts({"kept", "too"}));
}

TEST_P(ConnectedDatagram, DialledReachesThePeerAndItsName) {
  NativePeer peer = native();
  auto connection = dial(peer.endpoint);
  auto stream = *connection->take_stream();
  EXPECT_EQ(connection->peer_endpoint(), peer.endpoint);
  EXPECT_TRUE(run(write(stream, "hello")));
  EXPECT_EQ(peer.receive().data, "hello");
  if (!is_udp()) return;  // nobody can answer a Unix socket without a name
  peer.send("back", connection->local_endpoint());
  EXPECT_EQ(*run(read_one(stream)), "back");
}

class ConnectedUdp : public DatagramWireTest {};
INSTANTIATE_TEST_SUITE_P(Families, ConnectedUdp, kUdpWires, name_of_wire);

TEST_P(ConnectedUdp, TellsAReaderOnceThatNobodyIsThere) {
  auto connection = dial(nobody_at(fresh()));
  auto stream = *connection->take_stream();
  auto reading = start(read_byte(stream));
  EXPECT_EQ(write_code(*stream, "x"), Errno::success);
  EXPECT_EQ(code_of(finish(reading)), Errno::connrefused);
  EXPECT_EQ(code_of(read_byte_now(*stream)), Errno::again);
  EXPECT_EQ(write_code(*stream, "y"), Errno::success);
}

TEST_P(ConnectedUdp, TellsAWriterOnceThatNobodyIsThere) {
  auto connection = dial(nobody_at(fresh()));
  auto stream = *connection->take_stream();
  EXPECT_EQ(write_code(*stream, "x"), Errno::success);
  run(stream->wait_readable());
  EXPECT_TRUE(run(stream->wait_writable()));
  EXPECT_EQ(code_of(run(write_byte(stream))), Errno::connrefused);
  EXPECT_EQ(code_of(run(write_byte(stream))), Errno::success);
}

TEST_P(ConnectedUdp, SurvivesAPeerThatWasAway) {
  NativePeer peer = native();
  const Endpoint where = peer.endpoint;
  auto connection = dial(where);
  auto stream = *connection->take_stream();
  peer.socket.close();
  EXPECT_EQ(write_code(*stream, "lost"), Errno::success);
  EXPECT_EQ(code_of(run(read_byte(stream))), Errno::connrefused);
  NativePeer back = native_at(where);
  EXPECT_EQ(write_code(*stream, "found"), Errno::success);
  EXPECT_EQ(back.receive().data, "found");
  back.send("yes", connection->local_endpoint());
  EXPECT_EQ(*run(read_one(stream)), "yes");
}

TEST_P(ConnectedUdp, ToItselfIsRefused) {
  auto bound = bind();
  EXPECT_EQ(code_of(run(bound->connect(bound->local_endpoint()))), Errno::connrefused);
}

TEST_P(ConnectedUdp, OfAnyAddressLearnsItsOwn) {
  const bool v4 = GetParam() == DatagramWire::kUdp4;
  auto bound = *bind_datagram(loop(), ip(v4 ? "0.0.0.0" : "::", 0), {});
  const uint16_t port = port_of(bound->local_endpoint());
  NativePeer peer = native();
  auto connection = *run(bound->connect(peer.endpoint));
  EXPECT_EQ(connection->local_endpoint(), ip(v4 ? "127.0.0.1" : "::1", port));
}

class ConnectedUnix : public DatagramWireTest {};
INSTANTIATE_TEST_SUITE_P(Names, ConnectedUnix, kUnixDatagramWires, name_of_wire);

TEST_P(ConnectedUnix, WaitsForRoomAtThePeer) {
  auto pair = connect();
  size_t sent = 0;
  while (write_code(*pair.stream, "x") == Errno::success) ++sent;
  EXPECT_GE(sent, 1u);
  auto writing = start(pair.stream->write_some(asio::buffer("last", 4)));
  auto waiting = start(pair.stream->wait_writable());
  EXPECT_FALSE(writing->done());
  EXPECT_FALSE(waiting->done());
  for (size_t i = 0; i < sent; ++i) EXPECT_EQ(pair.peer.receive().data, "x");
  EXPECT_EQ(*finish(writing), 4u);
  EXPECT_TRUE(finish(waiting));
  EXPECT_EQ(pair.peer.receive().data, "last");
}

TEST_P(ConnectedUnix, AWriterIsToldWhenItsPeerGoes) {
  auto pair = connect();
  while (write_code(*pair.stream, "x") == Errno::success) {
  }
  auto writing = start(write_byte(pair.stream));
  pair.peer.socket.close();
  EXPECT_EQ(code_of(finish(writing)), Errno::connrefused);
}

TEST_P(ConnectedUnix, AWaitForRoomEndsWithCancelShutdownAndClose) {
  auto pair = connect();
  while (write_code(*pair.stream, "x") == Errno::success) {
  }
  auto canceled = start(write_byte(pair.stream));
  pair.stream->cancel();
  EXPECT_EQ(code_of(finish(canceled)), Errno::canceled);
  auto shut = start(write_byte(pair.stream));
  EXPECT_TRUE(pair.stream->shutdown_write());
  EXPECT_EQ(code_of(finish(shut)), Errno::pipe);
  auto other = connect();
  while (write_code(*other.stream, "x") == Errno::success) {
  }
  auto closed = start(other.stream->wait_writable());
  other.connection->abort();
  EXPECT_EQ(code_of(finish(closed)), Errno::canceled);
}

TEST_P(ConnectedUnix, KeepsWhatCameInFromAPeerThatIsGone) {
  auto pair = connect();
  pair.answer("last words");
  run_ready();
  pair.peer.socket.close();
  EXPECT_EQ(write_code(*pair.stream, "x"), Errno::connrefused);
  EXPECT_EQ(read_all(*pair.stream), Texts({"last words"}));
}

TEST_P(ConnectedUnix, IsCutToTheLargestDatagram) {
  auto pair = connect();
  const std::string long_one = test::pattern(kMaxDatagram + 1'000);
  pair.answer(long_one);
  EXPECT_EQ(*run(read_one(pair.stream)), long_one.substr(0, kMaxDatagram));
  EXPECT_TRUE(pair.stream->read_truncated());
}

class DatagramDialling : public DatagramLoopTest {
 protected:
  Errno dial_code(std::vector<Endpoint> targets) {
    return code_of(run(dial_datagram(loop(), std::move(targets), Targets::kAll, {})->run()));
  }
  test::TemporaryDirectory directory_;
};

TEST_F(DatagramDialling, TakesTheFirstThatTheKernelAccepts) {
  NativePeer peer = native_at(unix_path(directory_ / "s"));
  auto connection =
      *run(dial_datagram(loop(), {unix_path(directory_ / "missing"), peer.endpoint}, Targets::kAll, {})->run());
  EXPECT_EQ(connection->peer_endpoint(), peer.endpoint);
  EXPECT_EQ(dial_code({peer.endpoint, unix_path(directory_ / "missing")}), Errno::success);
}

TEST_F(DatagramDialling, TellsTheLastError) {
  auto stream = test::native_listen(test::native_unix(directory_ / "stream"));
  std::filesystem::create_directory(directory_ / "directory");
  std::filesystem::create_symlink(directory_ / "stream", directory_ / "link");
  EXPECT_EQ(dial_code({}), Errno::inval);
  EXPECT_EQ(dial_code({policy::NameEndpoint{"localhost", 1}}), Errno::inval);
  EXPECT_EQ(dial_code({policy::UnixEndpoint{}}), Errno::inval);
  EXPECT_EQ(dial_code({unix_path(directory_ / "missing")}), Errno::noent);
  EXPECT_EQ(dial_code({unix_path(directory_ / "directory")}), Errno::connrefused);
  EXPECT_EQ(dial_code({unix_path(directory_ / "stream")}), Errno::prototype);
  EXPECT_EQ(dial_code({unix_path(directory_ / "link")}), Errno::loop);
  EXPECT_EQ(dial_code({unix_path(directory_ / "missing"), unix_path(directory_ / "link")}), Errno::loop);
}

TEST_F(DatagramDialling, CanBeCanceledBeforeItRuns) {
  NativePeer peer = native_at(ip("127.0.0.1", 0));
  auto dial = dial_datagram(loop(), {peer.endpoint}, Targets::kAll, {});
  dial->cancel();
  EXPECT_EQ(code_of(run(dial->run())), Errno::canceled);
}

TEST_F(DatagramDialling, WaitsForTheRestOfTheTargetsAndTakesThem) {
  NativePeer peer = native_at(unix_path(directory_ / "s"));
  const auto dial = dial_datagram(loop(), {unix_path(directory_ / "missing")}, Targets::kMore, {});
  auto running = start(dial->run());
  EXPECT_FALSE(running->done());
  dial->add({peer.endpoint});
  EXPECT_EQ((*finish(running))->peer_endpoint(), peer.endpoint);

  const auto in_vain = dial_datagram(loop(), {unix_path(directory_ / "missing")}, Targets::kMore, {});
  running = start(in_vain->run());
  in_vain->add({});
  EXPECT_EQ(code_of(finish(running)), Errno::noent);

  const auto given_up = dial_datagram(loop(), {}, Targets::kMore, {});
  running = start(given_up->run());
  given_up->cancel();
  EXPECT_EQ(code_of(finish(running)), Errno::canceled);
}

TEST_F(DatagramDialling, FromABoundSocketUsesItUpWithTheFirst) {
  NativePeer peer = native_at(ip("127.0.0.1", 0));
  std::shared_ptr<Bound> bound = *bind_datagram(loop(), ip("127.0.0.1", 0), {});
  const Endpoint local = bound->local_endpoint();
  const auto connection = *run(dial_datagram(loop(), {peer.endpoint}, Targets::kAll, {}, bound)->run());
  EXPECT_EQ(connection->local_endpoint(), local);
  EXPECT_EQ(code_of(run(dial_datagram(loop(), {peer.endpoint}, Targets::kAll, {}, bound)->run())), Errno::inval);
}

TEST_F(DatagramDialling, OfTheUnspecifiedAddressTellsWhomItReached) {
  NativePeer peer = native_at(ip("127.0.0.1", 0));
  auto connection = dial(ip("0.0.0.0", port_of(peer.endpoint)));
  EXPECT_EQ(connection->peer_endpoint(), peer.endpoint);
}

// What a program sees on a native socket a guest sees on ours, call by call.
class ConnectedLikeNative : public DatagramWireTest {
 protected:
  // w: write a byte, e: an empty datagram, l: one that is too long, r: read, s: shut the write half down,
  // c: the peer closes its socket, a: the peer answers. Neither side waits.
  template <class Write, class Read, class Shut>
  std::vector<Errno> play(const std::string& script, NativePeer& peer, const Endpoint& own, Write write, Read read,
                          Shut shut) {
    std::vector<Errno> out;
    for (const char step : script) {
      if (step == 'w') out.push_back(write("x"));
      if (step == 'e') out.push_back(write(""));
      if (step == 'l') out.push_back(write(std::string(300'000, 'x')));
      if (step == 'r') out.push_back(read());
      if (step == 's') out.push_back(shut());
      if (step == 'c') peer.socket.close();
      if (step == 'a') peer.send("answer", own);
      run_ready();
    }
    return out;
  }
  static Errno errno_of_call(ssize_t result) { return result < 0 ? errno_from_system(errno) : Errno::success; }

  std::vector<Errno> play_natively(const std::string& script) {
    NativePeer peer = native(), ours = native();
    ours.connect(peer.endpoint);
    const int fd = ours.socket.fd();
    return play(
        script, peer, ours.endpoint,
        [&](const std::string& data) {
          return errno_of_call(::send(fd, data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
        },
        [&] {
          char byte;
          return errno_of_call(::recv(fd, &byte, 1, MSG_DONTWAIT));
        },
        [&] { return errno_of_call(::shutdown(fd, SHUT_WR)); });
  }
  std::vector<Errno> play_with_ours(const std::string& script) {
    auto pair = connect();
    return play(
        script, pair.peer, pair.connection->local_endpoint(),
        [&](const std::string& data) { return write_code(*pair.stream, data); },
        [&] { return code_of(read_byte_now(*pair.stream)); }, [&] { return code_of(pair.stream->shutdown_write()); });
  }
};
INSTANTIATE_TEST_SUITE_P(AllWires, ConnectedLikeNative, kAllDatagramWires, name_of_wire);

// One thing is better: when a send finds a Unix peer gone, Linux throws away what that had sent before.
TEST_P(ConnectedLikeNative, InErrorsAndTheirOrder) {
  for (const char* script :
       {"r",  "wr",   "er",   "lr", "war",   "warr", "aarrr", "cwr", "cwrr", "cww",  "cwww", "cwwww", "cwrwr", "cer",
        "ce", "cwlr", "cwlw", "cr", "acrwr", "sw",   "swr",   "csw", "cwsw", "cwsr", "sar",  "cwsrw", "acr"}) {
    EXPECT_EQ(play_with_ours(script), play_natively(script)) << script;
  }
}

}  // namespace
}  // namespace wasi_netd::net
