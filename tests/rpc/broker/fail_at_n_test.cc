// Every flow is cut off after each of its steps, by the host's death, by either end of its session and by the daemon's
// stop: whatever had been reached, nothing stays.
#include <functional>
#include <future>
#include <list>
#include <memory>
#include <vector>

#include "tests/rpc/broker/client.h"
#include "tests/support/dns_server.h"
#include "tests/support/proc.h"

namespace wasi_netd::test {
namespace {

constexpr uint64_t kRead = uint64_t{1} << 1;
constexpr uint32_t kReadMost = 4096;  // of the read that waits

// A unary call that waits, on a thread of its own.
class PendingCall {
 public:
  template <class Request, class Reply>
  PendingCall(Host& host, grpc::Status (v1::Broker::Stub::*method)(grpc::ClientContext*, const Request&, Reply*),
              const Request& request)
      : done_(std::async(std::launch::async, [this, &host, method, request] {
          Reply reply;
          (void)(host.stub().*method)(&context_, request, &reply);
        })) {}
  ~PendingCall() { context_.TryCancel(); }  // and the future waits
  bool has_ended() const { return done_.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }
  bool ends() const { return done_.wait_for(std::chrono::seconds(kPatienceSeconds)) == std::future_status::ready; }

 private:
  grpc::ClientContext context_;
  std::future<void> done_;
};

// What a flow has made so far. Destroying it is the host's death: its calls are cancelled, its connection closed.
struct Life {
  InProcessDaemon& daemon;
  NativeSocket& listener;
  ScriptedDns& dns;
  Host host;
  RawSession session;
  v1::HandleReply control, connection, stream, more;
  NativeSocket peer;
  std::unique_ptr<RawTransfer> transfer;
  std::list<PendingCall> pending;
  std::vector<NativeSocket> peers;                                         // of what listens or receives here
  const std::string name = "slow" + std::to_string(++names) + ".example";  // nobody has asked for it before
  static inline int names = 0;

  Life(InProcessDaemon& daemon_in, NativeSocket& listener_in, ScriptedDns& dns_in)
      : daemon(daemon_in), listener(listener_in), dns(dns_in), host(daemon.socket_path("acme")), session(host) {}

