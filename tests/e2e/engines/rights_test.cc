// Who may do what: RIGHTS and KIND rows.
#include <grpcpp/grpcpp.h>

#include "tests/e2e/engines/semantics_test.h"
#include "wasi_netd/v1/broker.grpc.pb.h"

namespace wasi_netd::test {
namespace {

#define WASI_NETD_RIGHT(name, bit, word) constexpr uint64_t name = uint64_t{1} << (bit);
#include "wasi_netd/rights.def"
#undef WASI_NETD_RIGHT

class RightsTest : public SemanticsTest {
 protected:
  uint64_t rights(const std::string& fd, const char* which) {
    return std::stoull("0" + value_of(ask("fdstat " + fd), which), nullptr, 16);
  }
};

// A host with no shim: nothing stands between a guest that took it over and the daemon.
class BareHost {
 public:
  explicit BareHost(const std::string& socket)
      : stub_(v1::Broker::NewStub(grpc::CreateChannel("unix:" + socket, grpc::InsecureChannelCredentials()))) {
    call_ = stub_->OpenSession(&context_);
    v1::SessionRequest hello;
    hello.mutable_hello();
    v1::SessionEvent event;
    if (call_->Write(hello) && call_->Read(&event)) opened_ = event.opened();
  }
  ~BareHost() {
    context_.TryCancel();
    call_->Finish();
  }

  v1::HandleReply open(uint64_t base, uint64_t inheriting) {
    v1::OpenRequest request;
    request.set_protocol(opened_.protocols(0).handle());
    request.set_address("127.0.0.1:0");
    request.set_type(v1::SOCKET_STREAM);
    request.mutable_rights()->set_base(base);
    request.mutable_rights()->set_inheriting(inheriting);
    return call<v1::HandleReply>(&v1::Broker::Stub::Open, request);
  }
  v1::Errno listen(const std::string& control) {
    v1::ListenRequest request;
    request.set_control(control);
    return call<v1::StatusReply>(&v1::Broker::Stub::Listen, request).error();
  }
  v1::Errno connect(const std::string& control) {
    v1::ConnectRequest request;
    request.set_control(control);
    request.set_address("127.0.0.1:1");
    return call<v1::HandleReply>(&v1::Broker::Stub::Connect, request).error();
  }
  v1::Errno set_rights(const std::string& handle, uint64_t base) {
    v1::RightsRequest request;
    request.set_handle(handle);
    request.mutable_rights()->set_base(base);
    return call<v1::StatusReply>(&v1::Broker::Stub::SetRights, request).error();
  }

 private:
  template <class Reply, class Request>
  Reply call(grpc::Status (v1::Broker::Stub::*method)(grpc::ClientContext*, const Request&, Reply*), Request& request) {
    request.set_session(opened_.session());
    grpc::ClientContext context;
    Reply reply;
    const grpc::Status status = ((*stub_).*method)(&context, request, &reply);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return reply;
  }

