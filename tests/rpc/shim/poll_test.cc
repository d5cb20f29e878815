// poll_oneoff: fds of every kind and clocks in one wait.
#include <fcntl.h>
#include <future>

#include "tests/rpc/shim/shim_test.h"

namespace wasi_netd::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

class ShimPoll : public OneGuest {
 protected:
  std::vector<wasi_netd_event> poll(std::initializer_list<wasi_netd_subscription> subscriptions) {
    return guest_->poll(std::vector(subscriptions));
  }
  wasi_netd_event poll_one(std::initializer_list<wasi_netd_subscription> subscriptions) {
    const auto events = poll(subscriptions);
    EXPECT_EQ(events.size(), 1u);
    return events.empty() ? wasi_netd_event{} : events.front();
  }
  wasi_netd_errno error_of(int32_t fd) { return poll_one({{1, WASI_NETD_EVENT_READ, fd, 0, 0, 0}}).error; }
};

TEST_F(ShimPoll, ARelativeClockIsDueAfterItsTime) {
  const auto start = steady_clock::now();
  const wasi_netd_event event = poll_one({after(milliseconds(20))});
  EXPECT_GE(steady_clock::now() - start, milliseconds(20));
  EXPECT_EQ(event.userdata, UINT64_MAX);
  EXPECT_EQ(event.type, WASI_NETD_EVENT_CLOCK);
  EXPECT_EQ(event.error, WASI_NETD_ERRNO_success);
}

TEST_F(ShimPoll, AbsoluteClocksAreDueAtTheirTime) {
  const auto real = std::chrono::system_clock::now().time_since_epoch() + milliseconds(20);
  const auto monotonic = steady_clock::now().time_since_epoch() + milliseconds(20);
  const auto ns = [](auto time) { return static_cast<uint64_t>(std::chrono::nanoseconds(time).count()); };
  poll_one({{1, WASI_NETD_EVENT_CLOCK, -1, WASI_NETD_CLOCK_REALTIME, ns(real), WASI_NETD_CLOCK_ABSTIME}});
  EXPECT_GE(std::chrono::system_clock::now().time_since_epoch(), real);
  poll_one({{1, WASI_NETD_EVENT_CLOCK, -1, WASI_NETD_CLOCK_MONOTONIC, ns(monotonic), WASI_NETD_CLOCK_ABSTIME}});
  EXPECT_GE(steady_clock::now().time_since_epoch(), monotonic);
  poll_one({{1, WASI_NETD_EVENT_CLOCK, -1, WASI_NETD_CLOCK_MONOTONIC, 1, WASI_NETD_CLOCK_ABSTIME}});
}

TEST_F(ShimPoll, TheNearestOfSeveralClocksEndsTheWait) {
  const wasi_netd_event event = poll_one({{7, WASI_NETD_EVENT_CLOCK, -1, WASI_NETD_CLOCK_MONOTONIC, UINT64_MAX, 0},
                                          {8, WASI_NETD_EVENT_CLOCK, -1, WASI_NETD_CLOCK_REALTIME, 1'000'000, 0}});
  EXPECT_EQ(event.userdata, 8u);
}

TEST_F(ShimPoll, AnUnknownClockOrEventIsInval) {
  EXPECT_EQ(poll_one({{1, WASI_NETD_EVENT_CLOCK, -1, 2, 0, 0}}).error, WASI_NETD_ERRNO_inval);
  EXPECT_EQ(poll_one({{1, 9, -1, 0, 0, 0}}).error, WASI_NETD_ERRNO_inval);
  size_t count = 0;
  wasi_netd_event event{};
  wasi_netd_subscription none{};
  EXPECT_EQ(wasi_netd_poll(guest_->get(), &none, 0, &event, &count), WASI_NETD_ERRNO_inval);
}

TEST_F(ShimPoll, ABadFdIsAnEventOfItsOwnBesideTheOthers) {
  Connected pair = connect_to_peer(*guest_);
  const auto events = poll({{1, WASI_NETD_EVENT_READ, 999, 0, 0, 0}, write_of(pair.stream), read_of(pair.stream)});
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].error, WASI_NETD_ERRNO_badf);
  EXPECT_EQ(events[1].type, WASI_NETD_EVENT_WRITE);
  EXPECT_EQ(error_of(guest_->protocol("net")), WASI_NETD_ERRNO_inval);
}

