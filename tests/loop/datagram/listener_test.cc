// Peers of one UDP socket as connections.
#include "tests/loop/datagram/datagram_test.h"

namespace wasi_netd::net {
namespace {

using Texts = std::vector<std::string>;

class DatagramListening : public DatagramWireTest {
 protected:
  void listen(DatagramOptions options = {}, int backlog = 0) {
    listener_ = *bind(std::move(options))->listen(backlog);
    where_ = listener_->local_endpoint();
  }
  void TearDown() override {
    accepted_.clear();
    if (listener_) listener_->close();
    listener_.reset();
    DatagramWireTest::TearDown();
  }
  // The peer's connection, which the fixture holds too.
  std::shared_ptr<Connection> accept() {
    accepted_.push_back(*run(listener_->accept()));
    return accepted_.back();
  }
  std::shared_ptr<Stream> accept_stream() { return *accept()->take_stream(); }
  // Nobody waits to be accepted, now that all is read that came in.
  bool nobody_waits() {
    run_ready();
    auto accepting = start(listener_->accept());
    const bool none = !accepting->done();
    if (!none) return false;
    pending_ = accepting;
    return true;
  }
  // Who comes after nobody_waits().
  std::shared_ptr<Connection> next() {
    accepted_.push_back(*finish(std::exchange(pending_, nullptr)));
    return accepted_.back();
  }
  std::string localhost() const { return GetParam() == DatagramWire::kUdp4 ? "127.0.0.1" : "::1"; }

