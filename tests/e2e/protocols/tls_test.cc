// TLS where the others do not look: on Unix sockets, and by the system's store of authorities.
#include "tests/e2e/engines/guest.h"
#include "tests/e2e/protocols/protocols_test.h"

namespace wasi_netd::test {
namespace {

class TlsOnUnixTest : public ProtocolsTest {
 protected:
  void SetUp() override {
    Profile profile;
    profile.names = "DNS:server.test";
    identity_ = root_.issue(profile);
    const std::string ca = file("ca.pem", root_.certificate_pem());
    const std::string server = "role: server, certificate: " + file("server.pem", identity_.certificate_pem()) +
                               ", key: " + file("server.key", pem(identity_.key));
    const std::string client = "role: client, server_name: server.test, ca: " + ca;
    acme("protocols:\n  secure:\n    transport: unix\n    open: {allow: [\"" + socket_ +
         "\"]}\n    accept: {allow: [\"*\"]}\n    tls: {" + server +
         "}\n  dialling:\n    transport: unix\n    connect: {allow: [\"" + socket_ + "\"]}\n    tls: {" + client +
         "}\n");
    start_daemon();
    guest_ = std::make_unique<Guest>(daemon_.socket_path("acme"));
  }
  NativeContext context(bool server) {
    NativeTlsSetup setup;
    setup.identity = server ? &identity_ : nullptr;
    if (!server) setup.trusted = root_.certificate_pem();
    return native_tls_context(server, setup);
  }

  const std::string socket_ = path("s");
  Issued identity_;
  std::unique_ptr<Guest> guest_;
};

TEST_F(TlsOnUnixTest, AGuestReachesAServer) {
  const NativeSocket listener = native_listen(native_unix(socket_));
  auto server = std::async(std::launch::async, [&] {
    NativeTls peer(NativeSocket(::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC)), context(true), true);
    EXPECT_EQ(peer.handshake(), "");
    peer.write_all("hello");
    return peer.read_to_end();
  });
  EXPECT_EQ(errno_of(guest_->ask("c= open dialling [::]:0")), "success");
  EXPECT_EQ(errno_of(guest_->ask("k= connect c " + socket_)), "success");
  EXPECT_THAT(guest_->ask("info k"), testing::HasSubstr("peer_name=server.test"));
  EXPECT_EQ(errno_of(guest_->ask("s= create k")), "success");
  EXPECT_EQ(guest_->ask("read s 5"), "success n=5 data=hello");
  EXPECT_EQ(guest_->ask("write s answer"), "success n=6");
  EXPECT_EQ(guest_->ask("shutdown s wr"), "success");
  EXPECT_EQ(server.get(), "answer");
}

TEST_F(TlsOnUnixTest, AGuestServesAClient) {
  EXPECT_EQ(errno_of(guest_->ask("l= open secure " + socket_)), "success");
  EXPECT_EQ(guest_->ask("listen l"), "success");
  auto client = std::async(std::launch::async, [&] {
    NativeTls peer(native_connect(native_unix(socket_)), context(false), false, "server.test");
    EXPECT_EQ(peer.handshake(), "");
    peer.write_all("hello");
    return peer.read(6);
  });
  EXPECT_EQ(errno_of(guest_->ask("k= accept l")), "success");
  EXPECT_EQ(errno_of(guest_->ask("s= saccept k")), "success");
  EXPECT_EQ(guest_->ask("read s 5"), "success n=5 data=hello");
  EXPECT_EQ(guest_->ask("write s answer"), "success n=6");
  EXPECT_EQ(client.get(), "answer");
}

using TlsStoreTest = ProtocolsTest;

TEST_F(TlsStoreTest, WithoutAnAuthorityOfThePolicyTheSystemsVouch) {
  Profile profile;
  profile.names = "IP:127.0.0.1";
  const Issued identity = root_.issue(profile);
  NativeTlsSetup setup;
  setup.identity = &identity;
  acme("protocols:\n" + client_protocol("secure", "    tls: {role: client}\n"));
  for (const bool known : {false, true}) {
    SCOPED_TRACE(known);
    Process::Start start = daemon_.command();
    // Where OpenSSL looks for the system's store.
    if (known) start.environment = {"SSL_CERT_FILE=" + file("store.pem", root_.certificate_pem())};
    ASSERT_TRUE(daemon_.launch(std::move(start)).wait_ready()) << daemon_.process().standard_error();
    NativeSocket listener = native_listen(native_ip("127.0.0.1", 0));
    auto server = serve_once(listener, setup);
    EXPECT_THAT(connect("secure", address_of(listener)), testing::StartsWith(known ? "success" : "connaborted"));
    server.wait();
    end_daemon();
  }
}

}  // namespace
}  // namespace wasi_netd::test