TEST_F(ShimPoll, AFreshStreamIsWritableWithoutWaiting) {
  Connected pair = connect_to_peer(*guest_);
  const auto events = poll({write_of(pair.stream), after(milliseconds(0))});
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events[0].type, WASI_NETD_EVENT_WRITE);
  EXPECT_EQ(events[0].nbytes, 256u * 1024);
}

TEST_F(ShimPoll, AStreamIsReadableWithTheNumberOfBytesAndHangsUpOnceTheyAreRead) {
  Connected pair = connect_to_peer(*guest_);
  pair.peer.write_all("four");
  wasi_netd_event event = poll_one({read_of(pair.stream)});
  EXPECT_EQ(event.nbytes, 4u);
  EXPECT_EQ(event.flags, 0);
  EXPECT_EQ(pair.stream.read(9), "four");
  pair.peer.shutdown_write();
  event = poll_one({read_of(pair.stream)});
  EXPECT_EQ(event.nbytes, 0u);
  EXPECT_EQ(event.flags, WASI_NETD_EVENT_HANGUP);
}

TEST_F(ShimPoll, AControlIsReadableWhenAPeerWaits) {
  const Fd control = guest_->open(guest_->protocol("net"), "127.0.0.1:0", WASI_NETD_FDFLAG_NONBLOCK);
  guest_->listen(control);
  std::error_code error;
  guest_->accept(control, error);
  EXPECT_EQ(errno_of(error), WASI_NETD_ERRNO_again);
  EXPECT_EQ(poll_one({read_of(control), after(milliseconds(0))}).type, WASI_NETD_EVENT_CLOCK);
  const std::string at = control.local_address();
  const auto port = static_cast<uint16_t>(std::stoi(at.substr(at.rfind(':') + 1)));
  for (int round = 0; round < 3; ++round) {
    NativeSocket peer;
    std::thread later([&] { peer = native_connect(native_ip("127.0.0.1", port)); });
    EXPECT_EQ(poll_one({read_of(control)}).userdata, static_cast<uint64_t>(control.number()));
    later.join();
    EXPECT_EQ(poll_one({read_of(control)}).error, WASI_NETD_ERRNO_success) << "it holds until a call uses it";
    Fd connection = guest_->accept(control);
    Fd stream = connection.accept_stream();
    std::error_code nothing_yet;
    char byte = 0;
    stream.read({&byte, 1}, nothing_yet);
    EXPECT_EQ(errno_of(nothing_yet), WASI_NETD_ERRNO_again) << "nonblock is inherited twice";
    EXPECT_EQ(poll_one({read_of(control), after(milliseconds(0))}).type, WASI_NETD_EVENT_CLOCK);
    peer.write_all("x");
    EXPECT_EQ(poll_one({read_of(control), read_of(stream)}).userdata, static_cast<uint64_t>(stream.number()));
  }
}

TEST_F(ShimPoll, ANonBlockingConnectIsWritableWhenItIsDecided) {
  const NativeSocket listener = native_listen(native_ip("127.0.0.1", 0));
  const Fd control = any_control(*guest_, WASI_NETD_FDFLAG_NONBLOCK);
  Fd connection = guest_->connect(control, address(listener));
  EXPECT_EQ(poll_one({write_of(connection)}).error, WASI_NETD_ERRNO_success);
  Fd stream = connection.stream();
  stream.write("hi");
  NativeSocket peer = NativeSocket(::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC));
  EXPECT_EQ(peer.read(2), "hi");
}

TEST_F(ShimPoll, ARefusedNonBlockingConnectIsWritableAndTheStreamTellsWhy) {
  const NativeSocket bound = native_bind(native_ip("127.0.0.1", 0));  // nobody listens
  Fd connection = guest_->connect(any_control(*guest_, WASI_NETD_FDFLAG_NONBLOCK), address(bound));
  poll_one({write_of(connection)});
  std::error_code error;
  connection.stream(error);
  EXPECT_EQ(errno_of(error), WASI_NETD_ERRNO_connrefused);
}

