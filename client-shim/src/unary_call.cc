#include "client-shim/src/unary_call.h"

namespace wasi_netd::shim {

Errno errno_from_status(const grpc::Status& status, Session& session) {
  switch (status.error_code()) {
    case grpc::StatusCode::OK:
      return err::success;
    // The connection is gone, or the daemon no longer knows the session.
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::UNAUTHENTICATED:
      session.mark_lost();
      return err::connaborted;
    case grpc::StatusCode::CANCELLED:
      return err::connaborted;
    case grpc::StatusCode::INVALID_ARGUMENT:
      return err::inval;
    case grpc::StatusCode::PERMISSION_DENIED:
      return err::acces;
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return err::nobufs;
    case grpc::StatusCode::UNIMPLEMENTED:
      return err::nosys;
    default:
      return err::io;
  }
}

}  // namespace wasi_netd::shim
