// A context's files: what does not load, what is read again, and what becomes of session tickets.
#include <sstream>

#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include "tests/loop/tls/tls_test.h"

namespace wasi_netd::net {
namespace {

const policy::NameEndpoint kServer{"server.example", 443};

class TlsFiles : public TlsTest {
 protected:
  TlsFiles() {
    spdlog::set_default_logger(
        std::make_shared<spdlog::logger>("", std::make_shared<spdlog::sinks::ostream_sink_st>(log_)));
  }
  ~TlsFiles() override { spdlog::set_default_logger(before_); }

  int logged(const std::string& text) const {
    int count = 0;
    const std::string all = log_.str();
    for (size_t at = all.find(text); at != std::string::npos; at = all.find(text, at + 1)) ++count;
    return count;
  }
  void expect_bad(const policy::Tls& policy, const std::string& where, const std::string& why) {
    const auto context = TlsContext::load(loop(), policy);
    ASSERT_TRUE(context.has_error()) << where;
    EXPECT_NE(context.error().detail.find(where), std::string::npos) << context.error().detail;
    EXPECT_NE(context.error().detail.find(why), std::string::npos) << context.error().detail;
  }

  // A client of ours' server, which resumes `session` if it can; it has read one byte, so it has its ticket.
  struct Served {
    ConnectionPtr ours;
    std::shared_ptr<Stream> stream;
    test::NativeTls peer;
    std::string subject;
    bool resumed = false;
  };
  using Session = std::unique_ptr<SSL_SESSION, test::FreeWith<SSL_SESSION_free>>;
  Served serve(const std::shared_ptr<TlsContext>& context, const test::NativeContext& native,
               const Session& session = nullptr) {
    Pair pair = tcp_pair();
    Served out;
    out.peer = test::NativeTls(std::move(pair.peer), native, false);
    if (session) SSL_set_session(out.peer.ssl(), session.get());
    Shaken shaken = shake(tls_accept(context, pair.ours), out.peer);
    if (!shaken.ours || !shaken.native.empty()) throw std::runtime_error("handshake: " + shaken.native);
    out.ours = *shaken.ours;
    out.stream = *out.ours->take_stream();
    EXPECT_EQ(code_of(run(write(out.stream, "x"))), Errno::success);
    EXPECT_EQ(out.peer.read(1), "x");
    const test::Certificate certificate(SSL_get1_peer_certificate(out.peer.ssl()));
    char text[100] = "";
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()), NID_commonName, text, sizeof text);
    out.subject = text;
    out.resumed = SSL_session_reused(out.peer.ssl()) == 1;
    return out;
  }
  // Ends it in order: OpenSSL does not resume a session that broke off.
  static Session session_of(const Served& served) {
    SSL_shutdown(served.peer.ssl());
    return Session(SSL_get1_session(served.peer.ssl()));
  }
  static test::NativeContext native_client(int version, const test::Issued* identity = nullptr) {
    test::NativeTlsSetup setup;
    setup.highest = version;
    setup.identity = identity;
    return test::native_tls_context(false, setup);
  }

  std::string encrypted_key() const {
    test::Memory out(BIO_new(BIO_s_mem()));
    PEM_write_bio_PKCS8PrivateKey(out.get(), first_.key.get(), EVP_aes_128_cbc(), "secret", 6, nullptr, nullptr);
    return test::text_of(out);
  }

  std::ostringstream log_;
  std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
  const test::Issued first_ = issue("DNS:server.example", "first");
  const test::Issued second_ = issue("DNS:server.example", "second");
};