TEST_F(ShimPoll, POLL_2_AConnectionIsNotReadableOnceItsStreamIsTakenAndHangsUpAtItsEnd) {
  const NativeSocket listener = native_listen(native_ip("127.0.0.1", 0));
  Fd connection = guest_->connect(any_control(*guest_), address(listener));
  EXPECT_EQ(poll_one({read_of(connection)}).flags, 0);
  EXPECT_EQ(poll_one({write_of(connection)}).flags, 0);
  Fd stream = connection.stream();
  NativeSocket peer = NativeSocket(::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC));
  EXPECT_EQ(poll_one({read_of(connection), after(milliseconds(0))}).type, WASI_NETD_EVENT_CLOCK);
  stream.close();  // the last one: the connection ends
  peer.close();
  EXPECT_EQ(poll_one({read_of(connection)}).flags, WASI_NETD_EVENT_HANGUP);
  EXPECT_EQ(poll_one({write_of(connection)}).flags, WASI_NETD_EVENT_HANGUP);
}

TEST_F(ShimPoll, POLL_2_AConnectionThatWasWritableHangsUpWhenItIsEnded) {
  const NativeSocket listener = native_listen(native_ip("127.0.0.1", 0));
  Fd connection = guest_->connect(any_control(*guest_), address(listener));
  EXPECT_EQ(poll_one({write_of(connection)}).flags, 0);
  connection.shutdown(WASI_NETD_SHUT_WR);
  EXPECT_EQ(poll_one({write_of(connection)}).flags, WASI_NETD_EVENT_HANGUP);
}

TEST_F(ShimPoll, ManyStreamsAreWatchedAtOnce) {
  std::vector<Connected> pairs;
  std::vector<wasi_netd_subscription> interest;
  for (int i = 0; i < 50; ++i) {
    pairs.push_back(connect_to_peer(*guest_));
    interest.push_back(read_of(pairs.back().stream));
  }
  for (const size_t chosen : {size_t{17}, size_t{0}, size_t{49}}) {
    pairs[chosen].peer.write_all("x");
    const auto events = guest_->poll(interest);
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].userdata, static_cast<uint64_t>(pairs[chosen].stream.number()));
    pairs[chosen].stream.read(1);
  }
}

// ---- stdio

