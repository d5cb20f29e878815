// The connection that comes out: whose it is, and that bytes which came early are the tunnel's first.
#include "daemon/net/stream_socket.h"
#include "tests/loop/proxy/proxy_test.h"

namespace wasi_netd::net {
namespace {

using namespace std::string_literals;

class Tunnel : public ProxyTest {
 protected:
  void TearDown() override {
    tunnel_.reset();
    stream_.reset();
    to_proxy_.reset();
    ProxyTest::TearDown();
  }

  // A tunnel whose other end is peer_; `early` comes in one piece with the proxy's answer.
  void open_with(const std::string& early, const Endpoint& target = ip("192.0.2.1", 443)) {
    auto listener = test::native_listen(test::native_ip("127.0.0.1", 0));
    const Endpoint place = ip("127.0.0.1", listener.local_port());
    to_proxy_ = dial(place);
    peer_ = listener.accept();
    const policy::Proxy proxy = settings(policy::Proxy::Kind::kHttp, place);
    auto opening = start(open_tunnel(proxy, to_proxy_, target));
    read_head(peer_);
    peer_.write_all("HTTP/1.1 200 OK\r\n\r\n" + early);
    tunnel_ = *finish(opening);
  }
  void take_stream() { stream_ = *tunnel_->take_stream(); }

