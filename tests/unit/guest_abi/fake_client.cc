#include "fake_client.h"

#include <algorithm>
#include <cstring>

namespace {

int kind_of(int32_t fd) {
  switch (fd) {
    case 0:
    case 1:
    case 2:
      return WASI_NETD_KIND_STDIO;
    case fake::kProtocol:
      return WASI_NETD_KIND_PROTOCOL;
    case fake::kControl:
      return WASI_NETD_KIND_CONTROL;
    case fake::kConnection:
      return WASI_NETD_KIND_CONNECTION;
    case fake::kStream:
    case fake::kMade:
      return WASI_NETD_KIND_STREAM;
    default:
      return -1;
  }
}

wasi_netd_errno called(wasi_netd_guest* guest, int32_t fd) {
  ++guest->calls;
  if (kind_of(fd) < 0) return WASI_NETD_ERRNO_badf;
  return guest->answer;
}

wasi_netd_errno make(wasi_netd_guest* guest, int32_t fd, int32_t* out) {
  const auto error = called(guest, fd);
  if (error == WASI_NETD_ERRNO_success) *out = fake::kMade;
  return error;
}

wasi_netd_errno give(wasi_netd_guest* guest, const std::string& text, char* buffer, size_t capacity, size_t* length) {
  if (guest->answer != WASI_NETD_ERRNO_success) return guest->answer;
  *length = text.size();
  if (text.size() > capacity) return WASI_NETD_ERRNO_overflow;
  std::copy(text.begin(), text.end(), buffer);
  return WASI_NETD_ERRNO_success;
}

wasi_netd_errno fill(wasi_netd_guest* guest, int32_t fd, const wasi_netd_iovec* iovs, size_t count, size_t* done) {
  const auto error = called(guest, fd);
  if (error != WASI_NETD_ERRNO_success) return error;
  *done = 0;
  for (size_t i = 0; i < count; ++i) {
    std::memset(iovs[i].data, 'r', iovs[i].size);
    *done += iovs[i].size;
  }
  return error;
}

wasi_netd_errno take(wasi_netd_guest* guest, int32_t fd, const wasi_netd_ciovec* iovs, size_t count, size_t* done) {
  const auto error = called(guest, fd);
  if (error != WASI_NETD_ERRNO_success) return error;
  *done = 0;
  for (size_t i = 0; i < count; ++i) {
    guest->written.assign(static_cast<const char*>(iovs[i].data), iovs[i].size);
    *done += iovs[i].size;
  }
  return error;
}

}  // namespace

const char* wasi_netd_errno_name(wasi_netd_errno) { return "errno"; }

void wasi_netd_guest_close(wasi_netd_guest* guest) {
  if (guest->ended != nullptr) *guest->ended = true;
}
void wasi_netd_guest_abort(wasi_netd_guest* guest) { wasi_netd_guest_close(guest); }

wasi_netd_errno wasi_netd_open(wasi_netd_guest* guest, int32_t fd, const char* address, size_t length, uint32_t,
                               uint64_t rights_base, uint64_t rights_inheriting, uint32_t, int32_t* out) {
  guest->rights_base = rights_base;
  guest->rights_inheriting = rights_inheriting;
  guest->address.assign(address, length);
  return make(guest, fd, out);
}
wasi_netd_errno wasi_netd_listen(wasi_netd_guest* guest, int32_t fd, uint32_t) { return called(guest, fd); }
wasi_netd_errno wasi_netd_accept(wasi_netd_guest* guest, int32_t fd, int32_t* out) { return make(guest, fd, out); }
wasi_netd_errno wasi_netd_connect(wasi_netd_guest* guest, int32_t fd, const char* address, size_t length,
                                  int32_t* out) {
  guest->address.assign(address, length);
  return make(guest, fd, out);
}
wasi_netd_errno wasi_netd_stream_create(wasi_netd_guest* guest, int32_t fd, uint64_t rights_base,
                                        uint64_t rights_inheriting, uint32_t, int32_t* out) {
  guest->rights_base = rights_base;
  guest->rights_inheriting = rights_inheriting;
  return make(guest, fd, out);
}
wasi_netd_errno wasi_netd_stream_accept(wasi_netd_guest* guest, int32_t fd, int32_t* out) {
  return make(guest, fd, out);
}
wasi_netd_errno wasi_netd_sock_accept(wasi_netd_guest* guest, int32_t fd, uint32_t flags, int32_t* out) {
  guest->accept_flags = flags;
  return make(guest, fd, out);
}