TEST_F(TlsFiles, ThatDoNotLoadAreNamedWithTheReason) {
  const policy::Tls client = client_policy(), server = server_policy(first_);
  policy::Tls bad = client;
  bad.ca = directory_ / "missing.pem";
  expect_bad(bad, bad.ca, "No such file");
  bad.ca = file("empty.pem", "");
  expect_bad(bad, bad.ca, "no certificate in it");
  bad.ca = file("noise.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  expect_bad(bad, bad.ca, "");
  bad.ca = directory_.path();
  expect_bad(bad, bad.ca, "not a regular file");
  ::mkfifo((directory_ / "fifo").c_str(), 0600);
  bad.ca = directory_ / "fifo";
  expect_bad(bad, bad.ca, "not a regular file");
  bad = client;
  bad.crl = client.ca;
  expect_bad(bad, bad.crl, "no revocation list in it");
  bad = server;
  bad.identities[0].key = file("other.key", test::pem(second_.key));
  expect_bad(bad, "other.key", "not the key of");
  bad.identities[0].key = file("encrypted.key", encrypted_key());
  expect_bad(bad, "encrypted.key", "");
  bad = server;
  bad.identities.clear();
  expect_bad(bad, "certificate", "needs");
  bad = server;
  bad.verify = policy::Tls::Verify::kRequired;
  expect_bad(bad, "ca", "verifies");
  test::Profile weak;
  weak.names = "DNS:weak.example";
  weak.rsa_bits = 1024;
  bad = server;
  bad.identities.push_back(identity_files(root_.issue(weak), "weak"));
  expect_bad(bad, "weak.pem", "ee key too small");
}

TEST_F(TlsFiles, AKeyThatEverybodyMayReadIsWarnedAbout) {
  const policy::Tls policy = server_policy(first_);
  load(policy);
  EXPECT_EQ(logged("private key"), 0);
  ::chmod(policy.identities[0].key.c_str(), 0644);
  load(policy);
  EXPECT_EQ(logged("server.key: a private key that every user may use"), 1);
}

TEST_F(TlsFiles, ChangedOnesServeNewConnectionsAndLeaveLiveOnesAlone) {
  const auto context = load(server_policy(first_));
  const auto native = native_client(TLS1_3_VERSION);
  Served before = serve(context, native);
  EXPECT_EQ(before.subject, "first");
  identity_files(second_, "server");
  EXPECT_EQ(serve(context, native).subject, "second");
  EXPECT_EQ(code_of(run(write(before.stream, "still here"))), Errno::success);
  EXPECT_EQ(before.peer.read(10), "still here");
  before.peer.write_all("and you");
  EXPECT_EQ(run(read(before.stream, 7)), "and you");
}

TEST_F(TlsFiles, AreReadAgainEvenWhenWrittenInPlaceWithinOneTickOfTheClock) {
  const policy::Tls policy = server_policy(first_);
  const auto context = load(policy);
  // The same inode and, as elliptic keys go, the same sizes.
  std::ofstream(policy.identities[0].certificate) << second_.certificate_pem();
  std::ofstream(policy.identities[0].key) << test::pem(second_.key);
  EXPECT_EQ(serve(context, native_client(TLS1_3_VERSION)).subject, "second");
}

TEST_F(TlsFiles, ThatDoNotLoadAnyMoreKeepTheOldOnesAndAreWarnedAboutOnce) {
  const policy::Tls policy = server_policy(first_);
  const auto context = load(policy);
  const auto native = native_client(TLS1_3_VERSION);
  file("server.pem", second_.certificate_pem());  // without its key
  for (int i = 0; i < 3; ++i) EXPECT_EQ(serve(context, native).subject, "first");
  EXPECT_EQ(logged("not reloaded"), 1) << log_.str();
  std::filesystem::remove(policy.identities[0].certificate);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(serve(context, native).subject, "first");
  EXPECT_EQ(logged("not reloaded"), 2) << log_.str();
  identity_files(second_, "server");
  EXPECT_EQ(serve(context, native).subject, "second");
}

TEST_F(TlsFiles, OfAClientAreReadAgainToo) {
  const test::Authority other("Other Root");
  test::Profile profile;
  profile.names = "DNS:server.example";
  const test::Issued issued = other.issue(profile);
  const auto context = load(client_policy());
  test::NativeTlsSetup setup;
  setup.identity = &issued;
  const auto native = test::native_tls_context(true, setup);
  for (const Errno expected : {Errno::connaborted, Errno::success}) {
    Pair pair = tcp_pair();
    test::NativeTls peer(std::move(pair.peer), native, true);
    EXPECT_EQ(code_of(shake(tls_connect(context, pair.ours, kServer), peer).ours), expected);
    file("ca.pem", other.certificate_pem());
  }
}

class TlsTickets : public TlsFiles, public ::testing::WithParamInterface<int> {};
INSTANTIATE_TEST_SUITE_P(Versions, TlsTickets, ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& version) { return version.param == TLS1_3_VERSION ? "Tls13" : "Tls12"; });

