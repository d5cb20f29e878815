#include "host/report.h"

#include <gtest/gtest.h>

namespace wasi_netd::host {
namespace {

TEST(Report, JsonIsUtf8WhateverPathsAndMessagesAre) {
  GuestSpec guest;
  guest.label = "\xC3\xA9";
  guest.wasm = "/a\xFF\n\"b\\.wasm";
  GuestReport report;
  report.message = "cut \xC3";
  const std::string text = json({guest}, {report});
  EXPECT_NE(text.find("\"label\":\"\xC3\xA9\""), std::string::npos) << text;
  EXPECT_NE(text.find("\"wasm\":\"/a\xEF\xBF\xBD\\u000a\\\"b\\\\.wasm\""), std::string::npos) << text;
  EXPECT_NE(text.find("\"message\":\"cut \xEF\xBF\xBD\""), std::string::npos) << text;
}

}  // namespace
}  // namespace wasi_netd::host
