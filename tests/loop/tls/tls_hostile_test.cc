// Peers that mean harm, and steps that fail: floods, fragments, cuts after every step, crowds.
#include <array>
#include <malloc.h>

#include "tests/loop/wire_test.h"

namespace wasi_netd::net {
namespace {

const policy::NameEndpoint kServer{"server.example", 443};

class TlsHostile : public TlsTest {
 protected:
  // A shaken pair, the peer native.
  struct Both {
    ConnectionPtr ours;
    std::shared_ptr<Stream> stream;
    test::NativeTls peer;
  };
  Both make(bool client, int version) {
    Pair pair = tcp_pair();
    test::NativeTlsSetup setup;
    setup.identity = client ? &identity_ : nullptr;
    setup.lowest = setup.highest = version;
    Both both;
    both.peer = test::NativeTls(std::move(pair.peer), test::native_tls_context(client, setup), client);
    const auto context = load(client ? client_policy() : server_policy(identity_));
    auto shaken = shake(client ? tls_connect(context, pair.ours, kServer) : tls_accept(context, pair.ours), both.peer);
    if (!shaken.ours) throw std::runtime_error(shaken.ours.error().detail);
    both.ours = *shaken.ours;
    both.stream = *both.ours->take_stream();
    return both;
  }

  const test::Issued identity_ = issue("DNS:server.example");
};

// Each turn of the loop deals with 32 of them at most.
TEST_F(TlsHostile, FloodsOfKeyUpdatesDoNotHoldTheLoopAndEndInBytes) {
  Both both = make(true, TLS1_3_VERSION);
  for (int i = 0; i < 500; ++i) {
    SSL_key_update(both.peer.ssl(), SSL_KEY_UPDATE_REQUESTED);
    ASSERT_EQ(SSL_do_handshake(both.peer.ssl()), 1);
  }
  both.peer.write_all("x");
  int turns = 0;
  std::optional<std::string> got;
  // Not start(), which runs what is ready: all of it, where every update has arrived already.
  asio::co_spawn(context_, read(both.stream, 1),
                 [&got](std::exception_ptr, std::string bytes) { got = std::move(bytes); });
  while (!got) {
    context_.restart();
    context_.run_one();
    ++turns;
  }
  EXPECT_EQ(*got, "x");
  EXPECT_GE(turns, 500 / 32 - 1);
  // The answer to the updates: one, with the next record.
  EXPECT_EQ(code_of(run(write(both.stream, "y"))), Errno::success);
  EXPECT_EQ(both.peer.read(1), "y");
}

TEST_F(TlsHostile, RenegotiationIsRefused) {
  Both both = make(false, TLS1_2_VERSION);
  auto native = std::async(std::launch::async, [&] {
    SSL_renegotiate(both.peer.ssl());
    return both.peer.handshake();
  });
  auto reading = start(read_byte(both.stream));
  EXPECT_EQ(await(native), "no renegotiation");
  // Our warning ends nothing on our side; it is the peer that gives up then, with a fatal alert.
  const auto got = finish(reading);
  EXPECT_EQ(code_of(got), Errno::connaborted);
  EXPECT_NE(got.error().detail.find("handshake failure"), std::string::npos) << got.error().detail;
}

TEST_F(TlsHostile, ARecordThatWasTamperedWithIsConnaborted) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    Both both = make(true, version);
    both.peer.write_all("good");
    both.peer.socket().write_all(std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'z'));
    EXPECT_EQ(run(read(both.stream, 4)), "good");
    const auto got = run(read_byte(both.stream));
    EXPECT_EQ(code_of(got), Errno::connaborted);
    EXPECT_NE(got.error().detail.find("bad record mac"), std::string::npos) << got.error().detail;
    EXPECT_EQ(code_of(run(read_byte(both.stream))), Errno::connaborted);
    EXPECT_EQ(code_of(run(write_byte(both.stream))), Errno::pipe);
    EXPECT_EQ(both.peer.read(1), "");
    EXPECT_NE(both.peer.why().find("bad record mac"), std::string::npos) << "an alert tells the peer";
  }
}

