// What an fd is and what else it answers: RENUMBER, OPTION, DGRAM, PREOPEN and FILE rows.
#include "tests/e2e/engines/semantics_test.h"

namespace wasi_netd::test {
namespace {

class FdTest : public SemanticsTest {};

TEST_F(FdTest, RENUMBER_1_TheFdAnswersUnderItsNewNumber) {
  NativeSocket peer = connect_guest();
  succeed("t= restrict c none none");
  succeed("renumber t c");
  EXPECT_EQ(ask("fdstat t"), "badf");
  EXPECT_EQ(errno_after("local c"), "notcapable") << "the weaker one now";

  // The stream that had the number is closed, and its connection ends.
  NativeSocket moved = connect_guest();
  succeed("renumber k s");
  EXPECT_EQ(moved.read_to_end(), "");
  EXPECT_EQ(errno_after("renumber s 99"), "badf") << "both must be open";
}

TEST_F(FdTest, OPTION_1_OptionsAreTheKernels) {
  NativeSocket peer = connect_guest();
  for (const char* fd : {"k", "s"}) {
    const std::string of(fd);
    for (const char* option : {" 1", " 2"}) {
      succeed("setopt " + of + option + " 1");
      EXPECT_EQ(ask("getopt " + of + option), "success value=1");
      succeed("setopt " + of + option + " 0");
      EXPECT_EQ(ask("getopt " + of + option), "success value=0");
    }
    for (const char* option : {" 3", " 4"}) {
      succeed("setopt " + of + option + " 65536");
      EXPECT_EQ(ask("getopt " + of + option), "success value=131072") << "the kernel doubles it";
    }
    EXPECT_NE(errno_after("setopt " + of + " 9 1"), "success");
  }
  const NativeSocket listener = native_listen(native_unix(daemon_->directory() + "/s/option"));
  succeed("u= open unix @" + daemon_->directory() + "option");
  succeed("m= connect u " + daemon_->directory() + "/s/option");
  EXPECT_EQ(ask("getopt m 1"), "noprotoopt");
  EXPECT_EQ(ask("setopt m 1 1"), "noprotoopt");
  EXPECT_EQ(ask("setopt m 2 1"), "noprotoopt");
  EXPECT_EQ(errno_after("getopt m 4"), "success");
}

TEST_F(FdTest, DGRAM_1_ATransportOfStreamsHasNoDatagrams) {
  NativeSocket peer = connect_guest();
  EXPECT_EQ(ask("sendto c 127.0.0.1:1 x"), "notsup");
  EXPECT_EQ(ask("recvfrom c 1"), "notsup");
  EXPECT_EQ(ask("dgram k"), "notsup");
  EXPECT_EQ(ask("uni k"), "notsup");
  for (const char* call : {"sendto %s 127.0.0.1:1 x", "recvfrom %s 1", "dgram %s", "uni %s"}) {
    const std::string text(call);
    const size_t at = text.find("%s");
    const auto of = [&](const std::string& fd) { return text.substr(0, at) + fd + text.substr(at + 2); };
    EXPECT_EQ(ask(of("99")), "badf") << call;
    EXPECT_EQ(ask(of("0")), "notsock") << call;
    EXPECT_EQ(ask(of("s")), "inval") << call;
  }
}

TEST_F(FdTest, PREOPEN_2_APrestatOfAProtocolIsNoDirectory) {
  EXPECT_EQ(ask("prestat 3"), "success tag=1");
  EXPECT_EQ(ask("prestat 4"), "success tag=1");
  EXPECT_EQ(ask("prestat 5"), "badf");
  EXPECT_EQ(ask("prestat 0"), "badf");
  succeed("c= open tcp 0.0.0.0:0");
  EXPECT_EQ(ask("prestat c"), "badf");
  EXPECT_EQ(ask("prestatname c"), "badf");
}

TEST_F(FdTest, FILE_1_ThereAreNoFiles) {
  NativeSocket peer = connect_guest();
  for (const char* fd : {"0", "tcp", "c", "k", "s"}) {
    EXPECT_EQ(ask(std::string("pathopen ") + fd + " name"), "notcapable") << fd;
    EXPECT_EQ(ask(std::string("sync ") + fd), "notcapable") << fd;
  }
  EXPECT_EQ(ask("pathopen 99 name"), "badf");
  EXPECT_EQ(ask("sync 99"), "badf");
}

TEST_F(FdTest, FILE_2_AStreamHasNoPosition) {
  NativeSocket peer = connect_guest();
  for (const char* call : {"seek", "tell", "pread", "pwrite"}) {
    EXPECT_EQ(ask(std::string(call) + " s"), "spipe") << call;
    EXPECT_EQ(ask(std::string(call) + " 0"), "spipe") << call;
    EXPECT_EQ(ask(std::string(call) + " 99"), "badf") << call;
  }
}

}  // namespace
}  // namespace wasi_netd::test
