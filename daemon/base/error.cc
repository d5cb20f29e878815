#include "daemon/base/error.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

namespace wasi_netd {

std::string_view to_string(Errno code) {
  switch (code) {
#define WASI_NETD_ERRNO(name, number) \
  case Errno::name:                   \
    return #name;
#include "wasi_netd/errno.def"
#undef WASI_NETD_ERRNO
  }
  return "io";
}

void throw_exception_from_error(const Error& error, const boost::source_location&) {
  throw std::runtime_error(std::string(to_string(error.code)) + ": " + error.detail);
}

Errno errno_from_system(int system_errno) {
  switch (system_errno) {
    case 0:
      return Errno::success;
    case EPERM:
      return Errno::perm;
    case EACCES:
      return Errno::acces;
    case EADDRINUSE:
      return Errno::addrinuse;
    case EADDRNOTAVAIL:
      return Errno::addrnotavail;
    case EAFNOSUPPORT:
      return Errno::afnosupport;
    case EAGAIN:
      return Errno::again;
    case EALREADY:
      return Errno::already;
    case EBADF:
      return Errno::badf;
    case EBUSY:
      return Errno::busy;
    case ECANCELED:
      return Errno::canceled;
    case ECONNABORTED:
      return Errno::connaborted;
    case ECONNREFUSED:
      return Errno::connrefused;
    case ECONNRESET:
      return Errno::connreset;
    case EHOSTDOWN:
    case EHOSTUNREACH:
      return Errno::hostunreach;
    case EINPROGRESS:
      return Errno::inprogress;
    case EINTR:
      return Errno::intr;
    case EINVAL:
      return Errno::inval;
    case EISCONN:
      return Errno::isconn;
    case ELOOP:
      return Errno::loop;
    case EMFILE:
      return Errno::nfile;
    case ENFILE:
      return Errno::nfile;
    case EMSGSIZE:
      return Errno::msgsize;
    case ENAMETOOLONG:
      return Errno::nametoolong;
    case ENETDOWN:
      return Errno::netdown;
    case ENETRESET:
      return Errno::netreset;
    case ENETUNREACH:
      return Errno::netunreach;
    case ENOBUFS:
      return Errno::nobufs;
    case ENODEV:
      return Errno::nodev;
    case ENOENT:
      return Errno::noent;
    case ENOMEM:
      return Errno::nomem;
    case ENOPROTOOPT:
      return Errno::noprotoopt;
    case ENOTCONN:
      return Errno::notconn;
    case ENOTDIR:
      return Errno::notdir;
    case ENOTSOCK:
      return Errno::notsock;
    case EOPNOTSUPP:
      return Errno::notsup;
    case EPIPE:
      return Errno::pipe;
    case EPROTO:
      return Errno::proto;
    case EPROTONOSUPPORT:
      return Errno::protonosupport;
    case EPROTOTYPE:
      return Errno::prototype;
    case EROFS:
      return Errno::rofs;
    case ETIMEDOUT:
      return Errno::timedout;
    default:
      return Errno::io;
  }
}

Error system_error(int system_errno, std::string_view what) {
  return Error{errno_from_system(system_errno), std::string(what) + ": " + std::strerror(system_errno)};
}

Error system_error(const boost::system::error_code& ec, std::string_view what) {
  // asio reports a closed socket's pending operations in its own words; everything else we use is the system's.
  if (ec.category() == boost::system::system_category()) return system_error(ec.value(), what);
  return Error{Errno::io, std::string(what) + ": " + ec.message()};
}

void bug(const char* expression, const char* file, int line, std::string_view state) {
  std::fprintf(stderr, "%s:%d: bug: %s does not hold; state: %.*s\n", file, line, expression,
               static_cast<int>(state.size()), state.data());
  std::abort();
}

}  // namespace wasi_netd
