// Datagrams to and from any peer, and peers as connections: what the policy lets through, and what a control answers in
// each of its states.
#include "tests/rpc/broker/datagram_test.h"

namespace wasi_netd::test {
namespace {

constexpr uint64_t kSendTo = uint64_t{1} << 47, kRecvFrom = uint64_t{1} << 48;

TEST_F(DatagramTest, BIND_5_TypesThatTheProtocolLacks) {
  EXPECT_EQ(session_->open("net", "0.0.0.0:0").error(), v1::PROTOTYPE);
  EXPECT_EQ(session_->open_datagram("bytes", "0.0.0.0:0").error(), v1::PROTOTYPE);
  EXPECT_EQ(session_->open("net", "0.0.0.0:0", 0, v1::SOCKET_TYPE_UNSPECIFIED).error(), v1::PROTOTYPE);
  EXPECT_EQ(session_->open_datagram("local", "").error(), v1::SUCCESS);
}

TEST_F(DatagramTest, DGRAM_5_ASendIsJudgedByTheRulesOfConnect) {
  NativeSocket native = peer(), denied = peer("127.0.0.66");
  const std::string control = session_->open_datagram("net", "0.0.0.0:0").handle();
  EXPECT_EQ(session_->send_to(control, address_of(native), "allowed"), v1::SUCCESS);
  EXPECT_EQ(native.receive(), "allowed");
  EXPECT_EQ(session_->send_to(control, address_of(denied, "127.0.0.66"), "denied"), v1::ACCES);
  EXPECT_EQ(session_->send_to(control, "127.0.1.1:9", "no rule"), v1::ACCES);
  EXPECT_EQ(session_->send_to(control, "127.0.0.1:0", "port 0"), v1::ACCES);
  EXPECT_EQ(session_->send_to(control, "255.255.255.255:9", "broadcast"), v1::ACCES);
  EXPECT_EQ(session_->send_to(control, "nowhere.example:9", "no query"), v1::ACCES);
  EXPECT_EQ(session_->send_to(control, "not an address", "x"), v1::INVAL);
  EXPECT_EQ(session_->send_to(control, "0.0.0.0:0", "x"), v1::INVAL);
  EXPECT_EQ(::recv(denied.fd(), nullptr, 0, MSG_DONTWAIT), -1);
}

TEST_F(DatagramTest, DGRAM_5_ByNameEachAnswerIsJudgedAndOneOfTheSocketsFamilyUsed) {
  NativeSocket native = peer();
  const std::string port = std::to_string(native.local_port());
  const std::string control = session_->open_datagram("net", "0.0.0.0:0").handle();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(session_->send_to(control, "here.test:" + port, "by name"), v1::SUCCESS);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(native.receive(), "by name");
  EXPECT_EQ(session_->send_to(control, "there.test:" + port, "x"), v1::ACCES) << "its address is denied";
  EXPECT_EQ(session_->send_to(control, "six.test:" + port, "x"), v1::ACCES) << "no rule reaches its address";
  eventually([&] { return records({"\"send_to\"", "there.test"}).size() == 1; });
  EXPECT_EQ(records({"\"send_to\"", "here.test:" + port, "\"allow\"", "\"resolved\":[\"127.0.0.1:" + port}).size(), 1u)
      << "a peer is recorded once while it is remembered";
}

TEST_F(DatagramTest, DGRAM_6_OnlyWhomTheRulesOfAcceptAdmitIsHeard) {
  const Bound control = bind();
  NativeSocket admitted = peer(), refused = peer("127.0.0.2");
  ASSERT_EQ(session_->poll(control.handle, v1::READABLE).readiness(), 0u);  // it reads from now on
  for (int i = 0; i < 100; ++i) refused.send_to("refused", control.address);
  admitted.send_to("admitted", control.address);
  const v1::RecvFromReply got = session_->recv_from(control.handle);
  EXPECT_EQ(got.error(), v1::SUCCESS);
  EXPECT_EQ(got.data(), "admitted");
  EXPECT_EQ(got.address(), address_of(admitted));
  EXPECT_EQ(session_->recv_from(control.handle, true).error(), v1::AGAIN);
  EXPECT_EQ(session_->close(control.handle), v1::SUCCESS);
  eventually([&] { return records({"\"close\"", "\"open\"", "\"refused\":100", "\"bytes_in\":8"}).size() == 1; });
  EXPECT_EQ(records({"\"recv_from\"", "\"deny\"", address_of(refused, "127.0.0.2")}).size(), 1u) << "once, not each";
  EXPECT_EQ(records({"\"recv_from\"", "\"allow\"", address_of(admitted)}).size(), 1u);
}

TEST_F(DatagramTest, DGRAM_6_WhomTheGuestSentToMayAnswerFromThatAddressOnly) {
  NativeSocket server = peer("127.0.0.2"), neighbour = peer("127.0.0.2");  // no `accept` rule admits it
  const Bound control = bind("0.0.0.0:0");
  EXPECT_EQ(session_->send_to(control.handle, address_of(server, "127.0.0.2"), "question"), v1::SUCCESS);
  NativeAddress guest;
  EXPECT_EQ(server.receive(&guest), "question");
  neighbour.send_to("forged", guest);
  server.send_to("answer", guest);
  const v1::RecvFromReply got = session_->recv_from(control.handle);
  EXPECT_EQ(got.data(), "answer");
  EXPECT_EQ(got.address(), address_of(server, "127.0.0.2"));
  EXPECT_EQ(records({"\"recv_from\"", "\"allow\""}).size(), 0u) << "an answer needs no rule, and no record";
}

TEST_F(DatagramTest, DGRAM_6_AFloodOfForgedSendersDoesNotFloodTheLog) {
  const Bound control = bind();
  ASSERT_EQ(session_->poll(control.handle, v1::READABLE).readiness(), 0u);
  for (int i = 0; i < 200; ++i) peer("127.0.0.2").send_to("refused", control.address);
  peer().send_to("last", control.address);
  EXPECT_EQ(session_->recv_from(control.handle).data(), "last");
  EXPECT_EQ(session_->close(control.handle), v1::SUCCESS);
  eventually([&] { return !records({"\"close\"", "\"refused\":200"}).empty(); });
  EXPECT_LT(records({"\"recv_from\""}).size(), 30u);
}

TEST_F(DatagramTest, DGRAM_2_EmptyAndLongOnesPassByRecvFromToo) {
  const Bound control = bind();
  NativeSocket native = peer();
  ASSERT_EQ(session_->recv_from(control.handle, true).error(), v1::AGAIN);
  native.send_to("", control.address);
  native.send_to("abcdef", control.address);
  native.send_to(pattern(65'507), control.address);
  v1::RecvFromReply got = session_->recv_from(control.handle);
  EXPECT_EQ(got.data(), "");
  EXPECT_EQ(got.address(), address_of(native));
  got = session_->recv_from(control.handle, false, 2);
  EXPECT_EQ(got.data(), "ab");
  EXPECT_TRUE(got.truncated());
  EXPECT_TRUE(session_->recv_from(control.handle).data() == pattern(65'507));
  EXPECT_EQ(session_->send_to(control.handle, address_of(native), ""), v1::SUCCESS);
  EXPECT_EQ(native.receive(), "");
  EXPECT_EQ(session_->send_to(control.handle, address_of(native), std::string(65'508, 'x')), v1::MSGSIZE);
}

TEST_F(DatagramTest, DGRAM_4_WhatAnUnconnectedPeerAnswersIsToldToTheNextSendToIt) {
  NativeSocket gone = peer();
  const std::string address = address_of(gone);
  gone.close();
  NativeSocket other = peer();
  const std::string control = session_->open_datagram("net", "0.0.0.0:0").handle();
  v1::Errno error = v1::SUCCESS;
  while (error == v1::SUCCESS) {
    error = session_->send_to(control, address, "x");
    EXPECT_EQ(session_->send_to(control, address_of(other), "to another"), v1::SUCCESS);
  }
  EXPECT_EQ(error, v1::CONNREFUSED);
}

TEST_F(DatagramTest, AWaitingReceiveEndsWithWhatBecomesOfTheControl) {
  struct Case {
    const char* what;
    v1::Errno expected;
  };
  for (const Case& one : {Case{"close", v1::BADF}, {"listen", v1::INVAL}, {"connect", v1::ISCONN}}) {
    NativeSocket native = peer();
    const Bound control = bind();
    auto waiting = std::async(std::launch::async, [&] { return session_->recv_from(control.handle).error(); });
    eventually([&] { return daemon_->counts().buffers > 0; });
    const std::string what(one.what);
    if (what == "close") {
      EXPECT_EQ(session_->close(control.handle), v1::SUCCESS);
    } else if (what == "listen") {
      EXPECT_EQ(session_->listen(control.handle), v1::SUCCESS);
    } else {
      EXPECT_EQ(session_->connect(control.handle, address_of(native)).error(), v1::SUCCESS);
    }
    EXPECT_EQ(waiting.get(), one.expected) << one.what;
  }
}

// Each call in each state that a control of datagrams can be in.
TEST_F(DatagramTest, DGRAM_8_EachCallInEachState) {
  NativeSocket native = peer();
  const std::string there = address_of(native);
  const std::map<std::string, std::function<std::string()>> states = {
      {"idle", [&] { return session_->open_datagram("net", "0.0.0.0:0").handle(); }},
      {"bound", [&] { return bind().handle; }},
      {"in-use",
       [&] {
         const Bound made = bind();
         EXPECT_EQ(session_->connect(made.handle, there).error(), v1::SUCCESS);
         return made.handle;
       }},
      {"released",
       [&] {
         const Bound made = bind();
         const v1::HandleReply connection = session_->connect(made.handle, there);
         EXPECT_EQ(session_->close(connection.handle()), v1::SUCCESS);
         eventually([&] { return session_->send_to(made.handle, there, "x") == v1::SUCCESS; });
         const v1::HandleReply again = session_->connect(made.handle, there);
         EXPECT_EQ(session_->close(again.handle()), v1::SUCCESS);
         eventually([&] { return session_->recv_from(made.handle, true).error() != v1::ISCONN; });
         return made.handle;
       }},
      {"listening",
       [&] {
         const Bound made = bind();
         EXPECT_EQ(session_->listen(made.handle), v1::SUCCESS);
         return made.handle;
       }},
  };
  const std::map<std::string, std::function<v1::Errno(const std::string&)>> calls = {
      {"send_to", [&](const std::string& control) { return session_->send_to(control, there, "x"); }},
      {"recv_from", [&](const std::string& control) { return session_->recv_from(control, true).error(); }},
      {"connect", [&](const std::string& control) { return session_->connect(control, there).error(); }},
      {"listen", [&](const std::string& control) { return session_->listen(control); }},
      {"accept", [&](const std::string& control) { return session_->accept(control, true).error(); }},
  };
  const std::map<std::string, std::map<std::string, v1::Errno>> expected = {
      {"idle",
       {{"send_to", v1::SUCCESS},
        {"recv_from", v1::AGAIN},
        {"connect", v1::SUCCESS},
        {"listen", v1::SUCCESS},
        {"accept", v1::INVAL}}},
      {"bound",
       {{"send_to", v1::SUCCESS},
        {"recv_from", v1::AGAIN},
        {"connect", v1::SUCCESS},
        {"listen", v1::SUCCESS},
        {"accept", v1::INVAL}}},
      {"in-use",
       {{"send_to", v1::ISCONN},
        {"recv_from", v1::ISCONN},
        {"connect", v1::ISCONN},
        {"listen", v1::INVAL},
        {"accept", v1::INVAL}}},
      {"released",
       {{"send_to", v1::SUCCESS},
        {"recv_from", v1::AGAIN},
        {"connect", v1::SUCCESS},
        {"listen", v1::SUCCESS},
        {"accept", v1::INVAL}}},
      {"listening",
       {{"send_to", v1::INVAL},
        {"recv_from", v1::INVAL},
        {"connect", v1::INVAL},
        {"listen", v1::INVAL},
        {"accept", v1::AGAIN}}},
  };
  for (const auto& [state, make] : states) {
    for (const auto& [call, ask] : calls) {
      const std::string control = make();
      EXPECT_EQ(ask(control), expected.at(state).at(call)) << state << " " << call;
      EXPECT_EQ(session_->close(control), v1::SUCCESS);
      EXPECT_EQ(ask(control), v1::BADF) << "closed " << call;
    }
  }
}

TEST_F(DatagramTest, DGRAM_1_ControlsOfStreamsHaveNoDatagramsWhateverTheirRights) {
  const std::string control = session_->open("bytes", "0.0.0.0:0").handle();
  EXPECT_EQ(session_->send_to(control, "127.0.0.1:9", "x"), v1::NOTSUP);
  EXPECT_EQ(session_->recv_from(control, true).error(), v1::NOTSUP);
  EXPECT_EQ(session_->send_to("nothing", "127.0.0.1:9", "x"), v1::BADF);
  EXPECT_EQ(session_->recv_from(session_->protocol("net").handle(), true).error(), v1::INVAL);
}

TEST_F(DatagramTest, RIGHTS_1_EachDirectionHasItsRight) {
  NativeSocket native = peer();
  const v1::HandleReply sender = session_->open_datagram("net", "0.0.0.0:0", kSendTo);
  EXPECT_EQ(session_->send_to(sender.handle(), address_of(native), "x"), v1::SUCCESS);
  EXPECT_EQ(session_->recv_from(sender.handle(), true).error(), v1::NOTCAPABLE);
  const v1::HandleReply receiver = session_->open_datagram("net", "127.0.0.1:0", kRecvFrom);
  EXPECT_EQ(session_->send_to(receiver.handle(), address_of(native), "x"), v1::NOTCAPABLE);
  EXPECT_EQ(session_->recv_from(receiver.handle(), true).error(), v1::AGAIN);
}

TEST_F(DatagramTest, DGRAM_7_EachNewPeerOfAListeningControlIsAConnection) {
  const Bound server = bind();
  ASSERT_EQ(session_->listen(server.handle), v1::SUCCESS);
  NativeSocket first = peer(), second = peer(), refused = peer("127.0.0.2");
  refused.send_to("refused", server.address);
  refused.send_to("refused", server.address);
  first.send_to("one", server.address);
  second.send_to("two", server.address);
  first.send_to("more of one", server.address);
  std::map<std::string, std::string> streams;
  for (int i = 0; i < 2; ++i) {
    const v1::HandleReply connection = session_->accept(server.handle);
    ASSERT_EQ(connection.error(), v1::SUCCESS);
    streams[session_->peer_address(connection.handle()).address()] = session_->stream_create(connection).handle();
  }
  EXPECT_EQ(session_->accept(server.handle, true).error(), v1::AGAIN);
  EXPECT_EQ(session_->read(streams[address_of(first)]).data(), "one");
  EXPECT_EQ(session_->read(streams[address_of(first)]).data(), "more of one");
  EXPECT_EQ(session_->read(streams[address_of(second)]).data(), "two");
  EXPECT_EQ(session_->write(streams[address_of(second)], "answer").written(), 6u);
  NativeAddress from;
  EXPECT_EQ(second.receive(&from), "answer");
  EXPECT_EQ(std::memcmp(&from.storage, &server.address.storage, server.address.size), 0);
  EXPECT_EQ(records({"\"accept\"", "\"deny\""}).size(), 1u) << "refused once and kept out";
  // Closed, the peer may come anew.
  EXPECT_EQ(session_->close(streams[address_of(first)]), v1::SUCCESS);
  first.send_to("anew", server.address);
  const v1::HandleReply again = session_->accept(server.handle);
  EXPECT_EQ(session_->peer_address(again.handle()).address(), address_of(first));
  EXPECT_EQ(session_->read(session_->stream_create(again).handle()).data(), "anew");
}

TEST_F(DatagramTest, UnixPeersAreNamedByWhatTheyAreBoundTo) {
  const std::string place = daemon_.directory() + "/s/";
  const v1::HandleReply control = session_->open_datagram("local", place + "guest");
  ASSERT_EQ(control.error(), v1::SUCCESS);
  EXPECT_EQ(session_->listen(control.handle()), v1::NOTSUP);
  ASSERT_EQ(session_->recv_from(control.handle(), true).error(), v1::AGAIN);
  NativeSocket named = native_bind(native_unix(place + "peer"), SOCK_DGRAM);
  NativeSocket unnamed = native_socket(native_unix(place), SOCK_DGRAM);
  unnamed.send_to("refused: it has no name", native_unix(place + "guest"));
  named.send_to("named", native_unix(place + "guest"));
  const v1::RecvFromReply got = session_->recv_from(control.handle());
  EXPECT_EQ(got.data(), "named");
  EXPECT_EQ(got.address(), place + "peer");
  EXPECT_EQ(session_->send_to(control.handle(), got.address(), "answer"), v1::SUCCESS);
  EXPECT_EQ(named.receive(), "answer");
  EXPECT_EQ(session_->send_to(control.handle(), place + "nobody", "x"), v1::NOENT);
}

}  // namespace
}  // namespace wasi_netd::test