  std::unique_ptr<v1::Broker::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::SessionRequest, v1::SessionEvent>> call_;
  v1::SessionOpened opened_;
};

TEST_F(RightsTest, RIGHTS_1_ACallWhoseRightIsMissingIsNotCapable) {
  succeed("c= open tcp 127.0.0.1:0 base=none");
  EXPECT_EQ(errno_after("listen c"), "notcapable");
  EXPECT_EQ(errno_after("connect c 127.0.0.1:1"), "notcapable");
  EXPECT_EQ(errno_after("accept c"), "notcapable");
  EXPECT_EQ(errno_after("sockaccept c"), "notcapable");
  EXPECT_EQ(errno_after("local c"), "notcapable");
  EXPECT_EQ(errno_after("setflags c 4"), "notcapable");
  EXPECT_EQ(errno_after("filestat c"), "notcapable");
  EXPECT_THAT(ask("poll 0 c:r"), HasSubstr("r notcapable"));

  NativeSocket peer = connect_guest();
  succeed("n= restrict k none none");
  EXPECT_EQ(errno_after("create n"), "notcapable");
  EXPECT_EQ(errno_after("saccept n"), "notcapable");
  EXPECT_EQ(errno_after("shutdown n rdwr"), "notcapable");
  EXPECT_EQ(errno_after("peer n"), "notcapable");
  EXPECT_EQ(errno_after("info n"), "notcapable");
  EXPECT_EQ(errno_after("getopt n 1"), "notcapable");
  EXPECT_EQ(errno_after("setopt n 1 1"), "notcapable");
  succeed("setrights s none none");
  EXPECT_EQ(errno_after("read s 1"), "notcapable");
  EXPECT_EQ(errno_after("recv s 1"), "notcapable");
  EXPECT_EQ(errno_after("write s x"), "notcapable");
  EXPECT_EQ(errno_after("send s x"), "notcapable");

  succeed("p= restrict tcp none none");
  EXPECT_EQ(errno_after("open p 127.0.0.1:0"), "notcapable");
  EXPECT_EQ(errno_after("resolve p here.example"), "notcapable");
}

TEST_F(RightsTest, RIGHTS_1_TheDaemonItselfRefusesAHostThatHasNoShim) {
  BareHost host(socket());
  const v1::HandleReply control = host.open(net_connect, 0);
  ASSERT_EQ(control.error(), v1::SUCCESS);
  EXPECT_EQ(host.listen(control.handle()), v1::NOTCAPABLE);
  EXPECT_EQ(host.connect(control.handle()), v1::CONNREFUSED);
}

TEST_F(RightsTest, RIGHTS_2_RightsWithoutMeaningAreDropped) {
  // A control neither reads nor resolves, and nothing made from it opens.
  succeed("c= open tcp 127.0.0.1:0 base=listen+read+resolve inh=read+open");
  EXPECT_EQ(rights("c", "base"), net_listen);
  EXPECT_EQ(rights("c", "inh"), fd_read);
  succeed("d= restrict c listen+write none");
  EXPECT_EQ(rights("d", "base"), net_listen);
}

TEST_F(RightsTest, RIGHTS_4_WhatIsMadeWithoutAskingInheritsAll) {
  NativeSocket listener = native_listen(native_ip("127.0.0.1", 0));
  succeed("c= open tcp 127.0.0.1:0 inh=read+write+poll+stream_create+stream_accept+stat");
  const uint64_t inheriting = rights("c", "inh");
  succeed("k= connect c " + address_of(listener));
  // Of both, what means something for the kind.
  EXPECT_EQ(rights("k", "base"),
            inheriting & (poll_fd_readwrite | net_stream_create | net_stream_accept | fd_filestat_get));
  EXPECT_EQ(rights("k", "inh"), inheriting & (fd_read | fd_write | poll_fd_readwrite | fd_filestat_get));
  succeed("s= saccept k");
  EXPECT_EQ(rights("s", "base"), rights("k", "inh"));

  NativeAddress place = listen_guest();
  NativeSocket peer = native_connect(place);
  succeed("m= accept l");
  EXPECT_EQ(rights("m", "inh"), rights("l", "inh") & (fd_read | fd_write | poll_fd_readwrite | fd_filestat_get |
                                                      sock_shutdown | fd_fdstat_set_flags));
}

TEST_F(RightsTest, RIGHTS_5_NarrowedRightsStayNarrow) {
  NativeSocket peer = connect_guest();
  succeed("setrights s read none");
  EXPECT_EQ(rights("s", "base"), fd_read);
  EXPECT_EQ(errno_after("write s x"), "notcapable");
  EXPECT_EQ(errno_after("setrights s read+write none"), "notcapable");
  EXPECT_EQ(rights("s", "base"), fd_read);
  peer.write_all("still");
  EXPECT_EQ(ask("read s 10"), "success n=5 data=still");
}

TEST_F(RightsTest, RIGHTS_5_TheTokenIsNarrowedInTheDaemon) {
  BareHost host(socket());
  const v1::HandleReply control = host.open(net_connect | net_listen, 0);
  ASSERT_EQ(control.error(), v1::SUCCESS);
  EXPECT_EQ(host.set_rights(control.handle(), net_connect), v1::SUCCESS);
  EXPECT_EQ(host.listen(control.handle()), v1::NOTCAPABLE);
  EXPECT_EQ(host.set_rights(control.handle(), net_connect | net_listen), v1::NOTCAPABLE);
  EXPECT_EQ(host.listen(control.handle()), v1::NOTCAPABLE);
}

TEST_F(RightsTest, RIGHTS_6_RestrictMakesASecondWeakerFd) {
  succeed("c= open tcp 127.0.0.1:0 base=listen+stat");
  const std::string before = ask("fdstat c");
  succeed("d= restrict c stat none");
  EXPECT_EQ(errno_after("listen d"), "notcapable");
  EXPECT_EQ(ask("local d"), ask("local c"));
  EXPECT_EQ(ask("fdstat c"), before);
  succeed("close d");
  succeed("listen c");
  EXPECT_EQ(errno_after("restrict c listen+connect none"), "notcapable");
}

TEST_F(RightsTest, RIGHTS_6_AWeakerFdOfAStreamGoesOnWhereTheFirstWasClosed) {
  const NativeSocket listener = native_listen(native_ip("127.0.0.1", 0));
  succeed("c= open tcp 0.0.0.0:0");
  succeed("k= connect c 127.0.0.1:" + std::to_string(listener.local_port()));
  succeed("s= create k");
  NativeSocket peer = NativeSocket(::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC));
  peer.write_all("onetwo");
  EXPECT_EQ(ask("read s 3"), "success n=3 data=one");
  succeed("r= restrict s read+poll none");
  succeed("close s");
  EXPECT_EQ(ask("read r 9"), "success n=3 data=two");
  EXPECT_EQ(errno_after("write r x"), "notcapable");
  peer.write_all("three");
  succeed("poll - r:r");
  EXPECT_EQ(ask("read r 9"), "success n=5 data=three");
  succeed("close r");
  succeed("close k");
  EXPECT_EQ(peer.read_to_end(), "");
}

TEST_F(RightsTest, KIND_1_ANetworkingCallOnStdioIsNotASocket) {
  for (const char* command :
       {"listen 0", "accept 1", "connect 2 127.0.0.1:1", "create 0", "saccept 0", "open 0 127.0.0.1:0", "local 0",
        "peer 0", "info 0", "resolve 0 here.example", "restrict 0 none none", "setopt 0 1 1", "getopt 0 1", "recv 0 1",
        "send 1 x", "shutdown 1 wr", "sockaccept 0", "sendto 0 127.0.0.1:1 x", "recvfrom 0 1"}) {
    EXPECT_EQ(errno_after(command), "notsock") << command;
  }
}

TEST_F(RightsTest, KIND_3_EveryCallOnAnUnknownFdIsBad) {
  for (const char* command : {"listen 99",
                              "accept 99",
                              "connect 99 127.0.0.1:1",
                              "create 99",
                              "saccept 99",
                              "open 99 127.0.0.1:0",
                              "local 99",
                              "peer 99",
                              "info 99",
                              "resolve 99 here.example",
                              "restrict 99 none none",
                              "setopt 99 1 1",
                              "getopt 99 1",
                              "read 99 1",
                              "write 99 x",
                              "recv 99 1",
                              "send 99 x",
                              "shutdown 99 wr",
                              "sockaccept 99",
                              "sendto 99 127.0.0.1:1 x",
                              "recvfrom 99 1",
                              "uni 99",
                              "dgram 99",
                              "close 99",
                              "renumber 99 0",
                              "renumber 0 99",
                              "fdstat 99",
                              "setflags 99 0",
                              "setrights 99 none none",
                              "filestat 99",
                              "prestat 99",
                              "seek 99",
                              "tell 99",
                              "sync 99",
                              "close -1"}) {
    EXPECT_EQ(errno_after(command), "badf") << command;
  }
}

}  // namespace
}  // namespace wasi_netd::test
