// The calls of modules networking and networking_ext, and what an fd is: kinds, rights, numbers, refusals.
#include "daemon/broker/rights.h"
#include "tests/rpc/shim/shim_test.h"

namespace wasi_netd::test {
namespace {

class ShimNetwork : public OneGuest {
 protected:
  wasi_netd_errno connect_errno(const Fd& control, std::string_view to) {
    std::error_code error;
    guest_->connect(control, to, error);
    return errno_of(error);
  }
  wasi_netd_errno open_errno(int32_t protocol, std::string_view at, uint32_t fdflags = 0) {
    std::error_code error;
    guest_->open(protocol, at, error, fdflags);
    return errno_of(error);
  }
  wasi_netd_fdstat stat(const Fd& fd) {
    wasi_netd_fdstat out{};
    client::check(wasi_netd_fdstat_get(guest_->get(), fd.number(), &out), "fdstat");
    return out;
  }
  template <class Get, class... Arguments>
  std::string text(Get get, Arguments... arguments) {
    std::string out(1000, '\0');
    size_t size = 0;
    client::check(get(guest_->get(), arguments..., out.data(), out.size(), &size), "text");
    return out.substr(0, size);
  }
};

TEST_F(ShimNetwork, ProtocolsStandFromThreeOnSortedByName) {
  EXPECT_EQ(text(wasi_netd_protocol_list), "local:3,net:4");
  EXPECT_EQ(guest_->protocol("net"), 4);
  EXPECT_EQ(errno_of_throw([&] { guest_->protocol("nothing"); }), WASI_NETD_ERRNO_noent);
}

TEST_F(ShimNetwork, ATextThatDoesNotFitTellsItsLengthAndCopiesNothing) {
  char buffer[4] = "abc";
  size_t size = 0;
  EXPECT_EQ(wasi_netd_protocol_list(guest_->get(), buffer, 3, &size), WASI_NETD_ERRNO_overflow);
  EXPECT_EQ(size, 13u);
  EXPECT_STREQ(buffer, "abc");
}

TEST_F(ShimNetwork, ANewFdHasTheLowestFreeNumber) {
  Fd first = any_control(*guest_);
  Fd second = any_control(*guest_);
  EXPECT_EQ(first.number(), 5) << "behind both protocols";
  EXPECT_EQ(second.number(), 6);
  first.close();
  EXPECT_EQ(any_control(*guest_).number(), 5);
}

TEST_F(ShimNetwork, PREOPEN_1_NumbersOfStdioThatTheHostLeavesOutAreNeverGiven) {
  Guest guest(*tenant_, {.name = "", .rights = 0, .stdio = {-1, 1, -1}});
  EXPECT_EQ(guest.protocol("local"), 3);
  EXPECT_EQ(guest.open(guest.protocol("net"), "0.0.0.0:0").number(), 5);
  wasi_netd_fdstat stat{};
  EXPECT_EQ(wasi_netd_fdstat_get(guest.get(), 0, &stat), WASI_NETD_ERRNO_badf);
  EXPECT_EQ(wasi_netd_renumber(guest.get(), 3, 2), WASI_NETD_ERRNO_badf);
}

TEST_F(ShimNetwork, RenumberMovesAnFdAndClosesTheOther) {
  Connected kept = connect_to_peer(*guest_);
  Connected closed = connect_to_peer(*guest_);
  const int32_t from = kept.stream.release();
  ASSERT_EQ(wasi_netd_renumber(guest_->get(), from, closed.stream.number()), WASI_NETD_ERRNO_success);
  EXPECT_EQ(closed.peer.read_to_end(), "");
  closed.stream.write("moved");
  EXPECT_EQ(kept.peer.read(5), "moved");
  EXPECT_EQ(wasi_netd_renumber(guest_->get(), from, 3), WASI_NETD_ERRNO_badf);
  EXPECT_EQ(wasi_netd_renumber(guest_->get(), 3, 77), WASI_NETD_ERRNO_badf);
  EXPECT_EQ(wasi_netd_renumber(guest_->get(), 3, 3), WASI_NETD_ERRNO_success);
}

TEST_F(ShimNetwork, AConnectionThatIsRefusedSaysSo) {
  const NativeSocket bound = native_bind(native_ip("127.0.0.1", 0));
  EXPECT_EQ(connect_errno(any_control(*guest_), address(bound)), WASI_NETD_ERRNO_connrefused);
}

TEST_F(ShimNetwork, WhatThePolicyDeniesIsAcces) {
  EXPECT_EQ(connect_errno(any_control(*guest_), "192.0.2.1:80"), WASI_NETD_ERRNO_acces);
  EXPECT_EQ(open_errno(guest_->protocol("net"), "127.0.0.1:0"), WASI_NETD_ERRNO_success);
  EXPECT_EQ(open_errno(guest_->protocol("net"), "127.0.0.2:80"), WASI_NETD_ERRNO_acces);
}

TEST_F(ShimNetwork, TextThatIsNotUtf8NeverLeavesTheShim) {
  EXPECT_EQ(connect_errno(any_control(*guest_), "\xFF:80"), WASI_NETD_ERRNO_ilseq);
  EXPECT_EQ(open_errno(guest_->protocol("net"), std::string_view("0.0.0.0\0:0", 10)), WASI_NETD_ERRNO_ilseq);
  EXPECT_EQ(connect_errno(any_control(*guest_), std::string(5000, 'a')), WASI_NETD_ERRNO_nametoolong);
}

TEST_F(ShimNetwork, EveryCallAnswersBadfForANumberThatIsNotOpen) {
  wasi_netd_guest* const g = guest_->get();
  for (const int32_t fd : {-1, 99, INT32_MAX, INT32_MIN}) {
    int32_t out = -7;
    size_t size = 0;
    uint32_t word = 0;
    char buffer[8];
    wasi_netd_fdstat stat{};
    const wasi_netd_errno answers[] = {
        wasi_netd_open(g, fd, "0.0.0.0:0", 9, WASI_NETD_SOCKET_STREAM, 0, 0, 0, &out),
        wasi_netd_listen(g, fd, 0),
        wasi_netd_accept(g, fd, &out),
        wasi_netd_connect(g, fd, "127.0.0.1:1", 11, &out),
        wasi_netd_stream_create(g, fd, 0, 0, 0, &out),
        wasi_netd_stream_accept(g, fd, &out),
        wasi_netd_local_address(g, fd, buffer, 8, &size),
        wasi_netd_peer_address(g, fd, buffer, 8, &size),
        wasi_netd_connection_info(g, fd, buffer, 8, &size),
        wasi_netd_resolve(g, fd, "x", 1, buffer, 8, &size),
        wasi_netd_restrict(g, fd, 0, 0, &out),
        wasi_netd_set_option(g, fd, 1, 1),
        wasi_netd_get_option(g, fd, 1, &word),
        wasi_netd_read(g, fd, nullptr, 0, &size),
        wasi_netd_write(g, fd, nullptr, 0, &size),
        wasi_netd_recv(g, fd, nullptr, 0, 0, &size, &word),
        wasi_netd_send(g, fd, nullptr, 0, &size),
        wasi_netd_shutdown(g, fd, 3),
        wasi_netd_close(g, fd),
        wasi_netd_renumber(g, fd, fd),
        wasi_netd_fdstat_get(g, fd, &stat),
        wasi_netd_fdstat_set_flags(g, fd, 0),
        wasi_netd_fdstat_set_rights(g, fd, 0, 0),
    };
    for (const wasi_netd_errno answer : answers) EXPECT_EQ(answer, WASI_NETD_ERRNO_badf);
    EXPECT_EQ(out, -7);
  }
}

TEST_F(ShimNetwork, TheWrongKindOfFdIsInval) {
  wasi_netd_guest* const g = guest_->get();
  const Fd control = any_control(*guest_);
  Connected pair = connect_to_peer(*guest_);
  int32_t out = -1;
  size_t size = 0;
  uint32_t word = 0;
  EXPECT_EQ(open_errno(control.number(), "0.0.0.0:0"), WASI_NETD_ERRNO_inval);
  EXPECT_EQ(wasi_netd_listen(g, pair.stream.number(), 0), WASI_NETD_ERRNO_inval);
  EXPECT_EQ(wasi_netd_stream_create(g, control.number(), 0, 0, 0, &out), WASI_NETD_ERRNO_inval);
  EXPECT_EQ(wasi_netd_read(g, control.number(), nullptr, 0, &size), WASI_NETD_ERRNO_inval);
  EXPECT_EQ(wasi_netd_write(g, guest_->protocol("net"), nullptr, 0, &size), WASI_NETD_ERRNO_inval);
  EXPECT_EQ(wasi_netd_recv(g, control.number(), nullptr, 0, 0, &size, &word), WASI_NETD_ERRNO_inval);
  EXPECT_EQ(wasi_netd_shutdown(g, control.number(), 3), WASI_NETD_ERRNO_inval);
}

TEST_F(ShimNetwork, ANetworkCallOnStdioIsNotsock) {
  Guest guest(*tenant_, {.name = "", .rights = 0, .stdio = {0, 1, 2}});
  wasi_netd_guest* const g = guest.get();
  int32_t out = -1;
  size_t size = 0;
  uint32_t word = 0;
  EXPECT_EQ(wasi_netd_open(g, 1, "0.0.0.0:0", 9, 6, 0, 0, 0, &out), WASI_NETD_ERRNO_notsock);
  EXPECT_EQ(wasi_netd_accept(g, 0, &out), WASI_NETD_ERRNO_notsock);
  EXPECT_EQ(wasi_netd_recv(g, 0, nullptr, 0, 0, &size, &word), WASI_NETD_ERRNO_notsock);
  EXPECT_EQ(wasi_netd_shutdown(g, 2, 1), WASI_NETD_ERRNO_notsock);
  EXPECT_EQ(wasi_netd_set_option(g, 2, 1, 1), WASI_NETD_ERRNO_notsock);
  wasi_netd_fdstat stat{};
  EXPECT_EQ(wasi_netd_fdstat_get(g, 1, &stat), WASI_NETD_ERRNO_success);
  EXPECT_EQ(stat.kind, WASI_NETD_KIND_STDIO);
}

TEST_F(ShimNetwork, BadArgumentsAreInval) {
  wasi_netd_guest* const g = guest_->get();
  const int32_t net = guest_->protocol("net");
  Connected pair = connect_to_peer(*guest_);
  int32_t out = -1;
  size_t size = 0;
  uint32_t word = 0;
  EXPECT_EQ(wasi_netd_open(g, net, "0.0.0.0:0", 9, 3, 0, 0, 0, &out), WASI_NETD_ERRNO_inval);
  EXPECT_EQ(open_errno(net, "0.0.0.0:0", 1), WASI_NETD_ERRNO_inval);
  EXPECT_EQ(wasi_netd_open(g, net, nullptr, 9, 6, 0, 0, 0, &out), WASI_NETD_ERRNO_inval);
  EXPECT_EQ(wasi_netd_open(g, net, "x", 1, 6, 0, 0, 0, nullptr), WASI_NETD_ERRNO_inval);
  EXPECT_EQ(wasi_netd_open(nullptr, net, "x", 1, 6, 0, 0, 0, &out), WASI_NETD_ERRNO_inval);
  EXPECT_EQ(wasi_netd_shutdown(g, pair.stream.number(), 0), WASI_NETD_ERRNO_inval);
  EXPECT_EQ(wasi_netd_shutdown(g, pair.stream.number(), 4), WASI_NETD_ERRNO_inval);
  EXPECT_EQ(wasi_netd_recv(g, pair.stream.number(), nullptr, 0, 8, &size, &word), WASI_NETD_ERRNO_inval);
  EXPECT_EQ(wasi_netd_read(g, pair.stream.number(), nullptr, 1, &size), WASI_NETD_ERRNO_inval);
  const wasi_netd_iovec hole{nullptr, 5};
  EXPECT_EQ(wasi_netd_read(g, pair.stream.number(), &hole, 1, &size), WASI_NETD_ERRNO_fault);
  EXPECT_EQ(wasi_netd_set_option(g, pair.stream.number(), 99, 1), WASI_NETD_ERRNO_noprotoopt);
  EXPECT_EQ(wasi_netd_fdstat_set_flags(g, pair.stream.number(), 1), WASI_NETD_ERRNO_inval);
}

TEST_F(ShimNetwork, NonBlockIsInheritedByConnectionsAndAcceptedStreams) {
  const NativeSocket listener = native_listen(native_ip("127.0.0.1", 0));
  Fd connection = guest_->connect(any_control(*guest_, WASI_NETD_FDFLAG_NONBLOCK), address(listener));
  EXPECT_EQ(stat(connection).flags, WASI_NETD_FDFLAG_NONBLOCK);
  const wasi_netd_subscription decided = write_of(connection);
  guest_->poll({&decided, 1});
  EXPECT_EQ(stat(connection.accept_stream()).flags, WASI_NETD_FDFLAG_NONBLOCK);
}

TEST_F(ShimNetwork, TheOneStreamCanBeTakenOnce) {
  const NativeSocket listener = native_listen(native_ip("127.0.0.1", 0));
  Fd connection = guest_->connect(any_control(*guest_), address(listener));
  const Fd stream = connection.stream();
  std::error_code error;
  connection.stream(error);
  EXPECT_EQ(errno_of(error), WASI_NETD_ERRNO_notsup);
}

TEST_F(ShimNetwork, AddressesAreThoseOfTheSockets) {
  const NativeSocket listener = native_listen(native_ip("127.0.0.1", 0));
  Fd connection = guest_->connect(any_control(*guest_), address(listener));
  NativeSocket peer = NativeSocket(::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC));
  EXPECT_EQ(connection.peer_address(), address(listener));
  EXPECT_EQ(connection.local_address(), "127.0.0.1:" + std::to_string(peer.peer_port()));
  EXPECT_EQ(connection.stream().peer_address(), address(listener));
  EXPECT_EQ(errno_of_throw([&] { any_control(*guest_).peer_address(); }), WASI_NETD_ERRNO_notconn);
  EXPECT_EQ(text(wasi_netd_connection_info, connection.number()), "transport=tcp\n");
}

TEST_F(ShimNetwork, OptionsAreSetAndRead) {
  Connected pair = connect_to_peer(*guest_);
  uint32_t value = 7;
  ASSERT_EQ(wasi_netd_set_option(guest_->get(), pair.stream.number(), WASI_NETD_OPTION_KEEPALIVE, 1), 0);
  ASSERT_EQ(wasi_netd_get_option(guest_->get(), pair.stream.number(), WASI_NETD_OPTION_KEEPALIVE, &value), 0);
  EXPECT_EQ(value, 1u);
}

TEST_F(ShimNetwork, ResolveAnswersWhatThePolicyLetsTheProtocolReach) {
  EXPECT_EQ(text(wasi_netd_resolve, guest_->protocol("net"), "service.test", size_t{12}), "127.0.0.1\n");
  EXPECT_EQ(errno_of_throw([&] { text(wasi_netd_resolve, guest_->protocol("net"), "other.test", size_t{10}); }),
            WASI_NETD_ERRNO_acces);
}

TEST_F(ShimNetwork, RightsAreGivenUpInTheDaemonToo) {
  const Fd control = any_control(*guest_);
  const wasi_netd_fdstat before = stat(control);
  const uint64_t connect = uint64_t{1} << WASI_NETD_RIGHT_BIT_net_connect;
  const auto set = [&](uint64_t base, uint64_t inheriting) {
    return wasi_netd_fdstat_set_rights(guest_->get(), control.number(), base, inheriting);
  };
  ASSERT_EQ(set(before.rights_base & ~connect, before.rights_inheriting), WASI_NETD_ERRNO_success);
  EXPECT_EQ(stat(control).rights_base, before.rights_base & ~connect);
  EXPECT_EQ(connect_errno(control, "127.0.0.1:1"), WASI_NETD_ERRNO_notcapable);
  EXPECT_EQ(set(before.rights_base, before.rights_inheriting), WASI_NETD_ERRNO_notcapable);
}

TEST_F(ShimNetwork, AWeakerProtocolGivesWeakerControls) {
  const uint64_t open = uint64_t{1} << WASI_NETD_RIGHT_BIT_net_open;
  const uint64_t listen = uint64_t{1} << WASI_NETD_RIGHT_BIT_net_listen;
  int32_t weaker = -1;
  ASSERT_EQ(wasi_netd_restrict(guest_->get(), guest_->protocol("net"), open, listen, &weaker), 0);
  const Fd control = guest_->open(weaker, "0.0.0.0:0");
  EXPECT_EQ(stat(control).rights_base, listen);
  EXPECT_EQ(connect_errno(control, "127.0.0.1:1"), WASI_NETD_ERRNO_notcapable);
  EXPECT_EQ(text(wasi_netd_protocol_list), "local:3,net:4") << "names find what the policy gave";
}

TEST_F(ShimNetwork, ACeilingOfTheHostHoldsForEveryProtocol) {
  const uint64_t open = uint64_t{1} << WASI_NETD_RIGHT_BIT_net_open;
  Guest guest(*tenant_, {.name = "", .rights = open, .stdio = {-1, -1, -1}});
  const Fd control = guest.open(guest.protocol("net"), "0.0.0.0:0");
  std::error_code error;
  guest.connect(control, "127.0.0.1:1", error);
  EXPECT_EQ(errno_of(error), WASI_NETD_ERRNO_notcapable);
}

TEST_F(ShimNetwork, TwoGuestsOfATenantServeEachOther) {
  Guest server(*tenant_);
  const Fd listening = server.open(server.protocol("net"), "127.0.0.1:0");
  server.listen(listening);
  const std::string at = listening.local_address();
  std::thread serving([&] {
    Fd stream = server.accept(listening).accept_stream();
    stream.write(stream.read_to_end());
  });
  Fd stream = guest_->connect(any_control(*guest_), at).stream();
  stream.write("echo");
  stream.shutdown(WASI_NETD_SHUT_WR);
  EXPECT_EQ(stream.read_to_end(), "echo");
  serving.join();
}

// ---- preview1's accept

class ShimSockAccept : public OneGuest {
 protected:
  // Of a control that listens, with these rights of what it makes.
  Fd listen(uint64_t inheriting = client::kInherited) {
    Fd control = guest_->open(guest_->protocol("net"), "127.0.0.1:0", 0, inheriting);
    guest_->listen(control);
    const std::string at = control.local_address();
    place_ = native_ip("127.0.0.1", static_cast<uint16_t>(std::stoi(at.substr(at.rfind(':') + 1))));
    return control;
  }
  wasi_netd_errno accept(const Fd& control, uint32_t flags, Fd& stream) {
    int32_t number = -1;
    const wasi_netd_errno error = wasi_netd_sock_accept(guest_->get(), control.number(), flags, &number);
    if (error == WASI_NETD_ERRNO_success) stream = Fd(guest_->get(), number);
    return error;
  }
  // Lets the tenant have `handles`, two of which are the protocols'.
  void limit_handles(int handles) {
    guest_.reset();
    stop_daemon();
    start_daemon(std::string(kLoopbackPolicy) + "limits: {handles: " + std::to_string(handles) + "}\n");
    guest_.emplace(*tenant_);
  }
  void free_a_handle() {
    EXPECT_EQ(wasi_netd_close(guest_->get(), guest_->protocol("local")), WASI_NETD_ERRNO_success);
  }