class ShimStdioPoll : public ShimPoll {
 protected:
  void SetUp() override {
    start_daemon();
    ASSERT_EQ(::pipe2(in_, O_CLOEXEC), 0);
    ASSERT_EQ(::pipe2(out_, O_CLOEXEC), 0);
    tenant_.emplace(socket_path());
    guest_.emplace(*tenant_, client::GuestOptions{.name = "", .rights = 0, .stdio = {in_[0], out_[1], -1}});
    ::close(in_[0]);
    ::close(out_[1]);
  }
  void TearDown() override {
    for (const int fd : {in_[1], out_[0]}) {
      if (fd >= 0) ::close(fd);
    }
  }
  void feed(std::string_view text) {
    ASSERT_EQ(::write(in_[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  // The next `size` bytes of the guest's output.
  std::string output(size_t size) const {
    std::string got;
    char buffer[4096];
    for (ssize_t n = 0; got.size() < size && (n = ::read(out_[0], buffer, sizeof buffer)) > 0;) {
      got.append(buffer, static_cast<size_t>(n));
    }
    return got;
  }
  static wasi_netd_subscription stdin_read() { return {0, WASI_NETD_EVENT_READ, 0, 0, 0, 0}; }

  int in_[2] = {-1, -1};
  int out_[2] = {-1, -1};
};

TEST_F(ShimStdioPoll, StdinAndAStreamWaitInOneCall) {
  Connected pair = connect_to_peer(*guest_);
  feed("typed");
  wasi_netd_event event = poll_one({stdin_read(), read_of(pair.stream)});
  EXPECT_EQ(event.userdata, 0u);
  EXPECT_EQ(event.nbytes, 5u);
  Fd in(guest_->get(), 0);
  EXPECT_EQ(in.read(99), "typed");
  std::thread later([&] { pair.peer.write_all("sent"); });
  event = poll_one({stdin_read(), read_of(pair.stream), after(std::chrono::hours(1))});
  later.join();
  EXPECT_EQ(event.userdata, static_cast<uint64_t>(pair.stream.number()));
  in.release();
}

TEST_F(ShimStdioPoll, AClockEndsAWaitForStdin) {
  EXPECT_EQ(poll_one({stdin_read(), after(milliseconds(5))}).type, WASI_NETD_EVENT_CLOCK);
}

TEST_F(ShimStdioPoll, TheEndOfStdinIsAHangup) {
  ::close(std::exchange(in_[1], -1));
  EXPECT_EQ(poll_one({stdin_read()}).flags, WASI_NETD_EVENT_HANGUP);
}

TEST_F(ShimStdioPoll, NonBlockingStdinAnswersAgainAndLeavesTheHostsFlagsAlone) {
  Fd in(guest_->get(), 0);
  in.set_nonblock(true);
  std::error_code error;
  char byte = 0;
  in.read({&byte, 1}, error);
  EXPECT_EQ(errno_of(error), WASI_NETD_ERRNO_again);
  feed("x");
  EXPECT_EQ(in.read(1), "x");
  EXPECT_EQ(::fcntl(in_[1], F_GETFL) & O_NONBLOCK, 0);
  in.release();
}

TEST_F(ShimStdioPoll, ABrokenStdoutIsAnErrnoAndNoSignal) {
  ::close(std::exchange(out_[0], -1));
  Fd out(guest_->get(), 1);
  std::error_code error;
  out.write("x", error);
  EXPECT_EQ(errno_of(error), WASI_NETD_ERRNO_pipe);
  out.release();
}

TEST_F(ShimStdioPoll, LargeOutputGoesOutWhole) {
  const std::string text = pattern(1 << 20);
  auto reading = std::async(std::launch::async, [&] { return output(text.size()); });
  Fd out(guest_->get(), 1);
  EXPECT_EQ(out.write(text), text.size());
  EXPECT_EQ(reading.get(), text);
  out.release();
}

// Guests that share a file or a pipe would cut each other's lines apart.
TEST_F(ShimStdioPoll, TheBuffersOfOneWriteGoOutInOne) {
  int packets[2];
  ASSERT_EQ(::pipe2(packets, O_CLOEXEC | O_DIRECT), 0);  // what one write brought, one read takes
  Guest guest(*tenant_, {.name = "", .rights = 0, .stdio = {-1, packets[1], -1}});
  const wasi_netd_ciovec line[] = {{"a ", 2}, {"", 0}, {"line", 4}, {"\n", 1}};
  size_t count = 0;
  EXPECT_EQ(wasi_netd_write(guest.get(), 1, line, 4, &count), WASI_NETD_ERRNO_success);
  EXPECT_EQ(count, 7u);
  char got[64];
  EXPECT_EQ(::read(packets[0], got, sizeof got), 7);
  for (const int fd : packets) ::close(fd);
}

TEST_F(ShimStdioPoll, HundredsOfBuffersOfAnySizeGoOutWhole) {
  const std::string text = pattern(300'000);
  std::vector<wasi_netd_ciovec> buffers;
  for (size_t at = 0, size = 0; at < text.size(); at += size) {
    size = std::min(text.size() - at, buffers.size() * 37 % 9000);  // some are empty, some longer than PIPE_BUF
    if (buffers.size() % 7 == 0) size = 0;
    buffers.push_back({text.data() + at, size});
  }
  auto reading = std::async(std::launch::async, [&] { return output(text.size()); });
  size_t count = 0;
  EXPECT_EQ(wasi_netd_write(guest_->get(), 1, buffers.data(), buffers.size(), &count), WASI_NETD_ERRNO_success);
  EXPECT_EQ(count, text.size());
  EXPECT_EQ(reading.get(), text);
}

TEST_F(ShimStdioPoll, InterruptEndsABlockedReadOfStdinAndABlockedWriteOfStdout) {
  const std::string more_than_a_pipe(1 << 20, 'x');
  Fd in(guest_->get(), 0);
  Fd out(guest_->get(), 1);
  std::thread killer([&] {
    // Once the pipe is full the write waits.
    pollfd full{out_[0], POLLIN, 0};
    ::poll(&full, 1, -1);
    guest_->interrupt();
  });
  EXPECT_LT(out.write(more_than_a_pipe), more_than_a_pipe.size());
  killer.join();
  EXPECT_EQ(errno_of_throw([&] { in.read(1); }), WASI_NETD_ERRNO_intr);
  in.release();
  out.release();
}

}  // namespace
}  // namespace wasi_netd::test
