// How guests and daemons come and go: sessions, interrupts, a daemon that goes away and comes back.
#include <future>

#include <netinet/tcp.h>

#include "tests/rpc/shim/shim_test.h"

namespace wasi_netd::test {
namespace {

class ShimLife : public ShimTest {
 protected:
  wasi_netd_errno guest_errno(const std::string& path) {
    const Tenant tenant(path);
    return errno_of_throw([&] { const Guest guest(tenant); });
  }
};

TEST_F(ShimLife, WithoutADaemonAGuestIsRefusedAtOnce) {
  EXPECT_EQ(guest_errno(socket_path()), WASI_NETD_ERRNO_connrefused);
  start_daemon();
  EXPECT_EQ(guest_errno(socket_path()), WASI_NETD_ERRNO_success);
  stop_daemon();
  EXPECT_EQ(guest_errno(socket_path()), WASI_NETD_ERRNO_connrefused);
}

TEST_F(ShimLife, AProcessThatThePolicyDoesNotNameIsNotAdmitted) {
  peers_ = "[{user: 54321}]";
  start_daemon();
  EXPECT_EQ(guest_errno(socket_path()), WASI_NETD_ERRNO_acces);
}

TEST_F(ShimLife, AGuestNameThatThePolicyDoesNotAdmitIsAcces) {
  start_daemon(std::string(kLoopbackPolicy) + "guests:\n  known: {protocols: [net]}\n");
  const Tenant tenant(socket_path());
  EXPECT_EQ(errno_of_throw([&] { const Guest unnamed(tenant); }), WASI_NETD_ERRNO_acces);
  const Guest known(tenant, {.name = "known", .rights = 0, .stdio = {-1, -1, -1}});
  EXPECT_EQ(known.protocol("net"), 3);
}

TEST_F(ShimLife, AFullTenantIsNfile) {
  start_daemon(std::string(kLoopbackPolicy) + "limits: {sessions: 1}\n");
  const Tenant tenant(socket_path());
  {
    const Guest first(tenant);
    EXPECT_EQ(errno_of_throw([&] { const Guest second(tenant); }), WASI_NETD_ERRNO_nfile);
  }
  const Guest third(tenant);
}

TEST_F(ShimLife, ASocketPathThatCannotBeIsInval) {
  EXPECT_EQ(errno_of_throw([] { const Tenant tenant(""); }), WASI_NETD_ERRNO_inval);
  EXPECT_EQ(errno_of_throw([] { const Tenant tenant(std::string(108, 'x')); }), WASI_NETD_ERRNO_inval);
}

TEST_F(ShimLife, ATenantMayBeReleasedBeforeItsGuests) {
  start_daemon();
  std::optional<Tenant> tenant(socket_path());
  Guest guest(*tenant);
  tenant.reset();
  Connected pair = connect_to_peer(guest);
  pair.stream.write("x");
  EXPECT_EQ(pair.peer.read(1), "x");
}

TEST_F(ShimLife, EverythingComesBackWhenGuestsEndInOrderOrNot) {
  start_daemon();
  const Tenant tenant(socket_path());
  for (const bool abrupt : {false, true}) {
    Guest guest(tenant);
    Fd control = any_control(guest);
    Connected pair = connect_to_peer(guest);
    EXPECT_GT(daemon_->counts().handles, 0u);
    if (abrupt) {
      control.release();
      pair.stream.release();
      guest.abort();
    }
  }
  eventually([&] {
    const Daemon::Counts counts = daemon_->counts();
    return counts.sessions == 0 && counts.handles == 0 && counts.connections == 0 && counts.buffers == 0;
  });
}

TEST_F(ShimLife, HundredsOfGuestsShareOneConnection) {
  start_daemon();
  const Tenant tenant(socket_path());
  constexpr size_t kThreads = 4;
  constexpr size_t kGuestsEach = 50;
  std::vector<std::future<void>> threads;
  for (size_t i = 0; i < kThreads; ++i) {
    threads.push_back(std::async(std::launch::async, [&] {
      std::vector<Guest> guests;
      for (size_t j = 0; j < kGuestsEach; ++j) guests.emplace_back(tenant);
      for (Guest& guest : guests) {
        Connected pair = connect_to_peer(guest);
        pair.stream.write("hello");
        ASSERT_EQ(pair.peer.read(5), "hello");
      }
    }));
  }
  for (auto& thread : threads) thread.get();
  EXPECT_LE(daemon_->counts().host_connections, 1u);
}

TEST_F(ShimLife, ThousandsOfReadsAndWritesOfManySizesStayInOrder) {
  start_daemon();
  const Tenant tenant(socket_path());
  Guest guest(tenant);
  Connected pair = connect_to_peer(guest);
  pair.peer.set_option(IPPROTO_TCP, TCP_NODELAY, 1);
  std::thread echo([&] {
    for (std::string piece; !(piece = pair.peer.read(1)).empty();) pair.peer.write_all(piece);
    pair.peer.shutdown_write();
  });
  for (int i = 0; i < 2000; ++i) {
    const std::string sent = pattern(1 + static_cast<size_t>(i) % 7, static_cast<uint32_t>(i));
    pair.stream.write(sent);
    std::string got;
    while (got.size() < sent.size()) got += pair.stream.read(sent.size() - got.size());
    ASSERT_EQ(got, sent);
  }
  pair.stream.shutdown(WASI_NETD_SHUT_WR);
  EXPECT_EQ(pair.stream.read_to_end(), "");
  echo.join();
}

// ---- interrupt

TEST_F(ShimLife, AGuestThatOpensAtADaemonThatNeverAnswersIsInterrupted) {
  const NativeSocket mute = native_listen(native_unix(directory_ / "mute.sock"));
  Tenant tenant(directory_ / "mute.sock");
  auto opening = std::async(std::launch::async, [&] { return errno_of_throw([&] { const Guest guest(tenant); }); });
  const NativeSocket connection(::accept4(mute.fd(), nullptr, nullptr, SOCK_CLOEXEC));
  tenant.interrupt();
  EXPECT_EQ(opening.get(), WASI_NETD_ERRNO_intr);
  EXPECT_EQ(errno_of_throw([&] { const Guest guest(tenant); }), WASI_NETD_ERRNO_intr) << "and every later one";
}

TEST_F(ShimLife, AnInterruptedTenantLeavesItsOpenGuestsAlone) {
  start_daemon();
  Tenant tenant(socket_path());
  Guest guest(tenant);
  tenant.interrupt();
  Connected pair = connect_to_peer(guest);
  pair.stream.write("x");
  EXPECT_EQ(pair.peer.read(1), "x");
}

class ShimInterrupt : public OneGuest {
 protected:
  // Runs a call that blocks for ever on a thread of its own, interrupts it, and returns its answer.
  template <class Call>
  wasi_netd_errno interrupted(Call call) {
    std::promise<void> about_to;
    auto result = std::async(std::launch::async, [&] {
      about_to.set_value();
      return errno_of_throw(call);
    });
    about_to.get_future().wait();
    guest_->interrupt();
    return result.get();
  }
};

TEST_F(ShimInterrupt, EndsARead) {
  Connected pair = connect_to_peer(*guest_);
  EXPECT_EQ(interrupted([&] { pair.stream.read(1); }), WASI_NETD_ERRNO_intr);
  EXPECT_EQ(errno_of_throw([&] { pair.stream.read(1); }), WASI_NETD_ERRNO_intr) << "and every later one";
}

TEST_F(ShimInterrupt, EndsAWrite) {
  Connected pair = connect_to_peer(*guest_);
  const std::string endless(64 << 20, 'x');
  interrupted([&] { pair.stream.write(endless); });
  EXPECT_EQ(errno_of_throw([&] { pair.stream.write("x"); }), WASI_NETD_ERRNO_intr);
  pair.peer.close();
}

TEST_F(ShimInterrupt, EndsAnAccept) {
  const Fd control = guest_->open(guest_->protocol("net"), "127.0.0.1:0");
  guest_->listen(control);
  EXPECT_EQ(interrupted([&] { guest_->accept(control); }), WASI_NETD_ERRNO_intr);
}

TEST_F(ShimInterrupt, EndsAPoll) {
  Connected pair = connect_to_peer(*guest_);
  const wasi_netd_subscription interest = read_of(pair.stream);
  EXPECT_EQ(interrupted([&] { guest_->poll({&interest, 1}); }), WASI_NETD_ERRNO_intr);
  EXPECT_EQ(errno_of_throw([&] { guest_->poll({&interest, 1}); }), WASI_NETD_ERRNO_intr);
}

// ---- the daemon goes away

class ShimDaemonGone : public OneGuest {
 protected:
  template <class Call>
  wasi_netd_errno while_the_daemon_goes(Call call) {
    std::promise<void> about_to;
    auto result = std::async(std::launch::async, [&] {
      about_to.set_value();
      return errno_of_throw(call);
    });
    about_to.get_future().wait();
    stop_daemon();
    return result.get();
  }
};

TEST_F(ShimDaemonGone, ABlockedReadEndsAndTheFdIsDeadUntilItIsClosed) {
  Connected pair = connect_to_peer(*guest_);
  expect_gone(while_the_daemon_goes([&] { pair.stream.read(1); }));
  EXPECT_EQ(errno_of_throw([&] { pair.stream.read(1); }), WASI_NETD_ERRNO_badf);
  EXPECT_EQ(errno_of_throw([&] { pair.stream.write("x"); }), WASI_NETD_ERRNO_badf);
  EXPECT_EQ(errno_of_throw([&] { pair.stream.set_nonblock(true); }), WASI_NETD_ERRNO_badf);
  EXPECT_EQ(wasi_netd_close(guest_->get(), pair.stream.release()), WASI_NETD_ERRNO_success);
}

TEST_F(ShimDaemonGone, ABlockedAcceptEnds) {
  const Fd control = guest_->open(guest_->protocol("net"), "127.0.0.1:0");
  guest_->listen(control);
  expect_gone(while_the_daemon_goes([&] { guest_->accept(control); }));
  EXPECT_EQ(errno_of_throw([&] { guest_->accept(control); }), WASI_NETD_ERRNO_badf);
}

TEST_F(ShimDaemonGone, AGuestEndsWithoutWaiting) {
  Connected pair = connect_to_peer(*guest_);
  pair.stream.write("lost");
  stop_daemon();
  pair.stream.release();
  guest_.reset();
}

TEST_F(ShimDaemonGone, ProtocolsComeBackWithItAndOldFdsStayDead) {
  const int32_t net = guest_->protocol("net");
  Connected old = connect_to_peer(*guest_);
  Fd control = any_control(*guest_);
  stop_daemon();
  expect_gone(errno_of_throw([&] { any_control(*guest_); }));
  EXPECT_EQ(errno_of_throw([&] { any_control(*guest_); }), WASI_NETD_ERRNO_badf);
  start_daemon();
  EXPECT_EQ(guest_->protocol("net"), net);
  Connected fresh = connect_to_peer(*guest_);
  fresh.stream.write("again");
  EXPECT_EQ(fresh.peer.read(5), "again");
  EXPECT_EQ(errno_of_throw([&] { old.stream.read(1); }), WASI_NETD_ERRNO_badf);
  EXPECT_EQ(errno_of_throw([&] { guest_->connect(control, "127.0.0.1:1"); }), WASI_NETD_ERRNO_badf);
}

TEST_F(ShimDaemonGone, RightsThatWereGivenUpStayGivenUp) {
  const int32_t net = guest_->protocol("net");
  const uint64_t open = uint64_t{1} << WASI_NETD_RIGHT_BIT_net_open;
  const uint64_t listen = uint64_t{1} << WASI_NETD_RIGHT_BIT_net_listen;
  ASSERT_EQ(wasi_netd_fdstat_set_rights(guest_->get(), net, open, listen), WASI_NETD_ERRNO_success);
  stop_daemon();
  start_daemon();
  const Fd control = guest_->open(net, "0.0.0.0:0");
  EXPECT_EQ(errno_of_throw([&] { guest_->connect(control, "127.0.0.1:1"); }), WASI_NETD_ERRNO_notcapable);
  EXPECT_EQ(errno_of_throw([&] { guest_->open(net, "0.0.0.0:0", 0, open); }), WASI_NETD_ERRNO_success);
}

class ShimTwinOfAProtocol : public ShimDaemonGone {
 protected:
  // A second fd of the same object, with rights as wide.
  Fd twin_of(int32_t protocol) {
    wasi_netd_fdstat stat{};
    int32_t number = -1;
    client::check(wasi_netd_fdstat_get(guest_->get(), protocol, &stat), "fdstat_get");
    client::check(wasi_netd_restrict(guest_->get(), protocol, stat.rights_base, stat.rights_inheriting, &number),
                  "restrict");
    return {guest_->get(), number};
  }
  wasi_netd_errno open_errno(int32_t protocol) {
    return errno_of_throw([&] { guest_->open(protocol, "0.0.0.0:0"); });
  }
  void restart_daemon(const std::string& policy = kLoopbackPolicy) {
    stop_daemon();
    eventually([&] { return open_errno(guest_->protocol("net")) == WASI_NETD_ERRNO_badf; });  // noticed
    start_daemon(policy);
  }
};

TEST_F(ShimTwinOfAProtocol, ClosedAfterTheDaemonCameBackLeavesTheProtocolAlone) {
  const int32_t net = guest_->protocol("net");
  Fd twin = twin_of(net);
  restart_daemon();
  EXPECT_EQ(open_errno(net), WASI_NETD_ERRNO_success);
  EXPECT_EQ(open_errno(twin.number()), WASI_NETD_ERRNO_success);
  twin.close();
  EXPECT_EQ(open_errno(net), WASI_NETD_ERRNO_success);
  EXPECT_EQ(open_errno(net), WASI_NETD_ERRNO_success);
}

TEST_F(ShimTwinOfAProtocol, OutlivesTheProtocolClosedAfterTheDaemonCameBack) {
  const int32_t net = guest_->protocol("net");
  Fd twin = twin_of(net);
  restart_daemon();
  EXPECT_EQ(open_errno(net), WASI_NETD_ERRNO_success);
  EXPECT_EQ(wasi_netd_close(guest_->get(), net), WASI_NETD_ERRNO_success);
  EXPECT_EQ(open_errno(twin.number()), WASI_NETD_ERRNO_success);
}

TEST_F(ShimTwinOfAProtocol, ThatCouldNotComeBackWithTheDaemonDoesAtItsNextUse) {
  const int32_t net = guest_->protocol("net");
  Fd first = twin_of(net);
  Fd second = twin_of(net);
  restart_daemon(std::string(kLoopbackPolicy) + "limits: {handles: 3}\n");  // both protocols and one twin
  EXPECT_EQ(open_errno(second.number()), WASI_NETD_ERRNO_mfile);
  first.close();
  EXPECT_EQ(wasi_netd_close(guest_->get(), guest_->protocol("local")), WASI_NETD_ERRNO_success);
  EXPECT_EQ(open_errno(second.number()), WASI_NETD_ERRNO_success);
}

TEST_F(ShimDaemonGone, AnIdleConnectionThatDiedIsReplaced) {
  guest_.reset();  // nobody is left to notice
  stop_daemon();
  start_daemon();
  Guest guest(*tenant_);
  Connected pair = connect_to_peer(guest);
  pair.stream.write("x");
  EXPECT_EQ(pair.peer.read(1), "x");
}

}  // namespace
}  // namespace wasi_netd::test
