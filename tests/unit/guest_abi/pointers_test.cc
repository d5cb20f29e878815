// Every import, every pointer: out of bounds is `fault`, with nothing done and no byte of the guest's memory changed;
// at the last place that fits it is taken. Row FAULT-1 of docs/guest-api.md.
#include <map>
#include <sstream>

#include "guest.h"

namespace {

// What a parameter is. Pointers name what they point at and how many bytes of it the call needs.
struct Parameter {
  enum class Kind { kNumber, kPointer };
  Kind kind = Kind::kNumber;
  uint64_t value = 0;   // a good one
  uint64_t needed = 0;  // kPointer: bytes; 0: any pointer up to the end is good
};

constexpr uint32_t kText = 100;    // "web"
constexpr uint32_t kIovecs = 200;  // two iovecs
constexpr uint32_t kSubscription = 400;
constexpr uint32_t kScratch = 1000;  // for out-parameters

// A row of the table has a word per parameter.
//   stdio protocol control connection stream   an fd of that kind
//   0 4 6 ...   a number       text len   a string       buf cap   a buffer of 64 bytes       outN   N bytes out
//   iovs niovs  two iovecs     subs events nsubs   one subscription
Parameter parse(const std::string& word) {
  static const std::map<std::string, Parameter> kWords = {
      {"stdio", {Parameter::Kind::kNumber, fake::kStdio, 0}},
      {"protocol", {Parameter::Kind::kNumber, fake::kProtocol, 0}},
      {"control", {Parameter::Kind::kNumber, fake::kControl, 0}},
      {"connection", {Parameter::Kind::kNumber, fake::kConnection, 0}},
      {"stream", {Parameter::Kind::kNumber, fake::kStream, 0}},
      {"text", {Parameter::Kind::kPointer, kText, 3}},
      {"len", {Parameter::Kind::kNumber, 3, 0}},
      {"buf", {Parameter::Kind::kPointer, kScratch, 64}},
      {"cap", {Parameter::Kind::kNumber, 64, 0}},
      {"iovs", {Parameter::Kind::kPointer, kIovecs, 16}},
      {"niovs", {Parameter::Kind::kNumber, 2, 0}},
      {"subs", {Parameter::Kind::kPointer, kSubscription, 48}},
      {"events", {Parameter::Kind::kPointer, kScratch, 32}},
      {"nsubs", {Parameter::Kind::kNumber, 1, 0}},
  };
  if (const auto found = kWords.find(word); found != kWords.end()) return found->second;
  if (word.starts_with("out")) return {Parameter::Kind::kPointer, kScratch + 128, std::stoull(word.substr(3))};
  return {Parameter::Kind::kNumber, std::stoull(word), 0};
}

struct Row {
  const char* module;
  const char* name;
  const char* types;  // as the API's documents have them, which a guest is compiled by; an i64 is I
  const char* parameters;
};

constexpr const char* kNet = "networking";
constexpr const char* kExt = "networking_ext";
constexpr const char* kWasi = "wasi_snapshot_preview1";

constexpr Row kRows[] = {
    {kNet, "open", "iiiiIIii:i", "protocol text len 6 0 0 0 out4"},
    {kNet, "listen", "ii:i", "control 0"},
    {kNet, "accept", "ii:i", "control out4"},
    {kNet, "connect", "iiii:i", "control text len out4"},
    {kNet, "stream_create", "iIIii:i", "connection 0 0 0 out4"},
    {kNet, "stream_accept", "ii:i", "connection out4"},
    {kExt, "protocol_get", "iii:i", "text len out4"},
    {kExt, "protocol_list", "iii:i", "buf cap out4"},
    {kExt, "local_address", "iiii:i", "control buf cap out4"},
    {kExt, "peer_address", "iiii:i", "connection buf cap out4"},
    {kExt, "connection_info", "iiii:i", "connection buf cap out4"},
    {kExt, "resolve", "iiiiii:i", "protocol text len buf cap out4"},
    {kExt, "restrict", "iIIi:i", "control 0 0 out4"},
    {kExt, "set_option", "iii:i", "stream 1 1"},
    {kExt, "get_option", "iii:i", "stream 1 out4"},
    {kExt, "datagram_stream", "ii:i", "connection out4"},
    {kExt, "stream_create_uni", "ii:i", "connection out4"},
    {kExt, "send_to", "iiiiii:i", "control iovs niovs text len out4"},
    {kExt, "recv_from", "iiiiiii:i", "control iovs niovs buf cap out4 out4"},
    {kWasi, "args_get", "ii:i", "out8 out13"},
    {kWasi, "args_sizes_get", "ii:i", "out4 out4"},
    {kWasi, "environ_get", "ii:i", "out8 out38"},
    {kWasi, "environ_sizes_get", "ii:i", "out4 out4"},
    {kWasi, "clock_res_get", "ii:i", "0 out8"},
    {kWasi, "clock_time_get", "iIi:i", "0 0 out8"},
    {kWasi, "fd_advise", "iIIi:i", "stdio 0 0 0"},
    {kWasi, "fd_allocate", "iII:i", "stdio 0 0"},
    {kWasi, "fd_close", "i:i", "stdio"},
    {kWasi, "fd_datasync", "i:i", "stdio"},
    {kWasi, "fd_fdstat_get", "ii:i", "stream out24"},
    {kWasi, "fd_fdstat_set_flags", "ii:i", "stream 4"},
    {kWasi, "fd_fdstat_set_rights", "iII:i", "stream 0 0"},
    {kWasi, "fd_filestat_get", "ii:i", "stream out64"},
    {kWasi, "fd_filestat_set_size", "iI:i", "stdio 0"},
    {kWasi, "fd_filestat_set_times", "iIIi:i", "stdio 0 0 0"},
    {kWasi, "fd_pread", "iiiIi:i", "stream iovs niovs 0 out4"},
    {kWasi, "fd_prestat_get", "ii:i", "protocol out8"},
    {kWasi, "fd_prestat_dir_name", "iii:i", "protocol buf cap"},
    {kWasi, "fd_pwrite", "iiiIi:i", "stream iovs niovs 0 out4"},
    {kWasi, "fd_read", "iiii:i", "stream iovs niovs out4"},
    {kWasi, "fd_readdir", "iiiIi:i", "stdio buf cap 0 out4"},
    {kWasi, "fd_renumber", "ii:i", "stream stdio"},
    {kWasi, "fd_seek", "iIii:i", "stdio 0 0 out8"},
    {kWasi, "fd_sync", "i:i", "stdio"},
    {kWasi, "fd_tell", "ii:i", "stdio out8"},
    {kWasi, "fd_write", "iiii:i", "stream iovs niovs out4"},
    {kWasi, "path_create_directory", "iii:i", "protocol text len"},
    {kWasi, "path_filestat_get", "iiiii:i", "protocol 0 text len out64"},
    {kWasi, "path_filestat_set_times", "iiiiIIi:i", "protocol 0 text len 0 0 0"},
    {kWasi, "path_link", "iiiiiii:i", "protocol 0 text len protocol text len"},
    {kWasi, "path_open", "iiiiiIIii:i", "protocol 0 text len 0 0 0 0 out4"},
    {kWasi, "path_readlink", "iiiiii:i", "protocol text len buf cap out4"},
    {kWasi, "path_remove_directory", "iii:i", "protocol text len"},
    {kWasi, "path_rename", "iiiiii:i", "protocol text len protocol text len"},
    {kWasi, "path_symlink", "iiiii:i", "text len protocol text len"},
    {kWasi, "path_unlink_file", "iii:i", "protocol text len"},
    {kWasi, "poll_oneoff", "iiii:i", "subs events nsubs out4"},
    {kWasi, "proc_exit", "i:", "0"},
    {kWasi, "proc_raise", "i:i", "0"},
    {kWasi, "random_get", "ii:i", "buf cap"},
    {kWasi, "sched_yield", ":i", ""},
    {kWasi, "sock_accept", "iii:i", "control 0 out4"},
    {kWasi, "sock_recv", "iiiiii:i", "stream iovs niovs 0 out4 out2"},
    {kWasi, "sock_send", "iiiii:i", "stream iovs niovs 0 out4"},
    {kWasi, "sock_shutdown", "ii:i", "stream 1"},
};

std::vector<Parameter> parameters_of(const Row& row) {
  std::vector<Parameter> parameters;
  std::istringstream words(row.parameters);
  for (std::string word; words >> word;) parameters.push_back(parse(word));
  return parameters;
}

std::vector<uint64_t> good_arguments(const std::vector<Parameter>& parameters) {
  std::vector<uint64_t> arguments;
  arguments.reserve(parameters.size());
  for (const auto& parameter : parameters) arguments.push_back(parameter.value);
  return arguments;
}

constexpr const char* kArguments[] = {"guest", "second", nullptr};
constexpr const char* kEnvironment[] = {"A=1", nullptr};

// A guest whose memory holds what the good pointers point at.
class PointerGuest : public Guest {
 public:
  PointerGuest() : Guest(kArguments, kEnvironment) {
    put_text(kText, "web");
    for (uint32_t i = 0; i < 2; ++i) {
      put<uint32_t>(kIovecs + i * 8, 2000 + i * 100);
      put<uint32_t>(kIovecs + i * 8 + 4, 50);
    }
    for (uint32_t i = 0; i < 48; ++i) put<uint8_t>(kSubscription + i, 0);
  }
  // The value at `from`, moved so that it ends with the memory.
  uint64_t move_to_end(uint64_t from, uint64_t size) {
    const uint64_t to = kSize - size;
    for (uint64_t i = 0; i < size; ++i) {
      put<uint8_t>(static_cast<uint32_t>(to + i), get<uint8_t>(static_cast<uint32_t>(from + i)));
    }
    return to;
  }
};

std::string described(const Row& row, size_t index, uint64_t value) {
  return std::string(row.module) + "." + row.name + " argument " + std::to_string(index) + " = " +
         std::to_string(value);
}

TEST(GuestImports, EachHasTheTypesThatGuestsAreCompiledBy) {
  size_t count = 0;
  const auto* imports = wasi_netd_imports(&count);
  EXPECT_EQ(count, std::size(kRows));
  for (size_t i = 0; i < count; ++i) {
    const auto row = std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& candidate) {
      return imports[i].module == std::string_view(candidate.module) &&
             imports[i].name == std::string_view(candidate.name);
    });
    ASSERT_NE(row, std::end(kRows)) << imports[i].name;
    const std::string_view signature = imports[i].signature;
    EXPECT_EQ(signature, row->types) << imports[i].name;
    EXPECT_EQ(parameters_of(*row).size(), signature.find(':')) << imports[i].name;
    EXPECT_LE(signature.find(':'), size_t{WASI_NETD_IMPORT_MAX_PARAMETERS}) << imports[i].name;
  }
}

