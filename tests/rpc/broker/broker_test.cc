// What the daemon answers to a host that follows no rule but the wire's.
#include "tests/rpc/broker/broker_test.h"

#include <future>
#include <vector>

namespace wasi_netd::test {
namespace {

TEST_F(BrokerTest, ATokenOfAnotherTenantIsUnknown) {
  Host acme(daemon_.socket_path("acme")), other(daemon_.socket_path("other"));
  RawSession session(acme);
  const auto control = session.open("net", "0.0.0.0:0");
  ASSERT_EQ(control.error(), v1::SUCCESS);
  grpc::Status status;
  other.call(&v1::Broker::Stub::Close, session.handle_request(control.handle()), &status);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(BrokerTest, AHandleOfAnotherTenantIsBadfToASessionOfItsOwn) {
  Host acme(daemon_.socket_path("acme")), other(daemon_.socket_path("other"));
  RawSession theirs(acme), own(other);
  const Stream made = connected_stream(theirs, peer_address());
  NativeSocket peer = accept_peer();
  const std::string& control = made.control.handle();
  const std::string& stream = made.stream.handle();
  EXPECT_EQ(own.open("net", "0.0.0.0:0").error(), v1::SUCCESS) << "it has a session";
  EXPECT_EQ(own.connect(control, peer_address()).error(), v1::BADF);
  EXPECT_EQ(own.listen(control), v1::BADF);
  EXPECT_EQ(own.accept(control, true).error(), v1::BADF);
  EXPECT_EQ(own.local_address(control).error(), v1::BADF);
  EXPECT_EQ(own.stream_create(made.connection).error(), v1::BADF);
  EXPECT_EQ(own.read(stream, true).error(), v1::BADF);
  EXPECT_EQ(own.write(stream, "x").error(), v1::BADF);
  EXPECT_EQ(own.shutdown(stream, false, true), v1::BADF);
  EXPECT_EQ(own.poll(stream, v1::READABLE).error(), v1::BADF);
  EXPECT_EQ(own.restrict(stream, 0).error(), v1::BADF);
  EXPECT_EQ(own.set_rights(stream, 0), v1::BADF);
  EXPECT_EQ(RawTransfer(other, own.token(), stream).opened(), v1::BADF);
  EXPECT_EQ(RawTransfer(other, theirs.token(), stream).opened(), v1::BADF);
  for (const auto* handle : {&stream, &made.connection.handle(), &control}) EXPECT_EQ(own.close(*handle), v1::BADF);
  // Nothing of that reached what is not theirs.
  EXPECT_EQ(theirs.write(stream, "hello").written(), 5u);
  EXPECT_EQ(peer.read(5), "hello");
}

TEST_F(BrokerTest, AHandleOfAnotherSessionIsBadf) {
  Host host(daemon_.socket_path("acme"));
  RawSession one(host), two(host);
  const auto control = one.open("net", "0.0.0.0:0");
  EXPECT_EQ(two.close(control.handle()), v1::BADF);
  EXPECT_EQ(one.close(control.handle()), v1::SUCCESS);
}

TEST_F(BrokerTest, ATokenOfTheWrongLengthNamesNothing) {
  Host host(daemon_.socket_path("acme"));
  RawSession session(host);
  EXPECT_EQ(session.close("short"), v1::BADF);
  EXPECT_EQ(session.close(std::string(1000, 'x')), v1::BADF);
  grpc::Status status;
  v1::HandleRequest request;
  host.call(&v1::Broker::Stub::Close, request, &status);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(BrokerTest, ACallThatComesBeforeHelloEndsTheRpc) {
  Host host(daemon_.socket_path("acme"));
  grpc::ClientContext context;
  auto call = host.stub().OpenSession(&context);
  v1::SessionRequest request;
  request.mutable_end();
  call->Write(request);
  v1::SessionEvent event;
  EXPECT_FALSE(call->Read(&event));
  EXPECT_EQ(call->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(BrokerTest, ASecondHelloEndsTheSessionAbruptly) {
  Host host(daemon_.socket_path("acme"));
  RawSession session(host);
  const Stream made = connected_stream(session, peer_address());
  NativeSocket peer = accept_peer();
  v1::SessionRequest request;
  request.mutable_hello();
  session.say(request);
  EXPECT_EQ(peer.read_error(), ECONNRESET);
  eventually([&] { return counts().sessions == 0; });
}

TEST_F(BrokerTest, SessionsAreLimited) {
  Host host(daemon_.socket_path("acme"));
  RawSession one(host), two(host), three(host);
  {
    RawSession four(host);
    EXPECT_FALSE(four.opened());
    EXPECT_EQ(four.refused(), v1::NFILE);
  }
  EXPECT_TRUE(one.end().ok());
  RawSession again(host);
  EXPECT_TRUE(again.opened());
}

TEST_F(BrokerTest, HandlesAreLimitedPerTenant) {
  Host host(daemon_.socket_path("acme"));
  RawSession one(host), two(host);
  std::vector<std::string> handles;
  v1::Errno error = v1::SUCCESS;
  for (int i = 0; i < 100 && error == v1::SUCCESS; ++i) {
    const auto control = (i % 2 ? one : two).open("net", "0.0.0.0:0");
    error = control.error();
    if (error == v1::SUCCESS && i % 2) handles.push_back(control.handle());
  }
  EXPECT_EQ(error, v1::MFILE);
  EXPECT_EQ(counts().handles, 40u);
  EXPECT_EQ(one.close(handles.back()), v1::SUCCESS);
  EXPECT_EQ(two.open("net", "0.0.0.0:0").error(), v1::SUCCESS);
}

TEST_F(BrokerTest, ConnectionsAreLimitedAndComeBack) {
  Host host(daemon_.socket_path("acme"));
  RawSession session(host);
  const auto control = session.open("net", "0.0.0.0:0");
  std::vector<v1::HandleReply> made;
  std::vector<NativeSocket> peers;
  for (int i = 0; i < 8; ++i) {
    made.push_back(session.connect(control.handle(), peer_address()));
    ASSERT_EQ(made.back().error(), v1::SUCCESS);
    peers.push_back(accept_peer());
  }
  EXPECT_EQ(session.connect(control.handle(), peer_address()).error(), v1::NFILE);
  session.close(made.back().handle());
  peers.clear();
  eventually([&] { return counts().connections < 8; });
  EXPECT_EQ(session.connect(control.handle(), peer_address()).error(), v1::SUCCESS);
}

TEST_F(BrokerTest, HostConnectionsAreLimited) {
  std::vector<std::unique_ptr<Host>> hosts;
  std::vector<std::unique_ptr<RawSession>> sessions;
  for (int i = 0; i < 3; ++i) {
    hosts.push_back(std::make_unique<Host>(daemon_.socket_path("acme")));
    sessions.push_back(std::make_unique<RawSession>(*hosts.back()));
    ASSERT_TRUE(sessions.back()->opened());
  }
  EXPECT_EQ(counts().host_connections, 3u);
  NativeSocket fourth = native_connect(native_unix(daemon_.socket_path("acme")));
  NativeSocket fifth = native_connect(native_unix(daemon_.socket_path("acme")));
  eventually([&] { return counts().host_connections == 4u; });
  EXPECT_EQ(fifth.read(1), "") << "the fifth is disconnected";
  fourth.close();
  eventually([&] { return counts().host_connections == 3u; });
}

TEST_F(BrokerTest, AListeningGuestWaitsForRoomInsteadOfLosingPeers) {
  Host host(daemon_.socket_path("acme"));
  RawSession session(host);
  const auto control = session.open("net", "127.0.0.1:0");
  ASSERT_EQ(session.listen(control.handle()), v1::SUCCESS);
  const std::string address = session.local_address(control.handle()).address();
  const uint16_t port = static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
  std::vector<NativeSocket> peers;
  std::vector<v1::HandleReply> accepted;
  constexpr int kPeers = 10;
  peers.reserve(kPeers);
  for (int i = 0; i < kPeers; ++i) peers.push_back(native_connect(native_ip("127.0.0.1", port)));
  for (int i = 0; i < 8; ++i) {
    accepted.push_back(session.accept(control.handle()));
    ASSERT_EQ(accepted.back().error(), v1::SUCCESS);
  }
  EXPECT_EQ(session.accept(control.handle(), true).error(), v1::AGAIN);
  EXPECT_EQ(counts().connections, 8u);
  // One goes: the ninth peer, which waits in the backlog or is held back, comes through.
  session.close(accepted.back().handle());
  peers[7].close();
  EXPECT_EQ(session.accept(control.handle()).error(), v1::SUCCESS);
}

TEST_F(BrokerTest, ACancelledAcceptLeavesNothingBehind) {
  Host host(daemon_.socket_path("acme"));
  RawSession session(host);
  const auto control = session.open("net", "127.0.0.1:0");
  ASSERT_EQ(session.listen(control.handle()), v1::SUCCESS);
  grpc::ClientContext context;
  v1::AcceptRequest request;
  request.set_session(session.token());
  request.set_control(control.handle());
  v1::HandleReply reply;
  auto accepting = std::async(std::launch::async, [&] { return host.stub().Accept(&context, request, &reply); });
  context.TryCancel();
  EXPECT_EQ(accepting.get().error_code(), grpc::StatusCode::CANCELLED);
  // The peer that comes later belongs to the next accept.
  const std::string address = session.local_address(control.handle()).address();
  const uint16_t port = static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
  NativeSocket peer = native_connect(native_ip("127.0.0.1", port));
  EXPECT_EQ(session.accept(control.handle()).error(), v1::SUCCESS);
  EXPECT_EQ(counts().handles, 3u) << "protocol, control, connection";
}

TEST_F(BrokerTest, ClosingAControlEndsAWaitingAccept) {
  Host host(daemon_.socket_path("acme"));
  RawSession session(host);
  const auto control = session.open("net", "127.0.0.1:0");
  ASSERT_EQ(session.listen(control.handle()), v1::SUCCESS);
  auto accepting = std::async(std::launch::async, [&] { return session.accept(control.handle()).error(); });
  session.close(control.handle());
  EXPECT_EQ(accepting.get(), v1::BADF);
}

TEST_F(BrokerTest, AHostThatBreaksOffATransferResetsThePeer) {
  Host host(daemon_.socket_path("acme"));
  RawSession session(host);
  const Stream made = connected_stream(session, peer_address());
  NativeSocket peer = accept_peer();
  RawTransfer transfer(host, session.token(), made.stream.handle());
  ASSERT_EQ(transfer.opened(), v1::SUCCESS);
  transfer.data("half an upload");
  EXPECT_EQ(peer.read(14), "half an upload");
  transfer.break_off();
  EXPECT_EQ(peer.read_error(), ECONNRESET);
  EXPECT_EQ(session.close(made.stream.handle()), v1::BADF) << "the handle went with the transfer";
}

TEST_F(BrokerTest, AHostThatDiesAfterFinButBeforeCloseResetsThePeer) {
  Host host(daemon_.socket_path("acme"));
  RawSession session(host);
  const Stream made = connected_stream(session, peer_address());
  NativeSocket peer = accept_peer();
  RawTransfer transfer(host, session.token(), made.stream.handle());
  transfer.data("all of it");
  transfer.fin();
  EXPECT_EQ(peer.read(100), "all of it");
  peer.write_all("an answer nobody will read");
  transfer.break_off();
  eventually([&] { return counts().connections == 0; });
}

TEST_F(BrokerTest, AClosedTransferDeliversEverything) {
  Host host(daemon_.socket_path("acme"));
  RawSession session(host);
  const Stream made = connected_stream(session, peer_address());
  NativeSocket peer = accept_peer();
  RawTransfer transfer(host, session.token(), made.stream.handle());
  const std::string chunk(64 * 1024, 'x');
  auto reading = std::async(std::launch::async, [&] { return peer.read(100 << 20).size(); });
  for (int i = 0; i < 64; ++i) ASSERT_TRUE(transfer.data(chunk));
  EXPECT_TRUE(transfer.close().ok());
  EXPECT_TRUE(session.end().ok());
  EXPECT_EQ(reading.get(), 64u * chunk.size());
}

TEST_F(BrokerTest, AStreamIsInOneTransferOnly) {
  Host host(daemon_.socket_path("acme"));
  RawSession session(host);
  const Stream made = connected_stream(session, peer_address());
  NativeSocket peer = accept_peer();
  RawTransfer first(host, session.token(), made.stream.handle());
  RawTransfer second(host, session.token(), made.stream.handle());
  EXPECT_EQ(first.opened(), v1::SUCCESS);
  EXPECT_EQ(second.opened(), v1::BUSY);
  EXPECT_EQ(session.read(made.stream.handle(), true).error(), v1::BUSY);
}

TEST_F(BrokerTest, AFrameOverTheLimitEndsTheTransfer) {
  Host host(daemon_.socket_path("acme"));
  RawSession session(host);
  const Stream made = connected_stream(session, peer_address());
  NativeSocket peer = accept_peer();
  RawTransfer transfer(host, session.token(), made.stream.handle());
  transfer.data(std::string(1 << 20, 'x'));
  v1::TransferReply reply;
  while (transfer.next(reply)) {
  }
  EXPECT_EQ(peer.read_error(), ECONNRESET);
}

TEST_F(BrokerTest, WritingWithoutTheRightIsRefusedInTheTransfer) {
  Host host(daemon_.socket_path("acme"));
  RawSession session(host);
  const Stream made = connected_stream(session, peer_address());
  NativeSocket peer = accept_peer();
  RawTransfer transfer(host, session.token(), made.stream.handle());
  v1::RightsRequest narrow;
  narrow.set_session(session.token());
  narrow.set_handle(made.stream.handle());
  narrow.mutable_rights()->set_base(made.stream.rights().base() & ~(uint64_t{1} << 6));  // fd_write
  EXPECT_EQ(host.call(&v1::Broker::Stub::SetRights, narrow).error(), v1::SUCCESS);
  transfer.data("not allowed any more");
  EXPECT_EQ(session.write_ended(made.stream.handle()), v1::NOTCAPABLE);
  EXPECT_TRUE(transfer.close().ok());
  EXPECT_EQ(peer.read_error(), ECONNRESET);
}

TEST_F(BrokerTest, UnaryReadAndWriteMoveBytes) {
  Host host(daemon_.socket_path("acme"));
  RawSession session(host);
  const Stream made = connected_stream(session, peer_address());
  NativeSocket peer = accept_peer();
  EXPECT_EQ(session.read(made.stream.handle(), true).error(), v1::AGAIN);
  peer.write_all("ping");
  v1::SessionEvent event;
  ASSERT_TRUE(session.next(event));
  EXPECT_EQ(event.ready().handle(), made.stream.handle());
  EXPECT_EQ(event.ready().readiness(), static_cast<uint32_t>(v1::READABLE));
  EXPECT_EQ(session.read(made.stream.handle()).data(), "ping");
  EXPECT_EQ(session.write(made.stream.handle(), "pong").written(), 4u);
  EXPECT_EQ(peer.read(4), "pong");
  peer.close();
  EXPECT_TRUE(session.read(made.stream.handle()).end());
}

TEST_F(BrokerTest, ANonblockingConnectTellsWhenItIsDecided) {
  Host host(daemon_.socket_path("acme"));
  RawSession session(host);
  const auto control = session.open("net", "0.0.0.0:0");
  const auto connection = session.connect(control.handle(), peer_address(), true);
  ASSERT_EQ(connection.error(), v1::SUCCESS);
  v1::SessionEvent event;
  ASSERT_TRUE(session.next(event));
  EXPECT_EQ(event.ready().handle(), connection.handle());
  EXPECT_TRUE(event.ready().readiness() & v1::WRITABLE);
  EXPECT_EQ(session.stream_create(connection).error(), v1::SUCCESS);
}

TEST_F(BrokerTest, AnUnreadStreamHoldsOneChunkAndTheCharge) {
  Host host(daemon_.socket_path("acme"));
  RawSession session(host);
  const Stream made = connected_stream(session, peer_address());
  NativeSocket peer = accept_peer();
  RawTransfer transfer(host, session.token(), made.stream.handle());
  EXPECT_GT(counts().buffers, 64u * 1024);
  EXPECT_TRUE(transfer.close().ok());
  eventually([&] { return counts().buffers == 0; });
}

TEST_F(BrokerTest, ATransferBeyondTheBufferQuotaIsRefusedAndTheStreamStaysUsable) {
  daemon_.stop();
  daemon_.add_tenant("acme", std::string(kSections).replace(std::string(kSections).find("4MiB"), 4, "240KiB"));
  daemon_.start();
  Host host(daemon_.socket_path("acme"));
  RawSession session(host);
  const Stream one = connected_stream(session, peer_address());
  NativeSocket first_peer = accept_peer();
  const Stream two = connected_stream(session, peer_address());
  NativeSocket second_peer = accept_peer();
  RawTransfer first(host, session.token(), one.stream.handle());
  EXPECT_EQ(first.opened(), v1::SUCCESS);
  RawTransfer second(host, session.token(), two.stream.handle());
  EXPECT_EQ(second.opened(), v1::NOBUFS);
  EXPECT_TRUE(first.close().ok());
  RawTransfer again(host, session.token(), two.stream.handle());
  EXPECT_EQ(again.opened(), v1::SUCCESS);
}

TEST_F(BrokerTest, StoppingWithEverythingAliveLeavesNothing) {
  Host host(daemon_.socket_path("acme"));
  RawSession session(host);
  const Stream made = connected_stream(session, peer_address());
  NativeSocket peer = accept_peer();
  RawTransfer transfer(host, session.token(), made.stream.handle());
  const auto server = session.open("net", "127.0.0.1:0");
  ASSERT_EQ(session.listen(server.handle()), v1::SUCCESS);
  grpc::ClientContext context;
  v1::AcceptRequest request;
  request.set_session(session.token());
  request.set_control(server.handle());
  v1::HandleReply reply;
  auto accepting = std::async(std::launch::async, [&] { return host.stub().Accept(&context, request, &reply); });
  daemon_.stop();  // the quotas and gates of the daemon abort the test if anything is left
  const grpc::Status status = accepting.get();
  EXPECT_TRUE(!status.ok() || reply.error() != v1::SUCCESS);
  EXPECT_EQ(peer.read_error(), ECONNRESET);
}

TEST_F(BrokerTest, DrainingRefusesNewSessionsAndTellsTheOldOnes) {
  daemon_.stop();
  daemon_.start([](Config& config) { config.drain = std::chrono::seconds(kPatienceSeconds); });
  Host host(daemon_.socket_path("acme"));
  RawSession session(host);
  auto draining = std::async(std::launch::async, [&] { daemon_->drain(); });
  v1::SessionEvent event;
  ASSERT_TRUE(session.next(event));
  EXPECT_TRUE(event.has_closing());
  RawSession late(host);
  EXPECT_EQ(late.refused(), v1::CONNABORTED);
  EXPECT_TRUE(session.end().ok());
  draining.get();
}

}  // namespace
}  // namespace wasi_netd::test
