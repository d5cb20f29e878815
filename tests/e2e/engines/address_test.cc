// Addresses, texts and pointers that a guest gives: ADDR, TEXT and FAULT rows.
#include "tests/e2e/engines/semantics_test.h"

namespace wasi_netd::test {
namespace {

class AddressTest : public SemanticsTest {};

TEST_F(AddressTest, ADDR_1_AddressesOfEveryFormAreUnderstood) {
  const NativeSocket v4 = native_listen(native_ip("127.0.0.1", 0));
  const NativeSocket v6 = native_listen(native_ip("::1", 0));
  const NativeSocket path = native_listen(native_unix(daemon_->directory() + "/s/adr"));
  const NativeSocket abstract = native_listen(native_unix("@" + daemon_->directory() + "/adr"));
  succeed("c= open tcp 0.0.0.0:0");
  succeed("d= open tcp [::]:0");
  succeed("connect c " + address_of(v4));
  succeed("connect c " + address_of(v4, "here.example"));
  succeed("connect d " + address_of(v6, "[::1]"));
  succeed("u= open unix @" + daemon_->directory() + "/own");
  succeed("connect u " + daemon_->directory() + "/s/adr");
  succeed("v= open unix " + daemon_->directory() + "/s/own");
  succeed("connect v @" + daemon_->directory() + "/adr");
  // A zone is part of an address; no rule allows this one.
  EXPECT_EQ(errno_after("connect d [fe80::1%lo]:1"), "acces");
}

TEST_F(AddressTest, ADDR_2_AnythingElseIsInvalid) {
  succeed("c= open tcp 0.0.0.0:0");
  for (const char* address : {"127.0.0.01:80",  "0177.0.0.1:80", "0x7f.0.0.1:80",   "2130706433:80", "127.1:80",
                              "127.0.0.1",      "127.0.0.1:",    "127.0.0.1:65536", "127.0.0.1:080", "127.0.0.1:+80",
                              "127.0.0.1:80x",  "[::1]",         "[::1:80",         "::1:80",        "[::g]:80",
                              "[127.0.0.1]:80", ":80",           "/path",           "@abstract",     "-"}) {
    EXPECT_EQ(errno_after(std::string("connect c ") + address), "inval") << address;
    EXPECT_EQ(errno_after(std::string("open tcp ") + address), "inval") << address;
  }
  EXPECT_EQ(errno_after("open tcp name.example:80"), "inval") << "a name cannot be bound";
  for (const char* address : {"127.0.0.1:80", "relative", "@", "/a/../b", "/a//b"}) {
    EXPECT_EQ(errno_after(std::string("open unix ") + address), "inval") << address;
  }
}

TEST_F(AddressTest, ADDR_3_AMappedAddressIsTheIpv4Address) {
  const NativeSocket listener = native_listen(native_ip("127.0.0.1", 0));
  succeed("c= open tcp 0.0.0.0:0");
  succeed("k= connect c " + address_of(listener, "[::ffff:127.0.0.1]"));
  EXPECT_EQ(value_of(ask("peer k"), "text"), address_of(listener));
  EXPECT_EQ(errno_after("connect c " + address_of(listener, "[::ffff:127.0.0.66]")), "acces");
}

TEST_F(AddressTest, TEXT_2_StringsThatAreNotUtf8OrTooLongAreRefused) {
  succeed("c= open tcp 0.0.0.0:0");
  for (const char* text : {"\xff", "\xc0\x80", "\xed\xa0\x80", "a\xf4\x90\x80\x80"}) {
    EXPECT_EQ(errno_after(std::string("connect c ") + text), "ilseq");
    EXPECT_EQ(errno_after(std::string("protocol ") + text), "ilseq");
    EXPECT_EQ(errno_after(std::string("resolve tcp ") + text), "ilseq");
  }
  EXPECT_EQ(errno_after("protocol " + std::string(1024, 'a')), "noent");
  EXPECT_EQ(errno_after("protocol " + std::string(1025, 'a')), "nametoolong");
  EXPECT_EQ(errno_after("connect c " + std::string(1025, 'a')), "nametoolong");
}

TEST_F(AddressTest, FAULT_2_TooManyBuffersAreInvalid) {
  NativeSocket peer = connect_guest();
  EXPECT_EQ(errno_after("iovs s 1025 0"), "inval");
  EXPECT_EQ(errno_after("iovs s 1024 4194304"), "inval") << "2^32 bytes";
  peer.write_all("all");
  EXPECT_EQ(ask("iovs s 1024 1"), "success n=3");
}

}  // namespace
}  // namespace wasi_netd::test
