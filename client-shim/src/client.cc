// The C ABI: checks pointers, turns C strings and arrays into views, and lets no exception out.
#include "wasi_netd/client.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "client-shim/src/guest.h"

namespace shim = wasi_netd::shim;
namespace err = wasi_netd::shim::err;

struct wasi_netd_tenant {
  std::shared_ptr<shim::Tenant> tenant;
};

struct wasi_netd_guest {
  std::unique_ptr<shim::Guest> guest;
};

namespace {

template <class Call>
wasi_netd_errno guarded(Call call) noexcept {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return err::nomem;
  } catch (...) {
    return err::io;
  }
}

// `call(guest)` if there is a guest and every pointer in `required` is set.
template <class Call>
wasi_netd_errno with(wasi_netd_guest* guest, std::initializer_list<const void*> required, Call call) noexcept {
  const bool complete = std::ranges::find(required, nullptr) == required.end();
  if (guest == nullptr || !complete) return err::inval;
  return guarded([&] { return call(*guest->guest); });
}

// A view over `count` elements, or none where the pointer is missing.
template <class Element>
bool view(const Element* data, size_t count, std::span<const Element>& out) {
  if (data == nullptr && count != 0) return false;
  out = {data, count};
  return true;
}

bool view(const char* data, size_t size, std::string_view& out) {
  if (data == nullptr && size != 0) return false;
  out = {data, size};
  return true;
}

// Calls `get(guest, text)` and copies the text as client.h says.
template <class Get>
wasi_netd_errno copy_text(wasi_netd_guest* guest, char* buffer, size_t capacity, size_t* out_len, Get get) noexcept {
  return with(guest, {out_len}, [&](shim::Guest& self) -> wasi_netd_errno {
    if (buffer == nullptr && capacity != 0) return err::inval;
    std::string text;
    const wasi_netd_errno error = get(self, text);
    if (error != err::success) return error;
    *out_len = text.size();
    if (text.size() > capacity) return err::overflow;
    std::copy(text.begin(), text.end(), buffer);
    return err::success;
  });
}

// Calls `get(guest, fd)` and hands out the fd.
template <class Get>
wasi_netd_errno new_fd(wasi_netd_guest* guest, int32_t* out, Get get) noexcept {
  return with(guest, {out}, [&](shim::Guest& self) {
    int32_t fd = -1;
    const wasi_netd_errno error = get(self, fd);
    if (error == err::success) *out = fd;
    return error;
  });
}

// Calls `transfer(guest, buffers, count)` and hands out the count.
template <class Buffer, class Transfer>
wasi_netd_errno transfer_bytes(wasi_netd_guest* guest, const Buffer* buffers, size_t count, size_t* out,
                               Transfer transfer) noexcept {
  return with(guest, {out}, [&](shim::Guest& self) -> wasi_netd_errno {
    std::span<const Buffer> all;
    if (!view(buffers, count, all)) return err::inval;
    if (std::ranges::any_of(all, [](const Buffer& one) { return one.data == nullptr && one.size != 0; })) {
      return err::fault;
    }
    size_t moved = 0;
    const wasi_netd_errno error = transfer(self, all, moved);
    if (error == err::success) *out = moved;
    return error;
  });
}

}  // namespace

