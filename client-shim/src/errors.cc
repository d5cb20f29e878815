#include "client-shim/src/errors.h"

#include <cerrno>

namespace wasi_netd::shim {
namespace {

constexpr size_t kMaxText = 4096;

// Bytes of the UTF-8 sequence at the start of `text`; 0 when there is no valid one.
size_t sequence_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return lead == 0 ? 0 : 1;
  const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
  // The second byte's range shuts out overlong forms, surrogates and what lies above U+10FFFF.
  const unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (byte(1) < low || byte(1) > high) return 0;
  for (size_t i = 2; i < length; ++i) {
    if (byte(i) < 0x80 || byte(i) > 0xBF) return 0;
  }
  return length;
}

}  // namespace

Errno check_text(std::string_view text) {
  if (text.size() > kMaxText) return err::nametoolong;
  while (!text.empty()) {
    const size_t length = sequence_length(text);
    if (length == 0) return err::ilseq;
    text.remove_prefix(length);
  }
  return err::success;
}

Errno errno_from_host(int host_errno) {
  switch (host_errno) {
    case 0:
      return err::success;
    case EACCES:
      return err::acces;
    case EAGAIN:
      return err::again;
    case EBADF:
      return err::badf;
    case ECONNREFUSED:
      return err::connrefused;
    case ECONNRESET:
      return err::connreset;
    case EFBIG:
      return err::fbig;
    case EINVAL:
      return err::inval;
    case EISDIR:
      return err::isdir;
    case ELOOP:
      return err::loop;
    case EMFILE:
      return err::mfile;
    case ENAMETOOLONG:
      return err::nametoolong;
    case ENFILE:
      return err::nfile;
    case ENOBUFS:
      return err::nobufs;
    case ENOENT:
      return err::noent;
    case ENOMEM:
      return err::nomem;
    case ENOSPC:
      return err::nospc;
    case ENOTCONN:
      return err::notconn;
    case ENOTDIR:
      return err::notdir;
    case ENXIO:
      return err::nxio;
    case EPERM:
      return err::perm;
    case EPIPE:
      return err::pipe;
    default:
      return err::io;
  }
}

}  // namespace wasi_netd::shim