TEST(GuestPointers, FAULT_1_OutOfBoundsIsFaultWithNothingDoneAndMemoryUntouched) {
  for (const auto& row : kRows) {
    const auto parameters = parameters_of(row);
    for (size_t i = 0; i < parameters.size(); ++i) {
      if (parameters[i].kind != Parameter::Kind::kPointer) continue;
      const uint64_t needed = parameters[i].needed;
      for (const uint64_t bad : {Guest::kSize - needed + 1, uint64_t{Guest::kSize}, uint64_t{Guest::kSize} + 1,
                                 uint64_t{0x80000000}, uint64_t{0xfffffff0}, uint64_t{0xffffffff}}) {
        PointerGuest guest;
        auto arguments = good_arguments(parameters);
        arguments[i] = bad;
        const auto before = guest.snapshot();
        EXPECT_EQ(guest.call(Guest::import(row.module, row.name), arguments), WASI_NETD_ERRNO_fault)
            << described(row, i, bad);
        EXPECT_EQ(guest.client.calls, 0) << described(row, i, bad);
        EXPECT_TRUE(guest.snapshot() == before) << described(row, i, bad);
      }
    }
  }
}

TEST(GuestPointers, TheLastPlaceThatFitsIsTaken) {
  for (const auto& row : kRows) {
    const auto parameters = parameters_of(row);
    for (size_t i = 0; i < parameters.size(); ++i) {
      if (parameters[i].kind != Parameter::Kind::kPointer) continue;
      PointerGuest guest;
      auto arguments = good_arguments(parameters);
      arguments[i] = guest.move_to_end(parameters[i].value, parameters[i].needed);
      EXPECT_NE(guest.call(Guest::import(row.module, row.name), arguments), WASI_NETD_ERRNO_fault)
          << described(row, i, arguments[i]);
    }
  }
}

