// How rights pass from handle to handle: docs/guest-api.md, rows RIGHTS-*.
#include "daemon/broker/rights.h"

#include <random>

#include <gtest/gtest.h>

namespace wasi_netd::broker {
namespace {

using namespace right;

constexpr Kind kKinds[] = {Kind::kProtocol, Kind::kControl, Kind::kConnection, Kind::kStream};

TEST(Rights, DropsBitsWithoutMeaningBeforeComparing) {
  const Rights parent{net_open, net_connect | fd_read};
  // fd_seek (bit 2) and sock_shutdown mean nothing on a control: they are no reason to refuse.
  const auto control = derive(Kind::kControl, parent, {net_connect | (1u << 2) | sock_shutdown, fd_read});
  ASSERT_TRUE(control);
  EXPECT_EQ(control->base, net_connect);
  EXPECT_EQ(control->inheriting, fd_read);
}

TEST(Rights, RefusesABaseBeyondTheParentsInheritingSet) {
  EXPECT_FALSE(derive(Kind::kControl, {net_open, net_connect}, {net_connect | net_listen, 0}));
}

TEST(Rights, RefusesAnInheritingSetBeyondTheParents) {
  EXPECT_FALSE(derive(Kind::kControl, {net_open, net_connect}, {net_connect, fd_read}));
}

TEST(Rights, ABaseRightAloneIsNotHandedOn) { EXPECT_FALSE(derive(Kind::kStream, {fd_read, 0}, {fd_read, 0})); }

TEST(Rights, CallsWithoutAnArgumentHandOnAllThatIsInherited) {
  const Rights control{net_connect, net_stream_create | fd_read | fd_write};
  const Rights connection = derive_all(Kind::kConnection, control);
  EXPECT_EQ(connection.base, net_stream_create);
  EXPECT_EQ(connection.inheriting, fd_read | fd_write);
  const Rights stream = derive_all(Kind::kStream, connection);
  EXPECT_EQ(stream.base, fd_read | fd_write);
  EXPECT_EQ(stream.inheriting, 0u);
}

TEST(Rights, ASessionsCeilingBoundsEveryProtocol) {
  const Rights rights = protocol_rights(net_open | net_connect | fd_read | fd_write, net_open | net_connect | fd_read);
  EXPECT_EQ(rights.base, net_open);
  EXPECT_EQ(rights.inheriting, net_connect | fd_read);
}

TEST(Rights, WeakeningNeverAdds) {
  const Rights held{fd_read, 0};
  EXPECT_TRUE(weaken(Kind::kStream, held, {0, 0}));
  EXPECT_FALSE(weaken(Kind::kStream, held, {fd_read | fd_write, 0}));
}

// No sequence of calls that derive, restrict or narrow ends with a right that the first handle did not hand on.
TEST(Rights, NoSequenceOfCallsAddsARight) {
  std::mt19937_64 random(1);
  const auto few_bits = [&random] {
    const RightSet bits = random();
    return bits & random();
  };
  for (int round = 0; round < 20'000; ++round) {
    Rights rights = protocol_rights(random() & right::kAll, random() & right::kAll);
    Kind kind = Kind::kProtocol;
    RightSet allowed = rights.base | rights.inheriting;
    for (int step = 0; step < 6; ++step) {
      const Rights wanted{few_bits(), few_bits()};
      const Kind next = static_cast<Kind>(std::min<int>(static_cast<int>(kind) + 1, 3));
      std::optional<Rights> got;
      switch (random() % 3) {
        case 0:
          got = weaken(kind, rights, wanted);
          break;
        case 1:
          if (kind == Kind::kStream) continue;
          got = derive(next, rights, wanted);
          if (got) kind = next;
          break;
        default:
          if (kind == Kind::kStream) continue;
          got = derive_all(next, rights);
          kind = next;
          break;
      }
      if (!got) continue;
      ASSERT_EQ((got->base | got->inheriting) & ~allowed, 0u);
      ASSERT_EQ(got->base & ~meaningful(kind), 0u);
      rights = *got;
      allowed = rights.base | rights.inheriting;
    }
  }
}

TEST(Rights, EveryKindInheritsWhatItsDescendantsCanUse) {
  for (const Kind kind : kKinds) {
    for (const Kind below : kKinds) {
      if (below > kind) {
        EXPECT_EQ(meaningful(below) & ~inheritable(kind), 0u);
      }
    }
  }
}

}  // namespace
}  // namespace wasi_netd::broker