TEST_P(TlsTickets, ResumeBeforeAndAfterAReload) {
  const auto context = load(server_policy(first_));
  const auto native = native_client(GetParam());
  const Session session = session_of(serve(context, native));
  Served again = serve(context, native, session);
  EXPECT_TRUE(again.resumed);
  EXPECT_EQ(again.subject, "first");
  identity_files(second_, "server");
  EXPECT_TRUE(serve(context, native, session_of(again)).resumed);
  const Served fresh = serve(context, native);
  EXPECT_FALSE(fresh.resumed);
  EXPECT_EQ(fresh.subject, "second");
}

TEST_P(TlsTickets, OfAnotherContextLeadToAFullHandshake) {
  const policy::Tls policy = server_policy(first_);
  const auto native = native_client(GetParam());
  const Session session = session_of(serve(load(policy), native));
  EXPECT_FALSE(serve(load(policy), native, session).resumed);
}

TEST_P(TlsTickets, KeepTheClientsNameAndDieWhenTrustChanges) {
  const test::Issued client = issue("", "client");
  policy::Tls policy = server_policy(first_);
  policy.ca = file("clients.pem", root_.certificate_pem());
  policy.crl = file("crl.pem", root_.crl({}));
  policy.verify = policy::Tls::Verify::kRequired;
  const auto context = load(policy);
  const auto native = native_client(GetParam(), &client);
  const Session session = session_of(serve(context, native));
  Served again = serve(context, native, session);
  EXPECT_TRUE(again.resumed);
  EXPECT_EQ(again.ours->info().peer_name, "CN=client");
  file("crl.pem", root_.crl({&client}));
  // The ticket would resume without a look at the list.
  Pair pair = tcp_pair();
  test::NativeTls peer(std::move(pair.peer), native, false);
  SSL_set_session(peer.ssl(), session_of(again).get());
  const Shaken shaken = shake(tls_accept(context, pair.ours), peer);
  EXPECT_EQ(code_of(shaken.ours), Errno::connaborted);
  EXPECT_NE(shaken.ours.error().detail.find("certificate revoked"), std::string::npos) << shaken.ours.error().detail;
}

TEST_F(TlsFiles, TheKeyLogHoldsTheSecretsOnceItIsSwitchedOn) {
  const std::string path = directory_ / "keys.log";
  ::setenv("SSLKEYLOGFILE", (directory_ / "environment.log").c_str(), 1);
  const auto silent = load(server_policy(first_));
  serve(silent, native_client(TLS1_3_VERSION));
  EXPECT_FALSE(std::filesystem::exists(directory_ / "environment.log"));
  ASSERT_TRUE(tls_log_keys(path));
  serve(load(server_policy(first_)), native_client(TLS1_3_VERSION));
  std::ifstream log(path);
  const std::string text((std::istreambuf_iterator<char>(log)), {});
  EXPECT_NE(text.find("SERVER_TRAFFIC_SECRET_0 "), std::string::npos);
  EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms(0600));
  EXPECT_EQ(logged("keys.log"), 1);
}

}  // namespace
}  // namespace wasi_netd::net
