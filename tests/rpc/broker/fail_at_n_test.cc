// Every flow is cut off after each of its steps, once by the host's death and once by the daemon's stop: whatever had
// been reached, nothing stays.
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
      [](Life& l) { l.transfer = std::make_unique<RawTransfer>(l.host, l.session.token(), l.stream.handle()); },
      [](Life& l) { l.transfer->data("some bytes"); }, [](Life& l) { l.more = l.session.open("net", "127.0.0.1:0"); },
      [](Life& l) { l.session.listen(l.more.handle()); }, [](Life& l) { l.transfer->fin(); }}},
    {"NameThatNobodyAnswers",
     {[](Life& l) { l.open_any("named"); }, [](Life& l) { l.start_connect(false); }, [](Life& l) { l.await_query(); },
      [](Life& l) { l.start_connect(true); }, [](Life& l) { l.start_resolve(); }, [](Life& l) { l.await_query(); }}},
    {"Accept",
     {[](Life& l) { l.control = l.session.open("net", "127.0.0.1:0"); }, [](Life& l) { l.listen(); },
      [](Life& l) { EXPECT_EQ(l.session.accept(l.control.handle(), true).error(), v1::AGAIN); },
      [](Life& l) { l.start_accept(); }, [](Life& l) { l.start_accept(); },
      [](Life& l) { l.more = l.session.restrict(l.control.handle(), l.control.rights().base()); }}},
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
    daemon_.add_tenant("acme",
                       "protocols:\n"
                       "  named:\n"
                       "    transport: tcp\n"
                       "    connect: {allow: [\"*.example:1-65535\"]}\n"
                       "    resolver: {servers: [\"127.0.0.1:" +
                           std::to_string(dns_.port()) +
                           "\"], timeout: 5m}\n"
                           "  net:\n"
                           "    transport: tcp\n"
                           "    connect: {allow: [\"127.0.0.1\"]}\n"
                           "    open: {allow: [\"127.0.0.1\"]}\n"
                           "    accept: {allow: [\"127.0.0.1\"]}\n");
  }
  std::unique_ptr<Life> live(size_t steps) {
    auto life = std::make_unique<Life>(daemon_, listener_, dns_);
    EXPECT_TRUE(life->session.opened());
    for (size_t i = 0; i < steps; ++i) GetParam().steps[i](*life);
    return life;
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
    eventually([&] {
      const auto now = daemon_->counts();
      return now.sessions == 0 && now.handles == 0 && now.connections == 0 && now.buffers == 0 &&
             now.host_connections == 0;
    });
    forget_queries();
  }
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