  NativeAddress place_;
};

TEST_F(ShimSockAccept, APeerWhoseStreamIsOneHandleTooManyIsTheNextAccepts) {
  limit_handles(4);  // with the control and the connection
  const Fd control = listen();
  NativeSocket peer = native_connect(place_);
  peer.write_all("still here");
  Fd stream;
  EXPECT_EQ(accept(control, 0, stream), WASI_NETD_ERRNO_mfile);
  EXPECT_EQ(accept(control, 0, stream), WASI_NETD_ERRNO_mfile);
  const wasi_netd_subscription readable = read_of(control);
  EXPECT_EQ(guest_->poll({&readable, 1}).size(), 1u);
  free_a_handle();
  ASSERT_EQ(accept(control, 0, stream), WASI_NETD_ERRNO_success);
  EXPECT_EQ(stream.read(99), "still here");
  stream.write("answer");
  EXPECT_EQ(peer.read(6), "answer");
}

TEST_F(ShimSockAccept, AConnectionThatWaitsForItsStreamIsAcceptsToo) {
  limit_handles(4);
  const Fd control = listen();
  NativeSocket peer = native_connect(place_);
  Fd stream;
  EXPECT_EQ(accept(control, 0, stream), WASI_NETD_ERRNO_mfile);
  Fd connection = guest_->accept(control);
  free_a_handle();
  stream = connection.accept_stream();
  stream.write("hi");
  EXPECT_EQ(peer.read(2), "hi");
}

TEST_F(ShimSockAccept, AConnectionThatWaitsEndsWithItsControl) {
  limit_handles(4);
  Fd control = listen();
  NativeSocket peer = native_connect(place_);
  Fd stream;
  EXPECT_EQ(accept(control, 0, stream), WASI_NETD_ERRNO_mfile);
  control.close();
  peer.wait(POLLIN);
  peer.close();
  eventually([&] { return daemon_->counts().handles == 2 && daemon_->counts().connections == 0; });
}

TEST_F(ShimSockAccept, ARightThatTheStreamWouldLackIsMissedBeforeAPeerIsTaken) {
  const uint64_t set_flags = uint64_t{1} << WASI_NETD_RIGHT_BIT_fd_fdstat_set_flags;
  const uint64_t stream_accept = uint64_t{1} << WASI_NETD_RIGHT_BIT_net_stream_accept;
  wasi_netd_fdstat stat{};
  client::check(wasi_netd_fdstat_get(guest_->get(), guest_->protocol("net"), &stat), "fdstat_get");
  Fd stream;
  {
    const Fd control = listen(stat.rights_inheriting & ~stream_accept);
    EXPECT_EQ(accept(control, 0, stream), WASI_NETD_ERRNO_notcapable) << "nobody has come, and nothing waits";
  }
  const Fd control = listen(stat.rights_inheriting & ~set_flags);
  NativeSocket peer = native_connect(place_);
  peer.write_all("first");
  EXPECT_EQ(accept(control, WASI_NETD_FDFLAG_NONBLOCK, stream), WASI_NETD_ERRNO_notcapable);
  EXPECT_EQ(accept(control, WASI_NETD_FDFLAG_NONBLOCK << 1, stream), WASI_NETD_ERRNO_inval);
  ASSERT_EQ(accept(control, 0, stream), WASI_NETD_ERRNO_success);
  EXPECT_EQ(stream.read(9), "first");
}

// Each bit of both sets, asked for by an fd that has given all up: dropped where it means nothing for the kind, refused
// where it does. The daemon's table says which.
TEST_F(ShimNetwork, RIGHTS_2_BitsThatMeanNothingAreDroppedBeforeRightsAreWeakened) {
  const NativeSocket listener = native_listen(native_ip("127.0.0.1", 0));
  Fd control = any_control(*guest_);
  Fd connection = guest_->connect(control, address(listener));
  Fd stream = connection.stream();
  Fd used = guest_->connect(control, address(listener)).stream();
  used.write("x");  // its rights travel in its Transfer
  const struct {
    int32_t fd;
    broker::Kind kind;
  } kFds[] = {{guest_->protocol("net"), broker::Kind::kProtocol},
              {control.number(), broker::Kind::kControl},
              {connection.number(), broker::Kind::kConnection},
              {stream.number(), broker::Kind::kStream},
              {used.number(), broker::Kind::kStream}};
  for (const auto& [fd, kind] : kFds) {
    SCOPED_TRACE(static_cast<int>(kind));
    ASSERT_EQ(wasi_netd_fdstat_set_rights(guest_->get(), fd, 0, 0), WASI_NETD_ERRNO_success);
    for (int bit = 0; bit < 64; ++bit) {
      const uint64_t right = uint64_t{1} << bit;
      const auto answer = [&](uint64_t meaningful) {
        return (meaningful & right) != 0 ? WASI_NETD_ERRNO_notcapable : WASI_NETD_ERRNO_success;
      };
      EXPECT_EQ(wasi_netd_fdstat_set_rights(guest_->get(), fd, right, 0), answer(broker::meaningful(kind))) << bit;
      EXPECT_EQ(wasi_netd_fdstat_set_rights(guest_->get(), fd, 0, right), answer(broker::inheritable(kind))) << bit;
      wasi_netd_fdstat now{};
      ASSERT_EQ(wasi_netd_fdstat_get(guest_->get(), fd, &now), WASI_NETD_ERRNO_success);
      EXPECT_EQ(now.rights_base | now.rights_inheriting, 0u) << bit;
    }
  }
}

}  // namespace
}  // namespace wasi_netd::test
