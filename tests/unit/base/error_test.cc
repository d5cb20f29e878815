#include "daemon/base/error.h"

#include <cerrno>

#include <gtest/gtest.h>

namespace wasi_netd {
namespace {

TEST(Errno, HasTheNumbersOfPreview1) {
  // A few of each end of the list, from the witx typenames: a shifted table would show.
  EXPECT_EQ(static_cast<int>(Errno::success), 0);
  EXPECT_EQ(static_cast<int>(Errno::acces), 2);
  EXPECT_EQ(static_cast<int>(Errno::again), 6);
  EXPECT_EQ(static_cast<int>(Errno::badf), 8);
  EXPECT_EQ(static_cast<int>(Errno::connaborted), 13);
  EXPECT_EQ(static_cast<int>(Errno::fault), 21);
  EXPECT_EQ(static_cast<int>(Errno::inval), 28);
  EXPECT_EQ(static_cast<int>(Errno::nosys), 52);
  EXPECT_EQ(static_cast<int>(Errno::pipe), 64);
  EXPECT_EQ(static_cast<int>(Errno::notcapable), 76);
}

TEST(Errno, MapsTheSystemsErrorsThatGuestsTellApart) {
  struct Row {
    int system;
    Errno guest;
  } const rows[] = {
      {ECONNREFUSED, Errno::connrefused},
      {ECONNRESET, Errno::connreset},
      {ETIMEDOUT, Errno::timedout},
      {EHOSTUNREACH, Errno::hostunreach},
      {ENETUNREACH, Errno::netunreach},
      {EPIPE, Errno::pipe},
      {EADDRINUSE, Errno::addrinuse},
      {EACCES, Errno::acces},
      {EMFILE, Errno::nfile},
      {ENFILE, Errno::nfile},
      {EAGAIN, Errno::again},
      {ENOENT, Errno::noent},
      {ELOOP, Errno::loop},
      {123456, Errno::io},
  };
  for (const Row& row : rows) EXPECT_EQ(errno_from_system(row.system), row.guest) << row.system;
}

TEST(Errno, HasAName) {
  EXPECT_EQ(to_string(Errno::connrefused), "connrefused");
  EXPECT_EQ(to_string(Errno::notcapable), "notcapable");
}

}  // namespace
}  // namespace wasi_netd