TEST(GuestPointers, ALengthThatReachesBeyondTheMemoryIsFaultHoweverItWraps) {
  for (const auto& row : kRows) {
    const auto parameters = parameters_of(row);
    for (size_t i = 0; i + 1 < parameters.size(); ++i) {
      std::istringstream words(row.parameters);
      std::string word;
      for (size_t skip = 0; skip <= i; ++skip) words >> word;
      if (word != "text" && word != "buf") continue;
      for (const uint64_t length : {uint64_t{Guest::kSize}, uint64_t{0x7fffffff}, uint64_t{0xffffffff}}) {
        PointerGuest guest;
        auto arguments = good_arguments(parameters);
        arguments[i + 1] = length;
        EXPECT_EQ(guest.call(Guest::import(row.module, row.name), arguments), WASI_NETD_ERRNO_fault)
            << described(row, i + 1, length);
        EXPECT_EQ(guest.client.calls, 0) << described(row, i + 1, length);
      }
    }
  }
}

TEST(GuestPointers, FAULT_1_ABufferOfANestedIovecOutOfBoundsIsFaultToo) {
  struct Bad {
    uint32_t pointer, length;
  };
  for (const auto& row : kRows) {
    if (std::string_view(row.parameters).find("iovs") == std::string_view::npos) continue;
    for (const Bad bad : {Bad{Guest::kSize - 49, 50}, Bad{0xffffffff, 1}, Bad{0, 0xffffffff}, Bad{0xffffff00, 0x200},
                          Bad{Guest::kSize + 1, 0}}) {
      PointerGuest guest;
      guest.put(kIovecs + 8, bad.pointer);
      guest.put(kIovecs + 12, bad.length);
      const auto before = guest.snapshot();
      EXPECT_EQ(guest.call(Guest::import(row.module, row.name), good_arguments(parameters_of(row))),
                WASI_NETD_ERRNO_fault)
          << row.name << " " << bad.pointer << "+" << bad.length;
      EXPECT_EQ(guest.client.calls, 0) << row.name;
      EXPECT_TRUE(guest.snapshot() == before) << row.name;
    }
  }
}

