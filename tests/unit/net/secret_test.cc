// Secrets are not left in memory.
#include "daemon/net/secret.h"

#include <cstdlib>
#include <new>
#include <string>

#include <gtest/gtest.h>

namespace {

// Looks into an array at the moment it is given back.
const void* watched_room = nullptr;
size_t watched_size = 0;
bool left_something = false;

void give_back(void* room) {
  if (room && room == watched_room) {
    for (size_t at = 0; at < watched_size; ++at) left_something |= static_cast<const char*>(room)[at] == 's';
    watched_room = nullptr;
  }
  std::free(room);
}

}  // namespace

void* operator new[](size_t size) {
  if (void* room = std::malloc(size)) return room;
  throw std::bad_alloc();
}
void operator delete[](void* room) noexcept { give_back(room); }
void operator delete[](void* room, size_t) noexcept { give_back(room); }

namespace wasi_netd::net {
namespace {

TEST(Secret, IsOverwrittenWhenItGoes) {
  const std::string text(64, 's');
  {
    Secret secret(text.size());
    secret.append(text);
    watched_room = secret.view().data();
    watched_size = text.size();
  }
  EXPECT_EQ(watched_room, nullptr) << "it was not given back";
  EXPECT_FALSE(left_something);
}

TEST(Secret, MovesWithoutACopy) {
  Secret first(6);
  first.append("secret");
  const char* place = first.view().data();
  Secret second(std::move(first));
  EXPECT_EQ(second.view().data(), place);
  Secret third;
  third = std::move(second);
  EXPECT_EQ(third.view().data(), place);
  EXPECT_EQ(third.view(), "secret");
}

TEST(Secret, EncodesAsRfc4648) {
  const struct {
    std::string bytes, text;
  } kCases[] = {{"", ""},
                {"f", "Zg=="},
                {"fo", "Zm8="},
                {"foo", "Zm9v"},
                {"foob", "Zm9vYg=="},
                {"fooba", "Zm9vYmE="},
                {"foobar", "Zm9vYmFy"}};  // its section 10
  for (const auto& row : kCases) {
    Secret secret(Secret::base64_size(row.bytes.size()));
    secret.append_base64(row.bytes);
    EXPECT_EQ(secret.view(), row.text);
  }
}

}  // namespace
}  // namespace wasi_netd::net
