// Programs of others as peers: openssl(1), nginx, and Python's ssl module.
#include <thread>

#include "tests/loop/tls/tls_test.h"
#include "tests/support/process.h"

namespace wasi_netd::net {
namespace {

using test::Process;
const policy::NameEndpoint kServer{"server.example", 443};

class TlsPrograms : public TlsTest {
 protected:
  // A port that was free a moment ago.
  static uint16_t free_port() { return test::native_bind(test::native_ip("127.0.0.1", 0)).local_port(); }
  // Starts a server until it has its port: another program may be faster.
  template <class Arguments>
  std::unique_ptr<Process> serve(Arguments arguments, uint16_t& port) {
    for (int attempt = 0; attempt < 5; ++attempt) {
      port = free_port();
      Process::Start start;
      start.arguments = arguments(port);
      start.directory = directory_.path();
      auto process = std::make_unique<Process>(start);
      if (answers(port)) return process;
    }
    throw std::runtime_error("no server");
  }
  static bool answers(uint16_t port) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(test::kPatienceSeconds);
    while (std::chrono::steady_clock::now() < deadline) {
      try {
        test::native_connect(test::native_ip("127.0.0.1", port));
        return true;
      } catch (const std::system_error&) {
        std::this_thread::yield();
      }
    }
    return false;
  }
  Result<ConnectionPtr> connect(const policy::Tls& policy, uint16_t port, const Endpoint& target = kServer) {
    auto inner = run(dial_stream(loop(), {ip("127.0.0.1", port)})->run());
    if (!inner) return inner.error();
    return run(tls_connect(load(policy), *inner, target));
  }
  // Everything until the end; the end itself in `end`.
  std::string read_to_end(std::shared_ptr<Stream> stream, Errno& end) {
    std::string all(1 << 20, '\0');
    size_t have = 0;
    for (;;) {
      const asio::mutable_buffer rest(all.data() + have, all.size() - have);
      const auto n = run(stream->read_some(rest));
      end = code_of(n);
      if (!n || *n == 0) break;
      have += *n;
    }
    return all.substr(0, have);
  }
  std::vector<std::string> s_server(uint16_t port, const std::vector<std::string>& more) {
    std::vector<std::string> words = {"openssl", "s_server",   "-accept",     "127.0.0.1:" + std::to_string(port),
                                      "-cert",   "server.pem", "-cert_chain", "server.pem",
                                      "-key",    "server.key"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  // Our server, and what it accepted.
  uint16_t listen() {
    listener_ = *(*bind_stream(loop(), ip("127.0.0.1", 0)))->listen(16);
    return port_of(listener_->local_endpoint());
  }
  Result<ConnectionPtr> accept(const policy::Tls& policy) {
    return run(tls_accept(load(policy), *run(listener_->accept())));
  }
  void TearDown() override {
    if (listener_) listener_->close();
    listener_.reset();
    LoopTest::TearDown();
  }

  const test::Issued identity_ = issue("DNS:server.example,IP:127.0.0.1", "server");
  const policy::Tls::Identity files_ = identity_files(identity_, "server");
  std::shared_ptr<Listener> listener_;
};

struct VersionCase {
  const char* flag;
  const char* version;
};
inline std::ostream& operator<<(std::ostream& out, const VersionCase& each) { return out << each.version; }
class TlsOpenssl : public TlsPrograms, public ::testing::WithParamInterface<VersionCase> {};
INSTANTIATE_TEST_SUITE_P(Versions, TlsOpenssl,
                         ::testing::Values(VersionCase{"-tls1_2", "TLSv1.2"}, VersionCase{"-tls1_3", "TLSv1.3"}),
                         [](const auto& each) { return each.param.flag[6] == '2' ? "Tls12" : "Tls13"; });

TEST_P(TlsOpenssl, ServerReversesOurLines) {
  uint16_t port = 0;
  const auto server = serve([&](uint16_t at) { return s_server(at, {"-rev", GetParam().flag}); }, port);
  const auto connected = connect(client_policy(), port);
  ASSERT_TRUE(connected) << connected.error().detail;
  EXPECT_EQ((*connected)->info().tls_version, GetParam().version);
  const auto stream = *(*connected)->take_stream();
  EXPECT_EQ(code_of(run(write(stream, "hello\n"))), Errno::success);
  EXPECT_EQ(run(read(stream, 6)), "olleh\n");
  auto finishing = start((*connected)->finish(kLong));
  finish(finishing);
}

TEST_P(TlsOpenssl, ClientGetsAPageAndACloseNotify) {
  const uint16_t port = listen();
  Process client({.arguments = {"openssl", "s_client", "-connect", "127.0.0.1:" + std::to_string(port), "-CAfile",
                                file("ca.pem", root_.certificate_pem()), "-verify_return_error", "-verify_hostname",
                                "server.example", "-servername", "server.example", "-quiet", GetParam().flag}});
  const auto accepted = accept(server_policy(identity_));
  ASSERT_TRUE(accepted) << accepted.error().detail << client.standard_error();
  EXPECT_EQ((*accepted)->info().tls_version, GetParam().version);
  const std::string page = test::pattern(300'000);
  EXPECT_EQ(code_of(run(write(*(*accepted)->take_stream(), page))), Errno::success);
  run((*accepted)->finish(kLong));
  const auto exit = client.wait();
  ASSERT_TRUE(exit);
  EXPECT_EQ(exit->code, 0) << client.standard_error();
  EXPECT_TRUE(client.standard_output() == page);
}

TEST_F(TlsPrograms, OpensslServerWithACertificateOfAnotherNameIsRefused) {
  uint16_t port = 0;
  const auto server = serve([&](uint16_t at) { return s_server(at, {"-rev"}); }, port);
  const auto connected = connect(client_policy(), port, policy::NameEndpoint{"other.example", 443});
  EXPECT_EQ(code_of(connected), Errno::connaborted);
  EXPECT_NE(connected.error().detail.find("hostname mismatch"), std::string::npos) << connected.error().detail;
  EXPECT_EQ(code_of(connect(client_policy(), port, ip("127.0.0.1", port))), Errno::success) << "it has the address";
}

TEST_F(TlsPrograms, OpensslServerWithTls11IsRefused) {
  uint16_t port = 0;
  const auto server = serve(
      [&](uint16_t at) {
        return s_server(at, {"-rev", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"});
      },
      port);
  const auto connected = connect(client_policy(), port);
  EXPECT_EQ(code_of(connected), Errno::connaborted);
  EXPECT_NE(connected.error().detail.find("protocol version"), std::string::npos) << connected.error().detail;
}

TEST_F(TlsPrograms, OpensslClientWithoutACertificateIsRefused) {
  const uint16_t port = listen();
  policy::Tls policy = server_policy(identity_);
  policy.ca = file("ca.pem", root_.certificate_pem());
  policy.verify = policy::Tls::Verify::kRequired;
  Process client({.arguments = {"openssl", "s_client", "-connect", "127.0.0.1:" + std::to_string(port), "-ign_eof"}});
  const auto accepted = accept(policy);
  EXPECT_EQ(code_of(accepted), Errno::connaborted);
  EXPECT_NE(accepted.error().detail.find("did not return a certificate"), std::string::npos);
  ASSERT_TRUE(client.wait());
  EXPECT_NE(client.standard_error().find("certificate required"), std::string::npos) << client.standard_error();
}

TEST_F(TlsPrograms, OpensslClientWithItsCertificateIsNamed) {
  const uint16_t port = listen();
  const auto client_files = identity_files(issue("DNS:client.example", "client"), "client");
  policy::Tls policy = server_policy(identity_);
  policy.ca = file("ca.pem", root_.certificate_pem());
  policy.verify = policy::Tls::Verify::kRequired;
  policy.alpn = {"wasi"};
  Process client({.arguments = {"openssl", "s_client", "-connect", "127.0.0.1:" + std::to_string(port), "-ign_eof",
                                "-cert", client_files.certificate, "-key", client_files.key, "-alpn", "other,wasi"}});
  const auto accepted = accept(policy);
  ASSERT_TRUE(accepted) << accepted.error().detail;
  EXPECT_EQ((*accepted)->info().peer_name, "CN=client");
  EXPECT_EQ((*accepted)->info().alpn, "wasi");
  run((*accepted)->finish(kLong));
}

TEST_F(TlsPrograms, NginxServesAFileOverEveryVersionAndAsksForAClientCertificate) {
  if (::access("/usr/sbin/nginx", X_OK) != 0) GTEST_SKIP() << "nginx is not installed";
  const std::string page = test::pattern(2 << 20);
  file("page", page);
  file("ca.pem", root_.certificate_pem());
  ::chmod(directory_.path().c_str(), 0755);
  ::chmod((directory_ / "page").c_str(), 0644);
  uint16_t port = 0;
  const auto server = serve(
      [&](uint16_t at) {
        const std::string where = directory_.path();
        file("nginx.conf",
             "daemon off; master_process off; pid " + where +
                 "/pid; error_log stderr;\n"
                 "events {}\nhttp { access_log off; client_body_temp_path " +
                 where + "/b; proxy_temp_path " + where + "/p; fastcgi_temp_path " + where + "/f; uwsgi_temp_path " +
                 where + "/u; scgi_temp_path " + where + "/s;\nserver { listen 127.0.0.1:" + std::to_string(at) +
                 " ssl http2; root " + where +
                 ";\nssl_certificate server.pem; ssl_certificate_key server.key; ssl_protocols TLSv1.2 TLSv1.3;\n"
                 "ssl_client_certificate ca.pem; ssl_verify_client optional;\n"
                 "add_header X-Client \"$ssl_client_s_dn\"; } }\n");
        return std::vector<std::string>{"/usr/sbin/nginx", "-p", where, "-c", "nginx.conf", "-e", "stderr"};
      },
      port);
  policy::Tls policy = client_policy();
  policy.identities = {identity_files(issue("DNS:client.example", "client"), "client")};
  policy.alpn = {"http/1.1"};
  for (const auto version : {policy::Tls::Version::kTls12, policy::Tls::Version::kTls13}) {
    policy.min_version = version;
    const auto connected = connect(policy, port);
    ASSERT_TRUE(connected) << connected.error().detail;
    EXPECT_EQ((*connected)->info().alpn, "http/1.1");
    const auto stream = *(*connected)->take_stream();
    const std::string request = "GET /page HTTP/1.1\r\nHost: server.example\r\nConnection: close\r\n\r\n";
    EXPECT_EQ(code_of(run(write(stream, request))), Errno::success);
    std::string answer = run(read(stream, 64));
    EXPECT_EQ(answer.rfind("HTTP/1.1 200", 0), 0U) << answer;
    answer += run(read(stream, page.size()));
    Errno end{};
    answer += read_to_end(stream, end);
    EXPECT_EQ(end, Errno::success) << "a close_notify";
    EXPECT_NE(answer.find("X-Client: CN=client\r\n"), std::string::npos);
    EXPECT_TRUE(answer.ends_with(page));
    run((*connected)->finish(kLong));
  }
}

// Both roles, with a half-close from either side. Its BIOs are its own, so that it can go on after either
// close_notify.
constexpr const char* kPythonPeer = R"(
import socket, ssl, sys
role, port, ca, certificate, key = sys.argv[1], int(sys.argv[2]), *sys.argv[3:]
incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if role == "server" else ssl.PROTOCOL_TLS_CLIENT)
context.load_verify_locations(ca)
if role == "server":
    context.load_cert_chain(certificate, key)
    listening = socket.create_server(("127.0.0.1", port))
    print("listening", listening.getsockname()[1], flush=True)
    wire = listening.accept()[0]
    tls = context.wrap_bio(incoming, outgoing, server_side=True)
else:
    wire = socket.create_connection(("127.0.0.1", port))
    tls = context.wrap_bio(incoming, outgoing, server_hostname="server.example")

def drive(call, *arguments):
    while True:
        try:
            return call(*arguments)
        except ssl.SSLWantReadError:
            wire.sendall(outgoing.read())
            piece = wire.recv(65536)
            if not piece:
                raise SystemExit("truncated")
            incoming.write(piece)
        except ssl.SSLZeroReturnError:
            return b""
        finally:
            wire.sendall(outgoing.read())

def read_to_end():
    out = b""
    while piece := drive(tls.read, 65536):
        out += piece
    return out

drive(tls.do_handshake)
first = drive(tls.read, 5)
if first == b"last:":      # we end first, it answers after our close_notify
    rest = read_to_end()
    drive(tls.write, rest * 20)
    try:
        tls.unwrap()
    except ssl.SSLError:
        pass
    wire.sendall(outgoing.read())
else:                       # it ends first, and reads on after its close_notify
    drive(tls.write, b"mine")
    try:
        tls.unwrap()
    except ssl.SSLWantReadError:
        pass
    wire.sendall(outgoing.read())
    rest = b""
    while True:
        try:
            piece = tls.read(65536)
            if not piece:
                break
            rest += piece
        except ssl.SSLWantReadError:
            piece = wire.recv(65536)
            if not piece:
                raise SystemExit("truncated")
            incoming.write(piece)
        except ssl.SSLZeroReturnError:
            break
    print("read", len(rest), flush=True)
wire.close()
)";

struct PythonCase {
  bool server;  // Python's role
  bool we_end_first;
};
inline std::ostream& operator<<(std::ostream& out, const PythonCase& each) {
  return out << (each.server ? "Server" : "Client") << (each.we_end_first ? "WeEndFirst" : "ItEndsFirst");
}
class TlsPython : public TlsPrograms, public ::testing::WithParamInterface<PythonCase> {};
INSTANTIATE_TEST_SUITE_P(HalfClose, TlsPython,
                         ::testing::Values(PythonCase{true, true}, PythonCase{true, false}, PythonCase{false, true},
                                           PythonCase{false, false}),
                         [](const auto& each) { return ::testing::PrintToString(each.param); });

TEST_P(TlsPython, GoesOnAfterTheOthersCloseNotify) {
  const uint16_t port = GetParam().server ? 0 : listen();
  Process python(
      {.arguments = {"/usr/bin/python3", "-c", kPythonPeer, GetParam().server ? "server" : "client",
                     std::to_string(port), file("ca.pem", root_.certificate_pem()), files_.certificate, files_.key}});
  Result<ConnectionPtr> made = Error{Errno::success, {}};
  if (GetParam().server) {
    ASSERT_TRUE(python.wait_stdout("\n")) << python.standard_error();
    made = connect(client_policy(), static_cast<uint16_t>(std::stoi(python.standard_output().substr(10))));
  } else {
    made = accept(server_policy(identity_));
  }
  ASSERT_TRUE(made) << made.error().detail << python.standard_error();
  const auto stream = *(*made)->take_stream();
  Errno end{};
  const std::string bytes = test::pattern(40'000);
  if (GetParam().we_end_first) {
    EXPECT_EQ(code_of(run(write(stream, "last:" + bytes))), Errno::success);
    EXPECT_EQ(code_of(stream->shutdown_write()), Errno::success);
    const std::string answer = read_to_end(stream, end);
    EXPECT_EQ(answer.size(), 20 * bytes.size());
    EXPECT_EQ(answer.substr(0, bytes.size()), bytes);
    EXPECT_EQ(end, Errno::success);
  } else {
    EXPECT_EQ(code_of(run(write(stream, "first"))), Errno::success);
    EXPECT_EQ(read_to_end(stream, end), "mine");
    EXPECT_EQ(end, Errno::success);
    EXPECT_EQ(code_of(run(write(stream, bytes))), Errno::success);
    EXPECT_EQ(code_of(stream->shutdown_write()), Errno::success);
    EXPECT_TRUE(python.wait_stdout("read " + std::to_string(bytes.size()))) << python.standard_error();
  }
  run((*made)->finish(kLong));
  const auto exit = python.wait();
  ASSERT_TRUE(exit);
  EXPECT_EQ(exit->code, 0) << python.standard_error();
}

}  // namespace
}  // namespace wasi_netd::net
