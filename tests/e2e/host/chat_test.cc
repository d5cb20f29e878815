// Two guests talk over a Unix socket that the daemon owns.
#include "tests/e2e/host/host_test.h"

namespace wasi_netd::test {
namespace {

class ChatTest : public HostTest {
 protected:
  void SetUp() override {
    const std::string rules = "{allow: [\"" + socket() + "\"]}";
    acme("protocols: {talk: {transport: unix, open: " + rules + ", connect: " + rules +
         ", accept: {allow: [\"*\"]}}}\n");
    start_daemon();
    listener_input_.open();
  }
  std::string socket() const { return path("chat.sock"); }
  // Without a word in `output` the guest's stdout is the host's.
  ManifestGuest guest(const std::string& does, const GuestInput& input, const std::string& output = "inherit") {
    return {"acme", "chat", {"talk", does, socket()}, {"stdin: " + input.path(), "stdout: " + output}};
  }

  GuestInput listener_input_{path("listener.in")}, caller_input_{path("caller.in")};
};

TEST_F(ChatTest, GuestsOfTwoHostProcessesTalk) {
  Process listener(manifest({guest("listen", listener_input_)}));
  ASSERT_TRUE(listener.wait_stdout("listening on " + socket() + "\n")) << listener.standard_error();
  caller_input_.open();
  Process caller(manifest({guest("connect", caller_input_)}));

  listener_input_.write("who is there?\n");
  EXPECT_TRUE(caller.wait_stdout("who is there?\n"));
  caller_input_.write("a guest\n");
  EXPECT_TRUE(listener.wait_stdout("a guest\n"));

  caller_input_.close();  // one half ends, the other goes on
  listener_input_.write("last words\n");
  EXPECT_TRUE(caller.wait_stdout("last words\n"));
  listener_input_.close();
  EXPECT_EQ(listener.wait(), kDone) << listener.standard_error();
  EXPECT_EQ(caller.wait(), kDone) << caller.standard_error();
}

TEST_F(ChatTest, GuestsOfOneHostProcessTalk) {
  Process host(manifest({guest("listen", listener_input_), guest("connect", caller_input_, path("caller.out"))}));
  ASSERT_TRUE(host.wait_stdout("listening on " + socket() + "\n")) << host.standard_error();
  caller_input_.open();  // which lets the caller start
  listener_input_.write("who is there?\n");
  caller_input_.write("a guest\n");
  EXPECT_TRUE(host.wait_stdout("a guest\n"));
  caller_input_.close();
  listener_input_.close();
  EXPECT_EQ(host.wait(), kDone) << host.standard_output() << host.standard_error();
  EXPECT_EQ(contents(path("caller.out")), "who is there?\n");
}

}  // namespace
}  // namespace wasi_netd::test
