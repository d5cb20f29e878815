// What the imports hand on to the shim and write back: layouts, texts, the end of the guest.
#include "guest.h"

namespace {

constexpr uint32_t kAt = 512;

TEST(GuestCalls, OutParametersAreWrittenOnlyOnSuccess) {
  Guest guest;
  guest.put_text(100, "[::1]:80");
  EXPECT_EQ(guest.networking("open", {fake::kProtocol, 100, 8, 6, 0, 0, 0, kAt}), 0u);
  EXPECT_EQ(guest.get<int32_t>(kAt), fake::kMade);
  EXPECT_EQ(guest.client.address, "[::1]:80");

  guest.put<int32_t>(kAt, -7);
  guest.client.answer = WASI_NETD_ERRNO_acces;
  EXPECT_EQ(guest.networking("connect", {fake::kControl, 100, 8, kAt}), WASI_NETD_ERRNO_acces);
  EXPECT_EQ(guest.get<int32_t>(kAt), -7);
}

TEST(GuestCalls, TEXT_1_ATextThatDoesNotFitIsOverflowWithItsLength) {
  Guest guest;
  guest.put_text(100, "untouched");
  EXPECT_EQ(guest.ext("local_address", {fake::kControl, 100, 5, kAt}), WASI_NETD_ERRNO_overflow);
  EXPECT_EQ(guest.get<uint32_t>(kAt), 12u);
  EXPECT_EQ(guest.text(100, 9), "untouched");
  EXPECT_EQ(guest.ext("local_address", {fake::kControl, 100, 12, kAt}), 0u);
  EXPECT_EQ(guest.text(100, 12), "127.0.0.1:80");
}

TEST(GuestCalls, TEXT_1_OtherFailuresLeaveTheLengthAlone) {
  Guest guest;
  guest.put<uint32_t>(kAt, 77);
  EXPECT_EQ(guest.ext("peer_address", {fake::kUnknown, 100, 50, kAt}), WASI_NETD_ERRNO_badf);
  EXPECT_EQ(guest.get<uint32_t>(kAt), 77u);
}

TEST(GuestCalls, TEXT_2_StringsThatAreNotUtf8OrTooLongAreRefused) {
  Guest guest;
  for (const std::string_view bad : {"\xff", "a\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "abc\xe2\x82"}) {
    guest.put_text(100, bad);
    EXPECT_EQ(guest.ext("protocol_get", {100, bad.size(), kAt}), WASI_NETD_ERRNO_ilseq) << bad;
  }
  EXPECT_EQ(guest.ext("protocol_get", {100, 1025, 8192}), WASI_NETD_ERRNO_nametoolong);
  EXPECT_EQ(guest.client.calls, 0);
  for (const std::string_view good : {"", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xed\x9f\xbf"}) {
    guest.put_text(100, good);
    EXPECT_EQ(guest.ext("protocol_get", {100, good.size(), kAt}), 0u) << good;
  }
}

TEST(GuestCalls, ReadsGoToTheGuestsBuffersInOrder) {
  Guest guest;
  guest.put<uint32_t>(100, 1000);
  guest.put<uint32_t>(104, 3);
  guest.put<uint32_t>(108, 2000);
  guest.put<uint32_t>(112, 4);
  EXPECT_EQ(guest.preview1("fd_read", {fake::kStream, 100, 2, kAt}), 0u);
  EXPECT_EQ(guest.get<uint32_t>(kAt), 7u);
  EXPECT_EQ(guest.text(999, 5), "mrrrm");
  EXPECT_EQ(guest.text(1999, 6), "mrrrrm");
}

TEST(GuestCalls, WritesTakeTheGuestsBytes) {
  Guest guest;
  guest.put<uint32_t>(100, 1000);
  guest.put<uint32_t>(104, 5);
  guest.put_text(1000, "hello");
  EXPECT_EQ(guest.preview1("sock_send", {fake::kStream, 100, 1, 0, kAt}), 0u);
  EXPECT_EQ(guest.get<uint32_t>(kAt), 5u);
  EXPECT_EQ(guest.client.written, "hello");
  EXPECT_EQ(guest.preview1("sock_send", {fake::kStream, 100, 1, 1, kAt}), WASI_NETD_ERRNO_inval);
}

TEST(GuestCalls, FDSTAT_1_TheLayoutIsPreview1s) {
  Guest guest;
  guest.client.rights = 0x0102030405060708;
  EXPECT_EQ(guest.preview1("fd_fdstat_get", {fake::kStream, kAt}), 0u);
  EXPECT_EQ(guest.get<uint8_t>(kAt), 6);
  EXPECT_EQ(guest.get<uint8_t>(kAt + 1), 0);
  EXPECT_EQ(guest.get<uint16_t>(kAt + 2), 4);
  EXPECT_EQ(guest.get<uint64_t>(kAt + 8), 0x0102030405060708u);
  EXPECT_EQ(guest.get<uint64_t>(kAt + 16), 0x1122334455667788u);
  EXPECT_EQ(guest.get<uint8_t>(kAt + 24), 'm');
}

TEST(GuestCalls, RIGHTS_1_FilestatAsksForItsRight) {
  Guest guest;
  guest.client.rights = 0;
  EXPECT_EQ(guest.preview1("fd_filestat_get", {fake::kStream, kAt}), WASI_NETD_ERRNO_notcapable);
  guest.client.rights = uint64_t{1} << WASI_NETD_RIGHT_BIT_fd_filestat_get;
  EXPECT_EQ(guest.preview1("fd_filestat_get", {fake::kStream, kAt}), 0u);
  EXPECT_EQ(guest.get<uint8_t>(kAt + 16), 6);
}

TEST(GuestCalls, ACCEPT_4_SockAcceptGivesTheStream) {
  Guest guest;
  EXPECT_EQ(guest.preview1("sock_accept", {fake::kControl, 4, kAt}), 0u);
  EXPECT_EQ(guest.get<int32_t>(kAt), fake::kMade);
  EXPECT_EQ(guest.client.accept_flags, 4u);
}

TEST(GuestCalls, PREOPEN_2_PrestatTellsProtocolsFromEverythingElse) {
  Guest guest;
  EXPECT_EQ(guest.preview1("fd_prestat_get", {fake::kProtocol, kAt}), 0u);
  EXPECT_EQ(guest.get<uint64_t>(kAt), 1u);
  EXPECT_EQ(guest.preview1("fd_prestat_dir_name", {fake::kProtocol, kAt, 10}), WASI_NETD_ERRNO_notdir);
  for (const uint64_t fd : {fake::kStdio, fake::kControl, fake::kStream, fake::kUnknown}) {
    EXPECT_EQ(guest.preview1("fd_prestat_get", {fd, kAt}), WASI_NETD_ERRNO_badf) << fd;
    EXPECT_EQ(guest.preview1("fd_prestat_dir_name", {fd, kAt, 10}), WASI_NETD_ERRNO_badf) << fd;
  }
}

TEST(GuestCalls, KIND_3_AnUnknownFdComesBeforeEveryOtherMistake) {
  Guest guest;
  guest.put_text(0, "\xFF");  // no UTF-8
  guest.put<uint32_t>(100, 200);
  guest.put<uint32_t>(104, 4);
  constexpr uint64_t kTooMany = 1025;
  constexpr uint64_t kTooLong = 1025;
  const uint64_t fd = fake::kUnknown;
  EXPECT_EQ(guest.networking("open", {fd, 0, 1, 6, 0, 0, 0, kAt}), WASI_NETD_ERRNO_badf);
  EXPECT_EQ(guest.networking("open", {fd, 0, kTooLong, 6, 0, 0, 0, kAt}), WASI_NETD_ERRNO_badf);
  EXPECT_EQ(guest.networking("connect", {fd, 0, 1, kAt}), WASI_NETD_ERRNO_badf);
  EXPECT_EQ(guest.ext("resolve", {fd, 0, 1, 100, 8, kAt}), WASI_NETD_ERRNO_badf);
  EXPECT_EQ(guest.ext("send_to", {fd, 100, 1, 0, 1, kAt}), WASI_NETD_ERRNO_badf);
  for (const char* name : {"fd_read", "fd_write"}) {
    EXPECT_EQ(guest.preview1(name, {fd, 0, kTooMany, kAt}), WASI_NETD_ERRNO_badf) << name;
    EXPECT_EQ(guest.preview1(name, {fake::kStream, 0, kTooMany, kAt}), WASI_NETD_ERRNO_inval) << name;
  }
  EXPECT_EQ(guest.preview1("sock_recv", {fd, 0, kTooMany, 0, kAt, kAt}), WASI_NETD_ERRNO_badf);
  EXPECT_EQ(guest.preview1("sock_send", {fd, 0, kTooMany, 0, kAt}), WASI_NETD_ERRNO_badf);
  EXPECT_EQ(guest.preview1("sock_send", {fd, 100, 1, 1, kAt}), WASI_NETD_ERRNO_badf);
  EXPECT_EQ(guest.preview1("fd_seek", {fd, 0, 3, kAt}), WASI_NETD_ERRNO_badf);
  EXPECT_EQ(guest.preview1("fd_pread", {fd, 0, kTooMany, 0, kAt}), WASI_NETD_ERRNO_badf);
  EXPECT_EQ(guest.preview1("fd_fdstat_set_flags", {fd, 0x10000}), WASI_NETD_ERRNO_badf);
}

TEST(GuestCalls, FILE_1_TheFileSystemIsNotThere) {
  const std::pair<const char*, std::vector<uint64_t>> kTable[] = {
      {"fd_advise", {fake::kStream, 0, 0, 0}},
      {"fd_allocate", {fake::kStream, 0, 1}},
      {"fd_datasync", {fake::kStream}},
      {"fd_filestat_set_size", {fake::kStream, 0}},
      {"fd_filestat_set_times", {fake::kStream, 0, 0, 0}},
      {"fd_readdir", {fake::kProtocol, 100, 8, 0, kAt}},
      {"fd_sync", {fake::kStdio}},
      {"path_create_directory", {fake::kProtocol, 100, 3}},
      {"path_filestat_get", {fake::kProtocol, 0, 100, 3, kAt}},
      {"path_filestat_set_times", {fake::kProtocol, 0, 100, 3, 0, 0, 0}},
      {"path_link", {fake::kProtocol, 0, 100, 3, fake::kProtocol, 100, 3}},
      {"path_open", {fake::kProtocol, 0, 100, 3, 0, 0, 0, 0, kAt}},
      {"path_readlink", {fake::kProtocol, 100, 3, 200, 8, kAt}},
      {"path_remove_directory", {fake::kProtocol, 100, 3}},
      {"path_rename", {fake::kProtocol, 100, 3, fake::kProtocol, 100, 3}},
      {"path_symlink", {100, 3, fake::kProtocol, 100, 3}},
      {"path_unlink_file", {fake::kProtocol, 100, 3}},
  };
  for (const auto& [name, arguments] : kTable) {
    Guest guest;
    const auto before = guest.snapshot();
    EXPECT_EQ(guest.preview1(name, arguments), WASI_NETD_ERRNO_notcapable) << name;
    EXPECT_TRUE(guest.snapshot() == before) << name;
    auto unknown = arguments;
    unknown[std::string_view(name) == "path_symlink" ? 2 : 0] = fake::kUnknown;
    EXPECT_EQ(guest.preview1(name, unknown), WASI_NETD_ERRNO_badf) << name;
  }
  Guest guest;
  EXPECT_EQ(guest.preview1("path_link", {fake::kProtocol, 0, 100, 3, fake::kUnknown, 100, 3}), WASI_NETD_ERRNO_badf);
  EXPECT_EQ(guest.preview1("path_rename", {fake::kProtocol, 100, 3, fake::kUnknown, 100, 3}), WASI_NETD_ERRNO_badf);
}

TEST(GuestCalls, FILE_2_AStreamHasNoPosition) {
  Guest guest;
  EXPECT_EQ(guest.preview1("fd_seek", {fake::kStdio, 0, 1, kAt}), WASI_NETD_ERRNO_spipe);
  EXPECT_EQ(guest.preview1("fd_seek", {fake::kStdio, 0, 3, kAt}), WASI_NETD_ERRNO_inval);
  EXPECT_EQ(guest.preview1("fd_tell", {fake::kStream, kAt}), WASI_NETD_ERRNO_spipe);
  EXPECT_EQ(guest.preview1("fd_pread", {fake::kStream, 100, 0, 0, kAt}), WASI_NETD_ERRNO_spipe);
  EXPECT_EQ(guest.preview1("fd_pwrite", {fake::kStream, 100, 0, 0, kAt}), WASI_NETD_ERRNO_spipe);
}

TEST(GuestCalls, DGRAM_1_WhatNoTransportHasIsNotsupAfterTheChecksOfTheFd) {
  Guest guest;
  for (const char* name : {"datagram_stream", "stream_create_uni"}) {
    EXPECT_EQ(guest.ext(name, {fake::kConnection, kAt}), WASI_NETD_ERRNO_notsup) << name;
    EXPECT_EQ(guest.ext(name, {fake::kStream, kAt}), WASI_NETD_ERRNO_inval) << name;
    EXPECT_EQ(guest.ext(name, {fake::kStdio, kAt}), WASI_NETD_ERRNO_notsock) << name;
    EXPECT_EQ(guest.ext(name, {fake::kUnknown, kAt}), WASI_NETD_ERRNO_badf) << name;
  }
}

TEST(GuestCalls, SendToGathersItsBuffersAndRecvFromTellsWhoSent) {
  Guest guest;
  guest.put_text(0, "web");
  guest.put<uint32_t>(100, 0);
  guest.put<uint32_t>(104, 3);
  EXPECT_EQ(guest.ext("send_to", {fake::kControl, 100, 1, 0, 3, kAt}), 0u);
  EXPECT_EQ(guest.client.written, "web");
  EXPECT_EQ(guest.client.address, "web");
  EXPECT_EQ(guest.get<uint32_t>(kAt), 3u);

  EXPECT_EQ(guest.ext("recv_from", {fake::kControl, 100, 1, 200, 64, kAt, kAt + 4}), 0u);
  EXPECT_EQ(guest.get<uint32_t>(kAt), 12u) << "127.0.0.1:53";
  EXPECT_EQ(guest.get<uint32_t>(kAt + 4), 3u);
  EXPECT_EQ(guest.get<uint8_t>(200), '1');
  EXPECT_EQ(guest.get<uint8_t>(2), 'r') << "the datagram";
}

TEST(GuestCalls, DGRAM_11_ASendersAddressThatIsTooLongIsOverflowWithItsLength) {
  Guest guest;
  guest.put<uint32_t>(100, 0);
  guest.put<uint32_t>(104, 3);
  guest.put<uint32_t>(kAt + 4, 77);
  EXPECT_EQ(guest.ext("recv_from", {fake::kControl, 100, 1, 200, 11, kAt, kAt + 4}), WASI_NETD_ERRNO_overflow);
  EXPECT_EQ(guest.get<uint32_t>(kAt), 12u);
  EXPECT_EQ(guest.get<uint32_t>(kAt + 4), 77u) << "written on success only";
}

TEST(GuestPoll, SubscriptionsAndEventsHavePreview1sLayout) {
  Guest guest;
  for (uint32_t i = 0; i < 96; ++i) guest.put<uint8_t>(1000 + i, 0);
  guest.put<uint64_t>(1000, 0xabcdef);            // a clock: userdata
  guest.put<uint32_t>(1000 + 16, 1);              // id
  guest.put<uint64_t>(1000 + 24, 5'000'000'000);  // timeout
  guest.put<uint64_t>(1000 + 32, 77);             // precision
  guest.put<uint16_t>(1000 + 40, 1);              // flags
  guest.put<uint64_t>(1048, 42);                  // a stream: userdata
  guest.put<uint8_t>(1048 + 8, 1);                // fd_read
  guest.put<uint32_t>(1048 + 16, fake::kStream);
  guest.client.events = {{42, WASI_NETD_ERRNO_pipe, WASI_NETD_EVENT_READ, 1234, WASI_NETD_EVENT_HANGUP}};
  EXPECT_EQ(guest.preview1("poll_oneoff", {1000, 2000, 2, kAt}), 0u);
  ASSERT_EQ(guest.client.polled.size(), 2u);
  EXPECT_EQ(guest.client.polled[0].userdata, 0xabcdefu);
  EXPECT_EQ(guest.client.polled[0].type, WASI_NETD_EVENT_CLOCK);
  EXPECT_EQ(guest.client.polled[0].clock_id, 1u);
  EXPECT_EQ(guest.client.polled[0].timeout_ns, 5'000'000'000u);
  EXPECT_EQ(guest.client.polled[0].clock_flags, 1);
  EXPECT_EQ(guest.client.polled[1].type, WASI_NETD_EVENT_READ);
  EXPECT_EQ(guest.client.polled[1].fd, fake::kStream);
  EXPECT_EQ(guest.get<uint32_t>(kAt), 1u);
  EXPECT_EQ(guest.get<uint64_t>(2000), 42u);
  EXPECT_EQ(guest.get<uint16_t>(2008), WASI_NETD_ERRNO_pipe);
  EXPECT_EQ(guest.get<uint8_t>(2010), WASI_NETD_EVENT_READ);
  EXPECT_EQ(guest.get<uint64_t>(2016), 1234u);
  EXPECT_EQ(guest.get<uint16_t>(2024), WASI_NETD_EVENT_HANGUP);
  EXPECT_EQ(guest.get<uint8_t>(2032), 'm');
}

TEST(GuestPoll, POLL_5_TheNumberOfSubscriptionsIsBounded) {
  Guest guest;
  for (const uint64_t count : {uint64_t{0}, uint64_t{4097}, uint64_t{0xffffffff}}) {
    EXPECT_EQ(guest.preview1("poll_oneoff", {0, 0, count, kAt}), WASI_NETD_ERRNO_inval) << count;
  }
  guest.put<uint8_t>(1008, 3);
  EXPECT_EQ(guest.preview1("poll_oneoff", {1000, 2000, 1, kAt}), WASI_NETD_ERRNO_inval) << "no such event type";
  EXPECT_EQ(guest.client.calls, 0);
}

TEST(GuestSystem, ArgumentsAndEnvironmentAreCopiedWithTheProtocols) {
  const char* const argv[] = {"prog", "", "x y", nullptr};
  const char* const envp[] = {"HOME=/", "WASI_NETD_PROTOCOLS=forged:9", nullptr};
  Guest guest(argv, envp);
  EXPECT_EQ(guest.preview1("args_sizes_get", {kAt, kAt + 4}), 0u);
  EXPECT_EQ(guest.get<uint32_t>(kAt), 3u);
  EXPECT_EQ(guest.get<uint32_t>(kAt + 4), 10u);
  EXPECT_EQ(guest.preview1("args_get", {1000, 2000}), 0u);
  EXPECT_EQ(guest.text(2000, 10), std::string_view("prog\0\0x y\0", 10));
  EXPECT_EQ(guest.get<uint32_t>(1000), 2000u);
  EXPECT_EQ(guest.get<uint32_t>(1004), 2005u);
  EXPECT_EQ(guest.get<uint32_t>(1008), 2006u);
  EXPECT_EQ(guest.preview1("environ_sizes_get", {kAt, kAt + 4}), 0u);
  EXPECT_EQ(guest.get<uint32_t>(kAt), 2u);
  EXPECT_EQ(guest.preview1("environ_get", {1000, 3000}), 0u);
  EXPECT_EQ(guest.text(3000, 41), std::string_view("HOME=/\0WASI_NETD_PROTOCOLS=local:3,web:7\0", 41));
}

TEST(GuestSystem, ClocksAndRandomNumbersWork) {
  Guest guest;
  for (const uint64_t clock : {0, 1, 2, 3}) {
    guest.put<uint64_t>(kAt, 0);
    EXPECT_EQ(guest.preview1("clock_time_get", {clock, 0, kAt}), 0u);
    EXPECT_GT(guest.get<uint64_t>(kAt), 0u);
    EXPECT_EQ(guest.preview1("clock_res_get", {clock, kAt}), 0u);
    EXPECT_GT(guest.get<uint64_t>(kAt), 0u);
  }
  EXPECT_EQ(guest.preview1("clock_time_get", {4, 0, kAt}), WASI_NETD_ERRNO_inval);
  EXPECT_EQ(guest.preview1("clock_res_get", {4, kAt}), WASI_NETD_ERRNO_inval);
  EXPECT_EQ(guest.preview1("random_get", {0, 1024}), 0u);
  EXPECT_NE(guest.text(0, 1024), std::string(1024, 'm'));
}

TEST(GuestSystem, AGuestYieldsAndHasNoSignals) {
  Guest guest;
  EXPECT_EQ(guest.preview1("sched_yield", {}), 0u);
  EXPECT_EQ(guest.preview1("proc_raise", {6}), WASI_NETD_ERRNO_notsup);
  EXPECT_FALSE(wasi_netd_instance_exited(guest.instance(), nullptr));
}

TEST(GuestSystem, EXIT_1_ProcExitEndsTheGuestWithItsCode) {
  Guest guest;
  uint32_t code = 0;
  EXPECT_FALSE(wasi_netd_instance_exited(guest.instance(), &code));
  guest.preview1("proc_exit", {7});
  EXPECT_TRUE(wasi_netd_instance_exited(guest.instance(), &code));
  EXPECT_EQ(code, 7u);
}

TEST(GuestSystem, INTR_1_ARequestedExitIsMetByTheNextCallWhichDoesNothing) {
  Guest guest;
  wasi_netd_instance_request_exit(guest.instance(), 143);
  wasi_netd_instance_request_exit(guest.instance(), 9);
  EXPECT_FALSE(wasi_netd_instance_exited(guest.instance(), nullptr));
  uint32_t code = 0;
  EXPECT_TRUE(wasi_netd_instance_exit_requested(guest.instance(), &code));
  EXPECT_EQ(code, 143u);
  guest.networking("accept", {fake::kControl, kAt});
  EXPECT_EQ(guest.client.calls, 0);
  EXPECT_TRUE(wasi_netd_instance_exited(guest.instance(), &code));
  EXPECT_EQ(code, 143u);
}

TEST(GuestSystem, TheInstanceClosesItsGuest) {
  bool ended = false;
  {
    Guest guest;
    guest.client.ended = &ended;
  }
  EXPECT_TRUE(ended);
}

TEST(GuestSystem, AnInstanceThatCannotBeMadeLeavesTheGuestToItsOwner) {
  bool ended = false;
  wasi_netd_guest client;
  client.ended = &ended;
  client.answer = WASI_NETD_ERRNO_connaborted;
  wasi_netd_instance* instance = nullptr;
  EXPECT_EQ(wasi_netd_instance_new(&client, nullptr, nullptr, &instance), WASI_NETD_ERRNO_connaborted);
  const std::string huge(2 << 20, 'x');
  const char* const argv[] = {huge.c_str(), nullptr};
  client.answer = WASI_NETD_ERRNO_success;
  EXPECT_EQ(wasi_netd_instance_new(&client, argv, nullptr, &instance), WASI_NETD_ERRNO_toobig);
  EXPECT_FALSE(ended);
}

TEST(GuestImports, Preview1IsThereWhole) {
  size_t count = 0;
  const auto* imports = wasi_netd_imports(&count);
  size_t preview1 = 0;
  for (size_t i = 0; i < count; ++i) {
    preview1 += std::string_view(imports[i].module) == "wasi_snapshot_preview1" ? 1 : 0;
    EXPECT_EQ(wasi_netd_import_find(imports[i].module, imports[i].name), &imports[i]);
  }
  EXPECT_EQ(preview1, 46u);
}

TEST(GuestImports, AnUnknownCallOfPreview1IsNosysAndOfOtherModulesNothing) {
  Guest guest;
  const auto* stub = wasi_netd_import_find("wasi_snapshot_preview1", "sock_open");
  ASSERT_NE(stub, nullptr);
  EXPECT_EQ(stub->signature, nullptr);
  EXPECT_EQ(guest.call(*stub, {}), WASI_NETD_ERRNO_nosys);
  EXPECT_EQ(wasi_netd_import_find("networking", "sock_open"), nullptr);
  EXPECT_EQ(wasi_netd_import_find("env", "fd_read"), nullptr);
}

}  // namespace
