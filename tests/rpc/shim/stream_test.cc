// Bytes through a stream fd: both ways, its ends, its errors, its bounds.
#include "policy/policy.h"
#include "tests/rpc/shim/shim_test.h"

namespace wasi_netd::test {
namespace {

class ShimStream : public OneGuest {
 protected:
  wasi_netd_errno read_errno(Fd& fd) {
    char byte = 0;
    std::error_code error;
    fd.read({&byte, 1}, error);
    return errno_of(error);
  }
  wasi_netd_errno write_errno(Fd& fd) {
    std::error_code error;
    fd.write("x", error);
    return errno_of(error);
  }
  std::string recv(const Fd& fd, size_t size, uint32_t flags) {
    std::string buffer(size, '\0');
    const wasi_netd_iovec iov{buffer.data(), buffer.size()};
    size_t count = 0;
    uint32_t out_flags = 7;
    client::check(wasi_netd_recv(guest_->get(), fd.number(), &iov, 1, flags, &count, &out_flags), "recv");
    EXPECT_EQ(out_flags, 0u);
    return buffer.substr(0, count);
  }
  bool wait_for(const wasi_netd_subscription& subscription) { return guest_->poll({&subscription, 1}).size() == 1; }
};

TEST_F(ShimStream, CarriesBytesBothWays) {
  Connected pair = connect_to_peer(*guest_);
  pair.stream.write("hello");
  EXPECT_EQ(pair.peer.read(5), "hello");
  pair.peer.write_all("world");
  EXPECT_EQ(pair.stream.read(9), "world");
}

TEST_F(ShimStream, ReadsWhatCameBeforeTheFirstRead) {
  Connected pair = connect_to_peer(*guest_);
  pair.peer.write_all("early");
  pair.peer.shutdown_write();
  EXPECT_EQ(pair.stream.read_to_end(), "early");
}

TEST_F(ShimStream, CarriesMegabytesUpAndDownAtOnceUnchanged) {
  Connected pair = connect_to_peer(*guest_);
  const std::string up = pattern(8 << 20, 1);
  const std::string down = pattern(8 << 20, 2);
  std::string got_up;
  std::thread peer_reader([&] { got_up = pair.peer.read(up.size()); });
  std::thread peer_writer([&] { pair.peer.write_all(down); });
  pair.stream.set_nonblock(true);
  std::string got_down;
  size_t sent = 0;
  std::string buffer(100'000, '\0');
  while (sent < up.size() || got_down.size() < down.size()) {
    std::error_code error;
    sent += sent < up.size() ? pair.stream.write(std::string_view(up).substr(sent), error) : 0;
    got_down.append(buffer, 0, pair.stream.read(std::span(buffer), error));
    std::vector<wasi_netd_subscription> interest = {read_of(pair.stream)};
    if (sent < up.size()) interest.push_back(write_of(pair.stream));
    if (got_down.size() == down.size()) interest.erase(interest.begin());
    if (!interest.empty()) guest_->poll(interest);
  }
  peer_reader.join();
  peer_writer.join();
  EXPECT_EQ(got_up, up);
  EXPECT_EQ(got_down, down);
}

TEST_F(ShimStream, ABlockingWriteTakesEverythingHoweverSlowThePeerReads) {
  Connected pair = connect_to_peer(*guest_);
  const std::string sent = pattern(16 << 20);
  std::string got;
  std::thread reader([&] { got = pair.peer.read(sent.size()); });
  EXPECT_EQ(pair.stream.write(sent), sent.size());
  reader.join();
  EXPECT_EQ(got, sent);
}

TEST_F(ShimStream, ANonBlockingWriteTakesWhatFitsThenAnswersAgain) {
  Connected pair = connect_to_peer(*guest_, WASI_NETD_FDFLAG_NONBLOCK);
  const std::string chunk(300'000, 'x');
  size_t total = 0;
  std::error_code error;
  // The kernel's buffers, the daemon's and the shim's fill up, one after the other.
  for (bool full = false; !full;) {
    const wasi_netd_subscription interest[] = {write_of(pair.stream), after(std::chrono::milliseconds(300))};
    const auto events = guest_->poll(interest);
    full = events.size() == 1 && events[0].type == WASI_NETD_EVENT_CLOCK;
    if (!full) total += pair.stream.write(chunk, error);
  }
  while (pair.stream.write("x", error) == 1) ++total;
  EXPECT_EQ(errno_of(error), WASI_NETD_ERRNO_again);
  std::thread reader([&] { EXPECT_EQ(pair.peer.read(total).size(), total); });
  EXPECT_TRUE(wait_for(write_of(pair.stream)));
  reader.join();
}

TEST_F(ShimStream, ANonBlockingReadAnswersAgainUntilBytesCome) {
  Connected pair = connect_to_peer(*guest_, WASI_NETD_FDFLAG_NONBLOCK);
  EXPECT_EQ(read_errno(pair.stream), WASI_NETD_ERRNO_again);
  pair.peer.write_all("x");
  EXPECT_TRUE(wait_for(read_of(pair.stream)));
  EXPECT_EQ(pair.stream.read(9), "x");
  EXPECT_EQ(read_errno(pair.stream), WASI_NETD_ERRNO_again);
}

TEST_F(ShimStream, WaitAllWaitsForAllAndPeekTakesNothing) {
  Connected pair = connect_to_peer(*guest_);
  const std::string sent = pattern(1 << 20);
  std::thread writer([&] { pair.peer.write_all(sent); });
  EXPECT_EQ(recv(pair.stream, 1000, WASI_NETD_RECV_PEEK | WASI_NETD_RECV_WAITALL), sent.substr(0, 1000));
  EXPECT_EQ(recv(pair.stream, sent.size(), WASI_NETD_RECV_WAITALL), sent);
  writer.join();
}

TEST_F(ShimStream, WaitAllEndsAtTheEnd) {
  Connected pair = connect_to_peer(*guest_);
  pair.peer.write_all("abc");
  pair.peer.shutdown_write();
  EXPECT_EQ(recv(pair.stream, 100, WASI_NETD_RECV_WAITALL), "abc");
  EXPECT_EQ(recv(pair.stream, 100, WASI_NETD_RECV_WAITALL), "");
}

TEST_F(ShimStream, PeekForMoreThanIsReadAheadGivesWhatIsReadAhead) {
  Connected pair = connect_to_peer(*guest_);
  const std::string sent = pattern(1 << 20);
  std::thread writer([&] { pair.peer.write_all(sent); });
  const std::string seen = recv(pair.stream, sent.size(), WASI_NETD_RECV_PEEK | WASI_NETD_RECV_WAITALL);
  EXPECT_GE(seen.size(), size_t{64} << 10);
  EXPECT_EQ(seen, sent.substr(0, seen.size()));
  EXPECT_EQ(recv(pair.stream, sent.size(), WASI_NETD_RECV_WAITALL), sent);
  writer.join();
}

TEST_F(ShimStream, AfterThePeersEndReadsGiveZeroAndWritingGoesOn) {
  Connected pair = connect_to_peer(*guest_);
  pair.peer.shutdown_write();
  EXPECT_EQ(pair.stream.read(9), "");
  EXPECT_EQ(pair.stream.read(9), "");
  pair.stream.write("still here");
  EXPECT_EQ(pair.peer.read(10), "still here");
}

TEST_F(ShimStream, AfterShutdownOfWritingThePeerReadsAllThenTheEndAndReadingGoesOn) {
  Connected pair = connect_to_peer(*guest_);
  const std::string sent = pattern(1 << 20);
  std::string got;
  std::thread reader([&] { got = pair.peer.read_to_end(); });
  pair.stream.write(sent);
  pair.stream.shutdown(WASI_NETD_SHUT_WR);
  reader.join();
  EXPECT_EQ(got, sent);
  EXPECT_EQ(write_errno(pair.stream), WASI_NETD_ERRNO_pipe);
  pair.peer.write_all("answer");
  EXPECT_EQ(pair.stream.read(9), "answer");
}

TEST_F(ShimStream, AfterShutdownOfReadingWhatCameIsReadThenTheEnd) {
  Connected pair = connect_to_peer(*guest_);
  pair.peer.write_all("before");
  EXPECT_TRUE(wait_for(read_of(pair.stream)));
  pair.stream.shutdown(WASI_NETD_SHUT_RD);
  EXPECT_EQ(pair.stream.read(9), "before");
  EXPECT_EQ(pair.stream.read(9), "");
  pair.stream.write("out");
  EXPECT_EQ(pair.peer.read(3), "out");
}

TEST_F(ShimStream, AResetIsAnErrorForEverAndWritesThenBreak) {
  Connected pair = connect_to_peer(*guest_);
  pair.stream.write("x");
  ASSERT_EQ(pair.peer.read(1), "x");
  pair.peer.reset();
  EXPECT_EQ(read_errno(pair.stream), WASI_NETD_ERRNO_connreset);
  EXPECT_EQ(read_errno(pair.stream), WASI_NETD_ERRNO_connreset);
  EXPECT_EQ(write_errno(pair.stream), WASI_NETD_ERRNO_pipe);
  EXPECT_EQ(errno_of_throw([&] { pair.stream.shutdown(WASI_NETD_SHUT_WR); }), WASI_NETD_ERRNO_notconn);
}

TEST_F(ShimStream, AWriterLearnsOfAResetBehindBytesThatItDoesNotReadAndReadsThemAllTheSame) {
  Connected pair = connect_to_peer(*guest_);
  const std::string sent = pattern(150'000);
  pair.peer.write_all(sent);
  pair.stream.write("x");
  ASSERT_EQ(pair.peer.read(1), "x");
  pair.peer.wait_until_delivered();
  pair.peer.reset();
  eventually([&] { return write_errno(pair.stream) == WASI_NETD_ERRNO_pipe; });
  const wasi_netd_subscription writable = write_of(pair.stream);
  const auto events = guest_->poll({&writable, 1});
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].flags, WASI_NETD_EVENT_HANGUP);
  std::string got;
  std::string buffer(64 * 1024, '\0');
  std::error_code error;
  while (const size_t n = pair.stream.read(std::span(buffer), error)) got.append(buffer, 0, n);
  EXPECT_EQ(errno_of(error), WASI_NETD_ERRNO_connreset);
  EXPECT_TRUE(got == sent) << got.size();
}

TEST_F(ShimStream, CloseDeliversWhatWasWritten) {
  Connected pair = connect_to_peer(*guest_);
  const std::string sent = pattern(200'000);
  pair.stream.write(sent);
  pair.stream.close();
  EXPECT_EQ(pair.peer.read_to_end(), sent);
}

TEST_F(ShimStream, AGuestThatWritesAndEndsAtOnceHasAllDelivered) {
  Connected pair = connect_to_peer(*guest_);
  const std::string sent = pattern(1 << 20);
  std::string got;
  std::thread reader([&] { got = pair.peer.read_to_end(); });
  pair.stream.write(sent);
  pair.stream.release();  // the guest's end closes it
  guest_.reset();
  reader.join();
  EXPECT_EQ(got, sent);
}

TEST_F(ShimStream, AnAbortedGuestsPeerSeesAReset) {
  Connected pair = connect_to_peer(*guest_);
  pair.stream.write("half");
  ASSERT_EQ(pair.peer.read(4), "half");
  pair.stream.release();
  guest_->abort();
  pair.peer.wait(POLLIN);
  EXPECT_EQ(pair.peer.read_error(), ECONNRESET);
}

TEST_F(ShimStream, TheStreamOutlivesItsConnectionFd) {
  Connected pair = connect_to_peer(*guest_);  // which has closed it
  pair.peer.write_all("alive");
  EXPECT_EQ(pair.stream.read(9), "alive");
}

TEST_F(ShimStream, ShutdownOfTheConnectionEndsItNow) {
  const NativeSocket listener = native_listen(native_ip("127.0.0.1", 0));
  Fd connection = guest_->connect(any_control(*guest_), address(listener));
  Fd stream = connection.stream();
  NativeSocket peer = NativeSocket(::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC));
  connection.shutdown(WASI_NETD_SHUT_RD | WASI_NETD_SHUT_WR);
  peer.wait(POLLIN);
  EXPECT_NE(peer.write_error(), EAGAIN);
  EXPECT_NE(write_errno(stream), WASI_NETD_ERRNO_again);
}

constexpr uint64_t kReadOnly = uint64_t{1} << WASI_NETD_RIGHT_BIT_fd_read;
constexpr uint64_t kWriteOnly = uint64_t{1} << WASI_NETD_RIGHT_BIT_fd_write;

TEST_F(ShimStream, AWeakerTwinMayNotDoWhatItLacks) {
  Connected pair = connect_to_peer(*guest_);
  Fd reader = pair.stream.restricted(kReadOnly);
  EXPECT_EQ(write_errno(reader), WASI_NETD_ERRNO_notcapable);
  EXPECT_EQ(errno_of_throw([&] { reader.shutdown(WASI_NETD_SHUT_WR); }), WASI_NETD_ERRNO_notcapable);
  reader.close();
  EXPECT_EQ(errno_of_throw([&] { reader.shutdown(WASI_NETD_SHUT_WR); }), WASI_NETD_ERRNO_badf);
}

TEST_F(ShimStream, TwinsTakeTurnsWithTheBytesOfOneStream) {
  Connected pair = connect_to_peer(*guest_);
  Fd reader = pair.stream.restricted(kReadOnly);
  Fd writer = pair.stream.restricted(kWriteOnly);
  pair.peer.write_all("onetwothree");
  EXPECT_EQ(reader.read(3), "one");
  EXPECT_EQ(pair.stream.read(3), "two");
  EXPECT_EQ(reader.read(9), "three");
  pair.stream.write("a");
  writer.write("b");
  pair.stream.write("c");
  EXPECT_EQ(pair.peer.read(3), "abc");
}

TEST_F(ShimStream, ATwinGoesOnWhereTheFdThatReadAheadWasClosed) {
  const auto before = daemon_->counts().handles;
  Connected pair = connect_to_peer(*guest_);
  Fd reader = pair.stream.restricted(kReadOnly);
  pair.peer.write_all("onetwo");
  EXPECT_EQ(pair.stream.read(3), "one");
  pair.stream.write("last");
  pair.stream.close();
  EXPECT_EQ(pair.peer.read(4), "last");
  EXPECT_EQ(reader.read(9), "two");
  EXPECT_EQ(write_errno(reader), WASI_NETD_ERRNO_notcapable);
  pair.peer.write_all("three");
  EXPECT_EQ(reader.read(9), "three");
  reader.close();
  EXPECT_EQ(pair.peer.read_to_end(), "");
  eventually([&] { return daemon_->counts().handles == before; });
}

TEST_F(ShimStream, ATwinOutlivesAFirstFdThatWasNeverUsed) {
  Connected pair = connect_to_peer(*guest_);
  Fd reader = pair.stream.restricted(kReadOnly);
  pair.stream.close();
  pair.peer.write_all("read");
  EXPECT_EQ(reader.read(9), "read");
}

TEST_F(ShimStream, RightsThatTheFirstFdGivesUpStayWithItsTwin) {
  Connected pair = connect_to_peer(*guest_);
  Fd writer = pair.stream.restricted(kWriteOnly);
  writer.write("a");
  ASSERT_EQ(wasi_netd_fdstat_set_rights(guest_->get(), pair.stream.number(), kReadOnly, 0), WASI_NETD_ERRNO_success);
  EXPECT_EQ(write_errno(pair.stream), WASI_NETD_ERRNO_notcapable);
  EXPECT_EQ(errno_of_throw([&] { pair.stream.restricted(kWriteOnly); }), WASI_NETD_ERRNO_notcapable);
  writer.write("b");
  EXPECT_EQ(pair.peer.read(2), "ab");
  pair.peer.write_all("in");
  EXPECT_EQ(pair.stream.read(9), "in");
}

// ---- a Transfer that the daemon refuses

// Room for one stream's Transfer: every other is refused.
class ShimRefusedStream : public ShimStream {
 protected:
  void SetUp() override {
    const std::string one_stream = std::to_string(policy::kLeastBuffers >> 10) + "KiB";
    start_daemon(std::string(kLoopbackPolicy) + "limits: {buffers: " + one_stream + "}\n");
    tenant_.emplace(socket_path());
    guest_.emplace(*tenant_);
    taker_ = connect_to_peer(*guest_);
    taker_.stream.write("x");
    EXPECT_EQ(taker_.peer.read(1), "x");
  }
  // Gives the room back; what waits for it asks again until the daemon has noticed.
  void make_room() { taker_.stream.close(); }
  template <class Call>
  static void until_not(wasi_netd_errno refused, Call call) {
    eventually([&] {
      const wasi_netd_errno error = errno_of_throw(call);
      EXPECT_TRUE(error == refused || error == WASI_NETD_ERRNO_success) << wasi_netd_errno_name(error);
      return error != refused;
    });
  }

  Connected taker_;
};

TEST_F(ShimRefusedStream, ABlockingWriteWithoutBuffersTakesNothingAndThePeerGetsNoHole) {
  Connected pair = connect_to_peer(*guest_);
  const std::string sent = pattern(1 << 20);
  std::error_code error;
  EXPECT_EQ(pair.stream.write(sent, error), 0u);
  EXPECT_EQ(errno_of(error), WASI_NETD_ERRNO_nobufs);
  EXPECT_EQ(pair.stream.write(sent, error), 0u);
  EXPECT_EQ(errno_of(error), WASI_NETD_ERRNO_nobufs) << "told anew for each use";
  make_room();
  std::string got;
  std::thread reader([&] { got = pair.peer.read_to_end(); });
  until_not(WASI_NETD_ERRNO_nobufs, [&] { EXPECT_EQ(pair.stream.write(sent), sent.size()); });
  pair.stream.shutdown(WASI_NETD_SHUT_WR);
  reader.join();
  EXPECT_EQ(got, sent);
}

TEST_F(ShimRefusedStream, ANonBlockingWriteWithoutBuffersTakesNothing) {
  Connected pair = connect_to_peer(*guest_, WASI_NETD_FDFLAG_NONBLOCK);
  std::error_code error;
  EXPECT_EQ(pair.stream.write("early", error), 0u);
  EXPECT_EQ(errno_of(error), WASI_NETD_ERRNO_nobufs);
  make_room();
  until_not(WASI_NETD_ERRNO_nobufs, [&] { EXPECT_EQ(pair.stream.write("whole"), 5u); });
  pair.stream.close();
  EXPECT_EQ(pair.peer.read_to_end(), "whole");
}

TEST_F(ShimRefusedStream, AShutdownWithoutBuffersHasNotHappened) {
  Connected pair = connect_to_peer(*guest_);
  for (const uint32_t how : {WASI_NETD_SHUT_WR, WASI_NETD_SHUT_RD}) {
    EXPECT_EQ(errno_of_throw([&] { pair.stream.shutdown(how); }), WASI_NETD_ERRNO_nobufs);
  }
  make_room();
  until_not(WASI_NETD_ERRNO_nobufs, [&] { pair.stream.write("open"); });
  pair.peer.write_all("both ways");
  EXPECT_EQ(pair.stream.read(9), "both ways");
  pair.stream.shutdown(WASI_NETD_SHUT_WR);
  EXPECT_EQ(pair.peer.read_to_end(), "open");
}

TEST_F(ShimRefusedStream, ClosingItGivesItsHandleBack) {
  const size_t before = daemon_->counts().handles;
  Connected told = connect_to_peer(*guest_);
  EXPECT_EQ(write_errno(told.stream), WASI_NETD_ERRNO_nobufs);
  told.stream.close();
  EXPECT_EQ(told.peer.read_to_end(), "");
  Connected untold = connect_to_peer(*guest_, WASI_NETD_FDFLAG_NONBLOCK);
  std::error_code error;
  char byte = 0;
  untold.stream.read({&byte, 1}, error);  // `again` or already refused
  untold.stream.close();
  EXPECT_EQ(untold.peer.read_to_end(), "");
  eventually([&] { return daemon_->counts().handles == before; });
}

// A daemon that gives a closed stream's last bytes little time.
class ShimClosedStream : public ShimStream {
 protected:
  void SetUp() override {
    start_daemon(kLoopbackPolicy, std::chrono::milliseconds(200));
    tenant_.emplace(socket_path());
    guest_.emplace(*tenant_);
    before_ = daemon_->counts();
  }
  // A stream on which no further byte can leave: all buffers up to the guest are full, and the peer does not read.
  Connected full_stream() {
    Connected pair = connect_to_peer(*guest_, WASI_NETD_FDFLAG_NONBLOCK);
    const std::string chunk(64 * 1024, 'x');
    for (bool full = false; !full;) {
      std::error_code error;
      const wasi_netd_subscription interest[] = {write_of(pair.stream), after(std::chrono::milliseconds(100))};
      const auto events = guest_->poll(interest);
      full = events.size() == 1 && events[0].type == WASI_NETD_EVENT_CLOCK;
      while (!full && pair.stream.write(chunk, error) != 0) {
      }
    }
    return pair;
  }
  void expect_all_given_back() {
    eventually([&] {
      const Daemon::Counts now = daemon_->counts();
      return now.connections == 0 && now.buffers == 0 && now.handles == before_.handles;
    });
  }
  Daemon::Counts before_;
};

TEST_F(ShimClosedStream, CLOSE_5_APeerThatDoesNotReadHoldsNoQuotaOfTheGuestForEver) {
  std::vector<Connected> pairs;
  for (int i = 0; i < 3; ++i) {
    pairs.push_back(full_stream());
    pairs.back().stream.close();
  }
  expect_all_given_back();
  for (Connected& pair : pairs) {  // cut off, as the peer can see
    const int error = [&] {
      std::string buffer(1 << 20, '\0');
      for (;;) {
        const ssize_t n = ::recv(pair.peer.fd(), buffer.data(), buffer.size(), 0);
        if (n <= 0) return n == 0 ? 0 : errno;
      }
    }();
    EXPECT_EQ(error, ECONNRESET);
  }
}

TEST_F(ShimClosedStream, BytesThatThePeerTakesInTimeArrive) {
  Connected pair = connect_to_peer(*guest_);
  const std::string sent = pattern(200'000);
  pair.stream.write(sent);
  pair.stream.close();
  EXPECT_EQ(pair.peer.read_to_end(), sent);
  pair.peer.close();
  expect_all_given_back();
}

TEST_F(ShimStream, TheFirstNonBlockingWriteOfAFreshStreamTakesBytes) {
  Connected pair = connect_to_peer(*guest_, WASI_NETD_FDFLAG_NONBLOCK);
  EXPECT_EQ(pair.stream.write("first"), 5u);
  EXPECT_EQ(pair.peer.read(5), "first");
}

TEST_F(ShimStream, RightsThatAreGivenUpTakeNoBytesWithThem) {
  Connected pair = connect_to_peer(*guest_);
  const std::string bytes = pattern(200'000, 3);
  pair.stream.write(bytes);
  client::check(wasi_netd_fdstat_set_rights(guest_->get(), pair.stream.number(), uint64_t{1} << 1, 0), "set_rights");
  std::error_code error;
  pair.stream.write("more", error);
  EXPECT_EQ(error.value(), WASI_NETD_ERRNO_notcapable);
  pair.stream.close();
  EXPECT_EQ(pair.peer.read_to_end(), bytes);
}

TEST_F(ShimStream, WhoGaveUpReadingGoesOnWritingWhateverThePeerSends) {
  Connected pair = connect_to_peer(*guest_);
  pair.stream.write("a");
  EXPECT_EQ(pair.peer.read(1), "a");
  const uint64_t rights = uint64_t{1} << WASI_NETD_RIGHT_BIT_fd_write;
  client::check(wasi_netd_fdstat_set_rights(guest_->get(), pair.stream.number(), rights, 0), "set_rights");
  for (int i = 0; i < 50; ++i) {
    pair.peer.write_all(std::string(10'000, 'x'));
    pair.stream.write("b");
    EXPECT_EQ(pair.peer.read(1), "b");
  }
}

TEST_F(ShimStream, EveryHandleComesBackWhenAllIsClosed) {
  const size_t before = daemon_->counts().handles;
  for (int i = 0; i < 20; ++i) {
    Connected pair = connect_to_peer(*guest_);
    pair.stream.write("x");
    pair.stream.shutdown(WASI_NETD_SHUT_WR);
    EXPECT_EQ(pair.peer.read_to_end(), "x");
    pair.peer.close();
    EXPECT_EQ(pair.stream.read(1), "");
  }
  eventually([&] { return daemon_->counts().handles == before && daemon_->counts().connections == 0; });
}

TEST_F(ShimStream, UnixStreamsCarryTheSame) {
  const std::string name = "@shim-test-" + std::to_string(::getpid());
  const NativeSocket listener = native_listen(native_unix(name));
  const Fd control = guest_->open(guest_->protocol("local"), "@shim-test-client-" + std::to_string(::getpid()));
  Fd stream = guest_->connect(control, name).stream();
  NativeSocket peer = NativeSocket(::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC));
  stream.write("ping");
  EXPECT_EQ(peer.read(4), "ping");
  peer.write_all("pong");
  peer.close();
  EXPECT_EQ(stream.read_to_end(), "pong");
}

}  // namespace
}  // namespace wasi_netd::test