  std::shared_ptr<Listener> listener_;
  Endpoint where_;
  std::vector<std::shared_ptr<Connection>> accepted_;
  std::shared_ptr<Running<Result<std::shared_ptr<Connection>>>> pending_;
};
INSTANTIATE_TEST_SUITE_P(Families, DatagramListening, kUdpWires, name_of_wire);

TEST_P(DatagramListening, GivesOneConnectionPerPeerWithWhatItSent) {
  listen();
  NativePeer one = native(), two = native();
  one.send("1a", where_);
  two.send("", where_);
  one.send("1b", where_);
  auto first = accept(), second = accept();
  EXPECT_EQ(first->peer_endpoint(), one.endpoint);
  EXPECT_EQ(second->peer_endpoint(), two.endpoint);
  EXPECT_EQ(first->local_endpoint(), where_);
  auto to_one = *first->take_stream(), to_two = *second->take_stream();
  EXPECT_EQ(read_all(*to_one), Texts({"1a", "1b"}));
  EXPECT_EQ(read_all(*to_two), Texts({""})) << "an empty datagram makes a peer too";
  EXPECT_TRUE(run(write(to_one, "for one")));
  EXPECT_EQ(write_code(*to_two, ""), Errno::success);
  EXPECT_EQ(one.receive().data, "for one");
  EXPECT_EQ(two.receive().data, "");
  two.send("2b", where_);
  one.send("1c", where_);
  EXPECT_EQ(*run(read_one(to_one)), "1c");
  EXPECT_EQ(*run(read_one(to_two)), "2b");
  EXPECT_TRUE(nobody_waits());
}

TEST_P(DatagramListening, TakesWhatCameInBeforeIt) {
  auto bound = bind();
  NativePeer peer = native();
  peer.send("early", bound->local_endpoint());
  listener_ = *bound->listen(0);
  EXPECT_EQ(code_of(bound->receive_now(1)), Errno::inval);
  EXPECT_EQ(code_of(bound->listen(0)), Errno::inval);
  bound.reset();
  EXPECT_EQ(*run(read_one(accept_stream())), "early");
}

TEST_P(DatagramListening, SendsInBatches) {
  listen();
  NativePeer peer = native();
  peer.send("?", where_);
  auto stream = accept_stream();
  const std::vector<std::string_view> batch = {"a", "", "c"};
  EXPECT_EQ(*stream->write_batch_now(batch), 3u);
  for (const auto& text : batch) EXPECT_EQ(peer.receive().data, text);
}

TEST_P(DatagramListening, HoldsABacklogAndCountsWhatIsBeyond) {
  listen({}, 2);
  NativePeer one = native(), two = native(), three = native();
  one.send("1", where_);
  two.send("2", where_);
  three.send("3", where_);
  one.send("1 too", where_);
  run_ready();
  EXPECT_EQ(listener_->dropped(), 1u);
  EXPECT_EQ(read_all(*accept_stream()), Texts({"1", "1 too"}));
  three.send("3 again", where_);
  run_ready();
  EXPECT_EQ(listener_->dropped(), 1u) << "there is room now";
  EXPECT_EQ(read_all(*accept_stream()), Texts({"2"}));
  EXPECT_EQ(read_all(*accept_stream()), Texts({"3 again"}));
}

TEST_P(DatagramListening, KeepsABoundedNumberOfPeersApart) {
  DatagramOptions options;
  options.max_peers = 2;
  listen(options);
  NativePeer one = native(), two = native(), three = native();
  one.send("1", where_);
  two.send("2", where_);
  auto first = accept_stream();
  auto second = accept_stream();
  three.send("3", where_);
  one.send("1 too", where_);
  run_ready();
  EXPECT_EQ(listener_->dropped(), 1u);
  EXPECT_EQ(read_all(*first), Texts({"1", "1 too"})) << "peers that are known go on";
  accepted_.front()->abort();
  three.send("3 again", where_);
  EXPECT_EQ(read_all(*accept_stream()), Texts({"3 again"}));
}

TEST_P(DatagramListening, BoundsWhatPeersHoldThatAreNotAccepted) {
  Quota buffers("buffers", 100'000'000);
  DatagramOptions options;
  options.queue_limit = 100'000;
  options.buffers = &buffers;
  listen(options, 4096);
  std::vector<NativePeer> peers;
  peers.reserve(30);
  for (int i = 0; i < 30; ++i) peers.push_back(native());
  const std::string large(60'000, 'x');
  for (auto& peer : peers) {
    for (int i = 0; i < 3; ++i) peer.send(large, where_);
    run_ready();
  }
  EXPECT_LE(buffers.used(), 400'000u);
  EXPECT_GT(listener_->dropped(), 0u);
  auto stream = accept_stream();
  EXPECT_EQ(read_all(*stream).size(), 1u);
  for (auto& peer : peers) peer.send("x", where_);
  run_ready();
  listener_->close();
  accepted_.clear();
  stream.reset();
  EXPECT_EQ(buffers.used(), 0u);
}

TEST_P(DatagramListening, LetsAPeerHoldMoreOnceItIsAccepted) {
  Quota buffers("buffers", 10'000'000);
  DatagramOptions options;
  options.buffers = &buffers;
  listen(options);
  NativePeer peer = native();
  const std::string large(40'000, 'x');
  peer.send(large, where_);
  peer.send(large, where_);
  auto stream = accept_stream();
  EXPECT_EQ(stream->dropped(), 1u);
  EXPECT_GT(buffers.used(), 40'000u);
  for (int i = 0; i < 4; ++i) {
    peer.send(large, where_);
    run_ready();
  }
  EXPECT_EQ(stream->dropped(), 1u);
  EXPECT_EQ(read_all(*stream).size(), 5u);
  EXPECT_EQ(buffers.used(), 0u);
}

TEST_P(DatagramListening, ASlowPeerDoesNotStallAnother) {
  DatagramOptions options;
  options.queue_limit = 10'000;
  listen(options);
  NativePeer slow = native(), fast = native();
  slow.send("s", where_);
  fast.send("f", where_);
  auto slow_stream = accept_stream(), fast_stream = accept_stream();
  EXPECT_EQ(read_all(*fast_stream), Texts({"f"}));
  const std::string flood(1'000, 's');
  for (int i = 0; i < 200; ++i) {
    slow.send(flood, where_);
    fast.send(std::to_string(i), where_);
    EXPECT_EQ(*run(read_one(fast_stream)), std::to_string(i));
  }
  EXPECT_EQ(fast_stream->dropped(), 0u);
  EXPECT_GT(slow_stream->dropped(), 150u);
  EXPECT_EQ(listener_->dropped(), 0u);
}

TEST_P(DatagramListening, EndsAPeerThatIsSilent) {
  DatagramOptions options;
  options.idle_timeout = std::chrono::milliseconds(20);
  listen(options);
  NativePeer peer = native();
  peer.send("hello", where_);
  auto stream = accept_stream();
  EXPECT_EQ(*run(read_one(stream)), "hello");
  EXPECT_EQ(*run(read_byte(stream)), 0u);
  EXPECT_TRUE(stream->ended());
  EXPECT_EQ(write_code(*stream, "x"), Errno::pipe);
  EXPECT_TRUE(run(stream->wait_writable()));
  peer.send("back", where_);
  auto again = accept_stream();
  EXPECT_EQ(*run(read_one(again)), "back") << "as a new peer";
  EXPECT_FALSE(peer.has_datagram());
}

TEST_P(DatagramListening, EndsNobodyElseWithIt) {
  DatagramOptions options;
  options.idle_timeout = std::chrono::milliseconds(300);
  listen(options);
  NativePeer silent = native(), heard = native(), spoken_to = native();
  for (NativePeer* peer : {&silent, &heard, &spoken_to}) peer->send("hello", where_);
  auto to_silent = accept_stream(), to_heard = accept_stream(), to_spoken_to = accept_stream();
  const auto is_over = [](Stream& stream) { return code_of(stream.write_batch_now({})) == Errno::pipe; };
  while (!is_over(*to_silent)) {
    heard.send("still here", where_);
    EXPECT_EQ(write_code(*to_spoken_to, "still there?"), Errno::success);
    auto between = Timer(loop(), std::chrono::milliseconds(5));
    run(wait(between));
  }
  EXPECT_FALSE(is_over(*to_heard));
  EXPECT_FALSE(is_over(*to_spoken_to));
}

TEST_P(DatagramListening, GivesTheQueueOfASilentPeerBeforeItsEnd) {
  DatagramOptions options;
  options.idle_timeout = std::chrono::milliseconds(20);
  listen(options);
  NativePeer peer = native();
  for (const char* text : {"1", ""}) peer.send(text, where_);
  auto stream = accept_stream();
  run_until([&] { return code_of(stream->write_batch_now({})) == Errno::pipe; });
  EXPECT_EQ(*read_now(*stream), "1");
  EXPECT_EQ(*read_now(*stream), "");
  EXPECT_FALSE(stream->ended()) << "that was a datagram";
  EXPECT_EQ(*read_now(*stream), "");
  EXPECT_TRUE(stream->ended());
}

TEST_P(DatagramListening, ForgetsAPeerThatWaitsForTooLong) {
  Quota buffers("buffers", 1'000'000);
  DatagramOptions options;
  options.idle_timeout = std::chrono::milliseconds(10);
  options.buffers = &buffers;
  listen(options);
  native().send("nobody accepts me", where_);
  run_until([&] { return buffers.used() > 0; });
  run_until([&] { return buffers.used() == 0; });
  EXPECT_TRUE(nobody_waits());
  native().send("me", where_);
  EXPECT_EQ(*run(read_one(*next()->take_stream())), "me");
}

TEST_P(DatagramListening, KeepsARefusedPeerOut) {
  DatagramOptions options;
  options.idle_timeout = std::chrono::milliseconds(300);
  listen(options);
  NativePeer refused = native(), other = native();
  refused.send("x", where_);
  const auto since = std::chrono::steady_clock::now();
  accept()->refuse();
  for (int i = 0; i < 50; ++i) refused.send("flood", where_);
  other.send("hello", where_);
  auto next = accept();
  EXPECT_EQ(next->peer_endpoint(), other.endpoint);
  EXPECT_EQ(listener_->dropped(), 0u);
  // It is judged again when it has been out for as long, whatever it sent meanwhile.
  auto accepting = start(listener_->accept());
  while (!accepting->done()) {
    refused.send("still here", where_);
    auto between = Timer(loop(), std::chrono::milliseconds(5));
    run(wait(between));
  }
  EXPECT_EQ((*finish(accepting))->peer_endpoint(), refused.endpoint);
  EXPECT_GE(std::chrono::steady_clock::now() - since, options.idle_timeout);
}

TEST_P(DatagramListening, ForgetsTheOldestOfTooManyRefusedPeers) {
  DatagramOptions options;
  options.max_peers = 2;
  listen(options);
  std::vector<NativePeer> peers;
  for (int i = 0; i < 3; ++i) {
    peers.push_back(native());
    peers.back().send("x", where_);
    accept()->refuse();
  }
  peers[1].send("out", where_);
  peers[2].send("out", where_);
  EXPECT_TRUE(nobody_waits());
  peers[0].send("in", where_);
  EXPECT_EQ(next()->peer_endpoint(), peers[0].endpoint);
}

TEST_P(DatagramListening, TakesAPeerAnewWhoseConnectionIsOver) {
  listen();
  NativePeer peer = native();
  peer.send("1", where_);
  auto first = accept();
  auto stream = *first->take_stream();
  first->abort();
  EXPECT_EQ(code_of(read_byte_now(*stream)), Errno::canceled);
  peer.send("2", where_);
  auto second = accept();
  EXPECT_EQ(read_all(**second->take_stream()), Texts({"2"}));
  run(second->finish(std::chrono::seconds(60)));
  peer.send("3", where_);
  EXPECT_EQ(read_all(*accept_stream()), Texts({"3"}));
  accepted_.clear();
  peer.send("4", where_);
  EXPECT_EQ(read_all(*accept_stream()), Texts({"4"})) << "dropped without a word";
}

TEST_P(DatagramListening, TellsOnePeersErrorToThatPeerOnly) {
  listen();
  Endpoint gone;
  NativePeer other = native();
  {
    NativePeer peer = native();
    gone = peer.endpoint;
    peer.send("x", where_);
    other.send("x", where_);
    run_ready();
  }
  auto to_gone = accept_stream(), to_other = accept_stream();
  EXPECT_EQ(read_all(*to_gone), Texts({"x"}));
  EXPECT_EQ(read_all(*to_other), Texts({"x"}));
  auto reading = start(read_byte(to_gone));
  EXPECT_EQ(write_code(*to_gone, "answer"), Errno::success);
  EXPECT_EQ(write_code(*to_other, "answer"), Errno::success);
  EXPECT_EQ(other.receive().data, "answer");
  EXPECT_EQ(code_of(finish(reading)), Errno::connrefused);
  EXPECT_EQ(code_of(read_byte_now(*to_other)), Errno::again);
  EXPECT_EQ(write_code(*to_gone, "answer"), Errno::success);
  run_ready();
  EXPECT_EQ(write_code(*to_gone, "answer"), Errno::connrefused) << "told to a writer as well";
  EXPECT_EQ(write_code(*to_other, "answer"), Errno::success);
}

TEST_P(DatagramListening, ConnectionsGoOnWhenItIsClosed) {
  listen();
  NativePeer peer = native(), late = native(), waiting = native();
  peer.send("1", where_);
  auto stream = accept_stream();
  waiting.send("not accepted", where_);
  run_ready();
  auto accepting = start(listener_->accept());
  EXPECT_TRUE(accepting->done());
  const auto unread = *finish(accepting);
  auto pending = start(listener_->accept());
  listener_->close();
  EXPECT_EQ(code_of(finish(pending)), Errno::canceled);
  EXPECT_EQ(code_of(run(listener_->accept())), Errno::canceled);
  listener_.reset();

  late.send("too late", where_);
  peer.send("2", where_);
  run_ready();
  EXPECT_EQ(read_all(*stream), Texts({"1", "2"}));
  EXPECT_EQ(write_code(*stream, "answer"), Errno::success);
  EXPECT_EQ(peer.receive().data, "answer");
  EXPECT_EQ(code_of(bind_datagram(loop(), where_, {})), Errno::addrinuse);
  unread->abort();
  EXPECT_EQ(code_of(bind_datagram(loop(), where_, {})), Errno::addrinuse) << "one is left";
  accepted_.clear();
  stream.reset();
  EXPECT_EQ(code_of(bind_datagram(loop(), where_, {})), Errno::success);
}

TEST_P(DatagramListening, DropsThoseWhoWaitWhenItIsClosed) {
  listen();
  native().send("x", where_);
  run_ready();
  listener_->close();
  EXPECT_EQ(code_of(bind_datagram(loop(), where_, {})), Errno::success);
  EXPECT_EQ(code_of(run(listener_->accept())), Errno::canceled);
}

TEST_P(DatagramListening, AReaderWhoseShareIsTheLastIsNotLost) {
  listen();
  NativePeer peer = native();
  peer.send("1", where_);
  auto connection = *run(listener_->accept());
  auto stream = *connection->take_stream();
  EXPECT_EQ(read_all(*stream), Texts({"1"}));
  connection.reset();
  auto reading = start(read_one(std::exchange(stream, nullptr)));
  listener_->close();
  listener_.reset();
  peer.send("2", where_);
  EXPECT_EQ(*finish(reading), "2");
  EXPECT_EQ(code_of(bind_datagram(loop(), where_, {})), Errno::success);
}

TEST_P(DatagramListening, HalvesOfAPeerEndByThemselves) {
  listen();
  NativePeer peer = native();
  peer.send("1", where_);
  auto stream = accept_stream();
  EXPECT_TRUE(stream->shutdown_read());
  peer.send("late", where_);
  run_ready();
  EXPECT_EQ(read_all(*stream), Texts({"1"}));
  EXPECT_TRUE(stream->ended());
  EXPECT_EQ(write_code(*stream, "x"), Errno::success);
  EXPECT_TRUE(stream->shutdown_write());
  EXPECT_EQ(write_code(*stream, "x"), Errno::pipe);
  EXPECT_TRUE(nobody_waits()) << "it is known still";
}

TEST_P(DatagramListening, AtAnyAddressAnswersFromWhereThePeerSentTo) {
  const bool v4 = GetParam() == DatagramWire::kUdp4;
  listener_ = *(*bind_datagram(loop(), ip(v4 ? "0.0.0.0" : "::", 0), {}))->listen(0);
  const uint16_t port = port_of(listener_->local_endpoint());
  const Texts addresses = v4 ? Texts{"127.0.0.1", "127.0.0.2", "127.1.2.3"} : Texts{"::1"};
  NativePeer peer = native();
  for (const auto& address : addresses) {
    peer.send("to " + address, ip(address, port));
    auto connection = accept();
    EXPECT_EQ(connection->local_endpoint(), ip(address, port)) << "each is a connection of its own";
    EXPECT_EQ(connection->peer_endpoint(), peer.endpoint);
    auto stream = *connection->take_stream();
    EXPECT_EQ(*run(read_one(stream)), "to " + address);
    EXPECT_TRUE(run(write(stream, "from " + address)));
    const auto got = peer.receive();
    EXPECT_EQ(got.data, "from " + address);
    const auto expected = native_of(ip(address, port));
    ASSERT_EQ(got.from.size, expected.size);
    EXPECT_EQ(std::memcmp(&got.from.storage, &expected.storage, expected.size), 0);
  }
}

TEST_P(DatagramListening, AtAnyAddressTellsAPeersErrorToAllItsConnections) {
  const bool v4 = GetParam() == DatagramWire::kUdp4;
  listener_ = *(*bind_datagram(loop(), ip(v4 ? "0.0.0.0" : "::", 0), {}))->listen(0);
  where_ = ip(localhost(), port_of(listener_->local_endpoint()));
  native().send("x", where_);
  auto stream = accept_stream();
  EXPECT_EQ(*run(read_one(stream)), "x");
  EXPECT_EQ(write_code(*stream, "answer"), Errno::success);
  EXPECT_EQ(code_of(run(read_byte(stream))), Errno::connrefused);
}

TEST_P(DatagramListening, OptionsAreThoseOfTheSocketOfAll) {
  listen();
  native().send("x", where_);
  const auto connection = accept();
  EXPECT_TRUE(connection->set_option(Option::kSendBuffer, 32'768));
  EXPECT_EQ(*connection->get_option(Option::kSendBuffer), 65'536u);
  EXPECT_EQ(code_of(connection->set_option(Option::kNodelay, 1)), Errno::noprotoopt);
}

}  // namespace
}  // namespace wasi_netd::net
