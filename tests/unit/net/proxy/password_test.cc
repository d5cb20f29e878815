// Passwords, from their file.
#include "daemon/net/proxy/password.h"

#include <fstream>
#include <string>

#include <sys/stat.h>

#include "tests/support/native.h"
#include "tests/unit/net/proxy/target.h"

namespace wasi_netd::net {
namespace {

using namespace std::string_literals;

class PasswordFile : public ::testing::Test {
 protected:
  std::string path() const { return directory_ / "password"; }
  Result<Secret> read(const std::string& text) {
    std::ofstream(path(), std::ios::binary) << text;
    return read_password(path());
  }
  std::string refusal(const std::string& why) const { return "io: password file " + path() + ": " + why; }
  test::TemporaryDirectory directory_;
};

TEST_F(PasswordFile, ItsFirstLineIsThePassword) {
  const struct {
    std::string text, password;
  } kCases[] = {
      {"secret\n", "secret"},
      {"secret", "secret"},
      {"secret\r\n", "secret"},
      {"secret\nsecond\n", "secret"},
      {" s p a c e s \n", " s p a c e s "},
      {"\xc2\xa3\xff\n", "\xc2\xa3\xff"},
      {"", ""},
      {"\n", ""},
      {"\nsecond", ""},
      {std::string(4095, 'x') + "\n", std::string(4095, 'x')},
      {std::string(4095, 'x'), std::string(4095, 'x')},
      {"secret\n" + std::string(100'000, 'x'), "secret"},
      {"secret\nsecond line \0\1\n"s, "secret"},
  };
  for (const auto& row : kCases) {
    auto password = read(row.text);
    ASSERT_TRUE(password) << password.error().detail;
    EXPECT_EQ(password->view(), row.password);
  }
}

TEST_F(PasswordFile, IsReadAgainEachTime) {
  EXPECT_EQ(read("first\n")->view(), "first");
  EXPECT_EQ(read("second\n")->view(), "second");
}

TEST_F(PasswordFile, WhatCannotBeAPasswordIsRefused) {
  EXPECT_EQ(outcome_of(read(std::string(4096, 'x'))), refusal("its first line is too long"));
  EXPECT_EQ(outcome_of(read(std::string(5000, 'x') + "\n")), refusal("its first line is too long"));
  for (const auto& text : {"a\0b\n"s, "a\tb\n"s, "a\rb\n"s, "\x7f\n"s, "\x1b\n"s, "a\r\r\n"s}) {
    EXPECT_EQ(outcome_of(read(text)), refusal("its first line has a control character"));
  }
}

TEST_F(PasswordFile, WhatIsNoFileIsRefused) {
  EXPECT_EQ(outcome_of(read_password(path())), refusal("No such file or directory"));
  EXPECT_EQ(outcome_of(read_password(directory_.path())),
            "io: password file " + directory_.path() + ": not a regular file");
  EXPECT_EQ(outcome_of(read_password("/dev/null")), "io: password file /dev/null: not a regular file");
  ASSERT_EQ(::mkfifo(path().c_str(), 0600), 0);
  EXPECT_EQ(outcome_of(read_password(path())), refusal("not a regular file"))
      << "nobody writes to it: a read would wait";
}

TEST_F(PasswordFile, OneThatMayNotBeReadIsRefused) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read everything";
  read("secret\n");
  ASSERT_EQ(::chmod(path().c_str(), 0), 0);
  EXPECT_EQ(outcome_of(read_password(path())), refusal("Permission denied"));
}

}  // namespace
}  // namespace wasi_netd::net