TEST_F(TlsHostile, BytesThatComeOneByOneAreReadAllTheSame) {
  // The native end speaks to a socket of ours, and its bytes are passed on singly.
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  Pair pair = tcp_pair();
  test::NativeTlsSetup setup;
  setup.identity = &identity_;
  test::NativeTls peer(test::NativeSocket{ends[0]}, test::native_tls_context(true, setup), true);
  test::NativeSocket relay(ends[1]);
  auto native = std::async(std::launch::async, [&] {
    std::string failed = peer.handshake();
    if (failed.empty()) peer.write_all("in pieces");
    peer.shutdown_write();
    return failed;
  });
  auto passing = std::async(std::launch::async, [&] {
    pollfd both[] = {{relay.fd(), POLLIN, 0}, {pair.peer.fd(), POLLIN, 0}};
    char piece[16 * 1024];
    while (::poll(both, 2, test::kPatienceSeconds * 1000) > 0) {
      if (both[1].revents) {
        const ssize_t n = ::recv(pair.peer.fd(), piece, sizeof piece, 0);
        if (n <= 0) return;
        relay.write_all({piece, static_cast<size_t>(n)});
      }
      if (both[0].revents) {
        const ssize_t n = ::recv(relay.fd(), piece, 1, 0);
        if (n <= 0) return;
        pair.peer.write_all({piece, 1});
      }
    }
  });
  const auto connected = run(tls_connect(load(client_policy()), pair.ours, kServer));
  ASSERT_TRUE(connected) << connected.error().detail;
  const auto stream = *(*connected)->take_stream();
  EXPECT_EQ(run(read(stream, 9)), "in pieces");
  EXPECT_EQ(*run(read_byte(stream)), 0U);
  (*connected)->abort();
  EXPECT_EQ(await(native), "");
  await(passing);
}

// Fail at n: our inner connection is aborted, or the peer's socket reset, when n bytes of the handshake have come from
// the peer. Every cut ends the handshake with an error, and nothing is left pending.
class TlsCut : public TlsHostile, public ::testing::WithParamInterface<WireCase> {};
INSTANTIATE_TEST_SUITE_P(Roles, TlsCut, wires({kTcpTls}), name_of_case);

TEST_P(TlsCut, AfterAnyStepEndsTheHandshake) {
  const bool client = GetParam().dialled;
  const int version = GetParam().tls;
  const auto context = load(client ? client_policy() : server_policy(identity_));
  test::NativeTlsSetup setup;
  setup.identity = client ? &identity_ : nullptr;
  setup.lowest = setup.highest = version;
  const auto native = test::native_tls_context(client, setup);
  for (const bool ours : {true, false}) {
    for (size_t step = 0;; ++step) {
      Pair pair = tcp_pair();
      // The peer as bytes: memory BIOs, moved by hand, so that each flight is a step.
      const std::unique_ptr<SSL, test::FreeWith<SSL_free>> ssl(SSL_new(native.get()));
      BIO* in = BIO_new(BIO_s_mem());
      BIO* out = BIO_new(BIO_s_mem());
      SSL_set_bio(ssl.get(), in, out);
      client ? SSL_set_accept_state(ssl.get()) : SSL_set_connect_state(ssl.get());
      auto shaking = start(client ? tls_connect(context, pair.ours, kServer) : tls_accept(context, pair.ours));
      size_t passed = 0;
      bool cut = false;
      while (!cut && !shaking->done()) {
        char piece[16 * 1024];
        ssize_t got = 0;
        while ((got = ::recv(pair.peer.fd(), piece, sizeof piece, MSG_DONTWAIT)) > 0) BIO_write(in, piece, got);
        SSL_do_handshake(ssl.get());
        ERR_clear_error();
        // Thirds of a flight are steps of their own.
        const int flight = BIO_read(out, piece, sizeof piece);
        for (int third = 0; third < 3 && flight > 0; ++third) {
          if (passed++ == step) {
            ours ? pair.ours->abort() : pair.peer.reset();
            cut = true;
            break;
          }
          const int from = flight * third / 3, to = flight * (third + 1) / 3;
          pair.peer.write_all({piece + from, static_cast<size_t>(to - from)});
          run_ready();
        }
        run_ready();
      }
      const auto outcome = finish(shaking);
      if (!cut) {
        EXPECT_EQ(code_of(outcome), Errno::success);
        EXPECT_GE(step, 3U);
        break;
      }
      // Our side may have been done with the last step before the cut.
      if (outcome) {
        (*outcome)->abort();
      } else {
        EXPECT_EQ(code_of(outcome), ours ? Errno::canceled : Errno::connaborted) << step;
      }
      run_ready();
      EXPECT_EQ(pair.ours.use_count(), outcome ? 2 : 1) << "something still holds the connection";
    }
  }
}

