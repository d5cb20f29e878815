// What a byte costs between a host and the network: round trips of 64 B and bulk of 64 KiB writes over one Transfer,
// and a unary call, through a daemon on the machine's loopback.
//
//   bench_host ROUNDS SCALE PROGRAM...
//
// runs the daemons side by side, each round on one after the other, and prints the median of the rounds for each, and
// its ratio to the first. SCALE 1 is some seconds a round.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/rpc/broker/client.h"
#include "tests/support/daemon_process.h"

namespace {

using namespace wasi_netd;
using namespace wasi_netd::test;
using Clock = std::chrono::steady_clock;

constexpr size_t kMessage = 64, kWrite = 64 * 1024;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

void must(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "bench_host: %s\n", what);
  std::exit(1);
}

// A daemon and what a round needs of it: a session, and a new connection's Transfer.
class Subject {
 public:
  explicit Subject(const std::string& program) {
    daemon_.add_tenant("acme", "protocols: {web: {transport: tcp, connect: {allow: [\"127.0.0.1:1-65535\"]}}}\n");
    Process::Start start = daemon_.command();
    start.arguments[0] = program;
    must(daemon_.launch(std::move(start)).wait_ready(), "the daemon did not start");
    host_ = std::make_unique<Host>(daemon_.socket_path("acme"));
    session_ = std::make_unique<RawSession>(*host_);
    must(session_->opened(), "no session");
  }
  // `peer` has the other end of the connection, on a thread of its own.
  void transfer(const std::function<void(NativeSocket&)>& peer, const std::function<void(RawTransfer&)>& body) {
    NativeSocket listener = native_listen(native_ip("127.0.0.1", 0));
    const auto control = session_->open("web", "0.0.0.0:0");
    const auto connection = session_->connect(control.handle(), "127.0.0.1:" + std::to_string(listener.local_port()));
    const auto stream = session_->stream_create(connection);
    NativeSocket accepted = listener.accept();
    std::thread thread([&] { peer(accepted); });
    {
      RawTransfer transfer(*host_, session_->token(), stream.handle());
      must(transfer.opened() == v1::SUCCESS, "no transfer");
      body(transfer);
      transfer.close();
    }
    thread.join();
    session_->close(connection.handle());
    session_->close(control.handle());
  }
  RawSession& session() { return *session_; }

 private:
  DaemonProcess daemon_;
  std::unique_ptr<Host> host_;
  std::unique_ptr<RawSession> session_;
};

void receive(RawTransfer& transfer, size_t size) {
  v1::TransferReply reply;
  for (size_t have = 0; have < size; have += reply.data().size()) must(transfer.next(reply), "the transfer ended");
}

// Microseconds: the median round trip of a message that a peer echoes.
double round_trip(Subject& subject, double scale) {
  std::vector<double> times;
  subject.transfer(
      [](NativeSocket& peer) {
        for (std::string got = peer.read(kMessage); !got.empty(); got = peer.read(kMessage)) peer.write_all(got);
      },
      [&](RawTransfer& transfer) {
        const std::string message(kMessage, 'x');
        for (int i = 0; i < static_cast<int>(10'000 * scale) + 10; ++i) {
          const auto begin = Clock::now();
          must(transfer.data(message), "the transfer ended");
          receive(transfer, kMessage);
          times.push_back(seconds_since(begin) * 1e6);
        }
      });
  return median(times);
}

// Microseconds: the median of a call that does next to nothing.
double call(Subject& subject, double scale) {
  std::vector<double> times;
  const auto control = subject.session().open("web", "0.0.0.0:0");
  for (int i = 0; i < static_cast<int>(5'000 * scale) + 10; ++i) {
    const auto begin = Clock::now();
    must(subject.session().local_address(control.handle()).error() == v1::SUCCESS, "no address");
    times.push_back(seconds_since(begin) * 1e6);
  }
  subject.session().close(control.handle());
  return median(times);
}

size_t writes(double scale) { return static_cast<size_t>(4096 * scale) + 1; }
double mib(size_t count, double seconds) { return static_cast<double>(count * kWrite) / seconds / (1 << 20); }

// MiB/s from the host to the network.
double bulk_out(Subject& subject, double scale) {
  const size_t count = writes(scale);
  const auto begin = Clock::now();
  subject.transfer(
      [](NativeSocket& peer) {
        while (!peer.read(kWrite).empty()) {
        }
      },
      [&](RawTransfer& transfer) {
        const std::string piece(kWrite, 'x');
        for (size_t i = 0; i < count; ++i) must(transfer.data(piece), "the transfer ended");
      });
  return mib(count, seconds_since(begin));
}

// MiB/s from the network to the host.
double bulk_in(Subject& subject, double scale) {
  const size_t count = writes(scale);
  double result = 0;
  subject.transfer(
      [count](NativeSocket& peer) {
        const std::string piece(kWrite, 'x');
        for (size_t i = 0; i < count; ++i) peer.write_all(piece);
        peer.read_to_end();
      },
      [&](RawTransfer& transfer) {
        const auto begin = Clock::now();
        receive(transfer, count * kWrite);
        result = mib(count, seconds_since(begin));
      });
  return result;
}

struct Measure {
  const char* name;
  double (*run)(Subject&, double scale);
};
constexpr Measure kMeasures[] = {{"round trip of 64 B, us", round_trip},
                                 {"unary call, us", call},
                                 {"64 KiB writes out, MiB/s", bulk_out},
                                 {"64 KiB writes in, MiB/s", bulk_in}};

}  // namespace

int main(int argc, char** argv) {
  must(argc >= 4, "usage: bench_host ROUNDS SCALE PROGRAM...");
  const int rounds = std::atoi(argv[1]);
  const double scale = std::atof(argv[2]);
  std::vector<std::unique_ptr<Subject>> subjects;
  for (int i = 3; i < argc; ++i) subjects.push_back(std::make_unique<Subject>(argv[i]));
  for (const Measure& measure : kMeasures) {
    std::vector<std::vector<double>> results(subjects.size()), ratios(subjects.size());
    for (int round = 0; round < rounds; ++round) {
      for (size_t i = 0; i < subjects.size(); ++i) results[i].push_back(measure.run(*subjects[i], scale));
      for (size_t i = 0; i < subjects.size(); ++i) ratios[i].push_back(results[i].back() / results[0].back());
    }
    for (size_t i = 0; i < subjects.size(); ++i) {
      std::printf("%-26s %10.1f  x%.2f  %s\n", measure.name, median(results[i]), median(ratios[i]), argv[3 + i]);
    }
  }
  return 0;
}
