// Unix sockets at paths and abstract names: what is judged is what is used, and what is not ours stays.
#include <filesystem>
#include <string>

#include <sys/stat.h>

#include "tests/loop/loop_test.h"

namespace wasi_netd::net {
namespace {

class UnixPath : public LoopTest {
 protected:
  Errno bind_code(const std::string& path) { return code_of(bind_stream(loop(), unix_path(path))); }
  Errno dial_code(const std::string& path) { return code_of(run(dial_stream(loop(), {unix_path(path)})->run())); }
  static bool exists(const std::string& path) {
    struct stat found {};
    return ::lstat(path.c_str(), &found) == 0;
  }
  std::shared_ptr<Listener> listen_at(const std::string& path) {
    return *(*bind_stream(loop(), unix_path(path)))->listen(4);
  }
  test::TemporaryDirectory directory_;
};

TEST_F(UnixPath, IsMadeAtBindAndRemovedWithTheBoundSocket) {
  auto bound = *bind_stream(loop(), unix_path(directory_ / "s"));
  EXPECT_TRUE(exists(directory_ / "s"));
  EXPECT_EQ(bound->local_endpoint(), unix_path(directory_ / "s"));
  bound.reset();
  EXPECT_FALSE(exists(directory_ / "s"));
}

TEST_F(UnixPath, IsRemovedWhenTheBoundSocketIsClosed) {
  auto bound = *bind_stream(loop(), unix_path(directory_ / "s"));
  bound->close();
  EXPECT_FALSE(exists(directory_ / "s"));
}

TEST_F(UnixPath, GoesOnWithTheListenerAndIsRemovedWithIt) {
  auto listener = listen_at(directory_ / "s");
  EXPECT_TRUE(exists(directory_ / "s"));
  EXPECT_EQ(listener->local_endpoint(), unix_path(directory_ / "s"));
  auto peer = test::native_connect(test::native_unix(directory_ / "s"));
  EXPECT_TRUE(run(listener->accept()));
  listener->close();
  EXPECT_FALSE(exists(directory_ / "s"));
}

TEST_F(UnixPath, GoesOnWithTheConnectionAndIsRemovedWithIt) {
  auto server = test::native_listen(test::native_unix(directory_ / "server"));
  auto bound = *bind_stream(loop(), unix_path(directory_ / "client"));
  auto connection = *run(bound->connect(unix_path(directory_ / "server")));
  EXPECT_EQ(connection->local_endpoint(), unix_path(directory_ / "client"));
  bound.reset();
  EXPECT_TRUE(exists(directory_ / "client"));
  connection->abort();
  EXPECT_FALSE(exists(directory_ / "client"));
}

TEST_F(UnixPath, IsRemovedWhenItsConnectIsRefused) {
  auto bound = *bind_stream(loop(), unix_path(directory_ / "client"));
  EXPECT_EQ(code_of(run(bound->connect(unix_path(directory_ / "nobody")))), Errno::noent);
  EXPECT_FALSE(exists(directory_ / "client"));
}

TEST_F(UnixPath, ThatSomebodyReplacedStays) {
  auto listener = listen_at(directory_ / "s");
  std::filesystem::rename(directory_ / "s", directory_ / "moved");
  auto theirs = test::native_listen(test::native_unix(directory_ / "s"));
  listener->close();
  EXPECT_TRUE(exists(directory_ / "s")) << "another file has the name now";
  EXPECT_TRUE(exists(directory_ / "moved"));
  EXPECT_NO_THROW(test::native_connect(test::native_unix(directory_ / "s")));
}

TEST_F(UnixPath, IsRemovedFromItsOwnDirectoryWhenThatWasMoved) {
  std::filesystem::create_directory(directory_ / "a");
  auto listener = listen_at(directory_ / "a/s");
  std::filesystem::rename(directory_ / "a", directory_ / "b");
  std::filesystem::create_directory(directory_ / "a");
  auto theirs = test::native_listen(test::native_unix(directory_ / "a/s"));
  listener->close();
  EXPECT_TRUE(exists(directory_ / "a/s"));
  EXPECT_FALSE(exists(directory_ / "b/s"));
}

TEST_F(UnixPath, WithAStaleSocketFileIsAddrinuse) {
  { auto gone = test::native_bind(test::native_unix(directory_ / "s")); }
  EXPECT_EQ(bind_code(directory_ / "s"), Errno::addrinuse);
  EXPECT_TRUE(exists(directory_ / "s"));
  EXPECT_EQ(dial_code(directory_ / "s"), Errno::connrefused);
}

TEST_F(UnixPath, ThroughASymlinkedDirectoryIsRefused) {
  std::filesystem::create_directory(directory_ / "real");
  std::filesystem::create_directory_symlink(directory_ / "real", directory_ / "link");
  auto server = test::native_listen(test::native_unix(directory_ / "real/s"));
  EXPECT_EQ(bind_code(directory_ / "link/new"), Errno::loop);
  EXPECT_EQ(dial_code(directory_ / "link/s"), Errno::loop);
  EXPECT_FALSE(exists(directory_ / "real/new"));
  EXPECT_EQ(dial_code(directory_ / "real/s"), Errno::success);
}

TEST_F(UnixPath, ThatIsASymlinkIsRefused) {
  auto server = test::native_listen(test::native_unix(directory_ / "real"));
  std::filesystem::create_symlink(directory_ / "real", directory_ / "link");
  std::filesystem::create_symlink(directory_ / "nowhere", directory_ / "dangling");
  EXPECT_EQ(dial_code(directory_ / "link"), Errno::loop);
  EXPECT_EQ(bind_code(directory_ / "link"), Errno::addrinuse);
  EXPECT_EQ(bind_code(directory_ / "dangling"), Errno::addrinuse);
  EXPECT_FALSE(exists(directory_ / "nowhere"));
}

TEST_F(UnixPath, ThatIsNoSocketRefusesTheConnection) {
  std::filesystem::create_directory(directory_ / "directory");
  EXPECT_EQ(dial_code(directory_ / "directory"), Errno::connrefused);
  EXPECT_EQ(dial_code(directory_ / "missing"), Errno::noent);
  EXPECT_EQ(dial_code(directory_ / "missing/s"), Errno::noent);
  EXPECT_EQ(bind_code(directory_ / "missing/s"), Errno::noent);
  EXPECT_EQ(bind_code("relative"), Errno::inval);
}

TEST_F(UnixPath, MayBeAsLongAsItsLastPartIsNot) {
  std::string deep = directory_.path();
  while (deep.size() < 90) {
    deep += "/0123456789";
    std::filesystem::create_directory(deep);
  }
  EXPECT_EQ(bind_code(deep + "/s"), Errno::success);
  EXPECT_EQ(bind_code(directory_ / std::string(70, 'x')), Errno::success);
  EXPECT_EQ(bind_code(directory_ / std::string(104, 'x')), Errno::nametoolong);
}

TEST_F(UnixPath, WithAFullBacklogRefuses) {
  auto server = test::native_listen(test::native_unix(directory_ / "s"), 0);
  Errno last = Errno::success;
  for (int i = 0; i < 8 && last == Errno::success; ++i) last = dial_code(directory_ / "s");
  EXPECT_EQ(last, Errno::connrefused);
}

TEST_F(UnixPath, BoundByAPeerIsItsName) {
  auto listener = listen_at(directory_ / "s");
  auto peer = test::native_bind(test::native_unix(directory_ / "peer"));
  auto target = test::native_unix(directory_ / "s");
  ASSERT_EQ(::connect(peer.fd(), target.get(), target.size), 0);
  EXPECT_EQ((*run(listener->accept()))->peer_endpoint(), unix_path(directory_ / "peer"));
}

TEST_F(UnixPath, BoundByAPeerThroughADescriptorIsNoName) {
  auto listener = listen_at(directory_ / "s");
  auto bound = *bind_stream(loop(), unix_path(directory_ / "client"));
  auto connection = *run(bound->connect(unix_path(directory_ / "s")));
  EXPECT_EQ((*run(listener->accept()))->peer_endpoint(), Endpoint(policy::UnixEndpoint{}));
}

TEST_F(UnixPath, AbstractNamesNeedNoFileAndMayHoldAnyByte) {
  const std::string name = directory_ / std::string("a\0b", 3);
  auto listener = *(*bind_stream(loop(), unix_abstract(name)))->listen(1);
  EXPECT_EQ(code_of(bind_stream(loop(), unix_abstract(name))), Errno::addrinuse);
  auto connection = run(dial_stream(loop(), {unix_abstract(name)})->run());
  ASSERT_TRUE(connection);
  EXPECT_EQ((*connection)->peer_endpoint(), unix_abstract(name));
  EXPECT_EQ((*run(listener->accept()))->local_endpoint(), unix_abstract(name));
  const std::string longest(107, 'x');
  EXPECT_EQ(code_of(bind_stream(loop(), unix_abstract(longest))), Errno::success);
  EXPECT_EQ(code_of(bind_stream(loop(), unix_abstract(longest + "x"))), Errno::nametoolong);
  EXPECT_EQ(code_of(run(dial_stream(loop(), {unix_abstract("nobody has this name")})->run())), Errno::connrefused);
}

}  // namespace
}  // namespace wasi_netd::net