  test::NativeSocket peer_;
  std::shared_ptr<Connection> to_proxy_;
  std::shared_ptr<Connection> tunnel_;
  std::shared_ptr<Stream> stream_;
};

TEST_F(Tunnel, HasTheTargetAsItsPeerAndTheSocketAsItsEnd) {
  open_with("");
  EXPECT_EQ(tunnel_->peer_endpoint(), ip("192.0.2.1", 443));
  EXPECT_EQ(tunnel_->local_endpoint(), ip("127.0.0.1", peer_.peer_port()));
  EXPECT_TRUE(tunnel_->info().tls_version.empty());
  EXPECT_EQ(*tunnel_->get_option(Option::kNodelay), 1U);
  EXPECT_TRUE(tunnel_->set_option(Option::kKeepalive, 1));
  EXPECT_EQ(*to_proxy_->get_option(Option::kKeepalive), 1U);
}

TEST_F(Tunnel, HasTheNameAsItsPeerWhenTheProxyResolvesIt) {
  open_with("", policy::NameEndpoint{"a.example", 443});
  EXPECT_EQ(tunnel_->peer_endpoint(), Endpoint(policy::NameEndpoint{"a.example", 443}));
}

TEST_F(Tunnel, WithoutEarlyBytesGivesTheStreamToTheProxyItself) {
  open_with("");
  take_stream();
  EXPECT_EQ(stream_.get(), static_cast<Stream*>(std::static_pointer_cast<StreamSocket>(to_proxy_).get()));
  EXPECT_EQ(code_of(tunnel_->take_stream()), Errno::notsup);
}

TEST_F(Tunnel, GivesEarlyBytesFirstInPiecesOfAnySize) {
  open_with("early ");
  take_stream();
  EXPECT_EQ(code_of(tunnel_->take_stream()), Errno::notsup);
  peer_.write_all("and late");
  EXPECT_EQ(run(read(stream_, 1)), "e");
  char none = 0;
  EXPECT_EQ(*stream_->read_now(asio::mutable_buffer(&none, 0)), 0U);
  EXPECT_EQ(*run(stream_->read_some(asio::mutable_buffer(&none, 0))), 0U);
  char two[2];
  EXPECT_EQ(*stream_->read_now(asio::buffer(two)), 2U);
  EXPECT_EQ(std::string(two, 2), "ar");
  // A read ends with the early bytes: what may come is not waited for.
  char many[100];
  EXPECT_EQ(*run(stream_->read_some(asio::buffer(many))), 3U);
  EXPECT_EQ(run(read(stream_, 8)), "and late");
  peer_.shutdown_write();
  EXPECT_EQ(*run(read_byte(stream_)), 0U);
  EXPECT_EQ(*run(read_byte(stream_)), 0U);
}

TEST_F(Tunnel, IsReadableWhileEarlyBytesAreThere) {
  open_with("ab");
  take_stream();
  EXPECT_TRUE(run(stream_->wait_readable()));
  EXPECT_EQ(*read_byte_now(*stream_), 1U);
  EXPECT_TRUE(run(stream_->wait_readable()));
  EXPECT_EQ(*read_byte_now(*stream_), 1U);
  EXPECT_EQ(code_of(read_byte_now(*stream_)), Errno::again);
  auto waiting = start(stream_->wait_readable());
  EXPECT_FALSE(waiting->done());
  peer_.write_all("c");
  EXPECT_TRUE(finish(waiting));
  EXPECT_EQ(*read_byte_now(*stream_), 1U);
}

TEST_F(Tunnel, GivesAsManyEarlyBytesAsCameAndEachOnce) {
  const std::string bytes = test::pattern(300'000);
  auto listener = test::native_listen(test::native_ip("127.0.0.1", 0));
  const Endpoint place = ip("127.0.0.1", listener.local_port());
  to_proxy_ = dial(place);
  peer_ = listener.accept();
  // It does not wait for the request, so the handshake's buffer is full of what came early.
  std::thread proxy([&] {
    peer_.write_all("HTTP/1.1 200 OK\r\n\r\n" + bytes);
    peer_.shutdown_write();
  });
  auto opening = start(open_tunnel(settings(policy::Proxy::Kind::kHttp, place), to_proxy_, kTarget));
  tunnel_ = *finish(opening);
  take_stream();
  EXPECT_TRUE(run(read(stream_, bytes.size() + 1)) == bytes);
  proxy.join();
}

TEST_F(Tunnel, WritesAndEndsItsWriteHalfWhileEarlyBytesWait) {
  open_with("early");
  take_stream();
  EXPECT_TRUE(run(stream_->wait_writable()));
  EXPECT_EQ(*stream_->write_now(asio::buffer("x", 1)), 1U);
  EXPECT_TRUE(run(write(stream_, "yz")));
  EXPECT_TRUE(stream_->shutdown_write());
  EXPECT_EQ(peer_.read_to_end(), "xyz");
  EXPECT_EQ(run(read(stream_, 5)), "early");
}

TEST_F(Tunnel, ReadsEarlyBytesAfterTheReadHalfWasShutDownAndThenTheEnd) {
  open_with("early");
  take_stream();
  EXPECT_TRUE(stream_->shutdown_read());
  EXPECT_EQ(run(read(stream_, 100)), "early");
  EXPECT_EQ(*run(read_byte(stream_)), 0U);
}

TEST_F(Tunnel, ReadsEarlyBytesBeforeTheReset) {
  open_with("early");
  take_stream();
  peer_.reset();
  EXPECT_EQ(run(read(stream_, 5)), "early");
  EXPECT_EQ(code_of(run(read_byte(stream_))), Errno::connreset);
}

TEST_F(Tunnel, CanBeCanceledAndUsedOn) {
  open_with("e");
  take_stream();
  EXPECT_EQ(*read_byte_now(*stream_), 1U);
  auto reading = start(read_byte(stream_));
  stream_->cancel();
  EXPECT_EQ(code_of(finish(reading)), Errno::canceled);
  peer_.write_all("l");
  EXPECT_EQ(*run(read_byte(stream_)), 1U);
}

TEST_F(Tunnel, AbortResetsThePeerAndDropsEarlyBytes) {
  open_with("early");
  take_stream();
  auto begun = stream_->wait_readable();  // neither has run when abort() comes
  char byte = 0;
  auto read = stream_->read_some(asio::mutable_buffer(&byte, 1));
  tunnel_->abort();
  EXPECT_EQ(code_of(run(std::move(begun))), Errno::canceled);
  EXPECT_EQ(code_of(run(std::move(read))), Errno::canceled);
  EXPECT_EQ(code_of(read_byte_now(*stream_)), Errno::canceled);
  EXPECT_EQ(code_of(run(read_byte(stream_))), Errno::canceled);
  EXPECT_EQ(code_of(run(stream_->wait_readable())), Errno::canceled);
  EXPECT_EQ(peer_.read_error(), ECONNRESET);
}

TEST_F(Tunnel, FinishEndsInOrderAndDropsEarlyBytes) {
  open_with("early");
  take_stream();
  EXPECT_TRUE(run(write(stream_, "last words")));
  auto finishing = start(tunnel_->finish(kLong));
  EXPECT_EQ(peer_.read_to_end(), "last words");
  EXPECT_FALSE(finishing->done());
  peer_.write_all("never read");
  peer_.close();
  finish(finishing);
  EXPECT_EQ(code_of(run(read_byte(stream_))), Errno::canceled);
}

TEST_F(Tunnel, FinishIsCutShortByAbort) {
  open_with("early");
  auto finishing = start(tunnel_->finish(kLong));
  EXPECT_FALSE(finishing->done());
  tunnel_->abort();
  finish(finishing);
}

TEST_F(Tunnel, LivesInItsStream) {
  open_with("early");
  take_stream();
  tunnel_.reset();
  to_proxy_.reset();
  peer_.write_all(" and late");
  EXPECT_EQ(run(read(stream_, 14)), "early and late");
  stream_.reset();
  EXPECT_EQ(peer_.read_error(), ECONNRESET) << "dropped with its last share, and nobody finished it";
}

// The connection to the proxy may be anything: here it is a tunnel with early bytes of its own.
TEST_F(Tunnel, LeadsThroughATunnel) {
  open_with("\5\0"s);
  const policy::Proxy second = settings(policy::Proxy::Kind::kSocks5, policy::NameEndpoint{"second.example", 1080});
  auto opening = start(open_tunnel(second, tunnel_, policy::NameEndpoint{"a.example", 80}));
  EXPECT_EQ(peer_.read(3), "\5\1\0"s);
  EXPECT_EQ(peer_.read(16), "\5\1\0\3\x09"s + "a.example" + "\0\x50"s);
  peer_.write_all("\5\0\0\1\0\0\0\0\0\0"s + "hello");
  tunnel_ = *finish(opening);
  take_stream();
  EXPECT_EQ(tunnel_->peer_endpoint(), Endpoint(policy::NameEndpoint{"a.example", 80}));
  EXPECT_EQ(run(read(stream_, 5)), "hello");
  EXPECT_TRUE(run(write(stream_, "bye")));
  EXPECT_EQ(peer_.read(3), "bye");
}

}  // namespace
}  // namespace wasi_netd::net