  std::string server() const { return "127.0.0.1:" + std::to_string(listener.local_port()); }
  void open_any(const char* protocol = "net") { control = session.open(protocol, "0.0.0.0:0"); }
  void connect() {
    connection = session.connect(control.handle(), server());
    peer = NativeSocket(::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC));
  }
  void create() { stream = session.stream_create(connection); }
  void listen() { EXPECT_EQ(session.listen(control.handle()), v1::SUCCESS); }
  NativeAddress place() {
    const std::string text = session.local_address(control.handle()).address();
    if (text.starts_with('/')) return native_unix(text);
    return native_ip("127.0.0.1", static_cast<uint16_t>(std::stoi(text.substr(text.rfind(':') + 1))));
  }
  void meet() { peers.push_back(native_connect(place())); }
  void accept() {
    connection = session.accept(control.handle());
    EXPECT_EQ(connection.error(), v1::SUCCESS);
  }
  void start_transfer() { transfer = std::make_unique<RawTransfer>(host, session.token(), stream.handle()); }
  void send_here() {
    peers.push_back(native_bind(native_ip("127.0.0.1", 0), SOCK_DGRAM));
    peers.back().send_to("some bytes", place());
  }
  void start_connect(bool nonblock) {
    v1::ConnectRequest request;
    request.set_session(session.token());
    request.set_control(control.handle());
    request.set_address(name + ":80");
    request.set_nonblock(nonblock);
    pending.emplace_back(host, &v1::Broker::Stub::Connect, request);
  }
  void start_resolve() {
    v1::ResolveRequest request;
    request.set_session(session.token());
    request.set_protocol(session.protocol("named").handle());
    request.set_name("other-" + name);
    pending.emplace_back(host, &v1::Broker::Stub::Resolve, request);
  }
  void start_send() {
    more = session.open_datagram("named-grams", "0.0.0.0:0");
    v1::SendToRequest request;
    request.set_session(session.token());
    request.set_control(more.handle());
    request.set_address("third-" + name + ":80");
    pending.emplace_back(host, &v1::Broker::Stub::SendTo, request);
  }
  void await_query() {
    (void)dns.receive();
    while (dns.has_query()) (void)dns.receive();
  }
  void start_accept() {
    v1::AcceptRequest request;
    request.set_session(session.token());
    request.set_control(control.handle());
    pending.emplace_back(host, &v1::Broker::Stub::Accept, request);
  }
  void start_receive() {
    v1::RecvFromRequest request;
    request.set_session(session.token());
    request.set_control(control.handle());
    request.set_max(kReadMost);
    pending.emplace_back(host, &v1::Broker::Stub::RecvFrom, request);
  }
  void start_read() {
    v1::ReadRequest request;
    request.set_session(session.token());
    request.set_stream(stream.handle());
    request.set_max(kReadMost);
    pending.emplace_back(host, &v1::Broker::Stub::Read, request);
    await_buffers(kReadMost);
  }
  void fill() {
    while (session.write(stream.handle(), std::string(65536, 'x'), true).error() == v1::SUCCESS) {
    }
  }
  // The kernel's buffers grow for a while: a write that found room was not the one.
  void start_write() {
    v1::WriteRequest request;
    request.set_session(session.token());
    request.set_stream(stream.handle());
    request.set_data(std::string(65536, 'x'));
    bool ended = true;
    while (ended) {
      fill();
      pending.emplace_back(host, &v1::Broker::Stub::Write, request);
      eventually([&] { return (ended = pending.back().has_ended()) || daemon->counts().buffers >= kReadMost + 65536; });
      if (ended) pending.pop_back();
    }
  }
  // A waiting call is there when its buffer is charged.
  void await_buffers(uint64_t bytes) {
    eventually([&] { return daemon->counts().buffers >= bytes; });
  }
};

using Step = std::function<void(Life&)>;
struct Flow {
  const char* name;
  std::vector<Step> steps;
};
std::ostream& operator<<(std::ostream& out, const Flow& flow) { return out << flow.name; }

const Flow kFlows[] = {
    {"Transfer",
     {[](Life& l) { l.open_any(); }, [](Life& l) { l.connect(); }, [](Life& l) { l.create(); },
      [](Life& l) { l.start_transfer(); }, [](Life& l) { l.transfer->data("some bytes"); },
      [](Life& l) { l.more = l.session.open("net", "127.0.0.1:0"); },
      [](Life& l) { l.session.listen(l.more.handle()); }, [](Life& l) { l.transfer->fin(); }}},
    {"NameThatNobodyAnswers",
     {[](Life& l) { l.open_any("named"); }, [](Life& l) { l.start_connect(false); }, [](Life& l) { l.await_query(); },
      [](Life& l) { l.start_connect(true); }, [](Life& l) { l.start_resolve(); }, [](Life& l) { l.await_query(); },
      [](Life& l) { l.start_send(); }, [](Life& l) { l.await_query(); }}},
    {"Accept",
     {[](Life& l) { l.control = l.session.open("net", "127.0.0.1:0"); }, [](Life& l) { l.listen(); },
      [](Life& l) { EXPECT_EQ(l.session.accept(l.control.handle(), true).error(), v1::AGAIN); },
      [](Life& l) { l.start_accept(); }, [](Life& l) { l.start_accept(); },
      [](Life& l) { l.more = l.session.restrict(l.control.handle(), l.control.rights().base()); }}},
    // A peer that waits judged, one behind it in the backlog, one taken; then its bytes and its end.
    {"Peers",
     {[](Life& l) { l.control = l.session.open("net", "127.0.0.1:0"); }, [](Life& l) { l.listen(); },
      [](Life& l) { l.meet(); }, [](Life& l) { l.meet(); }, [](Life& l) { l.accept(); }, [](Life& l) { l.create(); },
      [](Life& l) { l.start_transfer(); }, [](Life& l) { l.peers.front().write_all("some bytes"); },
      [](Life& l) { l.peers.front().reset(); }}},
    {"UnixPeers",
     {[](Life& l) { l.control = l.session.open("local", l.daemon.directory() + "/s/here"); },
      [](Life& l) { l.listen(); }, [](Life& l) { l.meet(); }, [](Life& l) { l.accept(); }, [](Life& l) { l.create(); },
      [](Life& l) { EXPECT_EQ(l.session.close(l.control.handle()), v1::SUCCESS); }, [](Life& l) { l.start_transfer(); },
      [](Life& l) { l.peers.front().shutdown_write(); }, [](Life& l) { l.transfer->fin(); }}},
    {"Datagrams",
     {[](Life& l) { l.control = l.session.open_datagram("grams", "127.0.0.1:0"); }, [](Life& l) { l.start_receive(); },
      [](Life& l) { l.send_here(); }, [](Life& l) { l.send_here(); },
      [](Life& l) { EXPECT_EQ(l.session.send_to(l.control.handle(), "127.0.0.1:9", "some bytes"), v1::SUCCESS); },
      [](Life& l) { l.listen(); }, [](Life& l) { l.send_here(); }, [](Life& l) { l.accept(); },
      [](Life& l) { l.create(); }, [](Life& l) { l.start_transfer(); }, [](Life& l) { l.send_here(); }}},
    {"SingleCalls",
     {[](Life& l) { l.open_any(); }, [](Life& l) { l.connect(); }, [](Life& l) { l.create(); },
      [](Life& l) { l.session.poll(l.stream.handle(), v1::READABLE | v1::WRITABLE); }, [](Life& l) { l.start_read(); },
      [](Life& l) { l.fill(); }, [](Life& l) { l.start_write(); }}},
    {"Restrict",
     {[](Life& l) { l.open_any(); }, [](Life& l) { l.more = l.session.restrict(l.control.handle(), 0); },
      [](Life& l) { l.connect(); }, [](Life& l) { l.create(); },
      [](Life& l) { l.more = l.session.restrict(l.stream.handle(), kRead); },
      [](Life& l) { EXPECT_EQ(l.session.close(l.stream.handle()), v1::SUCCESS); },
      [](Life& l) { EXPECT_EQ(l.session.close(l.connection.handle()), v1::SUCCESS); },
      [](Life& l) { EXPECT_EQ(l.session.set_rights(l.more.handle(), 0), v1::SUCCESS); }}},
};

class FailAtNTest : public testing::TestWithParam<Flow> {
 protected:
  void SetUp() override {
    daemon_.add_tenant("acme", "protocols:\n  named:\n" + by_name("tcp") + "  named-grams:\n" + by_name("udp") +
                                   "  net:\n" + on_loopback("tcp") + "  grams:\n" + on_loopback("udp") +
                                   "  local:\n    transport: unix\n    open: {allow: [\"" + daemon_.directory() +
                                   "/s/\"]}\n    accept: {allow: [\"*\"]}\n");
    std::filesystem::create_directory(daemon_.directory() + "/s");
  }
  std::string by_name(const std::string& transport) const {
    return "    transport: " + transport + "\n    connect: {allow: [\"*.example:1-65535\"]}\n" +
           "    resolver: {servers: [\"127.0.0.1:" + std::to_string(dns_.port()) + "\"], timeout: 5m}\n";
  }
  static std::string on_loopback(const std::string& transport) {
    const std::string rules = ": {allow: [\"127.0.0.1\"]}\n";
    return "    transport: " + transport + "\n    connect" + rules + "    open" + rules + "    accept" + rules;
  }
  // But for so many connections of hosts.
  void expect_nothing_left(size_t host_connections = 0) {
    eventually([&] {
      const auto now = daemon_->counts();
      return now.sessions == 0 && now.handles == 0 && now.connections == 0 && now.buffers == 0 &&
             now.host_connections == host_connections;
    });
  }
  std::unique_ptr<Life> live(size_t steps) {
    auto life = std::make_unique<Life>(daemon_, listener_, dns_);
    EXPECT_TRUE(life->session.opened());
    for (size_t i = 0; i < steps; ++i) GetParam().steps[i](*life);
    return life;
  }
  // The session ends, and the host that it was of lives on with the calls that it made.
  void end_after_every_step(const std::function<void(RawSession&)>& end) {
    constexpr auto kLinger = std::chrono::milliseconds(50);  // some peers take nothing
    daemon_.start([&](Config& config) { config.linger = kLinger; });
    for (size_t n = 0; n <= GetParam().steps.size(); ++n) {
      SCOPED_TRACE("after " + std::to_string(n) + " steps");
      auto life = live(n);
      end(life->session);
      for (const PendingCall& call : life->pending) EXPECT_TRUE(call.ends());
      life->transfer.reset();
      expect_nothing_left(1);
      life.reset();
      expect_nothing_left();
      forget_queries();
    }
  }
  // What a step may leave in the test's own sockets.
  void forget_queries() {
    while (dns_.has_query()) (void)dns_.receive();
  }

