// Module `networking`: the six calls of the wasi-networking sketch. docs/guest-api.md, "Module networking".
#include "guest_abi/import.h"

namespace wasi_netd::guest_abi {
namespace {

// (protocol_fd, address, address_len, type, rights_base, rights_inheriting, fdflags, out_control_fd*)
wasi_netd_errno open(Call& call) {
  const auto control_fd = call.out<int32_t>(7);
  if (!control_fd) return errc::fault;
  std::string_view address;
  auto error = after_fd(call, call.fd(0), call.text(1, &address));
  if (error != errc::success) return error;
  int32_t made = -1;
  error = wasi_netd_open(call.guest(), call.fd(0), address.data(), address.size(), call.u32(3), call.u64(4),
                         call.u64(5), call.u32(6), &made);
  if (error == errc::success) control_fd.set(made);
  return error;
}

// (control_fd, backlog)
wasi_netd_errno listen(Call& call) { return wasi_netd_listen(call.guest(), call.fd(0), call.u32(1)); }

// (control_fd, out_connection_fd*)
wasi_netd_errno accept(Call& call) {
  const auto connection_fd = call.out<int32_t>(1);
  if (!connection_fd) return errc::fault;
  int32_t made = -1;
  const auto error = wasi_netd_accept(call.guest(), call.fd(0), &made);
  if (error == errc::success) connection_fd.set(made);
  return error;
}

// (control_fd, address, address_len, out_connection_fd*)
wasi_netd_errno connect(Call& call) {
  const auto connection_fd = call.out<int32_t>(3);
  if (!connection_fd) return errc::fault;
  std::string_view address;
  auto error = after_fd(call, call.fd(0), call.text(1, &address));
  if (error != errc::success) return error;
  int32_t made = -1;
  error = wasi_netd_connect(call.guest(), call.fd(0), address.data(), address.size(), &made);
  if (error == errc::success) connection_fd.set(made);
  return error;
}

// (connection_fd, rights_base, rights_inheriting, fdflags, out_stream_fd*)
wasi_netd_errno stream_create(Call& call) {
  const auto stream_fd = call.out<int32_t>(4);
  if (!stream_fd) return errc::fault;
  int32_t made = -1;
  const auto error = wasi_netd_stream_create(call.guest(), call.fd(0), call.u64(1), call.u64(2), call.u32(3), &made);
  if (error == errc::success) stream_fd.set(made);
  return error;
}

// (connection_fd, out_stream_fd*)
wasi_netd_errno stream_accept(Call& call) {
  const auto stream_fd = call.out<int32_t>(1);
  if (!stream_fd) return errc::fault;
  int32_t made = -1;
  const auto error = wasi_netd_stream_accept(call.guest(), call.fd(0), &made);
  if (error == errc::success) stream_fd.set(made);
  return error;
}

constexpr wasi_netd_import kImports[] = {
    {"networking", "open", "iiiiIIii:i", entry<open>},
    {"networking", "listen", "ii:i", entry<listen>},
    {"networking", "accept", "ii:i", entry<accept>},
    {"networking", "connect", "iiii:i", entry<connect>},
    {"networking", "stream_create", "iIIii:i", entry<stream_create>},
    {"networking", "stream_accept", "ii:i", entry<stream_accept>},
};

}  // namespace

std::span<const wasi_netd_import> networking_imports() { return kImports; }

}  // namespace wasi_netd::guest_abi