TEST_F(TlsHostile, ManyHandshakesAtOnceAllCompleteAndTheSilentOnesRunOutOfTime) {
  constexpr int kMany = 64;
  policy::Tls patient = server_policy(identity_), hasty = patient;
  hasty.handshake_timeout = milliseconds(50);
  const auto server = load(patient), impatient = load(hasty);
  const auto client = load(client_policy());
  std::vector<std::shared_ptr<Running<Result<ConnectionPtr>>>> silent, accepting, connecting;
  std::vector<test::NativeSocket> quiet;
  const auto listener = *(*bind_stream(loop(), ip("127.0.0.1", 0)))->listen(kMany);
  for (int i = 0; i < kMany; ++i) {
    Pair pair = tcp_pair();
    silent.push_back(start(tls_accept(impatient, pair.ours)));
    quiet.push_back(std::move(pair.peer));
    auto dialled = start(dial_stream(loop(), {listener->local_endpoint()})->run());
    const ConnectionPtr accepted = *run(listener->accept());
    connecting.push_back(start(tls_connect(client, *finish(dialled), kServer)));
    accepting.push_back(start(tls_accept(server, accepted)));
  }
  for (int i = 0; i < kMany; ++i) {
    const auto near = finish(connecting[i]), far = finish(accepting[i]);
    ASSERT_TRUE(near) << near.error().detail;
    ASSERT_TRUE(far) << far.error().detail;
    const auto stream = *(*near)->take_stream();
    EXPECT_EQ(code_of(run(write(stream, std::to_string(i)))), Errno::success);
    EXPECT_EQ(run(read(*(*far)->take_stream(), std::to_string(i).size())), std::to_string(i));
    EXPECT_EQ(code_of(finish(silent[i])), Errno::timedout);
  }
  listener->close();
}

// What is accepted is what the kernel holds and a record; then nothing more.
TEST_F(TlsHostile, ASlowReaderBoundsWhatIsTaken) {
  for (const bool client : {true, false}) {
    Both both = make(client, TLS1_3_VERSION);
    both.ours->set_option(Option::kSendBuffer, 16 * 1024);
    const size_t filled = fill_up(*both.stream);
    // Another write takes nothing, however often it is tried.
    for (int i = 0; i < 100; ++i) {
      EXPECT_EQ(code_of(both.stream->write_now(asio::buffer("x", 1))), Errno::again);
      run_ready();
    }
    EXPECT_EQ(beside([&] { return both.peer.read(filled).size(); }), filled);
    both.ours->abort();
  }
}