wasi_netd_errno wasi_netd_protocol_get(wasi_netd_guest* guest, const char* name, size_t length, int32_t* out) {
  guest->address.assign(name, length);
  return make(guest, fake::kProtocol, out);
}
wasi_netd_errno wasi_netd_protocol_list(wasi_netd_guest* guest, char* buffer, size_t capacity, size_t* length) {
  ++guest->calls;
  return give(guest, guest->protocols, buffer, capacity, length);
}
wasi_netd_errno wasi_netd_local_address(wasi_netd_guest* guest, int32_t fd, char* buffer, size_t capacity,
                                        size_t* length) {
  const auto error = called(guest, fd);
  return error == WASI_NETD_ERRNO_success ? give(guest, "127.0.0.1:80", buffer, capacity, length) : error;
}
wasi_netd_errno wasi_netd_peer_address(wasi_netd_guest* guest, int32_t fd, char* buffer, size_t capacity,
                                       size_t* length) {
  return wasi_netd_local_address(guest, fd, buffer, capacity, length);
}
wasi_netd_errno wasi_netd_connection_info(wasi_netd_guest* guest, int32_t fd, char* buffer, size_t capacity,
                                          size_t* length) {
  return wasi_netd_local_address(guest, fd, buffer, capacity, length);
}
wasi_netd_errno wasi_netd_resolve(wasi_netd_guest* guest, int32_t fd, const char* name, size_t name_length,
                                  char* buffer, size_t capacity, size_t* length) {
  guest->address.assign(name, name_length);
  return wasi_netd_local_address(guest, fd, buffer, capacity, length);
}
wasi_netd_errno wasi_netd_restrict(wasi_netd_guest* guest, int32_t fd, uint64_t, uint64_t, int32_t* out) {
  return make(guest, fd, out);
}
wasi_netd_errno wasi_netd_set_option(wasi_netd_guest* guest, int32_t fd, uint32_t, uint32_t) {
  return called(guest, fd);
}
wasi_netd_errno wasi_netd_get_option(wasi_netd_guest* guest, int32_t fd, uint32_t, uint32_t* value) {
  const auto error = called(guest, fd);
  if (error == WASI_NETD_ERRNO_success) *value = 1;
  return error;
}

wasi_netd_errno wasi_netd_send_to(wasi_netd_guest* guest, int32_t fd, const wasi_netd_ciovec* iovs, size_t count,
                                  const char* address, size_t length, size_t* done) {
  guest->address.assign(address, length);
  return take(guest, fd, iovs, count, done);
}
wasi_netd_errno wasi_netd_recv_from(wasi_netd_guest* guest, int32_t fd, const wasi_netd_iovec* iovs, size_t count,
                                    char* address, size_t capacity, size_t* length, size_t* done, uint32_t* flags) {
  *flags = WASI_NETD_RECV_DATA_TRUNCATED;
  const auto error = fill(guest, fd, iovs, count, done);
  return error == WASI_NETD_ERRNO_success ? give(guest, "127.0.0.1:53", address, capacity, length) : error;
}

wasi_netd_errno wasi_netd_read(wasi_netd_guest* guest, int32_t fd, const wasi_netd_iovec* iovs, size_t count,
                               size_t* done) {
  return fill(guest, fd, iovs, count, done);
}
wasi_netd_errno wasi_netd_write(wasi_netd_guest* guest, int32_t fd, const wasi_netd_ciovec* iovs, size_t count,
                                size_t* done) {
  return take(guest, fd, iovs, count, done);
}
wasi_netd_errno wasi_netd_recv(wasi_netd_guest* guest, int32_t fd, const wasi_netd_iovec* iovs, size_t count,
                               uint32_t flags, size_t* done, uint32_t* out_flags) {
  *out_flags = flags;
  return fill(guest, fd, iovs, count, done);
}
wasi_netd_errno wasi_netd_send(wasi_netd_guest* guest, int32_t fd, const wasi_netd_ciovec* iovs, size_t count,
                               size_t* done) {
  return take(guest, fd, iovs, count, done);
}
wasi_netd_errno wasi_netd_shutdown(wasi_netd_guest* guest, int32_t fd, uint32_t) { return called(guest, fd); }
wasi_netd_errno wasi_netd_close(wasi_netd_guest* guest, int32_t fd) {
  ++guest->calls;
  return kind_of(fd) < 0 ? WASI_NETD_ERRNO_badf : WASI_NETD_ERRNO_success;
}
wasi_netd_errno wasi_netd_renumber(wasi_netd_guest* guest, int32_t from, int32_t) { return called(guest, from); }

wasi_netd_errno wasi_netd_fdstat_get(wasi_netd_guest* guest, int32_t fd, wasi_netd_fdstat* out) {
  const int kind = kind_of(fd);
  if (kind < 0) return WASI_NETD_ERRNO_badf;
  *out = {};
  out->kind = static_cast<uint8_t>(kind);
  out->filetype = kind == WASI_NETD_KIND_STDIO ? 2 : 6;
  out->flags = WASI_NETD_FDFLAG_NONBLOCK;
  out->rights_base = guest->rights;
  out->rights_inheriting = 0x1122334455667788;
  return WASI_NETD_ERRNO_success;
}
wasi_netd_errno wasi_netd_fdstat_set_flags(wasi_netd_guest* guest, int32_t fd, uint16_t) { return called(guest, fd); }
wasi_netd_errno wasi_netd_fdstat_set_rights(wasi_netd_guest* guest, int32_t fd, uint64_t, uint64_t) {
  return called(guest, fd);
}

wasi_netd_errno wasi_netd_poll(wasi_netd_guest* guest, const wasi_netd_subscription* subscriptions, size_t count,
                               wasi_netd_event* events, size_t* out) {
  ++guest->calls;
  guest->polled.assign(subscriptions, subscriptions + count);
  *out = std::min(count, guest->events.size());
  std::copy_n(guest->events.begin(), *out, events);
  return guest->answer;
}