extern "C" {

const char* wasi_netd_errno_name(wasi_netd_errno error) {
  switch (error) {
#define WASI_NETD_ERRNO(name, number) \
  case number:                        \
    return #name;
#include "wasi_netd/errno.def"
#undef WASI_NETD_ERRNO
    default:
      return "unknown";
  }
}

const char* wasi_netd_version(void) { return WASI_NETD_VERSION; }

wasi_netd_errno wasi_netd_tenant_open(const char* socket_path, wasi_netd_tenant** out) {
  if (socket_path == nullptr || out == nullptr) return err::inval;
  return guarded([&] {
    auto tenant = std::make_unique<wasi_netd_tenant>();
    const wasi_netd_errno error = shim::Tenant::open(socket_path, tenant->tenant);
    if (error == err::success) *out = tenant.release();
    return error;
  });
}

void wasi_netd_tenant_release(wasi_netd_tenant* tenant) { delete tenant; }

void wasi_netd_tenant_interrupt(wasi_netd_tenant* tenant) {
  if (tenant != nullptr) tenant->tenant->interrupt();
}

wasi_netd_errno wasi_netd_guest_open(wasi_netd_tenant* tenant, const wasi_netd_guest_options* options,
                                     wasi_netd_guest** out) {
  if (tenant == nullptr || out == nullptr) return err::inval;
  return guarded([&] {
    auto guest = std::make_unique<wasi_netd_guest>();
    const wasi_netd_errno error = shim::Guest::open(tenant->tenant, options, guest->guest);
    if (error == err::success) *out = guest.release();
    return error;
  });
}

void wasi_netd_guest_close(wasi_netd_guest* guest) {
  if (guest == nullptr) return;
  guarded([&] {
    guest->guest->finish();
    return err::success;
  });
  delete guest;
}

void wasi_netd_guest_abort(wasi_netd_guest* guest) { delete guest; }

void wasi_netd_guest_interrupt(wasi_netd_guest* guest) {
  if (guest != nullptr) guest->guest->interrupt();
}

wasi_netd_errno wasi_netd_open(wasi_netd_guest* guest, int32_t protocol_fd, const char* address, size_t address_len,
                               uint32_t type, uint64_t rights_base, uint64_t rights_inheriting, uint32_t fdflags,
                               int32_t* out_control_fd) {
  return new_fd(guest, out_control_fd, [&](shim::Guest& self, int32_t& fd) -> wasi_netd_errno {
    std::string_view text;
    if (!view(address, address_len, text)) return err::inval;
    return self.open_control(protocol_fd, text, type, {rights_base, rights_inheriting}, fdflags, fd);
  });
}

wasi_netd_errno wasi_netd_listen(wasi_netd_guest* guest, int32_t control_fd, uint32_t backlog) {
  return with(guest, {}, [&](shim::Guest& self) { return self.listen(control_fd, backlog); });
}

wasi_netd_errno wasi_netd_accept(wasi_netd_guest* guest, int32_t control_fd, int32_t* out_connection_fd) {
  return new_fd(guest, out_connection_fd, [&](shim::Guest& self, int32_t& fd) { return self.accept(control_fd, fd); });
}

wasi_netd_errno wasi_netd_connect(wasi_netd_guest* guest, int32_t control_fd, const char* address, size_t address_len,
                                  int32_t* out_connection_fd) {
  return new_fd(guest, out_connection_fd, [&](shim::Guest& self, int32_t& fd) -> wasi_netd_errno {
    std::string_view text;
    if (!view(address, address_len, text)) return err::inval;
    return self.connect(control_fd, text, fd);
  });
}

wasi_netd_errno wasi_netd_stream_create(wasi_netd_guest* guest, int32_t connection_fd, uint64_t rights_base,
                                        uint64_t rights_inheriting, uint32_t fdflags, int32_t* out_stream_fd) {
  return new_fd(guest, out_stream_fd, [&](shim::Guest& self, int32_t& fd) {
    return self.stream_create(connection_fd, {rights_base, rights_inheriting}, fdflags, fd);
  });
}

wasi_netd_errno wasi_netd_stream_accept(wasi_netd_guest* guest, int32_t connection_fd, int32_t* out_stream_fd) {
  return new_fd(guest, out_stream_fd,
                [&](shim::Guest& self, int32_t& fd) { return self.stream_accept(connection_fd, fd); });
}

wasi_netd_errno wasi_netd_protocol_get(wasi_netd_guest* guest, const char* name, size_t name_len,
                                       int32_t* out_protocol_fd) {
  return new_fd(guest, out_protocol_fd, [&](shim::Guest& self, int32_t& fd) -> wasi_netd_errno {
    std::string_view text;
    if (!view(name, name_len, text)) return err::inval;
    return self.protocol_get(text, fd);
  });
}

wasi_netd_errno wasi_netd_protocol_list(wasi_netd_guest* guest, char* buffer, size_t capacity, size_t* out_len) {
  return copy_text(guest, buffer, capacity, out_len, [](shim::Guest& self, std::string& text) {
    text = self.protocol_list();
    return err::success;
  });
}

wasi_netd_errno wasi_netd_local_address(wasi_netd_guest* guest, int32_t fd, char* buffer, size_t capacity,
                                        size_t* out_len) {
  return copy_text(guest, buffer, capacity, out_len,
                   [&](shim::Guest& self, std::string& text) { return self.local_address(fd, text); });
}

wasi_netd_errno wasi_netd_peer_address(wasi_netd_guest* guest, int32_t fd, char* buffer, size_t capacity,
                                       size_t* out_len) {
  return copy_text(guest, buffer, capacity, out_len,
                   [&](shim::Guest& self, std::string& text) { return self.peer_address(fd, text); });
}

wasi_netd_errno wasi_netd_connection_info(wasi_netd_guest* guest, int32_t fd, char* buffer, size_t capacity,
                                          size_t* out_len) {
  return copy_text(guest, buffer, capacity, out_len,
                   [&](shim::Guest& self, std::string& text) { return self.connection_info(fd, text); });
}

wasi_netd_errno wasi_netd_resolve(wasi_netd_guest* guest, int32_t protocol_fd, const char* name, size_t name_len,
                                  char* buffer, size_t capacity, size_t* out_len) {
  return copy_text(guest, buffer, capacity, out_len, [&](shim::Guest& self, std::string& text) -> wasi_netd_errno {
    std::string_view asked;
    if (!view(name, name_len, asked)) return err::inval;
    return self.resolve(protocol_fd, asked, text);
  });
}

wasi_netd_errno wasi_netd_restrict(wasi_netd_guest* guest, int32_t fd, uint64_t rights_base, uint64_t rights_inheriting,
                                   int32_t* out_fd) {
  return new_fd(guest, out_fd, [&](shim::Guest& self, int32_t& weaker) {
    return self.restrict_rights(fd, {rights_base, rights_inheriting}, weaker);
  });
}

wasi_netd_errno wasi_netd_set_option(wasi_netd_guest* guest, int32_t fd, uint32_t option, uint32_t value) {
  return with(guest, {}, [&](shim::Guest& self) { return self.set_option(fd, option, value); });
}

wasi_netd_errno wasi_netd_get_option(wasi_netd_guest* guest, int32_t fd, uint32_t option, uint32_t* out_value) {
  return with(guest, {out_value}, [&](shim::Guest& self) { return self.get_option(fd, option, *out_value); });
}

wasi_netd_errno wasi_netd_send_to(wasi_netd_guest* guest, int32_t control_fd, const wasi_netd_ciovec* iovs,
                                  size_t count, const char* address, size_t address_len, size_t* out_written) {
  std::string_view to;
  if (!view(address, address_len, to)) return err::inval;
  return transfer_bytes(guest, iovs, count, out_written, [&](shim::Guest& self, auto buffers, size_t& moved) {
    return self.send_to(control_fd, buffers, to, moved);
  });
}

wasi_netd_errno wasi_netd_recv_from(wasi_netd_guest* guest, int32_t control_fd, const wasi_netd_iovec* iovs,
                                    size_t count, char* address, size_t capacity, size_t* out_address_len,
                                    size_t* out_read, uint32_t* out_flags) {
  if (out_address_len == nullptr || out_flags == nullptr || (address == nullptr && capacity != 0)) return err::inval;
  shim::Guest::Received got;
  const wasi_netd_errno error =
      transfer_bytes(guest, iovs, count, out_read, [&](shim::Guest& self, auto buffers, size_t& moved) {
        const wasi_netd_errno outcome = self.recv_from(control_fd, buffers, capacity, got);
        moved = got.count;
        return outcome;
      });
  if (error == err::success || error == err::overflow) *out_address_len = got.address.size();
  if (error != err::success) return error;
  std::copy(got.address.begin(), got.address.end(), address);
  *out_flags = got.truncated ? WASI_NETD_RECV_DATA_TRUNCATED : 0;
  return err::success;
}

wasi_netd_errno wasi_netd_read(wasi_netd_guest* guest, int32_t fd, const wasi_netd_iovec* iovs, size_t count,
                               size_t* out_read) {
  return transfer_bytes(guest, iovs, count, out_read,
                        [&](shim::Guest& self, auto buffers, size_t& moved) { return self.read(fd, buffers, moved); });
}

wasi_netd_errno wasi_netd_write(wasi_netd_guest* guest, int32_t fd, const wasi_netd_ciovec* iovs, size_t count,
                                size_t* out_written) {
  return transfer_bytes(guest, iovs, count, out_written,
                        [&](shim::Guest& self, auto buffers, size_t& moved) { return self.write(fd, buffers, moved); });
}

wasi_netd_errno wasi_netd_recv(wasi_netd_guest* guest, int32_t fd, const wasi_netd_iovec* iovs, size_t count,
                               uint32_t flags, size_t* out_read, uint32_t* out_flags) {
  if (out_flags == nullptr) return err::inval;
  bool truncated = false;
  const wasi_netd_errno error = transfer_bytes(
      guest, iovs, count, out_read,
      [&](shim::Guest& self, auto buffers, size_t& moved) { return self.recv(fd, buffers, flags, moved, truncated); });
  if (error == err::success) *out_flags = truncated ? WASI_NETD_RECV_DATA_TRUNCATED : 0;
  return error;
}

wasi_netd_errno wasi_netd_send(wasi_netd_guest* guest, int32_t fd, const wasi_netd_ciovec* iovs, size_t count,
                               size_t* out_written) {
  return transfer_bytes(guest, iovs, count, out_written,
                        [&](shim::Guest& self, auto buffers, size_t& moved) { return self.send(fd, buffers, moved); });
}

wasi_netd_errno wasi_netd_sock_accept(wasi_netd_guest* guest, int32_t control_fd, uint32_t fdflags,
                                      int32_t* out_stream_fd) {
  return new_fd(guest, out_stream_fd,
                [&](shim::Guest& self, int32_t& fd) { return self.sock_accept(control_fd, fdflags, fd); });
}

wasi_netd_errno wasi_netd_shutdown(wasi_netd_guest* guest, int32_t fd, uint32_t how) {
  return with(guest, {}, [&](shim::Guest& self) { return self.shutdown(fd, how); });
}

wasi_netd_errno wasi_netd_close(wasi_netd_guest* guest, int32_t fd) {
  return with(guest, {}, [&](shim::Guest& self) { return self.close(fd); });
}

wasi_netd_errno wasi_netd_renumber(wasi_netd_guest* guest, int32_t from, int32_t to) {
  return with(guest, {}, [&](shim::Guest& self) { return self.renumber(from, to); });
}

wasi_netd_errno wasi_netd_fdstat_get(wasi_netd_guest* guest, int32_t fd, wasi_netd_fdstat* out) {
  return with(guest, {out}, [&](shim::Guest& self) { return self.fdstat(fd, *out); });
}

wasi_netd_errno wasi_netd_fdstat_set_flags(wasi_netd_guest* guest, int32_t fd, uint16_t flags) {
  return with(guest, {}, [&](shim::Guest& self) { return self.set_flags(fd, flags); });
}

wasi_netd_errno wasi_netd_fdstat_set_rights(wasi_netd_guest* guest, int32_t fd, uint64_t rights_base,
                                            uint64_t rights_inheriting) {
  return with(guest, {}, [&](shim::Guest& self) { return self.set_rights(fd, {rights_base, rights_inheriting}); });
}

wasi_netd_errno wasi_netd_poll(wasi_netd_guest* guest, const wasi_netd_subscription* subscriptions, size_t count,
                               wasi_netd_event* events, size_t* out_events) {
  return with(guest, {subscriptions, events, out_events}, [&](shim::Guest& self) {
    return self.poll({subscriptions, count}, events, *out_events);
  });
}

}  // extern "C"
