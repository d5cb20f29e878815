// Bytes that are no text, from peers and from hosts.
#include <fstream>
#include <future>
#include <sstream>

#include <grpcpp/generic/generic_stub.h>

#include "policy/printable.h"
#include "tests/rpc/broker/client.h"

namespace wasi_netd::test {
namespace {

class TextTest : public testing::Test {
 protected:
  void SetUp() override {
    daemon_.add_tenant("acme",
                       "protocols:\n"
                       "  any: {transport: unix, open: {allow: [\"@text-test-*\"]}, accept: {allow: [\"*\"]}}\n"
                       "  known: {transport: unix, open: {allow: [\"@text-test-*\"]}, accept: {allow: "
                       "[\"@text-test-*\"]}}\n");
    daemon_.start();
  }
  static std::string name(const std::string& rest) { return "@text-test-" + std::to_string(::getpid()) + rest; }
  static NativeSocket connect(const std::string& from, const std::string& to) {
    NativeSocket peer = native_bind(native_unix(from));
    const NativeAddress target = native_unix(to);
    if (::connect(peer.fd(), target.get(), target.size) != 0) throw_errno("connect");
    return peer;
  }
  std::string audit() const {
    std::stringstream text;
    text << std::ifstream(daemon_.audit_file()).rdbuf();
    return text.str();
  }

  InProcessDaemon daemon_;
};

TEST_F(TextTest, PEER_2_APeerWhoseNameIsNoTextHasNone) {
  Host host(daemon_.socket_path("acme"));
  RawSession session(host);
  const auto control = session.open("any", name("-server"));
  ASSERT_EQ(session.listen(control.handle()), v1::SUCCESS);
  {
    const NativeSocket peer = connect(name("\xff\xfe\n\"x"), name("-server"));
    const auto connection = session.accept(control.handle());
    ASSERT_EQ(connection.error(), v1::SUCCESS);
    const v1::AddressReply address = session.peer_address(connection.handle());
    EXPECT_EQ(address.error(), v1::SUCCESS);
    EXPECT_EQ(address.address(), "");
  }
  EXPECT_TRUE(session.end().ok());
  eventually([&] { return audit().find("\"event\":\"close\"") != std::string::npos; });
  std::istringstream lines(audit());
  for (std::string line; std::getline(lines, line);) {
    EXPECT_TRUE(policy::is_printable(line)) << policy::printable(line);
  }
}

TEST_F(TextTest, ANameThatIsNoTextMatchesNoRuleForNames) {
  Host host(daemon_.socket_path("acme"));
  RawSession session(host);
  const auto control = session.open("known", name("-server"));
  ASSERT_EQ(session.listen(control.handle()), v1::SUCCESS);
  NativeSocket garbled = connect(name("\xff"), name("-server"));
  const NativeSocket plain = connect(name("-plain"), name("-server"));
  const auto connection = session.accept(control.handle());
  EXPECT_EQ(session.peer_address(connection.handle()).address(), name("-plain"));
  EXPECT_EQ(garbled.read_error(), 0) << "it was closed";
}

// How a call ends whose request is these bytes.
grpc::Status call_with(const std::string& socket_path, const std::string& method, const std::string& bytes) {
  grpc::GenericStub stub(grpc::CreateChannel("unix:" + socket_path, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  const grpc::Slice slice(bytes);
  const grpc::ByteBuffer request(&slice, 1);
  grpc::ByteBuffer reply;
  std::promise<grpc::Status> done;
  stub.UnaryCall(&context, method, grpc::StubOptions(), &request, &reply,
                 [&done](grpc::Status status) { done.set_value(std::move(status)); });
  return done.get_future().get();
}

TEST_F(TextTest, BytesThatAreNoMessageAreUnimplementedAndChangeNothing) {
  const std::string not_a_message = "\xff\xff\xff";
  const std::string not_utf8("\x1a\x02\xff\xfe", 4);  // OpenRequest.address
  for (const std::string& bytes : {not_a_message, not_utf8}) {
    EXPECT_EQ(call_with(daemon_.socket_path("acme"), "/wasi_netd.v1.Broker/Open", bytes).error_code(),
              grpc::StatusCode::UNIMPLEMENTED);
  }
  for (const char* method : {"OpenSession", "Transfer"}) {
    EXPECT_EQ(call_with(daemon_.socket_path("acme"), std::string("/wasi_netd.v1.Broker/") + method, not_a_message)
                  .error_code(),
              grpc::StatusCode::CANCELLED);
  }
  Host host(daemon_.socket_path("acme"));
  RawSession session(host);
  EXPECT_TRUE(session.opened());
}

}  // namespace
}  // namespace wasi_netd::test
