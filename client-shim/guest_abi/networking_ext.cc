// Module `networking_ext`: what the sketch leaves open and a program needs. docs/guest-api.md, "Module networking_ext".
#include <limits>

#include "guest_abi/import.h"

namespace wasi_netd::guest_abi {
namespace {

// (name, name_len, out_protocol_fd*)
wasi_netd_errno protocol_get(Call& call) {
  const auto protocol_fd = call.out<int32_t>(2);
  if (!protocol_fd) return errc::fault;
  std::string_view name;
  auto error = call.text(0, &name);
  if (error != errc::success) return error;
  int32_t found = -1;
  error = wasi_netd_protocol_get(call.guest(), name.data(), name.size(), &found);
  if (error == errc::success) protocol_fd.set(found);
  return error;
}

// Gives `read_text` the guest's buffer in arguments `index` (pointer), `index + 1` (capacity) and writes the text's
// length to where `index + 2` points, on success and on `overflow`.
template <class ReadText>
wasi_netd_errno text_out(const Call& call, size_t index, const ReadText& read_text) {
  char* buffer = call.memory.chars(call.u32(index), call.u32(index + 1));
  const auto length = call.out<uint32_t>(index + 2);
  if (buffer == nullptr || !length) return errc::fault;
  size_t whole = 0;
  const wasi_netd_errno error = read_text(buffer, size_t{call.u32(index + 1)}, &whole);
  if (whole > std::numeric_limits<uint32_t>::max()) return errc::toobig;
  if (error == errc::success || error == errc::overflow) {
    length.set(static_cast<uint32_t>(whole));
  }
  return error;
}

// (buffer*, capacity, out_len*)
wasi_netd_errno protocol_list(Call& call) {
  return text_out(call, 0, [&](char* buffer, size_t capacity, size_t* length) {
    return wasi_netd_protocol_list(call.guest(), buffer, capacity, length);
  });
}

using FdText = wasi_netd_errno (*)(wasi_netd_guest*, int32_t, char*, size_t, size_t*);

// (fd, buffer*, capacity, out_len*)
template <FdText read_text>
wasi_netd_errno text_of_fd(Call& call) {
  return text_out(call, 1, [&](char* buffer, size_t capacity, size_t* length) {
    return read_text(call.guest(), call.fd(0), buffer, capacity, length);
  });
}

// (protocol_fd, name, name_len, buffer*, capacity, out_len*)
wasi_netd_errno resolve(Call& call) {
  std::string_view name;
  const auto bad_name = after_fd(call, call.fd(0), call.text(1, &name));
  return text_out(call, 3, [&](char* buffer, size_t capacity, size_t* length) {
    if (bad_name != errc::success) return bad_name;
    return wasi_netd_resolve(call.guest(), call.fd(0), name.data(), name.size(), buffer, capacity, length);
  });
}

// (fd, rights_base, rights_inheriting, out_fd*)
wasi_netd_errno restrict_rights(Call& call) {
  const auto weaker_fd = call.out<int32_t>(3);
  if (!weaker_fd) return errc::fault;
  int32_t made = -1;
  const auto error = wasi_netd_restrict(call.guest(), call.fd(0), call.u64(1), call.u64(2), &made);
  if (error == errc::success) weaker_fd.set(made);
  return error;
}

// (fd, option, value)
wasi_netd_errno set_option(Call& call) {
  return wasi_netd_set_option(call.guest(), call.fd(0), call.u32(1), call.u32(2));
}

// (fd, option, out_value*)
wasi_netd_errno get_option(Call& call) {
  const auto value = call.out<uint32_t>(2);
  if (!value) return errc::fault;
  uint32_t got = 0;
  const auto error = wasi_netd_get_option(call.guest(), call.fd(0), call.u32(1), &got);
  if (error == errc::success) value.set(got);
  return error;
}

// No transport of this version has many streams, so these two check what they are given, as they will where one has,
// and say `notsup`. (connection_fd, out_stream_fd*)
wasi_netd_errno extra_stream(Call& call) {
  if (!call.out<int32_t>(1)) return errc::fault;
  wasi_netd_fdstat stat;
  const auto error = require_kind(call, call.fd(0), WASI_NETD_KIND_CONNECTION, &stat);
  return error == errc::success ? errc::notsup : error;
}

// (control_fd, iovs*, iovs_len, address, address_len, out_written*)
wasi_netd_errno send_to(Call& call) {
  const auto done = call.out<uint32_t>(5);
  if (!done) return errc::fault;
  auto& iovs = call.instance.ciovecs;
  auto error = after_fd(call, call.fd(0), call.memory.iovecs(call.u32(1), call.u32(2), &iovs));
  if (error != errc::success) return error;
  std::string_view address;
  error = after_fd(call, call.fd(0), call.text(3, &address));
  if (error != errc::success) return error;
  size_t count = 0;
  error = wasi_netd_send_to(call.guest(), call.fd(0), iovs.data(), iovs.size(), address.data(), address.size(), &count);
  if (error == errc::success) done.set(static_cast<uint32_t>(count));
  return error;
}

// (control_fd, iovs*, iovs_len, address*, capacity, out_address_len*, out_read*)
wasi_netd_errno recv_from(Call& call) {
  const auto done = call.out<uint32_t>(6);
  if (!done) return errc::fault;
  auto& iovs = call.instance.iovecs;
  const auto bad_iovs = after_fd(call, call.fd(0), call.memory.iovecs(call.u32(1), call.u32(2), &iovs));
  if (bad_iovs == errc::fault) return bad_iovs;
  return text_out(call, 3, [&](char* address, size_t capacity, size_t* length) {
    if (bad_iovs != errc::success) return bad_iovs;
    size_t count = 0;
    uint32_t flags = 0;
    const auto error = wasi_netd_recv_from(call.guest(), call.fd(0), iovs.data(), iovs.size(), address, capacity,
                                           length, &count, &flags);
    if (error == errc::success) done.set(static_cast<uint32_t>(count));
    return error;
  });
}

constexpr wasi_netd_import kImports[] = {
    {"networking_ext", "protocol_get", "iii:i", entry<protocol_get>},
    {"networking_ext", "protocol_list", "iii:i", entry<protocol_list>},
    {"networking_ext", "local_address", "iiii:i", entry<text_of_fd<wasi_netd_local_address>>},
    {"networking_ext", "peer_address", "iiii:i", entry<text_of_fd<wasi_netd_peer_address>>},
    {"networking_ext", "connection_info", "iiii:i", entry<text_of_fd<wasi_netd_connection_info>>},
    {"networking_ext", "resolve", "iiiiii:i", entry<resolve>},
    {"networking_ext", "restrict", "iIIi:i", entry<restrict_rights>},
    {"networking_ext", "set_option", "iii:i", entry<set_option>},
    {"networking_ext", "get_option", "iii:i", entry<get_option>},
    {"networking_ext", "datagram_stream", "ii:i", entry<extra_stream>},
    {"networking_ext", "stream_create_uni", "ii:i", entry<extra_stream>},
    {"networking_ext", "send_to", "iiiiii:i", entry<send_to>},
    {"networking_ext", "recv_from", "iiiiiii:i", entry<recv_from>},
};

}  // namespace

std::span<const wasi_netd_import> networking_ext_imports() { return kImports; }

}  // namespace wasi_netd::guest_abi
