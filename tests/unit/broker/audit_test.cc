#include "daemon/broker/audit.h"

#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "daemon/base/audit_log.h"
#include "policy/printable.h"
#include "tests/support/native.h"

namespace wasi_netd::broker {
namespace {

TEST(AuditTest, ARecordIsUtf8WhateverBytesAreInIt) {
  const test::TemporaryDirectory directory;
  auto log = AuditLog::open(directory / "audit.jsonl", 10);
  ASSERT_TRUE(log) << log.error().detail;
  Audit audit(**log);
  Audit::Closed closed{};
  closed.asked = "@rv\xff\xfe";
  closed.peer = policy::UnixEndpoint{"c\xc3\n\"", true};
  closed.detail = "\xed\xa0\x80 \u00e4";
  audit.closed({"acme", "5be31abc", "guest\x80", "net"}, closed);
  ASSERT_TRUE((*log)->flush());
  std::stringstream text;
  text << std::ifstream(directory / "audit.jsonl").rdbuf();
  std::string line = text.str();
  ASSERT_FALSE(line.empty());
  line.pop_back();
  EXPECT_TRUE(policy::is_printable(line)) << policy::printable(line);
  for (const char* part : {R"("guest":"guest\\x80")", R"("address":"@rv\\xff\\xfe")", R"("peer":"@c\\xc3\\x0a\"")",
                           "\\\\xed\\\\xa0\\\\x80 \u00e4"}) {
    EXPECT_NE(line.find(part), std::string::npos) << part << "\n" << line;
  }
}

}  // namespace
}  // namespace wasi_netd::broker