TEST(GuestPointers, FAULT_2_TooManyIovecsOrBytesAreRefused) {
  for (const auto& row : kRows) {
    const auto parameters = parameters_of(row);
    if (std::string_view(row.parameters).find("iovs") == std::string_view::npos) continue;
    for (const uint64_t count : {uint64_t{1025}, uint64_t{0xffffffff}}) {
      PointerGuest guest;
      auto arguments = good_arguments(parameters);
      arguments[2] = count;
      EXPECT_EQ(guest.call(Guest::import(row.module, row.name), arguments), WASI_NETD_ERRNO_inval) << row.name;
      EXPECT_EQ(guest.client.calls, 0) << row.name;
    }
  }
}

TEST(GuestPointers, AnUnknownFdIsBadfInEveryCallThatTakesOne) {
  for (const auto& row : kRows) {
    std::istringstream words(row.parameters);
    const auto parameters = parameters_of(row);
    for (size_t i = 0; i < parameters.size(); ++i) {
      std::string word;
      words >> word;
      const bool is_fd =
          word == "stdio" || word == "protocol" || word == "control" || word == "connection" || word == "stream";
      const bool is_target = std::string_view(row.name) == "fd_renumber" && i == 1;
      if (!is_fd || is_target) continue;
      PointerGuest guest;
      auto arguments = good_arguments(parameters);
      for (const uint64_t fd : {uint64_t{fake::kUnknown}, uint64_t{0xffffffff}, uint64_t{0x80000001}}) {
        arguments[i] = fd;
        EXPECT_EQ(guest.call(Guest::import(row.module, row.name), arguments), WASI_NETD_ERRNO_badf)
            << described(row, i, fd);
      }
    }
  }
}

TEST(GuestPointers, OnlyTheLowHalfOfAnI32ArgumentCounts) {
  PointerGuest guest;
  const uint64_t high = uint64_t{0xdeadbeef} << 32;
  EXPECT_EQ(guest.preview1("fd_read", {high | fake::kStream, high | kIovecs, high | 2, high | kScratch}), 0u);
  EXPECT_EQ(guest.get<uint32_t>(kScratch), 100u);
}

TEST(GuestPointers, AGuestWithoutMemoryGetsFaultForEveryPointer) {
  PointerGuest guest;
  const auto& random_get = Guest::import(kWasi, "random_get");
  const std::vector<uint64_t> one_byte{0, 1};
  EXPECT_EQ(random_get.call(guest.instance(), {nullptr, 0}, one_byte.data()), WASI_NETD_ERRNO_fault);
  const std::vector<uint64_t> no_byte{0, 0};
  EXPECT_EQ(random_get.call(guest.instance(), {nullptr, 0}, no_byte.data()), WASI_NETD_ERRNO_success);
}

}  // namespace
