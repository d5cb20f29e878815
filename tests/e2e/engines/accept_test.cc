// Who gets in, and when a guest hears of it: ACCEPT rows. (ACCEPT-3 is with the quotas.)
#include "tests/e2e/engines/semantics_test.h"

namespace wasi_netd::test {
namespace {

class AcceptTest : public SemanticsTest {
 protected:
  static NativeSocket connect_from(const std::string& ip, const NativeAddress& to) {
    NativeSocket socket = native_bind(native_ip(ip, 0));
    if (::connect(socket.fd(), to.get(), to.size) != 0) throw_errno("connect");
    return socket;
  }
  static int accept_records() {
    std::ifstream audit(daemon_->directory() + "/audit.jsonl");
    int count = 0;
    for (std::string line; std::getline(audit, line);) {
      count += line.find("\"operation\":\"accept\"") != std::string::npos ? 1 : 0;
    }
    return count;
  }
};

TEST_F(AcceptTest, ACCEPT_1_APeerThatNoRuleAdmitsIsResetUnseen) {
  const NativeAddress place = listen_guest("127.0.0.1:0", "4");
  NativeSocket denied = connect_from("127.0.0.66", place);
  EXPECT_EQ(denied.read_error(), ECONNRESET);
  EXPECT_EQ(ask("poll 0 l:r"), "success n=1 [1000000:clock success]");
  EXPECT_EQ(ask("accept l"), "again");

  NativeSocket admitted = connect_from("127.0.0.5", place);
  EXPECT_THAT(ask("poll - l:r"), HasSubstr("r success"));
  succeed("k= accept l");
  EXPECT_EQ(ask("peer k"), "success text=" + address_of(admitted, "127.0.0.5"));
}

TEST_F(AcceptTest, ACCEPT_2_AtMostOneJudgedConnectionWaits) {
  const NativeAddress place = listen_guest();
  const int before = accept_records();
  NativeSocket first = native_connect(place), second = native_connect(place), third = native_connect(place);
  succeed("poll - l:r");
  while (accept_records() == before) ask("local l");
  // Many turns of the daemon's loop later nobody else has been judged.
  for (int i = 0; i < 100; ++i) ask("local l");
  EXPECT_EQ(accept_records(), before + 1);
  for (const auto* peer : {&first, &second, &third}) {
    succeed("k= accept l");
    EXPECT_EQ(ask("peer k"), "success text=" + address_of(*peer));
  }
}

TEST_F(AcceptTest, ACCEPT_4_SockAcceptGivesAStreamWithItsFlags) {
  const NativeAddress place = listen_guest();
  NativeSocket peer = native_connect(place);
  succeed("s= sockaccept l 4");
  EXPECT_EQ(value_of(ask("fdstat s"), "flags"), "4");
  EXPECT_EQ(ask("read s 1"), "again");
  NativeSocket blocking = native_connect(place);
  succeed("t= sockaccept l 0");
  EXPECT_EQ(value_of(ask("fdstat t"), "flags"), "0");
  // The connection has no fd of its own and lives as long as the stream.
  blocking.write_all("hello");
  EXPECT_EQ(ask("recv t 5 waitall"), "success n=5 data=hello");
  succeed("close t");
  EXPECT_EQ(blocking.read_to_end(), "");
}

}  // namespace
}  // namespace wasi_netd::test