// The allocator's own count, which the sanitizers' does not keep.
class TlsMemory : public TlsHostile {
 protected:
  void SetUp() override {
    if (used() == 0) GTEST_SKIP() << "this allocator does not tell what is in use";
  }
  static uint64_t used() {
    const struct mallinfo2 info = ::mallinfo2();
    return info.uordblks + info.hblkhd;
  }
  test::Issued issue_with_crowd(int size) {
    test::Issued crowd = issue("DNS:server.example");
    for (int i = 0; i < size; ++i) crowd.chain += test::pem(root_.issue(test::Profile()).certificate);
    return crowd;
  }
  static constexpr int kMany = 32;
};

TEST_F(TlsMemory, OfAHalfHelloOfTheGreatestLengthIsWithinItsCharge) {
  const auto server = load(server_policy(identity_));
  std::vector<Pair> pairs;
  pairs.reserve(kMany);
  for (int i = 0; i < kMany; ++i) pairs.push_back(tcp_pair());
  std::vector<std::shared_ptr<Running<Result<ConnectionPtr>>>> shaking;
  shaking.reserve(pairs.size());
  const uint64_t before = used();
  for (Pair& pair : pairs) {
    shaking.push_back(start(tls_accept(server, pair.ours)));
    // A ClientHello of 131,000 bytes, just within what OpenSSL takes (RFC 8446 4: type, length of 24 bits), all but its
    // end, in records of 16 KiB.
    std::string piece("\1\1\xff\xb8", 4);
    for (int record = 0; record < 7; ++record) {
      piece.resize(16 * 1024);
      pair.peer.write_all("\x16\3\1\x40" + std::string(1, '\0') + piece);
      piece.clear();
      run_ready();
    }
  }
  context_.restart();
  context_.run_for(milliseconds(20));  // what loopback still had
  const uint64_t each = (used() - before) / kMany;
  EXPECT_GT(each, 128u * 1024);  // it is held
  EXPECT_LE(each, server->handshake_memory());
  for (size_t i = 0; i < pairs.size(); ++i) {
    EXPECT_FALSE(shaking[i]->done());
    pairs[i].ours->abort();
    EXPECT_EQ(code_of(finish(shaking[i])), Errno::canceled);
  }
}

// Certificates that nobody asked for, as many as the limit lets through, behind the one that counts.
TEST_F(TlsMemory, OfTheMostCertificatesIsWithinItsCharge) {
  const test::Issued crowd = issue_with_crowd(85);
  const auto client = load(client_policy());
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    test::NativeTlsSetup setup;
    setup.identity = &crowd;
    setup.lowest = setup.highest = version;
    const auto context = test::native_tls_context(true, setup);
    std::vector<ConnectionPtr> ours;
    std::vector<test::NativeTls> peers;
    uint64_t charged = 0;
    const uint64_t before = used();
    for (int i = 0; i < kMany; ++i) {
      Pair pair = tcp_pair();
      peers.emplace_back(std::move(pair.peer), context, true);
      auto shaken = shake(tls_connect(client, pair.ours, kServer), peers.back());
      ASSERT_TRUE(shaken.ours) << shaken.ours.error().detail;
      ours.push_back(*shaken.ours);
      charged += ours.back()->memory();
      EXPECT_LE(ours.back()->memory(), client->handshake_memory());
    }
    EXPECT_GT((used() - before) / kMany, 256u * 1024);
    EXPECT_LE(used() - before, charged);  // the native ends are in it too, which have no certificates of a peer
    for (const ConnectionPtr& connection : ours) connection->abort();
  }
}

TEST_F(TlsMemory, OfMoreCertificatesIsRefused) {
  const test::Issued crowd = issue_with_crowd(105);
  test::NativeTlsSetup setup;
  setup.identity = &crowd;
  Pair pair = tcp_pair();
  test::NativeTls peer(std::move(pair.peer), test::native_tls_context(true, setup), true);
  const auto shaken = shake(tls_connect(load(client_policy()), pair.ours, kServer), peer);
  ASSERT_FALSE(shaken.ours);
  EXPECT_EQ(shaken.ours.error().detail, "TLS: excessive message size");
}

}  // namespace
}  // namespace wasi_netd::net