  ScriptedDns dns_;
  NativeSocket listener_ = native_listen(native_ip("127.0.0.1", 0));
  InProcessDaemon daemon_;
};
INSTANTIATE_TEST_SUITE_P(Flows, FailAtNTest, testing::ValuesIn(kFlows),
                         [](const auto& flow) { return std::string(flow.param.name); });

TEST_P(FailAtNTest, AHostMayDieAfterEveryStep) {
  daemon_.start();
  for (size_t n = 0; n <= GetParam().steps.size(); ++n) {
    SCOPED_TRACE("after " + std::to_string(n) + " steps");
    live(n).reset();
    expect_nothing_left();
    forget_queries();
  }
}

TEST_P(FailAtNTest, ASessionMayEndInOrderAfterEveryStep) {
  end_after_every_step([](RawSession& session) { EXPECT_TRUE(session.end().ok()); });
}

TEST_P(FailAtNTest, ASessionMayBreakOffAfterEveryStep) {
  end_after_every_step([](RawSession& session) { session.abandon(); });
}

TEST_P(FailAtNTest, TheDaemonMayStopAfterEveryStep) {
  // What the first daemon and the first host of a process make stays: gRPC's own descriptors.
  daemon_.start();
  live(0).reset();
  daemon_.stop();
  size_t before = 0;
  eventually([&] { return before == std::exchange(before, open_descriptors()); });
  for (size_t n = 0; n <= GetParam().steps.size(); ++n) {
    SCOPED_TRACE("after " + std::to_string(n) + " steps");
    daemon_.start();
    auto life = live(n);
    daemon_.stop();  // its quotas and gates abort the test if anything is left
    for (const PendingCall& call : life->pending) EXPECT_TRUE(call.ends());
    v1::SessionEvent event;
    while (life->session.next(event)) {
    }
    life.reset();
    eventually([&] { return open_descriptors() == before; });
    forget_queries();
  }
}

}  // namespace
}  // namespace wasi_netd::test
