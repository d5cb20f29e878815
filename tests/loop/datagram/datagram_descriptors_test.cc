// Every way to a datagram socket, and every send by path, when descriptors run out: at the first, the second, and so
// on.
#include "tests/loop/datagram/datagram_test.h"
#include "tests/loop/descriptors.h"

namespace wasi_netd::net {
namespace {

class DatagramDescriptors : public DatagramWireTest {
 protected:
  // Fails with room for none, for one, ..., until it succeeds. What failed left nothing open, and no file.
  void fail_until_it_succeeds(size_t at_least, const std::function<Errno()>& attempt) {
    ASSERT_EQ(attempt(), Errno::success);  // what is made once and stays is there before anything is counted
    run_ready();
    for (size_t room = 0; room < 50; ++room) {
      SCOPED_TRACE("room for " + std::to_string(room));
      const size_t before = open_descriptors();
      Errno outcome;
      {
        const FewDescriptors few(room);
        outcome = attempt();
        run_ready();
      }
      EXPECT_EQ(open_descriptors(), before);
      if (outcome == Errno::success) {
        EXPECT_GE(room, at_least);
        return;
      }
      EXPECT_EQ(outcome, Errno::nfile);
    }
    ADD_FAILURE() << "it never succeeds";
  }
};
INSTANTIATE_TEST_SUITE_P(AllWires, DatagramDescriptors, kAllDatagramWires, name_of_wire);

TEST_P(DatagramDescriptors, TheNthMayFailAtBind) {
  const Endpoint where = fresh();
  fail_until_it_succeeds(1, [&] { return code_of(bind_datagram(loop(), where, {})); });
  EXPECT_EQ(code_of(bind_datagram(loop(), where, {})), Errno::success) << "no file was left";
}

TEST_P(DatagramDescriptors, TheNthMayFailAtADial) {
  NativePeer peer = native();
  fail_until_it_succeeds(
      1, [&] { return code_of(run(dial_datagram(loop(), {peer.endpoint}, Targets::kAll, {})->run())); });
}

TEST_P(DatagramDescriptors, TheNthMayFailAtASend) {
  NativePeer peer = native();
  auto bound = bind();
  const bool needs_one = GetParam() == DatagramWire::kUnixPath;
  fail_until_it_succeeds(needs_one ? 1 : 0, [&] {
    const Errno code = code_of(bound->send_now("x", peer.endpoint));
    if (code == Errno::success) peer.receive();
    return code;
  });
}

// What needs descriptors for paths only.
class DatagramPathDescriptors : public DatagramDescriptors {};
INSTANTIATE_TEST_SUITE_P(Paths, DatagramPathDescriptors, ::testing::Values(DatagramWire::kUnixPath), name_of_wire);

TEST_P(DatagramPathDescriptors, ABatchIsCutWhereTheyRunOut) {
  NativePeer peer = native();
  auto bound = bind();
  const std::vector<OutgoingDatagram> batch(5, OutgoingDatagram{"x", peer.endpoint});
  EXPECT_EQ(*bound->send_batch_now(batch), 5u);
  for (int i = 0; i < 5; ++i) peer.receive();
  const FewDescriptors few(2);
  EXPECT_EQ(*bound->send_batch_now(batch), 2u);
}

TEST_P(DatagramPathDescriptors, ABoundSocketThatCannotConnectIsClosed) {
  NativePeer peer = native();
  const Endpoint where = fresh();
  auto bound = *bind_datagram(loop(), where, {});
  {
    const NoDescriptors none;
    EXPECT_EQ(code_of(run(bound->connect(peer.endpoint))), Errno::nfile);
  }
  EXPECT_EQ(code_of(bound->receive_now(1)), Errno::inval);
  EXPECT_EQ(code_of(bind_datagram(loop(), where, {})), Errno::success) << "and its file is removed";
}

}  // namespace
}  // namespace wasi_netd::net
