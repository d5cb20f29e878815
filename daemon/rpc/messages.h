#pragma once
// Between the messages of broker.proto and the broker's values. Pure.
#include <optional>
#include <string>

#include <grpcpp/support/status.h>

#include "daemon/base/error.h"
#include "daemon/base/token.h"
#include "daemon/broker/session.h"
#include "wasi_netd/v1/broker.pb.h"

namespace wasi_netd::rpc {

inline v1::Errno to_proto(Errno code) { return static_cast<v1::Errno>(code); }

inline broker::Rights from_proto(const v1::Rights& rights) { return {rights.base(), rights.inheriting()}; }
inline void to_proto(const broker::Rights& rights, v1::Rights* out) {
  out->set_base(rights.base);
  out->set_inheriting(rights.inheriting);
}

inline grpc::Status malformed(const char* what) { return {grpc::StatusCode::INVALID_ARGUMENT, what}; }
inline grpc::Status too_many_calls() { return {grpc::StatusCode::RESOURCE_EXHAUSTED, "too many calls at a time"}; }
inline grpc::Status unknown_session() { return {grpc::StatusCode::UNAUTHENTICATED, "unknown session"}; }

// A handle token that is not 16 bytes names nothing: it answers badf like any other unknown one.
inline Token handle_of(const std::string& raw) { return Token::parse(raw).value_or(Token{}); }

// A refusal in a reply: OK for gRPC, an errno for the guest; the detail stays here.
template <class Reply>
grpc::Status refuse(Reply& reply, const Error& error) {
  reply.set_error(to_proto(error.code));
  return grpc::Status::OK;
}
template <class Reply>
grpc::Status answer(Reply& reply, const Status& status) {
  return status ? grpc::Status::OK : refuse(reply, status.error());
}
inline grpc::Status answer(v1::HandleReply& reply, const Result<broker::NewHandle>& made) {
  if (!made) return refuse(reply, made.error());
  reply.set_handle(made->token.raw());
  to_proto(made->rights, reply.mutable_rights());
  return grpc::Status::OK;
}

}  // namespace wasi_netd::rpc
